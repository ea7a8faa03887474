/*
 * store.h
 *		Packed rows in chunks: in memory up to a budget, beyond it in temporary
 *		files.
 *
 * Rows are appended one by one, and read and changed chunk by chunk:
 *
 *		km_store_create
 *		km_store_room, km_store_push	(row by row)
 *		km_store_get, km_store_edit		(chunk by chunk)
 *
 * in any order and as often as needed.  A row is written as doubles.  While no
 * value has been rounded by it, rows are kept as floats; from the first that
 * would be, as doubles, in a new chunk.  So a chunk is of one kind.
 *
 * A chunk in memory stays where it is.  All
 * chunks in files share one window: a chunk in it is gone with the next call that
 * needs another one.
 *
 * A store belongs to the memory context that it was created in.  Resetting the
 * context closes the files, and so does the release of the resource owner that
 * was current when the first row was spilled, whichever comes first.
 */
#ifndef KM_STORE_H
#define KM_STORE_H

#include "postgres.h"

#include "core/rows.h"

typedef struct KmSpill KmSpill;

typedef struct KmStoreChunk
{
	KmChunk		rows;			/* of a chunk in a file: where it lies while it is
								 * in the window */
	int64		capacity;		/* rows */
	char	   *memory;			/* of a chunk in memory: what to free */
	int64		hidden;			/* rows behind rows.nrows, see km_store_hide() */
	off_t		values_at;		/* of a chunk in a file: its places */
	off_t		marks_at;
} KmStoreChunk;

typedef struct KmStore
{
	KmChunk    *open;			/* the chunk that takes the next row */
	int64		room;			/* rows that still fit into it */
	int64		n;				/* rows pushed */

	MemoryContext cxt;
	int			d;
	bool		weighted;
	bool		narrow;			/* new chunks are of floats */
	double	   *wide;			/* wide_rows x d: a new row before it is narrowed, and
								 * floats read as doubles; NULL: not needed so far */
	int64		wide_rows;
	Size		budget;
	Size		chunk_bytes;	/* of a chunk, at most, if that is a row */
	Size		used;			/* by chunks in memory */
	KmStoreChunk *chunks;
	int			nchunks;
	int			maxchunks;
	int			first_spilled;	/* from here on chunks are in files */
	KmSpill    *spill;			/* NULL while all are in memory */
} KmStore;

/*
 * A store for rows of d values, and a weight if weighted, that takes at most
 * budget bytes of memory, but room for a few rows in any case.
 */
extern KmStore *km_store_create(MemoryContext cxt, int d, bool weighted,
								Size budget);

/*
 * The same rows once more, in memory from cxt: what is left of the budget, and
 * at least an eighth of it.  There must be no hidden rows.
 */
extern KmStore *km_store_copy(KmStore *from, MemoryContext cxt);

/*
 * From now on keep to another budget; what is there stays.
 */
extern void km_store_limit(KmStore *store, Size budget);

/* Close the files.  Chunks in files cannot be read any more. */
extern void km_store_close(KmStore *store);

/* Close the files, and free the memory of all chunks.  There are no rows any more. */
extern void km_store_free(KmStore *store);

extern void km_store_extend(KmStore *store);
extern void km_store_narrow(KmStore *store);

/*
 * Room for one more row of d values.  The caller writes them and then calls
 * km_store_push, or does not, and the room is used for the next row.
 */
static inline double *
km_store_room(KmStore *store)
{
	if (unlikely(store->room == 0))
		km_store_extend(store);
	return store->open->values != NULL ?
		store->open->values + store->open->nrows * store->d : store->wide;
}

/* weight is ignored unless the store is weighted */
static inline void
km_store_push(KmStore *store, double weight)
{
	if (store->open->values == NULL)
		km_store_narrow(store);
	if (store->weighted)
		store->open->weight[store->open->nrows] = weight;
	store->open->nrows++;
	store->room--;
	store->n++;
}

/*
 * The rows of a chunk, up to the next call for another one.  Changes to label,
 * bound, dist2 and bucket stay; changes to values and weight only after
 * km_store_edit().
 */
extern KmChunk *km_store_get(KmStore *store, int chunk);
extern KmChunk *km_store_edit(KmStore *store, int chunk);

/*
 * Forget the last so many rows of the last chunk, and the chunk if it has no
 * others.
 */
extern void km_store_pop(KmStore *store, int64 nrows);

/*
 * Leave the last so many rows of a chunk out of all that follows, until
 * km_store_unhide().  No row can be pushed meanwhile.
 */
extern void km_store_hide(KmStore *store, int chunk, int64 nrows);
extern void km_store_unhide(KmStore *store);

#endif							/* KM_STORE_H */
