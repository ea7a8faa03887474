/*
 * principal.h
 *		The first principal components of some rows.
 *
 * The directions in which rows spread most, orthogonal to each other: the
 * plane in which a picture of many features loses least.
 */
#ifndef KM_PRINCIPAL_H
#define KM_PRINCIPAL_H

#include "core/core.h"

typedef struct KmPrincipal
{
	int			d;
	int			m;				/* components: as asked for, at most d */
	double	   *mean;			/* d: of the rows */
	double	   *axis;			/* m x d: orthonormal, the largest variance first;
								 * of each the largest entry is positive */
	double	   *share;			/* m: of the variance of all features together; 0
								 * if there is none */
} KmPrincipal;

/*
 * Of n rows z (n x d), the i-th of which counts as copies[i] rows.  The result
 * depends on the order of the rows, in its last bits: give them one that
 * depends on their contents only.
 */
extern KmPrincipal *km_principal(KmTeam *team, const double *z, const int64_t *copies,
								 int64_t n, int d, int m);
extern void km_principal_free(KmTeam *team, KmPrincipal *principal);

/* where the row z lies on the components: m coordinates, from the mean */
extern void km_principal_place(const KmPrincipal *principal, const double *z,
							   double *place);

#endif							/* KM_PRINCIPAL_H */
