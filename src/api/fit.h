/*
 * fit.h
 *		What functions that fit the rows of a source have in common.
 */
#ifndef KM_FIT_H
#define KM_FIT_H

#include "postgres.h"

#include "utils/array.h"

/* The argument columns as names; a NULL among them is NULL. */
extern char **km_fit_columns(ArrayType *array, int *n);

#endif							/* KM_FIT_H */
