/*
 * drift.c
 *		How far rows have moved away from the version that was fitted to others.
 *
 * One pass over the rows: each is labelled, and its weight and squared distance
 * are added to its cluster, exactly, so that their order does not matter.  What
 * they are compared with is stored: weights, RMS radii, and the histogram of
 * outlier scores of the fitted rows.
 */
#include "postgres.h"

#include <math.h>

#include "core/kernel.h"
#include "core/stats.h"
#include "core/sums.h"
#include "engine/source.h"
#include "engine/team.h"
#include "model/drift.h"
#include "utils/float.h"
#include "utils/memutils.h"

#define SHARE_FLOOR		0.0001	/* of shares in the index */

/* above these: watch, refresh */
#define PSI_WATCH		0.1
#define PSI_REFRESH		0.25
#define RATIO_REFRESH	1.25
#define OUTLIER_REFRESH	0.15

/* The rows of a cluster. */
typedef struct KmDriftSums
{
	KmExact		weight;
	KmExact		inertia;
	KmExact		outliers;		/* their weight */
} KmDriftSums;

/* the same as numbers, for now and then */
typedef struct KmDriftSide
{
	double		weight;
	double		inertia;
	double		outliers;
} KmDriftSide;

typedef struct KmDriftMeter
{
	const KmModel *model;
	KmSpace		space;			/* of rows that are scaled already */
	KmKernel   *kernel;
	double	   *reference;		/* k: radii for outlier scores */
	double		threshold;
	double	   *dist2;			/* k: of one row */
	KmDriftSums *sums;			/* k, and, at the end, one for all */
} KmDriftMeter;

static void km_drift_prepare(KmDriftMeter *meter, const KmModel *model);
static void km_drift_receive(void *arg, const KmBatch *batch);
static void km_drift_total(KmDriftMeter *meter);
static bool km_drift_outlier(KmDriftMeter *meter, const double *z, int label,
							 double dist2);
static KmDriftSide km_drift_now(const KmDriftSums *sums);
static KmDriftSide km_drift_then(const KmModel *model, int j);
static KmDrift km_drift_compare(const KmDriftSide *now, double total_now,
								const KmDriftSide *then, double total_then);
static double km_drift_ratio(const KmDriftSide *now, const KmDriftSide *then);
static KmVerdict km_drift_verdict(const KmDrift *drift);

