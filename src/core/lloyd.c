/*
 * lloyd.c
 *		One run of Lloyd's algorithm from given centroids.
 *
 * A pass labels every row with its nearest centroid and moves each centroid to
 * the mean of its rows.  The sums of all clusters are kept from pass to pass;
 * a row touches them only when its label changes, which after the first passes
 * few rows do.  That is possible because the sums are exact: what was added
 * can be taken away without a trace, and it makes no difference in which order
 * or by which participant.  Each participant keeps the sums of its own rows;
 * only means are computed together.
 *
 * In the same way most rows are not even looked at: bounds.c knows which can
 * have changed their cluster, and only those are labelled, packed into dense
 * tiles.  (Without pruning all are.)  The labels are the same.
 *
 * So a pass does not know the distances of all rows.  Its inertia follows from
 * the means: with Q the sum of w |z - m|^2 over all rows, m their mean,
 *
 *		inertia = Q - sum over j of W_j (|mean_j - m|^2 - |mean_j - c_j|^2)
 *
 * which costs nothing and errs by some 2^-50 of Q.  Where that is not small
 * beside the inertia, and at the end of a run, the distances are summed.
 *
 * The run ends
 *	- when no label changed in a pass (strict convergence): then the centroids
 *	  are the means of exactly these labels, and these labels belong to them;
 *	- when the centroids moved by no more than the threshold, or after max_iter
 *	  passes: then labels are computed once more, so that they belong to the
 *	  final centroids.
 *
 * An empty cluster moves to the content farthest from its centroid, all copies
 * of it; with m empty clusters, the m farthest distinct contents, ties by
 * content.  As in scikit-learn this changes the centroids of the pass but not
 * the labels, which the next pass computes anyway; so the rows are moved in the
 * sums, the means are read, and the rows are moved back.  In the last labelling
 * there is no update to come: there the centroid itself is moved, and labels
 * are computed again.  Each time at least one more centroid then lies on a
 * content of its own and stays, so that happens at most k times.
 */
#include "core/lloyd.h"

#include <math.h>
#include <string.h>

#include "core/bounds.h"
#include "core/far.h"
#include "core/groups.h"
#include "core/kernel.h"

#define LLOYD_LEAST_SHARE 0x1p-10	/* of Q: less inertia is summed */
#define LLOYD_UNDECIDED_PART 256	/* fewer of the rows are looked at again */
#define LLOYD_WINDOW	4096	/* rows that are checked before any is labelled, */
#define LLOYD_DENSE		4		/* or all, if all but one in so many have to be; */
#define LLOYD_LIGHT_DENSE 2		/* so where, with */
#define LLOYD_LIGHT		256		/* multiply-adds a row, fetching it takes longer */
#define LLOYD_STEP		16		/* labels that are compared at once */

typedef struct Lloyd
{
	KmTeam	   *team;
	KmRows	   *rows;
	const KmSpace *space;
	const KmLloydParams *params;
	int			k;
	int			d;
	KmKernel   *kernel;
	KmBounds   *bounds;			/* NULL: no pruning, or no pass so far */
	KmSums	   *sums;			/* of this participant's rows, by label */
	int64_t		undecided;		/* rows of all participants whose label another
								 * centroid may share, after the last labelling;
								 * INT64_MAX: the centroids have moved since */
	double	   *centroids;		/* k x d, the caller's */
	double	   *mean;			/* k x d */
	double	   *weight;			/* k */
	int			batch;			/* rows that are added together in the first pass */
	KmGroups   *groups;
	double	   *z;				/* batch x d, rows in the space */
	int32_t    *pick;			/* LLOYD_WINDOW: rows to be labelled, */
	uint16_t   *nearest;		/* their new labels, */
	float	   *gap;			/* and gaps */
	int			nempty;			/* clusters without weight, in the last update */
} Lloyd;

