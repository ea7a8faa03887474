/*
 * value_json.c
 *		The text form of a kmeans_model.
 *
 *		{"format": 1, "k": 2, "columns": [{"name": "a", "kind": "number"}],
 *		 "features": ["a"], "metric": "euclidean", "shift": [0], ...}
 *
 * What a key holds, and where its value belongs in the C structs, is said once,
 * in the tables below; writing and reading both follow them.  Every array has
 * an extent (clusters, features, ...), the same for all arrays that share it.
 *
 * Reading goes through PostgreSQL's JSON parser and its callbacks, not through
 * jsonb: a jsonb array ends at 256 MB, which a large model exceeds, and a jsonb
 * number would be converted twice.  The callbacks collect the numbers and texts
 * of each key in a KmSlot; since keys may come in any order, lengths are
 * compared only when the object is complete (take_object).  At any point only
 * the kind of value that the current key expects is accepted, so that depth
 * and memory are bounded by the model's own limits; only the options, any JSON
 * object, are skipped over and kept as text.
 *
 * Numbers are written with the fewest digits that read back as the same
 * double, whatever extra_float_digits says.  A NaN (mean etc. of a cluster
 * without weight) is null; Infinity (the outlier histogram's end) is the text
 * "Infinity".
 */
#include "postgres.h"

#include <errno.h>
#include <math.h>

#include "common/shortest_dec.h"
#include "compat.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "model/value.h"
#include "utils/float.h"
#include "utils/json.h"

#define KM_JSON_FORMAT	1

/* the deepest nesting, and the longest number, inside the options */
#define KM_OPTIONS_DEPTH	8
#define KM_OPTIONS_NUMBER	400

/* How much of a stranger's text an error message repeats, in bytes. */
#define KM_QUOTE_LENGTH		64

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

#define MODEL(field) offsetof(KmModel, field)

static const KmKey model_keys[MODEL_KEYS] = {
	[KEY_FORMAT] = {"format", KM_JSON_FORMAT_NUMBER, KM_ONE, KM_ONE, 0, 0},
	[KEY_K] = {"k", KM_JSON_INT, KM_ONE, KM_ONE, 0, MODEL(k)},
	[KEY_COLUMNS] = {"columns", KM_JSON_COLUMNS, KM_ONE, KM_ONE, 0, MODEL(columns)},
	[KEY_FEATURES] = {"features", KM_JSON_TEXT, KM_PER_FEATURE, KM_ONE, 0, MODEL(features)},
	[KEY_METRIC] = {"metric", KM_JSON_METRIC, KM_ONE, KM_ONE, 0, MODEL(metric)},
	[KEY_SHIFT] = {"shift", KM_JSON_REAL, KM_PER_FEATURE, KM_ONE, 0, MODEL(shift)},
	[KEY_SCALE] = {"scale", KM_JSON_REAL, KM_PER_FEATURE, KM_ONE, 0, MODEL(scale)},
	[KEY_FILL] = {"fill", KM_JSON_REAL, KM_PER_FEATURE, KM_ONE, KM_NULLABLE, MODEL(fill)},
	[KEY_IDS] = {"ids", KM_JSON_INT, KM_PER_CLUSTER, KM_ONE, KM_OPTIONAL, MODEL(ids)},
	[KEY_CENTROIDS] = {"centroids", KM_JSON_REAL, KM_PER_CLUSTER, KM_PER_FEATURE, 0, MODEL(centroids)},
	[KEY_SIZES] = {"sizes", KM_JSON_BIGINT, KM_PER_CLUSTER, KM_ONE, 0, MODEL(sizes)},
	[KEY_WEIGHTS] = {"weights", KM_JSON_REAL, KM_PER_CLUSTER, KM_ONE, 0, MODEL(weights)},
	[KEY_CLUSTER_INERTIA] = {"cluster_inertia", KM_JSON_REAL, KM_PER_CLUSTER, KM_ONE, 0, MODEL(cluster_inertia)},
	[KEY_RADIUS_RMS] = {"radius_rms", KM_JSON_REAL, KM_PER_CLUSTER, KM_ONE, 0, MODEL(radius_rms)},
	[KEY_RADIUS_MAX] = {"radius_max", KM_JSON_REAL, KM_PER_CLUSTER, KM_ONE, 0, MODEL(radius_max)},
	[KEY_MEAN] = {"mean", KM_JSON_REAL, KM_PER_CLUSTER, KM_PER_FEATURE, KM_NULLS, MODEL(mean)},
	[KEY_STDDEV] = {"stddev", KM_JSON_REAL, KM_PER_CLUSTER, KM_PER_FEATURE, KM_NULLS, MODEL(stddev)},
	[KEY_MIN] = {"min", KM_JSON_REAL, KM_PER_CLUSTER, KM_PER_FEATURE, KM_NULLS, MODEL(min)},
	[KEY_MAX] = {"max", KM_JSON_REAL, KM_PER_CLUSTER, KM_PER_FEATURE, KM_NULLS, MODEL(max)},
	[KEY_LABELS] = {"labels", KM_JSON_TEXT, KM_PER_CLUSTER, KM_ONE, KM_NULLS, MODEL(labels)},
	[KEY_INERTIA] = {"inertia", KM_JSON_REAL, KM_ONE, KM_ONE, 0, MODEL(inertia)},
	[KEY_TOTAL_SS] = {"total_ss", KM_JSON_REAL, KM_ONE, KM_ONE, 0, MODEL(total_ss)},
	[KEY_N_ROWS] = {"n_rows", KM_JSON_BIGINT, KM_ONE, KM_ONE, 0, MODEL(n_rows)},
	[KEY_N_SKIPPED] = {"n_skipped", KM_JSON_BIGINT, KM_ONE, KM_ONE, 0, MODEL(n_skipped)},
	[KEY_N_ITER] = {"n_iter", KM_JSON_INT, KM_ONE, KM_ONE, 0, MODEL(n_iter)},
	[KEY_CONVERGED] = {"converged", KM_JSON_BOOLEAN, KM_ONE, KM_ONE, 0, MODEL(converged)},
	[KEY_SEED] = {"seed", KM_JSON_BIGINT, KM_ONE, KM_ONE, 0, MODEL(seed)},
	[KEY_OPTIONS] = {"options", KM_JSON_OPTIONS, KM_ONE, KM_ONE, 0, MODEL(options)},
	[KEY_HISTOGRAM] = {"outlier_histogram", KM_JSON_HISTOGRAM, KM_ONE, KM_ONE, 0, MODEL(outliers)},
};

