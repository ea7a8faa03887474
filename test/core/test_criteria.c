/*
 * test_criteria.c
 *		Criteria of a clustering, against scikit-learn's and against their
 *		definitions; samples.
 */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel.h"
#include "core/quality.h"
#include "core/sample.h"

/* Iris, k = 3, as in REFERENCE.md */
static const double iris_centroids[] = {
	5.006, 3.428, 1.462, 0.246,
	5.9016129032258064, 2.7483870967741935, 4.3935483870967742, 1.4338709677419355,
	6.85, 3.0736842105263158, 5.7421052631578947, 2.0710526315789474
};

/* The silhouettes by their definition. */
static void
naive_silhouettes(const double *z, const int64_t *copies, int64_t n, int d,
				  const KmLabeling *labeling, double *values)
{
	for (int64_t i = 0; i < n; i++)
	{
		double		sum[8] = {0};
		double		count[8] = {0};
		int			own = labeling->label[i];
		double		a;
		double		b = INFINITY;

		for (int64_t j = 0; j < n; j++)
		{
			double		m = copies != NULL ? (double) copies[j] : 1;

			sum[labeling->label[j]] += m * sqrt(km_kernel_dist2(z + i * d, z + j * d, d));
			count[labeling->label[j]] += m;
		}
		a = sum[own] / (count[own] - 1);
		for (int j = 0; j < labeling->k; j++)
			if (j != own && count[j] > 0)
				b = fmin(b, sum[j] / count[j]);
		values[i] = count[own] == 1 ? 0 : (b - a) / fmax(a, b);
	}
}

static void
test_iris(void)
{
	KmTeam	   *team = solo_team();
	KmSpace		space = {4, NULL, NULL, false};
	int64_t		n;
	double	   *iris = read_iris(&n);
	TestRows   *rows = rows_create(iris, NULL, n, 4, 33);
	KmAssessment a = km_assess(team, &rows->rows, &space, iris_centroids, 3);
	KmGrid	   *grid = km_quality_grid(team, &rows->rows, &space);
	KmSpread   *spread = km_spread(team, &rows->rows, &space, grid, 3);
	int32_t		nearest[150];
	int32_t		one[150] = {0};
	KmLabeling	labelings[2] = {{3, nearest}, {1, one}};
	double	   *values;

	for (int i = 0; i < 150; i++)
		nearest[i] = rows->label[i];
	values = km_silhouettes(team, iris, NULL, n, 4, labelings, 2);
	ok(a.n == 150 && a.weight == 150 && near(a.inertia, 78.851441426146, 1e-13),
	   "quality: inertia of Iris");
	ok(near(km_silhouette_mean(values, NULL, n, labelings, 2, 0), 0.5528190123564095, 1e-12) &&
	   isnan(km_silhouette_mean(values, NULL, n, labelings, 2, 1)),
	   "quality: silhouette of Iris");
	ok(near(km_davies_bouldin(team, spread), 0.6619715465007465, 1e-12), "quality: Davies-Bouldin of Iris");
	ok(near(km_calinski_harabasz(spread), 561.62775662962, 1e-12), "quality: Calinski-Harabasz of Iris");
	ok(near(km_spread_total(spread, false), 681.3706, 1e-12), "quality: inertia of one cluster");
	km_spread_free(team, spread);
	km_grid_free(team, grid);
	km_team_release(team, values);
	rows_free(rows);
	free(iris);
}

static void
test_spread(void)
{
	KmTeam	   *team = solo_team();
	KmSpace		space = {1, NULL, NULL, false};
	double		x[] = {0, 2, 10, 14, 100};
	double		w[] = {1, 1, 2, 2, 0};
	TestRows   *rows = rows_create(x, w, 5, 1, 2);
	KmGrid	   *grid = km_quality_grid(team, &rows->rows, &space);
	KmSpread   *spread;

	/* cluster 1 is empty, and a row of weight 0 does not count */
	memcpy(rows->label, (uint16_t[]) {0, 0, 2, 2, 2}, 5 * sizeof(uint16_t));
	spread = km_spread(team, &rows->rows, &space, grid, 3);
	ok(spread->present == 2 && spread->total_weight == 6 && spread->weight[2] == 4 &&
	   spread->mean[0] == 1 && isnan(spread->mean[1]) && spread->mean[2] == 12 &&
	   spread->distance[0] == 1 && spread->distance[2] == 2 && spread->inertia[0] == 2 &&
	   spread->inertia[2] == 16, "quality: weights are copies");
	ok(near(km_davies_bouldin(team, spread), 3.0 / 11, 1e-15), "quality: Davies-Bouldin by hand");
	ok(near(km_calinski_harabasz(spread), (2 * 121.0 * 4 / 6) / (18.0 / 4), 1e-14),
	   "quality: Calinski-Harabasz by hand");
	km_spread_free(team, spread);

	memset(rows->label, 0, 5 * sizeof(uint16_t));
	spread = km_spread(team, &rows->rows, &space, grid, 3);
	ok(isnan(km_davies_bouldin(team, spread)) && isnan(km_calinski_harabasz(spread)) &&
	   near(km_spread_total(spread, false), 18 + 2 * 121.0 * 4 / 6, 1e-14),
	   "quality: nothing to compare one cluster with");
	km_spread_free(team, spread);
	km_grid_free(team, grid);
	rows_free(rows);
}

