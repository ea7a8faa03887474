/*
 * choose.c
 *		Fits for several k on rows that are read once, and how good each is.
 *
 * The rows are loaded as for one fit.  Then, for each k:
 *
 *		a fit of all rows				inertia, the smallest cluster
 *		its clusters' means and spread	Davies-Bouldin, Calinski-Harabasz
 *		labels of the sample's rows		silhouette
 *		five fits of the sample			stability
 *
 * The sample holds at most sample_rows distinct rows, with their copies, in the
 * space of all rows; the participants of a team all have it.  Silhouettes of all
 * k are computed together, since they share the distances.  The five
 * fits of one k are dealt among the participants.
 */
#include "postgres.h"

#include <math.h>

#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "core/kernel.h"
#include "core/quality.h"
#include "core/sample.h"
#include "engine/choose.h"

#define KM_STABILITY_FITS	5
#define KM_CLEAR_ELBOW		0.2

typedef struct KmChooser
{
	KmChooseJob *job;
	KmTeam	   *team;
	KmPoints   *points;
	KmSample   *sample;
	double	   *z;				/* the sample's rows in the space */
	KmLabeling *labelings;		/* of the sample, one per choice */
	KmInit	   *inits;			/* how all rows were started, one per choice */
} KmChooser;

static void km_choose_send(StringInfo message, const void *arg);
static void *km_choose_receive(StringInfo message);
static void km_choose_work_run(KmTeam *team, void *arg);
static void km_choose_use(KmTeam *team, void *arg);
static void km_choose_take_sample(KmChooser *chooser);
static void km_choose_fits(KmChooser *chooser);
static void km_choose_fit(KmChooser *chooser, const KmGrid *grid, const KmFit *fit);
static KmInit km_choose_init(const KmFitParams *params, const KmFit *fit);
static int32 *km_choose_label_sample(KmChooser *chooser, const KmFit *fit);
static void km_choose_silhouettes(KmChooser *chooser);
static void km_choose_stability(KmChooser *chooser);
static KmPoints *km_choose_sample_points(KmChooser *chooser, MemoryContext cxt);
static double km_choose_agreement(KmChooser *chooser, KmPoints *points, int l);
static void km_choose_append_labels(KmPoints *points, StringInfo labels);
static void km_choose_elbow(KmChooseJob *job);
static void km_choose_winners(KmChooseJob *job);

const KmTeamWork km_choose_work = {
	.receive = km_choose_receive,
	.run = km_choose_work_run
};

static const KmRowsWork km_choose_rows = {
	.id = KM_TEAM_CHOOSE,
	.send = km_choose_send,
	.use = km_choose_use
};

const char *
km_criterion_name(KmCriterion criterion)
{
	static const char *const names[KM_NCRITERIA] = {
		"silhouette", "davies_bouldin", "calinski_harabasz", "elbow", "stability"
	};

	return names[criterion];
}

void
km_choose_run(KmChooseJob *job)
{
	km_fitjob_run_work(job->fit, &km_choose_rows, job);
	km_progress_end(&job->fit->progress);
}

static void
km_choose_send(StringInfo message, const void *arg)
{
	const KmChooseJob *job = arg;

	km_fitjob_send(message, job->fit);
	pq_sendint32(message, job->k_min);
	pq_sendint64(message, job->sample_rows);
}

static void *
km_choose_receive(StringInfo message)
{
	KmChooseJob *job = palloc0(sizeof(KmChooseJob));

	job->fit = km_fitjob_receive(message);
	job->k_min = pq_getmsgint(message, 4);
	job->sample_rows = pq_getmsgint64(message);
	return job;
}

static void
km_choose_work_run(KmTeam *team, void *arg)
{
	km_fitjob_load(team, ((KmChooseJob *) arg)->fit);
	km_choose_use(team, arg);
}

