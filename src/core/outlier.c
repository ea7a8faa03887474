/*
 * outlier.c
 *		Outlier scores and their histogram.
 *
 * Scores go to bins found from the bits of the score.  Their weights are
 * fixed-point numbers of 128 bits, scaled so that the total weight fits: added
 * as integers, they are order-free.  Bins lie in pages, one per exponent, and a
 * page exists when a score falls into it, which keeps small fits cheap.
 */
#include "core/outlier.h"

#include <math.h>
#include <string.h>

#include "core/bits.h"
#include "core/kernel.h"

#define SCORES_PAGES	2048	/* exponents */
#define SCORES_PAGE	128		/* bins of one exponent */
#define SCORES_BITS	120		/* of the fixed-point numbers, for all weights */

/* weight = bin * 2^unit */
struct KmScores
{
	KmTeam	   *team;
	int			unit;
	KmWide		one;			/* the weight 1 */
	KmWide *page[SCORES_PAGES];	/* NULL: no score there */
	double		largest;
};

/* the lesser of least and the score by one cluster */
static inline double
outlier_lesser(double dist2, double reference, double least)
{
	double		limit = least * reference;

	if (reference < 0)
		return least;

	/*
	 * Spare the root and the division where a comparison of squares, with a
	 * margin over its roundings, shows that they would be in vain.
	 */
	if (limit > 0x1p-400 && dist2 > limit * limit * (1 + 0x1p-40))
		return least;
	if (reference > 0)
	{
		double		score = sqrt(dist2) / reference;

		return score < least ? score : least;
	}
	return dist2 == 0 ? 0 : least;
}

double
km_histogram_threshold(const KmHistogram *histogram, double contamination)
{
	double		total = 0;
	double		sum = 0;

	for (int b = 0; b < histogram->nbins; b++)
		total += histogram->weight[b];
	for (int b = 0; b < histogram->nbins; b++)
	{
		sum += histogram->weight[b];
		if (sum >= (1 - contamination) * total)
			return fmin(histogram->upper[b], histogram->largest);
	}
	return histogram->nbins > 0 ? histogram->largest : 0;
}

void
km_outlier_reference(int k, const int64_t *size, const double *radius_rms,
					 double inertia, double weight, double *reference)
{
	double		common = weight > 0 ? sqrt(inertia / weight) : 0;
	bool		all = true;

	for (int j = 0; j < k; j++)
		all = all && size[j] < 2;
	for (int j = 0; j < k; j++)
	{
		if (size[j] < 2 && !all)
			reference[j] = -1;
		else
			reference[j] = radius_rms[j] > 0 ? radius_rms[j] : common;
	}
}

void
km_outlier_near(KmTeam *team, const double *centroids, int k, int d,
				const double *reference, double *near2)
{
	KmSpace		space = {d, NULL, NULL, false};
	KmKernel   *kernel = km_kernel_create(team, &space, k);
	double	   *dist2 = km_team_alloc(team, k, sizeof(double));

	km_kernel_set(kernel, centroids, k);
	for (int j = 0; j < k; j++)
	{
		double		least = INFINITY;

		km_kernel_all(kernel, centroids + (size_t) j * d, 1, dist2);
		for (int other = 0; other < k; other++)
		{
			double		part = 1 + reference[other] / reference[j];
			double		limit = dist2[other] / (part * part);

			if (other != j && reference[other] >= 0 && limit < least)
				least = limit;
		}
		least *= 1 - 0x1p-30;
		near2[j] = reference[j] > 0 && least > 0x1p-900 ? least : -1;
		km_team_check(team);
	}
	km_team_release(team, dist2);
	km_kernel_free(kernel);
}

double
km_outlier_score(int k, const double *dist2, const double *reference)
{
	return km_outlier_score_from(0, k, dist2, reference);
}

double
km_outlier_score_from(int nearest, int k, const double *dist2,
					  const double *reference)
{
	double		least = outlier_lesser(dist2[nearest], reference[nearest], INFINITY);

	for (int j = 0; j < k; j++)
		if (j != nearest)
			least = outlier_lesser(dist2[j], reference[j], least);
	return least;
}

