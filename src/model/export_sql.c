/*
 * export_sql.c
 *		A model as one SELECT.
 *
 * What is written is standard SQL: arithmetic, CAST, CASE, COALESCE, and EXTRACT
 * for dates and times, SQRT and NULLIF for cosine.  (Array columns are
 * subscripted, which is PostgreSQL's.)  It computes what the definition of a
 * label says, operation by operation, in double precision, so that it finds the
 * same ids, exact ties included:
 *
 *		SELECT source.*, (cluster) AS cluster, (label) AS label FROM ... AS source
 *
 * The two are subqueries of one row each, built from the inside out:
 *
 *		features	z0, z1, ...		of the columns, scaled
 *		unit		z0, z1, ...		divided by the length (cosine only)
 *		distances	d0, d1, ...		squared, to each centroid
 *		round		d0, c0, d1, c1	of each two clusters the nearer one, of
 *									equally near ones the first; as often
 *									as it takes until there is one
 *
 * Each has a name in the text, and refers to nothing but the one before it.
 * DISTINCT, of a single row, keeps servers from merging a subquery into the
 * next one, where each of its expressions would be computed once per use.
 *
 * A NULL makes every distance NULL, and so the result.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "engine/source.h"
#include "model/export.h"

/* what stands for a source that is not stored */
#define KM_EXPORT_SOURCE	"rows_to_label"

/* under MaxTupleAttributeNumber */
#define KM_EXPORT_COLUMNS	1600

/*
 * Rounds of so many clusters and less may be merged: each triples the
 * expressions, but one row of subqueries less is to be made.
 */
#define KM_EXPORT_LAST_ROUNDS	8

static void append_identifier(StringInfo out, const char *name);
static void append_literal(StringInfo out, const char *text);
static void append_column(StringInfo out, const KmColumn *column);
static void append_days(StringInfo out, const char *value);
static void append_seconds(StringInfo out, const KmColumn *column);
static void append_raw(StringInfo out, const KmColumn *column, int t);
static void append_feature(StringInfo out, const KmModel *model, const KmColumn *column,
						   int t, int first);
static char *features_query(const KmModel *model);
static char *unit_query(const KmModel *model, const char *from);
static char *distances_query(const KmModel *model, const char *from);
static char *round_query(char **ids, int n, const char *from);
static char *nearest_query(const KmModel *model);
static void append_labels(StringInfo out, const KmModel *model, const char *id);

char *
km_export_sql(const KmModel *model, const char *source)
{
	StringInfoData out;
	char	   *nearest;
	char	   *id = model->k > 1 ? "c0" : psprintf("%d", model->ids[0]);

	if (model->k > KM_EXPORT_COLUMNS || model->d > KM_EXPORT_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the model is too large for one SELECT: %d clusters, %d features",
						model->k, model->d),
				 errdetail("At most %d of each fit.", KM_EXPORT_COLUMNS),
				 errhint("Export it as 'json' or 'pmml'.")));

	nearest = nearest_query(model);
	initStringInfo(&out);
	appendStringInfo(&out, "SELECT source.*,\n"
					 "(SELECT CASE WHEN d0 IS NOT NULL THEN %s END\n FROM %s) AS \"cluster\",\n"
					 "(SELECT CASE WHEN d0 IS NOT NULL THEN ", id, nearest);
	append_labels(&out, model, id);
	appendStringInfo(&out, " END\n FROM %s) AS \"label\"\n", nearest);
	if (source == NULL)
		appendStringInfo(&out, "FROM %s AS source", KM_EXPORT_SOURCE);
	else
		appendStringInfo(&out, km_source_is_name(source) ? "FROM %s AS source" :
						 "FROM (%s) AS source", source);
	return out.data;
}

/* ---- Words ---- */

void
km_export_number(StringInfo out, double value)
{
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(value + 0.0, digits);	/* -0 as 0 */
	appendStringInfoString(out, digits);
}

/* With an exponent, which makes it a double rather than a decimal in SQL. */
static void
append_double(StringInfo out, double value)
{
	int			start = out->len;

	km_export_number(out, value);
	if (strchr(out->data + start, 'e') == NULL)
		appendStringInfoString(out, "E0");
}

/* an operand: "- -1E0" would begin a comment if it lost its blank */
static void
append_operand(StringInfo out, double value)
{
	if (value < 0)
		appendStringInfoChar(out, '(');
	append_double(out, value);
	if (value < 0)
		appendStringInfoChar(out, ')');
}

static void
append_quoted(StringInfo out, const char *text, char quote)
{
	appendStringInfoChar(out, quote);
	for (; *text != '\0'; text++)
	{
		if (*text == quote)
			appendStringInfoChar(out, quote);
		appendStringInfoChar(out, *text);
	}
	appendStringInfoChar(out, quote);
}

