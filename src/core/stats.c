/*
 * stats.c
 *		Statistics of the features, and of the clusters of a finished fit.
 *
 * Features: one pass for counts, extremes and exact sums, one for the squared
 * deviations from the mean.  The textbook's single pass, sum of x^2 minus n
 * times mean^2, loses everything where the mean is large beside the spread
 * (epoch seconds); and the squares of values over 1e154 overflow.  So the
 * second pass works on values divided by a power of two, minus the mean.  The
 * mean is itself rounded, by up to half a unit in its last place, which counts
 * where the spread is no larger than that; the variance about the rounded mean
 * m exceeds the true one by (mean - m)^2, and that is taken off, computed from
 * the exact sum.
 *
 * All sums are exact (KmExact), and so order-free.  Rows are taken in blocks
 * which are transposed, because km_exact_add_many() is fast on a column.
 *
 * Clusters: a first pass labels the rows and collects sizes, weights, inertia,
 * extremes and the sums of the raw values; a second one, with the means known,
 * collects squared deviations, and a third the outlier scores, for which the
 * radii of all clusters must be known.  The deviations are
 * divided by a power of two at least as large as the feature's range, squared,
 * and added on a grid of STATS_SQUARE_BITS bits below 1: deviations under
 * 2^-60 of the range are lost, but in any order.
 *
 * Scores go to bins found from the bits of the score.  Their weights are
 * fixed-point numbers of 128 bits, scaled so that the total weight fits: added
 * as integers, they are order-free too.  Bins lie in pages, one per exponent,
 * and a page exists when a score falls into it, which keeps small fits cheap.
 */
#include "core/stats.h"

#include <math.h>
#include <string.h>

#include "core/bits.h"
#include "core/kernel.h"

#define STATS_BLOCK		256		/* rows transposed at a time, at most */
#define STATS_BLOCK_VALUES (1 << 16)
#define STATS_SQUARE_BITS 120
#define STATS_ALL_VALUES (1 << 17)	/* distances to all clusters, at a time */

/* A block of rows in the space, feature by feature. */
typedef struct StatsBlock
{
	const KmSpace *space;
	int			rows;			/* at most */
	double	   *z;				/* d: a row */
	double	   *column;			/* d x rows */
} StatsBlock;

/* What is collected of one feature. */
typedef struct StatsFeature
{
	int64_t		present;
	double		min;			/* Infinity, -Infinity: none yet */
	double		max;
	double		largest;
	double		smallest;		/* Infinity: none yet */
} StatsFeature;

static int	stats_block_rows(int d);
static void stats_transpose(StatsBlock *block, const double *values, int nrows);
static void stats_collect(StatsFeature *feature, KmExact *sum, KmExact *weight,
						  double *x, const double *w, int n);
static void stats_deviations(KmExact *sum, double *x, const double *w, int n,
							 double mean, int exponent);
static void stats_share(KmTeam *team, StatsFeature *features, KmStats *stats);
static void stats_variance(KmStats *stats, int t, KmExact *sum,
						   const KmExact *squares, int exponent);

static inline const double *
stats_weights(const KmChunk *chunk, int64_t start)
{
	return chunk->weight != NULL ? chunk->weight + start : NULL;
}

/*
 * The exponent of a power of two that brings deviations of up to `most` to at
 * most 1.  Its inverse is a double; deviations under 2^-1000 stay small, which
 * their squares can bear.
 */
static inline int
stats_exponent(double most)
{
	int			exponent = most > 0 ? km_bits_exponent(most) + 1 : 0;

	return exponent > -1000 ? exponent : -1000;
}

/* x * 2^exponent, where 2^exponent alone may be too large */
static inline double
stats_multiply(double x, int exponent)
{
	return x * km_bits_pow2(exponent / 2) * km_bits_pow2(exponent - exponent / 2);
}

/* ---- Features ---- */

