/*
 * exact.c
 *		Sums of integers, and of single numbers over the full range of double.
 *
 * KmExact spans all doubles, in digits (digits.h).  A double is an integer under
 * 2^53 times a power of two, so it touches at most three of them.
 */
#include "core/sums.h"

#include <math.h>
#include <string.h>

#include "core/bits.h"
#include "core/digits.h"
#include "core/lanes.h"

#define EXACT_LOW		(-KM_EXACT_ONE * KM_DIGIT_BITS)

/* km_exact_add_many(): 2^8 parts under 2^51 fit an int64 */
#define EXACT_BATCH		256
#define EXACT_CUT_BITS	50
#define EXACT_ROUNDS	4

/* the loops over vectors, see exact_body.h */
typedef struct ExactBody
{
	double		(*largest) (const double *x, int n);
	bool		(*two) (const double *x, int n, double unit, double fine,
						int64_t *upper, int64_t *lower);
	int64_t		(*cut) (double *rest, int n, double unit, bool *remains);
} ExactBody;

#define BODY_NAME(name)	name##_generic
#define BODY_TARGET
#include "core/exact_body.h"

#if defined(__x86_64__)
#define BODY_NAME(name)	name##_avx2
#define BODY_TARGET		__attribute__((target("avx2")))
#include "core/exact_body.h"
#endif

static const ExactBody exact_bodies[] = {
	{exact_largest_generic, exact_two_generic, exact_cut_generic},
#if defined(__x86_64__)
	{exact_largest_avx2, exact_two_avx2, exact_cut_avx2}
#endif
};

static inline const ExactBody *
exact_body(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		return &exact_bodies[1];
#endif
	return &exact_bodies[0];
}

static void exact_add_varied(KmExact *sum, const double *x, int n, int unit);
static void exact_add_parts(KmExact *sum, int64_t parts, int unit);
static void exact_add_bits(KmExact *sum, unsigned __int128 mantissa, int exponent,
						   bool negative);
static void exact_pending(KmExact *sum, int additions);

/* ---- Integers ---- */

void
km_wide_reduce(KmTeam *team, KmWide *sums, size_t n)
{
	enum
	{
		PIECES = 4,				/* of 32 bits: the sums of a team fit int64 */
		BATCH = KM_DIGIT_BATCH / PIECES
	};
	int64_t    *pieces;

	if (team->size <= 1)
		return;
	pieces = km_team_alloc(team, n < BATCH ? n : BATCH, PIECES * sizeof(int64_t));
	for (size_t start = 0; start < n; start += BATCH)
	{
		size_t		m = n - start < BATCH ? n - start : BATCH;

		for (size_t i = 0; i < m; i++)
			for (int p = 0; p < PIECES; p++)
				pieces[i * PIECES + p] = (int64_t) (uint32_t) (sums[start + i] >> (32 * p));
		km_team_add(team, pieces, m * PIECES);
		for (size_t i = 0; i < m; i++)
		{
			sums[start + i] = 0;
			for (int p = 0; p < PIECES; p++)
				sums[start + i] += (KmWide) pieces[i * PIECES + p] << (32 * p);
		}
		km_team_check(team);
	}
	km_team_release(team, pieces);
}

/* ---- One number over the full range of double ---- */

void
km_exact_init(KmExact *sum)
{
	memset(sum, 0, sizeof(*sum));
}

void
km_exact_add(KmExact *sum, double x)
{
	int			exponent;
	uint64_t	mantissa = km_bits_split(x, &exponent);

	exact_add_bits(sum, mantissa, exponent, x < 0);
}

void
km_exact_add_product(KmExact *sum, double w, double x)
{
	int			ew;
	int			ex;
	uint64_t	mw = km_bits_split(w, &ew);
	uint64_t	mx = km_bits_split(x, &ex);

	exact_add_bits(sum, (unsigned __int128) mw * mx, ew + ex, (w < 0) != (x < 0));
}

/*
 * Adding one at a time costs a dependent load and store per digit.  Here all
 * values are cut at EXACT_CUT_BITS below the largest, their parts added up in a
 * register, and so on downwards until nothing remains.  That is exact whatever
 * the values are; for values of similar size two cuts do, which are made at once.
 */
void
km_exact_add_many(KmExact *sum, const double *x, int n)
{
	const ExactBody *body = exact_body();

	for (int start = 0; start < n; start += EXACT_BATCH)
	{
		int			m = n - start < EXACT_BATCH ? n - start : EXACT_BATCH;
		double		largest = body->largest(x + start, m);
		int			unit = largest > 0 ?
			km_bits_exponent(largest) + 1 - EXACT_CUT_BITS : 0;
		int64_t		upper;
		int64_t		lower;

		if (largest > 0 && unit - EXACT_CUT_BITS >= -960 && unit <= 960 &&
			body->two(x + start, m, km_bits_pow2(unit),
					  km_bits_pow2(unit - EXACT_CUT_BITS), &upper, &lower))
		{
			exact_add_parts(sum, upper, unit);
			exact_add_parts(sum, lower, unit - EXACT_CUT_BITS);
		}
		else if (largest > 0)
			exact_add_varied(sum, x + start, m, unit);
	}
}

