/*
 * assignment.h
 *		The assignment problem: which new cluster is which old one.
 */
#ifndef KM_ASSIGNMENT_H
#define KM_ASSIGNMENT_H

#include "core/core.h"

/* What is to be assigned: n rows to m >= n columns. */
typedef struct KmAssignment
{
	int			n;
	int			m;
	double		most;			/* no cost exceeds it */

	/*
	 * The m costs of row i, finite and >= 0, the same whenever asked for; in room
	 * or where they are.
	 */
	const double *(*costs) (void *arg, int i, double *room);
	void	   *arg;
} KmAssignment;

/*
 * match[i] = the column assigned to row i, with the least total cost.  Asks for
 * some row's costs up to n^2 times, and O(n) times if rows are mostly far from
 * each other's columns; each time takes O(m) beside.  Among equal optima the
 * result depends on the input only.
 */
extern void km_assignment(KmTeam *team, const KmAssignment *problem, int *match);

/*
 * The same for points in d dimensions, na x d and nb x d, and squared distances,
 * which are kept if they take no more than so many bytes, and otherwise computed
 * whenever they are wanted.  match[i] = the point of b for that of a, or -1 (only
 * if na > nb): min(na, nb) pairs.  A distance beyond KM_MAX_NORM2 counts as that.
 */
extern void km_assignment_points(KmTeam *team, const double *a, int na, const double *b,
								 int nb, int d, size_t memory, int *match);

#endif							/* KM_ASSIGNMENT_H */
