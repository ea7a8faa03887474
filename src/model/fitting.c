/*
 * fitting.c
 *		A fit that becomes a version of a model: from the source to the catalog.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "model/fitted.h"
#include "model/fitting.h"

#define KM_FITTING_NAMED_FEATURES 5 /* at most, in one notice */

static void km_fitting_ready(KmFitJob *job);
static void km_fitting_carry(KmFitting *fitting);
static void km_fitting_carry_start(KmFitting *fitting);
static void km_fitting_other_features(const KmFitting *fitting);
static void km_fitting_tell_result(const KmFitting *fitting);

/* ---- Steps ---- */

void
km_fitting_run(KmFitting *fitting)
{
	const KmOptions *options = &fitting->options;
	KmFitJob   *job = &fitting->job;
	KmSourceSpec source = {
		.text = fitting->source,
		.model = fitting->name,
		.columns = options->columns,
		.ncolumns = options->ncolumns,
		.before = fitting->old != NULL ? fitting->old->columns : NULL,
		.nbefore = fitting->old != NULL ? fitting->old->ncolumns : 0,
		.weight = options->weight,
		.id_column = options->id_column
	};

	job->source = km_source_open(&source);
	PushActiveSnapshot(GetTransactionSnapshot());
	job->model = fitting->name;
	job->on_null = options->on_null;
	job->scale = options->scale;
	job->metric = options->metric;
	job->params = km_fitted_params(options);
	job->params.verbose = fitting->verbose;
	job->ready = km_fitting_ready;
	job->arg = fitting;
	km_fitjob_run(job);

	fitting->model = km_fitted_model(job->fit, job->load.points, job->source->columns,
									 job->source->ncolumns, options, job->load.n_skipped);
	if (fitting->renewal.old != NULL)
		km_renew_labels(fitting->old, fitting->model);
	km_fitting_tell_result(fitting);
}

/*
 * The rows are in: look whether they will do, tell about them, and find out
 * which ids the clusters get.  There may be workers: no catalog access here.
 */
static void
km_fitting_ready(KmFitJob *job)
{
	KmFitting  *fitting = job->arg;

	km_fitting_check_rows(job, fitting->options.k);
	km_fitting_tell_rows(job, &fitting->options, !fitting->refresh);
	if (fitting->old != NULL)
		km_fitting_carry(fitting);
	km_fitted_check_start(&fitting->options, job->nfeatures);
}

/* Carry over what the old version and the new one have in common. */
static void
km_fitting_carry(KmFitting *fitting)
{
	KmFitJob   *job = &fitting->job;
	KmModel    *old = fitting->old;
	KmRenewal  *renewal = &fitting->renewal;

	renewal->place = km_renew_place(old, job->source->columns, job->source->ncolumns);
	if (renewal->place == NULL)
	{
		km_fitting_other_features(fitting);
		return;
	}
	renewal->old = old;
	if (fitting->refresh)
		km_fitting_carry_start(fitting);
	job->params.numbering = km_renew_number;
	job->params.numbering_arg = renewal;
	if (fitting->warm)
		km_renew_start(renewal, km_points_space(job->load.points), &job->params);
	if (fitting->refresh && !km_points_filled(job->load.points))
		job->former = km_renew_former(renewal);
}

/*
 * init_centroids that the old version was given, with the features of the new
 * fit: a new category has no share in them.
 */
static void
km_fitting_carry_start(KmFitting *fitting)
{
	KmOptions  *options = &fitting->options;
	int			old_d = fitting->old->d;
	int			d = fitting->job.nfeatures;
	double	   *start;

	if (options->init_centroids == NULL || options->init_d != old_d)
		return;
	start = palloc0(mul_size(mul_size(options->init_k, d), sizeof(double)));
	for (int j = 0; j < options->init_k; j++)
		for (int t = 0; t < old_d; t++)
			start[(Size) j * d + fitting->renewal.place[t]] =
				options->init_centroids[(Size) j * old_d + t];
	options->init_centroids = start;
	options->init_d = d;
	fitting->job.params.init_centroids = start;
}

static void
km_fitting_other_features(const KmFitting *fitting)
{
	const KmModel *old = fitting->old;

	if (fitting->refresh)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the features of model \"%s\" have changed: its clusters cannot be carried over",
						fitting->name),
				 old->d == fitting->job.nfeatures ? 0 :
				 errdetail("There were %d, now there are %d.", old->d, fitting->job.nfeatures),
				 errhint("Use kmeans_fit with replace => true to begin anew.")));
	ereport(NOTICE,
			(errmsg("the features of model \"%s\" have changed: its clusters are numbered anew, without labels",
					fitting->name)));
}

double
km_fitting_elapsed_ms(const KmFitting *fitting)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, fitting->start);
	return INSTR_TIME_GET_MILLISEC(now);
}

