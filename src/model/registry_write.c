/*
 * registry_write.c
 *		The catalog: storing, changing and dropping models.
 *
 * See registry_change.h for what every change has to do, and
 * registry_rights.c for changes of who may do what.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "model/access.h"
#include "model/array.h"
#include "model/catalog.h"
#include "model/registry.h"
#include "model/registry_change.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static int64 add_model(const char *name, const KmModel *model);
static int	add_version(KmScan *scan, const KmModel *model, bool promote);
static void insert_version(int64 model_id, int version, const KmModel *model,
						   const KmVersionInfo *info);
static void set_columns(KmInsert *insert, const KmModel *model);
static void set_text(KmInsert *insert, int column, const char *text);
static void set_floats(KmInsert *insert, int column, const double *values, int n);
static void insert_centroids(int64 model_id, int version, const KmModel *model);
static void insert_iterations(int64 model_id, int version, const KmVersionInfo *info);
static void delete_rows(KmTable table, int64 model_id, int version, Snapshot snapshot);
static int *all_versions(const KmModelRef *ref, Snapshot snapshot, int *n);
static void unknown_cluster(const KmModelRef *ref, int32 cluster,
							Snapshot snapshot) pg_attribute_noreturn();
static char *cluster_ids(const KmModelRef *ref, Snapshot snapshot);
static void append_range(StringInfo list, int32 first, int32 last);

/* ---- Storing ---- */

int
km_registry_store(const char *name, const KmModelRef *ref, const KmModel *model,
				  const KmVersionInfo *info, bool promote)
{
	int64		model_id;
	int			version;
	char	   *problem = km_model_validate(model);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg_internal("what would become model \"%s\" is not a model: %s",
								 name, problem)));

	if (ref == NULL)
	{
		/* the lock is ours, but so may be what was done since */
		(void) km_registry_lock(name, false);
		model_id = add_model(name, model);
		version = 1;
	}
	else
	{
		Snapshot	latest = RegisterSnapshot(GetLatestSnapshot());
		KmScan	   *scan = km_change_open(ref, latest);

		model_id = ref->model_id;
		version = add_version(scan, model, promote);
		km_scan_end(scan);
		UnregisterSnapshot(latest);
	}

	insert_version(model_id, version, model, info);
	insert_centroids(model_id, version, model);
	insert_iterations(model_id, version, info);
	km_catalog_changed();
	return version;
}

static int64
add_model(const char *name, const KmModel *model)
{
	int64		model_id = km_catalog_next_id();
	KmInsert   *insert = km_insert_begin(KM_TABLE_CATALOG);

	km_insert_set(insert, KM_CATALOG_MODEL_ID, Int64GetDatum(model_id));
	set_text(insert, KM_CATALOG_NAME, name);
	km_insert_set(insert, KM_CATALOG_OWNER, ObjectIdGetDatum(GetUserId()));
	km_insert_set(insert, KM_CATALOG_PROMOTED, Int32GetDatum(1));
	km_insert_set(insert, KM_CATALOG_LAST_VERSION, Int32GetDatum(1));
	km_insert_set(insert, KM_CATALOG_LAST_CLUSTER, Int32GetDatum(model->ids[model->k - 1]));
	km_insert_set(insert, KM_CATALOG_REVISION, Int64GetDatum(1));
	km_insert_set(insert, KM_CATALOG_CREATED_AT,
				  TimestampTzGetDatum(GetCurrentTimestamp()));
	km_insert_row(insert);
	km_insert_end(insert);
	return model_id;
}

/* Count one more version in the model's row; the new version. */
static int
add_version(KmScan *scan, const KmModel *model, bool promote)
{
	int32		version = DatumGetInt32(km_scan_value(scan, KM_CATALOG_LAST_VERSION));
	int32		last_cluster = DatumGetInt32(km_scan_value(scan, KM_CATALOG_LAST_CLUSTER));
	KmCatalogChange changes = {0};

	if (version == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("model \"%s\" has no version numbers left",
						km_scan_text(scan, KM_CATALOG_NAME)),
				 errdetail("Numbers of versions are never used again; the highest so far is %d.",
						   version),
				 errhint("Begin anew under another name.")));
	version++;
	km_change_set(&changes, KM_CATALOG_LAST_VERSION, Int32GetDatum(version));
	km_change_set(&changes, KM_CATALOG_LAST_CLUSTER,
				  Int32GetDatum(Max(last_cluster, model->ids[model->k - 1])));
	if (promote)
		km_change_set(&changes, KM_CATALOG_PROMOTED, Int32GetDatum(version));
	km_change_apply(&changes, scan);
	return version;
}

