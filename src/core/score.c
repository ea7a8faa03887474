/*
 * score.c
 *		The quick search for the nearest centroid: fused multiply-adds in one
 *		precision, with a proof for each row that it is right, or none.
 *
 * With x = (row - centre) * unit and c = (centroid - centre) * unit,
 *
 *		|x - c|^2 / unit^2 = |x|^2 + 2 s,	s = |c|^2 / 2 - x.c
 *
 * so the nearest centroid has the least score s, and a score takes one fused
 * multiply-add per feature.  Expanded like that, far from the origin all would
 * be lost to cancellation: the centre, which lies among the centroids, sees to
 * it that x and c are not much larger than their differences.  The unit brings
 * them near 1, so that nothing overflows in float.
 *
 * The lemma.  Let u be half the precision's epsilon and h = |c|^2 / 2.  Chains
 * of multiply-adds are broken after m = SCORE_CHAIN features and their sums
 * added up, so that no number goes through more than min(d, m) + d / m
 * roundings; let e be that, and 8 more, times u.  Taking away the centre and
 * rounding to the precision change a value by u (1 + 2^-28) of itself, rounding
 * h changes it by u of itself, and the chains (fused or not) err by no more
 * than (e - 7 u) (1 + e) times the sum of the magnitudes.  By Cauchy's
 * inequality and that of the means that sum is at most
 *
 *		h + |x| |c|  <=  h + |x|^2 / 2 + h
 *
 * Hence |computed s - s| <= e (|x|^2 / 2 + 2 h), with 3 u to spare.  One part
 * is the same for all centroids.  The other is taken off beforehand: chains
 * start from h (1 - 2 e), and yield a t with
 *
 *		t - e |x|^2 / 2  <=  s  <=  t + e |x|^2 / 2 + 4 e h
 *
 * Let a be the centroid of the least t, t2 the second least t, and N the
 * computed |x|^2, which errs by less than e N.  Then, all other c being c_j,
 *
 *		|x - c_a|^2		<=  N (1 + 3 e) + 2 t_a + 9 e h_a + tiny
 *		|x - c_j|^2		>=  lo = N (1 - 3 e) + 2 t2 - tiny
 *
 * where the 3 and 9 (for 2 and 8) pay for the rounding of such sums, and tiny
 * for what underflows.  h_a is at most |x|^2 + |x - c_a|^2, so
 *
 *		|x - c_a|^2		<=  hi = (N (1 + 12 e) + 2 t_a + tiny) (1 + 10 e)
 *
 * as long as e < 1/82.  The definition's own sums err by less than
 * (d + 3) 2^-53 of themselves, and by what underflows there, so the centroid
 * that it chooses is a as well if
 *
 *		gap = sqrt(lo) - sqrt(hi) * (1 + 8 u + (d + 8) 2^-51) > 0
 *
 * (8 u for the roots; lo is taken less 8 u of itself for the same reason.)
 * Everything that is too large, or lost, turns up as an infinity or NaN in N,
 * and makes the gap a NaN, which is not > 0: so comparisons below are written
 * that way round, and no minimum or maximum touches a NaN that matters.
 * Padding has t = Infinity; alone it makes the gap infinite, which is right.
 *
 * What underflows: with |c|^2 <= 2^100 and a finite |x|^2 < 2^128 (SCORE_MOST
 * and float's range), values lost under 2^-149 change a score by less than
 * 2^-70.  In double the same holds with room; there what the definition loses
 * is larger: d 2^-1074 / unit^2, which a unit <= 2^400 keeps under 2^-250.
 *
 * Any centre serves that is the same for rows and centroids.  In float it is
 * rounded to float, so that rows of floats lose it in one fused multiply-add.
 *
 * Rows are transposed into a tile, lane = row, as in kernel.c, in the score's
 * precision and with the centre taken off.  Centroids are packed in groups of
 * SCORE_GROUP, or as many as remain: first their h (1 - 2 e), then feature by
 * feature their -c.  With few features there is no tile: a group is one centroid,
 * and rows go from memory to registers, and stay there while all centroids pass
 * (score_low_body.h).
 *
 * The loops are in score_body.h, instantiated per instruction set and
 * precision.
 */
