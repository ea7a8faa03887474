/*
 * choose.h
 *		Fits for several k on rows that are read once, and how good each is.
 */
#ifndef KM_CHOOSE_H
#define KM_CHOOSE_H

#include "postgres.h"

#include "engine/fitjob.h"
#include "engine/team.h"

/* Criteria that have a winner among several k. */
typedef enum KmCriterion
{
	KM_CRITERION_SILHOUETTE,
	KM_CRITERION_DAVIES_BOULDIN,
	KM_CRITERION_CALINSKI_HARABASZ,
	KM_CRITERION_ELBOW,
	KM_CRITERION_STABILITY
} KmCriterion;

#define KM_NCRITERIA	(KM_CRITERION_STABILITY + 1)

/* the word for it in SQL */
extern const char *km_criterion_name(KmCriterion criterion);

/* One k. */
typedef struct KmChoice
{
	int			k;
	double		inertia;
	double		total_ss;		/* inertia of one cluster on the same rows */
	double		criteria[KM_NCRITERIA]; /* NaN: does not exist */
	bool		best[KM_NCRITERIA];
	int64		smallest;		/* rows of the smallest cluster */
} KmChoice;

typedef struct KmChooseJob
{
	/*
	 * What to do; the caller fills it.  fit->params.k is the largest k.
	 */
	KmFitJob   *fit;
	int			k_min;			/* from 1 */
	int64		sample_rows;	/* at most so many distinct rows for what is
								 * computed from pairs of rows, and for stability */

	/* the results, in the leader */
	int			nchoices;
	int			distinct;		/* distinct rows, if that is why there are fewer
								 * choices than asked for; else 0 */
	KmChoice   *choices;		/* ascending by k */
	int64		silhouette_rows;	/* how many rows the sample stands for */
} KmChooseJob;

/*
 * Load the rows and fit them for k_min .. fit->params.k, with workers where
 * they pay.  Results are in the current memory context.
 */
extern void km_choose_run(KmChooseJob *job);

extern const KmTeamWork km_choose_work;

#endif							/* KM_CHOOSE_H */
