/*
 * test_pruning.c
 *		Quick searches and passed-over rows against brute force: whatever the
 *		data, the instruction set and the team, a run is the same to the bit.
 */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/coarse.h"
#include "core/kernel.h"
#include "core/lloyd.h"
#include "core/simd.h"
#include "core/stats.h"

/* as few as the coarse search is tried with */
#define COARSE_FEATURES 100
#define COARSE_CLUSTERS 16

enum
{
	N = 700, MAX_D = 20, LARGE_D = 300, MAX_K = 40, KINDS = 9, MAX_TEAM = 3, MAX_PASSES = 100
};

/* value i of feature t of a data set; about half of them lie in blobs */
static double
value(int kind, uint64_t seed, int64_t i, int t)
{
	uint64_t	place = (uint64_t) i * MAX_D + t;
	double		blob = 10 * uniform(seed, 1000000 + (i % 7) * MAX_D + t);
	double		x = normal(seed, place);

	switch (kind)
	{
		case 0:
			return blob + x;
		case 1:					/* exact ties and copies */
			return floor(3 * uniform(seed, place));
		case 2:					/* seconds since 1970 */
			return 1.7e9 + 1000 * blob + x;
		case 3:					/* almost one place: float cannot tell */
			return 1 + 1e-9 * (blob + x);
		case 4:					/* one row far from everything */
			return i == 17 ? 1e12 * (t + 1) : x;
		case 5:					/* large, near the end of what is accepted */
			return 1e150 * (blob + x);
		case 6:					/* squares underflow */
			return 1e-160 * (blob + x);
		case 7:					/* squares are subnormal */
			return 1e-155 * (blob + x);
		default:				/* every row many times */
			return normal(seed, (uint64_t) (i % 29) * MAX_D + t);
	}
}

/* ---- Single searches ---- */

/*
 * Is the label the definition's, and the gap's promise kept?  In long double,
 * which may err by 2^-58 of the distances.
 */
static bool
search_right(const double *row, const double *centroids, int k, int d,
			 double unit, int label, float gap)
{
	long double own = 0;
	int			nearest = 0;

	for (int j = 1; j < k; j++)
		if (km_kernel_dist2(row, centroids + j * d, d) <
			km_kernel_dist2(row, centroids + nearest * d, d))
			nearest = j;
	if (label != nearest)
		return false;
	if (!(gap > 0))
		return true;
	for (int pass = 0; pass < 2; pass++)
		for (int j = 0; j < k; j++)
		{
			long double dist2 = 0;

			if ((pass == 0) != (j == label))
				continue;
			for (int t = 0; t < d; t++)
			{
				long double diff = ((long double) row[t] - centroids[j * d + t]) * unit;

				dist2 += diff * diff;
			}
			if (pass == 0)
				own = sqrtl(dist2) * (1 + 0x1p-51L * (d + 8));
			else if (sqrtl(dist2) * (1 + 0x1p-58L) < own + gap)
				return false;
		}
	return true;
}

/* rows between two centroids, off the middle by a few units in the last place */
static void
near_ties(double *values, const double *centroids, int k, int d, uint64_t seed)
{
	for (int i = 0; i < KM_TILE; i++)
	{
		const double *a = centroids + (int) (uniform(seed, 3 * i) * k) * d;
		const double *b = centroids + (int) (uniform(seed, 3 * i + 1) * k) * d;

		for (int t = 0; t < d; t++)
			values[i * d + t] = (a[t] / 2 + b[t] / 2) *
				(1 + (floor(9 * uniform(seed, 1000 + i * d + t)) - 4) *
				 (i % 2 == 0 ? 0x1p-53 : 0x1p-24));
	}
}

/* a chunk of floats with the values, which are rounded (and none infinite) */
static void
round_to_floats(KmChunk *chunk, int n, float *floats)
{
	for (int i = 0; i < n; i++)
	{
		floats[i] = (float) chunk->values[i];
		floats[i] = isfinite(floats[i]) ? floats[i] : 1;
		chunk->values[i] = floats[i];
	}
	chunk->values = NULL;
	chunk->floats = floats;
}

/*
 * Centroids and KM_TILE rows of the same kind, or near ties between centroids;
 * every other turn rounded to floats.
 */
