/*
 * kernel.c
 *		Distances from rows to centroids, nearest and second nearest.
 *
 * A tile of rows is decided on up to four levels, each for the rows that the
 * one before could not decide: in whole numbers of 8 bits (coarse.c; rows with
 * many features, against many centroids, on some processors), scored in float,
 * scored in double (score.c), and by definition (definition.c).  All but the last
 * come with a proof for each row that the definition would agree; what is left
 * are ties and near ties.  This file is the way from one level to the next.
 * What the first leaves of some tiles is put together into new tiles.
 *
 * A tile has 64 rows up to 2,048 features, beyond that fewer, so that it stays
 * within 2 MB and near the second-level cache.  Rows of few features need no tile
 * on their first level: they go a thousand at a time.
 */
#include "core/kernel.h"

#include <math.h>
#include <string.h>

#include "core/bits.h"
#include "core/coarse.h"
#include "core/definition.h"
#include "core/score.h"

#define KERNEL_MIN_LANES	16	/* rows in the widest vector of floats */
#define KERNEL_DIRECT_K		8	/* so few centroids go by definition at once */
#define KERNEL_TRIAL_ROWS	4096	/* after which a level is judged */
#define KERNEL_MOST_FAILED	4	/* it may leave one in so many undecided, */
#define KERNEL_MOST_COARSE	2	/* or, where it is much quicker, one in so many */
#define KERNEL_BATCH	KM_SCORE_FEW_ROWS	/* whose undecided ones are put together */
#define KERNEL_LEAST_UNIT	0x1p-520	/* see score.c */
#define KERNEL_MOST_UNIT	0x1p400
#define KERNEL_TILE_VALUES	(128 * 1024)	/* 1 MB */
#define KERNEL_CHECK_WORK	(1 << 20)	/* multiply-adds between checks */

/* how a tile of rows is decided, from quick to exact */
typedef enum KernelLevel
{
	KERNEL_COARSE,
	KERNEL_FLOAT,
	KERNEL_DOUBLE = KM_SCORE_DOUBLE,
	KERNEL_DEFINITION
} KernelLevel;

/* n rows in the space, of those from a place on */
typedef struct KernelTile
{
	KmScoreRows rows;
	int			n;
} KernelTile;

/* those of a tile that are not decided yet; if that is all of them, n alone counts */
typedef struct KernelRest
{
	int			n;
	int32_t		pick[KM_TILE];
	int32_t		place[KM_TILE]; /* in the tile */
} KernelRest;

struct KmKernel
{
	KmTeam	   *team;
	const KmSpace *space;
	int			max_k;
	int			k;
	int			lanes;			/* of a full tile */
	size_t		work;			/* multiply-adds since the last check */
	double	   *centroids;		/* k x d */

	KmDefinition *definition;
	int32_t		all[KM_TILE];	/* 0, 1, 2, ...: picks all rows */
	int32_t		left[KERNEL_BATCH];	/* rows that the first level left: places, */
	int32_t		pick[KERNEL_BATCH];	/* and picks */
	double	   *z;				/* lanes (few features: KERNEL_BATCH) x d: rows brought
								 * into the space, or widened; NULL: not needed so far */

	/* the quick search */
	KmCoarse   *coarse;			/* NULL: not needed so far */
	KmScore    *score[KM_SCORE_PRECISIONS]; /* likewise */
	bool		scored[KERNEL_DEFINITION];	/* set for these centroids */
	bool		fits[KERNEL_DEFINITION];	/* and good for them */
	double	   *centre;			/* d */
	double		unit;			/* 0: not known yet */
	KernelLevel level;			/* where to start */
	int64_t		tried;			/* rows on that level since it was chosen */
	int64_t		failed;			/* those it did not decide */
};

static void kernel_centre(KmKernel *kernel);
static void kernel_search(KmKernel *kernel, const KmScoreRows *rows, int n,
						  uint16_t *label, float *gap);
static int	kernel_coarse(KmKernel *kernel, const KmScoreRows *rows, int n,
						  uint16_t *label, float *gap);
