/*
 * column.h
 *		Columns: what a model knows of what the user calls a column.
 *
 * A model has columns (as the user has them) and features (the dimensions
 * after encoding).
 */
#ifndef KM_COLUMN_H
#define KM_COLUMN_H

#include "postgres.h"

/*
 * What a column is.  The words of km_column_kind_name() are part of the text
 * form of a model.
 */
typedef enum KmColumnKind
{
	KM_COLUMN_NUMBER,			/* "number": integer, float, numeric */
	KM_COLUMN_BOOLEAN,			/* "boolean": 0 / 1 */
	KM_COLUMN_DATE,				/* "date": days since 1970-01-01 */
	KM_COLUMN_TIMESTAMP,		/* "timestamp": seconds since then */
	KM_COLUMN_TIMESTAMPTZ,		/* "timestamptz": seconds since then, UTC */
	KM_COLUMN_INTERVAL,			/* "interval": epoch seconds */
	KM_COLUMN_ARRAY,			/* "array": nfeatures numbers */
	KM_COLUMN_CATEGORY			/* "category": one feature per category */
} KmColumnKind;

typedef struct KmColumn
{
	char	   *name;
	KmColumnKind kind;
	int			nfeatures;		/* 1, or the length of the array, or the number of
								 * categories; 0: that is not known yet */
	char	  **categories;		/* nfeatures texts; NULL unless kind is category */
} KmColumn;

extern const char *km_column_kind_name(KmColumnKind kind);

/* false if there is no such word */
extern bool km_column_kind_parse(const char *name, KmColumnKind *kind);

/*
 * What kind of column a type makes; false if it cannot be a feature.  Domains
 * count as their base type.  pgvector's vector and halfvec are arrays.
 */
extern bool km_column_kind_of_type(Oid type, KmColumnKind *kind);

/*
 * How many features a column of this kind has before its values are seen: 0
 * where they decide that.
 */
extern int	km_column_features_of_kind(KmColumnKind kind);

/*
 * The names of all features of the columns, in order: "col", "col[1]",
 * "col=category".  palloc'd, *nfeatures entries.
 */
extern char **km_column_features(const KmColumn *columns, int ncolumns, int *nfeatures);

/* a text that appears more than once, or NULL; sorts the pointers */
extern const char *km_column_find_duplicate(const char **strings, int n);

/*
 * pgvector's cast of its vector and halfvec to real[], or InvalidOid for any
 * other type.
 */
extern Oid	km_column_vector_cast(Oid type);

#endif							/* KM_COLUMN_H */