enum
{
	KEY_NAME, KEY_KIND, KEY_LENGTH, KEY_CATEGORIES, COLUMN_KEYS
};

static const KmKey column_keys[COLUMN_KEYS] = {
	[KEY_NAME] = {"name", KM_JSON_TEXT, KM_ONE, KM_ONE, 0, offsetof(KmColumn, name)},
	[KEY_KIND] = {"kind", KM_JSON_KIND, KM_ONE, KM_ONE, 0, offsetof(KmColumn, kind)},
	[KEY_LENGTH] = {"length", KM_JSON_INT, KM_ONE, KM_ONE, KM_OPTIONAL, offsetof(KmColumn, nfeatures)},
	[KEY_CATEGORIES] = {"categories", KM_JSON_TEXT, KM_PER_CATEGORY, KM_ONE, KM_OPTIONAL, offsetof(KmColumn, categories)},
};

enum
{
	KEY_UPPER, KEY_WEIGHT, KEY_LARGEST, HISTOGRAM_KEYS
};

static const KmKey histogram_keys[HISTOGRAM_KEYS] = {
	[KEY_UPPER] = {"upper", KM_JSON_REAL, KM_PER_BIN, KM_ONE, KM_INFINITY, offsetof(KmHistogram, upper)},
	[KEY_WEIGHT] = {"weight", KM_JSON_REAL, KM_PER_BIN, KM_ONE, 0, offsetof(KmHistogram, weight)},
	[KEY_LARGEST] = {"max", KM_JSON_REAL, KM_ONE, KM_ONE, KM_INFINITY, offsetof(KmHistogram, largest)},
};

/* The elements read for one key. */
typedef struct KmSlot
{
	bool		seen;
	bool		isnull;			/* null instead of the value */
	int			n;				/* elements, of all rows */
	int			capacity;
	int			rows;			/* matrices: complete rows, each width long */
	int			width;
	union
	{
		void	   *any;
		double	   *reals;
		int64	   *integers;
		char	  **texts;
	}			values;
} KmSlot;

/* An object being read. */
typedef struct KmObject
{
	const KmKey *keys;
	int			nkeys;
	KmSlot	   *slots;			/* nkeys */
	int			key;			/* the one whose value is read, or -1 */
	int			nesting;		/* arrays open inside that value */
} KmObject;

/* The state of the parser's callbacks. */
typedef struct KmReading
{
	JsonLexContext *lexer;
	KmObject   *object;			/* the innermost one; NULL outside */
	KmObject	model;
	KmObject	column;
	KmObject	histogram;

	KmColumn   *columns;		/* complete ones */
	int			ncolumns;
	int			capacity;
	bool		columns_open;	/* inside the array of columns */
	KmHistogram outliers;

	int			options_depth;	/* nesting inside the options */
	char	   *options_start;	/* in the JSON text */
	char	   *options;
} KmReading;

