/*
 * team.c
 *		The participants of a fit: one backend, or a leader and its workers.
 *
 * A ParallelContext brings up the workers; shared memory holds one barrier and
 * two buffers with a slot for each participant:
 *
 *		buffer 0:	slot of the leader | slot of worker 1 | ...
 *		buffer 1:	the same
 *
 * A collective operation writes to one's own slot, waits at the barrier, and
 * reads everybody's slots.  Operations take turns with the buffers: whoever
 * writes to a buffer again has passed the barrier of the operation between,
 * which all others reach only after reading.  So one wait an operation is
 * enough.  Long vectors go through the slots piece by piece, and shared memory
 * stays small whatever the size of the fit.
 *
 * Rows never pass through shared memory: each participant reads and keeps its
 * own.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/barrier.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "engine/choose.h"
#include "engine/fitjob.h"
#include "engine/team.h"

#define KM_TEAM_SLOT_BYTES	(256 * 1024)
#define KM_TEAM_SLOT_WORDS	(KM_TEAM_SLOT_BYTES / sizeof(int64))

#define KM_TEAM_KEY_SHARED	UINT64CONST(1)
#define KM_TEAM_KEY_MESSAGE	UINT64CONST(2)

typedef struct KmShared
{
	Barrier		barrier;		/* of all participants, once size is set */
	ConditionVariable complete; /* size has been set */
	slock_t		mutex;			/* of size */
	int			size;			/* participants; 0: not known yet */
	int			work;			/* KmTeamWorkId */
	pg_atomic_uint64 next;
	Size		message_bytes;
	double		slots[FLEXIBLE_ARRAY_MEMBER];	/* 2 x participants x
												 * KM_TEAM_SLOT_WORDS */
} KmShared;

/* What KmTeam.arg points to. */
typedef struct KmTeamState
{
	MemoryContext cxt;
	struct KmTeamLink *link;
} KmTeamState;

/* What all KmTeams of one participant share. */
typedef struct KmTeamLink
{
	KmShared   *shared;			/* NULL: alone */
	int			rank;
	int			size;
	int			turn;			/* which buffer is next */
	uint64		next;			/* when alone */
} KmTeamLink;

/* by KmTeamWorkId */
static const KmTeamWork *const km_team_works[] = {
	&km_fit_work,
	&km_choose_work
};

PGDLLEXPORT void km_team_worker_main(dsm_segment *segment, shm_toc *toc);

/* ---- Memory and interrupts ---- */

static void *
km_team_palloc(void *arg, size_t size)
{
	return MemoryContextAllocHuge(((KmTeamState *) arg)->cxt, size);
}

static void
km_team_pfree(void *arg, void *ptr)
{
	pfree(ptr);
}

/*
 * A backend in a long loop does not notice by itself that the postmaster has
 * died, and would keep the data directory from being started again.
 */
static void
km_team_interrupts(void *arg)
{
	CHECK_FOR_INTERRUPTS();
	if (!PostmasterIsAlive())
		ereport(FATAL,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("terminating connection due to unexpected postmaster exit")));
}

/* ---- Collective operations ---- */

static double *
km_team_slot(const KmTeamLink *link, int rank)
{
	return link->shared->slots +
		((Size) link->turn * link->size + rank) * KM_TEAM_SLOT_WORDS;
}

static void
km_team_meet(KmTeamLink *link)
{
	BarrierArriveAndWait(&link->shared->barrier, PG_WAIT_EXTENSION);
}

static void
km_team_add_all(void *arg, int64_t *v, size_t n)
{
	KmTeamLink *link = ((KmTeamState *) arg)->link;

	for (size_t start = 0; start < n; start += KM_TEAM_SLOT_WORDS)
	{
		size_t		m = Min(n - start, KM_TEAM_SLOT_WORDS);

		memcpy(km_team_slot(link, link->rank), v + start, m * sizeof(int64_t));
		km_team_meet(link);
		for (int rank = 0; rank < link->size; rank++)
		{
			const int64_t *other = (const int64_t *) km_team_slot(link, rank);

			if (rank == link->rank)
				continue;
			for (size_t i = 0; i < m; i++)
				v[start + i] += other[i];
		}
		link->turn ^= 1;
	}
}