static int	lloyd_room(const KmRows *rows, int most);
static void lloyd_label(Lloyd *l, bool first, KmIteration *iteration);
static int64_t lloyd_label_window(Lloyd *l, bool first, KmChunk *chunk,
								  int64_t start, int n, int64_t *undecided);
static int64_t lloyd_reassign(Lloyd *l, KmChunk *chunk, int64_t start,
							  const int32_t *pick, int n);
static void lloyd_add_rows(Lloyd *l, const KmChunk *chunk, int64_t start, int n,
						   const uint16_t *label);
static void lloyd_move_row(Lloyd *l, const KmChunk *chunk, int64_t i, int from,
						   int to);
static double lloyd_inertia(Lloyd *l);
static double lloyd_inertia_of_means(const Lloyd *l);
static double lloyd_inertia_of_pass(Lloyd *l);
static bool lloyd_refused(Lloyd *l);
static int64_t lloyd_ties(Lloyd *l);
static bool lloyd_in_doubt(const Lloyd *l, double shift);
static double lloyd_update(Lloyd *l, KmIteration *iteration, bool *relocated);
static void lloyd_finish(Lloyd *l, KmIteration *iteration);
static int	lloyd_empty(const Lloyd *l, int *empty);
static KmFar *lloyd_farthest(Lloyd *l, int wanted);
static void lloyd_move(Lloyd *l, const KmFar *far, const int *empty, int sign);
static bool lloyd_unit(const KmSpace *space, double *mean);

KmLloydResult
km_lloyd(KmTeam *team, KmRows *rows, const KmSpace *space, const KmGrid *grid,
		 const KmLloydParams *params, double *centroids, int k)
{
	Lloyd		l;
	KmIteration iteration = {0};
	KmLloydResult result = {0};
	bool		strict = false;

	l.team = team;
	l.rows = rows;
	l.space = space;
	l.params = params;
	l.k = k;
	l.d = rows->d;
	l.kernel = km_kernel_create(team, space, k);
	l.sums = km_sums_create(team, grid, k);
	l.centroids = centroids;
	l.mean = km_team_alloc(team, (size_t) k * rows->d, sizeof(double));
	l.weight = km_team_alloc(team, k, sizeof(double));
	l.batch = lloyd_room(rows, km_rows_batch(rows->d));
	l.groups = km_groups_create(team, k);
	l.z = km_team_alloc(team, (size_t) l.batch * rows->d, sizeof(double));
	l.pick = km_team_alloc(team, lloyd_room(rows, LLOYD_WINDOW), sizeof(int32_t));
	l.nearest = km_team_alloc(team, lloyd_room(rows, LLOYD_WINDOW), sizeof(uint16_t));
	l.gap = km_team_alloc(team, lloyd_room(rows, LLOYD_WINDOW), sizeof(float));
	l.bounds = NULL;
	l.nempty = 0;

	if (params->trails != NULL)
		km_trails_begin(params->trails, k);
	iteration.run = params->run;
	for (iteration.iteration = 1;; iteration.iteration++)
	{
		bool		relocated;

		lloyd_label(&l, iteration.iteration == 1, &iteration);
		if (iteration.iteration == 1 && lloyd_refused(&l))
		{
			result.refused = true;
			break;
		}
		iteration.shift = lloyd_update(&l, &iteration, &relocated);
		strict = iteration.reassigned == 0 && !relocated;
		if (strict && !params->approximate)
			iteration.inertia = lloyd_inertia(&l);
		if (params->report != NULL)
			params->report(params->arg, &iteration);
		if (params->trails != NULL && lloyd_in_doubt(&l, iteration.shift))
			km_trails_doubt(params->trails, iteration.iteration);
		if (strict || iteration.shift <= params->threshold)
		{
			result.converged = true;
			break;
		}
		if (iteration.iteration >= params->max_iter)
			break;
		if (params->trails != NULL && l.nempty == 0 &&
			km_trails_met(params->trails, l.centroids, iteration.iteration))
		{
			result.known = true;
			break;
		}
	}
	if (!strict && !result.refused && !result.known)
		lloyd_finish(&l, &iteration);
	if (params->trails != NULL && !result.known)
	{
		if (l.undecided > 0)
			km_trails_doubt(params->trails, iteration.iteration);
		km_trails_end(params->trails, iteration.iteration, result.converged);
	}
	result.n_iter = iteration.iteration;
	result.unique = !result.refused && !result.known && lloyd_ties(&l) == 0;
	result.inertia = iteration.inertia;

	if (l.bounds != NULL)
		km_bounds_free(l.bounds);
	km_team_release(team, l.gap);
	km_team_release(team, l.nearest);
	km_team_release(team, l.pick);
	km_team_release(team, l.z);
	km_groups_free(team, l.groups);
	km_team_release(team, l.weight);
	km_team_release(team, l.mean);
	km_sums_free(l.sums);
	km_kernel_free(l.kernel);
	return result;
}

