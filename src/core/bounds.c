/*
 * bounds.c
 *		Which rows cannot have changed their cluster since they were labelled.
 *
 * Let a row have the distances d_a to its centroid and d_j to another, in some
 * pass, with
 *
 *		d_a (1 + g) + gap <= d_j,		g = 2^-51 (d + 8)
 *
 * for all j, as km_kernel_label() promises; g covers the rounding of the
 * definition.  If since then centroid a has moved by the distances m_a in all,
 * and no other by more than M in all, then by the triangle inequality now
 *
 *		d_a' (1 + g)  <=  d_a (1 + g) + m_a (1 + g)
 *		d_j'          >=  d_j - M  >=  d_a (1 + g) + gap - M
 *
 * so a is still the nearest as long as m_a (1 + g) + M < gap.  Both sums only
 * grow, so a cluster keeps what they have come to since the run began:
 *
 *		limit_a = sum over passes of (m_a (1 + g) + the most that any other moved)
 *
 * and a row the value at which its gap will be used up:
 *
 *		bound = gap + limit_a, when it was labelled
 *
 * Then a pass over rows that need no work reads 6 bytes a row, and writes none.
 *
 * Rounding is on the safe side: movements are rounded up (the computed distance
 * errs by less than (d + 4) 2^-52 of itself; KM_BOUNDS_LEAST covers squares
 * that underflow), sums and limits as well, bounds down.  A row without a
 * promise has a gap of 0, so its bound is below the limit, and it fails in
 * every pass.
 */
#include "core/bounds.h"

#include <math.h>
#include <string.h>

#include "core/kernel.h"

#define BOUNDS_LEAST	0x1p-90

KmBounds *
km_bounds_create(KmTeam *team, const double *centroids, int k, int d)
{
	KmBounds   *bounds = km_team_alloc(team, 1, sizeof(KmBounds));
	size_t		cells = (size_t) k * d;

	bounds->team = team;
	bounds->k = k;
	bounds->d = d;
	bounds->centroids = km_team_alloc(team, cells, sizeof(double));
	bounds->drift = km_team_alloc(team, (size_t) k, sizeof(double));
	bounds->limit = km_team_alloc(team, (size_t) k, sizeof(float));
	memcpy(bounds->centroids, centroids, cells * sizeof(double));
	for (int j = 0; j < k; j++)
	{
		bounds->drift[j] = 0;
		bounds->limit[j] = 0;
	}
	return bounds;
}

void
km_bounds_free(KmBounds *bounds)
{
	KmTeam	   *team = bounds->team;

	km_team_release(team, bounds->limit);
	km_team_release(team, bounds->drift);
	km_team_release(team, bounds->centroids);
	km_team_release(team, bounds);
}

void
km_bounds_move(KmBounds *bounds, const double *centroids, double unit)
{
	int			k = bounds->k;
	int			d = bounds->d;
	double		up = 1 + 0x1p-50 * (d + 8);
	double	   *moved = km_team_alloc(bounds->team, (size_t) k, sizeof(double));
	double		most = 0;
	double		next = 0;
	int			farthest = 0;

	for (int j = 0; j < k; j++)
	{
		size_t		cell = (size_t) j * d;
		double		dist2 = km_kernel_dist2(bounds->centroids + cell, centroids + cell, d);

		moved[j] = sqrt(dist2) * unit * up + BOUNDS_LEAST;
		if (moved[j] > most)
		{
			next = most;
			most = moved[j];
			farthest = j;
		}
		else if (moved[j] > next)
			next = moved[j];
		if (j % 64 == 0)
			km_team_check(bounds->team);
	}
	for (int j = 0; j < k; j++)
	{
		bounds->drift[j] = (bounds->drift[j] + moved[j] * up +
							(j == farthest ? next : most)) * (1 + 0x1p-50);
		bounds->limit[j] = (float) (bounds->drift[j] * (1 + 0x1p-22));
	}
	memcpy(bounds->centroids, centroids, (size_t) k * d * sizeof(double));
	km_team_release(bounds->team, moved);
}

int
km_bounds_failing(const KmBounds *bounds, const KmChunk *chunk, int64_t start,
				  int n, int32_t *pick)
{
	const uint16_t *label = chunk->label + start;
	const float *bound = chunk->bound + start;
	const float *limit = bounds->limit;
	int			failing = 0;

	/* without a branch, which could not be foreseen */
	for (int i = 0; i < n; i++)
	{
		pick[failing] = i;
		failing += !(limit[label[i]] < bound[i]);
	}
	return failing;
}
