/*
 * stats.h
 *		Statistics of the features, and of the clusters of a finished fit.
 *
 * All are weighted (weights count as copies) and order-free: the same for the
 * same rows in any order and on any number of participants.
 */
#ifndef KM_STATS_H
#define KM_STATS_H

#include "core/rows.h"
#include "core/space.h"
#include "core/sums.h"

typedef struct KmStats
{
	int			d;
	double		total_weight;	/* of all rows */
	int64_t		n;				/* rows of all participants */
	int64_t    *present;		/* d: rows whose value is not NaN */
	double	   *weight;			/* d: their weight */
	double	   *mean;			/* d; NaN if weight is 0 */
	double	   *stddev;			/* d, population; exactly 0 if min = max */
	double	   *variance;		/* d; its square; Infinity where that overflows */
	double	   *min;			/* d, rows of weight 0 included; NaN if none */
	double	   *max;

	/*
	 * What km_grid_create() wants: the largest and the smallest non-zero
	 * magnitude of km_sums_addend(), rows of weight 0 left out.  largest is
	 * Infinity if a value times its weight overflows: such rows cannot be
	 * summed and have to be rejected.
	 */
	double	   *largest;		/* d */
	double	   *smallest;		/* d */
} KmStats;

/*
 * Statistics of the rows in the given space.  Magnitudes up to DBL_MAX are
 * handled (variances are computed on values divided by a power of two).  In a
 * space other than the identity the rows must hold no NaN, and no row of
 * length 0 if the space is cosine.
 */
extern KmStats *km_stats(KmTeam *team, KmRows *rows, const KmSpace *space);
extern void km_stats_free(KmTeam *team, KmStats *stats);

/*
 * Outlier scores of the fitted rows, by weight, in bins under 1 % wide: the
 * bin of a score s > 0 is given by its exponent and the first 7 bits of its
 * mantissa, so its upper edge is at most s * (1 + 1/128); score 0 has a bin of
 * its own, with upper edge 0.
 */
typedef struct KmHistogram
{
	int			nbins;			/* non-empty bins, ascending */
	double	   *upper;			/* nbins: upper edge */
	double	   *weight;			/* nbins */
	double		largest;		/* the largest score of all */
} KmHistogram;

/*
 * The score that (1 - contamination) of the weight does not exceed: the upper
 * edge of its bin, but never more than the largest score.  Without contamination
 * it is the largest, which a row of weight 0 may have.  0 if empty.
 */
extern double km_histogram_threshold(const KmHistogram *histogram,
									 double contamination);

/*
 * Everything that is stored of a finished fit, one entry per cluster, in the
 * order of the centroids given.
 */
typedef struct KmSummary
{
	int			k;
	int			d;
	int64_t    *size;			/* k: rows */
	double	   *weight;			/* k */
	double	   *inertia;		/* k, in the space */
	double	   *radius_rms;		/* k: sqrt(inertia / weight) */
	double	   *radius_max;		/* k: largest distance, weight 0 included */
	double	   *mean;			/* k x d, original units */
	double	   *stddev;
	double	   *min;
	double	   *max;
	double		total_inertia;
	double		total_weight;
	KmHistogram outliers;
} KmSummary;

/*
 * Label every row (chunk->label) with its nearest centroid and compute the
 * summary.  raw are the statistics of the rows in original units.  Clusters
 * may be empty: their weight, radius and inertia are 0, their mean, stddev,
 * min and max NaN.
 *
 * renumbered: NULL, or rows have labels already, and centroid j stands at
 * renumbered[j] now (see KmLloydResult.unique).
 */
extern KmSummary *km_summarize(KmTeam *team, KmRows *rows, const KmSpace *space,
							   const KmStats *raw, const double *centroids, int k,
							   const int32_t *renumbered);
extern void km_summary_free(KmTeam *team, KmSummary *summary);

/*
 * A row's outlier score from its squared distances to all k centroids: the
 * least of distance / radius over the clusters that count as a reference.
 * reference[j] is the radius to divide by, or negative if cluster j is
 * nobody's reference; km_outlier_reference() fills it from a summary's or a
 * model's arrays.  A reference of 0 scores 0 at distance 0, else Infinity.
 */
extern void km_outlier_reference(int k, const int64_t *size, const double *radius_rms,
								 double inertia, double weight, double *reference);
extern double km_outlier_score(int k, const double *dist2, const double *reference);

#endif							/* KM_STATS_H */
