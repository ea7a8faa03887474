/*
 * plot.c
 *		kmeans_plot: the rows of a model by cluster.
 *
 * The source is read once.  Every row is labelled, for the sizes in the legend,
 * and offered to a sampler, which keeps distinct rows by smallest hash: the
 * same rows for the same data, in whatever order it comes.  Where all rows,
 * repeated ones too, are no more than may be drawn, each is drawn.
 *
 * What the axes are:
 *
 *		x and y named, or two features		these, in original units
 *		x named alone, or one feature		it, and nothing: rows lie scattered over
 *											a strip
 *		otherwise							the first two principal components of
 *											the sampled rows, in the model's space
 */
#include "postgres.h"

#include <math.h>

#include "api/args.h"
#include "api/axis.h"
#include "api/plot.h"
#include "api/svg.h"
#include "core/kernel.h"
#include "core/principal.h"
#include "core/sample.h"
#include "engine/source.h"
#include "engine/team.h"
#include "miscadmin.h"
#include "model/display.h"
#include "model/fitted.h"
#include "model/profile.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(kmeans_plot);

#define MAX_POINTS		1000000
#define MIN_SIDE		200
#define MAX_SIDE		10000

/* rows for principal components, at least, if there are so many */
#define COMPONENT_ROWS	2000

/* centroids in a picture, those of the largest clusters */
#define MAX_CENTROIDS	200

/* the legend: of a line, and how broad at most, in parts of the picture */
#define LEGEND_LINE		20
#define LEGEND_PART		0.3
#define LEGEND_GAP		18

typedef struct KmScatter
{
	const KmFeed *feed;
	const KmModel *model;
	const KmPlotLook *look;
	KmTeam	   *team;
	KmKernel   *kernel;			/* for rows in the model's space */
	KmSampler  *sampler;
	int64		n_rows;			/* that have a cluster */
	int64	   *sizes;			/* k: of these, by cluster */
	int		   *order;			/* k: clusters, the largest first */
	KmSample   *sample;			/* in original units */
	double	   *z;				/* sample->n x d: in the space; may be the sample's */
	int32	   *label;			/* sample->n */
	int64		ndrawn;			/* contents of the sample that are drawn */
	bool		copies;			/* with all their copies */

	/* the axes; features, or components if x is -1; y -1: a strip */
	int			x;
	int			y;
	KmPrincipal *principal;
	double	   *places;			/* ndrawn x 2 */
	double	   *centroids;		/* k x 2; NaN for a cluster without a mean */
	KmAxis		x_axis;
	KmAxis		y_axis;

	/* the frame, in pixels */
	double		left;
	double		right;
	double		top;
	double		bottom;
} KmScatter;

static int	feature_argument(FunctionCallInfo fcinfo, int argno, const KmModel *model);
static int	side_argument(FunctionCallInfo fcinfo, int argno, const char *name);
static void read_rows(KmScatter *scatter);
static void receive_batch(void *arg, const KmBatch *batch);
static void label_sample(KmScatter *scatter);
static void choose_axes(KmScatter *scatter);
static void place_all(KmScatter *scatter);
static void place_row(const KmScatter *scatter, const double *values, const double *z,
					  double *place);
static void order_clusters(KmScatter *scatter);
static int	compare_sizes(const void *a, const void *b, void *sizes);
static void lay_out(KmScatter *scatter);
static bool has_heading(const KmPlotLook *look);
static double legend_width(const KmScatter *scatter);
static void make_axes(KmScatter *scatter);
static void make_axis(const KmScatter *scatter, KmAxis *axis, int component,
					  double from, double to);
static void draw_heading(StringInfo out, const KmScatter *scatter);
static void draw_frame(StringInfo out, const KmScatter *scatter);
static void draw_rows(StringInfo out, const KmScatter *scatter);
static double on_strip(int64 i);
static void draw_centroids(StringInfo out, const KmScatter *scatter);
static void draw_legend(StringInfo out, const KmScatter *scatter);
static int	legend_lines(const KmScatter *scatter);

/* ---- Arguments ---- */

