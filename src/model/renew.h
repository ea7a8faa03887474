/*
 * renew.h
 *		A new fit of an old model: which new cluster is which old one.
 */
#ifndef KM_RENEW_H
#define KM_RENEW_H

#include "postgres.h"

#include "core/moved.h"
#include "engine/driver.h"
#include "model/value.h"

/* For KmFitParams.numbering, with a KmRenewal as its argument. */
typedef struct KmRenewal
{
	const KmModel *old;
	const int  *place;			/* of the old features among the new ones */
	int32		max_id;			/* the highest id that any version ever used */
	double		max_shift;		/* result of the numbering: how far, at most, a
								 * cluster has moved, in the new space */
} KmRenewal;

/*
 * Where the features of an old model are among those of new columns: palloc'd,
 * old->d places.  The columns must be the same, but a category column may have
 * got further categories, behind the old ones.  Otherwise NULL.
 */
extern int *km_renew_place(const KmModel *old, const KmColumn *columns, int ncolumns);

/*
 * Give new clusters the ids of the old ones: least total squared distance in
 * the new space, to where the old centroids lie there.  Clusters beyond the
 * old ones get ids never used before.
 */
extern void km_renew_number(void *renewal, const double *centroids, int k,
							const KmSpace *space, int32 *ids);

/*
 * Start one run from the old centroids, carried into the new space.  Leaves
 * params as they are if that cannot be: there are fewer centroids than
 * clusters are asked for, or one has no direction in the new space (cosine).
 */
extern void km_renew_start(const KmRenewal *renewal, const KmSpace *space,
						   KmFitParams *params);

/* the old model as a clustering of the rows of the new fit */
extern KmFormer *km_renew_former(const KmRenewal *renewal);

/* Give a new model the labels of the old clusters with the same ids. */
extern void km_renew_labels(const KmModel *old, KmModel *new_model);

#endif							/* KM_RENEW_H */
