/*
 * assign.c
 *		Labelling rows in bulk: kmeans_assign and kmeans_outliers.
 *
 * The rows of a source come in batches; a batch is measured against all
 * centroids at once, by the kernel that the fit uses, so each row gets the
 * label that kmeans_predict would give it.  kmeans_assign puts every row into
 * the result as it comes; kmeans_outliers keeps those above the threshold, and
 * sorts them.
 */
#include "postgres.h"

#include <math.h>

#include "access/tupdesc.h"
#include "api/args.h"
#include "api/result.h"
#include "catalog/pg_type_d.h"
#include "core/kernel.h"
#include "core/stats.h"
#include "engine/team.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "model/feed.h"
#include "model/profile.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

/* distances are kept for so many rows at a time that they stay in a cache */
#define MEASURED_CELLS (64 * 1024)

/* the columns of kmeans_outliers, and the rank among equals */
enum
{
	OUTLIER_SCORE = 5,
	OUTLIER_COLUMNS = 7,
	OUTLIER_SORT_COLUMNS
};

typedef struct KmAssign
{
	KmFeed		feed;
	KmModelArg	arg;
	const KmModel *model;
	KmSpace		space;			/* of rows that are scaled already */
	KmKernel   *kernel;
	double	   *dist2;			/* rows x k */
	int			nmeasured;		/* rows of dist2 */
	double	   *reference;		/* k: radii for outlier scores */
	Datum	   *labels;			/* k: text */
	KmResultRow row;

	/* what becomes of a row; i is its number in the batch */
	void		(*put) (struct KmAssign *assign, const KmBatch *batch, int i,
						const double *dist2);

	/* outliers */
	double		threshold;
	TupleDesc	sort_desc;
	TupleTableSlot *slot;
	Tuplesortstate *sort;
} KmAssign;

static void prepare(KmAssign *assign, FunctionCallInfo fcinfo);
static Datum label_text(const KmModel *model, int j);
static void run(KmAssign *assign);
static void receive_batch(void *arg, const KmBatch *batch);
static void two_nearest(const double *dist2, int k, int *first, int *second);
static void put_assignment(KmAssign *assign, const KmBatch *batch, int i,
						   const double *dist2);
static void put_outlier(KmAssign *assign, const KmBatch *batch, int i,
						const double *dist2);
static double contamination_argument(FunctionCallInfo fcinfo, int argno);
static void sort_begin(KmAssign *assign);
static void sort_end(KmAssign *assign);

PG_FUNCTION_INFO_V1(kmeans_assign);
PG_FUNCTION_INFO_V1(kmeans_outliers);

Datum
kmeans_assign(PG_FUNCTION_ARGS)
{
	KmAssign	assign = {.put = put_assignment};

	prepare(&assign, fcinfo);
	assign.feed.id_column = km_args_text_or_null(fcinfo, 2);
	km_result_begin(&assign.row, fcinfo);
	run(&assign);
	km_result_end(&assign.row);
	return (Datum) 0;
}

Datum
kmeans_outliers(PG_FUNCTION_ARGS)
{
	KmAssign	assign = {.put = put_outlier};
	double		contamination = contamination_argument(fcinfo, 2);

	prepare(&assign, fcinfo);
	assign.feed.id_column = km_args_text_or_null(fcinfo, 3);
	assign.threshold = km_histogram_threshold(&assign.model->outliers, contamination);
	km_result_begin(&assign.row, fcinfo);
	sort_begin(&assign);
	run(&assign);
	sort_end(&assign);
	km_result_end(&assign.row);
	return (Datum) 0;
}

/* ---- Measuring ---- */

