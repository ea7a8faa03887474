/*
 * test_seed.c
 *		Choosing initial centroids: by content, by mass, in any order.
 */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/contents.h"
#include "core/hash.h"
#include "core/kernel.h"
#include "core/line.h"
#include "core/lloyd.h"
#include "core/neighbours.h"
#include "core/seed.h"
#include "core/sort.h"
#include "core/stats.h"

static const TestRows *line_rows;	/* for line_order() */
static const KmSeedMethod methods[] = {KM_SEED_PLUSPLUS, KM_SEED_RANDOM, KM_SEED_PARALLEL};

/* a start that is no good for all rows is made from all of them */
static int
seed_check(KmTeam *team, KmRows *rows, const KmSpace *space, const KmGrid *grid,
		   const KmStats *stats, KmSeeder *seeder, int k, int run, double most,
		   double *centroids)
{
	KmLloydParams params = {.run = run,.max_iter = 1,.most = &most,.mean = stats->mean};
	double	   *start = malloc((size_t) k * rows->d * sizeof(double));
	bool		refused;

	for (int t = 0; t < rows->d; t++)
		params.total_ss += stats->total_weight * stats->variance[t];
	memcpy(start, centroids, (size_t) k * rows->d * sizeof(double));
	refused = km_lloyd(team, rows, space, grid, &params, start, k).refused;
	free(start);
	return refused ? km_seed_all(seeder, run, centroids) : k;
}

/* km_seed(), with a grid for the rows */
static int
seed_in(KmTeam *team, KmRows *rows, const KmSpace *space, KmSeedMethod method, int k,
		uint64_t seed, int run, double *centroids)
{
	KmStats    *stats = km_stats(team, rows, space);
	KmGrid	   *grid = km_grid_create(team, rows->d, stats->largest, stats->smallest);
	KmSeeder   *seeder = km_seeder_create(team, rows, space, grid, method, k, seed);
	double		most;
	int			chosen = km_seed(seeder, run, centroids, &most);

	if (!isinf(most))
		chosen = seed_check(team, rows, space, grid, stats, seeder, chosen, run, most,
							centroids);
	km_seeder_free(seeder);
	km_grid_free(team, grid);
	km_stats_free(team, stats);
	return chosen;
}

static int
seed_rows(TestRows *rows, KmSeedMethod method, int k, uint64_t seed, int run,
		  double *centroids)
{
	KmSpace		space = {rows->rows.d, NULL, NULL, false};

	return seed_in(solo_team(), &rows->rows, &space, method, k, seed, run, centroids);
}

/* n rows of d values; a third of them are copies of others */
static TestRows *
some_rows(int64_t n, int d, int kind, int64_t chunk_rows)
{
	double	   *x = malloc(n * d * sizeof(double));
	double	   *w = malloc(n * sizeof(double));
	TestRows   *rows;

	for (int64_t i = 0; i < n; i++)
	{
		int64_t		content = i % 3 == 0 ? i / 2 : i;

		w[i] = kind == 2 ? uniform(1, i) : floor(3 * uniform(1, i));
		for (int t = 0; t < d; t++)
			x[i * d + t] = normal(t + 2, content) + 5 * (double) (content % 4);
	}
	rows = rows_create(x, kind == 0 ? NULL : w, n, d, chunk_rows);
	free(x);
	free(w);
	return rows;
}

typedef struct TeamSeed
{
	TestRows   *parts[3];
	KmSeedMethod method;
	int			k;
	int			chosen;
	double	   *centroids;
} TeamSeed;

static void
team_seed(KmTeam *team, void *arg)
{
	TeamSeed   *t = arg;
	KmRows	   *rows = &t->parts[team->rank]->rows;
	KmSpace		space = {rows->d, NULL, NULL, false};
	double	   *centroids = malloc((size_t) t->k * rows->d * sizeof(double));
	int			chosen = seed_in(team, rows, &space, t->method, t->k, 5, 1, centroids);

	if (team->rank == 0)
	{
		t->chosen = chosen;
		memcpy(t->centroids, centroids, (size_t) t->k * rows->d * sizeof(double));
	}
	free(centroids);
}