static int	kernel_few(KmKernel *kernel, KernelLevel level, const KmScoreRows *rows,
					   int n, uint16_t *label, float *gap);
static void kernel_tiles(KmKernel *kernel, KernelLevel level, const KmScoreRows *rows,
						 int n, uint16_t *label, float *gap);
static KmScoreAhead kernel_ahead(const KmKernel *kernel, const KmScoreRows *rows,
								 int from, int n, bool wide);
static void kernel_left(KmKernel *kernel, KernelLevel level, KmScoreRows rows,
						int left, uint16_t *label, float *gap);
static KernelTile kernel_tile(KmKernel *kernel, KmScoreRows rows, int n);
static KernelTile kernel_widen(KmKernel *kernel, KmScoreRows rows, int n);
static const double *kernel_row(const KmKernel *kernel, const KernelTile *tile, int i);
static void kernel_copy(const KmKernel *kernel, const KernelTile *tile, double *z);
static void kernel_label(KmKernel *kernel, KernelLevel level, const KernelTile *tile,
						 uint16_t *label, float *gap, KmScoreAhead *ahead);
static void kernel_quick(KmKernel *kernel, KernelLevel level,
						 const KernelTile *tile, KernelRest *rest,
						 uint16_t *label, float *gap, KmScoreAhead *ahead);
static void kernel_slow(KmKernel *kernel, const KernelTile *tile,
						const KernelRest *rest, uint16_t *label, float *gap);
static void kernel_judge(KmKernel *kernel, KernelLevel level, int tried, int failed);
static bool kernel_usable(KmKernel *kernel, KernelLevel level);
static bool kernel_ready(KmKernel *kernel, KernelLevel level);
static void kernel_worked(KmKernel *kernel, size_t work);

KmKernel *
km_kernel_create(KmTeam *team, const KmSpace *space, int max_k)
{
	KmKernel   *kernel = km_team_alloc(team, 1, sizeof(KmKernel));
	size_t		d = (size_t) space->d;

	kernel->team = team;
	kernel->space = space;
	kernel->max_k = max_k;
	kernel->k = 0;
	kernel->work = 0;
	kernel->lanes = KM_TILE;
	while (kernel->lanes > KERNEL_MIN_LANES &&
		   kernel->lanes * d > KERNEL_TILE_VALUES)
		kernel->lanes /= 2;
	kernel->centroids = km_team_alloc(team, max_k * d, sizeof(double));
	kernel->definition = km_definition_create(team, space->d, max_k, kernel->lanes);
	kernel->z = NULL;
	kernel->centre = km_team_alloc(team, d, sizeof(double));
	kernel->unit = 0;
	kernel->coarse = NULL;
	for (int p = 0; p < KM_SCORE_PRECISIONS; p++)
		kernel->score[p] = NULL;
	for (int i = 0; i < KM_TILE; i++)
		kernel->all[i] = i;
	return kernel;
}

void
km_kernel_set(KmKernel *kernel, const double *centroids, int k)
{
	kernel->k = k;
	memcpy(kernel->centroids, centroids,
		   (size_t) k * kernel->space->d * sizeof(double));
	km_definition_set(kernel->definition, kernel->centroids, k);
	for (int level = 0; level < KERNEL_DEFINITION; level++)
		kernel->scored[level] = false;
	kernel->level = km_coarse_pays(kernel->team, kernel->space->d, k) ?
		KERNEL_COARSE : KERNEL_FLOAT;
	kernel->tried = 0;
	kernel->failed = 0;
}

void
km_kernel_free(KmKernel *kernel)
{
	KmTeam	   *team = kernel->team;

	if (kernel->coarse != NULL)
		km_coarse_free(kernel->coarse);
	for (int p = 0; p < KM_SCORE_PRECISIONS; p++)
		if (kernel->score[p] != NULL)
			km_score_free(kernel->score[p]);
	km_team_release(team, kernel->centre);
	km_team_release(team, kernel->z);
	km_definition_free(kernel->definition);
	km_team_release(team, kernel->centroids);
	km_team_release(team, kernel);
}

