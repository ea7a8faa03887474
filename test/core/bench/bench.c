/*
 * bench.c
 *		How fast the passes are, beside what the machine can do.
 *
 * First what this machine reaches: fused multiply-adds in registers, and
 * reading memory in order.  Then, for each shape of data, on one core:
 *
 *		label	one pass over rows that must all be labelled, in ns a row;
 *				GFLOP/s of the products (2 d a centroid) while the rows are in
 *				the cache, as a share of the peak; and, from memory, the bytes
 *				of the rows a second, as a share of reading
 *		run		passes of a whole run from centroids drawn from the rows,
 *				pruned, and not: ms a pass of all but the first
 *
 * Arguments: none for all shapes, or n d k spread (0: uniform).
 */
#include "../test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/kernel.h"
#include "core/lloyd.h"
#include "core/simd.h"
#include "core/stats.h"

#define BENCH_PASSES 20
#define BENCH_CACHED (256 * 1024)	/* bytes of rows that stay in the cache */
#define BENCH_WINDOW 1024		/* rows labelled at a time */

typedef struct BenchShape
{
	int64_t		n;
	int			d;
	int			k;
	double		spread;			/* of blobs; 0: uniform noise */
} BenchShape;

static const BenchShape shapes[] = {
	{1000000, 4, 8, 1}, {1000000, 2, 50, 1}, {1000000, 16, 64, 1},
	{200000, 128, 256, 4}, {100000, 768, 100, 4}, {1000000, 6, 12, 2},
	{1000000, 4, 8, 0}, {1000000, 2, 50, 0}, {300000, 16, 64, 0}
};

typedef struct BenchTimes
{
	int			n;
	double		at[BENCH_PASSES + 3];
	int64_t		reassigned;
} BenchTimes;

/* of this thread: others may be busy as well */
static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

/* the one place where multiplications and additions may be fused */
#pragma GCC push_options
#pragma GCC optimize ("fp-contract=fast")

/* GFLOP/s of float: sixteen independent chains of whole vectors */
#if defined(__x86_64__)
__attribute__((target_clones("default", "avx2,fma", "arch=x86-64-v4")))
#endif
static double
measure_peak(void)
{
	typedef float Vector __attribute__((vector_size(64)));
	Vector		sum[16];
	Vector		x = (Vector) {0} + 0.999f;
	double		best = 0;

	for (int turn = 0; turn < 5; turn++)
	{
		double		start = now();
		const int	steps = 4000000;

		for (int c = 0; c < 16; c++)
			sum[c] = (Vector) {0} + (float) c;
		for (int s = 0; s < steps; s++)
		{
#pragma GCC unroll 16
			for (int c = 0; c < 16; c++)
				sum[c] = sum[c] * x + x;
			__asm__ volatile("" ::: "memory");
		}
		for (int c = 1; c < 16; c++)
			sum[0] += sum[c];
		if (sum[0][0] == 12345)
			puts("");
		start = now() - start;
		if (16.0 * 16 * 2 * steps / start > best)
			best = 16.0 * 16 * 2 * steps / start;
	}
	return best * 1e-9;
}

#pragma GCC pop_options

/* GB/s of reading in order */
static double
measure_reading(void)
{
	size_t		n = (size_t) 1 << 25;
	int64_t    *x = malloc(n * sizeof(int64_t));
	double		best = 0;
	int64_t		sum = 0;

	memset(x, 1, n * sizeof(int64_t));
	for (int turn = 0; turn < 5; turn++)
	{
		double		start = now();

		for (size_t i = 0; i < n; i++)
			sum ^= x[i];
		start = now() - start;
		if ((double) (n * sizeof(int64_t)) / start > best)
			best = (double) (n * sizeof(int64_t)) / start;
	}
	if (sum == 12345)
		puts("");
	free(x);
	return best * 1e-9;
}

static TestRows *
make_rows(const BenchShape *shape)
{
	int64_t		n = shape->n;
	int			d = shape->d;
	double	   *x = malloc(n * d * sizeof(double));
	TestRows   *rows;

	for (int64_t i = 0; i < n; i++)
	{
		int			blob = (int) (uniform(3, i) * shape->k);

		for (int t = 0; t < d; t++)
		{
			uint64_t	place = (uint64_t) i * d + t;
			double		noise = uniform(1, 3 * place) + uniform(1, 3 * place + 1) +
				uniform(1, 3 * place + 2) - 1.5;

			x[place] = shape->spread == 0 ? uniform(1, place) :
				20 * uniform(2, (uint64_t) blob * d + t) + 2 * shape->spread * noise;
		}
	}
	rows = rows_create(x, NULL, n, d, 8 * 1024 * 1024 / (8 * d) / 64 * 64);
	free(x);
	return rows;
}

/*
 * Seconds to label as many rows as there are: the first few of each chunk again
 * and again, or all.
 */
