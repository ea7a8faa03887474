/*
 * renew.c
 *		A new fit of an old model: which new cluster is which old one.
 *
 * Ids mean something to people, so they follow their clusters from version to
 * version.  Old centroids are carried into the new space through original
 * units, since scaling is computed anew with every fit.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/assignment.h"
#include "core/kernel.h"
#include "engine/team.h"
#include "model/renew.h"

/* Is the new column the old one, perhaps with categories added? */
static bool
km_renew_same_column(const KmColumn *old, const KmColumn *column)
{
	if (strcmp(old->name, column->name) != 0 || old->kind != column->kind)
		return false;
	if (column->kind != KM_COLUMN_CATEGORY)
		return old->nfeatures == column->nfeatures;
	if (old->nfeatures > column->nfeatures)
		return false;
	for (int t = 0; t < old->nfeatures; t++)
		if (strcmp(old->categories[t], column->categories[t]) != 0)
			return false;
	return true;
}

int *
km_renew_place(const KmModel *old, const KmColumn *columns, int ncolumns)
{
	int		   *place;
	int			from = 0;
	int			to = 0;

	if (old->ncolumns != ncolumns)
		return NULL;
	place = palloc(mul_size(old->d, sizeof(int)));
	for (int c = 0; c < ncolumns; c++)
	{
		if (!km_renew_same_column(&old->columns[c], &columns[c]))
			return NULL;
		for (int t = 0; t < old->columns[c].nfeatures; t++)
			place[from++] = to + t;
		to += columns[c].nfeatures;
	}
	return place;
}

/*
 * Where on the ray of a unit centroid its cluster lies, in the old space: as far
 * out as its rows (root mean square).
 */
static double
km_renew_length(const KmModel *old, int j)
{
	const double *mean = old->mean + (Size) j * old->d;
	const double *stddev = old->stddev + (Size) j * old->d;
	double		sum = 0;

	for (int t = 0; t < old->d; t++)
	{
		double		along = (mean[t] - old->shift[t]) / old->scale[t];
		double		about = stddev[t] / old->scale[t];

		sum += along * along + about * about;
	}
	return sum > 0 && sum <= KM_MAX_NORM2 ? sqrt(sum) : 1;
}

/*
 * An old centroid in original units, with the features of the new fit: a new
 * category has no share in it.
 *
 * Under cosine a unit centroid has lost its length.  If the new fit asks for the
 * direction only, and as long as the scaling stays, any length leads back to it,
 * so rows that have not changed find their centroid where it was; as the scaling
 * changes, the point among the cluster's rows goes with them.  For a fit that
 * asks for the place, the mean of the rows is that.
 */
static void
km_renew_original(const KmRenewal *renewal, int j, const KmSpace *new_space, double *x)
{
	const KmModel *old = renewal->old;
	KmSpace		space = km_model_space(old);
	Size		at = (Size) j * old->d;
	double	   *old_x = palloc(mul_size(old->d, sizeof(double)));
	int			d = new_space->d;

	if (space.unit && !new_space->unit)
		memcpy(old_x, old->mean + at, old->d * sizeof(double));
	else
	{
		double		length = space.unit ? km_renew_length(old, j) : 1;

		for (int t = 0; t < old->d; t++)
			old_x[t] = old->centroids[at + t] * length;
		km_space_back(&space, old_x, old_x);
	}

	memset(x, 0, d * sizeof(double));
	for (int t = 0; t < old->d; t++)
		x[renewal->place[t]] = old_x[t];
	pfree(old_x);
}

/*
 * All of them, k x d: in the new space, or, if scaled is NULL, in original
 * units.  *scaled is false if one has no place in the space, and is left at 0.
 */
static double *
km_renew_carry(const KmRenewal *renewal, const KmSpace *space, bool *scaled)
{
	int			k = renewal->old->k;
	int			d = space->d;
	double	   *carried = MemoryContextAllocHuge(CurrentMemoryContext,
												 mul_size(mul_size(k, d),
														  sizeof(double)));

	if (scaled != NULL)
		*scaled = true;
	for (int j = 0; j < k; j++)
	{
		double	   *c = carried + (Size) j * d;

		km_renew_original(renewal, j, space, c);
		if (scaled != NULL && !km_space_row(space, c, c))
		{
			memset(c, 0, d * sizeof(double));
			*scaled = false;
		}
	}
	return carried;
}

void
km_renew_start(const KmRenewal *renewal, const KmSpace *space, KmFitParams *params)
{
	bool		scaled;

	if (renewal->old->k != params->k)
		return;
	pfree(km_renew_carry(renewal, space, &scaled));
	if (!scaled)
		return;
	params->init = KM_INIT_CENTROIDS;
	params->n_init = 1;
	params->init_centroids = km_renew_carry(renewal, space, NULL);
}

KmFormer *
km_renew_former(const KmRenewal *renewal)
{
	const KmModel *old = renewal->old;
	KmFormer   *former = palloc(sizeof(KmFormer));

	former->k = old->k;
	former->d = old->d;
	former->space = km_model_space(old);
	former->centroids = old->centroids;
	former->ids = old->ids;
	former->source = renewal->place;
	return former;
}

void
km_renew_number(void *arg, const double *centroids, int k, const KmSpace *space,
				int32 *ids)
{
	KmRenewal  *renewal = arg;
	const KmModel *old = renewal->old;
	int			d = space->d;
	bool		scaled;
	double	   *carried = km_renew_carry(renewal, space, &scaled);
	int		   *match = palloc(mul_size(k, sizeof(int)));
	int64		next = (int64) renewal->max_id + 1;

	km_assignment_points(km_team_alone(CurrentMemoryContext), centroids, k, carried,
						 old->k, d, mul_size(maintenance_work_mem, 1024), match);
	for (int i = 0; i < k; i++)
	{
		if (match[i] >= 0)
		{
			double		shift2 = km_kernel_dist2(centroids + (Size) i * d,
												 carried + (Size) match[i] * d, d);

			ids[i] = old->ids[match[i]];
			renewal->max_shift = Max(renewal->max_shift,
									 sqrt(Min(shift2, KM_MAX_NORM2)));
		}
		else if (next <= PG_INT32_MAX)
			ids[i] = (int32) next++;
		else
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("there are no cluster ids left"),
					 errdetail("Ids of clusters are never used again; the highest so far is %d.",
							   renewal->max_id)));
	}
	pfree(match);
	pfree(carried);
}

void
km_renew_labels(const KmModel *old, KmModel *new_model)
{
	for (int j = 0; j < new_model->k; j++)
	{
		int			same = km_model_find_cluster(old, new_model->ids[j]);

		if (same >= 0)
			new_model->labels[j] = old->labels[same];
	}
}
