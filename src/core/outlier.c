/*
 * outlier.c
 *		Outlier scores and their histogram.
 *
 * Of a fit's rows most are so near to their centroid that no other cluster can
 * be their reference.  For the rest, each cluster knows its rivals in the order
 * in which they begin to matter; a tile of its rows meets them until one is too
 * far off for all.  Rows that would meet many rivals are labelled once more
 * before, because the kernel also tells how much farther all other centroids are,
 * at a fraction of the price: mostly too far for any reference.
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
#include "core/lanes.h"

#define SCORES_PAGES	2048	/* exponents */
#define SCORES_PAGE	128		/* bins of one exponent */
#define SCORES_BITS	120		/* of the fixed-point numbers, for all weights */

#define OUTLIER_RIVALS	16		/* a cluster knows in order */
#define OUTLIER_FEW		4		/* of them are met without asking the kernel */
#define OUTLIER_BATCH	8		/* centroids that meet the others together */

typedef struct ScoresPage
{
	KmWide		weight[SCORES_PAGE];
	uint64_t	ones[SCORES_PAGE];	/* scores of weight 1, until they are packed */
} ScoresPage;

/* weight = bin * 2^unit */
struct KmScores
{
	KmTeam	   *team;
	int			unit;
	KmWide		one;			/* the weight 1 */
	int			first;			/* the pages with scores are among these */
	int			last;
	ScoresPage *page[SCORES_PAGES]; /* NULL: no score there */
	double		largest;
};

