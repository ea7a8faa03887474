/*
 * few.c
 *		The line of few rows: every content by itself.
 *
 * With a hundred rows, to find out which bucket a row is in and to keep the
 * buckets' masses costs more than to compute all masses when they are asked
 * for.  So there are no buckets: the contents of all rows are sorted once, and
 * lie feature by feature, in the space,
 *
 *		column[t * padded + i]		feature t of content i
 *
 * beside the squared distance to the nearest centroid so far.  All participants
 * have all contents, so what they compute from them is the same without any
 * exchange.
 *
 * Rows are a content here if they agree in their values and in their weight:
 * the mass of copies is that of one of them times their number, and a weight
 * that is no integer has to go through km_line_fold() alone.  Contents that
 * differ in weight only lie side by side on the line.  Rows of weight 0 have
 * no part in it.
 *
 * Where weights are integers (as they are where there are none), and their sum
 * is at most FEW_LIGHT, masses are products of two integers, the weight of all
 * copies and the units of the distance, and add up in an int64.
 */
#include "core/few.h"

#include <math.h>
#include <string.h>

#include "core/hash.h"
#include "core/lanes.h"

#define FEW_LIGHT		(1 << 14)	/* 2^14 masses of 2^48 fit an int64 */
#define FEW_CHECK_WORK	(1 << 20)	/* multiply-adds between checks */

/* the loops over vectors, see few_body.h */
typedef struct FewBody
{
	double		(*nearer) (const double *column, int n, int d, const double *centroids,
						   int m, double none, double *dist2);
	int64_t		(*potential) (const double *column, int n, int d, const double *c,
							  const double *dist2, const int64_t *times, double factor);
} FewBody;

struct KmFew
{
	const FewBody *body;
	KmRecords	contents;		/* values: those of the row, then its weight; mass:
								 * how many copies */
	int			padded;			/* contents, up to whole vectors */
	bool		light;
	double	   *column;			/* d x padded */
	double	   *dist2;			/* padded; undefined while the line is fresh */
	int64_t    *times;			/* padded: weights of all copies, if light */
};

#define BODY_NAME(name)	name##_generic
#define BODY_TARGET
#include "core/few_body.h"

#if defined(__x86_64__)
#define BODY_NAME(name)	name##_avx2
#define BODY_TARGET		__attribute__((target("avx2")))
#include "core/few_body.h"
#endif

static const FewBody few_bodies[] = {
	{few_nearer_generic, few_potential_generic},
#if defined(__x86_64__)
	{few_nearer_avx2, few_potential_avx2}
#endif
};

static void few_collect(KmLine *line, KmFew *few);
static void few_turn(KmLine *line, KmFew *few);
static void few_weigh(KmLine *line, KmFew *few);
static KmWide few_mass(const KmLine *line, int i, double dist2);

KmFew *
km_few_create(KmLine *line)
{
	KmTeam	   *team = line->team;
	KmFew	   *few = km_team_alloc(team, 1, sizeof(KmFew));

	few->body = &few_bodies[0];
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		few->body = &few_bodies[1];
#endif
	few_collect(line, few);
	few->padded = ((int) few->contents.n + KM_LANES - 1) / KM_LANES * KM_LANES;
	few->column = km_team_alloc(team, (size_t) few->padded * line->d, sizeof(double));
	few->dist2 = km_team_alloc(team, few->padded, sizeof(double));
	few->times = km_team_alloc(team, few->padded, sizeof(int64_t));
	few_turn(line, few);
	few_weigh(line, few);
	return few;
}

void
km_few_free(KmTeam *team, KmFew *few)
{
	km_team_release(team, few->times);
	km_team_release(team, few->dist2);
	km_team_release(team, few->column);
	km_records_free(&few->contents);
	km_team_release(team, few);
}

int
km_few_size(const KmFew *few)
{
	return (int) few->contents.n;
}

const double *
km_few_content(const KmFew *few, int i)
{
	return km_record(&few->contents, i) + KM_RECORD_VALUES;
}

