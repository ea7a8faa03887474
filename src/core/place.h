/*
 * place.h
 *		Labelling raw rows by centroids in a space that is not the rows' own.
 *
 * For comparing clusterings: the features of the centroids are some of those of
 * the rows.
 */
#ifndef KM_PLACE_H
#define KM_PLACE_H

#include "core/kernel.h"

#define KM_PLACE_NONE	(-1)	/* a value is missing, or the row has no direction */
#define KM_PLACE_FAR	(-2)	/* squared distances would overflow */

typedef struct KmPlacer KmPlacer;

/*
 * k centroids in the space, whose feature t is the rows' feature source[t].
 * What is passed must stay.
 */
extern KmPlacer *km_placer_create(KmTeam *team, const KmSpace *space,
								  const double *centroids, int k,
								  const int32_t *source);
extern void km_placer_free(KmPlacer *placer);

/*
 * The labels of n <= KM_TILE raw rows of d features each: the nearest centroid,
 * by the definition of a label, or KM_PLACE_NONE or KM_PLACE_FAR.
 */
extern void km_placer_label(KmPlacer *placer, const double *values, int d, int n,
							int32_t *label);

#endif							/* KM_PLACE_H */