/* room for so many rows at a time, or for all that there are */
static int
lloyd_room(const KmRows *rows, int most)
{
	return rows->n >= most ? most : rows->n > KM_TILE ? (int) rows->n : KM_TILE;
}

/* labels for the centroids, and the sums that go with them */
static void
lloyd_label(Lloyd *l, bool first, KmIteration *iteration)
{
	int64_t		counts[2] = {0, 0};

	km_kernel_set(l->kernel, l->centroids, l->k);
	if (l->bounds != NULL)
		km_bounds_move(l->bounds, l->centroids, km_kernel_unit(l->kernel));
	else if (l->team->pruning != KM_PRUNING_OFF)
		l->bounds = km_bounds_create(l->team, l->centroids, l->k, l->d);
	for (int c = 0; c < l->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(l->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += LLOYD_WINDOW)
			counts[0] += lloyd_label_window(l, first, chunk, start,
											km_chunk_batch(chunk, start, LLOYD_WINDOW),
											&counts[1]);
		km_team_check(l->team);
	}
	km_team_add(l->team, counts, 2);
	iteration->reassigned = counts[0];
	l->undecided = counts[1];
}

/* returns how many rows changed their label */
static int64_t
lloyd_label_window(Lloyd *l, bool first, KmChunk *chunk, int64_t start, int n,
				   int64_t *undecided)
{
	const int32_t *pick = NULL; /* all rows */

	if (l->bounds != NULL && !first)
	{
		int			failing = km_bounds_failing(l->bounds, chunk, start, n, l->pick);

		if (failing < n - n / (l->k * (int64_t) l->d <= LLOYD_LIGHT ? LLOYD_LIGHT_DENSE :
							   LLOYD_DENSE))
		{
			pick = l->pick;
			n = failing;
		}
	}
	km_kernel_label(l->kernel, chunk, start, pick, n, l->nearest, l->gap);
	if (l->bounds != NULL)
		km_bounds_set(l->bounds, chunk, start, pick, n, l->nearest, l->gap);
	for (int i = 0; i < n; i++)
		*undecided += !(l->gap[i] > 0);
	if (!first)
		return lloyd_reassign(l, chunk, start, pick, n);
	memcpy(chunk->label + start, l->nearest, n * sizeof(uint16_t));
	lloyd_add_rows(l, chunk, start, n, l->nearest);
	return n;
}

/* the same for rows whose labels are known: move those that have changed */
static int64_t
lloyd_reassign(Lloyd *l, KmChunk *chunk, int64_t start, const int32_t *pick, int n)
{
	int64_t		reassigned = 0;

	for (int i = 0; i < n; i++)
	{
		int64_t		row = start + (pick != NULL ? pick[i] : i);

		/* many at once */
		if (pick == NULL && i % LLOYD_STEP == 0 && i + LLOYD_STEP <= n &&
			memcmp(chunk->label + row, l->nearest + i, LLOYD_STEP * sizeof(uint16_t)) == 0)
		{
			i += LLOYD_STEP - 1;
			continue;
		}
		if (chunk->label[row] == l->nearest[i])
			continue;
		lloyd_move_row(l, chunk, row, chunk->label[row], l->nearest[i]);
		chunk->label[row] = l->nearest[i];
		reassigned++;
	}
	return reassigned;
}

