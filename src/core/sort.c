/*
 * sort.c
 *		Sorting pointers with a comparison that knows its surroundings.
 *
 * qsort() hands its comparison no argument, and the core keeps no global
 * state; it also could not be interrupted.  So here is a merge sort: pieces of
 * SORT_RUN rows are sorted by insertion, then neighbours are merged, twice as
 * many rows each time.  What is in order already is left as it is, so that
 * putting together what several participants have sorted takes little more than
 * one comparison a row.
 */
#include "core/sort.h"

#include <string.h>

#define SORT_RUN		8
#define SORT_CHECK_EVERY 256	/* merged rows between two calls of check */

typedef int (*SortCompare) (const double *a, const double *b, const void *arg);

static void sort_insert(double **rows, size_t n, SortCompare compare, const void *arg);
static void sort_merge(KmTeam *team, double **rows, size_t middle, size_t n,
					   double **spare, SortCompare compare, const void *arg);

void
km_sort_rows(KmTeam *team, double **rows, size_t n,
			 int (*compare) (const double *a, const double *b, const void *arg),
			 const void *arg)
{
	double	  **spare = km_team_alloc(team, n, sizeof(double *));

	for (size_t start = 0; start < n; start += SORT_RUN)
	{
		sort_insert(rows + start, n - start < SORT_RUN ? n - start : SORT_RUN,
					compare, arg);
		if (start % SORT_CHECK_EVERY == 0)
			km_team_check(team);
	}
	for (size_t width = SORT_RUN; width < n; width *= 2)
		for (size_t start = 0; n - start > width; start += 2 * width)
		{
			size_t		both = n - start < 2 * width ? n - start : 2 * width;

			sort_merge(team, rows + start, width, both, spare, compare, arg);
			if (both < 2 * width)
				break;
		}
	km_team_release(team, spare);
}

int
km_sort_compare(const double *a, const double *b, int d)
{
	for (int t = 0; t < d; t++)
		if (a[t] != b[t])
			return a[t] < b[t] ? -1 : 1;
	return 0;
}

static void
sort_insert(double **rows, size_t n, SortCompare compare, const void *arg)
{
	for (size_t i = 1; i < n; i++)
	{
		double	   *row = rows[i];
		size_t		at = i;

		for (; at > 0 && compare(row, rows[at - 1], arg) < 0; at--)
			rows[at] = rows[at - 1];
		rows[at] = row;
	}
}

/* rows 0 .. middle - 1 are sorted, and so are the others; spare has room for the first */
static void
sort_merge(KmTeam *team, double **rows, size_t middle, size_t n, double **spare,
		   SortCompare compare, const void *arg)
{
	size_t		left = 0;
	size_t		right = middle;

	if (compare(rows[middle - 1], rows[middle], arg) <= 0)
		return;
	memcpy(spare, rows, middle * sizeof(double *));
	for (size_t at = 0; left < middle; at++)
	{
		if (right == n || compare(spare[left], rows[right], arg) <= 0)
			rows[at] = spare[left++];
		else
			rows[at] = rows[right++];
		if (at % SORT_CHECK_EVERY == 0)
			km_team_check(team);
	}
}
