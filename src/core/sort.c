/*
 * sort.c
 *		Sorting pointers with a comparison that knows its surroundings.
 *
 * qsort() hands its comparison no argument, and the core keeps no global
 * state; it also could not be interrupted.  A heapsort needs neither memory
 * nor recursion and has no bad case.
 */
#include "core/sort.h"

#define SORT_CHECK_EVERY 8	/* sifts between two calls of check */

typedef int (*SortCompare) (const double *a, const double *b, const void *arg);

static void sort_sift(double **rows, size_t root, size_t n,
					  SortCompare compare, const void *arg);

void
km_sort_rows(KmTeam *team, double **rows, size_t n,
			 int (*compare) (const double *a, const double *b, const void *arg),
			 const void *arg)
{
	for (size_t i = n / 2; i-- > 0;)
	{
		sort_sift(rows, i, n, compare, arg);
		if (i % SORT_CHECK_EVERY == 0)
			km_team_check(team);
	}
	for (size_t end = n; end-- > 1;)
	{
		double	   *largest = rows[0];

		rows[0] = rows[end];
		rows[end] = largest;
		sort_sift(rows, 0, end, compare, arg);
		if (end % SORT_CHECK_EVERY == 0)
			km_team_check(team);
	}
}

int
km_sort_compare(const double *a, const double *b, int d)
{
	for (int t = 0; t < d; t++)
		if (a[t] != b[t])
			return a[t] < b[t] ? -1 : 1;
	return 0;
}

/* restore the heap below root */
static void
sort_sift(double **rows, size_t root, size_t n, SortCompare compare,
		  const void *arg)
{
	double	   *row = rows[root];

	for (;;)
	{
		size_t		child = 2 * root + 1;

		if (child >= n)
			break;
		if (child + 1 < n && compare(rows[child], rows[child + 1], arg) < 0)
			child++;
		if (compare(row, rows[child], arg) >= 0)
			break;
		rows[root] = rows[child];
		root = child;
	}
	rows[root] = row;
}
