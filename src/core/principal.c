/*
 * principal.c
 *		The first principal components of some rows.
 *
 * They are the eigenvectors of the covariance matrix C = X'X / n (X: the rows
 * about their mean) with the largest eigenvalues.  C itself, of d x d, is never
 * formed; what is needed of it is C times a few vectors, X'(X v) / n, which
 * costs 2 n d each.
 *
 * Subspace iteration with Rayleigh-Ritz steps (Golub and Van Loan, Matrix
 * Computations, 8.2.4), on a block Q of b = m + KM_PRINCIPAL_GUARD orthonormal
 * vectors, random at first, from a fixed seed:
 *
 *		W = C Q
 *		H = Q'W, b x b; H = V diag(lambda) V', by Jacobi's method
 *		the estimates are lambda and the vectors Q V; if they stand still, end
 *		Q = the columns of W V, made orthonormal
 *
 * An error shrinks by lambda_(b+1) / lambda_i a round; the guard vectors make
 * that small.  With d <= b the block spans everything, and the first round has
 * the answer.  Where eigenvalues are so close that the rounds run out, no
 * direction is much better than others either, and the shares are still
 * those of the axes that are returned.
 *
 * All rows are divided by one power of two first, so no square overflows.
 */
#include "core/principal.h"

#include <math.h>
#include <string.h>

#include "core/hash.h"
#include "core/lanes.h"

#define KM_PRINCIPAL_GUARD		6
#define KM_PRINCIPAL_BLOCK		16	/* room for b */
#define KM_PRINCIPAL_ROUNDS		200
#define KM_PRINCIPAL_WORK		5e8		/* multiplications, well under a second */
#define KM_PRINCIPAL_STILL		1e-7	/* of the variance of all features */
#define KM_PRINCIPAL_SWEEPS		30

typedef struct KmSubspace
{
	KmTeam	   *team;
	const double *z;
	const int64_t *copies;
	int64_t		n;
	int			d;
	int			m;				/* components that are wanted */
	int			b;
	double		rows;			/* sum of copies */
	double		unit;			/* power of two that brings rows near 1 */
	double		total;			/* variance of all features, in units squared */
	const double *mean;
	double	   *row;			/* d: scratch */
	double	   *q;				/* b x d: orthonormal */
	double	   *w;				/* b x d: C q */
	double		lambda[KM_PRINCIPAL_BLOCK];
} KmSubspace;

static void subspace_mean(KmSubspace *space, double *mean);
static void subspace_unit(KmSubspace *space);
static void subspace_row(KmSubspace *space, int64_t i);
static void subspace_start(KmSubspace *space);
static void subspace_multiply(KmSubspace *space);
static double subspace_ritz(KmSubspace *space);
static void jacobi(double *h, double *v, int b);
static void rotate(double *h, double *v, int b, int p, int r);
static void turn(KmSubspace *space, double *vectors, const double *v, const int *order);
static void orthonormalize(KmSubspace *space);
static double take_coordinate(KmSubspace *space, int l);
static double remove_earlier(KmSubspace *space, int l);
static void finish_axis(const double *q, int d, double *axis);
static double dot(const double *a, const double *b, int d);
static void add_multiple(double *a, double factor, const double *b, int d);

