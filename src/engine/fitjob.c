/*
 * fitjob.c
 *		One fit from a source, alone or by a team: load, finish, fit.
 *
 * Leader and workers run the same function, km_fitjob_work(), on their own
 * rows.  A worker learns its job from the leader's message.
 *
 * A table that is large enough is read by a team from the beginning.  Any other
 * source the leader reads alone; then it knows how much work the fit will be,
 * and deals the rows to a team if that pays.
 */
#include "postgres.h"

#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "utils/memutils.h"

#include "engine/deal.h"
#include "engine/fitjob.h"

/*
 * Estimates in nanoseconds, to decide whether workers pay: to read a row; to
 * describe a value, before the fit and after it; to compare it with a centroid
 * in all passes of a run; and what makes a worker worth its start.
 */
#define KM_JOB_ROW_NS		60.0
#define KM_JOB_VALUE_NS		30.0
#define KM_JOB_CELL_NS		3.0
#define KM_JOB_WORKER_NS	20e6

static void km_fitjob_send_fit(StringInfo message, const void *job);
static void km_fitjob_work(KmTeam *team, void *job);
static void km_fitjob_fit(KmTeam *team, void *job);

const KmTeamWork km_fit_work = {
	.receive = km_fitjob_receive,
	.run = km_fitjob_work
};

static const KmRowsWork km_fit_rows = {
	.id = KM_TEAM_FIT,
	.send = km_fitjob_send_fit,
	.use = km_fitjob_fit
};

/* ---- The message to the workers ---- */

static void
km_fitjob_send_text(StringInfo message, const char *text)
{
	pq_sendint8(message, text != NULL);
	if (text != NULL)
		pq_sendbytes(message, text, strlen(text) + 1);
}

static char *
km_fitjob_receive_text(StringInfo message)
{
	const char *text;

	if (!pq_getmsgbyte(message))
		return NULL;
	text = message->data + message->cursor;
	return pstrdup(pq_getmsgbytes(message, strlen(text) + 1));
}

void
km_fitjob_send(StringInfo message, const KmFitJob *job)
{
	const KmSource *source = job->source;
	const KmFitParams *params = &job->params;

	pq_sendint32(message, source->ncolumns);
	for (int i = 0; i < source->ncolumns; i++)
	{
		const KmColumn *column = &source->columns[i];

		km_fitjob_send_text(message, column->name);
		pq_sendint32(message, column->kind);
		pq_sendint32(message, column->nfeatures);
		for (int t = 0; column->categories != NULL && t < column->nfeatures; t++)
			km_fitjob_send_text(message, column->categories[t]);
	}
	km_fitjob_send_text(message, source->weight);
	km_fitjob_send_text(message, source->ranges);
	pq_sendint32(message, source->extent.tables);
	pq_sendfloat8(message, source->extent.blocks);
	pq_sendint32(message, job->on_null);
	pq_sendint32(message, job->scale);
	pq_sendint32(message, job->metric);
	pq_sendint32(message, params->k);
	pq_sendint32(message, params->init);
	pq_sendint32(message, params->n_init);
	pq_sendint32(message, params->max_iter);
	pq_sendfloat8(message, params->tol);
	pq_sendint64(message, params->seed);
	pq_sendint8(message, job->dealt);
}

void *
km_fitjob_receive(StringInfo message)
{
	KmFitJob   *job = palloc0(sizeof(KmFitJob));
	KmSource   *source = palloc0(sizeof(KmSource));
	KmFitParams *params = &job->params;

	job->source = source;
	source->ncolumns = pq_getmsgint(message, 4);
	source->columns = palloc0(mul_size(source->ncolumns, sizeof(KmColumn)));
	for (int i = 0; i < source->ncolumns; i++)
	{
		KmColumn   *column = &source->columns[i];

		column->name = km_fitjob_receive_text(message);
		column->kind = pq_getmsgint(message, 4);
		column->nfeatures = pq_getmsgint(message, 4);
		if (column->kind != KM_COLUMN_CATEGORY)
			continue;
		column->categories = palloc(mul_size(Max(column->nfeatures, 1), sizeof(char *)));
		for (int t = 0; t < column->nfeatures; t++)
			column->categories[t] = km_fitjob_receive_text(message);
	}
	source->weight = km_fitjob_receive_text(message);
	source->ranges = km_fitjob_receive_text(message);
	source->extent.tables = pq_getmsgint(message, 4);
	source->extent.blocks = pq_getmsgfloat8(message);
	job->on_null = pq_getmsgint(message, 4);
	job->scale = pq_getmsgint(message, 4);
	job->metric = pq_getmsgint(message, 4);
	params->k = pq_getmsgint(message, 4);
	params->init = pq_getmsgint(message, 4);
	params->n_init = pq_getmsgint(message, 4);
	params->max_iter = pq_getmsgint(message, 4);
	params->tol = pq_getmsgfloat8(message);
	params->seed = pq_getmsgint64(message);
	job->dealt = pq_getmsgbyte(message);
	return job;
}

