/*
 * lloyd.h
 *		One run of Lloyd's algorithm from given centroids.
 */
#ifndef KM_LLOYD_H
#define KM_LLOYD_H

#include "core/rows.h"
#include "core/space.h"
#include "core/sums.h"
#include "core/trails.h"

/* What one pass did; see kmeans_iterations. */
typedef struct KmIteration
{
	int			run;			/* from 1 */
	int			iteration;		/* from 1 */
	double		inertia;		/* of the pass's labels and the centroids they were
								 * computed from */
	double		shift;			/* sum over centroids of squared movement */
	int64_t		reassigned;		/* rows whose label changed; all in the first */
} KmIteration;

typedef struct KmLloydParams
{
	int			run;			/* number of this run, for the reports */
	int			max_iter;		/* >= 1 */
	double		threshold;		/* stop when shift <= threshold */

	/*
	 * Called after each pass, if not NULL.  If the run ends by the threshold or by max_iter,
	 * labels are computed once more for the final centroids, and the last
	 * report is repeated (same iteration) with that inertia.
	 */
	void		(*report) (void *arg, const KmIteration *iteration);
	void	   *arg;

	/*
	 * If not NULL: give up after the first pass, with the centroids as they were,
	 * if the mean squared distance of the rows to the start exceeds this.
	 */
	const double *most;

	/*
	 * The last pass's inertia is to be had from the means, as that of the others,
	 * and not exactly: the caller knows better in the end.
	 */
	bool		approximate;

	/*
	 * If not NULL: where earlier runs on these rows, with this threshold, have been.
	 * A run that would end as one of them is given up.
	 */
	KmTrails   *trails;

	/*
	 * For the reports, for `most` and for an approximate inertia.  Of all rows in the space: their weighted mean (d), and
	 * the weighted sum of their squared distances to it.
	 */
	const double *mean;
	double		total_ss;
} KmLloydParams;

typedef struct KmLloydResult
{
	int			n_iter;			/* passes, the last confirming one included */
	bool		converged;
	bool		unique;			/* every row has but one nearest centroid: its label
								 * would be the same in any order of them */
	bool		refused;		/* the start exceeds `most`; nothing else counts */
	bool		known;			/* it would end as an earlier one; likewise */
	double		inertia;
} KmLloydResult;

/*
 * centroids (k x d, in the space) are the start and receive the end.  A
 * cluster that runs empty (no weight) moves to the row farthest from its
 * centroid, as in scikit-learn: all copies of that content move.  Afterwards a
 * cluster is empty only if there are fewer distinct places than k.
 */
extern KmLloydResult km_lloyd(KmTeam *team, KmRows *rows, const KmSpace *space,
							  const KmGrid *grid, const KmLloydParams *params,
							  double *centroids, int k);

#endif							/* KM_LLOYD_H */
