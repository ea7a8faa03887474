/*
 * transitions.c
 *		From which cluster of one version to which of another rows go.
 *
 * Rows are counted by pairs of clusters in a hash table.  There may be as many
 * pairs as rows; so when the table is full its counts go to a sort, which puts
 * them together again, and in order, at the end.
 *
 * Rows of two sources are matched by sorting both by id: all rows with one id are
 * then neighbours.  Either sort spills beyond work_mem.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type_d.h"
#include "core/kernel.h"
#include "engine/team.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "model/compare.h"
#include "model/transitions.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#define MAX_PAIRS		65536	/* in the table */

/* instead of the index of a cluster: the row has none; there is no such row */
#define CLUSTER_NONE	(-1)
#define ROW_ABSENT		(-2)

typedef struct KmPair
{
	int32		from;			/* index of the cluster; k: none, which sorts last */
	int32		to;
} KmPair;

typedef struct KmPairCount
{
	KmPair		pair;
	int64		n;
} KmPairCount;

/* Tuples that are sorted. */
typedef struct KmSorter
{
	TupleDesc	desc;
	TupleTableSlot *in;
	TupleTableSlot *out;
	Tuplesortstate *sort;
} KmSorter;

/* columns of a tuple */
enum
{
	PAIR_FROM,
	PAIR_TO,
	PAIR_N,
	PAIR_COLUMNS
};

enum
{
	ROW_ID,
	ROW_SIDE,
	ROW_CLUSTER,
	ROW_COLUMNS
};

typedef struct KmCrosstab
{
	int			ka;
	int			kb;
	HTAB	   *table;			/* KmPairCount */
	int64	   *from_total;		/* ka + 1 */
	KmSorter	counts;			/* from, to, n */
} KmCrosstab;

/* One of two sources. */
typedef struct KmSide
{
	int			number;			/* 0 or 1 */
	const KmModel *model;
	KmSpace		space;			/* of rows that are scaled already */
	KmKernel   *kernel;
	KmCrosstab *crosstab;
	KmSorter   *rows;			/* id, side, cluster */
} KmSide;

static void sorter_begin(KmSorter *sorter, const Oid *types, int ncolumns);
static void sorter_put(KmSorter *sorter, const Datum *values);
static bool sorter_next(KmSorter *sorter);
static void sorter_end(KmSorter *sorter);
static void crosstab_begin(KmCrosstab *crosstab, int ka, int kb);
static void crosstab_count(KmCrosstab *crosstab, int from, int to);
static void crosstab_flush(KmCrosstab *crosstab);
static void crosstab_end(KmCrosstab *crosstab, KmTransitionCallback callback, void *arg);
static void crosstab_put(const KmCrosstab *crosstab, const KmPairCount *count,
						 KmTransitionCallback callback, void *arg);
static void receive_twice_labelled(void *arg, int n, const double *weights,
								   const int32 *a, const int32 *b);
static void read_side(KmFeed feed, int number, KmCrosstab *crosstab,
					  KmSorter *rows);
static void receive_side(void *arg, const KmBatch *batch);
static void match_rows(KmSorter *rows, KmCrosstab *crosstab);
static void refuse_duplicate(const char *id, int side) pg_attribute_noreturn();

/* ---- One source ---- */

void
km_transitions(const KmFeed *feed, const KmModel *a, const KmModel *b,
			   KmTransitionCallback callback, void *arg)
{
	KmCrosstab	crosstab;

	crosstab_begin(&crosstab, a->k, b->k);
	km_compare_run(feed, a, b, receive_twice_labelled, &crosstab);
	crosstab_end(&crosstab, callback, arg);
}

static void
receive_twice_labelled(void *arg, int n, const double *weights,
					   const int32 *a, const int32 *b)
{
	for (int i = 0; i < n; i++)
		crosstab_count(arg, a[i], b[i]);
}

/* ---- Two sources ---- */

void
km_transitions_matched(const KmFeed *a, const KmFeed *b,
					   KmTransitionCallback callback, void *arg)
{
	static const Oid types[] = {TEXTOID, INT4OID, INT4OID};
	KmCrosstab	crosstab;
	KmSorter	rows;

	crosstab_begin(&crosstab, a->model->k, b->model->k);
	sorter_begin(&rows, types, ROW_COLUMNS);
	km_feed_lock(a);
	km_feed_lock(b);
	PushActiveSnapshot(GetTransactionSnapshot());
	read_side(*a, 0, &crosstab, &rows);
	read_side(*b, 1, &crosstab, &rows);
	PopActiveSnapshot();
	match_rows(&rows, &crosstab);
	sorter_end(&rows);
	crosstab_end(&crosstab, callback, arg);
}

