/*
 * parallel.c
 *		k-means|| on a sample, where that is as good as on all rows.
 *
 * Rounds of k-means|| cost several passes over all rows.  Where there are many
 * more rows than a start needs, they run on a sample of contents, those of the
 * smallest hashes with the weight of all their copies, and Lloyd's algorithm
 * improves the result on the sample, which saves passes over the whole.
 *
 * It stays small beside any memory that a fit is given: of very wide rows there
 * are fewer, and where those are too few for the clusters, no sample is drawn.
 *
 * A sample may miss what matters: a few far rows, or one content that makes up
 * much of the weight.  Then the sum of squared distances over all rows shows
 * it, which is known after the first pass of Lloyd's algorithm: if its mean
 * exceeds the sample's by more than PARALLEL_EXCESS, beyond what is due to
 * fitting centroids to so few rows, the rounds have to run on all rows.
 */
#include "core/seed.h"

#include "core/contents.h"
#include "core/lloyd.h"
#include "core/oversample.h"
#include "core/sample.h"
#include "core/stats.h"

#define PARALLEL_SAMPLE	32768	/* contents, */
#define PARALLEL_SAMPLE_ROWS 64 /* but not fewer a cluster, */
#define PARALLEL_PART	16		/* nor more than so much of the rows, */
#define PARALLEL_VALUES (1 << 21)	/* nor than so many values; */
#define PARALLEL_MIN_ROWS 32	/* with fewer a cluster there is no sample */
#define PARALLEL_EXCESS	0.02
#define PARALLEL_MAX_ITER 20
#define PARALLEL_TOL	1e-4	/* of the mean variance */

static int64_t parallel_size(int64_t n, int k, int d);
static double parallel_start(KmTeam *team, KmRows *rows, const KmSpace *space, int k,
							 uint64_t seed, int run, double *centroids, int *chosen);

bool
km_seed_sample(KmTeam *team, KmRows *rows, const KmSpace *space, int k, uint64_t seed,
			   int run, double *centroids, double *most)
{
	KmTeam		solo = km_contents_team(team);
	int64_t		n = rows->n;
	int64_t		wanted;
	KmSampler  *sampler;
	KmSample   *sample;
	KmChunk		contents = {0};
	KmRows		contents_rows;
	int			chosen;
	double		mean;

	km_team_add(team, &n, 1);
	wanted = parallel_size(n, k, rows->d);
	if (wanted == 0)
		return false;
	sampler = km_sampler_create(team, rows->d, rows->weighted, 2 * wanted, seed);
	km_sampler_limit(sampler, (double) wanted / (double) n);
	km_sampler_add_rows(sampler, rows);
	sample = km_sampler_finish(sampler);

	contents.nrows = sample->n;
	contents.values = sample->values;
	contents.weight = sample->weight;
	contents_rows = km_contents_rows(&solo, &contents, rows->d);
	mean = parallel_start(&solo, &contents_rows, space, k, seed, run, centroids, &chosen);
	km_contents_free(&solo, &contents);

	/*
	 * Fitting takes about k / n off the mean on the sample and adds as much
	 * elsewhere.
	 */
	*most = mean * (1 + PARALLEL_EXCESS + 2.0 * k / (double) sample->n);
	km_sample_free(team, sample);
	return chosen == k;
}

/* how many contents make a sample; 0 if there are too few rows for one */
static int64_t
parallel_size(int64_t n, int k, int d)
{
	int64_t		wanted = (int64_t) k * PARALLEL_SAMPLE_ROWS;

	wanted = wanted > PARALLEL_SAMPLE ? wanted : PARALLEL_SAMPLE;
	if (wanted > n / PARALLEL_PART)
		wanted = n / PARALLEL_PART;
	if (wanted > PARALLEL_VALUES / d)
		wanted = PARALLEL_VALUES / d;
	return wanted < (int64_t) k * PARALLEL_MIN_ROWS || n < PARALLEL_SAMPLE ? 0 : wanted;
}

/* k-means|| and Lloyd on the sample; returns its mean squared distance */
static double
parallel_start(KmTeam *team, KmRows *rows, const KmSpace *space, int k, uint64_t seed,
			   int run, double *centroids, int *chosen)
{
	KmStats    *stats = km_stats(team, rows, space);
	KmGrid	   *grid = km_grid_create(team, space->d, stats->largest, stats->smallest);
	KmLine	   *line = km_line_create(team, rows, space, false, ~seed, km_oversample_size(k));
	KmLloydParams params = {.run = run,.max_iter = PARALLEL_MAX_ITER};
	double		mean;

	*chosen = km_oversample(line, grid, k, run, centroids);
	for (int t = 0; t < space->d; t++)
		params.threshold += PARALLEL_TOL / space->d * stats->variance[t];
	mean = km_lloyd(team, rows, space, grid, &params, centroids, *chosen).inertia /
		stats->total_weight;
	km_line_free(line);
	km_grid_free(team, grid);
	km_stats_free(team, stats);
	return mean;
}
