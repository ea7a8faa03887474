/*
 * summary.c
 *		Statistics of the clusters of a finished fit.
 *
 * Three passes.  The first labels the rows and collects sizes, weights,
 * inertia, extremes and the sums of the raw values.  The second, with the means
 * known, collects squared deviations: divided by a power of two at least as
 * large as the feature's range, squared, and added on a grid of
 * SUMMARY_SQUARE_BITS bits below 1, so that deviations under 2^-60 of the range
 * are lost, but in any order.  The third counts the outlier scores, for which
 * the radii of all clusters must be known.
 */
#include "core/stats.h"

#include <math.h>
#include <string.h>

#include "core/bits.h"
#include "core/kernel.h"
#include "core/outlier.h"

#define SUMMARY_SQUARE_BITS 120
#define SUMMARY_ALL_VALUES (1 << 17)	/* distances to all clusters, at a time */
#define SUMMARY_WAITING	32		/* distances, see SummaryInertia */

/* What a summary needs besides what it returns. */
typedef struct Summarizer
{
	KmTeam	   *team;
	KmRows	   *rows;
	const KmSpace *space;
	const KmStats *raw;
	KmKernel   *kernel;
	KmSummary  *summary;
	double		largest_weight; /* see km_sums_addend() */
} Summarizer;

/*
 * The squared distances of a cluster's rows on their way into its inertia:
 * many together are added in a fraction of the time.
 */
typedef struct SummaryInertia
{
	KmExact		sum;
	int			n;
	double		dist2[SUMMARY_WAITING];
} SummaryInertia;

static KmSummary *summary_create(KmTeam *team, int k, int d);
static void summary_label(Summarizer *s);
static void summary_label_rows(Summarizer *s, KmChunk *chunk, int64_t start,
							   int n, KmSums *sums, SummaryInertia *waiting,
							   double *radius2);
static void summary_share(Summarizer *s, KmExact *inertia, double *radius2);
static void summary_spread(Summarizer *s);
static void summary_spread_rows(Summarizer *s, KmChunk *chunk, int64_t start,
								int n, const double *factor,
								const double *means, double *row,
								KmSums *squares);
static void summary_outliers(Summarizer *s);

KmSummary *
km_summarize(KmTeam *team, KmRows *rows, const KmSpace *space,
			 const KmStats *raw, const double *centroids, int k)
{
	Summarizer	s;

	s.team = team;
	s.rows = rows;
	s.space = space;
	s.raw = raw;
	s.kernel = km_kernel_create(team, space, k);
	s.summary = summary_create(team, k, rows->d);
	s.largest_weight = 0;
	km_kernel_set(s.kernel, centroids, k);

	summary_label(&s);
	summary_spread(&s);
	summary_outliers(&s);

	km_kernel_free(s.kernel);
	return s.summary;
}

static KmSummary *
summary_create(KmTeam *team, int k, int d)
{
	KmSummary  *summary = km_team_alloc(team, 1, sizeof(KmSummary));
	size_t		cells = (size_t) k * d;

	summary->k = k;
	summary->d = d;
	summary->size = km_team_alloc(team, k, sizeof(int64_t));
	summary->weight = km_team_alloc(team, k, sizeof(double));
	summary->inertia = km_team_alloc(team, k, sizeof(double));
	summary->radius_rms = km_team_alloc(team, k, sizeof(double));
	summary->radius_max = km_team_alloc(team, k, sizeof(double));
	summary->mean = km_team_alloc(team, cells, sizeof(double));
	summary->stddev = km_team_alloc(team, cells, sizeof(double));
	summary->min = km_team_alloc(team, cells, sizeof(double));
	summary->max = km_team_alloc(team, cells, sizeof(double));
	for (int j = 0; j < k; j++)
		summary->size[j] = 0;
	for (size_t cell = 0; cell < cells; cell++)
	{
		summary->min[cell] = INFINITY;
		summary->max[cell] = -INFINITY;
	}
	return summary;
}

