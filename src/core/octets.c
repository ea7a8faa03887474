/*
 * octets.c
 *		Rows in whole numbers of 8 bits.
 *
 * A row is centred as floats, for which it is read once; its numbers follow from
 * the largest of them.  Those of KM_OCTETS_LANES rows are then turned, four
 * features together, so that they fill cache lines of the tile.
 */
#include "core/octets.h"

#include <math.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define OCTETS_LINE		64
#define OCTETS_NARROW	0x1p-12 /* the square of how far the centre may be moved */

/* bytes in whole cache lines */
static inline size_t
octets_lines(size_t n, size_t size)
{
	return (n * size + OCTETS_LINE - 1) / OCTETS_LINE * OCTETS_LINE;
}

KmOctets *
km_octets_create(KmTeam *team, int d, int lanes)
{
	KmOctets   *octets = km_team_alloc(team, 1, sizeof(KmOctets));
	size_t		quads = ((size_t) d + 3) / 4;
	size_t		padded = ((size_t) d + KM_OCTETS_PADDED - 1) /
		KM_OCTETS_PADDED * KM_OCTETS_PADDED;
	size_t		tile = octets_lines(quads * lanes, sizeof(int32_t));
	size_t		row = octets_lines(padded, sizeof(float));
	char	   *room;

	octets->team = team;
	octets->d = d;
	octets->quads = (int) quads;
	octets->padded = (int) padded;
	octets->lanes = lanes;
	octets->middle = km_team_alloc(team, d, sizeof(double));
	octets->narrow = km_team_alloc(team, d, sizeof(float));
	octets->room = km_team_alloc(team, OCTETS_LINE + tile + row +
								 KM_OCTETS_LANES * padded, 1);
	room = km_octets_align(octets->room);
	octets->tile = (int32_t *) room;
	octets->row = (float *) (room + tile);
	octets->bytes = (int8_t *) (room + tile + row);
	return octets;
}

void
km_octets_free(KmOctets *octets)
{
	KmTeam	   *team = octets->team;

	km_team_release(team, octets->room);
	km_team_release(team, octets->narrow);
	km_team_release(team, octets->middle);
	km_team_release(team, octets);
}

void
km_octets_set(KmOctets *octets, const double *centre, double unit)
{
	double		moved = 0;

	octets->unit = unit;
	for (int t = 0; t < octets->d; t++)
	{
		octets->middle[t] = centre[t] * unit;
		octets->narrow[t] = (float) octets->middle[t];
		moved += (octets->narrow[t] - octets->middle[t]) *
			(octets->narrow[t] - octets->middle[t]);
	}
	octets->is_narrow = moved <= OCTETS_NARROW && unit >= 0x1p-100 && unit <= 0x1p100;
	for (int t = 0; t < octets->d && octets->is_narrow; t++)
		octets->middle[t] = octets->narrow[t];
}

#if defined(__x86_64__)

#define OCTETS_TARGET __attribute__((target("avx512f,avx512dq,avx512vl,fma")))
#define OCTETS_INLINE OCTETS_TARGET static inline __attribute__((always_inline))

/* features t .. t + 15 of a row, or as many as there are, then zeros: centred */
OCTETS_INLINE __m512
octets_load(const KmOctets *octets, const KmScoreRows *rows, size_t at, int t,
			const bool narrow)
{
	int			left = octets->d - t;
	__mmask16	mask = left >= KM_OCTETS_LANES ? 0xffff :
		left > 0 ? (__mmask16) ((1 << left) - 1) : 0;
	__mmask8	low = (__mmask8) mask;
	__mmask8	high = (__mmask8) (mask >> 8);
	__m512d		unit = _mm512_set1_pd(octets->unit);
	__m512d		a;
	__m512d		b;

	if (narrow)
		return _mm512_fmsub_ps(_mm512_maskz_loadu_ps(mask, rows->floats + at + t),
							   _mm512_set1_ps((float) octets->unit),
							   _mm512_maskz_loadu_ps(mask, octets->narrow + t));
	if (rows->floats != NULL)
	{
		__m512		x = _mm512_maskz_loadu_ps(mask, rows->floats + at + t);

		a = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
		b = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
	}
	else
	{
		a = _mm512_maskz_loadu_pd(low, rows->doubles + at + t);
		b = _mm512_maskz_loadu_pd(high, rows->doubles + at + t + 8);
	}
	a = _mm512_fmsub_pd(a, unit, _mm512_maskz_loadu_pd(low, octets->middle + t));
	b = _mm512_fmsub_pd(b, unit, _mm512_maskz_loadu_pd(high, octets->middle + t + 8));
	return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(a)),
							  _mm512_cvtpd_ps(b), 1);
}

/* |x|^2, and the largest magnitude; four vectors at a time, in as many chains */
OCTETS_INLINE float
octets_loads(const KmOctets *octets, const KmScoreRows *rows, int i, float *largest,
			 const bool narrow)
{
	size_t		at = (size_t) km_score_place(rows, i) * octets->d;
	__m512		most[4];
	__m512		norm2[4];

#pragma GCC unroll 4
	for (int v = 0; v < 4; v++)
		most[v] = norm2[v] = _mm512_setzero_ps();
	for (int t = 0; t < octets->padded; t += KM_OCTETS_PADDED)
#pragma GCC unroll 4
		for (int v = 0; v < 4; v++)
		{
			__m512		x = octets_load(octets, rows, at, t + v * KM_OCTETS_LANES, narrow);

			_mm512_store_ps(octets->row + t + v * KM_OCTETS_LANES, x);
			most[v] = _mm512_max_ps(most[v], _mm512_abs_ps(x));
			norm2[v] = _mm512_fmadd_ps(x, x, norm2[v]);
		}
	*largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(most[0], most[1]),
												  _mm512_max_ps(most[2], most[3])));
	return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(norm2[0], norm2[1]),
											  _mm512_add_ps(norm2[2], norm2[3])));
}

