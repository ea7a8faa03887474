/*
 * compare.h
 *		The rows of one source as two models label them.
 */
#ifndef KM_COMPARE_H
#define KM_COMPARE_H

#include "postgres.h"

#include "model/feed.h"

/*
 * Rows: weights (NULL: all are 1; a missing one is 0) and the indexes of their
 * clusters in each model, or -1 where a model has none for the row.
 */
typedef void (*KmCompareCallback) (void *arg, int n, const double *weights,
								   const int32 *a, const int32 *b);

/*
 * Run the feed, whose model is ignored, for both models: its rows need the
 * columns of either.  Errors as for km_feed_run().
 */
extern void km_compare_run(const KmFeed *feed, const KmModel *a, const KmModel *b,
						   KmCompareCallback callback, void *arg);

/* the share of the rows, by weight, that the models give different ids */
extern double km_compare_moved(const KmFeed *feed, const KmModel *a, const KmModel *b);

#endif							/* KM_COMPARE_H */