static void
append_identifier(StringInfo out, const char *name)
{
	append_quoted(out, name, '"');
}

static void
append_literal(StringInfo out, const char *text)
{
	append_quoted(out, text, '\'');
}

static void
append_column(StringInfo out, const KmColumn *column)
{
	appendStringInfoString(out, "source.");
	append_identifier(out, column->name);
}

/* ---- Features ---- */

/*
 * Days from 1970-01-01: years begin in March, so that the day that some have
 * more is their last; 153 days are five months from there.
 */
static void
append_days(StringInfo out, const char *value)
{
	char	   *month = psprintf("EXTRACT(MONTH FROM %s)", value);
	char	   *january = psprintf("CASE WHEN %s < 3 THEN 1 ELSE 0 END", month);
	char	   *year = psprintf("(EXTRACT(YEAR FROM %s) - %s)", value, january);

	appendStringInfo(out, "365 * %s + FLOOR(%s / 4) - FLOOR(%s / 100) + FLOOR(%s / 400)"
					 " + FLOOR((153 * (%s - 3 + 12 * %s) + 2) / 5)"
					 " + EXTRACT(DAY FROM %s) - 719469",
					 year, year, year, year, month, january, value);
}

/*
 * Seconds of a timestamp or an interval: microseconds in exact arithmetic, then
 * one division, as km_encode() does it.
 */
static void
append_seconds(StringInfo out, const KmColumn *column)
{
	StringInfoData value;
	const char *v;

	initStringInfo(&value);
	append_column(&value, column);
	if (column->kind == KM_COLUMN_TIMESTAMPTZ)
		v = psprintf("(%s AT TIME ZONE 'UTC')", value.data);
	else
		v = value.data;
	appendStringInfoString(out, "CAST((");
	if (column->kind == KM_COLUMN_INTERVAL)
		appendStringInfo(out, "EXTRACT(YEAR FROM %s) * 31557600 + EXTRACT(MONTH FROM %s) * 2592000"
						 " + EXTRACT(DAY FROM %s) * 86400", v, v, v);
	else
	{
		appendStringInfoChar(out, '(');
		append_days(out, v);
		appendStringInfoString(out, ") * 86400");
	}
	appendStringInfo(out, " + EXTRACT(HOUR FROM %s) * 3600 + EXTRACT(MINUTE FROM %s) * 60"
					 " + EXTRACT(SECOND FROM %s)) * 1000000 AS double precision) / 1000000E0",
					 v, v, v);
}

/* feature t of a column, in original units; NULL if the column is */
static void
append_raw(StringInfo out, const KmColumn *column, int t)
{
	StringInfoData value;

	if (column->kind == KM_COLUMN_TIMESTAMP || column->kind == KM_COLUMN_TIMESTAMPTZ ||
		column->kind == KM_COLUMN_INTERVAL)
	{
		append_seconds(out, column);
		return;
	}

	initStringInfo(&value);
	append_column(&value, column);
	appendStringInfoString(out, "CAST(");
	switch (column->kind)
	{
		case KM_COLUMN_BOOLEAN:
			appendStringInfo(out, "CASE WHEN %s THEN 1 WHEN NOT %s THEN 0 END",
							 value.data, value.data);
			break;
		case KM_COLUMN_DATE:
			append_days(out, value.data);
			break;
		case KM_COLUMN_ARRAY:
			appendStringInfo(out, "%s[%d]", value.data, t + 1);
			break;
		case KM_COLUMN_CATEGORY:
			appendStringInfo(out, "CASE WHEN %s = ", value.data);
			append_literal(out, column->categories[t]);
			appendStringInfo(out, " THEN 1 WHEN %s IS NOT NULL THEN 0 END", value.data);
			break;
		default:
			appendStringInfoString(out, value.data);
			break;
	}
	appendStringInfoString(out, " AS double precision)");
}

/* feature t of a column, filled and scaled; first: of the column's features */
static void
append_feature(StringInfo out, const KmModel *model, const KmColumn *column, int t,
			   int first)
{
	double		shift = model->shift[first + t];
	double		scale = model->scale[first + t];
	bool		scaled = shift != 0 || scale != 1;

	if (scaled)
		appendStringInfoChar(out, '(');
	if (model->fill != NULL)
		appendStringInfoString(out, "COALESCE(");
	append_raw(out, column, t);
	if (model->fill != NULL)
	{
		appendStringInfoString(out, ", ");
		append_double(out, model->fill[first + t]);
		appendStringInfoChar(out, ')');
	}
	if (scaled)
	{
		appendStringInfoString(out, " - ");
		append_operand(out, shift);
		appendStringInfoString(out, ") / ");
		append_double(out, scale);
	}
}

