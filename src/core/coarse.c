/*
 * coarse.c
 *		The search for the nearest centroid in whole numbers of 16 bits.
 *
 * As in score.c let x = (row - centre) * unit and c = (centroid - centre) *
 * unit; wanted is the least s = |c|^2 / 2 - x.c.  Row and centroid are each
 * rounded to multiples of a step of their own,
 *
 *		x = X + r,	X = p g		p whole numbers, g a float
 *		c = C + q,	C = o f		likewise
 *
 * so that X.C = g f (p.o).  Steps are chosen so that no number exceeds 16 bits,
 * and |p| and |o| are under 2^15.5.  Hence |p.o| < 2^31, by Cauchy's inequality:
 * 32 bits hold the sum, and on the way to it may overflow as they like.
 * Instructions made for it (AVX-512 VNNI) add up twice as many such products as
 * others do of floats, and exactly.
 *
 * The lemma.  By Cauchy's inequality again
 *
 *		|x.c - X.C| = |X.q + r.c|  <=  |X| |q| + |r| |c|
 *
 * which is known well: |r| and |x| are summed for every row, |q| and |c| for
 * every centroid, and of the latter the largest are taken, Q and L.  With u =
 * 2^-24, a computed score t = h - g (f (p.o)) errs by less than 4 u |X| |C| +
 * 2 u h besides, and the x summed here is off by u |x|, which moves x.c by u |x|
 * |c|.  As |C| <= |c| + |q|, all that is within
 *
 *		E = (|X| Q + |r| L) (1 + 2^-12) + 2^-20 (|X| (L + Q) + L^2)
 *
 * where 2^-12 and 2^-20 = 16 u leave room for the rounding of E itself, |X| is
 * taken as |x| + |r|, and lengths are taken up by 2^-10 of themselves for the up
 * to d + 2 roundings of their squares, plus 2^-60 for what underflows.
 *
 * Let a be the centroid of the least t, t2 the second least t, and N the sum of
 * squares of x, off by less than e = 2 (d + 8) u of itself, with as much to
 * spare.  Then all other c_j being compared,
 *
 *		|x - c_a|^2  <=  hi = N (1 + e) + 2 (t_a + E)
 *		|x - c_j|^2  >=  lo = N (1 - e) + 2 (t2 - E)
 *
 * and the gap follows from lo and hi as in score.c, with the same margins.
 * Whatever is too large turns up in N or E as an infinity or a NaN, and so does
 * the gap: it is not > 0.
 *
 * A tile holds up to 64 rows, two features of a row in one lane of 32 bits:
 *
 *		tile[(t / 2) * lanes + i]	features t and t + 1 of row i
 *
 * Centroids are packed in groups of COARSE_GROUP, two features of each after the
 * other.
 */
#include "core/coarse.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/simd.h"

#define COARSE_MIN_D	64
#define COARSE_MIN_K	16
#define COARSE_GROUP	6		/* centroids in a step, */
#define COARSE_ROWS		4		/* and vectors of rows */
#define COARSE_LANES	16		/* rows in a vector */
#define COARSE_LARGEST	32767	/* of the whole numbers; */
#define COARSE_LENGTH	46200	/* of their vectors, and 2^15.5 is 46,340: rounding
								 * adds at most half the root of d */
#define COARSE_MOST		0x1p100 /* the largest |c|^2, as in score.c */
#define COARSE_LINE		64
#define COARSE_CHECK_WORK (1 << 23)	/* multiplications between checks */

/* what a score needs of a centroid besides its numbers */
typedef struct CoarseCentroid
{
	float		half;			/* h = |c|^2 / 2; Infinity for padding */
	float		step;			/* f */
} CoarseCentroid;

struct KmCoarse
{
	KmTeam	   *team;
	int			d;
	int			pairs;			/* d / 2, rounded up */
	int			k;
	int			lanes;			/* of a full tile */
	size_t		work;			/* multiplications since the last check */
	double	   *middle;			/* d: the centre times unit */
	double		unit;
	float		longest;		/* L */
	float		worst;			/* Q */
	CoarseCentroid *centroid;	/* in groups */
	int32_t    *packed;			/* in groups, two numbers of each centroid */
	float	   *row;			/* COARSE_LANES x padded: rows, centred */
	size_t		padded;			/* d in whole vectors */
	void	   *room;			/* where the tile was allocated */
	int32_t    *tile;			/* pairs x lanes, aligned to a cache line */

