/*
 * far.h
 *		The contents farthest from their centroids.
 *
 * Rows are shown one after the other; the `wanted` farthest distinct contents
 * are kept, farthest first and, among equally far ones, by content.
 */
#ifndef KM_FAR_H
#define KM_FAR_H

#include "core/core.h"

/* A record is d + 1 doubles: the squared distance, the row in the space. */
typedef struct KmFar
{
	KmTeam	   *team;
	int			d;
	size_t		wanted;			/* how many distinct ones */
	size_t		n;
	size_t		max;
	double		least;			/* nearer ones need not be added */
	double	   *data;
} KmFar;

extern KmFar *km_far_create(KmTeam *team, int d, int wanted);
extern void km_far_free(KmFar *far);
extern void km_far_add(KmFar *far, double dist2, const double *z);

/* the farthest ones of all participants, in order: then n <= wanted */
extern void km_far_share(KmFar *far);

/* the place of a content among them, or -1; there must be one at least */
extern int	km_far_find(const KmFar *far, double dist2, const double *z);

#endif							/* KM_FAR_H */
