/*
 * sort.h
 *		Sorting pointers with a comparison that knows its surroundings.
 */
#ifndef KM_SORT_H
#define KM_SORT_H

#include "core/core.h"

/*
 * Sort n pointers to rows of doubles ascending by compare, whose arg is passed
 * through.  Equal elements keep their order.
 */
extern void km_sort_rows(KmTeam *team, double **rows, size_t n,
						 int (*compare) (const double *a, const double *b,
										 const void *arg),
						 const void *arg);

/* lexicographic comparison of d values: -1, 0 or 1 */
extern int	km_sort_compare(const double *a, const double *b, int d);

#endif							/* KM_SORT_H */