Datum
kmeans_plot(PG_FUNCTION_ARGS)
{
	KmModelArg	arg = km_args_model(fcinfo);
	KmFeed		feed = {
		.model = arg.model,
		.ref = arg.ref,
		.info = &arg.info,
		.source = km_args_text_or_null(fcinfo, 3)
	};
	KmPlotLook	look = {.alone = true};
	StringInfoData out;

	look.x = feature_argument(fcinfo, 1, arg.model);
	look.y = feature_argument(fcinfo, 2, arg.model);
	if (look.x < 0 && look.y >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("y is given without x"),
				 errhint("Name both features, or x alone, or neither.")));
	look.max_points = km_plot_max_points(km_args_int(fcinfo, 4, "max_points"));
	look.width = side_argument(fcinfo, 5, "width");
	look.height = side_argument(fcinfo, 6, "height");
	look.title = km_args_text_or_null(fcinfo, 7);
	if (look.title == NULL)
		look.title = km_plot_model_name(arg.ref);

	initStringInfo(&out);
	km_plot_rows(&out, &feed, &look);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

/* the index of a feature, -1 for NULL */
static int
feature_argument(FunctionCallInfo fcinfo, int argno, const KmModel *model)
{
	char	   *name = km_args_text_or_null(fcinfo, argno);
	StringInfoData names;
	int			shown = 0;
	int			first = 0;
	int			c;

	if (name == NULL)
		return -1;
	for (int t = 0; t < model->d; t++)
		if (strcmp(model->features[t], name) == 0)
			return t;

	initStringInfo(&names);
	for (; shown < model->d && names.len < 200; shown++)
		appendStringInfo(&names, "%s%s", shown > 0 ? ", " : "", model->features[shown]);
	for (c = 0; c < model->ncolumns && strcmp(model->columns[c].name, name) != 0; c++)
		first += model->columns[c].nfeatures;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("feature \"%s\" does not exist", name),
			 errdetail("The model has %d features: %s%s.", model->d, names.data,
					   shown == model->d ? "" :
					   psprintf(" and %d more", model->d - shown)),
			 c < model->ncolumns ?
			 errhint("Column \"%s\" has a feature for each %s: write, for example, %s.", name,
					 model->columns[c].kind == KM_COLUMN_ARRAY ? "element" : "category",
					 quote_literal_cstr(model->features[first])) : 0));
}

static int
side_argument(FunctionCallInfo fcinfo, int argno, const char *name)
{
	int32		pixels = km_args_int(fcinfo, argno, name);

	if (pixels < MIN_SIDE || pixels > MAX_SIDE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of a picture is out of range: %d", name, pixels),
				 errdetail("It is from %d to %d pixels.", MIN_SIDE, MAX_SIDE)));
	return pixels;
}

int64
km_plot_max_points(int32 max_points)
{
	if (max_points < 1 || max_points > MAX_POINTS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_points is out of range: %d", max_points),
				 errdetail("It is the largest number of rows that are drawn, from 1 to %d.",
						   MAX_POINTS)));
	return max_points;
}

char *
km_plot_model_name(const KmModelRef *ref)
{
	return ref->version == ref->promoted ? pstrdup(ref->name) :
		psprintf("%s@%d", ref->name, ref->version);
}

char *
km_plot_label(const KmModel *model, int j)
{
	return model->labels[j] != NULL ? pstrdup(model->labels[j]) :
		psprintf("cluster %d", model->ids[j]);
}

/* ---- Rows ---- */

void
km_plot_rows(StringInfo out, const KmFeed *feed, const KmPlotLook *look)
{
	KmScatter	scatter = {
		.feed = feed,
		.model = feed->model,
		.look = look,
		.team = km_team_alone(CurrentMemoryContext)
	};

	read_rows(&scatter);
	choose_axes(&scatter);
	place_all(&scatter);
	order_clusters(&scatter);
	lay_out(&scatter);

	km_svg_begin(out, look->width, look->height, look->title, look->alone);
	draw_heading(out, &scatter);
	draw_frame(out, &scatter);
	draw_rows(out, &scatter);
	draw_centroids(out, &scatter);
	draw_legend(out, &scatter);
	km_svg_end(out);
}

