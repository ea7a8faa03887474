/*
 * quality.c
 *		How good a clustering is, from sums over its rows.
 *
 * With z the rows in the space, m_j and W_j the mean and the weight of
 * cluster j, m and W those of all rows, k the clusters that have weight:
 *
 *		s_j = mean over cluster j of |z - m_j|
 *		Davies-Bouldin     = mean over j of max over i of (s_i + s_j) / |m_i - m_j|
 *		Calinski-Harabasz  = (sum W_j |m_j - m|^2 / (k - 1)) /
 *		                     (sum over rows of |z - m_j|^2 / (W - k))
 *
 * The means are those of the rows by label, not the centroids that gave the
 * labels: so a model can be judged on other rows than its own.
 */
#include "core/quality.h"

#include <math.h>
#include <string.h>

#include "core/kernel.h"

#define QUALITY_ALL_VALUES (1 << 17)	/* distances to all centroids, at a time */
#define QUALITY_WAITING	32		/* numbers, see QualitySum */
#define QUALITY_CHECK_EVERY	256 /* rows between two calls of check */

/*
 * An exact sum, and numbers on their way into it: many together are added in a
 * fraction of the time.
 */
typedef struct QualitySum
{
	KmExact		sum;
	int			n;
	double		waiting[QUALITY_WAITING];
} QualitySum;

static void quality_sum_init(QualitySum *sum);
static void quality_sum_add(QualitySum *sum, double w, double x);
static const KmExact *quality_sum_done(QualitySum *sum);
static void assess_rows(const double *all, const double *w, int n, int k,
						uint16_t *label, QualitySum *inertia, QualitySum *simplified,
						KmExact *weight);
static int	assess_present(KmTeam *team, KmRows *rows, int k);
static KmSpread *spread_create(KmTeam *team, int k, int d);
static void spread_means(KmTeam *team, KmRows *rows, const KmSpace *space,
						 const KmGrid *grid, KmSpread *spread);
static void spread_distances(KmTeam *team, KmRows *rows, const KmSpace *space,
							 KmSpread *spread);
static void spread_share(KmTeam *team, QualitySum *distance, QualitySum *inertia,
						 KmSpread *spread);
static inline const double *spread_row(const KmSpace *space, const double *x,
									   double *z);
static double spread_between(const KmSpread *spread);
static double spread_within(const KmSpread *spread);

/* ---- Sums ---- */

static void
quality_sum_init(QualitySum *sum)
{
	km_exact_init(&sum->sum);
	sum->n = 0;
}

/* add w * x */
static void
quality_sum_add(QualitySum *sum, double w, double x)
{
	if (w != 1)
	{
		km_exact_add_product(&sum->sum, w, x);
		return;
	}
	sum->waiting[sum->n++] = x;
	if (sum->n == QUALITY_WAITING)
		(void) quality_sum_done(sum);
}

static const KmExact *
quality_sum_done(QualitySum *sum)
{
	km_exact_add_many(&sum->sum, sum->waiting, sum->n);
	sum->n = 0;
	return &sum->sum;
}

/* ---- By the centroids of a model ---- */

KmAssessment
km_assess(KmTeam *team, KmRows *rows, const KmSpace *space,
		  const double *centroids, int k)
{
	KmAssessment result;
	KmKernel   *kernel = km_kernel_create(team, space, k);
	int			batch = QUALITY_ALL_VALUES / k;
	QualitySum *sums = km_team_alloc(team, 2, sizeof(QualitySum));
	KmExact    *exact = km_team_alloc(team, 3, sizeof(KmExact));
	int64_t		n = rows->n;
	double	   *all;

	/* whole vectors of rows, but not n x k distances */
	batch = batch < 8 ? 8 : batch > KM_TILE ? KM_TILE : batch;
	all = km_team_alloc(team, (size_t) batch * k, sizeof(double));
	km_kernel_set(kernel, centroids, k);
	quality_sum_init(&sums[0]);
	quality_sum_init(&sums[1]);
	km_exact_init(&exact[2]);
	for (int c = 0; c < rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += batch)
		{
			int			m = km_chunk_batch(chunk, start, batch);

			km_kernel_all(kernel, km_chunk_rows(chunk, rows->d, start, m), m, all);
			assess_rows(all, km_chunk_weights(chunk, start), m, k,
						chunk->label + start, &sums[0], &sums[1], &exact[2]);
		}
	}
	exact[0] = *quality_sum_done(&sums[0]);
	exact[1] = *quality_sum_done(&sums[1]);
	km_exact_reduce(team, exact, 3);
	km_team_add(team, &n, 1);

	result.n = n;
	result.inertia = km_exact_value(&exact[0]);
	result.simplified = assess_present(team, rows, k) > 1 ?
		km_exact_mean(&exact[1], (double) n) : NAN;
	result.weight = km_exact_value(&exact[2]);
	km_team_release(team, all);
	km_team_release(team, exact);
	km_team_release(team, sums);
	km_kernel_free(kernel);
	return result;
}

