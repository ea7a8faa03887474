/*
 * seed.h
 *		Choosing the initial centroids.
 *
 * Every choice is a draw of contents from a line of all rows (line.h), so it
 * depends on the rows and their weights, the seed and the run only.
 */
#ifndef KM_SEED_H
#define KM_SEED_H

#include "core/rows.h"
#include "core/space.h"
#include "core/sums.h"

typedef enum KmSeedMethod
{
	KM_SEED_PLUSPLUS,			/* greedy k-means++: 2 + floor(ln k) candidates a
								 * step, as scikit-learn */
	KM_SEED_PARALLEL,			/* k-means||, see oversample.c */
	KM_SEED_RANDOM				/* distinct contents, by weight */
} KmSeedMethod;

/*
 * Choose up to k centroids (in the space) into centroids (k x d).  Returns how
 * many: less than k only if there are fewer rows at distinct places.  Uses
 * the chunks' dist2 and bucket.  The grid is one for sums of the rows
 * in the space.
 */
extern int	km_seed(KmTeam *team, KmRows *rows, const KmSpace *space,
					const KmGrid *grid, KmSeedMethod method, int k,
					uint64_t seed, int run, double *centroids);

/* k-means|| alone; km_seed() calls it */
extern int	km_seed_parallel(KmTeam *team, KmRows *rows, const KmSpace *space,
							 const KmGrid *grid, int k, uint64_t seed, int run,
							 double *centroids);

/* is one of n centroids where z is? */
extern bool km_seed_taken(const KmSpace *space, const double *centroids, int n,
						  const double *z);

#endif							/* KM_SEED_H */
