/*
 * test_lloyd.c
 *		Lloyd's algorithm: known answers, empty clusters, any order.
 */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel.h"
#include "core/lloyd.h"
#include "core/seed.h"
#include "core/stats.h"

/* everything one run reports */
typedef struct Trace
{
	int			n;
	KmIteration iteration[400];
} Trace;

static void
record(void *arg, const KmIteration *iteration)
{
	Trace	   *trace = arg;

	if (trace->n < 400)
		trace->iteration[trace->n++] = *iteration;
}

static KmLloydResult
run_team(KmTeam *team, TestRows *rows, const KmSpace *space, int max_iter,
		 double threshold, double *centroids, int k, Trace *trace)
{
	KmStats    *stats = km_stats(team, &rows->rows, space);
	KmGrid	   *grid = km_grid_create(team, space->d, stats->largest, stats->smallest);
	KmLloydParams params = {
		.run = 1,.max_iter = max_iter,.threshold = threshold,.mean = stats->mean,
			.report = record,.arg = trace
	};
	KmLloydResult result;

	for (int t = 0; t < space->d; t++)
		params.total_ss += stats->total_weight * stats->stddev[t] * stats->stddev[t];
	trace->n = 0;
	result = km_lloyd(team, &rows->rows, space, grid, &params, centroids, k);
	km_grid_free(team, grid);
	km_stats_free(team, stats);
	return result;
}

static KmLloydResult
run(TestRows *rows, const KmSpace *space, int max_iter, double threshold,
	double *centroids, int k)
{
	Trace	   *trace = malloc(sizeof(Trace));
	KmLloydResult result = run_team(solo_team(), rows, space, max_iter, threshold,
									centroids, k, trace);

	free(trace);
	return result;
}

static bool
near_all(const double *a, const double *b, int n)
{
	bool		good = true;

	for (int i = 0; i < n; i++)
		good = good && fabs(a[i] - b[i]) <= 1e-12 * (1 + fabs(b[i]));
	return good;
}

static void
test_iris(void)
{
	static const int start[2][3] = {{0, 50, 100}, {0, 1, 2}};
	static const double inertia[2] = {78.851441426146, 78.85566582597731};
	static const int iterations[2] = {4, 12};
	static const int sizes[2][3] = {{50, 62, 38}, {39, 61, 50}};
	int64_t		n;
	double	   *values = read_iris(&n);
	KmSpace		space = {4, NULL, NULL, false};
	TestRows   *rows = rows_create(values, NULL, n, 4, 64);

	ok(n == 150, "Iris has 150 rows");
	for (int s = 0; s < 2; s++)
	{
		double		centroids[12];
		KmLloydResult result;
		int			size[3] = {0, 0, 0};

		for (int j = 0; j < 3; j++)
			memcpy(centroids + 4 * j, values + 4 * start[s][j], 4 * sizeof(double));
		result = run(rows, &space, 300, 0, centroids, 3);
		ok(result.converged && result.n_iter == iterations[s] &&
		   near(result.inertia, inertia[s], 1e-13),
		   "Iris from start %d: %d iterations, %.16g", s, result.n_iter, result.inertia);
		for (int i = 0; i < 150; i++)
			size[rows->label[i]]++;
		ok(memcmp(size, sizes[s], sizeof(size)) == 0, "Iris from start %d: sizes", s);
		if (s == 0)
			ok(fabs(centroids[0] - 5.006) < 1e-8 && fabs(centroids[4] - 5.9016129) < 1e-7 &&
			   fabs(centroids[11] - 2.07105263) < 1e-8, "Iris: centroids");
	}
	rows_free(rows);

	/* the same far from zero: the data are rounded to 2^-22, no more */
	{
		double		centroids[12];
		KmLloydResult result;

		for (int i = 0; i < 600; i++)
			values[i] += 1.7e9;
		rows = rows_create(values, NULL, n, 4, 64);
		for (int j = 0; j < 3; j++)
			memcpy(centroids + 4 * j, values + 4 * start[0][j], 4 * sizeof(double));
		result = run(rows, &space, 300, 0, centroids, 3);
		ok(result.n_iter == 4 && near(result.inertia, inertia[0], 1e-6),
		   "Iris + 1.7e9: %d iterations, %.10g", result.n_iter, result.inertia);
		rows_free(rows);
	}
	free(values);
}

