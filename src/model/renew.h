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
	const int  *place;			/* of the old features among the new ones */
	int32		max_id;			/* the highest id that any version ever used */
} KmRenewal;

/*
 * Where the features of an old model are among those of new columns: palloc'd,
 * old->d places.  The columns must be the same, but a category column may have
 * got further categories, behind the old ones.  Otherwise NULL.
 */
extern int *km_renew_place(const KmModel *old, const KmColumn *columns, int ncolumns);

/* 54000 if comparing old clusters with k new ones would take too much memory */
extern void km_renew_check(const KmModel *old, int k);

/*
 * The centroids of the old model in a new space of space->d features: palloc'd,
 * k rows.  Features that it did not have are categories that none of its rows
 * had.
 */
extern double *km_renew_carry(const KmModel *old, const int *place, const KmSpace *space);

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