static void
km_team_max_all(void *arg, double *v, size_t n)
{
	KmTeamLink *link = ((KmTeamState *) arg)->link;

	for (size_t start = 0; start < n; start += KM_TEAM_SLOT_WORDS)
	{
		size_t		m = Min(n - start, KM_TEAM_SLOT_WORDS);

		memcpy(km_team_slot(link, link->rank), v + start, m * sizeof(double));
		km_team_meet(link);
		for (int rank = 0; rank < link->size; rank++)
		{
			const double *other = km_team_slot(link, rank);

			for (size_t i = 0; i < m; i++)
				v[start + i] = Max(v[start + i], other[i]);
		}
		link->turn ^= 1;
	}
}

static void *
km_team_gather_all(void *arg, const void *mine, size_t bytes, size_t *total)
{
	KmTeamState *state = arg;
	KmTeamLink *link = state->link;
	size_t	   *sizes = palloc(link->size * sizeof(size_t));
	size_t	   *offset = palloc(link->size * sizeof(size_t));
	size_t		longest = 0;
	char	   *all;

	*(size_t *) km_team_slot(link, link->rank) = bytes;
	km_team_meet(link);
	*total = 0;
	for (int rank = 0; rank < link->size; rank++)
	{
		sizes[rank] = *(size_t *) km_team_slot(link, rank);
		offset[rank] = *total;
		*total = add_size(*total, sizes[rank]);
		longest = Max(longest, sizes[rank]);
	}
	link->turn ^= 1;

	all = MemoryContextAllocHuge(state->cxt, Max(*total, 1));
	for (size_t start = 0; start < longest; start += KM_TEAM_SLOT_BYTES)
	{
		if (start < bytes)
			memcpy(km_team_slot(link, link->rank), (const char *) mine + start,
				   Min(bytes - start, KM_TEAM_SLOT_BYTES));
		km_team_meet(link);
		for (int rank = 0; rank < link->size; rank++)
			if (start < sizes[rank])
				memcpy(all + offset[rank] + start, km_team_slot(link, rank),
					   Min(sizes[rank] - start, KM_TEAM_SLOT_BYTES));
		link->turn ^= 1;
	}
	pfree(offset);
	pfree(sizes);
	return all;
}

/* ---- Teams ---- */

static KmTeam *
km_team_make(MemoryContext cxt, KmTeamLink *link)
{
	KmTeam	   *team = MemoryContextAllocZero(cxt, sizeof(KmTeam));
	KmTeamState *state = MemoryContextAllocZero(cxt, sizeof(KmTeamState));

	state->cxt = cxt;
	state->link = link;
	team->arg = state;
	team->alloc = km_team_palloc;
	team->release = km_team_pfree;
	team->check = km_team_interrupts;
	team->size = link->size;
	team->rank = link->rank;
	team->add = km_team_add_all;
	team->max = km_team_max_all;
	team->gather = km_team_gather_all;
	return team;
}

KmTeam *
km_team_alone(MemoryContext cxt)
{
	KmTeamLink *link = MemoryContextAllocZero(cxt, sizeof(KmTeamLink));

	link->size = 1;
	return km_team_make(cxt, link);
}

KmTeam *
km_team_in(const KmTeam *team, MemoryContext cxt)
{
	return km_team_make(cxt, ((KmTeamState *) team->arg)->link);
}

uint64
km_team_next(KmTeam *team)
{
	KmTeamLink *link = ((KmTeamState *) team->arg)->link;

	if (link->shared == NULL)
		return link->next++;
	return pg_atomic_fetch_add_u64(&link->shared->next, 1);
}

void *
km_team_broadcast(KmTeam *team, const void *mine, size_t bytes, size_t *total)
{
	if (team->size == 1)
	{
		void	   *copy = km_team_alloc(team, bytes, 1);

		memcpy(copy, mine, bytes);
		*total = bytes;
		return copy;
	}
	return team->gather(team->arg, mine, team->rank == 0 ? bytes : 0, total);
}

/* ---- Bringing up workers ---- */

static KmTeam *
km_team_join(MemoryContext cxt, KmShared *shared, int rank, int size)
{
	KmTeamLink *link = MemoryContextAllocZero(cxt, sizeof(KmTeamLink));

	link->shared = shared;
	link->rank = rank;
	link->size = size;
	return km_team_make(cxt, link);
}

/*
 * Start the workers and tell everybody how many came.  Returns the shared
 * memory, or NULL if there is to be no team.
 */
