/*
 * pick.h
 *		Which output columns of a source are features, its weight, its id.
 */
#ifndef KM_PICK_H
#define KM_PICK_H

#include "postgres.h"

#include "engine/source.h"
#include "nodes/pg_list.h"

/*
 * Settle columns, weight and id_column of the source, whose query has these
 * target entries, as the spec asks.  Raises the errors of the reference for
 * columns, and a NOTICE about the features chosen if the spec left that open.
 */
extern void km_pick_columns(const KmSourceSpec *spec, List *targets, KmSource *source);

/* Does a name by itself say that the column identifies rows (id, ..._id)? */
extern bool km_pick_is_identifier(const char *name);

/* usable: names of columns that would do, or NULL */
extern void km_pick_refuse_type(const char *column, Oid type,
								const char *usable) pg_attribute_noreturn();

#endif							/* KM_PICK_H */
