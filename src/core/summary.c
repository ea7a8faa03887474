/*
 * summary.c
 *		Statistics of the clusters of a finished fit.
 *
 * The first pass labels the rows, or gives known labels their new numbers, and collects everything but the outlier
 * scores, for which the radii of all clusters must be known and which the
 * second pass counts.
 *
 * Standard deviations are collected about a centre near the cluster's mean, in
 * original units: the centroid, brought back from the space.  (For cosine a
 * centroid has no length, so one more pass finds the means before.)  A deviation
 * x - c is divided by a power of two at least as large as the feature's range,
 * squared, and added on a grid of SUMMARY_SQUARE_BITS bits below 1, so that
 * deviations under 2^-60 of the range are lost, but in any order.  Then the
 * variance is the mean of the squares minus (mean - c)^2, and since c is almost
 * the mean, nothing is lost in that difference.
 *
 * Few rows need the distances to all centroids for their score: most are so
 * near to theirs that no other can matter (km_outliers_score()).
 */
#include "core/stats.h"

#include <math.h>
#include <string.h>

#include "core/bits.h"
#include "core/groups.h"
#include "core/kernel.h"
#include "core/lanes.h"
#include "core/outlier.h"

#define SUMMARY_SQUARE_BITS 120

/* the loops over vectors, see summary_body.h */
typedef struct SummaryBody
{
	void		(*rows) (const double *x, const int32_t *pick, int n, int d,
						 const double *factor, const double *center,
						 double *min, double *max, double *square);
	double		(*gather) (const double *x, const int32_t *pick, int n, double *out);
} SummaryBody;

/* What a summary needs besides what it returns. */
typedef struct Summarizer
{
	KmTeam	   *team;
	KmRows	   *rows;
	const KmSpace *space;
	const KmStats *raw;
	const int32_t *renumbered;	/* k, or NULL */
	KmKernel   *kernel;
	KmSummary  *summary;

	int			batch;			/* rows that are looked at together, */
	double	   *dist2;			/* and their squared distances */

	/* in the first pass */
	KmGrid	   *grid;			/* of the raw values */
	KmSums	   *sums;
	KmGrid	   *square_grid;
	KmSums	   *squares;
	int		   *exponent;		/* d: of the power of two that divides deviations */
	double	   *factor;			/* d: its inverse */
	double	   *center;			/* k x d, times factor */
	const SummaryBody *body;
	KmGroups   *groups;
	double	   *square;			/* batch x d: squared deviations, by cluster */
	double	   *own;			/* batch: squared distances by cluster */
	int32_t    *all;			/* batch: 0, 1, 2, ... */
	KmExact    *inertia;		/* k */
	double	   *radius2;		/* k */
} Summarizer;

#define BODY_NAME(name)	name##_generic
#define BODY_TARGET
#include "core/summary_body.h"

#if defined(__x86_64__)
#define BODY_NAME(name)	name##_avx2
#define BODY_TARGET		__attribute__((target("avx2")))
#include "core/summary_body.h"
#endif

static const SummaryBody summary_bodies[] = {
	{summary_rows_generic, summary_gather_generic},
#if defined(__x86_64__)
	{summary_rows_avx2, summary_gather_avx2}
#endif
};

static KmSummary *summary_create(KmTeam *team, int k, int d);
static void summary_prepare(Summarizer *s, const double *centroids);
static double summary_weigh(Summarizer *s);
static void summary_centers(Summarizer *s, const double *centroids);
static void summary_means(Summarizer *s);
static void summary_collect(Summarizer *s);
static void summary_collect_rows(Summarizer *s, KmChunk *chunk, int64_t start, int n);
static void summary_label(Summarizer *s, const double *values, uint16_t *label, int n);
static void summary_own(Summarizer *s, const double *values, const uint16_t *label, int n);
static void summary_collect_cluster(Summarizer *s, int j, const int32_t *pick, int n,
									const double *values, const double *w);