static void
km_choose_use(KmTeam *team, void *arg)
{
	KmChooser	chooser = {
		.job = arg,
		.team = team
	};
	KmFitJob   *fit = chooser.job->fit;

	chooser.points = fit->load.points;
	if (fit->n_rows > 0)
	{
		km_choose_take_sample(&chooser);
		km_choose_fits(&chooser);
		km_progress_phase(km_team_progress(team), KM_PHASE_COMPARING);
		km_choose_silhouettes(&chooser);
		km_choose_stability(&chooser);
		km_choose_elbow(chooser.job);
		km_choose_winners(chooser.job);
	}
	if (chooser.points != NULL)
		km_points_close(chooser.points);
}

static void
km_choose_take_sample(KmChooser *chooser)
{
	KmChooseJob *job = chooser->job;
	KmRows	   *rows = km_points_rows(chooser->points);
	KmSampler  *sampler = km_sampler_create(chooser->team, rows->d, rows->weighted,
											job->sample_rows, job->fit->params.seed);
	KmSample   *sample;

	km_sampler_add_rows(sampler, rows);
	sample = km_sampler_finish(sampler);
	chooser->sample = sample;
	chooser->z = km_team_alloc(chooser->team, sample->n, rows->d * sizeof(double));
	for (int64 i = 0; i < sample->n; i++)
	{
		/* the length is not 0: such rows were dropped */
		(void) km_space_row(km_points_space(chooser->points),
							sample->values + i * rows->d, chooser->z + i * rows->d);
		if (i % 1024 == 0)
			km_team_check(chooser->team);
	}
	job->silhouette_rows = sample->rows;
}

/* ---- Fits of all rows ---- */

static void
km_choose_fits(KmChooser *chooser)
{
	KmChooseJob *job = chooser->job;
	KmFitParams params = job->fit->params;
	int			most = params.k - job->k_min + 1;
	KmGrid	   *grid = km_quality_grid(chooser->team, km_points_rows(chooser->points),
									   km_points_space(chooser->points));
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "kmeans one k",
											  ALLOCSET_DEFAULT_SIZES);

	job->nchoices = 0;
	job->choices = palloc0(mul_size(most, sizeof(KmChoice)));
	chooser->labelings = palloc0(mul_size(most, sizeof(KmLabeling)));
	chooser->inits = palloc0(mul_size(most, sizeof(KmInit)));
	for (int k = job->k_min; k < job->k_min + most; k++)
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);
		KmFit	   *fit;

		params.k = k;
		fit = km_driver_fit(chooser->points, &params);
		MemoryContextSwitchTo(old);
		if (fit->k < k)
			job->distinct = fit->k;
		else
			km_choose_fit(chooser, grid, fit);
		km_driver_free(chooser->points, fit);
		MemoryContextReset(cxt);
		if (job->distinct > 0)
			break;
	}
	MemoryContextDelete(cxt);
	km_grid_free(chooser->team, grid);
}

/* What is to be known of one fit, while the rows have its labels. */
static void
km_choose_fit(KmChooser *chooser, const KmGrid *grid, const KmFit *fit)
{
	KmChooseJob *job = chooser->job;
	KmChoice   *choice = &job->choices[job->nchoices];
	KmLabeling *labeling = &chooser->labelings[job->nchoices];
	KmSpread   *spread = km_spread(chooser->team, km_points_rows(chooser->points),
								   km_points_space(chooser->points), grid, fit->k);

	choice->k = fit->k;
	choice->inertia = fit->summary->total_inertia;
	choice->total_ss = fit->total_ss;
	choice->smallest = fit->summary->size[0];
	for (int j = 1; j < fit->k; j++)
		choice->smallest = Min(choice->smallest, fit->summary->size[j]);
	choice->criteria[KM_CRITERION_DAVIES_BOULDIN] =
		km_davies_bouldin(chooser->team, spread);
	choice->criteria[KM_CRITERION_CALINSKI_HARABASZ] = km_calinski_harabasz(spread);
	km_spread_free(chooser->team, spread);

	labeling->k = fit->k;
	labeling->label = km_choose_label_sample(chooser, fit);
	chooser->inits[job->nchoices++] = km_choose_init(&job->fit->params, fit);
}