static void
make_search(double (*of) (int kind, uint64_t seed, int64_t i, int t), int kind,
			uint64_t turn, bool ties, double *centroids, int k, int d, KmChunk *chunk,
			float *floats)
{
	for (int j = 0; j < k; j++)
		for (int t = 0; t < d; t++)
			centroids[j * d + t] = of(kind, turn, j + 10, t);
	if (ties)
		near_ties(chunk->values, centroids, k, d, turn);
	else
		for (int i = 0; i < KM_TILE; i++)
			for (int t = 0; t < d; t++)
				chunk->values[i * d + t] = of(kind, turn, i + k + 60, t);
	if (turn % 2 == 0)
		round_to_floats(chunk, KM_TILE * d, floats);
}

/*
 * Are n rows of such a chunk labelled right, and nothing written behind them?
 * In order, or (not dense) as they are picked.  Adds those with a promise.
 */
static bool
labels_right(const KmChunk *chunk, const double *values, const double *centroids,
			 int k, int d, bool dense, int n, int64_t *proven)
{
	KmSpace		space = {d, NULL, NULL, false};
	KmKernel   *kernel = km_kernel_create(solo_team(), &space, k);
	int32_t		pick[KM_TILE];
	uint16_t	label[KM_TILE + 1];
	float		gap[KM_TILE + 1];
	bool		good;

	for (int i = 0; i < KM_TILE; i++)
		pick[i] = dense ? i : (i * 5) % KM_TILE;
	label[n] = UINT16_MAX;
	gap[n] = -1;
	km_kernel_set(kernel, centroids, k);
	km_kernel_label(kernel, chunk, 0, dense ? NULL : pick, n, label, gap);
	good = label[n] == UINT16_MAX && gap[n] == -1;
	for (int i = 0; i < n; i++)
	{
		good = good && search_right(values + pick[i] * d, centroids, k, d,
									km_kernel_unit(kernel), label[i], gap[i]);
		*proven += gap[i] > 0;
	}
	km_kernel_free(kernel);
	return good;
}

static void
test_searches(KmSimd simd)
{
	double	   *values = malloc(KM_TILE * LARGE_D * sizeof(double));
	float	   *floats = malloc(KM_TILE * LARGE_D * sizeof(float));
	double	   *centroids = malloc(MAX_K * LARGE_D * sizeof(double));
	int64_t		proven = 0;

	for (int kind = 0; kind < KINDS; kind++)
	{
		bool		good = true;

		for (uint64_t turn = 0; turn < 150; turn++)
		{
			int			d = 1 + (int) (uniform(turn, 1) * (turn % 5 == 4 ? LARGE_D : MAX_D));
			int			k = 1 + (int) (uniform(turn, 2) * MAX_K);
			KmChunk		chunk = {.nrows = KM_TILE,.values = values};
			bool		dense = turn % 4 == 3;
			int			n = dense ? 1 + (int) (uniform(turn, 3) * KM_TILE) : KM_TILE;

			make_search(value, kind, turn, turn % 3 > 0, centroids, k, d, &chunk, floats);
			good = labels_right(&chunk, values, centroids, k, d, dense, n, &proven) && good;
		}
		ok(good, "search: labels and gaps hold (instruction set %d, data %d)",
		   simd, kind);
	}
	ok(proven > KINDS * 150 * KM_TILE / 8, "search: most rows need no definition");
	free(centroids);
	free(floats);
	free(values);
}

/* ---- Wide rows ---- */

enum
{
	WIDE_D = 260, WIDE_K = 420, WIDE_KINDS = 8
};

/* value i of feature t; rows follow WIDE_K centroids */
static double
wide_value(int kind, uint64_t seed, int64_t i, int t)
{
	uint64_t	place = (uint64_t) i * WIDE_D + t;
	double		blob = 3 * normal(seed, 1000000000 + (uint64_t) (i % 19) * WIDE_D + t);
	double		x = normal(seed, place);

	switch (kind)
	{
		case 0:
			return blob + x;
		case 1:					/* one feature outweighs the others */
			return t == 3 ? 1e4 * x : blob + x;
		case 2:					/* one cluster far off */
			return i % 97 == 5 ? 1e3 * (blob + x) : blob + x;
		case 3:					/* few different values: ties */
			return floor(2 * uniform(seed, place));
		case 4:					/* more copies of a centroid than a list holds */
			return normal(seed, (uint64_t) (i % 5) * WIDE_D + t);
		case 5:					/* far from the origin, where floats are coarse */
			return 1e7 + blob + x;
		case 6:					/* all sizes */
			return ldexp(x, (int) (place % 200) - 100);
		default:				/* zero but for one feature */
			return t == i % 64 ? x : 0;
	}
}

/*
 * Many features and many clusters: whatever is filtered out, labels and gaps
 * hold.  Numbers of rows, clusters and features around multiples of vectors and
 * blocks.
 */
