/*
 * heatmap.c
 *		kmeans_plot_profile: what is typical of each cluster, as a heat map.
 *
 * One row per cluster, one column per feature; a cell shows how far the
 * cluster's mean is from that of all rows, in standard deviations of all
 * rows, as a colour and as a number, and below it the mean itself.  Of a large
 * model only what matters most is drawn, and the picture says so: the largest
 * clusters, and the features that the clusters explain best.
 */
#include "postgres.h"

#include <math.h>

#include "api/args.h"
#include "api/plot.h"
#include "api/svg.h"
#include "miscadmin.h"
#include "model/display.h"
#include "model/profile.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(kmeans_plot_profile);

/* at most so many are drawn */
#define CLUSTERS		40
#define FEATURES		24

#define CELL_WIDTH		76		/* at least; more if values need it */
#define MAX_CELL_WIDTH	150
#define CELL_HEIGHT		38
#define MIN_WIDTH		470		/* of the picture */
#define LABEL_ROOM		200		/* at most, left of the cells */
#define NAME_ROOM		150		/* at most, above them, measured along the names */
#define NAME_ANGLE		(-40)
#define HEADING			28		/* of a picture that stands alone */
#define NOTE			18		/* below it */
#define EDGE			18

/* the scale of colours: steps of half a standard deviation about the mean */
#define STEP			0.5
#define STEPS			5		/* to either side */
#define NO_MEAN			(2 * STEPS + 1)
#define KEY_WIDTH		28
#define KEY_HEIGHT		12
#define KEY_ROOM		64

typedef struct KmHeatmap
{
	const KmModel *model;
	KmProfile  *profile;
	int			nclusters;		/* drawn ones */
	int		   *clusters;		/* ascending */
	int			nfeatures;
	int		   *features;		/* ascending */
	double		left;			/* of the cells */
	double		top;
	double	   *edges;			/* nfeatures + 1: of the columns of cells */
} KmHeatmap;

static void choose_features(KmHeatmap *map);
static int	compare_places(const void *a, const void *b);
static int	compare_indexes(const void *a, const void *b);
static int *first_indexes(KmPlace *places, int n, int wanted);
static void place_columns(KmHeatmap *map);
static double names_width(const KmHeatmap *map);
static double names_height(const KmHeatmap *map);
static void draw_note(StringInfo out, const KmHeatmap *map, double y, double width);
static void draw_names(StringInfo out, const KmHeatmap *map);
static void draw_cluster(StringInfo out, const KmHeatmap *map, int row);
static void draw_cell(StringInfo out, const KmHeatmap *map, int row, int column);
static char *value_text(const KmHeatmap *map, int row, int column);
static void draw_key(StringInfo out, double x, double y);