KmDrift *
km_drift(const KmFeed *feed)
{
	const KmModel *model = feed->model;
	KmDriftMeter meter;
	KmDriftSide all_now;
	KmDriftSide all_then = {.inertia = model->inertia};
	KmDrift    *result = palloc(mul_size(model->k + 1, sizeof(KmDrift)));
	KmDrift    *all = &result[model->k];
	double		psi = 0;

	km_drift_prepare(&meter, model);
	if (km_feed_run(feed, km_drift_receive, &meter) == 0)
		km_feed_refuse_empty(feed);
	km_drift_total(&meter);
	all_now = km_drift_now(&meter.sums[model->k]);
	if (!(all_now.weight > 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no row of the source has a cluster and a weight")));
	for (int j = 0; j < model->k; j++)
		all_then.weight += model->weights[j];

	for (int j = 0; j < model->k; j++)
	{
		KmDriftSide now = km_drift_now(&meter.sums[j]);
		KmDriftSide then = km_drift_then(model, j);

		result[j] = km_drift_compare(&now, all_now.weight, &then, all_then.weight);
		psi += result[j].psi;
	}
	*all = km_drift_compare(&all_now, all_now.weight, &all_then, all_then.weight);
	all->psi = psi;
	all->verdict = km_drift_verdict(all);
	km_kernel_free(meter.kernel);
	return result;
}

/* ---- The pass ---- */

static void
km_drift_prepare(KmDriftMeter *meter, const KmModel *model)
{
	KmTeam	   *alone = km_team_alone(CurrentMemoryContext);
	double		weight = 0;

	for (int j = 0; j < model->k; j++)
		weight += model->weights[j];
	meter->model = model;
	meter->space = (KmSpace) {.d = model->d};
	meter->kernel = km_kernel_create(alone, &meter->space, model->k);
	km_kernel_set(meter->kernel, model->centroids, model->k);
	meter->reference = km_team_alloc(alone, model->k, sizeof(double));
	km_outlier_reference(model->k, model->sizes, model->radius_rms, model->inertia,
						 weight, meter->reference);
	meter->threshold = km_histogram_threshold(&model->outliers, KM_DRIFT_OUTLIERS);
	meter->dist2 = km_team_alloc(alone, model->k, sizeof(double));
	meter->sums = km_team_alloc(alone, model->k + 1, sizeof(KmDriftSums));
	for (int j = 0; j <= model->k; j++)
	{
		km_exact_init(&meter->sums[j].weight);
		km_exact_init(&meter->sums[j].inertia);
		km_exact_init(&meter->sums[j].outliers);
	}
}

static void
km_drift_receive(void *arg, const KmBatch *batch)
{
	KmDriftMeter *meter = arg;
	int32		label[KM_TILE];
	double		dist2[KM_TILE];

	km_kernel_assign(meter->kernel, batch->z, batch->n, label, dist2, NULL);
	for (int i = 0; i < batch->n; i++)
	{
		double		weight = batch->weights != NULL ? batch->weights[i] : 1;
		KmDriftSums *sums = &meter->sums[label[i]];

		if (batch->isnull[i])
			continue;
		km_exact_add(&sums->weight, weight);
		km_exact_add_product(&sums->inertia, weight, dist2[i]);
		if (km_drift_outlier(meter, batch->z + (Size) i * batch->d, label[i], dist2[i]))
			km_exact_add(&sums->outliers, weight);
	}
}

/* All rows are those of the clusters. */
static void
km_drift_total(KmDriftMeter *meter)
{
	int			k = meter->model->k;
	KmDriftSums *all = &meter->sums[k];

	for (int j = 0; j < k; j++)
	{
		km_exact_merge(&all->weight, &meter->sums[j].weight);
		km_exact_merge(&all->inertia, &meter->sums[j].inertia);
		km_exact_merge(&all->outliers, &meter->sums[j].outliers);
	}
}

/* A score is the least over all clusters: the own one may do. */
static bool
km_drift_outlier(KmDriftMeter *meter, const double *z, int label, double dist2)
{
	if (km_outlier_score(1, &dist2, &meter->reference[label]) <= meter->threshold)
		return false;
	km_kernel_all(meter->kernel, z, 1, meter->dist2);
	return km_outlier_score(meter->model->k, meter->dist2, meter->reference) >
		meter->threshold;
}

/* ---- The comparison ---- */

static KmDriftSide
km_drift_now(const KmDriftSums *sums)
{
	KmDriftSide side;

	side.weight = km_exact_value(&sums->weight);
	side.inertia = km_exact_value(&sums->inertia);
	side.outliers = km_exact_value(&sums->outliers);
	return side;
}

static KmDriftSide
km_drift_then(const KmModel *model, int j)
{
	KmDriftSide side = {
		.weight = model->weights[j],
		.inertia = model->cluster_inertia[j]
	};

	return side;
}

static KmDrift
km_drift_compare(const KmDriftSide *now, double total_now,
				 const KmDriftSide *then, double total_then)
{
	KmDrift		drift;
	double		share_now;
	double		share_then;

	drift.share_now = now->weight / total_now;
	drift.share_then = total_then > 0 ? then->weight / total_then : 0;
	share_now = Max(drift.share_now, SHARE_FLOOR);
	share_then = Max(drift.share_then, SHARE_FLOOR);
	drift.psi = (share_now - share_then) * log(share_now / share_then);
	drift.distance_ratio = km_drift_ratio(now, then);
	drift.outlier_rate = now->weight > 0 ? now->outliers / now->weight : get_float8_nan();
	drift.verdict = km_drift_verdict(&drift);
	return drift;
}

/*
 * Of the RMS distances.  Rows that all lay on their centroid, and still do,
 * have not moved; if they do not any more, that is without measure.
 */
static double
km_drift_ratio(const KmDriftSide *now, const KmDriftSide *then)
{
	if (!(now->weight > 0) || !(then->weight > 0))
		return get_float8_nan();
	if (then->inertia > 0)
		return sqrt(now->inertia / now->weight) / sqrt(then->inertia / then->weight);
	return now->inertia > 0 ? get_float8_infinity() : 1;
}

/* no comparison with NaN is true */
static KmVerdict
km_drift_verdict(const KmDrift *drift)
{
	if (drift->psi >= PSI_REFRESH || drift->distance_ratio > RATIO_REFRESH ||
		drift->outlier_rate > OUTLIER_REFRESH)
		return KM_VERDICT_REFRESH;
	return drift->psi >= PSI_WATCH ? KM_VERDICT_WATCH : KM_VERDICT_STABLE;
}

const char *
km_verdict_word(KmVerdict verdict)
{
	switch (verdict)
	{
		case KM_VERDICT_STABLE:
			return "stable";
		case KM_VERDICT_WATCH:
			return "watch";
		case KM_VERDICT_REFRESH:
			return "refresh";
	}
	return NULL;				/* silence the compiler */
}
