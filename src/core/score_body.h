/*
 * score_body.h
 *		The inner loops of the quick search, for one instruction set and one
 *		precision.
 *
 * Included by score.c, which tells the mathematics, with
 *
 *		BODY_NAME(name)		the function's name for this instance
 *		BODY_TARGET			the function attribute that selects the
 *							instruction set, or nothing
 *		BODY_REAL			the precision
 *		BODY_LANES			numbers in a vector
 *		BODY_ROWS			vectors of rows in a step: with SCORE_GROUP
 *							centroids their scores must fit the registers
 *		BODY_LOW_ROWS		the same where there are few features; not defined: those
 *							go as many do
 *		BODY_FMA(a, b, c), BODY_MIN, BODY_MAX, BODY_SQRT	of vectors
 *		BODY_LESS(a, b, x, y)	per lane, a < b ? x : y
 *		BODY_POSITIVE(a)	are all lanes > 0?
 *		BODY_CENTRE(z, unit, middle)	z * unit - middle, of four doubles
 *		BODY_AWAY(z, unit, middle)		the same of BODY_BYTES of them; for few features
 *
 * The last lines are written with intrinsics of the instruction set.  With
 * BODY_PORTABLE, and BODY_BITS for integers of the precision's size, the
 * compiler's own vectors do.
 *
 * Labels are kept as reals while scores are compared, so that one mask of
 * comparison moves both; they are exact, being under 2^16.
 */

#define BODY_BYTES (BODY_LANES * (int) sizeof(BODY_REAL))

typedef BODY_REAL BODY_NAME(Vector) __attribute__((vector_size(BODY_BYTES)));
typedef BODY_REAL BODY_NAME(Loose) __attribute__((vector_size(BODY_BYTES), aligned(4), may_alias));
typedef BODY_REAL BODY_NAME(Four) __attribute__((vector_size(4 * sizeof(BODY_REAL)), aligned(4), may_alias));
typedef int32_t BODY_NAME(Wholes) __attribute__((vector_size(BODY_LANES * 4)));
typedef uint16_t BODY_NAME(Labels) __attribute__((vector_size(BODY_LANES * 2), aligned(2), may_alias));
typedef float BODY_NAME(Gaps) __attribute__((vector_size(BODY_LANES * 4), aligned(4), may_alias));
typedef double BODY_NAME(FourDoubles) __attribute__((vector_size(32), aligned(8), may_alias));
typedef float BODY_NAME(FourFloats) __attribute__((vector_size(16), aligned(4), may_alias));

#define VECTOR BODY_NAME(Vector)
#define BODY_INLINE BODY_TARGET static inline __attribute__((always_inline))
#define BODY_AT(p) (*(BODY_NAME(Loose) *) (p))
#define BODY_UNIT ((BODY_REAL) (sizeof(BODY_REAL) == 4 ? 0x1p-24 : 0x1p-53))
#define BODY_ERROR(d) \
	((BODY_REAL) (((d) < SCORE_CHAIN ? (d) : SCORE_CHAIN) + (d) / SCORE_CHAIN + 8) * BODY_UNIT)

/* x - 0, not x + 0: the compiler knows that this is x */
#define BODY_EVERY(x) ((BODY_REAL) (x) - (VECTOR) {0})

#ifdef BODY_PORTABLE

typedef BODY_BITS BODY_NAME(Bits) __attribute__((vector_size(BODY_BYTES)));

BODY_INLINE bool
BODY_NAME(score_positive) (VECTOR a)
{
	bool		positive = true;

	for (int l = 0; l < BODY_LANES; l++)
		positive = a[l] > 0 && positive;
	return positive;
}

BODY_INLINE VECTOR
BODY_NAME(score_less) (VECTOR a, VECTOR b, VECTOR x, VECTOR y)
{
	BODY_NAME(Bits) less = (BODY_NAME(Bits)) (a < b);

	return (VECTOR) ((less & (BODY_NAME(Bits)) x) | (~less & (BODY_NAME(Bits)) y));
}

BODY_INLINE VECTOR
BODY_NAME(score_sqrt) (VECTOR a)
{
	for (int l = 0; l < BODY_LANES; l++)
		a[l] = (BODY_REAL) sqrt(a[l]);
	return a;
}

#define BODY_FMA(a, b, c) ((a) * (b) + (c))
#define BODY_CENTRE(z, unit, middle) ((z) * (unit) - (middle))
#define BODY_POSITIVE(a) BODY_NAME(score_positive) (a)
#define BODY_LESS(a, b, x, y) BODY_NAME(score_less) (a, b, x, y)
#define BODY_MIN(a, b) BODY_LESS(a, b, a, b)
#define BODY_MAX(a, b) BODY_LESS(a, b, b, a)
#define BODY_SQRT(a) BODY_NAME(score_sqrt) (a)
#endif