/* writing */
static void write_object(StringInfo out, const KmKey *keys, int nkeys,
						 const void *base, const int *counts);
static bool is_absent(const KmKey *key, const void *base);
static void write_value(StringInfo out, const KmKey *key, const void *base,
						const int *counts);
static void write_columns(StringInfo out, const KmModel *model);
static void write_histogram(StringInfo out, const KmHistogram *outliers);
static void write_array(StringInfo out, const KmKey *key, const char *array,
						const int *counts);
static void write_element(StringInfo out, KmElement element, const char *value);
static void write_real(StringInfo out, double value);
static void write_text(StringInfo out, const char *text);

/* reading */
static void init_object(KmObject *object, const KmKey *keys, int nkeys);
static KmJsonResult on_object_start(void *arg);
static KmJsonResult on_object_end(void *arg);
static KmJsonResult on_array_start(void *arg);
static KmJsonResult on_array_end(void *arg);
static KmJsonResult on_field_start(void *arg, char *name, bool isnull);
static KmJsonResult on_field_end(void *arg, char *name, bool isnull);
static KmJsonResult on_scalar(void *arg, char *token, JsonTokenType type);
static void begin_field(KmReading *reading, char *name);
static void end_row(KmReading *reading);
static void add_scalar(KmReading *reading, char *token, JsonTokenType type);
static void check_options_scalar(KmReading *reading, char *token, JsonTokenType type);
static void deepen_options(KmReading *reading);
static void *add_room(KmReading *reading, KmSlot *slot, Size size);
static double parse_real(KmReading *reading, const char *token);
static int64 parse_integer(KmReading *reading, const char *token, bool small);
static void end_column(KmReading *reading);
static void end_histogram(KmReading *reading);
static KmModel *end_model(KmReading *reading);
static void check_complete(KmReading *reading);
static void take_object(KmReading *reading, void *base, const int *counts);
static void take_value(KmReading *reading, const KmKey *key, KmSlot *slot, void *base);
static void *narrow(const KmSlot *slot);
static int	depth_of(const KmKey *key);
static const char *expected(const KmKey *key);
static char *quote(const char *text);
static void bad_value(KmReading *reading, const char *format,...)
			pg_attribute_printf(2, 3) pg_attribute_noreturn();
static void malformed(const char *problem) pg_attribute_noreturn();

/* ---- Model to text ---- */

char *
km_model_to_json(const KmModel *model)
{
	StringInfoData out;
	int			counts[KM_EXTENTS] = {
		[KM_ONE] = 1,
		[KM_PER_CLUSTER] = model->k,
		[KM_PER_FEATURE] = model->d,
	};

	initStringInfo(&out);
	write_object(&out, model_keys, MODEL_KEYS, model, counts);
	return out.data;
}

static void
write_object(StringInfo out, const KmKey *keys, int nkeys, const void *base,
			 const int *counts)
{
	const char *separator = "";

	appendStringInfoChar(out, '{');
	for (int i = 0; i < nkeys; i++)
	{
		if (is_absent(&keys[i], base))
			continue;
		appendStringInfo(out, "%s\"%s\": ", separator, keys[i].name);
		write_value(out, &keys[i], base, counts);
		separator = ", ";
	}
	appendStringInfoChar(out, '}');
}

/* Optional keys are written only where they say something. */
static bool
is_absent(const KmKey *key, const void *base)
{
	if (key == &model_keys[KEY_IDS])
	{
		const KmModel *model = base;

		/* ascending and distinct, so the last one tells */
		return model->ids[model->k - 1] == model->k - 1;
	}
	if (key == &column_keys[KEY_LENGTH])
		return ((const KmColumn *) base)->kind != KM_COLUMN_ARRAY;
	if (key == &column_keys[KEY_CATEGORIES])
		return ((const KmColumn *) base)->kind != KM_COLUMN_CATEGORY;
	return false;
}

static void
write_value(StringInfo out, const KmKey *key, const void *base, const int *counts)
{
	const char *value = (const char *) base + key->offset;

	switch (key->element)
	{
		case KM_JSON_FORMAT_NUMBER:
			appendStringInfo(out, "%d", KM_JSON_FORMAT);
			break;
		case KM_JSON_METRIC:
			write_text(out, km_metric_name(*(const KmMetric *) value));
			break;
		case KM_JSON_KIND:
			write_text(out, km_column_kind_name(*(const KmColumnKind *) value));
			break;
		case KM_JSON_COLUMNS:
			write_columns(out, base);
			break;
		case KM_JSON_HISTOGRAM:
			write_histogram(out, (const KmHistogram *) value);
			break;
		case KM_JSON_OPTIONS:
			appendStringInfoString(out, *(char *const *) value);
			break;
		default:
			if (key->rows == KM_ONE)
				write_element(out, key->element, value);
			else
				write_array(out, key, *(char *const *) value, counts);
			break;
	}
}

