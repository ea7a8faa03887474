/*
 * kernel.c
 *		Distances from rows to centroids, nearest and second nearest.
 *
 * A tile of rows is decided on up to four levels, each for the rows that the
 * one before could not decide: in whole numbers of 16 bits (coarse.c; rows with
 * many features, against many centroids, on some processors), scored in float, scored in double
 * (score.c), and by definition.  All but the last come with a proof for each row
 * that the definition would agree; what is left are ties and near ties.  This
 * file is the last level, and the way from one to the next.  What the first
 * leaves of some tiles is put together into new tiles.
 *
 * There rows are transposed into a tile:
 *
 *		tile[t * lanes + i]		feature t of row i
 *
 * so that one vector holds the same feature of several rows and no sum ever
 * runs across a vector.  Centroids are packed in groups, feature by feature:
 *
 *		group 0: c0[0] c1[0] .. c7[0]  c0[1] c1[1] .. c7[1] ...
 *		group 1: ...
 *
 * so that a step broadcasts from consecutive memory.  The last group may be a
 * small one; its missing centroids are NaN, which is never nearer.
 *
 * A tile has 64 lanes up to 2,048 features, beyond that fewer, so that it
 * stays within 2 MB and near the second-level cache.
 *
 * The definition's loops are in kernel_body.h, instantiated per instruction
 * set.  All give equal bits.
 */
#include "core/kernel.h"

#include <math.h>
#include <string.h>

#include "core/bits.h"
#include "core/coarse.h"
#include "core/score.h"
#include "core/simd.h"

#define KERNEL_GROUP		8	/* centroids per step */
#define KERNEL_SMALL_GROUP	4	/* in the last group, if that is enough */
#define KERNEL_MIN_LANES	16	/* rows in the widest vector of floats */
#define KERNEL_STEP			8	/* and of doubles */
#define KERNEL_DIRECT_K		8	/* so few centroids go by definition at once */
#define KERNEL_TRIAL_ROWS	4096	/* after which a level is judged */
#define KERNEL_MOST_FAILED	4	/* it may leave one in so many undecided, */
#define KERNEL_MOST_COARSE	2	/* or, where it is much quicker, one in so many */
#define KERNEL_BATCH	1024	/* rows whose undecided ones are put together */
#define KERNEL_LEAST_UNIT	0x1p-520	/* see score.c */
#define KERNEL_MOST_UNIT	0x1p400
#define KERNEL_TILE_VALUES	(128 * 1024)	/* 1 MB */
#define KERNEL_CHECK_WORK	(1 << 20)	/* multiply-adds between checks */

typedef void (*KernelNearest) (const double *tile, int lanes, int used, int d,
							   const double *packed, int64_t first,
							   double *best, int64_t *label);
typedef void (*KernelAll) (const double *tile, int lanes, int used, int d,
						   const double *packed, double *out);

typedef struct KernelBody
{
	KernelNearest nearest8;
	KernelNearest nearest4;
	KernelAll	all8;
	KernelAll	all4;
} KernelBody;

#define BODY_NAME(name)	name##_generic
#define BODY_TARGET
#define BODY_WIDTH		16
#include "core/kernel_body.h"

#if defined(__x86_64__)
#define BODY_NAME(name)	name##_avx2
#define BODY_TARGET		__attribute__((target("avx2")))
#define BODY_WIDTH		32
#include "core/kernel_body.h"

#define BODY_NAME(name)	name##_avx512
#define BODY_TARGET		__attribute__((target("avx512f,avx512dq,avx512vl")))
#define BODY_WIDTH		64
#include "core/kernel_body.h"
#endif

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

/* those of a tile that are not decided yet */
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
	const KernelBody *body;
	int			max_k;
	int			k;
	int			lanes;			/* of a full tile */
	size_t		work;			/* multiply-adds since the last check */
	double	   *centroids;		/* k x d */

	/* the definition's */
	double	   *packed;			/* the centroids in groups */
	bool		is_packed;
	double	   *tile;			/* d x lanes */
	double	   *best;			/* KM_TILE */
	int64_t    *label;			/* KM_TILE */
	int32_t		all[KM_TILE];	/* 0, 1, 2, ...: picks all rows */
	int32_t		left[KERNEL_BATCH];	/* rows that the first level left: places, */
	int32_t		pick[KERNEL_BATCH];	/* and picks */
	double	   *distances;		/* KERNEL_GROUP x KM_TILE */

	double	   *z;				/* lanes x d: rows brought into the space, or
								 * widened; NULL: not needed so far */

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

