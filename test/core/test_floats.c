/*
 * test_floats.c
 *		Chunks of floats: as if they were of doubles.
 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "core/lloyd.h"
#include "core/quality.h"
#include "core/sample.h"
#include "core/seed.h"

#define N 3000
#define MAX_D 37
#define K 23

/* numbers that depend on every value of the rows */
typedef struct Found
{
	double		centroids[K * MAX_D];
	double		numbers[16 + 4 * MAX_D + 2 * K * MAX_D];
	int			n;
	uint16_t	label[N];
} Found;

static void
found_add(Found *found, const double *x, size_t n)
{
	memcpy(found->numbers + found->n, x, n * sizeof(double));
	found->n += (int) n;
}

/* everything that the core does with rows */
static void
look(TestRows *test, const KmSpace *space, KmSeedMethod method, Found *found)
{
	KmTeam	   *team = solo_team();
	KmRows	   *rows = &test->rows;
	int			d = rows->d;
	KmStats    *raw = km_stats(team, rows, &(KmSpace) {d, NULL, NULL, false});
	KmStats    *stats = km_stats(team, rows, space);
	KmGrid	   *grid = km_grid_create(team, d, stats->largest, stats->smallest);
	KmLloydParams params = {.run = 1,.max_iter = 50};
	KmSampler  *sampler = km_sampler_create(team, d, false, 100, 3);
	KmSample   *sample;
	KmSummary  *summary;
	KmSpread   *spread;
	KmAssessment assessment;
	KmSeeder   *seeder = km_seeder_create(team, rows, space, grid, method, K, 1);
	int			k = km_seed_all(seeder, 1, found->centroids);
	KmLloydResult result;

	km_seeder_free(seeder);
	result = km_lloyd(team, rows, space, grid, &params, found->centroids, k);
	found->n = 0;
	memcpy(found->label, test->label, sizeof(found->label));
	summary = km_summarize(team, rows, space, raw, found->centroids, k, NULL);
	assessment = km_assess(team, rows, space, found->centroids, k);
	spread = km_spread(team, rows, space, grid, k);
	km_sampler_add_rows(sampler, rows);
	sample = km_sampler_finish(sampler);
	found_add(found, (double[]) {k, result.inertia, result.n_iter, summary->total_inertia,
								 assessment.inertia, assessment.simplified,
								 summary->outliers.largest, (double) sample->n,
								 km_davies_bouldin(team, spread)}, 9);
	found_add(found, stats->mean, d);
	found_add(found, stats->variance, d);
	found_add(found, raw->largest, d);
	found_add(found, sample->values + (sample->n - 1) * d, d);
	found_add(found, summary->mean, (size_t) k * d);
	found_add(found, summary->stddev, (size_t) k * d);

	km_sample_free(team, sample);
	km_spread_free(team, spread);
	km_summary_free(team, summary);
	km_grid_free(team, grid);
	km_stats_free(team, stats);
	km_stats_free(team, raw);
}

void
test_floats(void)
{
	const KmSeedMethod methods[] = {KM_SEED_PLUSPLUS, KM_SEED_PARALLEL, KM_SEED_RANDOM};
	double		shift[MAX_D];
	double		scale[MAX_D];
	double	   *x = malloc(N * MAX_D * sizeof(double));
	double	   *weight = malloc(N * sizeof(double));
	Found	   *as_doubles = malloc(sizeof(Found));
	Found	   *as_floats = malloc(sizeof(Found));

	for (int t = 0; t < MAX_D; t++)
	{
		shift[t] = normal(1, t) / 7;
		scale[t] = 0.3 + uniform(2, t);
	}
	for (int d = 1; d <= MAX_D; d += 4)
		for (int s = 0; s < 3; s++)
		{
			KmSpace		space = {d, s > 0 ? shift : NULL, s > 0 ? scale : NULL, s > 1};
			KmSeedMethod method = methods[(d / 4 + s) % 3];
			TestRows   *rows;
			bool		good;

			for (int64_t i = 0; i < N; i++)
			{
				weight[i] = 1 + i % 3;
				for (int t = 0; t < d; t++)
					x[i * d + t] = (float) (normal(3 * s + d, (i % 1000) * d + t) +
											(i % 7) * (t % 3) + 0.1);
			}
			rows = rows_create(x, s == 1 ? weight : NULL, N, d, 500);
			look(rows, &space, method, as_doubles);
			rows_free(rows);
			good = true;
			for (int step = 1; step <= 2; step++)
			{
				rows = rows_create(x, s == 1 ? weight : NULL, N, d, 777);
				rows_narrow(rows, step);
				look(rows, &space, method, as_floats);
				good = good && as_floats->n == as_doubles->n &&
					same_all(as_floats->numbers, as_doubles->numbers, as_doubles->n) &&
					same_all(as_floats->centroids, as_doubles->centroids, (size_t) K * d) &&
					memcmp(as_floats->label, as_doubles->label, sizeof(as_doubles->label)) == 0;
				rows_free(rows);
			}
			ok(good, "floats: a fit as of doubles (d %d, space %d)", d, s);
		}
	free(as_floats);
	free(as_doubles);
	free(weight);
	free(x);
}
