/*
 * line.c
 *		All rows on one line: their distances and masses.
 *
 * Rows are put into buckets, stretches of the line, by the leading bits of
 * their hash.  A bucket's mass is kept up to date by taking away what a row
 * had and adding what it has, which is exact; so only rows that came nearer
 * are touched.  Where on the line a point lies is found in draw.c.  Where there
 * are few rows, all of this is simpler (few.c).
 *
 * The unit of the masses is chosen from the largest D^2 of all participants,
 * which is known after a pass over them.  Once it has fallen by
 * LINE_LOST_BITS bits, all masses are computed anew, in a finer unit.
 *
 * Memory: 32 bytes per bucket.
 */
#include "core/line.h"

#include <string.h>

#include "core/few.h"
#include "core/hash.h"

#define LINE_MAX_BUCKETS_LOG2 12
#define LINE_BUCKET_ROWS 8		/* aim, while there are not many rows */
#define LINE_LOST_BITS	8
#define LINE_CHECK_ROWS	1024	/* a power of two */
#define LINE_CHECK_VALUES (1 << 16)
#define LINE_POTENTIAL_TILES 128	/* 2^13 masses of 2^48 fit an int64 */

static void line_weigh(KmLine *line);
static void line_buckets(KmLine *line);
static void line_start(KmLine *line);
static void line_measure(KmLine *line);
static double line_nearer_rows(KmLine *line, const double *centroids, int m);
static double line_advance(KmLine *line, KmChunk *chunk, int64_t start, int n,
						   const double *dist2);
static void line_potentials_rows(KmLine *line, const double *centroids, int m,
								 KmWide *potential);
static void line_potential_tile(KmLine *line, const KmChunk *chunk, int64_t start,
								int n, int m, const double *distances,
								int64_t *sum, KmWide *potential);

KmLine *
km_line_create(KmTeam *team, KmRows *rows, const KmSpace *space, bool even,
			   uint64_t seed, int max_centroids)
{
	KmLine	   *line = km_team_alloc(team, 1, sizeof(KmLine));

	line->team = team;
	line->rows = rows;
	line->space = space;
	line->d = rows->d;
	line->n = rows->n;
	line->seed = seed;
	line->even = even;
	km_team_add(team, &line->n, 1);
	line_weigh(line);
	if (line->n <= KM_FEW_ROWS && line->n * line->d <= KM_FEW_VALUES)
	{
		line->few = km_few_create(line);
		line->nbuckets = km_few_size(line->few);
	}
	else
	{
		line->few = NULL;
		line->kernel = km_kernel_create(team, space, max_centroids);
		line_buckets(line);
		line->mass = km_team_alloc(team, line->nbuckets, sizeof(KmWide));
		line->start = km_team_alloc(team, line->nbuckets, sizeof(KmWide));
		line_start(line);
	}
	km_line_restart(line);
	return line;
}

void
km_line_restart(KmLine *line)
{
	if (line->few == NULL)
		memcpy(line->mass, line->start, line->nbuckets * sizeof(KmWide));
	line->fresh = true;
	line->top = 0;
	line->factor = 1;
}

void
km_line_free(KmLine *line)
{
	KmTeam	   *team = line->team;

	if (line->few != NULL)
		km_few_free(team, line->few);
	else
	{
		km_team_release(team, line->start);
		km_team_release(team, line->mass);
		km_kernel_free(line->kernel);
	}
	km_team_release(team, line);
}

/* integer weights stay what they are, unless they are too large */
static void
line_weigh(KmLine *line)
{
	double		most = 0;
	double		weighted = line->rows->weighted;

	line->weight_factor = 1;
	km_team_max(line->team, &weighted, 1);
	if (weighted == 0)
		return;
	for (int c = 0; c < line->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(line->rows, c);

		for (int64_t i = 0; i < chunk->nrows; i++)
		{
			most = chunk->weight[i] > most ? chunk->weight[i] : most;
			if (i % LINE_CHECK_ROWS == 0)
				km_team_check(line->team);
		}
	}
	km_team_max(line->team, &most, 1);
	if (most > 0 && (most < 1 || most > KM_LINE_MAX_WEIGHT))
	{
		int			up = 39 - km_bits_exponent(most);

		line->weight_factor = km_bits_pow2(up < 1000 ? up : 1000);
	}
}

/* as many buckets as make sense for so many rows */
static void
line_buckets(KmLine *line)
{
	line->buckets_log2 = 0;
	while (line->buckets_log2 < LINE_MAX_BUCKETS_LOG2 &&
		   line->n >> line->buckets_log2 > LINE_BUCKET_ROWS)
		line->buckets_log2++;
	line->nbuckets = 1 << line->buckets_log2;
}

/* buckets of rows, and masses as if everything were at distance 1 */
static void
line_start(KmLine *line)
{
	int			d = line->d;
	int64_t		check = LINE_CHECK_VALUES / d + 1;

	line->fresh = true;
	memset(line->start, 0, line->nbuckets * sizeof(KmWide));
	for (int c = 0; c < line->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(line->rows, c);
		int64_t		units = km_line_units(line, 1);

		for (int64_t i = 0; i < chunk->nrows; i++)
		{
			const double *values = km_chunk_rows(chunk, d, i, 1);
			uint64_t	hash = km_hash_row(values, d, line->seed);
			int			bucket = km_line_bucket(line, hash);

			chunk->bucket[i] = (uint16_t) bucket;
			line->start[bucket] += km_line_mass(line, km_chunk_weights(chunk, i), units);
			if (i % check == 0)
				km_team_check(line->team);
		}
	}
}

