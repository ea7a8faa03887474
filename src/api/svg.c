/*
 * svg.c
 *		SVG as text: the elements that pictures are made of.
 *
 * The colours are those of Okabe and Ito (Color Universal Design, 2008), the
 * blue, yellow and black ones adapted to dark surroundings.  Every colour is
 * written out twice, for light and for dark, since not every program that
 * shows SVG knows CSS variables.
 */
#include "postgres.h"

#include <math.h>

#include "api/svg.h"
#include "mb/pg_wchar.h"
#include "model/markup.h"

#define COLOURS		8
#define SHAPES		4

/* width of an average letter, in parts of its size */
#define LETTER		0.6

#define TITLE_LETTERS	100

/* no pixel is farther away */
#define FAR_OUT		1e6

static const char style[] =
".km{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif;max-width:100%;height:auto}"
".km text{fill:#333;font-size:12px}"
".km .h{font-size:16px;font-weight:600;fill:#111}"
".km .n{fill:#666}"
".km .t{font-size:11px;fill:#555}"
".km .b{font-weight:600}"
".km .m{text-anchor:middle}"
".km .e{text-anchor:end}"
".km .bg{fill:#fff}"
".km .grid{stroke:#e6e6e6}"
".km .frame{stroke:#888;fill:none}"
".km .mean{stroke:#d00;stroke-width:1.5;stroke-dasharray:5 4}"
".km .curve{fill:none;stroke:#0072b2;stroke-width:2}"
".km .best{fill:none;stroke:#d55e00;stroke-width:2}"
".km .d{fill-opacity:.75;stroke:#fff;stroke-width:.5}"
".km .halo{fill:none;stroke:#fff;stroke-width:6;stroke-linecap:round}"
".km .centroid,.km .key{fill:none;stroke-width:2.5;stroke-linecap:round}"
".km .key{stroke:red}"
".km .c0{fill:#0072b2}.km .c1{fill:#e69f00}.km .c2{fill:#009e73}.km .c3{fill:#cc79a7}"
".km .c4{fill:#56b4e9}.km .c5{fill:#e0cc00}.km .c6{fill:#d55e00}.km .c7{fill:#222}"
".km .z0{fill:#2166ac}.km .z1{fill:#4393c3}.km .z2{fill:#92c5de}.km .z3{fill:#c3dff0}.km .z4{fill:#e4eff6}"
".km .z5{fill:#f5f5f5}"
".km .z6{fill:#fdeadf}.km .z7{fill:#fbcfb4}.km .z8{fill:#f0a07a}.km .z9{fill:#d6604d}.km .z10{fill:#b2182b}"
".km .z11{fill:none;stroke:#ccc;stroke-dasharray:2 2}"
".km text.strong{fill:#fff}"
"@media (prefers-color-scheme:dark){"
".km text{fill:#ddd}"
".km .h{fill:#f2f2f2}"
".km .n{fill:#aaa}"
".km .t{fill:#bbb}"
".km .bg{fill:#16181c}"
".km .grid{stroke:#30343a}"
".km .frame{stroke:#777}"
".km .mean{stroke:#ff5c5c}"
".km .curve{stroke:#56b4e9}"
".km .best{stroke:#ff9a4d}"
".km .d,.km .halo{stroke:#16181c}.km .centroid,.km .key{stroke:#ff4040}"
".km .c0{fill:#2f86d6}.km .c4{fill:#9bd7ff}.km .c5{fill:#f0e442}.km .c6{fill:#e8681a}.km .c7{fill:#e8e8e8}"
".km .z0{fill:#7cc0ff}.km .z1{fill:#559fe0}.km .z2{fill:#3c7db8}.km .z3{fill:#2d5b85}.km .z4{fill:#26405a}"
".km .z5{fill:#2b2e33}"
".km .z6{fill:#553528}.km .z7{fill:#7e4529}.km .z8{fill:#b0592c}.km .z9{fill:#dd7a3a}.km .z10{fill:#ffa461}"
".km .z11{stroke:#555}"
".km text.strong{fill:#111}"
"}";

