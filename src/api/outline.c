/*
 * outline.c
 *		kmeans_plot_silhouette: the silhouettes of rows, cluster by cluster.
 *
 * Each row is a bar from 0 to its silhouette; the bars of a cluster lie below
 * each other, the longest first, and are as thick as the row has copies.  What
 * is drawn of a cluster is the outline of its bars.  Below a quarter of a
 * pixel bars cannot be told apart, and only as many points are written as can be
 * seen.
 *
 * A cluster that is broad and full is well separated.  One that hardly gets to
 * the line, the mean of all rows, or goes below 0, is not.
 */
#include "postgres.h"

#include <math.h>

#include "api/args.h"
#include "api/axis.h"
#include "api/plot.h"
#include "api/svg.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(kmeans_plot_silhouette);

#define WIDTH			800
#define HEIGHT			600
#define EDGE			18
#define HEADING			28		/* of a picture that stands alone */
#define FRAME			44		/* from it, or the top, to the frame */
#define BELOW			52		/* the frame */
#define LABEL_ROOM		180
#define SIZE_ROOM		56

/* between clusters, if that leaves most of the height to them */
#define GAP				6.0
#define GAP_PART		0.2

#define THINNEST		0.25	/* bar, in pixels */
#define LABEL_HEIGHT	14		/* a cluster this high has its label beside it */

typedef struct KmOutline
{
	const KmModel *model;
	const KmEvaluation *evaluation;
	int64	   *order;			/* rows of the sample, by cluster and silhouette */
	int			present;		/* clusters that have rows */
	double		left;			/* of the frame */
	double		right;
	double		top;
	double		bottom;
	double		gap;
	double		scale;			/* pixels per row */
	KmAxis		axis;
} KmOutline;

static int	compare_rows(const void *a, const void *b, void *arg);
static void lay_out(KmOutline *outline);
static void draw_note(StringInfo out, const KmOutline *outline);
static void draw_clusters(StringInfo out, const KmOutline *outline);
static void draw_cluster(StringInfo out, const KmOutline *outline, int64 start, int64 end,
						 double top, double height);
static void draw_mean(StringInfo out, const KmOutline *outline);

