/*
 * hash.h
 *		Hashes of row contents and the counter-based random numbers.
 *
 * Both are pure functions of their arguments: a draw depends on the seed, the
 * run and the number of the draw, never on what was drawn before or where.
 */
#ifndef KM_HASH_H
#define KM_HASH_H

#include <stdint.h>

/* The hash of d doubles by their bits (the loader has removed -0.0). */
extern uint64_t km_hash_row(const double *x, int d, uint64_t seed);

/* the same of n rows */
extern void km_hash_rows(const double *x, int n, int d, uint64_t seed, uint64_t *hash);

/* 64 random bits, number `counter` of stream (seed, stream). */
extern uint64_t km_random_bits(uint64_t seed, uint64_t stream, uint64_t counter);

/* a double in [0, 1), a multiple of 2^-53 */
static inline double
km_random_double(uint64_t seed, uint64_t stream, uint64_t counter)
{
	return (double) (km_random_bits(seed, stream, counter) >> 11) * 0x1p-53;
}

#endif							/* KM_HASH_H */