KmPrincipal *
km_principal(KmTeam *team, const double *z, const int64_t *copies, int64_t n, int d,
			 int m)
{
	KmPrincipal *principal = km_team_alloc(team, 1, sizeof(KmPrincipal));
	KmSubspace	space = {.team = team, .z = z, .copies = copies, .n = n, .d = d};
	double		rounds;

	m = m < d ? m : d;
	space.m = m;
	space.b = m + KM_PRINCIPAL_GUARD < d ? m + KM_PRINCIPAL_GUARD : d;
	principal->d = d;
	principal->m = m;
	principal->mean = km_team_alloc(team, d, sizeof(double));
	principal->axis = km_team_alloc(team, (size_t) m * d, sizeof(double));
	principal->share = km_team_alloc(team, m, sizeof(double));
	space.row = km_team_alloc(team, d, sizeof(double));
	space.q = km_team_alloc(team, (size_t) space.b * d, sizeof(double));
	space.w = km_team_alloc(team, (size_t) space.b * d, sizeof(double));

	subspace_mean(&space, principal->mean);
	subspace_unit(&space);
	subspace_start(&space);
	rounds = KM_PRINCIPAL_WORK / (2.0 * n * d * space.b);
	rounds = rounds < 3 ? 3 : rounds > KM_PRINCIPAL_ROUNDS ? KM_PRINCIPAL_ROUNDS : rounds;
	for (int round = 1;; round++)
	{
		subspace_multiply(&space);
		if (subspace_ritz(&space) <= KM_PRINCIPAL_STILL * space.total || round >= rounds)
			break;
		memcpy(space.q, space.w, (size_t) space.b * d * sizeof(double));
		orthonormalize(&space);
	}
	for (int l = 0; l < m; l++)
	{
		finish_axis(space.q + (size_t) l * d, d, principal->axis + (size_t) l * d);
		principal->share[l] = space.total > 0 ? space.lambda[l] / space.total : 0;
	}
	km_team_release(team, space.w);
	km_team_release(team, space.q);
	km_team_release(team, space.row);
	return principal;
}

void
km_principal_free(KmTeam *team, KmPrincipal *principal)
{
	km_team_release(team, principal->share);
	km_team_release(team, principal->axis);
	km_team_release(team, principal->mean);
	km_team_release(team, principal);
}

void
km_principal_place(const KmPrincipal *principal, const double *z, double *place)
{
	for (int l = 0; l < principal->m; l++)
	{
		const double *axis = principal->axis + (size_t) l * principal->d;
		double		sum = 0;

		for (int t = 0; t < principal->d; t++)
			sum += (z[t] - principal->mean[t]) * axis[t];
		place[l] = sum;
	}
}

/* ---- The rows ---- */

/* as a running mean, which is never larger than the rows */
static void
subspace_mean(KmSubspace *space, double *mean)
{
	memset(mean, 0, space->d * sizeof(double));
	space->rows = 0;
	for (int64_t i = 0; i < space->n; i++)
	{
		const double *z = space->z + i * space->d;
		double		part;

		space->rows += (double) space->copies[i];
		part = (double) space->copies[i] / space->rows;
		for (int t = 0; t < space->d; t++)
			mean[t] += (z[t] - mean[t]) * part;
		if (i % 64 == 0)
			km_team_check(space->team);
	}
	space->mean = mean;
}

static void
subspace_unit(KmSubspace *space)
{
	double		largest = 0;
	int			exponent = 0;

	for (int64_t i = 0; i < space->n; i++)
	{
		const double *z = space->z + i * space->d;

		for (int t = 0; t < space->d; t++)
			if (fabs(z[t] - space->mean[t]) > largest)
				largest = fabs(z[t] - space->mean[t]);
		if (i % 64 == 0)
			km_team_check(space->team);
	}
	if (largest > 0)
		(void) frexp(largest, &exponent);
	space->unit = ldexp(1, exponent < -1000 ? 1000 : -exponent);

	space->total = 0;
	for (int64_t i = 0; i < space->n; i++)
	{
		subspace_row(space, i);
		space->total += (double) space->copies[i] / space->rows *
			dot(space->row, space->row, space->d);
		if (i % 64 == 0)
			km_team_check(space->team);
	}
}

/* row i about the mean */
static void
subspace_row(KmSubspace *space, int64_t i)
{
	const double *z = space->z + i * space->d;

	for (int t = 0; t < space->d; t++)
		space->row[t] = (z[t] - space->mean[t]) * space->unit;
}

/* ---- One round ---- */

