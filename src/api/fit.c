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
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api/args.h"
#include "api/fit.h"
#include "api/result.h"
#include "engine/fitjob.h"
#include "model/fitted.h"
#include "model/options.h"
#include "model/registry.h"
#include "model/renew.h"

PG_FUNCTION_INFO_V1(kmeans_fit);
PG_FUNCTION_INFO_V1(kmeans_save);
PG_FUNCTION_INFO_V1(kmeans_get);

#define KM_FIT_NAMED_FEATURES 5 /* at most, in one notice */

/* One call of kmeans_fit. */
typedef struct KmFitCall
{
	char	   *name;
	char	   *source_text;
	KmOptions	options;
	bool		replace;
	bool		verbose;
	instr_time	start;
	KmModelRef *ref;			/* the model as it is, or NULL */
	KmModel    *old;			/* its promoted version, or NULL */
	KmFitJob	job;
	KmRenewal	renewal;
	KmModel    *model;			/* the result */
} KmFitCall;

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
				 errdetail("It is an array of k x features numbers, in original units.")));
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

static void
km_fit_arguments(FunctionCallInfo fcinfo, KmFitCall *call)
{
	KmOptions  *options = &call->options;

	call->name = km_args_text(fcinfo, 0, "model");
	call->source_text = km_args_text(fcinfo, 1, "source");
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
	call->replace = km_args_bool(fcinfo, 15, "replace");
	call->verbose = km_args_bool(fcinfo, 16, "verbose");
	km_options_check(options);
	km_registry_check_new_name(call->name);
}

/* ---- What the user should know ---- */

/*
 * The sd of a column in the source; an array or category column counts once,
 * with the root mean square of its features' sds.
 */
static double
km_fit_column_sd(const KmColumn *column, const double *stddev)
{
	double		sum = 0;

	for (int t = 0; t < column->nfeatures; t++)
		sum += stddev[t] * stddev[t];
	return sqrt(sum / column->nfeatures);
}

static void
km_fit_notice_scale(const KmFitJob *job)
{
	const KmStats *stats = km_points_stats(job->load.points);
	const KmColumn *columns = job->source->columns;
	const double *stddev = stats->stddev;
	int			least = -1;
	int			most = -1;
	double		least_sd = 0;
	double		most_sd = 0;

	for (int i = 0; i < job->source->ncolumns; stddev += columns[i++].nfeatures)
	{
		double		sd = km_fit_column_sd(&columns[i], stddev);

		if (!(sd > 0))
			continue;
		if (least < 0 || sd < least_sd)
		{
			least = i;
			least_sd = sd;
		}
		if (most < 0 || sd > most_sd)
		{
			most = i;
			most_sd = sd;
		}
	}
	if (most >= 0 && most_sd > 10 * least_sd)
		ereport(NOTICE,
				(errmsg("column \"%s\" (sd %.3g) outweighs \"%s\" (sd %.3g)",
						columns[most].name, most_sd, columns[least].name, least_sd),
				 errhint("Use scale => 'standard' to give every column the same weight.")));
}

static void
km_fit_notice_constant(const KmFitJob *job)
{
	const KmStats *stats = km_points_stats(job->load.points);
	const KmColumn *column = job->source->columns;
	StringInfoData names;
	int			n = 0;
	int			end = column->nfeatures;

	initStringInfo(&names);
	for (int t = 0; t < job->nfeatures; t++)
	{
		if (t == end)
			end += (++column)->nfeatures;
		/* a category has no divisor */
		if (column->kind == KM_COLUMN_CATEGORY || stats->min[t] != stats->max[t])
			continue;
		if (n++ < KM_FIT_NAMED_FEATURES)
			appendStringInfo(&names, "%s\"%s\"", n > 1 ? ", " : "", job->features[t]);
		else if (n == KM_FIT_NAMED_FEATURES + 1)
			appendStringInfoString(&names, ", ...");
	}
	if (n > 0)
		ereport(NOTICE,
				(n == 1 ? errmsg("feature %s is constant: its divisor counts as 1",
								 names.data) :
				 errmsg("%d features are constant (%s): their divisors count as 1",
						n, names.data)));
}

void
km_fit_tell_rows(const KmFitJob *job, const KmOptions *options)
{
	if (job->load.n_skipped > 0)
		ereport(NOTICE,
				(errmsg("skipped %lld of %lld rows without a value for every feature%s",
						(long long) job->load.n_skipped, (long long) job->load.n_read,
						options->weight != NULL ? " and a weight" : ""),
				 options->on_null == KM_ON_NULL_SKIP ?
				 errhint("Use on_null => 'mean' to fill them, or 'error' to find them.") : 0));
	if (options->scale == KM_SCALE_NONE)
		km_fit_notice_scale(job);
	else
		km_fit_notice_constant(job);
}

void
km_fit_check_rows(const KmFitJob *job, int k)
{
	if (job->load.n_read == 0)
		km_source_refuse_empty();
	if (job->n_rows < k)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%lld usable rows are too few for %d clusters",
						(long long) job->n_rows, k),
				 errdetail("The source has %lld rows; %lld were skipped.",
						   (long long) job->load.n_read,
						   (long long) job->load.n_skipped)));
}

