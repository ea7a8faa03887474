/*
 * test_assignment.c
 *		Against all permutations, and on problems with a known answer.
 */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/assignment.h"

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

void
test_assignment(void)
{
	KmTeam	   *team = solo_team();
	double		cost[36];
	int			match[6];
	bool		good = true;

	for (int nrow = 1; nrow <= 6; nrow++)
		for (int ncol = 1; ncol <= 6; ncol++)
			for (uint64_t s = 0; s < 20; s++)
			{
				for (int i = 0; i < nrow * ncol; i++)
					cost[i] = s % 2 == 0 ? floor(10 * uniform(s, i)) : uniform(s, i);
				km_assignment(team, cost, nrow, ncol, match);
				good = good &&
					near(total(cost, nrow, ncol, match),
						 brute(cost, nrow, ncol, 0, 0, nrow > ncol ? nrow - ncol : 0),
						 1e-12);
			}
	ok(good, "assignment: the least of all permutations, 1 .. 6 rows and columns");

	for (int i = 0; i < 9; i++)
		cost[i] = 1e308;
	cost[1] = cost[3] = cost[8] = 0;
	km_assignment(team, cost, 3, 3, match);
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
		km_assignment(team, large, k, k, pairs);
		good = true;
		for (int i = 0; i < k; i++)
			good = good && pairs[i] == (i + 17) % k;
		ok(good && total(large, k, k, pairs) == 0, "assignment: 500 clusters find themselves");
		free(pairs);
		free(large);
	}
}
