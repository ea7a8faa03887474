/*
 * registry.c
 *		The catalog: finding, locking and listing models.
 *
 * registry_read.c loads what was found, registry_write.c changes it.
 *
 * Names and rights.  A reader's name is looked up under the active snapshot,
 * so a statement, or a REPEATABLE READ transaction, sees one state of a model
 * throughout.  Everything about rights is read under the same snapshot; role
 * memberships are always current.
 *
 * Outdated reads.  Models are kept across statements as long as
 * km_registry_generation() stays the same.  The invalidation behind it may
 * arrive while a statement's snapshot still shows the state before the change.
 * If the kept model is newer than the snapshot, km_registry_sees() tells.  If a
 * model is loaded that is older than the generation, it must not outlive the
 * snapshot: so each lookup compares the model's revision with the newest one,
 * and while it lags behind the generation is mixed with the snapshot, until
 * the end of the transaction.
 *
 * A SERIALIZABLE transaction counts as behind throughout: it must read a model
 * itself, or nobody will know that a change of the model conflicts with it.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/xact.h"
#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "model/access.h"
#include "model/catalog.h"
#include "model/registry.h"
#include "model/registry_change.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#define MAX_NAME 63
#define MAX_CLOSE_NAMES 3

/* a name close to one that does not exist */
typedef struct KmCloseName
{
	char	   *name;
	int			distance;
} KmCloseName;

/*
 * What tells two snapshots of a transaction apart that show different models:
 * what has ended in between has left the lists of running transactions or
 * raised xmax, and the transaction's own changes raise curcid.
 */
typedef struct KmMoment
{
	TransactionId xmin;
	TransactionId xmax;
	uint32		xcnt;
	int32		subxcnt;
	CommandId	curcid;
} KmMoment;

/* the last snapshot for which invalidations were asked for */
static KmMoment heard;

/*
 * The current transaction has read a model that has been changed since, or has
 * to read each model itself.
 */
static bool behind = false;

static void check_length(const char *name, const char *whole);
static void invalid_name(const char *text, const char *detail) pg_attribute_noreturn();
static KmModelRef *find(const char *name, Snapshot snapshot);
static KmModelRef *look_up(const char *name, Snapshot snapshot);
static void fill_ref(KmModelRef *ref, const KmScan *scan);
static void note_if_behind(const KmModelRef *ref);
static void check_right(const KmModelRef *ref, bool own, Snapshot snapshot);
static bool may_read(int64 model_id, Oid owner, Snapshot snapshot);
static Oid *collect_grantees(KmScan *scan, int64 model_id, bool *more, int *n);
static void settle_version(KmModelRef *ref, int version, Snapshot snapshot);
static void missing_version(const KmModelRef *ref, int version,
							Snapshot snapshot) pg_attribute_noreturn();
static void missing_model(const char *name, Snapshot snapshot) pg_attribute_noreturn();
static char *close_names(const char *name, Snapshot snapshot);
static KmModelRef *lock_model(const char *name);
static void list_versions(KmListedModel *model, KmScan *scan, bool *more);
static void list_version(KmListedVersion *listed, const KmScan *scan);
static int	count_elements(Datum array);
static Datum copy_stored(const KmScan *scan, int column);
static KmMoment current_moment(void);
static inline bool same_moment(KmMoment a, KmMoment b);
static void transaction_ended(XactEvent event, void *arg);

/* ---- Names ---- */

void
km_registry_parse_name(const char *text, char **name, int *version)
{
	const char *at = strchr(text, '@');
	const char *digits;
	char	   *end;
	long		number;

	*version = 0;
	*name = at == NULL ? pstrdup(text) : pnstrdup(text, at - text);
	check_length(*name, text);
	if (at == NULL)
		return;

	digits = at + 1;
	errno = 0;
	number = strtol(digits, &end, 10);
	if (!isdigit((unsigned char) digits[0]) || *end != '\0' || errno != 0 ||
		number < 1 || number > PG_INT32_MAX)
		invalid_name(text, "The part after \"@\" is the number of a version, from 1.");
	*version = (int) number;
}

void
km_registry_check_new_name(const char *name)
{
	check_length(name, name);
	if (strchr(name, '@') != NULL)
		invalid_name(name, "\"@\" separates a name from a version, which cannot be given here.");
}

