/*
 * value_check.c
 *		What makes a kmeans_model valid.
 *
 * Each check returns NULL, or a palloc'd text of what is wrong, which begins
 * with the key of the text form.  Positions in these texts count from 0, as
 * JSON's do.  Who asks decides which error it is: malformed input, a damaged
 * datum, an edited catalog.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "model/value.h"
#include "storage/shmem.h"

/*
 * Outlier histograms have 128 bins for each of a double's 2048 exponents, and
 * one for 0 (see KmHistogram).
 */
#define KM_MAX_BINS		(2048 * 128 + 1)

static char *check_names(const KmModel *model);
static char *check_ids(const KmModel *model);
static char *check_sizes(const KmModel *model);
static char *check_weights(const KmModel *model);
static char *check_centroids(const KmModel *model);
static char *check_spread(const KmModel *model);
static char *check_histogram(const KmModel *model);

char *
km_model_validate(const KmModel *model)
{
	char	   *problem;

	problem = km_model_validate_counts(model->k, model->d, model->ncolumns);
	if (problem == NULL)
		problem = km_model_validate_columns(model);
	if (problem == NULL)
		problem = check_names(model);
	if (problem == NULL)
		problem = km_model_validate_values(model);
	return problem;
}

char *
km_model_validate_counts(int64 k, int64 d, int64 ncolumns)
{
	if (k < 1 || k > KM_MAX_CLUSTERS)
		return psprintf("key \"k\": " INT64_FORMAT " is not between 1 and %d",
						k, KM_MAX_CLUSTERS);
	if (d < 1 || d > KM_MAX_FEATURES)
		return psprintf("key \"features\": their number, " INT64_FORMAT
						", is not between 1 and %d", d, KM_MAX_FEATURES);
	if (k * d > KM_MAX_CELLS)
		return psprintf("key \"centroids\": k x features is " INT64_FORMAT
						", more than %d", k * d, KM_MAX_CELLS);
	if (ncolumns < 1 || ncolumns > d)
		return psprintf("key \"columns\": their number, " INT64_FORMAT
						", is not between 1 and the number of features, " INT64_FORMAT,
						ncolumns, d);
	return NULL;
}

char *
km_model_validate_columns(const KmModel *model)
{
	int64		sum = 0;

	for (int c = 0; c < model->ncolumns; c++)
	{
		const KmColumn *column = &model->columns[c];
		bool		many;

		many = column->kind == KM_COLUMN_ARRAY || column->kind == KM_COLUMN_CATEGORY;
		if ((int) column->kind < KM_COLUMN_NUMBER ||
			(int) column->kind > KM_COLUMN_CATEGORY)
			return psprintf("key \"columns\": column %d is of unknown kind %d",
							c, (int) column->kind);
		if (column->nfeatures < 1 || (!many && column->nfeatures != 1))
			return psprintf("key \"columns\": column %d cannot have %d features",
							c, column->nfeatures);
		sum += column->nfeatures;
	}
	if (sum != model->d)
		return psprintf("key \"columns\": they make " INT64_FORMAT
						" features, but there are %d", sum, model->d);
	return NULL;
}

static char *
check_names(const KmModel *model)
{
	const char **names = palloc(mul_size(model->d, sizeof(char *)));
	const char *twice;
	char	  **features;
	int			nfeatures;

	for (int c = 0; c < model->ncolumns; c++)
	{
		const KmColumn *column = &model->columns[c];

		if (column->name[0] == '\0')
			return psprintf("key \"columns\": the name of column %d is empty", c);
		if (column->kind != KM_COLUMN_CATEGORY)
			continue;
		memcpy(names, column->categories, column->nfeatures * sizeof(char *));
		twice = km_column_find_duplicate(names, column->nfeatures);
		if (twice != NULL)
			return psprintf("key \"columns\": column \"%s\" has category \"%s\" twice",
							column->name, twice);
	}

	for (int c = 0; c < model->ncolumns; c++)
		names[c] = model->columns[c].name;
	twice = km_column_find_duplicate(names, model->ncolumns);
	if (twice != NULL)
		return psprintf("key \"columns\": column \"%s\" appears twice", twice);

	features = km_column_features(model->columns, model->ncolumns, &nfeatures);
	Assert(nfeatures == model->d);
	memcpy(names, features, nfeatures * sizeof(char *));
	twice = km_column_find_duplicate(names, nfeatures);
	if (twice != NULL)
		return psprintf("key \"columns\": two features would be named \"%s\"", twice);
	for (int t = 0; t < model->d; t++)
	{
		if (strcmp(features[t], model->features[t]) != 0)
			return psprintf("key \"features\": feature %d is \"%s\", but the columns make it \"%s\"",
							t, model->features[t], features[t]);
	}
	for (int j = 0; j < model->k; j++)
	{
		if (model->labels[j] != NULL && model->labels[j][0] == '\0')
			return psprintf("key \"labels\": the label of cluster %d is empty, not null",
							model->ids[j]);
	}
	pfree(names);
	return NULL;
}