/* The model, the source, and what is needed to measure rows. */
static void
prepare(KmAssign *assign, FunctionCallInfo fcinfo)
{
	const KmModel *model;
	double		weight = 0;

	assign->arg = km_args_model(fcinfo);
	assign->model = model = assign->arg.model;
	assign->feed.model = model;
	assign->feed.ref = assign->arg.ref;
	assign->feed.info = &assign->arg.info;
	assign->feed.source = km_args_text_or_null(fcinfo, 1);
	assign->feed.ids = true;

	assign->space.d = model->d;
	assign->kernel = km_kernel_create(km_team_alone(CurrentMemoryContext),
									  &assign->space, model->k);
	km_kernel_set(assign->kernel, model->centroids, model->k);
	assign->nmeasured = Min(KM_TILE, Max(MEASURED_CELLS / model->k, 8));
	assign->dist2 = palloc(mul_size(mul_size(assign->nmeasured, model->k),
									sizeof(double)));

	for (int j = 0; j < model->k; j++)
		weight += model->weights[j];
	assign->reference = palloc(mul_size(model->k, sizeof(double)));
	km_outlier_reference(model->k, model->sizes, model->radius_rms, model->inertia,
						 weight, assign->reference);
	assign->labels = palloc(mul_size(model->k, sizeof(Datum)));
	for (int j = 0; j < model->k; j++)
		assign->labels[j] = label_text(model, j);
}

/* the label, else the id */
static Datum
label_text(const KmModel *model, int j)
{
	if (model->labels[j] != NULL)
		return CStringGetTextDatum(model->labels[j]);
	return CStringGetTextDatum(psprintf("%d", model->ids[j]));
}

static void
run(KmAssign *assign)
{
	(void) km_feed_run(&assign->feed, receive_batch, assign);
	km_kernel_free(assign->kernel);
}

static void
receive_batch(void *arg, const KmBatch *batch)
{
	KmAssign   *assign = arg;
	int			k = assign->model->k;

	for (int start = 0; start < batch->n; start += assign->nmeasured)
	{
		int			n = Min(batch->n - start, assign->nmeasured);

		km_kernel_all(assign->kernel, batch->z + (Size) start * batch->d, n, assign->dist2);
		for (int i = 0; i < n; i++)
			assign->put(assign, batch, start + i, assign->dist2 + (Size) i * k);
	}
}

/*
 * The first of equals each time; second is -1 if k = 1.  Selections, since
 * branches would be taken at random.
 */
static void
two_nearest(const double *dist2, int k, int *first, int *second)
{
	double		least = dist2[0];
	double		next = INFINITY;
	int			least_j = 0;
	int			next_j = -1;

	for (int j = 1; j < k; j++)
	{
		double		own = dist2[j];
		bool		nearer = own < least;
		bool		second_nearer = own < next;

		next_j = second_nearer ? j : next_j;
		next = second_nearer ? own : next;
		next_j = nearer ? least_j : next_j;
		next = nearer ? least : next;
		least_j = nearer ? j : least_j;
		least = nearer ? own : least;
	}
	*first = least_j;
	*second = next_j;
}

/* ---- kmeans_assign ---- */

static void
put_assignment(KmAssign *assign, const KmBatch *batch, int i, const double *dist2)
{
	const KmModel *model = assign->model;
	KmResultRow *row = &assign->row;
	int			first;
	int			next;

	km_result_text(row, batch->ids[i]);
	if (batch->isnull[i])
	{
		for (int column = 1; column < row->result->setDesc->natts; column++)
			km_result_null(row);
		km_result_put(row);
		return;
	}

	two_nearest(dist2, model->k, &first, &next);
	km_result_int(row, model->ids[first]);
	km_result_datum(row, assign->labels[first]);
	km_result_float(row, sqrt(dist2[first]));
	if (next >= 0)
	{
		km_result_int(row, model->ids[next]);
		km_result_datum(row, assign->labels[next]);
		km_result_float(row, dist2[next] > 0 ?
						1 - sqrt(dist2[first]) / sqrt(dist2[next]) : 0);
	}
	else
	{
		km_result_null(row);
		km_result_null(row);
		km_result_null(row);
	}
	km_result_float(row, km_outlier_score(model->k, dist2, assign->reference));
	km_result_put(row);
}

/* ---- kmeans_outliers ---- */