static void
test_wide(KmSimd simd)
{
	static const int features[] = {64, 65, 127, 128, 129, 191, WIDE_D};
	static const int clusters[] = {16, 17, 191, 192, 193, 385, WIDE_K};
	double	   *values = malloc(KM_TILE * WIDE_D * sizeof(double));
	float	   *floats = malloc(KM_TILE * WIDE_D * sizeof(float));
	double	   *centroids = malloc(WIDE_K * WIDE_D * sizeof(double));

	for (int kind = 0; kind < WIDE_KINDS; kind++)
	{
		bool		good = true;
		int64_t		proven = 0;

		for (uint64_t turn = 0; turn < 14; turn++)
		{
			int			d = features[turn % 7];
			int			k = clusters[(turn * 3 + kind) % 7];
			bool		dense = turn % 4 == 3;
			int			n = dense ? 1 + (int) (uniform(turn, 7) * KM_TILE) : KM_TILE;
			KmChunk		chunk = {.nrows = KM_TILE,.values = values};

			make_search(wide_value, kind, turn, turn % 3 == 2, centroids, k, d, &chunk, floats);
			good = labels_right(&chunk, values, centroids, k, d, dense, n, &proven) && good;
		}
		ok(good, "wide rows: labels and gaps hold (instruction set %d, data %d)", simd, kind);
	}
	free(centroids);
	free(floats);
	free(values);
}

/* the coarse search alone: it decides all rows of clear clusters, and no tie */
static void
test_coarse(void)
{
	KmTeam	   *team = solo_team();
	int			d = COARSE_FEATURES;
	int			k = 200;
	double	   *values = malloc((size_t) KM_TILE * d * sizeof(double));
	double	   *centroids = malloc((size_t) k * d * sizeof(double));
	double	   *centre = calloc(d, sizeof(double));
	int32_t		pick[KM_TILE];
	int32_t		label[KM_SCORE_ROWS];
	float		gap[KM_SCORE_ROWS];
	KmScoreRows rows = {values, NULL, pick};
	KmScoreAhead ahead = {rows, 0, 0};
	KmCoarse   *coarse;
	bool		good = true;

	coarse = km_coarse_create(team, d, k, KM_TILE);
	for (int j = 0; j < k; j++)
		for (int t = 0; t < d; t++)
			centroids[j * d + t] = normal(1, (uint64_t) j * d + t) / 8;
	memcpy(centroids + 150 * d, centroids + 30 * d, d * sizeof(double));
	for (int i = 0; i < KM_TILE; i++)
	{
		pick[i] = i;
		for (int t = 0; t < d; t++)
			values[i * d + t] = centroids[3 * i * d + t] + normal(2, (uint64_t) i * d + t) / 32;
	}
	good = km_coarse_set(coarse, centroids, k, centre, 1);
	km_coarse_rows(coarse, &rows, KM_TILE, label, gap, &ahead);
	for (int i = 0; i < KM_TILE; i++)
		good = good && (3 * i == 30 || 3 * i == 150 ? !(gap[i] > 0) :
						label[i] == 3 * i && gap[i] > 0);
	ok(good, "coarse search: decides what is clear, and no tie");
	km_coarse_free(coarse);
	free(centre);
	free(centroids);
	free(values);
}

/*
 * Rounding at its worst: rows g v as far from two centroids as makes them almost
 * equal, by either sign of what is left.  In even turns v are whole numbers, which
 * are not rounded, and lie along the difference of the centroids' roundings; in
 * odd ones centroids are whole numbers, and each of v is rounded away from their
 * difference.
 */
