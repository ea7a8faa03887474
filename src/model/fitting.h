/*
 * fitting.h
 *		A fit that becomes a version of a model: from the source to the catalog.
 *
 * What a first fit, a replacement and a refresh have in common.  The caller
 * locks the name, fills in what to do, then
 *
 *		km_fitting_run(fitting)			with the rights the source is to run with
 *		km_fitting_store(fitting, ...)	with those of whoever asked for the fit
 *
 * Nothing is written before the last step.
 */
#ifndef KM_FITTING_H
#define KM_FITTING_H

#include "postgres.h"

#include "portability/instr_time.h"

#include "engine/fitjob.h"
#include "model/options.h"
#include "model/registry.h"
#include "model/renew.h"

typedef struct KmFitting
{
	/* what to do */
	char	   *name;
	const char *source;			/* text */
	KmOptions	options;
	bool		verbose;
	instr_time	start;			/* when it was asked for */

	/* the model as it is; NULL: there is none yet */
	KmModelRef *ref;
	KmModel    *old;			/* the version that ids and labels come from */
	bool		refresh;		/* it must have the same features; the rows that
								 * change their id are counted (job.moved), unless
								 * some were filled, which each version does in its
								 * own way: then job.former is NULL */
	bool		warm;			/* start from its centroids */

	/* the result */
	KmFitJob	job;
	KmRenewal	renewal;
	KmModel    *model;
} KmFitting;

/*
 * Open the source, fit its rows, and tell the user what is worth knowing.
 * Raises the errors of the reference for sources and rows.
 *
 * The rows are those of a snapshot taken when the locks of the model and of the
 * source have been waited for: not older than what was waited for.  It stays
 * the active one until km_fitting_store().
 */
extern void km_fitting_run(KmFitting *fitting);

/* Write the model, as the first or next version; returns its number. */
extern int	km_fitting_store(KmFitting *fitting, bool promote);

extern double km_fitting_elapsed_ms(const KmFitting *fitting);

/* The rows are in.  22023 if there are none, or fewer usable ones than k. */
extern void km_fitting_check_rows(const KmFitJob *job, int k);

/*
 * NOTICEs about them: rows skipped, a column that outweighs others, constant
 * features.  advise: with hints at other options, where the caller has a choice.
 */
extern void km_fitting_tell_rows(const KmFitJob *job, const KmOptions *options,
								 bool advise);

#endif							/* KM_FITTING_H */
