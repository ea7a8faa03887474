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
 * Values hold no infinity and no negative zero.  A NaN stands for a missing
 * value and appears only before the owner has filled or dropped it, that is,
 * only in km_stats().
 */
#ifndef KM_ROWS_H
#define KM_ROWS_H

#include "core/core.h"

typedef struct KmChunk
{
	int64_t		nrows;
	double	   *values;			/* nrows x d */
	double	   *weight;			/* nrows, finite and >= 0; NULL: all are 1 */
	int32_t    *label;			/* nrows: index of the cluster */
	float	   *bound;			/* nrows: for pruning */
	double	   *dist2;			/* nrows: squared distances of seeding and summary */
	uint16_t   *bucket;			/* nrows: seeding's hash buckets */
} KmChunk;

typedef struct KmRows
{
	int			d;
	int64_t		n;				/* rows of this participant */
	bool		weighted;
	int			nchunks;
	void	   *arg;
	KmChunk    *(*get) (void *arg, int chunk);
} KmRows;

static inline KmChunk *
km_rows_get(KmRows *rows, int chunk)
{
	return rows->get(rows->arg, chunk);
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
