/*
 * progress.h
 *		How far the fits of all sessions are: what kmeans_progress shows.
 *
 * A fit keeps a KmProgress, in its leader, and passes it to these functions
 * whenever something is new:
 *
 *		km_progress_begin, km_progress_phase / _rows / _run / _iteration ...,
 *		km_progress_end
 *
 * All take NULL, which is what workers and fits that nobody watches have, and
 * do nothing.  After an error nothing needs to be done.
 */
#ifndef KM_PROGRESS_H
#define KM_PROGRESS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "core/lloyd.h"

typedef enum KmPhase
{
	KM_PHASE_LOADING,			/* reading the source */
	KM_PHASE_PREPARING,			/* statistics, scaling */
	KM_PHASE_SEEDING,			/* choosing the start of a run */
	KM_PHASE_ITERATING,			/* passes of a run */
	KM_PHASE_SUMMARIZING,		/* describing the clusters */
	KM_PHASE_COMPARING,			/* criteria of several k */
	KM_PHASE_STORING			/* writing the model */
} KmPhase;

typedef struct KmProgress
{
	char		model[NAMEDATALEN]; /* empty: the fit has no name */
	KmPhase		phase;
	int			run;			/* 0: none yet, as iteration */
	int			iteration;		/* the last that is done */
	int			max_iter;
	int64		rows_read;
	double		inertia;		/* of that iteration, as reassigned */
	int64		reassigned;
	TimestampTz started_at;		/* 0: not begun */
} KmProgress;

/* model may be NULL */
extern void km_progress_begin(KmProgress *progress, const char *model, int max_iter);
extern void km_progress_phase(KmProgress *progress, KmPhase phase);
extern void km_progress_rows(KmProgress *progress, int64 rows_read);
extern void km_progress_run(KmProgress *progress, int run);
extern void km_progress_iteration(KmProgress *progress, const KmIteration *iteration);
extern void km_progress_end(KmProgress *progress);

/* ---- For those who watch ---- */

extern const char *km_phase_name(KmPhase phase);

/*
 * Calls show for every fit that runs in the current database and that the
 * current user may see, as in pg_stat_activity: those of the roles whose
 * privileges he has, or all if he has those of pg_read_all_stats.
 */
extern void km_progress_list(void (*show) (void *arg, int pid, const KmProgress *progress),
							 void *arg);

#endif							/* KM_PROGRESS_H */