static void
test_roundings(void)
{
	enum
	{
		D = 128, K = COARSE_CLUSTERS
	};
	KmTeam	   *team = solo_team();
	double	   *centroids = malloc(K * D * sizeof(double));
	double	   *values = malloc(KM_TILE * D * sizeof(double));
	double	   *centre = calloc(D, sizeof(double));
	int32_t		pick[KM_TILE];
	int32_t		label[KM_SCORE_ROWS];
	float		gap[KM_SCORE_ROWS];
	KmScoreRows rows = {values, NULL, pick};
	KmScoreAhead ahead = {rows, 0, 0};
	bool		good = true;
	int			decided = 0;

	for (uint64_t turn = 0; turn < 40; turn++)
	{
		KmCoarse   *coarse = km_coarse_create(team, D, K, KM_TILE);
		double		v[D];
		double		most = 0;
		double		half = 0;
		double		product = 0;

		for (int j = 0; j < K; j++)
			for (int t = 0; t < D; t++)
			{
				double		x = uniform(turn, (uint64_t) j * D + t) - 0.5;

				/* the largest is 127, so the step is 1; others are far off */
				x = t == j ? 127 : turn % 2 == 0 ? 60 * x : rint(60 * x);
				centroids[j * D + t] = j < 2 ? x : 10 * x;
			}
		for (int t = 0; t < D; t++)
		{
			double		a = centroids[t];
			double		b = centroids[D + t];

			v[t] = turn % 2 == 0 ? (a - rint(a)) - (b - rint(b)) :
				rint(20 * uniform(turn, 5000 + t) - 10);
			most = fabs(v[t]) > most ? fabs(v[t]) : most;
		}
		for (int t = 0; t < D; t++)
		{
			double		a = centroids[t];
			double		b = centroids[D + t];

			v[t] = turn % 2 == 0 ? rint(v[t] * 127 / most) : t == 5 ? 127 :
				v[t] + (a > b ? 0.45 : -0.45);
			half += (b * b - a * a) / 2;
			product += v[t] * (b - a);
		}
		for (int i = 0; i < KM_TILE; i++)
		{
			pick[i] = i;
			for (int t = 0; t < D; t++)
				values[i * D + t] = v[t] * (half / product) * (1 + (i - 31.5) * 0x1p-10);
		}
		good = km_coarse_set(coarse, centroids, K, centre, 1) && good;
		km_coarse_rows(coarse, &rows, KM_TILE, label, gap, &ahead);
		for (int i = 0; i < KM_TILE; i++)
		{
			good = good && (!(gap[i] > 0) || search_right(values + i * D, centroids, K, D, 1,
														  label[i], gap[i]));
			decided += gap[i] > 0;
		}
		km_coarse_free(coarse);
	}
	ok(good && decided > 40 * KM_TILE / 4, "coarse search: right where all is rounded the wrong way");
	free(centre);
	free(values);
	free(centroids);
}

/* ---- Whole runs ---- */

typedef struct Run
{
	KmPruning	pruning;
	const KmSpace *space;
	int			k;
	int			max_iter;
	double		threshold;
	const double *start;		/* k x d */
	TestRows   *part[MAX_TEAM];
	KmLloydResult result;
	double		centroids[MAX_K * MAX_D];
	int			n;				/* reports */
	KmIteration iteration[MAX_PASSES + 2];
} Run;

static void
record(void *arg, const KmIteration *iteration)
{
	Run		   *run = arg;

	run->iteration[run->n++] = *iteration;
}

static void
run_member(KmTeam *team, void *arg)
{
	Run		   *run = arg;
	int			d = run->space->d;
	TestRows   *rows = run->part[team->rank];
	Run			own = *run;
	KmStats    *stats = km_stats(team, &rows->rows, run->space);
	KmGrid	   *grid = km_grid_create(team, d, stats->largest, stats->smallest);
	KmLloydParams params = {
		.run = 1,.max_iter = run->max_iter,.threshold = run->threshold,
		.report = record,.arg = &own,.mean = stats->mean
	};

	for (int t = 0; t < d; t++)
		params.total_ss += stats->total_weight * stats->stddev[t] * stats->stddev[t];
	team->pruning = run->pruning;
	own.n = 0;
	memcpy(own.centroids, run->start, (size_t) run->k * d * sizeof(double));
	own.result = km_lloyd(team, &rows->rows, run->space, grid, &params, own.centroids, run->k);
	team->pruning = KM_PRUNING_AUTO;
	km_grid_free(team, grid);
	km_stats_free(team, stats);
	if (team->rank == 0)
		*run = own;
}

static bool
same_run(const Run *a, const Run *b, const uint16_t *label)
{
	bool		good = a->n == b->n && a->result.n_iter == b->result.n_iter &&
		a->result.converged == b->result.converged &&
		same(a->result.inertia, b->result.inertia) &&
		same_all(a->centroids, b->centroids, (size_t) a->k * a->space->d);
	int64_t		at = 0;

	for (int i = 0; good && i < a->n; i++)
		good = a->iteration[i].reassigned == b->iteration[i].reassigned &&
			same(a->iteration[i].inertia, b->iteration[i].inertia) &&
			same(a->iteration[i].shift, b->iteration[i].shift);
	for (int p = 0; p < MAX_TEAM && b->part[p] != NULL; p++)
	{
		good = good && memcmp(b->part[p]->label, label + at,
							  b->part[p]->rows.n * sizeof(uint16_t)) == 0;
		at += b->part[p]->rows.n;
	}
	return good;
}