/* numbers from scikit-learn 1.2.1, algorithm 'lloyd', tol 0 */
static void
test_empty(void)
{
	double		x[] = {0, 0, 1, 0, 0, 1, 10, 10, 11, 10, 10, 12, 30, 0, 31, 1};
	double		w[] = {1, 1, 2, 1, 3, 1, 2, 5};
	KmSpace		space = {2, NULL, NULL, false};
	TestRows   *rows = rows_create(x, NULL, 8, 2, 3);
	double		c[8];
	KmLloydResult result;

	memcpy(c, (double[]) {0, 0, 10, 10, 100, 100}, 6 * sizeof(double));
	result = run(rows, &space, 300, 0, c, 3);
	ok(result.n_iter == 3 && near(result.inertia, 5.666666666666667, 1e-14) &&
	   near_all(c, (double[]) {1.0 / 3, 1.0 / 3, 31.0 / 3, 32.0 / 3, 30.5, 0.5}, 6),
	   "an empty cluster moves to the farthest row");
	memcpy(c, (double[]) {0, 0, 10, 10, 100, 100, 200, 200}, 8 * sizeof(double));
	result = run(rows, &space, 300, 0, c, 4);
	ok(result.n_iter == 2 && near(result.inertia, 4.666666666666667, 1e-14) &&
	   near_all(c, (double[]) {1.0 / 3, 1.0 / 3, 31.0 / 3, 32.0 / 3, 31, 1, 30, 0}, 8),
	   "two empty clusters move to the two farthest rows");
	memcpy(c, (double[]) {0, 0, 10, 10, 100, 100}, 6 * sizeof(double));
	result = run(rows, &space, 1, 0, c, 3);
	ok(result.n_iter == 1 && !result.converged &&
	   near(result.inertia, 100.52083333333334, 1e-14) &&
	   near_all(c, (double[]) {1.0 / 3, 1.0 / 3, 15.25, 8, 31, 1}, 6),
	   "the row leaves its old cluster in the same pass");
	rows_free(rows);
	rows = rows_create(x, w, 8, 2, 3);
	memcpy(c, (double[]) {0, 0, 10, 10, 100, 100}, 6 * sizeof(double));
	result = run(rows, &space, 300, 0, c, 3);
	ok(result.n_iter == 3 && near(result.inertia, 9.007142857142858, 1e-14) &&
	   near_all(c, (double[]) {0.25, 0.5, 10.6, 10.4, 215.0 / 7, 5.0 / 7}, 6),
	   "an empty cluster moves, with weights");
	rows_free(rows);

	{
		int64_t		n;
		double	   *values = read_iris(&n);
		KmSpace		four = {4, NULL, NULL, false};
		double		centroids[20] = {[12] = 50, 50, 50, 50, -50};
		static const double expected[20] = {
			5.006, 3.428, 1.462, 0.246, 6.2525, 2.855, 4.815, 1.625,
			6.9125, 3.1, 5.846875, 2.13125, 5.622727272727273, 2.709090909090909,
			4.118181818181818, 1.2863636363636364, 5.2, 2.3666666666666667,
			3.3833333333333333, 1.0166666666666666
		};

		for (int j = 0; j < 3; j++)
			memcpy(centroids + 4 * j, values + 200 * j, 4 * sizeof(double));
		rows = rows_create(values, NULL, n, 4, 64);
		result = run(rows, &four, 300, 0, centroids, 5);
		ok(result.n_iter == 7 && near(result.inertia, 52.94464204545456, 1e-14) &&
		   near_all(centroids, expected, 20), "Iris with two empty clusters");
		rows_free(rows);
		free(values);
	}
}

