/*
 * display.c
 *		How values are shown to people.
 */
#include "postgres.h"

#include <math.h>

#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "model/display.h"
#include "utils/datetime.h"

static char *time_text(const KmColumn *column, double value);
static char *interval_text(double seconds, int digits);

const KmColumn *
km_display_column(const KmModel *model, int t)
{
	const KmColumn *column = model->columns;

	while (t >= column->nfeatures)
		t -= (column++)->nfeatures;
	return column;
}

void
km_display_pair(const KmColumn *column, double a, double b, char **a_text, char **b_text)
{
	for (int digits = 3; digits <= 17; digits += 2)
	{
		*a_text = km_display_value(column, a, digits);
		*b_text = km_display_value(column, b, digits);
		if (a == b || strcmp(*a_text, *b_text) != 0)
			break;
	}
}

char *
km_display_value(const KmColumn *column, double value, int digits)
{
	switch (column->kind)
	{
		case KM_COLUMN_DATE:
		case KM_COLUMN_TIMESTAMP:
		case KM_COLUMN_TIMESTAMPTZ:
			return time_text(column, value);
		case KM_COLUMN_BOOLEAN:
		case KM_COLUMN_CATEGORY:
			return km_display_share(value);
		case KM_COLUMN_INTERVAL:
			return interval_text(value, digits);
		default:
			return km_display_number(value, digits);
	}
}

char *
km_display_spread(const KmColumn *column, double value, int digits)
{
	switch (column->kind)
	{
		case KM_COLUMN_DATE:
			return interval_text(value * SECS_PER_DAY, digits);
		case KM_COLUMN_TIMESTAMP:
		case KM_COLUMN_TIMESTAMPTZ:
		case KM_COLUMN_INTERVAL:
			return interval_text(value, digits);
		default:
			return km_display_number(value, digits);
	}
}

/* of a year with four digits */
static char *
time_text(const KmColumn *column, double value)
{
	double		seconds = column->kind == KM_COLUMN_DATE ? value * SECS_PER_DAY : value;
	double		days = floor(seconds / SECS_PER_DAY);
	int			minute = (int) ((seconds - days * SECS_PER_DAY) / SECS_PER_MINUTE);
	int			year;
	int			month;
	int			day;

	if (!(fabs(days) < 1e7))
		return km_display_number(value, 17);
	j2date((int) days + UNIX_EPOCH_JDATE, &year, &month, &day);
	if (column->kind == KM_COLUMN_DATE)
		return psprintf("%04d-%02d-%02d", year, month, day);
	return psprintf("%04d-%02d-%02d %02d:%02d%s", year, month, day,
					minute / MINS_PER_HOUR, minute % MINS_PER_HOUR,
					column->kind == KM_COLUMN_TIMESTAMPTZ ? " UTC" : "");
}

static char *
interval_text(double seconds, int digits)
{
	static const struct
	{
		double		seconds;
		const char *name;
	}			units[] = {
		{SECS_PER_DAY, "days"},
		{SECS_PER_HOUR, "hours"},
		{SECS_PER_MINUTE, "minutes"},
		{1, "seconds"}
	};
	int			u = 0;

	while (u < lengthof(units) - 1 && fabs(seconds) < 2 * units[u].seconds)
		u++;
	return psprintf("%s %s", km_display_number(seconds / units[u].seconds, digits),
					units[u].name);
}

char *
km_display_number(double value, int digits)
{
	double		size = fabs(value);
	int			whole = size >= 1 && size < 1e15 ? (int) log10(rint(size)) + 1 : 0;

	return psprintf("%.*g", Max(digits, whole), value);
}

char *
km_display_share(double share)
{
	double		percent = 100 * share;

	if (percent > 0 && percent < 0.1)
		return pstrdup("under 0.1 %");
	if (percent > 99 && percent < 100)
		return pstrdup("over 99 %");
	return psprintf(percent > 0 && percent < 9.95 ? "%.1f %%" : "%.0f %%", percent);
}

char *
km_display_role(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	return name != NULL ? name : psprintf("%u", role);
}
