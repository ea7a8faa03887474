/*
 * test_summary.c
 *		What is stored of a finished fit, and outlier scores.
 */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel.h"
#include "core/lloyd.h"
#include "core/stats.h"

static bool
same_summary(const KmSummary *a, const KmSummary *b)
{
	size_t		k = a->k;
	size_t		cells = k * a->d;

	return memcmp(a->size, b->size, k * sizeof(int64_t)) == 0 &&
		same_all(a->weight, b->weight, k) && same_all(a->inertia, b->inertia, k) &&
		same_all(a->radius_rms, b->radius_rms, k) &&
		same_all(a->radius_max, b->radius_max, k) &&
		same_all(a->mean, b->mean, cells) && same_all(a->stddev, b->stddev, cells) &&
		same_all(a->min, b->min, cells) && same_all(a->max, b->max, cells) &&
		same(a->total_inertia, b->total_inertia) && same(a->total_weight, b->total_weight) &&
		a->outliers.nbins == b->outliers.nbins &&
		same_all(a->outliers.upper, b->outliers.upper, a->outliers.nbins) &&
		same_all(a->outliers.weight, b->outliers.weight, a->outliers.nbins) &&
		same(a->outliers.largest, b->outliers.largest);
}

/* rows of several blobs; kind 0: no weights, 1: integers, 2: fractions */
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
			x[i * d + t] = 10 * (double) (i % 5) * (t + 1) + normal(t, i) +
				(t == 0 ? 1.7e9 : 0);
	}
	rows = rows_create(x, kind == 0 ? NULL : w, n, d, chunk_rows);
	free(x);
	free(w);
	return rows;
}

static KmSummary *
summary_of(KmTeam *team, TestRows *rows, const KmSpace *space,
		   const double *centroids, int k)
{
	KmSpace		identity = {space->d, NULL, NULL, false};
	KmStats    *raw = km_stats(team, &rows->rows, &identity);
	KmSummary  *summary = km_summarize(team, &rows->rows, space, raw, centroids, k, NULL);

	km_stats_free(team, raw);
	return summary;
}

enum
{
	N = 2000, D = 3, K = 6
};

/* a cluster at each blob and one that stays empty, in the space */
static void
some_centroids(const KmSpace *space, double *centroids)
{
	for (int j = 0; j < K; j++)
	{
		for (int t = 0; t < D; t++)
			centroids[j * D + t] = j == 5 ? -1e9 :
				10.0 * j * (t + 1) + (t == 0 ? 1.7e9 : 0) + 0.1 * j;
		km_space_row(space, centroids + j * D, centroids + j * D);
	}
}

