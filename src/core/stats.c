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
#include "core/lanes.h"

#define STATS_BLOCK		256		/* rows transposed at a time, at most */
#define STATS_BLOCK_VALUES (1 << 16)

/* What is collected of one feature. */
typedef struct StatsFeature
{
	int64_t		present;
	double		min;			/* Infinity, -Infinity: none yet */
	double		max;
	double		largest;
	double		smallest;		/* Infinity: none yet */
} StatsFeature;

/* the loops over vectors, see stats_body.h */
typedef struct StatsBody
{
	void		(*turn) (const double *values, int n, int d, size_t stride,
						 double *column);
	bool		(*extremes) (const double *x, int n, StatsFeature *feature);
	void		(*squares) (double *x, int n, double factor, double mean);
} StatsBody;

/* A block of rows in the space, feature by feature. */
typedef struct StatsBlock
{
	const StatsBody *body;
	const KmSpace *space;
	int			rows;			/* at most, a multiple of KM_LANES */
	double	   *z;				/* rows x d: rows in the space, if that is another */
	double	   *column;			/* d x rows */
} StatsBlock;

#define BODY_NAME(name)	name##_generic
#define BODY_TARGET
#include "core/stats_body.h"

#if defined(__x86_64__)
#define BODY_NAME(name)	name##_avx2
#define BODY_TARGET		__attribute__((target("avx2")))
#include "core/stats_body.h"
#endif

static const StatsBody stats_bodies[] = {
	{stats_turn_generic, stats_extremes_generic, stats_squares_generic},
#if defined(__x86_64__)
	{stats_turn_avx2, stats_extremes_avx2, stats_squares_avx2}
#endif
};

static KmStats *stats_create(KmTeam *team, int d);
static KmExact *stats_zeros(KmTeam *team, size_t n);
static void stats_block_init(StatsBlock *block, KmTeam *team, const KmSpace *space);
static void stats_transpose(StatsBlock *block, const double *values, int nrows);
static void stats_collect(const StatsBody *body, StatsFeature *feature, KmExact *sum,
						  KmExact *weight, double *x, const double *w, int n);
static void stats_collect_weighted(StatsFeature *feature, KmExact *sum,
								   KmExact *weight, const double *x,
								   const double *w, int n);
