/*
 * kernel.h
 *		Distances from rows to centroids, nearest and second nearest.
 *
 * A row's label is, by definition, the lowest index among the smallest sum
 * over features of (z - c)^2, in IEEE double, feature order, separate
 * multiply and add, z being the row in the space of the fit.  Whatever an
 * implementation does inside, that is what these functions return.
 */
#ifndef KM_KERNEL_H
#define KM_KERNEL_H

#include "core/rows.h"
#include "core/space.h"

/* The squared distance of one row (already in the space) to one centroid. */
static inline double
km_kernel_dist2(const double *z, const double *c, int d)
{
	double		sum = 0;

	for (int t = 0; t < d; t++)
	{
		double		diff = z[t] - c[t];

		sum += diff * diff;
	}
	return sum;
}

/*
 * A kernel holds the centroids of one pass in the layout it likes, and its
 * scratch memory.  The centroids are copied by km_kernel_set().
 */
typedef struct KmKernel KmKernel;

extern KmKernel *km_kernel_create(KmTeam *team, const KmSpace *space, int max_k);
extern void km_kernel_set(KmKernel *kernel, const double *centroids, int k);
extern void km_kernel_free(KmKernel *kernel);

/*
 * For each of n rows of a chunk, picked by their places from row `start` (pick
 * NULL: these and those that follow): label[i], and gap[i].  A positive gap says that all other centroids are
 * farther: with d_j the true distance to centroid j, times km_kernel_unit(),
 *
 *		d_label (1 + 2^-51 (d + 8)) + gap <= d_j	for every other j
 *
 * which is enough for the definition to choose the label.
 */
extern void km_kernel_label(KmKernel *kernel, const KmChunk *chunk, int64_t start,
							const int32_t *pick, int n, uint16_t *label,
							float *gap);

/* the unit of gaps, a power of two, which stays from the first centroids on */
extern double km_kernel_unit(KmKernel *kernel);

/*
 * For each of nrows <= KM_TILE raw rows: label[i], and dist2[i], the squared
 * distance to it.  z, if not NULL, receives the rows in the space, row-major
 * (nrows x d).
 */
extern void km_kernel_assign(KmKernel *kernel, const double *values, int nrows,
							 int32_t *label, double *dist2, double *z);

/*
 * The same with labels given: dist2[i] is the squared distance to the centroid
 * label[i].
 */
extern void km_kernel_own(KmKernel *kernel, const double *values, int nrows,
						  const uint16_t *label, double *dist2, double *z);

/*
 * The same rows' squared distances to every centroid: all[i * k + j].
 */
extern void km_kernel_all(KmKernel *kernel, const double *values, int nrows,
						  double *all);

#endif							/* KM_KERNEL_H */
