/*
 * profile.h
 *		What is typical of a model's clusters, from stored statistics alone.
 *
 * Everything is in original units unless it says otherwise.  A cluster of
 * weight 0 has no mean: its numbers are NaN, and it takes no part in those of
 * others.
 */
#ifndef KM_PROFILE_H
#define KM_PROFILE_H

#include "postgres.h"

#include "model/value.h"

typedef struct KmProfile
{
	double		total_weight;
	bool		weighted;		/* is the weight of a cluster not its size? */
	double	   *mean;			/* d: of all rows */
	double	   *stddev;			/* d: of all rows, population; exactly 0 if every
								 * row has the same value */
	double	   *z;				/* k x d: (mean - overall mean) / overall sd, 0 if
								 * that is 0 */
	int		   *rank;			/* k x d: of the cluster's features by |z|, from
								 * 1, the first of equals first; 0: no mean */
	double	   *position;		/* k x d: the cluster's place among the others by
								 * this feature, from 0 (lowest) to 1 (highest) */
} KmProfile;

extern KmProfile *km_profile(const KmModel *model);

/* the word for a position: lowest, low, middle, high, highest; NULL for NaN */
extern const char *km_profile_level(double position);

/*
 * One sentence about cluster j: its share of the rows, and what is unusually
 * high or low in it, if anything is.
 */
extern char *km_profile_describe(const KmModel *model, const KmProfile *profile, int j);

/*
 * Where cluster j lies.  A unit vector has lost its length, so for cosine it
 * is the mean of the cluster's rows.
 */
extern void km_profile_centroid(const KmModel *model, int j, double *x);

/* A number, and of which feature (or cluster) it is. */
typedef struct KmPlace
{
	double		value;
	int			index;
} KmPlace;

/*
 * Why the row z (in the space) belongs to one cluster rather than to the next:
 * per feature (z - c')^2 - (z - c)^2, which add up to the difference of the
 * squared distances.  d entries, the largest first; palloc'd.  Without a next
 * one (-1) they are NaN, in the features' order.
 */
extern KmPlace *km_profile_contributions(const KmModel *model, int cluster, int next,
										 const double *z);

/*
 * What lets a row stick out of cluster j: the features in which it is farthest
 * from the cluster's mean, in units of the cluster's sd, as in 'avg_order +9.3
 * sd, items -2.1 sd'.  x is the row, z the same in the space.  For cosine,
 * where its length counts for nothing, the row is compared at the length of
 * the cluster's mean.  NULL if the cluster has no mean.
 */
extern char *km_profile_reason(const KmModel *model, int j, const double *x,
							   const double *z);

/* ---- Which features matter ---- */

/*
 * d entries each: of the sum of squares that one cluster would leave, how much
 * the clusters explain.  In the space, so that for euclidean the sums over the
 * features are total_ss - inertia and total_ss of the model, up to rounding.
 * For cosine the lengths of rows are not stored, so it is about rows that are
 * scaled, but not divided by their length.
 */
typedef struct KmImportance
{
	double	   *between;
	double	   *total;
	double	   *eta2;			/* between / total; NaN if total is 0 */
	double	   *f_ratio;		/* (between / (k - 1)) / (within / (n - k)), n being
								 * the total weight; NaN if undefined */
	int		   *rank;			/* by eta2, from 1, the first of equals first */
} KmImportance;

extern KmImportance *km_profile_importance(const KmModel *model,
										   const KmProfile *profile);

#endif							/* KM_PROFILE_H */
