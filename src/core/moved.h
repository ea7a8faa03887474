/*
 * moved.h
 *		How many rows have another id than they had in a former clustering.
 */
#ifndef KM_MOVED_H
#define KM_MOVED_H

#include "core/rows.h"
#include "core/space.h"

/*
 * A former clustering, in a space of its own.  Its features are among those of
 * the rows: feature t is the rows' feature source[t].
 */
typedef struct KmFormer
{
	int			k;
	int			d;
	KmSpace		space;
	const double *centroids;	/* k x d, in that space */
	const int32_t *ids;			/* k */
	const int32_t *source;		/* d */
} KmFormer;

/*
 * The share, by weight, of the rows whose id differs.  Now it is
 * ids[chunk->label]; formerly it was that of the nearest centroid, by the
 * definition of a label.  A row that had no place in the former space has moved.
 * Collective; order-free.
 */
extern double km_moved_share(KmTeam *team, KmRows *rows, const KmFormer *former,
							 const int32_t *ids);

#endif							/* KM_MOVED_H */