KmStats *
km_stats(KmTeam *team, KmRows *rows, const KmSpace *space)
{
	int			d = rows->d;
	KmStats    *stats = km_team_alloc(team, 1, sizeof(KmStats));
	StatsFeature *features = km_team_alloc(team, d, sizeof(StatsFeature));
	KmExact    *sums = km_team_alloc(team, d, sizeof(KmExact));
	KmExact    *squares = km_team_alloc(team, d, sizeof(KmExact));
	KmExact    *weights = km_team_alloc(team, (size_t) d + 1, sizeof(KmExact));
	int		   *exponent = km_team_alloc(team, d, sizeof(int));
	StatsBlock	block;

	block.space = space;
	block.rows = stats_block_rows(d);
	block.z = km_team_alloc(team, d, sizeof(double));
	block.column = km_team_alloc(team, (size_t) d * block.rows, sizeof(double));

	stats->d = d;
	stats->n = rows->n;
	stats->present = km_team_alloc(team, d, sizeof(int64_t));
	stats->weight = km_team_alloc(team, d, sizeof(double));
	stats->mean = km_team_alloc(team, d, sizeof(double));
	stats->stddev = km_team_alloc(team, d, sizeof(double));
	stats->min = km_team_alloc(team, d, sizeof(double));
	stats->max = km_team_alloc(team, d, sizeof(double));
	stats->largest = km_team_alloc(team, d, sizeof(double));
	stats->smallest = km_team_alloc(team, d, sizeof(double));

	for (int t = 0; t < d; t++)
	{
		features[t] = (StatsFeature) {0, INFINITY, -INFINITY, 0, INFINITY};
		km_exact_init(&sums[t]);
		km_exact_init(&squares[t]);
		km_exact_init(&weights[t]);
	}
	km_exact_init(&weights[d]);

	for (int c = 0; c < rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += block.rows)
		{
			int			n = (int) (chunk->nrows - start < block.rows ?
								   chunk->nrows - start : block.rows);
			const double *w = stats_weights(chunk, start);

			stats_transpose(&block, chunk->values + start * d, n);
			for (int t = 0; t < d; t++)
				stats_collect(&features[t], &sums[t], &weights[t],
							  block.column + (size_t) t * block.rows, w, n);
			if (w != NULL)
				km_exact_add_many(&weights[d], w, n);
			else
				km_exact_add(&weights[d], n);
			km_team_check(team);
		}
	}
	stats_share(team, features, stats);
	km_exact_reduce(team, sums, d);
	km_exact_reduce(team, weights, (size_t) d + 1);
	stats->total_weight = km_exact_value(&weights[d]);

	for (int t = 0; t < d; t++)
	{
		double		most;

		stats->weight[t] = km_exact_value(&weights[t]);

		most = stats->present[t] > 0 ?
			fmax(fabs(stats->min[t]), fabs(stats->max[t])) : 0;
		exponent[t] = stats_exponent(most);
		stats->mean[t] = stats->weight[t] > 0 ?
			km_exact_mean(&sums[t], stats->weight[t]) : NAN;
	}

	for (int c = 0; c < rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += block.rows)
		{
			int			n = (int) (chunk->nrows - start < block.rows ?
								   chunk->nrows - start : block.rows);

			stats_transpose(&block, chunk->values + start * d, n);
			for (int t = 0; t < d; t++)
				if (stats->min[t] < stats->max[t])
					stats_deviations(&squares[t],
									 block.column + (size_t) t * block.rows,
									 stats_weights(chunk, start), n,
									 stats->mean[t], exponent[t]);
			km_team_check(team);
		}
	}
	km_exact_reduce(team, squares, d);
	for (int t = 0; t < d; t++)
		stats_variance(stats, t, &sums[t], &squares[t], exponent[t]);

	km_team_release(team, block.column);
	km_team_release(team, block.z);
	km_team_release(team, exponent);
	km_team_release(team, weights);
	km_team_release(team, squares);
	km_team_release(team, sums);
	km_team_release(team, features);
	return stats;
}

void
km_stats_free(KmTeam *team, KmStats *stats)
{
	km_team_release(team, stats->smallest);
	km_team_release(team, stats->largest);
	km_team_release(team, stats->max);
	km_team_release(team, stats->min);
	km_team_release(team, stats->stddev);
	km_team_release(team, stats->mean);
	km_team_release(team, stats->weight);
	km_team_release(team, stats->present);
	km_team_release(team, stats);
}

static int
stats_block_rows(int d)
{
	int			rows = STATS_BLOCK_VALUES / d;

	return rows < 1 ? 1 : rows > STATS_BLOCK ? STATS_BLOCK : rows;
}

static void
stats_transpose(StatsBlock *block, const double *values, int nrows)
{
	int			d = block->space->d;
	bool		identity = km_space_identity(block->space);

	for (int i = 0; i < nrows; i++)
	{
		const double *row = values + (size_t) i * d;

		if (!identity)
		{
			km_space_row(block->space, row, block->z);
			row = block->z;
		}
		for (int t = 0; t < d; t++)
			block->column[(size_t) t * block->rows + i] = row[t];
	}
}

