/*
 * test.h
 *		What the core's tests share: TAP output, teams, rows in memory.
 */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"
#include "core/rows.h"
#include "core/stats.h"

/* one line of TAP; returns cond */
extern bool ok(bool cond, const char *format,...)
			__attribute__((format(printf, 2, 3)));

/* the plan, at the end; returns whether all were ok */
extern bool ok_all(void);

/* equal bits, NaN included */
extern bool same(double a, double b);
extern bool same_all(const double *a, const double *b, size_t n);
extern bool near(double a, double b, double relative);

/* a team of one on malloc, which counts checks and what is not yet released */
extern KmTeam *solo_team(void);
extern int64_t solo_allocated(void);
extern int64_t solo_checks(void);

/* run work(team, arg) on `size` threads */
extern void team_run(int size, void (*work) (KmTeam *team, void *arg), void *arg);

/* ---- rows ---- */

/*
 * Rows in memory: `chunk_rows` per chunk.  Labels and so on belong to the
 * TestRows; values and weights are copied.
 */
typedef struct TestRows
{
	KmRows		rows;
	KmChunk    *chunks;
	double	   *values;
	double	   *weight;
	uint16_t   *label;
	float	   *bound;
	double	   *dist2;
	uint16_t   *bucket;
} TestRows;

extern TestRows *rows_create(const double *values, const double *weight,
							 int64_t n, int d, int64_t chunk_rows);
extern void rows_free(TestRows *rows);

/* make every step-th chunk one of floats, from which its values must not differ */
extern void rows_narrow(TestRows *rows, int step);

/* the same rows in another order; where[i] is the old place of row i */
extern TestRows *rows_shuffled(const TestRows *rows, uint64_t seed,
							   int64_t chunk_rows, int64_t *where);

/* deterministic numbers for test data */
extern double uniform(uint64_t seed, uint64_t i);	/* [0, 1) */
extern double normal(uint64_t seed, uint64_t i);	/* about N(0, 1) */

extern double *read_iris(int64_t *n);	/* n x 4, to be freed */

/* ---- one per file ---- */

extern void test_sums(void);
extern void test_space(void);
extern void test_kernel(void);
extern void test_floats(void);
extern void test_stats(void);
extern void test_summary(void);
extern void test_seed(void);
extern void test_lloyd(void);
extern void test_pruning(void);
extern void test_assignment(void);
extern void test_blobs(void);
extern void test_criteria(void);
extern void test_principal(void);
extern void test_moved(void);

#endif							/* TEST_H */
