/*
 * progress.c
 *		How far the fits of all sessions are.
 *
 * Every backend of the server has 20 integers in shared memory for the progress
 * of a command, beside the number of that command (utils/backend_progress.h).
 * They need no memory of our own, so no shared_preload_libraries; they go with
 * the backend, and the command ends with a transaction or subtransaction that
 * fails.  The views of the server look for the numbers of its own commands
 * and pass over ours.
 *
 *		0 ... 7		name of the model, filled up with zeros
 *		8			phase
 *		9, 10, 11	run, iteration, max_iter
 *		12			rows read
 *		13			inertia, bit for bit
 *		14			rows reassigned
 *		15			start
 *
 * An update writes all of them: some twenty stores.  That is also how a fit
 * shows up again after another command has used the place, as a fit within the
 * source of a fit does, or after the end of the subtransaction in which its
 * workers failed.
 *
 * With track_activities off the server keeps nothing, and there is nothing to
 * be seen.
 */
#include "compat.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"

#include "engine/progress.h"

/* beyond the server's own commands, which count from 0 */
#define KM_PROGRESS_COMMAND	((ProgressCommandType) 0x6b6d)

#define KM_PROGRESS_NAME	8	/* integers of a name */

typedef enum KmProgressParam
{
	KM_PARAM_PHASE = KM_PROGRESS_NAME,
	KM_PARAM_RUN,
	KM_PARAM_ITERATION,
	KM_PARAM_MAX_ITER,
	KM_PARAM_ROWS_READ,
	KM_PARAM_INERTIA,
	KM_PARAM_REASSIGNED,
	KM_PARAM_STARTED_AT,
	KM_NPARAMS
} KmProgressParam;

StaticAssertDecl(KM_PROGRESS_NAME * sizeof(int64) == NAMEDATALEN,
				 "a name does not fit into the parameters");
StaticAssertDecl(KM_NPARAMS <= PGSTAT_NUM_PROGRESS_PARAM,
				 "there are not so many parameters");

static void
km_progress_publish(const KmProgress *progress)
{
	int			index[KM_NPARAMS];
	int64		value[KM_NPARAMS];

	if (MyBEEntry == NULL)
		return;
	if (MyBEEntry->st_progress_command != KM_PROGRESS_COMMAND)
		pgstat_progress_start_command(KM_PROGRESS_COMMAND, InvalidOid);

	for (int i = 0; i < KM_NPARAMS; i++)
		index[i] = i;
	memcpy(value, progress->model, NAMEDATALEN);
	value[KM_PARAM_PHASE] = progress->phase;
	value[KM_PARAM_RUN] = progress->run;
	value[KM_PARAM_ITERATION] = progress->iteration;
	value[KM_PARAM_MAX_ITER] = progress->max_iter;
	value[KM_PARAM_ROWS_READ] = progress->rows_read;
	memcpy(&value[KM_PARAM_INERTIA], &progress->inertia, sizeof(double));
	value[KM_PARAM_REASSIGNED] = progress->reassigned;
	value[KM_PARAM_STARTED_AT] = progress->started_at;
	pgstat_progress_update_multi_param(KM_NPARAMS, index, value);
}

void
km_progress_begin(KmProgress *progress, const char *model, int max_iter)
{
	memset(progress, 0, sizeof(KmProgress));
	if (model != NULL)
		strlcpy(progress->model, model, NAMEDATALEN);
	progress->max_iter = max_iter;
	progress->started_at = GetCurrentTimestamp();
	km_progress_phase(progress, KM_PHASE_LOADING);
}

void
km_progress_phase(KmProgress *progress, KmPhase phase)
{
	if (progress == NULL)
		return;
	progress->phase = phase;
	km_progress_publish(progress);
}

void
km_progress_rows(KmProgress *progress, int64 rows_read)
{
	if (progress == NULL)
		return;
	progress->rows_read = rows_read;
	km_progress_publish(progress);
}

void
km_progress_run(KmProgress *progress, int run)
{
	if (progress == NULL)
		return;
	progress->run = run;
	progress->iteration = 0;
	km_progress_phase(progress, KM_PHASE_SEEDING);
}

void
km_progress_iteration(KmProgress *progress, const KmIteration *iteration)
{
	if (progress == NULL)
		return;
	progress->iteration = iteration->iteration;
	progress->inertia = iteration->inertia;
	progress->reassigned = iteration->reassigned;
	km_progress_publish(progress);
}

void
km_progress_end(KmProgress *progress)
{
	if (progress != NULL)
		pgstat_progress_end_command();
}

/* ---- For those who watch ---- */

const char *
km_phase_name(KmPhase phase)
{
	static const char *const names[] = {
		"loading", "preparing", "seeding", "iterating", "summarizing", "comparing",
		"storing"
	};

	return phase >= 0 && phase < lengthof(names) ? names[phase] : NULL;
}

void
km_progress_list(void (*show) (void *arg, int pid, const KmProgress *progress),
				 void *arg)
{
	bool		all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
	int			n = pgstat_fetch_stat_numbackends();

	for (int i = 1; i <= n; i++)
	{
		const PgBackendStatus *backend = km_compat_backend_status(i);
		const int64 *value;
		KmProgress	progress;

		if (backend == NULL || backend->st_procpid <= 0 ||
			backend->st_progress_command != KM_PROGRESS_COMMAND ||
			backend->st_databaseid != MyDatabaseId)
			continue;
		if (!all && !has_privs_of_role(GetUserId(), backend->st_userid))
			continue;
		value = backend->st_progress_param;
		memcpy(progress.model, value, NAMEDATALEN);
		progress.model[NAMEDATALEN - 1] = '\0';
		progress.phase = (KmPhase) value[KM_PARAM_PHASE];
		progress.run = (int) value[KM_PARAM_RUN];
		progress.iteration = (int) value[KM_PARAM_ITERATION];
		progress.max_iter = (int) value[KM_PARAM_MAX_ITER];
		progress.rows_read = value[KM_PARAM_ROWS_READ];
		memcpy(&progress.inertia, &value[KM_PARAM_INERTIA], sizeof(double));
		progress.reassigned = value[KM_PARAM_REASSIGNED];
		progress.started_at = value[KM_PARAM_STARTED_AT];

		/* between the start of a command and its first update */
		if (progress.started_at != 0)
			show(arg, backend->st_procpid, &progress);
	}
}
