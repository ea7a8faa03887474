/*
 * profile.c
 *		What is typical of a model's clusters, from stored statistics alone.
 *
 * A cluster's stored weight, mean and sd of a feature are enough for those of
 * all rows: the overall mean is the weighted mean of means, and
 *
 *		overall variance = sum of w (sd^2 + (mean - overall mean)^2) / sum of w
 *
 * in which every term is positive, so nothing cancels.  Numbers are divided
 * by a power of two first, which rounds nothing and keeps squares and products
 * from overflowing.  A constant feature is known by its minimum and maximum: a
 * weighted mean of equal numbers need not equal them in its last bit.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "model/profile.h"
#include "utils/float.h"
#include "utils/memutils.h"

static double *new_cells(Size n);
static void overall(const KmModel *model, KmProfile *profile, int t);
static void overall_mean(const KmModel *model, KmProfile *profile, int t);
static void overall_stddev(const KmModel *model, KmProfile *profile, int t);
static void rank_features(const KmModel *model, KmProfile *profile, int j, KmPlace *places);
static void rank_clusters(const KmModel *model, KmProfile *profile, int t, KmPlace *places);
static int	compare_ascending(const void *a, const void *b);
static int	compare_descending(const void *a, const void *b);
static void explain_feature(const KmModel *model, const KmProfile *profile, int t,
							KmImportance *importance);

KmProfile *
km_profile(const KmModel *model)
{
	KmProfile  *profile = palloc0(sizeof(KmProfile));
	Size		cells = mul_size(model->k, model->d);
	KmPlace    *places = palloc(mul_size(Max(model->k, model->d), sizeof(KmPlace)));

	for (int j = 0; j < model->k; j++)
	{
		profile->total_weight += model->weights[j];
		profile->weighted |= model->weights[j] != model->sizes[j];
	}
	profile->mean = new_cells(model->d);
	profile->stddev = new_cells(model->d);
	profile->z = new_cells(cells);
	profile->position = new_cells(cells);
	profile->rank = MemoryContextAllocHuge(CurrentMemoryContext,
										   mul_size(cells, sizeof(int)));
	for (int t = 0; t < model->d; t++)
	{
		CHECK_FOR_INTERRUPTS();
		overall(model, profile, t);
		rank_clusters(model, profile, t, places);
	}
	for (int j = 0; j < model->k; j++)
	{
		CHECK_FOR_INTERRUPTS();
		rank_features(model, profile, j, places);
	}
	pfree(places);
	return profile;
}

static double *
new_cells(Size n)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, mul_size(n, sizeof(double)));
}

/* Mean and sd of all rows, and what they make of the clusters' means. */
static void
overall(const KmModel *model, KmProfile *profile, int t)
{
	double		least = INFINITY;
	double		most = -INFINITY;

	for (int j = 0; j < model->k; j++)
	{
		Size		cell = (Size) j * model->d + t;

		if (!(model->weights[j] > 0))
			continue;
		least = Min(least, model->min[cell]);
		most = Max(most, model->max[cell]);
	}
	profile->mean[t] = least;
	profile->stddev[t] = 0;
	if (least < most)
	{
		overall_mean(model, profile, t);
		overall_stddev(model, profile, t);
	}

	for (int j = 0; j < model->k; j++)
	{
		Size		cell = (Size) j * model->d + t;

		profile->z[cell] = !(model->weights[j] > 0) ? get_float8_nan() :
			profile->stddev[t] > 0 ?
			(model->mean[cell] - profile->mean[t]) / profile->stddev[t] : 0;
	}
}

static void
overall_mean(const KmModel *model, KmProfile *profile, int t)
{
	double		largest = 0;
	double		sum = 0;
	int			exponent;

	for (int j = 0; j < model->k; j++)
		if (model->weights[j] > 0)
			largest = Max(largest, fabs(model->mean[(Size) j * model->d + t]));
	(void) frexp(largest, &exponent);
	for (int j = 0; j < model->k; j++)
		if (model->weights[j] > 0)
			sum += model->weights[j] *
				ldexp(model->mean[(Size) j * model->d + t], -exponent);
	profile->mean[t] = ldexp(sum / profile->total_weight, exponent);
}

static void
overall_stddev(const KmModel *model, KmProfile *profile, int t)
{
	double		largest = 0;
	double		sum = 0;
	int			exponent;

	for (int j = 0; j < model->k; j++)
	{
		Size		cell = (Size) j * model->d + t;

		if (model->weights[j] > 0)
			largest = Max(largest, Max(fabs(model->mean[cell] - profile->mean[t]),
									   model->stddev[cell]));
	}
	(void) frexp(largest, &exponent);
	for (int j = 0; j < model->k; j++)
	{
		Size		cell = (Size) j * model->d + t;
		double		apart = ldexp(model->mean[cell] - profile->mean[t], -exponent);
		double		sd = ldexp(model->stddev[cell], -exponent);

		if (model->weights[j] > 0)
			sum += model->weights[j] * (sd * sd + apart * apart);
	}
	profile->stddev[t] = ldexp(sqrt(sum / profile->total_weight), exponent);
}

static void
rank_features(const KmModel *model, KmProfile *profile, int j, KmPlace *places)
{
	Size		first = (Size) j * model->d;

	for (int t = 0; t < model->d; t++)
	{
		places[t].value = fabs(profile->z[first + t]);
		places[t].index = t;
	}
	if (model->weights[j] > 0)
		qsort(places, model->d, sizeof(KmPlace), compare_descending);
	for (int t = 0; t < model->d; t++)
		profile->rank[first + places[t].index] = model->weights[j] > 0 ? t + 1 : 0;
}

