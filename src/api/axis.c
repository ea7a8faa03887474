/*
 * axis.c
 *		Axes: from values to pixels, with ticks that people would choose.
 *
 * A ladder of steps leads from narrow to broad: for numbers 1, 2, 5, 10, 20,
 * ...; for times seconds, minutes, hours, days, months and years.  The first
 * step whose ticks have room is taken.
 */
#include "postgres.h"

#include <math.h>

#include "api/axis.h"
#include "api/svg.h"
#include "datatype/timestamp.h"
#include "utils/datetime.h"

/* at either end, in parts of the range */
#define MARGIN			0.04

/* the least distance of ticks of a vertical axis, of texts of a horizontal one */
#define LINE_GAP		36
#define TEXT_GAP		26

/* between axis and texts, and between texts and the title */
#define TICK_ROOM		6
#define TITLE_ROOM		20

/* from the year 1 on, about as many days have dates; others are numbers */
#define FIRST_DAY		(-719162)
#define LAST_DAY		10000000

/* steps of times */
typedef struct KmTimeStep
{
	double		seconds;
	int			months;			/* 0: a step of seconds */
} KmTimeStep;

static const KmTimeStep time_steps[] = {
	{1, 0}, {2, 0}, {5, 0}, {10, 0}, {15, 0}, {30, 0},
	{60, 0}, {120, 0}, {300, 0}, {600, 0}, {900, 0}, {1800, 0},
	{3600, 0}, {7200, 0}, {10800, 0}, {21600, 0}, {43200, 0},
	{86400, 0}, {2 * 86400, 0}, {7 * 86400, 0}, {14 * 86400, 0},
	{30.4 * 86400, 1}, {91.3 * 86400, 3}, {182.6 * 86400, 6},
	{365.2 * 86400, 12}, {730.5 * 86400, 24}, {1826 * 86400.0, 60},
	{3652 * 86400.0, 120}, {7305 * 86400.0, 240}, {18262 * 86400.0, 600},
	{36525 * 86400.0, 1200}, {73050 * 86400.0, 2400}, {182625 * 86400.0, 6000},
	{365250 * 86400.0, 12000}, {3652500 * 86400.0, 120000}
};

/* a unit in which numbers are shown */
typedef struct KmUnit
{
	double		size;
	const char *name;
} KmUnit;

static const KmUnit interval_units[] = {
	{SECS_PER_DAY, "days"}, {SECS_PER_HOUR, "hours"}, {SECS_PER_MINUTE, "minutes"},
	{1, "seconds"}
};

static bool is_dated(const KmColumn *column, double lo, double hi);
static void climb_numbers(KmAxis *axis, const KmUnit *unit, bool whole);
static void tick_numbers(KmAxis *axis, double step, const KmUnit *unit);
static char *number_text(double value, double step, double largest);
static void tick_times(KmAxis *axis, const KmTimeStep *step, bool days);
static void tick_months(KmAxis *axis, int months, double day);
static void add_tick(KmAxis *axis, double at, char *text);
static bool has_room(const KmAxis *axis);

void
km_axis_init(KmAxis *axis, const char *title, const KmColumn *column, double lo,
			 double hi, double from, double to, bool whole)
{
	KmUnit		unit = {1, NULL};
	double		largest = Max(fabs(lo), fabs(hi));
	double		margin = (hi - lo) * MARGIN;

	/* one value, or as good as one */
	if (!(hi - lo > 1e-10 * largest))
		margin = largest > 0 ? largest * 0.1 : 0.5;
	axis->lo = lo - margin;
	axis->hi = hi + margin;
	axis->from = from;
	axis->to = to;
	if (is_dated(column, axis->lo, axis->hi))
	{
		bool		days = column->kind == KM_COLUMN_DATE;
		int			s = 0;

		while (days && time_steps[s].seconds < SECS_PER_DAY)
			s++;
		do
			tick_times(axis, &time_steps[s++], days);
		while (!has_room(axis) && s < lengthof(time_steps));
		axis->title = column->kind == KM_COLUMN_TIMESTAMPTZ ?
			psprintf("%s (UTC)", title) : pstrdup(title);
		return;
	}

	if (column != NULL && column->kind == KM_COLUMN_INTERVAL)
	{
		int			u = 0;

		while (u < lengthof(interval_units) - 1 &&
			   Max(fabs(lo), fabs(hi)) < 2 * interval_units[u].size)
			u++;
		unit = interval_units[u];
	}
	axis->title = unit.name != NULL ? psprintf("%s (%s)", title, unit.name) : pstrdup(title);
	climb_numbers(axis, &unit, whole);
}

