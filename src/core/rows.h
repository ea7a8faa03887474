/*
 * rows.h
 *		The rows of a fit, as the core sees them.
 *
 * Rows lie in chunks, raw (in original units), row-major.  Whoever owns the
 * rows hands out one chunk at a time: km_rows_get() makes a chunk's arrays
 * readable and writable until the next km_rows_get().  The owner may keep
 * chunks in memory or in temporary files; changes made to label, bound, dist2
 * and bucket survive either way.
 *
 * A row costs little beside its values, because bound may share its memory with
 * dist2: writing the one destroys the other.  So bounds begin with the first pass
 * after a seeding, and distances with a seeding; what was there before is
 * undefined, as labels are before their first pass.
 *
 * The values of a chunk are doubles, or floats where none of them is rounded by
 * that, which takes half the memory.  Readers see no difference:
 * km_chunk_rows() widens floats, some rows at a time.
 *
 * Values hold no infinity and no negative zero.  A NaN stands for a missing
 * value and appears only before the owner has filled or dropped it, that is,
 * only in km_stats().
 */
#ifndef KM_ROWS_H
#define KM_ROWS_H

#include "core/core.h"

#define KM_TILE 64				/* rows that are worked on together, */
#define KM_ROWS_BATCH 4096		/* or read together, if they stay in the cache: */
#define KM_ROWS_VALUES (1 << 16)

/* how many rows of d features make a batch: at least KM_TILE */
static inline int
km_rows_batch(int d)
{
	int			rows = KM_ROWS_VALUES / d;

	return rows < KM_TILE ? KM_TILE : rows > KM_ROWS_BATCH ? KM_ROWS_BATCH : rows;
}

typedef struct KmChunk
{
	int64_t		nrows;
	double	   *values;			/* nrows x d, or NULL: */
	float	   *floats;			/* the same, exactly */
	double	   *room;			/* where floats are widened: km_rows_batch(d) x d, or
								 * nrows x d if that is less */
	double	   *weight;			/* nrows, finite and >= 0; NULL: all are 1 */
	uint16_t   *label;			/* nrows: index of the cluster, below KM_MAX_CLUSTERS */
	float	   *bound;			/* nrows: for pruning */
	double	   *dist2;			/* nrows: squared distances of seeding */
	uint16_t   *bucket;			/* nrows: seeding's hash buckets */
} KmChunk;

typedef struct KmRows
{
	int			d;
	int64_t		n;				/* rows of this participant */
	bool		weighted;
	bool		neighbours;		/* those of a tile lie near each other: it pays to ask
								 * for its box first */
	int			nchunks;
	void	   *arg;
	KmChunk    *(*get) (void *arg, int chunk);
} KmRows;

static inline KmChunk *
km_rows_get(KmRows *rows, int chunk)
{
	return rows->get(rows->arg, chunk);
}

extern void km_rows_widen(const float *from, double *to, size_t n);

/*
 * The values of n rows from `start`, n x d.  In a chunk of floats at most
 * km_rows_batch(d) rows, and only until the next call for that chunk, or another
 * of the same owner.
 */
static inline const double *
km_chunk_rows(const KmChunk *chunk, int d, int64_t start, int n)
{
	if (chunk->values != NULL)
		return chunk->values + start * d;
	km_rows_widen(chunk->floats + start * d, chunk->room, (size_t) n * d);
	return chunk->room;
}

/* the weights of a chunk from row `start`, or NULL */
static inline const double *
km_chunk_weights(const KmChunk *chunk, int64_t start)
{
	return chunk->weight != NULL ? chunk->weight + start : NULL;
}

/* how many rows there are from `start`, but at most so many */
static inline int
km_chunk_batch(const KmChunk *chunk, int64_t start, int most)
{
	return (int) (chunk->nrows - start < most ? chunk->nrows - start : most);
}

#endif							/* KM_ROWS_H */