	/* per lane */
	float		norm2[KM_SCORE_ROWS];
	float		rest2[KM_SCORE_ROWS];	/* |r|^2 */
	float		step[KM_SCORE_ROWS];	/* g, */
	float		steps[KM_SCORE_ROWS];	/* and 1 / g */
	float		best[KM_SCORE_ROWS];
	float		second[KM_SCORE_ROWS];
	float		index[KM_SCORE_ROWS];
};

KmCoarse *
km_coarse_create(KmTeam *team, int d, int max_k, int lanes)
{
	KmCoarse   *coarse = km_team_alloc(team, 1, sizeof(KmCoarse));
	size_t		pairs = ((size_t) d + 1) / 2;
	size_t		padded = (size_t) max_k + COARSE_GROUP;

	coarse->team = team;
	coarse->d = d;
	coarse->pairs = (int) pairs;
	coarse->k = 0;
	coarse->lanes = lanes;
	coarse->work = 0;
	coarse->middle = km_team_alloc(team, d, sizeof(double));
	coarse->centroid = km_team_alloc(team, padded, sizeof(CoarseCentroid));
	coarse->packed = km_team_alloc(team, padded * pairs, sizeof(int32_t));
	coarse->padded = ((size_t) d + COARSE_LANES - 1) / COARSE_LANES * COARSE_LANES;
	coarse->row = km_team_alloc(team, COARSE_LANES * coarse->padded, sizeof(float));
	coarse->room = km_team_alloc(team, pairs * lanes * sizeof(int32_t) + COARSE_LINE, 1);
	coarse->tile = (int32_t *) ((char *) coarse->room + COARSE_LINE -
								(uintptr_t) coarse->room % COARSE_LINE);
	return coarse;
}

void
km_coarse_free(KmCoarse *coarse)
{
	KmTeam	   *team = coarse->team;

	km_team_release(team, coarse->room);
	km_team_release(team, coarse->row);
	km_team_release(team, coarse->packed);
	km_team_release(team, coarse->centroid);
	km_team_release(team, coarse->middle);
	km_team_release(team, coarse);
}

static void
coarse_worked(KmCoarse *coarse, size_t work)
{
	coarse->work += work;
	if (coarse->work >= COARSE_CHECK_WORK)
	{
		coarse->work = 0;
		km_team_check(coarse->team);
	}
}

/* round a centroid, its pairs COARSE_GROUP apart; returns |c|^2 */
static double
coarse_pack(KmCoarse *coarse, const double *c, CoarseCentroid *centroid,
			int32_t *packed)
{
	double		largest = 0;
	double		norm2 = 0;
	double		rest2 = 0;

	for (int t = 0; t < coarse->d; t++)
	{
		double		value = c[t] * coarse->unit - coarse->middle[t];

		largest = fabs(value) > largest ? fabs(value) : largest;
		norm2 += value * value;
	}
	centroid->half = (float) (norm2 / 2);
	centroid->step = (float) fmax(largest / COARSE_LARGEST, sqrt(norm2) / COARSE_LENGTH);
	for (int pair = 0; pair < coarse->pairs; pair++)
	{
		int16_t		numbers[2] = {0, 0};

		for (int t = 2 * pair; t < 2 * pair + 2 && t < coarse->d; t++)
		{
			double		value = c[t] * coarse->unit - coarse->middle[t];
			double		steps = centroid->step > 0 ? rint(value / centroid->step) : 0;
			double		rest;

			steps = steps > COARSE_LARGEST ? COARSE_LARGEST :
				steps > -COARSE_LARGEST ? steps : -COARSE_LARGEST;
			rest = value - steps * centroid->step;
			numbers[t % 2] = (int16_t) steps;
			rest2 += rest * rest;
		}
		memcpy(&packed[(size_t) pair * COARSE_GROUP], numbers, sizeof(numbers));
	}
	coarse->longest = fmaxf(coarse->longest, (float) (sqrt(norm2) * (1 + 0x1p-10)));
	coarse->worst = fmaxf(coarse->worst, (float) (sqrt(rest2) * (1 + 0x1p-10) + 0x1p-60));
	return norm2;
}

