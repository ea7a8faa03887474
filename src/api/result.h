/*
 * result.h
 *		Results of SQL-callable functions.
 */
#ifndef KM_RESULT_H
#define KM_RESULT_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "fmgr.h"

/* The row type that the call returns, blessed; palloc'd. */
extern TupleDesc km_result_desc(FunctionCallInfo fcinfo);

/* milliseconds as an interval */
extern Datum km_result_interval(double ms);

#endif							/* KM_RESULT_H */