/* one of a group's centroids, its values `group` apart; returns |c|^2 */
static double
BODY_NAME(score_pack_one) (const KmScore *score, const double *centroid,
						   BODY_REAL *packed, int group)
{
	double		norm2 = 0;

	for (int t = 0; t < score->d; t++)
	{
		int			feature = score->few ? score_order[score->d][t] : t;
		double		value = centroid[feature] * score->unit - score->middle[feature];

		packed[(size_t) t * group] = (BODY_REAL) -value;
		norm2 += value * value;
	}
	return norm2;
}

/* the centroids, in groups; false if they are too large */
static bool
BODY_NAME(score_pack) (KmScore *score, const double *centroids)
{
	size_t		d = (size_t) score->d;
	int			k = score->k;
	BODY_REAL	e = BODY_ERROR(score->d);
	BODY_REAL  *packed = score->packed;
	bool		good = true;

	for (int first = 0, group; first < k; first += group)
	{
		group = score_group(score, first);
		for (int c = 0; c < group; c++)
		{
			BODY_REAL  *values = packed + group + c;
			double		norm2 = 0;

			if (first + c < k)
				norm2 = BODY_NAME(score_pack_one) (score, centroids + (first + c) * d,
												   values, group);
			else
				for (size_t t = 0; t < d; t++)
					values[t * group] = 0;
			good = good && norm2 <= SCORE_MOST;
			packed[c] = first + c < k ? (BODY_REAL) (norm2 / 2) * (1 - 2 * e) : INFINITY;
		}
		packed += group * (d + 1);
		score_worked(score, group * d * 4);
	}
	return good;
}

/* four features of a row of doubles or floats, from feature t */
#define BODY_FOUR(row) \
	(floats ? __builtin_convertvector(*((const BODY_NAME(FourFloats) *) ((row) + t * sizeof(float))), \
									  BODY_NAME(FourDoubles)) : \
	 *((const BODY_NAME(FourDoubles) *) ((row) + t * sizeof(double))))
#define BODY_LOAD(row) \
	__builtin_convertvector(BODY_CENTRE(BODY_FOUR(row), unit, middle), BODY_NAME(Four))
#define BODY_ONE(row) \
	((BODY_REAL) ((floats ? ((const float *) (row))[t] : ((const double *) (row))[t]) * \
				  score->unit - score->middle[t]))

/* features first .. last - 1 of four rows: centred, and turned four by four */
BODY_INLINE void
BODY_NAME(score_turn) (const KmScore *score, const char *const *row, int first,
					   int last, BODY_REAL *to, const bool floats)
{
	const char *r0 = row[0];
	const char *r1 = row[1];
	const char *r2 = row[2];
	const char *r3 = row[3];
	BODY_NAME(FourDoubles) unit = score->unit - (BODY_NAME(FourDoubles)) {0};
	int			lanes = score->lanes;
	int			t;

	to += (size_t) first * lanes;
	for (t = first; t + 4 <= last; t += 4, to += 4 * lanes)
	{
		BODY_NAME(FourDoubles) middle =
			*(const BODY_NAME(FourDoubles) *) (score->middle + t);
		BODY_NAME(Four) a = BODY_LOAD(r0);
		BODY_NAME(Four) b = BODY_LOAD(r1);
		BODY_NAME(Four) c = BODY_LOAD(r2);
		BODY_NAME(Four) e = BODY_LOAD(r3);
		BODY_NAME(Four) ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
		BODY_NAME(Four) ce = __builtin_shufflevector(c, e, 0, 4, 1, 5);
		BODY_NAME(Four) ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
		BODY_NAME(Four) ce2 = __builtin_shufflevector(c, e, 2, 6, 3, 7);

		*(BODY_NAME(Four) *) to = __builtin_shufflevector(ab, ce, 0, 1, 4, 5);
		*(BODY_NAME(Four) *) (to + lanes) = __builtin_shufflevector(ab, ce, 2, 3, 6, 7);
		*(BODY_NAME(Four) *) (to + 2 * lanes) = __builtin_shufflevector(ab2, ce2, 0, 1, 4, 5);
		*(BODY_NAME(Four) *) (to + 3 * lanes) = __builtin_shufflevector(ab2, ce2, 2, 3, 6, 7);
	}
	for (; t < last; t++, to += lanes)
	{
		to[0] = BODY_ONE(r0);
		to[1] = BODY_ONE(r1);
		to[2] = BODY_ONE(r2);
		to[3] = BODY_ONE(r3);
	}
}

