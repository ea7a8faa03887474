/*
 * fitjob.h
 *		One fit from a source, alone or by a team: load, finish, fit.
 */
#ifndef KM_FITJOB_H
#define KM_FITJOB_H

#include "postgres.h"

#include "core/moved.h"
#include "engine/driver.h"
#include "engine/progress.h"
#include "engine/source.h"
#include "engine/team.h"

typedef struct KmFitJob
{
	/* what to do; the caller fills it */
	KmSource   *source;
	KmOnNull	on_null;
	KmScale		scale;
	KmMetric	metric;
	KmFitParams params;
	const char *model;			/* whose fit it is, for kmeans_progress, or NULL */

	/*
	 * Called in the leader when the rows are ready, before the fit: to look at
	 * the rows, to tell the user about them, to refuse, to change the
	 * numbering, the start (params.init, n_init, init_centroids) and former.
	 */
	void		(*ready) (struct KmFitJob *job);
	void	   *arg;

	/*
	 * NULL, or a clustering of the same rows to compare the fit with: moved is
	 * then the share of rows whose id differs.
	 */
	const KmFormer *former;

	/*
	 * The leader's; it has begun.  Whoever runs the job ends it when he is done
	 * with the result.
	 */
	KmProgress	progress;

	/* The leader has read all rows, before the team came. */
	bool		dealt;

	/* the leader's results */
	KmLoad		load;			/* n_skipped with rows of length 0 */
	char	  **features;		/* NULL if no row could be used */
	int			nfeatures;
	int64		n_rows;
	KmFit	   *fit;
	double		moved;
	bool		committed;		/* the rows are in: what fails now, fails for good */
} KmFitJob;

/*
 * Load and fit, with workers where they pay.  Results are in the current
 * memory context.  Afterwards the progress is in the phase of storing.
 */
extern void km_fitjob_run(KmFitJob *job);

extern const KmTeamWork km_fit_work;

/*
 * Works that do something else with the rows.  Their job is arg, which contains
 * this one.  send tells the workers, with km_fitjob_send() first; they receive
 * with km_fitjob_receive(), and their run is km_fitjob_load(), which ends with
 * ready(), and then use.
 */
typedef struct KmRowsWork
{
	KmTeamWorkId id;
	void		(*send) (StringInfo message, const void *arg);
	void		(*use) (KmTeam *team, void *arg);
} KmRowsWork;

extern void km_fitjob_send(StringInfo message, const KmFitJob *job);
extern void *km_fitjob_receive(StringInfo message);
extern void km_fitjob_load(KmTeam *team, KmFitJob *job);
extern void km_fitjob_run_work(KmFitJob *job, const KmRowsWork *work, void *arg);

#endif							/* KM_FITJOB_H */