static void summary_share(Summarizer *s);
static void summary_spread(Summarizer *s);
static void summary_release(Summarizer *s);
static void summary_outliers(Summarizer *s, const double *centroids);
KmSummary *
km_summarize(KmTeam *team, KmRows *rows, const KmSpace *space,
			 const KmStats *raw, const double *centroids, int k,
			 const int32_t *renumbered)
{
	Summarizer	s;

	s.team = team;
	s.rows = rows;
	s.space = space;
	s.raw = raw;
	s.renumbered = renumbered;
	s.kernel = km_kernel_create(team, space, k);
	s.summary = summary_create(team, k, rows->d);
	km_kernel_set(s.kernel, centroids, k);
	s.batch = km_rows_batch(rows->d);
	s.dist2 = km_team_alloc(team, s.batch, sizeof(double));

	summary_prepare(&s, centroids);
	summary_collect(&s);
	summary_share(&s);
	summary_spread(&s);
	summary_release(&s);
	summary_outliers(&s, centroids);

	km_team_release(team, s.dist2);
	km_kernel_free(s.kernel);
	return s.summary;
}

void
km_summary_free(KmTeam *team, KmSummary *summary)
{
	km_team_release(team, summary->size);
	km_team_release(team, summary->weight);
	km_team_release(team, summary->inertia);
	km_team_release(team, summary->radius_rms);
	km_team_release(team, summary->radius_max);
	km_team_release(team, summary->mean);
	km_team_release(team, summary->stddev);
	km_team_release(team, summary->min);
	km_team_release(team, summary->max);
	km_team_release(team, summary->outliers.upper);
	km_team_release(team, summary->outliers.weight);
	km_team_release(team, summary);
}

static KmSummary *
summary_create(KmTeam *team, int k, int d)
{
	KmSummary  *summary = km_team_alloc(team, 1, sizeof(KmSummary));
	size_t		cells = (size_t) k * d;
	size_t		check = km_check_every(d * sizeof(double));

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
	for (int j = 0; j < k; j++)
	{
		if (j % check == 0)
			km_team_check(team);
		for (size_t cell = (size_t) j * d; cell < (size_t) (j + 1) * d; cell++)
		{
			summary->min[cell] = INFINITY;
			summary->max[cell] = -INFINITY;
		}
	}
	return summary;
}

static void
summary_prepare(Summarizer *s, const double *centroids)
{
	KmTeam	   *team = s->team;
	const KmStats *raw = s->raw;
	int			k = s->summary->k;
	int			d = s->summary->d;
	double		weight = summary_weigh(s);
	double	   *most = km_team_alloc(team, d, sizeof(double));
	double	   *least = km_team_alloc(team, d, sizeof(double));

	s->body = &summary_bodies[0];
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		s->body = &summary_bodies[1];
#endif
	s->grid = km_grid_create(team, d, raw->largest, raw->smallest);
	s->sums = km_sums_create(team, s->grid, k);
	s->exponent = km_team_alloc(team, d, sizeof(int));
	s->factor = km_team_alloc(team, d, sizeof(double));
	s->center = km_team_alloc(team, (size_t) k * d, sizeof(double));
	s->groups = km_groups_create(team, k);
	s->square = km_team_alloc(team, (size_t) s->batch * d, sizeof(double));
	s->own = km_team_alloc(team, s->batch, sizeof(double));
	s->all = km_team_alloc(team, s->batch, sizeof(int32_t));
	s->inertia = km_team_alloc(team, k, sizeof(KmExact));
	s->radius2 = km_team_alloc(team, k, sizeof(double));
	for (int i = 0; i < s->batch; i++)
		s->all[i] = i;
	for (int t = 0; t < d; t++)
	{
		s->exponent[t] = km_bits_cover(raw->max[t] / 2 - raw->min[t] / 2) + 1;
		s->factor[t] = km_bits_pow2(-s->exponent[t]);
		most[t] = weight;
		least[t] = weight * km_bits_pow2(53 - SUMMARY_SQUARE_BITS);
	}
	s->square_grid = km_grid_create(team, d, most, least);
	s->squares = km_sums_create(team, s->square_grid, k);
	for (int j = 0; j < k; j++)
	{
		km_exact_init(&s->inertia[j]);
		s->radius2[j] = 0;
	}
	summary_centers(s, centroids);
	km_team_release(team, least);
	km_team_release(team, most);
}

static void
summary_release(Summarizer *s)
{
	KmTeam	   *team = s->team;

	km_team_release(team, s->radius2);
	km_team_release(team, s->inertia);
	km_team_release(team, s->all);
	km_team_release(team, s->own);
	km_team_release(team, s->square);
	km_groups_free(team, s->groups);
	km_team_release(team, s->center);
	km_team_release(team, s->factor);
	km_team_release(team, s->exponent);
	km_sums_free(s->squares);
	km_grid_free(team, s->square_grid);
	km_sums_free(s->sums);
	km_grid_free(team, s->grid);
}