/* one data set: brute force by one, then pruned by one to three */
static bool
compare_runs(const double *values, const double *weight, const KmSpace *space,
			 const double *start, int k, int max_iter, double threshold)
{
	TestRows   *all = rows_create(values, weight, N, space->d, 100);
	Run		   *brute = calloc(1, sizeof(Run));
	Run		   *pruned = calloc(1, sizeof(Run));
	int			d = space->d;
	bool		good;

	*brute = (Run) {
		.pruning = KM_PRUNING_OFF,.space = space,.k = k,.max_iter = max_iter,
			.threshold = threshold,.start = start,.part = {all}
	};
	run_member(solo_team(), brute);
	*pruned = (Run) {
		.pruning = KM_PRUNING_ON,.space = space,.k = k,.max_iter = max_iter,
			.threshold = threshold,.start = start
	};
	pruned->part[0] = rows_create(values, weight, N, d, 130);
	run_member(solo_team(), pruned);
	good = same_run(brute, pruned, all->label);
	rows_free(pruned->part[0]);
	for (int size = 2; size <= MAX_TEAM; size++)
	{
		for (int p = 0; p < size; p++)
		{
			int64_t		from = (int64_t) N * p / size;
			int64_t		to = (int64_t) N * (p + 1) / size;

			pruned->part[p] = rows_create(values + from * d,
										  weight != NULL ? weight + from : NULL,
										  to - from, d, 64);
		}
		team_run(size, run_member, pruned);
		good = good && same_run(brute, pruned, all->label);
		for (int p = 0; p < size; p++)
			rows_free(pruned->part[p]);
	}
	rows_free(all);
	free(pruned);
	free(brute);
	return good;
}

/* all sorts of rows, spaces, weights and starts, by turn */
static bool
compare_turn(int kind, uint64_t turn)
{
	int			d = 1 + (int) (uniform(turn, 3) * MAX_D);
	int			k = 1 + (int) (uniform(turn, 4) * MAX_K);
	double	   *values = malloc(N * MAX_D * sizeof(double));
	double	   *weight = malloc(N * sizeof(double));
	double	   *start = malloc(MAX_K * MAX_D * sizeof(double));
	double		shift[MAX_D];
	double		scale[MAX_D];
	KmSpace		space = {d, NULL, NULL, turn % 5 == 3};
	bool		good;

	for (int64_t i = 0; i < N; i++)
	{
		weight[i] = turn % 2 == 0 ? floor(4 * uniform(turn, 100 + i)) : uniform(turn, 100 + i);
		for (int t = 0; t < d; t++)
			values[i * d + t] = value(kind, turn, i, t);
	}
	for (int t = 0; t < d; t++)
	{
		shift[t] = value(kind, turn, 5, t) / 2;
		scale[t] = fabs(value(kind, turn, 6, t)) * (0.5 + uniform(turn, 5)) +
			(kind == 1 ? 1 : 0);
	}
	if (turn % 5 == 4)
	{
		space.shift = shift;
		space.scale = scale;
	}

	/* some starts far off, so that they run empty, and one twice */
	for (int j = 0; j < k; j++)
	{
		double	   *c = start + j * d;

		if (!km_space_row(&space, values + j * 11 * d, c))
			km_space_row(&space, values + 17 * d, c);
		for (int t = 0; t < d && j % 6 == 5 && !space.unit; t++)
			c[t] *= 3;
		if (j == k - 1)
			memcpy(c, start, d * sizeof(double));
	}
	if (space.unit)
		for (int64_t i = 0; i < N * d; i++)
			values[i] += values[i] == 0;
	good = compare_runs(values, turn % 3 == 0 ? weight : NULL, &space, start, k,
						turn % 4 == 1 ? 3 : MAX_PASSES,
						turn % 4 == 2 && kind == 0 ? 0.1 : 0);
	free(start);
	free(weight);
	free(values);
	return good;
}

void
test_pruning(void)
{
	KmTeam	   *team = solo_team();

	for (KmSimd simd = KM_SIMD_GENERIC; simd <= KM_SIMD_AVX512; simd++)
	{
		if (!km_simd_available(simd))
			continue;
		team->simd = simd;
		test_searches(simd);
		test_wide(simd);
		if (km_coarse_pays(team, COARSE_FEATURES, COARSE_CLUSTERS))
		{
			test_coarse();
			test_roundings();
		}
		for (int kind = 0; kind < KINDS; kind++)
		{
			bool		good = true;

			for (uint64_t turn = 0; good && turn < 20; turn++)
				good = compare_turn(kind, turn);
			ok(good, "pruned runs equal brute ones (instruction set %d, data %d)",
			   simd, kind);
		}
	}
	team->simd = KM_SIMD_AUTO;
}