static void
assess_rows(const double *all, const double *w, int n, int k, uint16_t *label,
			QualitySum *inertia, QualitySum *simplified, KmExact *weight)
{
	for (int i = 0; i < n; i++)
	{
		const double *dist2 = all + (size_t) i * k;
		double		least = INFINITY;
		double		second = INFINITY;
		int			nearest = 0;

		for (int j = 0; j < k; j++)
		{
			if (dist2[j] < least)
			{
				second = least;
				least = dist2[j];
				nearest = j;
			}
			else if (dist2[j] < second)
				second = dist2[j];
		}
		label[i] = (uint16_t) nearest;
		quality_sum_add(inertia, w != NULL ? w[i] : 1, least);
		if (k > 1)
			quality_sum_add(simplified, 1,
							second > 0 ? 1 - sqrt(least) / sqrt(second) : 0);
		if (w != NULL)
			km_exact_add(weight, w[i]);
	}
	if (w == NULL)
		km_exact_add(weight, n);
}

/* how many clusters have rows */
static int
assess_present(KmTeam *team, KmRows *rows, int k)
{
	int64_t    *size = km_team_alloc(team, k, sizeof(int64_t));
	int			present = 0;

	memset(size, 0, (size_t) k * sizeof(int64_t));
	for (int c = 0; c < rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(rows, c);

		for (int64_t i = 0; i < chunk->nrows; i++)
			size[chunk->label[i]]++;
		km_team_check(team);
	}
	km_team_add(team, size, k);
	for (int j = 0; j < k; j++)
		present += size[j] > 0;
	km_team_release(team, size);
	return present;
}

/* ---- By the means of the rows ---- */

/* a row in the space */
static inline const double *
spread_row(const KmSpace *space, const double *x, double *z)
{
	if (km_space_identity(space))
		return x;
	/* the length is not 0: such rows are not accepted */
	km_space_row(space, x, z);
	return z;
}

KmGrid *
km_quality_grid(KmTeam *team, KmRows *rows, const KmSpace *space)
{
	int			d = rows->d;
	double	   *largest = km_team_alloc(team, d, 2 * sizeof(double));
	double	   *smallest = largest + d;	/* negated: the team knows maxima */
	double	   *scratch = km_team_alloc(team, d, sizeof(double));
	KmGrid	   *grid;

	for (int t = 0; t < d; t++)
	{
		largest[t] = 0;
		smallest[t] = -INFINITY;
	}
	for (int c = 0; c < rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(rows, c);

		for (int64_t i = 0; i < chunk->nrows; i++)
		{
			double		w = chunk->weight != NULL ? chunk->weight[i] : 1;
			const double *z = spread_row(space, km_chunk_rows(chunk, d, i, 1), scratch);

			if (i % QUALITY_CHECK_EVERY == 0)
				km_team_check(team);
			if (w == 0)
				continue;
			for (int t = 0; t < d; t++)
			{
				double		addend = fabs(km_sums_addend(z[t], w));

				largest[t] = addend > largest[t] ? addend : largest[t];
				if (addend > 0 && -addend > smallest[t])
					smallest[t] = -addend;
			}
		}
	}
	km_team_max(team, largest, 2 * (size_t) d);
	for (int t = 0; t < d; t++)
		smallest[t] = largest[t] > 0 ? -smallest[t] : 0;
	grid = km_grid_create(team, d, largest, smallest);
	km_team_release(team, scratch);
	km_team_release(team, largest);
	return grid;
}

