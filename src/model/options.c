/*
 * options.c
 *		The options of a fit: their words, their limits, their JSON.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

#include "model/options.h"
#include "model/value.h"

/* ---- Words ---- */

typedef struct KmWord
{
	const char *word;
	int			value;
} KmWord;

static const KmWord km_init_words[] = {
	{"auto", KM_INIT_AUTO},
	{"k-means++", KM_INIT_PLUSPLUS},
	{"k-means||", KM_INIT_PARALLEL},
	{"random", KM_INIT_RANDOM},
	{NULL, 0}
};

static const KmWord km_metric_words[] = {
	{"euclidean", KM_METRIC_EUCLIDEAN},
	{"cosine", KM_METRIC_COSINE},
	{NULL, 0}
};

static const KmWord km_scale_words[] = {
	{"none", KM_SCALE_NONE},
	{"standard", KM_SCALE_STANDARD},
	{"minmax", KM_SCALE_MINMAX},
	{NULL, 0}
};

static const KmWord km_on_null_words[] = {
	{"skip", KM_ON_NULL_SKIP},
	{"error", KM_ON_NULL_ERROR},
	{"mean", KM_ON_NULL_MEAN},
	{NULL, 0}
};

static int
km_options_parse_word(const KmWord *words, const char *option, const char *word)
{
	StringInfoData allowed;

	for (const KmWord *w = words; w->word != NULL; w++)
		if (strcmp(w->word, word) == 0)
			return w->value;

	initStringInfo(&allowed);
	for (const KmWord *w = words; w->word != NULL; w++)
		appendStringInfo(&allowed, "%s\"%s\"", allowed.len > 0 ? ", " : "", w->word);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown value for option \"%s\": \"%s\"", option, word),
			 errdetail("Allowed values are %s.", allowed.data)));
}

static const char *
km_options_word(const KmWord *words, int value)
{
	while (words->word != NULL && words->value != value)
		words++;
	return words->word;
}

void
km_options_set_init(KmOptions *options, const char *word)
{
	options->init = km_options_parse_word(km_init_words, "init", word);
}

void
km_options_set_metric(KmOptions *options, const char *word)
{
	options->metric = km_options_parse_word(km_metric_words, "metric", word);
}

void
km_options_set_scale(KmOptions *options, const char *word)
{
	options->scale = km_options_parse_word(km_scale_words, "scale", word);
}

void
km_options_set_on_null(KmOptions *options, const char *word)
{
	options->on_null = km_options_parse_word(km_on_null_words, "on_null", word);
}

void
km_options_set_n_init(KmOptions *options, int n_init)
{
	if (n_init < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("n_init is out of range: %d", n_init),
				 errdetail("At least one run is needed; NULL lets init choose.")));
	options->n_init = n_init;
}

const char *
km_options_metric_word(KmMetric metric)
{
	return km_options_word(km_metric_words, metric);
}

const char *
km_options_scale_word(KmScale scale)
{
	return km_options_word(km_scale_words, scale);
}

/* ---- Values ---- */

void
km_options_init(KmOptions *options)
{
	memset(options, 0, sizeof(KmOptions));
	options->k = 8;
	options->init = KM_INIT_AUTO;
	options->max_iter = 300;
	options->tol = 1e-4;
	options->metric = KM_METRIC_EUCLIDEAN;
	options->scale = KM_SCALE_NONE;
	options->on_null = KM_ON_NULL_SKIP;
}

int64
km_options_draw_seed(void)
{
	int64		seed;

	if (!pg_strong_random(&seed, sizeof(seed)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg_internal("could not draw a random seed")));
	return seed & PG_INT64_MAX;
}