static void
test_silhouettes(void)
{
	enum
	{
		N = 301, D = 3
	};
	KmTeam	   *team = solo_team();
	double		z[N * D];
	int64_t		copies[N];
	int32_t		label[2][N];
	double		naive[N];
	double	   *values;
	KmLabeling	labelings[2] = {{5, label[0]}, {7, label[1]}};
	bool		all = true;

	for (int i = 0; i < N * D; i++)
		z[i] = normal(3, i);
	for (int i = 0; i < N; i++)
	{
		copies[i] = 1 + (int64_t) (3 * uniform(4, i));
		label[0][i] = (int32_t) (5 * uniform(5, i));
		/* of labels 0 .. 6, 3 has one row and 4 none */
		label[1][i] = i == 7 ? 3 : (int32_t) (3 * uniform(6, i)) + (i % 2) * 4;
		if (label[1][i] == 4)
			label[1][i] = 5;
	}
	copies[7] = 1;
	values = km_silhouettes(team, z, copies, N, D, labelings, 2);
	for (int l = 0; l < 2; l++)
	{
		naive_silhouettes(z, copies, N, D, &labelings[l], naive);
		for (int i = 0; i < N; i++)
			all &= fabs(values[2 * i + l] - naive[i]) < 1e-13;
	}
	ok(all && values[2 * 7 + 1] == 0, "quality: silhouettes by their definition");
	km_team_release(team, values);

	values = km_silhouettes(team, (double[]) {5, 5, 5, 5}, NULL, 4, 1,
							(KmLabeling[]) {{2, (int32_t[]) {0, 0, 1, 1}}}, 1);
	ok(values[0] == 0 && values[3] == 0, "quality: silhouettes at one place");
	km_team_release(team, values);
}

static void
test_rand_index(void)
{
	KmTeam	   *team = solo_team();
	int64_t		copies[] = {1, 1, 1, 1, 1, 1};
	KmLabeling	a = {3, (int32_t[]) {0, 0, 0, 1, 1, 1}};
	KmLabeling	b = {4, (int32_t[]) {0, 0, 3, 3, 2, 2}};
	KmLabeling	same = {2, (int32_t[]) {1, 1, 1, 0, 0, 0}};
	KmLabeling	whole = {1, (int32_t[]) {0, 0, 0, 0, 0, 0}};
	KmLabeling	c = {2, (int32_t[]) {0, 1, 0, 1}};
	KmLabeling	e = {3, (int32_t[]) {0, 1, 2, 1}};

	ok(near(km_labelings_rand_index(team, &a, &b, copies, 6), 0.24242424242424243, 1e-15),
	   "rand index: scikit-learn's example");
	ok(km_labelings_rand_index(team, &a, &same, copies, 6) == 1 &&
	   km_labelings_rand_index(team, &whole, &whole, copies, 6) == 1 &&
	   km_labelings_rand_index(team, &a, &whole, copies, 6) == 0,
	   "rand index: equal and trivial clusterings");
	/* the same as rows 0 0 1 2 3 3 3 */
	ok(near(km_labelings_rand_index(team, &c, &e, (int64_t[]) {2, 1, 1, 3}, 4),
			0.8, 1e-15),
	   "rand index: copies");
}

static void
test_elbow(void)
{
	int			k[] = {1, 2, 4, 8};
	double		height[4];

	km_elbow(k, (double[]) {64, 8, 4, 1}, 4, height);
	ok(height[0] == 0 && near(height[1], log(2), 1e-14) && fabs(height[2]) < 1e-14 &&
	   fabs(height[3]) < 1e-14, "elbow: heights below the chord");
	km_elbow(k, (double[]) {64, 4, 16, 0}, 4, height);
	ok(near(height[1], log(8), 1e-14) && fabs(height[2]) < 1e-14 && isnan(height[3]),
	   "elbow: the chord ends before inertia 0");
	km_elbow(k, (double[]) {0, 0, 0, 0}, 4, height);
	ok(isnan(height[0]) && isnan(height[3]), "elbow: no inertia");
}

/* ---- Samples ---- */

static KmSample *
sample_of(TestRows *rows, int64_t most, uint64_t seed)
{
	KmSampler  *sampler = km_sampler_create(solo_team(), rows->rows.d,
											rows->rows.weighted, most, seed);

	km_sampler_add_rows(sampler, &rows->rows);
	return km_sampler_finish(sampler);
}

static bool
same_sample(const KmSample *a, const KmSample *b)
{
	return a->n == b->n && a->rows == b->rows &&
		same_all(a->values, b->values, a->n * a->d) &&
		same_all(a->weight, b->weight, a->n) &&
		memcmp(a->copies, b->copies, a->n * sizeof(int64_t)) == 0;
}

