/*
 * inspect.c
 *		Look inside: kmeans_centroids, kmeans_clusters, kmeans_iterations, and
 *		what the views kmeans_models and kmeans_versions select from.
 *
 * All of it is read from the catalog or from a kmeans_model; nothing passes
 * over data.  Functions that take a model exist twice in SQL, by name and by
 * value, with one C function for both.  Results are returned in one go, in a
 * tuplestore.
 */
#include "postgres.h"

#include <math.h>

#include "api/args.h"
#include "api/result.h"
#include "compat.h"
#include "miscadmin.h"
#include "model/array.h"
#include "model/fitted.h"
#include "model/registry.h"
#include "model/value.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#define MAX_RESULT_COLUMNS 21

/* A row of a result, filled from left to right. */
typedef struct KmResultRow
{
	ReturnSetInfo *result;
	MemoryContext cxt;			/* of the values; reset after each row */
	int			n;
	Datum		values[MAX_RESULT_COLUMNS];
	bool		isnull[MAX_RESULT_COLUMNS];
} KmResultRow;

static KmModel *model_argument(FunctionCallInfo fcinfo);
static void original_centroid(const KmModel *model, int j, double *x);
static void list_model(void *arg, const KmListedModel *model);
static const KmListedVersion *promoted_version(const KmListedModel *model);
static void list_versions(void *arg, const KmListedModel *model);
static Datum grantee_names(const KmListedModel *model);
static char *role_name(Oid role);
static void row_begin(KmResultRow *row, FunctionCallInfo fcinfo);
static void row_end(KmResultRow *row);
static void add(KmResultRow *row, Datum value);
static void add_null(KmResultRow *row);
static void add_text(KmResultRow *row, const char *text);
static void add_float(KmResultRow *row, double value);
static void add_floats(KmResultRow *row, const double *values, int n);
static void add_explained(KmResultRow *row, const KmListedVersion *version);
static void row_put(KmResultRow *row);

PG_FUNCTION_INFO_V1(kmeans_centroids);
PG_FUNCTION_INFO_V1(kmeans_clusters);
PG_FUNCTION_INFO_V1(kmeans_iterations);
PG_FUNCTION_INFO_V1(kmeans_list_models);
PG_FUNCTION_INFO_V1(kmeans_list_versions);

/* ---- Clusters ---- */

Datum
kmeans_centroids(PG_FUNCTION_ARGS)
{
	KmModel    *model = model_argument(fcinfo);
	double	   *original = palloc(mul_size(model->d, sizeof(double)));
	KmResultRow row;

	row_begin(&row, fcinfo);
	for (int j = 0; j < model->k; j++)
	{
		original_centroid(model, j, original);
		for (int t = 0; t < model->d; t++)
		{
			CHECK_FOR_INTERRUPTS();
			add(&row, Int32GetDatum(model->ids[j]));
			add_text(&row, model->labels[j]);
			add_text(&row, model->features[t]);
			add_float(&row, original[t]);
			add_float(&row, model->centroids[(Size) j * model->d + t]);
			row_put(&row);
		}
	}
	row_end(&row);
	return (Datum) 0;
}

Datum
kmeans_clusters(PG_FUNCTION_ARGS)
{
	KmModel    *model = model_argument(fcinfo);
	double	   *original = palloc(mul_size(model->d, sizeof(double)));
	double		total = 0;
	KmResultRow row;

	for (int j = 0; j < model->k; j++)
		total += model->weights[j];

	row_begin(&row, fcinfo);
	for (int j = 0; j < model->k; j++)
	{
		CHECK_FOR_INTERRUPTS();
		original_centroid(model, j, original);
		add(&row, Int32GetDatum(model->ids[j]));
		add_text(&row, model->labels[j]);
		add(&row, Int64GetDatum(model->sizes[j]));
		add_float(&row, model->weights[j]);
		add_float(&row, model->weights[j] / total);
		add_float(&row, model->cluster_inertia[j]);
		add_float(&row, model->radius_rms[j]);
		add_float(&row, model->radius_max[j]);
		add_floats(&row, original, model->d);
		row_put(&row);
	}
	row_end(&row);
	return (Datum) 0;
}