/* everybody's contents, sorted */
static void
few_collect(KmLine *line, KmFew *few)
{
	KmTeam	   *team = line->team;
	size_t		d = (size_t) line->d;
	double	   *values = km_team_alloc(team, d + 1, sizeof(double));

	km_records_init(&few->contents, team, line->d + 1, line->rows->n);
	for (int c = 0; c < line->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(line->rows, c);

		for (int64_t i = 0; i < chunk->nrows; i++)
		{
			values[d] = chunk->weight != NULL ? chunk->weight[i] : 1;
			if (!(values[d] > 0))
				continue;
			memcpy(values, km_chunk_rows(chunk, line->d, i, 1), d * sizeof(double));
			km_records_add(&few->contents, km_hash_row(values, line->d, line->seed), 1, values);
		}
	}
	km_records_share(&few->contents);
	km_team_release(team, values);
}

/* into the space, and feature by feature; the last content is repeated */
static void
few_turn(KmLine *line, KmFew *few)
{
	int			d = line->d;
	int			n = km_few_size(few);
	double	   *z = km_team_alloc(line->team, d, sizeof(double));

	for (int i = 0; i < few->padded; i++)
	{
		km_space_row(line->space, km_few_content(few, i < n ? i : n - 1), z);
		for (int t = 0; t < d; t++)
			few->column[(size_t) t * few->padded + i] = z[t];
	}
	km_team_release(line->team, z);
}

/* is it light?  Then the weights of all copies; none of the padding. */
static void
few_weigh(KmLine *line, KmFew *few)
{
	int			n = km_few_size(few);
	double		total = 0;

	few->light = true;
	for (int i = 0; i < few->padded; i++)
	{
		double		weight = km_few_content(few, i < n ? i : n - 1)[line->d] *
			line->weight_factor;
		double		times = weight * (double) km_record_mass(km_record(&few->contents,
																	   i < n ? i : n - 1));

		total += i < n ? times : 0;
		if (!(total <= FEW_LIGHT) || weight != (double) (int64_t) weight)
		{
			few->light = false;
			return;
		}
		few->times[i] = i < n ? (int64_t) times : 0;
	}
}

/* the mass of a content at that distance */
static KmWide
few_mass(const KmLine *line, int i, double dist2)
{
	const double *record = km_record(&line->few->contents, i);

	return km_record_mass(record) *
		km_line_mass(line, record + KM_RECORD_VALUES + line->d, km_line_units(line, dist2));
}

void
km_few_masses(const KmLine *line, KmWide *mass)
{
	const KmFew *few = line->few;
	int			n = km_few_size(few);

	for (int i = 0; i < n; i++)
	{
		double		dist2 = line->fresh ? 1 : few->dist2[i];

		mass[i] = few->light ?
			(KmWide) (few->times[i] * km_line_units(line, dist2)) :
			few_mass(line, i, dist2);
	}
}

double
km_few_nearer(KmLine *line, const double *centroids, int m)
{
	KmFew	   *few = line->few;
	size_t		d = (size_t) line->d;
	int			step = FEW_CHECK_WORK / (int) (few->padded * d + 1) + 1;
	double		none = km_space_nothing(line->space);
	double		most = 0;

	for (int i = 0; line->fresh && i < few->padded; i++)
		few->dist2[i] = INFINITY;
	for (int j = 0; j < m; j += step)
	{
		most = few->body->nearer(few->column, few->padded, line->d, centroids + j * d,
								 m - j < step ? m - j : step, none, few->dist2);
		km_team_check(line->team);
	}
	return most;
}

void
km_few_potentials(const KmLine *line, const double *centroids, int m, KmWide *potential)
{
	const KmFew *few = line->few;
	size_t		d = (size_t) line->d;
	int			n = km_few_size(few);

	for (int j = 0; j < m; j++)
	{
		const double *c = centroids + j * d;

		km_team_check(line->team);
		if (few->light && !line->fresh && !line->even)
		{
			potential[j] = (KmWide) few->body->potential(few->column, few->padded, line->d, c,
														 few->dist2, few->times, line->factor);
			continue;
		}
		potential[j] = 0;
		for (int i = 0; i < n; i++)
		{
			double		dist2 = 0;

			for (size_t t = 0; t < d; t++)
			{
				double		diff = few->column[t * few->padded + i] - c[t];

				dist2 += diff * diff;
			}
			potential[j] += few_mass(line, i, line->fresh || few->dist2[i] < dist2 ?
									 few->dist2[i] : dist2);
		}
	}
}
