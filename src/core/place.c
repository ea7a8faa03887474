/*
 * place.c
 *		Labelling raw rows by centroids in a space that is not the rows' own.
 *
 * The rows that have a place in the space are brought there, close together,
 * and labelled by a kernel for which that is a space of its own, the identity.
 */
#include "core/place.h"

#include <math.h>

struct KmPlacer
{
	KmTeam	   *team;
	const KmSpace *space;
	const int32_t *source;
	KmSpace		identity;		/* on as many features */
	KmKernel   *kernel;
	double	   *x;				/* one row, raw */
	double	   *z;				/* KM_TILE rows in the space */
	int32_t		row[KM_TILE];	/* which row each of them is */
	int32_t		label[KM_TILE];
	double		dist2[KM_TILE];
};

static int32_t place(KmPlacer *placer, const double *values, double *z);

KmPlacer *
km_placer_create(KmTeam *team, const KmSpace *space, const double *centroids, int k,
				 const int32_t *source)
{
	KmPlacer   *placer = km_team_alloc(team, 1, sizeof(KmPlacer));
	size_t		d = (size_t) space->d;

	placer->team = team;
	placer->space = space;
	placer->source = source;
	placer->identity = (KmSpace) {.d = space->d};
	placer->kernel = km_kernel_create(team, &placer->identity, k);
	km_kernel_set(placer->kernel, centroids, k);
	placer->x = km_team_alloc(team, d, sizeof(double));
	placer->z = km_team_alloc(team, KM_TILE * d, sizeof(double));
	return placer;
}

void
km_placer_free(KmPlacer *placer)
{
	km_kernel_free(placer->kernel);
	km_team_release(placer->team, placer->x);
	km_team_release(placer->team, placer->z);
	km_team_release(placer->team, placer);
}

void
km_placer_label(KmPlacer *placer, const double *values, int d, int n, int32_t *label)
{
	int			placed = 0;

	for (int i = 0; i < n; i++)
	{
		label[i] = place(placer, values + (size_t) i * d,
						 placer->z + (size_t) placed * placer->space->d);
		if (label[i] == 0)
			placer->row[placed++] = i;
	}
	if (placed > 0)
		km_kernel_assign(placer->kernel, placer->z, placed, placer->label,
						 placer->dist2, NULL);
	for (int i = 0; i < placed; i++)
		label[placer->row[i]] = placer->label[i];
}

/* 0 if the row has a place there */
static int32_t
place(KmPlacer *placer, const double *values, double *z)
{
	const KmSpace *space = placer->space;
	double		norm2 = 0;

	for (int t = 0; t < space->d; t++)
	{
		placer->x[t] = values[placer->source[t]];
		if (isnan(placer->x[t]))
			return KM_PLACE_NONE;
	}
	if (!km_space_row(space, placer->x, z))
		return KM_PLACE_NONE;
	for (int t = 0; t < space->d; t++)
		norm2 += z[t] * z[t];
	return norm2 <= KM_MAX_NORM2 ? 0 : KM_PLACE_FAR;
}
