/*
 * judge.c
 *		Judge: kmeans_evaluate, kmeans_choose_k.
 *
 * The aggregates kmeans_silhouette and kmeans_adjusted_rand_index have files
 * of their own.
 */
#include "postgres.h"

#include <math.h>

#include "api/args.h"
#include "api/fit.h"
#include "api/result.h"
#include "engine/choose.h"
#include "fmgr.h"
#include "model/array.h"
#include "model/evaluate.h"
#include "model/fitted.h"
#include "model/fitting.h"
#include "model/options.h"
#include "utils/float.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(kmeans_evaluate);
PG_FUNCTION_INFO_V1(kmeans_choose_k);

/* One call of kmeans_choose_k. */
typedef struct KmChooseCall
{
	KmOptions	options;
	char	   *source_text;
	KmFitJob	fit;
	KmChooseJob job;
} KmChooseCall;

static int64 sample_rows_argument(FunctionCallInfo fcinfo, int argno);
static uint64 seed_argument(FunctionCallInfo fcinfo, int argno);
static double explained(double inertia, double total_ss);
static void put_evaluation(FunctionCallInfo fcinfo, const KmEvaluation *evaluation);
static void choose_arguments(FunctionCallInfo fcinfo, KmChooseCall *call);
static void choose_ready(KmFitJob *fit);
static void choose_run(KmChooseCall *call);
static void put_choice(KmResultRow *row, const KmChoice *choice);

/* ---- Arguments of both ---- */

static int64
sample_rows_argument(FunctionCallInfo fcinfo, int argno)
{
	int32		sample_rows = km_args_int(fcinfo, argno, "sample_rows");

	if (sample_rows < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sample_rows is out of range: %d", sample_rows),
				 errdetail("It is the largest number of distinct rows whose pairs are looked at, from 1.")));
	return sample_rows;
}

static uint64
seed_argument(FunctionCallInfo fcinfo, int argno)
{
	return (uint64) (PG_ARGISNULL(argno) ? km_options_draw_seed() :
					 PG_GETARG_INT64(argno));
}

/* NaN if there is nothing to explain */
static double
explained(double inertia, double total_ss)
{
	return total_ss > 0 ? 1 - inertia / total_ss : get_float8_nan();
}

/* ---- kmeans_evaluate ---- */

/*
 * By name the rows are weighted as in the fit; a model as a value does not say
 * by which column.
 */
Datum
kmeans_evaluate(PG_FUNCTION_ARGS)
{
	KmModelArg	arg = km_args_model(fcinfo);
	KmFeed		feed = {
		.model = arg.model,
		.ref = arg.ref,
		.info = arg.ref != NULL ? &arg.info : NULL,
		.source = km_args_text_or_null(fcinfo, 1),
		.weight = arg.info.weight
	};
	int64		sample_rows = sample_rows_argument(fcinfo, 2);

	if (arg.ref == NULL)
		km_args_require(fcinfo, 1, "source");
	put_evaluation(fcinfo, km_evaluate(&feed, sample_rows, seed_argument(fcinfo, 3)));
	return (Datum) 0;
}

static void
put_evaluation(FunctionCallInfo fcinfo, const KmEvaluation *evaluation)
{
	double		weight = evaluation->weight;
	KmResultRow row;

	km_result_begin(&row, fcinfo);
	km_result_datum(&row, Int64GetDatum(evaluation->n_rows));
	km_result_float(&row, evaluation->inertia);
	km_result_float(&row, weight > 0 ? evaluation->inertia / weight : get_float8_nan());
	km_result_float(&row, explained(evaluation->inertia, evaluation->total_ss));
	km_result_float(&row, evaluation->silhouette);
	km_result_datum(&row, Int64GetDatum(evaluation->sample->rows));
	km_result_float(&row, evaluation->simplified_silhouette);
	km_result_float(&row, evaluation->davies_bouldin);
	km_result_float(&row, evaluation->calinski_harabasz);
	km_result_put(&row);
	km_result_end(&row);
}

/* ---- kmeans_choose_k ---- */

