/*
 * result.c
 *		Results of SQL-callable functions.
 */
#include "postgres.h"

#include "api/result.h"
#include "datatype/timestamp.h"
#include "funcapi.h"
#include "utils/timestamp.h"

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
