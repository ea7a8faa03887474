/*
 * seed.c
 *		Choosing the initial centroids.
 *
 * The legal order of events: seed_start() puts every row into a bucket by the
 * leading bits of its hash and adds up the mass per bucket; then, for each
 * centroid, seed_draw() draws contents, seed_best() picks one of them, and
 * seed_update() brings distances and masses up to date.
 *
 * A draw is a point on a line on which all contents lie side by side, in the
 * order (hash, content), each as long as its mass: the weight of all its
 * copies, times D^2, the squared distance to the nearest centroid chosen so
 * far.  The buckets are stretches of that line, so a walk over their masses
 * tells in which one the point lies, and only the rows of that one need to be
 * gathered and sorted.
 *
 * Everything that decides is order-free: masses and potentials are exact sums
 * (KmExact), read as means by the total weight because a sum of squares may
 * overflow where they do not.  Taking away a mass that was added before is
 * exact as well, so a bucket only hears of the rows that came nearer.
 *
 * Memory: 450 bytes per bucket, and the drawn buckets' rows.  Copies of a
 * content are merged while they are collected, as long as their weights add up
 * without rounding, as integers do.
 */
#include "core/seed.h"

#include <string.h>

#include "core/bits.h"
#include "core/hash.h"
#include "core/kernel.h"
#include "core/sort.h"
#include "core/sums.h"

#define SEED_MAX_BUCKETS_LOG2 10
#define SEED_BUCKET_ROWS 64		/* aim, while there are few rows */
#define SEED_MAX_CANDIDATES 16
#define SEED_CHECK_ROWS	64

typedef struct Seeding
{
	KmTeam	   *team;
	KmRows	   *rows;
	const KmSpace *space;
	KmSeedMethod method;
	int			d;
	uint64_t	seed;
	int			run;
	KmKernel   *kernel;
	int			buckets_log2;
	KmExact    *mass;			/* per bucket, of this participant's rows */
	KmExact    *all_mass;		/* of everybody's */
	double	   *share;			/* per bucket, all_mass / weight */
	double		weight;			/* of all rows of all participants */
	double	   *content;		/* SEED_MAX_CANDIDATES x d: what was drawn, raw */
	double	   *candidate;		/* the same in the space */
	double	   *distances;		/* KM_TILE x SEED_MAX_CANDIDATES */
} Seeding;

/* What a draw has found before the rows are gathered. */
typedef struct SeedPoint
{
	int			bucket;
	double		rest;			/* how far into the bucket */
} SeedPoint;

/*
 * Records of rows: their hash (its bits), squared distance, weight and d raw
 * values.
 */
#define RECORD_HASH		0
#define RECORD_DIST2	1
#define RECORD_WEIGHT	2
#define RECORD_VALUES	3

typedef struct SeedRecords
{
	size_t		size;			/* doubles of a record */
	size_t		n;
	size_t		max;
	double	   *data;
} SeedRecords;

static int	seed_candidates(KmSeedMethod method, int k, int step);
static void seed_start(Seeding *s);
static bool seed_draw(Seeding *s, int step, int n);
static void seed_point(const Seeding *s, double r, double total, SeedPoint *point);
static void seed_collect(Seeding *s, const bool *wanted, SeedRecords *records);
static bool seed_pick(const Seeding *s, const SeedRecords *records,
					  const SeedPoint *point, double *content);
static int	seed_best(Seeding *s, int n);
static void seed_update(Seeding *s, const double *centroid, bool first);
static void records_add(Seeding *s, SeedRecords *records, uint64_t hash,
						double dist2, double weight, const double *values);
static void records_merge(Seeding *s, SeedRecords *records, size_t max);
static void records_share(Seeding *s, SeedRecords *records);

static inline int
seed_bucket(const Seeding *s, uint64_t hash)
{
	return s->buckets_log2 > 0 ? (int) (hash >> (64 - s->buckets_log2)) : 0;
}

static inline double
seed_weight(const KmChunk *chunk, int64_t i)
{
	return chunk->weight != NULL ? chunk->weight[i] : 1;
}

/* add a row's mass, or take it away with a negative weight */
static inline void
seed_add_mass(const Seeding *s, KmExact *mass, double weight, double dist2)
{
	if (s->method == KM_SEED_RANDOM)
	{
		if (dist2 > 0)
			km_exact_add(mass, weight);
	}
	else
		km_exact_add_product(mass, weight, dist2);
}