static void
check_length(const char *name, const char *whole)
{
	size_t		length = strlen(name);

	if (length < 1 || length > MAX_NAME)
		invalid_name(whole, psprintf("A name has 1 to %d bytes, this one has %zu.",
									 MAX_NAME, length));
}

static void
invalid_name(const char *text, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid model name \"%s\"", text),
			 errdetail("%s", detail)));
}

/* ---- Finding ---- */

KmModelRef *
km_registry_find(const char *text)
{
	Snapshot	snapshot = RegisterSnapshot(km_catalog_snapshot());
	char	   *name;
	int			version;
	KmModelRef *ref;

	km_registry_parse_name(text, &name, &version);
	ref = find(name, snapshot);
	settle_version(ref, version, snapshot);
	UnregisterSnapshot(snapshot);
	return ref;
}

KmModelRef *
km_registry_find_version(const char *name, int version)
{
	Snapshot	snapshot = RegisterSnapshot(km_catalog_snapshot());
	KmModelRef *ref;

	km_registry_check_new_name(name);
	ref = find(name, snapshot);
	km_registry_check_version(ref, version, snapshot);
	ref->version = version;
	UnregisterSnapshot(snapshot);
	return ref;
}

/* a model that the current user may read */
static KmModelRef *
find(const char *name, Snapshot snapshot)
{
	KmModelRef *ref = look_up(name, snapshot);

	if (ref == NULL)
		missing_model(name, snapshot);
	note_if_behind(ref);
	check_right(ref, false, snapshot);
	return ref;
}

static KmModelRef *
look_up(const char *name, Snapshot snapshot)
{
	KmScan	   *scan = km_scan_begin_name(name, snapshot);
	KmModelRef *ref = NULL;

	if (km_scan_next(scan))
	{
		ref = palloc0(sizeof(KmModelRef));
		fill_ref(ref, scan);
	}
	km_scan_end(scan);
	return ref;
}

static void
fill_ref(KmModelRef *ref, const KmScan *scan)
{
	ref->model_id = DatumGetInt64(km_scan_value(scan, KM_CATALOG_MODEL_ID));
	ref->name = km_scan_text(scan, KM_CATALOG_NAME);
	ref->owner = DatumGetObjectId(km_scan_value(scan, KM_CATALOG_OWNER));
	ref->promoted = DatumGetInt32(km_scan_value(scan, KM_CATALOG_PROMOTED));
	ref->version = ref->promoted;
	ref->locked = false;
	ref->revision = DatumGetInt64(km_scan_value(scan, KM_CATALOG_REVISION));
	ref->xmin = HeapTupleHeaderGetXmin(scan->tuple->t_data);
	ref->cmin = TransactionIdIsCurrentTransactionId(ref->xmin) ?
		HeapTupleHeaderGetCmin(scan->tuple->t_data) : InvalidCommandId;
}

/*
 * Parallel workers and their leader cannot take a new snapshot: they count as
 * behind, which costs the next transaction one more lookup.
 */
static void
note_if_behind(const KmModelRef *ref)
{
	Snapshot	latest;
	KmModelRef *newest;

	if (behind)
		return;
	if (IsInParallelMode())
	{
		behind = true;
		return;
	}

	latest = RegisterSnapshot(GetLatestSnapshot());
	newest = look_up(ref->name, latest);
	UnregisterSnapshot(latest);
	behind = newest == NULL || newest->model_id != ref->model_id ||
		newest->revision != ref->revision;
}

/* to read, or to own */
static void
check_right(const KmModelRef *ref, bool own, Snapshot snapshot)
{
	if (km_access_is_owner(ref->owner))
		return;
	if (!may_read(ref->model_id, ref->owner, snapshot))
		km_access_denied(ref->name, ref->owner, own);
	if (own)
		km_access_not_owner(ref->name, ref->owner);
}

static bool
may_read(int64 model_id, Oid owner, Snapshot snapshot)
{
	KmScan	   *scan = km_scan_begin(KM_TABLE_PRIVILEGE, snapshot, false,
									 1, model_id, 0, 0);
	bool		more = km_scan_next(scan);
	int			n;
	Oid		   *grantees = collect_grantees(scan, model_id, &more, &n);

	km_scan_end(scan);
	return km_access_may_read(owner, grantees, n);
}

/*
 * The grantees of a model.  The scan of kmeans_privilege, in the order of
 * model_id, stands on a row if *more; it is left on the first row of a later
 * model.
 */
