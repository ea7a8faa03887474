/*
 * aggregate.c
 *		kmeans_agg: one model per group.
 *
 * The state packs the rows of its group as kmeans_fit packs those of a source;
 * the final function fits them.  It may run more than once on one state (a
 * window whose frame grows, a rescan of a hash table), so it leaves the rows
 * as they are.
 *
 * features is one array (every element a feature, with names from the option
 * columns) or one row value (its columns, as kmeans_fit would choose them).
 * The number of features is settled by the first row that shows the length of
 * every array; rows before it wait.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "api/args.h"
#include "api/features.h"
#include "engine/driver.h"
#include "engine/expand.h"
#include "engine/pack.h"
#include "engine/pick.h"
#include "engine/source.h"
#include "model/fitted.h"
#include "model/options.h"

PG_FUNCTION_INFO_V1(kmeans_agg_transfn);
PG_FUNCTION_INFO_V1(kmeans_agg_finalfn);

typedef struct KmAggState
{
	MemoryContext cxt;			/* the aggregate's, of all groups: a hash aggregate
								 * looks at every context with every new group */
	int			k;
	Jsonb	   *options_json;	/* as given, or NULL */
	KmOptions	options;

	/* row values: their type, and where the columns are in it */
	bool		is_row;
	TupleDesc	desc;
	int		   *attnums;		/* ncolumns, from 0 */

	KmColumn   *columns;		/* what is encoded: of an array, one column */
	int			ncolumns;
	KmEncoder  *encoders;
	KmColumn	element_column; /* arrays with NULL elements are taken apart */
	KmEncoder	element;
	KmTeam	   *team;			/* of one */
	KmPoints   *points;			/* NULL until the width of rows is known */
	int			width;			/* of a packed row */
	int64		n_null;			/* before that: rows that are NULL, */
	List	   *waiting;		/* and KmAggWaiting of others */
	Size		waiting_bytes;
	int64		n_read;
	int64		n_skipped;
} KmAggState;

typedef struct KmAggWaiting
{
	Datum		value;			/* a row value */
	int64		ordinal;
} KmAggWaiting;

/* ---- Beginning a group ---- */

static void
km_agg_use_column(KmAggState *state, const char *name, KmColumnKind kind, int attnum)
{
	KmColumn   *column = &state->columns[state->ncolumns];

	column->name = pstrdup(name);
	column->kind = kind;
	column->nfeatures = km_column_features_of_kind(kind);
	column->categories = NULL;
	state->attnums[state->ncolumns++] = attnum;
}

/* The column of the row type with that name. */
static void
km_agg_use_named(KmAggState *state, const char *name)
{
	for (int att = 0; att < state->desc->natts; att++)
	{
		Form_pg_attribute attr = TupleDescAttr(state->desc, att);
		KmColumnKind kind;

		if (attr->attisdropped || strcmp(NameStr(attr->attname), name) != 0)
			continue;
		if (!km_column_kind_of_type(attr->atttypid, &kind))
			km_pick_refuse_type(name, attr->atttypid, NULL);
		km_agg_use_column(state, name, kind, att);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("the row value has no column \"%s\"", name),
			 errhint("ROW(...) loses the names of its columns: aggregate over a table's row or a subquery's.")));
}

static void
km_agg_choose_columns(KmAggState *state)
{
	const KmOptions *options = &state->options;
	int			room = Max(options->ncolumns, state->desc->natts);

	state->columns = palloc(mul_size(Max(room, 1), sizeof(KmColumn)));
	state->attnums = palloc(mul_size(Max(room, 1), sizeof(int)));
	for (int i = 0; i < options->ncolumns; i++)
		km_agg_use_named(state, options->columns[i]);
	if (options->columns == NULL)
		for (int att = 0; att < state->desc->natts; att++)
		{
			Form_pg_attribute attr = TupleDescAttr(state->desc, att);
			KmColumnKind kind;

			if (!attr->attisdropped &&
				km_column_kind_of_type(attr->atttypid, &kind) &&
				kind != KM_COLUMN_CATEGORY &&
				!km_pick_is_identifier(NameStr(attr->attname)))
				km_agg_use_column(state, NameStr(attr->attname), kind, att);
		}
	if (state->ncolumns == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the row value has no column to cluster on"),
				 errhint("Name the columns with the option columns.")));
}

static void
km_agg_begin_row(KmAggState *state, HeapTupleHeader row)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row),
											  HeapTupleHeaderGetTypMod(row));

	state->desc = CreateTupleDescCopy(desc);
	ReleaseTupleDesc(desc);
	km_agg_choose_columns(state);
	state->encoders = palloc0(mul_size(state->ncolumns, sizeof(KmEncoder)));
	for (int i = 0; i < state->ncolumns; i++)
		km_pack_encoder(&state->encoders[i], &state->columns[i],
						TupleDescAttr(state->desc, state->attnums[i])->atttypid);
}

