/*
 * sums.c
 *		Sums that do not depend on the order of what is added.
 *
 * A number is held in digits of base 2^40, each in an int64, the last digit
 * being the most significant:
 *
 *		value = 2^low * (digit[0] + digit[1] * 2^40 + digit[2] * 2^80 + ...)
 *
 * Additions go to the digits without looking at their neighbours, so digits
 * may be negative or exceed 2^40 for a while; that one number has many
 * writings does no harm, because before a digit can overflow, and before the
 * number is read, carries are propagated: then every digit but the last is in
 * [0, 2^40), and that writing is unique.  Hence the value read depends on the
 * number only, and not on how it came about.
 *
 * KmExact spans all doubles.  A double is an integer under 2^53 times a power
 * of two, so it touches at most three digits.
 *
 * KmSums is the same on a grid per feature, for the sums of a pass.  Here a
 * value is cut into digits without looking at its exponent, by the addition of
 * a large number: with M = 1.5 * 2^52 * u, x + M is rounded to a multiple of
 * u, and the difference of the bit patterns of x + M and M is that multiple,
 * as an integer.  What remains, x - ((x + M) - M), is exact and at most u / 2,
 * and goes to the digit below.  For this each feature is first multiplied by a
 * power of two so that its values lie in [-1, 1]: then one set of M serves all
 * features, and none overflows, whatever the range of the data.
 *
 * The digits of a cluster lie digit by digit, and within a digit feature by
 * feature, so that the cutting runs over KM_LANES features at once:
 *
 *		cluster j:	digit 0 of features 0 .. d-1, padded to a block
 *					digit 1 of features 0 .. d-1
 *					...
 */
#include "core/sums.h"

#include <math.h>
#include <string.h>

#include "core/bits.h"
#include "core/lanes.h"

#define SUMS_BASE_BITS	40
#define SUMS_BASE_MASK	(((int64_t) 1 << SUMS_BASE_BITS) - 1)

/*
 * An addition changes a digit by at most 2^40; after 2^22 of them, and a digit
 * under 2^40 to start from, 2^63 is still out of reach.
 */
#define SUMS_MAX_PENDING (1 << 22)

#define EXACT_LOW		(-1120)
#define EXACT_ONE		(-EXACT_LOW / SUMS_BASE_BITS)	/* digit of unit 1 */

/* km_exact_add_many(): 2^8 parts under 2^51 fit an int64 */
#define EXACT_BATCH		256
#define EXACT_CUT_BITS	50
#define EXACT_ROUNDS	4

/*
 * Above the grid's digits: room for 2^23 rows with weights of 2^53 each would
 * need 76 bits.
 */
#define SUMS_CARRY_DIGITS 2
#define SUMS_MAX_DIGITS	(KM_GRID_MAX_DIGITS + SUMS_CARRY_DIGITS)

#define SUMS_SMALL_WEIGHT (1 << 10) /* weights that multiply digits in place */
#define SUMS_FEW_ROWS	4		/* of a cluster, that go one by one */
#define SUMS_ROWS_BITS	50		/* km_sums_add_rows() */
#define SUMS_BATCH_DIGITS (1 << 17) /* digits that a team adds up at a time */

/* the loops over vectors, see sums_body.h */

typedef struct SumsBody
{
	double		(*largest) (const double *x, int n);
	bool		(*two) (const double *x, int n, double unit, double fine,
						int64_t *upper, int64_t *lower);
	int64_t		(*cut) (double *rest, int n, double unit, bool *remains);
	void		(*add) (const double *z, double weight, const double *scale, int d,
						int ndigits, int padded, int64_t factor, int64_t *digit);
	bool		(*add_rows) (const double *z, const int32_t *pick, int n, int d,
							 const double *scale, const double *unit, int64_t *part);
} SumsBody;

#define BODY_NAME(name)	name##_generic
#define BODY_TARGET
#include "core/sums_body.h"

#if defined(__x86_64__)
#define BODY_NAME(name)	name##_avx2
#define BODY_TARGET		__attribute__((target("avx2")))
#include "core/sums_body.h"
#endif

static const SumsBody sums_bodies[] = {
	{exact_largest_generic, exact_two_generic, exact_cut_generic, sums_cut_generic,
	sums_cut_rows_generic},
#if defined(__x86_64__)
	{exact_largest_avx2, exact_two_avx2, exact_cut_avx2, sums_cut_avx2,
	sums_cut_rows_avx2}
#endif
};