/* what the squares' grid has to hold of the weights, see km_sums_addend() */
static double
summary_weigh(Summarizer *s)
{
	double		most = 0;

	for (int c = 0; c < s->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(s->rows, c);

		if (chunk->weight == NULL)
			most = most > 1 ? most : 1;
		else
			for (int64_t i = 0; i < chunk->nrows; i++)
			{
				double		addend = km_sums_addend(1, chunk->weight[i]);

				most = addend > most ? addend : most;
				if (i % 1024 == 0)
					km_team_check(s->team);
			}
	}
	km_team_max(s->team, &most, 1);
	return most;
}

/* a point among each cluster's rows: not beyond the feature's extremes */
static void
summary_centers(Summarizer *s, const double *centroids)
{
	int			d = s->summary->d;

	if (s->space->unit)
		summary_means(s);
	for (int j = 0; j < s->summary->k; j++)
	{
		double	   *center = s->center + (size_t) j * d;

		if (!s->space->unit)
			km_space_back(s->space, centroids + (size_t) j * d, center);
		for (int t = 0; t < d; t++)
		{
			center[t] = center[t] > s->raw->min[t] ? center[t] : s->raw->min[t];
			center[t] = center[t] < s->raw->max[t] ? center[t] : s->raw->max[t];
			center[t] *= s->factor[t];
		}
	}
}

/* the raw means of all clusters, as centres */
static void
summary_means(Summarizer *s)
{
	int			d = s->summary->d;

	for (int c = 0; c < s->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(s->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE)
		{
			int			n = km_chunk_batch(chunk, start, KM_TILE);
			const double *values = km_chunk_rows(chunk, d, start, n);
			const double *w = km_chunk_weights(chunk, start);
			int32_t		label[KM_TILE];
			double		dist2[KM_TILE];

			km_kernel_assign(s->kernel, values, n, label, dist2, NULL);
			for (int i = 0; i < n; i++)
				km_sums_add(s->sums, label[i], values + (size_t) i * d,
							w != NULL ? w[i] : 1, 1);
		}
	}
	km_sums_means(s->sums, s->center, s->summary->weight);
	km_sums_clear(s->sums);
}

/* the first pass */
static void
summary_collect(Summarizer *s)
{
	for (int c = 0; c < s->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(s->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += s->batch)
		{
			summary_collect_rows(s, chunk, start, km_chunk_batch(chunk, start, s->batch));
			km_team_check(s->team);
		}
	}
	km_sums_means(s->sums, s->summary->mean, s->summary->weight);
}

static void
summary_collect_rows(Summarizer *s, KmChunk *chunk, int64_t start, int n)
{
	int			d = s->summary->d;
	const double *values = km_chunk_rows(chunk, d, start, n);

	summary_label(s, values, chunk->label + start, n);
	km_groups_sort(s->groups, chunk->label + start, n);
	for (int j = 0; j < s->summary->k; j++)
	{
		int			begin = km_groups_begin(s->groups, j);
		int			end = km_groups_end(s->groups, j);

		if (begin < end)
			summary_collect_cluster(s, j, s->groups->pick + begin, end - begin,
									values, km_chunk_weights(chunk, start));
	}
}

/* a batch's labels and distances */
static void
summary_label(Summarizer *s, const double *values, uint16_t *label, int n)
{
	size_t		d = (size_t) s->summary->d;
	int32_t		nearest[KM_TILE];

	if (s->renumbered != NULL)
	{
		for (int i = 0; i < n; i++)
			label[i] = (uint16_t) s->renumbered[label[i]];
		summary_own(s, values, label, n);
		return;
	}
	for (int i = 0; i < n; i += KM_TILE)
	{
		int			m = n - i < KM_TILE ? n - i : KM_TILE;

		km_kernel_assign(s->kernel, values + i * d, m, nearest, s->dist2 + i, NULL);
		for (int r = 0; r < m; r++)
			label[i + r] = (uint16_t) nearest[r];
	}
}

/* a batch's distances, which takes less than to write and read them for all rows */
static void
summary_own(Summarizer *s, const double *values, const uint16_t *label, int n)
{
	size_t		d = (size_t) s->summary->d;

	for (int i = 0; i < n; i += KM_TILE)
		km_kernel_own(s->kernel, values + i * d, n - i < KM_TILE ? n - i : KM_TILE,
					  label + i, s->dist2 + i, NULL);
}

