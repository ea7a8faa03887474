/*
 * load.c
 *		The rows of a source, from the executor into packed points.
 *
 * The query runs through SPI with a DestReceiver of our own: each row goes
 * from its slot straight into its place in a chunk, without a tuple store, an
 * array or a copy between.
 *
 * A team reads a table in ranges of blocks: whoever is free takes the next
 * range, and keeps its rows.  The same query is run for each, on the relation
 * itself, with a condition on ctid.
 *
 * The width of a packed row is known once every array column has shown its
 * length.  Rows that come before (a NULL array in the first rows, which
 * on_null => 'mean' has to fill) wait in a tuple store.
 *
 * Where there are category columns, rows are packed with codes, in a store
 * of their own, and expanded to features when all participants are through.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "nodes/plannodes.h"
#include "tcop/dest.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/tuplestore.h"

#include "engine/expand.h"
#include "engine/pack.h"
#include "engine/settings.h"
#include "engine/source.h"

/*
 * Blocks are dealt in about this many ranges for each participant, so that
 * none waits long for another at the end, but no smaller than this (of all
 * tables together), since each costs an execution of the plan.
 */
#define KM_LOAD_RANGES		16
#define KM_LOAD_MIN_RANGE	128

/* How many rows there are between reports of progress. */
#define KM_LOAD_REPORT		4096

typedef struct KmLoader
{
	DestReceiver pub;
	KmSource   *source;
	KmOnNull	on_null;
	int			k;
	KmTeam	   *team;
	MemoryContext parent;
	MemoryContext rowcxt;		/* reset for every row */
	KmEncoder  *encoders;		/* one per column */
	KmColumn	weight_column;
	KmEncoder	weight_encoder;
	KmLoad		load;
	bool		doubles;		/* all columns are double precision */
	bool		learning;		/* there are category columns */
	MemoryContext codes;		/* holds store, if learning */
	KmStore    *store;			/* where rows go; NULL: their width is not known */
	TupleDesc	desc;
	Tuplestorestate *waiting;	/* rows before all lengths are known */
	int64		n_waiting;
} KmLoader;

void
km_source_check_size(int64 nfeatures, int k)
{
	if (nfeatures > KM_MAX_FEATURES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many features: %lld", (long long) nfeatures),
				 errdetail("At most %d are allowed.", KM_MAX_FEATURES)));
	if (nfeatures * k > KM_MAX_CELLS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many clusters times features: %d x %lld", k,
						(long long) nfeatures),
				 errdetail("At most %d are allowed.", KM_MAX_CELLS)));
}

int
km_source_features(const KmSource *source)
{
	int64		d = 0;

	for (int i = 0; i < source->ncolumns; i++)
	{
		if (source->columns[i].nfeatures == 0)
			return 0;
		d += source->columns[i].nfeatures;
	}
	return (int) Min(d, PG_INT32_MAX);
}

/* for the rows of all participants, in bytes */
static Size
km_source_budget(void)
{
	return mul_size(maintenance_work_mem, 1024);
}

KmPoints *
km_source_points(const KmSource *source, const KmTeam *team, MemoryContext cxt)
{
	return km_points_create(team, cxt, km_source_features(source),
							source->weight != NULL, km_source_budget());
}

/* The width of a packed row, if it is known and allowed, else 0. */
static int
km_loader_width(const KmLoader *loader)
{
	int64		width = km_pack_width(loader->encoders, loader->source->ncolumns);

	km_source_check_size(width, loader->k);
	return (int) width;
}

/*
 * Pack one row.  ordinal is its number from 1, in the order of delivery.
 */
static void
km_loader_pack(KmLoader *loader, TupleTableSlot *slot, int64 ordinal)
{
	KmSource   *source = loader->source;
	double	   *out = km_store_room(loader->store);
	double		weight = 1;
	int			att = source->ncolumns;

	if ((source->weight == NULL ||
		 km_pack_weight(&loader->weight_encoder, slot->tts_values[att],
						slot->tts_isnull[att], ordinal, &weight)) &&
		((loader->doubles &&
		  km_pack_doubles(source->ncolumns, slot->tts_values, slot->tts_isnull, out)) ||
		 km_pack_row(loader->encoders, source->ncolumns, slot->tts_values,
					 slot->tts_isnull, loader->on_null, ordinal, out)))
		km_store_push(loader->store, weight);
	else
		loader->load.n_skipped++;
}

