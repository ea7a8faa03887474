/*
 * value_json.c
 *		Writes a kmeans_model as text.
 *
 * Numbers are written with the fewest digits that read back as the same
 * double, whatever extra_float_digits says.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "model/value_keys.h"
#include "utils/json.h"

static void write_object(StringInfo out, const KmKey *keys, int nkeys,
						 const void *base, const int *counts);
static void write_value(StringInfo out, const KmKey *key, const void *base,
						const int *counts);
static void write_columns(StringInfo out, const KmModel *model);
static void write_histogram(StringInfo out, const KmHistogram *outliers);
static void write_array(StringInfo out, const KmKey *key, const char *array,
						const int *counts);
static void write_element(StringInfo out, KmElement element, const char *value);
static void write_real(StringInfo out, double value);
static void write_text(StringInfo out, const char *text);

#define MODEL(field) offsetof(KmModel, field)

const KmKey km_model_keys[MODEL_KEYS] = {
	[KEY_FORMAT] = {"format", KM_JSON_FORMAT_NUMBER, KM_ONE, KM_ONE, 0, 0},
	[KEY_K] = {"k", KM_JSON_INT, KM_ONE, KM_ONE, 0, MODEL(k)},
	[KEY_COLUMNS] = {"columns", KM_JSON_COLUMNS, KM_ONE, KM_ONE, 0, MODEL(columns)},
	[KEY_FEATURES] = {"features", KM_JSON_TEXT,
		KM_PER_FEATURE, KM_ONE, 0, MODEL(features)},
	[KEY_METRIC] = {"metric", KM_JSON_METRIC, KM_ONE, KM_ONE, 0, MODEL(metric)},
	[KEY_SHIFT] = {"shift", KM_JSON_REAL, KM_PER_FEATURE, KM_ONE, 0, MODEL(shift)},
	[KEY_SCALE] = {"scale", KM_JSON_REAL, KM_PER_FEATURE, KM_ONE, 0, MODEL(scale)},
	[KEY_FILL] = {"fill", KM_JSON_REAL, KM_PER_FEATURE, KM_ONE, KM_NULLABLE, MODEL(fill)},
	[KEY_IDS] = {"ids", KM_JSON_INT, KM_PER_CLUSTER, KM_ONE, KM_OPTIONAL, MODEL(ids)},
	[KEY_CENTROIDS] = {"centroids", KM_JSON_REAL,
		KM_PER_CLUSTER, KM_PER_FEATURE, 0, MODEL(centroids)},
	[KEY_SIZES] = {"sizes", KM_JSON_BIGINT, KM_PER_CLUSTER, KM_ONE, 0, MODEL(sizes)},
	[KEY_WEIGHTS] = {"weights", KM_JSON_REAL, KM_PER_CLUSTER, KM_ONE, 0, MODEL(weights)},
	[KEY_CLUSTER_INERTIA] = {"cluster_inertia", KM_JSON_REAL,
		KM_PER_CLUSTER, KM_ONE, 0, MODEL(cluster_inertia)},
	[KEY_RADIUS_RMS] = {"radius_rms", KM_JSON_REAL,
		KM_PER_CLUSTER, KM_ONE, 0, MODEL(radius_rms)},
	[KEY_RADIUS_MAX] = {"radius_max", KM_JSON_REAL,
		KM_PER_CLUSTER, KM_ONE, 0, MODEL(radius_max)},
	[KEY_MEAN] = {"mean", KM_JSON_REAL,
		KM_PER_CLUSTER, KM_PER_FEATURE, KM_NULLS, MODEL(mean)},
	[KEY_STDDEV] = {"stddev", KM_JSON_REAL,
		KM_PER_CLUSTER, KM_PER_FEATURE, KM_NULLS, MODEL(stddev)},
	[KEY_MIN] = {"min", KM_JSON_REAL,
		KM_PER_CLUSTER, KM_PER_FEATURE, KM_NULLS, MODEL(min)},
	[KEY_MAX] = {"max", KM_JSON_REAL,
		KM_PER_CLUSTER, KM_PER_FEATURE, KM_NULLS, MODEL(max)},
	[KEY_LABELS] = {"labels", KM_JSON_TEXT,
		KM_PER_CLUSTER, KM_ONE, KM_NULLS, MODEL(labels)},
	[KEY_INERTIA] = {"inertia", KM_JSON_REAL, KM_ONE, KM_ONE, 0, MODEL(inertia)},
	[KEY_TOTAL_SS] = {"total_ss", KM_JSON_REAL, KM_ONE, KM_ONE, 0, MODEL(total_ss)},
	[KEY_N_ROWS] = {"n_rows", KM_JSON_BIGINT, KM_ONE, KM_ONE, 0, MODEL(n_rows)},
	[KEY_N_SKIPPED] = {"n_skipped", KM_JSON_BIGINT, KM_ONE, KM_ONE, 0, MODEL(n_skipped)},
	[KEY_N_ITER] = {"n_iter", KM_JSON_INT, KM_ONE, KM_ONE, 0, MODEL(n_iter)},
	[KEY_CONVERGED] = {"converged", KM_JSON_BOOLEAN, KM_ONE, KM_ONE, 0, MODEL(converged)},
	[KEY_SEED] = {"seed", KM_JSON_BIGINT, KM_ONE, KM_ONE, 0, MODEL(seed)},
	[KEY_OPTIONS] = {"options", KM_JSON_OPTIONS, KM_ONE, KM_ONE, 0, MODEL(options)},
	[KEY_HISTOGRAM] = {"outlier_histogram", KM_JSON_HISTOGRAM,
		KM_ONE, KM_ONE, 0, MODEL(outliers)},
};

const KmKey km_column_keys[COLUMN_KEYS] = {
	[KEY_NAME] = {"name", KM_JSON_TEXT, KM_ONE, KM_ONE, 0, offsetof(KmColumn, name)},
	[KEY_KIND] = {"kind", KM_JSON_KIND, KM_ONE, KM_ONE, 0, offsetof(KmColumn, kind)},
	[KEY_LENGTH] = {"length", KM_JSON_INT,
		KM_ONE, KM_ONE, KM_OPTIONAL, offsetof(KmColumn, nfeatures)},
	[KEY_CATEGORIES] = {"categories", KM_JSON_TEXT,
		KM_PER_CATEGORY, KM_ONE, KM_OPTIONAL, offsetof(KmColumn, categories)},
};

const KmKey km_histogram_keys[HISTOGRAM_KEYS] = {
	[KEY_UPPER] = {"upper", KM_JSON_REAL,
		KM_PER_BIN, KM_ONE, KM_INFINITY, offsetof(KmHistogram, upper)},
	[KEY_WEIGHT] = {"weight", KM_JSON_REAL,
		KM_PER_BIN, KM_ONE, 0, offsetof(KmHistogram, weight)},
	[KEY_LARGEST] = {"max", KM_JSON_REAL,
		KM_ONE, KM_ONE, KM_INFINITY, offsetof(KmHistogram, largest)},
};

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
	write_object(&out, km_model_keys, MODEL_KEYS, model, counts);
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
		if (km_key_absent(&keys[i], base))
			continue;
		appendStringInfo(out, "%s\"%s\": ", separator, keys[i].name);
		write_value(out, &keys[i], base, counts);
		separator = ", ";
	}
	appendStringInfoChar(out, '}');
}

bool
km_key_absent(const KmKey *key, const void *base)
{
	if (key == &km_model_keys[KEY_IDS])
	{
		const KmModel *model = base;

		/* ascending and distinct, so the last one tells */
		return model->ids[model->k - 1] == model->k - 1;
	}
	if (key == &km_column_keys[KEY_LENGTH])
		return ((const KmColumn *) base)->kind != KM_COLUMN_ARRAY;
	if (key == &km_column_keys[KEY_CATEGORIES])
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
		write_object(out, km_column_keys, COLUMN_KEYS, column, counts);
	}
	appendStringInfoChar(out, ']');
}

static void
write_histogram(StringInfo out, const KmHistogram *outliers)
{
	int			counts[KM_EXTENTS] = {[KM_ONE] = 1,[KM_PER_BIN] = outliers->nbins};

	write_object(out, km_histogram_keys, HISTOGRAM_KEYS, outliers, counts);
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