typedef double KernelPair __attribute__((vector_size(16), aligned(8), may_alias));

static const KernelBody *kernel_body(KmSimd simd);
static void kernel_centre(KmKernel *kernel);
static void kernel_pack(KmKernel *kernel);
static void kernel_search(KmKernel *kernel, const KmScoreRows *rows, int n,
						  int32_t *label, float *gap);
static int	kernel_coarse(KmKernel *kernel, const KmScoreRows *rows, int n,
						  int32_t *label, float *gap);
static void kernel_fine(KmKernel *kernel, KmScoreRows rows, int n, int left,
						int32_t *label, float *gap);
static KernelTile kernel_tile(KmKernel *kernel, KmScoreRows rows, int n);
static KernelTile kernel_widen(KmKernel *kernel, KmScoreRows rows, int n);
static const double *kernel_row(const KmKernel *kernel, const KernelTile *tile, int i);
static void kernel_copy(const KmKernel *kernel, const KernelTile *tile, double *z);
static void kernel_label(KmKernel *kernel, const KernelTile *tile, int32_t *label,
						 float *gap, KmScoreAhead *ahead);
static void kernel_quick(KmKernel *kernel, KernelLevel level,
						 const KernelTile *tile, KernelRest *rest,
						 int32_t *label, float *gap, KmScoreAhead *ahead);
static void kernel_judge(KmKernel *kernel, KernelLevel level, int tried, int failed);
static bool kernel_usable(KmKernel *kernel, KernelLevel level);
static bool kernel_ready(KmKernel *kernel, KernelLevel level);
static void kernel_define(KmKernel *kernel, const KernelTile *tile);
static void kernel_own(KmKernel *kernel, const KernelTile *tile,
					   const int32_t *label, double *dist2);
static int	kernel_fill(KmKernel *kernel, const KernelTile *tile);
static inline void kernel_transpose(const double *a, const double *b, int d,
									double *tile, int lanes);
static void kernel_worked(KmKernel *kernel, size_t work);

static inline int
kernel_group(const KmKernel *kernel, int first)
{
	return kernel->k - first > KERNEL_SMALL_GROUP ? KERNEL_GROUP : KERNEL_SMALL_GROUP;
}

KmKernel *
km_kernel_create(KmTeam *team, const KmSpace *space, int max_k)
{
	KmKernel   *kernel = km_team_alloc(team, 1, sizeof(KmKernel));
	size_t		d = (size_t) space->d;
	size_t		groups = ((size_t) max_k + KERNEL_GROUP - 1) / KERNEL_GROUP;

	kernel->team = team;
	kernel->space = space;
	kernel->body = kernel_body(km_simd_of(team));
	kernel->max_k = max_k;
	kernel->k = 0;
	kernel->work = 0;
	kernel->lanes = KM_TILE;
	while (kernel->lanes > KERNEL_MIN_LANES &&
		   kernel->lanes * d > KERNEL_TILE_VALUES)
		kernel->lanes /= 2;
	kernel->centroids = km_team_alloc(team, max_k * d, sizeof(double));
	kernel->packed = km_team_alloc(team, groups * d,
								   KERNEL_GROUP * sizeof(double));
	kernel->tile = km_team_alloc(team, d * kernel->lanes, sizeof(double));
	kernel->best = km_team_alloc(team, KM_TILE, sizeof(double));
	kernel->label = km_team_alloc(team, KM_TILE, sizeof(int64_t));
	kernel->distances = km_team_alloc(team, KERNEL_GROUP * KM_TILE,
									  sizeof(double));
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
	kernel->is_packed = false;
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
	km_team_release(team, kernel->distances);
	km_team_release(team, kernel->label);
	km_team_release(team, kernel->best);
	km_team_release(team, kernel->tile);
	km_team_release(team, kernel->packed);
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
				const int32_t *pick, int n, int32_t *label, float *gap)
{
	int			d = kernel->space->d;
	KmScoreRows rows = {
		.doubles = chunk->values != NULL ? chunk->values + start * d : NULL,
		.floats = chunk->values != NULL ? NULL : chunk->floats + start * d
	};

	for (int first = 0, m; first < n; first += m)
	{
		m = n - first < KERNEL_BATCH ? n - first : KERNEL_BATCH;
		rows.pick = pick + first;
		kernel_search(kernel, &rows, m, label + first, gap + first);
	}
}

