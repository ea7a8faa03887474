/*
 * hash.c
 *		Hashes of row contents and the counter-based random numbers.
 *
 * Both are built on the finalizer of splitmix64: a bijection of 64 bits in
 * which every output bit depends on every input bit.  A row is absorbed value
 * by value; the multiplication between two values makes the order count, so
 * that (1, 2) and (2, 1) differ.  The random numbers mix seed, stream and
 * counter one after the other.
 *
 * Collisions between different contents are possible and harmless: whoever
 * orders rows by hash compares contents next.
 */
#include "core/hash.h"

#include <stddef.h>

#include "core/bits.h"

#define HASH_GOLDEN	UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t
hash_mix(uint64_t h)
{
	h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
	return h ^ (h >> 31);
}

/* start: hash_mix() of the seed */
static inline uint64_t
hash_row(const double *x, int d, uint64_t start)
{
	uint64_t	h = start;

	for (int t = 0; t < d; t++)
	{
		h = (h ^ km_bits_of(x[t])) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	return hash_mix(h + (uint64_t) d * HASH_GOLDEN);
}

uint64_t
km_hash_row(const double *x, int d, uint64_t seed)
{
	return hash_row(x, d, hash_mix(seed + HASH_GOLDEN));
}

void
km_hash_rows(const double *x, int n, int d, uint64_t seed, uint64_t *hash)
{
	uint64_t	start = hash_mix(seed + HASH_GOLDEN);

	for (int i = 0; i < n; i++)
		hash[i] = hash_row(x + (size_t) i * d, d, start);
}

uint64_t
km_random_bits(uint64_t seed, uint64_t stream, uint64_t counter)
{
	uint64_t	h = hash_mix(seed + HASH_GOLDEN);

	h = hash_mix(h + stream * HASH_GOLDEN + 1);
	return hash_mix(h + counter * HASH_GOLDEN + 2);
}