static void
subspace_start(KmSubspace *space)
{
	for (int l = 0; l < space->b; l++)
		for (int t = 0; t < space->d; t++)
			space->q[(size_t) l * space->d + t] = km_random_double(0, l, t) - 0.5;
	orthonormalize(space);
}

/* w = C q */
static void
subspace_multiply(KmSubspace *space)
{
	int			d = space->d;

	memset(space->w, 0, (size_t) space->b * d * sizeof(double));
	for (int64_t i = 0; i < space->n; i++)
	{
		double		part = (double) space->copies[i] / space->rows;

		subspace_row(space, i);
		for (int l = 0; l < space->b; l++)
		{
			double		along = part * dot(space->q + (size_t) l * d, space->row, d);

			add_multiple(space->w + (size_t) l * d, along, space->row, d);
		}
		if (i % 16 == 0)
			km_team_check(space->team);
	}
}

/*
 * The best estimates that the block has: lambda, q and w are turned to them,
 * the largest first.  Returns how far an eigenvalue has moved that is wanted;
 * the guards', which are the last to stand still, do not matter.
 */
static double
subspace_ritz(KmSubspace *space)
{
	int			b = space->b;
	double		h[KM_PRINCIPAL_BLOCK * KM_PRINCIPAL_BLOCK];
	double		v[KM_PRINCIPAL_BLOCK * KM_PRINCIPAL_BLOCK];
	int			order[KM_PRINCIPAL_BLOCK];
	double		moved = 0;

	for (int p = 0; p < b; p++)
		for (int r = p; r < b; r++)
			h[p * b + r] = h[r * b + p] =
				dot(space->q + (size_t) p * space->d, space->w + (size_t) r * space->d,
					space->d);
	jacobi(h, v, b);
	for (int l = 0; l < b; l++)
	{
		int			at = l;

		for (; at > 0 && h[l * b + l] > h[order[at - 1] * b + order[at - 1]]; at--)
			order[at] = order[at - 1];
		order[at] = l;
	}
	for (int l = 0; l < b; l++)
	{
		double		lambda = h[order[l] * b + order[l]];

		if (l < space->m)
			moved = fmax(moved, fabs(lambda - space->lambda[l]));
		space->lambda[l] = lambda;
	}
	turn(space, space->q, v, order);
	turn(space, space->w, v, order);
	return moved;
}

/*
 * Jacobi's method: h, symmetric, becomes diagonal by rotations of two rows and
 * columns at a time, which v collects: the columns of v are eigenvectors.
 */
static void
jacobi(double *h, double *v, int b)
{
	for (int p = 0; p < b; p++)
		for (int r = 0; r < b; r++)
			v[p * b + r] = p == r;
	for (int sweep = 0; sweep < KM_PRINCIPAL_SWEEPS; sweep++)
	{
		double		off = 0;
		double		trace = 0;

		for (int p = 0; p < b; p++)
		{
			trace += fabs(h[p * b + p]);
			for (int r = p + 1; r < b; r++)
				off += fabs(h[p * b + r]);
		}
		if (off <= 0x1p-60 * trace)
			return;
		for (int p = 0; p < b; p++)
			for (int r = p + 1; r < b; r++)
				if (h[p * b + r] != 0)
					rotate(h, v, b, p, r);
	}
}

/* the rotation that makes h[p][r] zero */
static void
rotate(double *h, double *v, int b, int p, int r)
{
	double		theta = (h[r * b + r] - h[p * b + p]) / (2 * h[p * b + r]);
	double		tangent = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
	double		cosine = 1 / sqrt(tangent * tangent + 1);
	double		sine = tangent * cosine;

	for (int l = 0; l < b; l++)
	{
		double		x = h[l * b + p];
		double		y = h[l * b + r];

		h[l * b + p] = cosine * x - sine * y;
		h[l * b + r] = sine * x + cosine * y;
		x = v[l * b + p];
		y = v[l * b + r];
		v[l * b + p] = cosine * x - sine * y;
		v[l * b + r] = sine * x + cosine * y;
	}
	for (int l = 0; l < b; l++)
	{
		double		x = h[p * b + l];
		double		y = h[r * b + l];

		h[p * b + l] = cosine * x - sine * y;
		h[r * b + l] = sine * x + cosine * y;
	}
}

