/*
 * cache.c
 *		Models read by name, kept for the session.
 *
 * Each model has a memory context of its own, and is held by the cache
 * (listed) and by the callers that got it (pins); it goes when the last of
 * them lets go.  A caller's pin is released by a callback of the memory
 * context it called in, so it ends with a query however that ends.
 *
 * When is a kept model right?  Everything listed was loaded under one
 * generation of the registry: as long as that lasts nobody has changed a
 * model, a grant or a membership, as far as this session has heard.  But a
 * statement whose snapshot is older than the last change, such as a cursor's,
 * must see what was before.  The change that made a model what it is raised
 * the revision of its row in kmeans_catalog, so the question is whether the
 * snapshot sees the transaction and command that wrote this row.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "miscadmin.h"
#include "model/cache.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#define MAX_BYTES		(8 * 1024 * 1024)

/* longer ones, with a version of very many digits, are not listed */
#define MAX_NAME		80

typedef struct KmCacheKey
{
	Oid			user;
	char		name[MAX_NAME]; /* padded with zeros */
} KmCacheKey;

struct KmCached
{
	MemoryContext cxt;			/* holds all of it */
	KmCacheKey	key;
	uint64		generation;
	const KmModelRef *ref;
	const void *prepared;
	Size		size;
	int			pins;
	bool		listed;
	dlist_node	node;			/* in recent, while listed */
};

typedef struct KmCacheEntry
{
	KmCacheKey	key;
	KmCached   *cached;
} KmCacheEntry;

static MemoryContext cache_cxt = NULL;
static HTAB *table = NULL;		/* KmCacheEntry */
static dlist_head recent = DLIST_STATIC_INIT(recent);	/* last used first */
static Size listed_bytes = 0;
static uint64 listed_generation = 0;

static void create_cache(void);
static KmCached *find(const KmCacheKey *key);
static KmCached *load(const char *name, KmCachePrepare prepare);
static void list(KmCached *cached);
static void unlist(KmCached *cached);
static void pin(KmCached *cached);
static void unpin(void *arg);

const KmCached *
km_cache_get(const char *name, KmCachePrepare prepare)
{
	uint64		generation = km_registry_generation();
	KmCacheKey	key = {.user = GetUserId()};
	bool		fits = strlen(name) < MAX_NAME;
	KmCached   *cached;

	if (table == NULL)
		create_cache();
	if (listed_generation != generation)
	{
		while (!dlist_is_empty(&recent))
			unlist(dlist_head_element(KmCached, node, &recent));
		listed_generation = generation;
	}

	strlcpy(key.name, name, MAX_NAME);
	cached = fits ? find(&key) : NULL;
	if (cached != NULL)
	{
		pin(cached);
		return cached;
	}

	cached = load(name, prepare);
	cached->key = key;
	cached->generation = generation;
	pin(cached);
	MemoryContextSetParent(cached->cxt, cache_cxt);
	if (fits && cached->size <= MAX_BYTES)
		list(cached);
	return cached;
}

bool
km_cache_good(const KmCached *cached)
{
	return cached->generation == km_registry_generation() &&
		cached->key.user == GetUserId() &&
		km_registry_sees(cached->ref);
}

const void *
km_cache_prepared(const KmCached *cached)
{
	return cached->prepared;
}

Size
km_cache_size(const KmCached *cached)
{
	return cached->size;
}

static void
create_cache(void)
{
	HASHCTL		control = {
		.keysize = sizeof(KmCacheKey),
		.entrysize = sizeof(KmCacheEntry)
	};

	if (cache_cxt == NULL)
		cache_cxt = AllocSetContextCreate(CacheMemoryContext, "kmeans models",
										  ALLOCSET_SMALL_SIZES);
	control.hcxt = cache_cxt;
	table = hash_create("kmeans models", 16, &control,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* a listed model that is right for the running statement, or NULL */
static KmCached *
find(const KmCacheKey *key)
{
	KmCacheEntry *entry = hash_search(table, key, HASH_FIND, NULL);

	if (entry == NULL)
		return NULL;
	if (!km_registry_sees(entry->cached->ref))
	{
		unlist(entry->cached);
		return NULL;
	}
	dlist_move_head(&recent, &entry->cached->node);
	return entry->cached;
}

/* In a child of the caller's context, which takes it along if this fails. */
static KmCached *
load(const char *name, KmCachePrepare prepare)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "kmeans model",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(cxt);
	KmCached   *cached = palloc0(sizeof(KmCached));

	cached->cxt = cxt;
	cached->ref = km_registry_find(name);
	cached->prepared = prepare(km_registry_load(cached->ref, NULL));
	cached->size = MemoryContextMemAllocated(cxt, true);
	MemoryContextSwitchTo(caller);
	return cached;
}

static void
list(KmCached *cached)
{
	KmCacheEntry *entry = hash_search(table, &cached->key, HASH_ENTER, NULL);

	entry->cached = cached;
	dlist_push_head(&recent, &cached->node);
	cached->listed = true;
	listed_bytes += cached->size;
	while (listed_bytes > MAX_BYTES)
		unlist(dlist_tail_element(KmCached, node, &recent));
}

static void
unlist(KmCached *cached)
{
	hash_search(table, &cached->key, HASH_REMOVE, NULL);
	dlist_delete(&cached->node);
	cached->listed = false;
	listed_bytes -= cached->size;
	if (cached->pins == 0)
		MemoryContextDelete(cached->cxt);
}

static void
pin(KmCached *cached)
{
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));

	callback->func = unpin;
	callback->arg = cached;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	cached->pins++;
}

static void
unpin(void *arg)
{
	KmCached   *cached = arg;

	cached->pins--;
	if (cached->pins == 0 && !cached->listed)
		MemoryContextDelete(cached->cxt);
}