char *
km_model_validate_values(const KmModel *model)
{
	char	   *problem = check_ids(model);

	if (problem == NULL)
		problem = check_sizes(model);
	if (problem == NULL)
		problem = check_weights(model);
	if (problem == NULL)
		problem = check_centroids(model);
	if (problem == NULL)
		problem = check_spread(model);
	if (problem == NULL)
		problem = check_histogram(model);
	return problem;
}

static char *
check_ids(const KmModel *model)
{
	for (int j = 0; j < model->k; j++)
	{
		if (model->ids[j] < 0)
			return psprintf("key \"ids\": %d is negative", model->ids[j]);
		if (j > 0 && model->ids[j] <= model->ids[j - 1])
			return psprintf("key \"ids\": %d after %d, but they must ascend",
							model->ids[j], model->ids[j - 1]);
	}
	return NULL;
}

static char *
check_sizes(const KmModel *model)
{
	int64		left = model->n_rows;

	if (model->n_rows < 0)
		return psprintf("key \"n_rows\": " INT64_FORMAT " is negative", model->n_rows);
	if (model->n_skipped < 0)
		return psprintf("key \"n_skipped\": " INT64_FORMAT " is negative",
						model->n_skipped);
	if (model->n_iter < 0)
		return psprintf("key \"n_iter\": %d is negative", model->n_iter);
	for (int j = 0; j < model->k; j++)
	{
		if (model->sizes[j] < 0)
			return psprintf("key \"sizes\": " INT64_FORMAT " is negative",
							model->sizes[j]);
		if (model->sizes[j] > left)
			return psprintf("key \"sizes\": their sum exceeds n_rows, " INT64_FORMAT,
							model->n_rows);
		left -= model->sizes[j];
	}
	return NULL;
}

/* element i of an array or, if d > 0, of a matrix of d columns */
static char *
position(int64 i, int d)
{
	if (d == 0)
		return psprintf("element [" INT64_FORMAT "]", i);
	return psprintf("element [" INT64_FORMAT "][" INT64_FORMAT "]", i / d, i % d);
}

static char *
bad_real(const char *key, double value, int64 i, int d, const char *wanted)
{
	return psprintf("key \"%s\": %s is %g, but must be %s",
					key, position(i, d), value, wanted);
}

static char *
check_finite(const char *key, const double *values, int64 n, int d)
{
	CHECK_FOR_INTERRUPTS();
	for (int64 i = 0; i < n; i++)
	{
		if (!isfinite(values[i]))
			return bad_real(key, values[i], i, d, "finite");
	}
	return NULL;
}

static char *
check_not_negative(const char *key, const double *values, int64 n)
{
	for (int64 i = 0; i < n; i++)
	{
		if (!isfinite(values[i]) || values[i] < 0)
			return bad_real(key, values[i], i, 0, "finite and not negative");
	}
	return NULL;
}

static char *
check_total(const char *key, double value)
{
	if (!isfinite(value) || value < 0)
		return psprintf("key \"%s\": %g, but must be finite and not negative", key, value);
	return NULL;
}