static void
test_empty_ends(void)
{
	KmSpace		space = {1, NULL, NULL, false};
	double		x[] = {1, 1, 1, 5, 5, 5, 9, 9, 9, 9};
	double		w[] = {1, 1, 1, 1, 1, 1, 0, 0, 0, 0};
	TestRows   *rows = rows_create(x, NULL, 10, 1, 4);
	double		c[5];
	KmLloydResult result;

	/* three places; the last labelling must find the third */
	memcpy(c, (double[]) {1, 5, 1000}, 3 * sizeof(double));
	result = run(rows, &space, 1, 0, c, 3);
	ok(result.inertia == 0 && c[0] == 1 && c[1] == 5 && c[2] == 9,
	   "copies move together");
	memcpy(c, (double[]) {1, -1000, 1000}, 3 * sizeof(double));
	result = run(rows, &space, 1, INFINITY, c, 3);
	ok(result.inertia == 0 && rows->label[0] != rows->label[3] &&
	   rows->label[3] != rows->label[9] && rows->label[0] != rows->label[9],
	   "the last labelling leaves no cluster empty");
	memcpy(c, (double[]) {100, 200, 300, 400, 500}, 5 * sizeof(double));
	result = run(rows, &space, 300, 0, c, 5);
	ok(result.converged && result.inertia == 0, "more clusters than places");
	rows_free(rows);

	rows = rows_create(x, w, 10, 1, 4);
	memcpy(c, (double[]) {1, 5, 1000}, 3 * sizeof(double));
	result = run(rows, &space, 300, 0, c, 3);
	ok(result.converged && result.inertia == 0 && c[0] == 1 && c[1] == 5 && c[2] == 1000 &&
	   rows->label[9] == 1, "rows of weight 0 attract no cluster");
	rows_free(rows);

	/* many copies of many farthest contents */
	{
		enum
		{
			N = 5000, K = 40
		};
		double	   *many = malloc(N * sizeof(double));
		double		centroids[K];
		int			size[K] = {0};
		bool		good = true;

		for (int i = 0; i < N; i++)
			many[i] = i % K;
		for (int j = 0; j < K; j++)
			centroids[j] = -1e6 * (1 + j);
		rows = rows_create(many, NULL, N, 1, 1000);
		result = run(rows, &space, 1, 0, centroids, K);
		for (int i = 0; i < N; i++)
			size[rows->label[i]]++;
		for (int j = 0; j < K; j++)
			good = good && size[j] == N / K;
		ok(good && result.inertia == 0, "as many places as clusters, all copies");
		rows_free(rows);
		free(many);
	}
}

/* blobs that overlap; kind 0: no weights, 1: integers, 2: fractions */
static TestRows *
some_rows(int kind, int64_t n, int d, int64_t chunk_rows)
{
	double	   *x = malloc(n * d * sizeof(double));
	double	   *w = malloc(n * sizeof(double));
	TestRows   *rows;

	for (int64_t i = 0; i < n; i++)
	{
		w[i] = kind == 2 ? uniform(8, i) : floor(4 * uniform(8, i));
		for (int t = 0; t < d; t++)
			x[i * d + t] = 3 * (double) (i % 7 / (t + 1)) + normal(t, i);
	}
	rows = rows_create(x, kind == 0 ? NULL : w, n, d, chunk_rows);
	free(x);
	free(w);
	return rows;
}

enum
{
	N = 3000, D = 5, K = 11
};

typedef struct TeamLloyd
{
	TestRows   *parts[3];
	const KmSpace *space;
	double		centroids[K * D];
	double		end[K * D];
	KmLloydResult result;
} TeamLloyd;

static void
team_lloyd(KmTeam *team, void *arg)
{
	TeamLloyd  *t = arg;
	double		centroids[K * D];
	Trace	   *trace = malloc(sizeof(Trace));
	KmLloydResult result;

	memcpy(centroids, t->centroids, sizeof(centroids));
	result = run_team(team, t->parts[team->rank], t->space, 300, 0, centroids, K, trace);
	if (team->rank == 0)
	{
		memcpy(t->end, centroids, sizeof(centroids));
		t->result = result;
	}
	free(trace);
}

static void
test_order(void)
{
	double		shift[D] = {1, 2, 3, 4, 5};
	double		scale[D] = {1, 2, 0.1, 3, 0.7};
	int64_t    *where = malloc(N * sizeof(int64_t));

	for (int kind = 0; kind < 3; kind++)
		for (int s = 0; s < 3; s++)
		{
			KmSpace		space = {D, s > 0 ? shift : NULL, s > 0 ? scale : NULL, s > 1};
			TestRows   *rows = some_rows(kind, N, D, 1000);
			TeamLloyd	t = {.space = &space};
			double		expected[K * D];
			KmLloydResult result;
			bool		good = true;

			/* some of the centroids far off, so that they run empty */
			for (int j = 0; j < K; j++)
			{
				for (int f = 0; f < D; f++)
					t.centroids[j * D + f] = j % 4 == 3 ? 1e3 * (f - 2.5) : 2 * normal(50 + f, j);
				if (s > 1)
				{
					KmSpace		unit = {D, NULL, NULL, true};

					km_space_row(&unit, t.centroids + j * D, t.centroids + j * D);
				}
			}
			memcpy(expected, t.centroids, sizeof(expected));
			result = run(rows, &space, 300, 0, expected, K);
			ok(result.converged, "lloyd: converges after %d passes (weights %d, space %d)",
			   result.n_iter, kind, s);
			for (uint64_t turn = 0; turn < 3; turn++)
			{
				TestRows   *other = rows_shuffled(rows, turn, 100 + 999 * turn, where);
				double		found[K * D];
				KmLloydResult again;
				int64_t		from[4] = {0, 1000, turn == 0 ? 1000 : 1700, N};

				memcpy(found, t.centroids, sizeof(found));
				again = run(other, &space, 300, 0, found, K);
				good = good && same_all(found, expected, K * D) &&
					same(again.inertia, result.inertia) && again.n_iter == result.n_iter;
				for (int i = 0; i < N; i++)
					good = good && other->label[i] == rows->label[where[i]];
				for (int p = 0; p < 3; p++)
					t.parts[p] = rows_create(other->values + from[p] * D,
											 other->weight != NULL ? other->weight + from[p] : NULL,
											 from[p + 1] - from[p], D, 77);
				team_run(3, team_lloyd, &t);
				good = good && same_all(t.end, expected, K * D) &&
					same(t.result.inertia, result.inertia) &&
					t.result.n_iter == result.n_iter;
				for (int p = 0; p < 3; p++)
				{
					for (int64_t i = 0; i < t.parts[p]->rows.n; i++)
						good = good && t.parts[p]->label[i] == other->label[from[p] + i];
					rows_free(t.parts[p]);
				}
				rows_free(other);
			}
			ok(good, "lloyd: any order, chunks and team");
			rows_free(rows);
		}
	free(where);
}

