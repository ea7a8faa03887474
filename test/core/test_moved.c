/*
 * test_moved.c
 *		Rows labelled by a clustering in another space, and how many of them moved.
 */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel.h"
#include "core/moved.h"
#include "core/place.h"

enum
{
	N = 3000, D = 3, FORMER_D = 2, K = 4
};

/* of row (x, y, z) the former clustering knows (z, x) */
static const int32_t source[FORMER_D] = {2, 0};
static const int32_t former_ids[K] = {3, 5, 8, 9};
static const int32_t ids[K] = {5, 8, 9, 12};
static const double centroids[K * FORMER_D] = {-1, -1, 1, 0.5, 0, 1, 0.25, -0.5};

/* kind 0: no weights, 1: integers, 2: fractions; some rows have no direction */
static TestRows *
some_rows(int kind, int64_t chunk_rows)
{
	double	   *x = malloc(N * D * sizeof(double));
	double	   *w = malloc(N * sizeof(double));
	TestRows   *rows;

	for (int64_t i = 0; i < N; i++)
	{
		w[i] = kind == 2 ? uniform(3, i) : floor(4 * uniform(3, i));
		for (int t = 0; t < D; t++)
			x[i * D + t] = i % 97 == 0 ? 0 : 10 * normal(t, i);
	}
	rows = rows_create(x, kind == 0 ? NULL : w, N, D, chunk_rows);
	free(x);
	free(w);
	return rows;
}

/* what the rows are labelled now, by their content only */
static void
label_rows(TestRows *rows)
{
	for (int64_t i = 0; i < N; i++)
		rows->label[i] = (int32_t) fabs(rows->values[i * D] + rows->values[i * D + 2]) % K;
}

/* the former label of a row, by the definition; -1 if it has none */
static int
naive_label(const KmSpace *space, const double *row)
{
	double		x[FORMER_D] = {row[source[0]], row[source[1]]};
	double		z[FORMER_D];
	int			best = 0;

	if (!km_space_row(space, x, z))
		return -1;
	for (int j = 1; j < K; j++)
		if (km_kernel_dist2(z, centroids + j * FORMER_D, FORMER_D) <
			km_kernel_dist2(z, centroids + best * FORMER_D, FORMER_D))
			best = j;
	return best;
}

static double
naive_share(const TestRows *rows, const KmSpace *space)
{
	long double moved = 0;
	long double total = 0;

	for (int64_t i = 0; i < N; i++)
	{
		double		w = rows->weight != NULL ? rows->weight[i] : 1;
		int			former = naive_label(space, rows->values + i * D);

		total += w;
		if (former < 0 || former_ids[former] != ids[rows->label[i]])
			moved += w;
	}
	return (double) (moved / total);
}

static double
moved_share(TestRows *rows, const KmSpace *space)
{
	KmFormer	former = {K, FORMER_D, *space, centroids, former_ids, source};

	label_rows(rows);
	return km_moved_share(solo_team(), &rows->rows, &former, ids);
}

static void
test_share(int kind, const KmSpace *space, const char *what)
{
	int64_t    *where = malloc(N * sizeof(int64_t));
	TestRows   *rows = some_rows(kind, 1000);
	TestRows   *other = rows_shuffled(rows, 7, 130, where);
	double		share = moved_share(rows, space);

	ok(share > 0.1 && share < 0.9 && near(share, naive_share(rows, space), 1e-14),
	   "moved: the share of the definition, weights %d, %s", kind, what);
	ok(same(share, moved_share(other, space)),
	   "moved: the same in another order and other chunks, weights %d, %s", kind, what);
	rows_free(rows);
	rows_free(other);
	free(where);
}

static void
test_places(void)
{
	static const double rows[] = {1, 7, NAN, NAN, 7, 1, 1e200, 7, 1, 0, NAN, 0, 10, 7, 20};
	KmSpace		unit = {FORMER_D, NULL, NULL, true};
	KmSpace		plain = {FORMER_D, NULL, NULL, false};
	int32_t		label[5];
	KmPlacer   *placer = km_placer_create(solo_team(), &unit, centroids, K, source);

	km_placer_label(placer, rows, D, 5, label);
	ok(label[0] == KM_PLACE_NONE && label[1] == KM_PLACE_NONE,
	   "place: none for a row that lacks a value");
	ok(label[3] == KM_PLACE_NONE, "place: none for a row without direction");
	ok(label[4] == naive_label(&unit, rows + 4 * D), "place: a feature that is not used may lack");
	km_placer_free(placer);

	placer = km_placer_create(solo_team(), &plain, centroids, K, source);
	km_placer_label(placer, rows, D, 5, label);
	ok(label[2] == KM_PLACE_FAR, "place: far where squares overflow");
	ok(label[3] == naive_label(&plain, rows + 3 * D) && label[4] == naive_label(&plain, rows + 4 * D),
	   "place: labels of the definition beside rows that have none");
	km_placer_free(placer);
}

void
test_moved(void)
{
	static const double shift[FORMER_D] = {1, -2};
	static const double scale[FORMER_D] = {7, 5};
	KmSpace		scaled = {FORMER_D, shift, scale, false};
	KmSpace		unit = {FORMER_D, NULL, NULL, true};

	for (int kind = 0; kind < 3; kind++)
	{
		test_share(kind, &scaled, "scaled");
		test_share(kind, &unit, "unit");
	}
	test_places();
	ok(solo_allocated() == 0, "moved: all memory is released");
}