/* `used` rows, a whole number of blocks, into the tile */
BODY_INLINE void
BODY_NAME(score_turns) (const KmScore *score, const char *const *from, int used,
						const int block, const bool floats)
{
	int			d = score->d;

	for (int i = 0; i < used; i += block)
		for (int first = 0; first < d; first += SCORE_TURN)
			for (int r = 0; r < block; r += 4)
				BODY_NAME(score_turn) (score, from + i + r, first,
									   first + SCORE_TURN < d ? first + SCORE_TURN : d,
									   (BODY_REAL *) score->tile + i + r, floats);
}

/*
 * The rows into the tile, and their |x|^2.  Returns the lanes in use, a whole
 * number of vectors; the last row is repeated in those without a row.  All rows
 * of a vector go together, some features at a time, so that the tile's cache
 * lines are filled at once.
 */
BODY_TARGET static int
BODY_NAME(score_fill) (KmScore *score, const KmScoreRows *rows, int n)
{
	int			d = score->d;
	int			lanes = score->lanes;
	BODY_REAL  *tile = score->tile;
	BODY_REAL  *norm2 = (BODY_REAL *) score->norm2;
	int			block = BODY_LANES > 4 ? BODY_LANES : 4;
	int			used = (n + block - 1) / block * block;
	const char *from[KM_SCORE_ROWS];

	for (int i = 0; i < used; i++)
		from[i] = score_row(rows, i < n ? i : n - 1, d);
	if (rows->floats != NULL)
		BODY_NAME(score_turns) (score, from, used, block, true);
	else
		BODY_NAME(score_turns) (score, from, used, block, false);
	for (int lane = 0; lane < used; lane += BODY_LANES)
	{
		VECTOR		sum = {0};
		VECTOR		more = {0};

		for (int t = 0; t < d; t++)
		{
			VECTOR		x = BODY_AT(tile + (size_t) t * lanes + lane);

			more = BODY_FMA(x, x, more);
			if (t % SCORE_CHAIN == SCORE_CHAIN - 1)
			{
				sum += more;
				more = (VECTOR) {0};
			}
		}
		BODY_AT(norm2 + lane) = sum + more;
	}
	return used;
}

/* one more score */
#define BODY_FOLD(score, label, best, second, index) \
	second = BODY_MIN(second, BODY_MAX(best, score)); \
	index = BODY_LESS(score, best, label, index); \
	best = BODY_MIN(best, score);

/* the products of `features` features of `rows` vectors of rows with a group */
BODY_INLINE void
BODY_NAME(score_chain) (VECTOR (*sum)[SCORE_GROUP], const BODY_REAL *tile, int lanes,
						const BODY_REAL *packed, int features, const int rows,
						const int group)
{
	for (int t = 0; t < features; t++, tile += lanes, packed += group)
	{
		VECTOR		x[BODY_ROWS];

#pragma GCC unroll 8
		for (int r = 0; r < rows; r++)
			x[r] = BODY_AT(tile + r * BODY_LANES);
#pragma GCC unroll 8
		for (int c = 0; c < group; c++)
		{
			VECTOR		value = BODY_EVERY(packed[c]);

#pragma GCC unroll 8
			for (int r = 0; r < rows; r++)
				sum[r][c] = BODY_FMA(x[r], value, sum[r][c]);
		}
	}
}

/* `rows` vectors of rows against a group of centroids; both are constants */
BODY_INLINE void
BODY_NAME(score_step) (KmScore *score, int lane, const BODY_REAL *packed, int first,
					   const int rows, const int group)
{
	int			d = score->d;
	int			lanes = score->lanes;
	const BODY_REAL *tile = (const BODY_REAL *) score->tile + lane;
	VECTOR		sum[BODY_ROWS][SCORE_GROUP];

#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
		for (int c = 0; c < group; c++)
			sum[r][c] = BODY_EVERY(packed[c]);
	packed += group;
	BODY_NAME(score_chain) (sum, tile, lanes, packed, d < SCORE_CHAIN ? d : SCORE_CHAIN,
							rows, group);
	for (int t = SCORE_CHAIN; t < d; t += SCORE_CHAIN)
	{
		VECTOR		more[BODY_ROWS][SCORE_GROUP] = {0};

		BODY_NAME(score_chain) (more, tile + (size_t) t * lanes, lanes,
								packed + (size_t) t * group,
								d - t < SCORE_CHAIN ? d - t : SCORE_CHAIN, rows, group);
#pragma GCC unroll 8
		for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
			for (int c = 0; c < group; c++)
				sum[r][c] += more[r][c];
	}
#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
	{
		int			at = lane + r * BODY_LANES;
		VECTOR		best = BODY_AT((BODY_REAL *) score->best + at);
		VECTOR		second = BODY_AT((BODY_REAL *) score->second + at);
		VECTOR		index = BODY_AT((BODY_REAL *) score->index + at);

#pragma GCC unroll 8
		for (int c = 0; c < group; c++)
		{
			BODY_FOLD(sum[r][c], BODY_EVERY(first + c), best, second, index)
		}
		BODY_AT((BODY_REAL *) score->best + at) = best;
		BODY_AT((BODY_REAL *) score->second + at) = second;
		BODY_AT((BODY_REAL *) score->index + at) = index;
	}
}

