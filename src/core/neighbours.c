/*
 * neighbours.c
 *		Rows put in an order in which those that follow each other lie near
 *		each other.
 *
 * They are sorted by the feature in which they spread widest, and each half is
 * treated in the same way, until it is no larger than a tile.  Halves are made
 * of whole tiles, so every tile is a cell of that division.
 */
#include "core/neighbours.h"

#include <string.h>

#include "core/sort.h"

static void neighbours_divide(KmTeam *team, double **row, int64_t n, int d);
static int	neighbours_widest(KmTeam *team, double *const *row, int64_t n, int d);
static void neighbours_extend(const double *z, int d, double *box);

void
km_neighbours_sort(KmTeam *team, KmChunk *chunk, int d)
{
	int64_t		n = chunk->nrows;
	size_t		check = km_check_every(d * sizeof(double));
	double	  **row = km_team_alloc(team, n, sizeof(double *));
	double	   *values = km_team_alloc(team, (size_t) n * d, sizeof(double));
	double	   *weight = km_team_alloc(team, n, sizeof(double));

	for (int64_t i = 0; i < n; i++)
		row[i] = chunk->values + i * d;
	neighbours_divide(team, row, n, d);
	for (int64_t i = 0; i < n; i++)
	{
		memcpy(values + i * d, row[i], d * sizeof(double));
		weight[i] = chunk->weight[(row[i] - chunk->values) / d];
		if (i % check == 0)
			km_team_check(team);
	}
	km_team_release(team, row);
	km_team_release(team, chunk->values);
	km_team_release(team, chunk->weight);
	chunk->values = values;
	chunk->weight = weight;
}

void
km_neighbours_box(const double *z, int n, int d, double *box)
{
	memcpy(box, z, d * sizeof(double));
	memcpy(box + d, z, d * sizeof(double));
	for (int i = 1; i < n; i++)
		neighbours_extend(z + (size_t) i * d, d, box);
}

static int
neighbours_compare(const double *a, const double *b, const void *arg)
{
	int			t = *(const int *) arg;

	return a[t] < b[t] ? -1 : a[t] > b[t];
}

/* put n rows in order; recursion goes as deep as tiles can be halved */
static void
neighbours_divide(KmTeam *team, double **row, int64_t n, int d)
{
	int64_t		half = (n / 2 + KM_TILE - 1) / KM_TILE * KM_TILE;
	int			widest;

	if (n <= KM_TILE)
		return;
	widest = neighbours_widest(team, row, n, d);
	km_sort_rows(team, row, n, neighbours_compare, &widest);
	neighbours_divide(team, row, half, d);
	neighbours_divide(team, row + half, n - half, d);
}

/* the feature in which the rows spread widest */
static int
neighbours_widest(KmTeam *team, double *const *row, int64_t n, int d)
{
	double	   *box = km_team_alloc(team, d, 2 * sizeof(double));
	size_t		check = km_check_every(d * sizeof(double));
	int			widest = 0;

	memcpy(box, row[0], d * sizeof(double));
	memcpy(box + d, row[0], d * sizeof(double));
	for (int64_t i = 1; i < n; i++)
	{
		neighbours_extend(row[i], d, box);
		if (i % check == 0)
			km_team_check(team);
	}
	for (int t = 1; t < d; t++)
		if (box[d + t] - box[t] > box[d + widest] - box[widest])
			widest = t;
	km_team_release(team, box);
	return widest;
}

static void
neighbours_extend(const double *z, int d, double *box)
{
	for (int t = 0; t < d; t++)
	{
		box[t] = z[t] < box[t] ? z[t] : box[t];
		box[d + t] = z[t] > box[d + t] ? z[t] : box[d + t];
	}
}