static void
write_columns(StringInfo out, const KmModel *model)
{
	appendStringInfoChar(out, '[');
	for (int c = 0; c < model->ncolumns; c++)
	{
		const KmColumn *column = &model->columns[c];
		int			counts[KM_EXTENTS] = {[KM_ONE] = 1,[KM_PER_CATEGORY] = column->nfeatures};

		if (c > 0)
			appendStringInfoString(out, ", ");
		write_object(out, column_keys, COLUMN_KEYS, column, counts);
	}
	appendStringInfoChar(out, ']');
}

static void
write_histogram(StringInfo out, const KmHistogram *outliers)
{
	int			counts[KM_EXTENTS] = {[KM_ONE] = 1,[KM_PER_BIN] = outliers->nbins};

	write_object(out, histogram_keys, HISTOGRAM_KEYS, outliers, counts);
}

static Size
size_of(KmElement element)
{
	switch (element)
	{
		case KM_JSON_REAL:
			return sizeof(double);
		case KM_JSON_INT:
			return sizeof(int32);
		case KM_JSON_BIGINT:
			return sizeof(int64);
		default:
			return sizeof(char *);
	}
}

/* array is NULL for a value that is null */
static void
write_array(StringInfo out, const KmKey *key, const char *array, const int *counts)
{
	int			rows = counts[key->rows];
	int			width = counts[key->width];
	Size		size = size_of(key->element);

	if (array == NULL)
	{
		appendStringInfoString(out, "null");
		return;
	}

	appendStringInfoChar(out, '[');
	for (int r = 0; r < rows; r++)
	{
		CHECK_FOR_INTERRUPTS();
		if (r > 0)
			appendStringInfoChar(out, ',');
		if (key->width != KM_ONE)
			appendStringInfoChar(out, '[');
		for (int i = 0; i < width; i++)
		{
			if (i > 0)
				appendStringInfoChar(out, ',');
			write_element(out, key->element, array);
			array += size;
		}
		if (key->width != KM_ONE)
			appendStringInfoChar(out, ']');
	}
	appendStringInfoChar(out, ']');
}

static void
write_element(StringInfo out, KmElement element, const char *value)
{
	switch (element)
	{
		case KM_JSON_REAL:
			write_real(out, *(const double *) value);
			break;
		case KM_JSON_INT:
			appendStringInfo(out, "%d", *(const int32 *) value);
			break;
		case KM_JSON_BIGINT:
			appendStringInfo(out, INT64_FORMAT, *(const int64 *) value);
			break;
		case KM_JSON_BOOLEAN:
			appendStringInfoString(out, *(const bool *) value ? "true" : "false");
			break;
		default:
			write_text(out, *(char *const *) value);
			break;
	}
}

static void
write_real(StringInfo out, double value)
{
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	if (isnan(value))
		appendStringInfoString(out, "null");
	else if (isinf(value))
		appendStringInfoString(out, "\"Infinity\"");
	else
	{
		double_to_shortest_decimal_buf(value + 0.0, digits);	/* -0 as 0 */
		appendStringInfoString(out, digits);
	}
}

static void
write_text(StringInfo out, const char *text)
{
	if (text == NULL)
		appendStringInfoString(out, "null");
	else
		escape_json(out, text);
}

/* ---- Text to model ---- */

KmModel *
km_model_from_json(const char *json)
{
	KmReading	reading = {0};
	JsonSemAction actions = {
		.semstate = &reading,
		.object_start = on_object_start,
		.object_end = on_object_end,
		.array_start = on_array_start,
		.array_end = on_array_end,
		.object_field_start = on_field_start,
		.object_field_end = on_field_end,
		.scalar = on_scalar,
	};
	JsonParseErrorType error;
	KmModel    *model;
	char	   *problem;

	init_object(&reading.model, model_keys, MODEL_KEYS);
	init_object(&reading.column, column_keys, COLUMN_KEYS);
	init_object(&reading.histogram, histogram_keys, HISTOGRAM_KEYS);
	reading.lexer = km_compat_json_lexer(unconstify(char *, json), strlen(json));

	error = pg_parse_json(reading.lexer, &actions);
	if (error != JSON_SUCCESS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input for type kmeans_model: it is not valid JSON"),
				 errdetail_internal("%s", json_errdetail(error, reading.lexer))));

	reading.object = &reading.model;
	model = end_model(&reading);
	problem = km_model_validate(model);
	if (problem != NULL)
		malformed(problem);
	return model;
}

