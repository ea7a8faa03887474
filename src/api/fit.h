/*
 * fit.h
 *		What functions that fit the rows of a source have in common.
 */
#ifndef KM_FIT_H
#define KM_FIT_H

#include "postgres.h"

#include "engine/fitjob.h"
#include "model/options.h"
#include "utils/array.h"

/* The argument columns as names; a NULL among them is NULL. */
extern char **km_fit_columns(ArrayType *array, int *n);

/* The rows are in.  22023 if there are none, or fewer usable ones than k. */
extern void km_fit_check_rows(const KmFitJob *job, int k);

/*
 * NOTICEs about them: rows skipped, a column that outweighs others, constant
 * features.
 */
extern void km_fit_tell_rows(const KmFitJob *job, const KmOptions *options);

#endif							/* KM_FIT_H */
