/*
 * registry_change.h
 *		Changing a model's row in kmeans_catalog.
 *
 * Private to the registry.  Every change of a model, wherever its rows are,
 * also raises the revision of this row, and does so first.  The row is thus
 * where two transactions meet that the lock did not keep apart: one that keeps
 * an old snapshot fails there (40001) instead of working on top of changes that
 * it does not see.
 *
 *		KmCatalogChange change = {0};
 *
 *		km_change_set(&change, column, value); ...
 *		km_change_model(ref, snapshot, &change);
 */
#ifndef KM_REGISTRY_CHANGE_H
#define KM_REGISTRY_CHANGE_H

#include "postgres.h"

#include "model/catalog.h"
#include "model/registry.h"

/* new values for some columns of a row of kmeans_catalog */
typedef struct KmCatalogChange
{
	Datum		values[KM_CATALOG_COLUMNS];
	bool		isnull[KM_CATALOG_COLUMNS];
	bool		replace[KM_CATALOG_COLUMNS];
} KmCatalogChange;

extern void km_change_set(KmCatalogChange *change, int column, Datum value);

/* write the change, and the next revision, to the row the scan stands on */
extern void km_change_apply(KmCatalogChange *change, KmScan *scan);

/*
 * A scan that stands on the row of a locked model.  The lock keeps others off it,
 * but not the functions that its source calls: 55006 if one of them has changed
 * it, since the change that is to come was made from what is no longer there.
 */
extern KmScan *km_change_open(const KmModelRef *ref, Snapshot snapshot);

/* open, apply and close, for a change that does not depend on the row */
extern void km_change_model(const KmModelRef *ref, Snapshot snapshot,
							KmCatalogChange *change);

/* 42704, with the versions there are, unless the model has this one */
extern void km_registry_check_version(const KmModelRef *ref, int version,
									  Snapshot snapshot);

#endif							/* KM_REGISTRY_CHANGE_H */
