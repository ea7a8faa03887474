/*
 * driver.h
 *		The one loop over seeding, passes and restarts.
 */
#ifndef KM_DRIVER_H
#define KM_DRIVER_H

#include "postgres.h"

#include "core/lloyd.h"
#include "core/stats.h"
#include "engine/points.h"

typedef enum KmInit
{
	KM_INIT_AUTO,				/* chosen by n, k and d */
	KM_INIT_PLUSPLUS,
	KM_INIT_PARALLEL,			/* k-means|| */
	KM_INIT_RANDOM,
	KM_INIT_CENTROIDS			/* given by the caller */
} KmInit;

/* One row of kmeans_iterations. */
typedef struct KmIterationLog
{
	KmIteration what;
	double		elapsed_ms;		/* of this pass */
} KmIterationLog;

/*
 * Gives the clusters of a finished fit their ids: called once, in the leader,
 * with k centroids (in the space) in canonical order; fills ids, which must be
 * distinct.
 */
typedef void (*KmNumbering) (void *arg, const double *centroids, int k,
							 const KmSpace *space, int32 *ids);

typedef struct KmFitParams
{
	int			k;
	KmInit		init;
	const double *init_centroids;	/* k x d in original units, for
									 * KM_INIT_CENTROIDS */
	int			n_init;			/* 0: chosen by init */
	int			max_iter;
	double		tol;
	uint64		seed;
	KmNumbering numbering;		/* NULL: ids are 0 .. k-1 in canonical order */
	void	   *numbering_arg;
	bool		verbose;		/* one INFO line per iteration */
	bool		outcome_only;	/* nobody asks for the iterations: none are kept nor
								 * reported, and a run that would end as an earlier
								 * one is not run to its end */
} KmFitParams;

/*
 * A finished fit, in the memory context that was current.  Clusters are in
 * ascending order of id.
 */
typedef struct KmFit
{
	int			k;				/* clusters found: fewer than asked for if there are
								 * fewer distinct rows */
	int			d;
	int32	   *ids;			/* k */
	double	   *centroids;		/* k x d, in the space */
	KmSummary  *summary;		/* in the same order; km_driver_free(), or it lives
								 * as long as the points */
	double		total_ss;		/* inertia of one cluster on the same rows */
	int			n_iter;
	bool		converged;
	int			best_run;		/* from 1 */
	int64		n_iterations;
	KmIterationLog *iterations; /* of all runs; none if outcome_only */
} KmFit;

/* How n rows of d features are started, and how many times. */
extern KmInit km_driver_init(const KmFitParams *params, double n, int d, int *n_init);

/*
 * Fit finished points (at least one row).  A collective operation: all
 * participants get the same fit, but only the leader's is numbered by
 * params->numbering.  Raises 22003 if sums of squares
 * overflow or a given centroid cannot be brought into the space.
 */
extern KmFit *km_driver_fit(KmPoints *points, const KmFitParams *params);

/* for a caller that makes many fits of the same points */
extern void km_driver_free(KmPoints *points, KmFit *fit);

#endif							/* KM_DRIVER_H */
