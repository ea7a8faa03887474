/*
 * bits.h
 *		Doubles taken apart and put together, without libm.
 */
#ifndef KM_BITS_H
#define KM_BITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t
km_bits_of(double x)
{
	uint64_t	bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

static inline double
km_bits_double(uint64_t bits)
{
	double		x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* 2^e, -1074 <= e <= 1023 */
static inline double
km_bits_pow2(int e)
{
	return km_bits_double(e >= -1022 ? (uint64_t) (e + 1023) << 52 :
						  (uint64_t) 1 << (e + 1074));
}

/*
 * |x| = mantissa * 2^exponent with a mantissa under 2^53 and an exponent of at
 * least -1074; x is finite.
 */
static inline uint64_t
km_bits_split(double x, int *exponent)
{
	uint64_t	bits = km_bits_of(x);
	int			biased = (int) ((bits >> 52) & 0x7ff);
	uint64_t	mantissa = bits & (((uint64_t) 1 << 52) - 1);

	*exponent = (biased > 0 ? biased : 1) - 1075;
	return biased > 0 ? mantissa | (uint64_t) 1 << 52 : mantissa;
}

/* floor(log2 |x|); x is finite and not 0 */
static inline int
km_bits_exponent(double x)
{
	int			exponent;
	uint64_t	mantissa = km_bits_split(x, &exponent);

	return exponent + 63 - __builtin_clzll(mantissa);
}

/* x * 2^e, where 2^e alone may be no double */
static inline double
km_bits_scale(double x, int e)
{
	return x * km_bits_pow2(e / 2) * km_bits_pow2(e - e / 2);
}

/*
 * The exponent of a power of two that brings numbers of up to `most` to at
 * most 1 and whose inverse is a double.  (Numbers under 2^-1000 then stay
 * small, but not so small that their squares vanish.)
 */
static inline int
km_bits_cover(double most)
{
	int			e = most > 0 ? km_bits_exponent(most) + 1 : 0;

	return e > -1000 ? e : -1000;
}

#endif							/* KM_BITS_H */