/*
 * The start of a fit where it was chosen by the number of rows: one run, if it
 * is not ten, was one from k-means||.
 */
static KmInit
km_choose_init(const KmFitParams *params, const KmFit *fit)
{
	bool		once = fit->iterations[fit->n_iterations - 1].what.run == 1;

	return params->init == KM_INIT_AUTO && once ? KM_INIT_PARALLEL : params->init;
}

static int32 *
km_choose_label_sample(KmChooser *chooser, const KmFit *fit)
{
	const KmSample *sample = chooser->sample;
	KmKernel   *kernel = km_kernel_create(chooser->team, km_points_space(chooser->points),
										  fit->k);
	int32	   *label = MemoryContextAllocHuge(CurrentMemoryContext,
											   mul_size(sample->n, sizeof(int32)));
	double		dist2[KM_TILE];

	km_kernel_set(kernel, fit->centroids, fit->k);
	for (int64 start = 0; start < sample->n; start += KM_TILE)
		km_kernel_assign(kernel, sample->values + start * sample->d,
						 (int) Min(sample->n - start, KM_TILE), label + start,
						 dist2, NULL);
	km_kernel_free(kernel);
	return label;
}

/* ---- The sample ---- */

static void
km_choose_silhouettes(KmChooser *chooser)
{
	KmChooseJob *job = chooser->job;
	const KmSample *sample = chooser->sample;
	double	   *values;

	if (job->nchoices == 0)
		return;
	values = km_silhouettes(chooser->team, chooser->z, sample->copies, sample->n,
							sample->d, chooser->labelings, job->nchoices);
	for (int l = 0; l < job->nchoices; l++)
		job->choices[l].criteria[KM_CRITERION_SILHOUETTE] =
			km_silhouette_mean(values, sample->copies, sample->n, chooser->labelings,
							   job->nchoices, l);
	km_team_release(chooser->team, values);
}

/*
 * Fits that differ in the seed only: do they find the same clusters?  They
 * start as the fit of all rows did, so that it is that fit's way of starting
 * which is tried.  Where no row of the sample has a weight there is nothing to
 * fit.
 */
static void
km_choose_stability(KmChooser *chooser)
{
	KmChooseJob *job = chooser->job;
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "kmeans stability",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	KmPoints   *points = km_choose_sample_points(chooser, cxt);

	for (int l = 0; l < job->nchoices; l++)
	{
		KmChoice   *choice = &job->choices[l];

		choice->criteria[KM_CRITERION_STABILITY] = points == NULL ? get_float8_nan() :
			km_choose_agreement(chooser, points, l);
	}
	if (points != NULL)
		km_points_close(points);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
}

/*
 * The sample as the rows of a participant by itself; NULL if without weight.
 * They are the raw ones, in the space of all rows: the draws of a fit depend on
 * them, so that, where the sample has all rows, its fits are those of
 * kmeans_fit.
 */
static KmPoints *
km_choose_sample_points(KmChooser *chooser, MemoryContext cxt)
{
	const KmSample *sample = chooser->sample;
	KmPointsSpec spec = {
		.on_null = KM_ON_NULL_SKIP,
		.features = chooser->job->fit->features,
		.space = km_points_space(chooser->points)
	};
	KmPoints   *points;
	KmStore    *store;
	bool		any = false;
	bool		weighted = false;

	/* copies are rare among measurements, and weights cost time */
	for (int64 i = 0; i < sample->n; i++)
	{
		any |= sample->weight[i] > 0;
		weighted |= sample->weight[i] != 1;
	}
	if (!any)
		return NULL;
	points = km_points_create(km_team_alone(cxt), cxt, sample->d, weighted,
							  mul_size(maintenance_work_mem, 1024));
	store = km_points_store(points);
	for (int64 i = 0; i < sample->n; i++)
	{
		memcpy(km_store_room(store), sample->values + i * sample->d,
			   sample->d * sizeof(double));
		km_store_push(store, sample->weight[i]);
	}
	(void) km_points_finish(points, &spec);
	return points;
}

