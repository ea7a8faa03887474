/*
 * seed.c
 *		Choosing the initial centroids: greedy k-means++ and random starts.
 *
 * Greedy k-means++ draws, for each centroid after the first, several
 * candidates with probability proportional to weight x D^2 and takes the one
 * that leaves the least potential, the sum of weight x D^2.
 *
 * A random start draws as many contents as are missing at once; those that lie
 * where another one does are drawn again, from what is left.  That is the same
 * as drawing one after the other without putting back.
 */
#include "core/seed.h"

#include <math.h>
#include <string.h>

#include "core/line.h"
#include "core/oversample.h"

#define SEED_MAX_CANDIDATES 16
#define SEED_ROUND_COUNTERS ((uint64_t) 1 << 32)	/* random numbers of a round */

struct KmSeeder
{
	KmTeam	   *team;
	KmRows	   *rows;
	const KmSpace *space;
	const KmGrid *grid;
	KmSeedMethod method;
	int			k;
	uint64_t	seed;
	KmLine	   *line;			/* NULL: not needed so far */
};

static int	seed_most(KmSeedMethod method, int k);
static int	seed_plusplus(KmLine *line, int k, int run, double *centroids);
static int	seed_candidates(int k);
static int	seed_random(KmLine *line, int k, int run, double *centroids);

KmSeeder *
km_seeder_create(KmTeam *team, KmRows *rows, const KmSpace *space,
				 const KmGrid *grid, KmSeedMethod method, int k, uint64_t seed)
{
	KmSeeder   *seeder = km_team_alloc(team, 1, sizeof(KmSeeder));

	seeder->team = team;
	seeder->rows = rows;
	seeder->space = space;
	seeder->grid = grid;
	seeder->method = method;
	seeder->k = k;
	seeder->seed = seed;
	seeder->line = NULL;
	return seeder;
}

void
km_seeder_free(KmSeeder *seeder)
{
	if (seeder->line != NULL)
		km_line_free(seeder->line);
	km_team_release(seeder->team, seeder);
}

int
km_seed(KmSeeder *seeder, int run, double *centroids, double *most)
{
	if (seeder->method == KM_SEED_PARALLEL &&
		km_seed_sample(seeder->team, seeder->rows, seeder->space, seeder->k, seeder->seed,
					   run, centroids, most))
		return seeder->k;
	*most = INFINITY;
	return km_seed_all(seeder, run, centroids);
}

int
km_seed_all(KmSeeder *seeder, int run, double *centroids)
{
	int			k = seeder->k;

	if (seeder->line == NULL)
		seeder->line = km_line_create(seeder->team, seeder->rows, seeder->space,
									  seeder->method == KM_SEED_RANDOM, seeder->seed,
									  seed_most(seeder->method, k));
	else
		km_line_restart(seeder->line);
	switch (seeder->method)
	{
		case KM_SEED_PARALLEL:
			return km_oversample(seeder->line, seeder->grid, k, run, centroids);
		case KM_SEED_RANDOM:
			return seed_random(seeder->line, k, run, centroids);
		default:
			return seed_plusplus(seeder->line, k, run, centroids);
	}
}

/* centroids that the line will be asked about at a time */
static int
seed_most(KmSeedMethod method, int k)
{
	switch (method)
	{
		case KM_SEED_PARALLEL:
			return km_oversample_size(k);
		case KM_SEED_RANDOM:
			return k;
		default:
			return SEED_MAX_CANDIDATES;
	}
}

static int
seed_plusplus(KmLine *line, int k, int run, double *centroids)
{
	size_t		d = (size_t) line->d;
	double	   *candidate = km_team_alloc(line->team, SEED_MAX_CANDIDATES * d, sizeof(double));
	int			chosen;

	for (chosen = 0; chosen < k; chosen++)
	{
		int			n = chosen > 0 ? seed_candidates(k) : 1;
		int			best = 0;
		KmWide		potential[SEED_MAX_CANDIDATES];

		if (!km_line_draw(line, run, (uint64_t) chosen * SEED_MAX_CANDIDATES, n, false,
						  candidate))
			break;
		for (int c = 0; c < n; c++)
			km_space_row(line->space, candidate + c * d, candidate + c * d);
		if (n > 1)
			km_line_potentials(line, candidate, n, potential);
		for (int c = 1; c < n; c++)
			if (potential[c] < potential[best])
				best = c;
		memcpy(centroids + chosen * d, candidate + best * d, d * sizeof(double));

		/* after the last one nobody asks for distances */
		if (chosen < k - 1)
			km_line_nearer(line, centroids + chosen * d, 1);
	}
	km_team_release(line->team, candidate);
	return chosen;
}

/* 2 + floor(ln k), without asking libm: e^(i + 1) rounded up */
static int
seed_candidates(int k)
{
	static const int threshold[] = {3, 8, 21, 55, 149, 404, 1097, 2981, 8104,
	22027, 59875};
	int			n = 2;

	for (size_t i = 0; i < sizeof(threshold) / sizeof(threshold[0]); i++)
		n += k >= threshold[i];
	return n;
}

static int
seed_random(KmLine *line, int k, int run, double *centroids)
{
	size_t		d = (size_t) line->d;
	double	   *drawn = km_team_alloc(line->team, k * d, sizeof(double));
	int			chosen = 0;

	for (uint64_t round = 0; chosen < k; round++)
	{
		int			before = chosen;

		if (!km_line_draw(line, run, round * SEED_ROUND_COUNTERS, k - before, false, drawn))
			break;
		for (int i = 0; i < k - before; i++)
		{
			double	   *z = drawn + i * d;

			km_space_row(line->space, z, z);
			if (!km_seed_taken(line->space, centroids, chosen, z))
				memcpy(centroids + chosen++ * d, z, d * sizeof(double));
			km_team_check(line->team);
		}
		if (chosen < k)
			km_line_nearer(line, centroids + before * d, chosen - before);
	}
	km_team_release(line->team, drawn);
	return chosen;
}

bool
km_seed_taken(const KmSpace *space, const double *centroids, int n, const double *z)
{
	for (int j = 0; j < n; j++)
		if (km_space_same_place(space, km_kernel_dist2(z, centroids + (size_t) j * space->d,
													   space->d)))
			return true;
	return false;
}