int
km_seed(KmTeam *team, KmRows *rows, const KmSpace *space, KmSeedMethod method,
		int k, uint64_t seed, int run, double *centroids)
{
	Seeding		s;
	int			d = rows->d;
	int64_t		n = rows->n;
	int			chosen;
	size_t		nbuckets;

	km_team_add(team, &n, 1);
	s.team = team;
	s.rows = rows;
	s.space = space;
	s.method = method;
	s.d = d;
	s.seed = seed;
	s.run = run;
	s.kernel = km_kernel_create(team, space, SEED_MAX_CANDIDATES);
	s.buckets_log2 = 0;
	while (s.buckets_log2 < SEED_MAX_BUCKETS_LOG2 &&
		   n >> s.buckets_log2 > SEED_BUCKET_ROWS)
		s.buckets_log2++;
	nbuckets = (size_t) 1 << s.buckets_log2;
	s.mass = km_team_alloc(team, nbuckets, sizeof(KmExact));
	s.all_mass = team->size > 1 ?
		km_team_alloc(team, nbuckets, sizeof(KmExact)) : s.mass;
	s.share = km_team_alloc(team, nbuckets, sizeof(double));
	s.content = km_team_alloc(team, (size_t) SEED_MAX_CANDIDATES * d, sizeof(double));
	s.candidate = km_team_alloc(team, (size_t) SEED_MAX_CANDIDATES * d, sizeof(double));
	s.distances = km_team_alloc(team, KM_TILE * SEED_MAX_CANDIDATES, sizeof(double));

	seed_start(&s);
	for (chosen = 0; chosen < k; chosen++)
	{
		int			candidates = seed_candidates(method, k, chosen);
		int			best;

		if (!seed_draw(&s, chosen, candidates))
			break;
		for (int c = 0; c < candidates; c++)
			km_space_row(space, s.content + (size_t) c * d,
						 s.candidate + (size_t) c * d);
		best = candidates > 1 ? seed_best(&s, candidates) : 0;
		memcpy(centroids + (size_t) chosen * d, s.candidate + (size_t) best * d,
			   d * sizeof(double));
		seed_update(&s, centroids + (size_t) chosen * d, chosen == 0);
	}

	km_team_release(team, s.distances);
	km_team_release(team, s.candidate);
	km_team_release(team, s.content);
	km_team_release(team, s.share);
	if (team->size > 1)
		km_team_release(team, s.all_mass);
	km_team_release(team, s.mass);
	km_kernel_free(s.kernel);
	return chosen;
}

/* 2 + floor(ln k) for k-means++, without asking libm: e^(i + 1) rounded up */
static int
seed_candidates(KmSeedMethod method, int k, int step)
{
	static const int threshold[] = {3, 8, 21, 55, 149, 404, 1097, 2981, 8104,
	22027, 59875};
	int			n = 2;

	if (method == KM_SEED_RANDOM || step == 0)
		return 1;
	for (size_t i = 0; i < sizeof(threshold) / sizeof(threshold[0]); i++)
		n += k >= threshold[i];
	return n;
}

/* buckets, and masses as if everything were at distance 1 */
static void
seed_start(Seeding *s)
{
	size_t		nbuckets = (size_t) 1 << s->buckets_log2;
	KmExact		weight;

	for (size_t b = 0; b < nbuckets; b++)
		km_exact_init(&s->mass[b]);
	for (int c = 0; c < s->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(s->rows, c);

		for (int64_t i = 0; i < chunk->nrows; i++)
		{
			uint64_t	hash = km_hash_row(chunk->values + i * s->d, s->d, s->seed);
			int			bucket = seed_bucket(s, hash);

			chunk->bucket[i] = (uint16_t) bucket;
			chunk->dist2[i] = 1;
			km_exact_add(&s->mass[bucket], seed_weight(chunk, i));
			if (i % SEED_CHECK_ROWS == 0)
				km_team_check(s->team);
		}
	}
	km_exact_init(&weight);
	for (size_t b = 0; b < nbuckets; b++)
		km_exact_merge(&weight, &s->mass[b]);
	km_exact_reduce(s->team, &weight, 1);
	s->weight = km_exact_value(&weight);
}

/*
 * Draw n contents into s->content.  Returns false if no mass is left.
 */
