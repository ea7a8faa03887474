/*
 * moved.c
 *		How many rows have another id than they had in a former clustering.
 *
 * A tile of rows is brought into the former space and labelled there by the
 * kernel, for which that is a space of its own, the identity.
 */
#include "core/moved.h"

#include <string.h>

#include "core/kernel.h"
#include "core/sums.h"

typedef struct Mover
{
	const KmFormer *former;
	KmSpace		space;			/* the identity on former->d features */
	KmKernel   *kernel;
	double	   *x;				/* one row, raw */
	double	   *z;				/* a tile of rows in the former space */
	int32_t		row[KM_TILE];	/* which row of the batch each of them is */
	int32_t		label[KM_TILE];
	double		dist2[KM_TILE];
	bool		moved[KM_TILE];	/* rows of the batch */
} Mover;

static void label_batch(Mover *mover, const double *values, int d, int n,
						const int32_t *label, const int32_t *ids);
static bool place(Mover *mover, const double *values, double *z);
static void count_batch(const bool *moved, const double *weight, int n,
						KmExact *sums);

double
km_moved_share(KmTeam *team, KmRows *rows, const KmFormer *former,
			   const int32_t *ids)
{
	Mover	   *mover = km_team_alloc(team, 1, sizeof(Mover));
	KmExact    *sums = km_team_alloc(team, 2, sizeof(KmExact));
	double		share;

	memset(mover, 0, sizeof(Mover));
	mover->former = former;
	mover->space.d = former->d;
	mover->kernel = km_kernel_create(team, &mover->space, former->k);
	km_kernel_set(mover->kernel, former->centroids, former->k);
	mover->x = km_team_alloc(team, former->d, sizeof(double));
	mover->z = km_team_alloc(team, (size_t) KM_TILE * former->d, sizeof(double));
	km_exact_init(&sums[0]);
	km_exact_init(&sums[1]);
	for (int c = 0; c < rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE)
		{
			int			n = km_chunk_batch(chunk, start, KM_TILE);

			km_team_check(team);
			label_batch(mover, km_chunk_rows(chunk, rows->d, start, n), rows->d, n,
						chunk->label + start, ids);
			count_batch(mover->moved, km_chunk_weights(chunk, start), n, sums);
		}
	}
	km_exact_reduce(team, sums, 2);
	share = km_exact_value(&sums[0]) / km_exact_value(&sums[1]);

	km_kernel_free(mover->kernel);
	km_team_release(team, mover->x);
	km_team_release(team, mover->z);
	km_team_release(team, mover);
	km_team_release(team, sums);
	return share;
}

static void
label_batch(Mover *mover, const double *values, int d, int n,
			const int32_t *label, const int32_t *ids)
{
	int			former_d = mover->former->d;
	int			placed = 0;

	for (int i = 0; i < n; i++)
	{
		mover->moved[i] = !place(mover, values + (size_t) i * d,
								 mover->z + (size_t) placed * former_d);
		if (!mover->moved[i])
			mover->row[placed++] = i;
	}
	if (placed > 0)
		km_kernel_assign(mover->kernel, mover->z, placed, mover->label, mover->dist2,
						 NULL);
	for (int i = 0; i < placed; i++)
		mover->moved[mover->row[i]] =
			mover->former->ids[mover->label[i]] != ids[label[mover->row[i]]];
}

/* false if the row has no direction, or lies too far out to be labelled */
static bool
place(Mover *mover, const double *values, double *z)
{
	const KmFormer *former = mover->former;
	double		norm2 = 0;

	for (int t = 0; t < former->d; t++)
		mover->x[t] = values[former->source[t]];
	if (!km_space_row(&former->space, mover->x, z))
		return false;
	for (int t = 0; t < former->d; t++)
		norm2 += z[t] * z[t];
	return norm2 <= KM_MAX_NORM2;
}

static void
count_batch(const bool *moved, const double *weight, int n, KmExact *sums)
{
	int			count = 0;

	for (int i = 0; i < n; i++)
	{
		count += moved[i];
		if (weight == NULL)
			continue;
		km_exact_add(&sums[1], weight[i]);
		if (moved[i])
			km_exact_add(&sums[0], weight[i]);
	}
	if (weight == NULL)
	{
		km_exact_add(&sums[0], count);
		km_exact_add(&sums[1], n);
	}
}
