/*
 * refresh.h
 *		Fitting a model again, to the rows there are now.
 */
#ifndef KM_REFRESH_H
#define KM_REFRESH_H

#include "postgres.h"

#include "model/fitting.h"

typedef struct KmRefresh
{
	/* what to do */
	const char *name;			/* or name@version */
	const char *source;			/* NULL: the stored one */
	bool		warm_start;
	bool		promote;
	double		max_churn;		/* promote only up to this; 1: whatever comes */

	/* the result */
	int			old_version;
	int			new_version;
	bool		promoted;
	double		churn;			/* share of the rows, by weight, whose id differs */
	KmFitting	fitting;
} KmRefresh;

/*
 * Fit the version again, with all its options, and store the result as the next
 * version.  For the owner; with the owner's rights, whoever asks, so a source that
 * is passed is bound to what its names mean to the current user, and then run as a
 * stored one.  Of two refreshes of one model the second waits.
 *
 * Errors as for a fit, and 55000 for a version without stored source, 42804 if its
 * columns have become others.  A WARNING if the churn is too high to promote.
 */
extern void km_refresh(KmRefresh *refresh);

#endif							/* KM_REFRESH_H */
