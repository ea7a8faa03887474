/*
 * team.c
 *		The participants of a fit: one backend, or a leader and its workers.
 *
 * A ParallelContext brings up the workers; shared memory holds a meeting point
 * and two buffers with a slot for each participant:
 *
 *		buffer 0:	slot of the leader | slot of worker 1 | ...
 *		buffer 1:	the same
 *
 * A collective operation writes to one's own slot, meets the others, and reads
 * everybody's slots.  Operations take turns with the buffers: whoever writes to
 * a buffer again has been at the meeting of the operation between, to which all
 * others come only after reading.  So one meeting an operation is enough.  Long
 * vectors go through the slots piece by piece, and shared memory stays small
 * whatever the size of the fit.
 *
 * A fit has thousands of meetings, some only microseconds apart, so whoever
 * comes early looks out for the others for a moment before it goes to sleep.
 */
#include "compat.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "engine/choose.h"
#include "engine/fitjob.h"
#include "engine/team.h"

#define KM_TEAM_SLOT_BYTES	(256 * 1024)
#define KM_TEAM_SLOT_WORDS	(KM_TEAM_SLOT_BYTES / sizeof(int64))

/* which makes 31 MB of shared memory */
#define KM_TEAM_MAX_WORKERS	61

/* How long to look out for the others: 20 to 50 microseconds. */
#define KM_TEAM_SPINS		1000

#define KM_TEAM_KEY_SHARED	UINT64CONST(1)
#define KM_TEAM_KEY_MESSAGE	UINT64CONST(2)
#define KM_TEAM_KEY_QUERY	UINT64CONST(3)

typedef struct KmShared
{
	pg_atomic_uint32 size;		/* participants; 0: not known yet */
	pg_atomic_uint32 arrived;	/* at the meeting to come */
	pg_atomic_uint32 meetings;	/* that have taken place */
	ConditionVariable changed;	/* size or meetings */
	pg_atomic_uint64 next;		/* see km_team_next() */
	int			work;			/* KmTeamWorkId */
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
	ParallelContext *starting;	/* in the leader, until workers are known to have
								 * come */
	int			rank;
	int			size;
	int			turn;			/* which buffer is next */
	uint64		next;			/* when alone */
	KmProgress *progress;		/* of the leader */
} KmTeamLink;

/* by KmTeamWorkId */
static const KmTeamWork *const km_team_works[] = {
	&km_fit_work,
	&km_choose_work
};

int			km_team_simd = KM_SIMD_AUTO;
int			km_team_pruning = KM_PRUNING_AUTO;

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

/* Sleep until something has changed, or for no reason. */
static void
km_team_sleep(KmShared *shared)
{
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = km_compat_wait_event("KmeansTeam");
	ConditionVariableSleep(&shared->changed, wait_event);
}

/*
 * Wait until everybody is here.  What others have written before is visible
 * after it.  A worker that never came up would be waited for in vain; the
 * leader, who can tell, raises an error.
 */