/* exponent and 7 bits of the mantissa; 0 is for score 0 alone */
static inline uint64_t
scores_bin(double score)
{
	uint64_t	bin = km_bits_of(score) >> 45;

	return bin == 0 && score > 0 ? 1 : bin;
}

static inline KmWide
scores_units(const KmScores *scores, double weight)
{
	int			exponent;
	KmWide		units = km_bits_split(weight, &exponent);
	int			shift = exponent - scores->unit;

	return shift >= 0 ? units << shift : shift > -64 ? units >> -shift : 0;
}

KmScores *
km_scores_create(KmTeam *team, double total_weight)
{
	KmScores   *scores = km_team_alloc(team, 1, sizeof(KmScores));

	memset(scores, 0, sizeof(*scores));
	scores->team = team;
	scores->unit = (total_weight > 0 ? km_bits_exponent(total_weight) : 0) +
		1 - SCORES_BITS;
	if (scores->unit < -1074)
		scores->unit = -1074;
	scores->one = scores_units(scores, 1);
	return scores;
}

void
km_scores_free(KmScores *scores)
{
	for (int p = 0; p < SCORES_PAGES; p++)
		km_team_release(scores->team, scores->page[p]);
	km_team_release(scores->team, scores);
}

static KmWide *
scores_page(KmScores *scores, int p)
{
	if (scores->page[p] == NULL)
	{
		size_t		bytes = SCORES_PAGE * sizeof(KmWide);

		scores->page[p] = km_team_alloc(scores->team, 1, bytes);
		memset(scores->page[p], 0, bytes);
	}
	return scores->page[p];
}

void
km_scores_add(KmScores *scores, double score, double weight)
{
	uint64_t	bin = scores_bin(score);

	if (score > scores->largest)
		scores->largest = score;
	if (weight != 0)
		scores_page(scores, (int) (bin / SCORES_PAGE))[bin % SCORES_PAGE] +=
			weight == 1 ? scores->one : scores_units(scores, weight);
}

void
km_scores_reduce(KmScores *scores)
{
	KmTeam	   *team = scores->team;
	double	   *present;

	if (team->size <= 1)
		return;
	present = km_team_alloc(team, SCORES_PAGES + 1, sizeof(double));
	for (int p = 0; p < SCORES_PAGES; p++)
		present[p] = scores->page[p] != NULL;
	present[SCORES_PAGES] = scores->largest;
	km_team_max(team, present, SCORES_PAGES + 1);
	scores->largest = present[SCORES_PAGES];
	for (int p = 0; p < SCORES_PAGES; p++)
		if (present[p] > 0)
			km_wide_reduce(team, scores_page(scores, p), SCORES_PAGE);
	km_team_release(team, present);
}

void
km_scores_pack(KmScores *scores, KmHistogram *histogram)
{
	KmTeam	   *team = scores->team;
	int			n = 0;

	for (int p = 0; p < SCORES_PAGES; p++)
		for (int b = 0; scores->page[p] != NULL && b < SCORES_PAGE; b++)
			n += scores->page[p][b] != 0;
	histogram->nbins = n;
	histogram->upper = km_team_alloc(team, n, sizeof(double));
	histogram->weight = km_team_alloc(team, n, sizeof(double));
	histogram->largest = scores->largest;
	n = 0;
	for (int p = 0; p < SCORES_PAGES; p++)
		for (int b = 0; scores->page[p] != NULL && b < SCORES_PAGE; b++)
		{
			uint64_t	bin = (uint64_t) p * SCORES_PAGE + b;
			double		upper = bin > 0 ? km_bits_double((bin + 1) << 45) : 0;

			if (scores->page[p][b] == 0)
				continue;
			/* what follows the bin of Infinity is no number */
			histogram->upper[n] = isnan(upper) ? INFINITY : upper;
			histogram->weight[n] = (double) scores->page[p][b] *
				km_bits_pow2(scores->unit);
			n++;
		}
}