/* All lengths are known: make the store, and pack what has waited. */
static void
km_loader_begin_store(KmLoader *loader)
{
	KmSource   *source = loader->source;
	TupleTableSlot *slot;
	MemoryContext old;
	int64		ordinal = 0;

	if (loader->learning)
	{
		loader->codes = AllocSetContextCreate(loader->parent, "kmeans codes",
											  ALLOCSET_DEFAULT_SIZES);
		loader->store = km_store_create(loader->codes, km_loader_width(loader),
										source->weight != NULL,
										km_source_budget() / loader->team->size);
	}
	else
	{
		loader->load.points = km_source_points(source, loader->team, loader->parent);
		loader->store = km_points_store(loader->load.points);
	}
	if (loader->waiting == NULL)
		return;
	old = MemoryContextSwitchTo(loader->parent);
	slot = MakeSingleTupleTableSlot(loader->desc, &TTSOpsMinimalTuple);
	while (tuplestore_gettupleslot(loader->waiting, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		MemoryContextSwitchTo(loader->rowcxt);
		km_loader_pack(loader, slot, ++ordinal);
		MemoryContextSwitchTo(loader->parent);
		MemoryContextReset(loader->rowcxt);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(loader->waiting);
	loader->waiting = NULL;
	MemoryContextSwitchTo(old);
}

/* Will the row be skipped for a NULL? */
static bool
km_loader_skips(const KmLoader *loader, const TupleTableSlot *slot)
{
	int			n = loader->source->ncolumns;
	bool		skips = loader->source->weight != NULL && slot->tts_isnull[n];

	for (int i = 0; i < n && loader->on_null == KM_ON_NULL_SKIP; i++)
		skips |= slot->tts_isnull[i];
	return skips;
}

/*
 * A row before the width of rows is known.  Returns false if it has to
 * wait, true if it settles the question.  One that will be skipped says nothing
 * about lengths, or what it says would count only where it comes first.
 */
static bool
km_loader_settle(KmLoader *loader, TupleTableSlot *slot)
{
	KmSource   *source = loader->source;
	bool		counts = !km_loader_skips(loader, slot);
	MemoryContext old;

	for (int i = 0; counts && i < source->ncolumns; i++)
		if (km_encoder_width(&loader->encoders[i]) == 0 && !slot->tts_isnull[i])
			source->columns[i].nfeatures =
				km_encoder_length(&loader->encoders[i], slot->tts_values[i],
								  loader->load.n_read);
	if (km_loader_width(loader) > 0)
	{
		km_loader_begin_store(loader);
		return true;
	}

	if (counts && loader->on_null == KM_ON_NULL_ERROR)
		for (int i = 0; i < source->ncolumns; i++)
			if (slot->tts_isnull[i])
				km_pack_refuse_null(&source->columns[i], loader->load.n_read);
	old = MemoryContextSwitchTo(loader->parent);
	if (loader->waiting == NULL)
		loader->waiting = tuplestore_begin_heap(false, false, work_mem);
	tuplestore_puttupleslot(loader->waiting, slot);
	loader->n_waiting++;
	MemoryContextSwitchTo(old);
	return false;
}

static void
km_loader_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	KmLoader   *loader = (KmLoader *) self;
	KmSource   *source = loader->source;
	MemoryContext old;

	/* the first of several ranges has done it */
	if (loader->desc != NULL)
		return;
	old = MemoryContextSwitchTo(loader->parent);
	loader->desc = CreateTupleDescCopy(desc);
	loader->encoders = palloc0(mul_size(source->ncolumns, sizeof(KmEncoder)));
	for (int i = 0; i < source->ncolumns; i++)
	{
		km_pack_encoder(&loader->encoders[i], &source->columns[i],
						TupleDescAttr(desc, i)->atttypid);
		loader->learning |= loader->encoders[i].learning;
	}
	loader->doubles = km_pack_are_doubles(loader->encoders, source->ncolumns);
	if (source->weight != NULL)
	{
		loader->weight_column.name = source->weight;
		loader->weight_column.kind = KM_COLUMN_NUMBER;
		loader->weight_column.nfeatures = 1;
		km_encoder_init(&loader->weight_encoder, &loader->weight_column,
						TupleDescAttr(desc, source->ncolumns)->atttypid);
	}
	MemoryContextSwitchTo(old);
}

static bool
km_loader_receive(TupleTableSlot *slot, DestReceiver *self)
{
	KmLoader   *loader = (KmLoader *) self;
	MemoryContext old;

	if (++loader->load.n_read % KM_LOAD_REPORT == 0)
		km_progress_rows(km_team_progress(loader->team), loader->load.n_read);
	slot_getallattrs(slot);
	old = MemoryContextSwitchTo(loader->rowcxt);
	if (loader->store != NULL || km_loader_settle(loader, slot))
		km_loader_pack(loader, slot, loader->load.n_read);
	MemoryContextSwitchTo(old);
	if (!loader->rowcxt->isReset)
		MemoryContextReset(loader->rowcxt);
	return true;
}

static void
km_loader_nothing(DestReceiver *self)
{
}

/* The source ended before a column showed how many features it has. */
static void
km_loader_give_up(KmLoader *loader)
{
	if (loader->waiting == NULL)
		return;
	if (loader->on_null == KM_ON_NULL_MEAN)
		for (int i = 0; i < loader->source->ncolumns; i++)
			if (km_encoder_width(&loader->encoders[i]) == 0)
				km_pack_refuse_all_null(&loader->source->columns[i]);
	loader->load.n_skipped += loader->n_waiting;
	tuplestore_end(loader->waiting);
	loader->waiting = NULL;
}

/* ---- Running the source ---- */

static void
km_loader_check_spi(int status, int expected)
{
	if (status != expected)
		elog(ERROR, "unexpected SPI status %d", status);
}

static SPIExecuteOptions
km_loader_options(KmLoader *loader)
{
	SPIExecuteOptions options = {0};

	options.read_only = true;
	options.must_return_tuples = true;
	options.dest = &loader->pub;
	return options;
}

static void
km_loader_run_all(KmLoader *loader)
{
	SPIExecuteOptions options = km_loader_options(loader);

	km_loader_check_spi(SPI_execute_extended(loader->source->query, &options),
						SPI_OK_SELECT);
}

/* Does a plan read nothing but ranges of ctid? */
static bool
km_loader_is_range_scan(Plan *plan)
{
	ListCell   *lc;

	if (plan == NULL)
		return false;
	if (IsA(plan, TidRangeScan))
		return true;
	if (IsA(plan, Append))
	{
		foreach(lc, ((Append *) plan)->appendplans)
			if (!km_loader_is_range_scan(lfirst(lc)))
				return false;
		return true;
	}
	if (IsA(plan, SubqueryScan))
		return km_loader_is_range_scan(((SubqueryScan *) plan)->subplan);
	return IsA(plan, Result) && km_loader_is_range_scan(plan->lefttree);
}

/*
 * A plan for any range.  If the planner would rather read the whole table for
 * each range, the team gives up.
 */
static SPIPlanPtr
km_loader_prepare_ranges(KmLoader *loader)
{
	Oid			types[2] = {TIDOID, TIDOID};
	SPIPlanPtr	plan = SPI_prepare_cursor(loader->source->ranges, 2, types,
										  CURSOR_OPT_GENERIC_PLAN);
	CachedPlan *cached;
	bool		ranges;

	if (plan == NULL)
		km_loader_check_spi(SPI_result, SPI_OK_SELECT);
	cached = SPI_plan_get_cached_plan(plan);
	ranges = cached != NULL &&
		km_loader_is_range_scan(linitial_node(PlannedStmt, cached->stmt_list)->planTree);
	if (cached != NULL)
		ReleaseCachedPlan(cached, NULL);
	if (!ranges)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg_internal("the source cannot be read in ranges of blocks")));
	return plan;
}

