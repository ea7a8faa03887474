/*
 * result.h
 *		Results of SQL-callable functions.
 *
 * The rows of a function that returns a set in one go:
 *
 *		KmResultRow row;
 *
 *		km_result_begin(&row, fcinfo);
 *		for each row:
 *			km_result_int(&row, ...); ...		from left to right, every column
 *			km_result_put(&row);
 *		km_result_end(&row);
 */
#ifndef KM_RESULT_H
#define KM_RESULT_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "fmgr.h"
#include "nodes/execnodes.h"

/* The row type that the call returns, blessed; palloc'd. */
extern TupleDesc km_result_desc(FunctionCallInfo fcinfo);

/* milliseconds as an interval */
extern Datum km_result_interval(double ms);

#define KM_RESULT_MAX_COLUMNS 21

typedef struct KmResultRow
{
	ReturnSetInfo *result;
	MemoryContext cxt;			/* of the values; reset after each row */
	int			n;
	Datum		values[KM_RESULT_MAX_COLUMNS];
	bool		isnull[KM_RESULT_MAX_COLUMNS];
} KmResultRow;

/* 0A000 if the call cannot take a set */
extern void km_result_begin(KmResultRow *row, FunctionCallInfo fcinfo);
extern void km_result_end(KmResultRow *row);

/* A value that lives until the row is put */
extern void km_result_datum(KmResultRow *row, Datum value);
extern void km_result_null(KmResultRow *row);
extern void km_result_int(KmResultRow *row, int32 value);

/* NULL for NULL */
extern void km_result_text(KmResultRow *row, const char *text);

/* NULL for NaN, which stands for what an empty cluster does not have */
extern void km_result_float(KmResultRow *row, double value);
extern void km_result_floats(KmResultRow *row, const double *values, int n);

extern void km_result_put(KmResultRow *row);

#endif							/* KM_RESULT_H */