static void
km_options_check_columns(const KmOptions *options)
{
	const char **names = palloc(mul_size(Max(options->ncolumns, 1), sizeof(char *)));
	const char *twice;

	for (int i = 0; i < options->ncolumns; i++)
	{
		const char *name = options->columns[i];

		if (name == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("columns must not contain NULL")));
		if (options->id_column != NULL && strcmp(name, options->id_column) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" is the id column, which is never a feature", name)));
		names[i] = name;
	}
	twice = km_column_find_duplicate(names, options->ncolumns);
	if (twice != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("column \"%s\" is named more than once", twice)));
	pfree(names);
	if (options->columns != NULL && options->ncolumns == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("columns is empty"),
				 errhint("Name at least one column, or leave it NULL to use every column that can be a feature.")));
}

void
km_options_check(KmOptions *options)
{
	if (options->k < 1 || options->k > KM_MAX_CLUSTERS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k is out of range: %d", options->k),
				 errdetail("The number of clusters is from 1 to %d.", KM_MAX_CLUSTERS)));
	km_options_check_columns(options);
	if (options->max_iter < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_iter is out of range: %d", options->max_iter),
				 errdetail("At least one iteration is needed.")));
	if (!(options->tol >= 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tol is out of range: %g", options->tol),
				 errdetail("The tolerance is a number from 0, relative to the mean variance of the features.")));

	if (options->init_centroids != NULL)
	{
		if (options->init != KM_INIT_AUTO)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("init_centroids does not go with init => '%s'",
							km_options_word(km_init_words, options->init)),
					 errdetail("Given centroids are the start themselves: leave init as it is.")));
		if (options->n_init > 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("init_centroids does not go with n_init => %d", options->n_init),
					 errdetail("Given centroids make one run.")));
		if (options->init_k != options->k)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("init_centroids has %d centroids, but k is %d",
							options->init_k, options->k),
					 errdetail("It holds k arrays of one number per feature, in original units.")));
		options->init = KM_INIT_CENTROIDS;
	}
	else if (options->init == KM_INIT_AUTO && options->n_init > 0)
		options->init = KM_INIT_PLUSPLUS;
}

/* ---- JSON ---- */

static void
km_options_wrong_type(const char *key, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("option \"%s\" must be %s", key, wanted)));
}

static char *
km_options_json_text(const char *key, const JsonbValue *value)
{
	if (value->type != jbvString)
		km_options_wrong_type(key, "a string");
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* integers are integers: 1.5 is an error, 1e300 too */
static int64
km_options_json_int(const char *key, const JsonbValue *value, int64 min, int64 max)
{
	Datum		number;
	Datum		low;
	Datum		high;

	if (value->type != jbvNumeric)
		km_options_wrong_type(key, "an integer");
	number = NumericGetDatum(value->val.numeric);
	low = DirectFunctionCall1(int8_numeric, Int64GetDatum(min));
	high = DirectFunctionCall1(int8_numeric, Int64GetDatum(max));
	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, number,
										  DirectFunctionCall2(numeric_trunc, number,
															  Int32GetDatum(0)))))
		km_options_wrong_type(key, "an integer");
	if (DatumGetBool(DirectFunctionCall2(numeric_lt, number, low)) ||
		DatumGetBool(DirectFunctionCall2(numeric_gt, number, high)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" is out of range: %s", key,
						DatumGetCString(DirectFunctionCall1(numeric_out, number))),
				 errdetail("It is from %lld to %lld.", (long long) min, (long long) max)));
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, number));
}

static double
km_options_json_float(const char *key, const JsonbValue *value)
{
	if (value->type != jbvNumeric)
		km_options_wrong_type(key, "a number");
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8,
											  NumericGetDatum(value->val.numeric)));
}

static void
km_options_json_columns(KmOptions *options, const JsonbValue *value)
{
	JsonbContainer *array = value->type == jbvBinary ? value->val.binary.data : NULL;

	if (array == NULL || !JsonContainerIsArray(array))
		km_options_wrong_type("columns", "an array of column names");
	options->ncolumns = JsonContainerSize(array);
	options->columns = palloc(mul_size(Max(options->ncolumns, 1), sizeof(char *)));
	for (int i = 0; i < options->ncolumns; i++)
		options->columns[i] =
			km_options_json_text("columns", getIthJsonbValueFromContainer(array, i));
}

