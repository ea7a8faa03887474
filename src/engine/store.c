/*
 * store.c
 *		Packed rows in chunks: in memory up to a budget, beyond it in temporary
 *		files.
 *
 * Chunks in memory grow from a few rows to KM_STORE_CHUNK_BYTES, each twice as
 * long as the one before, so that a group of a hundred rows costs little and ten
 * million rows make few chunks.  Everything that belongs to a row is in one
 * block of memory:
 *
 *		weight: capacity doubles, if weighted
 *		values: capacity x d doubles or floats, and up to 4 bytes of padding
 *		marks: what the core notes beside the rows
 *			label: capacity uint16s, and up to 6 bytes of padding
 *			dist2: capacity doubles, or bound: as many floats
 *			bucket: capacity uint16s
 *
 * Bounds use the memory of dist2, since seeding is over when they are needed.
 * Where a sample is enough for seeding, the second half of dist2 and the buckets
 * are never touched, and so take no memory.
 *
 * When the next chunk would exceed the budget, it goes to a file, and all that
 * follow.  One block in memory, the window, holds one of them at a time.
 * Values and weights, which never change during a fit, are in one file, marks in
 * another, so that a pass writes back no more than marks, and of those only the
 * pieces that it has changed: they are compared with a copy of what was read,
 * which costs little beside reading and asks nothing of the core.
 *
 * A window is read at the speed of a copy from the page cache, so it should fit
 * into the processor's caches: that is why chunks are no longer than they are.
 *
 * The files have a resource owner of their own, a child of the one that is
 * current when they are made.  If that one goes first (a transaction fails, or a
 * portal is dropped), it takes the files with it, and a release callback notes
 * that.  If the memory goes first, its reset callback releases the owner.  Files
 * are never closed by BufFileClose(), which would write what is waiting in its
 * buffer, and fail where the disk is full.
 */
#include "postgres.h"

#include <sys/mman.h>

#include "miscadmin.h"
#include "storage/buffile.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "engine/store.h"

#define KM_STORE_FIRST_BYTES	((Size) 4096)
#define KM_STORE_CHUNK_BYTES	((Size) 8 * 1024 * 1024)

/* a chunk is at most this part of the budget */
#define KM_STORE_CHUNK_SHARE	16


#define KM_STORE_HUGE_PAGE		((Size) 2 * 1024 * 1024)

/* no longer than this between checks for interrupts */
#define KM_STORE_IO_BYTES		((Size) 1024 * 1024)

/* marks are compared and written in pieces of so many bytes */
#define KM_STORE_PIECE_BYTES	((Size) 32 * 1024)

struct KmSpill
{
	ResourceOwner owner;		/* of the files; NULL: they are closed */
	BufFile    *values;
	BufFile    *marks;
	char	   *window;
	char	   *marks_read;		/* the marks in the window as they were read */
	int			loaded;			/* which chunk is in the window; -1: none */
	bool		edited;			/* its values have changed */
	off_t		marks_end;		/* of the file: marks beyond have not been written */
	MemoryContextCallback callback;
};

static int64 km_store_tiles(int64 capacity);
static void km_store_begin_chunk(KmStore *store);
static char *km_store_block(KmStore *store, KmStoreChunk *chunk, Size bytes);
static void km_store_widen(KmStore *store, int64 nrows);
static Size km_store_row_bytes(const KmStore *store, bool narrow);
static int64 km_store_max_capacity(const KmStore *store, bool narrow);
static Size km_store_marks_bytes(int64 capacity);
static Size km_store_values_bytes(const KmStore *store, bool narrow, int64 capacity);
static Size km_store_bytes(const KmStore *store, bool narrow, int64 capacity);
static Size km_store_window_bytes(const KmStore *store);
static int64 km_store_next_capacity(const KmStore *store);
static void km_store_lay_out(KmStore *store, KmStoreChunk *chunk, char *block);
static void km_store_begin_spill(KmStore *store);
static void km_store_load(KmStore *store, int chunk);
static void km_store_evict(KmStore *store);
static void km_store_clear_marks(KmStore *store, const KmStoreChunk *chunk);
static void km_store_write_marks(KmStore *store, const KmStoreChunk *chunk);
static void km_store_read(BufFile *file, off_t offset, char *data, Size bytes);
static void km_store_write(BufFile *file, off_t offset, char *data, Size bytes);
static void km_store_closed(ResourceReleasePhase phase, bool commit, bool top,
							void *arg);
