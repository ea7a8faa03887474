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

/* ---- Sums of integers under 2^128 ---- */

/* memory is aligned to 8 bytes only, not to what the compiler would like */
typedef unsigned __int128 KmWide __attribute__((aligned(8)));

/* add up the n sums of all participants */
extern void km_wide_reduce(KmTeam *team, KmWide *sums, size_t n);

/* ---- One number over the full range of double: always exact ---- */

#define KM_EXACT_DIGITS 56		/* 2240 bits: 2^-1120 .. 2^1120 */
#define KM_EXACT_ONE	28		/* the digit of unit 1 */

typedef struct KmExact
{
	int64_t		digit[KM_EXACT_DIGITS];
	int32_t		pending;		/* additions since carries were propagated */
} KmExact;

extern void km_exact_init(KmExact *sum);
extern void km_exact_add(KmExact *sum, double x);

/*
 * adds w * x without rounding it (only what lies below 2^-1120 is cut off, and
 * a product that no double can hold makes the value infinite)
 */
extern void km_exact_add_product(KmExact *sum, double w, double x);

/* adds every one of n doubles, several at a time */
extern void km_exact_add_many(KmExact *sum, const double *x, int n);

/* adds another sum */
extern void km_exact_merge(KmExact *sum, const KmExact *other);

/* the double nearest to the sum (ties to even); Infinity beyond the range */
extern double km_exact_value(const KmExact *sum);

/* the sum divided by a weight > 0; finite even where the sum is not */
extern double km_exact_mean(const KmExact *sum, double weight);

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
 * throughout), each of km_sums_addend() if there are weights.
 */
extern KmGrid *km_grid_create(KmTeam *team, int d, const double *largest,
							  const double *smallest);
extern void km_grid_free(KmTeam *team, KmGrid *grid);

/*
 * Does w count as w copies, that is, is it an integer up to 2^53?  Any other
 * weight is folded into the value: w * x must be finite.
 */
static inline bool
km_sums_counts(double w)
{
	return w <= 0x1p53 && (double) (int64_t) w == w;
}

/* what the grid has to hold of the value x with weight w */
static inline double
km_sums_addend(double x, double w)
{
	return km_sums_counts(w) ? x : w * x;
}

typedef struct KmSums KmSums;

extern KmSums *km_sums_create(KmTeam *team, const KmGrid *grid, int k);
extern void km_sums_clear(KmSums *sums);
extern void km_sums_free(KmSums *sums);

/* add (sign 1) or take away (sign -1) the vector z with weight w in cluster j */
extern void km_sums_add(KmSums *sums, int j, const double *z, double w, int sign);

/* take it away from one cluster, and add it to another: quicker than one by one */
extern void km_sums_move(KmSums *sums, int from, int to, const double *z, double w);

/*
 * Add n <= KM_SUMS_ROWS vectors with weight 1 to cluster j: those picked by
 * their places among z (rows of d).  The same as adding them one by one, but
 * faster where there are several.
 */
#define KM_SUMS_ROWS 4096
extern void km_sums_add_rows(KmSums *sums, int j, const double *z, const int32_t *pick,
							 int n);

/* out[t] = the sum of feature t in cluster j; weight: sum of weights there */
extern void km_sums_get(KmSums *sums, int j, double *out, double *weight);

/*
 * Collective: weight[j], and mean (k x d), the sums divided by it (NaN where
 * it is 0), over all participants.  Everybody keeps its own part.
 */
extern void km_sums_means(KmSums *sums, double *mean, double *weight);

#endif							/* KM_SUMS_H */
