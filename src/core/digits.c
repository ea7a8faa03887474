/*
 * digits.c
 *		Numbers in digits of base 2^40: carries, and the way back to doubles.
 */
#include "core/digits.h"

#include <math.h>

#include "core/bits.h"

/* the shift of a negative number is arithmetic in every compiler of PostgreSQL's */
void
km_digits_propagate(int64_t *digit, int n, size_t step)
{
	int64_t		carry = 0;

	for (int i = 0; i < n - 1; i++)
	{
		int64_t		value = digit[i * step] + carry;

		carry = value >> KM_DIGIT_BITS;
		digit[i * step] = value & KM_DIGIT_MASK;
	}
	digit[(n - 1) * step] += carry;
}

/* turn the number into its magnitude, all digits >= 0; returns the sign */
static double
digits_magnitude(int64_t *digit, int n)
{
	km_digits_propagate(digit, n, 1);
	if (digit[n - 1] >= 0)
		return 1;
	for (int i = 0; i < n; i++)
		digit[i] = -digit[i];
	km_digits_propagate(digit, n, 1);
	return -1;
}

/*
 * The three leading digits have at least 81 significant bits, more than a
 * double; whether anything lies below them decides ties only.
 */
double
km_digits_value(int64_t *digit, int n, int low, double *rest)
{
	unsigned __int128 value;
	unsigned __int128 mantissa;
	bool		below = false;
	int			h;
	int			exponent;		/* of value's unit */
	int			length;			/* bits of value */
	int			unit;			/* exponent of the result's last bit */
	int			shift;
	double		sign;

	if (rest != NULL)
		*rest = 0;
	sign = digits_magnitude(digit, n);
	for (h = n - 1; h > 0 && digit[h] == 0; h--)
		;

	/* the last digit may be any positive int64: 63 + 40 bits, and 24 more */
	value = (unsigned __int128) digit[h] << KM_DIGIT_BITS;
	if (h > 0)
		value |= (uint64_t) digit[h - 1];
	value <<= 24;
	if (h > 1)
	{
		value |= (uint64_t) digit[h - 2] >> 16;
		below = (digit[h - 2] & 0xffff) != 0;
	}
	for (int i = 0; i < h - 2; i++)
		below = below || digit[i] != 0;
	if (value == 0)
		return 0;

	exponent = low + (h - 1) * KM_DIGIT_BITS - 24;
	length = (uint64_t) (value >> 64) != 0 ?
		128 - __builtin_clzll((uint64_t) (value >> 64)) :
		64 - __builtin_clzll((uint64_t) value);
	if (exponent + length > 1024)
		return sign * INFINITY;
	unit = exponent + length - 53 > -1074 ? exponent + length - 53 : -1074;
	shift = unit - exponent;
	if (shift >= 128)
		return 0;
	if (shift <= 0)
		mantissa = value << -shift;
	else
	{
		unsigned __int128 half = (unsigned __int128) 1 << (shift - 1);
		unsigned __int128 cut = value & (2 * half - 1);

		mantissa = value >> shift;
		if (cut > half || (cut == half && (below || mantissa % 2 == 1)))
			mantissa++;
		if (rest != NULL)
			*rest = sign * (double) (__int128) (value - (mantissa << shift)) *
				km_bits_pow2(exponent);
	}
	return sign * (double) (uint64_t) mantissa * km_bits_pow2(unit);
}

/*
 * The number divided by a weight > 0.  The quotient of the two doubles alone
 * may miss by a unit in the last place, and then the mean of equal values is
 * not that value and its cluster's radius not 0; so it is corrected by what
 * was lost in the number's rounding and in the division.  The number is first
 * brought to [1, 2^63) and the weight to [1, 2), because a sum may overflow
 * where the mean does not, and a quotient by a very small weight as well.
 */
double
km_digits_mean(int64_t *digit, int n, int low, double weight)
{
	int			h;
	int			exponent;
	double		sign;
	double		number;
	double		rest;
	double		mean;

	sign = digits_magnitude(digit, n);
	for (h = n - 1; h > 0 && digit[h] == 0; h--)
		;
	number = sign * km_digits_value(digit, n, -h * KM_DIGIT_BITS, &rest);
	rest *= sign;
	exponent = km_bits_exponent(weight);
	weight = km_bits_scale(weight, -exponent);
	mean = number / weight;
	mean += (fma(-mean, weight, number) + rest) / weight;
	exponent = low + h * KM_DIGIT_BITS - exponent;

	/* no farther than to where every mean is 0, or infinite */
	exponent = exponent < -2000 ? -2000 : exponent > 2000 ? 2000 : exponent;
	return km_bits_scale(mean, exponent);
}
