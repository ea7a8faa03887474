/*
 * elbow.c
 *		kmeans_plot_elbow: what each criterion says about numbers of clusters.
 *
 * One small picture for the inertia and for every criterion of
 * kmeans_choose_k, all over the same k, so that they can be compared.  The k
 * that a criterion calls best has a ring, and is named.
 */
#include "postgres.h"

#include <math.h>

#include "api/axis.h"
#include "api/choice.h"
#include "api/svg.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(kmeans_plot_elbow);

#define WIDTH			960
#define HEIGHT			640
#define COLUMNS			3
#define TOP				60

/* in a panel, left and right of its frame, above and below */
#define PANEL_LEFT		58
#define PANEL_RIGHT		18
#define PANEL_TOP		44
#define PANEL_BOTTOM	48

/* more points than that are a line without dots */
#define DOTTED			60

/* What is drawn of the choices. */
typedef struct KmPanel
{
	const char *title;
	const char *note;
	int			criterion;		/* -1: inertia */
	double		left;			/* of its frame */
	double		right;
	double		top;
	double		bottom;
	KmAxis		k_axis;
	KmAxis		axis;
} KmPanel;

static const KmPanel panels[] = {
	{.title = "inertia", .note = "falls with every k", .criterion = -1},
	{.title = "elbow", .note = "clear from 0.2 on", .criterion = KM_CRITERION_ELBOW},
	{.title = "silhouette", .note = "higher is better", .criterion = KM_CRITERION_SILHOUETTE},
	{.title = "Davies-Bouldin", .note = "lower is better", .criterion = KM_CRITERION_DAVIES_BOULDIN},
	{.title = "Calinski-Harabasz", .note = "higher is better", .criterion = KM_CRITERION_CALINSKI_HARABASZ},
	{.title = "stability", .note = "higher is better", .criterion = KM_CRITERION_STABILITY}
};

static void draw(StringInfo out, const KmChooseJob *job);
static void draw_panel(StringInfo out, const KmChooseJob *job, int number);
static double value_of(const KmPanel *panel, const KmChoice *choice);
static void draw_curve(StringInfo out, const KmChooseJob *job, const KmPanel *panel);
static void draw_winner(StringInfo out, const KmChooseJob *job, const KmPanel *panel);

Datum
kmeans_plot_elbow(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(caller, "kmeans fit job",
											  ALLOCSET_DEFAULT_SIZES);
	const KmChooseJob *job;
	StringInfoData out;

	MemoryContextSwitchTo(cxt);
	job = km_choice_run(fcinfo);
	MemoryContextSwitchTo(caller);
	initStringInfo(&out);
	draw(&out, job);
	MemoryContextDelete(cxt);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

static void
draw(StringInfo out, const KmChooseJob *job)
{
	const KmChoice *first = &job->choices[0];
	const KmChoice *last = &job->choices[job->nchoices - 1];
	StringInfoData note;

	initStringInfo(&note);
	appendStringInfo(&note, "k = %d to %d on " INT64_FORMAT " rows", first->k, last->k,
					 job->fit->n_rows);
	if (job->silhouette_rows < job->fit->n_rows)
		appendStringInfo(&note, "; silhouette and stability on a sample of " INT64_FORMAT,
						 job->silhouette_rows);
	km_svg_begin(out, WIDTH, HEIGHT, "How many clusters?", true);
	km_svg_text(out, "h", 18, 28, "How many clusters?");
	km_svg_text(out, "n", 18, 46, note.data);
	for (int i = 0; i < lengthof(panels); i++)
		draw_panel(out, job, i);
	km_svg_end(out);
}

static void
draw_panel(StringInfo out, const KmChooseJob *job, int number)
{
	KmPanel		panel = panels[number];
	double		width = (double) WIDTH / COLUMNS;
	double		height = (double) (HEIGHT - TOP) / (lengthof(panels) / COLUMNS);
	double		lo = INFINITY;
	double		hi = -INFINITY;

	panel.left = number % COLUMNS * width + PANEL_LEFT;
	panel.right = panel.left + width - PANEL_LEFT - PANEL_RIGHT;
	panel.top = TOP + number / COLUMNS * height + PANEL_TOP;
	panel.bottom = panel.top + height - PANEL_TOP - PANEL_BOTTOM;
	for (int l = 0; l < job->nchoices; l++)
	{
		double		value = value_of(&panel, &job->choices[l]);

		if (isnan(value))
			continue;
		lo = Min(lo, value);
		hi = Max(hi, value);
	}

	km_svg_text(out, "l b", panel.left, panel.top - 22, panel.title);
	km_svg_text(out, "t", panel.left, panel.top - 8, panel.note);
	km_axis_init(&panel.k_axis, "k", NULL, job->choices[0].k,
				 job->choices[job->nchoices - 1].k, panel.left, panel.right, true);
	km_axis_draw_x(out, &panel.k_axis, panel.top, panel.bottom);
	if (lo <= hi)
	{
		km_axis_init(&panel.axis, "", NULL, lo, hi, panel.bottom, panel.top, false);
		km_axis_draw_y(out, &panel.axis, panel.left, panel.right);
		draw_curve(out, job, &panel);
		draw_winner(out, job, &panel);
	}
	else
		km_svg_text(out, "n m", (panel.left + panel.right) / 2,
					(panel.top + panel.bottom) / 2, "not defined for these k");
	km_svg_rect(out, "frame", panel.left, panel.top, panel.right - panel.left,
				panel.bottom - panel.top);
}

/* NaN: the criterion does not exist for this k */
static double
value_of(const KmPanel *panel, const KmChoice *choice)
{
	return panel->criterion < 0 ? choice->inertia : choice->criteria[panel->criterion];
}

/* a line through what there is, and its points */
static void
draw_curve(StringInfo out, const KmChooseJob *job, const KmPanel *panel)
{
	double	   *points = palloc(mul_size(job->nchoices, 2 * sizeof(double)));
	int			n = 0;

	for (int l = 0; l < job->nchoices; l++)
	{
		double		value = value_of(panel, &job->choices[l]);

		if (isnan(value))
			continue;
		points[2 * n] = km_axis_place(&panel->k_axis, job->choices[l].k);
		points[2 * n + 1] = km_axis_place(&panel->axis, value);
		n++;
	}
	km_svg_path(out, "curve", points, n, false);
	for (int i = 0; i < n && n <= DOTTED; i++)
		km_svg_mark(out, 0, points[2 * i], points[2 * i + 1], 3);
	pfree(points);
}

/* the ring, and its k at the right end of the heading */
static void
draw_winner(StringInfo out, const KmChooseJob *job, const KmPanel *panel)
{
	const KmChoice *winner = NULL;
	double		x;
	double		y;

	if (panel->criterion < 0)
		return;
	for (int l = 0; l < job->nchoices; l++)
		if (job->choices[l].best[panel->criterion])
			winner = &job->choices[l];
	if (winner == NULL)
	{
		km_svg_text(out, "l e", panel->right, panel->top - 8, "no clear k");
		return;
	}
	x = km_axis_place(&panel->k_axis, winner->k);
	y = km_axis_place(&panel->axis, value_of(panel, winner));
	km_svg_circle(out, "best", x, y, 8);
	km_svg_text(out, "l b e", panel->right, panel->top - 8, psprintf("best: k = %d", winner->k));
}
