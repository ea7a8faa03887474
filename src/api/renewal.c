/*
 * renewal.c
 *		Life of a model, as far as rows are read: kmeans_refresh, kmeans_drift,
 *		kmeans_transitions.
 */
#include "postgres.h"

#include "api/args.h"
#include "api/result.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "model/drift.h"
#include "model/fitted.h"
#include "model/refresh.h"
#include "model/transitions.h"
#include "utils/float.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(kmeans_refresh);
PG_FUNCTION_INFO_V1(kmeans_drift);
PG_FUNCTION_INFO_V1(kmeans_transitions);

/* One call of kmeans_transitions. */
typedef struct KmTransitionsCall
{
	KmModelArg	a;
	KmModelArg	b;
	KmResultRow row;
} KmTransitionsCall;

static double max_churn_argument(FunctionCallInfo fcinfo, int argno);
static void put_refresh(FunctionCallInfo fcinfo, const KmRefresh *refresh);
static void put_drift(KmResultRow *row, const KmDrift *drift);
static KmModelArg version_argument(FunctionCallInfo fcinfo, int argno, const char *name);
static const char *matching_column(const KmTransitionsCall *call);
static void put_transition(void *arg, const KmTransition *transition);
static void put_cluster(KmResultRow *row, const KmModel *model, int j);

/* ---- kmeans_refresh ---- */

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

/* ---- kmeans_drift ---- */

Datum
kmeans_drift(PG_FUNCTION_ARGS)
{
	KmModelArg	arg = km_args_model(fcinfo);
	const KmModel *model = arg.model;
	KmFeed		feed = {
		.model = model,
		.ref = arg.ref,
		.info = &arg.info,
		.source = km_args_text_or_null(fcinfo, 1),
		.weight = arg.info.weight
	};
	KmDrift    *drift = km_drift(&feed);
	KmResultRow row;

	km_result_begin(&row, fcinfo);
	for (int j = 0; j < model->k; j++)
	{
		km_result_int(&row, model->ids[j]);
		km_result_text(&row, model->labels[j]);
		put_drift(&row, &drift[j]);
	}
	km_result_null(&row);
	km_result_null(&row);
	put_drift(&row, &drift[model->k]);
	km_result_end(&row);
	return (Datum) 0;
}

static void
put_drift(KmResultRow *row, const KmDrift *drift)
{
	km_result_float(row, drift->share_then);
	km_result_float(row, drift->share_now);
	km_result_float(row, drift->psi);
	km_result_float(row, drift->distance_ratio);
	km_result_float(row, drift->outlier_rate);
	km_result_text(row, km_verdict_word(drift->verdict));
	km_result_put(row);
}

/* ---- kmeans_transitions ---- */

/*
 * Of one source both versions label the rows; the stored one is that of
 * version_b.
 */
Datum
kmeans_transitions(PG_FUNCTION_ARGS)
{
	KmTransitionsCall call = {
		.a = version_argument(fcinfo, 1, "version_a"),
		.b = version_argument(fcinfo, 2, "version_b")
	};
	char	   *source_a = km_args_text_or_null(fcinfo, 3);
	char	   *source_b = km_args_text_or_null(fcinfo, 4);
	KmFeed		feed_a = {.model = call.a.model, .ref = call.a.ref, .source = source_a};
	KmFeed		feed_b = {.model = call.b.model, .ref = call.b.ref, .source = source_b};

	km_result_begin(&call.row, fcinfo);
	if (source_a != NULL && source_b != NULL)
	{
		feed_a.ids = feed_b.ids = true;
		feed_a.id_column = feed_b.id_column = matching_column(&call);
		km_transitions_matched(&feed_a, &feed_b, put_transition, &call);
	}
	else
	{
		feed_b.info = &call.b.info;
		feed_b.source = source_a != NULL ? source_a : source_b;
		km_transitions(&feed_b, call.a.model, call.b.model, put_transition, &call);
	}
	km_result_end(&call.row);
	return (Datum) 0;
}

static KmModelArg
version_argument(FunctionCallInfo fcinfo, int argno, const char *name)
{
	KmModelArg	arg;

	arg.ref = km_registry_find_version(km_args_text(fcinfo, 0, "model"),
									   km_args_int(fcinfo, argno, name));
	arg.model = km_registry_load(arg.ref, &arg.info);
	return arg;
}

/* The column that tells which rows are the same. */
static const char *
matching_column(const KmTransitionsCall *call)
{
	const char *column = call->b.info.id_column != NULL ? call->b.info.id_column :
	call->a.info.id_column;

	if (column == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no id column to match rows on", call->b.ref->name),
				 errhint("Fit with id_column, or pass one source, whose rows both versions then label.")));
	return column;
}

static void
put_transition(void *arg, const KmTransition *transition)
{
	KmTransitionsCall *call = arg;
	KmResultRow *row = &call->row;

	put_cluster(row, call->a.model, transition->from);
	put_cluster(row, call->b.model, transition->to);
	km_result_datum(row, Int64GetDatum(transition->n));
	km_result_float(row, transition->share);
	km_result_put(row);
}

/* id and label; -1: no cluster */
static void
put_cluster(KmResultRow *row, const KmModel *model, int j)
{
	if (j < 0)
	{
		km_result_null(row);
		km_result_null(row);
		return;
	}
	km_result_int(row, model->ids[j]);
	km_result_text(row, model->labels[j]);
}