static void
init_object(KmObject *object, const KmKey *keys, int nkeys)
{
	object->keys = keys;
	object->nkeys = nkeys;
	object->slots = palloc0(nkeys * sizeof(KmSlot));
	object->key = -1;
	object->nesting = 0;
}

static const KmKey *
current_key(KmReading *reading)
{
	return &reading->object->keys[reading->object->key];
}

static KmSlot *
current_slot(KmReading *reading)
{
	return &reading->object->slots[reading->object->key];
}

/*
 * Inside the options nothing is looked at but their depth and numbers.
 */
static bool
in_options(KmReading *reading)
{
	return reading->options_depth > 0;
}

static KmJsonResult
on_object_start(void *arg)
{
	KmReading  *reading = arg;

	if (reading->object == NULL)
		reading->object = &reading->model;
	else if (in_options(reading))
		deepen_options(reading);
	else if (reading->columns_open && reading->object == &reading->model)
		reading->object = &reading->column;
	else if (current_key(reading)->element == KM_JSON_OPTIONS)
		deepen_options(reading);
	else if (current_key(reading)->element == KM_JSON_HISTOGRAM)
		reading->object = &reading->histogram;
	else
		bad_value(reading, "an object where %s is expected",
				  expected(current_key(reading)));
	KM_JSON_RETURN;
}

static KmJsonResult
on_object_end(void *arg)
{
	KmReading  *reading = arg;

	if (in_options(reading))
		reading->options_depth--;
	else if (reading->object == &reading->column)
		end_column(reading);
	else if (reading->object == &reading->histogram)
		end_histogram(reading);
	KM_JSON_RETURN;
}

static KmJsonResult
on_array_start(void *arg)
{
	KmReading  *reading = arg;

	if (reading->object == NULL)
		malformed("it is not a JSON object");
	if (in_options(reading))
		deepen_options(reading);
	else if (current_key(reading)->element == KM_JSON_COLUMNS && !reading->columns_open)
		reading->columns_open = true;
	else if (reading->object->nesting < depth_of(current_key(reading)))
		reading->object->nesting++;
	else
		bad_value(reading, "an array where %s is expected",
				  expected(current_key(reading)));
	KM_JSON_RETURN;
}

static KmJsonResult
on_array_end(void *arg)
{
	KmReading  *reading = arg;

	if (in_options(reading))
		reading->options_depth--;
	else if (current_key(reading)->element == KM_JSON_COLUMNS)
		reading->columns_open = false;
	else
	{
		if (reading->object->nesting == 2)
			end_row(reading);
		reading->object->nesting--;
	}
	KM_JSON_RETURN;
}

static KmJsonResult
on_field_start(void *arg, char *name, bool isnull)
{
	KmReading  *reading = arg;

	if (!in_options(reading))
		begin_field(reading, name);
	pfree(name);
	KM_JSON_RETURN;
}

/* name is the same pointer as at the start, freed there */
static KmJsonResult
on_field_end(void *arg, char *name, bool isnull)
{
	KmReading  *reading = arg;

	if (!in_options(reading) &&
		current_key(reading)->element == KM_JSON_OPTIONS)
		reading->options = pnstrdup(reading->options_start,
									reading->lexer->prev_token_terminator -
									reading->options_start);
	KM_JSON_RETURN;
}

static KmJsonResult
on_scalar(void *arg, char *token, JsonTokenType type)
{
	KmReading  *reading = arg;

	CHECK_FOR_INTERRUPTS();
	if (reading->object == NULL)
		malformed("it is not a JSON object");
	if (in_options(reading))
		check_options_scalar(reading, token, type);
	else
		add_scalar(reading, token, type);
	KM_JSON_RETURN;
}

static void
begin_field(KmReading *reading, char *name)
{
	KmObject   *object = reading->object;
	KmSlot	   *slot;

	object->key = 0;
	while (object->key < object->nkeys &&
		   strcmp(object->keys[object->key].name, name) != 0)
		object->key++;
	if (object->key == object->nkeys)
	{
		object->key = -1;
		bad_value(reading, "there is no key \"%s\"", quote(name));
	}

	slot = current_slot(reading);
	if (slot->seen)
		bad_value(reading, "appears twice");
	slot->seen = true;
	slot->width = -1;
	if (current_key(reading)->element == KM_JSON_OPTIONS)
		reading->options_start = reading->lexer->token_start;
}

