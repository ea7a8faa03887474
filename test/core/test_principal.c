/*
 * test_principal.c
 *		Principal components.
 */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/principal.h"

static KmPrincipal *
principal_of(const double *z, const int64_t *copies, int64_t n, int d, int m)
{
	int64_t    *ones = malloc(n * sizeof(int64_t));
	KmPrincipal *principal;

	for (int64_t i = 0; i < n; i++)
		ones[i] = 1;
	principal = km_principal(solo_team(), z, copies != NULL ? copies : ones, n, d, m);
	free(ones);
	return principal;
}

/* worst deviation of the axes from being orthonormal */
static double
skew(const KmPrincipal *principal)
{
	double		worst = 0;

	for (int a = 0; a < principal->m; a++)
		for (int b = 0; b < principal->m; b++)
		{
			double		sum = a == b ? -1 : 0;

			for (int t = 0; t < principal->d; t++)
				sum += principal->axis[a * principal->d + t] *
					principal->axis[b * principal->d + t];
			worst = fmax(worst, fabs(sum));
		}
	return worst;
}

/* scikit-learn's PCA: explained_variance_ratio_, components_ */
static void
test_iris(void)
{
	static const double axis[] = {0.36138659, -0.08452251, 0.85667061, 0.3582892};
	int64_t		n;
	double	   *iris = read_iris(&n);
	KmPrincipal *p = principal_of(iris, NULL, n, 4, 2);
	double		worst = 0;
	double		place[2];
	double		mean[2] = {0, 0};
	double		variance[2] = {0, 0};

	for (int t = 0; t < 4; t++)
		worst = fmax(worst, fabs(p->axis[t] - axis[t]));
	ok(worst < 1e-8, "principal: the first axis of iris");
	ok(near(p->share[0], 0.92461872, 1e-8) && near(p->share[1], 0.05306648, 1e-6),
	   "principal: shares of iris");
	ok(skew(p) < 1e-14, "principal: axes are orthonormal");
	for (int64_t i = 0; i < n; i++)
	{
		km_principal_place(p, iris + i * 4, place);
		for (int l = 0; l < 2; l++)
		{
			mean[l] += place[l] / n;
			variance[l] += place[l] * place[l] / n;
		}
	}
	ok(fabs(mean[0]) < 1e-12 && fabs(mean[1]) < 1e-12 &&
	   near(variance[0] / variance[1], p->share[0] / p->share[1], 1e-10),
	   "principal: places have the variances");
	km_principal_free(solo_team(), p);
	free(iris);
}

/* copies are rows; rows of any size; more features than rows; no spread */
static void
test_shapes(void)
{
	static const double x[] = {0, 1, 2, 5, 4, 3, 2, 2};
	static const double copied[] = {0, 1, 0, 1, 2, 5, 4, 3, 2, 2, 2, 2, 2, 2};
	static const int64_t copies[] = {2, 1, 1, 3};
	KmTeam	   *team = solo_team();
	KmPrincipal *a = principal_of(x, copies, 4, 2, 2);
	KmPrincipal *b = principal_of(copied, NULL, 7, 2, 2);
	double		wide[3 * 40];
	double		large[8];
	double		flat[] = {7, 7, 7, 7, 7, 7};

	ok(near(a->axis[0], b->axis[0], 1e-12) && near(a->axis[1], b->axis[1], 1e-12) &&
	   near(a->share[0], b->share[0], 1e-12) && near(a->share[0] + a->share[1], 1, 1e-12),
	   "principal: copies count as rows");
	km_principal_free(team, b);
	for (int i = 0; i < 8; i++)
		large[i] = x[i] * 0x1p500;
	b = principal_of(large, copies, 4, 2, 2);
	ok(same_all(a->axis, b->axis, 4) && same_all(a->share, b->share, 2),
	   "principal: rows of any size");
	km_principal_free(team, b);
	km_principal_free(team, a);

	for (int i = 0; i < 3 * 40; i++)
		wide[i] = uniform(1, i);
	a = principal_of(wide, NULL, 3, 40, 2);
	ok(near(a->share[0] + a->share[1], 1, 1e-12) && skew(a) < 1e-13,
	   "principal: three rows lie in a plane");
	km_principal_free(team, a);

	a = principal_of(flat, NULL, 2, 3, 2);
	ok(a->share[0] == 0 && a->share[1] == 0 && skew(a) < 1e-14,
	   "principal: no spread, but axes");
	km_principal_free(team, a);
	a = principal_of(x, NULL, 8, 1, 2);
	ok(a->m == 1 && a->axis[0] == 1 && near(a->share[0], 1, 1e-15),
	   "principal: one feature has one component");
	km_principal_free(team, a);
}

/* two directions of 60, one of them not seen by any single feature */
static void
test_hidden(void)
{
	enum
	{
		N = 400, D = 60
	};
	double	   *x = malloc(N * D * sizeof(double));
	double		first = 0;
	double		second = 0;
	KmPrincipal *p;

	for (int i = 0; i < N; i++)
		for (int t = 0; t < D; t++)
			x[i * D + t] = 0.1 * normal(2, i * D + t) +
				(t < 30 ? 2 : 0) * normal(3, i) + (t >= 30 ? (t % 2 ? 1 : -1) : 0) * normal(4, i);
	p = principal_of(x, NULL, N, D, 2);
	for (int t = 0; t < D; t++)
	{
		first += t < 30 ? p->axis[t] / sqrt(30) : 0;
		second += t >= 30 ? (t % 2 ? 1 : -1) * p->axis[D + t] / sqrt(30) : 0;
	}
	ok(fabs(first) > 0.99 && fabs(second) > 0.99, "principal: directions of many features");
	km_principal_free(solo_team(), p);
	free(x);
}

void
test_principal(void)
{
	test_iris();
	test_shapes();
	test_hidden();
}