/*
 * Read ranges until there are none left.  The last one is open-ended, since
 * the table may have grown.  First comes an empty one, so that everybody knows
 * the columns, even who finds nothing left to read.
 */
static void
km_loader_run_ranges(KmLoader *loader)
{
	SPIExecuteOptions options = km_loader_options(loader);
	SPIPlanPtr	plan = km_loader_prepare_ranges(loader);
	ParamListInfo params = makeParamList(2);
	double		blocks = loader->source->extent.blocks;
	double		size = ceil(Max((double) KM_LOAD_MIN_RANGE / loader->source->extent.tables,
								blocks / (loader->team->size * KM_LOAD_RANGES)));
	ItemPointerData from;
	ItemPointerData to;

	options.params = params;
	for (int i = 0; i < 2; i++)
	{
		params->params[i].ptype = TIDOID;
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].isnull = false;
		params->params[i].value = PointerGetDatum(i == 0 ? &from : &to);
	}
	ItemPointerSet(&from, 0, 0);
	ItemPointerSet(&to, 0, 0);
	km_loader_check_spi(SPI_execute_plan_extended(plan, &options), SPI_OK_SELECT);
	for (;;)
	{
		double		start = size * km_team_next(loader->team);

		if (start > 0 && start >= blocks)
			break;
		ItemPointerSet(&from, (BlockNumber) start, 0);
		ItemPointerSet(&to, start + size < blocks ? (BlockNumber) (start + size) :
					   InvalidBlockNumber, 0);
		km_loader_check_spi(SPI_execute_plan_extended(plan, &options), SPI_OK_SELECT);
	}
}

