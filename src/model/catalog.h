/*
 * catalog.h
 *		The catalog tables as tables: finding, scanning and changing rows.
 *
 * Private to the model floor: registry*.c know what the rows mean, catalog.c
 * knows how they are reached.  Nothing here checks rights.
 *
 * The tables are opened directly, without the executor: no privileges,
 * triggers, rules or row-level security take part, and constraints other than
 * primary keys are not checked.
 */
#ifndef KM_CATALOG_H
#define KM_CATALOG_H

#include "postgres.h"

#include "access/genam.h"
#include "catalog/indexing.h"
#include "compat.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

typedef enum KmTable
{
	KM_TABLE_CATALOG,
	KM_TABLE_VERSION,
	KM_TABLE_CENTROID,
	KM_TABLE_ITERATION,
	KM_TABLE_PRIVILEGE
} KmTable;

/* Columns, from 1, in the order of sql/install/20-catalog.sql */
enum
{
	KM_CATALOG_MODEL_ID = 1,
	KM_CATALOG_NAME,
	KM_CATALOG_OWNER,
	KM_CATALOG_PROMOTED,
	KM_CATALOG_LAST_VERSION,
	KM_CATALOG_LAST_CLUSTER,
	KM_CATALOG_REVISION,
	KM_CATALOG_CREATED_AT,
	KM_CATALOG_COLUMNS = KM_CATALOG_CREATED_AT
};

enum
{
	KM_VERSION_MODEL_ID = 1,
	KM_VERSION_VERSION,
	KM_VERSION_SOURCE,
	KM_VERSION_NAMES,
	KM_VERSION_KINDS,
	KM_VERSION_LENGTHS,
	KM_VERSION_CATEGORIES,
	KM_VERSION_ID_COLUMN,
	KM_VERSION_WEIGHT_COLUMN,
	KM_VERSION_OPTIONS,
	KM_VERSION_SEED,
	KM_VERSION_METRIC,
	KM_VERSION_FEATURES,
	KM_VERSION_SHIFT,
	KM_VERSION_SCALE,
	KM_VERSION_FILL,
	KM_VERSION_K,
	KM_VERSION_N_ROWS,
	KM_VERSION_N_SKIPPED,
	KM_VERSION_INERTIA,
	KM_VERSION_TOTAL_SS,
	KM_VERSION_N_ITER,
	KM_VERSION_CONVERGED,
	KM_VERSION_BEST_RUN,
	KM_VERSION_OUTLIER_UPPER,
	KM_VERSION_OUTLIER_WEIGHT,
	KM_VERSION_OUTLIER_LARGEST,
	KM_VERSION_ELAPSED_MS,
	KM_VERSION_FITTED_AT,
	KM_VERSION_FITTED_BY,
	KM_VERSION_COLUMNS = KM_VERSION_FITTED_BY
};

enum
{
	KM_CENTROID_MODEL_ID = 1,
	KM_CENTROID_VERSION,
	KM_CENTROID_CLUSTER,
	KM_CENTROID_LABEL,
	KM_CENTROID_SIZE,
	KM_CENTROID_WEIGHT,
	KM_CENTROID_INERTIA,
	KM_CENTROID_RADIUS_RMS,
	KM_CENTROID_RADIUS_MAX,
	KM_CENTROID_CENTROID,
	KM_CENTROID_MEAN,
	KM_CENTROID_STDDEV,
	KM_CENTROID_MIN,
	KM_CENTROID_MAX,
	KM_CENTROID_COLUMNS = KM_CENTROID_MAX
};

enum
{
	KM_ITERATION_MODEL_ID = 1,
	KM_ITERATION_VERSION,
	KM_ITERATION_RUN,
	KM_ITERATION_ITERATION,
	KM_ITERATION_INERTIA,
	KM_ITERATION_SHIFT,
	KM_ITERATION_REASSIGNED,
	KM_ITERATION_ELAPSED_MS,
	KM_ITERATION_COLUMNS = KM_ITERATION_ELAPSED_MS
};

enum
{
	KM_PRIVILEGE_MODEL_ID = 1,
	KM_PRIVILEGE_GRANTEE,
	KM_PRIVILEGE_COLUMNS = KM_PRIVILEGE_GRANTEE
};

#define KM_MAX_COLUMNS KM_VERSION_COLUMNS

