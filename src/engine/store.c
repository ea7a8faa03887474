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
 *		values: capacity x d doubles
 *		weight: capacity doubles, if weighted
 *		marks: what the core notes beside the rows
 *			dist2: capacity doubles, or bound: as many floats
 *			label: capacity int32s
 *			bucket: capacity uint16s
 *
 * Bounds use the memory of dist2, since seeding is over when they are needed.
 *
 * When the next chunk would exceed the budget, it goes to a file, and all that
 * follow.  They have one capacity, so a chunk's place in the file follows from
 * its number.  One block in memory, the window, holds one of them at a time.
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

#define KM_STORE_MARK_BYTES		(sizeof(double) + sizeof(int32) + sizeof(uint16))

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
	int			nmarks;			/* chunks, from the first one in a file, whose
								 * marks have been written */
	MemoryContextCallback callback;
};

static int64 km_store_tiles(int64 capacity);
static void km_store_begin_chunk(KmStore *store);
static char *km_store_block(KmStore *store, Size bytes);
static int64 km_store_next_capacity(const KmStore *store);
static void km_store_lay_out(const KmStore *store, KmChunk *chunk, char *block,
							 int64 capacity);
static void km_store_begin_spill(KmStore *store);
static void km_store_load(KmStore *store, int chunk);
static void km_store_evict(KmStore *store);
static void km_store_clear_marks(KmStore *store);
static void km_store_write_marks(KmStore *store, int place);
static void km_store_read(BufFile *file, off_t offset, char *data, Size bytes);
static void km_store_write(BufFile *file, off_t offset, char *data, Size bytes);
static void km_store_closed(ResourceReleasePhase phase, bool commit, bool top,
							void *arg);
static void km_store_forget(void *arg);

