/*
 * encode.c
 *		How a value of a column becomes features.
 *
 * An encoder is prepared once per column and actual type (km_encoder_init) and
 * then asked for every row (km_encode).  There are three ways:
 *
 *		scalars		encoder->number() gives one double: numbers as they are,
 *					booleans as 0 / 1, dates in days and times in seconds since
 *					1970-01-01, intervals in the seconds of EXTRACT(epoch ...)
 *		arrays		one double per element; elements of fixed width are read in
 *					one loop straight from the datum, also from one with a
 *					short header, whose elements are not aligned
 *		categories	1 for the feature whose category has the value's bytes, 0
 *					for the others; while they are learned, the category's code
 *
 * number() returns what is not finite as NaN or an infinity (an infinite date,
 * a numeric beyond double precision); the callers find that in one comparison
 * per value and complain there, in not_finite().  Adding 0.0 to every
 * number turns -0.0 into 0.0 and changes nothing else: equal rows have equal
 * bits.
 */
#include "postgres.h"

#include <ctype.h>
#include <float.h>

#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "compat.h"
#include "engine/encode.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* days and microseconds from 1970-01-01 to 2000-01-01, where the server counts from */
#define EPOCH_DAYS (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)
#define EPOCH_USECS (EPOCH_DAYS * USECS_PER_DAY)

/* a value is shown in an error up to this many bytes */
#define SHOWN_BYTES 64

/* An array value, its elements possibly not aligned. */
typedef struct KmElements
{
	int			n;
	bool		hasnull;		/* it has a bitmap of NULLs */
	const char *data;
} KmElements;

static double (*scalar_number(Oid type)) (const KmEncoder *, Datum);
static void init_array(KmEncoder *encoder);
static void init_category(KmEncoder *encoder);
static void init_unknown(KmEncoder *encoder);
static void wrong_type(const KmColumn *column, Oid type) pg_attribute_noreturn();
static Oid	kind_type(KmColumnKind kind);
static void open_elements(KmEncoder *encoder, Datum value, int64 ordinal,
						  KmElements *elements);
static void encode_array(KmEncoder *encoder, Datum value, int64 ordinal, double *out);
static void encode_elements(KmEncoder *encoder, const KmElements *elements, double *out);
static void encode_slowly(KmEncoder *encoder, Datum value, int64 ordinal, double *out);
static void encode_category(KmEncoder *encoder, Datum value, int64 ordinal, double *out);
static void not_finite(const KmEncoder *encoder, Datum value, int element,
					   int64 ordinal) pg_attribute_noreturn();
static char *place(const KmColumn *column, int element, int64 ordinal);
static char *shown(Oid type, Datum value);

void
km_encoder_init(KmEncoder *encoder, const KmColumn *column, Oid type)
{
	KmColumnKind kind;

	memset(encoder, 0, sizeof(KmEncoder));
	encoder->column = column;
	encoder->type = getBaseType(type);

	if (encoder->type == UNKNOWNOID)
	{
		init_unknown(encoder);
		return;
	}

	if (!km_column_kind_of_type(encoder->type, &kind) || kind != column->kind)
		wrong_type(column, type);

	if (kind == KM_COLUMN_ARRAY)
		init_array(encoder);
	else if (kind != KM_COLUMN_CATEGORY)
		encoder->number = scalar_number(encoder->type);
	else
		init_category(encoder);
}

void
km_encoder_learn(KmEncoder *encoder)
{
	encoder->learning = encoder->column->kind == KM_COLUMN_CATEGORY;
}

static void
init_category(KmEncoder *encoder)
{
	encoder->categories = km_categories_create(encoder->column);
	if (encoder->type != UNKNOWNOID && type_is_enum(encoder->type))
	{
		encoder->enum_type = encoder->type;
		fmgr_info(F_ENUM_OUT, &encoder->output);
	}
}

