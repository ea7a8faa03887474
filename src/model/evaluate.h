/*
 * evaluate.h
 *		How good a model is on some rows.
 */
#ifndef KM_EVALUATE_H
#define KM_EVALUATE_H

#include "postgres.h"

#include "core/sample.h"
#include "model/feed.h"

/* A criterion that does not exist is NaN; see core/quality.h. */
typedef struct KmEvaluation
{
	int64		n_rows;			/* labelled: those without a NULL */
	double		weight;
	double		inertia;
	double		total_ss;		/* inertia of one cluster on the same rows */
	double		simplified_silhouette;
	double		davies_bouldin;
	double		calinski_harabasz;

	/*
	 * The silhouette is that of a sample of rows in the model's space, which
	 * is all of them if there are no more distinct rows than asked for.
	 */
	double		silhouette;
	KmSample   *sample;
	int32	   *label;			/* sample->n: indexes of clusters */
	double	   *silhouettes;	/* sample->n */
} KmEvaluation;

/*
 * Evaluate feed->model on the rows of the feed, which are read once and kept
 * within maintenance_work_mem, beyond it in temporary files.  The result is in
 * the current memory context.  22023 if there are no rows.
 */
extern KmEvaluation *km_evaluate(const KmFeed *feed, int64 sample_rows, uint64 seed);

#endif							/* KM_EVALUATE_H */
