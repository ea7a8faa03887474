/*
 * plot.h
 *		The pictures of a model, for functions that return one, and for the
 *		page that has them all.
 *
 * Each appends one <svg> element.  alone: it is a document of its own, and
 * brings its style sheet and its heading.
 */
#ifndef KM_PLOT_H
#define KM_PLOT_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "model/evaluate.h"
#include "model/feed.h"

/* rows in a picture, unless the caller wants another number */
#define KM_PLOT_POINTS	2000

/* How kmeans_plot draws. */
typedef struct KmPlotLook
{
	int			x;				/* a feature; -1: not named */
	int			y;				/* the same; not without x */
	int64		max_points;
	int			width;
	int			height;
	const char *title;			/* empty: none */
	bool		alone;
} KmPlotLook;

/*
 * The rows of the feed by cluster, with centroids and a legend, on the named
 * features, or on the only two there are, or on principal components.
 */
extern void km_plot_rows(StringInfo out, const KmFeed *feed, const KmPlotLook *look);

/*
 * The indexes of the clusters with the largest weights, ascending; wanted: how
 * many, at most k.
 */
extern int *km_plot_largest(const KmModel *model, int wanted);

/* a heat map of the clusters' means, in standard deviations of all rows */
extern void km_plot_profile(StringInfo out, const KmModel *model, const char *title,
							bool alone);

/* the silhouettes of the rows of an evaluation, cluster by cluster */
extern void km_plot_silhouette(StringInfo out, const KmModel *model,
							   const KmEvaluation *evaluation, const char *title,
							   bool alone);

/* "segments" or "segments@3", as it is spoken of */
extern char *km_plot_model_name(const KmModelRef *ref);

/* the label of cluster j, else "cluster 7" */
extern char *km_plot_label(const KmModel *model, int j);

/* 1 to 1000000; 22023 otherwise */
extern int64 km_plot_max_points(int32 max_points);

#endif							/* KM_PLOT_H */
