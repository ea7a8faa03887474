/*
 * test_sums.c
 *		Exact sums: known hard cases, any order, weights as copies.
 */
#include "test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/sums.h"

/* the exact sum of n doubles, one at a time and all at once */
static double
sum_of(const double *x, int n)
{
	KmExact		one;
	KmExact		many;

	km_exact_init(&one);
	km_exact_init(&many);
	for (int i = 0; i < n; i++)
		km_exact_add(&one, x[i]);
	km_exact_add_many(&many, x, n);
	if (!same(km_exact_value(&one), km_exact_value(&many)))
		return NAN;
	return km_exact_value(&one);
}

#define SUM(...) sum_of((double[]) {__VA_ARGS__}, \
						sizeof((double[]) {__VA_ARGS__}) / sizeof(double))

static void
test_known(void)
{
	ok(same(SUM(0), 0) && same(SUM(1, -1), 0), "exact: nothing");
	ok(SUM(1e308, 1, -1e308) == 1, "exact: 1e308 + 1 - 1e308");
	ok(SUM(1e308, 1e308, -1e308) == 1e308, "exact: overflow on the way");
	ok(isinf(SUM(DBL_MAX, DBL_MAX)) && SUM(-DBL_MAX, -DBL_MAX) == -INFINITY,
	   "exact: overflow at the end");
	ok(SUM(DBL_MAX, 0x1p969) == DBL_MAX && isinf(SUM(DBL_MAX, 0x1p970)),
	   "exact: the last number before infinity");
	ok(SUM(1, 0x1p-53) == 1 && SUM(1 + 0x1p-52, 0x1p-53) == 1 + 0x1p-51,
	   "exact: ties go to even");
	ok(SUM(1, 0x1p-53, 0x1p-1074) == 1 + 0x1p-52 && SUM(1, 0x1p-53, -0x1p-1074) == 1,
	   "exact: a tie is decided by the last bit");
	ok(SUM(-1, -0x1p-53, -0x1p-1074) == -1 - 0x1p-52, "exact: so below zero");
	ok(SUM(0x1p-1074, 0x1p-1074) == 0x1p-1073 &&
	   SUM(0x1p-1022, -0x1p-1074) == 0x1p-1022 - 0x1p-1074 &&
	   SUM(0x1.8p-1022, -0x1p-1022) == 0x1p-1023, "exact: subnormals");
	ok(SUM(3, 0x1p900, -0x1p-900, -0x1p900, 0x1p-900) == 3, "exact: far apart");
	ok(SUM(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1) == 1, "exact: ten tenths");
}

static void
test_products(void)
{
	KmExact		sum;

	km_exact_init(&sum);
	km_exact_add_product(&sum, 0x1.fffffffffffffp0, 0x1.fffffffffffffp0);
	km_exact_add(&sum, -4);
	km_exact_add(&sum, 0x1p-50);
	ok(km_exact_value(&sum) == 0x1p-104, "product: exact");

	km_exact_init(&sum);
	km_exact_add_product(&sum, -3, 0x1p-1074);
	ok(km_exact_value(&sum) == -0x3p-1074, "product: subnormal");

	km_exact_init(&sum);
	km_exact_add_product(&sum, 1e200, 1e200);
	ok(isinf(km_exact_value(&sum)), "product: beyond the range");
	km_exact_init(&sum);
	km_exact_add_product(&sum, DBL_MAX, 2);
	km_exact_add_product(&sum, DBL_MAX, -1);
	ok(km_exact_value(&sum) == DBL_MAX, "product: beyond the range and back");
	km_exact_init(&sum);
	km_exact_add_product(&sum, 0x1p-1074, 0x1p-1074);
	ok(km_exact_value(&sum) == 0, "product: below the range");
}

/* numbers of very different size, both signs */
static double
wild(uint64_t seed, uint64_t i)
{
	int			exponent = (int) (uniform(seed + 1, i) * 2090) - 1070;

	return (uniform(seed, i) - 0.5) * km_bits_pow2(exponent);
}

