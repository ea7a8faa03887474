/*
 * fitjob.c
 *		One fit from a source, alone or by a team: load, finish, fit.
 *
 * Leader and workers run the same function, km_fitjob_work(), on their own
 * rows.  A worker learns its job from the leader's message.
 */
#include "postgres.h"

#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "utils/memutils.h"

#include "engine/fitjob.h"

/*
 * Estimates, to decide whether workers pay: nanoseconds to read a row, and to
 * compare a value with a centroid over all passes of a fit; and what a worker
 * costs to start.
 */
#define KM_JOB_ROW_NS		60.0
#define KM_JOB_VALUE_NS		2.0
#define KM_JOB_WORKER_NS	20e6

static void km_fitjob_work(KmTeam *team, void *job);

const KmTeamWork km_fit_work = {
	.receive = km_fitjob_receive,
	.run = km_fitjob_work
};

/* ---- The message to the workers ---- */

static void
km_fitjob_send_floats(StringInfo message, const double *values, int64 n)
{
	for (int64 i = 0; i < n; i++)
		pq_sendfloat8(message, values[i]);
}

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
	}
	km_fitjob_send_text(message, source->weight);
	km_fitjob_send_text(message, source->ranges);
	pq_sendfloat8(message, source->blocks);
	pq_sendint32(message, job->on_null);
	pq_sendint32(message, job->scale);
	pq_sendint32(message, job->metric);
	pq_sendint32(message, params->k);
	pq_sendint32(message, params->init);
	pq_sendint32(message, params->n_init);
	pq_sendint32(message, params->max_iter);
	pq_sendfloat8(message, params->tol);
	pq_sendint64(message, params->seed);
	pq_sendint32(message, params->init_centroids != NULL ? job->init_d : 0);
	if (params->init_centroids != NULL)
		km_fitjob_send_floats(message, params->init_centroids,
							  (int64) params->k * job->init_d);
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
	}
	source->weight = km_fitjob_receive_text(message);
	source->ranges = km_fitjob_receive_text(message);
	source->blocks = pq_getmsgfloat8(message);
	job->on_null = pq_getmsgint(message, 4);
	job->scale = pq_getmsgint(message, 4);
	job->metric = pq_getmsgint(message, 4);
	params->k = pq_getmsgint(message, 4);
	params->init = pq_getmsgint(message, 4);
	params->n_init = pq_getmsgint(message, 4);
	params->max_iter = pq_getmsgint(message, 4);
	params->tol = pq_getmsgfloat8(message);
	params->seed = pq_getmsgint64(message);
	job->init_d = pq_getmsgint(message, 4);
	if (job->init_d > 0)
	{
		int64		n = (int64) params->k * job->init_d;
		double	   *centroids = palloc(mul_size(n, sizeof(double)));

		for (int64 i = 0; i < n; i++)
			centroids[i] = pq_getmsgfloat8(message);
		params->init_centroids = centroids;
	}
	return job;
}

/* ---- The work ---- */

void
km_fitjob_load(KmTeam *team, KmFitJob *job)
{
	KmPointsSpec spec = {
		.scale = job->scale,
		.metric = job->metric,
		.on_null = job->on_null
	};
	int64_t		pushed = 0;

	job->load = km_source_load(job->source, job->on_null, job->params.k, team,
							   CurrentMemoryContext);
	if (job->load.points != NULL)
		pushed = km_points_pushed(job->load.points);
	km_team_add(team, &pushed, 1);
	job->committed = true;

	if (pushed > 0)
	{
		job->features = km_column_features(job->source->columns, job->source->ncolumns,
										   &job->nfeatures);
		spec.features = job->features;
		job->load.n_skipped += km_points_finish(job->load.points, &spec);
		job->n_rows = km_points_count(job->load.points);
	}
	if (team->rank == 0)
		job->ready(job);
}

static void
km_fitjob_work(KmTeam *team, void *arg)
{
	KmFitJob   *job = arg;

	km_fitjob_load(team, job);
	if (job->n_rows > 0)
		job->fit = km_driver_fit(job->load.points, &job->params);
	if (job->load.points != NULL)
		km_points_close(job->load.points);
}

/* How many workers pay, beside the leader. */
static int
km_fitjob_workers(const KmFitJob *job)
{
	const KmSource *source = job->source;
	double		work;

	if (source->ranges == NULL)
		return 0;
	work = source->rows * (KM_JOB_ROW_NS +
						   KM_JOB_VALUE_NS * job->params.k * source->ncolumns);
	return (int) Min(work / KM_JOB_WORKER_NS,
					 Min(max_parallel_maintenance_workers, max_parallel_workers));
}

void
km_fitjob_run(KmFitJob *job)
{
	StringInfoData message;

	initStringInfo(&message);
	km_fitjob_send(&message, job);
	km_fitjob_run_work(job, KM_TEAM_FIT, &km_fit_work, &message, job);
}

void
km_fitjob_run_work(KmFitJob *job, KmTeamWorkId id, const KmTeamWork *work,
				   StringInfo message, void *arg)
{
	int			nworkers = km_fitjob_workers(job);

	if (nworkers > 0)
	{
		MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "kmeans team",
												  ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(cxt);
		bool		done = km_team_run(id, nworkers, message, arg, &job->committed);

		MemoryContextSwitchTo(old);
		if (done)
			return;

		/* the rows that were read so far */
		MemoryContextDelete(cxt);
		for (int i = 0; i < job->source->ncolumns; i++)
			if (job->source->columns[i].kind == KM_COLUMN_ARRAY)
				job->source->columns[i].nfeatures = 0;
	}
	work->run(km_team_alone(CurrentMemoryContext), arg);
}