static void
km_agg_begin_array(KmAggState *state, Oid type)
{
	for (int i = 0; i < state->options.ncolumns; i++)
		if (state->options.columns[i][0] == '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("option \"columns\" contains an empty name")));
	state->columns = palloc(sizeof(KmColumn));
	state->attnums = palloc(sizeof(int));
	km_agg_use_column(state, "features", KM_COLUMN_ARRAY, 0);
	state->encoders = palloc0(sizeof(KmEncoder));
	km_encoder_init(&state->encoders[0], &state->columns[0], type);
	state->element_column.kind = KM_COLUMN_NUMBER;
	state->element_column.nfeatures = 1;
	if (OidIsValid(state->encoders[0].element))
		km_encoder_init(&state->element, &state->element_column,
						state->encoders[0].element);
}

static KmAggState *
km_agg_begin(FunctionCallInfo fcinfo, MemoryContext cxt)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 2);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	KmAggState *state = palloc0(sizeof(KmAggState));

	state->cxt = cxt;
	state->team = km_team_alone(cxt);
	km_options_init(&state->options);
	state->options.k = state->k = km_args_int(fcinfo, 1, "k");
	if (PG_NARGS() > 3 && !PG_ARGISNULL(3))
	{
		state->options_json = PG_GETARG_JSONB_P_COPY(3);
		km_options_from_jsonb(&state->options, state->options_json);
	}
	km_options_check(&state->options);

	state->is_row = km_features_is_row(type);
	if (!state->is_row)
		km_agg_begin_array(state, getBaseType(type));
	MemoryContextSwitchTo(old);
	return state;
}

/* k and options are the same for all rows of a group. */
static void
km_agg_check_constant(FunctionCallInfo fcinfo, const KmAggState *state)
{
	bool		same = true;

	if (PG_NARGS() > 3)
	{
		if (PG_ARGISNULL(3) || state->options_json == NULL)
			same = PG_ARGISNULL(3) && state->options_json == NULL;
		else
		{
			Jsonb	   *options = PG_GETARG_JSONB_P(3);

			same = VARSIZE(options) == VARSIZE(state->options_json) &&
				memcmp(options, state->options_json, VARSIZE(options)) == 0;
		}
	}
	if (!same || km_args_int(fcinfo, 1, "k") != state->k)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k and options must be the same for all rows of a group")));
}

/* ---- Rows ---- */

/* The values that are encoded, one per column. */
static void
km_agg_deform(KmAggState *state, Datum value, bool isnull, Datum *values, bool *nulls)
{
	if (isnull || !state->is_row)
	{
		for (int i = 0; i < state->ncolumns; i++)
		{
			values[i] = value;
			nulls[i] = isnull;
		}
		return;
	}
	km_features_deform(state->desc, value, state->attnums, state->ncolumns, values, nulls);
}

/* An array with NULL elements: each is a feature that is NULL. */
static void
km_agg_pack_elements(KmAggState *state, ArrayType *array, int64 ordinal)
{
	double	   *out = km_store_room(km_points_store(state->points));
	Datum	   *values;
	bool	   *nulls;
	int			n;

	if (state->options.on_null == KM_ON_NULL_SKIP)
	{
		state->n_skipped++;
		return;
	}
	deconstruct_array(array, ARR_ELEMTYPE(array), state->encoders[0].elmlen,
					  state->encoders[0].elmbyval, state->encoders[0].elmalign,
					  &values, &nulls, &n);
	for (int t = 0; t < n; t++)
	{
		state->element_column.name = psprintf("f%d", t + 1);
		if (km_encode(&state->element, values[t], nulls[t], ordinal, out + t) ==
			KM_ENCODE_OK)
			continue;
		if (state->options.on_null == KM_ON_NULL_ERROR)
			km_pack_refuse_null(&state->element_column, ordinal);
		out[t] = get_float8_nan();
	}
	km_store_push(km_points_store(state->points), 1);
}

/* Does an array, given where features are arrays, have NULL elements? */
static ArrayType *
km_agg_array_with_nulls(KmAggState *state, Datum value, bool isnull, int64 ordinal)
{
	ArrayType  *array;

	if (state->is_row || isnull)
		return NULL;
	array = km_encoder_array(&state->encoders[0], value);
	if (!ARR_HASNULL(array) || !array_contains_nulls(array) ||
		km_encoder_length(&state->encoders[0], value, ordinal) != state->width)
		return NULL;
	return array;
}

