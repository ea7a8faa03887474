/*
 * core.h
 *		What every file of the core shares: limits, and the team it runs in.
 *
 * The core is plain C11 and knows no server.  Whatever it needs from its
 * surroundings (memory, interrupts, the other participants of a parallel
 * fit) comes through a KmTeam.  It keeps no global state and allocates only
 * through team->alloc, so that an error raised by a callback (which may
 * longjmp) leaves nothing behind that the caller's memory context does not
 * free.
 *
 * Letters used throughout: n rows, k clusters, d features; i runs over rows,
 * j over clusters, t over features.  Matrices are row-major.
 */
#ifndef KM_CORE_H
#define KM_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KM_MAX_CLUSTERS		65535
#define KM_MAX_FEATURES		16000
#define KM_MAX_CELLS		4000000		/* k x features */

/*
 * A row is rejected, by its loader or at predict, if the sum of the squares of
 * its values (in the space of the fit) exceeds this: then no squared distance
 * between two accepted rows, or a row and a mean of rows, overflows.  (Sums of
 * squared distances over many rows still may; whoever reports one checks it.)
 */
#define KM_MAX_NORM2		0x1p1020

/*
 * Means with equal results: instruction sets (the one named must be
 * available), and whether rows that cannot have changed their cluster are
 * passed over.
 */
typedef enum KmSimd
{
	KM_SIMD_AUTO,
	KM_SIMD_GENERIC,
	KM_SIMD_NEON,
	KM_SIMD_AVX2,
	KM_SIMD_AVX512
} KmSimd;

typedef enum KmPruning
{
	KM_PRUNING_AUTO,
	KM_PRUNING_ON,
	KM_PRUNING_OFF
} KmPruning;

typedef struct KmTeam
{
	void	   *arg;
	KmSimd		simd;
	KmPruning	pruning;

	/* never returns NULL; memory is not cleared, and aligned to 8 bytes only */
	void	   *(*alloc) (void *arg, size_t size);
	void		(*release) (void *arg, void *ptr);

	/* called at least every 10 ms of work; may longjmp */
	void		(*check) (void *arg);

	/*
	 * Collective operations: every participant calls them in the same order
	 * with the same n, and gets the same result.  A team of one needs none:
	 * the km_team_* functions return at once if size is 1.
	 */
	int			size;
	int			rank;
	void		(*add) (void *arg, int64_t *v, size_t n);
	void		(*max) (void *arg, double *v, size_t n);

	/*
	 * Concatenate everybody's bytes in the order of ranks; the result is
	 * allocated by alloc.
	 */
	void	   *(*gather) (void *arg, const void *mine, size_t bytes, size_t *total);
} KmTeam;

/* n * size bytes, with overflow turned into SIZE_MAX, which no alloc grants */
static inline void *
km_team_alloc(KmTeam *team, size_t n, size_t size)
{
	size_t		bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		bytes = SIZE_MAX;
	return team->alloc(team->arg, bytes > 0 ? bytes : 1);
}

static inline void
km_team_release(KmTeam *team, void *ptr)
{
	if (ptr != NULL)
		team->release(team->arg, ptr);
}

static inline void
km_team_check(KmTeam *team)
{
	team->check(team->arg);
}

/*
 * How many things of so many bytes to make, copy or compare between two calls
 * of check: about a megabyte, which takes under a millisecond even where the
 * memory is new.
 */
static inline size_t
km_check_every(size_t bytes)
{
	return 1 + ((size_t) 1 << 20) / bytes;
}

static inline void
km_team_add(KmTeam *team, int64_t *v, size_t n)
{
	if (team->size > 1)
		team->add(team->arg, v, n);
}

static inline void
km_team_max(KmTeam *team, double *v, size_t n)
{
	if (team->size > 1)
		team->max(team->arg, v, n);
}

#endif							/* KM_CORE_H */
