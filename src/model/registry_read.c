/*
 * registry_read.c
 *		The catalog: from rows to a model.
 *
 * A version is one row of kmeans_version and k rows of kmeans_centroid.  The
 * rows may come from an edited dump, so they are input like any other: every
 * array is checked against the counts before it is copied, and the model as a
 * whole is validated before anybody sees it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "model/array.h"
#include "model/catalog.h"
#include "model/registry.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static Snapshot register_snapshot(const KmModelRef *ref);
static void read_version(const KmModelRef *ref, const KmScan *scan, KmModel *model);
static void read_columns(const KmModelRef *ref, const KmScan *scan, KmModel *model);
static void read_histogram(const KmModelRef *ref, const KmScan *scan, KmModel *model);
static void read_info(const KmScan *scan, KmVersionInfo *info);
static void read_centroids(const KmModelRef *ref, KmModel *model, Snapshot snapshot);
static void read_centroid(const KmModelRef *ref, const KmScan *scan, KmModel *model, int j);
static void allocate_clusters(KmModel *model);
static double *floats(const KmModelRef *ref, const KmScan *scan, int column,
					  const char *key, int n);
static void copy_floats(const KmModelRef *ref, const KmScan *scan, int column,
						const char *key, double *to, int n);
static char **texts(const KmModelRef *ref, const KmScan *scan, int column,
					const char *key, int *n);
static void check_plain(const KmModelRef *ref, const char *key, const void *values);
static void check_count(const KmModelRef *ref, const char *key, int64 found, int64 wanted);
static void damaged(const KmModelRef *ref, const char *problem) pg_attribute_noreturn();

KmModel *
km_registry_load(const KmModelRef *ref, KmVersionInfo *info)
{
	Snapshot	snapshot = register_snapshot(ref);
	KmModel    *model = palloc0(sizeof(KmModel));
	KmScan	   *scan = km_scan_begin(KM_TABLE_VERSION, snapshot, false,
									 2, ref->model_id, ref->version, 0);
	char	   *problem;

	if (!km_scan_next(scan))
		damaged(ref, "it has no row in kmeans_version");
	read_version(ref, scan, model);
	if (info != NULL)
		read_info(scan, info);
	km_scan_end(scan);
	read_centroids(ref, model, snapshot);
	UnregisterSnapshot(snapshot);

	problem = km_model_validate(model);
	if (problem != NULL)
		damaged(ref, problem);
	return model;
}

/* a reader sees what its statement sees, a writer what it has locked */
static Snapshot
register_snapshot(const KmModelRef *ref)
{
	return RegisterSnapshot(ref->locked ? GetLatestSnapshot() : km_catalog_snapshot());
}

static void
read_version(const KmModelRef *ref, const KmScan *scan, KmModel *model)
{
	char	   *metric = km_scan_text(scan, KM_VERSION_METRIC);

	model->k = DatumGetInt32(km_scan_value(scan, KM_VERSION_K));
	model->features = texts(ref, scan, KM_VERSION_FEATURES, "features", &model->d);
	read_columns(ref, scan, model);
	if (!km_metric_parse(metric, &model->metric))
		damaged(ref, psprintf("key \"metric\": there is no metric \"%s\"", metric));
	model->shift = floats(ref, scan, KM_VERSION_SHIFT, "shift", model->d);
	model->scale = floats(ref, scan, KM_VERSION_SCALE, "scale", model->d);
	if (!km_scan_isnull(scan, KM_VERSION_FILL))
		model->fill = floats(ref, scan, KM_VERSION_FILL, "fill", model->d);
	model->inertia = DatumGetFloat8(km_scan_value(scan, KM_VERSION_INERTIA));
	model->total_ss = DatumGetFloat8(km_scan_value(scan, KM_VERSION_TOTAL_SS));
	model->n_rows = DatumGetInt64(km_scan_value(scan, KM_VERSION_N_ROWS));
	model->n_skipped = DatumGetInt64(km_scan_value(scan, KM_VERSION_N_SKIPPED));
	model->n_iter = DatumGetInt32(km_scan_value(scan, KM_VERSION_N_ITER));
	model->converged = DatumGetBool(km_scan_value(scan, KM_VERSION_CONVERGED));
	model->seed = DatumGetInt64(km_scan_value(scan, KM_VERSION_SEED));
	model->options =
		DatumGetCString(DirectFunctionCall1(jsonb_out,
											km_scan_value(scan, KM_VERSION_OPTIONS)));
	read_histogram(ref, scan, model);
}

/*
 * Columns lie in parallel arrays; the categories of all category columns in
 * one, cut by the columns' lengths.
 */
