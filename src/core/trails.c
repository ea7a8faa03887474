/*
 * trails.c
 *		Where earlier runs of Lloyd's algorithm have been.
 *
 * A state is a set of centroids that a pass has come to.  From one state two
 * runs, whose clusters may be in another order, go the same way, since
 *
 *	- a row's label is its nearest centroid, whatever its index, unless there
 *	  are two of them;
 *	- means are those of exact sums, so they depend on the rows of a cluster
 *	  alone;
 *	- the shift is a sum of k numbers in the order of the clusters, which errs
 *	  by less than k 2^-52 of itself; the test against the threshold comes out
 *	  alike if the shift is off the threshold by KM_TRAILS_MARGIN of it, and if
 *	  the threshold is 0 in any case, since a sum of squares is 0 in all orders
 *	  or in none;
 *	- that no row has changed its label (the run's other end) means that the
 *	  centroids stay, so that the shift is 0 and ends the run in that pass as
 *	  well.
 *
 * A pass for which that cannot be said, or in which a cluster ran empty, is in
 * doubt; states before the last such pass of a run lead nowhere.  Neither do
 * those of a run that was cut off by max_iter, nor those from which too many
 * passes are left for the run that comes to them.
 *
 * A run that ends by being known leaves its states behind, too: they lead to
 * the same end.
 *
 * Centroids are compared sorted by content.  Memory: at most TRAILS_STATES
 * states of TRAILS_VALUES values in all; what comes later is not noted.
 */
#include "core/trails.h"

#include <string.h>

#include "core/hash.h"
#include "core/sort.h"

#define TRAILS_STATES	128
#define TRAILS_VALUES	(1 << 16)

typedef struct TrailsState
{
	uint64_t	hash;
	int			k;
	int			iteration;
	int			left;			/* passes from here to the end; -1: leads nowhere, or
								 * the run is not over */
} TrailsState;

struct KmTrails
{
	KmTeam	   *team;
	int			d;
	int			max_iter;
	size_t		size;			/* values of a state */
	int			max;
	int			n;
	TrailsState *state;			/* max */
	double	   *centroids;		/* max x size, each sorted */
	double	  **order;

	/* the present run */
	int			k;
	int			first;			/* its first state */
	int			doubt;			/* its last pass in doubt, 0: none */
};

static int trails_compare(const double *a, const double *b, const void *arg);

KmTrails *
km_trails_create(KmTeam *team, int k, int d, int max_iter)
{
	KmTrails   *trails = km_team_alloc(team, 1, sizeof(KmTrails));
	size_t		most;

	trails->team = team;
	trails->d = d;
	trails->max_iter = max_iter;
	trails->size = (size_t) k * d;
	most = TRAILS_VALUES / trails->size;
	trails->max = most < TRAILS_STATES ? (int) most : TRAILS_STATES;
	trails->n = 0;
	trails->state = km_team_alloc(team, trails->max, sizeof(TrailsState));
	trails->centroids = km_team_alloc(team, trails->max * trails->size, sizeof(double));
	trails->order = km_team_alloc(team, k, sizeof(double *));
	return trails;
}

void
km_trails_free(KmTrails *trails)
{
	KmTeam	   *team = trails->team;

	km_team_release(team, trails->order);
	km_team_release(team, trails->centroids);
	km_team_release(team, trails->state);
	km_team_release(team, trails);
}

void
km_trails_begin(KmTrails *trails, int k)
{
	trails->k = k;
	trails->first = trails->n;
	trails->doubt = 0;
}

void
km_trails_doubt(KmTrails *trails, int iteration)
{
	trails->doubt = iteration;
}

bool
km_trails_met(KmTrails *trails, const double *centroids, int iteration)
{
	size_t		d = (size_t) trails->d;
	TrailsState *now = &trails->state[trails->n];
	double	   *sorted = trails->centroids + trails->n * trails->size;

	if (trails->n == trails->max)
		return false;
	for (int j = 0; j < trails->k; j++)
		trails->order[j] = (double *) centroids + j * d;
	km_sort_rows(trails->team, trails->order, trails->k, trails_compare, &trails->d);
	for (int j = 0; j < trails->k; j++)
		memcpy(sorted + j * d, trails->order[j], d * sizeof(double));
	now->hash = km_hash_row(sorted, trails->k * trails->d, 0);
	now->k = trails->k;
	now->iteration = iteration;
	now->left = -1;
	for (int s = 0; s < trails->first; s++)
	{
		const TrailsState *then = &trails->state[s];

		if (then->hash == now->hash && then->k == now->k && then->left >= 0 &&
			then->left <= trails->max_iter - iteration &&
			memcmp(trails->centroids + s * trails->size, sorted,
				   now->k * d * sizeof(double)) == 0)
		{
			km_trails_end(trails, iteration + then->left, true);
			return true;
		}
	}
	trails->n++;
	return false;
}

void
km_trails_end(KmTrails *trails, int n_iter, bool converged)
{
	for (int s = trails->first; s < trails->n; s++)
		if (converged && trails->state[s].iteration >= trails->doubt)
			trails->state[s].left = n_iter - trails->state[s].iteration;
}

static int
trails_compare(const double *a, const double *b, const void *arg)
{
	return km_sort_compare(a, b, *(const int *) arg);
}