static bool
as_naive(const TestRows *rows, const KmSpace *space, const double *centroids,
		 const KmSummary *s)
{
	bool		good = true;
	long double inertia = 0;
	double		reference[K];
	double		largest = 0;

	km_outlier_reference(K, s->size, s->radius_rms, s->total_inertia, s->total_weight,
						 reference);
	for (int j = 0; j < K; j++)
	{
		int64_t		size = 0;
		long double weight = 0;
		long double squares = 0;
		double		most = 0;

		for (int i = 0; i < N; i++)
		{
			double		z[D];
			double		dist2;

			if (rows->label[i] != j)
				continue;
			km_space_row(space, rows->values + i * D, z);
			dist2 = km_kernel_dist2(z, centroids + j * D, D);
			size++;
			weight += rows->weight != NULL ? rows->weight[i] : 1;
			squares += (rows->weight != NULL ? rows->weight[i] : 1) * (long double) dist2;
			most = fmax(most, dist2);
		}
		inertia += squares;
		good = good && s->size[j] == size && near(s->weight[j], weight, 1e-14) &&
			near(s->inertia[j], squares, 1e-13) &&
			near(s->radius_rms[j], weight > 0 ? sqrtl(squares / weight) : 0, 1e-13) &&
			same(s->radius_max[j], sqrt(most));
		for (int t = 0; t < D; t++)
		{
			long double sum = 0;
			long double spread = 0;
			double		min = INFINITY;
			double		max = -INFINITY;
			size_t		cell = j * D + t;

			for (int i = 0; i < N; i++)
			{
				double		x = rows->values[i * D + t];

				if (rows->label[i] != j)
					continue;
				sum += (rows->weight != NULL ? rows->weight[i] : 1) * (long double) x;
				min = fmin(min, x);
				max = fmax(max, x);
			}
			for (int i = 0; i < N; i++)
			{
				long double deviation = rows->values[i * D + t] - sum / weight;

				if (rows->label[i] == j)
					spread += (rows->weight != NULL ? rows->weight[i] : 1) *
						deviation * deviation;
			}
			if (size == 0)
				good = good && isnan(s->mean[cell]) && isnan(s->stddev[cell]) &&
					isnan(s->min[cell]) && isnan(s->max[cell]);
			else
				good = good && near(s->mean[cell], sum / weight, 1e-15) &&
					near(s->stddev[cell], sqrtl(spread / weight), 1e-6) &&
					s->min[cell] == min && s->max[cell] == max;
		}
	}
	good = good && near(s->total_inertia, inertia, 1e-13);

	/* every row's weight is in the bin of its score */
	for (int b = 0; b < s->outliers.nbins; b++)
	{
		long double weight = 0;

		for (int i = 0; i < N; i++)
		{
			double		z[D];
			double		dist2[K];
			double		score;

			km_space_row(space, rows->values + i * D, z);
			for (int j = 0; j < K; j++)
				dist2[j] = km_kernel_dist2(z, centroids + j * D, D);
			score = km_outlier_score(K, dist2, reference);
			largest = fmax(largest, score);
			if (score < s->outliers.upper[b] &&
				score * (1 + 1.0 / 128) >= s->outliers.upper[b] &&
				(b == 0 || score >= s->outliers.upper[b - 1]))
				weight += rows->weight != NULL ? rows->weight[i] : 1;
		}
		good = good && near(s->outliers.weight[b], weight, 1e-12);
	}
	return good && s->outliers.largest == largest;
}

/*
 * Many clusters of very different radii, some of one row, some of none: every
 * row's score is the least of all.  alone: how many clusters have one row.
 */
static bool
scores_of_all(int k, int alone, double least_spread)
{
	enum
	{
		ROWS = 6000
	};
	KmTeam	   *team = solo_team();
	KmSpace		space = {2, NULL, NULL, false};
	double	   *x = malloc(ROWS * 2 * sizeof(double));
	double	   *centroids = malloc(k * 2 * sizeof(double));
	double	   *reference = malloc(k * sizeof(double));
	double	   *dist2 = malloc(k * sizeof(double));
	double	   *counted;
	double		largest = 0;
	bool		good = true;
	TestRows   *rows;
	KmSummary  *s;

	for (int j = 0; j < k; j++)
		for (int t = 0; t < 2; t++)
			centroids[2 * j + t] = 100 * uniform(1 + t, j) + (j < alone ? 1000 * (j + 1) : 0);
	for (int i = 0; i < ROWS; i++)
	{
		int			j = i < alone ? i : alone + i % (k - alone);

		for (int t = 0; t < 2; t++)
			x[2 * i + t] = centroids[2 * j + t] + normal(3 + t, i) *
				(least_spread + (j % 3 == 2 ? 20 : j % 3) * uniform(5, j));
	}
	rows = rows_create(x, NULL, ROWS, 2, 5000);
	s = summary_of(team, rows, &space, centroids, k);
	km_outlier_reference(k, s->size, s->radius_rms, s->total_inertia, s->total_weight,
						 reference);
	counted = calloc(s->outliers.nbins, sizeof(double));
	for (int i = 0; i < ROWS; i++)
	{
		double		score;
		int			b = 0;

		for (int j = 0; j < k; j++)
			dist2[j] = km_kernel_dist2(x + 2 * i, centroids + 2 * j, 2);
		score = km_outlier_score(k, dist2, reference);
		largest = fmax(largest, score);
		while (b < s->outliers.nbins - 1 && score >= s->outliers.upper[b] &&
			   !(score == 0 && b == 0))
			b++;
		counted[b]++;
	}
	good = s->outliers.largest == largest &&
		same_all(counted, s->outliers.weight, s->outliers.nbins);
	km_summary_free(team, s);
	rows_free(rows);
	free(counted);
	free(dist2);
	free(reference);
	free(centroids);
	free(x);
	return good;
}

