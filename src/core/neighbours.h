/*
 * neighbours.h
 *		Rows put in an order in which those that follow each other lie near
 *		each other.
 */
#ifndef KM_NEIGHBOURS_H
#define KM_NEIGHBOURS_H

#include "core/rows.h"

/*
 * Reorder the rows of a chunk of doubles, values and weights; what else it has
 * must not be in use yet.
 */
extern void km_neighbours_sort(KmTeam *team, KmChunk *chunk, int d);

/* the box around n > 0 rows of doubles: d lower ends, then d upper ones */
extern void km_neighbours_box(const double *z, int n, int d, double *box);

/*
 * No row in the box has a smaller computed km_kernel_dist2() to c: differences
 * from the nearer end, their squares and their sums are rounded monotonically,
 * in the same order as those of the row, none of which is smaller.
 */
static inline double
km_neighbours_least(const double *box, const double *c, int d)
{
	double		sum = 0;

	for (int t = 0; t < d; t++)
	{
		double		below = box[t] - c[t];
		double		above = c[t] - box[d + t];
		double		diff = below > above ? below : above;

		diff = diff > 0 ? diff : 0;
		sum += diff * diff;
	}
	return sum;
}

#endif							/* KM_NEIGHBOURS_H */
