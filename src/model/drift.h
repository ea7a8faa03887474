/*
 * drift.h
 *		How far rows have moved away from the version that was fitted to others.
 */
#ifndef KM_DRIFT_H
#define KM_DRIFT_H

#include "postgres.h"

#include "model/feed.h"

/* What to do about it. */
typedef enum KmVerdict
{
	KM_VERDICT_STABLE,
	KM_VERDICT_WATCH,
	KM_VERDICT_REFRESH
} KmVerdict;

/* Of one cluster, or of all rows.  What does not exist is NaN. */
typedef struct KmDrift
{
	double		share_then;		/* of the weight of the fitted rows */
	double		share_now;
	double		psi;			/* population stability index */
	double		distance_ratio; /* RMS distance to the centroid, now / then */
	double		outlier_rate;	/* share of rows above the score that a share of
								 * KM_DRIFT_OUTLIERS of the fitted rows exceeded */
	KmVerdict	verdict;
} KmDrift;

#define KM_DRIFT_OUTLIERS	0.05

/*
 * Compare the rows of the feed with the fit of its model: k entries, in the
 * order of the clusters, and one for the whole model.  22023 if no row of the
 * feed has a cluster.
 */
extern KmDrift *km_drift(const KmFeed *feed);

extern const char *km_verdict_word(KmVerdict verdict);

#endif							/* KM_DRIFT_H */
