/*
 * choice.h
 *		Choosing a number of clusters: what a table of the criteria and a picture
 *		of them have in common, their arguments first of all.
 */
#ifndef KM_CHOICE_H
#define KM_CHOICE_H

#include "postgres.h"

#include "engine/choose.h"
#include "fmgr.h"

/* of arguments that others have as well: 1 or more, 22023 otherwise */
extern int64 km_choice_sample_rows(FunctionCallInfo fcinfo, int argno);

/* NULL draws one, and tells it */
extern uint64 km_choice_seed(FunctionCallInfo fcinfo, int argno);

/*
 * Do what the arguments of kmeans_choose_k ask for, and return the job with
 * its results.  Everything, the rows included, is in the current memory context.
 */
extern const KmChooseJob *km_choice_run(FunctionCallInfo fcinfo);

#endif							/* KM_CHOICE_H */