static void
read_rows(KmScatter *scatter)
{
	const KmModel *model = scatter->model;
	int64		most = scatter->look->max_points;
	KmSpace		space = {.d = model->d};

	scatter->sizes = palloc0(mul_size(model->k, sizeof(int64)));
	scatter->kernel = km_kernel_create(scatter->team, &space, model->k);
	km_kernel_set(scatter->kernel, model->centroids, model->k);
	scatter->sampler = km_sampler_create(scatter->team, model->d, false,
										 Max(most, COMPONENT_ROWS), 0);
	if (km_feed_run(scatter->feed, receive_batch, scatter) == 0)
		km_feed_refuse_empty(scatter->feed);
	scatter->sample = km_sampler_finish(scatter->sampler);
	label_sample(scatter);
	km_kernel_free(scatter->kernel);

	/* the sample has its rows in the order of their hashes */
	scatter->ndrawn = Min(scatter->sample->n, most);
	scatter->copies = scatter->n_rows <= most;
}

static void
receive_batch(void *arg, const KmBatch *batch)
{
	KmScatter  *scatter = arg;
	int32		label[KM_TILE];
	double		dist2[KM_TILE];

	km_kernel_assign(scatter->kernel, batch->z, batch->n, label, dist2, NULL);
	for (int i = 0; i < batch->n; i++)
	{
		if (batch->isnull[i])
			continue;
		scatter->n_rows++;
		scatter->sizes[label[i]]++;
		km_sampler_add(scatter->sampler, batch->values + (Size) i * batch->d, 1);
	}
}

static void
label_sample(KmScatter *scatter)
{
	const KmSample *sample = scatter->sample;
	KmSpace		space = km_model_space(scatter->model);
	double		dist2[KM_TILE];

	scatter->z = sample->values;
	if (!km_space_identity(&space))
	{
		scatter->z = km_team_alloc(scatter->team, sample->n, sample->d * sizeof(double));
		/* the length is not 0: such rows have no cluster */
		for (int64 i = 0; i < sample->n; i++)
			(void) km_space_row(&space, sample->values + i * sample->d,
								scatter->z + i * sample->d);
	}
	scatter->label = km_team_alloc(scatter->team, sample->n, sizeof(int32));
	for (int64 start = 0; start < sample->n; start += KM_TILE)
		km_kernel_assign(scatter->kernel, scatter->z + start * sample->d,
						 (int) Min(sample->n - start, KM_TILE), scatter->label + start,
						 dist2, NULL);
}

/* ---- Places ---- */

static void
choose_axes(KmScatter *scatter)
{
	const KmModel *model = scatter->model;

	scatter->x = scatter->look->x;
	scatter->y = scatter->look->y;
	if (scatter->x >= 0)
		return;
	if (model->d <= 2)
	{
		scatter->x = 0;
		scatter->y = model->d == 2 ? 1 : -1;
		return;
	}
	scatter->principal = km_principal(scatter->team, scatter->z, scatter->sample->copies,
									  scatter->sample->n, model->d, 2);
}

static void
place_all(KmScatter *scatter)
{
	const KmModel *model = scatter->model;
	double	   *x = palloc(mul_size(model->d, sizeof(double)));

	scatter->places = km_team_alloc(scatter->team, scatter->ndrawn, 2 * sizeof(double));
	scatter->centroids = palloc(mul_size(model->k, 2 * sizeof(double)));
	for (int64 i = 0; i < scatter->ndrawn; i++)
	{
		CHECK_FOR_INTERRUPTS();
		place_row(scatter, scatter->sample->values + i * model->d,
				  scatter->z + i * model->d, scatter->places + 2 * i);
	}
	for (int j = 0; j < model->k; j++)
	{
		CHECK_FOR_INTERRUPTS();
		km_profile_centroid(model, j, x);
		place_row(scatter, x, model->centroids + (Size) j * model->d,
				  scatter->centroids + 2 * j);
	}
}

/* a row in original units, and in the model's space */
static void
place_row(const KmScatter *scatter, const double *values, const double *z, double *place)
{
	if (scatter->principal != NULL)
	{
		km_principal_place(scatter->principal, z, place);
		return;
	}
	place[0] = values[scatter->x];
	place[1] = scatter->y >= 0 ? values[scatter->y] : 0.5;
}

static void
order_clusters(KmScatter *scatter)
{
	int			k = scatter->model->k;

	scatter->order = palloc(mul_size(k, sizeof(int)));
	for (int j = 0; j < k; j++)
		scatter->order[j] = j;
	qsort_arg(scatter->order, k, sizeof(int), compare_sizes, scatter->sizes);
}

static int
compare_sizes(const void *a, const void *b, void *sizes)
{
	int			x = *(const int *) a;
	int			y = *(const int *) b;
	const int64 *size = sizes;

	if (size[x] != size[y])
		return size[x] > size[y] ? -1 : 1;
	return x - y;
}