/* ---- The work ---- */

/* Everybody reads a part of the source. */
static void
km_fitjob_read(KmTeam *team, KmFitJob *job)
{
	int64_t		pushed = 0;

	km_progress_phase(km_team_progress(team), KM_PHASE_LOADING);
	job->load = km_source_load(job->source, job->on_null, job->params.k, team,
							   CurrentMemoryContext);
	if (job->load.points != NULL)
		pushed = km_points_pushed(job->load.points);
	km_team_add(team, &pushed, 1);
	job->n_rows = pushed;
}

/* The leader has read it. */
static void
km_fitjob_deal(KmTeam *team, KmFitJob *job)
{
	int64_t		pushed = job->n_rows;

	km_team_add(team, &pushed, 1);
	job->n_rows = pushed;

	/* the team has come: rows that are given away do not come back */
	job->committed = true;
	if (team->rank > 0)
		job->load.points = km_source_points(job->source, team, CurrentMemoryContext);
	km_deal(job->load.points, team);
}

/* The leader's values, n of them, NULL for none. */
static void *
km_fitjob_share(KmTeam *team, const void *mine, Size n, Size size)
{
	size_t		bytes;

	return n > 0 ? km_team_broadcast(team, mine, mul_size(n, size), &bytes) : NULL;
}

/* Everybody learns how runs start. */
static void
km_fitjob_share_start(KmTeam *team, KmFitJob *job)
{
	KmFitParams *params = &job->params;
	int32		start[] = {
		params->init, params->n_init, params->init_centroids != NULL
	};
	int32	   *shared = km_fitjob_share(team, start, lengthof(start), sizeof(int32));

	params->init = shared[0];
	params->n_init = shared[1];
	params->init_centroids =
		km_fitjob_share(team, params->init_centroids,
						shared[2] ? mul_size(params->k, job->nfeatures) : 0,
						sizeof(double));
}

/* Everybody learns what the fit is compared with. */
static void
km_fitjob_share_former(KmTeam *team, KmFitJob *job)
{
	KmFormer	none = {0};
	const KmFormer *mine = job->former != NULL ? job->former : &none;
	KmFormer   *former = km_fitjob_share(team, mine, 1, sizeof(KmFormer));
	Size		k = former->k;
	Size		d = former->d;
	bool		scaled = former->space.shift != NULL;

	if (k == 0)
		return;
	former->space.shift = km_fitjob_share(team, mine->space.shift, scaled ? d : 0,
										  sizeof(double));
	former->space.scale = km_fitjob_share(team, mine->space.scale, scaled ? d : 0,
										  sizeof(double));
	former->centroids = km_fitjob_share(team, mine->centroids, mul_size(k, d),
										sizeof(double));
	former->ids = km_fitjob_share(team, mine->ids, k, sizeof(int32));
	former->source = km_fitjob_share(team, mine->source, d, sizeof(int32));
	job->former = former;
}

/* The rows are in. */
static void
km_fitjob_prepare(KmTeam *team, KmFitJob *job)
{
	KmPointsSpec spec = {
		.scale = job->scale,
		.metric = job->metric,
		.on_null = job->on_null,
		.columns = job->source->columns,
		.ncolumns = job->source->ncolumns
	};

	job->committed = true;
	km_progress_phase(km_team_progress(team), KM_PHASE_PREPARING);
	if (job->n_rows > 0)
	{
		job->features = km_column_features(job->source->columns, job->source->ncolumns,
										   &job->nfeatures);
		spec.features = job->features;
		job->load.n_skipped += km_points_finish(job->load.points, &spec);
		job->n_rows = km_points_count(job->load.points);
	}
	if (team->rank == 0)
		job->ready(job);
	km_fitjob_share_start(team, job);
	km_fitjob_share_former(team, job);
}

