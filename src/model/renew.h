/*
 * renew.h
 *		A new fit of an old model: which new cluster is which old one.
 */
#ifndef KM_RENEW_H
#define KM_RENEW_H

#include "postgres.h"

#include "engine/driver.h"
#include "model/value.h"

/* For KmFitParams.numbering, with a KmRenewal as its argument. */
typedef struct KmRenewal
{
	const KmModel *old;
	int32		max_id;			/* the highest id that any version ever used */
} KmRenewal;

/* Has the old model these d features, in this order? */
extern bool km_renew_same_features(const KmModel *old, char *const *features, int d);

/* 54000 if comparing old clusters with k new ones would take too much memory */
extern void km_renew_check(const KmModel *old, int k);

/*
 * Give new clusters the ids of the old ones: least total squared distance in
 * the new space, to where the old centroids lie there.  Clusters beyond the
 * old ones get ids never used before.
 */
extern void km_renew_number(void *renewal, const double *centroids, int k,
							const KmSpace *space, int32 *ids);

/* Give a new model the labels of the old clusters with the same ids. */
extern void km_renew_labels(const KmModel *old, KmModel *new_model);

#endif							/* KM_RENEW_H */