/* The clusters' positions by a feature; those at equal means share one. */
static void
rank_clusters(const KmModel *model, KmProfile *profile, int t, KmPlace *places)
{
	int			n = 0;

	for (int j = 0; j < model->k; j++)
	{
		Size		cell = (Size) j * model->d + t;

		profile->position[cell] = get_float8_nan();
		if (!(model->weights[j] > 0))
			continue;
		places[n].value = model->mean[cell];
		places[n++].index = j;
	}
	qsort(places, n, sizeof(KmPlace), compare_ascending);
	for (int i = 0; i < n;)
	{
		int			end = i + 1;

		while (end < n && places[end].value == places[i].value)
			end++;
		for (int same = i; same < end; same++)
			profile->position[(Size) places[same].index * model->d + t] =
				n > 1 ? (i + end - 1) / 2.0 / (n - 1) : 0.5;
		i = end;
	}
}

/* NaN last either way */
static int
compare_ascending(const void *a, const void *b)
{
	const KmPlace *x = a;
	const KmPlace *y = b;
	int			order = float8_cmp_internal(x->value, y->value);

	return order != 0 ? order : x->index - y->index;
}

static int
compare_descending(const void *a, const void *b)
{
	const KmPlace *x = a;
	const KmPlace *y = b;
	int			order = isnan(x->value) || isnan(y->value) ?
	float8_cmp_internal(x->value, y->value) : float8_cmp_internal(y->value, x->value);

	return order != 0 ? order : x->index - y->index;
}

const char *
km_profile_level(double position)
{
	if (isnan(position))
		return NULL;
	if (position == 0)
		return "lowest";
	if (position < 0.4)
		return "low";
	if (position <= 0.6)
		return "middle";
	return position < 1 ? "high" : "highest";
}

void
km_profile_centroid(const KmModel *model, int j, double *x)
{
	Size		at = (Size) j * model->d;
	KmSpace		space = km_model_space(model);

	if (model->metric == KM_METRIC_COSINE)
		memcpy(x, model->mean + at, model->d * sizeof(double));
	else if (km_space_identity(&space))
		memcpy(x, model->centroids + at, model->d * sizeof(double));
	else
		km_space_back(&space, model->centroids + at, x);
}

KmPlace *
km_profile_contributions(const KmModel *model, int cluster, int next, const double *z)
{
	const double *c = model->centroids + (Size) cluster * model->d;
	const double *other = model->centroids + (Size) Max(next, 0) * model->d;
	KmPlace    *contributions = palloc(mul_size(model->d, sizeof(KmPlace)));

	for (int t = 0; t < model->d; t++)
	{
		contributions[t].value = next < 0 ? get_float8_nan() :
			(z[t] - other[t]) * (z[t] - other[t]) - (z[t] - c[t]) * (z[t] - c[t]);
		contributions[t].index = t;
	}
	qsort(contributions, model->d, sizeof(KmPlace), compare_descending);
	return contributions;
}

/* ---- Which features matter ---- */

KmImportance *
km_profile_importance(const KmModel *model, const KmProfile *profile)
{
	KmImportance *importance = palloc(sizeof(KmImportance));
	KmPlace    *places = palloc(mul_size(model->d, sizeof(KmPlace)));

	importance->between = new_cells(model->d);
	importance->total = new_cells(model->d);
	importance->eta2 = new_cells(model->d);
	importance->f_ratio = new_cells(model->d);
	importance->rank = palloc(mul_size(model->d, sizeof(int)));
	for (int t = 0; t < model->d; t++)
	{
		CHECK_FOR_INTERRUPTS();
		explain_feature(model, profile, t, importance);
		places[t].value = importance->eta2[t];
		places[t].index = t;
	}
	qsort(places, model->d, sizeof(KmPlace), compare_descending);
	for (int t = 0; t < model->d; t++)
		importance->rank[places[t].index] = t + 1;
	pfree(places);
	return importance;
}

/*
 * within is about the centroids.  Where a fit stopped by tol, they are not
 * quite the means of their rows; with w the weight, s the sd, m the mean and c
 * the centroid, all in the space, a cluster has w (s^2 + (m - c)^2).
 */
static void
explain_feature(const KmModel *model, const KmProfile *profile, int t,
				KmImportance *importance)
{
	double		weight = profile->total_weight;
	double		sd = profile->stddev[t] / model->scale[t];
	double		total = weight * sd * sd;
	double		within = 0;
	double		between;
	int			k = 0;

	for (int j = 0; j < model->k; j++)
	{
		Size		cell = (Size) j * model->d + t;
		double		s = model->stddev[cell] / model->scale[t];
		double		m = (model->mean[cell] - model->shift[t]) / model->scale[t];
		double		c = model->metric == KM_METRIC_COSINE ? m : model->centroids[cell];

		if (!(model->weights[j] > 0))
			continue;
		within += model->weights[j] * (s * s + (m - c) * (m - c));
		k++;
	}
	between = k > 1 ? Max(total - within, 0) : 0;
	importance->between[t] = between;
	importance->total[t] = total;
	importance->eta2[t] = total > 0 ? between / total : get_float8_nan();
	importance->f_ratio[t] = total > 0 && k > 1 && weight > k ?
		between / (k - 1) / (within / (weight - k)) : get_float8_nan();
}
