/*
 * svg.h
 *		SVG as text: the elements that pictures are made of.
 *
 * A picture is a document of its own, or a part of an HTML page.  Looks are
 * classes of one style sheet, which knows light and dark surroundings; there
 * is no script and nothing is fetched.  What a user has named (labels,
 * features, titles) goes into the content of elements only, never into an
 * attribute, and through km_markup_content().
 *
 *		km_svg_begin(out, ...)
 *		anything else
 *		km_svg_end(out)
 *
 * Lengths are in pixels from the left upper corner.  Classes of texts: h a
 * heading, n a note, l a label, t a number at a tick, b bold; m and e anchor it at its
 * middle and its end.
 */
#ifndef KM_SVG_H
#define KM_SVG_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* sizes of letters, as in the style sheet */
#define KM_SVG_HEADING	16
#define KM_SVG_LABEL	12
#define KM_SVG_TICK		11

/* the style sheet, for the head of a page with pictures that are not alone */
extern const char *km_svg_style(void);

/* name: what a reader without eyes is told; alone: with the style sheet */
extern void km_svg_begin(StringInfo out, int width, int height, const char *name,
						 bool alone);
extern void km_svg_end(StringInfo out);

/* no more than so many letters, with an ellipsis if there are */
extern void km_svg_escape_some(StringInfo out, const char *text, int letters);

/* a number with at most two decimals, and a blank or so before it */
extern void km_svg_number(StringInfo out, char before, double number);

extern void km_svg_line(StringInfo out, const char *classes, double x1, double y1,
						double x2, double y2);
extern void km_svg_rect(StringInfo out, const char *classes, double x, double y,
						double width, double height);
extern void km_svg_circle(StringInfo out, const char *classes, double x, double y,
						  double radius);

/* lines through n points (x, y); closed: an area */
extern void km_svg_path(StringInfo out, const char *classes, const double *points,
						int n, bool closed);

extern void km_svg_text(StringInfo out, const char *classes, double x, double y,
						const char *text);

/*
 * The same for a text that may be too long for its room: it is shortened, and
 * the whole is there to be pointed at.
 */
extern void km_svg_text_within(StringInfo out, const char *classes, double x, double y,
							   const char *text, double room, int size);

/* and turned about its anchor, clockwise by degrees */
extern void km_svg_text_turned(StringInfo out, const char *classes, double x, double y,
							   int angle, const char *text, double room, int size);

/* about how wide a text is in letters of a size; never too little by much */
extern double km_svg_width(const char *text, int size);

/*
 * The mark of a cluster: one of eight colours that those who do not see all
 * colours can tell apart, in one of four shapes.
 */
extern void km_svg_mark(StringInfo out, int cluster, double x, double y, double radius);

/* the class that gives a cluster's colour */
extern const char *km_svg_colour(int cluster);

/* a red cross; without a name: in a legend */
extern void km_svg_cross(StringInfo out, double x, double y, double radius,
						 const char *name);

#endif							/* KM_SVG_H */
