/*
 * result.c
 *		Results of SQL-callable functions.
 *
 * The rows of a set go to a tuplestore, which spills beyond work_mem.
 */
#include "postgres.h"

#include <math.h>

#include "api/result.h"
#include "compat.h"
#include "datatype/timestamp.h"
#include "funcapi.h"
#include "model/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

TupleDesc
km_result_desc(FunctionCallInfo fcinfo)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return BlessTupleDesc(desc);
}

Datum
km_result_interval(double ms)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = (TimeOffset) (ms * 1000);
	return IntervalPGetDatum(interval);
}

void
km_result_begin(KmResultRow *row, FunctionCallInfo fcinfo)
{
	km_compat_materialize(fcinfo);
	row->result = (ReturnSetInfo *) fcinfo->resultinfo;
	row->cxt = AllocSetContextCreate(CurrentMemoryContext, "kmeans result row",
									 ALLOCSET_DEFAULT_SIZES);
	row->n = 0;
}

void
km_result_end(KmResultRow *row)
{
	MemoryContextDelete(row->cxt);
}

void
km_result_datum(KmResultRow *row, Datum value)
{
	row->values[row->n] = value;
	row->isnull[row->n] = false;
	row->n++;
}

void
km_result_null(KmResultRow *row)
{
	row->values[row->n] = (Datum) 0;
	row->isnull[row->n] = true;
	row->n++;
}

void
km_result_int(KmResultRow *row, int32 value)
{
	km_result_datum(row, Int32GetDatum(value));
}

void
km_result_text(KmResultRow *row, const char *text)
{
	MemoryContext caller;

	if (text == NULL)
	{
		km_result_null(row);
		return;
	}
	caller = MemoryContextSwitchTo(row->cxt);
	km_result_datum(row, CStringGetTextDatum(text));
	MemoryContextSwitchTo(caller);
}

void
km_result_float(KmResultRow *row, double value)
{
	if (isnan(value))
		km_result_null(row);
	else
		km_result_datum(row, Float8GetDatum(value));
}

void
km_result_floats(KmResultRow *row, const double *values, int n)
{
	MemoryContext caller = MemoryContextSwitchTo(row->cxt);

	km_result_datum(row, PointerGetDatum(km_array_floats(values, n)));
	MemoryContextSwitchTo(caller);
}

void
km_result_put(KmResultRow *row)
{
	Assert(row->n == row->result->setDesc->natts);
	tuplestore_putvalues(row->result->setResult, row->result->setDesc,
						 row->values, row->isnull);
	MemoryContextReset(row->cxt);
	row->n = 0;
}