KmWide
km_line_fold(double weight, int64_t units)
{
	double		mass = weight * (double) units;
	int			exponent;
	uint64_t	mantissa = km_bits_split(mass, &exponent);
	KmWide		wide;

	if (exponent >= 0)
		wide = (KmWide) mantissa << exponent;
	else
		wide = exponent > -64 ? mantissa >> -exponent : 0;
	return wide | (mass > 0);
}

/* ---- Distances ---- */

void
km_line_nearer(KmLine *line, const double *centroids, int m)
{
	double		most = line->few != NULL ? km_few_nearer(line, centroids, m) :
		line_nearer_rows(line, centroids, m);
	int			top = most > 0 ? km_bits_exponent(most) + 1 : -1074;

	if (line->fresh || top < line->top - LINE_LOST_BITS)
	{
		line->fresh = false;
		line->top = top;
		line->factor = km_bits_pow2(KM_LINE_BITS - (top > -900 ? top : -900));
		if (line->few == NULL)
			line_measure(line);
	}
}

/* returns the largest D^2 that is left */
static double
line_nearer_rows(KmLine *line, const double *centroids, int m)
{
	double		most = 0;

	km_kernel_set(line->kernel, centroids, m);
	for (int c = 0; c < line->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(line->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE)
		{
			int			n = km_chunk_batch(chunk, start, KM_TILE);
			int32_t		nearest[KM_TILE];
			double		dist2[KM_TILE];
			double		largest;

			km_kernel_assign(line->kernel, km_chunk_rows(chunk, line->d, start, n), n,
							 nearest, dist2, NULL);
			largest = line_advance(line, chunk, start, n, dist2);
			most = largest > most ? largest : most;
		}
	}
	km_team_max(line->team, &most, 1);
	return most;
}

/*
 * Bring a tile's rows up to date with their distances to the new centroids.
 * Returns the largest D^2 that is left (where it counts).
 */
static double
line_advance(KmLine *line, KmChunk *chunk, int64_t start, int n,
			 const double *dist2)
{
	double	   *old = chunk->dist2 + start;
	const uint16_t *bucket = chunk->bucket + start;
	const double *w = km_chunk_weights(chunk, start);
	double		most = 0;

	for (int i = 0; i < n; i++)
	{
		if (line->fresh || dist2[i] < old[i])
		{
			double		new = km_space_same_place(line->space, dist2[i]) ? 0 : dist2[i];

			if (!line->fresh)
			{
				const double *weight = w != NULL ? w + i : NULL;

				line->mass[bucket[i]] +=
					km_line_mass(line, weight, km_line_units(line, new)) -
					km_line_mass(line, weight, km_line_units(line, old[i]));
			}
			old[i] = new;
		}
		if (old[i] > most && (w == NULL || w[i] > 0))
			most = old[i];
	}
	return most;
}

/* all masses anew */
static void
line_measure(KmLine *line)
{
	memset(line->mass, 0, line->nbuckets * sizeof(KmWide));
	for (int c = 0; c < line->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(line->rows, c);

		for (int64_t i = 0; i < chunk->nrows; i++)
		{
			line->mass[chunk->bucket[i]] +=
				km_line_mass(line, km_chunk_weights(chunk, i),
							 km_line_units(line, chunk->dist2[i]));
			if (i % LINE_CHECK_ROWS == 0)
				km_team_check(line->team);
		}
	}
}

/* ---- Potentials ---- */

void
km_line_potentials(KmLine *line, const double *centroids, int m, KmWide *potential)
{
	if (line->few != NULL)
		km_few_potentials(line, centroids, m, potential);
	else
		line_potentials_rows(line, centroids, m, potential);
}

static void
line_potentials_rows(KmLine *line, const double *centroids, int m, KmWide *potential)
{
	double	   *distances = km_team_alloc(line->team, (size_t) KM_TILE * m, sizeof(double));
	int64_t    *sum = km_team_alloc(line->team, m, sizeof(int64_t));

	memset(sum, 0, m * sizeof(int64_t));
	memset(potential, 0, m * sizeof(KmWide));
	km_kernel_set(line->kernel, centroids, m);
	for (int c = 0; c < line->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(line->rows, c);
		int			tiles = 0;

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE)
		{
			int			n = km_chunk_batch(chunk, start, KM_TILE);

			km_kernel_all(line->kernel, km_chunk_rows(chunk, line->d, start, n), n, distances);
			line_potential_tile(line, chunk, start, n, m, distances, sum, potential);
			if (++tiles < LINE_POTENTIAL_TILES && start + KM_TILE < chunk->nrows)
				continue;
			tiles = 0;
			for (int j = 0; j < m; j++)
			{
				potential[j] += (KmWide) sum[j];
				sum[j] = 0;
			}
		}
	}
	km_wide_reduce(line->team, potential, m);
	km_team_release(line->team, sum);
	km_team_release(line->team, distances);
}

/* rows without a weight go to sum, others to potential */
static void
line_potential_tile(KmLine *line, const KmChunk *chunk, int64_t start, int n,
					int m, const double *distances, int64_t *sum, KmWide *potential)
{
	const double *old = chunk->dist2 + start;
	const double *w = km_chunk_weights(chunk, start);

	for (int i = 0; i < n; i++)
	{
		const double *new = distances + (size_t) i * m;

		if (w == NULL)
			for (int j = 0; j < m; j++)
				sum[j] += km_line_units(line, new[j] < old[i] ? new[j] : old[i]);
		else
			for (int j = 0; j < m; j++)
				potential[j] +=
					km_line_mass(line, w + i,
								 km_line_units(line, new[j] < old[i] ? new[j] : old[i]));
	}
}