static void
read_columns(const KmModelRef *ref, const KmScan *scan, KmModel *model)
{
	char	  **names = texts(ref, scan, KM_VERSION_NAMES, "columns", &model->ncolumns);
	char	  **kinds;
	char	  **categories;
	int32	   *lengths;
	int			nkinds;
	int			nlengths;
	int			ncategories;
	int			used = 0;
	char	   *problem;

	problem = km_model_validate_counts(model->k, model->d, model->ncolumns);
	if (problem != NULL)
		damaged(ref, problem);

	kinds = texts(ref, scan, KM_VERSION_KINDS, "kinds", &nkinds);
	check_count(ref, "kinds", nkinds, model->ncolumns);
	lengths = km_array_get_ints(km_scan_value(scan, KM_VERSION_LENGTHS), &nlengths);
	check_plain(ref, "lengths", lengths);
	check_count(ref, "lengths", nlengths, model->ncolumns);
	categories = texts(ref, scan, KM_VERSION_CATEGORIES, "categories", &ncategories);

	model->columns = palloc0(mul_size(model->ncolumns, sizeof(KmColumn)));
	for (int c = 0; c < model->ncolumns; c++)
	{
		KmColumn   *column = &model->columns[c];

		column->name = names[c];
		column->nfeatures = lengths[c];
		if (!km_column_kind_parse(kinds[c], &column->kind))
			damaged(ref, psprintf("key \"kinds\": there is no kind \"%s\"", kinds[c]));
		if (column->kind != KM_COLUMN_CATEGORY)
			continue;
		if (lengths[c] < 0 || lengths[c] > ncategories - used)
			damaged(ref, psprintf("key \"categories\": column \"%s\" should have %d",
								  names[c], lengths[c]));
		column->categories = categories + used;
		used += lengths[c];
	}
	check_count(ref, "categories", ncategories, used);
}

static void
read_histogram(const KmModelRef *ref, const KmScan *scan, KmModel *model)
{
	KmHistogram *outliers = &model->outliers;

	outliers->upper = km_array_get_floats(km_scan_value(scan, KM_VERSION_OUTLIER_UPPER),
										  &outliers->nbins);
	check_plain(ref, "outlier_upper", outliers->upper);
	outliers->weight = floats(ref, scan, KM_VERSION_OUTLIER_WEIGHT,
							  "outlier_weight", outliers->nbins);
	outliers->largest = DatumGetFloat8(km_scan_value(scan, KM_VERSION_OUTLIER_LARGEST));
}

static void
read_info(const KmScan *scan, KmVersionInfo *info)
{
	memset(info, 0, sizeof(KmVersionInfo));
	info->source = km_scan_text(scan, KM_VERSION_SOURCE);
	info->id_column = km_scan_text(scan, KM_VERSION_ID_COLUMN);
	info->weight = km_scan_text(scan, KM_VERSION_WEIGHT_COLUMN);
	info->elapsed_ms = DatumGetFloat8(km_scan_value(scan, KM_VERSION_ELAPSED_MS));
	info->fitted_at = DatumGetTimestampTz(km_scan_value(scan, KM_VERSION_FITTED_AT));
	info->fitted_by = DatumGetObjectId(km_scan_value(scan, KM_VERSION_FITTED_BY));
	info->best_run = DatumGetInt32(km_scan_value(scan, KM_VERSION_BEST_RUN));
}

static void
read_centroids(const KmModelRef *ref, KmModel *model, Snapshot snapshot)
{
	KmScan	   *scan = km_scan_begin(KM_TABLE_CENTROID, snapshot, false,
									 2, ref->model_id, ref->version, 0);
	int			found = 0;

	allocate_clusters(model);
	while (km_scan_next(scan))
	{
		CHECK_FOR_INTERRUPTS();
		if (found < model->k)
			read_centroid(ref, scan, model, found);
		found++;
	}
	km_scan_end(scan);
	check_count(ref, "k", found, model->k);
}

static void
allocate_clusters(KmModel *model)
{
	Size		k = model->k;
	Size		cells = mul_size(mul_size(k, model->d), sizeof(double));

	model->ids = palloc(mul_size(k, sizeof(int32)));
	model->sizes = palloc(mul_size(k, sizeof(int64)));
	model->weights = palloc(mul_size(k, sizeof(double)));
	model->cluster_inertia = palloc(mul_size(k, sizeof(double)));
	model->radius_rms = palloc(mul_size(k, sizeof(double)));
	model->radius_max = palloc(mul_size(k, sizeof(double)));
	model->labels = palloc0(mul_size(k, sizeof(char *)));
	model->centroids = palloc(cells);
	model->mean = palloc(cells);
	model->stddev = palloc(cells);
	model->min = palloc(cells);
	model->max = palloc(cells);
}

