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

#endif							/* KM_OUTLIER_H */
