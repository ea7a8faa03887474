/*
 * traits.h
 *		What a query of a source is like, beyond its text.
 */
#ifndef KM_TRAITS_H
#define KM_TRAITS_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/* the tables of a relation */
typedef struct KmExtent
{
	int			tables;			/* with rows: itself, or its leaves */
	double		blocks;			/* of the largest of them */
	double		rows;			/* of all, estimated */
} KmExtent;

/* Does it need relations, functions, operators or types of this session? */
extern bool km_traits_is_temporary(Query *query);

/*
 * Can the rows of a relation be read in ranges of blocks, by several processes,
 * each running the query?  Only those of a permanent heap table, or of a partitioned
 * one whose leaves all are: other relations have no blocks of their own, or keep
 * them to this backend.  And the query, rewritten, must be safe in a worker with
 * all that views of rows (policies) add to it.
 */
extern bool km_traits_has_blocks(Query *query, Oid relid, KmExtent *extent);

#endif							/* KM_TRAITS_H */