/* the first pass */
static void
summary_label(Summarizer *s)
{
	KmTeam	   *team = s->team;
	KmSummary  *summary = s->summary;
	int			k = summary->k;
	KmGrid	   *grid = km_grid_create(team, summary->d, s->raw->largest,
									  s->raw->smallest);
	KmSums	   *sums = km_sums_create(team, grid, k);
	SummaryInertia *waiting = km_team_alloc(team, k, sizeof(SummaryInertia));
	double	   *radius2 = km_team_alloc(team, k, sizeof(double));
	KmExact    *inertia;

	for (int j = 0; j < k; j++)
	{
		km_exact_init(&waiting[j].sum);
		waiting[j].n = 0;
		radius2[j] = 0;
	}
	for (int c = 0; c < s->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(s->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE)
			summary_label_rows(s, chunk, start,
							   km_chunk_batch(chunk, start, KM_TILE), sums,
							   waiting, radius2);
	}
	inertia = km_team_alloc(team, k, sizeof(KmExact));
	for (int j = 0; j < k; j++)
	{
		km_exact_add_many(&waiting[j].sum, waiting[j].dist2, waiting[j].n);
		inertia[j] = waiting[j].sum;
	}
	km_team_release(team, waiting);
	km_sums_means(sums, summary->mean, summary->weight);
	summary_share(s, inertia, radius2);

	km_team_release(team, inertia);
	km_team_release(team, radius2);
	km_sums_free(sums);
	km_grid_free(team, grid);
}

static void
summary_label_rows(Summarizer *s, KmChunk *chunk, int64_t start, int n,
				   KmSums *sums, SummaryInertia *waiting, double *radius2)
{
	KmSummary  *summary = s->summary;
	int			d = summary->d;
	const double *w = km_chunk_weights(chunk, start);
	double		dist2[KM_TILE];

	km_kernel_assign(s->kernel, chunk->values + start * d, n,
					 chunk->label + start, dist2, NULL);
	for (int i = 0; i < n; i++)
	{
		const double *x = chunk->values + (start + i) * d;
		double		weight = w != NULL ? w[i] : 1;
		int			j = chunk->label[start + i];
		double	   *min = summary->min + (size_t) j * d;
		double	   *max = summary->max + (size_t) j * d;

		summary->size[j]++;
		radius2[j] = dist2[i] > radius2[j] ? dist2[i] : radius2[j];
		for (int t = 0; t < d; t++)
		{
			min[t] = x[t] < min[t] ? x[t] : min[t];
			max[t] = x[t] > max[t] ? x[t] : max[t];
		}
		if (weight == 0)
			continue;
		if (weight != 1)
			km_exact_add_product(&waiting[j].sum, weight, dist2[i]);
		else
		{
			waiting[j].dist2[waiting[j].n++] = dist2[i];
			if (waiting[j].n == SUMMARY_WAITING)
			{
				km_exact_add_many(&waiting[j].sum, waiting[j].dist2, SUMMARY_WAITING);
				waiting[j].n = 0;
			}
		}
		km_sums_add(sums, j, x, weight, 1);
		if (s->largest_weight < km_sums_addend(1, weight))
			s->largest_weight = km_sums_addend(1, weight);
	}
}

/* put together what the participants found in the first pass */
static void
summary_share(Summarizer *s, KmExact *inertia, double *radius2)
{
	KmTeam	   *team = s->team;
	KmSummary  *summary = s->summary;
	int			k = summary->k;
	int			d = summary->d;
	KmExact		total;

	for (size_t cell = 0; cell < (size_t) k * d; cell++)
		summary->min[cell] = -summary->min[cell];
	km_team_max(team, summary->min, (size_t) k * d);
	km_team_max(team, summary->max, (size_t) k * d);
	km_team_max(team, radius2, k);
	km_team_max(team, &s->largest_weight, 1);
	km_team_add(team, summary->size, k);
	km_exact_reduce(team, inertia, k);

	/* of sums, not of rounded numbers */
	km_exact_init(&total);
	for (int j = 0; j < k; j++)
		km_exact_merge(&total, &inertia[j]);
	summary->total_inertia = km_exact_value(&total);
	summary->total_weight = s->raw->total_weight;
	for (int j = 0; j < k; j++)
	{
		double		weight = summary->weight[j];

		summary->inertia[j] = km_exact_value(&inertia[j]);
		summary->radius_rms[j] = weight > 0 ?
			sqrt(km_exact_mean(&inertia[j], weight)) : 0;
		summary->radius_max[j] = sqrt(radius2[j]);
		for (int t = 0; t < d; t++)
		{
			size_t		cell = (size_t) j * d + t;

			summary->min[cell] = summary->size[j] > 0 ? -summary->min[cell] : NAN;
			if (summary->size[j] == 0)
				summary->max[cell] = NAN;
		}
	}
}

