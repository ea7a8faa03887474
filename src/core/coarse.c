/*
 * coarse.c
 *		The search for the nearest centroid in whole numbers of 8 bits, and among
 *		the few that are left in floats.
 *
 * As in score.c let x = (row - centre) * unit and c = (centroid - centre) *
 * unit; wanted is the least s = |c|^2 / 2 - x.c.  Row and centroid are each
 * rounded to multiples of a step of their own,
 *
 *		x = X + r,	X = p g		p whole numbers up to 127, g a float
 *		c = C + q,	C = o f		likewise
 *
 * so that X.C = g f (p.o).  Instructions made for it (AVX-512 VNNI) add up four
 * times as many such products as others do of floats, and exactly: 32 bits hold
 * the sum, up to 2^15 d.  They take the numbers of one side without a sign; so
 * that is p + 128, and the sum begins with -128 times that of o.
 *
 * The first lemma.  By Cauchy's inequality
 *
 *		|x.c - X.C| = |X.q + r.c|  <=  |X| |q| + |r| |c|
 *
 * which is known well: |r| and |x| are summed for every row, |q| and |c| for
 * every centroid.  With u = 2^-24 and h = |c|^2 / 2, a computed score t = h - g
 * (f (p.o)) errs by less than 4 u |X| |C| + 2 u h besides, and the x summed here
 * is off by u |x|, which moves x.c by u |x| |c|.  Let
 *
 *		E = |X| (|q| + 2^-20 (|c| + |q|)) + (|r| + 2^-22 L) |c|
 *
 * L being the greatest |c|, so that L |c| >= 2 h.  As |C| <= |c| + |q|, this
 * leaves 8 u |X| |C| and 5 u h for the roundings of l and v,
 *
 *		l = t - E  <=  s  <=  v = 2 t - l
 *
 * which are under 3 u (|X| |C| + h + E), and the factors of E that belong to a
 * centroid are taken up by 2^-12 of themselves for what is said about E.  |X| is
 * taken as |x| + |r|, and lengths are taken up by 2^-10 of themselves for the up
 * to d + 2 roundings of their squares, plus 2^-60 for what underflows.
 *
 * So the nearest centroid is among the candidates: those with an l up to V, the
 * least v.  For most rows that is one centroid.  Each centroid's own lengths
 * matter: of data with outliers, one cluster may be far from all others.
 *
 * The second lemma.  Where there are several, their scores t' are taken from
 * floats, products being summed in vectors of 16.  No number goes through more
 * than d / 16 + 8 roundings, x and c are each rounded by u
 * of themselves, and h and t' once, which is all within
 *
 *		E' = (d / 16 + 16) u |x| |c| + 2^-22 L |c|
 *
 * and leaves u (|x| |c| + h) for the roundings of l' = t' - E' and v' = t' + E'.
 *
 * Let a be the only candidate, and high = V; or the one with the least t', and
 * high = v' of it.  Let low be the least of the l of all centroids that are no
 * candidates, and the l' of the other candidates.  Then for all j but a
 *
 *		|x - c_a|^2  <=  |x|^2 + 2 high,		|x|^2 + 2 low  <=  |x - c_j|^2
 *
 * The difference of the roots, wherever it is positive, falls as |x| grows, so
 * |x|^2 may be taken too large: as the sum of squares of x, and (d /
 * 16 + 16) u of it.  The gap follows as in score.c, with the same
 * margins.
 *
 * Whatever is too large turns up in |x| or E as an infinity or a NaN, so that
 * no v is finite, or the gap is not > 0.
 *
 * Rows lie in a tile of KmOctets.  Centroids are packed in groups of
 * COARSE_GROUP, four features of each after the other; and once more as floats.
 * They pass by the tile in blocks of COARSE_BLOCK, of which all l are kept until
 * the block's least v is known.
 */
#include "core/coarse.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/octets.h"
#include "core/simd.h"

#define COARSE_MIN_D	64
#define COARSE_MIN_K	16
#define COARSE_GROUP	6		/* centroids in a step, */
#define COARSE_ROWS		4		/* and vectors of rows */
#define COARSE_BLOCK	(32 * COARSE_GROUP)	/* centroids between two sweeps */
#define COARSE_LIST		16		/* candidates of a row, at most */
#define COARSE_MOST		0x1p100 /* the largest |c|^2, as in score.c */
#define COARSE_CHECK_WORK (1 << 23)	/* multiplications between checks */

