/*
 * inspect.c
 *		Look inside: kmeans_centroids, kmeans_clusters, kmeans_profile,
 *		kmeans_describe, kmeans_feature_importance, kmeans_iterations, and what
 *		the views kmeans_models and kmeans_versions select from.
 *
 * All of it is read from the catalog or from a kmeans_model; nothing passes
 * over data.  Functions that take a model exist twice in SQL, by name and by
 * value, with one C function for both.  Results are returned in one go, in a
 * tuplestore.
 */
#include "postgres.h"

#include <math.h>

#include "api/args.h"
#include "api/result.h"
#include "miscadmin.h"
#include "model/array.h"
#include "model/display.h"
#include "model/fitted.h"
#include "model/options.h"
#include "model/profile.h"
#include "model/registry.h"
#include "model/value.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static void add_cluster(KmResultRow *row, const KmModel *model, int j);
static void list_model(void *arg, const KmListedModel *model);
static const KmListedVersion *promoted_version(const KmListedModel *model);
static void list_versions(void *arg, const KmListedModel *model);
static Datum grantee_names(const KmListedModel *model);
static void add_stored(KmResultRow *row, Datum value);
static void add_explained(KmResultRow *row, const KmListedVersion *version);

PG_FUNCTION_INFO_V1(kmeans_centroids);
PG_FUNCTION_INFO_V1(kmeans_clusters);
PG_FUNCTION_INFO_V1(kmeans_profile);
PG_FUNCTION_INFO_V1(kmeans_describe);
PG_FUNCTION_INFO_V1(kmeans_feature_importance);
PG_FUNCTION_INFO_V1(kmeans_iterations);
PG_FUNCTION_INFO_V1(kmeans_list_models);
PG_FUNCTION_INFO_V1(kmeans_list_versions);

/* ---- Clusters ---- */

Datum
kmeans_centroids(PG_FUNCTION_ARGS)
{
	KmModel    *model = km_args_model(fcinfo).model;
	double	   *original = palloc(mul_size(model->d, sizeof(double)));
	KmResultRow row;

	km_result_begin(&row, fcinfo);
	for (int j = 0; j < model->k; j++)
	{
		km_profile_centroid(model, j, original);
		for (int t = 0; t < model->d; t++)
		{
			CHECK_FOR_INTERRUPTS();
			add_cluster(&row, model, j);
			km_result_text(&row, model->features[t]);
			km_result_float(&row, original[t]);
			km_result_float(&row, model->centroids[(Size) j * model->d + t]);
			km_result_put(&row);
		}
	}
	km_result_end(&row);
	return (Datum) 0;
}

Datum
kmeans_clusters(PG_FUNCTION_ARGS)
{
	KmModel    *model = km_args_model(fcinfo).model;
	double	   *original = palloc(mul_size(model->d, sizeof(double)));
	double		total = 0;
	KmResultRow row;

	for (int j = 0; j < model->k; j++)
		total += model->weights[j];

	km_result_begin(&row, fcinfo);
	for (int j = 0; j < model->k; j++)
	{
		CHECK_FOR_INTERRUPTS();
		km_profile_centroid(model, j, original);
		add_cluster(&row, model, j);
		km_result_datum(&row, Int64GetDatum(model->sizes[j]));
		km_result_float(&row, model->weights[j]);
		km_result_float(&row, model->weights[j] / total);
		km_result_float(&row, model->cluster_inertia[j]);
		km_result_float(&row, model->radius_rms[j]);
		km_result_float(&row, model->radius_max[j]);
		km_result_floats(&row, original, model->d);
		km_result_put(&row);
	}
	km_result_end(&row);
	return (Datum) 0;
}

static void
add_cluster(KmResultRow *row, const KmModel *model, int j)
{
	km_result_int(row, model->ids[j]);
	km_result_text(row, model->labels[j]);
}

/* ---- What is typical ---- */

Datum
kmeans_profile(PG_FUNCTION_ARGS)
{
	KmModel    *model = km_args_model(fcinfo).model;
	KmProfile  *profile = km_profile(model);
	KmResultRow row;

	km_result_begin(&row, fcinfo);
	for (int j = 0; j < model->k; j++)
	{
		for (int t = 0; t < model->d; t++)
		{
			Size		cell = (Size) j * model->d + t;

			CHECK_FOR_INTERRUPTS();
			add_cluster(&row, model, j);
			km_result_text(&row, model->features[t]);
			km_result_float(&row, model->mean[cell]);
			km_result_float(&row, model->stddev[cell]);
			km_result_float(&row, model->min[cell]);
			km_result_float(&row, model->max[cell]);
			km_result_float(&row, profile->mean[t]);
			km_result_float(&row, profile->z[cell]);
			if (profile->rank[cell] > 0)
				km_result_int(&row, profile->rank[cell]);
			else
				km_result_null(&row);
			km_result_text(&row, km_profile_level(profile->position[cell]));
			km_result_put(&row);
		}
	}
	km_result_end(&row);
	return (Datum) 0;
}

Datum
kmeans_describe(PG_FUNCTION_ARGS)
{
	KmModel    *model = km_args_model(fcinfo).model;
	KmProfile  *profile = km_profile(model);
	KmResultRow row;

	km_result_begin(&row, fcinfo);
	for (int j = 0; j < model->k; j++)
	{
		char	   *description = km_profile_describe(model, profile, j);

		CHECK_FOR_INTERRUPTS();
		add_cluster(&row, model, j);
		km_result_datum(&row, Int64GetDatum(model->sizes[j]));
		km_result_float(&row, model->weights[j] / profile->total_weight);
		km_result_text(&row, description);
		km_result_put(&row);
		pfree(description);
	}
	km_result_end(&row);
	return (Datum) 0;
}