/* labels and gaps of n <= KERNEL_BATCH raw rows */
static void
kernel_search(KmKernel *kernel, const KmScoreRows *rows, int n, int32_t *label,
			  float *gap)
{
	int			left = kernel_coarse(kernel, rows, n, label, gap);

	kernel_fine(kernel, *rows, n, left, label, gap);
}

/*
 * On the first level, where it is the one to start with: labels and gaps of n rows,
 * and into kernel->left the places of those that are not decided.  Returns how
 * many they are.
 */
static int
kernel_coarse(KmKernel *kernel, const KmScoreRows *rows, int n, int32_t *label,
			  float *gap)
{
	int			left = 0;
	int			m;

	for (int first = 0; first < n; first += m)
	{
		int32_t		nearest[KM_TILE];
		float		promise[KM_TILE];
		KmScoreRows these = {rows->doubles, rows->floats, rows->pick + first};
		KmScoreAhead ahead = {*rows, 0, 0};
		int			before = left;

		m = n - first < kernel->lanes ? n - first : kernel->lanes;
		ahead.n = n - first - m < kernel->lanes ? n - first - m : kernel->lanes;
		ahead.rows.pick += first + m;
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
				label[first + i] = nearest[i];
				gap[first + i] = promise[i];
			}
		}
		kernel_judge(kernel, KERNEL_COARSE, m, left - before);
	}
	return left;
}

/* the `left` rows whose places are in kernel->left, in dense tiles */
static void
kernel_fine(KmKernel *kernel, KmScoreRows rows, int n, int left, int32_t *label,
			float *gap)
{
	const int32_t *pick = rows.pick;
	int			lanes = kernel->lanes;

	for (int i = 0; i < left; i++)
		kernel->pick[i] = pick[kernel->left[i]];
	for (int first = 0; first < left; first += lanes)
	{
		int			m = left - first < lanes ? left - first : lanes;
		int			after = first + m;
		KmScoreAhead ahead = {rows, left - after < lanes ? left - after : lanes, 0};
		int32_t		nearest[KM_TILE];
		float		promise[KM_TILE];
		KernelTile	tile;

		rows.pick = kernel->pick + first;
		ahead.rows.pick = kernel->pick + after;
		tile = kernel_tile(kernel, rows, m);
		if (left == n)
		{
			/* all of them, in their order */
			kernel_label(kernel, &tile, label + first, gap + first, &ahead);
			continue;
		}
		kernel_label(kernel, &tile, nearest, promise, &ahead);
		for (int i = 0; i < m; i++)
		{
			label[kernel->left[first + i]] = nearest[i];
			gap[kernel->left[first + i]] = promise[i];
		}
	}
}

void
km_kernel_assign(KmKernel *kernel, const double *values, int nrows,
				 int32_t *label, double *dist2, double *z)
{
	size_t		d = (size_t) kernel->space->d;
	float		gap[KM_TILE];

	for (int start = 0; start < nrows; start += kernel->lanes)
	{
		int			n = nrows - start < kernel->lanes ? nrows - start : kernel->lanes;
		KmScoreRows rows = {values + start * d, NULL, kernel->all};
		KernelTile	tile;

		if (kernel->k > KERNEL_DIRECT_K)
			kernel_search(kernel, &rows, n, label + start, gap);
		tile = kernel_tile(kernel, rows, n);
		if (kernel->k > KERNEL_DIRECT_K)
			kernel_own(kernel, &tile, label + start, dist2 + start);
		else
		{
			kernel_define(kernel, &tile);
			for (int i = 0; i < n; i++)
			{
				label[start + i] = (int32_t) kernel->label[i];
				dist2[start + i] = kernel->best[i];
			}
		}
		if (z != NULL)
			kernel_copy(kernel, &tile, z + start * d);
	}
}

void
km_kernel_own(KmKernel *kernel, const double *values, int nrows,
			  const int32_t *label, double *dist2, double *z)
{
	size_t		d = (size_t) kernel->space->d;

	for (int start = 0; start < nrows; start += kernel->lanes)
	{
		int			n = nrows - start < kernel->lanes ? nrows - start : kernel->lanes;
		KernelTile	tile = kernel_tile(kernel, (KmScoreRows) {values + start * d, NULL,
													  kernel->all}, n);

		kernel_own(kernel, &tile, label + start, dist2 + start);
		if (z != NULL)
			kernel_copy(kernel, &tile, z + start * d);
	}
}