static KmShared *
km_team_launch(ParallelContext *pcxt, KmTeamWorkId id, StringInfo message)
{
	Size		bytes = add_size(offsetof(KmShared, slots),
								 mul_size(2 * (pcxt->nworkers + 1), KM_TEAM_SLOT_BYTES));
	KmShared   *shared;
	char	   *copy;

	shm_toc_estimate_chunk(&pcxt->estimator, bytes);
	shm_toc_estimate_chunk(&pcxt->estimator, Max(message->len, 1));
	shm_toc_estimate_keys(&pcxt->estimator, 2);
	InitializeParallelDSM(pcxt);
	if (pcxt->seg == NULL)
		return NULL;

	shared = shm_toc_allocate(pcxt->toc, bytes);
	ConditionVariableInit(&shared->complete);
	SpinLockInit(&shared->mutex);
	shared->size = 0;
	shared->work = id;
	pg_atomic_init_u64(&shared->next, 0);
	shared->message_bytes = message->len;
	shm_toc_insert(pcxt->toc, KM_TEAM_KEY_SHARED, shared);
	copy = shm_toc_allocate(pcxt->toc, Max(message->len, 1));
	memcpy(copy, message->data, message->len);
	shm_toc_insert(pcxt->toc, KM_TEAM_KEY_MESSAGE, copy);

	LaunchParallelWorkers(pcxt);
	if (pcxt->nworkers_launched == 0)
		return NULL;
	WaitForParallelWorkersToAttach(pcxt);
	BarrierInit(&shared->barrier, pcxt->nworkers_launched + 1);
	SpinLockAcquire(&shared->mutex);
	shared->size = pcxt->nworkers_launched + 1;
	SpinLockRelease(&shared->mutex);
	ConditionVariableBroadcast(&shared->complete);
	return shared;
}

static int
km_team_size(KmShared *shared)
{
	int			size;

	SpinLockAcquire(&shared->mutex);
	size = shared->size;
	SpinLockRelease(&shared->mutex);
	return size;
}

void
km_team_worker_main(dsm_segment *segment, shm_toc *toc)
{
	KmShared   *shared = shm_toc_lookup(toc, KM_TEAM_KEY_SHARED, false);
	const KmTeamWork *work = km_team_works[shared->work];
	StringInfoData message;
	int			size;

	message.data = shm_toc_lookup(toc, KM_TEAM_KEY_MESSAGE, false);
	message.len = message.maxlen = (int) shared->message_bytes;
	message.cursor = 0;

	ConditionVariablePrepareToSleep(&shared->complete);
	while ((size = km_team_size(shared)) == 0)
		ConditionVariableSleep(&shared->complete, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();

	work->run(km_team_join(CurrentMemoryContext, shared, ParallelWorkerNumber + 1, size),
			  work->receive(&message));
}

/* The leader's part, inside the subtransaction. */
static bool
km_team_lead(KmTeamWorkId id, int nworkers, StringInfo message, void *job)
{
	ParallelContext *pcxt;
	KmShared   *shared;

	EnterParallelMode();
	pcxt = CreateParallelContext("kmeans", "km_team_worker_main", nworkers);
	shared = km_team_launch(pcxt, id, message);
	if (shared != NULL)
	{
		km_team_works[id]->run(km_team_join(CurrentMemoryContext, shared, 0,
											pcxt->nworkers_launched + 1), job);
		WaitForParallelWorkersToFinish(pcxt);
	}
	DestroyParallelContext(pcxt);
	ExitParallelMode();
	return shared != NULL;
}

/* Is it the user, or the administrator, who wants an end? */
static bool
km_team_is_cancel(const ErrorData *error)
{
	return ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
		ERRCODE_TO_CATEGORY(ERRCODE_QUERY_CANCELED);
}

bool
km_team_run(KmTeamWorkId id, int nworkers, StringInfo message, void *job,
			const bool *committed)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	if (nworkers <= 0)
		return false;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(cxt);
	PG_TRY();
	{
		done = km_team_lead(id, nworkers, message, job);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(cxt);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(cxt);
		CurrentResourceOwner = owner;
		if (*committed || km_team_is_cancel(error))
			ReThrowError(error);
		FreeErrorData(error);
	}
	PG_END_TRY();
	return done;
}
