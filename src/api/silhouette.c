/*
 * silhouette.c
 *		The aggregate kmeans_silhouette(cluster, features).
 *
 * The rows of a group are collected in memory, and in the end every pair of
 * them is looked at.  So there is a limit, hash_mem, and no combine function:
 * next to the pairs the collecting takes no time.
 */
#include "postgres.h"

#include <math.h>

#include "api/features.h"
#include "core/quality.h"
#include "core/sort.h"
#include "engine/team.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(kmeans_silhouette_transfn);
PG_FUNCTION_INFO_V1(kmeans_silhouette_finalfn);

#define FIRST_ROOM 64

typedef struct KmSilhouetteState
{
	MemoryContext cxt;			/* the aggregate's, of all groups: a hash aggregate
								 * looks at every context with every new group */
	KmFeatures *features;
	int64		n_read;
	int64		n;				/* rows without a NULL */
	int64		room;
	int			d;
	int32	   *cluster;		/* room */
	double	   *values;			/* room x d */
} KmSilhouetteState;

static KmSilhouetteState *create_state(FunctionCallInfo fcinfo, MemoryContext aggcontext);
static void keep_row(KmSilhouetteState *state, int32 cluster, const double *values);
static void make_room(KmSilhouetteState *state);
static double mean_silhouette(const KmSilhouetteState *state, MemoryContext cxt);
static double **sorted_rows(const KmSilhouetteState *state, KmTeam *team);
static int	compare_rows(const double *a, const double *b, const void *d);
static int32 *distinct_clusters(const KmSilhouetteState *state, int *k);
static int	compare_clusters(const void *a, const void *b);

Datum
kmeans_silhouette_transfn(PG_FUNCTION_ARGS)
{
	MemoryContext aggcontext;
	KmSilhouetteState *state;
	const double *values;

	if (!AggCheckCallContext(fcinfo, &aggcontext))
		elog(ERROR, "kmeans_silhouette_transfn called in non-aggregate context");
	state = PG_ARGISNULL(0) ? create_state(fcinfo, aggcontext) :
		(KmSilhouetteState *) PG_GETARG_POINTER(0);
	state->n_read++;
	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
	{
		values = km_features_read(state->features, PG_GETARG_DATUM(2), state->n_read,
								  &state->d);
		if (values != NULL)
			keep_row(state, PG_GETARG_INT32(1), values);
	}
	PG_RETURN_POINTER(state);
}

static KmSilhouetteState *
create_state(FunctionCallInfo fcinfo, MemoryContext aggcontext)
{
	MemoryContext old = MemoryContextSwitchTo(aggcontext);
	KmSilhouetteState *state = palloc0(sizeof(KmSilhouetteState));

	state->cxt = aggcontext;
	state->features = km_features_create(get_fn_expr_argtype(fcinfo->flinfo, 2));
	MemoryContextSwitchTo(old);
	return state;
}

static void
keep_row(KmSilhouetteState *state, int32 cluster, const double *values)
{
	if (state->n == state->room)
		make_room(state);
	state->cluster[state->n] = cluster;
	memcpy(state->values + state->n * state->d, values, state->d * sizeof(double));
	state->n++;
}

/*
 * What a row takes in the end: its values three times (as collected, in order,
 * and in the kernel), distances from a batch of rows, and the rest.
 */
static void
make_room(KmSilhouetteState *state)
{
	Size		row = add_size(mul_size(3 * sizeof(double), state->d),
							   16 * sizeof(double));
	int64		most = Min(Max(get_hash_memory_limit() / row, FIRST_ROOM), PG_INT32_MAX);
	int64		room = Min(Max(2 * state->room, FIRST_ROOM), most);
	Size		bytes = mul_size(mul_size(room, state->d), sizeof(double));

	if (state->n == most)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many rows for an exact silhouette: more than %lld",
						(long long) most),
				 errdetail("Each is compared with each, and all are kept within work_mem times hash_mem_multiplier."),
				 errhint("Use kmeans_evaluate, which takes a sample, aggregate over a sample, or increase work_mem.")));
	if (state->n == 0)
	{
		state->cluster = MemoryContextAllocHuge(state->cxt, mul_size(room, sizeof(int32)));
		state->values = MemoryContextAllocHuge(state->cxt, bytes);
	}
	else
	{
		state->cluster = repalloc_huge(state->cluster, mul_size(room, sizeof(int32)));
		state->values = repalloc_huge(state->values, bytes);
	}
	state->room = room;
}

Datum
kmeans_silhouette_finalfn(PG_FUNCTION_ARGS)
{
	MemoryContext cxt;
	double		mean;

	if (!AggCheckCallContext(fcinfo, NULL))
		elog(ERROR, "kmeans_silhouette_finalfn called in non-aggregate context");
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	cxt = AllocSetContextCreate(CurrentMemoryContext, "kmeans silhouette",
								ALLOCSET_DEFAULT_SIZES);
	mean = mean_silhouette((KmSilhouetteState *) PG_GETARG_POINTER(0), cxt);
	MemoryContextDelete(cxt);
	if (isnan(mean))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(mean);
}

/* NaN if there are not two clusters */
static double
mean_silhouette(const KmSilhouetteState *state, MemoryContext cxt)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	KmTeam	   *team = km_team_alone(cxt);
	double	  **rows = sorted_rows(state, team);
	KmLabeling	labeling;
	int32	   *distinct = distinct_clusters(state, &labeling.k);
	int32	   *label = km_team_alloc(team, state->n, sizeof(int32));
	double	   *z = km_team_alloc(team, state->n, state->d * sizeof(double));
	double		mean;

	for (int64 i = 0; i < state->n; i++)
	{
		const int32 *cluster = state->cluster + (rows[i] - state->values) / state->d;

		label[i] = (int32 *) bsearch(cluster, distinct, labeling.k, sizeof(int32),
									 compare_clusters) - distinct;
		memcpy(z + i * state->d, rows[i], state->d * sizeof(double));
	}
	labeling.label = label;
	mean = km_silhouette_mean(km_silhouettes(team, z, NULL, state->n, state->d,
											 &labeling, 1),
							  NULL, state->n, &labeling, 1, 0);
	MemoryContextSwitchTo(old);
	return mean;
}

/* the rows in an order that depends on their contents only */
static double **
sorted_rows(const KmSilhouetteState *state, KmTeam *team)
{
	double	  **rows = km_team_alloc(team, state->n, sizeof(double *));

	for (int64 i = 0; i < state->n; i++)
		rows[i] = state->values + i * state->d;
	km_sort_rows(team, rows, state->n, compare_rows, &state->d);
	return rows;
}

static int
compare_rows(const double *a, const double *b, const void *d)
{
	return km_sort_compare(a, b, *(const int *) d);
}

/* the clusters there are, ascending */
static int32 *
distinct_clusters(const KmSilhouetteState *state, int *k)
{
	Size		bytes = mul_size(Max(state->n, 1), sizeof(int32));
	int32	   *distinct = MemoryContextAllocHuge(CurrentMemoryContext, bytes);

	*k = 0;
	if (state->n == 0)
		return distinct;
	memcpy(distinct, state->cluster, bytes);
	qsort(distinct, state->n, sizeof(int32), compare_clusters);
	for (int64 i = 0; i < state->n; i++)
		if (i == 0 || distinct[i] != distinct[*k - 1])
			distinct[(*k)++] = distinct[i];
	return distinct;
}

static int
compare_clusters(const void *a, const void *b)
{
	int32		x = *(const int32 *) a;
	int32		y = *(const int32 *) b;

	return x < y ? -1 : x > y;
}