/* to the sums, cluster by cluster; with weights one by one */
static void
lloyd_add_rows(Lloyd *l, const KmChunk *chunk, int64_t start, int n,
			   const uint16_t *label)
{
	if (chunk->weight != NULL)
	{
		for (int i = 0; i < n; i++)
			lloyd_move_row(l, chunk, start + i, -1, label[i]);
		return;
	}
	for (int first = 0; first < n; first += l->batch)
	{
		int			m = n - first < l->batch ? n - first : l->batch;
		const double *z = km_chunk_rows(chunk, l->d, start + first, m);

		if (!km_space_identity(l->space))
		{
			for (int i = 0; i < m; i++)
				km_space_row(l->space, z + (size_t) i * l->d, l->z + (size_t) i * l->d);
			z = l->z;
		}
		km_groups_sort(l->groups, label + first, m);
		for (int j = 0; j < l->k; j++)
		{
			int			begin = km_groups_begin(l->groups, j);

			km_sums_add_rows(l->sums, j, z, l->groups->pick + begin,
							 km_groups_end(l->groups, j) - begin);
		}
		km_team_check(l->team);
	}
}

/* from one cluster's sums (-1: none) to another's */
static void
lloyd_move_row(Lloyd *l, const KmChunk *chunk, int64_t i, int from, int to)
{
	const double *z = km_chunk_rows(chunk, l->d, i, 1);
	double		w = chunk->weight != NULL ? chunk->weight[i] : 1;

	if (!km_space_identity(l->space))
	{
		km_space_row(l->space, z, l->z);
		z = l->z;
	}
	if (from >= 0)
		km_sums_move(l->sums, from, to, z, w);
	else
		km_sums_add(l->sums, to, z, w, 1);
}

/* of the labels and the kernel's centroids, from all distances */
static double
lloyd_inertia(Lloyd *l)
{
	KmExact		inertia;

	km_exact_init(&inertia);
	for (int c = 0; c < l->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(l->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE)
		{
			int			n = km_chunk_batch(chunk, start, KM_TILE);
			double		dist2[KM_TILE];

			km_kernel_own(l->kernel, km_chunk_rows(chunk, l->d, start, n), n,
						  chunk->label + start, dist2, NULL);
			if (chunk->weight == NULL)
				km_exact_add_many(&inertia, dist2, n);
			else
				for (int i = 0; i < n; i++)
					km_exact_add_product(&inertia, chunk->weight[start + i], dist2[i]);
		}
	}
	km_exact_reduce(l->team, &inertia, 1);
	return km_exact_value(&inertia);
}

/*
 * The same from the means of the labels.  The head of the file has the formula;
 * every number in it is the same in any order of rows.
 */
static double
lloyd_inertia_of_means(const Lloyd *l)
{
	double		explained = 0;

	for (int j = 0; j < l->k; j++)
	{
		const double *mean = l->mean + (size_t) j * l->d;

		if (l->weight[j] > 0)
			explained += l->weight[j] *
				(km_kernel_dist2(mean, l->params->mean, l->d) -
				 km_kernel_dist2(mean, l->centroids + (size_t) j * l->d, l->d));
	}
	return l->params->total_ss - explained;
}

/* the means are those of the labels, which belong to the centroids */
static double
lloyd_inertia_of_pass(Lloyd *l)
{
	double		inertia = lloyd_inertia_of_means(l);

	return inertia > l->params->total_ss * LLOYD_LEAST_SHARE ? inertia : lloyd_inertia(l);
}