/* a column's part in the first pass; leaves the column's values in disorder */
static void
stats_collect(StatsFeature *feature, KmExact *sum, KmExact *weight,
			  double *x, const double *w, int n)
{
	double		min = feature->min;
	double		max = feature->max;
	double		largest = feature->largest;
	double		smallest = feature->smallest;
	int			present = 0;

	for (int i = 0; i < n; i++)
	{
		double		value = x[i];
		double		addend = fabs(value);

		if (isnan(value))
			continue;
		min = value < min ? value : min;
		max = value > max ? value : max;
		if (w != NULL)
		{
			present++;
			if (w[i] == 0)
				continue;
			addend = fabs(km_sums_addend(value, w[i]));
			km_exact_add_product(sum, w[i], value);
			km_exact_add(weight, w[i]);
		}
		else
			x[present++] = value;
		largest = addend > largest ? addend : largest;
		smallest = addend > 0 && addend < smallest ? addend : smallest;
	}
	if (w == NULL)
	{
		km_exact_add_many(sum, x, present);
		km_exact_add(weight, present);
	}
	feature->present += present;
	feature->min = min;
	feature->max = max;
	feature->largest = largest;
	feature->smallest = smallest;
}

/* a column's part in the second pass */
static void
stats_deviations(KmExact *sum, double *x, const double *w, int n,
				 double mean, int exponent)
{
	double		factor = km_bits_pow2(-exponent);
	double		m = mean * factor;
	int			present = 0;

	for (int i = 0; i < n; i++)
	{
		double		deviation = x[i] * factor - m;

		if (isnan(deviation) || (w != NULL && w[i] == 0))
			continue;
		if (w != NULL)
			km_exact_add_product(sum, w[i], deviation * deviation);
		else
			x[present++] = deviation * deviation;
	}
	km_exact_add_many(sum, x, present);
}

/* what does not add up but is counted or compared, over the team */
static void
stats_share(KmTeam *team, StatsFeature *features, KmStats *stats)
{
	int			d = stats->d;
	int64_t    *counts = km_team_alloc(team, (size_t) d + 1, sizeof(int64_t));
	double	   *extremes = km_team_alloc(team, d, 4 * sizeof(double));

	for (int t = 0; t < d; t++)
	{
		counts[t] = features[t].present;
		extremes[4 * t] = -features[t].min;
		extremes[4 * t + 1] = features[t].max;
		extremes[4 * t + 2] = features[t].largest;
		extremes[4 * t + 3] = -features[t].smallest;
	}
	counts[d] = stats->n;
	km_team_add(team, counts, (size_t) d + 1);
	km_team_max(team, extremes, 4 * (size_t) d);
	stats->n = counts[d];
	for (int t = 0; t < d; t++)
	{
		stats->present[t] = counts[t];
		stats->min[t] = counts[t] > 0 ? -extremes[4 * t] : NAN;
		stats->max[t] = counts[t] > 0 ? extremes[4 * t + 1] : NAN;
		stats->largest[t] = extremes[4 * t + 2];
		stats->smallest[t] = stats->largest[t] > 0 ? -extremes[4 * t + 3] : 0;
	}
	km_team_release(team, extremes);
	km_team_release(team, counts);
}

static void
stats_variance(KmStats *stats, int t, KmExact *sum, const KmExact *squares,
			   int exponent)
{
	double		w = stats->weight[t];
	double		lost;
	double		variance;

	if (!(w > 0))
	{
		stats->stddev[t] = NAN;
		return;
	}
	if (stats->min[t] == stats->max[t])
	{
		stats->stddev[t] = 0;
		return;
	}
	/* (sum - w * mean) / w is what the mean's rounding lost */
	km_exact_add_product(sum, -w, stats->mean[t]);
	lost = km_exact_mean(sum, w) * km_bits_pow2(-exponent);
	variance = km_exact_mean(squares, w) - lost * lost;
	stats->stddev[t] = variance > 0 ?
		stats_multiply(sqrt(variance), exponent) : 0;
}

/* ---- Clusters ---- */

#define HISTOGRAM_PAGES	2048	/* exponents */
#define HISTOGRAM_PAGE	128		/* bins of one exponent */
#define HISTOGRAM_BITS	120		/* of the fixed-point numbers, for all weights */

/* weight = bin * 2^unit */
typedef struct Histogram
{
	KmTeam	   *team;
	int			unit;
	unsigned __int128 *page[HISTOGRAM_PAGES];	/* NULL: no score there */
	double		largest;
} Histogram;