/* the numbers of which there is one per cluster, and those of the whole */
static char *
check_weights(const KmModel *model)
{
	double		sum = 0;
	char	   *problem = check_not_negative("weights", model->weights, model->k);

	if (problem == NULL)
		problem = check_not_negative("cluster_inertia", model->cluster_inertia, model->k);
	if (problem == NULL)
		problem = check_not_negative("radius_rms", model->radius_rms, model->k);
	if (problem == NULL)
		problem = check_not_negative("radius_max", model->radius_max, model->k);
	if (problem == NULL)
		problem = check_total("inertia", model->inertia);
	if (problem == NULL)
		problem = check_total("total_ss", model->total_ss);
	if (problem != NULL)
		return problem;

	for (int j = 0; j < model->k; j++)
		sum += model->weights[j];
	if (sum == 0 || !isfinite(sum))
		return psprintf("key \"weights\": their sum is %g, but must be positive and finite",
						sum);
	return NULL;
}

static char *
check_centroids(const KmModel *model)
{
	char	   *problem = check_finite("shift", model->shift, model->d, 0);

	if (problem == NULL && model->fill != NULL)
		problem = check_finite("fill", model->fill, model->d, 0);
	if (problem != NULL)
		return problem;
	for (int t = 0; t < model->d; t++)
	{
		if (!isfinite(model->scale[t]) || model->scale[t] <= 0)
			return bad_real("scale", model->scale[t], t, 0, "finite and positive");
	}

	problem = check_finite("centroids", model->centroids,
						   (int64) model->k * model->d, model->d);
	if (problem != NULL)
		return problem;
	for (int j = 0; j < model->k; j++)
	{
		const double *centroid = model->centroids + (Size) j * model->d;
		double		norm2 = 0;

		for (int t = 0; t < model->d; t++)
			norm2 += centroid[t] * centroid[t];
		if (norm2 > KM_MAX_NORM2)
			return psprintf("key \"centroids\": the squares of centroid %d overflow", j);
	}
	return NULL;
}

/* mean, stddev, min and max; only a cluster without weight may lack them */
static char *
check_spread(const KmModel *model)
{
	const struct
	{
		const char *key;
		const double *values;
	}			arrays[] = {
		{"mean", model->mean},
		{"stddev", model->stddev},
		{"min", model->min},
		{"max", model->max},
	};
	int64		n = (int64) model->k * model->d;

	for (int a = 0; a < lengthof(arrays); a++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int64 i = 0; i < n; i++)
		{
			double		value = arrays[a].values[i];

			if (isnan(value) && model->weights[i / model->d] == 0)
				continue;
			if (isnan(value))
				return psprintf("key \"%s\": %s is null, but its cluster has weight",
								arrays[a].key, position(i, model->d));
			if (!isfinite(value))
				return bad_real(arrays[a].key, value, i, model->d, "finite");
		}
	}
	CHECK_FOR_INTERRUPTS();
	for (int64 i = 0; i < n; i++)
	{
		if (model->stddev[i] < 0)
			return bad_real("stddev", model->stddev[i], i, model->d, "not negative");
		if (model->min[i] > model->max[i])
			return psprintf("key \"min\": %s is %g, more than max, %g",
							position(i, model->d), model->min[i], model->max[i]);
	}
	return NULL;
}

static char *
check_histogram(const KmModel *model)
{
	const KmHistogram *outliers = &model->outliers;
	char	   *problem;

	if (outliers->nbins > KM_MAX_BINS)
		return psprintf("key \"outlier_histogram.upper\": %d bins, more than %d",
						outliers->nbins, KM_MAX_BINS);
	for (int b = 0; b < outliers->nbins; b++)
	{
		if (isnan(outliers->upper[b]) || outliers->upper[b] < 0)
			return bad_real("outlier_histogram.upper", outliers->upper[b], b, 0,
							"not negative");
		if (b > 0 && outliers->upper[b] <= outliers->upper[b - 1])
			return psprintf("key \"outlier_histogram.upper\": %g after %g, but they must ascend",
							outliers->upper[b], outliers->upper[b - 1]);
	}
	problem = check_not_negative("outlier_histogram.weight", outliers->weight,
								 outliers->nbins);
	if (problem == NULL && (isnan(outliers->largest) || outliers->largest < 0))
		problem = psprintf("key \"outlier_histogram.max\": %g is negative",
						   outliers->largest);
	return problem;
}