/*
 * The lengths of array columns, which a participant without rows does not know.
 */
static void
km_loader_agree_lengths(KmLoader *loader)
{
	KmSource   *source = loader->source;
	double	   *lengths = palloc(mul_size(source->ncolumns, sizeof(double)));

	for (int i = 0; i < source->ncolumns; i++)
		lengths[i] = source->columns[i].nfeatures;
	km_team_max(loader->team, lengths, source->ncolumns);
	for (int i = 0; i < source->ncolumns; i++)
	{
		KmColumn   *column = &source->columns[i];

		/* the load by one backend that follows says which row it is */
		if (column->nfeatures > 0 && column->nfeatures != (int) lengths[i])
			ereport(ERROR,
					(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
					 errmsg_internal("arrays of column \"%s\" have %d and %d elements",
									 column->name, column->nfeatures,
									 (int) lengths[i])));
		column->nfeatures = (int) lengths[i];
	}
	pfree(lengths);
}

/*
 * The categories of all participants: expand the rows.  Without a category of
 * some column nobody has a row, or nobody has a value to fill its rows with.
 */
static void
km_loader_expand(KmLoader *loader)
{
	KmSource   *source = loader->source;
	KmExpansion *expansion = km_expansion_create(loader->team, loader->encoders,
												 source->columns, source->ncolumns);
	int64_t		pushed = loader->store->n;

	km_team_add(loader->team, &pushed, 1);
	if (pushed > 0)
	{
		for (int i = 0; i < source->ncolumns; i++)
			if (source->columns[i].nfeatures == 0)
				km_pack_refuse_all_null(&source->columns[i]);
		km_source_check_size(km_source_features(source), loader->k);
		loader->load.points = km_source_points(source, loader->team, loader->parent);
		km_expand(expansion, loader->store, km_points_store(loader->load.points), true);
	}
	MemoryContextDelete(loader->codes);
}

/* What a participant could not know alone, and what others have read. */
static void
km_loader_agree(KmLoader *loader)
{
	int64_t		counts[2];

	km_loader_agree_lengths(loader);
	if (loader->store == NULL && km_loader_width(loader) > 0)
		km_loader_begin_store(loader);
	if (loader->store == NULL)
		km_loader_give_up(loader);
	else if (loader->learning)
		km_loader_expand(loader);

	counts[0] = loader->load.n_read;
	counts[1] = loader->load.n_skipped;
	km_team_add(loader->team, counts, 2);
	loader->load.n_read = counts[0];
	loader->load.n_skipped = counts[1];
	km_progress_rows(km_team_progress(loader->team), loader->load.n_read);
}

KmLoad
km_source_load(KmSource *source, KmOnNull on_null, int k, KmTeam *team,
			   MemoryContext parent)
{
	KmLoader   *loader = palloc0(sizeof(KmLoader));
	int			nestlevel;

	loader->pub.receiveSlot = km_loader_receive;
	loader->pub.rStartup = km_loader_startup;
	loader->pub.rShutdown = km_loader_nothing;
	loader->pub.rDestroy = km_loader_nothing;
	loader->pub.mydest = DestTuplestore;	/* SPI: neither nowhere nor its own */
	loader->source = source;
	loader->on_null = on_null;
	loader->k = k;
	loader->team = team;
	loader->parent = parent;
	loader->rowcxt = AllocSetContextCreate(parent, "kmeans row",
										   ALLOCSET_DEFAULT_SIZES);

	nestlevel = km_settings_push();
	SPI_connect();
	if (team->size > 1)
		km_loader_run_ranges(loader);
	else
		km_loader_run_all(loader);
	SPI_finish();
	km_settings_pop(nestlevel);

	km_loader_agree(loader);
	MemoryContextDelete(loader->rowcxt);
	return loader->load;
}