static void
read_side(KmFeed feed, int number, KmCrosstab *crosstab, KmSorter *rows)
{
	KmSide		side = {
		.number = number,
		.model = feed.model,
		.space = {.d = feed.model->d},
		.crosstab = crosstab,
		.rows = rows
	};

	side.kernel = km_kernel_create(km_team_alone(CurrentMemoryContext), &side.space,
								   side.model->k);
	km_kernel_set(side.kernel, side.model->centroids, side.model->k);
	feed.locked = true;
	(void) km_feed_run(&feed, receive_side, &side);
	km_kernel_free(side.kernel);
}

static void
receive_side(void *arg, const KmBatch *batch)
{
	KmSide	   *side = arg;
	int32		label[KM_TILE];
	double		dist2[KM_TILE];

	km_kernel_assign(side->kernel, batch->z, batch->n, label, dist2, NULL);
	for (int i = 0; i < batch->n; i++)
	{
		int			cluster = batch->isnull[i] ? CLUSTER_NONE : label[i];

		if (batch->ids[i] == NULL)
			crosstab_count(side->crosstab,
						   side->number == 0 ? cluster : ROW_ABSENT,
						   side->number == 0 ? ROW_ABSENT : cluster);
		else
		{
			Datum		values[ROW_COLUMNS];

			values[ROW_ID] = CStringGetTextDatum(batch->ids[i]);
			values[ROW_SIDE] = Int32GetDatum(side->number);
			values[ROW_CLUSTER] = Int32GetDatum(cluster);
			sorter_put(side->rows, values);
		}
	}
}

/* Rows with one id are neighbours, that of the first source being first. */
static void
match_rows(KmSorter *rows, KmCrosstab *crosstab)
{
	int			cluster[2];
	char	   *id = NULL;

	tuplesort_performsort(rows->sort);
	while (sorter_next(rows))
	{
		const Datum *values = rows->out->tts_values;
		int			side = DatumGetInt32(values[ROW_SIDE]);
		char	   *next = TextDatumGetCString(values[ROW_ID]);
		bool		same = id != NULL && strcmp(id, next) == 0;

		if (same && (side == 0 || cluster[1] != ROW_ABSENT))
			refuse_duplicate(id, side);
		if (!same)
		{
			if (id != NULL)
			{
				crosstab_count(crosstab, cluster[0], cluster[1]);
				pfree(id);
			}
			cluster[0] = cluster[1] = ROW_ABSENT;
		}
		cluster[side] = DatumGetInt32(values[ROW_CLUSTER]);
		if (same)
			pfree(next);
		else
			id = next;
	}
	if (id != NULL)
		crosstab_count(crosstab, cluster[0], cluster[1]);
}

static void
refuse_duplicate(const char *id, int side)
{
	ereport(ERROR,
			(errcode(ERRCODE_CARDINALITY_VIOLATION),
			 errmsg("id \"%s\" occurs more than once in %s", id,
					side == 0 ? "source_a" : "source_b"),
			 errdetail("Rows are matched on the id column of the model."),
			 errhint("Leave out copies in the source query.")));
}

/* ---- Counting ---- */