double
km_kernel_unit(KmKernel *kernel)
{
	if (kernel->unit == 0)
		kernel_centre(kernel);
	return kernel->unit;
}

void
km_kernel_label(KmKernel *kernel, const KmChunk *chunk, int64_t start,
				const int32_t *pick, int n, uint16_t *label, float *gap)
{
	int			d = kernel->space->d;
	KmScoreRows rows = {
		.doubles = chunk->values != NULL ? chunk->values + start * d : NULL,
		.floats = chunk->values != NULL ? NULL : chunk->floats + start * d,
		.pick = pick
	};

	for (int first = 0, m; first < n; first += m)
	{
		KmScoreRows these = km_score_from(&rows, first, d);

		m = n - first < KERNEL_BATCH ? n - first : KERNEL_BATCH;
		kernel_search(kernel, &these, m, label + first, gap + first);
	}
}

/* labels and gaps of n <= KERNEL_BATCH raw rows */
static void
kernel_search(KmKernel *kernel, const KmScoreRows *rows, int n, uint16_t *label,
			  float *gap)
{
	KernelLevel level = kernel->level;
	int			left = n;

	if (level == KERNEL_COARSE)
		left = kernel_coarse(kernel, rows, n, label, gap);
	else if (level < KERNEL_DEFINITION && kernel_usable(kernel, level) &&
			 km_score_takes_many(kernel->score[level - KERNEL_FLOAT]))
		left = kernel_few(kernel, level, rows, n, label, gap);
	else
		level--;
	if (left == n)
		kernel_tiles(kernel, level + 1, rows, n, label, gap);
	else if (left > 0)
		kernel_left(kernel, level + 1, *rows, left, label, gap);
}

/*
 * n rows of few features on one level at once: labels and gaps, and into
 * kernel->left the places of those that are not decided.  Returns how many they
 * are.
 */
static int
kernel_few(KmKernel *kernel, KernelLevel level, const KmScoreRows *rows, int n,
		   uint16_t *label, float *gap)
{
	KernelTile	tile = kernel_tile(kernel, *rows, n);
	int			left = 0;

	if (!km_score_rows(kernel->score[level - KERNEL_FLOAT], &tile.rows, n, label, gap, NULL))
		for (int i = 0; i < n; i++)
		{
			kernel->left[left] = i;
			left += !(gap[i] > 0);
		}
	kernel_judge(kernel, level, n, left);
	return left;
}

/* the same of many features, on the first level */
static int
kernel_coarse(KmKernel *kernel, const KmScoreRows *rows, int n, uint16_t *label,
			  float *gap)
{
	int			left = 0;
	int			m;

	for (int first = 0; first < n; first += m)
	{
		int32_t		nearest[KM_TILE];
		float		promise[KM_TILE];
		KmScoreRows these = km_score_from(rows, first, kernel->space->d);
		KmScoreAhead ahead;
		int			before = left;

		m = n - first < kernel->lanes ? n - first : kernel->lanes;
		ahead = kernel_ahead(kernel, &these, m, n - first, true);
		if (kernel->level == KERNEL_COARSE && kernel_usable(kernel, KERNEL_COARSE))
		{
			KernelTile	tile = kernel_tile(kernel, these, m);

			km_coarse_rows(kernel->coarse, &tile.rows, m, nearest, promise, &ahead);
		}
		else
			memset(promise, 0, sizeof(promise));
		for (int i = 0; i < m; i++)
		{
			kernel->left[left] = first + i;
			left += !(promise[i] > 0);
			if (promise[i] > 0)
			{
				label[first + i] = (uint16_t) nearest[i];
				gap[first + i] = promise[i];
			}
		}
		kernel_judge(kernel, KERNEL_COARSE, m, left - before);
	}
	return left;
}

/* from some level on */
static void
kernel_tiles(KmKernel *kernel, KernelLevel level, const KmScoreRows *rows, int n,
			 uint16_t *label, float *gap)
{
	int			lanes = kernel->lanes;

	for (int first = 0; first < n; first += lanes)
	{
		int			m = n - first < lanes ? n - first : lanes;
		KmScoreRows these = km_score_from(rows, first, kernel->space->d);
		KmScoreAhead ahead = kernel_ahead(kernel, &these, m, n - first, false);
		KernelTile	tile = kernel_tile(kernel, these, m);

		kernel_label(kernel, level, &tile, label + first, gap + first, &ahead);
	}
}

