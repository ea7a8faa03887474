/*
 * value_keys.h
 *		The keys of a kmeans_model's text form, private to its writer
 *		(value_json.c) and its reader (value_parse.c, value_build.c).
 *
 *		{"format": 1, "k": 2, "columns": [{"name": "a", "kind": "number"}],
 *		 "features": ["a"], "metric": "euclidean", "shift": [0], ...}
 *
 * What a key holds, and where its value belongs in the C structs, is said once,
 * in three tables, one for each kind of object; writing and reading both follow
 * them.  Every array has an extent (clusters, features, ...), the same for all
 * arrays that share it.
 *
 * A NaN (mean etc. of a cluster without weight) is null; Infinity (the end of
 * the outlier histogram) is the text "Infinity".
 */
#ifndef KM_VALUE_KEYS_H
#define KM_VALUE_KEYS_H

#include "model/value.h"

/* the only value of the key "format" */
#define KM_JSON_FORMAT	1

/* What the elements of a key are, and the C type they are kept as. */
typedef enum KmElement
{
	KM_JSON_REAL,				/* double */
	KM_JSON_INT,				/* int32 */
	KM_JSON_BIGINT,				/* int64 */
	KM_JSON_BOOLEAN,			/* bool */
	KM_JSON_TEXT,				/* char * */
	KM_JSON_FORMAT_NUMBER,		/* int32, not stored */
	KM_JSON_METRIC,				/* KmMetric, as its word */
	KM_JSON_KIND,				/* KmColumnKind, as its word */
	KM_JSON_COLUMNS,			/* array of objects: KmColumn */
	KM_JSON_HISTOGRAM,			/* object: KmHistogram */
	KM_JSON_OPTIONS				/* any object, as text: char * */
} KmElement;

/* How many there are. */
typedef enum KmExtent
{
	KM_ONE,						/* the value itself, no array */
	KM_PER_CLUSTER,
	KM_PER_FEATURE,
	KM_PER_CATEGORY,
	KM_PER_BIN
} KmExtent;

#define KM_EXTENTS (KM_PER_BIN + 1)

/* flags */
#define KM_NULLABLE		0x01	/* null instead of the whole value */
#define KM_NULLS		0x02	/* null for an element: NaN, no text */
#define KM_INFINITY		0x04	/* "Infinity" for an element */
#define KM_OPTIONAL		0x08	/* the key may be absent */

typedef struct KmKey
{
	const char *name;
	KmElement	element;
	KmExtent	rows;			/* arrays: length of the outer one */
	KmExtent	width;			/* matrices: length of the inner ones */
	int			flags;
	size_t		offset;			/* of the value, or of the pointer to an array */
} KmKey;

enum
{
	KEY_FORMAT, KEY_K, KEY_COLUMNS, KEY_FEATURES, KEY_METRIC, KEY_SHIFT, KEY_SCALE,
	KEY_FILL, KEY_IDS, KEY_CENTROIDS, KEY_SIZES, KEY_WEIGHTS, KEY_CLUSTER_INERTIA,
	KEY_RADIUS_RMS, KEY_RADIUS_MAX, KEY_MEAN, KEY_STDDEV, KEY_MIN, KEY_MAX, KEY_LABELS,
	KEY_INERTIA, KEY_TOTAL_SS, KEY_N_ROWS, KEY_N_SKIPPED, KEY_N_ITER, KEY_CONVERGED,
	KEY_SEED, KEY_OPTIONS, KEY_HISTOGRAM, MODEL_KEYS
};

enum
{
	KEY_NAME, KEY_KIND, KEY_LENGTH, KEY_CATEGORIES, COLUMN_KEYS
};

enum
{
	KEY_UPPER, KEY_WEIGHT, KEY_LARGEST, HISTOGRAM_KEYS
};

/* in the order in which they are written */
extern const KmKey km_model_keys[MODEL_KEYS];
extern const KmKey km_column_keys[COLUMN_KEYS];
extern const KmKey km_histogram_keys[HISTOGRAM_KEYS];

/*
 * Whether an optional key has no place in this object (base: the struct that
 * the key's table is about), because it would say nothing.
 */
extern bool km_key_absent(const KmKey *key, const void *base);

#endif							/* KM_VALUE_KEYS_H */
