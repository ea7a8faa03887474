/*
 * blobs.h
 *		Isotropic Gaussian blobs, the same numbers as scikit-learn's
 *		make_blobs(random_state = seed), bit for bit.
 */
#ifndef KM_BLOBS_H
#define KM_BLOBS_H

#include "core/core.h"

typedef struct KmBlobsParams
{
	int			n_samples;
	int			centers;
	int			n_features;
	double		cluster_std;
	double		center_min;
	double		center_max;
	bool		shuffle;
	uint32_t	seed;
} KmBlobsParams;

/* x: n_samples x n_features, y: n_samples; both by the caller */
extern void km_blobs(KmTeam *team, const KmBlobsParams *params, double *x, int32_t *y);

#endif							/* KM_BLOBS_H */