/* is the start too bad to go on with? */
static bool
lloyd_refused(Lloyd *l)
{
	double		weight = 0;

	if (l->params->most == NULL || isinf(*l->params->most))
		return false;
	km_sums_means(l->sums, l->mean, l->weight);
	for (int j = 0; j < l->k; j++)
		weight += l->weight[j];
	return lloyd_inertia_of_pass(l) > *l->params->most * weight;
}

/* may what the pass did depend on the order of the clusters?  See trails.c. */
static bool
lloyd_in_doubt(const Lloyd *l, double shift)
{
	double		threshold = l->params->threshold;

	return l->undecided > 0 || l->nempty > 0 ||
		fabs(shift - threshold) < KM_TRAILS_MARGIN * threshold;
}

/*
 * How many rows of all participants have two nearest centroids?  Most that the
 * last pass left undecided are only near to that.  They are among those that
 * fail their bounds, and their distances tell; but not where they are so many
 * that others had better label them all again.
 */
static int64_t
lloyd_ties(Lloyd *l)
{
	int64_t		n = l->rows->n;
	int64_t		ties = 0;
	double	   *all;

	km_team_add(l->team, &n, 1);
	if (l->bounds == NULL || l->undecided > n / LLOYD_UNDECIDED_PART)
		return l->undecided;
	all = km_team_alloc(l->team, l->k, sizeof(double));
	for (int c = 0; l->undecided > 0 && c < l->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(l->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += LLOYD_WINDOW)
		{
			int			failing = km_bounds_failing(l->bounds, chunk, start,
													km_chunk_batch(chunk, start, LLOYD_WINDOW),
													l->pick);

			for (int i = 0; i < failing; i++)
			{
				int64_t		row = start + l->pick[i];
				int			nearest = 0;

				km_kernel_all(l->kernel, km_chunk_rows(chunk, l->d, row, 1), 1, all);
				for (int j = 0; j < l->k; j++)
					nearest += all[j] <= all[chunk->label[row]];
				ties += nearest > 1;
			}
		}
		km_team_check(l->team);
	}
	km_team_add(l->team, &ties, 1);
	km_team_release(l->team, all);
	return ties;
}

/*
 * Move the centroids to the means, empty clusters to far rows.  Returns the
 * sum of the squared movements; the inertia is that before.
 */
static double
lloyd_update(Lloyd *l, KmIteration *iteration, bool *relocated)
{
	double		shift = 0;
	int			nempty;

	*relocated = false;

	/* without a change the means are there, unless they were moved or scaled */
	if (iteration->iteration == 1 || iteration->reassigned > 0 || l->nempty > 0 ||
		l->space->unit)
		km_sums_means(l->sums, l->mean, l->weight);
	if (l->params->report != NULL)
		iteration->inertia = lloyd_inertia_of_pass(l);
	nempty = l->nempty = lloyd_empty(l, NULL);
	if (nempty > 0)
	{
		int		   *empty = km_team_alloc(l->team, nempty, sizeof(int));
		KmFar	   *far = lloyd_farthest(l, nempty);

		lloyd_empty(l, empty);
		if (far->n > 0)
		{
			*relocated = true;
			lloyd_move(l, far, empty, 1);
			km_sums_means(l->sums, l->mean, l->weight);
			lloyd_move(l, far, empty, -1);
		}
		km_far_free(far);
		km_team_release(l->team, empty);
	}

	for (int j = 0; j < l->k; j++)
	{
		double	   *mean = l->mean + (size_t) j * l->d;
		double	   *centroid = l->centroids + (size_t) j * l->d;

		/* without rows, or for cosine without a direction: stay */
		if (!(l->weight[j] > 0) || !lloyd_unit(l->space, mean))
			continue;
		shift += km_kernel_dist2(mean, centroid, l->d);
		memcpy(centroid, mean, l->d * sizeof(double));
		if (j % 64 == 0)
			km_team_check(l->team);
	}
	return shift;
}

