/*
 * team.h
 *		The participants of a fit: one backend, or a leader and its workers.
 *
 * Work for a team is written once and run by everybody (single program,
 * multiple data): each participant has rows of its own, and wherever a number
 * must be everybody's, they meet in a collective operation of KmTeam.  Every
 * decision is made from such numbers, so that all take the same way.
 */
#ifndef KM_TEAM_H
#define KM_TEAM_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "port/atomics.h"

#include "core/core.h"
#include "engine/progress.h"

/* kmeans.simd and kmeans.pruning: a KmSimd and a KmPruning, for all teams */
extern int	km_team_simd;
extern int	km_team_pruning;

/*
 * A team of one for the current backend: memory from cxt, interrupts from
 * CHECK_FOR_INTERRUPTS, and an end if the postmaster is gone.
 */
extern KmTeam *km_team_alone(MemoryContext cxt);

/* The same participant of the same team, but with memory from cxt. */
extern KmTeam *km_team_in(const KmTeam *team, MemoryContext cxt);

/*
 * What every participant does.  The job is the one that the leader passed to
 * km_team_run, or what its receive function has made of the leader's message
 * in a worker.
 */
typedef struct KmTeamWork
{
	void	   *(*receive) (StringInfo message);
	void		(*run) (KmTeam *team, void *job);
} KmTeamWork;

/* Known works; a worker finds its own by number. */
typedef enum KmTeamWorkId
{
	KM_TEAM_FIT,
	KM_TEAM_CHOOSE
} KmTeamWorkId;

/*
 * Run a work with up to nworkers workers beside the leader, or with none.
 * Workers receive the message.  Returns false if the team broke up before
 * *committed was set by the leader's run: for want of memory, shared memory or
 * workers, or for an error in the rows, which the caller meets again, in a
 * defined order of rows, when it runs the work alone.  Later errors, and
 * cancels at any time, are raised.
 *
 * Everything happens inside an internal subtransaction, so that a failure
 * leaves nothing behind.
 */
extern bool km_team_run(KmTeamWorkId id, int nworkers, StringInfo message, void *job,
						const bool *committed);

/* ---- For the works ---- */

/*
 * Where to report to: what the leader has set, for all KmTeams of this
 * participant, else NULL.
 */
extern KmProgress *km_team_progress(const KmTeam *team);
extern void km_team_set_progress(KmTeam *team, KmProgress *progress);

/*
 * Deal numbers 0, 1, 2, ... among the participants: each is given out once.
 */
extern uint64 km_team_next(KmTeam *team);

/*
 * Every participant but the leader gets a piece of up to KM_TEAM_PIECE bytes,
 * which the leader's function writes and counts.  The piece is there until the
 * next operation; *bytes may be 0.  Returns false, to all alike, once the
 * function had nothing for anybody.
 */
#define KM_TEAM_PIECE	((size_t) (256 * 1024 - 64))

extern bool km_team_deal(KmTeam *team, size_t (*write) (void *arg, char *room),
						 void *arg, const char **piece, size_t *bytes);

/* Everybody gets the leader's bytes (allocated by the team). */
extern void *km_team_broadcast(KmTeam *team, const void *mine, size_t bytes,
							   size_t *total);

#endif							/* KM_TEAM_H */
