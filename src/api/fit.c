/*
 * fit.c
 *		kmeans_fit, kmeans_save, kmeans_get.
 *
 * A fit locks the name of its model first, so that of two fits of one model
 * the second waits instead of working in vain; then it reads the source, fits,
 * tells the user what is worth knowing, and stores the model.  Until the last
 * step nothing is written.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api/args.h"
#include "api/fit.h"
#include "api/result.h"
#include "model/fitted.h"
#include "model/fitting.h"
#include "model/options.h"
#include "model/registry.h"

PG_FUNCTION_INFO_V1(kmeans_fit);
PG_FUNCTION_INFO_V1(kmeans_save);
PG_FUNCTION_INFO_V1(kmeans_get);

/* ---- Arguments ---- */

char	  **
km_fit_columns(ArrayType *array, int *n)
{
	Datum	   *elements;
	bool	   *nulls;
	char	  **result;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("columns must be a one-dimensional array")));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, n);
	result = palloc(mul_size(Max(*n, 1), sizeof(char *)));
	for (int i = 0; i < *n; i++)
		result[i] = nulls[i] ? NULL : TextDatumGetCString(elements[i]);
	return result;
}

static void
km_fit_init_centroids(KmOptions *options, ArrayType *array)
{
	int			n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	if (ARR_NDIM(array) != 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("init_centroids is not a two-dimensional array"),
				 errdetail("It holds k arrays of one number per feature, in original units.")));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("init_centroids must not contain NULL")));
	options->init_k = ARR_DIMS(array)[0];
	options->init_d = ARR_DIMS(array)[1];
	options->init_centroids = palloc(mul_size(n, sizeof(double)));
	memcpy(options->init_centroids, ARR_DATA_PTR(array), n * sizeof(double));
	for (int i = 0; i < n; i++)
		if (!isfinite(options->init_centroids[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("init_centroids contains %g", options->init_centroids[i])));
}

/* Returns replace. */
static bool
km_fit_arguments(FunctionCallInfo fcinfo, KmFitting *fitting)
{
	KmOptions  *options = &fitting->options;
	bool		replace;

	fitting->name = km_args_text(fcinfo, 0, "model");
	fitting->source = km_args_text(fcinfo, 1, "source");
	km_options_init(options);
	if (!PG_ARGISNULL(2))
		options->columns = km_fit_columns(PG_GETARG_ARRAYTYPE_P(2), &options->ncolumns);
	options->k = km_args_int(fcinfo, 3, "k");
	km_options_set_init(options, km_args_text(fcinfo, 4, "init"));
	if (!PG_ARGISNULL(5))
		km_fit_init_centroids(options, PG_GETARG_ARRAYTYPE_P(5));
	if (!PG_ARGISNULL(6))
		km_options_set_n_init(options, PG_GETARG_INT32(6));
	options->max_iter = km_args_int(fcinfo, 7, "max_iter");
	km_args_require(fcinfo, 8, "tol");
	options->tol = PG_GETARG_FLOAT8(8);
	options->seed = PG_ARGISNULL(9) ? km_options_draw_seed() : PG_GETARG_INT64(9);
	km_options_set_metric(options, km_args_text(fcinfo, 10, "metric"));
	km_options_set_scale(options, km_args_text(fcinfo, 11, "scale"));
	km_options_set_on_null(options, km_args_text(fcinfo, 12, "on_null"));
	options->weight = km_args_text_or_null(fcinfo, 13);
	options->id_column = km_args_text_or_null(fcinfo, 14);
	replace = km_args_bool(fcinfo, 15, "replace");
	fitting->verbose = km_args_bool(fcinfo, 16, "verbose");
	km_options_check(options);
	km_registry_check_new_name(fitting->name);
	return replace;
}

/*
 * Lock the name and look at what it means today.
 */
static void
km_fit_lock(KmFitting *fitting, bool replace)
{
	fitting->ref = km_registry_lock(fitting->name, replace);
	if (fitting->ref == NULL)
		return;
	fitting->old = km_registry_load(fitting->ref, NULL);
	fitting->renewal.max_id = km_registry_max_cluster(fitting->ref);
}

/* The row of type kmeans_fit_summary. */
static HeapTuple
km_fit_summary(FunctionCallInfo fcinfo, const KmFitting *fitting, int version)
{
	const KmModel *model = fitting->model;
	Datum		values[12];
	bool		nulls[12] = {false};
	double		explained = 0;

	values[0] = CStringGetTextDatum(fitting->name);
	values[1] = Int32GetDatum(version);
	values[2] = Int32GetDatum(model->k);
	values[3] = Int32GetDatum(model->d);
	values[4] = Int64GetDatum(model->n_rows);
	values[5] = Int64GetDatum(model->n_skipped);
	values[6] = Float8GetDatum(model->inertia);
	nulls[7] = !km_fitted_explained(model->inertia, model->total_ss, &explained);
	values[7] = Float8GetDatum(explained);
	values[8] = Int32GetDatum(model->n_iter);
	values[9] = BoolGetDatum(model->converged);
	values[10] = Int64GetDatum(model->seed);
	values[11] = km_result_interval(km_fitting_elapsed_ms(fitting));
	return heap_form_tuple(km_result_desc(fcinfo), values, nulls);
}

Datum
kmeans_fit(PG_FUNCTION_ARGS)
{
	KmFitting  *fitting;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext job = AllocSetContextCreate(caller, "kmeans fit job",
											  ALLOCSET_DEFAULT_SIZES);
	HeapTuple	result;
	bool		replace;
	int			version;

	PreventCommandIfReadOnly("kmeans_fit()");
	MemoryContextSwitchTo(job);
	fitting = palloc0(sizeof(KmFitting));
	INSTR_TIME_SET_CURRENT(fitting->start);
	replace = km_fit_arguments(fcinfo, fitting);
	km_fit_lock(fitting, replace);
	km_fitting_run(fitting);
	version = km_fitting_store(fitting, true);
	km_progress_end(&fitting->job.progress);

	MemoryContextSwitchTo(caller);
	result = km_fit_summary(fcinfo, fitting, version);
	MemoryContextDelete(job);
	PG_RETURN_DATUM(HeapTupleGetDatum(result));
}

Datum
kmeans_save(PG_FUNCTION_ARGS)
{
	KmVersionInfo info = {0};
	char	   *name;
	bool		replace;
	KmModelRef *ref;
	KmModel    *model;
	Datum		options;

	PreventCommandIfReadOnly("kmeans_save()");
	name = km_args_text(fcinfo, 0, "model");
	replace = km_args_bool(fcinfo, 2, "replace");
	km_registry_check_new_name(name);
	km_args_require(fcinfo, 1, "result");
	model = km_model_unpack((struct varlena *) PG_DETOAST_DATUM(PG_GETARG_DATUM(1)));

	ref = km_registry_lock(name, replace);
	options = DirectFunctionCall1(jsonb_in, CStringGetDatum(model->options));
	info.id_column = km_options_recorded(options, "id_column");
	info.weight = km_options_recorded(options, "weight");
	info.fitted_at = GetCurrentTimestamp();
	info.fitted_by = GetUserId();
	PG_RETURN_INT32(km_registry_store(name, ref, model, &info, true));
}

Datum
kmeans_get(PG_FUNCTION_ARGS)
{
	char	   *name = km_args_text(fcinfo, 0, "model");
	KmModelRef *ref = km_registry_find(name);

	PG_RETURN_POINTER(km_model_pack(km_registry_load(ref, NULL)));
}
