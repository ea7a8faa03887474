/*
 * sums.c
 *		Sums of vectors that do not depend on the order of what is added.
 *
 * Numbers are held in digits (digits.h), on a grid per feature.  A value is cut
 * into digits without looking at its exponent, by the addition of a large
 * number: with M = 1.5 * 2^52 * u, x + M is rounded to a multiple of u, and the
 * difference of the bit patterns of x + M and M is that multiple, as an integer.
 * What remains, x - ((x + M) - M), is exact and at most u / 2, and goes to the
 * digit below.  For this each feature is first multiplied by a power of two so
 * that its values lie in [-1, 1]: then one set of M serves all features, and
 * none overflows, whatever the range of the data.
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
#include "core/digits.h"
#include "core/lanes.h"

/*
 * Above the grid's digits: room for 2^23 rows with weights of 2^53 each would
 * need 76 bits.
 */
#define SUMS_CARRY_DIGITS 2
#define SUMS_MAX_DIGITS	(KM_GRID_MAX_DIGITS + SUMS_CARRY_DIGITS)

#define SUMS_SMALL_WEIGHT (1 << 10) /* weights that multiply digits in place */
#define SUMS_FEW_ROWS	4		/* of a cluster, that go one by one */
#define SUMS_ROWS_BITS	50		/* km_sums_add_rows() */

/* the loops over vectors, see sums_body.h */
typedef struct SumsBody
{
	void		(*add) (const double *z, double weight, const double *scale, int d,
						int ndigits, int padded, int64_t factor, int64_t *digit,
						int64_t *other);
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
	{sums_cut_generic, sums_cut_rows_generic},
#if defined(__x86_64__)
	{sums_cut_avx2, sums_cut_rows_avx2}
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
static inline void sums_added(KmSums *sums, int j, int additions);
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
	return grid->low[t] + grid->ndigits * KM_DIGIT_BITS;
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
			   grid->ndigits * KM_DIGIT_BITS < bits)
			grid->ndigits++;
	}
	for (int t = 0; t < d; t++)
	{
		int			top = largest[t] > 0 ? km_bits_exponent(largest[t]) + 1 : 0;

		/* the power of two that brings 2^top to 1 must be a double */
		if (top < -1000)
			top = -1000;
		grid->low[t] = top - grid->ndigits * KM_DIGIT_BITS;
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
							sums->padded, sign * count, digit, NULL);
		}
		else
		{
			additions = SUMS_MAX_DIGITS;
			sums_cut_heavy(sums, z, sign * count, digit);
		}
		sums->whole[2 * j] += sign * (count & KM_DIGIT_MASK);
		sums->whole[2 * j + 1] += sign * (count >> KM_DIGIT_BITS);
	}
	else
	{
		sums->body->add(z, w, sums->scale, sums->d, sums->cut_digits,
						sums->padded, sign, digit, NULL);
		km_exact_add(&sums_fractions(sums)[j], sign * w);
	}
	sums_added(sums, j, additions);
}

void
km_sums_move(KmSums *sums, int from, int to, const double *z, double w)
{
	if (w != 1)
	{
		km_sums_add(sums, from, z, w, -1);
		km_sums_add(sums, to, z, w, 1);
		return;
	}
	sums->body->add(z, 1, sums->scale, sums->d, sums->cut_digits, sums->padded, 1,
					sums_digits(sums, to), sums_digits(sums, from));
	sums->whole[2 * (size_t) from]--;
	sums->whole[2 * (size_t) to]++;
	sums_added(sums, from, 1);
	sums_added(sums, to, 1);
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
	int			bits = sums->cut_digits * KM_DIGIT_BITS;
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
	sums_added(sums, j, 2);
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
		out[t] = km_digits_value(number, sums->ndigits, sums->grid->low[t], NULL);
	}
	*weight = sums_weight(sums->whole + 2 * (size_t) j,
						  sums->fraction != NULL ? &sums->fraction[j] : NULL);
}

void
km_sums_means(KmSums *sums, double *mean, double *weight)
{
	KmTeam	   *team = sums->team;
	size_t		size = (size_t) sums->ndigits * sums->padded;
	int			batch = (int) (KM_DIGIT_BATCH / (size + KM_EXACT_DIGITS)) + 1;
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
			place[0] += (int64_t) part & KM_DIGIT_MASK;
			part >>= KM_DIGIT_BITS;
			place[sums->padded] += (int64_t) part & KM_DIGIT_MASK;
			place[2 * (size_t) sums->padded] += (int64_t) (part >> KM_DIGIT_BITS);
		}
	}
}

/* add part * 2^-cut to a feature's digits, no more than 2^40 to any of them */
static inline void
sums_spread(const KmSums *sums, int64_t part, int cut, int64_t *digit)
{
	int			place = (cut + KM_DIGIT_BITS - 1) / KM_DIGIT_BITS;
	__int128	rest = (__int128) part * ((int64_t) 1 << (place * KM_DIGIT_BITS - cut));

	digit += (size_t) (sums->cut_digits - place) * sums->padded;
	for (int i = 0; i < 3; i++, digit += sums->padded)
	{
		*digit += i < 2 ? (int64_t) rest & KM_DIGIT_MASK : (int64_t) rest;
		rest >>= KM_DIGIT_BITS;
	}
}

/* carries are propagated before digits may overflow */
static inline void
sums_added(KmSums *sums, int j, int additions)
{
	sums->pending[j] += additions;
	if (sums->pending[j] >= KM_DIGIT_PENDING - SUMS_SMALL_WEIGHT)
		sums_settle(sums, j);
}

static void
sums_settle(KmSums *sums, int j)
{
	int64_t    *digit = sums_digits(sums, j);

	for (int t = 0; t < sums->d; t++)
		km_digits_propagate(digit + t, sums->ndigits, sums->padded);
	km_digits_propagate(sums->whole + 2 * (size_t) j, 2, 1);
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

		return km_digits_value(number, 2, 0, NULL);
	}
	total = *fraction;
	total.digit[KM_EXACT_ONE] += whole[0];
	total.digit[KM_EXACT_ONE + 1] += whole[1];
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
			km_digits_mean(number, sums->ndigits, sums->grid->low[t], weight) : NAN;
	}
}
