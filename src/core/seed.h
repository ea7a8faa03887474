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
 */
extern int	km_seed(KmSeeder *seeder, int run, double *centroids);

/* k-means|| alone, from a line of km_oversample_size(k); km_seed() calls it */
extern int	km_seed_parallel(KmLine *line, const KmGrid *grid, int k, int run,
							 double *centroids);

/* is one of n centroids where z is? */
extern bool km_seed_taken(const KmSpace *space, const double *centroids, int n,
						  const double *z);

#endif							/* KM_SEED_H */