#include "core/score.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "core/simd.h"

#define SCORE_GROUP		6		/* centroids in a group, at most */
#define SCORE_ROWS		4		/* vectors of rows in a step, at most */
#define SCORE_AHEAD		2048	/* bytes in front of rows of few features that are asked for */
#define SCORE_LATER		32		/* rows later that are asked for while one is put there */
#define SCORE_SIDE_BY_SIDE 256	/* scattered rows of few features that are put so at once */
#define SCORE_LANES		16		/* numbers in the widest vector */
#define SCORE_CHAIN		128		/* features until a sum is put aside */
#define SCORE_TURN		16		/* features of a row at a time into the tile */
#define SCORE_MOST		0x1p100 /* the largest |c|^2 */
#define SCORE_LEAST_UNIT	0x1p-120	/* of floats */
#define SCORE_MOST_UNIT		0x1p120
#define SCORE_LINE		64		/* bytes of a cache line */
#define SCORE_CHECK_WORK (1 << 22)	/* multiply-adds between checks */

typedef struct KmScoreBody KmScoreBody;

/* arrays of unknown type are of the precision's */
struct KmScore
{
	KmTeam	   *team;
	const KmScoreBody *body;
	int			d;
	int			k;
	int			lanes;			/* of a full tile */
	size_t		work;			/* multiply-adds since the last check */
	double	   *middle;			/* d: the centre times unit, a float */
	double		unit;

	/* few features, if there is a body for them */
	bool		few;
	double	   *middles;		/* SCORE_LANES x d: middle again and again */
	float	   *less;			/* the same, negative */
	void	   *last;			/* room for the last rows: two vectors of them */

	void	   *packed;			/* the centroids in groups */
	void	   *room;			/* where the tile was allocated */
	void	   *tile;			/* d x lanes, aligned to a cache line; few features:
								 * SCORE_SIDE_BY_SIDE x d, of either size */
	double		norm2[KM_SCORE_ROWS];	/* room for either precision */
	double		best[KM_SCORE_ROWS];
	double		second[KM_SCORE_ROWS];
	double		index[KM_SCORE_ROWS];
};

struct KmScoreBody
{
	size_t		size;			/* of a number */
	bool		(*pack) (KmScore *score, const double *centroids);
	int			(*fill) (KmScore *score, const KmScoreRows *rows, int n);
	void		(*group) (KmScore *score, int used, const void *packed, int first,
						  int group);
	bool		(*finish) (const KmScore *score, int used, uint16_t *label, float *gap);
	bool		(*low) (KmScore *score, const KmScoreRows *rows, int n, uint16_t *label,
						float *gap);
};

static inline const char *score_row(const KmScoreRows *rows, int i, int d);
static bool score_few(KmScore *score, const KmScoreRows *rows, int n, uint16_t *label,
					  float *gap);
static void score_worked(KmScore *score, size_t work);

/* centroids in the group that starts with `first` */
static inline int
score_group(const KmScore *score, int first)
{
	int			left = score->k - first;

	if (score->few)
		return 1;
	return left > 4 ? SCORE_GROUP : left > 2 ? 4 : 2;
}

/* ---- The bodies ---- */

/*
 * The order in which few features come out of the vectors that hold rows one
 * after the other.
 */
static const uint8_t score_order[KM_SCORE_FEW + 1][KM_SCORE_FEW] = {
	{0}, {0}, {0, 1}, {0, 1, 2}, {0, 2, 1, 3}, {0, 1, 2, 3, 4}, {0, 2, 4, 1, 3, 5},
	{0, 1, 2, 3, 4, 5, 6}, {0, 4, 2, 6, 1, 5, 3, 7}
};

/* place(m, t, s, l) for each lane l of 2, 4, 8 or 16, from l = `from` */
#define SCORE_PLACES_2(place, m, t, s, from) \
	place(m, t, s, from), place(m, t, s, from + 1)