/*
 * Values of any size, under 2^EXACT_CUT_BITS times 2^unit.  What is still there
 * after EXACT_ROUNDS is far smaller, or near the ends of the range where M or the
 * unit would not be normal numbers, and goes one by one.
 */
static void
exact_add_varied(KmExact *sum, const double *x, int n, int unit)
{
	const ExactBody *body = exact_body();
	double		rest[EXACT_BATCH];
	bool		remains = true;

	memcpy(rest, x, n * sizeof(double));
	for (int i = n; i % KM_LANES != 0; i++)
		rest[i] = 0;
	for (int round = 0; remains && round < EXACT_ROUNDS; round++, unit -= EXACT_CUT_BITS)
	{
		if (unit < -960 || unit > 960)
			break;
		exact_add_parts(sum, body->cut(rest, n, km_bits_pow2(unit), &remains), unit);
	}
	if (remains)
		for (int i = 0; i < n; i++)
			if (rest[i] != 0)
				km_exact_add(sum, rest[i]);
}

static void
exact_add_parts(KmExact *sum, int64_t parts, int unit)
{
	exact_add_bits(sum, (uint64_t) (parts < 0 ? -parts : parts), unit, parts < 0);
}

void
km_exact_merge(KmExact *sum, const KmExact *other)
{
	km_digits_propagate(sum->digit, KM_EXACT_DIGITS, 1);
	for (int i = 0; i < KM_EXACT_DIGITS; i++)
		sum->digit[i] += other->digit[i];
	sum->pending = 0;
	exact_pending(sum, other->pending + 1);
}

double
km_exact_value(const KmExact *sum)
{
	int64_t		digit[KM_EXACT_DIGITS];

	memcpy(digit, sum->digit, sizeof(digit));
	return km_digits_value(digit, KM_EXACT_DIGITS, EXACT_LOW, NULL);
}

double
km_exact_mean(const KmExact *sum, double weight)
{
	int64_t		digit[KM_EXACT_DIGITS];

	memcpy(digit, sum->digit, sizeof(digit));
	return km_digits_mean(digit, KM_EXACT_DIGITS, EXACT_LOW, weight);
}

void
km_exact_reduce(KmTeam *team, KmExact *sums, size_t n)
{
	enum
	{
		BATCH = KM_DIGIT_BATCH / KM_EXACT_DIGITS
	};
	int64_t    *digits;

	if (team->size <= 1)
		return;
	digits = km_team_alloc(team, n < BATCH ? n : BATCH, sizeof(sums->digit));
	for (size_t start = 0; start < n; start += BATCH)
	{
		size_t		m = n - start < BATCH ? n - start : BATCH;

		for (size_t i = 0; i < m; i++)
		{
			km_digits_propagate(sums[start + i].digit, KM_EXACT_DIGITS, 1);
			memcpy(digits + i * KM_EXACT_DIGITS, sums[start + i].digit,
				   sizeof(sums->digit));
		}
		km_team_add(team, digits, m * KM_EXACT_DIGITS);
		for (size_t i = 0; i < m; i++)
		{
			memcpy(sums[start + i].digit, digits + i * KM_EXACT_DIGITS,
				   sizeof(sums->digit));
			sums[start + i].pending = team->size;
		}
		km_team_check(team);
	}
	km_team_release(team, digits);
}

/* mantissa * 2^exponent, a mantissa under 2^106 */
static void
exact_add_bits(KmExact *sum, unsigned __int128 mantissa, int exponent,
			   bool negative)
{
	int			position = exponent - EXACT_LOW;
	int			i;
	int			shift;
	int64_t		sign = negative ? -1 : 1;

	if (mantissa == 0)
		return;
	if (position < 0)
	{
		mantissa = position > -128 ? mantissa >> -position : 0;
		position = 0;
	}
	i = position / KM_DIGIT_BITS;
	shift = position % KM_DIGIT_BITS;
	if (i + 4 > KM_EXACT_DIGITS)
	{
		/* over 2^1100: any such number makes the value infinite */
		sum->digit[KM_EXACT_DIGITS - 1] += sign;
		exact_pending(sum, 1);
		return;
	}

	sum->digit[i] += sign * (int64_t) (((uint64_t) mantissa << shift) & KM_DIGIT_MASK);
	mantissa >>= KM_DIGIT_BITS - shift;
	sum->digit[i + 1] += sign * (int64_t) ((uint64_t) mantissa & KM_DIGIT_MASK);
	mantissa >>= KM_DIGIT_BITS;
	sum->digit[i + 2] += sign * (int64_t) ((uint64_t) mantissa & KM_DIGIT_MASK);
	mantissa >>= KM_DIGIT_BITS;
	sum->digit[i + 3] += sign * (int64_t) mantissa;
	exact_pending(sum, 1);
}

static void
exact_pending(KmExact *sum, int additions)
{
	sum->pending += additions;
	if (sum->pending >= KM_DIGIT_PENDING)
	{
		km_digits_propagate(sum->digit, KM_EXACT_DIGITS, 1);
		sum->pending = 1;
	}
}
