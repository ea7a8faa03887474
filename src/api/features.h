/*
 * features.h
 *		A row in one argument: an array of numbers, or a row value.
 *
 * For aggregates that look at features without a model.  Of a row value
 * the columns that can be features count, except text and enum and those that
 * are identifiers by their name, as in a fit that names no columns.
 */
#ifndef KM_FEATURES_H
#define KM_FEATURES_H

#include "postgres.h"

#include "access/tupdesc.h"

/* Is that a type of row values (else arrays)?  42804 if it is neither. */
extern bool km_features_is_row(Oid type);

/*
 * The values of some columns, by their places from 0, of a row value.  42804 if
 * it is not of the type desc, as that of the first one was.
 */
extern void km_features_deform(TupleDesc desc, Datum row, const int *attnums,
							   int ncolumns, Datum *values, bool *nulls);

typedef struct KmFeatures KmFeatures;

/*
 * Values of this type: 42804 if it is neither.  Memory is taken from the current
 * context, also later.
 */
extern KmFeatures *km_features_create(Oid type);

/*
 * Read a value that is not NULL; *d is the number of features, the same for
 * all values.  Returns NULL if one of them is NULL, else the features, which
 * last until the next call.  ordinal is the row's number, for messages.  Errors
 * as for km_encode; 22003 also if squares overflow, 42804 for a row value of
 * another type than the first.
 */
extern const double *km_features_read(KmFeatures *features, Datum value,
									  int64 ordinal, int *d);

#endif							/* KM_FEATURES_H */