bool
km_coarse_set(KmCoarse *coarse, const double *centroids, int k, const double *centre,
			  double unit)
{
	bool		good = true;

	coarse->k = k;
	coarse->unit = unit;
	coarse->longest = 0;
	coarse->worst = 0;
	for (int t = 0; t < coarse->d; t++)
		coarse->middle[t] = centre[t] * unit;
	for (int first = 0; first < k; first += COARSE_GROUP)
	{
		int32_t    *packed = coarse->packed + (size_t) first * coarse->pairs;

		for (int c = 0; c < COARSE_GROUP; c++)
		{
			CoarseCentroid *centroid = &coarse->centroid[first + c];

			if (first + c < k)
				good = coarse_pack(coarse, centroids + (size_t) (first + c) * coarse->d,
								   centroid, packed + c) <= COARSE_MOST && good;
			else
			{
				*centroid = (CoarseCentroid) {INFINITY, 0};
				for (int pair = 0; pair < coarse->pairs; pair++)
					packed[(size_t) pair * COARSE_GROUP + c] = 0;
			}
		}
		coarse_worked(coarse, (size_t) COARSE_GROUP * coarse->d * 4);
	}
	return good;
}

#if defined(__x86_64__)

#define COARSE_TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512vnni,fma")))

bool
km_coarse_pays(const KmTeam *team, int d, int k)
{
	return d >= COARSE_MIN_D && k >= COARSE_MIN_K &&
		km_simd_of(team) == KM_SIMD_AVX512 && __builtin_cpu_supports("avx512vnni");
}

/* features t .. t + 15 of a row, or as many as there are, then zeros: centred */
COARSE_TARGET static inline __attribute__((always_inline)) __m512
coarse_load(const KmCoarse *coarse, const KmScoreRows *rows, size_t at, int t)
{
	int			left = coarse->d - t;
	__mmask16	mask = left >= COARSE_LANES ? 0xffff : (__mmask16) ((1 << left) - 1);
	__mmask8	low = (__mmask8) mask;
	__mmask8	high = (__mmask8) (mask >> 8);
	__m512d		unit = _mm512_set1_pd(coarse->unit);
	__m512d		a;
	__m512d		b;

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
	a = _mm512_fmsub_pd(a, unit, _mm512_maskz_loadu_pd(low, coarse->middle + t));
	b = _mm512_fmsub_pd(b, unit, _mm512_maskz_loadu_pd(high, coarse->middle + t + 8));
	return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(a)),
							  _mm512_cvtpd_ps(b), 1);
}

/* a row, centred, into its place, and what follows from all of it */
COARSE_TARGET static void
coarse_centre(KmCoarse *coarse, const KmScoreRows *rows, int i, int lane)
{
	size_t		at = (size_t) rows->pick[i] * coarse->d;
	float	   *row = coarse->row + (size_t) (lane % COARSE_LANES) * coarse->padded;
	__m512		largest = _mm512_setzero_ps();
	__m512		norm2 = _mm512_setzero_ps();

	for (int t = 0; t < coarse->d; t += COARSE_LANES)
	{
		__m512		x = coarse_load(coarse, rows, at, t);

		_mm512_storeu_ps(row + t, x);
		largest = _mm512_max_ps(largest, _mm512_abs_ps(x));
		norm2 = _mm512_fmadd_ps(x, x, norm2);
	}
	coarse->norm2[lane] = _mm512_reduce_add_ps(norm2);
	coarse->step[lane] = fmaxf(fmaxf(_mm512_reduce_max_ps(largest) / COARSE_LARGEST,
									 sqrtf(coarse->norm2[lane]) / COARSE_LENGTH), 0x1p-100f);
}

/*
 * Eight pairs of 16 rows, turned: row i is in the half i / 8 of turn[i % 8];
 * afterwards turn[p] holds pair p of all rows.
 */
COARSE_TARGET static inline __attribute__((always_inline)) void
coarse_turn(__m512i *turn)
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

