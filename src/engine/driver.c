/*
 * driver.c
 *		The one loop over seeding, passes and restarts.
 *
 * A fit is n_init runs: choose centroids, run Lloyd's algorithm, keep the run
 * with the lowest inertia (the first of equals).  Then the clusters are put in
 * canonical order (ascending by centroid, feature by feature), get their ids,
 * and one more pass labels all rows by the final centroids in the order of
 * ids, since among equal distances the lowest id wins.
 *
 * Everything here depends on the rows, the options and the seed only, never on
 * time, memory or the number of participants.
 */
#include "postgres.h"

#include <math.h>

#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "core/seed.h"
#include "engine/driver.h"
#include "engine/team.h"

/*
 * Up to this many multiply-adds (runs x passes x n x k x d) an automatic start
 * is ten runs from k-means++; beyond it, one from k-means||.
 */
#define KM_AUTO_RUNS		10
#define KM_AUTO_PASSES		20
#define KM_AUTO_WORK		1e9

/* The best run so far. */
typedef struct KmBestRun
{
	int			run;			/* 0: none yet */
	int			k;
	double	   *centroids;
	KmLloydResult result;
} KmBestRun;

typedef struct KmDriver
{
	KmPoints   *points;
	const KmFitParams *params;
	KmTeam	   *team;
	KmRows	   *rows;
	const KmSpace *space;
	int			d;
	KmGrid	   *grid;
	KmSeeder   *seeder;			/* NULL: centroids are given */
	KmTrails   *trails;			/* NULL: every run goes to its end */
	int			runs;
	int			run;			/* the last one so far */
	double		threshold;		/* tol, as a sum of squared shifts */
	double	   *mean;			/* d: of the rows in the space */
	double		spread;			/* their squared distances to it */
	KmFit	   *fit;
	int64		max_iterations; /* room in fit->iterations */
	instr_time	last_report;
} KmDriver;

/*
 * Statistics of the rows in the space: the grid of the sums, the tolerance,
 * and the inertia of one cluster.
 */
static void
km_driver_measure(KmDriver *driver)
{
	const KmStats *stats = km_points_stats(driver->points);
	double		variance = 0;
	double		length2 = 0;
	KmStats    *own = NULL;

	if (!km_space_identity(driver->space))
		stats = own = km_stats(driver->team, driver->rows, driver->space);

	for (int t = 0; t < driver->d; t++)
	{
		variance += stats->variance[t];
		length2 += stats->mean[t] * stats->mean[t];
	}
	driver->threshold = driver->params->tol * (variance / driver->d);
	driver->mean = palloc(driver->d * sizeof(double));
	memcpy(driver->mean, stats->mean, driver->d * sizeof(double));
	driver->spread = stats->total_weight * variance;

	/*
	 * Rows of length 1 around a centroid of length 1: |z - c|^2 = 2 - 2 z.c,
	 * and the best c is the mean's direction.
	 */
	driver->fit->total_ss = stats->total_weight *
		(driver->space->unit ? Max(2 - 2 * sqrt(length2), 0) : variance);
	if (!isfinite(driver->fit->total_ss))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("the sum of squared distances overflows"),
				 errhint("Use scale => 'standard' or 'minmax', or divide the columns in the source query.")));

	driver->grid = km_grid_create(driver->team, driver->d, stats->largest,
								  stats->smallest);
	if (own != NULL)
		km_stats_free(driver->team, own);
}

KmInit
km_driver_init(const KmFitParams *params, double n, int d, int *n_init)
{
	KmInit		init = params->init;

	if (init == KM_INIT_AUTO)
		init = n * params->k * d *
			KM_AUTO_RUNS * KM_AUTO_PASSES > KM_AUTO_WORK ?
			KM_INIT_PARALLEL : KM_INIT_PLUSPLUS;
	if (params->n_init > 0)
		*n_init = params->n_init;
	else
		*n_init = init == KM_INIT_PLUSPLUS || init == KM_INIT_RANDOM ? KM_AUTO_RUNS : 1;
	return init;
}