KmSpread *
km_spread(KmTeam *team, KmRows *rows, const KmSpace *space, const KmGrid *grid,
		  int k)
{
	KmSpread   *spread = spread_create(team, k, rows->d);

	spread_means(team, rows, space, grid, spread);
	spread_distances(team, rows, space, spread);
	return spread;
}

static KmSpread *
spread_create(KmTeam *team, int k, int d)
{
	KmSpread   *spread = km_team_alloc(team, 1, sizeof(KmSpread));

	spread->k = k;
	spread->d = d;
	spread->weight = km_team_alloc(team, k, sizeof(double));
	spread->mean = km_team_alloc(team, (size_t) k * d, sizeof(double));
	spread->distance = km_team_alloc(team, k, sizeof(double));
	spread->inertia = km_team_alloc(team, k, sizeof(double));
	spread->centre = km_team_alloc(team, d, sizeof(double));
	return spread;
}

void
km_spread_free(KmTeam *team, KmSpread *spread)
{
	km_team_release(team, spread->centre);
	km_team_release(team, spread->inertia);
	km_team_release(team, spread->distance);
	km_team_release(team, spread->mean);
	km_team_release(team, spread->weight);
	km_team_release(team, spread);
}

/* the first pass; the mean of all rows follows from those of the clusters */
static void
spread_means(KmTeam *team, KmRows *rows, const KmSpace *space, const KmGrid *grid,
			 KmSpread *spread)
{
	int			k = spread->k;
	int			d = spread->d;
	KmSums	   *sums = km_sums_create(team, grid, k);
	double	   *scratch = km_team_alloc(team, d, sizeof(double));

	for (int c = 0; c < rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(rows, c);

		for (int64_t i = 0; i < chunk->nrows; i++)
		{
			double		w = chunk->weight != NULL ? chunk->weight[i] : 1;

			if (i % QUALITY_CHECK_EVERY == 0)
				km_team_check(team);
			if (w > 0)
				km_sums_add(sums, chunk->label[i],
							spread_row(space, km_chunk_rows(chunk, d, i, 1), scratch), w, 1);
		}
	}
	km_sums_means(sums, spread->mean, spread->weight);
	km_sums_free(sums);
	km_team_release(team, scratch);

	spread->present = 0;
	spread->total_weight = 0;
	for (int j = 0; j < k; j++)
	{
		spread->present += spread->weight[j] > 0;
		spread->total_weight += spread->weight[j];
	}
	for (int t = 0; t < d; t++)
	{
		spread->centre[t] = 0;
		for (int j = 0; j < k; j++)
			if (spread->weight[j] > 0)
				spread->centre[t] += spread->mean[(size_t) j * d + t] *
					(spread->weight[j] / spread->total_weight);
	}
}

/* the second pass */
static void
spread_distances(KmTeam *team, KmRows *rows, const KmSpace *space, KmSpread *spread)
{
	int			k = spread->k;
	int			d = spread->d;
	QualitySum *distance = km_team_alloc(team, k, sizeof(QualitySum));
	QualitySum *inertia = km_team_alloc(team, k, sizeof(QualitySum));
	double	   *scratch = km_team_alloc(team, d, sizeof(double));

	for (int j = 0; j < k; j++)
	{
		quality_sum_init(&distance[j]);
		quality_sum_init(&inertia[j]);
	}
	for (int c = 0; c < rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(rows, c);

		for (int64_t i = 0; i < chunk->nrows; i++)
		{
			double		w = chunk->weight != NULL ? chunk->weight[i] : 1;
			int			j = chunk->label[i];
			double		dist2;

			if (i % QUALITY_CHECK_EVERY == 0)
				km_team_check(team);
			if (w == 0)
				continue;
			dist2 = km_kernel_dist2(spread_row(space, km_chunk_rows(chunk, d, i, 1), scratch),
									spread->mean + (size_t) j * d, d);
			quality_sum_add(&distance[j], w, sqrt(dist2));
			quality_sum_add(&inertia[j], w, dist2);
		}
	}
	spread_share(team, distance, inertia, spread);
	km_team_release(team, scratch);
	km_team_release(team, inertia);
	km_team_release(team, distance);
}

