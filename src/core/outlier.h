/*
 * outlier.h
 *		Collecting outlier scores; see stats.h for what becomes of them.
 */
#ifndef KM_OUTLIER_H
#define KM_OUTLIER_H

#include "core/groups.h"
#include "core/stats.h"

/*
 * The scores of rows whose nearest centroids, and the distances to them, are
 * known: the same as km_outlier_score(), without most of the distances to
 * other centroids.
 */
typedef struct KmOutliers KmOutliers;

/*
 * centroids (k x d) and reference (k) stay the caller's and in place; kernel
 * holds the centroids, and stays the caller's too
 */
extern KmOutliers *km_outliers_create(KmTeam *team, const KmSpace *space,
									  const double *centroids, int k,
									  const double *reference, KmKernel *kernel);
extern void km_outliers_free(KmOutliers *outliers);

/*
 * Of n <= KM_GROUPS_ROWS rows of a chunk from row `start`, no more than
 * km_chunk_rows() has room for: its label is a row's nearest centroid, at
 * dist2[i].
 */
extern void km_outliers_score(KmOutliers *outliers, const KmChunk *chunk, int64_t start,
							  const double *dist2, int n, double *score);

/* Scores by weight, while they are counted. */
typedef struct KmScores KmScores;

extern KmScores *km_scores_create(KmTeam *team, double total_weight);

/* n scores; weight: NULL if all weigh 1 */
extern void km_scores_add(KmScores *scores, const double *score, const double *weight,
						  int n);

/* put together what all participants added */
extern void km_scores_reduce(KmScores *scores);
extern void km_scores_pack(KmScores *scores, KmHistogram *histogram);
extern void km_scores_free(KmScores *scores);

#endif							/* KM_OUTLIER_H */