/*
 * The rows of the next tile, of those from `from` to n, for km_score_ask(): none
 * where they follow each other in memory, since processors see that themselves;
 * not where rows are wide, and what processors have seen is forgotten from tile
 * to tile.
 */
static KmScoreAhead
kernel_ahead(const KmKernel *kernel, const KmScoreRows *rows, int from, int n, bool wide)
{
	const int32_t *pick = rows->pick;
	int			m = n - from < kernel->lanes ? n - from : kernel->lanes;
	bool		scattered = m > 0 && pick != NULL && pick[from + m - 1] - pick[from] != m - 1;

	if (!scattered && !wide)
		return (KmScoreAhead) {*rows, 0, 0};
	return (KmScoreAhead) {km_score_from(rows, from, kernel->space->d), m, 0};
}

/* the `left` rows whose places are in kernel->left, in dense tiles */
static void
kernel_left(KmKernel *kernel, KernelLevel level, KmScoreRows rows, int left,
			uint16_t *label, float *gap)
{
	uint16_t	nearest[KERNEL_BATCH];
	float		promise[KERNEL_BATCH];

	for (int i = 0; i < left; i++)
		kernel->pick[i] = km_score_place(&rows, kernel->left[i]);
	rows.pick = kernel->pick;
	kernel_tiles(kernel, level, &rows, left, nearest, promise);
	for (int i = 0; i < left; i++)
	{
		label[kernel->left[i]] = nearest[i];
		gap[kernel->left[i]] = promise[i];
	}
}

void
km_kernel_assign(KmKernel *kernel, const double *values, int nrows,
				 int32_t *label, double *dist2, double *z)
{
	size_t		d = (size_t) kernel->space->d;
	uint16_t	nearest[KM_TILE];
	float		gap[KM_TILE];

	for (int start = 0; start < nrows; start += kernel->lanes)
	{
		int			n = nrows - start < kernel->lanes ? nrows - start : kernel->lanes;
		KmScoreRows rows = {values + start * d, NULL, NULL};
		KernelTile	tile;

		if (kernel->k > KERNEL_DIRECT_K)
			kernel_search(kernel, &rows, n, nearest, gap);
		rows.pick = kernel->all;
		tile = kernel_tile(kernel, rows, n);
		if (kernel->k > KERNEL_DIRECT_K)
		{
			for (int i = 0; i < n; i++)
				label[start + i] = nearest[i];
			km_definition_own(kernel->definition, tile.rows.doubles, tile.rows.pick, n,
							  label + start, dist2 + start);
		}
		else
			km_definition_nearest(kernel->definition, tile.rows.doubles, tile.rows.pick, n,
								  label + start, dist2 + start);
		if (z != NULL)
			kernel_copy(kernel, &tile, z + start * d);
	}
}

void
km_kernel_own(KmKernel *kernel, const double *values, int nrows,
			  const uint16_t *label, double *dist2, double *z)
{
	size_t		d = (size_t) kernel->space->d;
	int32_t		own[KM_TILE];

	for (int start = 0; start < nrows; start += kernel->lanes)
	{
		int			n = nrows - start < kernel->lanes ? nrows - start : kernel->lanes;
		KernelTile	tile = kernel_tile(kernel, (KmScoreRows) {values + start * d, NULL,
													  kernel->all}, n);

		for (int i = 0; i < n; i++)
			own[i] = label[start + i];
		km_definition_own(kernel->definition, tile.rows.doubles, tile.rows.pick, n,
						  own, dist2 + start);
		if (z != NULL)
			kernel_copy(kernel, &tile, z + start * d);
	}
}