void
km_change_set(KmCatalogChange *change, int column, Datum value)
{
	change->values[column - 1] = value;
	change->replace[column - 1] = true;
}

void
km_change_apply(KmCatalogChange *change, KmScan *scan)
{
	int64		revision = DatumGetInt64(km_scan_value(scan, KM_CATALOG_REVISION));

	km_change_set(change, KM_CATALOG_REVISION, Int64GetDatum(revision + 1));
	km_scan_update(scan, change->values, change->isnull, change->replace);
}

KmScan *
km_change_open(const KmModelRef *ref, Snapshot snapshot)
{
	KmScan	   *scan = km_scan_begin(KM_TABLE_CATALOG, snapshot, true,
									 1, ref->model_id, 0, 0);

	if (!km_scan_next(scan) ||
		DatumGetInt64(km_scan_value(scan, KM_CATALOG_REVISION)) != ref->revision)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("model \"%s\" was changed by its own source while it was fitted",
						ref->name),
				 errhint("A function that is called in a source must not change the model.")));
	return scan;
}

void
km_change_model(const KmModelRef *ref, Snapshot snapshot, KmCatalogChange *change)
{
	KmScan	   *scan = km_change_open(ref, snapshot);

	km_change_apply(change, scan);
	km_scan_end(scan);
}

static void
insert_version(int64 model_id, int version, const KmModel *model,
			   const KmVersionInfo *info)
{
	KmInsert   *insert = km_insert_begin(KM_TABLE_VERSION);
	const KmHistogram *outliers = &model->outliers;

	km_insert_set(insert, KM_VERSION_MODEL_ID, Int64GetDatum(model_id));
	km_insert_set(insert, KM_VERSION_VERSION, Int32GetDatum(version));
	set_text(insert, KM_VERSION_SOURCE, info->source);
	set_columns(insert, model);
	set_text(insert, KM_VERSION_ID_COLUMN, info->id_column);
	set_text(insert, KM_VERSION_WEIGHT_COLUMN, info->weight);
	km_insert_set(insert, KM_VERSION_OPTIONS,
				  DirectFunctionCall1(jsonb_in, CStringGetDatum(model->options)));
	km_insert_set(insert, KM_VERSION_SEED, Int64GetDatum(model->seed));
	set_text(insert, KM_VERSION_METRIC, km_metric_name(model->metric));
	km_insert_set(insert, KM_VERSION_FEATURES,
				  PointerGetDatum(km_array_texts(model->features, model->d)));
	set_floats(insert, KM_VERSION_SHIFT, model->shift, model->d);
	set_floats(insert, KM_VERSION_SCALE, model->scale, model->d);
	if (model->fill != NULL)
		set_floats(insert, KM_VERSION_FILL, model->fill, model->d);
	km_insert_set(insert, KM_VERSION_K, Int32GetDatum(model->k));
	km_insert_set(insert, KM_VERSION_N_ROWS, Int64GetDatum(model->n_rows));
	km_insert_set(insert, KM_VERSION_N_SKIPPED, Int64GetDatum(model->n_skipped));
	km_insert_set(insert, KM_VERSION_INERTIA, Float8GetDatum(model->inertia));
	km_insert_set(insert, KM_VERSION_TOTAL_SS, Float8GetDatum(model->total_ss));
	km_insert_set(insert, KM_VERSION_N_ITER, Int32GetDatum(model->n_iter));
	km_insert_set(insert, KM_VERSION_CONVERGED, BoolGetDatum(model->converged));
	km_insert_set(insert, KM_VERSION_BEST_RUN, Int32GetDatum(info->best_run));
	set_floats(insert, KM_VERSION_OUTLIER_UPPER, outliers->upper, outliers->nbins);
	set_floats(insert, KM_VERSION_OUTLIER_WEIGHT, outliers->weight, outliers->nbins);
	km_insert_set(insert, KM_VERSION_OUTLIER_LARGEST, Float8GetDatum(outliers->largest));
	km_insert_set(insert, KM_VERSION_ELAPSED_MS, Float8GetDatum(info->elapsed_ms));
	km_insert_set(insert, KM_VERSION_FITTED_AT, TimestampTzGetDatum(info->fitted_at));
	km_insert_set(insert, KM_VERSION_FITTED_BY, ObjectIdGetDatum(info->fitted_by));
	km_insert_row(insert);
	km_insert_end(insert);
}