static Histogram *histogram_create(KmTeam *team, double total_weight);
static void histogram_free(Histogram *histogram);
static void histogram_add(Histogram *histogram, double score, double weight);
static void histogram_reduce(Histogram *histogram);
static void histogram_pack(Histogram *histogram, KmHistogram *packed);

#define SUMMARY_WAITING	32

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

/* the lesser of least and the score by one cluster */
static inline double
outlier_score(double dist2, double reference, double least)
{
	double		limit = least * reference;

	if (reference < 0)
		return least;

	/*
	 * Spare the root and the division where a comparison of squares, with a
	 * margin over its roundings, shows that they would be in vain.
	 */
	if (limit > 0x1p-400 && dist2 > limit * limit * (1 + 0x1p-40))
		return least;
	if (reference > 0)
		return fmin(least, sqrt(dist2) / reference);
	return dist2 == 0 ? 0 : least;
}

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

static inline int
summary_batch(const KmChunk *chunk, int64_t start, int most)
{
	return (int) (chunk->nrows - start < most ? chunk->nrows - start : most);
}

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
							   summary_batch(chunk, start, KM_TILE), sums,
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
	const double *w = stats_weights(chunk, start);
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
		s->largest_weight = fmax(s->largest_weight, km_sums_addend(1, weight));
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

		exponent[t] = stats_exponent(half) + 1;
		factor[t] = km_bits_pow2(-exponent[t]);
		row[t] = s->largest_weight;
		least[t] = s->largest_weight * km_bits_pow2(53 - STATS_SQUARE_BITS);
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
								summary_batch(chunk, start, KM_TILE),
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
					0 : stats_multiply(sqrt(summary->stddev[cell]), exponent[t]);
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
	const double *w = stats_weights(chunk, start);

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
	int			batch = STATS_ALL_VALUES / k;
	double	   *reference = km_team_alloc(team, k, sizeof(double));
	Histogram  *histogram = histogram_create(team, summary->total_weight);
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
			int			n = summary_batch(chunk, start, batch);
			const double *w = stats_weights(chunk, start);

			km_kernel_all(s->kernel, chunk->values + start * d, n, all);
			for (int i = 0; i < n; i++)
			{
				const double *dist2 = all + (size_t) i * k;
				int			label = chunk->label[start + i];
				double		score = outlier_score(dist2[label], reference[label],
												  INFINITY);

				/* as km_outlier_score(), but most are decided at once */
				for (int j = 0; j < k; j++)
					score = outlier_score(dist2[j], reference[j], score);
				histogram_add(histogram, score, w != NULL ? w[i] : 1);
			}
		}
	}
	histogram_reduce(histogram);
	histogram_pack(histogram, &summary->outliers);
	histogram_free(histogram);
	km_team_release(team, all);
	km_team_release(team, reference);
}

/* ---- Outlier scores ---- */

double
km_histogram_threshold(const KmHistogram *histogram, double contamination)
{
	double		total = 0;
	double		sum = 0;

	for (int b = 0; b < histogram->nbins; b++)
		total += histogram->weight[b];
	for (int b = 0; b < histogram->nbins; b++)
	{
		sum += histogram->weight[b];
		if (sum >= (1 - contamination) * total)
			return fmin(histogram->upper[b], histogram->largest);
	}
	return histogram->nbins > 0 ? histogram->largest : 0;
}

void
km_outlier_reference(int k, const int64_t *size, const double *radius_rms,
					 double inertia, double weight, double *reference)
{
	double		common = weight > 0 ? sqrt(inertia / weight) : 0;
	bool		all = true;

	for (int j = 0; j < k; j++)
		all = all && size[j] < 2;
	for (int j = 0; j < k; j++)
	{
		if (size[j] < 2 && !all)
			reference[j] = -1;
		else
			reference[j] = radius_rms[j] > 0 ? radius_rms[j] : common;
	}
}

double
km_outlier_score(int k, const double *dist2, const double *reference)
{
	double		least = INFINITY;

	for (int j = 0; j < k; j++)
		least = outlier_score(dist2[j], reference[j], least);
	return least;
}

static Histogram *
histogram_create(KmTeam *team, double total_weight)
{
	Histogram  *histogram = km_team_alloc(team, 1, sizeof(Histogram));

	memset(histogram, 0, sizeof(*histogram));
	histogram->team = team;
	histogram->unit = (total_weight > 0 ? km_bits_exponent(total_weight) : 0) +
		1 - HISTOGRAM_BITS;
	if (histogram->unit < -1074)
		histogram->unit = -1074;
	return histogram;
}

