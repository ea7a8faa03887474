/*
 * test_assignment.c
 *		Against all permutations, and on problems with a known answer.
 */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/assignment.h"
#include "core/kernel.h"

/* the least total of rows i .. nrow-1, when the columns in used are taken */
static double
brute(const double *cost, int nrow, int ncol, int i, unsigned used, int skip)
{
	double		best = INFINITY;

	if (i == nrow)
		return 0;
	for (int j = 0; j < ncol; j++)
		if (!(used & 1u << j))
			best = fmin(best, cost[i * ncol + j] +
						brute(cost, nrow, ncol, i + 1, used | 1u << j, skip));
	if (skip > 0)
		best = fmin(best, brute(cost, nrow, ncol, i + 1, used, skip - 1));
	return best;
}

/* the total of a valid matching of full size, else NaN */
static double
total(const double *cost, int nrow, int ncol, const int *match)
{
	bool	   *used = calloc(ncol, sizeof(bool));
	double		sum = 0;
	int			pairs = 0;

	for (int i = 0; i < nrow; i++)
	{
		if (match[i] < 0)
			continue;
		if (match[i] >= ncol || used[match[i]])
			sum = NAN;
		else
			used[match[i]] = true;
		sum += cost[(size_t) i * ncol + match[i]];
		pairs++;
	}
	free(used);
	return pairs == (nrow < ncol ? nrow : ncol) ? sum : NAN;
}

/* a matrix of costs, n x m */
typedef struct Matrix
{
	const double *cost;
	int			n;
	int			m;
} Matrix;

static const double *
matrix_costs(void *arg, int i, double *room)
{
	const Matrix *matrix = arg;

	if (matrix->n <= matrix->m)
		return matrix->cost + (size_t) i * matrix->m;
	for (int j = 0; j < matrix->n; j++)
		room[j] = matrix->cost[(size_t) j * matrix->m + i];
	return room;
}

static void
assign(const double *cost, int n, int m, int *match)
{
	Matrix		matrix = {.cost = cost, .n = n, .m = m};
	KmAssignment problem = {
		.n = n < m ? n : m,
		.m = n < m ? m : n,
		.most = 1e308,
		.costs = matrix_costs,
		.arg = &matrix
	};
	int		   *column = malloc(problem.n * sizeof(int));

	km_assignment(solo_team(), &problem, column);
	for (int i = 0; i < n; i++)
		match[i] = n <= m ? column[i] : -1;
	for (int j = 0; n > m && j < m; j++)
		match[column[j]] = j;
	free(column);
}

/* Points against the matrix of their distances, kept or not. */
static bool
points_match(int na, int nb, int d, uint64_t seed)
{
	double	   *a = malloc(na * d * sizeof(double));
	double	   *b = malloc(nb * d * sizeof(double));
	double	   *cost = malloc(na * nb * sizeof(double));
	int		   *match = malloc(na * sizeof(int));
	int		   *kept = malloc(na * sizeof(int));
	double		least;
	bool		good;

	for (int i = 0; i < na * d; i++)
		a[i] = uniform(seed, i);
	for (int i = 0; i < nb * d; i++)
		b[i] = uniform(seed + 1, i);
	for (int i = 0; i < na; i++)
		for (int j = 0; j < nb; j++)
			cost[i * nb + j] = km_kernel_dist2(a + i * d, b + j * d, d);
	assign(cost, na, nb, match);
	least = total(cost, na, nb, match);
	km_assignment_points(solo_team(), a, na, b, nb, d, SIZE_MAX, kept);
	km_assignment_points(solo_team(), a, na, b, nb, d, 0, match);
	good = total(cost, na, nb, match) == least &&
		memcmp(match, kept, na * sizeof(int)) == 0;
	free(kept);
	free(match);
	free(cost);
	free(b);
	free(a);
	return good;
}

void
test_assignment(void)
{
	double		cost[36];
	int			match[6];
	bool		good = true;

	for (int nrow = 1; nrow <= 6; nrow++)
		for (int ncol = 1; ncol <= 6; ncol++)
			for (uint64_t s = 0; s < 20; s++)
			{
				for (int i = 0; i < nrow * ncol; i++)
					cost[i] = s % 2 == 0 ? floor(10 * uniform(s, i)) : uniform(s, i);
				assign(cost, nrow, ncol, match);
				good = good &&
					near(total(cost, nrow, ncol, match),
						 brute(cost, nrow, ncol, 0, 0, nrow > ncol ? nrow - ncol : 0),
						 1e-12);
			}
	ok(good, "assignment: the least of all permutations, 1 .. 6 rows and columns");

	for (int i = 0; i < 9; i++)
		cost[i] = 1e308;
	cost[1] = cost[3] = cost[8] = 0;
	assign(cost, 3, 3, match);
	ok(match[0] == 1 && match[1] == 0 && match[2] == 2, "assignment: costs of 1e308");

	{
		int			k = 500;
		double	   *large = malloc((size_t) k * k * sizeof(double));
		int		   *pairs = malloc(k * sizeof(int));

		/* rows moved a little: each should find itself, at (i + 17) mod k */
		for (int i = 0; i < k; i++)
			for (int j = 0; j < k; j++)
			{
				double		x = normal(1, i) - normal(1, (j + k - 17) % k);
				double		y = normal(2, i) - normal(2, (j + k - 17) % k);

				large[(size_t) i * k + j] = x * x + y * y;
			}
		assign(large, k, k, pairs);
		good = true;
		for (int i = 0; i < k; i++)
			good = good && pairs[i] == (i + 17) % k;
		ok(good && total(large, k, k, pairs) == 0, "assignment: 500 clusters find themselves");
		free(pairs);
		free(large);
	}

	good = true;
	for (uint64_t s = 0; s < 20; s++)
		good = good && points_match(1 + s * 7 % 40, 1 + s * 11 % 40, 1 + s % 5, s);
	ok(good, "assignment: points, their distances kept or computed again");
	{
		double		far[] = {0, 1e200, 3};
		double		near_by[] = {1e200, 2, 1};

		km_assignment_points(solo_team(), far, 3, near_by, 3, 1, 0, match);
		ok(match[0] == 2 && match[1] == 0 && match[2] == 1,
		   "assignment: points whose distance has no square");
	}
}