/* what scores and their bounds need of a centroid besides its numbers */
typedef struct CoarseCentroid
{
	float		half;			/* h = |c|^2 / 2; Infinity for padding */
	float		step;			/* f */
	float		length;			/* |c|, */
	float		rest;			/* and |q| + 2^-20 (|c| + |q|), taken up */
	int32_t		start;			/* -128 times the sum of o */
} CoarseCentroid;

/* the centroids that may be nearest to a row */
typedef struct CoarseList
{
	int			n;				/* over COARSE_LIST: too many */
	int32_t		place[COARSE_LIST];
	float		low[COARSE_LIST];	/* l */
} CoarseList;

struct KmCoarse
{
	KmTeam	   *team;
	int			d;
	int			k;
	size_t		work;			/* multiplications since the last check */
	KmOctets   *octets;			/* the rows */
	float		longest;		/* L */
	CoarseCentroid *centroid;	/* in groups */
	int32_t    *packed;			/* in groups, four numbers of each centroid */
	void	   *room;			/* where these were allocated, aligned to cache lines: */
	float	   *low;			/* COARSE_BLOCK x lanes: l */
	float	   *exact;			/* k x padded: c */

	/* per lane */
	float		rest[KM_SCORE_ROWS];	/* |r| + 2^-22 L */
	float		high[KM_SCORE_ROWS];	/* V */
	float		other[KM_SCORE_ROWS];	/* the least l of those not in the list */
	CoarseList	list[KM_SCORE_ROWS];
};

KmCoarse *
km_coarse_create(KmTeam *team, int d, int max_k, int lanes)
{
	KmCoarse   *coarse = km_team_alloc(team, 1, sizeof(KmCoarse));
	KmOctets   *octets = km_octets_create(team, d, lanes);
	size_t		most = (size_t) max_k + COARSE_GROUP;
	size_t		low = (size_t) COARSE_BLOCK * lanes;

	coarse->team = team;
	coarse->d = d;
	coarse->k = 0;
	coarse->work = 0;
	coarse->octets = octets;
	coarse->centroid = km_team_alloc(team, most, sizeof(CoarseCentroid));
	coarse->packed = km_team_alloc(team, most * octets->quads, sizeof(int32_t));
	coarse->room = km_team_alloc(team, low + most * octets->padded, sizeof(float));
	coarse->low = (float *) km_octets_align(coarse->room);
	coarse->exact = coarse->low + low;
	return coarse;
}

