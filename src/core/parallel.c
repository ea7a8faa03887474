/*
 * parallel.c
 *		k-means||, on a sample where that is as good.
 *
 * Rounds of k-means|| cost several passes over all rows.  Where there are many
 * more rows than a start needs, they run on a sample of contents, those of the
 * smallest hashes with the weight of all their copies, and Lloyd's algorithm
 * improves the result on the sample, which saves passes over the whole.
 *
 * A sample may miss what matters: a few far rows, or one content that makes up
 * much of the weight.  Then the sum of squared distances over all rows shows
 * it.  If its mean exceeds the sample's by more than PARALLEL_EXCESS, beyond
 * what is due to fitting centroids to so few rows, the rounds run on all rows.
 */
#include "core/seed.h"

#include "core/contents.h"
#include "core/lloyd.h"
#include "core/oversample.h"
#include "core/stats.h"

#define PARALLEL_SAMPLE	32768	/* contents, */
#define PARALLEL_SAMPLE_ROWS 64 /* but not fewer a cluster, */
#define PARALLEL_PART	16		/* nor more than so much of the rows; */
#define PARALLEL_MIN_ROWS 32	/* with fewer a cluster there is no sample */
#define PARALLEL_EXCESS	0.02
#define PARALLEL_MAX_ITER 20
#define PARALLEL_TOL	1e-4	/* of the mean variance */

static int	parallel_buckets(const KmLine *line, int k);
static bool parallel_sample(KmLine *line, int nbuckets, int k, int run, double *centroids);
static double parallel_start(KmTeam *team, KmRows *rows, const KmLine *line, int k,
							 int run, double *centroids, int *chosen);
static double parallel_distance(KmLine *line, const double *centroids, int k,
								double weight);

int
km_seed_parallel(KmLine *line, const KmGrid *grid, int k, int run, double *centroids)
{
	int			nbuckets = parallel_buckets(line, k);

	if (nbuckets > 0 && parallel_sample(line, nbuckets, k, run, centroids))
		return k;
	return km_oversample(line, grid, k, run, centroids);
}

/* how many buckets make a sample; 0 if there are too few rows for one */
static int
parallel_buckets(const KmLine *line, int k)
{
	int64_t		wanted = (int64_t) k * PARALLEL_SAMPLE_ROWS;

	wanted = wanted > PARALLEL_SAMPLE ? wanted : PARALLEL_SAMPLE;
	if (wanted > line->n / PARALLEL_PART)
		wanted = line->n / PARALLEL_PART;
	if (wanted < (int64_t) k * PARALLEL_MIN_ROWS || line->n < PARALLEL_SAMPLE)
		return 0;
	return (int) ((wanted << line->buckets_log2) / line->n) + 1;
}

/* a start from a sample; false if it is no good for all rows */
static bool
parallel_sample(KmLine *line, int nbuckets, int k, int run, double *centroids)
{
	KmTeam		solo = km_contents_team(line->team);
	KmChunk		sample;
	KmRows		rows;
	int			chosen;
	double		here;
	double		weight = km_line_weight(line);

	km_line_sample(line, nbuckets, &sample);
	rows = km_contents_rows(&solo, &sample, line->d);
	here = parallel_start(&solo, &rows, line, k, run, centroids, &chosen);
	km_contents_free(&solo, &sample);
	km_team_release(line->team, sample.weight);
	km_team_release(line->team, sample.values);

	/*
	 * Fitting takes about k / n off the mean on the sample and adds as much
	 * elsewhere.
	 */
	return chosen == k &&
		parallel_distance(line, centroids, k, weight) <=
		here * (1 + PARALLEL_EXCESS + 2.0 * k / (double) rows.n);
}

/* k-means|| and Lloyd on the sample; returns its mean squared distance */
static double
parallel_start(KmTeam *team, KmRows *rows, const KmLine *line, int k, int run,
			   double *centroids, int *chosen)
{
	KmStats    *stats = km_stats(team, rows, line->space);
	KmGrid	   *grid = km_grid_create(team, line->d, stats->largest, stats->smallest);
	KmLine	   *own = km_line_create(team, rows, line->space, false, ~line->seed,
									 km_oversample_size(k));
	KmLloydParams params = {.run = run,.max_iter = PARALLEL_MAX_ITER};
	double		mean;

	*chosen = km_oversample(own, grid, k, run, centroids);
	for (int t = 0; t < line->d; t++)
		params.threshold += PARALLEL_TOL / line->d * stats->variance[t];
	mean = km_lloyd(team, rows, line->space, grid, &params, centroids, *chosen).inertia /
		stats->total_weight;
	km_line_free(own);
	km_grid_free(team, grid);
	km_stats_free(team, stats);
	return mean;
}

/* the mean squared distance of all rows */
static double
parallel_distance(KmLine *line, const double *centroids, int k, double weight)
{
	KmExact		sum;

	km_exact_init(&sum);
	km_kernel_set(line->kernel, centroids, k);
	for (int c = 0; c < line->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(line->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE)
		{
			int			n = km_chunk_batch(chunk, start, KM_TILE);
			const double *w = km_chunk_weights(chunk, start);
			int32_t		nearest[KM_TILE];
			double		dist2[KM_TILE];

			km_kernel_assign(line->kernel, km_chunk_rows(chunk, line->d, start, n), n,
							 nearest, dist2, NULL);
			if (w == NULL)
				km_exact_add_many(&sum, dist2, n);
			else
				for (int i = 0; i < n; i++)
					km_exact_add_product(&sum, w[i], dist2[i]);
		}
	}
	km_exact_reduce(line->team, &sum, 1);
	return km_exact_mean(&sum, weight);
}
