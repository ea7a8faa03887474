/*
 * renewal.c
 *		Life of a model, as far as rows are read: kmeans_refresh.
 */
#include "postgres.h"

#include "api/args.h"
#include "api/result.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "model/fitted.h"
#include "model/refresh.h"
#include "utils/float.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(kmeans_refresh);

static double max_churn_argument(FunctionCallInfo fcinfo, int argno);
static void put_refresh(FunctionCallInfo fcinfo, const KmRefresh *refresh);

Datum
kmeans_refresh(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext job = AllocSetContextCreate(caller, "kmeans fit job",
											  ALLOCSET_DEFAULT_SIZES);
	KmRefresh  *refresh;

	PreventCommandIfReadOnly("kmeans_refresh()");
	MemoryContextSwitchTo(job);
	refresh = palloc0(sizeof(KmRefresh));
	refresh->name = km_args_text(fcinfo, 0, "model");
	refresh->source = km_args_text_or_null(fcinfo, 1);
	refresh->warm_start = km_args_bool(fcinfo, 2, "warm_start");
	refresh->promote = km_args_bool(fcinfo, 3, "promote");
	refresh->max_churn = max_churn_argument(fcinfo, 4);
	km_refresh(refresh);
	km_progress_end(&refresh->fitting.job.progress);

	MemoryContextSwitchTo(caller);
	put_refresh(fcinfo, refresh);
	MemoryContextDelete(job);
	return (Datum) 0;
}

static double
max_churn_argument(FunctionCallInfo fcinfo, int argno)
{
	double		max_churn = PG_ARGISNULL(argno) ? 1 : PG_GETARG_FLOAT8(argno);

	if (!(max_churn >= 0 && max_churn <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_churn is %g", max_churn),
				 errdetail("It is a share of the rows, from 0 to 1.")));
	return max_churn;
}

static void
put_refresh(FunctionCallInfo fcinfo, const KmRefresh *refresh)
{
	const KmFitting *fitting = &refresh->fitting;
	const KmModel *model = fitting->model;
	double		explained = get_float8_nan();
	KmResultRow row;

	(void) km_fitted_explained(model->inertia, model->total_ss, &explained);
	km_result_begin(&row, fcinfo);
	km_result_int(&row, refresh->old_version);
	km_result_int(&row, refresh->new_version);
	km_result_datum(&row, BoolGetDatum(refresh->promoted));
	km_result_datum(&row, Int64GetDatum(model->n_rows));
	km_result_datum(&row, Int64GetDatum(model->n_skipped));
	km_result_float(&row, model->inertia);
	km_result_float(&row, explained);
	km_result_float(&row, refresh->churn);
	km_result_float(&row, fitting->renewal.max_shift);
	km_result_int(&row, model->n_iter);
	km_result_datum(&row, BoolGetDatum(model->converged));
	km_result_datum(&row, km_result_interval(km_fitting_elapsed_ms(fitting)));
	km_result_put(&row);
	km_result_end(&row);
}
