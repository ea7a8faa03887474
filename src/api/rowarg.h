/*
 * rowarg.h
 *		The row in the variadic arguments of a labelling function.
 *
 * The arguments after the first are a model's columns: one by one, as one
 * array, or as one row value matched by name.  Which of these a call uses
 * follows from the types of its arguments, so it is found out once per call
 * site (km_rowarg_bind); the values are read at each call (km_rowarg_read).
 */
#ifndef KM_ROWARG_H
#define KM_ROWARG_H

#include "postgres.h"

#include "fmgr.h"
#include "model/value.h"

typedef struct KmRowArg KmRowArg;

/*
 * Decide how the arguments from number first on give a row of the model, and
 * check them as far as types can tell: 22023 for a wrong number of columns,
 * 42804 for a wrong type.  name is the model's, for messages; NULL if it has
 * none.  All memory is taken from the current context; model and name must
 * live as long.
 */
extern KmRowArg *km_rowarg_bind(FunctionCallInfo fcinfo, int first,
								const KmModel *model, const char *name);

/*
 * Read the row of this call into x (model->d values, original units).  Returns
 * false if there is none: the array or row value is NULL, or a column is and
 * the model has no fill for it.  Errors as for km_encode; also 42703 for a row
 * value without one of the columns.
 */
extern bool km_rowarg_read(KmRowArg *row, FunctionCallInfo fcinfo, double *x);

#endif							/* KM_ROWARG_H */
