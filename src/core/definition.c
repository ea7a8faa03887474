/*
 * definition.c
 *		Squared distances by definition.
 *
 * Rows are transposed into a tile:
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
 * small one; its missing centroids are NaN, which is never nearer.  They are
 * packed when they are first needed.
 *
 * The loops are in definition_body.h, instantiated per instruction set.  All give
 * equal bits.
 */
#include "core/definition.h"

#include <math.h>

#include "core/rows.h"
#include "core/simd.h"

#define DEFINITION_GROUP		8	/* centroids per step */
#define DEFINITION_SMALL_GROUP	4	/* in the last group, if that is enough */
#define DEFINITION_STEP			8	/* rows in the widest vector of doubles */
#define DEFINITION_CHECK_WORK	(1 << 20)	/* multiply-adds between checks */

typedef void (*DefinitionNearest) (const double *tile, int lanes, int used, int d,
							   const double *packed, int64_t first,
							   double *best, int64_t *label);
typedef void (*DefinitionAll) (const double *tile, int lanes, int used, int d,
						   const double *packed, double *out);

typedef struct DefinitionBody
{
	DefinitionNearest nearest8;
	DefinitionNearest nearest4;
	DefinitionAll	all8;
	DefinitionAll	all4;
} DefinitionBody;

#define BODY_NAME(name)	name##_generic
#define BODY_TARGET
#define BODY_WIDTH		16
#include "core/definition_body.h"

#if defined(__x86_64__)
#define BODY_NAME(name)	name##_avx2
#define BODY_TARGET		__attribute__((target("avx2")))
#define BODY_WIDTH		32
#include "core/definition_body.h"

#define BODY_NAME(name)	name##_avx512
#define BODY_TARGET		__attribute__((target("avx512f,avx512dq,avx512vl")))
#define BODY_WIDTH		64
#include "core/definition_body.h"
#endif

struct KmDefinition
{
	KmTeam	   *team;
	const DefinitionBody *body;
	int			d;
	int			k;
	int			lanes;			/* of a full tile */
	size_t		work;			/* multiply-adds since the last check */
	const double *centroids;	/* k x d, the caller's */
	double	   *packed;			/* the centroids in groups */
	bool		is_packed;
	double	   *tile;			/* d x lanes */
	double	   *best;			/* KM_TILE */
	int64_t    *label;			/* KM_TILE */
	double	   *distances;		/* DEFINITION_GROUP x KM_TILE */
};

typedef double DefinitionPair __attribute__((vector_size(16), aligned(8), may_alias));

static const DefinitionBody *definition_body(KmSimd simd);
static void definition_pack(KmDefinition *definition);
static int	definition_fill(KmDefinition *definition, const double *rows,
							const int32_t *pick, int n);
static inline void definition_transpose(const double *a, const double *b, int d,
										double *tile, int lanes);
static void definition_worked(KmDefinition *definition, size_t work);

static inline int
definition_group(const KmDefinition *definition, int first)
{
	return definition->k - first > DEFINITION_SMALL_GROUP ?
		DEFINITION_GROUP : DEFINITION_SMALL_GROUP;
}

KmDefinition *
km_definition_create(KmTeam *team, int d, int max_k, int lanes)
{
	KmDefinition *definition = km_team_alloc(team, 1, sizeof(KmDefinition));
	size_t		groups = ((size_t) max_k + DEFINITION_GROUP - 1) / DEFINITION_GROUP;

	definition->team = team;
	definition->body = definition_body(km_simd_of(team));
	definition->d = d;
	definition->k = 0;
	definition->lanes = lanes;
	definition->work = 0;
	definition->packed = km_team_alloc(team, groups * d,
									   DEFINITION_GROUP * sizeof(double));
	definition->tile = km_team_alloc(team, (size_t) d * lanes, sizeof(double));
	definition->best = km_team_alloc(team, KM_TILE, sizeof(double));
	definition->label = km_team_alloc(team, KM_TILE, sizeof(int64_t));
	definition->distances = km_team_alloc(team, DEFINITION_GROUP * KM_TILE,
										  sizeof(double));
	return definition;
}

void
km_definition_free(KmDefinition *definition)
{
	KmTeam	   *team = definition->team;

	km_team_release(team, definition->distances);
	km_team_release(team, definition->label);
	km_team_release(team, definition->best);
	km_team_release(team, definition->tile);
	km_team_release(team, definition->packed);
	km_team_release(team, definition);
}

void
km_definition_set(KmDefinition *definition, const double *centroids, int k)
{
	definition->centroids = centroids;
	definition->k = k;
	definition->is_packed = false;
}

void
km_definition_nearest(KmDefinition *definition, const double *rows,
					  const int32_t *pick, int n, int32_t *label, double *dist2)
{
	int			d = definition->d;
	const double *packed = definition->packed;
	int			used = definition_fill(definition, rows, pick, n);

	definition_pack(definition);
	for (int i = 0; i < used; i++)
	{
		definition->best[i] = INFINITY;
		definition->label[i] = 0;
	}
	for (int first = 0; first < definition->k; first += DEFINITION_GROUP)
	{
		int			group = definition_group(definition, first);
		DefinitionNearest nearest = group == DEFINITION_GROUP ?
			definition->body->nearest8 : definition->body->nearest4;

		nearest(definition->tile, definition->lanes, used, d, packed, first,
				definition->best, definition->label);
		packed += (size_t) d * group;
		definition_worked(definition, (size_t) used * d * group);
	}
	for (int i = 0; i < n; i++)
	{
		label[i] = (int32_t) definition->label[i];
		dist2[i] = definition->best[i];
	}
}