void
km_coarse_free(KmCoarse *coarse)
{
	KmTeam	   *team = coarse->team;

	km_team_release(team, coarse->room);
	km_team_release(team, coarse->packed);
	km_team_release(team, coarse->centroid);
	km_octets_free(coarse->octets);
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

/* the factors of E */
static void
coarse_lengths(KmCoarse *coarse, CoarseCentroid *centroid, double length, double rest)
{
	length = length * (1 + 0x1p-10) + 0x1p-60;
	rest = rest * (1 + 0x1p-10) + 0x1p-60;
	centroid->length = (float) (length * (1 + 0x1p-12));
	centroid->rest = (float) ((rest + 0x1p-20 * (length + rest)) * (1 + 0x1p-12));
	coarse->longest = fmaxf(coarse->longest, centroid->length);
}

/* round a centroid, its numbers COARSE_GROUP quads apart; returns |c|^2 */
static double
coarse_pack(KmCoarse *coarse, const double *from, CoarseCentroid *centroid,
			int32_t *packed, float *exact)
{
	const KmOctets *octets = coarse->octets;
	double		largest = 0;
	double		norm2 = 0;
	double		rest2 = 0;
	int			sum = 0;

	for (int t = 0; t < coarse->d; t++)
	{
		double		c = from[t] * octets->unit - octets->middle[t];

		largest = fabs(c) > largest ? fabs(c) : largest;
		norm2 += c * c;
		exact[t] = (float) c;
	}
	memset(exact + coarse->d, 0, (octets->padded - coarse->d) * sizeof(float));
	centroid->half = (float) (norm2 / 2);
	centroid->step = (float) (largest / KM_OCTETS_LARGEST);
	for (int quad = 0; quad < octets->quads; quad++)
	{
		int8_t		numbers[4] = {0, 0, 0, 0};

		for (int t = 4 * quad; t < 4 * quad + 4 && t < coarse->d; t++)
		{
			double		c = from[t] * octets->unit - octets->middle[t];
			double		steps = centroid->step > 0 ? rint(c / centroid->step) : 0;
			double		rest;

			steps = steps > KM_OCTETS_LARGEST ? KM_OCTETS_LARGEST :
				steps > -KM_OCTETS_LARGEST ? steps : -KM_OCTETS_LARGEST;
			rest = c - steps * centroid->step;
			numbers[t % 4] = (int8_t) steps;
			sum += numbers[t % 4];
			rest2 += rest * rest;
		}
		memcpy(&packed[(size_t) quad * COARSE_GROUP], numbers, sizeof(numbers));
	}
	centroid->start = -128 * sum;
	coarse_lengths(coarse, centroid, sqrt(norm2), sqrt(rest2));
	return norm2;
}

bool
km_coarse_set(KmCoarse *coarse, const double *centroids, int k, const double *centre,
			  double unit)
{
	KmOctets   *octets = coarse->octets;
	bool		good = true;

	coarse->k = k;
	coarse->longest = 0;
	km_octets_set(octets, centre, unit);
	for (int first = 0; first < k; first += COARSE_GROUP)
	{
		int32_t    *packed = coarse->packed + (size_t) first * octets->quads;

		for (int c = 0; c < COARSE_GROUP; c++)
		{
			CoarseCentroid *centroid = &coarse->centroid[first + c];
			size_t		j = (size_t) first + c;

			if (first + c < k)
				good = coarse_pack(coarse, centroids + j * coarse->d, centroid, packed + c,
								   coarse->exact + j * octets->padded) <= COARSE_MOST && good;
			else
			{
				*centroid = (CoarseCentroid) {.half = INFINITY};
				for (int quad = 0; quad < octets->quads; quad++)
					packed[(size_t) quad * COARSE_GROUP + c] = 0;
			}
		}
		coarse_worked(coarse, (size_t) COARSE_GROUP * coarse->d * 4);
	}
	return good;
}

#if defined(__x86_64__)

#define COARSE_TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512vnni,fma")))
#define COARSE_INLINE COARSE_TARGET static inline __attribute__((always_inline))

bool
km_coarse_pays(const KmTeam *team, int d, int k)
{
	return d >= COARSE_MIN_D && k >= COARSE_MIN_K &&
		km_simd_of(team) == KM_SIMD_AVX512 && __builtin_cpu_supports("avx512vnni");
}

/* ---- Scores ---- */

/*
 * Per lane, sum += the products of two quads.  With the intrinsic for it GCC 12
 * copies every sum back and forth, which takes longer than to add to it.
 */
#define COARSE_ADD(sum, x, value) \
	__asm__ ("vpdpbusd %2, %1, %0" : "+v" (sum) : "v" (x), "v" (value))

/* `rows` vectors of rows against a group of centroids: l into `low`, and V */
COARSE_INLINE void
coarse_step(KmCoarse *coarse, int lane, int first, float *low, const int rows)
{
	const KmOctets *octets = coarse->octets;
	const int32_t *tile = octets->tile + lane;
	const int32_t *packed = coarse->packed + (size_t) first * octets->quads;
	const CoarseCentroid *centroid = coarse->centroid + first;
	__m512i		sum[COARSE_ROWS][COARSE_GROUP];

#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
		for (int c = 0; c < COARSE_GROUP; c++)
			sum[r][c] = _mm512_set1_epi32(centroid[c].start);
	for (int quad = 0; quad < octets->quads; quad++)
	{
		__m512i		x[COARSE_ROWS];

#pragma GCC unroll 8
		for (int r = 0; r < rows; r++)
			x[r] = _mm512_load_si512(tile + r * KM_OCTETS_LANES);
#pragma GCC unroll 8
		for (int c = 0; c < COARSE_GROUP; c++)
		{
			__m512i		value = _mm512_set1_epi32(packed[c]);

#pragma GCC unroll 8
			for (int r = 0; r < rows; r++)
				COARSE_ADD(sum[r][c], x[r], value);
		}
		tile += octets->lanes;
		packed += COARSE_GROUP;
	}
#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
	{
		int			at = lane + r * KM_OCTETS_LANES;
		__m512		step = _mm512_loadu_ps(octets->step + at);
		__m512		length = _mm512_loadu_ps(octets->length + at);
		__m512		rest = _mm512_loadu_ps(coarse->rest + at);
		__m512		high = _mm512_loadu_ps(coarse->high + at);

#pragma GCC unroll 8
		for (int c = 0; c < COARSE_GROUP; c++)
		{
			__m512		product = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[r][c]),
												_mm512_set1_ps(centroid[c].step));
			__m512		score = _mm512_fnmadd_ps(product, step,
												 _mm512_set1_ps(centroid[c].half));
			__m512		least = _mm512_fnmadd_ps(length, _mm512_set1_ps(centroid[c].rest), score);

			least = _mm512_fnmadd_ps(rest, _mm512_set1_ps(centroid[c].length), least);
			_mm512_store_ps(low + c * octets->lanes + at, least);
			/* in this order a NaN leaves it as it is */
			high = _mm512_min_ps(_mm512_fmsub_ps(_mm512_set1_ps(2), score, least), high);
		}
		_mm512_storeu_ps(coarse->high + at, high);
	}
}

