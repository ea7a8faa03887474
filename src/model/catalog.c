/*
 * catalog.c
 *		The catalog tables as tables: finding, scanning and changing rows.
 *
 * The tables lie in the extension's schema, which may be any; its oid is
 * looked up once and remembered until kmeans_catalog's relcache entry is
 * invalidated, which a DROP EXTENSION does.  Tables and indexes are then found
 * by name in the syscache at each use: indexes change their oids under REINDEX
 * CONCURRENTLY.
 *
 * The generation counter is bumped by the same invalidation.  Row changes send
 * no relcache invalidation by themselves: km_catalog_changed() does.  Since
 * rights follow from role memberships, changes of those bump it, too.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "commands/sequence.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "model/catalog.h"
#include "storage/lmgr.h"
#include "storage/sinval.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

typedef struct KmTableInfo
{
	const char *name;
	const char *pkey;
	int			columns;
	int			key[3];			/* primary key columns; 0: fewer */
} KmTableInfo;

static const KmTableInfo tables[] = {
	[KM_TABLE_CATALOG] = {"kmeans_catalog", "kmeans_catalog_pkey",
		KM_CATALOG_COLUMNS,
	{KM_CATALOG_MODEL_ID}},
	[KM_TABLE_VERSION] = {"kmeans_version", "kmeans_version_pkey",
		KM_VERSION_COLUMNS,
	{KM_VERSION_MODEL_ID, KM_VERSION_VERSION}},
	[KM_TABLE_CENTROID] = {"kmeans_centroid", "kmeans_centroid_pkey",
		KM_CENTROID_COLUMNS,
	{KM_CENTROID_MODEL_ID, KM_CENTROID_VERSION, KM_CENTROID_CLUSTER}},
	[KM_TABLE_ITERATION] = {"kmeans_iteration", "kmeans_iteration_pkey",
		KM_ITERATION_COLUMNS,
	{KM_ITERATION_MODEL_ID, KM_ITERATION_VERSION, KM_ITERATION_RUN}},
	[KM_TABLE_PRIVILEGE] = {"kmeans_privilege", "kmeans_privilege_pkey",
		KM_PRIVILEGE_COLUMNS,
	{KM_PRIVILEGE_MODEL_ID, KM_PRIVILEGE_GRANTEE}},
};

/* where the extension is; valid while schema_known */
static bool schema_known = false;
static Oid	schema = InvalidOid;
static Oid	catalog = InvalidOid;

static uint64 generation = 1;

/* the parts of the lock tags' space, see km_catalog_lock_model() */
#define LOCK_MODEL		0
#define LOCK_NAME		1

#define HINT_UPDATE		"Run ALTER EXTENSION kmeans UPDATE."

static void know_schema(void);
static void find_schema(void);
static Oid	extension_schema(void);
static Oid	relation_oid(const char *name);
static KmScan *scan_begin(KmTable table, const char *index, Snapshot snapshot,
						  bool for_write, int nkeys, ScanKey keys);
static void check_shape(Relation rel, int columns);
static void row_lock(KmScan *scan);
static void row_changed(Relation rel) pg_attribute_noreturn();
static Snapshot transaction_snapshot(void);
static void relation_invalidated(Datum arg, Oid relid);
static void roles_invalidated(Datum arg, int cacheid, uint32 hashvalue);

/* ---- Finding ---- */

Oid
km_catalog_oid(void)
{
	know_schema();
	return catalog;
}

int64
km_catalog_next_id(void)
{
	return nextval_internal(relation_oid("kmeans_model_id_seq"), false);
}

/*
 * A tag has room for half a model_id: models whose ids are 2^32 apart share
 * their lock.
 */
void
km_catalog_lock_model(int64 model_id)
{
	LockDatabaseObject(km_catalog_oid(), (Oid) model_id, LOCK_MODEL, ExclusiveLock);
}

void
km_catalog_lock_name(const char *name)
{
	LockDatabaseObject(km_catalog_oid(),
					   hash_bytes((const unsigned char *) name, strlen(name)),
					   LOCK_NAME, ExclusiveLock);
}

void
km_catalog_refuse_name(const char *name, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("model \"%s\" already exists", name),
			 errhint("%s", hint)));
}

/*
 * An invalidation that arrives while we look says that we looked too early.
 * Only those of other sessions count: under debug_discard_caches each lookup
 * invalidates what it has found.
 */
static void
know_schema(void)
{
	uint64		seen;

	while (!schema_known)
	{
		seen = SharedInvalidMessageCounter;
		find_schema();
		schema_known = seen == SharedInvalidMessageCounter;
	}
}

