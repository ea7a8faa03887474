/*
 * export.h
 *		A model for programs that do not know the extension.
 *
 * Texts are palloc'd.  Numbers in them are doubles in as few digits as bring
 * the same double back.
 */
#ifndef KM_EXPORT_H
#define KM_EXPORT_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "model/value.h"

/*
 * One SELECT that adds "cluster" and "label" to the rows of a source: a
 * relation's name or a query, as it is stored; NULL: a name to be replaced by
 * one.  54000 for a model whose distances or features would not fit into the
 * select list of the server.
 */
extern char *km_export_sql(const KmModel *model, const char *source);

/* A PMML 4.4 document with a ClusteringModel of that name. */
extern char *km_export_pmml(const KmModel *model, const char *name);

/* a finite double */
extern void km_export_number(StringInfo out, double value);

#endif							/* KM_EXPORT_H */