#define SCORE_PLACES_4(place, m, t, s, from) \
	SCORE_PLACES_2(place, m, t, s, from), SCORE_PLACES_2(place, m, t, s, from + 2)
#define SCORE_PLACES_8(place, m, t, s, from) \
	SCORE_PLACES_4(place, m, t, s, from), SCORE_PLACES_4(place, m, t, s, from + 4)
#define SCORE_PLACES_16(place, m, t, s, from) \
	SCORE_PLACES_8(place, m, t, s, from), SCORE_PLACES_8(place, m, t, s, from + 8)
#define SCORE_PLACES_OF(lanes) SCORE_PLACES_##lanes
#define SCORE_PLACES(lanes) SCORE_PLACES_OF(lanes)

#define BODY_NAME(name) name##_float_generic
#define BODY_TARGET
#define BODY_REAL float
#define BODY_BITS int32_t
#define BODY_LANES 4
#define BODY_ROWS 2
#define BODY_PORTABLE
#include "core/score_body.h"

#define BODY_NAME(name) name##_double_generic
#define BODY_TARGET
#define BODY_REAL double
#define BODY_BITS int64_t
#define BODY_LANES 2
#define BODY_ROWS 2
#define BODY_PORTABLE
#include "core/score_body.h"

#if defined(__aarch64__)
#define BODY_FMA(a, b, c) BODY_OP(fma) (c, a, b)
#define BODY_MIN(a, b) BODY_OP(min) (a, b)
#define BODY_MAX(a, b) BODY_OP(max) (a, b)
#define BODY_SQRT(a) BODY_OP(sqrt) (a)
#define BODY_LESS(a, b, x, y) BODY_OP(bsl) (BODY_OP(clt) (a, b), x, y)
#define BODY_CENTRE(z, unit, middle) ((z) * (unit) - (middle))
#define BODY_AWAY BODY_CENTRE

#define BODY_NAME(name) name##_float_neon
#define BODY_OP(op) v##op##q_f32
#define BODY_POSITIVE(a) (vminvq_u32(vcgtzq_f32(a)) != 0)
#define BODY_TARGET
#define BODY_REAL float
#define BODY_LANES 4
#define BODY_ROWS 4
#define BODY_LOW_ROWS 2
#include "core/score_body.h"

#define BODY_NAME(name) name##_double_neon
#define BODY_OP(op) v##op##q_f64
#undef BODY_POSITIVE
#define BODY_POSITIVE(a) (vminvq_u32(vreinterpretq_u32_u64(vcgtzq_f64(a))) != 0)
#define BODY_TARGET
#define BODY_REAL double
#define BODY_LANES 2
#define BODY_ROWS 4
#include "core/score_body.h"
#endif

#if defined(__x86_64__)
#define BODY_FMA(a, b, c) BODY_OP(fmadd) (a, b, c)
#define BODY_MIN(a, b) BODY_OP(min) (a, b)
#define BODY_MAX(a, b) BODY_OP(max) (a, b)
#define BODY_SQRT(a) BODY_OP(sqrt) (a)
#define BODY_CENTRE(z, unit, middle) _mm256_fmsub_pd(z, unit, middle)
#define BODY_AWAY(z, unit, middle) _mm256_fmsub_pd(z, unit, middle)
#define BODY_POSITIVE(a) \
	(BODY_OP(movemask) (BODY_OP(cmp) (a, BODY_OP(setzero) (), _CMP_GT_OQ)) == (1 << BODY_LANES) - 1)
#define BODY_LESS(a, b, x, y) \
	BODY_OP(blendv) (y, x, BODY_OP(cmp) (a, b, _CMP_LT_OQ))

#define BODY_NAME(name) name##_float_avx2
#define BODY_OP(op) _mm256_##op##_ps
#define BODY_TARGET __attribute__((target("avx2,fma")))
#define BODY_REAL float
#define BODY_LANES 8
#define BODY_ROWS 2
#define BODY_LOW_ROWS 2
#include "core/score_body.h"

