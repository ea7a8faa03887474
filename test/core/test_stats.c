/*
 * test_stats.c
 *		Statistics of the features.
 */
#include "test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/stats.h"

static KmStats *
stats_of(const double *x, const double *w, int64_t n, int d, int64_t chunk_rows)
{
	KmSpace		space = {d, NULL, NULL, false};
	TestRows   *rows = rows_create(x, w, n, d, chunk_rows);
	KmStats    *stats = km_stats(solo_team(), &rows->rows, &space);

	rows_free(rows);
	return stats;
}

static bool
same_stats(const KmStats *a, const KmStats *b)
{
	size_t		d = a->d;

	return a->n == b->n && same(a->total_weight, b->total_weight) &&
		memcmp(a->present, b->present, d * sizeof(int64_t)) == 0 &&
		same_all(a->weight, b->weight, d) && same_all(a->mean, b->mean, d) &&
		same_all(a->stddev, b->stddev, d) && same_all(a->variance, b->variance, d) &&
		same_all(a->min, b->min, d) && same_all(a->max, b->max, d) && same_all(a->largest, b->largest, d) &&
		same_all(a->smallest, b->smallest, d);
}

static void
test_known(void)
{
	KmTeam	   *team = solo_team();
	KmStats    *s = stats_of((double[]) {2, NAN, 4, NAN, 4, NAN, 4, 7, 5, NAN, 5, NAN, 7, NAN, 9, NAN},
							 NULL, 8, 2, 3);

	ok(s->n == 8 && s->total_weight == 8 && s->present[0] == 8 && s->weight[0] == 8 &&
	   s->mean[0] == 5 && s->stddev[0] == 2 && s->min[0] == 2 && s->max[0] == 9 &&
	   s->largest[0] == 9 && s->smallest[0] == 2, "stats: eight values");
	ok(s->present[1] == 1 && s->weight[1] == 1 && s->mean[1] == 7 &&
	   s->stddev[1] == 0 && s->min[1] == 7 && s->max[1] == 7, "stats: NaN is missing");
	km_stats_free(team, s);

	s = stats_of((double[]) {NAN, NAN}, NULL, 2, 1, 1);
	ok(s->present[0] == 0 && s->weight[0] == 0 && isnan(s->mean[0]) &&
	   isnan(s->stddev[0]) && isnan(s->min[0]) && isnan(s->max[0]) &&
	   s->largest[0] == 0 && s->smallest[0] == 0, "stats: nothing present");
	km_stats_free(team, s);

	s = stats_of((double[]) {1e300, DBL_MAX, 1e-300, 1e16, 0, -1e300, DBL_MAX, 3e-300, 1e16 + 2, -0x1p-1074},
				 NULL, 2, 5, 9);
	ok(s->mean[0] == 0 && s->stddev[0] == 1e300, "stats: 1e300 and -1e300");
	ok(s->mean[1] == DBL_MAX && s->stddev[1] == 0, "stats: the largest double twice");
	ok(near(s->mean[2], 2e-300, 1e-15) && near(s->stddev[2], 1e-300, 1e-15),
	   "stats: small values");
	ok(s->stddev[3] == 1, "stats: a spread of one unit in the last place");
	ok(s->min[4] == -0x1p-1074 && s->smallest[4] == 0x1p-1074, "stats: the smallest double");
	km_stats_free(team, s);

	s = stats_of((double[]) {1, 5, 3, 5, 11, 7, 13, 7}, NULL, 4, 2, 3);
	ok(s->variance[0] == 26 && s->variance[1] == 1 && s->stddev[1] == 1,
	   "stats: the variance is no square of a root");
	km_stats_free(team, s);
	s = stats_of((double[]) {1e300, -1e300}, NULL, 2, 1, 2);
	ok(s->stddev[0] == 1e300 && isinf(s->variance[0]), "stats: a variance that overflows");
	km_stats_free(team, s);

	s = stats_of((double[]) {1, 2, 100}, (double[]) {3, 0.5, 0}, 3, 1, 2);
	ok(s->total_weight == 3.5 && s->mean[0] == 4 / 3.5 && s->max[0] == 100 &&
	   s->largest[0] == 1 && s->smallest[0] == 1,
	   "stats: weight 0 counts in extremes only, fractions are folded");
	km_stats_free(team, s);
	s = stats_of((double[]) {DBL_MAX, 1}, (double[]) {1.5, 1}, 2, 1, 2);
	ok(isinf(s->largest[0]) && isfinite(s->mean[0]), "stats: a fold that overflows is told");
	km_stats_free(team, s);
}