static inline const SumsBody *
sums_body(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		return &sums_bodies[1];
#endif
	return &sums_bodies[0];
}

static void exact_add_varied(KmExact *sum, const double *x, int n, int unit);
static void exact_add_parts(KmExact *sum, int64_t parts, int unit);
static void digits_propagate(int64_t *digit, int n, size_t step);
static double digits_magnitude(int64_t *digit, int n);
static double digits_value(int64_t *digit, int n, int low, double *rest);
static double digits_mean(int64_t *digit, int n, int low, double weight);
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
		BATCH = SUMS_BATCH_DIGITS / PIECES
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
	const SumsBody *body = sums_body();

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
	const SumsBody *body = sums_body();
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
	digits_propagate(sum->digit, KM_EXACT_DIGITS, 1);
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
	return digits_value(digit, KM_EXACT_DIGITS, EXACT_LOW, NULL);
}

double
km_exact_mean(const KmExact *sum, double weight)
{
	int64_t		digit[KM_EXACT_DIGITS];

	memcpy(digit, sum->digit, sizeof(digit));
	return digits_mean(digit, KM_EXACT_DIGITS, EXACT_LOW, weight);
}

void
km_exact_reduce(KmTeam *team, KmExact *sums, size_t n)
{
	enum
	{
		BATCH = SUMS_BATCH_DIGITS / KM_EXACT_DIGITS
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
			digits_propagate(sums[start + i].digit, KM_EXACT_DIGITS, 1);
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
	i = position / SUMS_BASE_BITS;
	shift = position % SUMS_BASE_BITS;
	if (i + 4 > KM_EXACT_DIGITS)
	{
		/* over 2^1100: any such number makes the value infinite */
		sum->digit[KM_EXACT_DIGITS - 1] += sign;
		exact_pending(sum, 1);
		return;
	}

	sum->digit[i] += sign * (int64_t) (((uint64_t) mantissa << shift) & SUMS_BASE_MASK);
	mantissa >>= SUMS_BASE_BITS - shift;
	sum->digit[i + 1] += sign * (int64_t) ((uint64_t) mantissa & SUMS_BASE_MASK);
	mantissa >>= SUMS_BASE_BITS;
	sum->digit[i + 2] += sign * (int64_t) ((uint64_t) mantissa & SUMS_BASE_MASK);
	mantissa >>= SUMS_BASE_BITS;
	sum->digit[i + 3] += sign * (int64_t) mantissa;
	exact_pending(sum, 1);
}

static void
exact_pending(KmExact *sum, int additions)
{
	sum->pending += additions;
	if (sum->pending >= SUMS_MAX_PENDING)
	{
		digits_propagate(sum->digit, KM_EXACT_DIGITS, 1);
		sum->pending = 1;
	}
}

/* ---- Vectors on a grid ---- */

struct KmSums
{
	KmTeam	   *team;
	const KmGrid *grid;
	const SumsBody *body;
	int			k;
	int			d;
	int			padded;			/* d, up to whole blocks */
	int			cut_digits;		/* those a value is cut into */
	int			ndigits;		/* and those for carries */
	double	   *scale;			/* padded: brings a feature to [-1, 1] */
	int64_t    *part;			/* 2 x padded, of several rows */
	int64_t    *digit;			/* k x ndigits x padded */
	int32_t    *pending;		/* k */

	/*
	 * Weights: integers in two digits, all others in full, which memory is
	 * only taken when one is met.
	 */
	int64_t    *whole;			/* k x 2 */
	KmExact    *fraction;		/* k, or NULL */
};

static void sums_cut_heavy(KmSums *sums, const double *z, int64_t factor,
						   int64_t *digit);
static inline void sums_spread(const KmSums *sums, int64_t part, int cut, int64_t *digit);
static void sums_settle(KmSums *sums, int j);
static KmExact *sums_fractions(KmSums *sums);
static double sums_weight(const int64_t *whole, const KmExact *fraction);
static void sums_means(const KmSums *sums, const int64_t *digit, double weight,
					   double *mean);

static inline int64_t *
sums_digits(const KmSums *sums, int j)
{
	return sums->digit + (size_t) j * sums->ndigits * sums->padded;
}

/* an upper bound of the feature's magnitudes, as a power of two */
static inline int
grid_top(const KmGrid *grid, int t)
{
	return grid->low[t] + grid->ndigits * SUMS_BASE_BITS;
}

KmGrid *
km_grid_create(KmTeam *team, int d, const double *largest, const double *smallest)
{
	KmGrid	   *grid = km_team_alloc(team, 1, sizeof(KmGrid));

	grid->d = d;
	grid->ndigits = 1;
	grid->low = km_team_alloc(team, (size_t) d, sizeof(int));
	for (int t = 0; t < d; t++)
	{
		int			bits = 0;

		if (largest[t] > 0)
			bits = km_bits_exponent(largest[t]) + 1 -
				(km_bits_exponent(smallest[t]) - 52);
		while (grid->ndigits < KM_GRID_MAX_DIGITS &&
			   grid->ndigits * SUMS_BASE_BITS < bits)
			grid->ndigits++;
	}
	for (int t = 0; t < d; t++)
	{
		int			top = largest[t] > 0 ? km_bits_exponent(largest[t]) + 1 : 0;

		/* the power of two that brings 2^top to 1 must be a double */
		if (top < -1000)
			top = -1000;
		grid->low[t] = top - grid->ndigits * SUMS_BASE_BITS;
	}
	return grid;
}

void
km_grid_free(KmTeam *team, KmGrid *grid)
{
	km_team_release(team, grid->low);
	km_team_release(team, grid);
}

KmSums *
km_sums_create(KmTeam *team, const KmGrid *grid, int k)
{
	KmSums	   *sums = km_team_alloc(team, 1, sizeof(KmSums));

	sums->team = team;
	sums->grid = grid;
	sums->body = sums_body();
	sums->k = k;
	sums->d = grid->d;
	sums->padded = (grid->d + KM_LANES - 1) / KM_LANES * KM_LANES;
	sums->cut_digits = grid->ndigits;
	sums->ndigits = grid->ndigits + SUMS_CARRY_DIGITS;
	sums->scale = km_team_alloc(team, (size_t) sums->padded, sizeof(double));
	sums->part = km_team_alloc(team, (size_t) sums->padded, 2 * sizeof(int64_t));
	sums->digit = km_team_alloc(team, (size_t) k * sums->padded,
								sums->ndigits * sizeof(int64_t));
	sums->pending = km_team_alloc(team, (size_t) k, sizeof(int32_t));
	sums->whole = km_team_alloc(team, (size_t) k, 2 * sizeof(int64_t));
	sums->fraction = NULL;
	for (int t = 0; t < sums->padded; t++)
		sums->scale[t] = t < sums->d ? km_bits_pow2(-grid_top(grid, t)) : 0;
	km_sums_clear(sums);
	return sums;
}

void
km_sums_clear(KmSums *sums)
{
	size_t		bytes = (size_t) sums->ndigits * sums->padded * sizeof(int64_t);
	size_t		check = km_check_every(bytes);

	for (int j = 0; j < sums->k; j++)
	{
		memset(sums_digits(sums, j), 0, bytes);
		sums->pending[j] = 0;
		sums->whole[2 * j] = 0;
		sums->whole[2 * j + 1] = 0;
		if (sums->fraction != NULL)
			km_exact_init(&sums->fraction[j]);
		if (j % check == 0)
			km_team_check(sums->team);
	}
}

void
km_sums_free(KmSums *sums)
{
	KmTeam	   *team = sums->team;

	km_team_release(team, sums->fraction);
	km_team_release(team, sums->whole);
	km_team_release(team, sums->pending);
	km_team_release(team, sums->digit);
	km_team_release(team, sums->part);
	km_team_release(team, sums->scale);
	km_team_release(team, sums);
}

void
km_sums_add(KmSums *sums, int j, const double *z, double w, int sign)
{
	int64_t    *digit = sums_digits(sums, j);
	int			additions = 1;

	if (w == 0)
		return;
	if (km_sums_counts(w))
	{
		int64_t		count = (int64_t) w;

		if (count <= SUMS_SMALL_WEIGHT)
		{
			additions = (int) count;
			sums->body->add(z, 1, sums->scale, sums->d, sums->cut_digits,
							sums->padded, sign * count, digit);
		}
		else
		{
			additions = SUMS_MAX_DIGITS;
			sums_cut_heavy(sums, z, sign * count, digit);
		}
		sums->whole[2 * j] += sign * (count & SUMS_BASE_MASK);
		sums->whole[2 * j + 1] += sign * (count >> SUMS_BASE_BITS);
	}
	else
	{
		sums->body->add(z, w, sums->scale, sums->d, sums->cut_digits,
						sums->padded, sign, digit);
		km_exact_add(&sums_fractions(sums)[j], sign * w);
	}
	sums->pending[j] += additions;
	if (sums->pending[j] >= SUMS_MAX_PENDING - SUMS_SMALL_WEIGHT)
		sums_settle(sums, j);
}

/*
 * Many rows of one cluster can do with few places to cut at: SUMS_ROWS_BITS
 * under one another, and 2^12 of the parts, under 2^50 each, still fit an int64.
 * All but the last cut are exact, and even multiples of the last one's unit, so
 * what that rounds it rounds as sums_cut() does.  The parts' sums are then
 * spread over the digits.  Where something is left below two cuts (bits more
 * than 2 SUMS_ROWS_BITS below the largest value), rows go one by one.
 */
void
km_sums_add_rows(KmSums *sums, int j, const double *z, const int32_t *pick, int n)
{
	int64_t    *digit = sums_digits(sums, j);
	int			bits = sums->cut_digits * SUMS_BASE_BITS;
	int			cut[2] = {bits < SUMS_ROWS_BITS ? bits : SUMS_ROWS_BITS,
	bits < 2 * SUMS_ROWS_BITS ? bits : 2 * SUMS_ROWS_BITS};
	double		unit[2] = {km_bits_pow2(-cut[0]), km_bits_pow2(-cut[1])};

	if (n < SUMS_FEW_ROWS ||
		(sums->body->add_rows(z, pick, n, sums->d, sums->scale, unit, sums->part) &&
		 bits > cut[1]))
	{
		for (int i = 0; i < n; i++)
			km_sums_add(sums, j, z + (size_t) pick[i] * sums->d, 1, 1);
		return;
	}
	for (int t = 0; t < sums->d; t++)
	{
		const int64_t *part = sums->part + (t / KM_LANES) * 2 * KM_LANES + t % KM_LANES;

		sums_spread(sums, part[0], cut[0], digit + t);
		sums_spread(sums, part[KM_LANES], cut[1], digit + t);
	}
	sums->whole[2 * (size_t) j] += n;
	sums->pending[j] += 2;
	if (sums->pending[j] >= SUMS_MAX_PENDING - SUMS_SMALL_WEIGHT)
		sums_settle(sums, j);
}

void
km_sums_get(KmSums *sums, int j, double *out, double *weight)
{
	const int64_t *digit = sums_digits(sums, j);

	sums_settle(sums, j);
	for (int t = 0; t < sums->d; t++)
	{
		int64_t		number[SUMS_MAX_DIGITS];

		for (int i = 0; i < sums->ndigits; i++)
			number[i] = digit[(size_t) i * sums->padded + t];
		out[t] = digits_value(number, sums->ndigits, sums->grid->low[t], NULL);
	}
	*weight = sums_weight(sums->whole + 2 * (size_t) j,
						  sums->fraction != NULL ? &sums->fraction[j] : NULL);
}

void
km_sums_means(KmSums *sums, double *mean, double *weight)
{
	KmTeam	   *team = sums->team;
	size_t		size = (size_t) sums->ndigits * sums->padded;
	int			batch = (int) (SUMS_BATCH_DIGITS / (size + KM_EXACT_DIGITS)) + 1;
	double		fractions = sums->fraction != NULL;
	int64_t    *digits;
	KmExact    *exact = NULL;

	km_team_max(team, &fractions, 1);
	if (batch > sums->k)
		batch = sums->k;
	digits = km_team_alloc(team, batch * (size + 2), sizeof(int64_t));
	if (fractions > 0)
		exact = km_team_alloc(team, (size_t) batch, sizeof(KmExact));
	for (int start = 0; start < sums->k; start += batch)
	{
		int			m = sums->k - start < batch ? sums->k - start : batch;
		int64_t    *whole = digits + m * size;

		for (int j = 0; j < m; j++)
		{
			sums_settle(sums, start + j);
			if (exact != NULL)
				exact[j] = sums_fractions(sums)[start + j];
		}
		memcpy(digits, sums_digits(sums, start), m * size * sizeof(int64_t));
		memcpy(whole, sums->whole + 2 * (size_t) start, m * 2 * sizeof(int64_t));
		km_team_add(team, digits, m * (size + 2));
		if (exact != NULL)
			km_exact_reduce(team, exact, (size_t) m);
		for (int j = 0; j < m; j++)
		{
			weight[start + j] = sums_weight(whole + 2 * j,
											exact != NULL ? &exact[j] : NULL);
			sums_means(sums, digits + j * size, weight[start + j],
					   mean + (size_t) (start + j) * sums->d);
		}
		km_team_check(team);
	}
	km_team_release(team, exact);
	km_team_release(team, digits);
}

/*
 * The same as sums_cut() for any factor up to 2^53: a digit times the factor
 * has up to 93 bits, which spread over the digit and the two above it.
 */
static void
sums_cut_heavy(KmSums *sums, const double *z, int64_t factor, int64_t *digit)
{
	for (int t = 0; t < sums->d; t++)
	{
		double		rest = z[t] * sums->scale[t];
		double		unit = 0x1p-40;

		for (int i = sums->cut_digits; i-- > 0; unit *= 0x1p-40)
		{
			double		magic = 0x1.8p52 * unit;
			double		cut = rest + magic;
			__int128	part = (__int128) (int64_t) (km_bits_of(cut) - km_bits_of(magic)) *
				factor;
			int64_t    *place = digit + (size_t) i * sums->padded + t;

			rest -= cut - magic;
			place[0] += (int64_t) part & SUMS_BASE_MASK;
			part >>= SUMS_BASE_BITS;
			place[sums->padded] += (int64_t) part & SUMS_BASE_MASK;
			place[2 * (size_t) sums->padded] += (int64_t) (part >> SUMS_BASE_BITS);
		}
	}
}

/* add part * 2^-cut to a feature's digits, no more than 2^40 to any of them */
static inline void
sums_spread(const KmSums *sums, int64_t part, int cut, int64_t *digit)
{
	int			place = (cut + SUMS_BASE_BITS - 1) / SUMS_BASE_BITS;
	__int128	rest = (__int128) part * ((int64_t) 1 << (place * SUMS_BASE_BITS - cut));

	digit += (size_t) (sums->cut_digits - place) * sums->padded;
	for (int i = 0; i < 3; i++, digit += sums->padded)
	{
		*digit += i < 2 ? (int64_t) rest & SUMS_BASE_MASK : (int64_t) rest;
		rest >>= SUMS_BASE_BITS;
	}
}

static void
sums_settle(KmSums *sums, int j)
{
	int64_t    *digit = sums_digits(sums, j);

	for (int t = 0; t < sums->d; t++)
		digits_propagate(digit + t, sums->ndigits, sums->padded);
	digits_propagate(sums->whole + 2 * (size_t) j, 2, 1);
	sums->pending[j] = 1;
}

static KmExact *
sums_fractions(KmSums *sums)
{
	if (sums->fraction == NULL)
	{
		sums->fraction = km_team_alloc(sums->team, (size_t) sums->k, sizeof(KmExact));
		for (int j = 0; j < sums->k; j++)
			km_exact_init(&sums->fraction[j]);
	}
	return sums->fraction;
}

static double
sums_weight(const int64_t *whole, const KmExact *fraction)
{
	KmExact		total;

	if (fraction == NULL)
	{
		int64_t		number[2] = {whole[0], whole[1]};

		return digits_value(number, 2, 0, NULL);
	}
	total = *fraction;
	total.digit[EXACT_ONE] += whole[0];
	total.digit[EXACT_ONE + 1] += whole[1];
	return km_exact_value(&total);
}

static void
sums_means(const KmSums *sums, const int64_t *digit, double weight, double *mean)
{
	for (int t = 0; t < sums->d; t++)
	{
		int64_t		number[SUMS_MAX_DIGITS];

		for (int i = 0; i < sums->ndigits; i++)
			number[i] = digit[(size_t) i * sums->padded + t];
		mean[t] = weight > 0 ?
			digits_mean(number, sums->ndigits, sums->grid->low[t], weight) : NAN;
	}
}

/* ---- Digits ---- */

/*
 * Bring all digits but the last into [0, 2^40).  (The shift of a negative
 * number is arithmetic in every compiler that PostgreSQL supports.)
 */
static void
digits_propagate(int64_t *digit, int n, size_t step)
{
	int64_t		carry = 0;

	for (int i = 0; i < n - 1; i++)
	{
		int64_t		value = digit[i * step] + carry;

		carry = value >> SUMS_BASE_BITS;
		digit[i * step] = value & SUMS_BASE_MASK;
	}
	digit[(n - 1) * step] += carry;
}

/* turn the number into its magnitude, all digits >= 0; returns the sign */
static double
digits_magnitude(int64_t *digit, int n)
{
	digits_propagate(digit, n, 1);
	if (digit[n - 1] >= 0)
		return 1;
	for (int i = 0; i < n; i++)
		digit[i] = -digit[i];
	digits_propagate(digit, n, 1);
	return -1;
}

/*
 * The double nearest to the number, ties to even, and, if asked for, what the
 * rounding took off (itself rounded).  Overwrites the digits.
 *
 * The three leading digits have at least 81 significant bits, more than a
 * double; whether anything lies below them decides ties only.
 */
static double
digits_value(int64_t *digit, int n, int low, double *rest)
{
	unsigned __int128 value;
	unsigned __int128 mantissa;
	bool		below = false;
	int			h;
	int			exponent;		/* of value's unit */
	int			length;			/* bits of value */
	int			unit;			/* exponent of the result's last bit */
	int			shift;
	double		sign;

	if (rest != NULL)
		*rest = 0;
	sign = digits_magnitude(digit, n);
	for (h = n - 1; h > 0 && digit[h] == 0; h--)
		;

	/* the last digit may be any positive int64: 63 + 40 bits, and 24 more */
	value = (unsigned __int128) digit[h] << SUMS_BASE_BITS;
	if (h > 0)
		value |= (uint64_t) digit[h - 1];
	value <<= 24;
	if (h > 1)
	{
		value |= (uint64_t) digit[h - 2] >> 16;
		below = (digit[h - 2] & 0xffff) != 0;
	}
	for (int i = 0; i < h - 2; i++)
		below = below || digit[i] != 0;
	if (value == 0)
		return 0;

	exponent = low + (h - 1) * SUMS_BASE_BITS - 24;
	length = (uint64_t) (value >> 64) != 0 ?
		128 - __builtin_clzll((uint64_t) (value >> 64)) :
		64 - __builtin_clzll((uint64_t) value);
	if (exponent + length > 1024)
		return sign * INFINITY;
	unit = exponent + length - 53 > -1074 ? exponent + length - 53 : -1074;
	shift = unit - exponent;
	if (shift >= 128)
		return 0;
	if (shift <= 0)
		mantissa = value << -shift;
	else
	{
		unsigned __int128 half = (unsigned __int128) 1 << (shift - 1);
		unsigned __int128 cut = value & (2 * half - 1);

		mantissa = value >> shift;
		if (cut > half || (cut == half && (below || mantissa % 2 == 1)))
			mantissa++;
		if (rest != NULL)
			*rest = sign * (double) (__int128) (value - (mantissa << shift)) *
				km_bits_pow2(exponent);
	}
	return sign * (double) (uint64_t) mantissa * km_bits_pow2(unit);
}

/*
 * The number divided by a weight > 0.  The quotient of the two doubles alone
 * may miss by a unit in the last place, and then the mean of equal values is
 * not that value and its cluster's radius not 0; so it is corrected by what
 * was lost in the number's rounding and in the division.  The number is first
 * brought to [1, 2^63), because a sum may overflow where the mean does not.
 */
static double
digits_mean(int64_t *digit, int n, int low, double weight)
{
	int			h;
	int			exponent;
	double		sign;
	double		number;
	double		rest;
	double		mean;

	sign = digits_magnitude(digit, n);
	for (h = n - 1; h > 0 && digit[h] == 0; h--)
		;
	number = sign * digits_value(digit, n, -h * SUMS_BASE_BITS, &rest);
	rest *= sign;
	mean = number / weight;
	mean += (fma(-mean, weight, number) + rest) / weight;
	exponent = low + h * SUMS_BASE_BITS;
	return mean * km_bits_pow2(exponent / 2) * km_bits_pow2(exponent - exponent / 2);
}