static bool
seed_draw(Seeding *s, int step, int n)
{
	size_t		nbuckets = (size_t) 1 << s->buckets_log2;
	SeedPoint	point[SEED_MAX_CANDIDATES];
	bool		wanted[1 << SEED_MAX_BUCKETS_LOG2] = {false};
	SeedRecords records;
	double		total = 0;
	bool		found = true;

	if (!(s->weight > 0))
		return false;
	if (s->all_mass != s->mass)
	{
		memcpy(s->all_mass, s->mass, nbuckets * sizeof(KmExact));
		km_exact_reduce(s->team, s->all_mass, nbuckets);
	}
	for (size_t b = 0; b < nbuckets; b++)
	{
		s->share[b] = km_exact_mean(&s->all_mass[b], s->weight);
		total += s->share[b];
	}
	if (!(total > 0))
		return false;

	for (int c = 0; c < n; c++)
	{
		double		r = km_random_double(s->seed, (uint64_t) s->run,
										 (uint64_t) step * SEED_MAX_CANDIDATES + c);

		seed_point(s, r, total, &point[c]);
		wanted[point[c].bucket] = true;
	}
	seed_collect(s, wanted, &records);
	for (int c = 0; c < n; c++)
		found = found &&
			seed_pick(s, &records, &point[c], s->content + (size_t) c * s->d);
	km_team_release(s->team, records.data);
	return found;
}

/* which bucket, and how far into it; the last one with mass if rounding says beyond */
static void
seed_point(const Seeding *s, double r, double total, SeedPoint *point)
{
	int			nbuckets = 1 << s->buckets_log2;
	double		rest = r * total;

	point->bucket = 0;
	point->rest = 0;
	for (int b = 0; b < nbuckets; b++)
	{
		if (!(s->share[b] > 0))
			continue;
		point->bucket = b;
		point->rest = rest;
		if (rest < s->share[b])
			return;
		rest -= s->share[b];
	}
}

/* everybody's rows of the wanted buckets that have mass, in order, merged */
static void
seed_collect(Seeding *s, const bool *wanted, SeedRecords *records)
{
	records->size = (size_t) s->d + RECORD_VALUES;
	records->n = 0;
	records->max = 64;
	records->data = km_team_alloc(s->team, records->max,
								  records->size * sizeof(double));
	for (int c = 0; c < s->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(s->rows, c);

		for (int64_t i = 0; i < chunk->nrows; i++)
		{
			double		weight = seed_weight(chunk, i);
			const double *values = chunk->values + i * s->d;

			if (i % SEED_CHECK_ROWS == 0)
				km_team_check(s->team);
			if (wanted[chunk->bucket[i]] && weight > 0 && chunk->dist2[i] > 0)
				records_add(s, records, km_hash_row(values, s->d, s->seed),
							chunk->dist2[i], weight, values);
		}
	}
	records_merge(s, records, records->n);
	if (s->team->size > 1)
		records_share(s, records);
}

/* the content on which the point lies */
static bool
seed_pick(const Seeding *s, const SeedRecords *records, const SeedPoint *point,
		  double *content)
{
	double		rest = point->rest;
	const double *last = NULL;
	size_t		i = 0;

	while (i < records->n)
	{
		const double *record = records->data + i * records->size;
		KmExact		mass;
		double		share;

		if (seed_bucket(s, km_bits_of(record[RECORD_HASH])) != point->bucket)
		{
			i++;
			continue;
		}

		/* all records of this content: those whose weights did not merge */
		km_exact_init(&mass);
		do
		{
			const double *copy = records->data + i * records->size;

			seed_add_mass(s, &mass, copy[RECORD_WEIGHT], copy[RECORD_DIST2]);
			i++;
		} while (i < records->n &&
				 km_sort_compare(record + RECORD_VALUES,
								 records->data + i * records->size + RECORD_VALUES,
								 s->d) == 0);
		km_team_check(s->team);
		share = km_exact_mean(&mass, s->weight);
		if (share > 0)
			last = record;
		if (rest < share)
			break;
		rest -= share;
	}
	if (last == NULL)
		return false;
	memcpy(content, last + RECORD_VALUES, s->d * sizeof(double));
	return true;
}

/* the candidate that leaves the least potential, the first among equals */
static int
seed_best(Seeding *s, int n)
{
	KmExact		potential[SEED_MAX_CANDIDATES];
	double		least = 0;
	int			best = 0;

	for (int c = 0; c < n; c++)
		km_exact_init(&potential[c]);
	km_kernel_set(s->kernel, s->candidate, n);
	for (int chunk_no = 0; chunk_no < s->rows->nchunks; chunk_no++)
	{
		KmChunk    *chunk = km_rows_get(s->rows, chunk_no);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE)
		{
			int			rows = km_chunk_batch(chunk, start, KM_TILE);
			const double *old = chunk->dist2 + start;

			km_kernel_all(s->kernel, chunk->values + start * s->d, rows,
						  s->distances);
			for (int c = 0; c < n; c++)
			{
				double		dist2[KM_TILE];

				for (int i = 0; i < rows; i++)
				{
					double		new = s->distances[i * n + c];

					dist2[i] = new < old[i] ? new : old[i];
				}
				if (chunk->weight == NULL)
					km_exact_add_many(&potential[c], dist2, rows);
				else
					for (int i = 0; i < rows; i++)
						km_exact_add_product(&potential[c],
											 chunk->weight[start + i], dist2[i]);
			}
		}
	}
	km_exact_reduce(s->team, potential, n);
	for (int c = 0; c < n; c++)
	{
		double		mean = km_exact_mean(&potential[c], s->weight);

		if (c == 0 || mean < least)
		{
			least = mean;
			best = c;
		}
	}
	return best;
}