static void
crosstab_begin(KmCrosstab *crosstab, int ka, int kb)
{
	static const Oid types[] = {INT4OID, INT4OID, INT8OID};
	HASHCTL		control = {
		.keysize = sizeof(KmPair),
		.entrysize = sizeof(KmPairCount),
		.hcxt = CurrentMemoryContext
	};

	crosstab->ka = ka;
	crosstab->kb = kb;
	crosstab->from_total = palloc0(mul_size(ka + 1, sizeof(int64)));
	crosstab->table = hash_create("kmeans transitions", 256, &control,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	sorter_begin(&crosstab->counts, types, PAIR_COLUMNS);
}

static void
crosstab_count(KmCrosstab *crosstab, int from, int to)
{
	KmPair		pair = {
		.from = from < 0 ? crosstab->ka : from,
		.to = to < 0 ? crosstab->kb : to
	};
	KmPairCount *count;
	bool		found;

	count = hash_search(crosstab->table, &pair, HASH_ENTER, &found);
	if (!found)
		count->n = 0;
	count->n++;
	crosstab->from_total[pair.from]++;
	if (!found && hash_get_num_entries(crosstab->table) >= MAX_PAIRS)
		crosstab_flush(crosstab);
}

/* Put the counts into the sort, and forget them. */
static void
crosstab_flush(KmCrosstab *crosstab)
{
	HASH_SEQ_STATUS scan;
	KmPairCount *count;

	hash_seq_init(&scan, crosstab->table);
	while ((count = hash_seq_search(&scan)) != NULL)
	{
		Datum		values[PAIR_COLUMNS];

		values[PAIR_FROM] = Int32GetDatum(count->pair.from);
		values[PAIR_TO] = Int32GetDatum(count->pair.to);
		values[PAIR_N] = Int64GetDatum(count->n);
		sorter_put(&crosstab->counts, values);
		(void) hash_search(crosstab->table, &count->pair, HASH_REMOVE, NULL);
	}
}

static void
crosstab_end(KmCrosstab *crosstab, KmTransitionCallback callback, void *arg)
{
	KmPairCount sum = {.n = 0};

	crosstab_flush(crosstab);
	tuplesort_performsort(crosstab->counts.sort);
	while (sorter_next(&crosstab->counts))
	{
		const Datum *values = crosstab->counts.out->tts_values;
		KmPair		pair = {
			.from = DatumGetInt32(values[PAIR_FROM]),
			.to = DatumGetInt32(values[PAIR_TO])
		};

		if (sum.n > 0 && memcmp(&pair, &sum.pair, sizeof(KmPair)) != 0)
		{
			crosstab_put(crosstab, &sum, callback, arg);
			sum.n = 0;
		}
		sum.pair = pair;
		sum.n += DatumGetInt64(values[PAIR_N]);
	}
	if (sum.n > 0)
		crosstab_put(crosstab, &sum, callback, arg);
	sorter_end(&crosstab->counts);
	hash_destroy(crosstab->table);
}

static void
crosstab_put(const KmCrosstab *crosstab, const KmPairCount *count,
			 KmTransitionCallback callback, void *arg)
{
	KmTransition transition = {
		.from = count->pair.from < crosstab->ka ? count->pair.from : -1,
		.to = count->pair.to < crosstab->kb ? count->pair.to : -1,
		.n = count->n,
		.share = (double) count->n / crosstab->from_total[count->pair.from]
	};

	callback(arg, &transition);
}

/* ---- Sorting ---- */

/* by the first two columns, ascending, text bytewise */
static void
sorter_begin(KmSorter *sorter, const Oid *types, int ncolumns)
{
	AttrNumber	columns[] = {1, 2};
	Oid			operators[lengthof(columns)];
	Oid			collations[lengthof(columns)];
	bool		nulls_first[lengthof(columns)] = {false};

	sorter->desc = CreateTemplateTupleDesc(ncolumns);
	for (int column = 1; column <= ncolumns; column++)
		TupleDescInitEntry(sorter->desc, column, NULL, types[column - 1], -1, 0);
	for (int i = 0; i < (int) lengthof(columns); i++)
	{
		operators[i] = lookup_type_cache(types[i], TYPECACHE_LT_OPR)->lt_opr;
		collations[i] = types[i] == TEXTOID ? C_COLLATION_OID : InvalidOid;
	}
	sorter->in = MakeSingleTupleTableSlot(sorter->desc, &TTSOpsVirtual);
	sorter->out = MakeSingleTupleTableSlot(sorter->desc, &TTSOpsMinimalTuple);
	sorter->sort = tuplesort_begin_heap(sorter->desc, lengthof(columns), columns,
										operators, collations, nulls_first, work_mem,
										NULL, TUPLESORT_NONE);
}

static void
sorter_put(KmSorter *sorter, const Datum *values)
{
	TupleTableSlot *slot = sorter->in;
	int			ncolumns = sorter->desc->natts;

	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, ncolumns * sizeof(Datum));
	memset(slot->tts_isnull, 0, ncolumns * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(sorter->sort, slot);
}

/* the next tuple, in out */
static bool
sorter_next(KmSorter *sorter)
{
	CHECK_FOR_INTERRUPTS();
	if (!tuplesort_gettupleslot(sorter->sort, true, false, sorter->out, NULL))
		return false;
	slot_getallattrs(sorter->out);
	return true;
}

static void
sorter_end(KmSorter *sorter)
{
	tuplesort_end(sorter->sort);
	ExecDropSingleTupleTableSlot(sorter->in);
	ExecDropSingleTupleTableSlot(sorter->out);
}