void
km_kernel_all(KmKernel *kernel, const double *values, int nrows, double *all)
{
	size_t		d = (size_t) kernel->space->d;

	for (int start = 0; start < nrows; start += kernel->lanes)
	{
		int			n = nrows - start < kernel->lanes ? nrows - start : kernel->lanes;
		KernelTile	tile = kernel_tile(kernel, (KmScoreRows) {values + start * d, NULL,
													  kernel->all}, n);

		km_definition_all(kernel->definition, tile.rows.doubles, tile.rows.pick, n,
						  all + (size_t) start * kernel->k);
	}
}

/* ---- Labels ---- */

/* bring up to `lanes` rows into the space */
static KernelTile
kernel_tile(KmKernel *kernel, KmScoreRows rows, int n)
{
	return km_space_identity(kernel->space) ? (KernelTile) {rows, n} :
		kernel_widen(kernel, rows, n);
}

/* the same, as doubles in any case */
static KernelTile
kernel_widen(KmKernel *kernel, KmScoreRows rows, int n)
{
	size_t		d = (size_t) kernel->space->d;

	if (kernel->z == NULL)
		kernel->z = km_team_alloc(kernel->team, d * sizeof(double),
								  d <= KM_SCORE_FEW ? KERNEL_BATCH : kernel->lanes);
	for (int i = 0; i < n; i++)
	{
		double	   *z = kernel->z + i * d;
		const double *x = z;

		size_t		at = km_score_place(&rows, i) * d;

		if (rows.floats != NULL)
			km_rows_widen(rows.floats + at, z, d);
		else
			x = rows.doubles + at;
		/* no length is 0: such rows are not accepted */
		km_space_row(kernel->space, x, z);
	}
	kernel_worked(kernel, n * d);
	return (KernelTile) {{kernel->z, NULL, n <= KM_TILE ? kernel->all : NULL}, n};
}

/* a row of a tile of doubles */
static const double *
kernel_row(const KmKernel *kernel, const KernelTile *tile, int i)
{
	return tile->rows.doubles + (size_t) tile->rows.pick[i] * kernel->space->d;
}

static void
kernel_copy(const KmKernel *kernel, const KernelTile *tile, double *z)
{
	size_t		d = (size_t) kernel->space->d;

	for (int i = 0; i < tile->n; i++)
		memcpy(z + i * d, kernel_row(kernel, tile, i), d * sizeof(double));
}

/* quickly where that is proof enough, and the rest by definition */
static void
kernel_label(KmKernel *kernel, KernelLevel level, const KernelTile *tile,
			 uint16_t *label, float *gap, KmScoreAhead *ahead)
{
	KernelRest	rest;

	rest.n = tile->n;
	for (; level < KERNEL_DEFINITION && rest.n > 0; level++)
		if (kernel_usable(kernel, level))
		{
			int			tried = rest.n;

			kernel_quick(kernel, level, tile, &rest, label, gap, ahead);
			kernel_judge(kernel, level, tried, rest.n);
		}
	if (rest.n > 0)
		kernel_slow(kernel, tile, &rest, label, gap);
}

/* decide what can be decided on this level */
static void
kernel_quick(KmKernel *kernel, KernelLevel level, const KernelTile *tile,
			 KernelRest *rest, uint16_t *label, float *gap, KmScoreAhead *ahead)
{
	bool		whole = rest->n == tile->n;
	uint16_t	nearest[KM_TILE];
	float		promise[KM_TILE];
	KmScoreRows rows = tile->rows;
	int			n = rest->n;

	if (!whole)
		rows.pick = rest->pick;
	rest->n = 0;
	if (km_score_rows(kernel->score[level - KERNEL_FLOAT], &rows, n, whole ? label : nearest,
					  whole ? gap : promise, ahead) && whole)
		return;					/* most tiles */
	for (int i = 0; i < n; i++)
	{
		int			place = whole ? i : rest->place[i];

		if (!whole)
		{
			label[place] = nearest[i];
			gap[place] = promise[i];
		}
		rest->pick[rest->n] = km_score_place(&rows, i);
		rest->place[rest->n] = place;
		rest->n += !(gap[place] > 0);
	}
}