KmStore *
km_store_create(MemoryContext cxt, int d, bool weighted, Size budget)
{
	KmStore    *store = MemoryContextAllocZero(cxt, sizeof(KmStore));
	Size		chunk_bytes = Min(KM_STORE_CHUNK_BYTES, budget / KM_STORE_CHUNK_SHARE);

	store->cxt = cxt;
	store->d = d;
	store->weighted = weighted;
	store->row_bytes = mul_size(d + (weighted ? 1 : 0), sizeof(double));
	store->budget = budget;
	store->max_capacity =
		km_store_tiles(chunk_bytes / (store->row_bytes + KM_STORE_MARK_BYTES));
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
			memcpy(km_store_room(store), chunk->values + i * from->d,
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

/* ---- Appending ---- */

/*
 * Make room: in the last chunk, if it is in a file and not full but has left the
 * window since, else in a new one.
 */
void
km_store_extend(KmStore *store)
{
	int			last = store->nchunks - 1;

	if (store->spill != NULL && store->chunks[last].rows.nrows < store->max_capacity)
		store->open = km_store_edit(store, last);
	else
		km_store_begin_chunk(store);
	store->room = store->last_capacity - store->open->nrows;
}

static void
km_store_begin_chunk(KmStore *store)
{
	int64		capacity = km_store_next_capacity(store);
	Size		row_bytes = store->row_bytes + KM_STORE_MARK_BYTES;
	Size		bytes = mul_size(capacity, row_bytes);
	Size		window = mul_size(store->max_capacity, row_bytes + KM_STORE_MARK_BYTES);
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
	if (store->spill == NULL && store->nchunks > 0 &&
		store->used + bytes + window > store->budget)
	{
		km_store_begin_spill(store);
		store->first_spilled = store->nchunks;
	}

	chunk = &store->chunks[store->nchunks];
	memset(chunk, 0, sizeof(KmStoreChunk));
	if (store->spill == NULL)
	{
		km_store_lay_out(store, &chunk->rows, km_store_block(store, bytes), capacity);
		store->used += bytes;
	}
	else
	{
		capacity = store->max_capacity;
		km_store_evict(store);
		km_store_clear_marks(store);
		km_store_lay_out(store, &chunk->rows, store->spill->window, capacity);
		store->spill->loaded = store->nchunks;
		store->spill->edited = true;
	}
	store->last_capacity = capacity;
	store->open = &chunk->rows;
	store->nchunks++;
}

/*
 * Memory for a chunk.  Where the system gives huge pages to those who ask, ask:
 * to have small ones mapped and cleared takes a tenth of the time of a load.
 */
static char *
km_store_block(KmStore *store, Size bytes)
{
	char	   *block = MemoryContextAllocHuge(store->cxt, bytes);

#ifdef MADV_HUGEPAGE
	char	   *first = (char *) TYPEALIGN(KM_STORE_HUGE_PAGE, block);
	char	   *end = (char *) TYPEALIGN_DOWN(KM_STORE_HUGE_PAGE, block + bytes);

	if (first < end)
		(void) madvise(first, end - first, MADV_HUGEPAGE);
#endif
	return block;
}

static int64
km_store_next_capacity(const KmStore *store)
{
	int64		capacity = store->last_capacity * 2;

	if (store->nchunks == 0)
		capacity = KM_STORE_FIRST_BYTES / (store->row_bytes + KM_STORE_MARK_BYTES);
	return Min(km_store_tiles(capacity), store->max_capacity);
}

static void
km_store_lay_out(const KmStore *store, KmChunk *chunk, char *block, int64 capacity)
{
	chunk->values = (double *) block;
	chunk->weight = store->weighted ? chunk->values + capacity * store->d : NULL;
	block += capacity * store->row_bytes;
	chunk->dist2 = (double *) block;
	chunk->bound = (float *) block;
	chunk->label = (int32 *) (chunk->dist2 + capacity);
	chunk->bucket = (uint16 *) (chunk->label + capacity);
}

/* ---- Chunks ---- */

KmChunk *
km_store_get(KmStore *store, int chunk)
{
	if (store->spill != NULL && chunk >= store->first_spilled &&
		chunk != store->spill->loaded)
		km_store_load(store, chunk);
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
		store->used -= Min(store->used, GetMemoryChunkSpace(chunk->values));
		pfree(chunk->values);
	}
	else if (store->spill->loaded == last)
		store->spill->loaded = -1;
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

static Size
km_store_values_bytes(const KmStore *store)
{
	return store->max_capacity * store->row_bytes;
}

static Size
km_store_marks_bytes(const KmStore *store)
{
	return store->max_capacity * KM_STORE_MARK_BYTES;
}

/*
 * The window is cleared once: whatever of it is written to a file has been
 * written to before.
 */
static void
km_store_begin_spill(KmStore *store)
{
	Size		marks = km_store_marks_bytes(store);
	KmSpill    *spill;
	MemoryContext oldcxt = MemoryContextSwitchTo(store->cxt);
	ResourceOwner oldowner = CurrentResourceOwner;

	spill = palloc0(sizeof(KmSpill));
	spill->loaded = -1;
	spill->window = MemoryContextAllocExtended(store->cxt,
											   km_store_values_bytes(store) + marks,
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
	Size		values = km_store_values_bytes(store);
	Size		marks = km_store_marks_bytes(store);
	int			place = chunk - store->first_spilled;

	km_store_evict(store);
	km_store_read(spill->values, (off_t) place * values, spill->window, values);

	if (place < spill->nmarks)
	{
		km_store_read(spill->marks, (off_t) place * marks, spill->window + values,
					  marks);
		memcpy(spill->marks_read, spill->window + values, marks);
	}
	else
		km_store_clear_marks(store);
	spill->loaded = chunk;
}

/* Marks that have never been written are 0. */
static void
km_store_clear_marks(KmStore *store)
{
	Size		marks = km_store_marks_bytes(store);

	memset(store->spill->window + km_store_values_bytes(store), 0, marks);
	memset(store->spill->marks_read, 0, marks);
}

/* Empty the window: write what has changed. */
static void
km_store_evict(KmStore *store)
{
	KmSpill    *spill = store->spill;
	Size		values = km_store_values_bytes(store);
	int			place = spill->loaded - store->first_spilled;

	if (spill->loaded < 0)
		return;
	if (spill->edited)
		km_store_write(spill->values, (off_t) place * values, spill->window, values);
	km_store_write_marks(store, place);
	if (store->open == &store->chunks[spill->loaded].rows)
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
km_store_write_marks(KmStore *store, int place)
{
	KmSpill    *spill = store->spill;
	Size		bytes = km_store_marks_bytes(store);
	char	   *marks = spill->window + km_store_values_bytes(store);

	for (Size at = 0; at < bytes; at += KM_STORE_PIECE_BYTES)
	{
		Size		piece = Min(bytes - at, KM_STORE_PIECE_BYTES);

		if (memcmp(spill->marks_read + at, marks + at, piece) == 0)
			continue;
		while (spill->nmarks <= place)
			km_store_write(spill->marks, (off_t) spill->nmarks++ * bytes,
						   spill->marks_read, bytes);
		km_store_write(spill->marks, (off_t) place * bytes + at, marks + at, piece);
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
