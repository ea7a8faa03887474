/*
 * source.h
 *		A source (a relation or one query) and its rows.
 *
 * km_source_open() reads the text with the caller's rights and search_path,
 * binds its names, and settles which columns are features.  km_source_load()
 * then runs the bound text, under the settings with which a stored source is
 * run later, and brings the rows into a KmPoints.
 */
#ifndef KM_SOURCE_H
#define KM_SOURCE_H

#include "postgres.h"

#include "compat.h"
#include "engine/encode.h"
#include "engine/points.h"
#include "engine/team.h"
#include "engine/traits.h"

typedef struct KmSourceSpec
{
	const char *text;
	const char *model;			/* for hints; may be NULL */
	char	  **columns;		/* distinct names, at least one; NULL: chosen by the
								 * rule of the reference */
	int			ncolumns;

	/*
	 * Columns of the model that is to be replaced, or NULL: a category column
	 * of that name keeps its categories, before those that the rows bring.
	 */
	const KmColumn *before;
	int			nbefore;
	const char *weight;			/* a column; NULL: every row counts once */
	const char *id_column;		/* NULL: none */

	/*
	 * To read rows for a model: its columns, which take the place of columns.
	 * Their types are left to whoever encodes them.
	 */
	const KmColumn *known;
	int			nknown;
	bool		id_optional;	/* a NOTICE if there is no id_column */
} KmSourceSpec;

typedef struct KmSource
{
	const char *text;			/* as it was given */
	char	   *bound;			/* the text with its names bound */
	char	   *stored;			/* the same; NULL if it uses a temporary object */
	KmColumn   *columns;		/* array columns get their length at the load,
								 * category columns their categories */
	int			ncolumns;
	char	   *weight;			/* the names as in the spec, or NULL */
	char	   *id_column;
	char	   *query;			/* what is run: the feature columns in order, then
								 * the weight, of "s"; for known columns then the id */

	char	   *ranges;			/* the query with a condition on s.ctid, if several
								 * participants can read it in ranges of blocks; */
	KmExtent	extent;			/* then of these tables */
} KmSource;

/*
 * Raises the errors of the reference for sources and columns, and a NOTICE
 * about the columns chosen if the spec left that open.
 *
 * All that will be read is locked then.  Rows are read under the active snapshot:
 * unless that has to be an older one, take one now.  The statement's shows a
 * table as empty that was truncated and loaded while we waited for the lock.
 */
extern KmSource *km_source_open(const KmSourceSpec *spec);

/*
 * Only the locks, for several readings under one snapshot; model is for hints and
 * may be NULL.
 */
extern void km_source_lock(const char *text, const char *model);

typedef struct KmLoad
{
	KmPoints   *points;			/* this participant's; NULL if no row showed how
								 * many features there are */
	int64		n_read;			/* by all participants */
	int64		n_skipped;
} KmLoad;

/*
 * Run the source and pack its rows, in a child of parent: a collective
 * operation, each participant takes a part of the blocks.  54000 if there turn
 * out to be too many features for k clusters.  Errors in rows name the row's
 * ordinal if the team is of one.
 */
extern KmLoad km_source_load(KmSource *source, KmOnNull on_null, int k, KmTeam *team,
							 MemoryContext parent);

/* The number of features; 0 while that of some column is unknown. */
extern int	km_source_features(const KmSource *source);

/*
 * Points for rows of a source whose features are known, within
 * maintenance_work_mem for all participants.
 */
extern KmPoints *km_source_points(const KmSource *source, const KmTeam *team,
								  MemoryContext cxt);

/* Is a source the name of a relation, rather than a query? */
extern bool km_source_is_name(const char *text);

/* 22023: there is nothing to work on */
extern void km_source_refuse_empty(const char *text) pg_attribute_noreturn();

/* 54000 if there are too many features, or too many for k clusters */
extern void km_source_check_size(int64 nfeatures, int k);

#endif							/* KM_SOURCE_H */
