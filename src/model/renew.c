/*
 * renew.c
 *		A new fit of an old model: which new cluster is which old one.
 *
 * Ids mean something to people, so they follow their clusters from version to
 * version.  Old centroids are carried into the new space through original
 * units, since scaling is computed anew with every fit.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/assignment.h"
#include "core/kernel.h"
#include "engine/team.h"
#include "model/renew.h"

/* a cost matrix of 1 GB, and minutes to solve it */
#define KM_RENEW_MAX_PAIRS (128 * 1024 * 1024)

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

void
km_renew_check(const KmModel *old, int k)
{
	if ((double) k * old->k > KM_RENEW_MAX_PAIRS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many clusters to carry ids over: %d old and %d new ones",
						old->k, k),
				 errdetail("At most %d pairs of clusters can be compared.",
						   KM_RENEW_MAX_PAIRS),
				 errhint("Fit under a new name.")));
}

/* Under cosine a unit centroid has lost its length: the cluster's mean stands for it. */
double *
km_renew_carry(const KmModel *old, const int *place, const KmSpace *space)
{
	KmSpace		old_space = km_model_space(old);
	double	   *x = palloc(mul_size(old->d, sizeof(double)));
	Size		bytes = mul_size(space->d, sizeof(double));
	double	   *carried = MemoryContextAllocHuge(CurrentMemoryContext,
												 mul_size(old->k, bytes));

	for (int j = 0; j < old->k; j++)
	{
		double	   *c = carried + (Size) j * space->d;

		if (old->metric == KM_METRIC_COSINE)
			memcpy(x, old->mean + (Size) j * old->d, old->d * sizeof(double));
		else
			km_space_back(&old_space, old->centroids + (Size) j * old->d, x);
		memset(c, 0, bytes);
		for (int t = 0; t < old->d; t++)
			c[place[t]] = x[t];
		if (!km_space_row(space, c, c))
			memset(c, 0, bytes);
	}
	pfree(x);
	return carried;
}

void
km_renew_number(void *arg, const double *centroids, int k, const KmSpace *space,
				int32 *ids)
{
	const KmRenewal *renewal = arg;
	const KmModel *old = renewal->old;
	double	   *carried = km_renew_carry(old, renewal->place, space);
	double	   *cost = MemoryContextAllocHuge(CurrentMemoryContext,
											  mul_size(mul_size(k, old->k),
													   sizeof(double)));
	int		   *match = palloc(mul_size(k, sizeof(int)));
	int64		next = (int64) renewal->max_id + 1;

	for (int i = 0; i < k; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < old->k; j++)
			cost[(Size) i * old->k + j] =
				Min(km_kernel_dist2(centroids + (Size) i * space->d,
									carried + (Size) j * space->d, space->d),
					KM_MAX_NORM2);
	}
	km_assignment(km_team_alone(CurrentMemoryContext), cost, k, old->k, match);
	for (int i = 0; i < k; i++)
	{
		if (match[i] >= 0)
			ids[i] = old->ids[match[i]];
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
	pfree(cost);
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