Datum
kmeans_plot_profile(PG_FUNCTION_ARGS)
{
	KmModelArg	arg = km_args_model(fcinfo);
	StringInfoData out;

	initStringInfo(&out);
	km_plot_profile(&out, arg.model, km_plot_model_name(arg.ref), true);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

void
km_plot_profile(StringInfo out, const KmModel *model, const char *title, bool alone)
{
	KmHeatmap	map = {.model = model, .profile = km_profile(model)};
	double		heading = alone ? HEADING : 0;
	double		width;
	double		height;
	double		bottom;

	map.nclusters = Min(model->k, CLUSTERS);
	map.clusters = km_plot_largest(model, map.nclusters);
	choose_features(&map);
	map.left = EDGE + 8 + names_width(&map);
	map.top = heading + NOTE + 16 + names_height(&map);
	place_columns(&map);
	width = Max(map.edges[map.nfeatures] + EDGE + names_height(&map), MIN_WIDTH);
	width = Max(width, map.left + (2 * STEPS + 1) * KEY_WIDTH + EDGE);
	bottom = map.top + map.nclusters * CELL_HEIGHT;
	height = bottom + KEY_ROOM;

	km_svg_begin(out, (int) width, (int) height, title, alone);
	if (alone)
		km_svg_text_within(out, "h", EDGE, HEADING, title, width - 2 * EDGE, KM_SVG_HEADING);
	draw_note(out, &map, heading + NOTE, width);
	draw_names(out, &map);
	for (int row = 0; row < map.nclusters; row++)
		draw_cluster(out, &map, row);
	draw_key(out, map.left, bottom + 20);
	km_svg_end(out);
}

/* ---- What is drawn ---- */

int *
km_plot_largest(const KmModel *model, int wanted)
{
	KmPlace    *places = palloc(mul_size(model->k, sizeof(KmPlace)));

	for (int j = 0; j < model->k; j++)
	{
		places[j].value = model->weights[j];
		places[j].index = j;
	}
	return first_indexes(places, model->k, wanted);
}

static void
choose_features(KmHeatmap *map)
{
	const KmModel *model = map->model;
	KmImportance *importance = km_profile_importance(model, map->profile);
	KmPlace    *places = palloc(mul_size(model->d, sizeof(KmPlace)));

	for (int t = 0; t < model->d; t++)
	{
		places[t].value = -importance->rank[t];
		places[t].index = t;
	}
	map->nfeatures = Min(model->d, FEATURES);
	map->features = first_indexes(places, model->d, map->nfeatures);
}

/* the indexes of the largest values, ascending; places are sorted */
static int *
first_indexes(KmPlace *places, int n, int wanted)
{
	int		   *indexes = palloc(mul_size(wanted, sizeof(int)));

	qsort(places, n, sizeof(KmPlace), compare_places);
	for (int i = 0; i < wanted; i++)
		indexes[i] = places[i].index;
	qsort(indexes, wanted, sizeof(int), compare_indexes);
	pfree(places);
	return indexes;
}

static int
compare_places(const void *a, const void *b)
{
	const KmPlace *x = a;
	const KmPlace *y = b;

	if (x->value != y->value)
		return x->value > y->value ? -1 : 1;
	return x->index - y->index;
}

static int
compare_indexes(const void *a, const void *b)
{
	return *(const int *) a - *(const int *) b;
}

/* ---- Layout ---- */

/* each as broad as its values */
static void
place_columns(KmHeatmap *map)
{
	map->edges = palloc(mul_size(map->nfeatures + 1, sizeof(double)));
	map->edges[0] = map->left;
	for (int column = 0; column < map->nfeatures; column++)
	{
		double		width = CELL_WIDTH;

		for (int row = 0; row < map->nclusters; row++)
			width = Max(width, km_svg_width(value_text(map, row, column), KM_SVG_TICK) + 8);
		map->edges[column + 1] = map->edges[column] + Min(width, MAX_CELL_WIDTH);
	}
}

static double
names_width(const KmHeatmap *map)
{
	double		width = 0;

	for (int row = 0; row < map->nclusters; row++)
		width = Max(width, km_svg_width(km_plot_label(map->model, map->clusters[row]),
										KM_SVG_LABEL));
	return Min(width, LABEL_ROOM);
}

/* of the names above the cells, which are turned */
static double
names_height(const KmHeatmap *map)
{
	double		width = 0;

	for (int column = 0; column < map->nfeatures; column++)
		width = Max(width, km_svg_width(map->model->features[map->features[column]],
										KM_SVG_LABEL));
	return Min(width, NAME_ROOM) * sin(-NAME_ANGLE * M_PI / 180) + 8;
}

/* ---- Drawing ---- */

static void
draw_note(StringInfo out, const KmHeatmap *map, double y, double width)
{
	const KmModel *model = map->model;
	StringInfoData note;

	initStringInfo(&note);
	appendStringInfoString(&note, "means of clusters, and their distance from that of all rows");
	if (map->nclusters < model->k)
		appendStringInfo(&note, "; the largest %d of %d clusters", map->nclusters, model->k);
	if (map->nfeatures < model->d)
		appendStringInfo(&note, "; the %d of %d features that matter most", map->nfeatures,
						 model->d);
	km_svg_text_within(out, "n", EDGE, y, note.data, width - 2 * EDGE, KM_SVG_LABEL);
}

static void
draw_names(StringInfo out, const KmHeatmap *map)
{
	for (int column = 0; column < map->nfeatures; column++)
		km_svg_text_turned(out, "l", (map->edges[column] + map->edges[column + 1]) / 2,
						   map->top - 6, NAME_ANGLE, map->model->features[map->features[column]],
						   NAME_ROOM, KM_SVG_LABEL);
}

static void
draw_cluster(StringInfo out, const KmHeatmap *map, int row)
{
	int			j = map->clusters[row];

	CHECK_FOR_INTERRUPTS();
	km_svg_text_within(out, "l e", map->left - 8,
					   map->top + (row + 0.5) * CELL_HEIGHT - 2,
					   km_plot_label(map->model, j), LABEL_ROOM, KM_SVG_LABEL);
	km_svg_text(out, "t e", map->left - 8, map->top + (row + 0.5) * CELL_HEIGHT + 12,
				km_display_share(map->model->weights[j] / map->profile->total_weight));
	for (int column = 0; column < map->nfeatures; column++)
		draw_cell(out, map, row, column);
}

static void
draw_cell(StringInfo out, const KmHeatmap *map, int row, int column)
{
	const KmModel *model = map->model;
	int			t = map->features[column];
	Size		cell = (Size) map->clusters[row] * model->d + t;
	double		x = map->edges[column];
	double		width = map->edges[column + 1] - x;
	double		middle = x + width / 2;
	double		y = map->top + row * CELL_HEIGHT;
	double		z = map->profile->z[cell];
	double		step = rint(z / STEP);
	int			colour = NO_MEAN;
	const char *strong;

	if (!isnan(z))
		colour = (int) Min(Max(step, -STEPS), STEPS) + STEPS;
	strong = abs(colour - STEPS) >= STEPS - 1 && colour != NO_MEAN ? " strong" : "";
	km_svg_rect(out, psprintf("z%d", colour), x + 1, y + 1, width - 2, CELL_HEIGHT - 2);
	if (colour == NO_MEAN)
		return;
	km_svg_text(out, psprintf("l m%s", strong), middle, y + 16,
				fabs(z) < 0.05 ? "0 sd" : psprintf("%+.1f sd", z));
	km_svg_text_within(out, psprintf("t m%s", strong), middle, y + 30,
					   value_text(map, row, column), width - 6, KM_SVG_TICK);
}

/* the mean of a cluster; of a cluster without one: nothing */
static char *
value_text(const KmHeatmap *map, int row, int column)
{
	int			t = map->features[column];
	double		mean = map->model->mean[(Size) map->clusters[row] * map->model->d + t];

	return isnan(mean) ? pstrdup("") :
		km_display_value(km_display_column(map->model, t), mean, 3);
}

/* what the colours mean */
static void
draw_key(StringInfo out, double x, double y)
{
	for (int colour = 0; colour <= 2 * STEPS; colour++)
	{
		double		left = x + colour * KEY_WIDTH;

		km_svg_rect(out, psprintf("z%d", colour), left, y, KEY_WIDTH, KEY_HEIGHT);
		if (colour % 2 == 1)
			km_svg_text(out, "t m", left + KEY_WIDTH / 2.0, y + KEY_HEIGHT + 14,
						colour == STEPS ? "0 sd" :
						psprintf("%+g", (colour - STEPS) * STEP));
	}
}
