/*
 * sample.h
 *		Distinct rows by smallest hash, with their copies.
 *
 * What looks at pairs of rows cannot look at all pairs of many rows.  A sample
 * of at most so many distinct contents stands for them: those with the
 * smallest hashes (of seed and content), each with the number of rows that
 * have it.  It depends on the rows only, not on their order, and if there are no
 * more distinct rows than asked for it is all of them.
 *
 *		km_sampler_create, perhaps km_sampler_limit
 *		km_sampler_add, km_sampler_add_rows		(any number of times)
 *		km_sampler_finish						(once; frees the sampler)
 */
#ifndef KM_SAMPLE_H
#define KM_SAMPLE_H

#include "core/rows.h"

typedef struct KmSample
{
	int			d;
	int64_t		n;				/* contents */
	int64_t		rows;			/* rows that have them: the sum of copies */
	double	   *values;			/* n x d, raw, in the order (hash, content) */
	int64_t    *copies;			/* n */
	double	   *weight;			/* n: of all copies together */
} KmSample;

typedef struct KmSampler KmSampler;

/*
 * Sample at most `most` >= 1 contents of d values.  If rows are weighted, two
 * of different weight have different contents.
 */
extern KmSampler *km_sampler_create(KmTeam *team, int d, bool weighted,
									int64_t most, uint64_t seed);

/*
 * Before the first row: leave out all contents but those of the first part
 * (0 < part <= 1) of all hashes, so that little is collected in vain.
 */
extern void km_sampler_limit(KmSampler *sampler, double part);

/* weight is ignored unless rows are weighted */
extern void km_sampler_add(KmSampler *sampler, const double *x, double weight);
extern void km_sampler_add_rows(KmSampler *sampler, KmRows *rows);

/* Collective: everybody gets the sample of all participants' rows. */
extern KmSample *km_sampler_finish(KmSampler *sampler);
extern void km_sample_free(KmTeam *team, KmSample *sample);

#endif							/* KM_SAMPLE_H */