static void
test_trace(void)
{
	KmSpace		space = {D, NULL, NULL, false};
	TestRows   *rows = some_rows(0, N, D, 1000);
	Trace	   *trace = malloc(sizeof(Trace));
	double		start[K * D];
	double		centroids[K * D];
	KmLloydResult result;
	bool		good = true;
	double		inertia = 0;

	for (int j = 0; j < K; j++)
		memcpy(start + j * D, rows->values + j * D, D * sizeof(double));
	memcpy(centroids, start, sizeof(start));
	result = run_team(solo_team(), rows, &space, 300, 0, centroids, K, trace);
	for (int i = 0; i < trace->n; i++)
		good = good && trace->iteration[i].iteration == i + 1 &&
			(i == 0 || trace->iteration[i].inertia <= trace->iteration[i - 1].inertia);
	ok(good && trace->n == result.n_iter && trace->iteration[0].reassigned == N &&
	   trace->iteration[trace->n - 1].reassigned == 0 &&
	   trace->iteration[trace->n - 1].shift == 0, "lloyd: inertia never rises");

	for (int i = 0; i < N; i++)
	{
		int			nearest = 0;

		for (int j = 1; j < K; j++)
			if (km_kernel_dist2(rows->values + i * D, centroids + j * D, D) <
				km_kernel_dist2(rows->values + i * D, centroids + nearest * D, D))
				nearest = j;
		good = good && rows->label[i] == nearest;
		inertia += km_kernel_dist2(rows->values + i * D, centroids + nearest * D, D);
	}
	ok(good && near(inertia, result.inertia, 1e-12), "lloyd: labels belong to the centroids");

	memcpy(centroids, start, sizeof(start));
	result = run_team(solo_team(), rows, &space, 3, 0, centroids, K, trace);
	ok(result.n_iter == 3 && !result.converged && trace->n == 4 &&
	   trace->iteration[3].iteration == 3 &&
	   trace->iteration[3].inertia == result.inertia &&
	   trace->iteration[3].inertia <= trace->iteration[2].inertia,
	   "lloyd: max_iter, and the last report repeated");
	memcpy(centroids, start, sizeof(start));
	result = run_team(solo_team(), rows, &space, 300, 0.05, centroids, K, trace);
	ok(result.converged && trace->n == result.n_iter + 1 &&
	   trace->iteration[result.n_iter - 1].shift <= 0.05 &&
	   trace->iteration[result.n_iter - 2].shift > 0.05, "lloyd: the threshold");
	free(trace);
	rows_free(rows);
}