/*
 * A null value leaves the option at its default, but for the seed.  false if
 * there is no such option.
 */
static bool
km_options_set_json(KmOptions *options, const char *key, const JsonbValue *value)
{
	bool		null = value->type == jbvNull;

	if (strcmp(key, "seed") == 0)
		options->seed = null ? km_options_draw_seed() :
			km_options_json_int(key, value, PG_INT64_MIN, PG_INT64_MAX);
	else if (strcmp(key, "columns") == 0)
	{
		if (!null)
			km_options_json_columns(options, value);
	}
	else if (strcmp(key, "n_init") == 0)
	{
		if (!null)
			km_options_set_n_init(options,
								  (int) km_options_json_int(key, value, PG_INT32_MIN,
															PG_INT32_MAX));
	}
	else if (strcmp(key, "max_iter") == 0)
	{
		if (!null)
			options->max_iter = (int) km_options_json_int(key, value, PG_INT32_MIN,
														  PG_INT32_MAX);
	}
	else if (strcmp(key, "tol") == 0)
	{
		if (!null)
			options->tol = km_options_json_float(key, value);
	}
	else if (strcmp(key, "init") == 0)
	{
		if (!null)
			km_options_set_init(options, km_options_json_text(key, value));
	}
	else if (strcmp(key, "metric") == 0)
	{
		if (!null)
			km_options_set_metric(options, km_options_json_text(key, value));
	}
	else if (strcmp(key, "scale") == 0)
	{
		if (!null)
			km_options_set_scale(options, km_options_json_text(key, value));
	}
	else if (strcmp(key, "on_null") == 0)
	{
		if (!null)
			km_options_set_on_null(options, km_options_json_text(key, value));
	}
	else
		return false;
	return true;
}

/*
 * Call set for every key of an object; false from it is an unknown one, which is
 * refused if strict.
 */
static void
km_options_each(KmOptions *options, Jsonb *object, bool strict,
				bool (*set) (KmOptions *options, const char *key, const JsonbValue *value))
{
	JsonbIterator *it = JsonbIteratorInit(&object->root);
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		char	   *key;

		if (token != WJB_KEY)
			continue;
		key = pnstrdup(value.val.string.val, value.val.string.len);
		(void) JsonbIteratorNext(&it, &value, true);
		if (!set(options, key, &value) && strict)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown option \"%s\"", key),
					 errdetail("Options are columns, init, n_init, max_iter, tol, seed, metric, scale and on_null.")));
	}
}

void
km_options_from_jsonb(KmOptions *options, Jsonb *object)
{
	if (!JB_ROOT_IS_OBJECT(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object")));
	km_options_each(options, object, true, km_options_set_json);
}

/* k x features numbers */
static void
km_options_json_centroids(KmOptions *options, const JsonbValue *value)
{
	JsonbContainer *rows = value->type == jbvBinary ? value->val.binary.data : NULL;

	if (rows == NULL || !JsonContainerIsArray(rows))
		km_options_wrong_type("init_centroids", "an array of arrays of numbers");
	options->init_k = JsonContainerSize(rows);
	for (int j = 0; j < options->init_k; j++)
	{
		JsonbValue *row = getIthJsonbValueFromContainer(rows, j);
		JsonbContainer *cells = row->type == jbvBinary ? row->val.binary.data : NULL;

		if (cells == NULL || !JsonContainerIsArray(cells) ||
			(j > 0 && JsonContainerSize(cells) != options->init_d))
			km_options_wrong_type("init_centroids", "an array of arrays of numbers");
		if (j == 0)
		{
			options->init_d = JsonContainerSize(cells);
			options->init_centroids = palloc(mul_size(mul_size(options->init_k,
															   options->init_d),
													  sizeof(double)));
		}
		for (int t = 0; t < options->init_d; t++)
			options->init_centroids[(Size) j * options->init_d + t] =
				km_options_json_float("init_centroids",
									  getIthJsonbValueFromContainer(cells, t));
	}
}

/* What only kmeans_fit has, besides those of the aggregate. */
static bool
km_options_set_stored(KmOptions *options, const char *key, const JsonbValue *value)
{
	if (value->type == jbvNull)
		return true;
	if (strcmp(key, "k") == 0)
		options->k = (int) km_options_json_int(key, value, 1, KM_MAX_CLUSTERS);
	else if (strcmp(key, "weight") == 0)
		options->weight = km_options_json_text(key, value);
	else if (strcmp(key, "id_column") == 0)
		options->id_column = km_options_json_text(key, value);
	else if (strcmp(key, "init_centroids") == 0)
		km_options_json_centroids(options, value);
	else
		return km_options_set_json(options, key, value);
	return true;
}

void
km_options_restore(KmOptions *options, const char *json)
{
	Jsonb	   *object = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
															CStringGetDatum(json)));

	if (JB_ROOT_IS_OBJECT(object))
		km_options_each(options, object, false, km_options_set_stored);
}