static void add_attribute(StringInfo out, const char *name, double number);
static void begin_element(StringInfo out, const char *name, const char *classes);
static void add_text(StringInfo out, const char *classes, double x, double y, int angle,
					 const char *text, int bytes);
static void add_title(StringInfo out, const char *text);
static int	fitting_bytes(const char *text, double room, int size);

/* ---- Documents ---- */

const char *
km_svg_style(void)
{
	return style;
}

void
km_svg_begin(StringInfo out, int width, int height, const char *name, bool alone)
{
	appendStringInfo(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"km\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n",
					 width, height, width, height);
	add_title(out, name);
	if (alone)
		appendStringInfo(out, "<style>%s</style>\n", style);
	km_svg_rect(out, "bg", 0, 0, width, height);
}

void
km_svg_end(StringInfo out)
{
	appendStringInfoString(out, "</svg>\n");
}

void
km_svg_escape_some(StringInfo out, const char *text, int letters)
{
	int			bytes = fitting_bytes(text, letters * LETTER, 1);
	char	   *shown = pnstrdup(text, bytes);

	km_markup_content(out, shown);
	if (text[bytes] != '\0')
		appendStringInfoString(out, "&#8230;");
	pfree(shown);
}

/* ---- Elements ---- */

void
km_svg_number(StringInfo out, char before, double number)
{
	int64		hundredths = (int64) rint(Min(Max(number, -FAR_OUT), FAR_OUT) * 100);
	int64		size = hundredths < 0 ? -hundredths : hundredths;
	int64		whole = size / 100;
	int			rest = (int) (size % 100);

	if (before != '\0')
		appendStringInfoChar(out, before);
	if (hundredths < 0)
		appendStringInfoChar(out, '-');
	appendStringInfo(out, INT64_FORMAT, whole);
	if (rest % 10 != 0)
		appendStringInfo(out, ".%02d", rest);
	else if (rest != 0)
		appendStringInfo(out, ".%d", rest / 10);
}

static void
add_attribute(StringInfo out, const char *name, double number)
{
	appendStringInfo(out, " %s=", name);
	km_svg_number(out, '"', number);
	appendStringInfoChar(out, '"');
}

static void
begin_element(StringInfo out, const char *name, const char *classes)
{
	appendStringInfo(out, "<%s class=\"%s\"", name, classes);
}

void
km_svg_line(StringInfo out, const char *classes, double x1, double y1, double x2, double y2)
{
	begin_element(out, "line", classes);
	add_attribute(out, "x1", x1);
	add_attribute(out, "y1", y1);
	add_attribute(out, "x2", x2);
	add_attribute(out, "y2", y2);
	appendStringInfoString(out, "/>\n");
}

void
km_svg_rect(StringInfo out, const char *classes, double x, double y, double width,
			double height)
{
	begin_element(out, "rect", classes);
	add_attribute(out, "x", x);
	add_attribute(out, "y", y);
	add_attribute(out, "width", width);
	add_attribute(out, "height", height);
	appendStringInfoString(out, "/>\n");
}

void
km_svg_path(StringInfo out, const char *classes, const double *points, int n, bool closed)
{
	begin_element(out, "path", classes);
	appendStringInfoString(out, " d=\"");
	for (int i = 0; i < n; i++)
	{
		km_svg_number(out, i == 0 ? 'M' : 'L', points[2 * i]);
		km_svg_number(out, ' ', points[2 * i + 1]);
	}
	appendStringInfoString(out, closed ? "Z\"/>\n" : "\"/>\n");
}

void
km_svg_circle(StringInfo out, const char *classes, double x, double y, double radius)
{
	begin_element(out, "circle", classes);
	add_attribute(out, "cx", x);
	add_attribute(out, "cy", y);
	add_attribute(out, "r", radius);
	appendStringInfoString(out, "/>\n");
}

/* ---- Texts ---- */

void
km_svg_text(StringInfo out, const char *classes, double x, double y, const char *text)
{
	add_text(out, classes, x, y, 0, text, strlen(text));
}

void
km_svg_text_within(StringInfo out, const char *classes, double x, double y,
				   const char *text, double room, int size)
{
	add_text(out, classes, x, y, 0, text, fitting_bytes(text, room, size));
}

