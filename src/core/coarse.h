/*
 * coarse.h
 *		The search for the nearest centroid in whole numbers of 8 bits: for many
 *		features and many clusters, several times as fast as in floats, with the
 *		same proof.
 *
 * Works as a KmScore does (score.h), and like it says nothing about a row whose
 * gap is not positive; there are more of these.
 */
#ifndef KM_COARSE_H
#define KM_COARSE_H

#include "core/score.h"

typedef struct KmCoarse KmCoarse;

/* Does the processor have what it takes, and do d and k make it worth while? */
extern bool km_coarse_pays(const KmTeam *team, int d, int k);

extern KmCoarse *km_coarse_create(KmTeam *team, int d, int max_k, int lanes);
extern void km_coarse_free(KmCoarse *coarse);

/* as km_score_set() and km_score_rows() */
extern bool km_coarse_set(KmCoarse *coarse, const double *centroids, int k,
						  const double *centre, double unit);
extern bool km_coarse_rows(KmCoarse *coarse, const KmScoreRows *rows, int n,
						   int32_t *label, float *gap, KmScoreAhead *ahead);

#endif							/* KM_COARSE_H */
