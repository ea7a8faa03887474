/*
 * transitions.h
 *		From which cluster of one version to which of another rows go.
 */
#ifndef KM_TRANSITIONS_H
#define KM_TRANSITIONS_H

#include "postgres.h"

#include "model/feed.h"

/* Rows that go the same way. */
typedef struct KmTransition
{
	int			from;			/* index of the cluster; -1: none */
	int			to;
	int64		n;
	double		share;			/* of all rows that come from there */
} KmTransition;

typedef void (*KmTransitionCallback) (void *arg, const KmTransition *transition);

/*
 * Pass all transitions, in the order of from and to, none being last, to the
 * callback.
 *
 * Here: the rows of one source, as a and b label them.
 */
extern void km_transitions(const KmFeed *feed, const KmModel *a, const KmModel *b,
						   KmTransitionCallback callback, void *arg);

/*
 * The rows of two sources, each labelled by the model of its feed, and matched
 * on their ids, for which the feeds must ask.  A row of one source only comes
 * from, or goes to, no cluster, as does one without an id.  21000 if an id is
 * not unique in its source.
 */
extern void km_transitions_matched(const KmFeed *a, const KmFeed *b,
								   KmTransitionCallback callback, void *arg);

#endif							/* KM_TRANSITIONS_H */