#define BODY_NAME(name) name##_double_avx2
#define BODY_OP(op) _mm256_##op##_pd
#define BODY_TARGET __attribute__((target("avx2,fma")))
#define BODY_REAL double
#define BODY_LANES 4
#define BODY_ROWS 2
#include "core/score_body.h"

#undef BODY_AWAY
#define BODY_AWAY(z, unit, middle) _mm512_fmsub_pd(z, unit, middle)
#undef BODY_POSITIVE
#define BODY_POSITIVE(a) \
	(BODY_MASK(a, BODY_OP(setzero) (), _CMP_GT_OQ) == (1 << BODY_LANES) - 1)
#undef BODY_LESS
#define BODY_LESS(a, b, x, y) \
	BODY_OP(mask_blend) (BODY_MASK(a, b, _CMP_LT_OQ), y, x)

#define BODY_NAME(name) name##_float_avx512
#define BODY_OP(op) _mm512_##op##_ps
#undef BODY_MASK
#define BODY_MASK _mm512_cmp_ps_mask
#define BODY_TARGET __attribute__((target("avx512f,avx512dq,avx512vl,fma")))
#define BODY_REAL float
#define BODY_LANES 16
#define BODY_ROWS 4
#define BODY_LOW_ROWS 2
#include "core/score_body.h"

#define BODY_NAME(name) name##_double_avx512
#define BODY_OP(op) _mm512_##op##_pd
#undef BODY_MASK
#define BODY_MASK _mm512_cmp_pd_mask
#define BODY_TARGET __attribute__((target("avx512f,avx512dq,avx512vl,fma")))
#define BODY_REAL double
#define BODY_LANES 8
#define BODY_ROWS 4
#include "core/score_body.h"
#endif

/* ---- The score ---- */

static const KmScoreBody *
score_body(KmSimd simd, KmScorePrecision precision)
{
	switch (simd)
	{
#if defined(__x86_64__)
		case KM_SIMD_AVX512:
			return precision == KM_SCORE_FLOAT ?
				&score_body_float_avx512 : &score_body_double_avx512;
		case KM_SIMD_AVX2:
			return precision == KM_SCORE_FLOAT ?
				&score_body_float_avx2 : &score_body_double_avx2;
#elif defined(__aarch64__)
		case KM_SIMD_NEON:
			return precision == KM_SCORE_FLOAT ?
				&score_body_float_neon : &score_body_double_neon;
#endif
		default:
			return precision == KM_SCORE_FLOAT ?
				&score_body_float_generic : &score_body_double_generic;
	}
}

KmScore *
km_score_create(KmTeam *team, KmScorePrecision precision, int d, int max_k,
				int lanes)
{
	KmScore    *score = km_team_alloc(team, 1, sizeof(KmScore));
	size_t		padded = (size_t) max_k + SCORE_GROUP;
	size_t		size;

	score->team = team;
	score->body = score_body(km_simd_of(team), precision);
	score->d = d;
	score->k = 0;
	score->lanes = lanes;
	score->work = 0;
	size = score->body->size;
	score->packed = km_team_alloc(team, padded * ((size_t) d + 1), size);
	score->middle = km_team_alloc(team, (size_t) d, sizeof(double));
	score->few = d <= KM_SCORE_FEW && score->body->low != NULL;
	score->middles = NULL;
	score->less = NULL;
	score->last = NULL;
	if (score->few)
	{
		score->middles = km_team_alloc(team, (size_t) SCORE_LANES * d, sizeof(double));
		score->less = km_team_alloc(team, (size_t) SCORE_LANES * d, sizeof(float));
		score->last = km_team_alloc(team, (size_t) 2 * SCORE_LANES * d, sizeof(double));
	}
	score->room = km_team_alloc(team, (size_t) d * (score->few ?
													SCORE_SIDE_BY_SIDE * sizeof(double) :
													lanes * size) + SCORE_LINE, 1);
	score->tile = (char *) score->room + SCORE_LINE -
		(uintptr_t) score->room % SCORE_LINE;
	return score;
}