static Oid *
collect_grantees(KmScan *scan, int64 model_id, bool *more, int *n)
{
	int			room = 4;
	Oid		   *grantees = palloc(room * sizeof(Oid));

	*n = 0;
	for (; *more; *more = km_scan_next(scan))
	{
		int64		row_id = DatumGetInt64(km_scan_value(scan, KM_PRIVILEGE_MODEL_ID));

		if (row_id > model_id)
			break;
		if (row_id < model_id)
			continue;
		if (*n == room)
		{
			room *= 2;
			grantees = repalloc(grantees, mul_size(room, sizeof(Oid)));
		}
		grantees[(*n)++] = DatumGetObjectId(km_scan_value(scan, KM_PRIVILEGE_GRANTEE));
	}
	return grantees;
}

/* Point ref to the version asked for; 0: leave it at the promoted one. */
static void
settle_version(KmModelRef *ref, int version, Snapshot snapshot)
{
	if (version == 0)
		return;
	km_registry_check_version(ref, version, snapshot);
	ref->version = version;
}

void
km_registry_check_version(const KmModelRef *ref, int version, Snapshot snapshot)
{
	KmScan	   *scan = km_scan_begin(KM_TABLE_VERSION, snapshot, false,
									 2, ref->model_id, version, 0);
	bool		found = km_scan_next(scan);

	km_scan_end(scan);
	if (!found)
		missing_version(ref, version, snapshot);
}

static void
missing_version(const KmModelRef *ref, int version, Snapshot snapshot)
{
	KmScan	   *scan = km_scan_begin(KM_TABLE_VERSION, snapshot, false,
									 1, ref->model_id, 0, 0);
	StringInfoData versions;

	initStringInfo(&versions);
	while (km_scan_next(scan))
		appendStringInfo(&versions, "%s%d", versions.len > 0 ? ", " : "",
						 DatumGetInt32(km_scan_value(scan, KM_VERSION_VERSION)));
	km_scan_end(scan);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("version %d of model \"%s\" does not exist", version, ref->name),
			 versions.len > 0 ?
			 errdetail("Its versions are %s; version %d is promoted.",
					   versions.data, ref->promoted) :
			 errdetail("None of its versions is stored.")));
}

static void
missing_model(const char *name, Snapshot snapshot)
{
	char	   *close = close_names(name, snapshot);

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" does not exist", name),
			 close != NULL ?
			 errhint("Perhaps you mean %s.", close) :
			 OidIsValid(RelnameGetRelid(name)) ?
			 errhint("\"%s\" is a relation, but the name of a model comes first.", name) :
			 errhint("The view kmeans_models shows the models you may use.")));
}

/*
 * The few names that a slip of the keyboard may have turned into this one, of
 * models that the user may read, closest first; NULL if there are none.
 */
static char *
close_names(const char *name, Snapshot snapshot)
{
	int			length = strlen(name);
	int			farthest = Min(3, length / 2);
	KmCloseName best[MAX_CLOSE_NAMES + 1];
	int			n = 0;
	KmScan	   *scan = km_scan_begin(KM_TABLE_CATALOG, snapshot, false, 0, 0, 0, 0);
	StringInfoData list;

	while (km_scan_next(scan))
	{
		char	   *other = km_scan_text(scan, KM_CATALOG_NAME);
		int			distance;
		int			at;

		CHECK_FOR_INTERRUPTS();
		distance = varstr_levenshtein_less_equal(name, length, other, strlen(other),
												 1, 1, 1, farthest, true);
		if (distance > farthest ||
			!may_read(DatumGetInt64(km_scan_value(scan, KM_CATALOG_MODEL_ID)),
					  DatumGetObjectId(km_scan_value(scan, KM_CATALOG_OWNER)), snapshot))
			continue;
		for (at = n; at > 0 && best[at - 1].distance > distance; at--)
			best[at] = best[at - 1];
		best[at].name = other;
		best[at].distance = distance;
		n = Min(n + 1, MAX_CLOSE_NAMES);
	}
	km_scan_end(scan);

	initStringInfo(&list);
	for (int i = 0; i < n; i++)
		appendStringInfo(&list, "%s\"%s\"",
						 i == 0 ? "" : i < n - 1 ? ", " : " or ", best[i].name);
	return n > 0 ? list.data : NULL;
}

/* ---- Locking ---- */

