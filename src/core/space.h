/*
 * space.h
 *		The space in which a model is fitted: z = (x - shift) / scale, then,
 *		for cosine, z / |z|.
 *
 * Every path that compares a row with centroids (fit, predict, judge) goes
 * through these functions, so that a value is scaled with the same roundings
 * everywhere.
 */
#ifndef KM_SPACE_H
#define KM_SPACE_H

#include "core/core.h"

typedef struct KmSpace
{
	int			d;
	const double *shift;		/* d; NULL, together with scale: z = x */
	const double *scale;		/* d, > 0 */
	bool		unit;			/* cosine: rows of length 1 */
} KmSpace;

/* true if z = x, bit for bit */
static inline bool
km_space_identity(const KmSpace *space)
{
	return space->shift == NULL && !space->unit;
}

/*
 * z = the row x (d values) in the space; z may be x.  Returns false, and
 * leaves z undefined, if the space wants rows of length 1 and this one has
 * length 0.  The length is computed so that it neither overflows nor
 * underflows before the values do.
 */
extern bool km_space_row(const KmSpace *space, const double *x, double *z);

/*
 * The way back for a centroid or a mean: x = z * scale + shift.  (For cosine
 * the length is lost: the caller has better, see KmSummary.mean.)
 */
extern void km_space_back(const KmSpace *space, const double *z, double *x);

/*
 * The largest squared distance that is none.  Rows of length 1 that were
 * multiples of each other differ in their last bits: there it is that of 2^-45.
 */
static inline double
km_space_nothing(const KmSpace *space)
{
	return space->unit ? 0x1p-90 : 0;
}

/* Are two rows at squared distance dist2 at one place? */
static inline bool
km_space_same_place(const KmSpace *space, double dist2)
{
	return dist2 <= km_space_nothing(space);
}

#endif							/* KM_SPACE_H */