static void
test_scores(void)
{
	static const int ks[] = {2, 3, 12, 17, 18, 19, 60};
	bool		good = true;

	for (size_t i = 0; i < sizeof(ks) / sizeof(ks[0]); i++)
		for (int alone = 0; alone < ks[i]; alone += 1 + ks[i] / 6)
			good = good && scores_of_all(ks[i], alone, 0.1) &&
				scores_of_all(ks[i], alone, 0);
	ok(good, "summary: the outlier score is the least over all clusters");
}

/*
 * Labels of a run whose rows have one nearest centroid each stay when the
 * centroids are put in another order; a row between two does not count as such.
 */
static void
test_renumbered(void)
{
	enum
	{
		ROWS = 9000,
		CLUSTERS = 5
	};
	KmTeam	   *team = solo_team();
	KmSpace		space = {D, NULL, NULL, false};
	TestRows   *rows = some_rows(0, ROWS, D, 5000);
	TestRows   *between = rows_create((double[]) {-1, 0, 1}, (double[]) {1, 0, 1}, 3, 1, 3);
	KmSpace		line = {1, NULL, NULL, false};
	KmLloydParams params = {.run = 1,.max_iter = 30};
	double		start[CLUSTERS * D];
	double		turned[CLUSTERS * D];
	double		ends[2] = {-1, 1};
	int32_t		place[CLUSTERS];
	uint16_t   *label = malloc(ROWS * sizeof(uint16_t));
	bool		unique = true;
	bool		good = true;

	for (int pruning = 0; pruning < 2; pruning++)
	{
		KmStats    *stats = km_stats(team, &rows->rows, &space);
		KmGrid	   *grid = km_grid_create(team, D, stats->largest, stats->smallest);
		KmGrid	   *grid1 = km_grid_create(team, 1, (double[]) {1}, (double[]) {1});
		KmSummary  *given;
		KmSummary  *anew;

		team->pruning = pruning ? KM_PRUNING_ON : KM_PRUNING_OFF;
		memcpy(start, rows->values, sizeof(start));
		unique = unique &&
			km_lloyd(team, &rows->rows, &space, grid, &params, start, CLUSTERS).unique;
		for (int j = 0; j < CLUSTERS; j++)
		{
			place[j] = (j + 2) % CLUSTERS;
			memcpy(turned + place[j] * D, start + j * D, D * sizeof(double));
		}
		given = km_summarize(team, &rows->rows, &space, stats, turned, CLUSTERS, place);
		memcpy(label, rows->label, ROWS * sizeof(uint16_t));
		anew = km_summarize(team, &rows->rows, &space, stats, turned, CLUSTERS, NULL);
		good = good && same_summary(given, anew) &&
			memcmp(label, rows->label, ROWS * sizeof(uint16_t)) == 0;
		ok(!km_lloyd(team, &between->rows, &line, grid1, &params, ends, 2).unique,
		   "lloyd: a row between two centroids is noticed (pruning %d)", pruning);
		km_summary_free(team, anew);
		km_summary_free(team, given);
		km_grid_free(team, grid1);
		km_grid_free(team, grid);
		km_stats_free(team, stats);
	}
	team->pruning = KM_PRUNING_AUTO;
	ok(unique && good, "summary: with labels that are known");
	rows_free(between);
	rows_free(rows);
	free(label);
}

/* one row beside many at two places: between them, or as good as */
static void
test_ties(void)
{
	enum
	{
		MANY = 2048
	};
	static const double middle[2] = {0, 0x1p-51};
	KmTeam	   *team = solo_team();
	KmSpace		line = {1, NULL, NULL, false};
	KmGrid	   *grid = km_grid_create(team, 1, (double[]) {1}, (double[]) {0x1p-51});
	KmLloydParams params = {.run = 1,.max_iter = 30};
	double		x[MANY];
	double		w[MANY];

	for (int test = 0; test < 2; test++)
	{
		double		ends[2] = {-1, 1};
		TestRows   *rows;

		for (int i = 0; i < MANY; i++)
		{
			x[i] = i % 2 == 0 ? -1 : 1;
			w[i] = 1;
		}
		x[MANY / 2] = middle[test];
		w[MANY / 2] = 0;
		rows = rows_create(x, w, MANY, 1, 1000);
		team->pruning = KM_PRUNING_ON;
		ok(km_lloyd(team, &rows->rows, &line, grid, &params, ends, 2).unique == (test == 1) &&
		   rows->label[MANY / 2] == test,
		   "lloyd: one row between two centroids among many, or nearly (%d)", test);
		team->pruning = KM_PRUNING_AUTO;
		rows_free(rows);
	}
	km_grid_free(team, grid);
}

