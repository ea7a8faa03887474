/*
 * choice.c
 *		Choosing a number of clusters: arguments to results.
 */
#include "postgres.h"

#include "api/args.h"
#include "api/choice.h"
#include "api/fit.h"
#include "model/fitted.h"
#include "model/fitting.h"
#include "model/options.h"
#include "utils/snapmgr.h"

/* One call. */
typedef struct KmChooseCall
{
	KmOptions	options;
	char	   *source_text;
	KmFitJob	fit;
	KmChooseJob job;
} KmChooseCall;

static void choose_arguments(FunctionCallInfo fcinfo, KmChooseCall *call);
static void choose_run(KmChooseCall *call);
static void choose_ready(KmFitJob *fit);

int64
km_choice_sample_rows(FunctionCallInfo fcinfo, int argno)
{
	int32		sample_rows = km_args_int(fcinfo, argno, "sample_rows");

	if (sample_rows < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sample_rows is out of range: %d", sample_rows),
				 errdetail("It is the largest number of distinct rows whose pairs are looked at, from 1.")));
	return sample_rows;
}

uint64
km_choice_seed(FunctionCallInfo fcinfo, int argno)
{
	int64		seed;

	if (!PG_ARGISNULL(argno))
		return (uint64) PG_GETARG_INT64(argno);

	seed = km_options_draw_seed();
	km_args_tell_seed(seed);
	return (uint64) seed;
}

const KmChooseJob *
km_choice_run(FunctionCallInfo fcinfo)
{
	KmChooseCall *call = palloc0(sizeof(KmChooseCall));

	choose_arguments(fcinfo, call);
	choose_run(call);
	return &call->job;
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
	call->job.k_min = k_min;
	call->job.sample_rows = km_choice_sample_rows(fcinfo, 8);
	km_options_set_on_null(options, km_args_text(fcinfo, 9, "on_null"));
	options->weight = km_args_text_or_null(fcinfo, 10);
	options->id_column = km_args_text_or_null(fcinfo, 11);
	km_options_check(options);

	/* last, so that only a call that works tells what it drew */
	options->seed = (int64) km_choice_seed(fcinfo, 7);
}

/* There may be workers: no catalog access here. */
static void
choose_ready(KmFitJob *fit)
{
	KmChooseCall *call = fit->arg;

	km_fitting_check_rows(fit, call->job.k_min);
	km_fitting_tell_rows(fit, &call->options, true);
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
	PushActiveSnapshot(GetTransactionSnapshot());
	fit->on_null = options->on_null;
	fit->scale = options->scale;
	fit->metric = options->metric;
	fit->params = km_fitted_params(options);
	fit->ready = choose_ready;
	fit->arg = call;
	call->job.fit = fit;
	km_choose_run(&call->job);
	PopActiveSnapshot();

	if (call->job.distinct > 0)
		ereport(NOTICE,
				(errmsg("k ends at %d, the number of distinct rows", call->job.distinct)));
}