COARSE_TARGET static void
coarse_steps(KmCoarse *coarse, int used, int first, float *low)
{
	int			lane = 0;

	for (; lane + COARSE_ROWS * KM_OCTETS_LANES <= used; lane += COARSE_ROWS * KM_OCTETS_LANES)
		coarse_step(coarse, lane, first, low, COARSE_ROWS);
	for (; lane < used; lane += KM_OCTETS_LANES)
		coarse_step(coarse, lane, first, low, 1);
}

/* ---- Candidates ---- */

/* forget those that have turned out to be none */
static void
coarse_trim(KmCoarse *coarse, int i)
{
	CoarseList *list = &coarse->list[i];
	int			n = 0;

	if (list->n > COARSE_LIST)
		return;
	for (int c = 0; c < list->n; c++)
		if (list->low[c] <= coarse->high[i])
		{
			list->place[n] = list->place[c];
			list->low[n++] = list->low[c];
		}
		else
			coarse->other[i] = fminf(coarse->other[i], list->low[c]);
	list->n = n;
}

static inline void
coarse_note(KmCoarse *coarse, int i, int j, float low)
{
	CoarseList *list = &coarse->list[i];

	if (list->n < COARSE_LIST)
	{
		list->place[list->n] = j;
		list->low[list->n] = low;
	}
	list->n += list->n <= COARSE_LIST;
}

/* the candidates among the centroids first .. last - 1, whose l are in coarse->low */
COARSE_TARGET static void
coarse_sweep(KmCoarse *coarse, int used, int first, int last)
{
	for (int lane = 0; lane < used; lane += KM_OCTETS_LANES)
	{
		const float *from = coarse->low + lane;
		__m512		high = _mm512_loadu_ps(coarse->high + lane);
		__m512		other = _mm512_loadu_ps(coarse->other + lane);

		for (int j = first; j < last; j++, from += coarse->octets->lanes)
		{
			__m512		low = _mm512_load_ps(from);
			__mmask16	near = _mm512_cmp_ps_mask(low, high, _CMP_LE_OQ);

			other = _mm512_mask_min_ps(other, (__mmask16) ~near, low, other);
			for (unsigned left = near; left != 0; left &= left - 1)
				coarse_note(coarse, lane + __builtin_ctz(left), j, from[__builtin_ctz(left)]);
		}
		_mm512_storeu_ps(coarse->other + lane, other);
	}
	for (int i = 0; i < used && first > 0; i++)
		coarse_trim(coarse, i);
}

/* x.c of the row in coarse->row and `many` centroids (1, 2 or 4), in four chains */
COARSE_INLINE void
coarse_products(const KmCoarse *coarse, const int32_t *place, float *product,
				const int many)
{
	const int	chains = 4 / many;
	__m512		sum[4];

#pragma GCC unroll 4
	for (int s = 0; s < 4; s++)
		sum[s] = _mm512_setzero_ps();
	for (int t = 0; t < coarse->octets->padded; t += chains * KM_OCTETS_LANES)
#pragma GCC unroll 4
		for (int s = 0; s < 4; s++)
		{
			int			at = t + s % chains * KM_OCTETS_LANES;
			const float *c = coarse->exact + (size_t) place[s / chains] * coarse->octets->padded;

			sum[s] = _mm512_fmadd_ps(_mm512_load_ps(coarse->octets->row + at),
									 _mm512_load_ps(c + at), sum[s]);
		}
#pragma GCC unroll 4
	for (int c = 0; c < many; c++)
	{
#pragma GCC unroll 4
		for (int s = 1; s < chains; s++)
			sum[c * chains] = _mm512_add_ps(sum[c * chains], sum[c * chains + s]);
		product[c] = _mm512_reduce_add_ps(sum[c * chains]);
	}
}

