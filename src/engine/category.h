/*
 * category.h
 *		The categories of a column: texts, by their bytes, and their numbers.
 *
 * A model knows its categories.  A fit learns them: while rows come, each new
 * text gets the next number, its code, and rows are packed with codes.  When
 * all rows are in, km_categories_settle() gives all participants the same
 * categories in the same order, whoever met which of them first, and
 * engine/expand makes features of the codes.
 */
#ifndef KM_CATEGORY_H
#define KM_CATEGORY_H

#include "postgres.h"

#include "core/core.h"
#include "engine/column.h"

/* more than these are an identifier or free text rather than a category */
#define KM_MAX_CATEGORIES	100

typedef struct KmCategories KmCategories;

/*
 * The categories that a column has so far (none, if it has no features yet).
 * Memory is taken from the current context, also later.
 */
extern KmCategories *km_categories_create(const KmColumn *column);

/* the code of a text of so many bytes, or -1 */
extern int	km_categories_find(const KmCategories *categories, const char *bytes,
							   int nbytes);

/*
 * The same, but a new text is added.  54000 if there are too many; ordinal is
 * the number of the row, for the message.
 */
extern int	km_categories_learn(KmCategories *categories, const char *bytes,
								int nbytes, int64 ordinal);

/*
 * Take what all participants have learned into the column: the categories it
 * had at the beginning stay, new ones follow in the order of the enum type,
 * or else (InvalidOid) of their bytes.  Returns, per code of this participant,
 * the place among them.  The column may still have none.  A collective
 * operation; everything is palloc'd.
 */
extern int *km_categories_settle(KmTeam *team, const KmCategories *categories,
								 Oid enum_type, KmColumn *column);

#endif							/* KM_CATEGORY_H */