static void km_store_forget(void *arg);

KmStore *
km_store_create(MemoryContext cxt, int d, bool weighted, Size budget)
{
	KmStore    *store = MemoryContextAllocZero(cxt, sizeof(KmStore));

	store->cxt = cxt;
	store->d = d;
	store->weighted = weighted;
	store->narrow = true;
	store->budget = budget;
	store->chunk_bytes = Min(KM_STORE_CHUNK_BYTES, budget / KM_STORE_CHUNK_SHARE);
	return store;
}

/* At least one row, and whole tiles of the kernel once they fit. */
static int64
km_store_tiles(int64 capacity)
{
	return capacity > 64 ? capacity - capacity % 64 : Max(capacity, 1);
}

KmStore *
km_store_copy(KmStore *from, MemoryContext cxt)
{
	Size		left = from->budget - Min(from->budget, from->used);
	KmStore    *store = km_store_create(cxt, from->d, from->weighted,
										Max(left, from->budget / 8));

	for (int c = 0; c < from->nchunks; c++)
	{
		KmChunk    *chunk = km_store_get(from, c);

		CHECK_FOR_INTERRUPTS();
		for (int64 i = 0; i < chunk->nrows; i++)
		{
			memcpy(km_store_room(store), km_chunk_rows(chunk, from->d, i, 1),
				   from->d * sizeof(double));
			km_store_push(store, from->weighted ? chunk->weight[i] : 1);
		}
	}
	return store;
}

void
km_store_limit(KmStore *store, Size budget)
{
	store->budget = budget;
}

void
km_store_close(KmStore *store)
{
	ResourceOwner owner = store->spill != NULL ? store->spill->owner : NULL;

	if (owner == NULL)
		return;
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_LOCKS, false, false);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
	ResourceOwnerDelete(owner);
}

void
km_store_free(KmStore *store)
{
	int			in_memory = store->spill != NULL ? store->first_spilled : store->nchunks;

	for (int c = 0; c < in_memory; c++)
		pfree(store->chunks[c].memory);
	store->nchunks = 0;
	store->open = NULL;
	store->room = 0;
	km_store_close(store);
}

/* ---- Appending ---- */

/*
 * Make room: in the last chunk, if it is in a file and not full but has left the
 * window since, else in a new one.
 */
void
km_store_extend(KmStore *store)
{
	int			last = store->nchunks - 1;

	if (store->open == NULL && store->spill != NULL && last >= store->first_spilled &&
		store->chunks[last].rows.nrows < store->chunks[last].capacity)
		store->open = km_store_edit(store, last);
	else
		km_store_begin_chunk(store);
	last = store->nchunks - 1;
	store->room = store->chunks[last].capacity - store->open->nrows;
}

/*
 * Bring the row in store->wide into its place among floats.  If a value would be
 * rounded by it, rows are doubles from here on, this one first.
 */
void
km_store_narrow(KmStore *store)
{
	const double *wide = store->wide;
	float	   *floats = store->open->floats + store->open->nrows * store->d;
	bool		exact = true;

	for (int t = 0; t < store->d; t++)
	{
		floats[t] = (float) wide[t];
		exact &= floats[t] == wide[t];
	}
	if (exact)
		return;
	store->narrow = false;
	if (store->open->nrows == 0)
		km_store_pop(store, 0);
	km_store_begin_chunk(store);
	store->room = store->chunks[store->nchunks - 1].capacity;
	memcpy(store->open->values, wide, store->d * sizeof(double));
}