/* row i, centred, into octets->row; returns |x|^2 */
OCTETS_TARGET float
km_octets_row(const KmOctets *octets, const KmScoreRows *rows, int i, float *largest)
{
	return rows->floats != NULL && octets->is_narrow ?
		octets_loads(octets, rows, i, largest, true) :
		octets_loads(octets, rows, i, largest, false);
}

/* the row there, rounded, into `bytes`; returns |r|^2 */
OCTETS_TARGET static float
octets_round(const KmOctets *octets, float step, int8_t *bytes)
{
	const __m512 steps = _mm512_set1_ps(1 / step);
	const __m512 back = _mm512_set1_ps(step);
	__m512		rest2[4];

#pragma GCC unroll 4
	for (int v = 0; v < 4; v++)
		rest2[v] = _mm512_setzero_ps();
	for (int t = 0; t < octets->padded; t += KM_OCTETS_PADDED)
#pragma GCC unroll 4
		for (int v = 0; v < 4; v++)
		{
			__m512		x = _mm512_load_ps(octets->row + t + v * KM_OCTETS_LANES);
			__m512i		whole = _mm512_cvtps_epi32(_mm512_mul_ps(x, steps));
			__m512		rest = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(whole), back, x);

			rest2[v] = _mm512_fmadd_ps(rest, rest, rest2[v]);
			_mm_store_si128((__m128i *) (bytes + t + v * KM_OCTETS_LANES),
							_mm_xor_si128(_mm512_cvtsepi32_epi8(whole),
										  _mm_set1_epi8((char) 0x80)));
		}
	return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(rest2[0], rest2[1]),
											  _mm512_add_ps(rest2[2], rest2[3])));
}

/*
 * Eight quads of 16 rows, turned: row i is in the half i / 8 of turn[i % 8];
 * afterwards turn[q] holds quad q of all rows.
 */
OCTETS_INLINE void
octets_turn(__m512i *turn)
{
	const __m512i even = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
	const __m512i odd = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
	__m512i		two[8];
	__m512i		four[8];

#pragma GCC unroll 8
	for (int i = 0; i < 8; i += 2)
	{
		two[i] = _mm512_unpacklo_epi32(turn[i], turn[i + 1]);
		two[i + 1] = _mm512_unpackhi_epi32(turn[i], turn[i + 1]);
	}
#pragma GCC unroll 8
	for (int i = 0; i < 8; i += 4)
	{
		four[i] = _mm512_unpacklo_epi64(two[i], two[i + 2]);
		four[i + 1] = _mm512_unpackhi_epi64(two[i], two[i + 2]);
		four[i + 2] = _mm512_unpacklo_epi64(two[i + 1], two[i + 3]);
		four[i + 3] = _mm512_unpackhi_epi64(two[i + 1], two[i + 3]);
	}
#pragma GCC unroll 8
	for (int i = 0; i < 4; i++)
	{
		turn[i] = _mm512_permutex2var_epi64(four[i], even, four[i + 4]);
		turn[i + 4] = _mm512_permutex2var_epi64(four[i], odd, four[i + 4]);
	}
}

/* 16 rows into lanes lane .. lane + 15; the last of n is repeated */
OCTETS_TARGET static void
octets_fill(KmOctets *octets, const KmScoreRows *rows, int n, int lane)
{
	int			padded = octets->padded;

	for (int i = lane; i < lane + KM_OCTETS_LANES; i++)
	{
		float		largest;
		float		rest2;
		float		rest;

		octets->norm2[i] = km_octets_row(octets, rows, i < n ? i : n - 1, &largest);
		/* a little larger, so that no quotient exceeds KM_OCTETS_LARGEST */
		octets->step[i] = fmaxf(largest * ((1 + 0x1p-20f) / KM_OCTETS_LARGEST), 0x1p-100f);
		rest2 = octets_round(octets, octets->step[i], octets->bytes + (i - lane) * padded);
		rest = sqrtf(rest2) * (1 + 0x1p-10f) + 0x1p-60f;
		octets->length[i] = sqrtf(octets->norm2[i]) * (1 + 0x1p-10f) + rest;
		octets->rest[i] = rest;
	}
	for (int t = 0; t < padded; t += 32)
	{
		__m512i		turn[8];

#pragma GCC unroll 8
		for (int i = 0; i < 8; i++)
		{
			const int8_t *from = octets->bytes + i * padded + t;

			turn[i] = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_load_si256((const __m256i *) from)),
										 _mm256_load_si256((const __m256i *) (from + 8 * padded)), 1);
		}
		octets_turn(turn);
		for (int q = 0; q < 8 && t / 4 + q < octets->quads; q++)
			_mm512_store_si512(octets->tile + (size_t) (t / 4 + q) * octets->lanes + lane, turn[q]);
	}
}

int
km_octets_fill(KmOctets *octets, const KmScoreRows *rows, int n)
{
	int			used = (n + KM_OCTETS_LANES - 1) / KM_OCTETS_LANES * KM_OCTETS_LANES;

	for (int lane = 0; lane < used; lane += KM_OCTETS_LANES)
		octets_fill(octets, rows, n, lane);
	return used;
}

#endif