/* the columns as parallel arrays, see read_columns() in registry_read.c */
static void
set_columns(KmInsert *insert, const KmModel *model)
{
	int			ncolumns = model->ncolumns;
	char	  **names = palloc(mul_size(ncolumns, sizeof(char *)));
	char	  **kinds = palloc(mul_size(ncolumns, sizeof(char *)));
	int32	   *lengths = palloc(mul_size(ncolumns, sizeof(int32)));
	char	  **categories = palloc(mul_size(model->d, sizeof(char *)));
	int			ncategories = 0;

	for (int c = 0; c < ncolumns; c++)
	{
		const KmColumn *column = &model->columns[c];

		names[c] = column->name;
		kinds[c] = unconstify(char *, km_column_kind_name(column->kind));
		lengths[c] = column->nfeatures;
		if (column->kind != KM_COLUMN_CATEGORY)
			continue;
		memcpy(categories + ncategories, column->categories,
			   column->nfeatures * sizeof(char *));
		ncategories += column->nfeatures;
	}
	km_insert_set(insert, KM_VERSION_NAMES,
				  PointerGetDatum(km_array_texts(names, ncolumns)));
	km_insert_set(insert, KM_VERSION_KINDS,
				  PointerGetDatum(km_array_texts(kinds, ncolumns)));
	km_insert_set(insert, KM_VERSION_LENGTHS,
				  PointerGetDatum(km_array_ints(lengths, ncolumns)));
	km_insert_set(insert, KM_VERSION_CATEGORIES,
				  PointerGetDatum(km_array_texts(categories, ncategories)));
}

static void
set_text(KmInsert *insert, int column, const char *text)
{
	if (text != NULL)
		km_insert_set(insert, column, CStringGetTextDatum(text));
}

static void
set_floats(KmInsert *insert, int column, const double *values, int n)
{
	km_insert_set(insert, column, PointerGetDatum(km_array_floats(values, n)));
}

static void
insert_centroids(int64 model_id, int version, const KmModel *model)
{
	KmInsert   *insert = km_insert_begin(KM_TABLE_CENTROID);
	int			d = model->d;

	for (int j = 0; j < model->k; j++)
	{
		Size		at = (Size) j * d;
		MemoryContext caller = MemoryContextSwitchTo(insert->row);

		km_insert_set(insert, KM_CENTROID_MODEL_ID, Int64GetDatum(model_id));
		km_insert_set(insert, KM_CENTROID_VERSION, Int32GetDatum(version));
		km_insert_set(insert, KM_CENTROID_CLUSTER, Int32GetDatum(model->ids[j]));
		set_text(insert, KM_CENTROID_LABEL, model->labels[j]);
		km_insert_set(insert, KM_CENTROID_SIZE, Int64GetDatum(model->sizes[j]));
		km_insert_set(insert, KM_CENTROID_WEIGHT, Float8GetDatum(model->weights[j]));
		km_insert_set(insert, KM_CENTROID_INERTIA,
					  Float8GetDatum(model->cluster_inertia[j]));
		km_insert_set(insert, KM_CENTROID_RADIUS_RMS, Float8GetDatum(model->radius_rms[j]));
		km_insert_set(insert, KM_CENTROID_RADIUS_MAX, Float8GetDatum(model->radius_max[j]));
		set_floats(insert, KM_CENTROID_CENTROID, model->centroids + at, d);
		set_floats(insert, KM_CENTROID_MEAN, model->mean + at, d);
		set_floats(insert, KM_CENTROID_STDDEV, model->stddev + at, d);
		set_floats(insert, KM_CENTROID_MIN, model->min + at, d);
		set_floats(insert, KM_CENTROID_MAX, model->max + at, d);
		MemoryContextSwitchTo(caller);
		km_insert_row(insert);
	}
	km_insert_end(insert);
}