static void
test_naive(void)
{
	enum
	{
		N = 3000, D = 3
	};
	static double x[N * D];
	static double w[N];
	KmTeam	   *team = solo_team();
	int64_t    *where = malloc(N * sizeof(int64_t));
	bool		naive = true;
	bool		order = true;

	for (int kind = 0; kind < 3; kind++)
	{
		KmSpace		space = {D, NULL, NULL, false};
		KmStats    *stats;

		for (int i = 0; i < N; i++)
		{
			w[i] = kind == 0 ? 1 : kind == 1 ? floor(4 * uniform(2, i)) : uniform(2, i);
			for (int t = 0; t < D; t++)
				x[i * D + t] = t == 0 ? 1.7e9 + normal(1, i) :
					t == 1 && i % 10 == 0 ? NAN : normal(3 + t, i);
		}
		stats = stats_of(x, kind == 0 ? NULL : w, N, D, 700);
		for (int t = 0; t < D; t++)
		{
			long double sum = 0;
			long double weight = 0;
			long double squares = 0;

			for (int i = 0; i < N; i++)
			{
				if (isnan(x[i * D + t]))
					continue;
				sum += (long double) w[i] * x[i * D + t];
				weight += w[i];
			}
			for (int i = 0; i < N; i++)
			{
				long double deviation = x[i * D + t] - sum / weight;

				if (!isnan(x[i * D + t]))
					squares += w[i] * deviation * deviation;
			}
			naive = naive && near(stats->weight[t], weight, 1e-15) &&
				fabsl(stats->mean[t] - sum / weight) <= 1e-16L * fabsl(sum / weight) + 1e-16L &&
				near(stats->stddev[t], sqrtl(squares / weight), 1e-14);
		}
		for (uint64_t s = 0; s < 3; s++)
		{
			TestRows   *rows = rows_create(x, kind == 0 ? NULL : w, N, D, N);
			TestRows   *other = rows_shuffled(rows, s, 100 + 77 * s, where);
			KmStats    *again = km_stats(team, &other->rows, &space);

			order = order && same_stats(stats, again);
			km_stats_free(team, again);
			rows_free(other);
			rows_free(rows);
		}
		km_stats_free(team, stats);
	}
	ok(naive, "stats: as computed in long double");
	ok(order, "stats: any order, any chunks");
	free(where);
}

static void
test_copies(void)
{
	enum
	{
		N = 200
	};
	KmTeam	   *team = solo_team();
	double		x[N];
	double		w[N];
	double	   *many = malloc(5 * N * sizeof(double));
	int			n = 0;
	KmStats    *weighted;
	KmStats    *copied;

	for (int i = 0; i < N; i++)
	{
		x[i] = normal(1, i);
		w[i] = 1 + floor(5 * uniform(2, i));
		for (int c = 0; c < w[i]; c++)
			many[n++] = x[i];
	}
	weighted = stats_of(x, w, N, 1, 64);
	copied = stats_of(many, NULL, n, 1, 64);
	ok(same(weighted->mean[0], copied->mean[0]) && same(weighted->stddev[0], copied->stddev[0]) &&
	   same(weighted->total_weight, copied->total_weight), "stats: weight w is w copies");
	km_stats_free(team, weighted);
	km_stats_free(team, copied);
	free(many);
}

static void
test_spaces(void)
{
	KmTeam	   *team = solo_team();
	double		x[] = {3, 4, 0, -2, 6, 8};
	double		shift[2] = {0, 2};
	double		scale[2] = {2, 4};
	KmSpace		scaled = {2, shift, scale, false};
	KmSpace		unit = {2, NULL, NULL, true};
	TestRows   *rows = rows_create(x, NULL, 3, 2, 2);
	KmStats    *stats = km_stats(team, &rows->rows, &scaled);

	ok(stats->min[0] == 0 && stats->max[0] == 3 && stats->min[1] == -1 &&
	   stats->max[1] == 1.5 && stats->mean[0] == 1.5, "stats: in a scaled space");
	km_stats_free(team, stats);
	stats = km_stats(team, &rows->rows, &unit);
	ok(stats->max[0] == 0.6 && stats->min[1] == -1 && stats->max[1] == 0.8,
	   "stats: of rows of length 1");
	km_stats_free(team, stats);
	rows_free(rows);
}

typedef struct TeamStats
{
	TestRows   *parts[3];
	KmStats    *result;
} TeamStats;

static void
team_stats(KmTeam *team, void *arg)
{
	TeamStats  *t = arg;
	KmSpace		space = {t->parts[team->rank]->rows.d, NULL, NULL, false};
	KmStats    *stats = km_stats(team, &t->parts[team->rank]->rows, &space);

	if (team->rank == 0)
		t->result = stats;
	else
		km_stats_free(team, stats);
}

static void
test_team(void)
{
	double		x[300];
	KmStats    *one;
	TeamStats	t;

	for (int i = 0; i < 300; i++)
		x[i] = i == 17 ? NAN : normal(9, i);
	one = stats_of(x, NULL, 100, 3, 100);
	t.parts[0] = rows_create(x, NULL, 60, 3, 20);
	t.parts[1] = rows_create(x + 180, NULL, 40, 3, 20);
	t.parts[2] = rows_create(x, NULL, 0, 3, 20);
	team_run(3, team_stats, &t);
	ok(same_stats(one, t.result), "stats: a team of three, one without rows");
	for (int p = 0; p < 3; p++)
		rows_free(t.parts[p]);
	km_stats_free(solo_team(), t.result);
	km_stats_free(solo_team(), one);
}

void
test_stats(void)
{
	test_known();
	test_naive();
	test_copies();
	test_spaces();
	test_team();
}
