/*
 * points.c
 *		The rows of one fit, packed in chunks.
 *
 * Chunks grow from a few rows to several megabytes, each twice as long as the
 * one before, so that a group of a hundred rows costs little and ten million
 * rows make few chunks.  Values stay raw; what a fit needs beside them (labels
 * and seeding's scratch) is allocated when the points are finished, since only
 * then is the number of rows known.
 */
#include "postgres.h"

#include <math.h>

#include "utils/float.h"
#include "utils/memutils.h"

#include "engine/encode.h"
#include "engine/points.h"
#include "engine/team.h"

#define KM_CHUNK_FIRST_BYTES	((Size) 4096)
#define KM_CHUNK_MAX_BYTES		((Size) 8 * 1024 * 1024)

struct KmPoints
{
	MemoryContext cxt;			/* rows, and this struct */
	MemoryContext finish_cxt;	/* child: all that km_points_finish makes */
	const KmTeam *members;		/* the team, allocating elsewhere */
	KmTeam	   *team;			/* the same, allocating in finish_cxt */
	int			d;
	bool		weighted;
	int64		n;				/* rows pushed */
	KmChunk    *chunks;			/* as pushed */
	int64	   *capacity;		/* rows that fit in each */
	int			nchunks;
	int			maxchunks;

	/* after km_points_finish */
	int64		count;			/* rows of all participants */
	KmChunk    *final;			/* the fit's chunks: chunks, or copies of them */
	KmRows		rows;
	KmSpace		space;
	KmStats    *stats;
	double	   *fill;
};

KmPoints *
km_points_create(const KmTeam *team, MemoryContext parent, int d, bool weighted)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "kmeans rows",
											  ALLOCSET_SMALL_SIZES);
	KmPoints   *points = MemoryContextAllocZero(cxt, sizeof(KmPoints));

	points->cxt = cxt;
	points->members = team;
	points->d = d;
	points->weighted = weighted;
	return points;
}

void
km_points_destroy(KmPoints *points)
{
	MemoryContextDelete(points->cxt);
}

/* Begin a new chunk. */
static void
km_points_grow(KmPoints *points)
{
	Size		rowsize = mul_size(points->d, sizeof(double));
	int64		capacity;
	KmChunk    *chunk;

	if (points->nchunks == points->maxchunks)
	{
		int			more = points->maxchunks > 0 ? points->maxchunks * 2 : 4;

		if (points->maxchunks == 0)
		{
			points->chunks = MemoryContextAlloc(points->cxt, more * sizeof(KmChunk));
			points->capacity = MemoryContextAlloc(points->cxt, more * sizeof(int64));
		}
		else
		{
			points->chunks = repalloc_huge(points->chunks,
										   mul_size(more, sizeof(KmChunk)));
			points->capacity = repalloc_huge(points->capacity,
											 mul_size(more, sizeof(int64)));
		}
		points->maxchunks = more;
	}

	if (points->nchunks == 0)
		capacity = Max(1, KM_CHUNK_FIRST_BYTES / rowsize);
	else
	{
		/* whole tiles of the kernel once they fit */
		capacity = points->capacity[points->nchunks - 1] * 2;
		if (capacity > 64)
			capacity -= capacity % 64;
		capacity = Min(capacity, Max(1, KM_CHUNK_MAX_BYTES / rowsize));
	}

	chunk = &points->chunks[points->nchunks];
	memset(chunk, 0, sizeof(KmChunk));
	chunk->values = MemoryContextAllocHuge(points->cxt, mul_size(capacity, rowsize));
	if (points->weighted)
		chunk->weight = MemoryContextAllocHuge(points->cxt,
											   mul_size(capacity, sizeof(double)));
	points->capacity[points->nchunks++] = capacity;
}

double *
km_points_room(KmPoints *points)
{
	KmChunk    *chunk;

	if (points->nchunks == 0 ||
		points->chunks[points->nchunks - 1].nrows == points->capacity[points->nchunks - 1])
		km_points_grow(points);
	chunk = &points->chunks[points->nchunks - 1];
	return chunk->values + chunk->nrows * points->d;
}