static void
insert_iterations(int64 model_id, int version, const KmVersionInfo *info)
{
	KmInsert   *insert = km_insert_begin(KM_TABLE_ITERATION);

	for (int i = 0; i < info->n_iterations; i++)
	{
		const KmIterationLog *entry = &info->iterations[i];

		km_insert_set(insert, KM_ITERATION_MODEL_ID, Int64GetDatum(model_id));
		km_insert_set(insert, KM_ITERATION_VERSION, Int32GetDatum(version));
		km_insert_set(insert, KM_ITERATION_RUN, Int32GetDatum(entry->what.run));
		km_insert_set(insert, KM_ITERATION_ITERATION, Int32GetDatum(entry->what.iteration));
		km_insert_set(insert, KM_ITERATION_INERTIA, Float8GetDatum(entry->what.inertia));
		km_insert_set(insert, KM_ITERATION_SHIFT, Float8GetDatum(entry->what.shift));
		km_insert_set(insert, KM_ITERATION_REASSIGNED, Int64GetDatum(entry->what.reassigned));
		km_insert_set(insert, KM_ITERATION_ELAPSED_MS, Float8GetDatum(entry->elapsed_ms));
		km_insert_row(insert);
	}
	km_insert_end(insert);
}

/* ---- Changing ---- */

bool
km_registry_drop(const char *name, bool missing_ok)
{
	KmModelRef *ref;
	Snapshot	latest;
	KmScan	   *scan;

	km_registry_check_new_name(name);
	ref = km_registry_lock_existing(name, missing_ok);
	if (ref == NULL)
		return false;

	latest = RegisterSnapshot(GetLatestSnapshot());
	scan = km_change_open(ref, latest);
	km_scan_delete(scan);
	km_scan_end(scan);
	delete_rows(KM_TABLE_VERSION, ref->model_id, 0, latest);
	delete_rows(KM_TABLE_CENTROID, ref->model_id, 0, latest);
	delete_rows(KM_TABLE_ITERATION, ref->model_id, 0, latest);
	delete_rows(KM_TABLE_PRIVILEGE, ref->model_id, 0, latest);
	UnregisterSnapshot(latest);
	km_catalog_changed();
	return true;
}

/* those of one version; 0: all */
static void
delete_rows(KmTable table, int64 model_id, int version, Snapshot snapshot)
{
	KmScan	   *scan = km_scan_begin(table, snapshot, true,
									 version > 0 ? 2 : 1, model_id, version, 0);

	while (km_scan_next(scan))
	{
		CHECK_FOR_INTERRUPTS();
		km_scan_delete(scan);
	}
	km_scan_end(scan);
}

void
km_registry_promote(const char *name, int version)
{
	KmModelRef *ref;
	Snapshot	latest;
	KmCatalogChange changes = {0};

	km_registry_check_new_name(name);
	ref = km_registry_lock_existing(name, false);
	latest = RegisterSnapshot(GetLatestSnapshot());
	km_registry_check_version(ref, version, latest);
	km_change_set(&changes, KM_CATALOG_PROMOTED, Int32GetDatum(version));
	km_change_model(ref, latest, &changes);
	UnregisterSnapshot(latest);
	km_catalog_changed();
}

int
km_registry_prune(const char *name, int keep)
{
	KmModelRef *ref;
	Snapshot	latest;
	KmCatalogChange changes = {0};
	int			nversions;
	int		   *versions;
	int			dropped = 0;

	km_registry_check_new_name(name);
	ref = km_registry_lock_existing(name, false);
	latest = RegisterSnapshot(GetLatestSnapshot());
	versions = all_versions(ref, latest, &nversions);
	for (int i = 0; i < nversions - keep; i++)
	{
		if (versions[i] == ref->promoted)
			continue;
		if (dropped++ == 0)
			km_change_model(ref, latest, &changes);
		delete_rows(KM_TABLE_VERSION, ref->model_id, versions[i], latest);
		delete_rows(KM_TABLE_CENTROID, ref->model_id, versions[i], latest);
		delete_rows(KM_TABLE_ITERATION, ref->model_id, versions[i], latest);
	}
	UnregisterSnapshot(latest);
	if (dropped > 0)
		km_catalog_changed();
	return dropped;
}