static void
init_array(KmEncoder *encoder)
{
	Oid			element = get_element_type(encoder->type);

	if (!OidIsValid(element))
	{
		fmgr_info(km_column_vector_cast(encoder->type), &encoder->cast);
		element = FLOAT4OID;
	}
	encoder->element = getBaseType(element);
	encoder->number = scalar_number(encoder->element);
	get_typlenbyvalalign(encoder->element, &encoder->elmlen, &encoder->elmbyval,
						 &encoder->elmalign);
}

static void
wrong_type(const KmColumn *column, Oid type)
{
	Oid			base = getBaseType(type);

	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" is of kind %s, but the value is of type %s",
					column->name, km_column_kind_name(column->kind),
					format_type_be(type)),
			 base == TEXTOID || base == VARCHAROID || base == BPCHAROID ?
			 errhint("Cast the value, for example $1::%s.",
					 format_type_be(kind_type(column->kind))) : 0));
}

/* a type whose values a column of this kind takes */
static Oid
kind_type(KmColumnKind kind)
{
	switch (kind)
	{
		case KM_COLUMN_NUMBER:
			return FLOAT8OID;
		case KM_COLUMN_BOOLEAN:
			return BOOLOID;
		case KM_COLUMN_DATE:
			return DATEOID;
		case KM_COLUMN_TIMESTAMP:
			return TIMESTAMPOID;
		case KM_COLUMN_TIMESTAMPTZ:
			return TIMESTAMPTZOID;
		case KM_COLUMN_INTERVAL:
			return INTERVALOID;
		case KM_COLUMN_ARRAY:
			return FLOAT8ARRAYOID;
		case KM_COLUMN_CATEGORY:
			return TEXTOID;
	}
	pg_unreachable();
}

/* ---- Scalars ---- */

static double
int2_number(const KmEncoder *encoder, Datum value)
{
	return DatumGetInt16(value);
}

static double
int4_number(const KmEncoder *encoder, Datum value)
{
	return DatumGetInt32(value);
}

static double
int8_number(const KmEncoder *encoder, Datum value)
{
	return (double) DatumGetInt64(value);
}

static double
float4_number(const KmEncoder *encoder, Datum value)
{
	return DatumGetFloat4(value);
}

static double
float8_number(const KmEncoder *encoder, Datum value)
{
	return DatumGetFloat8(value);
}

/* beyond double precision: an infinity */
static double
numeric_number(const KmEncoder *encoder, Datum value)
{
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));
}

static double
bool_number(const KmEncoder *encoder, Datum value)
{
	return DatumGetBool(value) ? 1 : 0;
}

static double
date_number(const KmEncoder *encoder, Datum value)
{
	DateADT		date = DatumGetDateADT(value);

	if (DATE_NOT_FINITE(date))
		return DATE_IS_NOBEGIN(date) ? -get_float8_infinity() : get_float8_infinity();
	return (double) date + EPOCH_DAYS;
}

/* timestamp and timestamptz; a microsecond is kept for 285 years around 1970 */
static double
timestamp_number(const KmEncoder *encoder, Datum value)
{
	Timestamp	timestamp = DatumGetTimestamp(value);
	int64		usecs;

	if (TIMESTAMP_NOT_FINITE(timestamp))
		return TIMESTAMP_IS_NOBEGIN(timestamp) ? -get_float8_infinity() :
			get_float8_infinity();
	if (pg_add_s64_overflow(timestamp, EPOCH_USECS, &usecs))
		return ((double) timestamp + (double) EPOCH_USECS) / USECS_PER_SEC;
	return (double) usecs / USECS_PER_SEC;
}

/*
 * A year of 365.25 days, a month beyond whole years of 30, a day of 24 hours.
 * In integers where that does not overflow, so that there is one rounding.
 */
static double
interval_number(const KmEncoder *encoder, Datum value)
{
	Interval   *interval = DatumGetIntervalP(value);
	int64		seconds;
	int64		usecs;

	if (INTERVAL_NOT_FINITE(interval))
		return interval->month < 0 ? -get_float8_infinity() : get_float8_infinity();

	seconds = (interval->month / MONTHS_PER_YEAR) *
		(int64) (DAYS_PER_YEAR * SECS_PER_DAY) +
		(interval->month % MONTHS_PER_YEAR) * (int64) (DAYS_PER_MONTH * SECS_PER_DAY) +
		interval->day * (int64) SECS_PER_DAY;
	if (pg_mul_s64_overflow(seconds, USECS_PER_SEC, &usecs) ||
		pg_add_s64_overflow(usecs, interval->time, &usecs))
		return (double) seconds + (double) interval->time / USECS_PER_SEC;
	return (double) usecs / USECS_PER_SEC;
}