static void
test_order(int64_t n)
{
	enum
	{
		D = 3, K = 9
	};
	int64_t    *where = malloc(n * sizeof(int64_t));
	double		expected[K * D];
	double		found[K * D];

	for (int m = 0; m < 3; m++)
		for (int kind = 0; kind < 3; kind++)
		{
			TestRows   *rows = some_rows(n, D, kind, n);
			bool		good = true;

			good = seed_rows(rows, methods[m], K, 5, 1, expected) == K;
			for (uint64_t s = 0; s < 4; s++)
			{
				TestRows   *other = rows_shuffled(rows, s, 1 + n / (s + 1), where);
				TeamSeed	t = {.method = methods[m],.k = K,.centroids = found};

				good = good && seed_rows(other, methods[m], K, 5, 1, found) == K &&
					same_all(expected, found, K * D);
				for (int p = 0; p < 3; p++)
				{
					int64_t		from = p * n / 4;
					int64_t		to = p < 2 ? (p + 1) * n / 4 : n;

					t.parts[p] = rows_create(other->values + from * D,
											 other->weight != NULL ? other->weight + from : NULL,
											 to - from, D, 50);
				}
				memset(found, 0, sizeof(found));
				team_run(3, team_seed, &t);
				good = good && t.chosen == K && same_all(expected, found, K * D);
				for (int p = 0; p < 3; p++)
					rows_free(t.parts[p]);
				rows_free(other);
			}
			ok(good, "seed: any order, chunks and team (%d rows, method %d, weights %d)",
			   (int) n, m, kind);
			seed_rows(rows, methods[m], K, 6, 1, found);
			good = !same_all(expected, found, K * D);
			seed_rows(rows, methods[m], K, 5, 2, found);
			good = good && !same_all(expected, found, K * D);
			ok(good, "seed: another seed or run draws other rows");
			rows_free(rows);
		}
	free(where);
}

/* is every centroid a row, and no two at one place? */
static bool
distinct_rows(const TestRows *rows, const double *centroids, int k)
{
	int			d = rows->rows.d;

	for (int j = 0; j < k; j++)
	{
		bool		found = false;

		for (int other = 0; other < j; other++)
			if (same_all(centroids + j * d, centroids + other * d, d))
				return false;
		for (int64_t i = 0; i < rows->rows.n && !found; i++)
			found = same_all(centroids + j * d, rows->values + i * d, d) &&
				(rows->weight == NULL || rows->weight[i] > 0);
		if (!found)
			return false;
	}
	return true;
}