/*
 * The mean adjusted Rand index over all pairs of the fits for choice l.  They
 * are dealt among the participants, beginning with another one for each
 * choice; then everybody gets all labels.
 */
static double
km_choose_agreement(KmChooser *chooser, KmPoints *points, int l)
{
	KmTeam	   *team = chooser->team;
	const KmSample *sample = chooser->sample;
	KmFitParams params = chooser->job->fit->params;
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "kmeans one k",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	KmLabeling	fits[KM_STABILITY_FITS];
	StringInfoData labels;
	size_t		total;
	char	   *all;
	double		sum = 0;

	initStringInfo(&labels);
	params.k = chooser->job->choices[l].k;
	params.init = chooser->inits[l];
	for (int f = 0; f < KM_STABILITY_FITS; f++)
	{
		KmFit	   *fit;

		if ((f + l) % team->size != team->rank)
			continue;
		params.seed = chooser->job->fit->params.seed + f;
		fit = km_driver_fit(points, &params);
		km_choose_append_labels(points, &labels);
		km_driver_free(points, fit);
	}
	all = labels.data;
	if (team->size > 1)
		all = team->gather(team->arg, labels.data, labels.len, &total);

	/* by rank, and those of one rank in their order */
	for (int rank = 0, n = 0; rank < team->size; rank++)
		for (int f = 0; f < KM_STABILITY_FITS; f++)
			if ((f + l) % team->size == rank)
			{
				fits[f].k = params.k;
				fits[f].label = (const int32 *) all + sample->n * n++;
			}
	for (int a = 0; a < KM_STABILITY_FITS; a++)
		for (int b = a + 1; b < KM_STABILITY_FITS; b++)
			sum += km_labelings_rand_index(team, &fits[a], &fits[b], sample->copies,
										   sample->n);
	if (team->size > 1)
		km_team_release(team, all);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	return sum / (KM_STABILITY_FITS * (KM_STABILITY_FITS - 1) / 2);
}

/* the rows of points have the order in which they were pushed */
static void
km_choose_append_labels(KmPoints *points, StringInfo labels)
{
	KmRows	   *rows = km_points_rows(points);

	for (int c = 0; c < rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(rows, c);

		for (int64 i = 0; i < chunk->nrows; i++)
		{
			int32		label = chunk->label[i];

			appendBinaryStringInfo(labels, (const char *) &label, sizeof(int32));
		}
	}
}

/* ---- All k together ---- */

static void
km_choose_elbow(KmChooseJob *job)
{
	int			n = job->nchoices;
	int		   *k = palloc(mul_size(n, sizeof(int)));
	double	   *inertia = palloc(mul_size(n, sizeof(double)));
	double	   *height = palloc(mul_size(n, sizeof(double)));

	for (int l = 0; l < n; l++)
	{
		k[l] = job->choices[l].k;
		inertia[l] = job->choices[l].inertia;
	}
	km_elbow(k, inertia, n, height);
	for (int l = 0; l < n; l++)
		job->choices[l].criteria[KM_CRITERION_ELBOW] = height[l];
	pfree(height);
	pfree(inertia);
	pfree(k);
}

/* Is a better than b?  Of equals the first one wins. */
static bool
km_choose_better(KmCriterion criterion, double a, double b)
{
	return criterion == KM_CRITERION_DAVIES_BOULDIN ? a < b : a > b;
}

/* One cluster cannot win: most criteria do not exist for it. */
static void
km_choose_winners(KmChooseJob *job)
{
	for (KmCriterion c = 0; c < KM_NCRITERIA; c++)
	{
		KmChoice   *best = NULL;

		for (int l = 0; l < job->nchoices; l++)
		{
			KmChoice   *choice = &job->choices[l];

			if (choice->k == 1 || isnan(choice->criteria[c]))
				continue;
			if (best == NULL ||
				km_choose_better(c, choice->criteria[c], best->criteria[c]))
				best = choice;
		}
		if (best != NULL &&
			(c != KM_CRITERION_ELBOW || best->criteria[c] >= KM_CLEAR_ELBOW))
			best->best[c] = true;
	}
}