/* kmeans_catalog's oid; 55000 if the extension is not in this database */
extern Oid	km_catalog_oid(void);

/* a new model_id; anybody may draw one */
extern int64 km_catalog_next_id(void);

/*
 * Keep everybody else, until the end of the transaction, from changing,
 * renaming or dropping this model; from giving a model this name.
 *
 * The lock of a name is one of its hash, so anybody can hold it by another
 * name: wait for it only where there is no model yet.
 */
extern void km_catalog_lock_model(int64 model_id);
extern void km_catalog_lock_name(const char *name);

/* 42710: the name is taken */
extern void km_catalog_refuse_name(const char *name, const char *hint) pg_attribute_noreturn();

/* ---- Reading ---- */

/* what the running statement sees */
extern Snapshot km_catalog_snapshot(void);

/*
 * A scan in the order of an index.  After km_scan_next() has returned true,
 * values and isnull (counted from 0, that is column - 1) are the row, until
 * the next call.
 */
typedef struct KmScan
{
	MemoryContext cxt;			/* the scan's own memory */
	LOCKMODE	lockmode;
	Relation	rel;
	Relation	index;
	Snapshot	snapshot;
	SysScanDesc scan;
	HeapTuple	tuple;
	Datum		values[KM_MAX_COLUMNS];
	bool		isnull[KM_MAX_COLUMNS];
} KmScan;

/*
 * Rows whose leading primary key columns equal model_id, version and third,
 * of which the first nkeys are used (0: all rows).  The snapshot and the
 * current memory context must last until km_scan_end().  for_write takes the
 * lock that changes need, and keeps it until the end of the transaction.
 */
extern KmScan *km_scan_begin(KmTable table, Snapshot snapshot, bool for_write,
							 int nkeys, int64 model_id, int32 version, int32 third);

/* the row of kmeans_catalog with this name */
extern KmScan *km_scan_begin_name(const char *name, Snapshot snapshot);

extern bool km_scan_next(KmScan *scan);
extern void km_scan_end(KmScan *scan);

static inline Datum
km_scan_value(const KmScan *scan, int column)
{
	return scan->values[column - 1];
}

static inline bool
km_scan_isnull(const KmScan *scan, int column)
{
	return scan->isnull[column - 1];
}

/* a text column as a palloc'd C string, NULL for NULL */
extern char *km_scan_text(const KmScan *scan, int column);

/* ---- Changing ---- */

/*
 * Delete, or replace, the current row of a scan for_write.  40001 if another
 * transaction changed it after the scan's snapshot, or, in a transaction that
 * keeps one snapshot, after that.
 *
 * values[column - 1] replaces a column where replace[column - 1] is set.
 */
extern void km_scan_delete(KmScan *scan);
extern void km_scan_update(KmScan *scan, Datum *values, bool *isnull, bool *replace);

/*
 * The same 40001 at once, for a change that takes long to prepare: raised in a
 * transaction that keeps one snapshot unless that shows the model's row in
 * kmeans_catalog with this revision.
 */
extern void km_catalog_check_seen(int64 model_id, int64 revision);

/* the same for a name that no model has now, if one has it there */
extern void km_catalog_check_free(const char *name);

/* Inserting several rows into one table */
typedef struct KmInsert
{
	Relation	rel;
	CatalogIndexState indexes;
	MemoryContext row;			/* reset after each row: values may live here */
	Datum		values[KM_MAX_COLUMNS];
	bool		isnull[KM_MAX_COLUMNS];
} KmInsert;

extern KmInsert *km_insert_begin(KmTable table);

/* a column of the next row; columns not set are NULL */
static inline void
km_insert_set(KmInsert *insert, int column, Datum value)
{
	insert->values[column - 1] = value;
	insert->isnull[column - 1] = false;
}

extern void km_insert_row(KmInsert *insert);
extern void km_insert_end(KmInsert *insert);

/* ---- Who has to know ---- */

/*
 * A model, label or grant was changed by this command: makes the changes
 * visible to the next one and lets all sessions (and standbys) reload.
 */
extern void km_catalog_changed(void);

/* a number that km_catalog_changed(), by anybody, changes */
extern uint64 km_catalog_generation(void);

/* count as a change, for this session */
extern void km_catalog_bump(void);

/* registers the callbacks behind the generation */
extern void km_catalog_init(void);

#endif							/* KM_CATALOG_H */