KmModelRef *
km_registry_lock(const char *name, bool replace)
{
	KmModelRef *ref;

	km_registry_check_new_name(name);
	ref = lock_model(name);
	if (ref == NULL)
	{
		km_catalog_lock_name(name);
		ref = lock_model(name);
	}
	if (ref != NULL && !replace)
		km_catalog_refuse_name(name,
							   "Use replace => true to add a version, or kmeans_refresh.");
	if (ref != NULL)
		km_catalog_check_seen(ref->model_id, ref->revision);
	else
		km_catalog_check_free(name);
	return ref;
}

/*
 * Lock the model that a name means to its owner, or NULL if it means none.
 * Who waits for the lock may find another model under the name, and waits for
 * that one as well.
 */
static KmModelRef *
lock_model(const char *name)
{
	KmModelRef *ref = NULL;

	for (;;)
	{
		Snapshot	latest = RegisterSnapshot(GetLatestSnapshot());
		KmModelRef *before = ref;

		ref = look_up(name, latest);
		if (ref != NULL)
			check_right(ref, true, latest);
		UnregisterSnapshot(latest);
		if (ref == NULL)
			return NULL;
		if (before != NULL && before->model_id == ref->model_id)
		{
			ref->locked = true;
			return ref;
		}
		km_catalog_lock_model(ref->model_id);
	}
}

KmModelRef *
km_registry_lock_existing(const char *text, bool missing_ok)
{
	char	   *name;
	int			version;
	KmModelRef *ref;
	Snapshot	latest;

	km_registry_parse_name(text, &name, &version);
	ref = lock_model(name);
	if (ref == NULL && missing_ok)
		return NULL;

	latest = RegisterSnapshot(GetLatestSnapshot());
	if (ref == NULL)
		missing_model(name, latest);
	km_catalog_check_seen(ref->model_id, ref->revision);
	settle_version(ref, version, latest);
	UnregisterSnapshot(latest);
	return ref;
}

/* ---- Listing ---- */

/*
 * A merge of models, grants and versions, all in the order of model_id: one
 * pass over each table however many models there are.
 */
void
km_registry_list(void (*visit) (void *arg, const KmListedModel *model), void *arg)
{
	Snapshot	snapshot = RegisterSnapshot(km_catalog_snapshot());
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(caller, "kmeans model list",
											  ALLOCSET_DEFAULT_SIZES);
	KmScan	   *models = km_scan_begin(KM_TABLE_CATALOG, snapshot, false, 0, 0, 0, 0);
	KmScan	   *grants = km_scan_begin(KM_TABLE_PRIVILEGE, snapshot, false, 0, 0, 0, 0);
	KmScan	   *versions = km_scan_begin(KM_TABLE_VERSION, snapshot, false, 0, 0, 0, 0);
	bool		more_grants = km_scan_next(grants);
	bool		more_versions = km_scan_next(versions);

	while (km_scan_next(models))
	{
		KmListedModel model = {0};

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(cxt);
		fill_ref(&model.ref, models);
		model.grantees = collect_grantees(grants, model.ref.model_id,
										  &more_grants, &model.ngrantees);
		if (km_access_may_read(model.ref.owner, model.grantees, model.ngrantees))
		{
			list_versions(&model, versions, &more_versions);
			visit(arg, &model);
		}
		MemoryContextSwitchTo(caller);
		MemoryContextReset(cxt);
	}
	km_scan_end(versions);
	km_scan_end(grants);
	km_scan_end(models);
	UnregisterSnapshot(snapshot);
	MemoryContextDelete(cxt);
}

/*
 * Collect the versions of the model, skipping those of models before it.
 * *more: the scan stands on a row that was not used yet.
 */
static void
list_versions(KmListedModel *model, KmScan *scan, bool *more)
{
	int			room = 4;

	model->versions = palloc(room * sizeof(KmListedVersion));
	for (; *more; *more = km_scan_next(scan))
	{
		int64		model_id = DatumGetInt64(km_scan_value(scan, KM_VERSION_MODEL_ID));

		CHECK_FOR_INTERRUPTS();
		if (model_id > model->ref.model_id)
			break;
		if (model_id < model->ref.model_id)
			continue;
		if (model->nversions == room)
		{
			room *= 2;
			model->versions = repalloc(model->versions,
									   mul_size(room, sizeof(KmListedVersion)));
		}
		list_version(&model->versions[model->nversions++], scan);
	}
}