/* The end of an inner array: all must be of one length. */
static void
end_row(KmReading *reading)
{
	KmSlot	   *slot = current_slot(reading);

	if (slot->width < 0)
		slot->width = slot->n;
	slot->rows++;
	if ((int64) slot->rows * slot->width != slot->n)
		bad_value(reading, "array [%d] has another length than the ones before, %d",
				  slot->rows - 1, slot->width);
}

static void
add_scalar(KmReading *reading, char *token, JsonTokenType type)
{
	const KmKey *key = current_key(reading);
	KmSlot	   *slot = current_slot(reading);
	bool		inside = reading->object->nesting == depth_of(key);
	bool		good = false;

	if (type == JSON_TOKEN_NULL && reading->object->nesting == 0 &&
		(key->flags & KM_NULLABLE) != 0)
	{
		slot->isnull = true;
		return;
	}

	switch (key->element)
	{
		case KM_JSON_REAL:
			good = inside && (type == JSON_TOKEN_NUMBER ||
							  (type == JSON_TOKEN_NULL && (key->flags & KM_NULLS) != 0) ||
							  (type == JSON_TOKEN_STRING && (key->flags & KM_INFINITY) != 0 &&
							   strcmp(token, "Infinity") == 0));
			if (good)
				*(double *) add_room(reading, slot, sizeof(double)) =
					type == JSON_TOKEN_NUMBER ? parse_real(reading, token) :
					type == JSON_TOKEN_NULL ? get_float8_nan() : get_float8_infinity();
			break;
		case KM_JSON_INT:
		case KM_JSON_BIGINT:
		case KM_JSON_FORMAT_NUMBER:
			good = inside && type == JSON_TOKEN_NUMBER;
			if (good)
				*(int64 *) add_room(reading, slot, sizeof(int64)) =
					parse_integer(reading, token, key->element != KM_JSON_BIGINT);
			break;
		case KM_JSON_BOOLEAN:
			good = type == JSON_TOKEN_TRUE || type == JSON_TOKEN_FALSE;
			if (good)
				*(int64 *) add_room(reading, slot, sizeof(int64)) = type == JSON_TOKEN_TRUE;
			break;
		case KM_JSON_TEXT:
		case KM_JSON_METRIC:
		case KM_JSON_KIND:
			good = inside && (type == JSON_TOKEN_STRING ||
							  (type == JSON_TOKEN_NULL && (key->flags & KM_NULLS) != 0));
			if (good)
			{
				*(char **) add_room(reading, slot, sizeof(char *)) =
					type == JSON_TOKEN_STRING ? token : NULL;
				return;			/* the token is kept */
			}
			break;
		case KM_JSON_COLUMNS:
		case KM_JSON_HISTOGRAM:
		case KM_JSON_OPTIONS:
			break;
	}
	if (!good)
		bad_value(reading, "%s where %s is expected",
				  type == JSON_TOKEN_STRING ? psprintf("\"%s\"", quote(token)) : quote(token),
				  expected(key));
	pfree(token);
}

/*
 * The options become jsonb later; what the JSON parser accepts and jsonb does
 * not is refused here, with this type's error.
 */
static void
check_options_scalar(KmReading *reading, char *token, JsonTokenType type)
{
	if (type == JSON_TOKEN_NUMBER)
	{
		if (strlen(token) > KM_OPTIONS_NUMBER)
			bad_value(reading, "number %s... is too long", quote(token));
		parse_real(reading, token);
	}
	pfree(token);
}

static void
deepen_options(KmReading *reading)
{
	if (++reading->options_depth > KM_OPTIONS_DEPTH)
		bad_value(reading, "nested more than %d levels deep", KM_OPTIONS_DEPTH);
}

/* the place for one more element */
static void *
add_room(KmReading *reading, KmSlot *slot, Size size)
{
	if (slot->n == slot->capacity)
	{
		if (slot->n >= KM_MAX_CELLS)
			bad_value(reading, "more than %d elements", KM_MAX_CELLS);
		slot->capacity = slot->capacity == 0 ? 16 : slot->capacity * 2;
		slot->values.any = slot->values.any == NULL ?
			palloc(mul_size(slot->capacity, size)) :
			repalloc(slot->values.any, mul_size(slot->capacity, size));
	}
	return (char *) slot->values.any + size * slot->n++;
}

/* The parser has checked the syntax, which strtod's includes. */
static double
parse_real(KmReading *reading, const char *token)
{
	double		value;

	errno = 0;
	value = strtod(token, NULL);
	if (isinf(value) || (value == 0 && errno == ERANGE))
		bad_value(reading, "%s is out of range for type double precision", quote(token));
	return value;
}

