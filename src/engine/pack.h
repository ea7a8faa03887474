/*
 * pack.h
 *		A row of a fit, from its columns' values to packed numbers.
 */
#ifndef KM_PACK_H
#define KM_PACK_H

#include "postgres.h"

#include "compat.h"
#include "engine/encode.h"
#include "engine/points.h"

/*
 * Prepare encoders for columns of these types that take part in a fit:
 * categories are learned.
 */
extern void km_pack_encoder(KmEncoder *encoder, const KmColumn *column, Oid type);

/* how many numbers a packed row has; 0 while an array's length is not known */
extern int64 km_pack_width(const KmEncoder *encoders, int ncolumns);

/*
 * Are all columns double precision?  Then rows are packed by km_pack_doubles(),
 * which tells whether it could: false for a NULL, NaN or infinity, of which
 * km_pack_row() makes what it should.
 */
extern bool km_pack_are_doubles(const KmEncoder *encoders, int ncolumns);

static inline bool
km_pack_doubles(int ncolumns, const Datum *values, const bool *nulls, double *out)
{
	bool		good = true;

	for (int i = 0; i < ncolumns; i++)
	{
		out[i] = DatumGetFloat8(values[i]) + 0.0;
		good &= !nulls[i] & !!isfinite(out[i]);
	}
	return good;
}

/*
 * Write a row's numbers, one column after the other.  A NULL has the row
 * skipped (false), is refused, or becomes NaN.  Nothing is learned from a row
 * that is skipped.  Errors as for km_encode().
 */
extern bool km_pack_row(KmEncoder *encoders, int ncolumns, const Datum *values,
						const bool *nulls, KmOnNull on_null, int64 ordinal,
						double *out);

/*
 * A row's weight; false, and a weight of 0, for a NULL.  22023 if it is
 * negative, naming the encoder's column.
 */
extern bool km_pack_weight(KmEncoder *encoder, Datum value, bool isnull,
						   int64 ordinal, double *weight);

/* 22004: on_null => 'error', and there is one */
extern void km_pack_refuse_null(const KmColumn *column, int64 ordinal) pg_attribute_noreturn();

/* 22023: on_null => 'mean', and there is nothing else */
extern void km_pack_refuse_all_null(const KmColumn *column) pg_attribute_noreturn();

#endif							/* KM_PACK_H */
