/*
 * far.c
 *		The contents farthest from their centroids.
 *
 * When the memory is full, records are sorted, and copies and those beyond the
 * wanted ones dropped.
 */
#include "core/far.h"

#include <string.h>

#include "core/sort.h"

static void far_trim(KmFar *far);

KmFar *
km_far_create(KmTeam *team, int d, int wanted)
{
	KmFar	   *far = km_team_alloc(team, 1, sizeof(KmFar));

	far->team = team;
	far->d = d;
	far->wanted = wanted;
	far->n = 0;
	far->least = 0;
	far->max = 2 * (size_t) wanted + 64;
	far->data = km_team_alloc(team, far->max, ((size_t) d + 1) * sizeof(double));
	return far;
}

void
km_far_free(KmFar *far)
{
	km_team_release(far->team, far->data);
	km_team_release(far->team, far);
}

void
km_far_share(KmFar *far)
{
	KmTeam	   *team = far->team;
	size_t		bytes = ((size_t) far->d + 1) * sizeof(double);

	far_trim(far);
	if (team->size > 1)
	{
		size_t		total;
		double	   *data = team->gather(team->arg, far->data, far->n * bytes, &total);

		km_team_release(team, far->data);
		far->data = data;
		far->n = total / bytes;
		far->max = far->n;
		far_trim(far);
	}
}

/* farthest first, then by content */
static int
far_compare(const double *a, const double *b, const void *arg)
{
	if (a[0] != b[0])
		return a[0] > b[0] ? -1 : 1;
	return km_sort_compare(a + 1, b + 1, *(const int *) arg);
}

void
km_far_add(KmFar *far, double dist2, const double *z)
{
	double	   *record;

	if (far->n == far->max)
		far_trim(far);
	if (dist2 < far->least)
		return;
	record = far->data + far->n * ((size_t) far->d + 1);
	record[0] = dist2;
	memcpy(record + 1, z, far->d * sizeof(double));
	far->n++;
}

/* sort, drop copies, keep the wanted ones */
static void
far_trim(KmFar *far)
{
	size_t		record = (size_t) far->d + 1;
	double	  **order = km_team_alloc(far->team, far->n, sizeof(double *));
	double	   *data = km_team_alloc(far->team, far->max, record * sizeof(double));
	size_t		n = 0;

	for (size_t i = 0; i < far->n; i++)
		order[i] = far->data + i * record;
	km_sort_rows(far->team, order, far->n, far_compare, &far->d);
	for (size_t i = 0; i < far->n && n < far->wanted; i++)
	{
		if (i > 0 && far_compare(order[i - 1], order[i], &far->d) == 0)
			continue;
		memcpy(data + n * record, order[i], record * sizeof(double));
		n++;
	}
	km_team_release(far->team, far->data);
	km_team_release(far->team, order);
	far->data = data;
	far->n = n;
	if (n == far->wanted)
		far->least = data[(n - 1) * record];
}

/* the place of a content among the far ones, or -1 */
int
km_far_find(const KmFar *far, double dist2, const double *z)
{
	size_t		record = (size_t) far->d + 1;
	size_t		low = 0;
	size_t		high = far->n;

	if (dist2 < far->data[(far->n - 1) * record])
		return -1;				/* most rows */
	while (low < high)
	{
		size_t		middle = (low + high) / 2;
		const double *other = far->data + middle * record;
		int			order;

		if (other[0] != dist2)
			order = other[0] > dist2 ? -1 : 1;
		else
			order = km_sort_compare(other + 1, z, far->d);
		if (order == 0)
			return (int) middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}