/* distances and masses with one more centroid */
static void
seed_update(Seeding *s, const double *centroid, bool first)
{
	km_kernel_set(s->kernel, centroid, 1);
	for (int c = 0; c < s->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(s->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE)
		{
			int			rows = km_chunk_batch(chunk, start, KM_TILE);

			km_kernel_all(s->kernel, chunk->values + start * s->d, rows,
						  s->distances);
			for (int i = 0; i < rows; i++)
			{
				double	   *dist2 = &chunk->dist2[start + i];
				double		new = s->distances[i];
				double		weight = seed_weight(chunk, start + i);
				KmExact    *mass = &s->mass[chunk->bucket[start + i]];

				if (!first && new >= *dist2)
					continue;
				if (km_space_same_place(s->space, new))
					new = 0;
				seed_add_mass(s, mass, -weight, *dist2);
				seed_add_mass(s, mass, weight, new);
				*dist2 = new;
			}
		}
	}
}

/* ---- Records ---- */

static int
records_compare(const double *a, const double *b, const void *arg)
{
	uint64_t	hash_a = km_bits_of(a[RECORD_HASH]);
	uint64_t	hash_b = km_bits_of(b[RECORD_HASH]);

	if (hash_a != hash_b)
		return hash_a < hash_b ? -1 : 1;
	return km_sort_compare(a + RECORD_VALUES, b + RECORD_VALUES,
						   *(const int *) arg);
}

static void
records_add(Seeding *s, SeedRecords *records, uint64_t hash, double dist2,
			double weight, const double *values)
{
	double	   *record;

	if (records->n == records->max)
	{
		/* if merging does not make much room, take more */
		records_merge(s, records, records->max);
		if (records->n > records->max / 2)
			records_merge(s, records, 2 * records->max);
	}
	record = records->data + records->n * records->size;
	record[RECORD_HASH] = km_bits_double(hash);
	record[RECORD_DIST2] = dist2;
	record[RECORD_WEIGHT] = weight;
	memcpy(record + RECORD_VALUES, values, s->d * sizeof(double));
	records->n++;
}

/*
 * Sort, merge copies whose weights add up exactly, and make room for max
 * records in all.
 */
static void
records_merge(Seeding *s, SeedRecords *records, size_t max)
{
	size_t		bytes = records->size * sizeof(double);
	double	  **order = km_team_alloc(s->team, records->n, sizeof(double *));
	double	   *data = km_team_alloc(s->team, max, bytes);
	double	   *last = NULL;
	size_t		n = 0;

	for (size_t i = 0; i < records->n; i++)
		order[i] = records->data + i * records->size;
	km_sort_rows(s->team, order, records->n, records_compare, &s->d);
	for (size_t i = 0; i < records->n; i++)
	{
		double		weight = order[i][RECORD_WEIGHT];

		if (last != NULL && records_compare(last, order[i], &s->d) == 0)
		{
			double		sum = last[RECORD_WEIGHT] + weight;

			if (sum - last[RECORD_WEIGHT] == weight &&
				sum - weight == last[RECORD_WEIGHT])
			{
				last[RECORD_WEIGHT] = sum;
				continue;
			}
		}
		last = data + n * records->size;
		memcpy(last, order[i], bytes);
		n++;
	}
	km_team_release(s->team, records->data);
	km_team_release(s->team, order);
	records->data = data;
	records->n = n;
	records->max = max;
}

static void
records_share(Seeding *s, SeedRecords *records)
{
	size_t		bytes = records->size * sizeof(double);
	size_t		total;
	double	   *data = s->team->gather(s->team->arg, records->data,
									   records->n * bytes, &total);

	km_team_release(s->team, records->data);
	records->data = data;
	records->n = total / bytes;
	records->max = records->n;
	records_merge(s, records, records->n);
}
