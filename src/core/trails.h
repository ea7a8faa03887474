/*
 * trails.h
 *		Where earlier runs of Lloyd's algorithm have been.
 *
 * What a run does next depends on its centroids only.  So a run that comes to
 * the centroids of an earlier one, in whatever order, goes the same way from
 * there and ends with the same inertia: it need not be run to its end.
 *
 * The order of calls: km_trails_create(), then for every run km_trails_begin(),
 * for its passes km_trails_doubt() and km_trails_met(), and km_trails_end()
 * unless the last of these was true.  All participants do the same.
 */
#ifndef KM_TRAILS_H
#define KM_TRAILS_H

#include "core/core.h"

/* a shift so near, as a part of it, may be on either side of the threshold */
#define KM_TRAILS_MARGIN 0x1p-30

typedef struct KmTrails KmTrails;

/* for runs of up to max_iter passes, from up to k centroids of d features */
extern KmTrails *km_trails_create(KmTeam *team, int k, int d, int max_iter);
extern void km_trails_free(KmTrails *trails);

/* a run from k centroids begins */
extern void km_trails_begin(KmTrails *trails, int k);

/*
 * What this pass did may depend on the order of the centroids: a row had two
 * nearest ones, or a rounding could have decided whether it was the last pass.
 */
extern void km_trails_doubt(KmTrails *trails, int iteration);

/*
 * The run has come to these centroids, the means of its labels, in a pass that
 * is not its last one.  Is it known how it ends?  If not, they are noted.
 */
extern bool km_trails_met(KmTrails *trails, const double *centroids, int iteration);

/* the run has ended */
extern void km_trails_end(KmTrails *trails, int n_iter, bool converged);

#endif							/* KM_TRAILS_H */