static void
test_places(void)
{
	enum
	{
		N = 60, D = 2
	};
	double		x[N * D];
	double		w[N];
	double		centroids[(N + 5) * D];

	for (int m = 0; m < 3; m++)
	{
		TestRows   *rows;

		for (int i = 0; i < N * D; i++)
			x[i] = normal(1, i);
		rows = rows_create(x, NULL, N, D, 7);
		ok(seed_rows(rows, methods[m], N, 1, 1, centroids) == N &&
		   distinct_rows(rows, centroids, N), "seed: as many as rows (method %d)", m);
		rows_free(rows);

		/* 12 places of which 2 have no weight */
		for (int i = 0; i < N; i++)
		{
			x[i * D] = i % 12;
			x[i * D + 1] = 7;
			w[i] = i % 6 == 0 ? 0 : 0.5 + i;
		}
		rows = rows_create(x, w, N, D, 7);
		ok(seed_rows(rows, methods[m], N + 5, 1, 1, centroids) == 10 &&
		   distinct_rows(rows, centroids, 10),
		   "seed: fewer places than clusters (method %d)", m);
		rows_free(rows);

		/* directions: multiples of three rows */
		{
			KmSpace		unit = {D, NULL, NULL, true};

			for (int i = 0; i < N; i++)
			{
				x[i * D] = (1 + i) * (i % 3 - 1.0);
				x[i * D + 1] = 1 + i;
			}
			rows = rows_create(x, NULL, N, D, 7);
			ok(seed_in(solo_team(), &rows->rows, &unit, methods[m], 10, 1, 1, centroids) == 3,
			   "seed: multiples are one direction (method %d)", m);
			rows_free(rows);
		}

		rows = rows_create(x, NULL, 0, D, 7);
		ok(seed_rows(rows, methods[m], 3, 1, 1, centroids) == 0,
		   "seed: no rows (method %d)", m);
		rows_free(rows);
		for (int i = 0; i < N; i++)
			w[i] = 0;
		rows = rows_create(x, w, N, D, 7);
		ok(seed_rows(rows, methods[m], 3, 1, 1, centroids) == 0,
		   "seed: no weight (method %d)", m);
		rows_free(rows);
	}

	/* squared distances whose sum overflows */
	{
		TestRows   *rows;

		for (int i = 0; i < N; i++)
			x[i] = (i % 2 == 0 ? 0x1p509 : -0x1p509) * (1 + i / 100.0);
		rows = rows_create(x, NULL, N, 1, 7);
		ok(seed_rows(rows, KM_SEED_PLUSPLUS, 30, 1, 1, centroids) == 30 &&
		   distinct_rows(rows, centroids, 30), "seed: distances near the end of the range");
		rows_free(rows);
	}
}

/*
 * 9,000 copies of one content among 10,000 rows are the first centroid in 90 %
 * of the draws; 400 draws lie within 5 standard deviations (30).
 */
static void
test_frequency(void)
{
	enum
	{
		N = 10000, DRAWS = 400
	};
	double	   *x = malloc(N * sizeof(double));
	double	   *w = malloc(1001 * sizeof(double));
	int64_t    *where = malloc(N * sizeof(int64_t));
	TestRows   *rows;
	TestRows   *shuffled;
	TestRows   *weighted;

	for (int i = 0; i < N; i++)
		x[i] = i < 1000 ? 10 + uniform(1, i) : 3;
	for (int i = 0; i < 1001; i++)
		w[i] = i < 1000 ? 1 : 9000;
	rows = rows_create(x, NULL, N, 1, 4096);
	shuffled = rows_shuffled(rows, 1, 1000, where);
	weighted = rows_create(x, w, 1001, 1, 64);
	for (int m = 0; m < 3; m++)
	{
		int			hits = 0;
		int			second = 0;
		bool		equal = true;

		for (int s = 0; s < DRAWS; s++)
		{
			double		a[2];
			double		b[2];

			seed_rows(shuffled, methods[m], 2, s, 1, a);
			seed_rows(weighted, methods[m], 2, s, 1, b);
			hits += a[0] == 3;
			second += a[1] == 3;
			equal = equal && (a[0] == 3) == (b[0] == 3);
		}
		ok(hits >= 330 && hits <= 390, "seed: 90 %% copies are first in %d of %d draws (method %d)",
		   hits, DRAWS, m);
		ok(hits + second > DRAWS - 10, "seed: and else second");
		ok(equal, "seed: a weight of 9,000 is drawn as 9,000 copies");
	}
	rows_free(weighted);
	rows_free(shuffled);
	rows_free(rows);
	free(where);
	free(w);
	free(x);

	/* weight w == w copies, with the same number of buckets */
	{
		double		many[120];
		double		few[60];
		double		twice[60];
		double		a[5];
		double		b[5];
		bool		equal = true;

		for (int i = 0; i < 60; i++)
		{
			few[i] = many[i] = normal(3, i);
			many[60 + i] = many[i];
			twice[i] = 2;
		}
		rows = rows_create(many, NULL, 120, 1, 33);
		weighted = rows_create(few, twice, 60, 1, 33);
		for (int s = 0; s < 50; s++)
			for (int m = 0; m < 3; m++)
			{
				seed_rows(rows, methods[m], 5, s, 1, a);
				seed_rows(weighted, methods[m], 5, s, 1, b);
				equal = equal && same_all(a, b, 5);
			}
		ok(equal, "seed: weight 2 is two copies");
		rows_free(weighted);
		rows_free(rows);
	}
}