/* ---- Queries ---- */

/* A subquery with a name.  apart: it is not to be merged into what is around it. */
static char *
subquery(const char *expressions, const char *from, const char *name, bool apart)
{
	return psprintf("(SELECT %s%s%s%s) AS %s", apart ? "DISTINCT " : "", expressions,
					from != NULL ? "\n FROM " : "", from != NULL ? from : "", name);
}

static char *
features_query(const KmModel *model)
{
	StringInfoData out;
	int			first = 0;

	initStringInfo(&out);
	for (int c = 0; c < model->ncolumns; c++)
	{
		const KmColumn *column = &model->columns[c];

		for (int t = 0; t < column->nfeatures; t++)
		{
			appendStringInfoString(&out, first + t > 0 ? ",\n " : "");
			append_feature(&out, model, column, t, first);
			appendStringInfo(&out, " AS z%d", first + t);
		}
		first += column->nfeatures;
	}
	return subquery(out.data, NULL, "features", false);
}

/* A row of length 0 has no direction: NULL. */
static char *
unit_query(const KmModel *model, const char *from)
{
	StringInfoData length;
	StringInfoData unit;

	initStringInfo(&length);
	initStringInfo(&unit);
	for (int t = 0; t < model->d; t++)
		appendStringInfo(&length, "z%d, ", t);
	appendStringInfoString(&length, "NULLIF(SQRT(");
	for (int t = 0; t < model->d; t++)
	{
		appendStringInfo(&length, "%sz%d * z%d", t > 0 ? " + " : "", t, t);
		appendStringInfo(&unit, "%sz%d / z_length AS z%d", t > 0 ? ", " : "", t, t);
	}
	appendStringInfoString(&length, "), 0) AS z_length");
	return subquery(unit.data, subquery(length.data, from, "lengths", true), "unit", true);
}

static char *
distances_query(const KmModel *model, const char *from)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int j = 0; j < model->k; j++)
	{
		CHECK_FOR_INTERRUPTS();
		appendStringInfoString(&out, j > 0 ? ",\n " : "");
		for (int t = 0; t < model->d; t++)
		{
			double		c = model->centroids[(Size) j * model->d + t];

			appendStringInfo(&out, "%s(z%d - ", t > 0 ? " + " : "", t);
			append_operand(&out, c);
			appendStringInfo(&out, ") * (z%d - ", t);
			append_operand(&out, c);
			appendStringInfoChar(&out, ')');
		}
		appendStringInfo(&out, " AS d%d", j);
	}
	return subquery(out.data, from, "distances", true);
}

/*
 * Of each two of n clusters the nearer one.  ids: how each is called; the
 * winners are called c0, c1, ...
 */
static char *
round_query(char **ids, int n, const char *from)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int j = 0; j < n; j += 2)
	{
		appendStringInfoString(&out, j > 0 ? ",\n " : "");
		if (j + 1 < n)
			appendStringInfo(&out, "CASE WHEN d%d < d%d THEN d%d ELSE d%d END AS d%d, "
							 "CASE WHEN d%d < d%d THEN %s ELSE %s END AS c%d",
							 j + 1, j, j + 1, j, j / 2,
							 j + 1, j, ids[j + 1], ids[j], j / 2);
		else
			appendStringInfo(&out, "d%d AS d%d, %s AS c%d", j, j / 2, ids[j], j / 2);
	}
	return subquery(out.data, from, "round", n > KM_EXPORT_LAST_ROUNDS);
}

/* What has the squared distance d0 to the nearest cluster, whose id is c0. */
static char *
nearest_query(const KmModel *model)
{
	char	   *query = features_query(model);
	char	  **ids = palloc(mul_size(model->k, sizeof(char *)));

	if (model->metric == KM_METRIC_COSINE)
		query = unit_query(model, query);
	query = distances_query(model, query);

	for (int j = 0; j < model->k; j++)
		ids[j] = psprintf("%d", model->ids[j]);
	for (int n = model->k; n > 1; n = (n + 1) / 2)
	{
		query = round_query(ids, n, query);
		for (int j = 0; j < (n + 1) / 2; j++)
			ids[j] = psprintf("c%d", j);
	}
	return query;
}

/* The label of the cluster, else its id as text. */
static void
append_labels(StringInfo out, const KmModel *model, const char *id)
{
	appendStringInfo(out, "CASE %s", id);
	for (int j = 0; j < model->k; j++)
	{
		appendStringInfo(out, " WHEN %d THEN ", model->ids[j]);
		append_literal(out, model->labels[j] != NULL ? model->labels[j] :
					   psprintf("%d", model->ids[j]));
	}
	appendStringInfoString(out, " END");
}