/* The first argument, a name or a kmeans_model, as a model. */
static KmModel *
model_argument(FunctionCallInfo fcinfo)
{
	km_args_require(fcinfo, 0, "model");
	if (!km_args_by_name(fcinfo))
		return km_model_unpack((struct varlena *) PG_DETOAST_DATUM(PG_GETARG_DATUM(0)));
	return km_registry_load(km_registry_find(km_args_text(fcinfo, 0, "model")), NULL);
}

/*
 * Where cluster j lies in original units.  A unit vector has lost its length,
 * so for cosine it is the mean of the cluster's rows.
 */
static void
original_centroid(const KmModel *model, int j, double *x)
{
	Size		at = (Size) j * model->d;
	KmSpace		space = km_model_space(model);

	if (model->metric == KM_METRIC_COSINE)
		memcpy(x, model->mean + at, model->d * sizeof(double));
	else if (km_space_identity(&space))
		memcpy(x, model->centroids + at, model->d * sizeof(double));
	else
		km_space_back(&space, model->centroids + at, x);
}

Datum
kmeans_iterations(PG_FUNCTION_ARGS)
{
	char	   *name = km_args_text(fcinfo, 0, "model");
	int			n;
	int			best_run;
	KmIterationLog *log =
	km_registry_iterations(km_registry_find(name), &n, &best_run);
	KmResultRow row;

	row_begin(&row, fcinfo);
	for (int i = 0; i < n; i++)
	{
		const KmIteration *what = &log[i].what;

		CHECK_FOR_INTERRUPTS();
		add(&row, Int32GetDatum(what->run));
		add(&row, Int32GetDatum(what->iteration));
		add_float(&row, what->inertia);
		add_float(&row, what->shift);
		add(&row, Int64GetDatum(what->reassigned));
		add_float(&row, log[i].elapsed_ms);
		add(&row, BoolGetDatum(what->run == best_run));
		row_put(&row);
	}
	row_end(&row);
	return (Datum) 0;
}

/* ---- Models and versions ---- */

Datum
kmeans_list_models(PG_FUNCTION_ARGS)
{
	KmResultRow row;

	row_begin(&row, fcinfo);
	km_registry_list(list_model, &row);
	row_end(&row);
	return (Datum) 0;
}

Datum
kmeans_list_versions(PG_FUNCTION_ARGS)
{
	KmResultRow row;

	row_begin(&row, fcinfo);
	km_registry_list(list_versions, &row);
	row_end(&row);
	return (Datum) 0;
}

static void
list_model(void *arg, const KmListedModel *model)
{
	KmResultRow *row = arg;
	const KmListedVersion *version = promoted_version(model);

	/* only an edited dump can lack the promoted version */
	if (version == NULL)
		return;
	add_text(row, model->ref.name);
	add_text(row, role_name(model->ref.owner));
	add(row, grantee_names(model));
	add(row, Int32GetDatum(version->version));
	add(row, Int32GetDatum(model->nversions));
	add(row, Int32GetDatum(version->k));
	add(row, Int32GetDatum(version->d));
	add_text(row, version->metric);
	add_text(row, version->scale);
	add_text(row, version->source);
	add(row, version->columns);
	add_text(row, version->id_column);
	add(row, Int64GetDatum(version->n_rows));
	add_float(row, version->inertia);
	add_explained(row, version);
	add(row, TimestampTzGetDatum(version->fitted_at));
	row_put(row);
}

static const KmListedVersion *
promoted_version(const KmListedModel *model)
{
	for (int i = 0; i < model->nversions; i++)
	{
		if (model->versions[i].version == model->ref.promoted)
			return &model->versions[i];
	}
	return NULL;
}

