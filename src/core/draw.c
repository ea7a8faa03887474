/*
 * draw.c
 *		All rows on one line: which content lies at a point.
 *
 * The contents lie in the order of their hashes, so the running sums of the masses of
 * the buckets, which are stretches of the line, tell in which of them a point
 * lies.  Where buckets hold many rows, those that were hit are divided by
 * further bits of the hash, in one more pass.  Only the rows of the stretch
 * that remains are gathered, sorted and walked.
 *
 *		|------ bucket 0 ------|------ bucket 1 ------|------ ...
 *		                       |  0 |  1 |  2 |  3 |			parts of bucket 1
 *		                            |r|r|r|						rows of part 1
 *		                              ^ the point
 *
 * Where there are few rows, a bucket is one content (few.c), and nothing remains
 * to do.
 *
 * All of it is done with everybody's masses, so that all participants draw the
 * same contents.
 *
 * Memory: the rows of the parts hit, about DRAW_PART_ROWS contents each.
 */
#include "core/line.h"

#include <string.h>

#include "core/few.h"
#include "core/hash.h"

#define DRAW_PART_ROWS	8		/* aim */
#define DRAW_MAX_PARTS_LOG2 8
#define DRAW_CHECK_ROWS	1024
#define DRAW_RECORDS	64		/* to begin with */

typedef struct DrawPoint
{
	int			bucket;
	int			part;			/* of the bucket */
	KmWide		rest;			/* how far into the bucket, then the part */
} DrawPoint;

typedef struct Draw
{
	KmLine	   *line;
	int			n;
	DrawPoint  *point;			/* n */
	int			parts_log2;		/* of a bucket */
	int			nslots;			/* buckets that were hit */
	int		   *slot;			/* per bucket: which of them, or -1 */
	bool	   *wanted;			/* per slot and part */
	KmRecords	records;
} Draw;

static bool draw_buckets(Draw *draw, int run, uint64_t counter, bool spread);
static void draw_contents(Draw *draw, double *contents);
static void draw_slots(Draw *draw);
static void draw_parts(Draw *draw);
static void draw_collect(Draw *draw);
static void draw_pick(const Draw *draw, const DrawPoint *point, double *content);
static KmWide draw_run(KmWide *mass, size_t n);
static int	draw_find(const KmWide *sums, size_t n, KmWide *rest);

/* the part of its bucket in which a hash lies */
static inline int
draw_part(const Draw *draw, uint64_t hash)
{
	return draw->parts_log2 > 0 ?
		(int) (hash << draw->line->buckets_log2 >> (64 - draw->parts_log2)) : 0;
}

bool
km_line_draw(KmLine *line, int run, uint64_t counter, int n, bool spread,
			 double *contents)
{
	KmTeam	   *team = line->team;
	Draw		draw;
	bool		found;

	draw.line = line;
	draw.n = n;
	draw.point = km_team_alloc(team, n, sizeof(DrawPoint));
	found = draw_buckets(&draw, run, counter, spread);
	if (found && line->few != NULL)
		for (int i = 0; i < n; i++)
			memcpy(contents + (size_t) i * line->d,
				   km_few_content(line->few, draw.point[i].bucket),
				   line->d * sizeof(double));
	else if (found)
		draw_contents(&draw, contents);
	km_team_release(team, draw.point);
	return found;
}

/* the contents at points whose buckets hold many */
static void
draw_contents(Draw *draw, double *contents)
{
	const KmLine *line = draw->line;

	draw->parts_log2 = 0;
	while (draw->parts_log2 < DRAW_MAX_PARTS_LOG2 &&
		   line->n >> line->buckets_log2 >> draw->parts_log2 > DRAW_PART_ROWS)
		draw->parts_log2++;
	draw_slots(draw);
	draw_parts(draw);
	draw_collect(draw);
	for (int i = 0; i < draw->n; i++)
		draw_pick(draw, &draw->point[i], contents + (size_t) i * line->d);
	km_records_free(&draw->records);
	km_team_release(line->team, draw->wanted);
	km_team_release(line->team, draw->slot);
}

/* random points, and the buckets in which they lie */
static bool
draw_buckets(Draw *draw, int run, uint64_t counter, bool spread)
{
	KmLine	   *line = draw->line;
	size_t		nbuckets = (size_t) line->nbuckets;
	KmWide	   *mass = km_team_alloc(line->team, nbuckets, sizeof(KmWide));
	KmWide		total;

	if (line->few != NULL)
		km_few_masses(line, mass);
	else
	{
		memcpy(mass, line->mass, nbuckets * sizeof(KmWide));
		km_wide_reduce(line->team, mass, nbuckets);
	}
	total = draw_run(mass, nbuckets);
	for (int i = 0; total > 0 && i < draw->n; i++)
	{
		const double below1 = 1 - 0x1p-53;
		double		r = km_random_double(line->seed, (uint64_t) run, counter + i);
		uint64_t	bits;
		DrawPoint  *point = &draw->point[i];

		if (spread)
			r = (i + r) / draw->n;

		/* floor(r * total), r being a multiple of 2^-53 in its upper half */
		bits = (uint64_t) ((r < below1 ? r : below1) * 0x1p53);
		point->rest = (total >> 53) * bits +
			((total & (((uint64_t) 1 << 53) - 1)) * bits >> 53);
		point->bucket = draw_find(mass, nbuckets, &point->rest);
		point->part = 0;
		if (i % 64 == 0)
			km_team_check(line->team);
	}
	km_team_release(line->team, mass);
	return total > 0;
}

