/*
 * pairs.c
 *		How good a clustering is, from pairs of rows.
 *
 * Silhouette of row i in cluster c: with a its mean distance to the other rows
 * of c, and b the least of its mean distances to the rows of another cluster,
 *
 *		s = (b - a) / max(a, b)
 *
 * and 0 if it is the only row of its cluster.  All distances from a batch of
 * rows are computed at once, by the kernel, which here gets all rows as
 * centroids; under each labeling they are then added up cluster by cluster, in
 * the order of a counting sort, so that several sums run side by side.  The
 * participants of a team take a part of the rows each.
 *
 * The adjusted Rand index counts pairs of rows: tp in one cluster of both
 * clusterings, fp and fn of one only, tn of neither.  From the contingency
 * table n_ij with sums a_i and b_j (and each pair taken twice)
 *
 *		tp = sum n_ij^2 - n				fp = sum a_i^2 - sum n_ij^2
 *		fn = sum b_j^2 - sum n_ij^2		tn = n^2 - n - tp - fp - fn
 *		ARI = 2 (tp tn - fn fp) / ((tp + fn) (fn + tn) + (tp + fp) (fp + tn))
 *
 * as scikit-learn has it: the textbook's form divides 0 by 0 for two equal
 * clusterings with one cluster.  The counts are exact integers.
 */
#include "core/quality.h"

#include <math.h>
#include <string.h>

#include "core/kernel.h"

#define PAIRS_BATCH	8			/* rows whose distances are held at a time */

/* The rows of a labeling, cluster by cluster. */
typedef struct PairsOrder
{
	int			k;
	int64_t    *row;			/* n: rows of cluster 0, of cluster 1, ... */
	int64_t    *start;			/* k + 1: where each begins */
	double	   *rows;			/* k: how many rows that is, with copies */
} PairsOrder;

static void pairs_order(KmTeam *team, PairsOrder *order, const KmLabeling *labeling,
						const int64_t *copies, int64_t n);
static void pairs_order_free(KmTeam *team, PairsOrder *order);
static void pairs_distances(double *distance, const int64_t *copies, int64_t n);
static double pairs_silhouette(const PairsOrder *order, const double *distance, int own);
static double pairs_sum(const double *distance, const int64_t *row, int64_t n);

double *
km_silhouettes(KmTeam *team, const double *z, const int64_t *copies, int64_t n,
			   int d, const KmLabeling *labelings, int nlabelings)
{
	KmSpace		space = {d, NULL, NULL, false};
	int64_t		first = n * team->rank / team->size;
	int64_t		end = n * (team->rank + 1) / team->size;
	KmKernel   *kernel = km_kernel_create(team, &space, (int) n);
	PairsOrder *orders = km_team_alloc(team, nlabelings, sizeof(PairsOrder));
	double	   *distance = km_team_alloc(team, (size_t) n * PAIRS_BATCH, sizeof(double));
	double	   *values = km_team_alloc(team, (size_t) (end - first) * nlabelings,
									   sizeof(double));
	double	   *next = values;

	for (int l = 0; l < nlabelings; l++)
		pairs_order(team, &orders[l], &labelings[l], copies, n);
	km_kernel_set(kernel, z, (int) n);
	for (int64_t start = first; start < end; start += PAIRS_BATCH)
	{
		int			m = end - start < PAIRS_BATCH ? (int) (end - start) : PAIRS_BATCH;

		km_kernel_all(kernel, z + start * d, m, distance);
		for (int i = 0; i < m; i++)
		{
			double	   *row = distance + (size_t) i * n;

			pairs_distances(row, copies, n);
			for (int l = 0; l < nlabelings; l++)
			{
				*next++ = pairs_silhouette(&orders[l], row,
										   labelings[l].label[start + i]);
				km_team_check(team);
			}
		}
	}

	if (team->size > 1)
	{
		size_t		total;
		double	   *all = team->gather(team->arg, values,
									   (size_t) (next - values) * sizeof(double), &total);

		km_team_release(team, values);
		values = all;
	}
	for (int l = 0; l < nlabelings; l++)
		pairs_order_free(team, &orders[l]);
	km_team_release(team, distance);
	km_team_release(team, orders);
	km_kernel_free(kernel);
	return values;
}

static void
pairs_order(KmTeam *team, PairsOrder *order, const KmLabeling *labeling,
			const int64_t *copies, int64_t n)
{
	int			k = labeling->k;

	order->k = k;
	order->row = km_team_alloc(team, n, sizeof(int64_t));
	order->start = km_team_alloc(team, (size_t) k + 2, sizeof(int64_t));
	order->rows = km_team_alloc(team, k, sizeof(double));
	for (int j = 0; j < k; j++)
		order->rows[j] = 0;

	/* counts, two places on; they become ends, one place on, and then starts */
	memset(order->start, 0, ((size_t) k + 2) * sizeof(int64_t));
	for (int64_t i = 0; i < n; i++)
	{
		order->start[labeling->label[i] + 2]++;
		order->rows[labeling->label[i]] += copies != NULL ? (double) copies[i] : 1;
	}
	for (int j = 0; j < k; j++)
		order->start[j + 2] += order->start[j + 1];
	for (int64_t i = 0; i < n; i++)
		order->row[order->start[labeling->label[i] + 1]++] = i;
}