static int64
parse_integer(KmReading *reading, const char *token, bool small)
{
	char	   *end;
	long long	value;

	errno = 0;
	value = strtoll(token, &end, 10);
	if (*end != '\0')
		bad_value(reading, "%s is not an integer", quote(token));
	if (errno == ERANGE || (small && (value < PG_INT32_MIN || value > PG_INT32_MAX)))
		bad_value(reading, "%s is out of range for type %s", quote(token),
				  small ? "integer" : "bigint");
	return value;
}

/* One more column is complete. */
static void
end_column(KmReading *reading)
{
	KmSlot	   *slots = reading->column.slots;
	KmColumn   *column;
	int			counts[KM_EXTENTS] = {[KM_ONE] = 1};

	if (reading->ncolumns == reading->capacity)
	{
		reading->capacity = reading->capacity == 0 ? 16 : reading->capacity * 2;
		reading->columns = reading->columns == NULL ?
			palloc(mul_size(reading->capacity, sizeof(KmColumn))) :
			repalloc(reading->columns, mul_size(reading->capacity, sizeof(KmColumn)));
	}
	column = &reading->columns[reading->ncolumns];
	memset(column, 0, sizeof(KmColumn));

	check_complete(reading);
	counts[KM_PER_CATEGORY] = slots[KEY_CATEGORIES].n;
	take_object(reading, column, counts);

	for (int key = KEY_LENGTH; key <= KEY_CATEGORIES; key++)
	{
		bool		wanted = !is_absent(&column_keys[key], column);

		reading->object->key = key;
		if (wanted != slots[key].seen)
			bad_value(reading, wanted ? "is missing for kind \"%s\"" :
					  "is not for kind \"%s\"", km_column_kind_name(column->kind));
	}
	if (column->kind == KM_COLUMN_CATEGORY)
		column->nfeatures = slots[KEY_CATEGORIES].n;
	else if (column->kind != KM_COLUMN_ARRAY)
		column->nfeatures = 1;

	if (++reading->ncolumns > KM_MAX_FEATURES)
		malformed(km_model_validate_counts(1, KM_MAX_FEATURES, reading->ncolumns));
	init_object(&reading->column, column_keys, COLUMN_KEYS);
	reading->object = &reading->model;
}

static void
end_histogram(KmReading *reading)
{
	int			counts[KM_EXTENTS] = {[KM_ONE] = 1};

	check_complete(reading);
	counts[KM_PER_BIN] = reading->histogram.slots[KEY_UPPER].n;
	take_object(reading, &reading->outliers, counts);
	reading->outliers.nbins = counts[KM_PER_BIN];
	reading->object = &reading->model;
}

/* The counts come first: they say how long everything else has to be. */
static KmModel *
end_model(KmReading *reading)
{
	KmModel    *model = palloc0(sizeof(KmModel));
	KmSlot	   *slots = reading->model.slots;
	int			counts[KM_EXTENTS] = {[KM_ONE] = 1};
	char	   *problem;

	if (slots[KEY_FORMAT].seen && slots[KEY_FORMAT].values.integers[0] != KM_JSON_FORMAT)
	{
		reading->object->key = KEY_FORMAT;
		bad_value(reading, INT64_FORMAT " is not supported, only %d",
				  slots[KEY_FORMAT].values.integers[0], KM_JSON_FORMAT);
	}
	check_complete(reading);

	model->ncolumns = reading->ncolumns;
	model->d = slots[KEY_FEATURES].n;
	problem = km_model_validate_counts(slots[KEY_K].values.integers[0], model->d,
									   model->ncolumns);
	if (problem != NULL)
		malformed(problem);

	counts[KM_PER_CLUSTER] = slots[KEY_K].values.integers[0];
	counts[KM_PER_FEATURE] = model->d;
	take_object(reading, model, counts);
	if (model->ids == NULL)
	{
		model->ids = palloc(model->k * sizeof(int32));
		for (int j = 0; j < model->k; j++)
			model->ids[j] = j;
	}
	return model;
}

static void
check_complete(KmReading *reading)
{
	KmObject   *object = reading->object;

	for (object->key = 0; object->key < object->nkeys; object->key++)
	{
		if (!current_slot(reading)->seen && (current_key(reading)->flags & KM_OPTIONAL) == 0)
			bad_value(reading, "is missing");
	}
}

/* Compare all lengths, and put the values where the keys say. */
static void
take_object(KmReading *reading, void *base, const int *counts)
{
	KmObject   *object = reading->object;

	for (object->key = 0; object->key < object->nkeys; object->key++)
	{
		const KmKey *key = current_key(reading);
		KmSlot	   *slot = current_slot(reading);
		int			rows = depth_of(key) == 2 ? slot->rows : slot->n;

		if (!slot->seen || slot->isnull)
			continue;
		if (key->rows != KM_ONE && rows != counts[key->rows])
			bad_value(reading, "%d elements, expected %d", rows, counts[key->rows]);
		if (key->width != KM_ONE && slot->width != counts[key->width])
			bad_value(reading, "arrays of %d elements, expected %d",
					  slot->width, counts[key->width]);
		take_value(reading, key, slot, base);
	}
}

