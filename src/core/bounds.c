/*
 * bounds.c
 *		Which rows cannot have changed their cluster since they were labelled.
 *
 * Let a row have the distances d_a to its centroid and d_j to another, in some
 * pass, with
 *
 *		d_a (1 + g) + gap <= d_j,		g = 2^-51 (d + 8)
 *
 * for all j, as km_kernel_label() promises; g covers the rounding of the
 * definition.  If since then centroid a has moved by the distances m_a in all,
 * and no other by more than M in all, then by the triangle inequality now
 *
 *		d_a' (1 + g)  <=  d_a (1 + g) + m_a (1 + g)
 *		d_j'          >=  d_j - M  >=  d_a (1 + g) + gap - M
 *
 * so a is still the nearest as long as m_a (1 + g) + M < gap.  Both sums only
 * grow, so a cluster keeps what they have come to since the run began:
 *
 *		limit_a = sum over passes of (m_a (1 + g) + the most that any other moved)
 *
 * and a row the value at which its gap will be used up:
 *
 *		bound = gap + limit_a, when it was labelled
 *
 * Then a pass over rows that need no work reads 6 bytes a row, and writes none.
 *
 * Rounding is on the safe side: movements are rounded up (the computed distance
 * errs by less than (d + 4) 2^-52 of itself; KM_BOUNDS_LEAST covers squares
 * that underflow), sums and limits as well, bounds down.  A row without a
 * promise has a gap of 0, so its bound is below the limit, and it fails in
 * every pass.
 */
#include "core/bounds.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/kernel.h"
#include "core/simd.h"

#define BOUNDS_LEAST	0x1p-90
#define BOUNDS_LANES	16		/* floats in the widest vector */

/* the sum of two floats errs by less than is taken off */
static inline float
bounds_of(float limit, float gap)
{
	float		bound = (gap + limit) * (1 - 0x1p-22f);

	return bound < FLT_MAX ? bound : FLT_MAX;
}

#if defined(__x86_64__)

/* km_bounds_failing() of whole vectors of rows; few limits stay in registers */
__attribute__((target("avx512f,avx512dq,avx512vl"))) static int
bounds_failing_wide(const KmBounds *bounds, const uint16_t *label, const float *bound,
					int n, int32_t *pick)
{
	const float *limit = bounds->limit;
	uint32_t	some = bounds->k < 2 * BOUNDS_LANES ? (UINT32_C(1) << bounds->k) - 1 : UINT32_MAX;
	__m512		low = _mm512_maskz_loadu_ps((__mmask16) some, limit);
	__m512		high = _mm512_maskz_loadu_ps((__mmask16) (some >> BOUNDS_LANES),
											 limit + BOUNDS_LANES);
	__m512i		place = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	int			failing = 0;

	for (int i = 0; i < n; i += BOUNDS_LANES)
	{
		__m512i		own = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *) (label + i)));
		__m512		most = bounds->k <= 2 * BOUNDS_LANES ?
			_mm512_permutex2var_ps(low, own, high) : _mm512_i32gather_ps(own, limit, 4);
		__mmask16	fails = _mm512_cmp_ps_mask(most, _mm512_loadu_ps(bound + i), _CMP_NLT_UQ);

		_mm512_storeu_si512(pick + failing, _mm512_maskz_compress_epi32(fails, place));
		failing += __builtin_popcount(fails);
		place = _mm512_add_epi32(place, _mm512_set1_epi32(BOUNDS_LANES));
	}
	return failing;
}

#endif

KmBounds *
km_bounds_create(KmTeam *team, const double *centroids, int k, int d)
{
	KmBounds   *bounds = km_team_alloc(team, 1, sizeof(KmBounds));
	size_t		cells = (size_t) k * d;

	bounds->team = team;
	bounds->k = k;
	bounds->d = d;
	bounds->wide = km_simd_of(team) == KM_SIMD_AVX512;
	bounds->centroids = km_team_alloc(team, cells, sizeof(double));
	bounds->drift = km_team_alloc(team, (size_t) k, sizeof(double));
	bounds->limit = km_team_alloc(team, (size_t) k, sizeof(float));
	memcpy(bounds->centroids, centroids, cells * sizeof(double));
	for (int j = 0; j < k; j++)
	{
		bounds->drift[j] = 0;
		bounds->limit[j] = 0;
	}
	return bounds;
}

void
km_bounds_free(KmBounds *bounds)
{
	KmTeam	   *team = bounds->team;

	km_team_release(team, bounds->limit);
	km_team_release(team, bounds->drift);
	km_team_release(team, bounds->centroids);
	km_team_release(team, bounds);
}

void
km_bounds_move(KmBounds *bounds, const double *centroids, double unit)
{
	int			k = bounds->k;
	int			d = bounds->d;
	double		up = 1 + 0x1p-50 * (d + 8);
	double	   *moved = km_team_alloc(bounds->team, (size_t) k, sizeof(double));
	double		most = 0;
	double		next = 0;
	int			farthest = 0;

	for (int j = 0; j < k; j++)
	{
		size_t		cell = (size_t) j * d;
		double		dist2 = km_kernel_dist2(bounds->centroids + cell, centroids + cell, d);

		moved[j] = sqrt(dist2) * unit * up + BOUNDS_LEAST;
		if (moved[j] > most)
		{
			next = most;
			most = moved[j];
			farthest = j;
		}
		else if (moved[j] > next)
			next = moved[j];
		if (j % 64 == 0)
			km_team_check(bounds->team);
	}
	for (int j = 0; j < k; j++)
	{
		bounds->drift[j] = (bounds->drift[j] + moved[j] * up +
							(j == farthest ? next : most)) * (1 + 0x1p-50);
		bounds->limit[j] = (float) (bounds->drift[j] * (1 + 0x1p-22));
	}
	memcpy(bounds->centroids, centroids, (size_t) k * d * sizeof(double));
	km_team_release(bounds->team, moved);
}

int
km_bounds_failing(const KmBounds *bounds, const KmChunk *chunk, int64_t start,
				  int n, int32_t *pick)
{
	const uint16_t *label = chunk->label + start;
	const float *bound = chunk->bound + start;
	const float *limit = bounds->limit;
	int			failing = 0;
	int			i = 0;

#if defined(__x86_64__)
	if (bounds->wide)
	{
		i = n / BOUNDS_LANES * BOUNDS_LANES;
		failing = bounds_failing_wide(bounds, label, bound, i, pick);
	}
#endif
	/* without a branch, which could not be foreseen */
	for (; i < n; i++)
	{
		pick[failing] = i;
		failing += !(limit[label[i]] < bound[i]);
	}
	return failing;
}

void
km_bounds_set(const KmBounds *bounds, KmChunk *chunk, int64_t start,
			  const int32_t *pick, int n, const uint16_t *label, const float *gap)
{
	float	   *bound = chunk->bound + start;
	const float *limit = bounds->limit;

	if (pick == NULL)
		for (int i = 0; i < n; i++)
			bound[i] = bounds_of(limit[label[i]], gap[i]);
	else
		for (int i = 0; i < n; i++)
			bound[pick[i]] = bounds_of(limit[label[i]], gap[i]);
}