/* ---- Layout ---- */

/*
 * The frame leaves room for what stands around it.  What stands left of it
 * depends on the ticks of the vertical axis, and these on the frame's height
 * alone.
 */
static void
lay_out(KmScatter *scatter)
{
	const KmPlotLook *look = scatter->look;

	scatter->top = has_heading(look) ? 58 : 36;
	scatter->bottom = look->height - 52;
	scatter->left = 24;
	scatter->right = look->width - 18 - legend_width(scatter);
	make_axes(scatter);
	if (scatter->y_axis.nticks > 0)
	{
		scatter->left = 32 + km_axis_text_width(&scatter->y_axis);
		make_axes(scatter);
	}
}

/* of a part of a page the page has it */
static bool
has_heading(const KmPlotLook *look)
{
	return look->alone && look->title[0] != '\0';
}

/* with the gap before it; 0 if the picture is too small for one */
static double
legend_width(const KmScatter *scatter)
{
	const KmModel *model = scatter->model;
	double		most = scatter->look->width * LEGEND_PART;
	double		width = km_svg_width("centroid", KM_SVG_LABEL);

	if (most < 100)
		return 0;
	for (int i = 0; i < Min(model->k, legend_lines(scatter)); i++)
	{
		int			j = scatter->order[i];

		width = Max(width, km_svg_width(km_plot_label(model, j), KM_SVG_LABEL) +
					km_svg_width(psprintf("  " INT64_FORMAT, scatter->sizes[j]), KM_SVG_TICK));
	}
	return Min(most, LEGEND_GAP + LEGEND_LINE + width);
}

static void
make_axes(KmScatter *scatter)
{
	make_axis(scatter, &scatter->x_axis, 0, scatter->left, scatter->right);
	make_axis(scatter, &scatter->y_axis, 1, scatter->bottom, scatter->top);
}

/* across a strip there is nothing to be read */
static void
make_axis(const KmScatter *scatter, KmAxis *axis, int component, double from, double to)
{
	const KmModel *model = scatter->model;
	int			feature = component == 0 ? scatter->x : scatter->y;
	const KmColumn *column = NULL;
	char	   *title = "";
	double		lo = INFINITY;
	double		hi = -INFINITY;

	for (int64 i = 0; i < scatter->ndrawn; i++)
	{
		lo = Min(lo, scatter->places[2 * i + component]);
		hi = Max(hi, scatter->places[2 * i + component]);
	}
	for (int i = 0; i < Min(model->k, MAX_CENTROIDS); i++)
	{
		double		at = scatter->centroids[2 * scatter->order[i] + component];

		if (isnan(at))
			continue;
		lo = Min(lo, at);
		hi = Max(hi, at);
	}
	if (scatter->principal != NULL)
		title = psprintf("PC%d (%.1f %%)", component + 1,
						 100 * scatter->principal->share[component]);
	else if (feature >= 0)
	{
		title = model->features[feature];
		column = km_display_column(model, feature);
	}
	else
	{
		lo = 0;
		hi = 1;
	}
	km_axis_init(axis, title, column, lo, hi, from, to, false);
	if (title[0] == '\0')
		axis->nticks = 0;
}

/* ---- Drawing ---- */

static void
draw_heading(StringInfo out, const KmScatter *scatter)
{
	const KmModel *model = scatter->model;
	const KmPlotLook *look = scatter->look;
	double		room = look->width - 36;
	double		explained;
	StringInfoData note;

	initStringInfo(&note);
	if (scatter->ndrawn < scatter->n_rows && !scatter->copies)
		appendStringInfo(&note, INT64_FORMAT " of ", scatter->ndrawn);
	appendStringInfo(&note, INT64_FORMAT " %s, %d %s", scatter->n_rows,
					 scatter->n_rows == 1 ? "row" : "rows", model->k,
					 model->k == 1 ? "cluster" : "clusters");
	if (model->k > 1 && km_fitted_explained(model->inertia, model->total_ss, &explained))
		appendStringInfo(&note, ", %.1f %% explained", 100 * explained);
	if (model->k > MAX_CENTROIDS)
		appendStringInfo(&note, ", centroids of the largest %d", MAX_CENTROIDS);

	if (has_heading(look))
		km_svg_text_within(out, "h", 18, 28, look->title, room, KM_SVG_HEADING);
	km_svg_text_within(out, "n", 18, scatter->top - 12, note.data, room, KM_SVG_LABEL);
}