void
km_svg_text_turned(StringInfo out, const char *classes, double x, double y, int angle,
				   const char *text, double room, int size)
{
	add_text(out, classes, x, y, angle, text, fitting_bytes(text, room, size));
}

/* the first bytes of the text; if these are not all, with an ellipsis */
static void
add_text(StringInfo out, const char *classes, double x, double y, int angle,
		 const char *text, int bytes)
{
	bool		all = text[bytes] == '\0';
	char	   *shown = pnstrdup(text, bytes);

	begin_element(out, "text", classes);
	add_attribute(out, "x", x);
	add_attribute(out, "y", y);
	if (angle != 0)
	{
		appendStringInfo(out, " transform=\"rotate(%d", angle);
		km_svg_number(out, ' ', x);
		km_svg_number(out, ' ', y);
		appendStringInfoString(out, ")\"");
	}
	appendStringInfoChar(out, '>');
	if (!all)
		add_title(out, text);
	km_markup_content(out, shown);
	appendStringInfoString(out, all ? "</text>\n" : "&#8230;</text>\n");
	pfree(shown);
}

/* what an element says when it is pointed at; not without end */
static void
add_title(StringInfo out, const char *text)
{
	appendStringInfoString(out, "<title>");
	km_svg_escape_some(out, text, TITLE_LETTERS);
	appendStringInfoString(out, "</title>");
}

double
km_svg_width(const char *text, int size)
{
	int			cells = 0;

	for (const char *p = text; *p != '\0'; p += pg_mblen(p))
		cells += Max(pg_dsplen(p), 0);
	return cells * size * LETTER;
}

/* how many bytes of the text fit, beside an ellipsis unless it fits as a whole */
static int
fitting_bytes(const char *text, double room, int size)
{
	double		letter = size * LETTER;
	double		width = 0;
	int			bytes = 0;

	for (const char *p = text; *p != '\0'; p += pg_mblen(p))
	{
		width += Max(pg_dsplen(p), 0) * letter;
		if (width + letter <= room)
			bytes = (int) (p - text) + pg_mblen(p);
	}
	return width <= room ? (int) strlen(text) : bytes;
}

/* ---- Marks ---- */

const char *
km_svg_colour(int cluster)
{
	static const char *const classes[COLOURS] = {
		"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"
	};

	return classes[cluster % COLOURS];
}

void
km_svg_mark(StringInfo out, int cluster, double x, double y, double radius)
{
	const char *classes = km_svg_colour(cluster);
	double		r = 0.9 * radius;
	double		wide = 1.3 * radius;

	switch (cluster / COLOURS % SHAPES)
	{
		case 1:
			km_svg_rect(out, classes, x - r, y - r, 2 * r, 2 * r);
			break;
		case 2:
			km_svg_path(out, classes, (double[])
						{
							x, y - wide, x + wide, y + r, x - wide, y + r
						}, 3, true);
			break;
		case 3:
			km_svg_path(out, classes, (double[])
						{
							x, y - wide, x + wide, y, x, y + wide, x - wide, y
						}, 4, true);
			break;
		default:
			km_svg_circle(out, classes, x, y, radius);
	}
}

void
km_svg_cross(StringInfo out, double x, double y, double radius, const char *name)
{
	StringInfoData strokes;

	initStringInfo(&strokes);
	for (int side = -1; side <= 1; side += 2)
	{
		km_svg_number(&strokes, 'M', x - radius);
		km_svg_number(&strokes, ' ', y - side * radius);
		km_svg_number(&strokes, 'L', x + radius);
		km_svg_number(&strokes, ' ', y + side * radius);
	}

	/* below it the same, broader, sets it off from the rows */
	appendStringInfo(out, "<path class=\"halo\" d=\"%s\"/>\n", strokes.data);
	if (name == NULL)
		appendStringInfo(out, "<path class=\"key\" d=\"%s\"/>\n", strokes.data);
	else
	{
		appendStringInfo(out, "<path class=\"centroid\" stroke=\"red\" d=\"%s\">",
						 strokes.data);
		add_title(out, name);
		appendStringInfoString(out, "</path>\n");
	}
	pfree(strokes.data);
}