void
km_fitjob_load(KmTeam *team, KmFitJob *job)
{
	if (team->rank == 0)
		km_team_set_progress(team, &job->progress);
	if (job->dealt)
		km_fitjob_deal(team, job);
	else
		km_fitjob_read(team, job);
	km_fitjob_prepare(team, job);
}

static void
km_fitjob_send_fit(StringInfo message, const void *arg)
{
	km_fitjob_send(message, arg);
}

static void
km_fitjob_fit(KmTeam *team, void *arg)
{
	KmFitJob   *job = arg;

	if (job->n_rows > 0)
	{
		job->fit = km_driver_fit(job->load.points, &job->params);
		if (job->former != NULL)
			job->moved = km_moved_share(team, km_points_rows(job->load.points),
										job->former, job->fit->ids);
	}
	if (job->load.points != NULL)
		km_points_close(job->load.points);
}

static void
km_fitjob_work(KmTeam *team, void *arg)
{
	km_fitjob_load(team, arg);
	km_fitjob_fit(team, arg);
}

/* ---- With workers or without ---- */

/* What it takes to fit n rows of d features. */
static double
km_fitjob_estimate(const KmFitJob *job, double n, int d)
{
	int			runs;

	(void) km_driver_init(&job->params, n, d, &runs);
	return n * d * (KM_JOB_VALUE_NS + KM_JOB_CELL_NS * runs * job->params.k);
}

/*
 * Do the work with as many workers as pay, beside the leader.  Returns false if
 * there is none, or if they do not come to it.
 */
static bool
km_fitjob_with_workers(KmFitJob *job, const KmRowsWork *work, void *arg, double estimate)
{
	int			nworkers = (int) Min(estimate / KM_JOB_WORKER_NS,
									 Min(max_parallel_maintenance_workers,
										 max_parallel_workers));
	StringInfoData message;
	MemoryContext cxt;
	MemoryContext old;
	bool		done;

	if (nworkers == 0)
		return false;
	cxt = AllocSetContextCreate(CurrentMemoryContext, "kmeans team",
								ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	initStringInfo(&message);
	work->send(&message, arg);
	done = km_team_run(work->id, nworkers, &message, arg, &job->committed);
	MemoryContextSwitchTo(old);
	if (!done)
		MemoryContextDelete(cxt);
	return done;
}

/* In ranges of blocks.  Whatever was found out is forgotten if that fails. */
static bool
km_fitjob_read_with_workers(KmFitJob *job, const KmRowsWork *work, void *arg)
{
	KmSource   *source = job->source;

	Size		bytes = mul_size(source->ncolumns, sizeof(KmColumn));
	KmColumn   *columns;

	if (source->ranges == NULL)
		return false;
	columns = palloc(bytes);
	memcpy(columns, source->columns, bytes);
	if (km_fitjob_with_workers(job, work, arg, source->extent.rows * KM_JOB_ROW_NS +
							   km_fitjob_estimate(job, source->extent.rows, source->ncolumns)))
		return true;
	memcpy(source->columns, columns, bytes);
	return false;
}

void
km_fitjob_run(KmFitJob *job)
{
	km_fitjob_run_work(job, &km_fit_rows, job);
	km_progress_phase(&job->progress, KM_PHASE_STORING);
}

void
km_fitjob_run_work(KmFitJob *job, const KmRowsWork *work, void *arg)
{
	KmTeam	   *alone = km_team_alone(CurrentMemoryContext);

	km_team_set_progress(alone, &job->progress);
	km_progress_begin(&job->progress, job->model, job->params.max_iter);
	if (km_fitjob_read_with_workers(job, work, arg))
		return;
	km_fitjob_read(alone, job);
	job->dealt = job->n_rows > 0;
	if (job->dealt &&
		km_fitjob_with_workers(job, work, arg,
							   km_fitjob_estimate(job, job->n_rows,
												  km_source_features(job->source))))
		return;
	km_fitjob_prepare(alone, job);
	work->use(alone, arg);
}