/* The method that chooses centroids from the rows. */
static KmSeedMethod
km_driver_method(KmInit init)
{
	switch (init)
	{
		case KM_INIT_PARALLEL:
			return KM_SEED_PARALLEL;
		case KM_INIT_RANDOM:
			return KM_SEED_RANDOM;
		default:
			return KM_SEED_PLUSPLUS;
	}
}

/* One pass is done: keep its log, tell the user. */
static void
km_driver_report(void *arg, const KmIteration *iteration)
{
	KmDriver   *driver = arg;
	KmFit	   *fit = driver->fit;
	KmIterationLog *log = fit->n_iterations > 0 ?
	&fit->iterations[fit->n_iterations - 1] : NULL;
	instr_time	now;
	instr_time	elapsed;

	INSTR_TIME_SET_CURRENT(now);
	elapsed = now;
	INSTR_TIME_SUBTRACT(elapsed, driver->last_report);
	driver->last_report = now;
	km_progress_iteration(km_team_progress(driver->team), iteration);

	if (log != NULL && log->what.run == iteration->run &&
		log->what.iteration == iteration->iteration)
	{
		/* the final labelling of a run belongs to its last pass */
		log->what = *iteration;
		log->elapsed_ms += INSTR_TIME_GET_MILLISEC(elapsed);
		return;
	}

	if (fit->n_iterations == driver->max_iterations)
	{
		driver->max_iterations *= 2;
		fit->iterations = repalloc_huge(fit->iterations,
										mul_size(driver->max_iterations,
												 sizeof(KmIterationLog)));
	}
	log = &fit->iterations[fit->n_iterations++];
	log->what = *iteration;
	log->elapsed_ms = INSTR_TIME_GET_MILLISEC(elapsed);
	if (driver->params->verbose && driver->team->rank == 0)
		ereport(INFO,
				(errmsg("run %d, iteration %d: inertia %g, shift %g, %lld rows reassigned",
						iteration->run, iteration->iteration, iteration->inertia,
						iteration->shift, (long long) iteration->reassigned)));
}

/* The caller's centroids, in the space. */
static void
km_driver_given_centroids(KmDriver *driver, double *centroids)
{
	const KmFitParams *params = driver->params;
	int			d = driver->d;

	for (int j = 0; j < params->k; j++)
	{
		double	   *c = centroids + (Size) j * d;
		double		norm2 = 0;

		if (!km_space_row(driver->space, params->init_centroids + (Size) j * d, c))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("initial centroid %d has length 0, and so no cosine", j + 1)));
		for (int t = 0; t < d; t++)
			norm2 += c[t] * c[t];
		if (!(norm2 <= KM_MAX_NORM2))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("squares of initial centroid %d overflow", j + 1)));
	}
}

/* Passes from a start. */
static KmLloydResult
km_driver_iterate(KmDriver *driver, const KmLloydParams *lloyd, double *centroids, int k)
{
	km_progress_phase(km_team_progress(driver->team), KM_PHASE_ITERATING);
	return km_lloyd(driver->team, driver->rows, driver->space, driver->grid, lloyd,
					centroids, k);
}

/* One run; it replaces the best one if it is better. */
static void
km_driver_run(KmDriver *driver, int run, KmBestRun *best, double *centroids)
{
	const KmFitParams *params = driver->params;
	KmLloydParams lloyd = {
		.run = run,
		.max_iter = params->max_iter,
		.threshold = driver->threshold,
		.report = params->outcome_only ? NULL : km_driver_report,
		.arg = driver,
		.approximate = driver->runs == 1,
		.trails = driver->trails,
		.mean = driver->mean,
		.total_ss = driver->spread
	};
	KmLloydResult result;
	double		most;
	int			k = params->k;

	driver->run = run;
	km_progress_run(km_team_progress(driver->team), run);
	if (driver->seeder == NULL)
		km_driver_given_centroids(driver, centroids);
	else
	{
		k = km_seed(driver->seeder, run, centroids, &most);
		lloyd.most = &most;
	}
	result = km_driver_iterate(driver, &lloyd, centroids, k);
	if (result.refused)
	{
		km_progress_phase(km_team_progress(driver->team), KM_PHASE_SEEDING);
		k = km_seed_all(driver->seeder, run, centroids);
		lloyd.most = NULL;
		result = km_driver_iterate(driver, &lloyd, centroids, k);
	}
	if (best->run == 0 || (!result.known && result.inertia < best->result.inertia))
	{
		best->run = run;
		best->k = k;
		best->result = result;
		memcpy(best->centroids, centroids, (Size) k * driver->d * sizeof(double));
	}
}