Datum
kmeans_choose_k(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(caller, "kmeans fit job",
											  ALLOCSET_DEFAULT_SIZES);
	KmChooseCall *call;
	KmResultRow row;

	MemoryContextSwitchTo(cxt);
	call = palloc0(sizeof(KmChooseCall));
	choose_arguments(fcinfo, call);
	choose_run(call);

	MemoryContextSwitchTo(caller);
	km_result_begin(&row, fcinfo);
	for (int l = 0; l < call->job.nchoices; l++)
		put_choice(&row, &call->job.choices[l]);
	km_result_end(&row);
	MemoryContextDelete(cxt);
	return (Datum) 0;
}

static void
choose_arguments(FunctionCallInfo fcinfo, KmChooseCall *call)
{
	KmOptions  *options = &call->options;
	int			k_min;
	int			k_max;

	call->source_text = km_args_text(fcinfo, 0, "source");
	km_options_init(options);
	if (!PG_ARGISNULL(1))
		options->columns = km_fit_columns(PG_GETARG_ARRAYTYPE_P(1), &options->ncolumns);
	k_min = km_args_int(fcinfo, 2, "k_min");
	k_max = km_args_int(fcinfo, 3, "k_max");
	if (k_min < 1 || k_max < k_min || k_max > KM_MAX_CLUSTERS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k_min and k_max are out of range: %d, %d", k_min, k_max),
				 errdetail("Numbers of clusters are from 1 to %d, and k_min is at most k_max.",
						   KM_MAX_CLUSTERS)));
	options->k = k_max;
	km_options_set_scale(options, km_args_text(fcinfo, 4, "scale"));
	km_options_set_metric(options, km_args_text(fcinfo, 5, "metric"));
	if (!PG_ARGISNULL(6))
		km_options_set_n_init(options, PG_GETARG_INT32(6));
	options->seed = (int64) seed_argument(fcinfo, 7);
	call->job.k_min = k_min;
	call->job.sample_rows = sample_rows_argument(fcinfo, 8);
	km_options_set_on_null(options, km_args_text(fcinfo, 9, "on_null"));
	options->weight = km_args_text_or_null(fcinfo, 10);
	options->id_column = km_args_text_or_null(fcinfo, 11);
	km_options_check(options);
}

/* There may be workers: no catalog access here. */
static void
choose_ready(KmFitJob *fit)
{
	KmChooseCall *call = fit->arg;

	km_fitting_check_rows(fit, call->job.k_min);
	km_fitting_tell_rows(fit, &call->options);
}

static void
choose_run(KmChooseCall *call)
{
	const KmOptions *options = &call->options;
	KmFitJob   *fit = &call->fit;
	KmSourceSpec source = {
		.text = call->source_text,
		.columns = options->columns,
		.ncolumns = options->ncolumns,
		.weight = options->weight,
		.id_column = options->id_column
	};

	fit->source = km_source_open(&source);
	fit->on_null = options->on_null;
	fit->scale = options->scale;
	fit->metric = options->metric;
	fit->params = km_fitted_params(options);
	fit->ready = choose_ready;
	fit->arg = call;
	call->job.fit = fit;
	km_choose_run(&call->job);

	if (call->job.distinct > 0)
		ereport(NOTICE,
				(errmsg("k ends at %d, the number of distinct rows", call->job.distinct)));
}

static void
put_choice(KmResultRow *row, const KmChoice *choice)
{
	char	   *best[KM_NCRITERIA];
	int			nbest = 0;

	for (KmCriterion c = 0; c < KM_NCRITERIA; c++)
		if (choice->best[c])
			best[nbest++] = unconstify(char *, km_criterion_name(c));
	km_result_int(row, choice->k);
	km_result_float(row, choice->inertia);
	km_result_float(row, explained(choice->inertia, choice->total_ss));
	for (KmCriterion c = 0; c < KM_NCRITERIA; c++)
		km_result_float(row, choice->criteria[c]);
	km_result_datum(row, Int64GetDatum(choice->smallest));
	km_result_datum(row, PointerGetDatum(km_array_texts(best, nbest)));
	km_result_put(row);
}
