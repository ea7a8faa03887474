/*
 * points.c
 *		The rows of one fit, and the numbers about all of them.
 *
 * Values stay raw, in a store.  Where missing ones are filled and the rows are
 * needed again as they came, the fit works on a copy of the store.
 */
#include "postgres.h"

#include <math.h>

#include "utils/float.h"
#include "utils/memutils.h"

#include "engine/encode.h"
#include "engine/points.h"
#include "engine/store.h"
#include "engine/team.h"

/*
 * A weight that is no integer is multiplied with values (km_sums_addend()):
 * rows that weigh less than this together would lose digits of theirs.
 */
#define KM_MIN_TOTAL_WEIGHT	0x1p-900

static void km_points_swap_bytes(void *records, Size bytes, int64 i, int64 j);
static void km_points_refuse_weightless(void) pg_attribute_noreturn();

struct KmPoints
{
	MemoryContext cxt;			/* rows, and this struct */
	MemoryContext finish_cxt;	/* child: all that km_points_finish makes */
	const KmTeam *members;		/* the team, allocating elsewhere */
	KmTeam	   *team;			/* the same, allocating in finish_cxt */
	KmStore    *store;			/* as pushed */

	/* after km_points_finish */
	int64		count;			/* rows of all participants */
	KmStore    *final;			/* the fit's rows: those, or a copy */
	KmRows		rows;
	KmSpace		space;
	KmStats    *stats;
	double	   *fill;
	bool		filled;			/* was anything missing? */
};

KmPoints *
km_points_create(const KmTeam *team, MemoryContext cxt, int d, bool weighted,
				 Size budget)
{
	KmPoints   *points = MemoryContextAllocZero(cxt, sizeof(KmPoints));

	points->cxt = cxt;
	points->members = team;
	points->store = km_store_create(cxt, d, weighted, budget / team->size);
	return points;
}

void
km_points_close(KmPoints *points)
{
	if (points->finish_cxt != NULL && points->final != points->store)
		km_store_free(points->final);
	km_store_free(points->store);
}

void
km_points_join(KmPoints *points, const KmTeam *team)
{
	points->members = team;
}

KmStore *
km_points_store(const KmPoints *points)
{
	return points->store;
}

static KmChunk *
km_points_get_chunk(void *arg, int chunk)
{
	return km_store_get(((KmPoints *) arg)->final, chunk);
}

/* Start (over) with the rows as they were pushed. */
static void
km_points_begin_finish(KmPoints *points)
{
	KmStore    *store = points->store;

	km_points_unfinish(points);
	points->finish_cxt = AllocSetContextCreate(points->cxt, "kmeans fit",
											   ALLOCSET_SMALL_SIZES);
	points->team = km_team_in(points->members, points->finish_cxt);
	points->final = store;
	points->fill = NULL;
	points->filled = false;
	points->rows.d = store->d;
	points->rows.n = store->n;
	points->rows.weighted = store->weighted;
	points->rows.nchunks = store->nchunks;
	points->rows.arg = points;
	points->rows.get = km_points_get_chunk;
	points->space.d = store->d;
	points->space.shift = NULL;
	points->space.scale = NULL;
	points->space.unit = false;
}

/* Replace what is missing by the means of what is there. */
static void
km_points_fill_missing(KmPoints *points, const KmPointsSpec *spec)
{
	const KmStats *stats = points->stats;
	int			d = points->rows.d;
	bool		missing = false;

	points->fill = MemoryContextAlloc(points->finish_cxt, mul_size(d, sizeof(double)));
	for (int t = 0; t < d; t++)
	{
		if (!(stats->weight[t] > 0))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("feature \"%s\" has no value to take a mean of",
							spec->features[t]),
					 errdetail("It is NULL in every row with a positive weight.")));
		points->fill[t] = stats->mean[t];
		missing |= stats->present[t] < stats->n;
	}
	points->filled = missing;
	if (!missing)
		return;

	if (spec->keep)
	{
		points->final = km_store_copy(points->store, points->finish_cxt);
		points->rows.nchunks = points->final->nchunks;
	}
	for (int c = 0; c < points->final->nchunks; c++)
	{
		KmChunk    *chunk = km_store_get(points->final, c);

		km_team_check(points->team);
		if (chunk->values == NULL)
			continue;			/* floats: nothing is missing */
		chunk = km_store_edit(points->final, c);
		for (int64 i = 0; i < chunk->nrows; i++)
			for (int t = 0; t < d; t++)
				if (isnan(chunk->values[i * d + t]))
					chunk->values[i * d + t] = points->fill[t];
	}
	km_stats_free(points->team, points->stats);
	points->stats = km_stats(points->team, &points->rows, &points->space);
}

/*
 * The range of every feature over the rows that count: those of weight 0 do
 * not.
 */