static void
km_team_meet(KmTeamLink *link)
{
	KmShared   *shared = link->shared;
	uint32		meeting = pg_atomic_read_u32(&shared->meetings);

	if (link->starting != NULL)
	{
		WaitForParallelWorkersToAttach(link->starting);
		link->starting = NULL;
	}
	if (pg_atomic_add_fetch_u32(&shared->arrived, 1) == link->size)
	{
		pg_atomic_write_u32(&shared->arrived, 0);
		pg_atomic_fetch_add_u32(&shared->meetings, 1);
		ConditionVariableBroadcast(&shared->changed);
		return;
	}
	for (int i = 0; i < KM_TEAM_SPINS; i++)
	{
		if (pg_atomic_read_u32(&shared->meetings) != meeting)
			break;
		SPIN_DELAY();
	}
	while (pg_atomic_read_u32(&shared->meetings) == meeting)
		km_team_sleep(shared);
	ConditionVariableCancelSleep();
	pg_memory_barrier();
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
	team->simd = km_team_simd;
	team->pruning = km_team_pruning;
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

KmProgress *
km_team_progress(const KmTeam *team)
{
	return ((KmTeamState *) team->arg)->link->progress;
}

void
km_team_set_progress(KmTeam *team, KmProgress *progress)
{
	((KmTeamState *) team->arg)->link->progress = progress;
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

/*
 * A slot holds the number of bytes, then, at KM_TEAM_SLOT_BYTES - KM_TEAM_PIECE,
 * the piece; the leader's holds the number of all.
 */
bool
km_team_deal(KmTeam *team, size_t (*write) (void *arg, char *room),
			 void *arg, const char **piece, size_t *bytes)
{
	KmTeamLink *link = ((KmTeamState *) team->arg)->link;
	size_t	   *all = (size_t *) km_team_slot(link, 0);
	size_t	   *mine = (size_t *) km_team_slot(link, link->rank);

	if (link->rank == 0)
	{
		*all = 0;
		for (int rank = 1; rank < link->size; rank++)
		{
			size_t	   *slot = (size_t *) km_team_slot(link, rank);

			*slot = write(arg, (char *) slot + KM_TEAM_SLOT_BYTES - KM_TEAM_PIECE);
			*all += *slot;
		}
	}
	km_team_meet(link);
	*piece = (const char *) mine + KM_TEAM_SLOT_BYTES - KM_TEAM_PIECE;
	*bytes = link->rank == 0 ? 0 : *mine;
	link->turn ^= 1;
	return *all > 0;
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

/* A copy of some bytes in the shared memory, under a key. */
static void
km_team_publish(ParallelContext *pcxt, uint64 key, const void *data, Size bytes)
{
	void	   *copy = shm_toc_allocate(pcxt->toc, bytes);

	memcpy(copy, data, bytes);
	shm_toc_insert(pcxt->toc, key, copy);
}

/*
 * Start the workers and tell them how many they are.  The leader does not wait
 * for them: it has work to do.  Returns the shared memory, or NULL if there is
 * to be no team.
 */
static KmShared *
km_team_launch(ParallelContext *pcxt, KmTeamWorkId id, StringInfo message)
{
	const char *query = debug_query_string != NULL ? debug_query_string : "";
	Size		bytes = add_size(offsetof(KmShared, slots),
								 mul_size(2 * (pcxt->nworkers + 1), KM_TEAM_SLOT_BYTES));
	KmShared   *shared;

	shm_toc_estimate_chunk(&pcxt->estimator, bytes);
	shm_toc_estimate_chunk(&pcxt->estimator, message->len);
	shm_toc_estimate_chunk(&pcxt->estimator, strlen(query) + 1);
	shm_toc_estimate_keys(&pcxt->estimator, 3);
	InitializeParallelDSM(pcxt);
	if (pcxt->seg == NULL)
		return NULL;

	shared = shm_toc_allocate(pcxt->toc, bytes);
	pg_atomic_init_u32(&shared->size, 0);
	pg_atomic_init_u32(&shared->arrived, 0);
	pg_atomic_init_u32(&shared->meetings, 0);
	ConditionVariableInit(&shared->changed);
	pg_atomic_init_u64(&shared->next, 0);
	shared->work = id;
	shared->message_bytes = message->len;
	shm_toc_insert(pcxt->toc, KM_TEAM_KEY_SHARED, shared);
	km_team_publish(pcxt, KM_TEAM_KEY_MESSAGE, message->data, message->len);
	km_team_publish(pcxt, KM_TEAM_KEY_QUERY, query, strlen(query) + 1);

	LaunchParallelWorkers(pcxt);
	ereport(DEBUG1,
			(errmsg_internal("launched %d of %d workers for a fit",
							 pcxt->nworkers_launched, pcxt->nworkers)));
	if (pcxt->nworkers_launched == 0)
		return NULL;
	pg_atomic_write_u32(&shared->size, pcxt->nworkers_launched + 1);
	ConditionVariableBroadcast(&shared->changed);
	return shared;
}

void
km_team_worker_main(dsm_segment *segment, shm_toc *toc)
{
	KmShared   *shared = shm_toc_lookup(toc, KM_TEAM_KEY_SHARED, false);
	const KmTeamWork *work = km_team_works[shared->work];
	StringInfoData message;
	int			size;

	debug_query_string = shm_toc_lookup(toc, KM_TEAM_KEY_QUERY, false);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
	message.data = shm_toc_lookup(toc, KM_TEAM_KEY_MESSAGE, false);
	message.len = message.maxlen = (int) shared->message_bytes;
	message.cursor = 0;

	while ((size = (int) pg_atomic_read_u32(&shared->size)) == 0)
		km_team_sleep(shared);
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
	pcxt = CreateParallelContext("kmeans", "km_team_worker_main",
								 Min(nworkers, KM_TEAM_MAX_WORKERS));
	shared = km_team_launch(pcxt, id, message);
	if (shared != NULL)
	{
		KmTeam	   *team = km_team_join(CurrentMemoryContext, shared, 0,
										pcxt->nworkers_launched + 1);

		((KmTeamState *) team->arg)->link->starting = pcxt;
		km_team_works[id]->run(team, job);
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
		ereport(DEBUG1,
				(errmsg_internal("going on without workers: %s", error->message)));
		FreeErrorData(error);
	}
	PG_END_TRY();
	return done;
}