Datum
kmeans_feature_importance(PG_FUNCTION_ARGS)
{
	KmModel    *model = km_args_model(fcinfo).model;
	KmImportance *importance = km_profile_importance(model, km_profile(model));
	KmResultRow row;

	km_result_begin(&row, fcinfo);
	for (int t = 0; t < model->d; t++)
	{
		CHECK_FOR_INTERRUPTS();
		km_result_text(&row, model->features[t]);
		km_result_float(&row, importance->between[t]);
		km_result_float(&row, importance->total[t]);
		km_result_float(&row, importance->eta2[t]);
		km_result_float(&row, importance->f_ratio[t]);
		km_result_int(&row, importance->rank[t]);
		km_result_put(&row);
	}
	km_result_end(&row);
	return (Datum) 0;
}

/* ---- The fit ---- */

Datum
kmeans_iterations(PG_FUNCTION_ARGS)
{
	char	   *name = km_args_text(fcinfo, 0, "model");
	int			n;
	int			best_run;
	KmIterationLog *log =
	km_registry_iterations(km_registry_find(name), &n, &best_run);
	KmResultRow row;

	km_result_begin(&row, fcinfo);
	for (int i = 0; i < n; i++)
	{
		const KmIteration *what = &log[i].what;

		CHECK_FOR_INTERRUPTS();
		km_result_int(&row, what->run);
		km_result_int(&row, what->iteration);
		km_result_float(&row, what->inertia);
		km_result_float(&row, what->shift);
		km_result_datum(&row, Int64GetDatum(what->reassigned));
		km_result_float(&row, log[i].elapsed_ms);
		km_result_datum(&row, BoolGetDatum(what->run == best_run));
		km_result_put(&row);
	}
	km_result_end(&row);
	return (Datum) 0;
}

/* ---- Models and versions ---- */

Datum
kmeans_list_models(PG_FUNCTION_ARGS)
{
	KmResultRow row;

	km_result_begin(&row, fcinfo);
	km_registry_list(list_model, &row);
	km_result_end(&row);
	return (Datum) 0;
}

Datum
kmeans_list_versions(PG_FUNCTION_ARGS)
{
	KmResultRow row;

	km_result_begin(&row, fcinfo);
	km_registry_list(list_versions, &row);
	km_result_end(&row);
	return (Datum) 0;
}

static void
list_model(void *arg, const KmListedModel *model)
{
	KmResultRow *row = arg;
	const KmListedVersion *version = promoted_version(model);

	/* only an edited dump can lack the promoted version */
	if (version == NULL)
		return;
	km_result_text(row, model->ref.name);
	km_result_text(row, km_display_role(model->ref.owner));
	km_result_datum(row, grantee_names(model));
	km_result_int(row, version->version);
	km_result_int(row, model->nversions);
	km_result_int(row, version->k);
	km_result_int(row, version->d);
	km_result_text(row, version->metric);
	km_result_text(row, km_options_recorded(version->options, "scale"));
	add_stored(row, version->source);
	km_result_datum(row, version->columns);
	km_result_text(row, version->id_column);
	km_result_datum(row, Int64GetDatum(version->n_rows));
	km_result_float(row, version->inertia);
	add_explained(row, version);
	km_result_datum(row, TimestampTzGetDatum(version->fitted_at));
	km_result_put(row);
}

static const KmListedVersion *
promoted_version(const KmListedModel *model)
{
	for (int i = 0; i < model->nversions; i++)
	{
		if (model->versions[i].version == model->ref.promoted)
			return &model->versions[i];
	}
	return NULL;
}

static void
list_versions(void *arg, const KmListedModel *model)
{
	KmResultRow *row = arg;

	for (int i = 0; i < model->nversions; i++)
	{
		const KmListedVersion *version = &model->versions[i];

		CHECK_FOR_INTERRUPTS();
		km_result_text(row, model->ref.name);
		km_result_int(row, version->version);
		km_result_datum(row, BoolGetDatum(version->version == model->ref.promoted));
		km_result_int(row, version->k);
		km_result_int(row, version->d);
		km_result_datum(row, Int64GetDatum(version->n_rows));
		km_result_datum(row, Int64GetDatum(version->n_skipped));
		km_result_float(row, version->inertia);
		add_explained(row, version);
		km_result_int(row, version->n_iter);
		km_result_datum(row, BoolGetDatum(version->converged));
		km_result_datum(row, Int64GetDatum(version->seed));
		km_result_text(row, version->metric);
		km_result_text(row, km_options_recorded(version->options, "scale"));
		add_stored(row, version->source);
		km_result_datum(row, version->columns);
		km_result_text(row, version->id_column);
		km_result_datum(row, version->options);
		km_result_text(row, km_display_role(version->fitted_by));
		km_result_datum(row, TimestampTzGetDatum(version->fitted_at));
		km_result_datum(row, km_result_interval(version->elapsed_ms));
		km_result_put(row);
	}
}

static Datum
grantee_names(const KmListedModel *model)
{
	char	  **names = palloc(mul_size(model->ngrantees, sizeof(char *)));

	for (int i = 0; i < model->ngrantees; i++)
		names[i] = OidIsValid(model->grantees[i]) ?
			km_display_role(model->grantees[i]) : "public";
	return PointerGetDatum(km_array_texts(names, model->ngrantees));
}

/* a value as it is stored; 0: NULL */
static void
add_stored(KmResultRow *row, Datum value)
{
	if (value == 0)
		km_result_null(row);
	else
		km_result_datum(row, value);
}

static void
add_explained(KmResultRow *row, const KmListedVersion *version)
{
	double		explained;

	if (km_fitted_explained(version->inertia, version->total_ss, &explained))
		km_result_float(row, explained);
	else
		km_result_null(row);
}