static double
measure_label(TestRows *rows, const KmSpace *space, const double *centroids, int k,
			  int64_t few)
{
	KmKernel   *kernel = km_kernel_create(solo_team(), space, k);
	double		best = INFINITY;

	km_kernel_set(kernel, centroids, k);
	for (int turn = 0; turn < 3; turn++)
	{
		double		start = now();

		for (int c = 0; c < rows->rows.nchunks; c++)
		{
			KmChunk    *chunk = &rows->chunks[c];
			int			n;

			for (int64_t i = 0; i < chunk->nrows; i += n)
			{
				int64_t		at = i % few;
				uint16_t	label[BENCH_WINDOW];
				float		gap[BENCH_WINDOW];

				n = km_chunk_batch(chunk, i, BENCH_WINDOW);
				n = few - at < n ? (int) (few - at) : n;
				km_kernel_label(kernel, chunk, at, NULL, n, label, gap);
				memcpy(chunk->label + i, label, n * sizeof(uint16_t));
			}
		}
		start = now() - start;
		best = start < best ? start : best;
	}
	km_kernel_free(kernel);
	return best;
}

static void
report(void *arg, const KmIteration *iteration)
{
	BenchTimes *times = arg;

	times->at[++times->n] = now();
	times->reassigned = iteration->reassigned;
}

/* seconds of a pass after the first */
static double
measure_run(TestRows *rows, const KmSpace *space, const double *start, int k,
			KmPruning pruning, double *first, int *passes)
{
	KmTeam	   *team = solo_team();
	KmStats    *stats = km_stats(team, &rows->rows, space);
	KmGrid	   *grid = km_grid_create(team, space->d, stats->largest, stats->smallest);
	double	   *centroids = malloc((size_t) k * space->d * sizeof(double));
	BenchTimes	times = {0};
	KmLloydParams params = {
		.run = 1,.max_iter = BENCH_PASSES,.report = report,.arg = &times,
		.mean = stats->mean
	};

	for (int t = 0; t < space->d; t++)
		params.total_ss += stats->total_weight * stats->stddev[t] * stats->stddev[t];
	memcpy(centroids, start, (size_t) k * space->d * sizeof(double));
	team->pruning = pruning;
	times.at[0] = now();
	*passes = km_lloyd(team, &rows->rows, space, grid, &params, centroids, k).n_iter;
	team->pruning = KM_PRUNING_AUTO;
	*first = times.at[1] - times.at[0];
	free(centroids);
	km_grid_free(team, grid);
	km_stats_free(team, stats);
	return (times.at[*passes] - times.at[1]) / (*passes - 1);
}

static void
bench(const BenchShape *shape, double peak, double reading)
{
	KmSpace		space = {shape->d, NULL, NULL, false};
	TestRows   *rows = make_rows(shape);
	int			k = shape->k;
	size_t		d = (size_t) shape->d;
	double	   *centroids = malloc(k * d * sizeof(double));
	int64_t		few = BENCH_CACHED / (shape->d * (int64_t) sizeof(double)) / KM_TILE * KM_TILE;
	double		label;
	double		cached;
	double		first;
	double		brute;
	double		pruned;
	int			passes;

	for (int j = 0; j < k; j++)
		memcpy(centroids + j * d, rows->values + shape->n / k * j * d, d * sizeof(double));
	label = measure_label(rows, &space, centroids, k, shape->n);
	cached = measure_label(rows, &space, centroids, k, few > 0 ? few : KM_TILE);
	brute = measure_run(rows, &space, centroids, k, KM_PRUNING_OFF, &first, &passes);
	pruned = measure_run(rows, &space, centroids, k, KM_PRUNING_ON, &first, &passes);
	printf("%8lld x %3d k %3d spread %g | label %8.2f ns/row %6.1f GFLOP/s %3.0f %% of peak "
		   "%5.1f GB/s %3.0f %% of reading | %2d passes: first %.2f ms, brute %.2f, pruned %.2f ms\n",
		   (long long) shape->n, shape->d, k, shape->spread, label / shape->n * 1e9,
		   2e-9 * shape->n * d * k / cached, 200e-9 * shape->n * d * k / cached / peak,
		   8e-9 * shape->n * d / label, 800e-9 * shape->n * d / label / reading,
		   passes, first * 1e3, brute * 1e3, pruned * 1e3);
	fflush(stdout);
	free(centroids);
	rows_free(rows);
}

int
main(int argc, char **argv)
{
	double		peak = measure_peak();
	double		reading = measure_reading();

	printf("one core: %.1f GFLOP/s in float, %.1f GB/s\n", peak, reading);
	if (argc == 5)
	{
		BenchShape	shape = {atoll(argv[1]), atoi(argv[2]), atoi(argv[3]), atof(argv[4])};

		bench(&shape, peak, reading);
		return 0;
	}
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
		bench(&shapes[s], peak, reading);
	return 0;
}