static double
(*scalar_number(Oid type)) (const KmEncoder *, Datum)
{
	switch (type)
	{
		case INT2OID:
			return int2_number;
		case INT4OID:
			return int4_number;
		case INT8OID:
			return int8_number;
		case FLOAT4OID:
			return float4_number;
		case FLOAT8OID:
			return float8_number;
		case NUMERICOID:
			return numeric_number;
		case BOOLOID:
			return bool_number;
		case DATEOID:
			return date_number;
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return timestamp_number;
		case INTERVALOID:
			return interval_number;
	}
	elog(ERROR, "no number for type %u", type);
}

/* ---- Untyped literals ---- */

/* false unless the whole text is a number */
static bool
read_number(const char *text, double *number)
{
	char	   *end;

	*number = strtod(text, &end);
	if (end == text)
		return false;
	while (isspace((unsigned char) *end))
		end++;
	return *end == '\0';
}

static double
unknown_number(const KmEncoder *encoder, Datum value)
{
	const char *text = DatumGetCString(value);
	KmColumnKind kind = encoder->column->kind;
	double		number;
	bool		truth;

	if (kind == KM_COLUMN_BOOLEAN)
	{
		if (parse_bool(text, &truth))
			return truth ? 1 : 0;
	}
	else if (read_number(text, &number))
		return number;
	else if (kind != KM_COLUMN_NUMBER)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("untyped literal \"%s\" for column \"%s\" of kind %s is not a number",
						text, encoder->column->name, km_column_kind_name(kind)),
				 errdetail("What it means depends on the settings of the session."),
				 errhint("Write %s '...'.", km_column_kind_name(kind))));

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid value for column \"%s\" of kind %s: \"%s\"",
					encoder->column->name, km_column_kind_name(kind), text)));
}

static void
init_unknown(KmEncoder *encoder)
{
	if (encoder->column->kind == KM_COLUMN_ARRAY)
	{
		encoder->element = FLOAT8OID;
		encoder->number = float8_number;
		get_typlenbyvalalign(FLOAT8OID, &encoder->elmlen, &encoder->elmbyval,
							 &encoder->elmalign);
	}
	else if (encoder->column->kind == KM_COLUMN_CATEGORY)
		init_category(encoder);
	else
		encoder->number = unknown_number;
}

/* ---- Encoding ---- */

KmEncodeStatus
km_encode_value(KmEncoder *encoder, Datum value, bool isnull, int64 ordinal, double *out)
{
	if (isnull)
		return KM_ENCODE_NULL;

	if (encoder->column->kind == KM_COLUMN_ARRAY)
		encode_array(encoder, value, ordinal, out);
	else if (encoder->column->kind == KM_COLUMN_CATEGORY)
		encode_category(encoder, value, ordinal, out);
	else
	{
		*out = encoder->number(encoder, value) + 0.0;
		if (unlikely(!isfinite(*out)))
			not_finite(encoder, value, 0, ordinal);
	}
	return KM_ENCODE_OK;
}

int
km_encoder_length(KmEncoder *encoder, Datum value, int64 ordinal)
{
	KmElements	elements;

	open_elements(encoder, value, ordinal, &elements);
	return elements.n;
}

ArrayType *
km_encoder_array(KmEncoder *encoder, Datum value)
{
	if (encoder->type == UNKNOWNOID)
		value = OidInputFunctionCall(F_ARRAY_IN, DatumGetCString(value), FLOAT8OID, -1);
	else if (OidIsValid(encoder->cast.fn_oid))
		value = FunctionCall3(&encoder->cast, value, Int32GetDatum(-1),
							  BoolGetDatum(true));
	return DatumGetArrayTypeP(value);
}