double
km_axis_place(const KmAxis *axis, double value)
{
	return axis->from + (value - axis->lo) / (axis->hi - axis->lo) * (axis->to - axis->from);
}

double
km_axis_text_width(const KmAxis *axis)
{
	double		width = 0;

	for (int i = 0; i < axis->nticks; i++)
		width = Max(width, km_svg_width(axis->text[i], KM_SVG_TICK));
	return width;
}

void
km_axis_draw_x(StringInfo out, const KmAxis *axis, double top, double bottom)
{
	for (int i = 0; i < axis->nticks; i++)
	{
		double		x = km_axis_place(axis, axis->at[i]);

		km_svg_line(out, "grid", x, top, x, bottom);
		km_svg_text(out, "t m", x, bottom + TICK_ROOM + KM_SVG_TICK, axis->text[i]);
	}
	if (axis->title[0] == '\0')
		return;
	km_svg_text_within(out, "l m", (axis->from + axis->to) / 2,
					   bottom + TICK_ROOM + KM_SVG_TICK + TITLE_ROOM, axis->title,
					   axis->to - axis->from, KM_SVG_LABEL);
}

void
km_axis_draw_y(StringInfo out, const KmAxis *axis, double left, double right)
{
	for (int i = 0; i < axis->nticks; i++)
	{
		double		y = km_axis_place(axis, axis->at[i]);

		km_svg_line(out, "grid", left, y, right, y);
		km_svg_text(out, "t e", left - TICK_ROOM, y + 4, axis->text[i]);
	}
	if (axis->title[0] == '\0')
		return;
	km_svg_text_turned(out, "l m", left - TICK_ROOM - km_axis_text_width(axis) - 8,
					   (axis->from + axis->to) / 2, -90, axis->title,
					   axis->from - axis->to, KM_SVG_LABEL);
}

/* ---- Ticks ---- */

/* Are these values shown as dates or times? */
static bool
is_dated(const KmColumn *column, double lo, double hi)
{
	double		day;

	if (column == NULL)
		return false;
	switch (column->kind)
	{
		case KM_COLUMN_DATE:
			day = 1;
			break;
		case KM_COLUMN_TIMESTAMP:
		case KM_COLUMN_TIMESTAMPTZ:
			day = SECS_PER_DAY;
			break;
		default:
			return false;
	}
	return lo >= FIRST_DAY * day && hi <= LAST_DAY * day;
}

/* four decades of steps are enough for any number of ticks */
static void
climb_numbers(KmAxis *axis, const KmUnit *unit, bool whole)
{
	static const double ladder[] = {1, 2, 5};
	double		range = (axis->hi - axis->lo) / unit->size;
	double		least = pow(10, floor(log10(range / KM_AXIS_TICKS)));

	if (whole)
		least = Max(least, 1);
	for (int s = 0; s < 4 * lengthof(ladder); s++)
	{
		tick_numbers(axis, ladder[s % 3] * least * pow(10, s / 3), unit);
		if (has_room(axis))
			return;
	}
	axis->nticks = 0;
}

/* the end is a little farther, for what is a multiple but for rounding */
static void
tick_numbers(KmAxis *axis, double step, const KmUnit *unit)
{
	double		lo = axis->lo / unit->size;
	double		hi = axis->hi / unit->size;
	double		first = ceil(lo / step - 1e-9);
	double		largest = Max(fabs(lo), fabs(hi));

	axis->nticks = 0;
	for (int i = 0; i <= KM_AXIS_TICKS && (first + i) * step <= hi + 1e-9 * step; i++)
	{
		double		value = (first + i) * step;

		add_tick(axis, value * unit->size, number_text(value, step, largest));
	}
}

