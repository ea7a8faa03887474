/*
 * cache.h
 *		Models read by name, kept for the session.
 *
 * A prepared statement that labels one row must not read the catalog for it.
 * So models stay in the session's memory, by user and name, as long as
 * km_registry_generation() does not change, up to a few megabytes, the least
 * recently used going first.
 */
#ifndef KM_CACHE_H
#define KM_CACHE_H

#include "postgres.h"

#include "model/registry.h"
#include "model/value.h"

typedef struct KmCached KmCached;

/* What the caller derives from a model once; palloc'd in the current context. */
typedef void *(*KmCachePrepare) (const KmModel *model);

/*
 * The model that a name, or name@version, means to the current user and the
 * running statement.  Errors as for km_registry_find() and km_registry_load().
 * All calls give the same prepare.
 *
 * It lives as long as the current memory context, whatever becomes of the
 * model, and is right as long as km_cache_good().
 */
extern const KmCached *km_cache_get(const char *name, KmCachePrepare prepare);
extern bool km_cache_good(const KmCached *cached);

/* what prepare made of the model */
extern const void *km_cache_prepared(const KmCached *cached);

/* in bytes, for those who hold many */
extern Size km_cache_size(const KmCached *cached);

#endif							/* KM_CACHE_H */