/*
 * Look into an array without aligning it, and check its shape.  The header of
 * one with a short length word is copied out first: after that word follow
 * ndim, dataoffset, elemtype, and per dimension a length, then a lower bound.
 */
static void
open_elements(KmEncoder *encoder, Datum value, int64 ordinal, KmElements *elements)
{
	struct varlena *datum;
	const char *content;
	struct
	{
		int32		ndim;
		int32		dataoffset;
		Oid			elemtype;
		int32		n;
	}			header;

	if (encoder->type == UNKNOWNOID || OidIsValid(encoder->cast.fn_oid))
		value = PointerGetDatum(km_encoder_array(encoder, value));
	datum = PG_DETOAST_DATUM_PACKED(value);
	content = VARDATA_ANY(datum);

	header.n = 0;
	memcpy(&header, content, Min(sizeof(header), VARSIZE_ANY_EXHDR(datum)));
	if (header.ndim == 0)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("array of %s is empty", place(encoder->column, 0, ordinal))));
	if (header.ndim != 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("array of %s has %d dimensions",
						place(encoder->column, 0, ordinal), header.ndim),
				 errdetail("It must have one.")));

	elements->n = header.n;
	elements->hasnull = header.dataoffset != 0;
	elements->data = content + ARR_OVERHEAD_NONULLS(1) - VARHDRSZ;
}

static void
encode_array(KmEncoder *encoder, Datum value, int64 ordinal, double *out)
{
	const KmColumn *column = encoder->column;
	KmElements	elements;
	double		excess = 0;

	open_elements(encoder, value, ordinal, &elements);
	if (elements.n != column->nfeatures)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("array of %s has %d elements, expected %d",
						place(column, 0, ordinal), elements.n, column->nfeatures)));

	if (elements.hasnull || encoder->elmlen < 0)
	{
		encode_slowly(encoder, value, ordinal, out);
		return;
	}

	encode_elements(encoder, &elements, out);

	/* x - x is 0 for a finite x, and NaN, which sums to NaN, for any other */
	for (int t = 0; t < elements.n; t++)
		excess += out[t] - out[t];
	if (unlikely(excess != 0))
		encode_slowly(encoder, value, ordinal, out);
}

/* elements of fixed width, none of them NULL, not necessarily aligned */
static void
encode_elements(KmEncoder *encoder, const KmElements *elements, double *out)
{
	const char *data = elements->data;
	int			n = elements->n;

#define ENCODE_AS(type) \
	for (int t = 0; t < n; t++) \
	{ \
		type		element; \
		\
		memcpy(&element, data + t * sizeof(type), sizeof(type)); \
		out[t] = (double) element + 0.0; \
	}

	switch (encoder->element)
	{
		case INT2OID:
			ENCODE_AS(int16);
			break;
		case INT4OID:
			ENCODE_AS(int32);
			break;
		case INT8OID:
			ENCODE_AS(int64);
			break;
		case FLOAT4OID:
			ENCODE_AS(float4);
			break;
		case FLOAT8OID:
			ENCODE_AS(float8);
			break;
		default:
			elog(ERROR, "no fixed width for type %u", encoder->element);
	}

#undef ENCODE_AS
}

/* element by element: for numeric, for bitmaps of NULLs, to find the culprit */
static void
encode_slowly(KmEncoder *encoder, Datum value, int64 ordinal, double *out)
{
	ArrayType  *array = km_encoder_array(encoder, value);
	Datum	   *values;
	bool	   *nulls;
	int			n;

	/* its elements' type may be a domain */
	deconstruct_array(array, ARR_ELEMTYPE(array), encoder->elmlen, encoder->elmbyval,
					  encoder->elmalign, &values, &nulls, &n);
	for (int t = 0; t < n; t++)
	{
		if (nulls[t])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("array of %s has a NULL element",
							place(encoder->column, 0, ordinal)),
					 errdetail("It is element %d.", t + 1)));
		out[t] = encoder->number(encoder, values[t]) + 0.0;
		if (unlikely(!isfinite(out[t])))
			not_finite(encoder, values[t], t + 1, ordinal);
	}
	pfree(values);
	pfree(nulls);
}