static void
km_agg_pack(KmAggState *state, const Datum *values, const bool *nulls, int64 ordinal)
{
	ArrayType  *holes = km_agg_array_with_nulls(state, values[0], nulls[0], ordinal);
	double	   *out;

	if (holes != NULL)
	{
		km_agg_pack_elements(state, holes, ordinal);
		return;
	}
	out = km_store_room(km_points_store(state->points));
	if (km_pack_row(state->encoders, state->ncolumns, values, nulls,
					state->options.on_null, ordinal, out))
		km_store_push(km_points_store(state->points), 1);
	else
		state->n_skipped++;
}

/* The rows that have waited; the order of rows is of no importance. */
static void
km_agg_pack_waiting(KmAggState *state)
{
	Datum	   *values = palloc(mul_size(state->ncolumns, sizeof(Datum)));
	bool	   *nulls = palloc(mul_size(state->ncolumns, sizeof(bool)));
	ListCell   *lc;

	foreach(lc, state->waiting)
	{
		KmAggWaiting *row = lfirst(lc);

		km_agg_deform(state, row->value, false, values, nulls);
		km_agg_pack(state, values, nulls, row->ordinal);
		pfree(DatumGetPointer(row->value));
	}
	list_free_deep(state->waiting);
	state->waiting = NIL;
	km_agg_deform(state, (Datum) 0, true, values, nulls);
	for (; state->n_null > 0; state->n_null--)
	{
		CHECK_FOR_INTERRUPTS();
		km_agg_pack(state, values, nulls, 0);
	}
}

/* Take what lengths the values show.  Are all known? */
static bool
km_agg_settle(KmAggState *state, const Datum *values, const bool *nulls)
{
	int64		width;

	for (int i = 0; i < state->ncolumns; i++)
	{
		if (km_encoder_width(&state->encoders[i]) == 0 && !nulls[i])
			state->columns[i].nfeatures = km_encoder_length(&state->encoders[i],
															values[i], state->n_read);
	}
	width = km_pack_width(state->encoders, state->ncolumns);
	if (width == 0)
		return false;
	km_source_check_size(width, state->k);
	state->width = (int) width;
	state->points = km_points_create(state->team, state->cxt, state->width, false,
									 get_hash_memory_limit());
	km_agg_pack_waiting(state);
	return true;
}

/*
 * Keep a copy of a row until the number of features is known.  Of those that
 * are NULL the number will do.
 */
static void
km_agg_wait(KmAggState *state, Datum value, bool isnull)
{
	MemoryContext old = MemoryContextSwitchTo(state->cxt);
	KmAggWaiting *row;

	if (isnull)
		state->n_null++;
	else
	{
		row = palloc(sizeof(KmAggWaiting));
		row->value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		row->ordinal = state->n_read;
		state->waiting = lappend(state->waiting, row);
		state->waiting_bytes += VARSIZE(DatumGetPointer(row->value));
	}
	MemoryContextSwitchTo(old);
	if (state->waiting_bytes > get_hash_memory_limit())
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many rows of a group before the first that shows the length of every array"),
				 errdetail("They have to be kept, within work_mem * hash_mem_multiplier, until the number of features is known."),
				 errhint("Leave out rows whose arrays are NULL, or use on_null => 'skip'.")));
}

/* One row; garbage goes into the current (per-row) context. */
static void
km_agg_add(KmAggState *state, Datum value, bool isnull)
{
	Datum	   *values;
	bool	   *nulls;
	MemoryContext old;

	state->n_read++;
	if (state->is_row && state->desc == NULL && !isnull)
	{
		old = MemoryContextSwitchTo(state->cxt);
		km_agg_begin_row(state, DatumGetHeapTupleHeader(value));
		MemoryContextSwitchTo(old);
	}
	values = palloc(mul_size(Max(state->ncolumns, 1), sizeof(Datum)));
	nulls = palloc(mul_size(Max(state->ncolumns, 1), sizeof(bool)));
	km_agg_deform(state, value, isnull, values, nulls);

	if (state->points == NULL)
	{
		if (isnull && state->options.on_null == KM_ON_NULL_ERROR)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("features is NULL in row %lld", (long long) state->n_read),
					 errhint("Use on_null => 'skip' or 'mean'.")));
		if (!km_agg_settle(state, values, nulls))
		{
			if (state->options.on_null == KM_ON_NULL_SKIP)
				state->n_skipped++;
			else
				km_agg_wait(state, value, isnull);
			return;
		}
	}
	km_agg_pack(state, values, nulls, state->n_read);
}

