/*
 * fitted.c
 *		From a finished fit to a model.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "model/fitted.h"

void
km_fitted_check_start(const KmOptions *options, int d)
{
	if (options->init_centroids != NULL && options->init_d != d)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("init_centroids has %d features, but the columns have %d",
						options->init_d, d),
				 errdetail("It holds k arrays of one number per feature, in original units.")));
}

KmFitParams
km_fitted_params(const KmOptions *options)
{
	KmFitParams params = {
		.k = options->k,
		.init = options->init,
		.init_centroids = options->init_centroids,
		.n_init = options->n_init,
		.max_iter = options->max_iter,
		.tol = options->tol,
		.seed = (uint64) options->seed
	};

	return params;
}

/* d values, or the given constant d times */
static double *
km_fitted_vector(const double *values, int d, double constant)
{
	double	   *copy = palloc(mul_size(d, sizeof(double)));

	for (int t = 0; t < d; t++)
		copy[t] = values != NULL ? values[t] : constant;
	return copy;
}

KmModel *
km_fitted_model(const KmFit *fit, const KmPoints *points, KmColumn *columns,
				int ncolumns, const KmOptions *options, int64 n_skipped)
{
	KmModel    *model = palloc0(sizeof(KmModel));
	const KmSpace *space = km_points_space(points);
	const KmSummary *summary = fit->summary;

	model->k = fit->k;
	model->d = fit->d;
	model->ncolumns = ncolumns;
	model->columns = columns;
	model->features = km_column_features(columns, ncolumns, &model->d);
	Assert(model->d == fit->d);
	model->metric = options->metric;
	model->shift = km_fitted_vector(space->shift, fit->d, 0);
	model->scale = km_fitted_vector(space->scale, fit->d, 1);
	model->fill = km_points_fill(points) != NULL ?
		km_fitted_vector(km_points_fill(points), fit->d, 0) : NULL;
	model->ids = fit->ids;
	model->centroids = fit->centroids;
	model->sizes = summary->size;
	model->weights = summary->weight;
	model->cluster_inertia = summary->inertia;
	model->radius_rms = summary->radius_rms;
	model->radius_max = summary->radius_max;
	model->mean = summary->mean;
	model->stddev = summary->stddev;
	model->min = summary->min;
	model->max = summary->max;
	model->labels = palloc0(mul_size(fit->k, sizeof(char *)));
	model->inertia = summary->total_inertia;
	model->total_ss = fit->total_ss;
	model->n_rows = km_points_count(points);
	model->n_skipped = n_skipped;
	model->n_iter = fit->n_iter;
	model->converged = fit->converged;
	model->seed = options->seed;
	model->options = km_options_to_json(options);
	model->outliers = summary->outliers;
	return model;
}

bool
km_fitted_explained(double inertia, double total_ss, double *explained)
{
	if (!(total_ss > 0))
		return false;
	*explained = 1 - inertia / total_ss;
	return true;
}