/* char(n) without its padding, as when it is cast to text */
static void
encode_category(KmEncoder *encoder, Datum value, int64 ordinal, double *out)
{
	const char *bytes;
	int			nbytes;
	int			code;

	if (encoder->type == UNKNOWNOID || OidIsValid(encoder->enum_type))
	{
		bytes = encoder->type == UNKNOWNOID ? DatumGetCString(value) :
			OutputFunctionCall(&encoder->output, value);
		nbytes = strlen(bytes);
	}
	else
	{
		text	   *datum = DatumGetTextPP(value);

		bytes = VARDATA_ANY(datum);
		nbytes = VARSIZE_ANY_EXHDR(datum);
		if (encoder->type == BPCHAROID)
			nbytes = bpchartruelen(unconstify(char *, bytes), nbytes);
	}

	if (encoder->learning)
	{
		*out = km_categories_learn(encoder->categories, bytes, nbytes, ordinal);
		return;
	}
	memset(out, 0, encoder->column->nfeatures * sizeof(double));
	code = km_categories_find(encoder->categories, bytes, nbytes);
	if (code >= 0)
		out[code] = 1;
}

/* ---- Complaints ---- */

/* element: of an array, from 1; else 0 */
static void
not_finite(const KmEncoder *encoder, Datum value, int element, int64 ordinal)
{
	Oid			type = element > 0 ? encoder->element : encoder->type;

	if (type == NUMERICOID && !numeric_is_nan(DatumGetNumeric(value)) &&
		!numeric_is_inf(DatumGetNumeric(value)))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("value %s of %s is out of range for type double precision",
						shown(type, value), place(encoder->column, element, ordinal))));

	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("value %s of %s is not finite",
					shown(type, value), place(encoder->column, element, ordinal)),
			 ordinal > 0 ?
			 errhint("Leave such rows out in the source query, or make the value NULL.") :
			 0));
}

void
km_encode_overflow(char *const *features, const KmSpace *space, const double *values,
				   int d, int64 ordinal)
{
	bool		scaled = space != NULL && space->scale != NULL;
	int			worst = 0;
	double		worst_z = -1;
	StringInfoData where;

	for (int t = 0; t < d; t++)
	{
		double		z = fabs(scaled ? (values[t] - space->shift[t]) / space->scale[t] :
							 values[t]);

		if (z > worst_z)
		{
			worst = t;
			worst_z = z;
		}
	}

	initStringInfo(&where);
	if (features != NULL)
		appendStringInfo(&where, " of \"%s\"", features[worst]);
	if (ordinal > 0)
		appendStringInfo(&where, " in row " INT64_FORMAT, ordinal);

	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("value %g%s is too large: squares overflow",
					values[worst], where.data),
			 errhint("Fit with scale => 'standard', or leave such rows out.")));
}

/* 'column "a"', 'column "a[3]" in row 7' */
static char *
place(const KmColumn *column, int element, int64 ordinal)
{
	StringInfoData text;

	initStringInfo(&text);
	if (element > 0)
		appendStringInfo(&text, "column \"%s[%d]\"", column->name, element);
	else
		appendStringInfo(&text, "column \"%s\"", column->name);
	if (ordinal > 0)
		appendStringInfo(&text, " in row " INT64_FORMAT, ordinal);
	return text.data;
}

/* a value as its type shows it, cut if it is long */
static char *
shown(Oid type, Datum value)
{
	char	   *text;
	Oid			output;
	bool		isvarlena;

	if (type == UNKNOWNOID)
		text = pstrdup(DatumGetCString(value));
	else
	{
		getTypeOutputInfo(type, &output, &isvarlena);
		text = OidOutputFunctionCall(output, value);
	}

	if (strlen(text) > SHOWN_BYTES)
	{
		text[pg_mbcliplen(text, strlen(text), SHOWN_BYTES)] = '\0';
		text = psprintf("%s...", text);
	}
	return text;
}