static void
km_points_range(KmPoints *points, double *low, double *high)
{
	int			d = points->rows.d;

	if (!points->rows.weighted)
	{
		memcpy(low, points->stats->min, d * sizeof(double));
		memcpy(high, points->stats->max, d * sizeof(double));
		return;
	}
	for (int t = 0; t < d; t++)
		low[t] = high[t] = -get_float8_infinity();
	for (int c = 0; c < points->rows.nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(&points->rows, c);

		for (int64 i = 0; i < chunk->nrows; i++)
		{
			const double *x;

			if (i % 1024 == 0)
				km_team_check(points->team);
			if (!(chunk->weight[i] > 0))
				continue;
			x = km_chunk_rows(chunk, d, i, 1);
			for (int t = 0; t < d; t++)
			{
				low[t] = Max(low[t], -x[t]);
				high[t] = Max(high[t], x[t]);
			}
		}
	}
	km_team_max(points->team, low, d);
	km_team_max(points->team, high, d);
	for (int t = 0; t < d; t++)
		low[t] = -low[t] + 0.0;
}

/* Categories stay 0 / 1. */
static void
km_points_keep_categories(const KmPointsSpec *spec, double *shift, double *scale)
{
	int			t = 0;

	for (int i = 0; i < spec->ncolumns; t += spec->columns[i++].nfeatures)
		for (int u = t; spec->columns[i].kind == KM_COLUMN_CATEGORY &&
			 u < t + spec->columns[i].nfeatures; u++)
		{
			shift[u] = 0;
			scale[u] = 1;
		}
}

/* shift and scale of every feature; a constant feature is divided by 1 */
static void
km_points_fix_space(KmPoints *points, const KmPointsSpec *spec)
{
	const KmStats *stats = points->stats;
	Size		bytes = mul_size(points->rows.d, sizeof(double));
	double	   *shift;
	double	   *scale;

	if (spec->space != NULL)
	{
		points->space = *spec->space;
		return;
	}
	points->space.unit = spec->metric == KM_METRIC_COSINE;
	if (spec->scale == KM_SCALE_NONE)
		return;

	shift = MemoryContextAlloc(points->finish_cxt, bytes);
	scale = MemoryContextAlloc(points->finish_cxt, bytes);
	if (spec->scale == KM_SCALE_STANDARD)
	{
		memcpy(shift, stats->mean, bytes);
		memcpy(scale, stats->stddev, bytes);
	}
	else
	{
		km_points_range(points, shift, scale);
		for (int t = 0; t < points->rows.d; t++)
			scale[t] -= shift[t];
	}
	for (int t = 0; t < points->rows.d; t++)
	{
		if (scale[t] == 0)
			scale[t] = 1;
		if (isinf(scale[t]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("the range of feature \"%s\" overflows", spec->features[t]),
					 errdetail("Its values go from %g to %g.",
							   stats->min[t], stats->max[t])));
	}
	km_points_keep_categories(spec, shift, scale);
	points->space.shift = shift;
	points->space.scale = scale;
}

/*
 * Squared distances must not overflow.  The largest magnitude of every feature
 * bounds the length of every row.  Scaled values are small by themselves, but
 * for rows of weight 0, which have no part in the scaling, and for differences
 * that overflow before they are divided.  Unit rows need finite values only.
 */
static void
km_points_check_overflow(KmPoints *points, const KmPointsSpec *spec)
{
	const KmStats *stats = points->stats;
	const KmSpace *space = &points->space;
	double		norm2 = 0;
	double		worst_z = -1;
	double		worst_value = 0;
	int			worst = 0;

	for (int t = 0; t < points->rows.d; t++)
	{
		double		ends[2] = {stats->min[t], stats->max[t]};
		double		largest = 0;

		if (isinf(stats->largest[t]) || isinf(stats->total_weight))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("weights are too large: sums overflow"),
					 errhint("Divide the weights by a constant.")));
		for (int i = 0; i < 2; i++)
		{
			double		z = fabs(space->scale != NULL ?
								 (ends[i] - space->shift[t]) / space->scale[t] : ends[i]);

			largest = Max(largest, z);
			if (z > worst_z)
			{
				worst = t;
				worst_z = z;
				worst_value = ends[i];
			}
		}
		norm2 += largest * largest;
	}
	if (space->unit ? isinf(worst_z) : !(norm2 <= KM_MAX_NORM2))
		km_encode_overflow(&spec->features[worst], NULL, &worst_value, 1, 0);
}

static void
km_points_swap(KmChunk *chunk, int d, int64 i, int64 j)
{
	if (chunk->values != NULL)
		km_points_swap_bytes(chunk->values, d * sizeof(double), i, j);
	else
		km_points_swap_bytes(chunk->floats, d * sizeof(float), i, j);
	if (chunk->weight != NULL)
		km_points_swap_bytes(chunk->weight, sizeof(double), i, j);
}

