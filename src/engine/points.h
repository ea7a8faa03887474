/*
 * points.h
 *		The rows of one fit, packed.
 *
 * Rows are appended, then finished (NULLs
 * filled, rows without a direction dropped, the space fixed), then handed to
 * the core as KmRows.  Order of calls:
 *
 *		km_points_create
 *		km_store_room, km_store_push		(row by row)
 *		km_points_finish
 *		km_points_rows, km_points_space, km_points_stats, ...
 *		km_points_close
 *
 * An aggregate used over a growing window frame goes on appending after a
 * km_points_finish and finishes again: with keep, rows as they came are never
 * changed.
 */
#ifndef KM_POINTS_H
#define KM_POINTS_H

#include "postgres.h"

#include "core/rows.h"
#include "core/space.h"
#include "core/stats.h"
#include "engine/column.h"
#include "engine/store.h"

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
 * A store for this participant's rows of d values, in memory from cxt.
 * weighted: rows come with a weight.  budget is the memory, in bytes, that the
 * rows of all participants may take; each has an equal part, and beyond it uses
 * temporary files.
 */
extern KmPoints *km_points_create(const KmTeam *team, MemoryContext cxt, int d,
								  bool weighted, Size budget);

/*
 * No row is needed any more: close the files, free the memory.  The numbers
 * stay.  (All of that happens with the memory context as well, and files are
 * closed by the end of the transaction.  But those that were made in a
 * subtransaction must not be open at its end, and memory takes time to give
 * back, which participants of a team do better at the same time.)
 */
extern void km_points_close(KmPoints *points);

/* From now on the rows are those of this participant of the team. */
extern void km_points_join(KmPoints *points, const KmTeam *team);

/* where rows are pushed; a missing value is NaN */
extern KmStore *km_points_store(const KmPoints *points);

typedef struct KmPointsSpec
{
	KmScale		scale;
	KmMetric	metric;
	KmOnNull	on_null;
	char	   *const *features;	/* d names, for errors */
	const KmColumn *columns;	/* categories among them are not scaled; NULL: no
								 * column is one */
	int			ncolumns;
	const KmSpace *space;		/* the space of other rows, which outlives these: to
								 * be used in place of scale and metric; or NULL */
	bool		keep;			/* rows are needed again: work on a copy where rows
								 * would change */
} KmPointsSpec;

/*
 * All rows are in (at least one, of any participant); a collective operation,
 * as are all numbers that it returns or keeps.  Computes the statistics of the raw values,
 * fills what is missing with the weighted means (on_null => 'mean'), fixes the
 * space, drops rows of length 0 (cosine).  Returns how many it dropped.
 *
 * Errors: 22023 for a feature without any value or if no weight is positive,
 * 22003 if squares overflow, 22004 for a row of length 0 with on_null =>
 * 'error'.
 */
extern int64 km_points_finish(KmPoints *points, const KmPointsSpec *spec);

/* Free what km_points_finish has made, if anything; the rows as pushed stay. */
extern void km_points_unfinish(KmPoints *points);

/* this participant's rows as pushed */
extern int64 km_points_pushed(const KmPoints *points);

/* everybody's rows without the dropped ones, after km_points_finish */
extern int64 km_points_count(const KmPoints *points);

extern KmTeam *km_points_get_team(const KmPoints *points);
extern KmRows *km_points_rows(KmPoints *points);
extern const KmSpace *km_points_space(const KmPoints *points);

/* statistics of the raw rows, as filled */
extern const KmStats *km_points_stats(const KmPoints *points);

/* d means that NULLs are filled with, or NULL unless on_null is 'mean' */
extern const double *km_points_fill(const KmPoints *points);

/* and were there any? */
extern bool km_points_filled(const KmPoints *points);

#endif							/* KM_POINTS_H */