/* Is every content of a in b, with the same number of copies? */
static bool
sample_within(const KmSample *a, const KmSample *b)
{
	for (int64_t i = 0; i < a->n; i++)
	{
		int64_t		j = 0;

		while (j < b->n && (memcmp(a->values + i * a->d, b->values + j * b->d,
								   a->d * sizeof(double)) != 0 ||
							a->copies[i] != b->copies[j]))
			j++;
		if (j == b->n)
			return false;
	}
	return true;
}

typedef struct SampleJob
{
	const TestRows *whole;
	KmSample   *samples[4];
	double	   *silhouettes[4];
} SampleJob;

/* everybody has a part of the rows */
static void
sample_work(KmTeam *team, void *arg)
{
	SampleJob  *job = arg;
	const KmRows *whole = &job->whole->rows;
	int64_t		first = whole->n * team->rank / team->size;
	int64_t		end = whole->n * (team->rank + 1) / team->size;
	KmSampler  *sampler = km_sampler_create(team, whole->d, false, 100, 1);
	KmSample   *sample;
	int32_t    *label;
	KmLabeling	labeling = {3, NULL};

	for (int64_t i = first; i < end; i++)
		km_sampler_add(sampler, job->whole->values + i * whole->d, 1);
	sample = km_sampler_finish(sampler);
	label = km_team_alloc(team, sample->n, sizeof(int32_t));
	for (int64_t i = 0; i < sample->n; i++)
		label[i] = sample->values[i * whole->d] < 3 ? 0 : i % 2 == 0 ? 1 : 2;
	labeling.label = label;
	job->silhouettes[team->rank] = km_silhouettes(team, sample->values, sample->copies,
												  sample->n, whole->d, &labeling, 1);
	job->samples[team->rank] = sample;
	km_team_release(team, label);
}

static void
test_sample(void)
{
	enum
	{
		N = 20000, D = 2
	};
	double	   *x = malloc(N * D * sizeof(double));
	double	   *w = malloc(N * sizeof(double));
	TestRows   *rows;
	TestRows   *shuffled;
	TestRows   *weighted;
	int64_t    *where = malloc(N * sizeof(int64_t));
	KmSample   *all;
	KmSample   *some;
	KmSample   *other;
	SampleJob	job;
	bool		same = true;
	bool		summed = true;
	double		silhouettes[100];

	/* about 8,000 contents */
	for (int i = 0; i < N; i++)
	{
		x[i * D] = (int) (100 * uniform(1, i)) / 10.0;
		x[i * D + 1] = (int) (100 * uniform(2, i)) / 10.0;
		w[i] = 0.5 * (i % 2);
	}
	rows = rows_create(x, NULL, N, D, 777);
	all = sample_of(rows, N, 1);
	some = sample_of(rows, 100, 1);
	ok(all->rows == N && all->n > 7000 && all->n < 10000, "sample: all distinct rows");
	ok(some->n == 100 && some->rows < 400 && sample_within(some, all),
	   "sample: with all copies");
	ok(memcmp(some->values, all->values, 100 * D * sizeof(double)) == 0,
	   "sample: a smaller one begins a larger one");

	shuffled = rows_shuffled(rows, 5, 100, where);
	other = sample_of(shuffled, 100, 1);
	ok(same_sample(some, other), "sample: any order of rows");
	km_sample_free(solo_team(), other);
	other = sample_of(rows, 100, 2);
	ok(!same_sample(some, other), "sample: another seed, another sample");
	km_sample_free(solo_team(), other);

	job.whole = rows;
	for (int size = 1; size <= 4; size++)
	{
		team_run(size, sample_work, &job);
		if (size == 1)
			memcpy(silhouettes, job.silhouettes[0], sizeof(silhouettes));
		for (int rank = 0; rank < size; rank++)
			same &= same_sample(some, job.samples[rank]) &&
				same_all(job.silhouettes[rank], silhouettes, some->n);
		for (int rank = 0; rank < size; rank++)
		{
			km_sample_free(solo_team(), job.samples[rank]);
			km_team_release(solo_team(), job.silhouettes[rank]);
		}
	}
	ok(same, "sample: the same for everybody in any team, and its silhouettes");

	weighted = rows_create(x, w, N, D, 777);
	other = sample_of(weighted, N, 1);
	ok(other->n > all->n && other->rows == N, "sample: a weight makes another content");
	for (int64_t i = 0; i < other->n; i++)
		summed &= other->weight[i] == 0 || other->weight[i] == 0.5 * (double) other->copies[i];
	ok(summed, "sample: the weight of all copies");
	km_sample_free(solo_team(), other);
	km_sample_free(solo_team(), some);
	km_sample_free(solo_team(), all);
	rows_free(weighted);
	rows_free(shuffled);
	rows_free(rows);
	free(where);
	free(w);
	free(x);
}

void
test_criteria(void)
{
	int64_t		before = solo_allocated();

	test_iris();
	test_spread();
	test_silhouettes();
	test_rand_index();
	test_elbow();
	test_sample();
	ok(solo_allocated() == before, "quality: all memory is released");
}