static void
list_version(KmListedVersion *listed, const KmScan *scan)
{
	listed->version = DatumGetInt32(km_scan_value(scan, KM_VERSION_VERSION));
	listed->k = DatumGetInt32(km_scan_value(scan, KM_VERSION_K));
	listed->d = count_elements(km_scan_value(scan, KM_VERSION_FEATURES));
	listed->n_rows = DatumGetInt64(km_scan_value(scan, KM_VERSION_N_ROWS));
	listed->n_skipped = DatumGetInt64(km_scan_value(scan, KM_VERSION_N_SKIPPED));
	listed->inertia = DatumGetFloat8(km_scan_value(scan, KM_VERSION_INERTIA));
	listed->total_ss = DatumGetFloat8(km_scan_value(scan, KM_VERSION_TOTAL_SS));
	listed->n_iter = DatumGetInt32(km_scan_value(scan, KM_VERSION_N_ITER));
	listed->converged = DatumGetBool(km_scan_value(scan, KM_VERSION_CONVERGED));
	listed->seed = DatumGetInt64(km_scan_value(scan, KM_VERSION_SEED));
	listed->metric = km_scan_text(scan, KM_VERSION_METRIC);
	listed->source = copy_stored(scan, KM_VERSION_SOURCE);
	listed->columns = copy_stored(scan, KM_VERSION_NAMES);
	listed->id_column = km_scan_text(scan, KM_VERSION_ID_COLUMN);
	listed->options = copy_stored(scan, KM_VERSION_OPTIONS);
	listed->elapsed_ms = DatumGetFloat8(km_scan_value(scan, KM_VERSION_ELAPSED_MS));
	listed->fitted_at = DatumGetTimestampTz(km_scan_value(scan, KM_VERSION_FITTED_AT));
	listed->fitted_by = DatumGetObjectId(km_scan_value(scan, KM_VERSION_FITTED_BY));
}

/* A long array's head tells, without the elements. */
static int
count_elements(Datum array)
{
	ArrayType  *head = (ArrayType *)
	PG_DETOAST_DATUM_SLICE(array, 0, ARR_OVERHEAD_NONULLS(MAXDIM) - VARHDRSZ);

	return ArrayGetNItems(ARR_NDIM(head), ARR_DIMS(head));
}

/* A column as it is stored, which for a long value is where to find it; 0 for NULL */
static Datum
copy_stored(const KmScan *scan, int column)
{
	return km_scan_isnull(scan, column) ? (Datum) 0 :
		datumCopy(km_scan_value(scan, column), false, -1);
}

/* ---- Generation ---- */

uint64
km_registry_generation(void)
{
	KmMoment	moment = current_moment();

	if (!same_moment(moment, heard))
	{
		/* a statement without a lock of its own may not have heard yet */
		AcceptInvalidationMessages();
		heard = moment;
	}
	if (IsolationIsSerializable())
		behind = true;
	if (!behind)
		return km_catalog_generation();
	return hash_bytes_extended((const unsigned char *) &moment, sizeof(KmMoment),
							   km_catalog_generation());
}

static KmMoment
current_moment(void)
{
	Snapshot	snapshot = km_catalog_snapshot();
	KmMoment	moment;

	moment.xmin = snapshot->xmin;
	moment.xmax = snapshot->xmax;
	moment.xcnt = snapshot->xcnt;
	moment.subxcnt = snapshot->subxcnt;
	moment.curcid = snapshot->curcid;
	return moment;
}

/* field by field: reading anew what was just written in other pieces takes long */
static inline bool
same_moment(KmMoment a, KmMoment b)
{
	return a.xmin == b.xmin && a.xmax == b.xmax && a.xcnt == b.xcnt &&
		a.subxcnt == b.subxcnt && a.curcid == b.curcid;
}

bool
km_registry_sees(const KmModelRef *ref)
{
	Snapshot	snapshot = km_catalog_snapshot();

	if (TransactionIdPrecedes(ref->xmin, snapshot->xmin))
		return true;
	if (TransactionIdIsCurrentTransactionId(ref->xmin))
		return ref->cmin < snapshot->curcid;
	return !XidInMVCCSnapshot(ref->xmin, snapshot);
}

void
km_registry_init(void)
{
	RegisterXactCallback(transaction_ended, NULL);
	/* last, since it takes no memory */
	km_catalog_init();
}

static void
transaction_ended(XactEvent event, void *arg)
{
	if (!behind)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PREPARE:
			behind = false;
			km_catalog_bump();
			break;
		default:
			break;
	}
}
