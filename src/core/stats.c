/*
 * stats.c
 *		Statistics of the features.
 *
 * One pass for counts, extremes and exact sums, one for the squared
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
 */
#include "core/stats.h"

#include <math.h>
#include <string.h>

#include "core/bits.h"

#define STATS_BLOCK		256		/* rows transposed at a time, at most */
#define STATS_BLOCK_VALUES (1 << 16)

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

static KmStats *stats_create(KmTeam *team, int d);
static KmExact *stats_zeros(KmTeam *team, size_t n);
static int	stats_block_rows(int d);
static void stats_transpose(StatsBlock *block, const double *values, int nrows);
static void stats_collect(StatsFeature *feature, KmExact *sum, KmExact *weight,
						  double *x, const double *w, int n);
static int	stats_scale(const KmStats *stats, int t);
static void stats_deviations(KmExact *sum, double *x, const double *w, int n,
							 double mean, int exponent);
static void stats_share(KmTeam *team, StatsFeature *features, KmStats *stats);
static void stats_variance(KmStats *stats, int t, KmExact *sum,
						   const KmExact *squares, int exponent);

KmStats *
km_stats(KmTeam *team, KmRows *rows, const KmSpace *space)
{
	int			d = rows->d;
	KmStats    *stats = stats_create(team, d);
	StatsFeature *features = km_team_alloc(team, d, sizeof(StatsFeature));
	KmExact    *sums = stats_zeros(team, d);
	KmExact    *squares = stats_zeros(team, d);
	KmExact    *weights = stats_zeros(team, (size_t) d + 1);	/* the last: of all rows */
	StatsBlock	block;

	block.space = space;
	block.rows = stats_block_rows(d);
	block.z = km_team_alloc(team, d, sizeof(double));
	block.column = km_team_alloc(team, (size_t) d * block.rows, sizeof(double));

	for (int t = 0; t < d; t++)
		features[t] = (StatsFeature) {0, INFINITY, -INFINITY, 0, INFINITY};
	for (int c = 0; c < rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += block.rows)
		{
			int			n = km_chunk_batch(chunk, start, block.rows);
			const double *w = km_chunk_weights(chunk, start);

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
	stats->n = rows->n;
	stats_share(team, features, stats);
	km_exact_reduce(team, sums, d);
	km_exact_reduce(team, weights, (size_t) d + 1);
	stats->total_weight = km_exact_value(&weights[d]);
	for (int t = 0; t < d; t++)
	{
		stats->weight[t] = km_exact_value(&weights[t]);
		stats->mean[t] = stats->weight[t] > 0 ?
			km_exact_mean(&sums[t], stats->weight[t]) : NAN;
	}

	for (int c = 0; c < rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += block.rows)
		{
			int			n = km_chunk_batch(chunk, start, block.rows);

			stats_transpose(&block, chunk->values + start * d, n);
			for (int t = 0; t < d; t++)
				if (stats->min[t] < stats->max[t])
					stats_deviations(&squares[t],
									 block.column + (size_t) t * block.rows,
									 km_chunk_weights(chunk, start), n,
									 stats->mean[t], stats_scale(stats, t));
			km_team_check(team);
		}
	}
	km_exact_reduce(team, squares, d);
	for (int t = 0; t < d; t++)
		stats_variance(stats, t, &sums[t], &squares[t], stats_scale(stats, t));

	km_team_release(team, block.column);
	km_team_release(team, block.z);
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

static KmStats *
stats_create(KmTeam *team, int d)
{
	KmStats    *stats = km_team_alloc(team, 1, sizeof(KmStats));

	stats->d = d;
	stats->present = km_team_alloc(team, d, sizeof(int64_t));
	stats->weight = km_team_alloc(team, d, sizeof(double));
	stats->mean = km_team_alloc(team, d, sizeof(double));
	stats->stddev = km_team_alloc(team, d, sizeof(double));
	stats->min = km_team_alloc(team, d, sizeof(double));
	stats->max = km_team_alloc(team, d, sizeof(double));
	stats->largest = km_team_alloc(team, d, sizeof(double));
	stats->smallest = km_team_alloc(team, d, sizeof(double));
	return stats;
}

static KmExact *
stats_zeros(KmTeam *team, size_t n)
{
	KmExact    *sums = km_team_alloc(team, n, sizeof(KmExact));

	for (size_t i = 0; i < n; i++)
		km_exact_init(&sums[i]);
	return sums;
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

/* the power of two by which the second pass divides a feature, as exponent */
static int
stats_scale(const KmStats *stats, int t)
{
	return km_bits_cover(stats->present[t] > 0 ?
						 fmax(fabs(stats->min[t]), fabs(stats->max[t])) : 0);
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
		km_bits_scale(sqrt(variance), exponent) : 0;
}