static void
km_store_begin_chunk(KmStore *store)
{
	int64		capacity = km_store_next_capacity(store);
	Size		bytes;
	KmStoreChunk *chunk;

	if (store->nchunks == store->maxchunks)
	{
		int			more = store->maxchunks > 0 ? store->maxchunks * 2 : 4;
		Size		chunks_bytes = mul_size(more, sizeof(KmStoreChunk));

		store->chunks = store->chunks == NULL ?
			MemoryContextAlloc(store->cxt, chunks_bytes) :
			repalloc_huge(store->chunks, chunks_bytes);
		store->maxchunks = more;
	}
	chunk = &store->chunks[store->nchunks];
	memset(chunk, 0, sizeof(KmStoreChunk));
	chunk->capacity = capacity;
	bytes = km_store_bytes(store, store->narrow, capacity);
	if (store->spill == NULL && store->nchunks > 0 &&
		store->used + bytes + km_store_window_bytes(store) > store->budget)
	{
		km_store_begin_spill(store);
		store->first_spilled = store->nchunks;
	}
	if (store->spill == NULL)
	{
		km_store_lay_out(store, chunk, km_store_block(store, chunk, bytes));
		store->used += bytes;
	}
	else
	{
		km_store_evict(store);
		chunk->capacity = km_store_max_capacity(store, store->narrow);
		if (store->nchunks > store->first_spilled)
		{
			const KmStoreChunk *before = chunk - 1;

			chunk->values_at = before->values_at +
				km_store_values_bytes(store, before->rows.values == NULL, before->capacity);
			chunk->marks_at = before->marks_at + km_store_marks_bytes(before->capacity);
		}
		km_store_lay_out(store, chunk, store->spill->window);
		km_store_clear_marks(store, chunk);
		store->spill->loaded = store->nchunks;
		store->spill->edited = true;
	}
	store->open = &chunk->rows;
	store->nchunks++;
}

/*
 * Memory for a chunk.  Where the system gives huge pages to those who ask, ask:
 * to have small ones mapped and cleared takes a tenth of the time of a load.  So
 * a chunk of such pages begins with one, and what every fit uses of it ends with
 * one if that is nearly full.  What lies before is never touched.
 */
static char *
km_store_block(KmStore *store, KmStoreChunk *chunk, Size bytes)
{
#ifdef MADV_HUGEPAGE
	Size		used = chunk->capacity * km_store_row_bytes(store, store->narrow);
	Size		pages = (used + KM_STORE_HUGE_PAGE / 16) / KM_STORE_HUGE_PAGE;

	if (pages > 0)
	{
		Size		whole = mul_size(pages, KM_STORE_HUGE_PAGE);
		char	   *block;

		chunk->memory = MemoryContextAllocHuge(store->cxt, add_size(Max(bytes, whole),
																	KM_STORE_HUGE_PAGE));
		block = (char *) TYPEALIGN(KM_STORE_HUGE_PAGE, chunk->memory);
		(void) madvise(block, whole, MADV_HUGEPAGE);
		return block;
	}
#endif
	chunk->memory = MemoryContextAllocHuge(store->cxt, bytes);
	return chunk->memory;
}

static int64
km_store_next_capacity(const KmStore *store)
{
	int64		capacity = store->nchunks > 0 ?
		store->chunks[store->nchunks - 1].capacity * 2 :
		KM_STORE_FIRST_BYTES / km_store_row_bytes(store, store->narrow);

	return Min(km_store_tiles(capacity), km_store_max_capacity(store, store->narrow));
}

/* what every fit uses of a row, in a chunk of floats or of doubles */
static Size
km_store_row_bytes(const KmStore *store, bool narrow)
{
	return store->d * (narrow ? sizeof(float) : sizeof(double)) +
		(store->weighted ? sizeof(double) : 0) + sizeof(uint16) + sizeof(float);
}

static int64
km_store_max_capacity(const KmStore *store, bool narrow)
{
	return km_store_tiles(store->chunk_bytes / km_store_row_bytes(store, narrow));
}

static Size
km_store_marks_bytes(int64 capacity)
{
	return MAXALIGN(capacity * sizeof(uint16)) +
		capacity * (sizeof(double) + sizeof(uint16));
}

/* values and weights */
static Size
km_store_values_bytes(const KmStore *store, bool narrow, int64 capacity)
{
	Size		values = mul_size(capacity, store->d * (narrow ? sizeof(float) : sizeof(double)));

	return MAXALIGN(values) + (store->weighted ? capacity * sizeof(double) : 0);
}

static Size
km_store_bytes(const KmStore *store, bool narrow, int64 capacity)
{
	return km_store_values_bytes(store, narrow, capacity) + km_store_marks_bytes(capacity);
}

/* for any chunk that may yet come */
static Size
km_store_window_bytes(const KmStore *store)
{
	Size		doubles = km_store_bytes(store, false, km_store_max_capacity(store, false));
	Size		floats = km_store_bytes(store, true, km_store_max_capacity(store, true));

	return store->narrow ? Max(doubles, floats) : doubles;
}

