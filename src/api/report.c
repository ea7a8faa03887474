/*
 * report.c
 *		kmeans_report: one page about a model.
 *
 * The page is HTML that is well-formed XML too, has one style sheet, and needs
 * nothing else: no script, no file, no font.  It consists of sections, and each
 * of them is bounded: of many clusters, features, iterations or versions it
 * shows some, and says so.  Should a section not fit into what is left of the
 * page's 500 kB, it is left out, and the page says that.
 *
 * The rows of the source are read twice under one snapshot, for the picture and
 * for the evaluation, before anything is written; what cannot be read is an
 * error, so a page is always whole.
 */
#include "postgres.h"

#include <math.h>

#include "api/args.h"
#include "api/plot.h"
#include "api/svg.h"
#include "miscadmin.h"
#include "model/display.h"
#include "model/fitted.h"
#include "model/profile.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(kmeans_report);

/* bytes: of the page, and of what is kept for saying what is left out */
#define PAGE_LIMIT		500000
#define PAGE_RESERVE	4000

/* as many are shown */
#define CLUSTERS		50
#define FEATURES		30
#define ITERATIONS		30
#define VERSIONS		20

/* letters of names, of sentences, of the source */
#define NAME_LETTERS	80
#define TEXT_LETTERS	400
#define SOURCE_LETTERS	2000

#define EVALUATED_ROWS	10000	/* as kmeans_evaluate */
#define PLOT_WIDTH		800
#define PLOT_HEIGHT		560
#define DIGITS			5

typedef struct KmReport
{
	const KmModel *model;
	const KmModelRef *ref;
	const KmVersionInfo *info;
	const char *source;			/* the caller's; NULL: the stored one */
	const char *name;
	KmProfile  *profile;
	int			nversions;		/* of the model, once they are listed */
	StringInfoData page;
	StringInfoData body;		/* of the section that is being written */
} KmReport;

static const char page_style[] =
"body{font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif;color:#222;background:#fff;max-width:960px;margin:2em auto;padding:0 1em}"
"h1{font-size:1.7em;margin:0;overflow-wrap:anywhere}h2{font-size:1.2em;margin:2em 0 .5em;border-bottom:1px solid #ddd}"
"table{border-collapse:collapse;font-size:.9em}"
"th,td{padding:.25em .8em .25em 0;text-align:left;vertical-align:top;border-bottom:1px solid #eee;white-space:nowrap}"
"th{color:#666;font-weight:600}"
".r{text-align:right;font-variant-numeric:tabular-nums}"
"pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0;font-size:.95em}"
".w{white-space:normal;overflow-wrap:anywhere;min-width:10em}"
".w:empty{min-width:0}"
".note{color:#666}"
".scroll{overflow-x:auto;margin:1em 0}"
".scroll .km{max-width:max(100%,600px)}"
".scroll .wide .km{max-width:none}"
"@media (prefers-color-scheme:dark){body{color:#ddd;background:#16181c}h2{border-color:#444}th,td{border-color:#333}th,.note{color:#aaa}}";

static void begin_page(KmReport *report);
static void end_section(KmReport *report, const char *title);
static void add_summary(KmReport *report);
static void add_fact(KmReport *report, const char *name, const char *text, int letters);
static void add_clusters(KmReport *report);
static void add_features(KmReport *report);
static void add_evaluation(KmReport *report, const KmEvaluation *evaluation);
static void add_iterations(KmReport *report);
static void add_versions(KmReport *report);
static void list_version(void *arg, const KmListedModel *model);
static void begin_table(KmReport *report, const char *const *heads, int n);
static void end_table(KmReport *report);
static void begin_row(KmReport *report);
static void end_row(KmReport *report);
static void add_text(KmReport *report, const char *text, int letters);
static void add_short_text(KmReport *report, const char *text);
static void add_figure(KmReport *report, const char *text);
static void add_count(KmReport *report, int64 count);
static void add_number(KmReport *report, double number);
static void add_share(KmReport *report, double share);
static void add_rest(KmReport *report, const char *which, int64 shown, int64 all,
					 const char *what);
static char *moment_text(TimestampTz moment);