static void
draw_frame(StringInfo out, const KmScatter *scatter)
{
	km_axis_draw_x(out, &scatter->x_axis, scatter->top, scatter->bottom);
	km_axis_draw_y(out, &scatter->y_axis, scatter->left, scatter->right);
	km_svg_rect(out, "frame", scatter->left, scatter->top,
				scatter->right - scatter->left, scatter->bottom - scatter->top);
}

static void
draw_rows(StringInfo out, const KmScatter *scatter)
{
	const KmModel *model = scatter->model;
	double		radius = scatter->ndrawn <= 500 ? 4 : scatter->ndrawn <= 5000 ? 3 : 2;
	bool		strip = scatter->principal == NULL && scatter->y < 0;
	int64		ndrawn = 0;

	appendStringInfoString(out, "<g class=\"d\">\n");
	for (int64 i = 0; i < scatter->ndrawn; i++)
	{
		int64		copies = scatter->copies ? scatter->sample->copies[i] : 1;

		CHECK_FOR_INTERRUPTS();
		for (int64 copy = 0; copy < copies; copy++)
		{
			double		y = strip ? on_strip(ndrawn++) : scatter->places[2 * i + 1];

			km_svg_mark(out, model->ids[scatter->label[i]],
						km_axis_place(&scatter->x_axis, scatter->places[2 * i]),
						km_axis_place(&scatter->y_axis, y), radius);
		}
	}
	appendStringInfoString(out, "</g>\n");
}

/*
 * Where the i-th row lies across a strip from 0 to 1: multiples of the golden
 * ratio spread evenly, however many there are.
 */
static double
on_strip(int64 i)
{
	double		turns = i * 0.6180339887498949;

	return 0.1 + 0.8 * (turns - floor(turns));
}

static void
draw_centroids(StringInfo out, const KmScatter *scatter)
{
	const KmModel *model = scatter->model;

	for (int i = 0; i < Min(model->k, MAX_CENTROIDS); i++)
	{
		int			j = scatter->order[i];

		CHECK_FOR_INTERRUPTS();
		if (isnan(scatter->centroids[2 * j]))
			continue;
		km_svg_cross(out,
					 km_axis_place(&scatter->x_axis, scatter->centroids[2 * j]),
					 km_axis_place(&scatter->y_axis, scatter->centroids[2 * j + 1]),
					 model->k <= 50 ? 6 : 4, km_plot_label(model, j));
	}
}

/*
 * In the order of ids; if there is no room for all clusters, the largest ones,
 * the largest first.
 */
static void
draw_legend(StringInfo out, const KmScatter *scatter)
{
	const KmModel *model = scatter->model;
	int			lines = legend_lines(scatter);
	bool		all = model->k <= lines;
	double		x = scatter->right + LEGEND_GAP;
	double		end = scatter->look->width - 18;
	double		y = scatter->top + 8;

	if (legend_width(scatter) == 0)
		return;
	for (int i = 0; i < Min(model->k, all ? lines : lines - 1); i++)
	{
		int			j = all ? i : scatter->order[i];
		char	   *size = psprintf(INT64_FORMAT, scatter->sizes[j]);

		km_svg_mark(out, model->ids[j], x + 5, y, 5);
		km_svg_text_within(out, "l", x + LEGEND_LINE, y + 4, km_plot_label(model, j),
						   end - x - LEGEND_LINE - km_svg_width(size, KM_SVG_TICK) - 8,
						   KM_SVG_LABEL);
		km_svg_text(out, "t e", end, y + 4, size);
		y += LEGEND_LINE;
	}
	if (!all)
	{
		km_svg_text(out, "n", x, y + 4, psprintf("and %d more", model->k - lines + 1));
		y += LEGEND_LINE;
	}
	km_svg_cross(out, x + 5, y, 4, NULL);
	km_svg_text(out, "l", x + LEGEND_LINE, y + 4, "centroid");
}

/* lines for clusters, the last of which may say how many more there are */
static int
legend_lines(const KmScatter *scatter)
{
	return Max((int) ((scatter->bottom - scatter->top) / LEGEND_LINE) - 1, 2);
}