static void
spread_share(KmTeam *team, QualitySum *distance, QualitySum *inertia, KmSpread *spread)
{
	int			k = spread->k;
	KmExact    *exact = km_team_alloc(team, k, 2 * sizeof(KmExact));

	for (int j = 0; j < k; j++)
	{
		exact[j] = *quality_sum_done(&distance[j]);
		exact[k + j] = *quality_sum_done(&inertia[j]);
	}
	km_exact_reduce(team, exact, 2 * (size_t) k);
	for (int j = 0; j < k; j++)
	{
		double		w = spread->weight[j];

		spread->distance[j] = w > 0 ? km_exact_mean(&exact[j], w) : 0;
		spread->inertia[j] = km_exact_value(&exact[k + j]);
	}
	km_team_release(team, exact);
}

double
km_davies_bouldin(KmTeam *team, const KmSpread *spread)
{
	int			k = spread->k;
	int			d = spread->d;
	double		sum = 0;

	if (spread->present < 2)
		return NAN;
	for (int j = 0; j < k; j++)
	{
		double		worst = 0;

		km_team_check(team);
		if (!(spread->weight[j] > 0))
			continue;
		for (int i = 0; i < k; i++)
		{
			double		apart;
			double		ratio;

			if (i == j || !(spread->weight[i] > 0))
				continue;
			apart = sqrt(km_kernel_dist2(spread->mean + (size_t) i * d,
										 spread->mean + (size_t) j * d, d));
			/* as scikit-learn: means at one place do not count */
			ratio = apart > 0 ? (spread->distance[i] + spread->distance[j]) / apart : 0;
			worst = ratio > worst ? ratio : worst;
		}
		sum += worst;
	}
	return sum / spread->present;
}

double
km_calinski_harabasz(const KmSpread *spread)
{
	double		within = spread_within(spread);

	if (spread->present < 2)
		return NAN;
	/* as scikit-learn */
	if (within == 0)
		return 1;
	return spread_between(spread) * (spread->total_weight - spread->present) /
		(within * (spread->present - 1));
}

double
km_spread_total(const KmSpread *spread, bool unit)
{
	double		length2 = 0;
	double		total;

	if (!unit)
		return spread->present == 1 ? spread_within(spread) :
			spread_within(spread) + spread_between(spread);

	/* rows z of length 1 around a centroid c of length 1: |z - c|^2 = 2 - 2 z.c */
	for (int t = 0; t < spread->d; t++)
		length2 += spread->centre[t] * spread->centre[t];
	total = spread->total_weight * (2 - 2 * sqrt(length2));
	return total > 0 ? total : 0;
}

/* sum of W_j |m_j - m|^2 */
static double
spread_between(const KmSpread *spread)
{
	double		sum = 0;

	for (int j = 0; j < spread->k; j++)
		if (spread->weight[j] > 0)
			sum += spread->weight[j] *
				km_kernel_dist2(spread->mean + (size_t) j * spread->d,
								spread->centre, spread->d);
	return sum;
}

/* sum over rows of |z - m_j|^2 */
static double
spread_within(const KmSpread *spread)
{
	double		sum = 0;

	for (int j = 0; j < spread->k; j++)
		sum += spread->inertia[j];
	return sum;
}

/* ---- Inertia over k ---- */

void
km_elbow(const int *k, const double *inertia, int n, double *height)
{
	int			last = n;

	while (last > 0 && !(inertia[last - 1] > 0))
		height[--last] = NAN;

	/*
	 * libm's logarithm, whose last bit is its own: the height is reported, and
	 * compared with others of its kind, but no model depends on it
	 */
	for (int i = 0; i < last; i++)
	{
		double		along = i > 0 ? log((double) k[i] / k[0]) /
			log((double) k[last - 1] / k[0]) : 0;

		height[i] = inertia[i] > 0 ?
			along * log(inertia[last - 1] / inertia[0]) - log(inertia[i] / inertia[0]) +
			0.0 : NAN;
	}
}