/* rows of one cluster, picked from a batch */
static void
summary_collect_cluster(Summarizer *s, int j, const int32_t *pick, int n,
						const double *values, const double *w)
{
	KmSummary  *summary = s->summary;
	size_t		d = (size_t) summary->d;
	double		largest = s->body->gather(s->dist2, pick, n, s->own);

	summary->size[j] += n;
	s->radius2[j] = largest > s->radius2[j] ? largest : s->radius2[j];
	s->body->rows(values, pick, n, summary->d, s->factor, s->center + j * d,
				  summary->min + j * d, summary->max + j * d, s->square);
	if (w == NULL)
	{
		km_exact_add_many(&s->inertia[j], s->own, n);
		km_sums_add_rows(s->sums, j, values, pick, n);
		km_sums_add_rows(s->squares, j, s->square, s->all, n);
		return;
	}
	for (int i = 0; i < n; i++)
	{
		km_exact_add_product(&s->inertia[j], w[pick[i]], s->own[i]);
		km_sums_add(s->sums, j, values + pick[i] * d, w[pick[i]], 1);
		km_sums_add(s->squares, j, s->square + i * d, w[pick[i]], 1);
	}
}

/* put together what the participants found in the first pass */
static void
summary_share(Summarizer *s)
{
	KmTeam	   *team = s->team;
	KmSummary  *summary = s->summary;
	int			k = summary->k;
	int			d = summary->d;
	KmExact    *inertia = s->inertia;
	KmExact		total;

	for (size_t cell = 0; cell < (size_t) k * d; cell++)
		summary->min[cell] = -summary->min[cell];
	km_team_max(team, summary->min, (size_t) k * d);
	km_team_max(team, summary->max, (size_t) k * d);
	km_team_max(team, s->radius2, k);
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
		summary->radius_max[j] = sqrt(s->radius2[j]);
		for (int t = 0; t < d; t++)
		{
			size_t		cell = (size_t) j * d + t;

			summary->min[cell] = summary->size[j] > 0 ? -summary->min[cell] : NAN;
			if (summary->size[j] == 0)
				summary->max[cell] = NAN;
		}
	}
}

/* standard deviations from the squares about the centres */
static void
summary_spread(Summarizer *s)
{
	KmSummary  *summary = s->summary;
	int			d = summary->d;
	double	   *weight = km_team_alloc(s->team, summary->k, sizeof(double));

	km_sums_means(s->squares, summary->stddev, weight);
	for (int j = 0; j < summary->k; j++)
		for (int t = 0; t < d; t++)
		{
			size_t		cell = (size_t) j * d + t;
			double		off = summary->mean[cell] * s->factor[t] - s->center[cell];
			double		variance = summary->stddev[cell] - off * off;

			/* without weight NaN, and so it stays */
			if (!(weight[j] > 0))
				continue;
			summary->stddev[cell] = summary->min[cell] < summary->max[cell] && variance > 0 ?
				km_bits_scale(sqrt(variance), s->exponent[t]) : 0;
		}
	km_team_release(s->team, weight);
}

/* the second pass: how far from everything */
static void
summary_outliers(Summarizer *s, const double *centroids)
{
	KmTeam	   *team = s->team;
	KmSummary  *summary = s->summary;
	int			k = summary->k;
	double	   *reference = km_team_alloc(team, k, sizeof(double));
	double	   *score = km_team_alloc(team, s->batch, sizeof(double));
	KmScores   *scores = km_scores_create(team, summary->total_weight);
	KmOutliers *outliers;

	km_outlier_reference(k, summary->size, summary->radius_rms,
						 summary->total_inertia, summary->total_weight, reference);
	outliers = km_outliers_create(team, s->space, centroids, k, reference, s->kernel);
	for (int c = 0; c < s->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(s->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += s->batch)
		{
			int			n = km_chunk_batch(chunk, start, s->batch);

			summary_own(s, km_chunk_rows(chunk, summary->d, start, n),
						chunk->label + start, n);
			km_outliers_score(outliers, chunk, start, s->dist2, n, score);
			km_scores_add(scores, score, km_chunk_weights(chunk, start), n);
			km_team_check(team);
		}
	}
	km_scores_reduce(scores);
	km_scores_pack(scores, &summary->outliers);
	km_outliers_free(outliers);
	km_scores_free(scores);
	km_team_release(team, score);
	km_team_release(team, reference);
}