/* a chunk as it is now decided to be: of doubles or of floats */
static void
km_store_lay_out(KmStore *store, KmStoreChunk *chunk, char *block)
{
	KmChunk    *rows = &chunk->rows;

	char	   *start = block;

	if (store->weighted)
	{
		rows->weight = (double *) block;
		block += chunk->capacity * sizeof(double);
	}
	if (store->narrow)
	{
		km_store_widen(store, Min(chunk->capacity, km_rows_batch(store->d)));
		rows->floats = (float *) block;
		rows->room = store->wide;
	}
	else
		rows->values = (double *) block;
	start += km_store_values_bytes(store, store->narrow, chunk->capacity);
	rows->label = (uint16 *) start;
	rows->dist2 = (double *) (start + MAXALIGN(chunk->capacity * sizeof(uint16)));
	rows->bound = (float *) rows->dist2;
	rows->bucket = (uint16 *) (rows->dist2 + chunk->capacity);
}

/* Make sure that so many rows of floats can be read as doubles. */
static void
km_store_widen(KmStore *store, int64 nrows)
{
	Size		bytes = mul_size(mul_size(nrows, store->d), sizeof(double));

	if (nrows <= store->wide_rows)
		return;
	if (store->wide != NULL)
		pfree(store->wide);
	store->wide = MemoryContextAllocHuge(store->cxt, bytes);
	store->used += bytes - store->wide_rows * store->d * sizeof(double);
	store->wide_rows = nrows;
}

/* ---- Chunks ---- */

KmChunk *
km_store_get(KmStore *store, int chunk)
{
	if (store->spill != NULL && chunk >= store->first_spilled &&
		chunk != store->spill->loaded)
		km_store_load(store, chunk);
	store->chunks[chunk].rows.room = store->wide;
	return &store->chunks[chunk].rows;
}

KmChunk *
km_store_edit(KmStore *store, int chunk)
{
	KmChunk    *rows = km_store_get(store, chunk);

	if (store->spill != NULL && chunk == store->spill->loaded)
		store->spill->edited = true;
	return rows;
}

void
km_store_pop(KmStore *store, int64 nrows)
{
	int			last = store->nchunks - 1;
	KmChunk    *chunk = &store->chunks[last].rows;

	store->open = NULL;
	store->room = 0;
	store->n -= nrows;
	chunk->nrows -= nrows;
	if (chunk->nrows > 0)
		return;
	store->nchunks--;
	if (store->spill == NULL || last < store->first_spilled)
	{
		store->used -= km_store_bytes(store, chunk->values == NULL,
									  store->chunks[last].capacity);
		pfree(store->chunks[last].memory);
	}
	else if (store->spill->loaded == last)
	{
		store->spill->edited = false;
		store->spill->loaded = -1;
	}
}

void
km_store_hide(KmStore *store, int chunk, int64 nrows)
{
	store->chunks[chunk].rows.nrows -= nrows;
	store->chunks[chunk].hidden += nrows;
}

void
km_store_unhide(KmStore *store)
{
	for (int c = 0; c < store->nchunks; c++)
	{
		store->chunks[c].rows.nrows += store->chunks[c].hidden;
		store->chunks[c].hidden = 0;
	}
}

/* ---- Files ---- */

/*
 * The window is cleared once: whatever of it is written to a file has been
 * written to before.
 */