Datum
kmeans_report(PG_FUNCTION_ARGS)
{
	KmModelArg	arg = km_args_model(fcinfo);
	KmFeed		feed = {
		.model = arg.model,
		.ref = arg.ref,
		.info = &arg.info,
		.source = km_args_text_or_null(fcinfo, 1)
	};
	KmReport	report = {
		.model = arg.model,
		.ref = arg.ref,
		.info = &arg.info,
		.source = feed.source,
		.name = km_plot_model_name(arg.ref)
	};
	KmPlotLook	look = {
		.x = -1,
		.y = -1,
		.max_points = KM_PLOT_POINTS,
		.width = PLOT_WIDTH,
		.height = PLOT_HEIGHT,
		.title = "Rows"
	};
	KmEvaluation *evaluation;
	StringInfoData rows;

	initStringInfo(&report.page);
	initStringInfo(&report.body);
	initStringInfo(&rows);
	km_feed_lock(&feed);
	PushActiveSnapshot(GetTransactionSnapshot());
	feed.locked = true;
	km_plot_rows(&rows, &feed, &look);
	feed.weight = arg.info.weight;
	evaluation = km_evaluate(&feed, EVALUATED_ROWS, 0);
	PopActiveSnapshot();
	report.profile = km_profile(report.model);

	begin_page(&report);
	add_summary(&report);
	appendBinaryStringInfo(&report.body, rows.data, rows.len);
	end_section(&report, "Rows");
	add_clusters(&report);
	appendStringInfoString(&report.body, "<div class=\"wide\">\n");
	km_plot_profile(&report.body, report.model, "Profile", false);
	appendStringInfoString(&report.body, "</div>\n");
	end_section(&report, "Profile");
	add_features(&report);
	km_plot_silhouette(&report.body, report.model, evaluation, "Silhouettes", false);
	end_section(&report, "Silhouettes");
	add_evaluation(&report, evaluation);
	add_iterations(&report);
	add_versions(&report);
	appendStringInfoString(&report.page, "</body>\n</html>\n");
	PG_RETURN_TEXT_P(cstring_to_text_with_len(report.page.data, report.page.len));
}

/* ---- The page ---- */

static void
begin_page(KmReport *report)
{
	StringInfo	page = &report->page;

	appendStringInfoString(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
						   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
						   "<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>");
	km_svg_escape_some(page, report->name, NAME_LETTERS);
	appendStringInfo(page, "</title>\n<style>%s%s</style>\n</head>\n<body>\n<h1>",
					 page_style, km_svg_style());
	km_svg_escape_some(page, report->name, NAME_LETTERS);
	appendStringInfoString(page, "</h1>\n");
}

/* put the section into the page, if it fits */
static void
end_section(KmReport *report, const char *title)
{
	StringInfo	page = &report->page;

	appendStringInfo(page, "<h2>%s</h2>\n", title);
	if (page->len + report->body.len <= PAGE_LIMIT - PAGE_RESERVE)
		appendStringInfo(page, "<div class=\"scroll\">\n%s</div>\n", report->body.data);
	else
		appendStringInfo(page, "<p class=\"note\">Left out, since the page would exceed %d kB.</p>\n",
						 PAGE_LIMIT / 1000);
	resetStringInfo(&report->body);
}

/* ---- Sections ---- */

static void
add_summary(KmReport *report)
{
	const KmModel *model = report->model;
	const KmVersionInfo *info = report->info;
	double		explained;
	StringInfoData columns;

	initStringInfo(&columns);
	for (int i = 0; i < model->ncolumns && columns.len < SOURCE_LETTERS; i++)
		appendStringInfo(&columns, "%s%s", i > 0 ? ", " : "", model->columns[i].name);

	appendStringInfoString(&report->body, "<table>\n");
	add_fact(report, "Version", psprintf(report->ref->version == report->ref->promoted ?
										 "%d, promoted" : "%d", report->ref->version),
			 NAME_LETTERS);
	add_fact(report, "Clusters", psprintf("%d", model->k), NAME_LETTERS);
	add_fact(report, "Columns", psprintf("%s (%d %s)", columns.data, model->d,
										 model->d == 1 ? "feature" : "features"),
			 TEXT_LETTERS);
	add_fact(report, "Rows", psprintf("%lld, %lld skipped", (long long) model->n_rows,
									  (long long) model->n_skipped), NAME_LETTERS);
	add_fact(report, "Inertia", km_display_number(model->inertia, DIGITS), NAME_LETTERS);
	if (km_fitted_explained(model->inertia, model->total_ss, &explained))
		add_fact(report, "Explained", psprintf("%.1f %%", 100 * explained), NAME_LETTERS);
	add_fact(report, "Iterations", psprintf("%d, %s", model->n_iter, model->converged ?
											"converged" : "not converged"), NAME_LETTERS);
	add_fact(report, "Metric", km_metric_name(model->metric), NAME_LETTERS);
	add_fact(report, "Options", model->options, TEXT_LETTERS);
	add_fact(report, "Fitted", psprintf("%s by %s, in %.0f ms", moment_text(info->fitted_at),
										km_display_role(info->fitted_by), info->elapsed_ms),
			 NAME_LETTERS);
	if (info->source != NULL)
		add_fact(report, "Source", info->source, SOURCE_LETTERS);
	if (report->source != NULL)
		add_fact(report, "Rows of this page", report->source, SOURCE_LETTERS);
	appendStringInfoString(&report->body, "</table>\n");
	end_section(report, "Summary");
}