static void
km_fit_tell_result(const KmFitCall *call)
{
	const KmFit *fit = call->job.fit;

	if (fit->k < call->options.k)
		ereport(WARNING,
				(errmsg_plural("found %d cluster instead of %d: there are no more distinct rows",
							   "found %d clusters instead of %d: there are no more distinct rows",
							   fit->k, fit->k, call->options.k)));
	if (!fit->converged)
		ereport(WARNING,
				(errmsg_plural("the fit did not converge in %d iteration",
							   "the fit did not converge in %d iterations",
							   fit->n_iter, fit->n_iter),
				 errhint("Increase max_iter, or accept a larger tol.")));
}

/* ---- Steps ---- */

/*
 * Lock the name and look at what it means today.
 */
static void
km_fit_lock(KmFitCall *call)
{
	call->ref = km_registry_lock(call->name, call->replace);
	if (call->ref == NULL)
		return;
	call->old = km_registry_load(call->ref, NULL);
	call->renewal.max_id = km_registry_max_cluster(call->ref);
}

/*
 * The rows are in: look whether they will do, tell about them, and find out
 * which ids the clusters get.  There may be workers: no catalog access here.
 */
static void
km_fit_ready(KmFitJob *job)
{
	KmFitCall  *call = job->arg;

	km_fit_check_rows(job, call->options.k);
	km_fit_tell_rows(job, &call->options);
	km_fitted_check_start(&call->options, job->nfeatures);
	if (call->old == NULL)
		return;
	call->renewal.place = km_renew_place(call->old, job->source->columns,
										 job->source->ncolumns);
	if (call->renewal.place != NULL)
	{
		km_renew_check(call->old, call->options.k);
		call->renewal.old = call->old;
		job->params.numbering = km_renew_number;
		job->params.numbering_arg = &call->renewal;
	}
	else
		ereport(NOTICE,
				(errmsg("the features of model \"%s\" have changed: its clusters are numbered anew, without labels",
						call->name)));
}

static void
km_fit_run(KmFitCall *call)
{
	const KmOptions *options = &call->options;
	KmFitJob   *job = &call->job;
	KmSourceSpec source = {
		.text = call->source_text,
		.model = call->name,
		.columns = options->columns,
		.ncolumns = options->ncolumns,
		.before = call->old != NULL ? call->old->columns : NULL,
		.nbefore = call->old != NULL ? call->old->ncolumns : 0,
		.weight = options->weight,
		.id_column = options->id_column
	};

	job->source = km_source_open(&source);
	job->model = call->name;
	job->on_null = options->on_null;
	job->scale = options->scale;
	job->metric = options->metric;
	job->init_d = options->init_d;
	job->params = km_fitted_params(options);
	job->params.verbose = call->verbose;
	job->ready = km_fit_ready;
	job->arg = call;
	km_fitjob_run(job);

	call->model = km_fitted_model(job->fit, job->load.points, job->source->columns,
								  job->source->ncolumns, options, job->load.n_skipped);
	if (call->renewal.old != NULL)
		km_renew_labels(call->old, call->model);
	km_fit_tell_result(call);
}

static double
km_fit_elapsed_ms(const KmFitCall *call)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, call->start);
	return INSTR_TIME_GET_MILLISEC(now);
}

static int
km_fit_store(KmFitCall *call)
{
	KmVersionInfo info = {
		.source = call->job.source->stored,
		.id_column = call->job.source->id_column,
		.weight = call->job.source->weight,
		.elapsed_ms = km_fit_elapsed_ms(call),
		.fitted_at = GetCurrentTimestamp(),
		.fitted_by = GetUserId(),
		.n_iterations = call->job.fit->n_iterations,
		.iterations = call->job.fit->iterations,
		.best_run = call->job.fit->best_run
	};

	return km_registry_store(call->name, call->ref, call->model, &info, true);
}

/* The row of type kmeans_fit_summary. */
static HeapTuple
km_fit_summary(FunctionCallInfo fcinfo, const KmFitCall *call, int version)
{
	const KmModel *model = call->model;
	Datum		values[12];
	bool		nulls[12] = {false};
	double		explained = 0;

	values[0] = CStringGetTextDatum(call->name);
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
	values[11] = km_result_interval(km_fit_elapsed_ms(call));
	return heap_form_tuple(km_result_desc(fcinfo), values, nulls);
}

Datum
kmeans_fit(PG_FUNCTION_ARGS)
{
	KmFitCall  *call;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext job = AllocSetContextCreate(caller, "kmeans fit job",
											  ALLOCSET_DEFAULT_SIZES);
	HeapTuple	result;
	int			version;

	PreventCommandIfReadOnly("kmeans_fit()");
	MemoryContextSwitchTo(job);
	call = palloc0(sizeof(KmFitCall));
	INSTR_TIME_SET_CURRENT(call->start);
	km_fit_arguments(fcinfo, call);
	km_fit_lock(call);
	km_fit_run(call);
	version = km_fit_store(call);
	km_progress_end(&call->job.progress);

	MemoryContextSwitchTo(caller);
	result = km_fit_summary(fcinfo, call, version);
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

	PreventCommandIfReadOnly("kmeans_save()");
	name = km_args_text(fcinfo, 0, "model");
	replace = km_args_bool(fcinfo, 2, "replace");
	km_registry_check_new_name(name);
	km_args_require(fcinfo, 1, "result");
	model = km_model_unpack((struct varlena *) PG_DETOAST_DATUM(PG_GETARG_DATUM(1)));

	ref = km_registry_lock(name, replace);
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