/* the second pass: standard deviations */
static void
summary_spread(Summarizer *s)
{
	KmTeam	   *team = s->team;
	KmSummary  *summary = s->summary;
	int			k = summary->k;
	int			d = summary->d;
	double	   *row = km_team_alloc(team, d, sizeof(double));
	double	   *least = km_team_alloc(team, d, sizeof(double));
	int		   *exponent = km_team_alloc(team, d, sizeof(int));
	double	   *factor = km_team_alloc(team, d, sizeof(double));
	double	   *mean = km_team_alloc(team, (size_t) k * d, sizeof(double));
	KmGrid	   *grid;
	KmSums	   *squares;
	double	   *weight;

	for (int t = 0; t < d; t++)
	{
		double		half = s->raw->max[t] / 2 - s->raw->min[t] / 2;

		exponent[t] = km_bits_cover(half) + 1;
		factor[t] = km_bits_pow2(-exponent[t]);
		row[t] = s->largest_weight;
		least[t] = s->largest_weight * km_bits_pow2(53 - SUMMARY_SQUARE_BITS);
	}
	for (int j = 0; j < k; j++)
		for (int t = 0; t < d; t++)
			mean[(size_t) j * d + t] = summary->mean[(size_t) j * d + t] * factor[t];
	grid = km_grid_create(team, d, row, least);
	squares = km_sums_create(team, grid, k);
	for (int c = 0; c < s->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(s->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE)
		{
			summary_spread_rows(s, chunk, start,
								km_chunk_batch(chunk, start, KM_TILE),
								factor, mean, row, squares);
			km_team_check(team);
		}
	}

	weight = km_team_alloc(team, k, sizeof(double));
	km_sums_means(squares, summary->stddev, weight);
	for (int j = 0; j < k; j++)
	{
		for (int t = 0; t < d; t++)
		{
			size_t		cell = (size_t) j * d + t;

			/* NaN stays NaN */
			if (summary->weight[j] > 0)
				summary->stddev[cell] = summary->min[cell] == summary->max[cell] ?
					0 : km_bits_scale(sqrt(summary->stddev[cell]), exponent[t]);
		}
	}
	km_team_release(team, weight);
	km_sums_free(squares);
	km_grid_free(team, grid);
	km_team_release(team, mean);
	km_team_release(team, factor);
	km_team_release(team, exponent);
	km_team_release(team, least);
	km_team_release(team, row);
}

static void
summary_spread_rows(Summarizer *s, KmChunk *chunk, int64_t start, int n,
					const double *factor, const double *means, double *row,
					KmSums *squares)
{
	int			d = s->summary->d;
	const double *w = km_chunk_weights(chunk, start);

	for (int i = 0; i < n; i++)
	{
		const double *x = chunk->values + (start + i) * d;
		int			j = chunk->label[start + i];
		const double *mean = means + (size_t) j * d;
		double		weight = w != NULL ? w[i] : 1;

		if (weight == 0)
			continue;
		for (int t = 0; t < d; t++)
		{
			double		deviation = x[t] * factor[t] - mean[t];

			row[t] = deviation * deviation;
		}
		km_sums_add(squares, j, row, weight, 1);
	}
}

/* the third pass: how far from everything */
static void
summary_outliers(Summarizer *s)
{
	KmTeam	   *team = s->team;
	KmSummary  *summary = s->summary;
	int			k = summary->k;
	int			d = summary->d;
	int			batch = SUMMARY_ALL_VALUES / k;
	double	   *reference = km_team_alloc(team, k, sizeof(double));
	KmScores   *scores = km_scores_create(team, summary->total_weight);
	double	   *all;

	/* whole vectors of rows, but not n x k distances */
	batch = batch < 8 ? 8 : batch > KM_TILE ? KM_TILE : batch;
	all = km_team_alloc(team, (size_t) batch * k, sizeof(double));
	km_outlier_reference(k, summary->size, summary->radius_rms,
						 summary->total_inertia, summary->total_weight, reference);
	for (int c = 0; c < s->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(s->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += batch)
		{
			int			n = km_chunk_batch(chunk, start, batch);
			const double *w = km_chunk_weights(chunk, start);

			km_kernel_all(s->kernel, chunk->values + start * d, n, all);
			for (int i = 0; i < n; i++)
			{
				const double *dist2 = all + (size_t) i * k;
				int			nearest = chunk->label[start + i];

				km_scores_add(scores,
							  km_outlier_score_from(nearest, k, dist2, reference),
							  w != NULL ? w[i] : 1);
			}
		}
	}
	km_scores_reduce(scores);
	km_scores_pack(scores, &summary->outliers);
	km_scores_free(scores);
	km_team_release(team, all);
	km_team_release(team, reference);
}