bool
km_score_takes_many(const KmScore *score)
{
	return score->few;
}

void
km_score_free(KmScore *score)
{
	KmTeam	   *team = score->team;

	km_team_release(team, score->room);
	km_team_release(team, score->last);
	km_team_release(team, score->less);
	km_team_release(team, score->middles);
	km_team_release(team, score->middle);
	km_team_release(team, score->packed);
	km_team_release(team, score);
}

bool
km_score_set(KmScore *score, const double *centroids, int k, const double *centre,
			 double unit)
{
	bool		narrow = score->body->size == sizeof(float);

	if (narrow && !(unit >= SCORE_LEAST_UNIT && unit <= SCORE_MOST_UNIT))
		return false;
	score->k = k;
	score->unit = unit;
	for (int t = 0; t < score->d; t++)
		score->middle[t] = narrow ? (float) (centre[t] * unit) : centre[t] * unit;
	for (int i = 0; score->few && i < SCORE_LANES * score->d; i++)
	{
		score->middles[i] = score->middle[i % score->d];
		score->less[i] = (float) -score->middles[i];
	}
	return score->body->pack(score, centroids);
}

bool
km_score_rows(KmScore *score, const KmScoreRows *rows, int n, uint16_t *label,
			  float *gap, KmScoreAhead *ahead)
{
	const KmScoreBody *body = score->body;
	size_t		d = (size_t) score->d;
	const char *packed = score->packed;
	int			used;

	if (score->few)
		return score_few(score, rows, n, label, gap);
	used = body->fill(score, rows, n);
	for (int first = 0; first < score->k; first += SCORE_GROUP)
	{
		int			group = score_group(score, first);

		km_score_ask(ahead, ahead->n * SCORE_GROUP / score->k + 1, score->d);
		body->group(score, used, packed, first, group);
		packed += group * (d + 1) * body->size;
		score_worked(score, used * d * group);
	}
	score_worked(score, used * (d + 1));
	if (used > n)
	{
		uint16_t	nearest[KM_SCORE_ROWS];
		float		promise[KM_SCORE_ROWS];
		bool		proven = body->finish(score, used, nearest, promise);

		memcpy(label, nearest, n * sizeof(uint16_t));
		memcpy(gap, promise, n * sizeof(float));
		return proven;
	}
	return body->finish(score, used, label, gap);
}

/* few features: rows as they lie, or, if they are scattered, some at a time */
static bool
score_few(KmScore *score, const KmScoreRows *rows, int n, uint16_t *label, float *gap)
{
	bool		proven = true;

	for (int first = 0, m; first < n; first += m)
	{
		KmScoreRows these = km_score_from(rows, first, score->d);

		m = rows->pick == NULL || n - first < SCORE_SIDE_BY_SIDE ? n - first : SCORE_SIDE_BY_SIDE;
		proven = score->body->low(score, &these, m, label + first, gap + first) && proven;
	}
	score_worked(score, (size_t) n * (score->d + 1) * score->k);
	return proven;
}

static inline const char *
score_row(const KmScoreRows *rows, int i, int d)
{
	size_t		at = (size_t) km_score_place(rows, i) * d;

	return rows->floats != NULL ? (const char *) (rows->floats + at) :
		(const char *) (rows->doubles + at);
}

void
km_score_ask(KmScoreAhead *ahead, int rows, int d)
{
	int			to = ahead->asked + rows < ahead->n ? ahead->asked + rows : ahead->n;
	int			bytes = d * (int) (ahead->rows.floats != NULL ? sizeof(float) : sizeof(double));

	for (int i = ahead->asked; i < to; i++)
	{
		const char *row = score_row(&ahead->rows, i, d);

		for (int at = 0; at < bytes; at += SCORE_LINE)
			__builtin_prefetch(row + at, 0, 2);
	}
	ahead->asked = to;
}

static void
score_worked(KmScore *score, size_t work)
{
	score->work += work;
	if (score->work >= SCORE_CHECK_WORK)
	{
		score->work = 0;
		km_team_check(score->team);
	}
}