/* by definition */
static void
kernel_slow(KmKernel *kernel, const KernelTile *tile, const KernelRest *rest,
			uint16_t *label, float *gap)
{
	bool		whole = rest->n == tile->n;
	int32_t		nearest[KM_TILE];
	double		dist2[KM_TILE];
	KernelTile	left = *tile;

	left.n = rest->n;
	if (!whole)
		left.rows.pick = rest->pick;
	else if (left.rows.pick == NULL)
		left.rows.pick = kernel->all;
	if (left.rows.floats != NULL)
		left = kernel_widen(kernel, left.rows, left.n);
	km_definition_nearest(kernel->definition, left.rows.doubles, left.rows.pick, left.n,
						  nearest, dist2);
	for (int i = 0; i < left.n; i++)
	{
		int			place = whole ? i : rest->place[i];

		label[place] = (uint16_t) nearest[i];
		gap[place] = 0;
	}
}

/*
 * Where a level leaves many rows undecided (float: values that need more
 * digits; double: ties), the next tiles start with the one after it.
 */
static void
kernel_judge(KmKernel *kernel, KernelLevel level, int tried, int failed)
{
	if (level != kernel->level)
		return;
	kernel->tried += tried;
	kernel->failed += failed;
	if (kernel->tried >= KERNEL_TRIAL_ROWS)
	{
		if (kernel->failed > kernel->tried / (level == KERNEL_COARSE ? KERNEL_MOST_COARSE :
											  KERNEL_MOST_FAILED))
			kernel->level++;
		kernel->tried = 0;
		kernel->failed = 0;
	}
}

/* make a level ready for the centroids */
static bool
kernel_usable(KmKernel *kernel, KernelLevel level)
{
	if (!kernel->scored[level])
	{
		kernel_centre(kernel);
		kernel->fits[level] = kernel->unit >= KERNEL_LEAST_UNIT &&
			kernel->unit <= KERNEL_MOST_UNIT && kernel_ready(kernel, level);
		kernel->scored[level] = true;
	}
	return kernel->fits[level];
}

static bool
kernel_ready(KmKernel *kernel, KernelLevel level)
{
	int			d = kernel->space->d;
	KmScore   **score;

	if (level == KERNEL_COARSE)
	{
		if (kernel->coarse == NULL)
			kernel->coarse = km_coarse_create(kernel->team, d, kernel->max_k, kernel->lanes);
		return km_coarse_set(kernel->coarse, kernel->centroids, kernel->k, kernel->centre,
							 kernel->unit);
	}
	score = &kernel->score[level - KERNEL_FLOAT];
	if (*score == NULL)
		*score = km_score_create(kernel->team, (KmScorePrecision) (level - KERNEL_FLOAT), d,
								 kernel->max_k, kernel->lanes);
	return km_score_set(*score, kernel->centroids, kernel->k, kernel->centre, kernel->unit);
}

/*
 * The mean of the centroids, for a centre, and with the first centroids the
 * unit: one over the power of two that covers their distances from it.  (The
 * gaps of later passes are compared with those of earlier ones, so the unit
 * stays.)
 */
static void
kernel_centre(KmKernel *kernel)
{
	int			d = kernel->space->d;
	double	   *centre = kernel->centre;
	double		most = 0;

	for (int t = 0; t < d; t++)
		centre[t] = 0;
	for (int j = 0; j < kernel->k; j++)
		for (int t = 0; t < d; t++)
			centre[t] += kernel->centroids[(size_t) j * d + t];
	for (int t = 0; t < d; t++)
		centre[t] /= kernel->k;
	if (kernel->unit != 0)
		return;
	for (int j = 0; j < kernel->k; j++)
	{
		double		dist2 = km_kernel_dist2(kernel->centroids + (size_t) j * d, centre, d);

		most = dist2 > most ? dist2 : most;
	}
	kernel->unit = km_bits_pow2(-km_bits_cover(sqrt(most)));
}

static void
kernel_worked(KmKernel *kernel, size_t work)
{
	kernel->work += work;
	if (kernel->work >= KERNEL_CHECK_WORK)
	{
		kernel->work = 0;
		km_team_check(kernel->team);
	}
}