Datum
kmeans_agg_transfn(PG_FUNCTION_ARGS)
{
	MemoryContext aggcontext;
	KmAggState *state;

	if (!AggCheckCallContext(fcinfo, &aggcontext))
		elog(ERROR, "kmeans_agg_transfn called in non-aggregate context");
	if (PG_ARGISNULL(0))
		state = km_agg_begin(fcinfo, aggcontext);
	else
	{
		state = (KmAggState *) PG_GETARG_POINTER(0);
		km_agg_check_constant(fcinfo, state);
	}
	km_agg_add(state, PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2), PG_ARGISNULL(2));
	PG_RETURN_POINTER(state);
}

/* ---- The result ---- */

/*
 * The columns of the model, before their categories are settled.  An array is
 * as many columns of one number each, so that a prediction takes the values one
 * by one as well.
 */
static KmColumn *
km_agg_model_columns(const KmAggState *state, int *ncolumns)
{
	const KmOptions *options = &state->options;
	KmColumn   *columns;

	if (state->is_row)
	{
		*ncolumns = state->ncolumns;
		columns = palloc(mul_size(state->ncolumns, sizeof(KmColumn)));
		memcpy(columns, state->columns, state->ncolumns * sizeof(KmColumn));
		return columns;
	}
	if (options->columns != NULL && options->ncolumns != state->width)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"columns\" has %d names, but the arrays have %d elements",
						options->ncolumns, state->width)));
	*ncolumns = state->width;
	columns = palloc0(mul_size(state->width, sizeof(KmColumn)));
	for (int t = 0; t < state->width; t++)
	{
		columns[t].name = options->columns != NULL ? options->columns[t] :
			psprintf("f%d", t + 1);
		columns[t].kind = KM_COLUMN_NUMBER;
		columns[t].nfeatures = 1;
	}
	return columns;
}

/*
 * The rows as features.  Where there are categories, that is another set of
 * points, in the current context.
 */
static KmPoints *
km_agg_expand(KmAggState *state, KmColumn *columns)
{
	KmExpansion *expansion;
	KmPoints   *points;
	bool		learning = false;
	int64		d = 0;

	for (int i = 0; i < state->ncolumns; i++)
		learning |= state->encoders[i].learning;
	if (!learning)
		return state->points;
	expansion = km_expansion_create(state->team, state->encoders, columns,
									state->ncolumns);
	for (int i = 0; i < state->ncolumns; i++)
	{
		if (columns[i].nfeatures == 0)
			km_pack_refuse_all_null(&columns[i]);
		d += columns[i].nfeatures;
	}
	km_source_check_size(d, state->k);
	points = km_points_create(state->team, CurrentMemoryContext, (int) d, false,
							  get_hash_memory_limit());
	km_expand(expansion, km_points_store(state->points), km_points_store(points), false);
	return points;
}

static KmModel *
km_agg_fit(KmAggState *state)
{
	int			ncolumns;
	KmColumn   *columns = km_agg_model_columns(state, &ncolumns);
	KmPoints   *points = km_agg_expand(state, columns);
	KmPointsSpec spec = {
		.scale = state->options.scale,
		.metric = state->options.metric,
		.on_null = state->options.on_null,
		.columns = columns,
		.ncolumns = ncolumns,
		.keep = points == state->points
	};
	KmFitParams params = km_fitted_params(&state->options);
	int			d;
	int64		n_skipped;
	KmFit	   *fit;

	params.outcome_only = true;
	spec.features = km_column_features(columns, ncolumns, &d);
	n_skipped = state->n_skipped + km_points_finish(points, &spec);
	if (km_points_count(points) == 0)
		return NULL;
	fit = km_driver_fit(points, &params);
	return km_fitted_model(fit, points, columns, ncolumns, &state->options, n_skipped);
}

Datum
kmeans_agg_finalfn(PG_FUNCTION_ARGS)
{
	KmAggState *state;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext job;
	KmModel    *model;
	struct varlena *result = NULL;

	if (!AggCheckCallContext(fcinfo, NULL))
		elog(ERROR, "kmeans_agg_finalfn called in non-aggregate context");
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (KmAggState *) PG_GETARG_POINTER(0);
	if (state->points == NULL || km_points_pushed(state->points) == 0)
		PG_RETURN_NULL();

	job = AllocSetContextCreate(caller, "kmeans fit job", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(job);
	model = km_agg_fit(state);
	MemoryContextSwitchTo(caller);
	if (model != NULL)
		result = km_model_pack(model);
	km_points_unfinish(state->points);
	MemoryContextDelete(job);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(result);
}
