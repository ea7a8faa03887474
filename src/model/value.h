/*
 * value.h
 *		The value type kmeans_model: one fitted model, whole.
 *
 * In C a model is a KmModel, a struct of pointers.  In SQL it is a varlena
 * (KmModelDatum) that holds the same arrays flat, so that reading one costs no
 * parsing: km_model_unpack() makes a KmModel whose numeric arrays point into
 * the (detoasted) datum.  Its text form is JSON, its binary form a version
 * byte and that same text; km_model_from_json() is the one parser and
 * km_model_validate() the one validator for text, binary and jsonb.
 */
#ifndef KM_VALUE_H
#define KM_VALUE_H

#include "postgres.h"

#include "core/space.h"
#include "core/stats.h"
#include "engine/encode.h"
#include "engine/points.h"

typedef struct KmModel
{
	int			k;
	int			d;				/* features */
	int			ncolumns;
	KmColumn   *columns;
	char	  **features;		/* d names */
	KmMetric	metric;

	/* the space: z = (x - shift) / scale; always d entries */
	double	   *shift;
	double	   *scale;
	double	   *fill;			/* d, or NULL unless on_null is 'mean' */

	/* per cluster, ascending by id */
	int32	   *ids;			/* k; 0 .. k-1 unless ids were carried over */
	double	   *centroids;		/* k x d, in the space */
	int64	   *sizes;
	double	   *weights;
	double	   *cluster_inertia;
	double	   *radius_rms;
	double	   *radius_max;
	double	   *mean;			/* k x d, original units */
	double	   *stddev;
	double	   *min;
	double	   *max;
	char	  **labels;			/* k, entries may be NULL */

	double		inertia;
	double		total_ss;		/* inertia of one cluster on the same rows */
	int64		n_rows;
	int64		n_skipped;
	int			n_iter;
	bool		converged;
	int64		seed;
	char	   *options;		/* JSON object text: the options of the fit */
	KmHistogram outliers;
} KmModel;

/* the words "euclidean" and "cosine"; parse gives false for any other */
extern const char *km_metric_name(KmMetric metric);
extern bool km_metric_parse(const char *name, KmMetric *metric);

/* the space of a model, for the core; identity if nothing is scaled */
extern KmSpace km_model_space(const KmModel *model);

/*
 * The flat form, palloc'd in the current context.  Equal models are equal
 * bytes: -0 is stored as 0, the options as the text of their jsonb.
 */
extern struct varlena *km_model_pack(const KmModel *model);

/*
 * Unpack a detoasted datum.  Structs, pointer arrays and strings are palloc'd
 * in (or point into the datum from) the current context; the datum must live
 * as long as the model.  A datum whose sizes do not fit together, or with
 * values that km_model_validate() would refuse, raises XX001.
 */
extern KmModel *km_model_unpack(struct varlena *datum);

/* JSON text in and out; errors are 22P02 and name the key */
extern char *km_model_to_json(const KmModel *model);
extern KmModel *km_model_from_json(const char *json);

/*
 * Check that everything fits together: shapes, ranges, finite numbers,
 * ascending ids, names.  Returns NULL, or a palloc'd text of what is wrong,
 * which names the key: key "sizes": ...
 *
 * mean, stddev, min and max are NaN (null in JSON) only for a cluster of
 * weight 0; the histogram's last upper edge and largest score may be Infinity.
 */
extern char *km_model_validate(const KmModel *model);

/*
 * Its parts, for whoever cannot build a model before some of them hold: the
 * three counts; the columns' kinds and numbers of features; and everything
 * else that code which uses a model relies on, but for names.
 */
extern char *km_model_validate_counts(int64 k, int64 d, int64 ncolumns);
extern char *km_model_validate_columns(const KmModel *model);
extern char *km_model_validate_values(const KmModel *model);

/* index of the cluster with this id, or -1 */
extern int	km_model_find_cluster(const KmModel *model, int32 id);

#endif							/* KM_VALUE_H */
