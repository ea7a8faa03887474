/*
 * display.h
 *		How values are shown to people.
 *
 * In a model everything is a number.  How one is shown depends on what its
 * column is: numbers as they are, shares of a category or of true in percent,
 * dates and times as such.  All texts are palloc'd.
 */
#ifndef KM_DISPLAY_H
#define KM_DISPLAY_H

#include "postgres.h"

#include "model/value.h"

/* the column that feature t is (a part of) */
extern const KmColumn *km_display_column(const KmModel *model, int t);

/* a value of the column; digits: of a number, at least */
extern char *km_display_value(const KmColumn *column, double value, int digits);

/* a difference of values, such as a standard deviation: of dates and times an interval */
extern char *km_display_spread(const KmColumn *column, double value, int digits);

/* two, with as many digits as it takes to tell them apart */
extern void km_display_pair(const KmColumn *column, double a, double b,
							char **a_text, char **b_text);

/* whole digits are not cut: 12345 rather than 1.23e+04 */
extern char *km_display_number(double value, int digits);

/* a part of 1 in percent: '25 %' */
extern char *km_display_share(double share);

/* the name of a role, or the number of one that was dropped */
extern char *km_display_role(Oid role);

#endif							/* KM_DISPLAY_H */