static void
histogram_free(Histogram *histogram)
{
	for (int p = 0; p < HISTOGRAM_PAGES; p++)
		km_team_release(histogram->team, histogram->page[p]);
	km_team_release(histogram->team, histogram);
}

static unsigned __int128 *
histogram_page(Histogram *histogram, int p)
{
	if (histogram->page[p] == NULL)
	{
		size_t		bytes = HISTOGRAM_PAGE * sizeof(unsigned __int128);

		histogram->page[p] = km_team_alloc(histogram->team, 1, bytes);
		memset(histogram->page[p], 0, bytes);
	}
	return histogram->page[p];
}

/* exponent and 7 bits of the mantissa; 0 is for score 0 alone */
static inline uint64_t
histogram_bin(double score)
{
	uint64_t	bin = km_bits_of(score) >> 45;

	return bin == 0 && score > 0 ? 1 : bin;
}

static void
histogram_add(Histogram *histogram, double score, double weight)
{
	uint64_t	bin = histogram_bin(score);
	int			exponent;
	unsigned __int128 units = km_bits_split(weight, &exponent);
	int			shift = exponent - histogram->unit;

	if (weight == 0)
		return;
	units = shift >= 0 ? units << shift : shift > -64 ? units >> -shift : 0;
	histogram_page(histogram, (int) (bin / HISTOGRAM_PAGE))[bin % HISTOGRAM_PAGE] += units;
	if (score > histogram->largest)
		histogram->largest = score;
}

static void
histogram_reduce(Histogram *histogram)
{
	enum
	{
		PIECES = 4				/* of 32 bits: the sums of a team fit int64 */
	};
	KmTeam	   *team = histogram->team;
	int64_t    *pieces;
	double	   *present;

	if (team->size <= 1)
		return;
	present = km_team_alloc(team, HISTOGRAM_PAGES + 1, sizeof(double));
	pieces = km_team_alloc(team, HISTOGRAM_PAGE * PIECES, sizeof(int64_t));
	for (int p = 0; p < HISTOGRAM_PAGES; p++)
		present[p] = histogram->page[p] != NULL;
	present[HISTOGRAM_PAGES] = histogram->largest;
	km_team_max(team, present, HISTOGRAM_PAGES + 1);
	histogram->largest = present[HISTOGRAM_PAGES];
	for (int p = 0; p < HISTOGRAM_PAGES; p++)
	{
		unsigned __int128 *page;

		if (present[p] == 0)
			continue;
		page = histogram_page(histogram, p);
		for (int b = 0; b < HISTOGRAM_PAGE; b++)
			for (int i = 0; i < PIECES; i++)
				pieces[b * PIECES + i] = (int64_t) (uint32_t) (page[b] >> (32 * i));
		km_team_add(team, pieces, HISTOGRAM_PAGE * PIECES);
		for (int b = 0; b < HISTOGRAM_PAGE; b++)
		{
			page[b] = 0;
			for (int i = 0; i < PIECES; i++)
				page[b] += (unsigned __int128) pieces[b * PIECES + i] << (32 * i);
		}
	}
	km_team_release(team, pieces);
	km_team_release(team, present);
}

static void
histogram_pack(Histogram *histogram, KmHistogram *packed)
{
	KmTeam	   *team = histogram->team;
	int			n = 0;

	for (int p = 0; p < HISTOGRAM_PAGES; p++)
		for (int b = 0; histogram->page[p] != NULL && b < HISTOGRAM_PAGE; b++)
			n += histogram->page[p][b] != 0;
	packed->nbins = n;
	packed->upper = km_team_alloc(team, n, sizeof(double));
	packed->weight = km_team_alloc(team, n, sizeof(double));
	packed->largest = histogram->largest;
	n = 0;
	for (int p = 0; p < HISTOGRAM_PAGES; p++)
		for (int b = 0; histogram->page[p] != NULL && b < HISTOGRAM_PAGE; b++)
		{
			uint64_t	bin = (uint64_t) p * HISTOGRAM_PAGE + b;
			double		upper = bin > 0 ? km_bits_double((bin + 1) << 45) : 0;

			if (histogram->page[p][b] == 0)
				continue;
			/* what follows the bin of Infinity is no number */
			packed->upper[n] = isnan(upper) ? INFINITY : upper;
			packed->weight[n] = (double) histogram->page[p][b] *
				km_bits_pow2(histogram->unit);
			n++;
		}
}