static void
test_naive(void)
{
	KmTeam	   *team = solo_team();
	double		shift[D] = {1.7e9, 3, 0};
	double		scale[D] = {2, 0.3, 1};
	int64_t    *where = malloc(N * sizeof(int64_t));
	double		centroids[K * D];

	for (int kind = 0; kind < 3; kind++)
		for (int in_space = 0; in_space < 2; in_space++)
		{
			KmSpace		space = {D, NULL, NULL, false};
			TestRows   *rows = some_rows(kind, N, D, 333);
			KmSummary  *summary;
			bool		order = true;

			if (in_space)
			{
				space.shift = shift;
				space.scale = scale;
			}
			some_centroids(&space, centroids);
			summary = summary_of(team, rows, &space, centroids, K);
			ok(as_naive(rows, &space, centroids, summary),
			   "summary: as computed in long double (weights %d, space %d)", kind, in_space);
			for (uint64_t s = 0; s < 3; s++)
			{
				TestRows   *other = rows_shuffled(rows, s, 100 + 1000 * s, where);
				KmSummary  *again = summary_of(team, other, &space, centroids, K);

				order = order && same_summary(summary, again);
				for (int i = 0; i < N; i++)
					order = order && other->label[i] == rows->label[where[i]];
				km_summary_free(team, again);
				rows_free(other);
			}
			ok(order, "summary: any order, any chunks");
			km_summary_free(team, summary);
			rows_free(rows);
		}
	free(where);
}

static void
test_ends(void)
{
	KmTeam	   *team = solo_team();
	KmSpace		space = {1, NULL, NULL, false};
	double		x[] = {5, 5, 5, 0.1, 0.1, 0.1, 1000};
	TestRows   *rows = rows_create(x, NULL, 6, 1, 10);
	KmSummary  *s = summary_of(team, rows, &space, (double[]) {0.1, 5}, 2);

	ok(s->radius_rms[0] == 0 && s->radius_max[1] == 0 && s->stddev[0] == 0 &&
	   s->mean[0] == 0.1 && s->outliers.nbins == 1 && s->outliers.upper[0] == 0 &&
	   s->outliers.weight[0] == 6 && km_histogram_threshold(&s->outliers, 0) == 0,
	   "summary: clusters of copies have no radius, and no row is an outlier");
	km_summary_free(team, s);
	rows_free(rows);

	{
		double		w[] = {1, 1, 1, 0, 0, 0, 0};

		rows = rows_create(x, w, 7, 1, 10);
		s = summary_of(team, rows, &space, (double[]) {0, 5}, 2);
		ok(s->size[0] == 3 && s->weight[0] == 0 && s->inertia[0] == 0 &&
		   isnan(s->mean[0]) && isnan(s->stddev[0]) && s->min[0] == 0.1 && s->max[0] == 0.1 &&
		   s->radius_max[0] == 0.1 && s->size[1] == 4 && s->weight[1] == 3 &&
		   s->max[1] == 1000 && s->radius_max[1] == 995 && s->mean[1] == 5 &&
		   s->total_weight == 3 && s->total_inertia == 0, "summary: rows of weight 0");
		km_summary_free(team, s);
		rows_free(rows);
	}

	/* raw values whose sums overflow, in a space where nothing does */
	{
		double		large[] = {1.5e308, 1.4e308, -1.5e308, -1.4e308};
		double		shift[] = {0};
		double		scale[] = {1e308};
		KmSpace		scaled = {1, shift, scale, false};

		rows = rows_create(large, NULL, 4, 1, 10);
		s = summary_of(team, rows, &scaled, (double[]) {1.45, -1.45}, 2);
		ok(near(s->mean[0], 1.45e308, 1e-15) && near(s->stddev[0], 0.05e308, 1e-12) &&
		   near(s->stddev[1], 0.05e308, 1e-12) && near(s->inertia[0], 0.005, 1e-9),
		   "summary: values near the end of the range");
		km_summary_free(team, s);
		rows_free(rows);
	}
}