/* with as many digits as it takes to tell ticks apart; millions as such */
static char *
number_text(double value, double step, double largest)
{
	const char *suffix = "";
	int			decimals;

	if (largest >= 1e6 && largest < 1e9)
	{
		value /= 1e6;
		step /= 1e6;
		suffix = " M";
	}
	decimals = (int) -floor(log10(step) + 1e-9);
	if (value == 0)
		return pstrdup("0");
	if (largest >= 1e9 || decimals > 6)
	{
		int			digits = decimals + (int) floor(log10(fabs(value)) + 1e-9) + 1;

		return psprintf("%.*g", Min(Max(digits, 1), 17), value);
	}
	return psprintf("%.*f%s", Max(decimals, 0), value, suffix);
}

static void
tick_times(KmAxis *axis, const KmTimeStep *step, bool days)
{
	double		unit = days ? 1.0 / SECS_PER_DAY : 1;
	double		seconds = ceil(axis->lo / unit / step->seconds) * step->seconds;

	axis->nticks = 0;
	if (step->months > 0)
	{
		tick_months(axis, step->months, SECS_PER_DAY * unit);
		return;
	}
	for (int i = 0; i <= KM_AXIS_TICKS && seconds * unit <= axis->hi; i++)
	{
		double		date = floor(seconds / SECS_PER_DAY);
		int			second = (int) (seconds - date * SECS_PER_DAY);
		int			year;
		int			month;
		int			day;
		char	   *text;

		j2date((int) date + UNIX_EPOCH_JDATE, &year, &month, &day);
		if (step->seconds >= SECS_PER_DAY)
			text = psprintf("%04d-%02d-%02d", year, month, day);
		else if (step->seconds >= SECS_PER_MINUTE)
			text = psprintf("%02d-%02d %02d:%02d", month, day, second / SECS_PER_HOUR,
							second / SECS_PER_MINUTE % MINS_PER_HOUR);
		else
			text = psprintf("%02d:%02d:%02d", second / SECS_PER_HOUR,
							second / SECS_PER_MINUTE % MINS_PER_HOUR,
							second % SECS_PER_MINUTE);
		add_tick(axis, seconds * unit, text);
		seconds += step->seconds;
	}
}

/* at the first of months; day: its length on the axis */
static void
tick_months(KmAxis *axis, int months, double day)
{
	int			year;
	int			month;
	int			mday;

	j2date((int) floor(axis->lo / day) + UNIX_EPOCH_JDATE, &year, &month, &mday);
	for (int64 m = (int64) floor(((double) year * MONTHS_PER_YEAR + month - 1) / months) * months;
		 axis->nticks <= KM_AXIS_TICKS; m += months)
	{
		double		at;

		year = (int) (m / MONTHS_PER_YEAR);
		month = (int) (m % MONTHS_PER_YEAR) + 1;
		at = ((double) date2j(year, month, 1) - UNIX_EPOCH_JDATE) * day;
		if (at > axis->hi)
			break;
		if (at >= axis->lo)
			add_tick(axis, at, months % MONTHS_PER_YEAR == 0 ? psprintf("%04d", year) :
					 psprintf("%04d-%02d", year, month));
	}
}

/* one too many is counted, but not kept */
static void
add_tick(KmAxis *axis, double at, char *text)
{
	if (axis->nticks < KM_AXIS_TICKS)
	{
		axis->at[axis->nticks] = at;
		axis->text[axis->nticks] = text;
	}
	axis->nticks++;
}

static bool
has_room(const KmAxis *axis)
{
	double		length = fabs(axis->to - axis->from);

	if (axis->nticks > KM_AXIS_TICKS)
		return false;
	if (axis->nticks < 2)
		return true;
	length *= (axis->at[1] - axis->at[0]) / (axis->hi - axis->lo);
	return length >= (axis->from > axis->to ? LINE_GAP : km_axis_text_width(axis) + TEXT_GAP);
}
