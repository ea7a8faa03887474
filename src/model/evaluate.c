/*
 * evaluate.c
 *		How good a model is on some rows.
 *
 * Rows come from the feed in the model's space and are kept there: labels,
 * means and distances are then those of rows in a space of their own, which is
 * the identity.  Davies-Bouldin and Calinski-Harabasz need the means of the
 * rows before the distances to them, so one pass over the source would not do.
 * The sample is taken on the way.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/kernel.h"
#include "core/quality.h"
#include "engine/source.h"
#include "engine/store.h"
#include "engine/team.h"
#include "model/evaluate.h"

typedef struct KmEvaluator
{
	const KmModel *model;
	KmTeam	   *team;			/* of one */
	KmSpace		space;			/* the identity */
	bool		weighted;
	KmStore    *store;
	KmSampler  *sampler;
	KmRows		rows;
	KmEvaluation *result;
} KmEvaluator;

static void km_evaluate_receive(void *arg, const KmBatch *batch);
static void km_evaluate_rows(KmEvaluator *evaluator);
static void km_evaluate_spread(KmEvaluator *evaluator);
static KmChunk *km_evaluate_get(void *arg, int chunk);
static void km_evaluate_sample(KmEvaluator *evaluator);

KmEvaluation *
km_evaluate(const KmFeed *feed, int64 sample_rows, uint64 seed)
{
	int			d = feed->model->d;
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "kmeans evaluation",
											  ALLOCSET_DEFAULT_SIZES);
	KmEvaluator evaluator = {
		.model = feed->model,
		.team = km_team_alone(CurrentMemoryContext),
		.space = {.d = d},
		.weighted = feed->weight != NULL
	};

	evaluator.result = palloc0(sizeof(KmEvaluation));
	evaluator.store = km_store_create(cxt, d, evaluator.weighted,
									  mul_size(maintenance_work_mem, 1024));
	evaluator.sampler = km_sampler_create(evaluator.team, d, false, sample_rows, seed);
	if (km_feed_run(feed, km_evaluate_receive, &evaluator) == 0)
		km_feed_refuse_empty(feed);
	evaluator.result->sample = km_sampler_finish(evaluator.sampler);
	km_evaluate_rows(&evaluator);
	km_evaluate_sample(&evaluator);
	km_store_close(evaluator.store);
	MemoryContextDelete(cxt);
	return evaluator.result;
}

static void
km_evaluate_receive(void *arg, const KmBatch *batch)
{
	KmEvaluator *evaluator = arg;

	for (int i = 0; i < batch->n; i++)
	{
		const double *z = batch->z + (Size) i * batch->d;

		if (batch->isnull[i])
			continue;
		memcpy(km_store_room(evaluator->store), z, batch->d * sizeof(double));
		km_store_push(evaluator->store,
					  batch->weights != NULL ? batch->weights[i] : 1);
		km_sampler_add(evaluator->sampler, z, 1);
		evaluator->rows.n++;
	}
}

static KmChunk *
km_evaluate_get(void *arg, int chunk)
{
	return km_store_get(((KmEvaluator *) arg)->store, chunk);
}

/* ---- All rows ---- */

static void
km_evaluate_rows(KmEvaluator *evaluator)
{
	const KmModel *model = evaluator->model;
	KmEvaluation *result = evaluator->result;
	KmAssessment assessment;

	evaluator->rows.d = model->d;
	evaluator->rows.weighted = evaluator->weighted;
	evaluator->rows.nchunks = evaluator->store->nchunks;
	evaluator->rows.arg = evaluator;
	evaluator->rows.get = km_evaluate_get;

	assessment = km_assess(evaluator->team, &evaluator->rows, &evaluator->space,
						   model->centroids, model->k);
	result->n_rows = assessment.n;
	result->weight = assessment.weight;
	result->inertia = assessment.inertia;
	result->simplified_silhouette = assessment.simplified;
	km_evaluate_spread(evaluator);
}

static void
km_evaluate_spread(KmEvaluator *evaluator)
{
	const KmModel *model = evaluator->model;
	KmEvaluation *result = evaluator->result;
	KmGrid	   *grid = km_quality_grid(evaluator->team, &evaluator->rows,
									   &evaluator->space);
	KmSpread   *spread = km_spread(evaluator->team, &evaluator->rows, &evaluator->space,
								   grid, model->k);

	result->total_ss = km_spread_total(spread, model->metric == KM_METRIC_COSINE);
	result->davies_bouldin = km_davies_bouldin(evaluator->team, spread);
	result->calinski_harabasz = km_calinski_harabasz(spread);
	km_spread_free(evaluator->team, spread);
	km_grid_free(evaluator->team, grid);
}

/* ---- The sample ---- */

static void
km_evaluate_sample(KmEvaluator *evaluator)
{
	const KmModel *model = evaluator->model;
	KmEvaluation *result = evaluator->result;
	const KmSample *sample = result->sample;
	KmKernel   *kernel = km_kernel_create(evaluator->team, &evaluator->space, model->k);
	KmLabeling	labeling;
	double		dist2[KM_TILE];

	result->label = MemoryContextAllocHuge(CurrentMemoryContext,
										   mul_size(sample->n, sizeof(int32)));
	km_kernel_set(kernel, model->centroids, model->k);
	for (int64 start = 0; start < sample->n; start += KM_TILE)
		km_kernel_assign(kernel, sample->values + start * sample->d,
						 (int) Min(sample->n - start, KM_TILE), result->label + start,
						 dist2, NULL);
	km_kernel_free(kernel);

	labeling.k = model->k;
	labeling.label = result->label;
	result->silhouettes = km_silhouettes(evaluator->team, sample->values, sample->copies,
										 sample->n, sample->d, &labeling, 1);
	result->silhouette = km_silhouette_mean(result->silhouettes, sample->copies,
											sample->n, &labeling, 1, 0);
}
