/*
 * simd.c
 *		Which instruction sets there are, and which one to use.
 *
 * AVX2 means AVX2 and FMA, AVX-512 its F, DQ and VL parts: every CPU that has
 * ever been sold with the one has the others.  NEON belongs to every 64-bit
 * ARM.
 */
#include "core/simd.h"

bool
km_simd_available(KmSimd simd)
{
	switch (simd)
	{
		case KM_SIMD_AUTO:
		case KM_SIMD_GENERIC:
			return true;
#if defined(__x86_64__)
		case KM_SIMD_AVX2:
			return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
		case KM_SIMD_AVX512:
			return km_simd_available(KM_SIMD_AVX2) &&
				__builtin_cpu_supports("avx512f") &&
				__builtin_cpu_supports("avx512dq") &&
				__builtin_cpu_supports("avx512vl");
#elif defined(__aarch64__)
		case KM_SIMD_NEON:
			return true;
#endif
		default:
			return false;
	}
}

KmSimd
km_simd_of(const KmTeam *team)
{
	static const KmSimd widest_first[] = {
		KM_SIMD_AVX512, KM_SIMD_AVX2, KM_SIMD_NEON
	};

	if (team->simd != KM_SIMD_AUTO)
		return team->simd;
	for (int i = 0; i < 3; i++)
		if (km_simd_available(widest_first[i]))
			return widest_first[i];
	return KM_SIMD_GENERIC;
}
