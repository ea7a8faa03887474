/*
 * oversample.h
 *		k-means|| on the rows of a line.
 */
#ifndef KM_OVERSAMPLE_H
#define KM_OVERSAMPLE_H

#include "core/line.h"

/* how many centroids at once a line for this has to take */
extern int	km_oversample_size(int k);

/*
 * Choose up to k centroids; less than k only if there are fewer rows at
 * distinct places.  The line has no distances yet.
 */
extern int	km_oversample(KmLine *line, const KmGrid *grid, int k, int run,
						  double *centroids);

#endif							/* KM_OVERSAMPLE_H */
