/*
 * seed.h
 *		Choosing the initial centroids.
 *
 * Every choice is a draw of contents from a line of all rows (line.h), so it
 * depends on the rows and their weights, the seed and the run only.
 */
#ifndef KM_SEED_H
#define KM_SEED_H

#include "core/line.h"
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
 * A seeder holds what is the same for all runs.  Uses the chunks' dist2 and
 * bucket; bucket must stay as it is while there is a seeder.  The grid is one
 * for sums of the rows in the space.
 */
typedef struct KmSeeder KmSeeder;

extern KmSeeder *km_seeder_create(KmTeam *team, KmRows *rows, const KmSpace *space,
								  const KmGrid *grid, KmSeedMethod method, int k,
								  uint64_t seed);
extern void km_seeder_free(KmSeeder *seeder);

/*
 * Choose up to k centroids (in the space) into centroids (k x d).  Returns how
 * many: less than k only if there are fewer rows at distinct places.
 *
 * *most: if all rows turn out to have a larger mean squared distance to the
 * nearest of them, the start is no good (it was made from a part of the rows):
 * use km_seed_all().  Infinity: it is good in any case.
 */
extern int	km_seed(KmSeeder *seeder, int run, double *centroids, double *most);

/* the same from all rows, always good */
extern int	km_seed_all(KmSeeder *seeder, int run, double *centroids);

/*
 * Do it with a sample, for KM_SEED_PARALLEL; false if there is none, or not
 * with k centroids.  km_seed() calls it.
 */
extern bool km_seed_sample(KmTeam *team, KmRows *rows, const KmSpace *space, int k,
						   uint64_t seed, int run, double *centroids, double *most);

/* is one of n centroids where z is? */
extern bool km_seed_taken(const KmSpace *space, const double *centroids, int n,
						  const double *z);

#endif							/* KM_SEED_H */
