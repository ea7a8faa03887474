/*
 * sums.h
 *		Sums that do not depend on the order of what is added.
 *
 * Floating-point addition is not associative, so a sum of doubles depends on
 * the order of rows, on chunks and on workers.  Here numbers are added as
 * integers on a fixed grid, which is associative and, where the grid reaches
 * down to the last bit of every value, exact.
 *
 * All numbers are held in digits of base 2^40, one int64 each, most
 * significant last.  A digit may hold up to 2^63 / 2^40 = 2^23 additions
 * before carries must be propagated; the add functions count and propagate by
 * themselves.  Two numbers on the same grid are added digit by digit, which
 * is how a team combines its parts (km_team_add).
 *
 * Weights: an integer weight w counts exactly as w copies.  Any other weight
 * is folded into the value first (one rounding, the same in any order).
 */
#ifndef KM_SUMS_H
#define KM_SUMS_H

#include "core/core.h"

/* ---- One number over the full range of double: always exact ---- */

#define KM_EXACT_DIGITS 56		/* 2240 bits: 2^-1120 .. 2^1120 */

typedef struct KmExact
{
	int64_t		digit[KM_EXACT_DIGITS];
	int32_t		pending;		/* additions since carries were propagated */
} KmExact;

extern void km_exact_init(KmExact *sum);
extern void km_exact_add(KmExact *sum, double x);

/* adds w * x exactly (the product is split into its two doubles) */
extern void km_exact_add_product(KmExact *sum, double w, double x);

/* the double nearest to the sum (ties to even) */
extern double km_exact_value(KmExact *sum);

/* add up the n sums of all participants */
extern void km_exact_reduce(KmTeam *team, KmExact *sums, size_t n);

/* ---- k vectors of d features, on one grid per feature ---- */

/*
 * The grid of a feature is chosen from the largest and the smallest non-zero
 * magnitude of its values, so that every value is a multiple of the grid; at
 * most KM_GRID_MAX_DIGITS digits, below which values are rounded to the grid.
 */
#define KM_GRID_MAX_DIGITS 8

typedef struct KmGrid
{
	int			d;
	int			ndigits;		/* of every feature, without the one for carries */
	int		   *low;			/* d: weight of the lowest digit's unit is 2^low */
} KmGrid;

/*
 * largest[t] and smallest[t]: the largest and the smallest non-zero magnitude
 * of feature t over all participants (0, 0 for a feature that is zero
 * throughout).
 */
extern KmGrid *km_grid_create(KmTeam *team, int d, const double *largest,
							  const double *smallest);
extern void km_grid_free(KmTeam *team, KmGrid *grid);

typedef struct KmSums KmSums;

extern KmSums *km_sums_create(KmTeam *team, const KmGrid *grid, int k);
extern void km_sums_clear(KmSums *sums);
extern void km_sums_free(KmSums *sums);

/* add (sign 1) or take away (sign -1) the vector z with weight w in cluster j */
extern void km_sums_add(KmSums *sums, int j, const double *z, double w, int sign);

/* add up the sums of all participants: afterwards everybody holds the total */
extern void km_sums_reduce(KmSums *sums);

/* out[t] = the sum of feature t in cluster j; weight: sum of weights there */
extern void km_sums_get(KmSums *sums, int j, double *out, double *weight);

#endif							/* KM_SUMS_H */
