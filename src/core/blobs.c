/*
 * blobs.c
 *		Isotropic Gaussian blobs, as scikit-learn's make_blobs draws them.
 *
 * The recipe is NumPy's RandomState of old, which is frozen: the Mersenne
 * Twister MT19937 seeded by init_genrand; a double from two outputs; normal
 * numbers by the polar method, which makes two at a time and returns the
 * second first; a shuffle from the end, whose index is drawn by masking and
 * redrawing.  The order of the draws is: all centres, row by row; the points
 * of one centre after the other; the shuffle.
 *
 * log() is the only function here whose last bit is not fixed by IEEE 754;
 * NumPy calls the same one.
 */
#include "core/blobs.h"

#include <math.h>

#define BLOBS_STATE 624
#define BLOBS_MIDDLE 397

typedef struct BlobsRandom
{
	uint32_t	state[BLOBS_STATE];
	int			next;			/* first unused word of state */
	bool		has_gauss;
	double		gauss;			/* the other one of a pair */
} BlobsRandom;

static void blobs_seed(BlobsRandom *random, uint32_t seed);
static uint32_t blobs_uint32(BlobsRandom *random);
static double blobs_double(BlobsRandom *random);
static double blobs_gauss(BlobsRandom *random);
static uint32_t blobs_index(BlobsRandom *random, uint32_t largest);

void
km_blobs(KmTeam *team, const KmBlobsParams *params, double *x, int32_t *y)
{
	int			n = params->n_samples;
	int			d = params->n_features;
	BlobsRandom *random = km_team_alloc(team, 1, sizeof(BlobsRandom));
	int		   *place = km_team_alloc(team, (size_t) n, sizeof(int));
	double	   *center = km_team_alloc(team, (size_t) params->centers * d,
									   sizeof(double));
	double	   *points = km_team_alloc(team, (size_t) n * d, sizeof(double));
	int			row = 0;

	blobs_seed(random, params->seed);
	for (size_t c = 0; c < (size_t) params->centers * d; c++)
		center[c] = params->center_min +
			(params->center_max - params->center_min) * blobs_double(random);

	for (int j = 0; j < params->centers; j++)
	{
		int			size = n / params->centers + (j < n % params->centers);

		for (int i = 0; i < size; i++, row++)
		{
			for (int t = 0; t < d; t++)
				points[(size_t) row * d + t] = center[(size_t) j * d + t] +
					params->cluster_std * blobs_gauss(random);
			place[row] = row;
			km_team_check(team);
		}
	}

	/* y is known from the place: the points of a centre lie side by side */
	if (params->shuffle)
	{
		for (int i = n - 1; i > 0; i--)
		{
			int			j = (int) blobs_index(random, (uint32_t) i);
			int			other = place[j];

			place[j] = place[i];
			place[i] = other;
			if (i % 65536 == 0)
				km_team_check(team);
		}
	}
	for (int i = 0; i < n; i++)
	{
		int			small = n / params->centers;
		int			more = n % params->centers;
		int			p = place[i];

		for (int t = 0; t < d; t++)
			x[(size_t) i * d + t] = points[(size_t) p * d + t];
		y[i] = p < more * (small + 1) ? p / (small + 1) : (p - more) / small;
		if (i % 4096 == 0)
			km_team_check(team);
	}

	km_team_release(team, points);
	km_team_release(team, center);
	km_team_release(team, place);
	km_team_release(team, random);
}

static void
blobs_seed(BlobsRandom *random, uint32_t seed)
{
	random->state[0] = seed;
	for (uint32_t i = 1; i < BLOBS_STATE; i++)
		random->state[i] = UINT32_C(1812433253) *
			(random->state[i - 1] ^ random->state[i - 1] >> 30) + i;
	random->next = BLOBS_STATE;
	random->has_gauss = false;
	random->gauss = 0;
}

static uint32_t
blobs_uint32(BlobsRandom *random)
{
	uint32_t   *state = random->state;
	uint32_t	y;

	if (random->next == BLOBS_STATE)
	{
		for (int i = 0; i < BLOBS_STATE; i++)
		{
			y = (state[i] & UINT32_C(0x80000000)) |
				(state[(i + 1) % BLOBS_STATE] & UINT32_C(0x7fffffff));
			state[i] = state[(i + BLOBS_MIDDLE) % BLOBS_STATE] ^ y >> 1 ^
				(y % 2 ? UINT32_C(0x9908b0df) : 0);
		}
		random->next = 0;
	}
	y = state[random->next++];
	y ^= y >> 11;
	y ^= y << 7 & UINT32_C(0x9d2c5680);
	y ^= y << 15 & UINT32_C(0xefc60000);
	return y ^ y >> 18;
}

/* [0, 1), a multiple of 2^-53 */
static double
blobs_double(BlobsRandom *random)
{
	double		high = blobs_uint32(random) >> 5;
	double		low = blobs_uint32(random) >> 6;

	return (high * 0x1p26 + low) / 0x1p53;
}

static double
blobs_gauss(BlobsRandom *random)
{
	double		x1;
	double		x2;
	double		r2;
	double		f;

	if (random->has_gauss)
	{
		random->has_gauss = false;
		return random->gauss;
	}
	do
	{
		x1 = 2.0 * blobs_double(random) - 1.0;
		x2 = 2.0 * blobs_double(random) - 1.0;
		r2 = x1 * x1 + x2 * x2;
	} while (r2 >= 1.0 || r2 == 0.0);
	f = sqrt(-2.0 * log(r2) / r2);
	random->gauss = f * x1;
	random->has_gauss = true;
	return f * x2;
}

/* 0 .. largest, each as likely */
static uint32_t
blobs_index(BlobsRandom *random, uint32_t largest)
{
	uint32_t	mask = UINT32_MAX >> __builtin_clz(largest);
	uint32_t	index;

	do
		index = blobs_uint32(random) & mask;
	while (index > largest);
	return index;
}