void
km_kernel_all(KmKernel *kernel, const double *values, int nrows, double *all)
{
	int			d = kernel->space->d;
	size_t		k = (size_t) kernel->k;

	kernel_pack(kernel);
	for (int start = 0; start < nrows; start += kernel->lanes)
	{
		int			rows = nrows - start < kernel->lanes ? nrows - start : kernel->lanes;
		const double *packed = kernel->packed;
		KernelTile	tile = kernel_tile(kernel, (KmScoreRows) {values + (size_t) start * d,
													  NULL, kernel->all}, rows);
		int			used = kernel_fill(kernel, &tile);

		for (int first = 0; first < kernel->k; first += KERNEL_GROUP)
		{
			int			group = kernel_group(kernel, first);
			int			real = kernel->k - first < group ? kernel->k - first : group;
			KernelAll	all_body = group == KERNEL_GROUP ?
				kernel->body->all8 : kernel->body->all4;

			all_body(kernel->tile, kernel->lanes, used, d, packed,
					 kernel->distances);
			for (int i = 0; i < rows; i++)
				for (int c = 0; c < real; c++)
					all[(start + i) * k + first + c] =
						kernel->distances[c * KM_TILE + i];
			packed += (size_t) d * group;
			kernel_worked(kernel, (size_t) used * d * group);
		}
	}
}

