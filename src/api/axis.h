/*
 * axis.h
 *		Axes: from values to pixels, with ticks that people would choose.
 *
 * Ticks are at multiples of 1, 2 or 5 times a power of ten; of dates and times
 * at days, months and years, hours, minutes and seconds.  There are only so
 * many that their texts do not touch each other.
 */
#ifndef KM_AXIS_H
#define KM_AXIS_H

#include "postgres.h"

#include "engine/encode.h"
#include "lib/stringinfo.h"

#define KM_AXIS_TICKS	16

typedef struct KmAxis
{
	char	   *title;			/* with the unit, where there is one; may be empty */
	double		lo;				/* what is at `from` */
	double		hi;				/* what is at `to` */
	double		from;			/* in pixels; a vertical axis goes upwards, so
								 * from > to */
	double		to;
	int			nticks;
	double		at[KM_AXIS_TICKS];
	char	   *text[KM_AXIS_TICKS];
} KmAxis;

/*
 * An axis for values from lo to hi, with some room at both ends.  column: whose
 * values they are; NULL: plain numbers.  whole: ticks at whole numbers only.
 */
extern void km_axis_init(KmAxis *axis, const char *title, const KmColumn *column,
						 double lo, double hi, double from, double to, bool whole);

extern double km_axis_place(const KmAxis *axis, double value);

/* how broad the texts at the ticks are */
extern double km_axis_text_width(const KmAxis *axis);

/*
 * Draw the grid lines over the width or height of the picture's frame, texts at
 * their ends, and the title: x below `bottom`, y left of `left`.
 */
extern void km_axis_draw_x(StringInfo out, const KmAxis *axis, double top, double bottom);
extern void km_axis_draw_y(StringInfo out, const KmAxis *axis, double left, double right);

#endif							/* KM_AXIS_H */