static void
take_value(KmReading *reading, const KmKey *key, KmSlot *slot, void *base)
{
	char	   *target = (char *) base + key->offset;
	bool		array = key->rows != KM_ONE;

	switch (key->element)
	{
		case KM_JSON_REAL:
			if (array)
				*(double **) target = slot->values.reals;
			else
				*(double *) target = slot->values.reals[0];
			break;
		case KM_JSON_INT:
			if (array)
				*(int32 **) target = narrow(slot);
			else
				*(int32 *) target = slot->values.integers[0];
			break;
		case KM_JSON_BIGINT:
			if (array)
				*(int64 **) target = slot->values.integers;
			else
				*(int64 *) target = slot->values.integers[0];
			break;
		case KM_JSON_BOOLEAN:
			*(bool *) target = slot->values.integers[0] != 0;
			break;
		case KM_JSON_TEXT:
			if (array)
				*(char ***) target = slot->values.texts;
			else
				*(char **) target = slot->values.texts[0];
			break;
		case KM_JSON_METRIC:
			if (!km_metric_parse(slot->values.texts[0], (KmMetric *) target))
				bad_value(reading, "unknown metric \"%s\"", quote(slot->values.texts[0]));
			break;
		case KM_JSON_KIND:
			if (!km_column_kind_parse(slot->values.texts[0], (KmColumnKind *) target))
				bad_value(reading, "unknown kind \"%s\"", quote(slot->values.texts[0]));
			break;
		case KM_JSON_COLUMNS:
			*(KmColumn **) target = reading->columns;
			break;
		case KM_JSON_HISTOGRAM:
			*(KmHistogram *) target = reading->outliers;
			break;
		case KM_JSON_OPTIONS:
			*(char **) target = reading->options;
			break;
		case KM_JSON_FORMAT_NUMBER:
			break;
	}
}

/* The integers of a slot, all in the range of int32, as such. */
static void *
narrow(const KmSlot *slot)
{
	int32	   *integers = palloc(mul_size(slot->n, sizeof(int32)));

	for (int i = 0; i < slot->n; i++)
		integers[i] = slot->values.integers[i];
	return integers;
}

static int
depth_of(const KmKey *key)
{
	return (key->rows != KM_ONE) + (key->width != KM_ONE);
}

/* what a key's value has to be, for messages */
static const char *
expected(const KmKey *key)
{
	static const char *const words[][3] = {
		[KM_JSON_REAL] = {"a number", "an array of numbers", "an array of arrays of numbers"},
		[KM_JSON_INT] = {"an integer", "an array of integers"},
		[KM_JSON_BIGINT] = {"an integer", "an array of integers"},
		[KM_JSON_FORMAT_NUMBER] = {"an integer"},
		[KM_JSON_BOOLEAN] = {"true or false"},
		[KM_JSON_TEXT] = {"a string", "an array of strings"},
		[KM_JSON_METRIC] = {"a string"},
		[KM_JSON_KIND] = {"a string"},
		[KM_JSON_COLUMNS] = {"an array of objects"},
		[KM_JSON_HISTOGRAM] = {"an object"},
		[KM_JSON_OPTIONS] = {"an object"},
	};

	return words[key->element][depth_of(key)];
}

/* the beginning of a text, cut between two characters */
static char *
quote(const char *text)
{
	return pnstrdup(text, pg_mbcliplen(text, strlen(text), KM_QUOTE_LENGTH));
}

/* 22P02 with the name of the current key */
static void
bad_value(KmReading *reading, const char *format,...)
{
	const char *inner = reading->object->key < 0 ? NULL : current_key(reading)->name;
	StringInfoData problem;

	initStringInfo(&problem);
	if (reading->object == &reading->column)
		appendStringInfo(&problem, "key \"columns[%d]%s%s\": ", reading->ncolumns,
						 inner == NULL ? "" : ".", inner == NULL ? "" : inner);
	else if (reading->object == &reading->histogram)
		appendStringInfo(&problem, "key \"outlier_histogram%s%s\": ",
						 inner == NULL ? "" : ".", inner == NULL ? "" : inner);
	else if (inner != NULL)
		appendStringInfo(&problem, "key \"%s\": ", inner);

	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&problem, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&problem, needed);
	}
	malformed(problem.data);
}

static void
malformed(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input for type kmeans_model: %s", problem)));
}
