/*
 * seed.h
 *		Choosing the initial centroids.
 *
 * Rows are drawn by content: the rows of all participants are thought of in
 * the order (hash of content, content, weight), and a draw r in [0, 1) picks
 * the row at which the running mass first exceeds r times the whole mass.
 * Copies of a content lie side by side and so count as often as they occur;
 * the physical order of rows does not matter.
 *
 * To avoid sorting all rows, a pass adds up the mass per bucket (the leading
 * bits of the hash) with order-free sums; only the rows of the drawn buckets
 * are gathered and sorted.
 */
#ifndef KM_SEED_H
#define KM_SEED_H

#include "core/rows.h"
#include "core/space.h"

typedef enum KmSeedMethod
{
	KM_SEED_PLUSPLUS,			/* greedy k-means++: 2 + floor(ln k) candidates a
								 * step, as scikit-learn; mass = weight x D^2 */
	KM_SEED_RANDOM				/* distinct contents, mass = weight */
} KmSeedMethod;

/*
 * Choose up to k centroids (in the space) into centroids (k x d).  Returns how
 * many: less than k only if there are fewer rows at distinct places.  Uses
 * the chunks' dist2 and bucket.
 */
extern int	km_seed(KmTeam *team, KmRows *rows, const KmSpace *space,
					KmSeedMethod method, int k, uint64_t seed, int run,
					double *centroids);

#endif							/* KM_SEED_H */