/* D^2 sampling finds separated blobs, far better than chance */
static void
test_quality(void)
{
	enum
	{
		N = 3000, K = 20
	};
	double	   *x = malloc(N * 2 * sizeof(double));
	double		centroids[K * 2];
	int			found;
	TestRows   *rows;

	for (int i = 0; i < N; i++)
	{
		x[2 * i] = 100 * (double) (i % K) + normal(1, i);
		x[2 * i + 1] = normal(2, i);
	}
	rows = rows_create(x, NULL, N, 2, 1000);
	for (int m = 0; m < 2; m++)
	{
		KmSeedMethod method = m == 0 ? KM_SEED_PLUSPLUS : KM_SEED_PARALLEL;

		found = 0;
		for (int s = 0; s < 20; s++)
		{
			unsigned	blobs = 0;

			seed_rows(rows, method, K, s, 1, centroids);
			for (int j = 0; j < K; j++)
				blobs |= 1u << (int) lround(centroids[2 * j] / 100);
			found += blobs == (1u << K) - 1;
		}
		ok(found >= 18, "seed: all of 20 blobs are found in %d of 20 runs (method %d)",
		   found, (int) method);
	}
	rows_free(rows);
	free(x);
}

/* a sample of the rows gives the same start in any order, and misses nothing far */
static void
test_sample(void)
{
	enum
	{
		N = 34000, D = 2, K = 6
	};
	int64_t    *where = malloc(N * sizeof(int64_t));
	double		expected[K * D];
	double		found[K * D];

	for (int kind = 0; kind < 3; kind++)
	{
		TestRows   *rows = some_rows(N, D, kind, 5000);
		TestRows   *other = rows_shuffled(rows, 3, 7000, where);
		TeamSeed	t = {.method = KM_SEED_PARALLEL,.k = K,.centroids = found};
		bool		good;
		int			far = 0;

		good = seed_rows(rows, KM_SEED_PARALLEL, K, 5, 1, expected) == K;
		for (int p = 0; p < 3; p++)
			t.parts[p] = rows_create(other->values + p * 10000 * D,
									 kind > 0 ? other->weight + p * 10000 : NULL,
									 p < 2 ? 10000 : N - 20000, D, 3000);
		team_run(3, team_seed, &t);
		ok(good && t.chosen == K && same_all(expected, found, K * D),
		   "seed: from a sample, any order, chunks and team (weights %d)", kind);
		for (int p = 0; p < 3; p++)
			rows_free(t.parts[p]);
		rows_free(other);

		/* four rows at one place far away, which samples of a sixteenth miss */
		for (int i = 0; i < 4; i++)
			rows->values[(1 + 3000 * i) * D] = 1e5;
		if (kind > 0)
			rows->weight[1] = 1;
		for (int s = 0; s < 5; s++)
		{
			seed_rows(rows, KM_SEED_PARALLEL, K, s, 1, found);
			for (int j = 0; j < K; j++)
				far += found[j * D] > 9e4;
		}
		ok(far == 5, "seed: far rows are found (weights %d)", kind);
		rows_free(rows);
	}
	free(where);
}

