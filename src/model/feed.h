/*
 * feed.h
 *		Rows for a model: from its stored source, or from another one.
 */
#ifndef KM_FEED_H
#define KM_FEED_H

#include "postgres.h"

#include "engine/reader.h"
#include "model/registry.h"
#include "model/value.h"

typedef struct KmFeed
{
	const KmModel *model;
	const KmModelRef *ref;		/* NULL, with info, for a model as a value: then
								 * there must be a source */
	const KmVersionInfo *info;

	/*
	 * NULL: the stored source, run as the owner (see owner.h).  Any other runs
	 * with the rights of the current user.
	 */
	const char *source;
	const char *weight;			/* a column; NULL: none */
	bool		ids;			/* are they wanted? */
	const char *id_column;		/* NULL: the model's, if it has one and the source
								 * too, else the ordinal */
	bool		locked;			/* see below */
} KmFeed;

/*
 * Lock a feed's source.  For several readings under one snapshot: lock, make a
 * snapshot active, and read from feeds that are locked.  Any other is locked when
 * it is read, which is then done under a snapshot of its own.
 */
extern void km_feed_lock(const KmFeed *feed);

/*
 * Pass all rows to the callback, as km_reader_run() does; returns their
 * number.  With a stored source the callback runs as the owner.
 */
extern int64 km_feed_run(const KmFeed *feed, KmReaderCallback callback, void *arg);

/* 22023: there is nothing to work on */
extern void km_feed_refuse_empty(const KmFeed *feed) pg_attribute_noreturn();

/*
 * The same for columns of one's own choice, which take the place of the
 * model's: their values as they are, with NaN for what is missing.
 */
extern int64 km_feed_run_columns(const KmFeed *feed, const KmColumn *columns,
								 int ncolumns, KmReaderCallback callback, void *arg);

#endif							/* KM_FEED_H */