/* turn masses into running sums; returns the last one, the whole */
static KmWide
draw_run(KmWide *mass, size_t n)
{
	KmWide		sum = 0;

	for (size_t i = 0; i < n; i++)
		mass[i] = sum += mass[i];
	return sum;
}

/* which of n stretches the point lies in; rest becomes relative to its start */
static int
draw_find(const KmWide *sums, size_t n, KmWide *rest)
{
	size_t		low = 0;
	size_t		high = n - 1;

	while (low < high)
	{
		size_t		middle = (low + high) / 2;

		if (sums[middle] <= *rest)
			low = middle + 1;
		else
			high = middle;
	}
	if (low > 0)
		*rest -= sums[low - 1];
	return (int) low;
}

/* number the buckets that were hit */
static void
draw_slots(Draw *draw)
{
	KmTeam	   *team = draw->line->team;
	size_t		nbuckets = (size_t) draw->line->nbuckets;

	draw->slot = km_team_alloc(team, nbuckets, sizeof(int));
	draw->nslots = 0;
	for (size_t b = 0; b < nbuckets; b++)
		draw->slot[b] = -1;
	for (int i = 0; i < draw->n; i++)
		if (draw->slot[draw->point[i].bucket] < 0)
			draw->slot[draw->point[i].bucket] = draw->nslots++;
	draw->wanted = km_team_alloc(team, (size_t) draw->nslots << draw->parts_log2,
								 sizeof(bool));
	memset(draw->wanted, 0, ((size_t) draw->nslots << draw->parts_log2) * sizeof(bool));
}

/* the parts in which the points lie */
static void
draw_parts(Draw *draw)
{
	KmLine	   *line = draw->line;
	size_t		nparts = (size_t) 1 << draw->parts_log2;
	KmWide	   *mass;

	if (nparts > 1)
	{
		mass = km_team_alloc(line->team, draw->nslots * nparts, sizeof(KmWide));
		memset(mass, 0, draw->nslots * nparts * sizeof(KmWide));
		for (int c = 0; c < line->rows->nchunks; c++)
		{
			KmChunk    *chunk = km_rows_get(line->rows, c);

			for (int64_t i = 0; i < chunk->nrows; i++)
			{
				int			slot = draw->slot[chunk->bucket[i]];

				if (i % DRAW_CHECK_ROWS == 0)
					km_team_check(line->team);
				if (slot < 0)
					continue;
				mass[slot * nparts +
					 draw_part(draw, km_hash_row(km_chunk_rows(chunk, line->d, i, 1), line->d,
												 line->seed))] +=
					km_line_mass(line, km_chunk_weights(chunk, i),
								 km_line_units(line, line->fresh ? 1 : chunk->dist2[i]));
			}
		}
		km_wide_reduce(line->team, mass, draw->nslots * nparts);
		for (int i = 0; i < draw->nslots; i++)
			draw_run(mass + i * nparts, nparts);
		for (int i = 0; i < draw->n; i++)
		{
			DrawPoint  *point = &draw->point[i];

			point->part = draw_find(mass + draw->slot[point->bucket] * nparts,
									nparts, &point->rest);
		}
		km_team_release(line->team, mass);
	}
	for (int i = 0; i < draw->n; i++)
		draw->wanted[draw->slot[draw->point[i].bucket] * nparts + draw->point[i].part] = true;
}

/* everybody's rows of the wanted parts that have mass, in order, merged */
static void
draw_collect(Draw *draw)
{
	KmLine	   *line = draw->line;

	km_records_init(&draw->records, line->team, line->d, DRAW_RECORDS);
	for (int c = 0; c < line->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(line->rows, c);

		for (int64_t i = 0; i < chunk->nrows; i++)
		{
			int			slot = draw->slot[chunk->bucket[i]];
			const double *values;
			uint64_t	hash;
			KmWide		mass;

			if (i % DRAW_CHECK_ROWS == 0)
				km_team_check(line->team);
			if (slot < 0)
				continue;
			values = km_chunk_rows(chunk, line->d, i, 1);
			hash = km_hash_row(values, line->d, line->seed);
			if (!draw->wanted[((size_t) slot << draw->parts_log2) + draw_part(draw, hash)])
				continue;
			mass = km_line_mass(line, km_chunk_weights(chunk, i),
								km_line_units(line, line->fresh ? 1 : chunk->dist2[i]));
			if (mass > 0)
				km_records_add(&draw->records, hash, mass, values);
		}
	}
	km_records_share(&draw->records);
}

/* the content at the point: there is one, masses being exact */
static void
draw_pick(const Draw *draw, const DrawPoint *point, double *content)
{
	const KmRecords *records = &draw->records;
	const KmLine *line = draw->line;
	KmWide		rest = point->rest;
	size_t		low = 0;
	size_t		high = records->n;

	/* the first record of the part */
	while (low < high)
	{
		size_t		middle = (low + high) / 2;
		uint64_t	hash = km_record_hash(km_record(records, middle));
		int			bucket = km_line_bucket(line, hash);

		if (bucket < point->bucket ||
			(bucket == point->bucket && draw_part(draw, hash) < point->part))
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < records->n - 1; low++)
	{
		KmWide		mass = km_record_mass(km_record(records, low));

		if (rest < mass)
			break;
		rest -= mass;
	}
	memcpy(content, km_record(records, low) + KM_RECORD_VALUES,
		   line->d * sizeof(double));
}