static void
test_hash(void)
{
	double		x[3] = {1, 2, 3};
	double		y[3] = {2, 1, 3};
	unsigned	seen = 0;
	double		mean = 0;

	ok(km_hash_row(x, 3, 1) == km_hash_row(x, 3, 1) &&
	   km_hash_row(x, 3, 1) != km_hash_row(x, 3, 2) &&
	   km_hash_row(x, 3, 1) != km_hash_row(y, 3, 1) &&
	   km_hash_row(x, 2, 1) != km_hash_row(x, 3, 1), "hash: contents, order, seed, length");
	for (int i = 0; i < 256; i++)
	{
		x[0] = i;
		seen |= 1u << (km_hash_row(x, 1, 0) >> 59);
		mean += km_random_double(3, 1, i);
	}
	ok(seen == UINT32_MAX, "hash: integers reach all buckets");
	ok(fabs(mean / 256 - 0.5) < 0.1 && km_random_bits(1, 2, 3) != km_random_bits(1, 3, 2) &&
	   km_random_bits(1, 2, 3) != km_random_bits(2, 1, 3), "hash: random numbers");
}

/* of two rows: the order of the line */
static int
line_order(const void *a, const void *b)
{
	const TestRows *rows = line_rows;
	int			d = rows->rows.d;
	const double *x = rows->values + *(const int64_t *) a * d;
	const double *y = rows->values + *(const int64_t *) b * d;
	uint64_t	hash_x = km_hash_row(x, d, 5);
	uint64_t	hash_y = km_hash_row(y, d, 5);

	if (hash_x != hash_y)
		return hash_x < hash_y ? -1 : 1;
	return km_sort_compare(x, y, d);
}

/*
 * The content in which a random point of the line lies: rows in order, as long
 * as their weights, which are integers.
 */
static const double *
line_point(const TestRows *rows, const int64_t *order, double total, uint64_t counter)
{
	double		at = km_random_double(5, 1, counter) * total;
	int64_t		i = 0;

	for (;; i++)
	{
		double		weight = rows->weight != NULL ? rows->weight[order[i]] : 1;

		if (at < weight)
			return rows->values + order[i] * rows->rows.d;
		at -= weight;
	}
}

/* draws, and draws after a restart, are those of the definition */
static void
test_line(int64_t n, int kind)
{
	enum
	{
		D = 3, DRAWS = 50
	};
	TestRows   *rows = some_rows(n, D, kind, 100);
	KmSpace		space = {D, NULL, NULL, false};
	int64_t    *order = malloc(n * sizeof(int64_t));
	double		drawn[(DRAWS + 1) * D];
	double		total = 0;
	KmLine	   *line = km_line_create(solo_team(), &rows->rows, &space, false, 5, 1);
	bool		good = true;

	for (int64_t i = 0; i < n; i++)
	{
		order[i] = i;
		total += rows->weight != NULL ? rows->weight[i] : 1;
	}
	line_rows = rows;
	qsort(order, n, sizeof(int64_t), line_order);
	for (int start = 0; start < 2; start++)
	{
		good &= km_line_draw(line, 1, 0, DRAWS, false, drawn);
		for (int i = 0; i < DRAWS; i++)
			good &= same_all(drawn + i * D, line_point(rows, order, total, i), D);
		km_line_nearer(line, drawn, 1);
		good &= km_line_draw(line, 1, 0, DRAWS, false, drawn + D) &&
			!same_all(drawn, drawn + D, D);
		km_line_restart(line);
	}
	ok(good, "seed: draws by definition (%d rows, weights %d)", (int) n, kind);
	km_line_free(line);
	free(order);
	rows_free(rows);
}

