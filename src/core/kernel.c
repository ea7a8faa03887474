/*
 * kernel.c
 *		Distances from rows to centroids, nearest and second nearest.
 *
 * Up to KM_TILE rows are brought into the space and transposed into a tile:
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
 * stays within 1 MB and in the second-level cache.
 *
 * The loops themselves are in kernel_body.h, instantiated per instruction
 * set; the widest that the CPU offers is taken.  All give equal bits.
 */
#include "core/kernel.h"

#include <math.h>
#include <string.h>

#define KERNEL_GROUP		8	/* centroids per step */
#define KERNEL_SMALL_GROUP	4	/* in the last group, if that is enough */
#define KERNEL_MIN_LANES	8	/* rows in the widest vector */
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

/* ascending: a CPU that can run one can run those before it */
static const KernelBody *const kernel_bodies[] = {
	&kernel_body_generic,
#if defined(__x86_64__)
	&kernel_body_avx2,
	&kernel_body_avx512
#endif
};

struct KmKernel
{
	KmTeam	   *team;
	const KmSpace *space;
	const KernelBody *body;
	int			k;
	int			lanes;			/* of a full tile */
	size_t		work;			/* multiply-adds since the last check */
	double	   *packed;			/* the centroids in groups */
	double	   *tile;			/* d x lanes */
	double	   *row;			/* 2 x d: rows in the space */
	double	   *best;			/* KM_TILE */
	int64_t    *label;			/* KM_TILE */
	double	   *distances;		/* KERNEL_GROUP x KM_TILE */
};

typedef double KernelPair __attribute__((vector_size(16), aligned(8), may_alias));

static int	kernel_fill(KmKernel *kernel, const double *values, int nrows,
						double *z);
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
	kernel->body = kernel_bodies[km_kernel_isas() - 1];
	kernel->k = 0;
	kernel->work = 0;
	kernel->lanes = KM_TILE;
	while (kernel->lanes > KERNEL_MIN_LANES &&
		   kernel->lanes * d > KERNEL_TILE_VALUES)
		kernel->lanes /= 2;
	kernel->packed = km_team_alloc(team, groups * d,
								   KERNEL_GROUP * sizeof(double));
	kernel->tile = km_team_alloc(team, d * kernel->lanes, sizeof(double));
	kernel->row = km_team_alloc(team, 2 * d, sizeof(double));
	kernel->best = km_team_alloc(team, KM_TILE, sizeof(double));
	kernel->label = km_team_alloc(team, KM_TILE, sizeof(int64_t));
	kernel->distances = km_team_alloc(team, KERNEL_GROUP * KM_TILE,
									  sizeof(double));
	return kernel;
}

void
km_kernel_set(KmKernel *kernel, const double *centroids, int k)
{
	size_t		d = (size_t) kernel->space->d;
	double	   *packed = kernel->packed;

	kernel->k = k;
	for (int first = 0; first < k; first += KERNEL_GROUP)
	{
		int			group = kernel_group(kernel, first);

		for (size_t t = 0; t < d; t++)
			for (int c = 0; c < group; c++)
				*packed++ = first + c < k ? centroids[(first + c) * d + t] : NAN;
		kernel_worked(kernel, d * group);
	}
}

void
km_kernel_free(KmKernel *kernel)
{
	KmTeam	   *team = kernel->team;

	km_team_release(team, kernel->distances);
	km_team_release(team, kernel->label);
	km_team_release(team, kernel->best);
	km_team_release(team, kernel->row);
	km_team_release(team, kernel->tile);
	km_team_release(team, kernel->packed);
	km_team_release(team, kernel);
}

void
km_kernel_assign(KmKernel *kernel, const double *values, int nrows,
				 int32_t *label, double *dist2, double *z)
{
	int			d = kernel->space->d;

	for (int start = 0; start < nrows; start += kernel->lanes)
	{
		int			rows = nrows - start < kernel->lanes ? nrows - start : kernel->lanes;
		int			used = kernel_fill(kernel, values + (size_t) start * d, rows,
									   z != NULL ? z + (size_t) start * d : NULL);
		const double *packed = kernel->packed;

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
		for (int i = 0; i < rows; i++)
		{
			label[start + i] = (int32_t) kernel->label[i];
			dist2[start + i] = kernel->best[i];
		}
	}
}

void
km_kernel_all(KmKernel *kernel, const double *values, int nrows, double *all)
{
	int			d = kernel->space->d;
	size_t		k = (size_t) kernel->k;

	for (int start = 0; start < nrows; start += kernel->lanes)
	{
		int			rows = nrows - start < kernel->lanes ? nrows - start : kernel->lanes;
		int			used = kernel_fill(kernel, values + (size_t) start * d, rows, NULL);
		const double *packed = kernel->packed;

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

int
km_kernel_isas(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
		__builtin_cpu_supports("avx512vl"))
		return 3;
	if (__builtin_cpu_supports("avx2"))
		return 2;
#endif
	return 1;
}

void
km_kernel_use(KmKernel *kernel, int isa)
{
	kernel->body = kernel_bodies[isa];
}

/*
 * Bring rows into the space and into the tile.  Returns the number of lanes
 * in use, a multiple of the widest vector; those without a row hold zeros.
 */
static int
kernel_fill(KmKernel *kernel, const double *values, int nrows, double *z)
{
	const KmSpace *space = kernel->space;
	int			d = space->d;
	int			lanes = kernel->lanes;
	int			used = (nrows + KERNEL_MIN_LANES - 1) /
		KERNEL_MIN_LANES * KERNEL_MIN_LANES;
	bool		identity = km_space_identity(space);

	for (int i = 0; i < nrows; i += 2)
	{
		const double *row[2];

		/* an odd last row goes twice */
		for (int r = 0; r < 2; r++)
		{
			int			from = i + r < nrows ? i + r : i;

			row[r] = values + (size_t) from * d;
			if (!identity)
			{
				/* the length is not 0: such rows are not accepted */
				km_space_row(space, row[r], kernel->row + (size_t) r * d);
				row[r] = kernel->row + (size_t) r * d;
			}
			if (z != NULL)
				memcpy(z + (size_t) from * d, row[r], d * sizeof(double));
		}
		kernel_transpose(row[0], row[1], d, kernel->tile + i, lanes);
	}
	for (int t = 0; t < d; t++)
		for (int i = nrows; i < used; i++)
			kernel->tile[(size_t) t * lanes + i] = 0;
	kernel_worked(kernel, (size_t) nrows * d);
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
