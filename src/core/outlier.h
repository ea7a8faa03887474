/*
 * outlier.h
 *		Collecting outlier scores; see stats.h for what becomes of them.
 */
#ifndef KM_OUTLIER_H
#define KM_OUTLIER_H

#include "core/stats.h"

/* Scores by weight, while they are counted. */
typedef struct KmScores KmScores;

extern KmScores *km_scores_create(KmTeam *team, double total_weight);
extern void km_scores_add(KmScores *scores, double score, double weight);

/* put together what all participants added */
extern void km_scores_reduce(KmScores *scores);
extern void km_scores_pack(KmScores *scores, KmHistogram *histogram);
extern void km_scores_free(KmScores *scores);

/*
 * km_outlier_score() for a row whose nearest centroid is known: the same, but
 * faster, since most other clusters need only a glance.
 */
extern double km_outlier_score_from(int nearest, int k, const double *dist2,
									const double *reference);

/*
 * near2[j]: a row at a squared distance of no more from its nearest centroid j
 * has its score from j, whatever the others are: -1 if there is no such
 * distance.  For it is then at least |c_j - c_i| - D from any other c_i, which
 * over reference i is no less than D over reference j if
 *
 *		D <= |c_j - c_i| / (1 + reference[i] / reference[j])
 *
 * Squared distances are sums of positive terms and so off by at most d + 2
 * roundings, 2e-12 of their value; near2 keeps a distance of 2^-30 from the
 * limit.
 */
extern void km_outlier_near(KmTeam *team, const double *centroids, int k, int d,
							const double *reference, double *near2);

#endif							/* KM_OUTLIER_H */