double
km_histogram_threshold(const KmHistogram *histogram, double contamination)
{
	double		total = 0;
	double		sum = 0;

	for (int b = 0; b < histogram->nbins; b++)
		total += histogram->weight[b];
	for (int b = 0; contamination > 0 && b < histogram->nbins; b++)
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
km_outlier_score(int k, const double *dist2, const double *reference)
{
	double		least = INFINITY;

	for (int j = 0; j < k; j++)
		least = outlier_lesser(dist2[j], reference[j], least);
	return least;
}

/* ---- Rows of a fit ---- */

/*
 * A row at a squared distance of no more has no score from this cluster.  No
 * cluster with a reference no larger than the row's own is a rival at all: the
 * label is the least distance, and rounding a root and a quotient keeps order.
 */
typedef struct OutlierRival
{
	double		limit2;
	int32_t		cluster;
} OutlierRival;

/* the loops over vectors, see outlier_body.h */
typedef struct OutlierBody
{
	void		(*own) (const double *dist2, const double *reference, int n,
						double *score);
	void		(*turn) (const double *z, const int32_t *row, int n, int d, double *tile);
	void		(*rival) (const double *tile, int n, int d, const double *centroid,
						  double reference, double *score);
} OutlierBody;

#define BODY_NAME(name)	name##_generic
#define BODY_TARGET
#include "core/outlier_body.h"

#if defined(__x86_64__)
#define BODY_NAME(name)	name##_avx2
#define BODY_TARGET		__attribute__((target("avx2")))
#include "core/outlier_body.h"
#endif

static const OutlierBody outlier_bodies[] = {
	{outlier_own_generic, outlier_turn_generic, outlier_rival_generic},
#if defined(__x86_64__)
	{outlier_own_avx2, outlier_turn_avx2, outlier_rival_avx2}
#endif
};

struct KmOutliers
{
	KmTeam	   *team;
	const KmSpace *space;
	const OutlierBody *body;
	const double *centroids;
	const double *reference;
	KmKernel   *kernel;
	int			k;
	double	   *excess;			/* k: how much larger the largest reference is, as a
								 * share of its own; Infinity: not to be compared */
	int			nrivals;		/* of each cluster, at most k - 1 */
	OutlierRival *rival;		/* k x (nrivals + 1), ascending; the last one's
								 * limit is that of all others */
	int			nothers;
	int32_t    *other;			/* nothers: the clusters that can be a reference */
	KmGroups   *groups;
	double	   *z;				/* KM_TILE x d: rows in the space */
	int32_t		all[KM_TILE];	/* 0, 1, 2, ... */
	double	   *tile;			/* d x KM_TILE: rows, feature by feature */
	double		own[KM_GROUPS_ROWS];	/* a row's own reference */
	int32_t		asked[KM_GROUPS_ROWS];	/* rows that the kernel is asked about, */
	uint16_t	nearest[KM_GROUPS_ROWS];	/* and its answers */
	float		gap[KM_GROUPS_ROWS];
	int32_t		far[KM_GROUPS_ROWS];	/* rows that others may be a reference of, */
	uint16_t	far_label[KM_GROUPS_ROWS];	/* and their labels */
};

static void outliers_excess(KmOutliers *outliers);
static void outliers_rivals(KmOutliers *outliers);
static void outliers_meet_all(KmOutliers *outliers, int j);
static void outliers_meet(KmOutliers *outliers, int j, const double *dist2);
static int	outliers_ask(KmOutliers *outliers, const KmChunk *chunk, int64_t start,
						 const double *dist2, int nfar, int nasked);
static void outliers_far(KmOutliers *outliers, int j, const int32_t *pick, int n,
						 const double *values, const double *dist2, double *score);
static void outliers_turn(KmOutliers *outliers, const double *values,
						  const int32_t *row, int n);

KmOutliers *
km_outliers_create(KmTeam *team, const KmSpace *space, const double *centroids, int k,
				   const double *reference, KmKernel *kernel)
{
	KmOutliers *outliers = km_team_alloc(team, 1, sizeof(KmOutliers));
	size_t		d = (size_t) space->d;

	outliers->team = team;
	outliers->space = space;
	outliers->body = &outlier_bodies[0];
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		outliers->body = &outlier_bodies[1];
#endif
	outliers->centroids = centroids;
	outliers->reference = reference;
	outliers->kernel = kernel;
	outliers->k = k;
	outliers->excess = km_team_alloc(team, k, sizeof(double));
	outliers->nrivals = k - 1 < OUTLIER_RIVALS ? k - 1 : OUTLIER_RIVALS;
	outliers->rival = km_team_alloc(team, (size_t) k * (outliers->nrivals + 1),
									sizeof(OutlierRival));
	outliers->other = km_team_alloc(team, k, sizeof(int32_t));
	outliers->groups = km_groups_create(team, k);
	outliers->z = km_team_alloc(team, KM_TILE * d, sizeof(double));
	for (int i = 0; i < KM_TILE; i++)
		outliers->all[i] = i;
	outliers->tile = km_team_alloc(team, d * KM_TILE, sizeof(double));
	outliers_excess(outliers);
	outliers_rivals(outliers);
	return outliers;
}

void
km_outliers_free(KmOutliers *outliers)
{
	KmTeam	   *team = outliers->team;

	km_team_release(team, outliers->tile);
	km_team_release(team, outliers->z);
	km_groups_free(team, outliers->groups);
	km_team_release(team, outliers->other);
	km_team_release(team, outliers->rival);
	km_team_release(team, outliers->excess);
	km_team_release(team, outliers);
}

static void
outliers_excess(KmOutliers *outliers)
{
	double		most = 0;

	for (int j = 0; j < outliers->k; j++)
		most = outliers->reference[j] > most ? outliers->reference[j] : most;
	for (int j = 0; j < outliers->k; j++)
		outliers->excess[j] = outliers->reference[j] > 0 ?
			most / outliers->reference[j] * (1 + 0x1p-20) - 1 : INFINITY;
}

/*
 * Only clusters that can be a reference are anybody's rivals.  Distances are
 * computed for some of them together, as many as fill a vector.
 */
static void
outliers_rivals(KmOutliers *outliers)
{
	KmTeam	   *team = outliers->team;
	const double *reference = outliers->reference;
	size_t		d = (size_t) outliers->space->d;
	KmSpace		space = {outliers->space->d, NULL, NULL, false};
	KmKernel   *kernel = km_kernel_create(team, &space, outliers->k);
	double	   *centroids = km_team_alloc(team, outliers->k * d, sizeof(double));
	double	   *dist2;
	int			n = 0;

	for (int j = 0; j < outliers->k; j++)
	{
		if (reference[j] < 0)
			continue;
		memcpy(centroids + n * d, outliers->centroids + j * d, d * sizeof(double));
		outliers->other[n++] = j;
	}
	outliers->nothers = n;
	for (int j = 0; j < outliers->k; j++)
		if (!(reference[j] > 0))
			outliers_meet_all(outliers, j);

	km_kernel_set(kernel, centroids, n);
	dist2 = km_team_alloc(team, OUTLIER_BATCH * (size_t) n, sizeof(double));
	for (int start = 0; start < n; start += OUTLIER_BATCH)
	{
		int			batch = n - start < OUTLIER_BATCH ? n - start : OUTLIER_BATCH;

		km_kernel_all(kernel, centroids + start * d, batch, dist2);
		for (int i = 0; i < batch; i++)
			if (reference[outliers->other[start + i]] > 0)
				outliers_meet(outliers, outliers->other[start + i], dist2 + i * (size_t) n);
		km_team_check(team);
	}
	km_team_release(team, dist2);
	km_team_release(team, centroids);
	km_kernel_free(kernel);
}

/*
 * A cluster of radius 0, or without one: all others matter at any distance, and
 * of radius 0 even it alone, since 0 over 0 is a score of 0.
 */
static void
outliers_meet_all(KmOutliers *outliers, int j)
{
	OutlierRival *rival = outliers->rival + (size_t) j * (outliers->nrivals + 1);
	int			n = 0;

	for (int o = 0; o < outliers->nothers && n <= outliers->nrivals; o++)
		if (outliers->other[o] != j)
			rival[n++] = (OutlierRival) {-1, outliers->other[o]};
	for (; n <= outliers->nrivals; n++)
		rival[n] = (OutlierRival) {outliers->reference[j] == 0 ? -1 : INFINITY, j};
}

/*
 * The rivals of cluster j, which is at these squared distances from the others.
 * A row at distance D from its nearest centroid c_j is at |c_j - c_i| - D at
 * least from another c_i, which over reference i is no less than D over
 * reference j if
 *
 *		D <= |c_j - c_i| / (1 + reference[i] / reference[j])
 *
 * Squared distances are sums of positive terms and so off by at most d + 2
 * roundings, 2e-12 of their value; limits keep a distance of 2^-30 from that.
 *
 * Most of the others come too late to be among the first rivals.  A product
 * tells that, 2^-20 above the last one's limit for its roundings.
 */
static void
outliers_meet(KmOutliers *outliers, int j, const double *dist2)
{
	const double *reference = outliers->reference;
	OutlierRival *rival = outliers->rival + (size_t) j * (outliers->nrivals + 1);
	int			nrivals = outliers->nrivals;
	double		inverse = 1 / reference[j];
	double		beyond = INFINITY;	/* a limit that is too late */
	int			n = 0;

	for (int o = 0; o < outliers->nothers; o++)
	{
		int			i = outliers->other[o];
		double		part = 1 + reference[i] * inverse;
		double		limit2;
		int			at;

		if (dist2[o] > beyond * (part * part) || reference[i] <= reference[j])
			continue;
		part = 1 + reference[i] / reference[j];
		limit2 = dist2[o] / (part * part) * (1 - 0x1p-30);
		if (!(limit2 > 0x1p-900))
			limit2 = -1;
		if (n > nrivals && !(limit2 < rival[nrivals].limit2))
			continue;
		for (at = n <= nrivals ? n++ : nrivals; at > 0 && limit2 < rival[at - 1].limit2; at--)
			rival[at] = rival[at - 1];
		rival[at] = (OutlierRival) {limit2, i};
		if (n > nrivals)
			beyond = rival[nrivals].limit2 * (1 + 0x1p-20);
	}
	for (; n <= nrivals; n++)
		rival[n] = (OutlierRival) {INFINITY, j};
}

void
km_outliers_score(KmOutliers *outliers, const KmChunk *chunk, int64_t start,
				  const double *dist2, int n, double *score)
{
	const double *reference = outliers->reference;
	const uint16_t *label = chunk->label + start;
	int			stride = outliers->nrivals + 1;
	int			few = outliers->nrivals < OUTLIER_FEW ? outliers->nrivals : OUTLIER_FEW;
	KmGroups   *groups = outliers->groups;
	const double *values;
	int			nfar = 0;
	int			nasked = 0;

	for (int i = 0; i < n; i++)
	{
		const OutlierRival *rival = outliers->rival + (size_t) label[i] * stride;
		bool		far = !(dist2[i] <= rival[0].limit2);
		bool		ask = !(dist2[i] <= rival[few].limit2);

		outliers->own[i] = reference[label[i]];
		outliers->far[nfar] = outliers->asked[nasked] = i;
		nfar += far & !ask;
		nasked += ask;
	}
	outliers->body->own(dist2, outliers->own, n, score);
	nfar = outliers_ask(outliers, chunk, start, dist2, nfar, nasked);
	values = km_chunk_rows(chunk, outliers->space->d, start, n);
	for (int f = 0; f < nfar; f++)
		outliers->far_label[f] = label[outliers->far[f]];
	km_groups_sort(groups, outliers->far_label, nfar);
	for (int j = 0; j < outliers->k; j++)
		for (int begin = km_groups_begin(groups, j); begin < km_groups_end(groups, j);
			 begin += KM_TILE)
		{
			int			m = km_groups_end(groups, j) - begin;

			outliers_far(outliers, j, groups->pick + begin, m < KM_TILE ? m : KM_TILE,
						 values, dist2, score);
		}
}

/*
 * Of the rows that would meet many rivals, add those to the far ones for which
 * the kernel leaves it open.  For every other cluster i, with D the distance to
 * the own one, in units of the kernel's,
 *
 *		D_i >= D + gap > D (1 + excess) >= D (1 + 2^-20) reference[i] / reference
 *
 * where the gap is large enough; scores are computed with an error of less than
 * (d + 8) 2^-53 of their value, and so is this comparison.
 */
static int
outliers_ask(KmOutliers *outliers, const KmChunk *chunk, int64_t start,
			 const double *dist2, int nfar, int nasked)
{
	const uint16_t *label = chunk->label + start;
	double		unit;

	if (nasked == 0)
		return nfar;
	km_kernel_label(outliers->kernel, chunk, start, outliers->asked, nasked,
					outliers->nearest, outliers->gap);
	unit = km_kernel_unit(outliers->kernel);
	for (int a = 0; a < nasked; a++)
	{
		int			i = outliers->asked[a];
		double		own = sqrt(dist2[i]) * unit * outliers->excess[label[i]];

		outliers->far[nfar] = i;
		nfar += !(dist2[i] > 0x1p-900 && outliers->gap[a] > own);
	}
	return nfar;
}

/* rows of cluster j, picked from the far ones */
static void
outliers_far(KmOutliers *outliers, int j, const int32_t *pick, int n,
			 const double *values, const double *dist2, double *score)
{
	int			d = outliers->space->d;
	const double *reference = outliers->reference;
	const OutlierRival *rival = outliers->rival + (size_t) j * (outliers->nrivals + 1);
	int32_t		row[KM_TILE];
	double		least[KM_TILE];
	double		most = 0;
	int			r;

	for (int i = 0; i < n; i++)
	{
		double		own = dist2[outliers->far[pick[i]]];

		row[i] = outliers->far[pick[i]];
		most = own > most ? own : most;
		least[i] = reference[j] < 0 ? INFINITY : own == 0 ? 0 : score[row[i]];
	}
	for (int i = n; i % KM_LANES != 0; i++)
		least[i] = least[n - 1];
	outliers_turn(outliers, values, row, n);
	for (r = 0; r < outliers->nrivals && rival[r].limit2 < most; r++)
		outliers->body->rival(outliers->tile, n, d,
							  outliers->centroids + (size_t) rival[r].cluster * d,
							  reference[rival[r].cluster], least);
	if (r == outliers->nrivals && rival[r].limit2 < most)
		for (int o = 0; o < outliers->nothers; o++)
		{
			int			i = outliers->other[o];

			if (i != j)
				outliers->body->rival(outliers->tile, n, d,
									  outliers->centroids + (size_t) i * d, reference[i],
									  least);
		}
	for (int i = 0; i < n; i++)
		score[row[i]] = least[i];
	km_team_check(outliers->team);
}

/* rows in the space, into the tile */
static void
outliers_turn(KmOutliers *outliers, const double *values, const int32_t *row, int n)
{
	size_t		d = (size_t) outliers->space->d;

	if (km_space_identity(outliers->space))
	{
		outliers->body->turn(values, row, n, (int) d, outliers->tile);
		return;
	}
	for (int i = 0; i < n; i++)
		km_space_row(outliers->space, values + row[i] * d, outliers->z + i * d);
	outliers->body->turn(outliers->z, outliers->all, n, (int) d, outliers->tile);
}

/* ---- Their histogram ---- */

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
	scores->first = SCORES_PAGES;
	scores->last = -1;
	scores->unit = (total_weight > 0 ? km_bits_exponent(total_weight) : 0) +
		1 - SCORES_BITS;
	if (scores->unit < -1074)
		scores->unit = -1074;
	/* where all together weigh less than 1, there is no such weight */
	scores->one = total_weight >= 1 ? scores_units(scores, 1) : 0;
	return scores;
}