void
km_points_push(KmPoints *points, double weight)
{
	KmChunk    *chunk = &points->chunks[points->nchunks - 1];

	if (points->weighted)
		chunk->weight[chunk->nrows] = weight;
	chunk->nrows++;
	points->n++;
}

static KmChunk *
km_points_get_chunk(void *arg, int chunk)
{
	return &((KmPoints *) arg)->final[chunk];
}

/* Start (over) with the rows as they were pushed. */
static void
km_points_begin_finish(KmPoints *points)
{
	if (points->finish_cxt != NULL)
		MemoryContextReset(points->finish_cxt);
	else
		points->finish_cxt = AllocSetContextCreate(points->cxt, "kmeans fit",
												   ALLOCSET_SMALL_SIZES);
	points->team = km_team_in(points->members, points->finish_cxt);
	points->final = points->chunks;
	points->fill = NULL;
	points->rows.d = points->d;
	points->rows.n = points->n;
	points->rows.weighted = points->weighted;
	points->rows.nchunks = points->nchunks;
	points->rows.arg = points;
	points->rows.get = km_points_get_chunk;
	points->space.d = points->d;
	points->space.shift = NULL;
	points->space.scale = NULL;
	points->space.unit = false;
}

/* Before rows change: make sure that they are not the ones to keep. */
static void
km_points_own_rows(KmPoints *points, bool keep)
{
	MemoryContext cxt = points->finish_cxt;

	if (!keep || points->final != points->chunks)
		return;
	points->final = MemoryContextAlloc(cxt, mul_size(points->nchunks, sizeof(KmChunk)));
	for (int c = 0; c < points->nchunks; c++)
	{
		KmChunk    *from = &points->chunks[c];
		KmChunk    *to = &points->final[c];
		Size		bytes = mul_size(mul_size(from->nrows, points->d), sizeof(double));

		*to = *from;
		to->values = MemoryContextAllocHuge(cxt, bytes);
		memcpy(to->values, from->values, bytes);
		if (points->weighted)
		{
			bytes = mul_size(from->nrows, sizeof(double));
			to->weight = MemoryContextAllocHuge(cxt, bytes);
			memcpy(to->weight, from->weight, bytes);
		}
	}
}

/* Replace what is missing by the means of what is there. */
static void
km_points_fill_missing(KmPoints *points, const KmPointsSpec *spec)
{
	const KmStats *stats = points->stats;
	int			d = points->d;
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
	if (!missing)
		return;

	km_points_own_rows(points, spec->keep);
	for (int c = 0; c < points->nchunks; c++)
	{
		KmChunk    *chunk = &points->final[c];

		km_team_check(points->team);
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
	int			d = points->d;

	if (!points->weighted)
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
			if (i % 1024 == 0)
				km_team_check(points->team);
			if (!(chunk->weight[i] > 0))
				continue;
			for (int t = 0; t < d; t++)
			{
				low[t] = Max(low[t], -chunk->values[i * d + t]);
				high[t] = Max(high[t], chunk->values[i * d + t]);
			}
		}
	}
	km_team_max(points->team, low, d);
	km_team_max(points->team, high, d);
	for (int t = 0; t < d; t++)
		low[t] = -low[t] + 0.0;
}

/* shift and scale of every feature; a constant feature is divided by 1 */
static void
km_points_fix_space(KmPoints *points, const KmPointsSpec *spec)
{
	const KmStats *stats = points->stats;
	Size		bytes = mul_size(points->d, sizeof(double));
	double	   *shift;
	double	   *scale;

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
		for (int t = 0; t < points->d; t++)
			scale[t] -= shift[t];
	}
	for (int t = 0; t < points->d; t++)
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
	points->space.shift = shift;
	points->space.scale = scale;
}

/*
 * Squared distances must not overflow.  The largest magnitude of every feature
 * bounds the length of every row.  Scaled values are small by themselves, but
 * for rows of weight 0, which have no part in the scaling.
 */