static void
find_schema(void)
{
	schema = extension_schema();
	catalog = OidIsValid(schema) ?
		get_relname_relid(tables[KM_TABLE_CATALOG].name, schema) : InvalidOid;
	if (!OidIsValid(catalog))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"kmeans\" is not installed in this database"),
				 errhint("Run CREATE EXTENSION kmeans.")));
}

static Oid
extension_schema(void)
{
	Oid			extension = get_extension_oid("kmeans", true);
	Oid			result = InvalidOid;
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(extension))
		return InvalidOid;

	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		result = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

static Oid
relation_oid(const char *name)
{
	Oid			relid;

	know_schema();
	relid = get_relname_relid(name, schema);
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" of extension \"kmeans\" does not exist", name),
				 errhint(HINT_UPDATE)));
	return relid;
}

/* ---- Reading ---- */

Snapshot
km_catalog_snapshot(void)
{
	return ActiveSnapshotSet() ? GetActiveSnapshot() : GetTransactionSnapshot();
}

KmScan *
km_scan_begin(KmTable table, Snapshot snapshot, bool for_write,
			  int nkeys, int64 model_id, int32 version, int32 third)
{
	const int  *columns = tables[table].key;
	ScanKeyData keys[3];

	ScanKeyInit(&keys[0], columns[0], BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(model_id));
	ScanKeyInit(&keys[1], columns[1], BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(version));
	ScanKeyInit(&keys[2], columns[2], BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(third));
	return scan_begin(table, tables[table].pkey, snapshot, for_write, nkeys, keys);
}

KmScan *
km_scan_begin_name(const char *name, Snapshot snapshot)
{
	ScanKeyData key;

	/* ScanKeyInit compares in the C collation, which is the column's */
	ScanKeyInit(&key, KM_CATALOG_NAME, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(name));
	return scan_begin(KM_TABLE_CATALOG, "kmeans_catalog_name_key", snapshot,
					  false, 1, &key);
}

static KmScan *
scan_begin(KmTable table, const char *index, Snapshot snapshot,
		   bool for_write, int nkeys, ScanKey keys)
{
	LOCKMODE	lockmode = for_write ? RowExclusiveLock : AccessShareLock;
	KmScan	   *scan = palloc(sizeof(KmScan));

	scan->cxt = CurrentMemoryContext;
	scan->lockmode = lockmode;
	scan->rel = table_open(relation_oid(tables[table].name), lockmode);
	check_shape(scan->rel, tables[table].columns);
	scan->index = index_open(relation_oid(index), lockmode);
	scan->snapshot = snapshot;
	scan->scan = systable_beginscan_ordered(scan->rel, scan->index, snapshot,
											nkeys, keys);
	return scan;
}

/* The library may be newer than the SQL objects, or older. */
static void
check_shape(Relation rel, int columns)
{
	if (RelationGetNumberOfAttributes(rel) != columns)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" has %d columns, but the library expects %d",
						RelationGetRelationName(rel),
						RelationGetNumberOfAttributes(rel), columns),
				 errhint(HINT_UPDATE)));
}

bool
km_scan_next(KmScan *scan)
{
	/* an index scan allocates as it goes; the caller's context may go first */
	MemoryContext caller = MemoryContextSwitchTo(scan->cxt);

	scan->tuple = systable_getnext_ordered(scan->scan, ForwardScanDirection);
	MemoryContextSwitchTo(caller);
	if (!HeapTupleIsValid(scan->tuple))
		return false;
	heap_deform_tuple(scan->tuple, RelationGetDescr(scan->rel),
					  scan->values, scan->isnull);
	return true;
}

void
km_scan_end(KmScan *scan)
{
	LOCKMODE	release = scan->lockmode == AccessShareLock ? AccessShareLock : NoLock;

	systable_endscan_ordered(scan->scan);
	index_close(scan->index, release);
	table_close(scan->rel, release);
	pfree(scan);
}

char *
km_scan_text(const KmScan *scan, int column)
{
	return km_scan_isnull(scan, column) ? NULL :
		TextDatumGetCString(km_scan_value(scan, column));
}

/* ---- Changing ---- */

void
km_scan_delete(KmScan *scan)
{
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_delete(scan->rel, &scan->tuple->t_self,
								GetCurrentCommandId(true), scan->snapshot,
								transaction_snapshot(), true, &failure, false);
	if (result != TM_Ok)
		row_changed(scan->rel);
}