BODY_INLINE void
BODY_NAME(score_steps) (KmScore *score, int used, const BODY_REAL *packed, int first,
						const int group)
{
	int			lane = 0;

	if (first == 0)
		for (int l = 0; l < used; l += BODY_LANES)
		{
			BODY_AT((BODY_REAL *) score->best + l) = BODY_EVERY(INFINITY);
			BODY_AT((BODY_REAL *) score->second + l) = BODY_EVERY(INFINITY);
			BODY_AT((BODY_REAL *) score->index + l) = BODY_EVERY(0);
		}
	for (; lane + BODY_ROWS * BODY_LANES <= used; lane += BODY_ROWS * BODY_LANES)
		BODY_NAME(score_step) (score, lane, packed, first, BODY_ROWS, group);
	for (; lane < used; lane += BODY_LANES)
		BODY_NAME(score_step) (score, lane, packed, first, 1, group);
}

BODY_TARGET static void
BODY_NAME(score_group) (KmScore *score, int used, const void *packed, int first,
						int group)
{
	if (group == SCORE_GROUP)
		BODY_NAME(score_steps) (score, used, packed, first, SCORE_GROUP);
	else if (group == 4)
		BODY_NAME(score_steps) (score, used, packed, first, 4);
	else
		BODY_NAME(score_steps) (score, used, packed, first, 2);
}

/* the gaps of the lemma */
BODY_INLINE VECTOR
BODY_NAME(score_gap) (VECTOR best, VECTOR second, VECTOR norm2, const int d)
{
	BODY_REAL	e = BODY_ERROR(d);
	BODY_REAL	tiny = (BODY_REAL) (sizeof(BODY_REAL) == 4 ? 0x1p-64 : 0x1p-240);
	BODY_REAL	up = 1 + 8 * BODY_UNIT + (BODY_REAL) ((d + 8) * 0x1p-51);
	VECTOR		high = (norm2 * (1 + 12 * e) + (best + best) + tiny) * (1 + 10 * e);
	VECTOR		low = norm2 * (1 - 3 * e) + (second + second) - tiny;

	low = BODY_SQRT(low * (1 - 8 * BODY_UNIT)) - BODY_SQRT(high) * up;
	return low * (BODY_REAL) (1 - 0x1p-22);
}

/* for whole vectors; are all positive? */
BODY_TARGET static bool
BODY_NAME(score_finish) (const KmScore *score, int used, uint16_t *label, float *gap)
{
	bool		proven = true;

	for (int lane = 0; lane < used; lane += BODY_LANES)
	{
		VECTOR		index = BODY_AT((BODY_REAL *) score->index + lane);
		VECTOR		sure = BODY_NAME(score_gap) (BODY_AT((BODY_REAL *) score->best + lane),
												 BODY_AT((BODY_REAL *) score->second + lane),
												 BODY_AT((BODY_REAL *) score->norm2 + lane),
												 score->d);

		proven = BODY_POSITIVE(sure) && proven;
		*(BODY_NAME(Labels) *) (label + lane) =
			__builtin_convertvector(__builtin_convertvector(index, BODY_NAME(Wholes)),
									BODY_NAME(Labels));
		*(BODY_NAME(Gaps) *) (gap + lane) =
			__builtin_convertvector(sure, BODY_NAME(Gaps));
	}
	return proven;
}

#ifdef BODY_LOW_ROWS
#include "core/score_low_body.h"
#endif

static const KmScoreBody BODY_NAME(score_body) =
{
	sizeof(BODY_REAL), BODY_NAME(score_pack), BODY_NAME(score_fill),
	BODY_NAME(score_group), BODY_NAME(score_finish),
#ifdef BODY_LOW_ROWS
	BODY_NAME(score_low)
#else
	NULL
#endif
};

#undef BODY_ONE
#undef BODY_LOAD
#undef BODY_FOUR
#undef BODY_FOLD
#ifdef BODY_PORTABLE
#undef BODY_FMA
#undef BODY_CENTRE
#undef BODY_POSITIVE
#undef BODY_LESS
#undef BODY_MIN
#undef BODY_MAX
#undef BODY_SQRT
#undef BODY_BITS
#undef BODY_PORTABLE
#else
#undef BODY_OP
#endif
#undef BODY_EVERY
#undef BODY_ERROR
#undef BODY_UNIT
#undef BODY_AT
#undef BODY_INLINE
#undef VECTOR
#undef BODY_BYTES
#undef BODY_NAME
#undef BODY_TARGET
#undef BODY_REAL
#undef BODY_LANES
#undef BODY_LOW_ROWS
#undef BODY_ROWS