/* features t .. t + 15 of a centred row, rounded; what that leaves goes to rest2 */
COARSE_TARGET static inline __attribute__((always_inline)) __m256i
coarse_round(const KmCoarse *coarse, int lane, int t, __m512 *rest2)
{
	__m512		x = _mm512_loadu_ps(coarse->row +
									(size_t) (lane % COARSE_LANES) * coarse->padded + t);
	__m512		step = _mm512_set1_ps(coarse->step[lane]);
	__m512i		whole = _mm512_cvtps_epi32(_mm512_mul_ps(x, _mm512_set1_ps(coarse->steps[lane])));
	__m512		rest;

	whole = _mm512_min_epi32(whole, _mm512_set1_epi32(COARSE_LARGEST));
	whole = _mm512_max_epi32(whole, _mm512_set1_epi32(-COARSE_LARGEST));
	rest = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(whole), step, x);
	*rest2 = _mm512_fmadd_ps(rest, rest, *rest2);
	return _mm512_cvtepi32_epi16(whole);
}

/* 16 rows into lanes lane .. lane + 15; the last of n is repeated */
COARSE_TARGET static void
coarse_fill(KmCoarse *coarse, const KmScoreRows *rows, int n, int lane)
{
	__m512		rest2[COARSE_LANES];

	for (int i = 0; i < COARSE_LANES; i++)
	{
		coarse_centre(coarse, rows, lane + i < n ? lane + i : n - 1, lane + i);
		coarse->steps[lane + i] = 1 / coarse->step[lane + i];
		rest2[i] = _mm512_setzero_ps();
	}
	for (int t = 0; t < coarse->d; t += COARSE_LANES)
	{
		__m512i		turn[8];

#pragma GCC unroll 8
		for (int i = 0; i < 8; i++)
			turn[i] = _mm512_inserti64x4(_mm512_castsi256_si512(coarse_round(coarse, lane + i, t, &rest2[i])),
										 coarse_round(coarse, lane + i + 8, t, &rest2[i + 8]), 1);
		coarse_turn(turn);
		for (int p = 0; p < 8 && t / 2 + p < coarse->pairs; p++)
			_mm512_store_si512(coarse->tile + (size_t) (t / 2 + p) * coarse->lanes + lane, turn[p]);
	}
	for (int i = 0; i < COARSE_LANES; i++)
		coarse->rest2[lane + i] = _mm512_reduce_add_ps(rest2[i]);
}

/*
 * Per lane, sum += the products of two pairs.  With the intrinsic for it GCC 12
 * copies every sum back and forth, which takes longer than to add to it.
 */
#define COARSE_ADD(sum, x, value) \
	__asm__ ("vpdpwssd %2, %1, %0" : "+v" (sum) : "v" (x), "v" (value))

/* `rows` vectors of rows against a group of centroids */
COARSE_TARGET static inline __attribute__((always_inline)) void
coarse_step(KmCoarse *coarse, int lane, int first, const int rows)
{
	const int32_t *tile = coarse->tile + lane;
	const int32_t *packed = coarse->packed + (size_t) first * coarse->pairs;
	const CoarseCentroid *centroid = coarse->centroid + first;
	__m512i		sum[COARSE_ROWS][COARSE_GROUP];

#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
		for (int c = 0; c < COARSE_GROUP; c++)
			sum[r][c] = _mm512_setzero_si512();
	for (int pair = 0; pair < coarse->pairs; pair++)
	{
		__m512i		x[COARSE_ROWS];

#pragma GCC unroll 8
		for (int r = 0; r < rows; r++)
			x[r] = _mm512_load_si512(tile + r * COARSE_LANES);
#pragma GCC unroll 8
		for (int c = 0; c < COARSE_GROUP; c++)
		{
			__m512i		value = _mm512_set1_epi32(packed[c]);

#pragma GCC unroll 8
			for (int r = 0; r < rows; r++)
				COARSE_ADD(sum[r][c], x[r], value);
		}
		tile += coarse->lanes;
		packed += COARSE_GROUP;
	}
#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
	{
		int			at = lane + r * COARSE_LANES;
		__m512		step = _mm512_loadu_ps(coarse->step + at);
		__m512		best = _mm512_loadu_ps(coarse->best + at);
		__m512		second = _mm512_loadu_ps(coarse->second + at);
		__m512		index = _mm512_loadu_ps(coarse->index + at);

#pragma GCC unroll 8
		for (int c = 0; c < COARSE_GROUP; c++)
		{
			__m512		product = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[r][c]),
												_mm512_set1_ps(centroid[c].step));
			__m512		score = _mm512_fnmadd_ps(product, step,
												 _mm512_set1_ps(centroid[c].half));

			second = _mm512_min_ps(second, _mm512_max_ps(best, score));
			index = _mm512_mask_mov_ps(index, _mm512_cmp_ps_mask(score, best, _CMP_LT_OQ),
									   _mm512_set1_ps((float) (first + c)));
			best = _mm512_min_ps(best, score);
		}
		_mm512_storeu_ps(coarse->best + at, best);
		_mm512_storeu_ps(coarse->second + at, second);
		_mm512_storeu_ps(coarse->index + at, index);
	}
}