static void
km_store_begin_spill(KmStore *store)
{
	Size		window = km_store_window_bytes(store);
	Size		marks = km_store_marks_bytes(Max(km_store_max_capacity(store, false),
												 km_store_max_capacity(store, store->narrow)));
	KmSpill    *spill;
	MemoryContext oldcxt = MemoryContextSwitchTo(store->cxt);
	ResourceOwner oldowner = CurrentResourceOwner;

	spill = palloc0(sizeof(KmSpill));
	spill->loaded = -1;
	spill->window = MemoryContextAllocExtended(store->cxt, window,
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	spill->marks_read = MemoryContextAllocExtended(store->cxt, marks,
												   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	spill->callback.func = km_store_forget;
	spill->callback.arg = store;
	store->spill = spill;
	RegisterResourceReleaseCallback(km_store_closed, spill);
	MemoryContextRegisterResetCallback(store->cxt, &spill->callback);

	spill->owner = ResourceOwnerCreate(oldowner, "kmeans rows");
	CurrentResourceOwner = spill->owner;
	spill->values = BufFileCreateTemp(false);
	spill->marks = BufFileCreateTemp(false);
	CurrentResourceOwner = oldowner;
	MemoryContextSwitchTo(oldcxt);
}

static void
km_store_load(KmStore *store, int chunk)
{
	KmSpill    *spill = store->spill;
	const KmStoreChunk *wanted = &store->chunks[chunk];

	km_store_evict(store);
	km_store_read(spill->values, wanted->values_at, spill->window,
				  km_store_values_bytes(store, wanted->rows.values == NULL, wanted->capacity));

	if (wanted->marks_at < spill->marks_end)
	{
		Size		marks = km_store_marks_bytes(wanted->capacity);

		km_store_read(spill->marks, wanted->marks_at, (char *) wanted->rows.label, marks);
		memcpy(spill->marks_read, wanted->rows.label, marks);
	}
	else
		km_store_clear_marks(store, wanted);
	spill->loaded = chunk;
}

/* Marks that have never been written are 0. */
static void
km_store_clear_marks(KmStore *store, const KmStoreChunk *chunk)
{
	memset(chunk->rows.label, 0, km_store_marks_bytes(chunk->capacity));
	memset(store->spill->marks_read, 0, km_store_marks_bytes(chunk->capacity));
}

/* Empty the window: write what has changed. */
static void
km_store_evict(KmStore *store)
{
	KmSpill    *spill = store->spill;
	const KmStoreChunk *chunk;

	if (spill->loaded < 0)
		return;
	chunk = &store->chunks[spill->loaded];
	if (spill->edited)
		km_store_write(spill->values, chunk->values_at, spill->window,
					   km_store_values_bytes(store, chunk->rows.values == NULL,
											 chunk->capacity));
	km_store_write_marks(store, chunk);
	if (store->open == &chunk->rows)
	{
		store->open = NULL;
		store->room = 0;
	}
	spill->edited = false;
	spill->loaded = -1;
}

/*
 * Write the pieces of the marks that have changed.  A file cannot be written
 * beyond its end, so if these are the first marks of their chunk, all before it
 * get theirs as well: marks_read, which then is 0.
 */
static void
km_store_write_marks(KmStore *store, const KmStoreChunk *chunk)
{
	KmSpill    *spill = store->spill;
	Size		bytes = km_store_marks_bytes(chunk->capacity);
	char	   *marks = (char *) chunk->rows.label;

	for (Size at = 0; at < bytes; at += KM_STORE_PIECE_BYTES)
	{
		Size		piece = Min(bytes - at, KM_STORE_PIECE_BYTES);

		if (memcmp(spill->marks_read + at, marks + at, piece) == 0)
			continue;
		while (spill->marks_end < chunk->marks_at + bytes)
		{
			Size		more = Min(bytes, chunk->marks_at + bytes - spill->marks_end);

			km_store_write(spill->marks, spill->marks_end, spill->marks_read, more);
			spill->marks_end += more;
		}
		km_store_write(spill->marks, chunk->marks_at + at, marks + at, piece);
	}
}

static void
km_store_seek(BufFile *file, off_t offset)
{
	if (BufFileSeek(file, 0, offset, SEEK_SET) != 0)
		elog(ERROR, "could not seek in temporary file of rows");
}

static void
km_store_read(BufFile *file, off_t offset, char *data, Size bytes)
{
	km_store_seek(file, offset);
	for (Size done = 0; done < bytes; done += KM_STORE_IO_BYTES)
	{
		Size		part = Min(bytes - done, KM_STORE_IO_BYTES);

		CHECK_FOR_INTERRUPTS();
		if (BufFileRead(file, data + done, part) != part)
			elog(ERROR, "could not read from temporary file of rows");
	}
}

static void
km_store_write(BufFile *file, off_t offset, char *data, Size bytes)
{
	km_store_seek(file, offset);
	for (Size done = 0; done < bytes; done += KM_STORE_IO_BYTES)
	{
		CHECK_FOR_INTERRUPTS();
		BufFileWrite(file, data + done, Min(bytes - done, KM_STORE_IO_BYTES));
	}
}

/* ---- The end of the files ---- */

/* Called for every resource owner that is released. */
static void
km_store_closed(ResourceReleasePhase phase, bool commit, bool top, void *arg)
{
	KmSpill    *spill = arg;

	if (phase == RESOURCE_RELEASE_AFTER_LOCKS && CurrentResourceOwner == spill->owner)
		spill->owner = NULL;
}

/* Called before the store's memory is freed. */
static void
km_store_forget(void *arg)
{
	KmStore    *store = arg;

	km_store_close(store);
	UnregisterResourceReleaseCallback(km_store_closed, store->spill);
}