static void
test_outliers(void)
{
	double		reference[3];
	int64_t		size[3] = {5, 1, 7};
	int64_t		ones[3] = {1, 1, 1};
	double		radius[3] = {2, 0, 0};
	double		upper[3] = {0, 1.5, 2};
	double		weight[3] = {90, 5, 5};
	KmHistogram histogram = {3, upper, weight, 1.75};
	KmHistogram none = {0, NULL, NULL, 0};

	km_outlier_reference(3, size, radius, 48, 12, reference);
	ok(reference[0] == 2 && reference[1] < 0 && reference[2] == 2,
	   "outliers: single rows are no reference, no radius takes the model's");
	ok(km_outlier_score(3, (double[]) {36, 0, 16}, reference) == 2,
	   "outliers: the least of distance / radius");
	km_outlier_reference(3, ones, (double[]) {0, 0, 0}, 0, 12, reference);
	ok(km_outlier_score(3, (double[]) {36, 0, 16}, reference) == 0 &&
	   isinf(km_outlier_score(3, (double[]) {36, 1e-300, 16}, reference)),
	   "outliers: no radius at all");
	reference[0] = 1e-200;
	reference[1] = 1;
	reference[2] = 1e-200;
	ok(near(km_outlier_score(3, (double[]) {0x1p-1074, 1e200, 0x1p-1073}, reference),
			sqrt(0x1p-1074) / 1e-200, 1e-15), "outliers: small radii");

	ok(km_histogram_threshold(&histogram, 0) == 1.75 &&
	   km_histogram_threshold(&histogram, 0.05) == 1.5 &&
	   km_histogram_threshold(&histogram, 0.0499) == 1.75 &&
	   km_histogram_threshold(&histogram, 0.1) == 0 &&
	   km_histogram_threshold(&histogram, 0.5) == 0 &&
	   km_histogram_threshold(&none, 0.1) == 0, "outliers: thresholds");
}

typedef struct TeamSummary
{
	TestRows   *parts[3];
	KmSummary  *result;
	const double *centroids;
} TeamSummary;

static void
team_summary(KmTeam *team, void *arg)
{
	TeamSummary *t = arg;
	KmSpace		space = {D, NULL, NULL, false};
	KmSummary  *summary = summary_of(team, t->parts[team->rank], &space,
									 t->centroids, K);

	if (team->rank == 0)
		t->result = summary;
	else
		km_summary_free(team, summary);
}

static void
test_team(void)
{
	KmTeam	   *team = solo_team();
	KmSpace		space = {D, NULL, NULL, false};
	bool		good = true;
	double		centroids[K * D];

	some_centroids(&space, centroids);
	for (int kind = 0; kind < 3; kind++)
	{
		TestRows   *rows = some_rows(kind, N, D, 500);
		KmSummary  *one = summary_of(team, rows, &space, centroids, K);
		TeamSummary t = {.centroids = centroids};
		int64_t		from[4] = {0, 1300, 1300, N};

		for (int p = 0; p < 3; p++)
			t.parts[p] = rows_create(rows->values + from[p] * D,
									 rows->weight != NULL ? rows->weight + from[p] : NULL,
									 from[p + 1] - from[p], D, 77);
		team_run(3, team_summary, &t);
		good = good && same_summary(one, t.result);
		for (int p = 0; p < 3; p++)
			rows_free(t.parts[p]);
		km_summary_free(team, t.result);
		km_summary_free(team, one);
		rows_free(rows);
	}
	ok(good, "summary: a team of three, one without rows");
}

void
test_summary(void)
{
	test_ties();
	test_naive();
	test_scores();
	test_renumbered();
	test_ends();
	test_outliers();
	test_team();
}