static const KernelBody *
kernel_body(KmSimd simd)
{
	switch (simd)
	{
#if defined(__x86_64__)
		case KM_SIMD_AVX512:
			return &kernel_body_avx512;
		case KM_SIMD_AVX2:
			return &kernel_body_avx2;
#endif
		default:
			return &kernel_body_generic;
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
		kernel->z = km_team_alloc(kernel->team, d * kernel->lanes, sizeof(double));
	for (int i = 0; i < n; i++)
	{
		double	   *z = kernel->z + i * d;
		const double *x = z;

		if (rows.floats != NULL)
			km_rows_widen(rows.floats + rows.pick[i] * d, z, d);
		else
			x = rows.doubles + rows.pick[i] * d;
		/* no length is 0: such rows are not accepted */
		km_space_row(kernel->space, x, z);
	}
	kernel_worked(kernel, n * d);
	return (KernelTile) {{kernel->z, NULL, kernel->all}, n};
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
kernel_label(KmKernel *kernel, const KernelTile *tile, int32_t *label, float *gap,
			 KmScoreAhead *ahead)
{
	KernelRest	rest;

	rest.n = tile->n;
	memcpy(rest.pick, tile->rows.pick, tile->n * sizeof(int32_t));
	memcpy(rest.place, kernel->all, tile->n * sizeof(int32_t));
	for (KernelLevel level = kernel->level > KERNEL_FLOAT ? kernel->level : KERNEL_FLOAT;
		 level < KERNEL_DEFINITION && rest.n > 0; level++)
		if (kernel_usable(kernel, level))
		{
			int			tried = rest.n;

			kernel_quick(kernel, level, tile, &rest, label, gap, ahead);
			kernel_judge(kernel, level, tried, rest.n);
		}
	if (rest.n > 0)
	{
		KernelTile	left = {{tile->rows.doubles, tile->rows.floats, rest.pick}, rest.n};

		if (left.rows.floats != NULL)
			left = kernel_widen(kernel, left.rows, left.n);
		kernel_define(kernel, &left);
	}
	for (int i = 0; i < rest.n; i++)
	{
		label[rest.place[i]] = (int32_t) kernel->label[i];
		gap[rest.place[i]] = 0;
	}
}

/* decide what can be decided on this level */
static void
kernel_quick(KmKernel *kernel, KernelLevel level, const KernelTile *tile,
			 KernelRest *rest, int32_t *label, float *gap, KmScoreAhead *ahead)
{
	int32_t		nearest[KM_TILE];
	float		promise[KM_TILE];
	int			n = rest->n;
	int			left = 0;
	KmScoreRows rows = {tile->rows.doubles, tile->rows.floats, rest->pick};

	if (km_score_rows(kernel->score[level - KERNEL_FLOAT], &rows, n, nearest, promise,
					  ahead) &&
		n == tile->n)
	{
		/* most tiles */
		memcpy(label, nearest, n * sizeof(int32_t));
		memcpy(gap, promise, n * sizeof(float));
		rest->n = 0;
		return;
	}
	for (int i = 0; i < n; i++)
	{
		label[rest->place[i]] = nearest[i];
		gap[rest->place[i]] = promise[i];
		rest->pick[left] = rest->pick[i];
		rest->place[left] = rest->place[i];
		left += !(promise[i] > 0);
	}
	rest->n = left;
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

/* the nearest centroids by definition, into best and label */
static void
kernel_define(KmKernel *kernel, const KernelTile *tile)
{
	int			d = kernel->space->d;
	const double *packed = kernel->packed;
	int			used = kernel_fill(kernel, tile);

	kernel_pack(kernel);
	for (int i = 0; i < used; i++)
	{
		kernel->best[i] = INFINITY;
		kernel->label[i] = 0;
	}
	for (int first = 0; first < kernel->k; first += KERNEL_GROUP)
	{
		int			group = kernel_group(kernel, first);
		KernelNearest nearest = group == KERNEL_GROUP ?
			kernel->body->nearest8 : kernel->body->nearest4;

		nearest(kernel->tile, kernel->lanes, used, d, packed, first,
				kernel->best, kernel->label);
		packed += (size_t) d * group;
		kernel_worked(kernel, (size_t) used * d * group);
	}
}

/*
 * The rows' squared distances to given centroids.  Four at a time: each sum
 * has to wait for its own additions only.
 */
static void
kernel_own(KmKernel *kernel, const KernelTile *tile, const int32_t *label,
		   double *dist2)
{
	int			d = kernel->space->d;
	int			n = tile->n;

	for (int i = 0; i < n; i += 4)
	{
		const double *z[4];
		const double *c[4];
		double		sum[4] = {0, 0, 0, 0};

		for (int r = 0; r < 4; r++)
		{
			int			from = i + r < n ? i + r : n - 1;

			z[r] = kernel_row(kernel, tile, from);
			c[r] = kernel->centroids + (size_t) label[from] * d;
		}
		for (int t = 0; t < d; t++)
			for (int r = 0; r < 4; r++)
				sum[r] += (z[r][t] - c[r][t]) * (z[r][t] - c[r][t]);
		for (int r = 0; r < 4 && i + r < n; r++)
			dist2[i + r] = sum[r];
	}
	kernel_worked(kernel, (size_t) n * d);
}

/* ---- Tiles of the definition ---- */

static void
kernel_pack(KmKernel *kernel)
{
	size_t		d = (size_t) kernel->space->d;
	int			k = kernel->k;
	double	   *packed = kernel->packed;

	if (kernel->is_packed)
		return;
	for (int first = 0; first < k; first += KERNEL_GROUP)
	{
		int			group = kernel_group(kernel, first);

		for (size_t t = 0; t < d; t++)
			for (int c = 0; c < group; c++)
				*packed++ = first + c < k ?
					kernel->centroids[(first + c) * d + t] : NAN;
		kernel_worked(kernel, d * group);
	}
	kernel->is_packed = true;
}

/*
 * Rows into the tile.  Returns the number of lanes in use, a multiple of the
 * widest vector; those without a row hold zeros.
 */
static int
kernel_fill(KmKernel *kernel, const KernelTile *tile)
{
	int			d = kernel->space->d;
	int			n = tile->n;
	int			lanes = kernel->lanes;
	int			used = (n + KERNEL_STEP - 1) / KERNEL_STEP * KERNEL_STEP;

	/* an odd last row goes twice */
	for (int i = 0; i < n; i += 2)
		kernel_transpose(kernel_row(kernel, tile, i),
						 kernel_row(kernel, tile, i + 1 < n ? i + 1 : i),
						 d, kernel->tile + i, lanes);
	for (int t = 0; t < d; t++)
		for (int i = n; i < used; i++)
			kernel->tile[(size_t) t * lanes + i] = 0;
	kernel_worked(kernel, (size_t) n * d);
	return used;
}

/* two rows at a time, in squares of two by two */
static inline void
kernel_transpose(const double *a, const double *b, int d, double *tile, int lanes)
{
	int			t;

	for (t = 0; t + 1 < d; t += 2)
	{
		KernelPair	x = *(const KernelPair *) (a + t);
		KernelPair	y = *(const KernelPair *) (b + t);

		*(KernelPair *) (tile + (size_t) t * lanes) = (KernelPair) {x[0], y[0]};
		*(KernelPair *) (tile + (size_t) (t + 1) * lanes) = (KernelPair) {x[1], y[1]};
	}
	if (t < d)
		*(KernelPair *) (tile + (size_t) t * lanes) = (KernelPair) {a[t], b[t]};
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
