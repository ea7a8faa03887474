/*
 * driver.h
 *		The one loop over seeding, passes and restarts.
 */
#ifndef KM_DRIVER_H
#define KM_DRIVER_H

#include "postgres.h"

#include "core/lloyd.h"
#include "engine/points.h"

typedef enum KmInit
{
	KM_INIT_AUTO,
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
 * Gives the clusters of a finished fit their ids: called once, with the
 * centroids in canonical order (ascending, by feature); fills ids, which must
 * be distinct.  NULL: 0 .. k-1.
 */
typedef void (*KmNumbering) (void *arg, const double *centroids, int k,
							 const KmSpace *space, int32 *ids);

typedef struct KmFitParams
{
	int			k;
	KmInit		init;
	const double *init_centroids;	/* k x d, original units */
	int			n_init;			/* 0: chosen by init */
	int			max_iter;
	double		tol;
	uint64		seed;
	KmNumbering numbering;
	void	   *numbering_arg;
	bool		verbose;		/* one INFO line per iteration */
} KmFitParams;

/*
 * A finished fit.  Arrays live in the context that was current when
 * km_driver_fit was called; clusters are in ascending order of id.
 */
typedef struct KmFit
{
	int			k;				/* clusters found, <= params.k */
	int			d;
	int32	   *ids;			/* k */
	double	   *centroids;		/* k x d, in the space */
	double	   *init_centroids; /* of the chosen run, unused by callers that do not
								 * ask for them */
	KmSummary  *summary;		/* in the same order */
	double		total_ss;		/* inertia of one cluster on the same rows */
	int			n_iter;
	bool		converged;
	int			best_run;		/* from 1 */
	int			n_iterations;
	KmIterationLog *iterations;
} KmFit;

/*
 * Fit.  The points must be finished and not empty.  Raises nothing but errors
 * of memory and interrupts, and 22003 if sums of squares overflow.  Fewer
 * distinct rows than k give fewer clusters; the caller warns.
 */
extern KmFit *km_driver_fit(KmPoints *points, const KmFitParams *params);

#endif							/* KM_DRIVER_H */