static void
add_fact(KmReport *report, const char *name, const char *text, int letters)
{
	appendStringInfo(&report->body, "<tr><th>%s</th><td><pre>", name);
	km_svg_escape_some(&report->body, text, letters);
	appendStringInfoString(&report->body, "</pre></td></tr>\n");
}

static void
add_clusters(KmReport *report)
{
	static const char *const heads[] = {">cluster", "label", ">size", ">share", "description"};
	const KmModel *model = report->model;
	int			shown = Min(model->k, CLUSTERS);
	int		   *largest = km_plot_largest(model, shown);

	begin_table(report, heads, lengthof(heads));
	for (int i = 0; i < shown; i++)
	{
		int			j = largest[i];

		begin_row(report);
		add_count(report, model->ids[j]);
		add_text(report, model->labels[j] != NULL ? model->labels[j] : "", NAME_LETTERS);
		add_count(report, model->sizes[j]);
		add_share(report, model->weights[j] / report->profile->total_weight);
		add_text(report, km_profile_describe(model, report->profile, j), TEXT_LETTERS);
		end_row(report);
	}
	end_table(report);
	add_rest(report, "largest", shown, model->k, "clusters");
	end_section(report, "Clusters");
}

/* those that matter most, first */
static void
add_features(KmReport *report)
{
	static const char *const heads[] = {"feature", ">mean", ">sd", ">between clusters"};
	const KmModel *model = report->model;
	KmImportance *importance = km_profile_importance(model, report->profile);
	int			shown = Min(model->d, FEATURES);
	int		   *by_rank = palloc(mul_size(model->d, sizeof(int)));

	for (int t = 0; t < model->d; t++)
		by_rank[importance->rank[t] - 1] = t;
	begin_table(report, heads, lengthof(heads));
	for (int i = 0; i < shown; i++)
	{
		int			t = by_rank[i];
		const KmColumn *column = km_display_column(model, t);

		begin_row(report);
		add_text(report, model->features[t], NAME_LETTERS);
		add_figure(report, km_display_value(column, report->profile->mean[t], DIGITS));
		add_figure(report, km_display_spread(column, report->profile->stddev[t], DIGITS));
		add_share(report, importance->eta2[t]);
		end_row(report);
	}
	end_table(report);
	add_rest(report, "first", shown, model->d, "features");
	end_section(report, "Features");
}

static void
add_evaluation(KmReport *report, const KmEvaluation *evaluation)
{
	static const char *const heads[] = {
		">rows", ">inertia", ">silhouette", ">of rows", ">simplified silhouette",
		">Davies-Bouldin", ">Calinski-Harabasz"
	};

	begin_table(report, heads, lengthof(heads));
	begin_row(report);
	add_count(report, evaluation->n_rows);
	add_number(report, evaluation->inertia);
	add_number(report, evaluation->silhouette);
	add_count(report, evaluation->sample->rows);
	add_number(report, evaluation->simplified_silhouette);
	add_number(report, evaluation->davies_bouldin);
	add_number(report, evaluation->calinski_harabasz);
	end_row(report);
	end_table(report);
	end_section(report, "Evaluation");
}

/* of the run that became the model */
static void
add_iterations(KmReport *report)
{
	static const char *const heads[] = {">iteration", ">inertia", ">shift", ">reassigned", ">ms"};
	int			n;
	int			best_run;
	KmIterationLog *log = km_registry_iterations(report->ref, &n, &best_run);
	int			of_run = 0;

	begin_table(report, heads, lengthof(heads));
	for (int i = 0; i < n; i++)
	{
		const KmIteration *what = &log[i].what;

		if (what->run != best_run || of_run++ >= ITERATIONS)
			continue;
		begin_row(report);
		add_count(report, what->iteration);
		add_number(report, what->inertia);
		add_number(report, what->shift);
		add_count(report, what->reassigned);
		add_number(report, log[i].elapsed_ms);
		end_row(report);
	}
	end_table(report);
	if (n == 0)
		appendStringInfoString(&report->body, "<p class=\"note\">None are recorded: the model was saved from a value.</p>\n");
	else
		appendStringInfo(&report->body, "<p class=\"note\">Run %d of %d, the best.</p>\n",
						 best_run, log[n - 1].what.run);
	add_rest(report, "first", Min(of_run, ITERATIONS), of_run, "iterations");
	end_section(report, "Iterations");
}