static void
pairs_order_free(KmTeam *team, PairsOrder *order)
{
	km_team_release(team, order->rows);
	km_team_release(team, order->start);
	km_team_release(team, order->row);
}

/* squared distances to distances, times the copies */
static void
pairs_distances(double *distance, const int64_t *copies, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		distance[i] = sqrt(distance[i]);
	if (copies != NULL)
		for (int64_t i = 0; i < n; i++)
			distance[i] *= (double) copies[i];
}

/* the silhouette of a row of cluster `own` at these distances from all rows */
static double
pairs_silhouette(const PairsOrder *order, const double *distance, int own)
{
	double		a = 0;
	double		b = INFINITY;

	if (order->rows[own] <= 1)
		return 0;
	for (int j = 0; j < order->k; j++)
	{
		int64_t		start = order->start[j];
		double		sum = pairs_sum(distance, order->row + start,
									order->start[j + 1] - start);

		if (j == own)
			a = sum / (order->rows[j] - 1);
		else if (order->rows[j] > 0 && sum / order->rows[j] < b)
			b = sum / order->rows[j];
	}
	if (isinf(b) || (a == 0 && b == 0))
		return 0;
	return (b - a) / (a > b ? a : b);
}

static double
pairs_sum(const double *distance, const int64_t *row, int64_t n)
{
	double		sum[4] = {0};
	int64_t		i = 0;

	for (; i + 4 <= n; i += 4)
	{
		sum[0] += distance[row[i]];
		sum[1] += distance[row[i + 1]];
		sum[2] += distance[row[i + 2]];
		sum[3] += distance[row[i + 3]];
	}
	for (; i < n; i++)
		sum[0] += distance[row[i]];
	return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

double
km_silhouette_mean(const double *values, const int64_t *copies, int64_t n,
				   const KmLabeling *labelings, int nlabelings, int l)
{
	double		sum = 0;
	double		rows = 0;
	bool		several = false;

	for (int64_t i = 0; i < n; i++)
	{
		double		m = copies != NULL ? (double) copies[i] : 1;

		sum += m * values[i * nlabelings + l];
		rows += m;
		several |= labelings[l].label[i] != labelings[l].label[0];
	}
	return several ? sum / rows : NAN;
}

double
km_adjusted_rand_index(const KmPairCounts *counts)
{
	double		tp = (double) (counts->cells2 - counts->n);
	double		fp = (double) (counts->rows2 - counts->cells2);
	double		fn = (double) (counts->columns2 - counts->cells2);
	double		tn = (double) (counts->n * counts->n - counts->rows2 -
							   counts->columns2 + counts->cells2);

	if (fp == 0 && fn == 0)
		return 1;
	return 2 * (tp * tn - fn * fp) / ((tp + fn) * (fn + tn) + (tp + fp) * (fp + tn));
}

double
km_labelings_rand_index(KmTeam *team, const KmLabeling *a, const KmLabeling *b,
						const int64_t *copies, int64_t n)
{
	KmPairCounts counts = {0};
	PairsOrder	order;
	int64_t    *cell = km_team_alloc(team, b->k, 2 * sizeof(int64_t));
	int64_t    *column = cell + b->k;

	pairs_order(team, &order, a, copies, n);
	memset(cell, 0, 2 * (size_t) b->k * sizeof(int64_t));
	for (int j = 0; j < a->k; j++)
	{
		int64_t		count = 0;

		/* a row of the table; afterwards its cells are cleared again */
		for (int64_t p = order.start[j]; p < order.start[j + 1]; p++)
		{
			cell[b->label[order.row[p]]] += copies[order.row[p]];
			count += copies[order.row[p]];
		}
		for (int64_t p = order.start[j]; p < order.start[j + 1]; p++)
		{
			int32_t		label = b->label[order.row[p]];

			km_pair_counts_square(&counts.cells2, cell[label]);
			column[label] += cell[label];
			cell[label] = 0;
		}
		km_pair_counts_square(&counts.rows2, count);
		counts.n += (KmWide) count;
	}
	for (int j = 0; j < b->k; j++)
		km_pair_counts_square(&counts.columns2, column[j]);
	pairs_order_free(team, &order);
	km_team_release(team, cell);
	return km_adjusted_rand_index(&counts);
}