/* a run that is given up would have ended as an earlier one */
static void
test_trails(int kind, int max_iter, double threshold)
{
	enum
	{
		RUNS = 30, TRAIL_N = 90, TRAIL_D = 2, TRAIL_K = 3, VALUES = TRAIL_K * TRAIL_D
	};
	KmTeam	   *team = solo_team();
	KmSpace		space = {TRAIL_D, NULL, NULL, false};
	TestRows   *rows = some_rows(kind, TRAIL_N, TRAIL_D, 50);
	KmStats    *stats = km_stats(team, &rows->rows, &space);
	KmGrid	   *grid = km_grid_create(team, TRAIL_D, stats->largest, stats->smallest);
	KmTrails   *trails = km_trails_create(team, TRAIL_K, TRAIL_D, max_iter);
	KmLloydParams params = {.run = 1,.max_iter = max_iter,.threshold = threshold};
	double		inertia[RUNS];
	int			known = 0;
	bool		good = true;

	for (int run = 0; run < RUNS; run++)
	{
		double		centroids[VALUES];
		double		again[VALUES];
		KmLloydResult result;
		bool		as_earlier = false;

		/* every third start is the one before in another order */
		for (int j = 0; j < TRAIL_K; j++)
			memcpy(centroids + (run % 3 == 2 ? TRAIL_K - 1 - j : j) * TRAIL_D,
				   rows->values + ((run - run % 3 / 2) * 7 + j * 11) % TRAIL_N * TRAIL_D,
				   TRAIL_D * sizeof(double));
		memcpy(again, centroids, sizeof(again));
		params.trails = NULL;
		result = km_lloyd(team, &rows->rows, &space, grid, &params, centroids, TRAIL_K);
		inertia[run] = result.inertia;
		params.trails = trails;
		result = km_lloyd(team, &rows->rows, &space, grid, &params, again, TRAIL_K);
		for (int r = 0; r < run; r++)
			as_earlier |= inertia[r] == inertia[run];
		known += result.known;
		good &= result.known ? as_earlier :
			same(result.inertia, inertia[run]) && same_all(again, centroids, VALUES);
	}
	ok(good && (max_iter == 2 || known >= RUNS / 3 - 1) && known < RUNS,
	   "lloyd: %d of %d runs given up end as earlier ones (weights %d, %d passes, threshold %g)",
	   known, RUNS, kind, max_iter, threshold);
	km_trails_free(trails);
	km_grid_free(team, grid);
	km_stats_free(team, stats);
	rows_free(rows);
}

static void
test_copies(void)
{
	enum
	{
		FEW = 300
	};
	KmSpace		space = {2, NULL, NULL, false};
	double		x[2 * FEW];
	double		w[FEW];
	double	   *many = malloc(5 * 2 * FEW * sizeof(double));
	double		a[8] = {0, 0, 1, 1, -1, 2, 1e3, 0};
	double		b[8];
	int			n = 0;
	TestRows   *weighted;
	TestRows   *copied;
	KmLloydResult ra;
	KmLloydResult rb;

	for (int i = 0; i < FEW; i++)
	{
		x[2 * i] = normal(1, i);
		x[2 * i + 1] = normal(2, i);
		w[i] = 1 + floor(5 * uniform(2, i));
		for (int c = 0; c < w[i]; c++, n++)
			memcpy(many + 2 * n, x + 2 * i, 2 * sizeof(double));
	}
	memcpy(b, a, sizeof(a));
	weighted = rows_create(x, w, FEW, 2, 64);
	copied = rows_create(many, NULL, n, 2, 64);
	ra = run(weighted, &space, 300, 0, a, 4);
	rb = run(copied, &space, 300, 0, b, 4);
	ok(same_all(a, b, 8) && same(ra.inertia, rb.inertia) && ra.n_iter == rb.n_iter,
	   "lloyd: weight w is w copies");
	rows_free(weighted);
	rows_free(copied);
	free(many);
}

static void
test_cosine(void)
{
	KmSpace		space = {2, NULL, NULL, true};
	double		x[] = {1, 0.1, 20, 0, 0.1, 1, 0, 5, 3, 3, -1, -1};
	double		c[4] = {1, 0, 0, 1};
	TestRows   *rows = rows_create(x, NULL, 6, 2, 4);

	run(rows, &space, 300, 0, c, 2);
	ok(near(hypot(c[0], c[1]), 1, 1e-15) && near(hypot(c[2], c[3]), 1, 1e-15) &&
	   rows->label[0] == rows->label[1] && rows->label[2] == rows->label[3] &&
	   rows->label[0] != rows->label[2], "lloyd: unit centroids for cosine");
	rows_free(rows);

	/* a cluster of opposite rows has no direction and keeps its centroid */
	rows = rows_create((double[]) {1, 0, -1, 0}, NULL, 2, 2, 4);
	memcpy(c, (double[]) {0, 1}, 2 * sizeof(double));
	run(rows, &space, 300, 0, c, 1);
	ok(c[0] == 0 && c[1] == 1, "lloyd: a mean of length 0 keeps the old centroid");
	rows_free(rows);
}

void
test_lloyd(void)
{
	test_iris();
	test_empty();
	test_empty_ends();
	test_order();
	for (int kind = 0; kind < 3; kind++)
	{
		test_trails(kind, 300, 0);
		test_trails(kind, 300, 0.05);
		test_trails(kind, 2, 0);
	}
	test_trace();
	test_copies();
	test_cosine();
}