static double
contamination_argument(FunctionCallInfo fcinfo, int argno)
{
	double		contamination;

	km_args_require(fcinfo, argno, "contamination");
	contamination = PG_GETARG_FLOAT8(argno);
	if (!(contamination >= 0 && contamination <= 0.5))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("contamination is %g", contamination),
				 errdetail("It must be between 0 and 0.5.")));
	return contamination;
}

/*
 * Outliers are sorted by score, the highest first, and those of equal scores
 * in the order in which they came.
 */
static void
sort_begin(KmAssign *assign)
{
	TupleDesc	result = assign->row.result->setDesc;
	AttrNumber	columns[] = {OUTLIER_SCORE, OUTLIER_SORT_COLUMNS};
	Oid			operators[] = {
		lookup_type_cache(FLOAT8OID, TYPECACHE_GT_OPR)->gt_opr,
		lookup_type_cache(INT8OID, TYPECACHE_LT_OPR)->lt_opr
	};
	Oid			collations[] = {InvalidOid, InvalidOid};
	bool		nulls_first[] = {false, false};

	assign->sort_desc = CreateTemplateTupleDesc(OUTLIER_SORT_COLUMNS);
	for (int column = 1; column <= OUTLIER_COLUMNS; column++)
		TupleDescCopyEntry(assign->sort_desc, column, result, column);
	TupleDescInitEntry(assign->sort_desc, OUTLIER_SORT_COLUMNS, "ordinal", INT8OID, -1, 0);
	assign->slot = MakeSingleTupleTableSlot(assign->sort_desc, &TTSOpsVirtual);
	assign->sort = tuplesort_begin_heap(assign->sort_desc, lengthof(columns), columns,
										operators, collations, nulls_first, work_mem,
										NULL, TUPLESORT_NONE);
}

static void
put_outlier(KmAssign *assign, const KmBatch *batch, int i, const double *dist2)
{
	const KmModel *model = assign->model;
	TupleTableSlot *slot = assign->slot;
	double		score;
	char	   *reason;
	int			first;
	int			next;

	if (batch->isnull[i])
		return;
	score = km_outlier_score(model->k, dist2, assign->reference);
	if (!(score > assign->threshold))
		return;

	two_nearest(dist2, model->k, &first, &next);
	reason = km_profile_reason(model, first, batch->values + (Size) i * batch->d,
							   batch->z + (Size) i * batch->d);
	ExecClearTuple(slot);
	memset(slot->tts_isnull, 0, OUTLIER_SORT_COLUMNS * sizeof(bool));
	slot->tts_isnull[0] = batch->ids[i] == NULL;
	slot->tts_values[0] = batch->ids[i] != NULL ? CStringGetTextDatum(batch->ids[i]) : 0;
	slot->tts_values[1] = Int32GetDatum(model->ids[first]);
	slot->tts_values[2] = assign->labels[first];
	slot->tts_values[3] = Float8GetDatum(sqrt(dist2[first]));
	slot->tts_values[OUTLIER_SCORE - 1] = Float8GetDatum(score);
	slot->tts_values[5] = Float8GetDatum(assign->threshold);
	slot->tts_isnull[6] = reason == NULL;
	slot->tts_values[6] = reason != NULL ? CStringGetTextDatum(reason) : 0;
	slot->tts_values[OUTLIER_SORT_COLUMNS - 1] = Int64GetDatum(batch->first + i);
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(assign->sort, slot);
}

static void
sort_end(KmAssign *assign)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(assign->sort_desc, &TTSOpsMinimalTuple);
	KmResultRow *row = &assign->row;

	tuplesort_performsort(assign->sort);
	while (tuplesort_gettupleslot(assign->sort, true, false, slot, NULL))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		for (int column = 0; column < OUTLIER_COLUMNS; column++)
		{
			if (slot->tts_isnull[column])
				km_result_null(row);
			else
				km_result_datum(row, slot->tts_values[column]);
		}
		km_result_put(row);
	}
	ExecDropSingleTupleTableSlot(slot);
	ExecDropSingleTupleTableSlot(assign->slot);
	tuplesort_end(assign->sort);
}