static void
test_order(void)
{
	enum
	{
		N = 1000
	};
	double		x[N];
	bool		good = true;

	for (uint64_t s = 0; s < 20; s++)
	{
		KmExact		forward;
		KmExact		backward;
		KmExact		parts[7];
		KmExact		many;

		km_exact_init(&forward);
		km_exact_init(&backward);
		km_exact_init(&many);
		for (int p = 0; p < 7; p++)
			km_exact_init(&parts[p]);
		for (int i = 0; i < N; i++)
			x[i] = s % 2 == 0 ? wild(s, i) : normal(s, i);
		for (int i = 0; i < N; i++)
		{
			km_exact_add(&forward, x[i]);
			km_exact_add(&backward, x[N - 1 - i]);
			km_exact_add(&parts[i % 7], x[i]);
		}
		for (int i = 0; i < N; i += 37)
			km_exact_add_many(&many, x + i, N - i < 37 ? N - i : 37);
		for (int p = 1; p < 7; p++)
			km_exact_merge(&parts[0], &parts[p]);
		good = good && same(km_exact_value(&forward), km_exact_value(&backward)) &&
			same(km_exact_value(&forward), km_exact_value(&many)) &&
			same(km_exact_value(&forward), km_exact_value(&parts[0]));
		for (int i = 0; i < N; i++)
			km_exact_add(&forward, -x[i]);
		good = good && same(km_exact_value(&forward), 0);
	}
	ok(good, "exact: any order, in parts, and taken away again");

	/* integers below 2^100 in 128 bits are a second opinion */
	good = true;
	for (uint64_t s = 0; s < 20; s++)
	{
		__int128	sum = 0;
		KmExact		exact;

		km_exact_init(&exact);
		for (int i = 0; i < N; i++)
		{
			double		value = rint((uniform(s, i) - 0.5) * 0x1p53);
			int			shift = (int) (uniform(s + 99, i) * 60);

			sum += (__int128) value * ((__int128) 1 << shift);
			km_exact_add(&exact, value * km_bits_pow2(shift));
		}
		good = good && km_exact_value(&exact) == (double) sum;
	}
	ok(good, "exact: as in integers of 128 bits");

	/* more additions than digits hold without carries */
	{
		KmExact		exact;
		double		ones[4096];

		for (int i = 0; i < 4096; i++)
			ones[i] = 0x1.fffffffffffffp39;
		km_exact_init(&exact);
		for (int i = 0; i < 5000; i++)
			km_exact_add_many(&exact, ones, 4096);
		for (int i = 0; i < 5000000; i++)
			km_exact_add(&exact, -0x1.fffffffffffffp39);
		good = km_exact_value(&exact) == 15480000 * 0x1.fffffffffffffp39;
		ok(good, "exact: carries");
	}

	/* means */
	good = true;
	for (int n = 1; n < 3000; n++)
	{
		KmExact		exact;

		km_exact_init(&exact);
		km_exact_add_product(&exact, n, uniform(5, n));
		good = good && km_exact_mean(&exact, n) == uniform(5, n);
		km_exact_init(&exact);
		km_exact_add_product(&exact, n, -DBL_MAX);
		good = good && km_exact_mean(&exact, n) == -DBL_MAX;
	}
	ok(good, "exact: the mean of equal values is that value");
	good = true;
	for (int e = -1074; e < 1024; e++)
	{
		KmExact		exact;
		double		x = uniform(5, e + 2000) * 0x1p40;

		km_exact_init(&exact);
		km_exact_add_product(&exact, km_bits_pow2(e), x);
		good = good && km_exact_mean(&exact, km_bits_pow2(e)) == x;
	}
	ok(good, "exact: so with weights of any size");
}

/* ---- KmSums ---- */

static KmSums *
sums_for(KmTeam *team, const double *x, const double *w, int n, int d, int k,
		 KmGrid **grid)
{
	double	   *largest = calloc(d, sizeof(double));
	double	   *smallest = calloc(d, sizeof(double));
	KmSums	   *sums;

	for (int i = 0; i < n; i++)
		for (int t = 0; t < d; t++)
		{
			double		value = fabs(km_sums_addend(x[i * d + t], w != NULL ? w[i] : 1));

			if (value == 0 || (w != NULL && w[i] == 0))
				continue;
			largest[t] = fmax(largest[t], value);
			smallest[t] = smallest[t] == 0 ? value : fmin(smallest[t], value);
		}
	*grid = km_grid_create(team, d, largest, smallest);
	sums = km_sums_create(team, *grid, k);
	free(largest);
	free(smallest);
	return sums;
}