COARSE_TARGET static void
coarse_steps(KmCoarse *coarse, int used, int first)
{
	int			lane = 0;

	for (; lane + COARSE_ROWS * COARSE_LANES <= used; lane += COARSE_ROWS * COARSE_LANES)
		coarse_step(coarse, lane, first, COARSE_ROWS);
	for (; lane < used; lane += COARSE_LANES)
		coarse_step(coarse, lane, first, 1);
}

bool
km_coarse_rows(KmCoarse *coarse, const KmScoreRows *rows, int n, int32_t *label,
			   float *gap, KmScoreAhead *ahead)
{
	int			used = (n + COARSE_LANES - 1) / COARSE_LANES * COARSE_LANES;
	float		e = (coarse->d + 8) * 0x1p-23f;
	float		up = 1 + 8 * 0x1p-24f + (float) ((coarse->d + 8) * 0x1p-51);
	bool		proven = true;

	for (int lane = 0; lane < used; lane += COARSE_LANES)
		coarse_fill(coarse, rows, n, lane);
	for (int lane = 0; lane < used; lane++)
	{
		coarse->best[lane] = INFINITY;
		coarse->second[lane] = INFINITY;
		coarse->index[lane] = 0;
	}
	coarse_worked(coarse, (size_t) used * coarse->d * 8);
	for (int first = 0; first < coarse->k; first += COARSE_GROUP)
	{
		km_score_ask(ahead, ahead->n * COARSE_GROUP / coarse->k + 1, coarse->d);
		coarse_steps(coarse, used, first);
		coarse_worked(coarse, (size_t) used * coarse->d * COARSE_GROUP);
	}
	for (int i = 0; i < n; i++)
	{
		float		norm2 = coarse->norm2[i];
		float		rest = sqrtf(coarse->rest2[i]) * (1 + 0x1p-10f) + 0x1p-60f;
		float		length = sqrtf(norm2) * (1 + 0x1p-10f) + rest;
		float		error = (length * coarse->worst + rest * coarse->longest) * (1 + 0x1p-12f) +
			0x1p-20f * (length * (coarse->longest + coarse->worst) +
						coarse->longest * coarse->longest);
		float		high = norm2 * (1 + e) + 2 * (coarse->best[i] + error);
		float		low = norm2 * (1 - e) + 2 * (coarse->second[i] - error);

		high = high * (1 + 8 * 0x1p-24f) + 0x1p-64f;
		low = low * (1 - 8 * 0x1p-24f) - 0x1p-64f;
		label[i] = (int32_t) coarse->index[i];
		gap[i] = (sqrtf(low) - sqrtf(high) * up) * (1 - 0x1p-22f);
		proven = proven && gap[i] > 0;
	}
	return proven;
}

#else

bool
km_coarse_pays(const KmTeam *team, int d, int k)
{
	(void) team;
	(void) d;
	(void) k;
	return false;
}

bool
km_coarse_rows(KmCoarse *coarse, const KmScoreRows *rows, int n, int32_t *label,
			   float *gap, KmScoreAhead *ahead)
{
	(void) coarse;
	(void) rows;
	(void) label;
	(void) ahead;
	for (int i = 0; i < n; i++)
		gap[i] = 0;
	return false;
}

#endif
