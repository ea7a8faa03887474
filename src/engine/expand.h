/*
 * expand.h
 *		Rows packed with codes of categories, turned into rows of features.
 *
 * While the rows of a fit are read, a category column takes one value a row,
 * its code (engine/category).  When all are in:
 *
 *		columns		x		channel					v (array of 2)
 *		packed		7.5		1						0.1  0.2
 *		expanded	7.5		0  1  0					0.1  0.2
 *
 * A missing value (NaN) stands for all features of its column.
 */
#ifndef KM_EXPAND_H
#define KM_EXPAND_H

#include "postgres.h"

#include "engine/encode.h"
#include "engine/store.h"

typedef struct KmExpansion KmExpansion;

/*
 * Settle the categories of the columns, which the encoders have learned: a
 * collective operation.  The columns get their categories.
 */
extern KmExpansion *km_expansion_create(KmTeam *team, const KmEncoder *encoders,
										KmColumn *columns, int ncolumns);

/*
 * Push the rows of one store, expanded, to another one, which is empty.  take:
 * the first one is emptied meanwhile, and both together keep to the budget of
 * the second; else its rows stay, and count in that budget.
 */
extern void km_expand(const KmExpansion *expansion, KmStore *from, KmStore *to,
					  bool take);

#endif							/* KM_EXPAND_H */