/* vectors = vectors times v, its columns in that order */
static void
turn(KmSubspace *space, double *vectors, const double *v, const int *order)
{
	int			b = space->b;
	double		old[KM_PRINCIPAL_BLOCK];

	for (int t = 0; t < space->d; t++)
	{
		for (int l = 0; l < b; l++)
			old[l] = vectors[(size_t) l * space->d + t];
		for (int l = 0; l < b; l++)
		{
			double		sum = 0;

			for (int p = 0; p < b; p++)
				sum += old[p] * v[p * b + order[l]];
			vectors[(size_t) l * space->d + t] = sum;
		}
	}
}

/*
 * Gram and Schmidt, twice.  A vector of which nothing is left, because the
 * rows do not spread in so many directions, becomes one of the coordinates: of
 * these, one keeps at least 1 / d of its squared length.
 */
static void
orthonormalize(KmSubspace *space)
{
	int			d = space->d;

	for (int l = 0; l < space->b; l++)
	{
		double	   *q = space->q + (size_t) l * d;
		double		before = sqrt(dot(q, q, d));
		double		length = remove_earlier(space, l);

		if (!(length > 1e-10 * before))
			length = take_coordinate(space, l);
		for (int u = 0; u < d; u++)
			q[u] /= length;
		(void) remove_earlier(space, l);
		length = sqrt(dot(q, q, d));
		for (int u = 0; u < d; u++)
			q[u] /= length;
	}
}

/* vector l becomes the first coordinate of which enough is left; its length then */
static double
take_coordinate(KmSubspace *space, int l)
{
	double	   *q = space->q + (size_t) l * space->d;
	double		length = 0;

	for (int t = 0; t < space->d && 2.0 * space->d * length * length < 1; t++)
	{
		memset(q, 0, space->d * sizeof(double));
		q[t] = 1;
		length = remove_earlier(space, l);
	}
	return length;
}

/* take the directions of vectors 0 .. l - 1 out of vector l; its length then */
static double
remove_earlier(KmSubspace *space, int l)
{
	int			d = space->d;
	double	   *q = space->q + (size_t) l * d;

	km_team_check(space->team);
	for (int e = 0; e < l; e++)
	{
		const double *earlier = space->q + (size_t) e * d;

		add_multiple(q, -dot(q, earlier, d), earlier, d);
	}
	return sqrt(dot(q, q, d));
}

/* an axis has two directions: the one in which its largest entry is positive */
static void
finish_axis(const double *q, int d, double *axis)
{
	int			largest = 0;

	for (int t = 1; t < d; t++)
		if (fabs(q[t]) > fabs(q[largest]))
			largest = t;
	for (int t = 0; t < d; t++)
		axis[t] = q[largest] < 0 ? -q[t] : q[t];
}

/* four sums, since one would wait for each of its additions */
static double
dot(const double *a, const double *b, int d)
{
	KmDoubles	sums = {0};

#define DOT_BLOCK(t, width) \
	sums += KM_LANES_LOAD(a + (t), width) * KM_LANES_LOAD(b + (t), width)
	KM_LANES_BLOCKS(d, DOT_BLOCK);
#undef DOT_BLOCK
	return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static void
add_multiple(double *a, double factor, const double *b, int d)
{
#define ADD_BLOCK(t, width) \
	KM_LANES_STORE(a + (t), KM_LANES_LOAD(a + (t), width) + \
				   factor * KM_LANES_LOAD(b + (t), width), width)
	KM_LANES_BLOCKS(d, ADD_BLOCK);
#undef ADD_BLOCK
}