void
km_scan_update(KmScan *scan, Datum *values, bool *isnull, bool *replace)
{
	HeapTuple	tuple;

	row_lock(scan);
	tuple = heap_modify_tuple(scan->tuple, RelationGetDescr(scan->rel),
							  values, isnull, replace);
	CatalogTupleUpdate(scan->rel, &tuple->t_self, tuple);
	heap_freetuple(tuple);
}

/* Afterwards the update cannot fail. */
static void
row_lock(KmScan *scan)
{
	TupleTableSlot *slot = table_slot_create(scan->rel, NULL);
	Snapshot	crosscheck = transaction_snapshot();
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(scan->rel, &scan->tuple->t_self, scan->snapshot,
							  slot, GetCurrentCommandId(false),
							  LockTupleExclusive, LockWaitBlock, 0, &failure);
	if (result != TM_Ok ||
		(crosscheck != InvalidSnapshot &&
		 !table_tuple_satisfies_snapshot(scan->rel, slot, crosscheck)))
		row_changed(scan->rel);
	ExecDropSingleTupleTableSlot(slot);
}

static void
row_changed(Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access to \"%s\" due to a concurrent change",
					RelationGetRelationName(rel)),
			 errhint("Repeat the transaction.")));
}

/*
 * In REPEATABLE READ and SERIALIZABLE: what the transaction sees.  A row that
 * it does not see must not be changed, or it would see the row's predecessor
 * and its own change side by side.
 */
static Snapshot
transaction_snapshot(void)
{
	return IsolationUsesXactSnapshot() ? GetTransactionSnapshot() : InvalidSnapshot;
}

void
km_catalog_check_seen(int64 model_id, int64 revision)
{
	Snapshot	snapshot = transaction_snapshot();
	KmScan	   *scan;

	if (snapshot == InvalidSnapshot)
		return;
	scan = km_scan_begin(KM_TABLE_CATALOG, snapshot, false, 1, model_id, 0, 0);
	if (!km_scan_next(scan) ||
		DatumGetInt64(km_scan_value(scan, KM_CATALOG_REVISION)) != revision)
		row_changed(scan->rel);
	km_scan_end(scan);
}

void
km_catalog_check_free(const char *name)
{
	Snapshot	snapshot = transaction_snapshot();
	KmScan	   *scan;

	if (snapshot == InvalidSnapshot)
		return;
	scan = km_scan_begin_name(name, snapshot);
	if (km_scan_next(scan))
		row_changed(scan->rel);
	km_scan_end(scan);
}

KmInsert *
km_insert_begin(KmTable table)
{
	KmInsert   *insert = palloc(sizeof(KmInsert));

	insert->rel = table_open(relation_oid(tables[table].name), RowExclusiveLock);
	check_shape(insert->rel, tables[table].columns);
	insert->indexes = CatalogOpenIndexes(insert->rel);
	insert->row = AllocSetContextCreate(CurrentMemoryContext, "kmeans catalog row",
										ALLOCSET_DEFAULT_SIZES);
	memset(insert->isnull, true, sizeof(insert->isnull));
	return insert;
}

void
km_insert_row(KmInsert *insert)
{
	MemoryContext caller = MemoryContextSwitchTo(insert->row);
	HeapTuple	tuple;

	CHECK_FOR_INTERRUPTS();
	tuple = heap_form_tuple(RelationGetDescr(insert->rel),
							insert->values, insert->isnull);
	CatalogTupleInsertWithInfo(insert->rel, tuple, insert->indexes);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(insert->row);
	memset(insert->isnull, true, sizeof(insert->isnull));
}

void
km_insert_end(KmInsert *insert)
{
	CatalogCloseIndexes(insert->indexes);
	table_close(insert->rel, NoLock);
	MemoryContextDelete(insert->row);
	pfree(insert);
}

/* ---- Who has to know ---- */

void
km_catalog_changed(void)
{
	CacheInvalidateRelcacheByRelid(km_catalog_oid());
	CommandCounterIncrement();
}

uint64
km_catalog_generation(void)
{
	return generation;
}

void
km_catalog_bump(void)
{
	generation++;
}

void
km_catalog_init(void)
{
	CacheRegisterRelcacheCallback(relation_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, roles_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, roles_invalidated, (Datum) 0);
}

static void
relation_invalidated(Datum arg, Oid relid)
{
	/* while it is not known which one is the catalog, each may be */
	if (schema_known && relid != InvalidOid && relid != catalog)
		return;
	schema_known = false;
	generation++;
}

static void
roles_invalidated(Datum arg, int cacheid, uint32 hashvalue)
{
	generation++;
}
