/*
 * assignment.c
 *		The assignment problem by shortest augmenting paths.
 *
 * The Hungarian method in the form of Jonker and Volgenant: rows are entered one at a time.  For each, a Dijkstra search over
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
	const KmAssignment *problem;
	int			m;
	double		factor;			/* a power of two, see km_assignment */
	double	   *room;			/* m: costs of a row */
	double	   *u;				/* n + 1 potentials */
	double	   *v;				/* m + 1 */
	double	   *least;			/* m + 1: least reduced cost seen so far */
	int		   *row_of;			/* m + 1: row matched to a column, 0 none */
	int		   *from;			/* m + 1: previous column of the path */
	bool	   *done;			/* m + 1: column is in the tree */
} Assignment;

/* Two sets of points, the larger one by dimension. */
typedef struct PointCosts
{
	KmTeam	   *team;
	int			n;
	int			m;
	int			d;
	const double *rows;			/* n x d */
	double	   *columns;		/* d x m */
	double		most;			/* no cost exceeds it */
	double	   *kept;			/* n x m costs, or NULL */
} PointCosts;

static void assignment_enter(KmTeam *team, Assignment *a, int row);
static void points_begin(PointCosts *points, const double *larger, size_t memory);
static double points_reach(KmTeam *team, const double *x, int n, int d, double reach);
static void points_compute(const PointCosts *points, int i, double *out);
static const double *points_costs(void *arg, int i, double *room);

void
km_assignment(KmTeam *team, const KmAssignment *problem, int *match)
{
	int			n = problem->n;
	int			m = problem->m;
	Assignment	a = {.problem = problem, .m = m};

	a.room = km_team_alloc(team, m, sizeof(double));
	a.u = km_team_alloc(team, (size_t) n + 1, sizeof(double));
	a.v = km_team_alloc(team, (size_t) m + 1, sizeof(double));
	a.least = km_team_alloc(team, (size_t) m + 1, sizeof(double));
	a.row_of = km_team_alloc(team, (size_t) m + 1, sizeof(int));
	a.from = km_team_alloc(team, (size_t) m + 1, sizeof(int));
	a.done = km_team_alloc(team, (size_t) m + 1, sizeof(bool));
	/* potentials are sums of up to 2 n costs: keep them from overflowing */
	a.factor = problem->most > 0x1p900 ? 0x1p-200 : 1;
	for (int i = 0; i <= n; i++)
		a.u[i] = 0;
	for (int j = 0; j <= m; j++)
	{
		a.v[j] = 0;
		a.row_of[j] = 0;
	}

	for (int row = 1; row <= n; row++)
		assignment_enter(team, &a, row);
	for (int j = 1; j <= m; j++)
		if (a.row_of[j] != 0)
			match[a.row_of[j] - 1] = j - 1;

	km_team_release(team, a.done);
	km_team_release(team, a.from);
	km_team_release(team, a.row_of);
	km_team_release(team, a.least);
	km_team_release(team, a.v);
	km_team_release(team, a.u);
	km_team_release(team, a.room);
}

/* find a column for one more row, moving others on where that is cheaper */
static void
assignment_enter(KmTeam *team, Assignment *a, int row)
{
	const KmAssignment *problem = a->problem;
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
		const double *costs = problem->costs(problem->arg, i - 1, a->room);
		double		delta = INFINITY;
		int			next = 0;

		a->done[column] = true;
		for (int j = 1; j <= a->m; j++)
		{
			double		reduced;

			if (a->done[j])
				continue;
			reduced = costs[j - 1] * a->factor - a->u[i] - a->v[j];
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

/* ---- Points ---- */

void
km_assignment_points(KmTeam *team, const double *a, int na, const double *b, int nb,
					 int d, size_t memory, int *match)
{
	bool		swapped = na > nb;
	PointCosts	points = {
		.team = team,
		.n = swapped ? nb : na,
		.m = swapped ? na : nb,
		.d = d,
		.rows = swapped ? b : a
	};
	KmAssignment problem = {
		.n = points.n,
		.m = points.m,
		.costs = points_costs,
		.arg = &points
	};
	int		   *column = swapped ? km_team_alloc(team, nb, sizeof(int)) : match;

	points_begin(&points, swapped ? a : b, memory);
	problem.most = points.most;
	km_assignment(team, &problem, column);
	if (swapped)
	{
		for (int i = 0; i < na; i++)
			match[i] = -1;
		for (int j = 0; j < nb; j++)
			match[column[j]] = j;
		km_team_release(team, column);
	}
	km_team_release(team, points.kept);
	km_team_release(team, points.columns);
}

static void
points_begin(PointCosts *points, const double *larger, size_t memory)
{
	size_t		m = points->m;
	int			d = points->d;
	double		reach = points_reach(points->team, larger, points->m, d, 0);
	double	   *kept;

	reach = points_reach(points->team, points->rows, points->n, d, reach);
	/* twice the exact bound, for the rounding of up to 16,000 additions */
	points->most = fmin(8.0 * d * reach * reach, KM_MAX_NORM2);

	points->columns = km_team_alloc(points->team, m, d * sizeof(double));
	for (size_t j = 0; j < m; j++)
	{
		for (int t = 0; t < d; t++)
			points->columns[t * m + j] = larger[j * d + t];
		km_team_check(points->team);
	}

	if (memory / sizeof(double) / m < (size_t) points->n)
		return;
	kept = km_team_alloc(points->team, points->n * m, sizeof(double));
	for (int i = 0; i < points->n; i++)
	{
		points_compute(points, i, kept + i * m);
		km_team_check(points->team);
	}
	points->kept = kept;
}

/* the largest magnitude of all coordinates, or reach */
static double
points_reach(KmTeam *team, const double *x, int n, int d, double reach)
{
	for (int i = 0; i < n; i++)
	{
		for (int t = 0; t < d; t++)
			reach = fmax(reach, fabs(x[(size_t) i * d + t]));
		km_team_check(team);
	}
	return reach;
}

/* the costs of row i, one dimension after the other */
static void
points_compute(const PointCosts *points, int i, double *out)
{
	const double *row = points->rows + (size_t) i * points->d;
	int			m = points->m;

	for (int j = 0; j < m; j++)
		out[j] = 0;
	for (int t = 0; t < points->d; t++)
	{
		const double *column = points->columns + (size_t) t * m;
		double		x = row[t];

		for (int j = 0; j < m; j++)
			out[j] += (x - column[j]) * (x - column[j]);
	}
	for (int j = 0; j < m; j++)
		out[j] = out[j] < KM_MAX_NORM2 ? out[j] : KM_MAX_NORM2;
}

static const double *
points_costs(void *arg, int i, double *room)
{
	const PointCosts *points = arg;

	if (points->kept != NULL)
		return points->kept + (size_t) i * points->m;
	points_compute(points, i, room);
	return room;
}