void
km_definition_all(KmDefinition *definition, const double *rows, const int32_t *pick,
				  int n, double *all)
{
	int			d = definition->d;
	int			k = definition->k;
	const double *packed = definition->packed;
	int			used = definition_fill(definition, rows, pick, n);

	definition_pack(definition);
	for (int first = 0; first < k; first += DEFINITION_GROUP)
	{
		int			group = definition_group(definition, first);
		int			real = k - first < group ? k - first : group;
		DefinitionAll all_body = group == DEFINITION_GROUP ?
			definition->body->all8 : definition->body->all4;

		all_body(definition->tile, definition->lanes, used, d, packed,
				 definition->distances);
		for (int i = 0; i < n; i++)
			for (int c = 0; c < real; c++)
				all[(size_t) i * k + first + c] =
					definition->distances[c * KM_TILE + i];
		packed += (size_t) d * group;
		definition_worked(definition, (size_t) used * d * group);
	}
}

/* four rows at a time: each sum has to wait for its own additions only */
void
km_definition_own(KmDefinition *definition, const double *rows, const int32_t *pick,
				  int n, const int32_t *label, double *dist2)
{
	size_t		d = (size_t) definition->d;

	for (int i = 0; i < n; i += 4)
	{
		const double *z[4];
		const double *c[4];
		double		sum[4] = {0, 0, 0, 0};

		for (int r = 0; r < 4; r++)
		{
			int			from = i + r < n ? i + r : n - 1;

			z[r] = rows + pick[from] * d;
			c[r] = definition->centroids + label[from] * d;
		}
		for (size_t t = 0; t < d; t++)
			for (int r = 0; r < 4; r++)
				sum[r] += (z[r][t] - c[r][t]) * (z[r][t] - c[r][t]);
		for (int r = 0; r < 4 && i + r < n; r++)
			dist2[i + r] = sum[r];
	}
	definition_worked(definition, n * d);
}

static const DefinitionBody *
definition_body(KmSimd simd)
{
	switch (simd)
	{
#if defined(__x86_64__)
		case KM_SIMD_AVX512:
			return &definition_body_avx512;
		case KM_SIMD_AVX2:
			return &definition_body_avx2;
#endif
		default:
			return &definition_body_generic;
	}
}

static void
definition_pack(KmDefinition *definition)
{
	size_t		d = (size_t) definition->d;
	int			k = definition->k;
	double	   *packed = definition->packed;

	if (definition->is_packed)
		return;
	for (int first = 0; first < k; first += DEFINITION_GROUP)
	{
		int			group = definition_group(definition, first);

		for (size_t t = 0; t < d; t++)
			for (int c = 0; c < group; c++)
				*packed++ = first + c < k ?
					definition->centroids[(first + c) * d + t] : NAN;
		definition_worked(definition, d * group);
	}
	definition->is_packed = true;
}

/*
 * Rows into the tile.  Returns the number of lanes in use, a multiple of the
 * widest vector; those without a row hold zeros.
 */
static int
definition_fill(KmDefinition *definition, const double *rows, const int32_t *pick,
				int n)
{
	int			d = definition->d;
	int			lanes = definition->lanes;
	int			used = (n + DEFINITION_STEP - 1) / DEFINITION_STEP * DEFINITION_STEP;

	/* an odd last row goes twice */
	for (int i = 0; i < n; i += 2)
		definition_transpose(rows + (size_t) pick[i] * d,
							 rows + (size_t) pick[i + 1 < n ? i + 1 : i] * d,
							 d, definition->tile + i, lanes);
	for (int t = 0; t < d; t++)
		for (int i = n; i < used; i++)
			definition->tile[(size_t) t * lanes + i] = 0;
	definition_worked(definition, (size_t) n * d);
	return used;
}

/* two rows at a time, in squares of two by two */
static inline void
definition_transpose(const double *a, const double *b, int d, double *tile, int lanes)
{
	int			t;

	for (t = 0; t + 1 < d; t += 2)
	{
		DefinitionPair	x = *(const DefinitionPair *) (a + t);
		DefinitionPair	y = *(const DefinitionPair *) (b + t);

		*(DefinitionPair *) (tile + (size_t) t * lanes) = (DefinitionPair) {x[0], y[0]};
		*(DefinitionPair *) (tile + (size_t) (t + 1) * lanes) = (DefinitionPair) {x[1], y[1]};
	}
	if (t < d)
		*(DefinitionPair *) (tile + (size_t) t * lanes) = (DefinitionPair) {a[t], b[t]};
}

static void
definition_worked(KmDefinition *definition, size_t work)
{
	definition->work += work;
	if (definition->work >= DEFINITION_CHECK_WORK)
	{
		definition->work = 0;
		km_team_check(definition->team);
	}
}
