/*
 * picture.c
 *		Lab data: kmeans_make_blobs.  (kmeans_iris is SQL.)
 *
 * The core makes all rows at once, since they are shuffled at the end; they
 * wait in the function's multi-call context, unboxed, and each call turns one
 * of them into an array.  The biggest request is refused by the allocator:
 * what n_samples x n_features may be is a question of memory, not of taste.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "api/args.h"
#include "api/result.h"
#include "common/pg_prng.h"
#include "core/blobs.h"
#include "engine/team.h"
#include "funcapi.h"
#include "model/array.h"
#include "utils/float.h"

typedef struct KmBlobsScan
{
	int			n_features;
	double	   *x;				/* n_samples x n_features */
	int32_t    *y;				/* n_samples */
} KmBlobsScan;

static KmBlobsParams blobs_params(FunctionCallInfo fcinfo);
static KmBlobsScan *blobs_scan(const KmBlobsParams *params);
static Datum blobs_row(KmBlobsScan *scan, TupleDesc tupdesc, int row);
static double blobs_float(FunctionCallInfo fcinfo, int argno, const char *name);
static uint32 blobs_seed(FunctionCallInfo fcinfo, int argno);
static int64 in_range(const char *name, int64 value, int64 min, int64 max);

PG_FUNCTION_INFO_V1(kmeans_make_blobs);

Datum
kmeans_make_blobs(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext oldcontext;
		KmBlobsParams params;

		funcctx = SRF_FIRSTCALL_INIT();
		params = blobs_params(fcinfo);
		oldcontext = MemoryContextSwitchTo(funcctx->multi_call_memory_ctx);
		funcctx->tuple_desc = km_result_desc(fcinfo);
		funcctx->max_calls = params.n_samples;
		funcctx->user_fctx = blobs_scan(&params);
		MemoryContextSwitchTo(oldcontext);
	}

	funcctx = SRF_PERCALL_SETUP();
	if (funcctx->call_cntr < funcctx->max_calls)
	{
		Datum		row = blobs_row(funcctx->user_fctx, funcctx->tuple_desc,
									(int) funcctx->call_cntr);

		SRF_RETURN_NEXT(funcctx, row);
	}
	SRF_RETURN_DONE(funcctx);
}

static KmBlobsParams
blobs_params(FunctionCallInfo fcinfo)
{
	KmBlobsParams params;

	params.n_samples = in_range("n_samples", km_args_int(fcinfo, 0, "n_samples"),
								1, PG_INT32_MAX);
	params.centers = in_range("centers", km_args_int(fcinfo, 1, "centers"),
							  1, PG_INT32_MAX);
	params.n_features = in_range("n_features", km_args_int(fcinfo, 2, "n_features"),
								 1, KM_MAX_FEATURES);
	params.cluster_std = blobs_float(fcinfo, 3, "cluster_std");
	params.center_min = blobs_float(fcinfo, 4, "center_min");
	params.center_max = blobs_float(fcinfo, 5, "center_max");
	params.shuffle = km_args_bool(fcinfo, 6, "shuffle");

	if (params.cluster_std < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cluster_std must not be negative, got %g",
						params.cluster_std)));
	if (params.center_min > params.center_max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("center_min must not exceed center_max, got %g and %g",
						params.center_min, params.center_max)));

	/* last, so that only a call that works tells what it drew */
	params.seed = blobs_seed(fcinfo, 7);
	return params;
}

/* The rows, made; everything is in the current memory context. */
static KmBlobsScan *
blobs_scan(const KmBlobsParams *params)
{
	KmBlobsScan *scan = palloc(sizeof(KmBlobsScan));
	KmTeam	   *team = km_team_alone(CurrentMemoryContext);

	scan->n_features = params->n_features;
	scan->x = km_team_alloc(team, mul_size(params->n_samples, params->n_features),
							sizeof(double));
	scan->y = km_team_alloc(team, params->n_samples, sizeof(int32_t));
	km_blobs(team, params, scan->x, scan->y);
	return scan;
}

static Datum
blobs_row(KmBlobsScan *scan, TupleDesc tupdesc, int row)
{
	const double *x = scan->x + (size_t) row * scan->n_features;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	for (int t = 0; t < scan->n_features; t++)
		if (unlikely(!isfinite(x[t])))
			float_overflow_error();

	values[0] = Int32GetDatum(row + 1);
	values[1] = PointerGetDatum(km_array_floats(x, scan->n_features));
	values[2] = Int32GetDatum(scan->y[row]);
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}

static double
blobs_float(FunctionCallInfo fcinfo, int argno, const char *name)
{
	double		value;

	km_args_require(fcinfo, argno, name);
	value = PG_GETARG_FLOAT8(argno);
	if (!isfinite(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be finite, got %g", name, value)));
	return value;
}

/* The seed; a NULL draws one, and tells it, so that the rows can be had again. */
static uint32
blobs_seed(FunctionCallInfo fcinfo, int argno)
{
	uint32		seed;

	if (!PG_ARGISNULL(argno))
		return in_range("seed", PG_GETARG_INT64(argno), 0, PG_UINT32_MAX);

	seed = pg_prng_uint32(&pg_global_prng_state);
	km_args_tell_seed(seed);
	return seed;
}

static int64
in_range(const char *name, int64 value, int64 min, int64 max)
{
	if (value < min || value > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between %lld and %lld, got %lld", name,
						(long long) min, (long long) max, (long long) value)));
	return value;
}
