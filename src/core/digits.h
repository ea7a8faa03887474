/*
 * digits.h
 *		Numbers in digits of base 2^40: what the sums of sums.h have in common.
 *
 * A number is held in n digits, each in an int64, the last being the most
 * significant:
 *
 *		value = 2^low * (digit[0] + digit[1] * 2^40 + digit[2] * 2^80 + ...)
 *
 * Additions go to the digits without looking at their neighbours, so digits
 * may be negative or exceed 2^40 for a while; that one number has many
 * writings does no harm, because before a digit can overflow, and before the
 * number is read, carries are propagated: then every digit but the last is in
 * [0, 2^40), and that writing is unique.  Hence the value read depends on the
 * number only, and not on how it came about.
 */
#ifndef KM_DIGITS_H
#define KM_DIGITS_H

#include "core/core.h"

#define KM_DIGIT_BITS	40
#define KM_DIGIT_MASK	(((int64_t) 1 << KM_DIGIT_BITS) - 1)

/*
 * An addition changes a digit by at most 2^40; after 2^22 of them, and a digit
 * under 2^40 to start from, 2^63 is still out of reach.
 */
#define KM_DIGIT_PENDING (1 << 22)

#define KM_DIGIT_BATCH	(1 << 17)	/* digits that a team adds up at a time */

/* bring all digits but the last into [0, 2^40); they lie `step` apart */
extern void km_digits_propagate(int64_t *digit, int n, size_t step);

/*
 * The double nearest to the number, ties to even, and, if asked for, what the
 * rounding took off (itself rounded).  Overwrites the digits.
 */
extern double km_digits_value(int64_t *digit, int n, int low, double *rest);

/* the number divided by a weight > 0; overwrites the digits */
extern double km_digits_mean(int64_t *digit, int n, int low, double weight);

#endif							/* KM_DIGITS_H */