static void
list_versions(void *arg, const KmListedModel *model)
{
	KmResultRow *row = arg;

	for (int i = 0; i < model->nversions; i++)
	{
		const KmListedVersion *version = &model->versions[i];

		add_text(row, model->ref.name);
		add(row, Int32GetDatum(version->version));
		add(row, BoolGetDatum(version->version == model->ref.promoted));
		add(row, Int32GetDatum(version->k));
		add(row, Int32GetDatum(version->d));
		add(row, Int64GetDatum(version->n_rows));
		add(row, Int64GetDatum(version->n_skipped));
		add_float(row, version->inertia);
		add_explained(row, version);
		add(row, Int32GetDatum(version->n_iter));
		add(row, BoolGetDatum(version->converged));
		add(row, Int64GetDatum(version->seed));
		add_text(row, version->metric);
		add_text(row, version->scale);
		add_text(row, version->source);
		add(row, version->columns);
		add_text(row, version->id_column);
		add(row, version->options);
		add_text(row, role_name(version->fitted_by));
		add(row, TimestampTzGetDatum(version->fitted_at));
		add(row, km_result_interval(version->elapsed_ms));
		row_put(row);
	}
}

static Datum
grantee_names(const KmListedModel *model)
{
	char	  **names = palloc(mul_size(model->ngrantees, sizeof(char *)));

	for (int i = 0; i < model->ngrantees; i++)
		names[i] = OidIsValid(model->grantees[i]) ?
			role_name(model->grantees[i]) : "public";
	return PointerGetDatum(km_array_texts(names, model->ngrantees));
}

/* the name of a role, or the number of one that was dropped */
static char *
role_name(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	return name != NULL ? name : psprintf("%u", role);
}

/* ---- Result rows ---- */

static void
row_begin(KmResultRow *row, FunctionCallInfo fcinfo)
{
	km_compat_materialize(fcinfo);
	row->result = (ReturnSetInfo *) fcinfo->resultinfo;
	row->cxt = AllocSetContextCreate(CurrentMemoryContext, "kmeans result row",
									 ALLOCSET_DEFAULT_SIZES);
	row->n = 0;
}

static void
row_end(KmResultRow *row)
{
	MemoryContextDelete(row->cxt);
}

static void
add(KmResultRow *row, Datum value)
{
	row->values[row->n] = value;
	row->isnull[row->n] = false;
	row->n++;
}

static void
add_null(KmResultRow *row)
{
	row->values[row->n] = (Datum) 0;
	row->isnull[row->n] = true;
	row->n++;
}

static void
add_text(KmResultRow *row, const char *text)
{
	MemoryContext caller;

	if (text == NULL)
	{
		add_null(row);
		return;
	}
	caller = MemoryContextSwitchTo(row->cxt);
	add(row, CStringGetTextDatum(text));
	MemoryContextSwitchTo(caller);
}

/* NaN stands for what an empty cluster does not have */
static void
add_float(KmResultRow *row, double value)
{
	if (isnan(value))
		add_null(row);
	else
		add(row, Float8GetDatum(value));
}

static void
add_floats(KmResultRow *row, const double *values, int n)
{
	MemoryContext caller = MemoryContextSwitchTo(row->cxt);

	add(row, PointerGetDatum(km_array_floats(values, n)));
	MemoryContextSwitchTo(caller);
}

static void
add_explained(KmResultRow *row, const KmListedVersion *version)
{
	double		explained;

	if (km_fitted_explained(version->inertia, version->total_ss, &explained))
		add_float(row, explained);
	else
		add_null(row);
}

static void
row_put(KmResultRow *row)
{
	Assert(row->n == row->result->setDesc->natts);
	tuplestore_putvalues(row->result->setResult, row->result->setDesc,
						 row->values, row->isnull);
	MemoryContextReset(row->cxt);
	row->n = 0;
}