/* labels that belong to the final centroids, none of them empty */
static void
lloyd_finish(Lloyd *l, KmIteration *iteration)
{
	int		   *empty = km_team_alloc(l->team, l->k, sizeof(int));
	bool		moved = true;

	for (int round = 0; moved && round <= l->k; round++)
	{
		int64_t		reassigned = iteration->reassigned;
		int			nempty;

		moved = false;
		lloyd_label(l, false, iteration);
		iteration->reassigned = reassigned;
		km_sums_means(l->sums, l->mean, l->weight);
		nempty = lloyd_empty(l, empty);
		if (nempty > 0)
		{
			KmFar	   *far = lloyd_farthest(l, nempty);

			for (size_t e = 0; e < far->n; e++)
				memcpy(l->centroids + (size_t) empty[e] * l->d,
					   far->data + e * ((size_t) l->d + 1) + 1,
					   l->d * sizeof(double));
			moved = far->n > 0;
			km_far_free(far);
		}
	}
	km_team_release(l->team, empty);
	if (moved)
		l->undecided = INT64_MAX;
	iteration->inertia = l->params->approximate ? lloyd_inertia_of_pass(l) :
		lloyd_inertia(l);
	if (l->params->report != NULL)
		l->params->report(l->params->arg, iteration);
}

/* the clusters without weight: how many, and, if asked for, which */
static int
lloyd_empty(const Lloyd *l, int *empty)
{
	int			n = 0;

	for (int j = 0; j < l->k; j++)
	{
		if (l->weight[j] > 0)
			continue;
		if (empty != NULL)
			empty[n] = j;
		n++;
	}
	return n;
}

/* for cosine: to length 1; false if it has none */
static bool
lloyd_unit(const KmSpace *space, double *mean)
{
	KmSpace		unit = {space->d, NULL, NULL, space->unit};

	return km_space_row(&unit, mean, mean);
}

/* ---- Relocation ---- */

/*
 * The `wanted` farthest distinct contents of all participants that have weight
 * and are not at their centroid; fewer if there are not as many.  The kernel
 * still holds the centroids that the labels belong to.
 */
static KmFar *
lloyd_farthest(Lloyd *l, int wanted)
{
	KmFar	   *far = km_far_create(l->team, l->d, wanted);

	for (int c = 0; c < l->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(l->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE)
		{
			int			n = km_chunk_batch(chunk, start, KM_TILE);
			const uint16_t *label = chunk->label + start;
			double		dist2[KM_TILE];

			km_kernel_own(l->kernel, km_chunk_rows(chunk, l->d, start, n), n, label,
						  dist2, l->z);
			for (int i = 0; i < n; i++)
				if ((chunk->weight == NULL || chunk->weight[start + i] > 0) &&
					!km_space_same_place(l->space, dist2[i]))
					km_far_add(far, dist2[i], l->z + (size_t) i * l->d);
		}
	}
	km_far_share(far);
	return far;
}

/*
 * Move the rows of the far contents from their clusters to the empty ones, or
 * (sign -1) back.
 */
static void
lloyd_move(Lloyd *l, const KmFar *far, const int *empty, int sign)
{
	for (int c = 0; c < l->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(l->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE)
		{
			int			n = km_chunk_batch(chunk, start, KM_TILE);
			const uint16_t *label = chunk->label + start;
			double		dist2[KM_TILE];

			km_kernel_own(l->kernel, km_chunk_rows(chunk, l->d, start, n), n, label,
						  dist2, l->z);
			for (int i = 0; i < n; i++)
			{
				const double *z = l->z + (size_t) i * l->d;
				int			e = km_far_find(far, dist2[i], z);
				double		w = chunk->weight != NULL ? chunk->weight[start + i] : 1;

				if (e < 0)
					continue;
				if (sign > 0)
					km_sums_move(l->sums, label[i], empty[e], z, w);
				else
					km_sums_move(l->sums, empty[e], label[i], z, w);
			}
		}
	}
}