/* swap the i-th and the j-th of records of so many bytes */
static void
km_points_swap_bytes(void *records, Size bytes, int64 i, int64 j)
{
	char	   *a = (char *) records + i * bytes;
	char	   *b = (char *) records + j * bytes;

	for (Size at = 0; at < bytes; at++)
	{
		char		byte = a[at];

		a[at] = b[at];
		b[at] = byte;
	}
}

static void
km_points_refuse_weightless(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("all weights are zero"),
			 errdetail("At least one row needs a positive weight.")));
}

/*
 * Rows of length 0 have no direction: they count as NULL.  They go behind the
 * others of their chunk, and out of sight; nobody minds the order of rows.  All
 * weight may go with them.
 */
static int64
km_points_drop_zero_rows(KmPoints *points, const KmPointsSpec *spec)
{
	KmStore    *store = points->final;
	int			d = points->rows.d;
	int64_t		counts[2] = {0};	/* dropped; left, with a weight */
	double	   *z = MemoryContextAlloc(points->finish_cxt, mul_size(d, sizeof(double)));

	for (int c = 0; c < store->nchunks; c++)
	{
		KmChunk    *chunk = km_store_get(store, c);
		int64		kept = 0;

		for (int64 i = 0; i < chunk->nrows; i++)
		{
			if (i % 1024 == 0)
				km_team_check(points->team);
			if (km_space_row(&points->space, km_chunk_rows(chunk, d, i, 1), z))
			{
				counts[1] += chunk->weight == NULL || chunk->weight[i] > 0;
				if (kept < i)
					km_points_swap(km_store_edit(store, c), d, kept, i);
				kept++;
			}
			else if (spec->on_null == KM_ON_NULL_ERROR)
				ereport(ERROR,
						(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						 errmsg("a row has length 0, and so no cosine"),
						 errdetail("All its values are 0 after scaling; it counts as NULL."),
						 errhint("Use on_null => 'skip' to leave such rows out.")));
		}
		counts[0] += chunk->nrows - kept;
		km_store_hide(store, c, chunk->nrows - kept);
	}
	pfree(z);
	points->rows.n -= counts[0];
	km_team_add(points->team, counts, lengthof(counts));
	if (counts[1] == 0 && counts[0] < points->stats->n)
		km_points_refuse_weightless();
	return counts[0];
}

/* Category b of column a is called like a column a=b. */
static void
km_points_check_names(const KmPoints *points, const KmPointsSpec *spec)
{
	int			d = points->rows.d;
	const char **names = palloc(mul_size(d, sizeof(char *)));
	const char *twice;

	memcpy(names, spec->features, d * sizeof(char *));
	twice = km_column_find_duplicate(names, d);
	if (twice != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("two features would be named \"%s\"", twice),
				 errdetail("A category is a feature \"column=category\", an element of an array \"column[1]\"."),
				 errhint("Give one of the columns another name in the source query.")));
	pfree(names);
}

int64
km_points_finish(KmPoints *points, const KmPointsSpec *spec)
{
	int64		dropped = 0;

	km_points_begin_finish(points);
	km_points_check_names(points, spec);
	points->stats = km_stats(points->team, &points->rows, &points->space);
	if (!(points->stats->total_weight > 0))
		km_points_refuse_weightless();
	if (points->stats->total_weight < KM_MIN_TOTAL_WEIGHT)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("weights are too small: products with values underflow"),
				 errdetail("Their sum is %g.", points->stats->total_weight),
				 errhint("Multiply the weights by a constant.")));
	if (spec->on_null == KM_ON_NULL_MEAN)
		km_points_fill_missing(points, spec);
	km_points_fix_space(points, spec);
	km_points_check_overflow(points, spec);
	if (points->space.unit)
		dropped = km_points_drop_zero_rows(points, spec);
	points->count = points->stats->n - dropped;
	return dropped;
}

void
km_points_unfinish(KmPoints *points)
{
	if (points->finish_cxt == NULL)
		return;
	km_store_unhide(points->store);
	MemoryContextDelete(points->finish_cxt);
	points->finish_cxt = NULL;
}

int64
km_points_pushed(const KmPoints *points)
{
	return points->store->n;
}

int64
km_points_count(const KmPoints *points)
{
	return points->count;
}

KmTeam *
km_points_get_team(const KmPoints *points)
{
	return points->team;
}

KmRows *
km_points_rows(KmPoints *points)
{
	return &points->rows;
}

const KmSpace *
km_points_space(const KmPoints *points)
{
	return &points->space;
}

const KmStats *
km_points_stats(const KmPoints *points)
{
	return points->stats;
}

const double *
km_points_fill(const KmPoints *points)
{
	return points->fill;
}

bool
km_points_filled(const KmPoints *points)
{
	return points->filled;
}