/* what a candidate would leave is the sum of all rows' masses */
static void
test_potentials(int64_t n, int kind)
{
	enum
	{
		D = 3, CANDIDATES = 3
	};
	TestRows   *rows = some_rows(n, D, kind, 100);
	KmSpace		space = {D, NULL, NULL, false};
	double		drawn[(CANDIDATES + 1) * D];
	KmWide		potential[CANDIDATES];
	KmLine	   *line = km_line_create(solo_team(), &rows->rows, &space, false, 5, CANDIDATES);
	bool		good;

	good = km_line_draw(line, 1, 0, CANDIDATES + 1, false, drawn);
	km_line_nearer(line, drawn, 1);
	km_line_potentials(line, drawn + D, CANDIDATES, potential);
	for (int c = 0; c < CANDIDATES; c++)
	{
		KmWide		sum = 0;

		for (int64_t i = 0; i < n; i++)
		{
			const double *x = rows->values + i * D;

			sum += km_line_mass(line, rows->weight != NULL ? rows->weight + i : NULL,
								km_line_units(line, fmin(km_kernel_dist2(x, drawn, D),
														 km_kernel_dist2(x, drawn + (c + 1) * D, D))));
		}
		good &= sum == potential[c] && sum > 0;
	}
	ok(good, "seed: potentials by definition (%d rows, weights %d)", (int) n, kind);
	km_line_free(line);
	rows_free(rows);
}

/* how wide the boxes of all tiles are, in all */
static double
box_widths(const double *values, int64_t n, int d)
{
	double	   *box = malloc(2 * d * sizeof(double));
	double		width = 0;

	for (int64_t start = 0; start < n; start += KM_TILE)
	{
		km_neighbours_box(values + start * d, n - start < KM_TILE ? (int) (n - start) : KM_TILE,
						  d, box);
		for (int t = 0; t < d; t++)
			width += box[d + t] - box[t];
	}
	free(box);
	return width;
}

/* neighbours are the same rows, and have the same start */
static void
test_neighbours(int kind, bool unit)
{
	enum
	{
		ROWS = 5000, D = 2, K = 60
	};
	KmTeam	   *team = solo_team();
	TestRows   *rows = some_rows(ROWS, D, kind, ROWS);
	KmSpace		space = {D, NULL, NULL, unit};
	KmChunk		chunk = {.nrows = ROWS};
	KmRows		sorted;
	double		before[K * D];
	double		after[K * D];
	double		sums[2] = {0, 0};
	double		width = box_widths(rows->values, ROWS, D);
	int			chosen;

	chunk.values = km_team_alloc(team, ROWS * D, sizeof(double));
	chunk.weight = km_team_alloc(team, ROWS, sizeof(double));
	memcpy(chunk.values, rows->values, ROWS * D * sizeof(double));
	for (int i = 0; i < ROWS; i++)
		chunk.weight[i] = rows->weight != NULL ? rows->weight[i] : 1;
	km_neighbours_sort(team, &chunk, D);
	sorted = km_contents_rows(team, &chunk, D);
	sorted.neighbours = true;
	chosen = seed_in(team, &rows->rows, &space, KM_SEED_PLUSPLUS, K, 3, 1, before);
	ok(chosen == seed_in(team, &sorted, &space, KM_SEED_PLUSPLUS, K, 3, 1, after) &&
	   same_all(before, after, chosen * D), "seed: neighbours have the same start (weights %d)", kind);
	for (int i = 0; i < ROWS; i++)
	{
		sums[0] += km_hash_row(chunk.values + i * D, D, 0) % 4096 * floor(8 * chunk.weight[i]);
		sums[1] += km_hash_row(rows->values + i * D, D, 0) % 4096 *
			floor(8 * (rows->weight != NULL ? rows->weight[i] : 1));
	}
	ok(sums[0] == sums[1] && box_widths(chunk.values, ROWS, D) < width / 4,
	   "seed: neighbours are the same rows, nearer to each other");
	km_contents_free(team, &chunk);
	km_team_release(team, chunk.weight);
	km_team_release(team, chunk.values);
	rows_free(rows);
}

void
test_seed(void)
{
	test_hash();
	test_line(50, 0);
	test_line(50, 1);
	test_line(3000, 0);
	test_line(3000, 1);
	for (int kind = 0; kind < 3; kind++)
	{
		test_potentials(50, kind);
		test_potentials(3000, kind);
	}
	for (int kind = 0; kind < 3; kind++)
		test_neighbours(kind, kind == 1);
	test_order(50);
	test_order(3000);
	test_places();
	test_frequency();
	test_quality();
	test_sample();
}