static void
km_points_check_overflow(KmPoints *points, const KmPointsSpec *spec)
{
	const KmStats *stats = points->stats;
	double		norm2 = 0;

	if (spec->metric == KM_METRIC_COSINE)
		return;
	for (int t = 0; t < points->d; t++)
	{
		double		z = stats->largest[t];

		if (points->space.scale != NULL)
			z = Max(fabs((stats->min[t] - points->space.shift[t]) / points->space.scale[t]),
					fabs((stats->max[t] - points->space.shift[t]) / points->space.scale[t]));
		norm2 += z * z;
	}
	if (!(norm2 <= KM_MAX_NORM2))
		km_encode_overflow(spec->features, stats->largest, points->d, 0);
}

/* Rows of length 0 have no direction: they count as NULL. */
static int64
km_points_drop_zero_rows(KmPoints *points, const KmPointsSpec *spec)
{
	int			d = points->d;
	int64_t		dropped = 0;
	double	   *z = MemoryContextAlloc(points->finish_cxt, mul_size(d, sizeof(double)));

	for (int c = 0; c < points->nchunks; c++)
	{
		int64		kept = 0;
		int64		nrows = points->final[c].nrows;

		for (int64 i = 0; i < nrows; i++)
		{
			KmChunk    *chunk = &points->final[c];

			if (i % 1024 == 0)
				km_team_check(points->team);
			if (km_space_row(&points->space, chunk->values + i * d, z))
			{
				if (kept < i)
				{
					memmove(chunk->values + kept * d, chunk->values + i * d,
							d * sizeof(double));
					if (points->weighted)
						chunk->weight[kept] = chunk->weight[i];
				}
				kept++;
				continue;
			}
			if (spec->on_null == KM_ON_NULL_ERROR)
				ereport(ERROR,
						(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						 errmsg("a row has length 0, and so no cosine"),
						 errdetail("All its values are 0 after scaling; it counts as NULL."),
						 errhint("Use on_null => 'skip' to leave such rows out.")));
			if (dropped++ == 0)
				km_points_own_rows(points, spec->keep);
		}
		points->final[c].nrows = kept;
	}
	pfree(z);
	points->rows.n -= dropped;
	km_team_add(points->team, &dropped, 1);
	return dropped;
}

/* Labels and scratch, beside the rows. */
static void
km_points_allocate_scratch(KmPoints *points)
{
	MemoryContext cxt = points->finish_cxt;

	for (int c = 0; c < points->nchunks; c++)
	{
		KmChunk    *chunk = &points->final[c];
		int64		nrows = Max(chunk->nrows, 1);

		chunk->label = MemoryContextAllocHuge(cxt, mul_size(nrows, sizeof(int32)));
		chunk->dist2 = MemoryContextAllocHuge(cxt, mul_size(nrows, sizeof(double)));
		chunk->bucket = MemoryContextAllocHuge(cxt, mul_size(nrows, sizeof(uint16)));
		memset(chunk->label, -1, nrows * sizeof(int32));
	}
}

int64
km_points_finish(KmPoints *points, const KmPointsSpec *spec)
{
	int64		dropped = 0;

	km_points_begin_finish(points);
	points->stats = km_stats(points->team, &points->rows, &points->space);
	if (!(points->stats->total_weight > 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("all weights are zero"),
				 errdetail("At least one row needs a positive weight.")));
	if (spec->on_null == KM_ON_NULL_MEAN)
		km_points_fill_missing(points, spec);
	km_points_fix_space(points, spec);
	km_points_check_overflow(points, spec);
	if (points->space.unit)
		dropped = km_points_drop_zero_rows(points, spec);
	points->count = points->stats->n - dropped;
	km_points_allocate_scratch(points);
	return dropped;
}

void
km_points_unfinish(KmPoints *points)
{
	MemoryContextDelete(points->finish_cxt);
	points->finish_cxt = NULL;
}

int64
km_points_pushed(const KmPoints *points)
{
	return points->n;
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
