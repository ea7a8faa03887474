/*
 * line.c
 *		All rows on one line: their distances and masses.
 *
 * Rows are put into buckets, stretches of the line, by the leading bits of
 * their hash.  A bucket's mass is kept up to date by taking away what a row
 * had and adding what it has, which is exact; so only rows that came nearer
 * are touched.  Where on the line a point lies is found in draw.c.  Where there
 * are few rows, all of this is simpler (few.c).  Where rows of a tile are
 * neighbours, most tiles are passed over: their box is farther from a new
 * centroid than any of their rows from the centroids so far (neighbours.h).
 *
 * The unit of the masses is chosen from the largest D^2 of all participants,
 * which is known after a pass over them.  Once it has fallen by
 * LINE_LOST_BITS bits, all masses are computed anew, in a finer unit.
 *
 * Memory: 32 bytes per bucket; of neighbours 2 x d + 1 doubles per tile.
 */
#include "core/line.h"

#include <string.h>

#include "core/few.h"
#include "core/hash.h"
#include "core/neighbours.h"

#define LINE_MAX_BUCKETS_LOG2 12
#define LINE_BUCKET_ROWS 8		/* aim, while there are not many rows */
#define LINE_LOST_BITS	8
#define LINE_CHECK_ROWS	1024	/* a power of two */
#define LINE_CHECK_VALUES (1 << 16)

static void line_weigh(KmLine *line);
static void line_buckets(KmLine *line);
static void line_start(KmLine *line);
static void line_boxes(KmLine *line);
static void line_measure(KmLine *line);
static double line_nearer_rows(KmLine *line, const double *centroids, int m);
static double line_advance(KmLine *line, KmChunk *chunk, int64_t start, int n,
						   const double *dist2);
static void line_potentials_rows(KmLine *line, const double *centroids, int m,
								 KmWide *potential);
static void line_potential_tile(KmLine *line, const KmChunk *chunk, int64_t start,
								int n, int m, const double *distances, int64_t *less,
								KmWide *potential);

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
		line_boxes(line);
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
		km_team_release(team, line->reach);
		km_team_release(team, line->box);
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

/* the boxes of neighbours */
static void
line_boxes(KmLine *line)
{
	size_t		d = (size_t) line->d;
	size_t		tiles = 0;
	double	   *z;

	line->box = line->reach = NULL;
	if (!line->rows->neighbours)
		return;
	for (int c = 0; c < line->rows->nchunks; c++)
		tiles += (km_rows_get(line->rows, c)->nrows + KM_TILE - 1) / KM_TILE;
	line->box = km_team_alloc(line->team, 2 * tiles * d, sizeof(double));
	line->reach = km_team_alloc(line->team, tiles, sizeof(double));
	z = km_team_alloc(line->team, KM_TILE * d, sizeof(double));
	tiles = 0;
	for (int c = 0; c < line->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(line->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE, tiles++)
		{
			int			n = km_chunk_batch(chunk, start, KM_TILE);
			const double *values = km_chunk_rows(chunk, line->d, start, n);

			for (int i = 0; i < n; i++)
				km_space_row(line->space, values + i * d, z + i * d);
			km_neighbours_box(z, n, line->d, line->box + 2 * tiles * d);
			km_team_check(line->team);
		}
	}
	km_team_release(line->team, z);
}

/* has none of m centroids anything nearer in the tile than is there already? */
static inline bool
line_beyond(const KmLine *line, int64_t tile, const double *centroids, int m)
{
	size_t		d = (size_t) line->d;

	if (line->box == NULL || line->fresh)
		return false;
	for (int j = 0; j < m; j++)
		if (km_neighbours_least(line->box + 2 * tile * d, centroids + j * d, line->d) <
			line->reach[tile])
			return false;
	return true;
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
	int64_t		tile = 0;

	km_kernel_set(line->kernel, centroids, m);
	for (int c = 0; c < line->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(line->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE, tile++)
		{
			int			n = km_chunk_batch(chunk, start, KM_TILE);
			int32_t		nearest[KM_TILE];
			double		dist2[KM_TILE];
			double		largest;

			if (line_beyond(line, tile, centroids, m))
				largest = line->reach[tile];
			else
			{
				km_kernel_assign(line->kernel, km_chunk_rows(chunk, line->d, start, n), n,
								 nearest, dist2, NULL);
				largest = line_advance(line, chunk, start, n, dist2);
				if (line->box != NULL)
					line->reach[tile] = largest;
			}
			most = largest > most ? largest : most;
		}
		km_team_check(line->team);
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

/*
 * What a candidate takes away: the masses of the rows that are nearer to it,
 * less what they keep.  In exact numbers that is the same as a sum of what is
 * left, but most candidates have no part in most tiles.
 */
static void
line_potentials_rows(KmLine *line, const double *centroids, int m, KmWide *potential)
{
	double	   *distances = km_team_alloc(line->team, (size_t) KM_TILE * m, sizeof(double));
	int64_t    *less = km_team_alloc(line->team, m, sizeof(int64_t));
	KmWide		whole = 0;
	int64_t		tile = 0;

	for (int b = 0; b < line->nbuckets; b++)
		whole += line->mass[b];
	for (int j = 0; j < m; j++)
		potential[j] = whole;
	km_kernel_set(line->kernel, centroids, m);
	for (int c = 0; c < line->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(line->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE, tile++)
		{
			int			n = km_chunk_batch(chunk, start, KM_TILE);

			if (line_beyond(line, tile, centroids, m))
				continue;
			km_kernel_all(line->kernel, km_chunk_rows(chunk, line->d, start, n), n, distances);
			line_potential_tile(line, chunk, start, n, m, distances, less, potential);
		}
		km_team_check(line->team);
	}
	km_wide_reduce(line->team, potential, m);
	km_team_release(line->team, less);
	km_team_release(line->team, distances);
}

/* less: what rows without a weight take away, room for m; a tile's fits an int64 */
static void
line_potential_tile(KmLine *line, const KmChunk *chunk, int64_t start, int n,
					int m, const double *distances, int64_t *less, KmWide *potential)
{
	const double *old = chunk->dist2 + start;
	const double *w = km_chunk_weights(chunk, start);

	memset(less, 0, m * sizeof(int64_t));
	for (int i = 0; i < n; i++)
	{
		const double *new = distances + (size_t) i * m;
		int64_t		units = km_line_units(line, old[i]);

		if (w == NULL)
			for (int j = 0; j < m; j++)
				less[j] += units - km_line_units(line, new[j] < old[i] ? new[j] : old[i]);
		else
			for (int j = 0; j < m; j++)
				if (new[j] < old[i])
					potential[j] -= km_line_mass(line, w + i, units) -
						km_line_mass(line, w + i, km_line_units(line, new[j]));
	}
	for (int j = 0; j < m; j++)
		potential[j] -= (KmWide) less[j];
}