/*
 * The nearest of a row's candidates, by floats.  What bounds its score goes to
 * coarse->high and coarse->other.
 */
COARSE_TARGET static int
coarse_nearest(KmCoarse *coarse, const KmScoreRows *rows, int i)
{
	const CoarseList *list = &coarse->list[i];
	float		product[COARSE_LIST];
	float		largest;
	float		best = INFINITY;
	float		best_low = INFINITY;
	int			nearest = 0;
	float		error = sqrtf(km_octets_row(coarse->octets, rows, i, &largest)) * (1 + 0x1p-10f) *
		((coarse->d / KM_OCTETS_LANES + 16) * 0x1p-24f) + 0x1p-22f * coarse->longest;

	for (int c = 0, many; c < list->n; c += many)
	{
		many = list->n - c >= 4 ? 4 : list->n - c >= 2 ? 2 : 1;
		if (many == 4)
			coarse_products(coarse, list->place + c, product + c, 4);
		else if (many == 2)
			coarse_products(coarse, list->place + c, product + c, 2);
		else
			coarse_products(coarse, list->place + c, product + c, 1);
	}
	for (int c = 0; c < list->n; c++)
	{
		const CoarseCentroid *centroid = &coarse->centroid[list->place[c]];
		float		score = centroid->half - product[c];
		float		high = score + error * centroid->length;
		float		low = score - error * centroid->length;

		if (score < best)
		{
			/* the best so far becomes one of the others */
			coarse->other[i] = fminf(coarse->other[i], best_low);
			best = score;
			best_low = low;
			nearest = list->place[c];
			coarse->high[i] = high;
		}
		else
			coarse->other[i] = fminf(coarse->other[i], low);
	}
	return nearest;
}

/* the gap between |x|^2 + 2 high and |x|^2 + 2 low */
static float
coarse_gap(const KmCoarse *coarse, int i)
{
	float		up = 1 + 8 * 0x1p-24f + (float) ((coarse->d + 8) * 0x1p-51);
	float		norm2 = coarse->octets->norm2[i] *
		(1 + (coarse->d / KM_OCTETS_LANES + 16) * 0x1p-24f);
	float		high = (norm2 + 2 * coarse->high[i]) * (1 + 8 * 0x1p-24f) + 0x1p-64f;
	float		low = (norm2 + 2 * coarse->other[i]) * (1 - 8 * 0x1p-24f) - 0x1p-64f;

	return (sqrtf(low) - sqrtf(high) * up) * (1 - 0x1p-22f);
}

bool
km_coarse_rows(KmCoarse *coarse, const KmScoreRows *rows, int n, int32_t *label,
			   float *gap, KmScoreAhead *ahead)
{
	int			used = km_octets_fill(coarse->octets, rows, n);
	bool		proven = true;

	for (int lane = 0; lane < used; lane++)
	{
		coarse->rest[lane] = coarse->octets->rest[lane] + 0x1p-22f * coarse->longest;
		coarse->high[lane] = INFINITY;
		coarse->other[lane] = INFINITY;
		coarse->list[lane].n = 0;
	}
	coarse_worked(coarse, (size_t) used * coarse->d * 8);
	for (int block = 0; block < coarse->k; block += COARSE_BLOCK)
	{
		int			last = coarse->k - block < COARSE_BLOCK ? coarse->k : block + COARSE_BLOCK;

		for (int first = block; first < last; first += COARSE_GROUP)
		{
			km_score_ask(ahead, ahead->n * COARSE_GROUP / coarse->k + 1, coarse->d);
			coarse_steps(coarse, used, first,
						 coarse->low + (size_t) (first - block) * coarse->octets->lanes);
			coarse_worked(coarse, (size_t) used * coarse->d * COARSE_GROUP);
		}
		coarse_sweep(coarse, used, block, last);
	}
	for (int i = 0; i < n; i++)
	{
		const CoarseList *list = &coarse->list[i];

		label[i] = list->place[0];
		gap[i] = 0;
		if (list->n > 1 && list->n <= COARSE_LIST)
			label[i] = coarse_nearest(coarse, rows, i);
		if (list->n > 0 && list->n <= COARSE_LIST)
			gap[i] = coarse_gap(coarse, i);
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
