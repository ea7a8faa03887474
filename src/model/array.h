/*
 * array.h
 *		C arrays to SQL arrays and back.
 *
 * Results are palloc'd in the current context.
 */
#ifndef KM_ARRAY_H
#define KM_ARRAY_H

#include "postgres.h"

#include "utils/array.h"

/* float8[], int[], text[] of n elements, none of them NULL */
extern ArrayType *km_array_floats(const double *values, int n);
extern ArrayType *km_array_ints(const int32 *values, int n);
extern ArrayType *km_array_texts(char *const *values, int n);

/*
 * The way back, copied.  NULL if the array has more than one dimension or a
 * NULL element; an empty array has no elements.
 */
extern double *km_array_get_floats(Datum array, int *n);
extern int32 *km_array_get_ints(Datum array, int *n);
extern char **km_array_get_texts(Datum array, int *n);

#endif							/* KM_ARRAY_H */