static void
add_versions(KmReport *report)
{
	static const char *const heads[] = {
		"version", ">k", ">rows", ">inertia", ">explained", ">iterations", "fitted", "by"
	};

	begin_table(report, heads, lengthof(heads));
	km_registry_list(list_version, report);
	end_table(report);
	add_rest(report, "latest", Min(report->nversions, VERSIONS), report->nversions,
			 "versions");
	end_section(report, "Versions");
}

/* the latest ones, of the model of the report */
static void
list_version(void *arg, const KmListedModel *model)
{
	KmReport   *report = arg;

	if (model->ref.model_id != report->ref->model_id)
		return;
	report->nversions = model->nversions;
	for (int i = Max(model->nversions - VERSIONS, 0); i < model->nversions; i++)
	{
		const KmListedVersion *version = &model->versions[i];
		double		explained = NAN;

		(void) km_fitted_explained(version->inertia, version->total_ss, &explained);
		begin_row(report);
		add_short_text(report, psprintf(version->version == model->ref.promoted ?
										"%d, promoted" : "%d", version->version));
		add_count(report, version->k);
		add_count(report, version->n_rows);
		add_number(report, version->inertia);
		add_share(report, explained);
		add_count(report, version->n_iter);
		add_short_text(report, moment_text(version->fitted_at));
		add_short_text(report, km_display_role(version->fitted_by));
		end_row(report);
	}
}

/* ---- Tables ---- */

/* a head that begins with > stands above numbers */
static void
begin_table(KmReport *report, const char *const *heads, int n)
{
	appendStringInfoString(&report->body, "<table>\n<tr>");
	for (int i = 0; i < n; i++)
	{
		if (heads[i][0] == '>')
			appendStringInfo(&report->body, "<th class=\"r\">%s</th>", heads[i] + 1);
		else
			appendStringInfo(&report->body, "<th>%s</th>", heads[i]);
	}
	appendStringInfoString(&report->body, "</tr>\n");
}

static void
end_table(KmReport *report)
{
	appendStringInfoString(&report->body, "</table>\n");
}

static void
begin_row(KmReport *report)
{
	CHECK_FOR_INTERRUPTS();
	appendStringInfoString(&report->body, "<tr>");
}

static void
end_row(KmReport *report)
{
	appendStringInfoString(&report->body, "</tr>\n");
}

/* a text that may take several lines */
static void
add_text(KmReport *report, const char *text, int letters)
{
	appendStringInfoString(&report->body, "<td class=\"w\">");
	km_svg_escape_some(&report->body, text, letters);
	appendStringInfoString(&report->body, "</td>");
}

/* one that takes one line */
static void
add_short_text(KmReport *report, const char *text)
{
	appendStringInfoString(&report->body, "<td>");
	km_svg_escape_some(&report->body, text, NAME_LETTERS);
	appendStringInfoString(&report->body, "</td>");
}

static void
add_figure(KmReport *report, const char *text)
{
	appendStringInfo(&report->body, "<td class=\"r\">%s</td>", text);
}

static void
add_count(KmReport *report, int64 count)
{
	add_figure(report, psprintf(INT64_FORMAT, count));
}

/* a dash for NaN, which stands for what does not exist */
static void
add_number(KmReport *report, double number)
{
	add_figure(report, isnan(number) ? "&#8211;" : km_display_number(number, DIGITS));
}

static void
add_share(KmReport *report, double share)
{
	add_figure(report, isnan(share) ? "&#8211;" : km_display_share(share));
}

static void
add_rest(KmReport *report, const char *which, int64 shown, int64 all, const char *what)
{
	if (shown < all)
		appendStringInfo(&report->body, "<p class=\"note\">The %s " INT64_FORMAT " of " INT64_FORMAT " %s are shown.</p>\n",
						 which, shown, all, what);
}

/* in whole seconds, in the session's time zone */
static char *
moment_text(TimestampTz moment)
{
	return pstrdup(timestamptz_to_str(moment - moment % USECS_PER_SEC));
}
