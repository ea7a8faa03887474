/*
 * points.h
 *		The rows of one fit, packed.
 *
 * A KmPoints owns one memory context.  Rows are appended, then finished (NULLs
 * filled, rows without a direction dropped, the space fixed), then handed to
 * the core as KmRows.  Order of calls:
 *
 *		km_points_create
 *		km_points_append ... (row by row, d values and a weight)
 *		km_points_finish
 *		km_points_rows, km_points_space, km_points_stats
 *		MemoryContextDelete(km_points_context())
 */
#ifndef KM_POINTS_H
#define KM_POINTS_H

#include "postgres.h"

#include "core/rows.h"
#include "core/space.h"
#include "core/stats.h"

typedef enum KmMetric
{
	KM_METRIC_EUCLIDEAN,
	KM_METRIC_COSINE
} KmMetric;

typedef enum KmScale
{
	KM_SCALE_NONE,
	KM_SCALE_STANDARD,
	KM_SCALE_MINMAX
} KmScale;

typedef enum KmOnNull
{
	KM_ON_NULL_SKIP,
	KM_ON_NULL_ERROR,
	KM_ON_NULL_MEAN
} KmOnNull;

typedef struct KmPoints KmPoints;

/*
 * A team of one for the current backend: memory from cxt, interrupts from
 * CHECK_FOR_INTERRUPTS.
 */
extern KmTeam *km_points_team(MemoryContext cxt);

/*
 * A store for rows of d values in a new child of parent.  weighted: rows come
 * with a weight.  unscaled: refuse rows whose squares overflow as they come.
 */
extern KmPoints *km_points_create(MemoryContext parent, int d, bool weighted);

/*
 * Room for one more row: the caller writes d values (NaN: missing) and then
 * calls km_points_push, or does not and the room is used for the next row.
 */
extern double *km_points_room(KmPoints *points);
extern void km_points_push(KmPoints *points, double weight);

/*
 * All rows are in.  Compute the statistics of the raw values, fill what is
 * missing with the means if there is anything missing (on_null => 'mean';
 * 22023 for a feature without any value, named by features[t]), fix the space
 * for scale and metric, drop rows of length 0 (cosine).  n_dropped receives
 * their number.  skip_category[t]: feature t keeps shift 0 and scale 1.
 */
extern void km_points_finish(KmPoints *points, KmScale scale, KmMetric metric,
							 char *const *features, const bool *is_category,
							 int64 *n_dropped);

extern int64 km_points_count(const KmPoints *points);
extern MemoryContext km_points_context(const KmPoints *points);
extern KmTeam *km_points_get_team(const KmPoints *points);
extern KmRows *km_points_rows(const KmPoints *points);
extern const KmSpace *km_points_space(const KmPoints *points);

/* statistics of the raw rows, as filled */
extern const KmStats *km_points_stats(const KmPoints *points);

/* d means that NULLs were filled with, or NULL if on_null was not 'mean' */
extern const double *km_points_fill(const KmPoints *points);

#endif							/* KM_POINTS_H */