static void
test_sums_order(void)
{
	enum
	{
		N = 500, D = 7, K = 3
	};
	KmTeam	   *team = solo_team();
	static double x[N * D];
	double		w[N];
	bool		order = true;
	bool		exact = true;
	bool		gone = true;
	bool		means = true;

	for (int kind = 0; kind < 5; kind++)
	{
		KmGrid	   *grid;
		KmSums	   *a;
		KmSums	   *b;
		double		va[D];
		double		vb[D];
		double		wa;
		double		wb;
		double		mean[K * D];
		double		weight[K];

		for (int i = 0; i < N; i++)
		{
			w[i] = kind == 0 ? 1 :
				kind == 1 ? floor(5 * uniform(3, i)) :
				kind == 2 ? uniform(3, i) :
				kind == 3 ? floor(uniform(3, i) * 0x1p53) :
				i % 2 == 0 ? 3 : 2.5;
			for (int t = 0; t < D; t++)
				x[i * D + t] = t == 0 ? 0 :
					t == 1 ? floor(100 * uniform(4, i)) :
					t == 2 ? 1.7e9 + normal(4, i) :
					t == 3 ? (i % 2 == 0 ? 1e12 : 1e-10) * normal(5, i) :
					t == 4 ? 1e300 * normal(6, i) :
					t == 5 ? 0x1p-1060 * normal(7, i) : normal(8, i);
		}
		a = sums_for(team, x, w, N, D, K, &grid);
		b = km_sums_create(team, grid, K);
		for (int i = 0; i < N; i++)
			km_sums_add(a, i % K, x + i * D, w[i], 1);
		for (int i = N; i-- > 0;)
		{
			km_sums_add(b, (i + 1) % K, x + i * D, w[i], 1);
			km_sums_add(b, i % K, x + i * D, w[i], 1);
		}
		for (int i = 0; i < N; i++)
		{
			km_sums_move(b, (i + 1) % K, (i + 2) % K, x + i * D, w[i]);
			km_sums_add(b, (i + 2) % K, x + i * D, w[i], -1);
		}
		km_sums_means(a, mean, weight);
		for (int j = 0; j < K; j++)
		{
			km_sums_get(a, j, va, &wa);
			km_sums_get(b, j, vb, &wb);
			order = order && same_all(va, vb, D) && same(wa, wb);
			for (int t = 0; t < D; t++)
			{
				KmExact		sum;

				km_exact_init(&sum);
				for (int i = j; i < N; i += K)
				{
					if (km_sums_counts(w[i]))
						km_exact_add_product(&sum, w[i], x[i * D + t]);
					else
						km_exact_add(&sum, w[i] * x[i * D + t]);
				}
				exact = exact && same(km_exact_value(&sum), va[t]);
				means = means && same(km_exact_mean(&sum, wa), mean[j * D + t]);
			}
			means = means && same(wa, weight[j]);
		}
		for (int i = 0; i < N; i++)
			km_sums_add(a, i % K, x + i * D, w[i], -1);
		for (int j = 0; j < K; j++)
		{
			km_sums_get(a, j, va, &wa);
			gone = gone && same(wa, 0);
			for (int t = 0; t < D; t++)
				gone = gone && same(va[t], 0);
		}
		km_sums_free(b);
		km_sums_free(a);
		km_grid_free(team, grid);
	}
	ok(order, "sums: any order of additions, moves and removals");
	ok(exact, "sums: correctly rounded");
	ok(means, "sums: means");
	ok(gone, "sums: everything taken away leaves zero");
}

static void
test_sums_copies(void)
{
	enum
	{
		D = 5
	};
	KmTeam	   *team = solo_team();
	static const int copies[] = {1, 2, 3, 1023, 1024, 1025, 5000};
	double		z[D] = {0.1, -1e9 / 3, 12345, 1e-7, 1e12};
	KmGrid	   *grid;
	KmSums	   *a = sums_for(team, z, NULL, 1, D, 1, &grid);
	KmSums	   *b = km_sums_create(team, grid, 1);
	double		va[D];
	double		vb[D];
	double		wa;
	double		wb;
	bool		good = true;

	for (size_t c = 0; c < sizeof(copies) / sizeof(copies[0]); c++)
	{
		km_sums_add(a, 0, z, copies[c], 1);
		for (int i = 0; i < copies[c]; i++)
			km_sums_add(b, 0, z, 1, 1);
		km_sums_get(a, 0, va, &wa);
		km_sums_get(b, 0, vb, &wb);
		good = good && same_all(va, vb, D) && wa == wb;
	}
	ok(good, "sums: weight w is w copies");

	/* heavy weights until 2^63 is passed in the lowest digit, many times */
	km_sums_clear(a);
	km_sums_clear(b);
	for (int i = 0; i < 3000000; i++)
		km_sums_add(a, 0, z, 0x1p53, 1);
	for (int i = 0; i < 3000; i++)
		km_sums_add(b, 0, z, 1000 * 0x1p40, 1);
	km_sums_get(a, 0, va, &wa);
	km_sums_get(b, 0, vb, &wb);
	ok(wa == 3e6 * 0x1p53 && va[2] == 12345 * wa && va[0] == 0.1 * wa &&
	   wb == 3e6 * 0x1p40 && vb[2] == 12345 * wb && vb[0] == 0.1 * wb,
	   "sums: heavy weights and carries");
	km_sums_free(b);
	km_sums_free(a);
	km_grid_free(team, grid);

	/* small numbers beside large ones keep their digits */
	{
		double		x[2] = {1e12, 1e-10};

		a = sums_for(team, x, NULL, 2, 1, 1, &grid);
		km_sums_add(a, 0, &x[0], 1, 1);
		km_sums_add(a, 0, &x[1], 1, 1);
		km_sums_add(a, 0, &x[0], 1, -1);
		km_sums_get(a, 0, va, &wa);
		ok(va[0] == 1e-10 && wa == 1, "sums: 1e12 + 1e-10 - 1e12");
		km_sums_free(a);
		km_grid_free(team, grid);
	}
}