/* the versions of a model, ascending */
static int *
all_versions(const KmModelRef *ref, Snapshot snapshot, int *n)
{
	KmScan	   *scan = km_scan_begin(KM_TABLE_VERSION, snapshot, false,
									 1, ref->model_id, 0, 0);
	int			room = 16;
	int		   *versions = palloc(room * sizeof(int));

	*n = 0;
	while (km_scan_next(scan))
	{
		if (*n == room)
		{
			room *= 2;
			versions = repalloc(versions, mul_size(room, sizeof(int)));
		}
		versions[(*n)++] = DatumGetInt32(km_scan_value(scan, KM_VERSION_VERSION));
	}
	km_scan_end(scan);
	return versions;
}

void
km_registry_rename(const char *name, const char *new_name)
{
	KmModelRef *ref;
	Snapshot	latest;
	KmScan	   *scan;
	KmCatalogChange changes = {0};

	km_registry_check_new_name(name);
	km_registry_check_new_name(new_name);
	ref = km_registry_lock_existing(name, false);
	km_catalog_lock_name(new_name);

	latest = RegisterSnapshot(GetLatestSnapshot());
	scan = km_scan_begin_name(new_name, latest);
	if (km_scan_next(scan))
		km_catalog_refuse_name(new_name, "Choose another name, or drop that model first.");
	km_scan_end(scan);
	km_catalog_check_free(new_name);

	km_change_set(&changes, KM_CATALOG_NAME, CStringGetTextDatum(new_name));
	km_change_model(ref, latest, &changes);
	UnregisterSnapshot(latest);
	km_catalog_changed();
}

void
km_registry_set_label(const char *text, int32 cluster, const char *label)
{
	KmModelRef *ref = km_registry_lock_existing(text, false);
	Snapshot	latest = RegisterSnapshot(GetLatestSnapshot());
	KmCatalogChange changes = {0};
	Datum		values[KM_CENTROID_COLUMNS] = {0};
	bool		isnull[KM_CENTROID_COLUMNS] = {0};
	bool		replace[KM_CENTROID_COLUMNS] = {0};
	KmScan	   *scan;

	km_change_model(ref, latest, &changes);
	scan = km_scan_begin(KM_TABLE_CENTROID, latest, true,
						 3, ref->model_id, ref->version, cluster);
	if (!km_scan_next(scan))
		unknown_cluster(ref, cluster, latest);
	if (label != NULL)
		values[KM_CENTROID_LABEL - 1] = CStringGetTextDatum(label);
	isnull[KM_CENTROID_LABEL - 1] = label == NULL;
	replace[KM_CENTROID_LABEL - 1] = true;
	km_scan_update(scan, values, isnull, replace);
	km_scan_end(scan);
	UnregisterSnapshot(latest);
	km_catalog_changed();
}

static void
unknown_cluster(const KmModelRef *ref, int32 cluster, Snapshot snapshot)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("version %d of model \"%s\" has no cluster %d",
					ref->version, ref->name, cluster),
			 errdetail("Its clusters are %s.", cluster_ids(ref, snapshot))));
}

/* "0 to 7, 9, 12" */
static char *
cluster_ids(const KmModelRef *ref, Snapshot snapshot)
{
	KmScan	   *scan = km_scan_begin(KM_TABLE_CENTROID, snapshot, false,
									 2, ref->model_id, ref->version, 0);
	StringInfoData list;
	int32		first = -1;
	int32		last = -1;

	initStringInfo(&list);
	while (km_scan_next(scan))
	{
		int32		id = DatumGetInt32(km_scan_value(scan, KM_CENTROID_CLUSTER));

		if (first < 0)
			first = id;
		else if (id != last + 1)
		{
			append_range(&list, first, last);
			first = id;
		}
		last = id;
	}
	append_range(&list, first, last);
	km_scan_end(scan);
	return list.data;
}

static void
append_range(StringInfo list, int32 first, int32 last)
{
	if (list->len > 0)
		appendStringInfoString(list, ", ");
	if (first == last)
		appendStringInfo(list, "%d", first);
	else
		appendStringInfo(list, last == first + 1 ? "%d, %d" : "%d to %d", first, last);
}