int
km_fitting_store(KmFitting *fitting, bool promote)
{
	KmVersionInfo info = {
		.source = fitting->job.source->stored,
		.id_column = fitting->job.source->id_column,
		.weight = fitting->job.source->weight,
		.elapsed_ms = km_fitting_elapsed_ms(fitting),
		.fitted_at = GetCurrentTimestamp(),
		.fitted_by = GetUserId(),
		.n_iterations = fitting->job.fit->n_iterations,
		.iterations = fitting->job.fit->iterations,
		.best_run = fitting->job.fit->best_run
	};

	PopActiveSnapshot();
	return km_registry_store(fitting->name, fitting->ref, fitting->model, &info,
							 promote);
}

/* ---- What the user should know ---- */

/*
 * The sd of a column in the source; an array or category column counts once,
 * with the root mean square of its features' sds.
 */
static double
km_fitting_column_sd(const KmColumn *column, const double *stddev)
{
	double		sum = 0;

	for (int t = 0; t < column->nfeatures; t++)
		sum += stddev[t] * stddev[t];
	return sqrt(sum / column->nfeatures);
}

static void
km_fitting_notice_scale(const KmFitJob *job, bool advise)
{
	const KmStats *stats = km_points_stats(job->load.points);
	const KmColumn *columns = job->source->columns;
	const double *stddev = stats->stddev;
	int			least = -1;
	int			most = -1;
	double		least_sd = 0;
	double		most_sd = 0;

	for (int i = 0; i < job->source->ncolumns; stddev += columns[i++].nfeatures)
	{
		double		sd = km_fitting_column_sd(&columns[i], stddev);

		if (!(sd > 0))
			continue;
		if (least < 0 || sd < least_sd)
		{
			least = i;
			least_sd = sd;
		}
		if (most < 0 || sd > most_sd)
		{
			most = i;
			most_sd = sd;
		}
	}
	if (most >= 0 && most_sd > 10 * least_sd)
		ereport(NOTICE,
				(errmsg("column \"%s\" (sd %.3g) outweighs \"%s\" (sd %.3g)",
						columns[most].name, most_sd, columns[least].name, least_sd),
				 advise ?
				 errhint("Use scale => 'standard' to give every column the same weight.") : 0));
}

static void
km_fitting_notice_constant(const KmFitJob *job)
{
	const KmStats *stats = km_points_stats(job->load.points);
	const KmColumn *column = job->source->columns;
	StringInfoData names;
	int			n = 0;
	int			end = column->nfeatures;

	initStringInfo(&names);
	for (int t = 0; t < job->nfeatures; t++)
	{
		if (t == end)
			end += (++column)->nfeatures;
		/* a category has no divisor */
		if (column->kind == KM_COLUMN_CATEGORY || stats->min[t] != stats->max[t])
			continue;
		if (n++ < KM_FITTING_NAMED_FEATURES)
			appendStringInfo(&names, "%s\"%s\"", n > 1 ? ", " : "", job->features[t]);
		else if (n == KM_FITTING_NAMED_FEATURES + 1)
			appendStringInfoString(&names, ", ...");
	}
	if (n > 0)
		ereport(NOTICE,
				(n == 1 ? errmsg("feature %s is constant: its divisor counts as 1",
								 names.data) :
				 errmsg("%d features are constant (%s): their divisors count as 1",
						n, names.data)));
}

void
km_fitting_tell_rows(const KmFitJob *job, const KmOptions *options, bool advise)
{
	if (job->load.n_skipped > 0)
		ereport(NOTICE,
				(errmsg("skipped %lld of %lld rows without a value for every feature%s",
						(long long) job->load.n_skipped, (long long) job->load.n_read,
						options->weight != NULL ? " and a weight" : ""),
				 advise && options->on_null == KM_ON_NULL_SKIP ?
				 errhint("Use on_null => 'mean' to fill them, or 'error' to find them.") : 0));
	if (options->scale == KM_SCALE_NONE)
		km_fitting_notice_scale(job, advise);
	else
		km_fitting_notice_constant(job);
}

void
km_fitting_check_rows(const KmFitJob *job, int k)
{
	if (job->load.n_read == 0)
		km_source_refuse_empty(job->source->text);
	if (job->n_rows < k)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%lld usable rows are too few for %d clusters",
						(long long) job->n_rows, k),
				 errdetail("The source has %lld rows; %lld were skipped.",
						   (long long) job->load.n_read,
						   (long long) job->load.n_skipped)));
}

static void
km_fitting_tell_result(const KmFitting *fitting)
{
	const KmFit *fit = fitting->job.fit;

	if (fit->k < fitting->options.k)
		ereport(WARNING,
				(errmsg_plural("found %d cluster instead of %d: there are no more distinct rows",
							   "found %d clusters instead of %d: there are no more distinct rows",
							   fit->k, fit->k, fitting->options.k)));
	if (!fit->converged)
		ereport(WARNING,
				(errmsg_plural("the fit did not converge in %d iteration",
							   "the fit did not converge in %d iterations",
							   fit->n_iter, fit->n_iter),
				 errhint("Increase max_iter, or accept a larger tol.")));
}
