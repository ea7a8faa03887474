/*
 * bounds.h
 *		Which rows cannot have changed their cluster since they were labelled.
 *
 * Each row has one number, its bound, each cluster another, its limit, which
 * grows as centroids move.  While the limit of a row's cluster is below the
 * row's bound, no other centroid can have come nearer than its own, by the
 * definition of kernel.h, and the row need not be looked at.
 */
#ifndef KM_BOUNDS_H
#define KM_BOUNDS_H

#include "core/rows.h"

typedef struct KmBounds
{
	KmTeam	   *team;
	int			k;
	int			d;
	bool		wide;			/* by vectors of 16 rows (AVX-512) */
	double	   *centroids;		/* k x d: the last ones */
	double	   *drift;			/* k: what limit is rounded from */
	float	   *limit;			/* k */
} KmBounds;

extern KmBounds *km_bounds_create(KmTeam *team, const double *centroids, int k, int d);
extern void km_bounds_free(KmBounds *bounds);

/* The centroids have moved.  unit: of the gaps (km_kernel_unit()). */
extern void km_bounds_move(KmBounds *bounds, const double *centroids, double unit);

/*
 * Those of a chunk's rows start .. start + n - 1 that have to be labelled
 * again: their places, counted from start.  Returns how many.
 */
extern int	km_bounds_failing(const KmBounds *bounds, const KmChunk *chunk,
							  int64_t start, int n, int32_t *pick);

/*
 * The bounds of n rows labelled now, with the gaps of km_kernel_label(): of those
 * at these places, counted from start (NULL: all).
 */
extern void km_bounds_set(const KmBounds *bounds, KmChunk *chunk, int64_t start,
						  const int32_t *pick, int n, const uint16_t *label,
						  const float *gap);

#endif							/* KM_BOUNDS_H */
