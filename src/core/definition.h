/*
 * definition.h
 *		Squared distances by definition: the sum over features of (z - c)^2, in
 *		IEEE double, feature order, separate multiply and add.
 *
 * Rows are in the space of the fit, as doubles: row i of n is the one at place
 * pick[i] of the rows.  All functions take at most `lanes` rows.
 */
#ifndef KM_DEFINITION_H
#define KM_DEFINITION_H

#include "core/core.h"

typedef struct KmDefinition KmDefinition;

/* for up to max_k centroids; lanes is a multiple of 16, at most KM_TILE */
extern KmDefinition *km_definition_create(KmTeam *team, int d, int max_k, int lanes);
extern void km_definition_free(KmDefinition *definition);

/* k x d centroids, which must stay where they are */
extern void km_definition_set(KmDefinition *definition, const double *centroids, int k);

/* the nearest centroid of each row, the lowest index on a tie, and its distance */
extern void km_definition_nearest(KmDefinition *definition, const double *rows,
								  const int32_t *pick, int n, int32_t *label,
								  double *dist2);

/* the distances to all: all[i * k + j] */
extern void km_definition_all(KmDefinition *definition, const double *rows,
							  const int32_t *pick, int n, double *all);

/* to one centroid each, label[i] */
extern void km_definition_own(KmDefinition *definition, const double *rows,
							  const int32_t *pick, int n, const int32_t *label,
							  double *dist2);

#endif							/* KM_DEFINITION_H */