void
km_scores_free(KmScores *scores)
{
	for (int p = scores->first; p <= scores->last; p++)
		km_team_release(scores->team, scores->page[p]);
	km_team_release(scores->team, scores);
}

static ScoresPage *
scores_page(KmScores *scores, size_t p)
{
	if (scores->page[p] == NULL)
	{
		scores->page[p] = km_team_alloc(scores->team, 1, sizeof(ScoresPage));
		memset(scores->page[p], 0, sizeof(ScoresPage));
		scores->first = (int) p < scores->first ? (int) p : scores->first;
		scores->last = (int) p > scores->last ? (int) p : scores->last;
	}
	return scores->page[p];
}

void
km_scores_add(KmScores *scores, const double *score, const double *weight, int n)
{
	for (int i = 0; i < n; i++)
	{
		uint64_t	bin = scores_bin(score[i]);
		double		w = weight != NULL ? weight[i] : 1;

		scores->largest = score[i] > scores->largest ? score[i] : scores->largest;
		if (w == 1)
			scores_page(scores, bin / SCORES_PAGE)->ones[bin % SCORES_PAGE]++;
		else if (w != 0)
			scores_page(scores, bin / SCORES_PAGE)->weight[bin % SCORES_PAGE] +=
				scores_units(scores, w);
	}
}

