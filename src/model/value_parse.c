/*
 * value_parse.c
 *		Reads a kmeans_model from text.
 *
 * Reading goes through PostgreSQL's JSON parser and its callbacks, not through
 * jsonb: a jsonb array ends at 256 MB, which a large model exceeds, and a jsonb
 * number would be converted twice.  The callbacks collect the numbers and texts
 * of each key in a KmSlot; since keys may come in any order, lengths are
 * compared only when the object is complete (value_build.c).  At any point only
 * the kind of value that the current key expects is accepted, so that depth
 * and memory are bounded by the model's own limits; only the options, any JSON
 * object, are skipped over and kept as text.
 *
 * Every error is 22P02.  Here is checked what the text says; whether it makes a
 * sound model is for km_model_validate().
 */
#include "postgres.h"

#include <errno.h>
#include <math.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "model/value_reading.h"
#include "utils/float.h"

/* the deepest nesting, and the longest number, inside the options */
#define KM_OPTIONS_DEPTH	8
#define KM_OPTIONS_NUMBER	400

/* How much of a stranger's text an error message repeats, in bytes. */
#define KM_QUOTE_LENGTH		64

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
static const char *expected(const KmKey *key);
static void wrong_type(KmReading *reading, const char *found) pg_attribute_noreturn();

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

	km_reading_init_object(&reading.model, km_model_keys, MODEL_KEYS);
	km_reading_init_object(&reading.column, km_column_keys, COLUMN_KEYS);
	km_reading_init_object(&reading.histogram, km_histogram_keys, HISTOGRAM_KEYS);
	reading.lexer = km_compat_json_lexer(unconstify(char *, json), strlen(json));

	error = pg_parse_json(reading.lexer, &actions);
	if (error != JSON_SUCCESS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input for type kmeans_model: it is not valid JSON"),
				 errdetail_internal("%s", json_errdetail(error, reading.lexer))));

	reading.object = &reading.model;
	model = km_reading_end_model(&reading);
	problem = km_model_validate(model);
	if (problem != NULL)
		km_reading_malformed(problem);
	return model;
}

void
km_reading_init_object(KmObject *object, const KmKey *keys, int nkeys)
{
	object->keys = keys;
	object->nkeys = nkeys;
	object->slots = palloc0(nkeys * sizeof(KmSlot));
	object->key = -1;
	object->nesting = 0;
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
	else if (km_reading_key(reading)->element == KM_JSON_OPTIONS)
		deepen_options(reading);
	else if (km_reading_key(reading)->element == KM_JSON_HISTOGRAM)
		reading->object = &reading->histogram;
	else
		wrong_type(reading, "an object");
	KM_JSON_RETURN;
}

static KmJsonResult
on_object_end(void *arg)
{
	KmReading  *reading = arg;

	if (in_options(reading))
		reading->options_depth--;
	else if (reading->object == &reading->column)
		km_reading_end_column(reading);
	else if (reading->object == &reading->histogram)
		km_reading_end_histogram(reading);
	KM_JSON_RETURN;
}

static KmJsonResult
on_array_start(void *arg)
{
	KmReading  *reading = arg;

	if (reading->object == NULL)
		km_reading_malformed("it is not a JSON object");
	if (in_options(reading))
		deepen_options(reading);
	else if (km_reading_key(reading)->element == KM_JSON_COLUMNS && !reading->columns_open)
		reading->columns_open = true;
	else if (reading->object->nesting < km_key_depth(km_reading_key(reading)))
		reading->object->nesting++;
	else
		wrong_type(reading, "an array");
	KM_JSON_RETURN;
}

static KmJsonResult
on_array_end(void *arg)
{
	KmReading  *reading = arg;

	if (in_options(reading))
		reading->options_depth--;
	else if (km_reading_key(reading)->element == KM_JSON_COLUMNS)
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
		km_reading_key(reading)->element == KM_JSON_OPTIONS)
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
		km_reading_malformed("it is not a JSON object");
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
		km_reading_bad_value(reading, "there is no key \"%s\"", km_reading_quote(name));
	}

	slot = km_reading_slot(reading);
	if (slot->seen)
		km_reading_bad_value(reading, "appears twice");
	slot->seen = true;
	slot->width = -1;
	if (km_reading_key(reading)->element == KM_JSON_OPTIONS)
		reading->options_start = reading->lexer->token_start;
}

/* The end of an inner array: all must be of one length. */
static void
end_row(KmReading *reading)
{
	KmSlot	   *slot = km_reading_slot(reading);

	if (slot->width < 0)
		slot->width = slot->n;
	slot->rows++;
	if ((int64) slot->rows * slot->width != slot->n)
		km_reading_bad_value(reading, "array [%d] has another length than the ones before, %d",
							 slot->rows - 1, slot->width);
}

static void
add_scalar(KmReading *reading, char *token, JsonTokenType type)
{
	const KmKey *key = km_reading_key(reading);
	KmSlot	   *slot = km_reading_slot(reading);
	bool		inside = reading->object->nesting == km_key_depth(key);
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
		wrong_type(reading, type != JSON_TOKEN_STRING ? km_reading_quote(token) :
				   psprintf("\"%s\"", km_reading_quote(token)));
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
			km_reading_bad_value(reading, "%s is too long for a number", km_reading_quote(token));
		parse_real(reading, token);
	}
	pfree(token);
}

static void
deepen_options(KmReading *reading)
{
	if (++reading->options_depth > KM_OPTIONS_DEPTH)
		km_reading_bad_value(reading, "nested more than %d levels deep", KM_OPTIONS_DEPTH);
}

/* the place for one more element */
static void *
add_room(KmReading *reading, KmSlot *slot, Size size)
{
	if (slot->n == slot->capacity)
	{
		if (slot->n >= KM_MAX_CELLS)
			km_reading_bad_value(reading, "more than %d elements", KM_MAX_CELLS);
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
		km_reading_bad_value(reading, "%s is out of range for type double precision", km_reading_quote(token));
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
		km_reading_bad_value(reading, "%s is not an integer", km_reading_quote(token));
	if (errno == ERANGE || (small && (value < PG_INT32_MIN || value > PG_INT32_MAX)))
		km_reading_bad_value(reading, "%s is out of range for type %s", km_reading_quote(token),
							 small ? "integer" : "bigint");
	return value;
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

	return words[key->element][km_key_depth(key)];
}

static void
wrong_type(KmReading *reading, const char *found)
{
	bool		inside = reading->object->nesting > 0 ||
	(reading->columns_open && reading->object == &reading->model);

	km_reading_bad_value(reading, "must be %s, but %s %s", expected(km_reading_key(reading)),
						 inside ? "contains" : "is", found);
}

char *
km_reading_quote(const char *text)
{
	int			length = pg_mbcliplen(text, strlen(text), KM_QUOTE_LENGTH);

	return psprintf("%.*s%s", length, text, text[length] == '\0' ? "" : "...");
}

void
km_reading_bad_value(KmReading *reading, const char *format,...)
{
	const char *inner = reading->object->key < 0 ? NULL : km_reading_key(reading)->name;
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
	km_reading_malformed(problem.data);
}

void
km_reading_malformed(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input for type kmeans_model: %s", problem)));
}