/* ---- teams ---- */

typedef struct TeamSums
{
	double		mean[3 * 2];
	double		weight[3];
	double		exact;
	bool		fractions;
} TeamSums;

static void
team_sums(KmTeam *team, void *arg)
{
	TeamSums   *result = arg;
	double		largest[2] = {1e10, 1e10};
	double		smallest[2] = {1e-10, 1e-10};
	KmGrid	   *grid = km_grid_create(team, 2, largest, smallest);
	KmSums	   *sums = km_sums_create(team, grid, 3);
	KmExact		exact;
	double		mean[3 * 2];
	double		weight[3];

	km_exact_init(&exact);
	for (int i = team->rank; i < 1000; i += team->size)
	{
		double		z[2] = {normal(1, i), 1e9 * normal(2, i)};

		/* only some participants ever see a fraction */
		km_sums_add(sums, i % 3, z, result->fractions && i % 6 == 1 ? 0.3 : 2, 1);
		km_exact_add(&exact, z[0]);
	}
	for (int round = 0; round < 2; round++)
		km_sums_means(sums, mean, weight);
	km_exact_reduce(team, &exact, 1);
	if (team->rank == 0)
	{
		memcpy(result->mean, mean, sizeof(mean));
		memcpy(result->weight, weight, sizeof(weight));
		result->exact = km_exact_value(&exact);
	}
	km_sums_free(sums);
	km_grid_free(team, grid);
}

static void
test_sums_team(void)
{
	bool		good = true;

	for (int fractions = 0; fractions < 2; fractions++)
	{
		TeamSums	one = {.fractions = fractions};

		team_sums(solo_team(), &one);
		for (int size = 2; size <= 3; size++)
		{
			TeamSums	several = {.fractions = fractions};

			team_run(size, team_sums, &several);
			good = good && same_all(one.mean, several.mean, 6) &&
				same_all(one.weight, several.weight, 3) &&
				same(one.exact, several.exact);
		}
	}
	ok(good, "sums: a team computes what one does");
}

/*
 * Rows added together are the rows added one by one, to the last digit: they
 * are taken away one by one, and nothing remains.  spread: how far, in powers
 * of two, values lie apart; 0: some ties of the grid's rounding.
 */
static bool
rows_together(int d, int n, int spread, uint64_t seed)
{
	enum
	{
		K = 3
	};
	KmTeam	   *team = solo_team();
	double	   *x = malloc((size_t) n * d * sizeof(double));
	int32_t    *pick = malloc(n * sizeof(int32_t));
	KmGrid	   *grid;
	KmSums	   *sums;
	double	   *zero = malloc(d * sizeof(double));
	bool		good = true;

	for (int i = 0; i < n * d; i++)
		x[i] = spread == 0 ? (i % 4) * 0x1p-321 + (i < d) :
			ldexp(normal(seed, i), -(int) (spread * uniform(seed + 1, i)));
	sums = sums_for(team, x, NULL, n, d, K, &grid);
	km_sums_clear(sums);
	for (int j = 0; j < K; j++)
	{
		double		weight;
		int			m = 0;

		for (int i = n - 1; i >= 0; i--)
			if (i % K == j)
				pick[m++] = i;
		km_sums_add_rows(sums, j, x, pick, m);
		km_sums_get(sums, j, zero, &weight);
		good = good && weight == m;
		for (int i = 0; i < m; i++)
			km_sums_add(sums, j, x + (size_t) pick[i] * d, 1, -1);
		km_sums_get(sums, j, zero, &weight);
		good = good && weight == 0;
		for (int t = 0; t < d; t++)
			good = good && zero[t] == 0;
	}
	km_sums_free(sums);
	km_grid_free(team, grid);
	free(zero);
	free(pick);
	free(x);
	return good;
}

static void
test_sums_rows(void)
{
	static const int spreads[] = {0, 1, 20, 60, 120, 400, 900};
	static const int sizes[] = {1, 5, 12, 600, 3 * KM_SUMS_ROWS};
	bool		good = true;

	for (size_t s = 0; s < sizeof(spreads) / sizeof(spreads[0]); s++)
		for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++)
			for (int d = 1; d <= 9; d++)
				good = good && rows_together(d, sizes[n], spreads[s], 100 * s + d);
	ok(good, "sums: rows added together, taken away one by one");
}

void
test_sums(void)
{
	test_known();
	test_products();
	test_order();
	test_sums_order();
	test_sums_copies();
	test_sums_rows();
	test_sums_team();
}