/* the scores of weight 1 join the others */
static void
scores_settle(const KmScores *scores, ScoresPage *page)
{
	for (int b = 0; b < SCORES_PAGE; b++)
	{
		page->weight[b] += page->ones[b] * scores->one;
		page->ones[b] = 0;
	}
}

void
km_scores_reduce(KmScores *scores)
{
	KmTeam	   *team = scores->team;
	double	   *present;

	for (int p = scores->first; p <= scores->last; p++)
		if (scores->page[p] != NULL)
			scores_settle(scores, scores->page[p]);
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
			km_wide_reduce(team, scores_page(scores, p)->weight, SCORES_PAGE);
	km_team_release(team, present);
}

void
km_scores_pack(KmScores *scores, KmHistogram *histogram)
{
	KmTeam	   *team = scores->team;
	int			n = 0;

	for (int p = scores->first; p <= scores->last; p++)
		for (int b = 0; scores->page[p] != NULL && b < SCORES_PAGE; b++)
			n += scores->page[p]->weight[b] != 0;
	histogram->nbins = n;
	histogram->upper = km_team_alloc(team, n, sizeof(double));
	histogram->weight = km_team_alloc(team, n, sizeof(double));
	histogram->largest = scores->largest;
	n = 0;
	for (int p = scores->first; p <= scores->last; p++)
		for (int b = 0; scores->page[p] != NULL && b < SCORES_PAGE; b++)
		{
			uint64_t	bin = (uint64_t) p * SCORES_PAGE + b;
			double		upper = bin > 0 ? km_bits_double((bin + 1) << 45) : 0;

			if (scores->page[p]->weight[b] == 0)
				continue;
			/* what follows the bin of Infinity is no number */
			histogram->upper[n] = isnan(upper) ? INFINITY : upper;
			histogram->weight[n] = (double) scores->page[p]->weight[b] *
				km_bits_pow2(scores->unit);
			n++;
		}
}