/* For sorting clusters: by id if given, else by centroid. */
typedef struct KmClusterKey
{
	int			index;
	int32		id;
	const double *centroid;
	int			d;
} KmClusterKey;

static int
km_cluster_compare_centroid(const void *a, const void *b)
{
	const KmClusterKey *x = a;
	const KmClusterKey *y = b;

	for (int t = 0; t < x->d; t++)
	{
		if (x->centroid[t] < y->centroid[t])
			return -1;
		if (x->centroid[t] > y->centroid[t])
			return 1;
	}
	return x->index - y->index;
}

static int
km_cluster_compare_id(const void *a, const void *b)
{
	const KmClusterKey *x = a;
	const KmClusterKey *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/*
 * Reorder k centroids (rows of d) by a comparison of their keys.  place[j]: the
 * new place of the j-th.
 */
static void
km_driver_sort(double *centroids, int32 *ids, int k, int d,
			   int (*compare) (const void *, const void *), int32 *place)
{
	Size		rowsize = d * sizeof(double);
	KmClusterKey *keys = MemoryContextAllocHuge(CurrentMemoryContext,
												mul_size(k, sizeof(KmClusterKey)));
	double	   *sorted = MemoryContextAllocHuge(CurrentMemoryContext,
												mul_size(k, rowsize));

	for (int j = 0; j < k; j++)
	{
		keys[j].index = j;
		keys[j].id = ids[j];
		keys[j].centroid = centroids + (Size) j * d;
		keys[j].d = d;
	}
	qsort(keys, k, sizeof(KmClusterKey), compare);
	for (int j = 0; j < k; j++)
	{
		memcpy(sorted + (Size) j * d, keys[j].centroid, rowsize);
		ids[j] = keys[j].id;
		place[keys[j].index] = j;
	}
	memcpy(centroids, sorted, (Size) k * rowsize);
	pfree(sorted);
	pfree(keys);
}

/* Leave out clusters that the summary found without weight. */
static int
km_driver_drop_empty(double *centroids, int k, int d, const KmSummary *summary)
{
	int			kept = 0;

	for (int j = 0; j < k; j++)
	{
		if (!(summary->weight[j] > 0))
			continue;
		if (kept < j)
			memcpy(centroids + (Size) kept * d, centroids + (Size) j * d,
				   d * sizeof(double));
		kept++;
	}
	return kept;
}

/*
 * Give the clusters their ids; the leader knows them.  Are they ascending?
 */
static bool
km_driver_number(KmDriver *driver)
{
	KmFit	   *fit = driver->fit;
	const KmFitParams *params = driver->params;
	bool		ascending = true;
	size_t		bytes;
	int32	   *ids;

	for (int j = 0; j < fit->k; j++)
		fit->ids[j] = j;
	if (params->numbering != NULL)
		params->numbering(params->numbering_arg, fit->centroids, fit->k,
						  driver->space, fit->ids);
	ids = km_team_broadcast(driver->team, fit->ids, fit->k * sizeof(int32), &bytes);
	memcpy(fit->ids, ids, bytes);
	km_team_release(driver->team, ids);
	for (int j = 1; j < fit->k; j++)
		ascending &= fit->ids[j - 1] < fit->ids[j];
	return ascending;
}

/*
 * Put the clusters in order and describe them.  labelled: rows have their
 * labels, each by its only nearest centroid, and keep them.
 */
static void
km_driver_summarize(KmDriver *driver, int (*compare) (const void *, const void *),
					bool labelled)
{
	KmFit	   *fit = driver->fit;
	int32	   *place = MemoryContextAllocHuge(CurrentMemoryContext,
											   mul_size(fit->k, sizeof(int32)));

	km_driver_sort(fit->centroids, fit->ids, fit->k, driver->d, compare, place);
	if (fit->summary != NULL)
		km_summary_free(driver->team, fit->summary);
	fit->summary = km_summarize(driver->team, driver->rows, driver->space,
								km_points_stats(driver->points), fit->centroids, fit->k,
								labelled ? place : NULL);
	pfree(place);
}

/*
 * Number the clusters of the best run and describe them.  A cluster may turn
 * out to be empty (fewer distinct rows than clusters): then it is left out,
 * and the rest is numbered without it.
 */
static void
km_driver_conclude(KmDriver *driver, KmBestRun *best)
{
	KmFit	   *fit = driver->fit;
	int			d = driver->d;
	bool		labelled = best->result.unique && best->run == driver->run;

	km_progress_phase(km_team_progress(driver->team), KM_PHASE_SUMMARIZING);
	fit->k = best->k;
	fit->centroids = best->centroids;
	fit->ids = palloc0(mul_size(best->k, sizeof(int32)));
	for (;;)
	{
		int			k;

		km_driver_summarize(driver, km_cluster_compare_centroid, labelled);
		k = km_driver_drop_empty(fit->centroids, fit->k, d, fit->summary);
		if (k == fit->k)
			break;
		fit->k = k;
		labelled = false;
	}
	if (!km_driver_number(driver))
		km_driver_summarize(driver, km_cluster_compare_id, labelled);

	/* a single run's is approximate so far */
	if (best->run == driver->run && fit->n_iterations > 0)
		fit->iterations[fit->n_iterations - 1].what.inertia = fit->summary->total_inertia;

	/* one cluster explains nothing, not even a rounding error */
	if (fit->k == 1)
		fit->total_ss = fit->summary->total_inertia;
	fit->n_iter = best->result.n_iter;
	fit->converged = best->result.converged;
	fit->best_run = best->run;
}

KmFit *
km_driver_fit(KmPoints *points, const KmFitParams *params)
{
	KmDriver	driver = {
		.points = points,
		.params = params,
		.team = km_points_get_team(points),
		.rows = km_points_rows(points),
		.space = km_points_space(points),
		.d = km_points_rows(points)->d,
	};
	Size		bytes = mul_size(mul_size(params->k, driver.d), sizeof(double));
	double	   *centroids = MemoryContextAllocHuge(CurrentMemoryContext, bytes);
	KmBestRun	best = {0};
	KmInit		init;

	driver.fit = palloc0(sizeof(KmFit));
	driver.fit->d = driver.d;
	driver.max_iterations = 64;
	driver.fit->iterations = palloc(driver.max_iterations * sizeof(KmIterationLog));
	best.centroids = MemoryContextAllocHuge(CurrentMemoryContext, bytes);

	km_driver_measure(&driver);
	init = km_driver_init(params, km_points_count(points), driver.d, &driver.runs);
	if (init != KM_INIT_CENTROIDS)
		driver.seeder = km_seeder_create(driver.team, driver.rows, driver.space,
										 driver.grid, km_driver_method(init), params->k,
										 params->seed);
	if (params->outcome_only && driver.runs > 1)
		driver.trails = km_trails_create(driver.team, params->k, driver.d, params->max_iter);
	for (int run = 1; run <= driver.runs; run++)
	{
		INSTR_TIME_SET_CURRENT(driver.last_report);
		km_driver_run(&driver, run, &best, centroids);
	}
	if (driver.trails != NULL)
		km_trails_free(driver.trails);
	if (driver.seeder != NULL)
		km_seeder_free(driver.seeder);
	km_driver_conclude(&driver, &best);

	km_grid_free(driver.team, driver.grid);
	pfree(centroids);
	return driver.fit;
}

void
km_driver_free(KmPoints *points, KmFit *fit)
{
	km_summary_free(km_points_get_team(points), fit->summary);
	pfree(fit->iterations);
	pfree(fit->centroids);
	pfree(fit->ids);
	pfree(fit);
}