static int	stats_compress(double *x, int n);
static int	stats_scale(const KmStats *stats, int t);
static void stats_deviations(const StatsBody *body, KmExact *sum, double *x,
							 const double *w, int n, double mean, int exponent,
							 bool complete);
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

	stats_block_init(&block, team, space);
	for (int t = 0; t < d; t++)
		features[t] = (StatsFeature) {0, INFINITY, -INFINITY, 0, INFINITY};
	for (int c = 0; c < rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += block.rows)
		{
			int			n = km_chunk_batch(chunk, start, block.rows);
			const double *w = km_chunk_weights(chunk, start);

			stats_transpose(&block, km_chunk_rows(chunk, d, start, n), n);
			for (int t = 0; t < d; t++)
				stats_collect(block.body, &features[t], &sums[t], &weights[t],
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

			stats_transpose(&block, km_chunk_rows(chunk, d, start, n), n);
			for (int t = 0; t < d; t++)
				if (stats->min[t] < stats->max[t])
					stats_deviations(block.body, &squares[t],
									 block.column + (size_t) t * block.rows,
									 km_chunk_weights(chunk, start), n,
									 stats->mean[t], stats_scale(stats, t),
									 stats->present[t] == stats->n);
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
	km_team_release(team, stats->variance);
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
	stats->variance = km_team_alloc(team, d, sizeof(double));
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

static void
stats_block_init(StatsBlock *block, KmTeam *team, const KmSpace *space)
{
	int			rows = STATS_BLOCK_VALUES / space->d / KM_LANES * KM_LANES;

	block->body = &stats_bodies[0];
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		block->body = &stats_bodies[1];
#endif
	block->space = space;
	block->rows = rows < KM_LANES ? KM_LANES : rows > STATS_BLOCK ? STATS_BLOCK : rows;
	block->z = km_team_alloc(team, (size_t) space->d * block->rows, sizeof(double));
	block->column = km_team_alloc(team, (size_t) space->d * block->rows, sizeof(double));
}

static void
stats_transpose(StatsBlock *block, const double *values, int nrows)
{
	int			d = block->space->d;

	if (!km_space_identity(block->space))
	{
		for (int i = 0; i < nrows; i++)
			km_space_row(block->space, values + (size_t) i * d, block->z + (size_t) i * d);
		values = block->z;
	}
	block->body->turn(values, nrows, d, block->rows, block->column);
}

/* a column's part in the first pass; may move the column's values */
static void
stats_collect(const StatsBody *body, StatsFeature *feature, KmExact *sum,
			  KmExact *weight, double *x, const double *w, int n)
{
	if (w != NULL)
	{
		stats_collect_weighted(feature, sum, weight, x, w, n);
		return;
	}
	if (!body->extremes(x, n, feature))
	{
		n = stats_compress(x, n);
		body->extremes(x, n, feature);
	}
	km_exact_add_many(sum, x, n);
	km_exact_add(weight, n);
	feature->present += n;
	if (n > 0)
		feature->largest = fmax(feature->largest,
								fmax(fabs(feature->min), fabs(feature->max)));
}

static void
stats_collect_weighted(StatsFeature *feature, KmExact *sum, KmExact *weight,
					   const double *x, const double *w, int n)
{
	for (int i = 0; i < n; i++)
	{
		double		value = x[i];
		double		addend;

		if (isnan(value))
			continue;
		feature->present++;
		feature->min = value < feature->min ? value : feature->min;
		feature->max = value > feature->max ? value : feature->max;
		if (w[i] == 0)
			continue;
		addend = fabs(km_sums_addend(value, w[i]));
		km_exact_add_product(sum, w[i], value);
		km_exact_add(weight, w[i]);
		feature->largest = addend > feature->largest ? addend : feature->largest;
		feature->smallest = addend > 0 && addend < feature->smallest ?
			addend : feature->smallest;
	}
}

/* leave out what is missing; returns how many values remain, padded */
static int
stats_compress(double *x, int n)
{
	int			present = 0;

	for (int i = 0; i < n; i++)
		if (!isnan(x[i]))
			x[present++] = x[i];
	for (int i = present; i > 0 && i % KM_LANES != 0; i++)
		x[i] = x[present - 1];
	return present;
}

/* the power of two by which the second pass divides a feature, as exponent */
static int
stats_scale(const KmStats *stats, int t)
{
	return km_bits_cover(stats->present[t] > 0 ?
						 fmax(fabs(stats->min[t]), fabs(stats->max[t])) : 0);
}

/* a column's part in the second pass; complete: no value is missing anywhere */
static void
stats_deviations(const StatsBody *body, KmExact *sum, double *x, const double *w,
				 int n, double mean, int exponent, bool complete)
{
	double		factor = km_bits_pow2(-exponent);

	if (w == NULL && !complete)
		n = stats_compress(x, n);
	body->squares(x, n, factor, mean * factor);
	if (w == NULL)
		km_exact_add_many(sum, x, n);
	else
		for (int i = 0; i < n; i++)
			if (!isnan(x[i]) && w[i] != 0)
				km_exact_add_product(sum, w[i], x[i]);
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
		stats->variance[t] = NAN;
		return;
	}
	if (stats->min[t] == stats->max[t])
	{
		stats->stddev[t] = 0;
		stats->variance[t] = 0;
		return;
	}
	/* (sum - w * mean) / w is what the mean's rounding lost */
	km_exact_add_product(sum, -w, stats->mean[t]);
	lost = km_exact_mean(sum, w) * km_bits_pow2(-exponent);
	variance = fmax(km_exact_mean(squares, w) - lost * lost, 0);
	stats->stddev[t] = km_bits_scale(sqrt(variance), exponent);
	stats->variance[t] = km_bits_scale(km_bits_scale(variance, exponent), exponent);
}
