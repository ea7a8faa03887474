/*
 * assignment.h
 *		The assignment problem: which new cluster is which old one.
 */
#ifndef KM_ASSIGNMENT_H
#define KM_ASSIGNMENT_H

#include "core/core.h"

/*
 * cost is nrow x ncol, finite, >= 0.  match[i] = the column assigned to row i,
 * or -1 (only if nrow > ncol); min(nrow, ncol) pairs of least total cost.
 * O(min^2 x max) time.  Among equal optima the result depends on the input
 * only.
 */
extern void km_assignment(KmTeam *team, const double *cost, int nrow, int ncol,
						  int *match);

#endif							/* KM_ASSIGNMENT_H */
