/*
 * assignment.c
 *		The assignment problem by shortest augmenting paths.
 *
 * The Hungarian method in the form of Jonker and Volgenant: rows (of the
 * shorter side) are entered one at a time.  For each, a Dijkstra search over
 * the columns, with costs reduced by the potentials u and v, finds the
 * cheapest chain of reassignments that ends at a free column; the potentials
 * are then moved so that all reduced costs stay >= 0 and those of matched
 * pairs stay 0.  Ties go to the lowest column, so the result depends on the
 * input only.
 *
 * Column 0 is a stand-in that holds the row being entered; the real columns
 * are 1 .. m.
 */
#include "core/assignment.h"

#include <math.h>

typedef struct Assignment
{
	const double *cost;
	int			n;				/* shorter side */
	int			m;				/* longer side */
	size_t		row_step;		/* where cost(i, j) lies */
	size_t		column_step;
	double		factor;			/* a power of two, see km_assignment */
	double	   *u;				/* n + 1 potentials */
	double	   *v;				/* m + 1 */
	double	   *least;			/* m + 1: least reduced cost seen so far */
	int		   *row_of;			/* m + 1: row matched to a column, 0 none */
	int		   *from;			/* m + 1: previous column of the path */
	bool	   *done;			/* m + 1: column is in the tree */
} Assignment;

static void assignment_enter(KmTeam *team, Assignment *a, int row);

void
km_assignment(KmTeam *team, const double *cost, int nrow, int ncol, int *match)
{
	bool		transposed = nrow > ncol;
	double		largest = 0;
	Assignment	a;

	for (int i = 0; i < nrow; i++)
	{
		for (int j = 0; j < ncol; j++)
			largest = fmax(largest, cost[(size_t) i * ncol + j]);
		km_team_check(team);
	}

	a.cost = cost;
	a.n = transposed ? ncol : nrow;
	a.m = transposed ? nrow : ncol;
	a.row_step = transposed ? 1 : (size_t) ncol;
	a.column_step = transposed ? (size_t) ncol : 1;
	/* potentials are sums of up to 2 n costs: keep them from overflowing */
	a.factor = largest > 0x1p900 ? 0x1p-200 : 1;
	a.u = km_team_alloc(team, (size_t) a.n + 1, sizeof(double));
	a.v = km_team_alloc(team, (size_t) a.m + 1, sizeof(double));
	a.least = km_team_alloc(team, (size_t) a.m + 1, sizeof(double));
	a.row_of = km_team_alloc(team, (size_t) a.m + 1, sizeof(int));
	a.from = km_team_alloc(team, (size_t) a.m + 1, sizeof(int));
	a.done = km_team_alloc(team, (size_t) a.m + 1, sizeof(bool));
	for (int i = 0; i <= a.n; i++)
		a.u[i] = 0;
	for (int j = 0; j <= a.m; j++)
	{
		a.v[j] = 0;
		a.row_of[j] = 0;
	}

	for (int row = 1; row <= a.n; row++)
		assignment_enter(team, &a, row);

	for (int i = 0; i < nrow; i++)
		match[i] = -1;
	for (int j = 1; j <= a.m; j++)
	{
		if (a.row_of[j] == 0)
			continue;
		if (transposed)
			match[j - 1] = a.row_of[j] - 1;
		else
			match[a.row_of[j] - 1] = j - 1;
	}

	km_team_release(team, a.done);
	km_team_release(team, a.from);
	km_team_release(team, a.row_of);
	km_team_release(team, a.least);
	km_team_release(team, a.v);
	km_team_release(team, a.u);
}

/* find a column for one more row, moving others on where that is cheaper */
static void
assignment_enter(KmTeam *team, Assignment *a, int row)
{
	int			column = 0;

	a->row_of[0] = row;
	for (int j = 0; j <= a->m; j++)
	{
		a->least[j] = INFINITY;
		a->done[j] = false;
		a->from[j] = 0;
	}

	do
	{
		int			i = a->row_of[column];
		const double *costs = a->cost + (size_t) (i - 1) * a->row_step;
		double		delta = INFINITY;
		int			next = 0;

		a->done[column] = true;
		for (int j = 1; j <= a->m; j++)
		{
			double		reduced;

			if (a->done[j])
				continue;
			reduced = costs[(size_t) (j - 1) * a->column_step] * a->factor -
				a->u[i] - a->v[j];
			if (reduced < a->least[j])
			{
				a->least[j] = reduced;
				a->from[j] = column;
			}
			if (a->least[j] < delta)
			{
				delta = a->least[j];
				next = j;
			}
		}
		for (int j = 0; j <= a->m; j++)
		{
			if (a->done[j])
			{
				a->u[a->row_of[j]] += delta;
				a->v[j] -= delta;
			}
			else
				a->least[j] -= delta;
		}
		column = next;
		km_team_check(team);
	} while (a->row_of[column] != 0);

	while (column != 0)
	{
		int			previous = a->from[column];

		a->row_of[column] = a->row_of[previous];
		column = previous;
	}
}