char *
km_options_recorded(Datum object, const char *key)
{
	Jsonb	   *options = DatumGetJsonbPCopy(object);
	char	   *text = NULL;
	JsonbValue	value;

	if (JB_ROOT_IS_OBJECT(options) &&
		getKeyJsonValueFromContainer(&options->root, key, strlen(key), &value) != NULL &&
		value.type == jbvString)
		text = pnstrdup(value.val.string.val, value.val.string.len);
	pfree(options);
	return text;
}

static void
km_options_append_float(StringInfo json, double value)
{
	char		number[DOUBLE_SHORTEST_DECIMAL_LEN];

	/* an infinite tolerance is legal, but not in JSON */
	if (isinf(value))
		value = PG_INT64_MAX;
	double_to_shortest_decimal_buf(value, number);
	appendStringInfoString(json, number);
}

static void
km_options_append_text(StringInfo json, const char *key, const char *value)
{
	appendStringInfo(json, ", \"%s\": ", key);
	if (value != NULL)
		escape_json(json, value);
	else
		appendStringInfoString(json, "null");
}

static void
km_options_append_centroids(StringInfo json, const KmOptions *options)
{
	appendStringInfoString(json, ", \"init_centroids\": [");
	for (int j = 0; j < options->init_k; j++)
	{
		appendStringInfoString(json, j > 0 ? ", [" : "[");
		for (int t = 0; t < options->init_d; t++)
		{
			if (t > 0)
				appendStringInfoString(json, ", ");
			km_options_append_float(json,
									options->init_centroids[(Size) j * options->init_d + t]);
		}
		appendStringInfoChar(json, ']');
	}
	appendStringInfoChar(json, ']');
}

char *
km_options_to_json(const KmOptions *options)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"k\": %d", options->k);
	km_options_append_text(&json, "init",
						   km_options_word(km_init_words,
										   options->init == KM_INIT_CENTROIDS ?
										   KM_INIT_AUTO : options->init));
	if (options->n_init > 0)
		appendStringInfo(&json, ", \"n_init\": %d", options->n_init);
	else
		appendStringInfoString(&json, ", \"n_init\": null");
	appendStringInfo(&json, ", \"max_iter\": %d, \"tol\": ", options->max_iter);
	km_options_append_float(&json, options->tol);
	appendStringInfo(&json, ", \"seed\": %lld", (long long) options->seed);
	km_options_append_text(&json, "metric", km_options_metric_word(options->metric));
	km_options_append_text(&json, "scale", km_options_scale_word(options->scale));
	km_options_append_text(&json, "on_null",
						   km_options_word(km_on_null_words, options->on_null));
	km_options_append_text(&json, "weight", options->weight);
	km_options_append_text(&json, "id_column", options->id_column);
	if (options->init_centroids != NULL)
		km_options_append_centroids(&json, options);
	appendStringInfoChar(&json, '}');
	return json.data;
}
