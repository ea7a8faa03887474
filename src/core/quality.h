/*
 * quality.h
 *		How good a clustering is: the usual criteria.
 *
 * Each is the function of scikit-learn with that name on rows in the space of
 * the fit, with Euclidean distance.  Weights count as copies in the means, in
 * Davies-Bouldin and Calinski-Harabasz; silhouettes count rows.  A criterion
 * that does not exist, as none does for a single cluster, is NaN.
 *
 * All are order-free: what is summed over the rows of a fit is summed exactly,
 * and what looks at pairs of rows gets them in an order that depends on their
 * contents only.
 */
#ifndef KM_QUALITY_H
#define KM_QUALITY_H

#include "core/rows.h"
#include "core/space.h"
#include "core/sums.h"

/* ---- All rows: one pass, O(n k d) ---- */

typedef struct KmAssessment
{
	int64_t		n;				/* rows */
	double		weight;
	double		inertia;
	double		simplified;		/* the simplified silhouette of Hruschka et al.: the
								 * mean of 1 - d1 / d2, d1 and d2 being the
								 * distances to the nearest two centroids */
} KmAssessment;

/*
 * Collective.  Labels every row (chunk->label) by the nearest of k centroids.
 */
extern KmAssessment km_assess(KmTeam *team, KmRows *rows, const KmSpace *space,
							  const double *centroids, int k);

/* the grid on which rows in the space can be summed; collective */
extern KmGrid *km_quality_grid(KmTeam *team, KmRows *rows, const KmSpace *space);

/* The clusters of labelled rows, by their means in the space. */
typedef struct KmSpread
{
	int			k;
	int			d;
	int			present;		/* clusters with weight */
	double		total_weight;
	double	   *weight;			/* k */
	double	   *mean;			/* k x d; NaN for a cluster without weight */
	double	   *distance;		/* k: mean distance to the mean */
	double	   *inertia;		/* k: sum of squared distances to the mean */
	double	   *centre;			/* d: mean of all rows */
} KmSpread;

/* Collective; by chunk->label, 0 .. k - 1.  Two passes. */
extern KmSpread *km_spread(KmTeam *team, KmRows *rows, const KmSpace *space,
						   const KmGrid *grid, int k);
extern void km_spread_free(KmTeam *team, KmSpread *spread);

extern double km_davies_bouldin(KmTeam *team, const KmSpread *spread);
extern double km_calinski_harabasz(const KmSpread *spread);

/* the inertia of one cluster of all rows; unit: whose centroid has length 1 */
extern double km_spread_total(const KmSpread *spread, bool unit);

/* ---- Pairs of rows ---- */

typedef struct KmLabeling
{
	int			k;
	const int32_t *label;		/* of every row: 0 .. k - 1 */
} KmLabeling;

/*
 * The silhouettes of n rows z (n x d, in a space) under several labelings:
 * values[i * nlabelings + l] is that of row i under labeling l, 0 for the only
 * row of a cluster.  Row i counts as copies[i] rows at one place (copies NULL: 1
 * each).  O(n^2 d); distances are computed once for all labelings.  Collective:
 * everybody has all rows, and gets all values, allocated by the team.  Rows must
 * come in an order that depends on their contents only.
 */
extern double *km_silhouettes(KmTeam *team, const double *z, const int64_t *copies,
							  int64_t n, int d, const KmLabeling *labelings,
							  int nlabelings);

/* their mean under labeling l; NaN unless two clusters are present */
extern double km_silhouette_mean(const double *values, const int64_t *copies,
								 int64_t n, const KmLabeling *labelings,
								 int nlabelings, int l);

/*
 * Two clusterings of the same rows.  Of their contingency table: the sums of
 * its counts and of squared counts.
 */
typedef struct KmPairCounts
{
	KmWide		n;
	KmWide		cells2;
	KmWide		rows2;			/* of the sums of its rows */
	KmWide		columns2;
} KmPairCounts;

static inline void
km_pair_counts_square(KmWide *sum, int64_t count)
{
	*sum += (KmWide) count * (KmWide) count;
}

/* 1 for equal clusterings, about 0 for unrelated ones */
extern double km_adjusted_rand_index(const KmPairCounts *counts);

/* of n rows, which count as copies[i] rows each, labelled twice */
extern double km_labelings_rand_index(KmTeam *team, const KmLabeling *a,
									  const KmLabeling *b,
									  const int64_t *copies, int64_t n);

/* ---- Inertia over k ---- */

/*
 * height[i] = how far ln(inertia[i]) lies below the chord from the first to
 * the last point (ln k[i], ln inertia[i]), k ascending.  NaN where inertia is 0,
 * which has no logarithm: the chord then ends before.
 */
extern void km_elbow(const int *k, const double *inertia, int n, double *height);

#endif							/* KM_QUALITY_H */