static void
read_centroid(const KmModelRef *ref, const KmScan *scan, KmModel *model, int j)
{
	int			d = model->d;
	Size		at = (Size) j * d;

	model->ids[j] = DatumGetInt32(km_scan_value(scan, KM_CENTROID_CLUSTER));
	model->labels[j] = km_scan_text(scan, KM_CENTROID_LABEL);
	model->sizes[j] = DatumGetInt64(km_scan_value(scan, KM_CENTROID_SIZE));
	model->weights[j] = DatumGetFloat8(km_scan_value(scan, KM_CENTROID_WEIGHT));
	model->cluster_inertia[j] = DatumGetFloat8(km_scan_value(scan, KM_CENTROID_INERTIA));
	model->radius_rms[j] = DatumGetFloat8(km_scan_value(scan, KM_CENTROID_RADIUS_RMS));
	model->radius_max[j] = DatumGetFloat8(km_scan_value(scan, KM_CENTROID_RADIUS_MAX));
	copy_floats(ref, scan, KM_CENTROID_CENTROID, "centroid", model->centroids + at, d);
	copy_floats(ref, scan, KM_CENTROID_MEAN, "mean", model->mean + at, d);
	copy_floats(ref, scan, KM_CENTROID_STDDEV, "stddev", model->stddev + at, d);
	copy_floats(ref, scan, KM_CENTROID_MIN, "min", model->min + at, d);
	copy_floats(ref, scan, KM_CENTROID_MAX, "max", model->max + at, d);
}

KmIterationLog *
km_registry_iterations(const KmModelRef *ref, int *n, int *best_run)
{
	Snapshot	snapshot = register_snapshot(ref);
	KmScan	   *scan;
	int			room = 64;
	KmIterationLog *log = palloc(room * sizeof(KmIterationLog));

	scan = km_scan_begin(KM_TABLE_VERSION, snapshot, false,
						 2, ref->model_id, ref->version, 0);
	if (!km_scan_next(scan))
		damaged(ref, "it has no row in kmeans_version");
	*best_run = DatumGetInt32(km_scan_value(scan, KM_VERSION_BEST_RUN));
	km_scan_end(scan);

	*n = 0;
	scan = km_scan_begin(KM_TABLE_ITERATION, snapshot, false,
						 2, ref->model_id, ref->version, 0);
	while (km_scan_next(scan))
	{
		KmIterationLog *entry;

		CHECK_FOR_INTERRUPTS();
		if (*n == room)
		{
			room *= 2;
			log = repalloc_huge(log, mul_size(room, sizeof(KmIterationLog)));
		}
		entry = &log[(*n)++];
		entry->what.run = DatumGetInt32(km_scan_value(scan, KM_ITERATION_RUN));
		entry->what.iteration = DatumGetInt32(km_scan_value(scan, KM_ITERATION_ITERATION));
		entry->what.inertia = DatumGetFloat8(km_scan_value(scan, KM_ITERATION_INERTIA));
		entry->what.shift = DatumGetFloat8(km_scan_value(scan, KM_ITERATION_SHIFT));
		entry->what.reassigned = DatumGetInt64(km_scan_value(scan, KM_ITERATION_REASSIGNED));
		entry->elapsed_ms = DatumGetFloat8(km_scan_value(scan, KM_ITERATION_ELAPSED_MS));
	}
	km_scan_end(scan);
	UnregisterSnapshot(snapshot);
	return log;
}

int32
km_registry_max_cluster(const KmModelRef *ref)
{
	Snapshot	snapshot = register_snapshot(ref);
	KmScan	   *scan = km_scan_begin(KM_TABLE_CATALOG, snapshot, false,
									 1, ref->model_id, 0, 0);
	int32		result = -1;

	if (km_scan_next(scan))
		result = DatumGetInt32(km_scan_value(scan, KM_CATALOG_LAST_CLUSTER));
	km_scan_end(scan);
	UnregisterSnapshot(snapshot);
	return result;
}

/* ---- Checked arrays ---- */

static double *
floats(const KmModelRef *ref, const KmScan *scan, int column, const char *key, int n)
{
	int			found;
	double	   *values = km_array_get_floats(km_scan_value(scan, column), &found);

	check_plain(ref, key, values);
	check_count(ref, key, found, n);
	return values;
}

static void
copy_floats(const KmModelRef *ref, const KmScan *scan, int column,
			const char *key, double *to, int n)
{
	double	   *values = floats(ref, scan, column, key, n);

	memcpy(to, values, n * sizeof(double));
	pfree(values);
}

static char **
texts(const KmModelRef *ref, const KmScan *scan, int column, const char *key, int *n)
{
	char	  **values = km_array_get_texts(km_scan_value(scan, column), n);

	check_plain(ref, key, values);
	return values;
}

static void
check_plain(const KmModelRef *ref, const char *key, const void *values)
{
	if (values == NULL)
		damaged(ref, psprintf("key \"%s\": it is not a plain array without nulls", key));
}

static void
check_count(const KmModelRef *ref, const char *key, int64 found, int64 wanted)
{
	if (found != wanted)
		damaged(ref, psprintf("key \"%s\": there are " INT64_FORMAT ", but there should be " INT64_FORMAT,
							  key, found, wanted));
}

static void
damaged(const KmModelRef *ref, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("version %d of model \"%s\" is damaged in the catalog",
					ref->version, ref->name),
			 errdetail("%s", problem)));
}
