/*
 * test_kernel.c
 *		The kernel against km_kernel_dist2(), on every instruction set.
 */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel.h"
#include "core/simd.h"

/* coarse numbers make many exact ties */
static void
fill(double *x, size_t n, uint64_t seed, bool coarse)
{
	for (size_t i = 0; i < n; i++)
		x[i] = coarse ? floor(3 * uniform(seed, i)) : 100 * normal(seed, i) + 1e3;
}

/* returns whether labels, distances, z and all are as defined */
static bool
compare(const KmSpace *space, int k, int nrows, bool coarse)
{
	KmTeam	   *team = solo_team();
	int			d = space->d;
	KmKernel   *kernel = km_kernel_create(team, space, k);
	double	   *values = malloc(nrows * d * sizeof(double));
	double	   *centroids = malloc((size_t) k * d * sizeof(double));
	double	   *z = malloc(nrows * d * sizeof(double));
	double	   *all = malloc((size_t) nrows * k * sizeof(double));
	double	   *row = malloc(d * sizeof(double));
	int32_t		label[KM_TILE];
	double		dist2[KM_TILE];
	bool		good = true;

	fill(values, (size_t) nrows * d, 7 * d + k, coarse);
	fill(centroids, (size_t) k * d, 13 * d + k + 1, coarse);
	for (int j = 0; j < k; j++)
		km_space_row(space, centroids + (size_t) j * d, centroids + (size_t) j * d);
	if (k > 2)
		memcpy(centroids + (size_t) (k - 1) * d, centroids + (size_t) (k / 2) * d,
			   d * sizeof(double));
	km_kernel_set(kernel, centroids, k);
	km_kernel_assign(kernel, values, nrows, label, dist2, z);
	km_kernel_all(kernel, values, nrows, all);
	for (int i = 0; i < nrows; i++)
	{
		double		least = INFINITY;
		int			nearest = 0;

		km_space_row(space, values + (size_t) i * d, row);
		good = good && same_all(row, z + (size_t) i * d, d);
		for (int j = 0; j < k; j++)
		{
			double		dist = km_kernel_dist2(row, centroids + (size_t) j * d, d);

			good = good && same(dist, all[(size_t) i * k + j]);
			if (dist < least)
			{
				least = dist;
				nearest = j;
			}
		}
		good = good && label[i] == nearest && same(dist2[i], least);
	}
	km_kernel_free(kernel);
	free(row);
	free(all);
	free(z);
	free(centroids);
	free(values);
	return good;
}

static void
test_against_definition(KmSimd simd)
{
	static const int large_d[] = {100, 700, 2048, 2049, 5000, 16000};
	static const int rows[] = {64, 1, 7, 8, 9, 63};
	bool		good = true;
	int			turn = 0;

	for (int d = 1; d <= 40; d++)
		for (int k = 1; k <= 40; k++)
		{
			KmSpace		space = {d, NULL, NULL, false};

			turn++;
			good = good && compare(&space, k, rows[turn % 6], turn % 5 < 2);
		}
	ok(good, "instruction set %d: the definition for d and k in 1 .. 40", simd);

	good = true;
	for (size_t i = 0; i < sizeof(large_d) / sizeof(large_d[0]); i++)
	{
		KmSpace		space = {large_d[i], NULL, NULL, false};

		good = good && compare(&space, 11, rows[i % 6], false);
		good = good && compare(&space, 3, 64, true);
	}
	ok(good, "instruction set %d: the definition for large d", simd);

	{
		KmSpace		space = {3, NULL, NULL, false};

		ok(compare(&space, 300, 64, true) &&
		   compare(&space, 65535, 10, true),
		   "instruction set %d: the definition for large k", simd);
	}
	{
		double		shift[5] = {1000, 2, 0, -3, 1e-3};
		double		scale[5] = {3, 0.1, 7, 1e3, 1};
		KmSpace		space = {5, shift, scale, false};

		good = compare(&space, 9, 63, false);
		space.unit = true;
		good = good && compare(&space, 9, 63, false);
		ok(good, "instruction set %d: the definition in a scaled space", simd);
	}
}

static void
test_ties(KmSimd simd)
{
	KmTeam	   *team = solo_team();
	KmSpace		space = {2, NULL, NULL, false};
	KmKernel   *kernel = km_kernel_create(team, &space, 20);
	double		centroids[40];
	double		values[2 * KM_TILE];
	double		dist2[KM_TILE];
	int32_t		label[KM_TILE];
	bool		good = true;

	for (int k = 1; k <= 20; k++)
	{
		/* all on a circle around the rows, the first of them twice */
		for (int j = 0; j < k; j++)
		{
			centroids[2 * j] = j % 2 == 0 ? 3 : -4;
			centroids[2 * j + 1] = j % 2 == 0 ? 4 : 3;
		}
		memset(values, 0, sizeof(values));
		km_kernel_set(kernel, centroids, k);
		km_kernel_assign(kernel, values, KM_TILE, label, dist2, NULL);
		for (int i = 0; i < KM_TILE; i++)
			good = good && label[i] == 0 && dist2[i] == 25;
	}
	ok(good, "instruction set %d: ties go to the lowest index", simd);
	km_kernel_free(kernel);
}

static void
test_checks(void)
{
	KmTeam	   *team = solo_team();
	int			d = 16000;
	int			k = 250;
	KmSpace		space = {d, NULL, NULL, false};
	KmKernel   *kernel = km_kernel_create(team, &space, k);
	double	   *values = calloc((size_t) KM_TILE * d, sizeof(double));
	double	   *centroids = calloc((size_t) k * d, sizeof(double));
	double		dist2[KM_TILE];
	int32_t		label[KM_TILE];
	int64_t		before;

	km_kernel_set(kernel, centroids, k);
	before = solo_checks();
	km_kernel_assign(kernel, values, KM_TILE, label, dist2, NULL);
	ok(solo_checks() - before >= (int64_t) KM_TILE * d * k >> 21,
	   "a large tile checks for interrupts on the way");
	km_kernel_free(kernel);
	free(centroids);
	free(values);
}

void
test_kernel(void)
{
	for (KmSimd simd = KM_SIMD_GENERIC; simd <= KM_SIMD_AVX512; simd++)
		if (km_simd_available(simd))
		{
			solo_team()->simd = simd;
			test_against_definition(simd);
			test_ties(simd);
		}
	solo_team()->simd = KM_SIMD_AUTO;
	test_checks();
}