Datum
kmeans_plot_silhouette(PG_FUNCTION_ARGS)
{
	KmModelArg	arg = km_args_model(fcinfo);
	KmFeed		feed = {
		.model = arg.model,
		.ref = arg.ref,
		.info = &arg.info,
		.source = km_args_text_or_null(fcinfo, 1)
	};
	int64		max_points = km_plot_max_points(km_args_int(fcinfo, 2, "max_points"));
	StringInfoData out;

	initStringInfo(&out);
	km_plot_silhouette(&out, arg.model, km_evaluate(&feed, max_points, 0),
					   km_plot_model_name(arg.ref), true);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

void
km_plot_silhouette(StringInfo out, const KmModel *model, const KmEvaluation *evaluation,
				   const char *title, bool alone)
{
	KmOutline	outline = {
		.model = model,
		.evaluation = evaluation,
		.top = FRAME + (alone ? HEADING : 0),
		.bottom = HEIGHT - BELOW
	};

	outline.order = MemoryContextAllocHuge(CurrentMemoryContext,
										   mul_size(Max(evaluation->sample->n, 1), sizeof(int64)));
	for (int64 i = 0; i < evaluation->sample->n; i++)
		outline.order[i] = i;
	qsort_arg(outline.order, evaluation->sample->n, sizeof(int64), compare_rows,
			  unconstify(KmEvaluation *, evaluation));
	lay_out(&outline);

	km_svg_begin(out, WIDTH, HEIGHT, title, alone);
	if (alone)
		km_svg_text_within(out, "h", EDGE, HEADING, title, WIDTH - 2 * EDGE, KM_SVG_HEADING);
	draw_note(out, &outline);
	if (isnan(evaluation->silhouette))
		km_svg_text(out, "n m", WIDTH / 2, HEIGHT / 2,
					"There is no silhouette of rows that are all in one cluster.");
	else
	{
		km_axis_draw_x(out, &outline.axis, outline.top, outline.bottom);
		draw_clusters(out, &outline);
		draw_mean(out, &outline);
		km_svg_rect(out, "frame", outline.left, outline.top, outline.right - outline.left,
					outline.bottom - outline.top);
	}
	km_svg_end(out);
}

/* by cluster, the largest silhouette first */
static int
compare_rows(const void *a, const void *b, void *arg)
{
	const KmEvaluation *evaluation = arg;
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	if (evaluation->label[x] != evaluation->label[y])
		return evaluation->label[x] < evaluation->label[y] ? -1 : 1;
	if (evaluation->silhouettes[x] != evaluation->silhouettes[y])
		return evaluation->silhouettes[x] > evaluation->silhouettes[y] ? -1 : 1;
	return x < y ? -1 : x > y;
}

static void
lay_out(KmOutline *outline)
{
	const KmEvaluation *evaluation = outline->evaluation;
	double		labels = 0;
	double		height = outline->bottom - outline->top;
	double		lo = 0;
	double		hi = 0;

	for (int64 i = 0; i < evaluation->sample->n; i++)
	{
		int64		row = outline->order[i];

		if (i == 0 || evaluation->label[row] != evaluation->label[outline->order[i - 1]])
		{
			outline->present++;
			labels = Max(labels, km_svg_width(km_plot_label(outline->model,
															evaluation->label[row]),
											  KM_SVG_LABEL));
		}
		lo = Min(lo, evaluation->silhouettes[row]);
		hi = Max(hi, evaluation->silhouettes[row]);
	}
	outline->left = EDGE + Min(labels, LABEL_ROOM) + 8;
	outline->right = WIDTH - EDGE - SIZE_ROOM;
	outline->gap = Min(GAP, GAP_PART * height / (outline->present + 1));
	outline->scale = (height - outline->gap * (outline->present + 1)) /
		evaluation->sample->rows;
	km_axis_init(&outline->axis, "silhouette", NULL, lo, hi, outline->left, outline->right,
				 false);
}

static void
draw_note(StringInfo out, const KmOutline *outline)
{
	const KmEvaluation *evaluation = outline->evaluation;
	StringInfoData note;

	initStringInfo(&note);
	appendStringInfoString(&note, "silhouettes of ");
	if (evaluation->sample->rows < evaluation->n_rows)
		appendStringInfo(&note, INT64_FORMAT " of ", evaluation->sample->rows);
	appendStringInfo(&note, INT64_FORMAT " rows, %d of %d clusters", evaluation->n_rows,
					 outline->present, outline->model->k);
	km_svg_text_within(out, "n", EDGE, outline->top - 26, note.data, WIDTH - 2 * EDGE, KM_SVG_LABEL);
}

static void
draw_clusters(StringInfo out, const KmOutline *outline)
{
	const KmEvaluation *evaluation = outline->evaluation;
	int64		n = evaluation->sample->n;
	double		top = outline->top + outline->gap;

	for (int64 start = 0; start < n;)
	{
		int			cluster = evaluation->label[outline->order[start]];
		int64		rows = 0;
		int64		end = start;

		CHECK_FOR_INTERRUPTS();
		for (; end < n && evaluation->label[outline->order[end]] == cluster; end++)
			rows += evaluation->sample->copies[outline->order[end]];
		draw_cluster(out, outline, start, end, top, rows * outline->scale);
		if (rows * outline->scale >= LABEL_HEIGHT)
		{
			double		middle = top + rows * outline->scale / 2 + 4;

			km_svg_text_within(out, "l e", outline->left - 8, middle,
							   km_plot_label(outline->model, cluster), LABEL_ROOM,
							   KM_SVG_LABEL);
			km_svg_text(out, "t", outline->right + 8, middle, psprintf(INT64_FORMAT, rows));
		}
		top += rows * outline->scale + outline->gap;
		start = end;
	}
}

/*
 * The outline of the bars of rows start to end, from the zero line down along
 * their ends and back to it.  Bars thinner than can be seen are drawn together,
 * as long as the shortest of them.
 */
static void
draw_cluster(StringInfo out, const KmOutline *outline, int64 start, int64 end,
			 double top, double height)
{
	const KmEvaluation *evaluation = outline->evaluation;
	double		zero = km_axis_place(&outline->axis, 0);
	int64		most = Min(end - start, (int64) (height / THINNEST) + 2);
	double	   *points = MemoryContextAllocHuge(CurrentMemoryContext,
												mul_size(2 * most + 4, 2 * sizeof(double)));
	double		y = top;
	double		drawn = top;
	int			n = 0;

	points[n++] = zero;
	points[n++] = top;
	for (int64 i = start; i < end; i++)
	{
		int64		row = outline->order[i];
		double		x = km_axis_place(&outline->axis, evaluation->silhouettes[row]);

		y += evaluation->sample->copies[row] * outline->scale;
		if (y - drawn < THINNEST && i < end - 1)
			continue;
		points[n++] = x;
		points[n++] = drawn;
		points[n++] = x;
		points[n++] = y;
		drawn = y;
	}
	points[n++] = zero;
	points[n++] = y;
	km_svg_path(out, km_svg_colour(outline->model->ids[evaluation->label[outline->order[start]]]),
				points, n / 2, true);
	pfree(points);
}

static void
draw_mean(StringInfo out, const KmOutline *outline)
{
	double		mean = outline->evaluation->silhouette;
	double		x = km_axis_place(&outline->axis, mean);

	km_svg_line(out, "mean", x, outline->top, x, outline->bottom);
	km_svg_text(out, "t m", x, outline->top - 6, psprintf("mean %.3f", mean));
}
