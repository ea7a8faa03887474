/*
 * records.c
 *		Contents with their masses, collected from rows.
 *
 * When the memory is full, records are sorted and copies merged; only if that
 * does not make much room is more taken.  So a content that makes up half of
 * the rows costs little.
 *
 * Hashes are spread evenly over the range in which they lie, so sorting begins
 * with a distribution over about as many groups as there are records; the
 * groups, of a few records or of copies, are sorted by comparison.
 */
#include "core/records.h"

#include <string.h>

#include "core/sort.h"

#define RECORDS_CHECK	1024	/* hashes between two calls of check */

static void records_merge(KmRecords *records, size_t max);
static void records_order(const KmRecords *records, double **order);

void
km_records_init(KmRecords *records, KmTeam *team, int d, size_t expected)
{
	records->team = team;
	records->d = d;
	records->size = (size_t) d + KM_RECORD_VALUES;
	records->n = 0;
	records->max = expected > 0 ? expected : 1;
	records->data = km_team_alloc(team, records->max, records->size * sizeof(double));
}

void
km_records_free(KmRecords *records)
{
	km_team_release(records->team, records->data);
}

static inline void
record_set_mass(double *record, KmWide mass)
{
	record[KM_RECORD_HIGH] = km_bits_double((uint64_t) (mass >> 64));
	record[KM_RECORD_LOW] = km_bits_double((uint64_t) mass);
}

void
km_records_add(KmRecords *records, uint64_t hash, KmWide mass, const double *values)
{
	double	   *record;

	if (records->n == records->max)
	{
		records_merge(records, records->max);
		if (records->n > records->max / 2)
			records_merge(records, 2 * records->max);
	}
	record = records->data + records->n * records->size;
	record[KM_RECORD_HASH] = km_bits_double(hash);
	record_set_mass(record, mass);
	memcpy(record + KM_RECORD_VALUES, values, records->d * sizeof(double));
	records->n++;
}

void
km_records_share(KmRecords *records)
{
	KmTeam	   *team = records->team;

	records_merge(records, records->n);
	if (team->size > 1)
	{
		size_t		bytes = records->size * sizeof(double);
		size_t		total;
		double	   *data = team->gather(team->arg, records->data, records->n * bytes,
										&total);

		km_team_release(team, records->data);
		records->data = data;
		records->n = total / bytes;
		records->max = records->n;
		records_merge(records, records->n);
	}
}

static int
records_compare(const double *a, const double *b, const void *arg)
{
	uint64_t	hash_a = km_record_hash(a);
	uint64_t	hash_b = km_record_hash(b);

	if (hash_a != hash_b)
		return hash_a < hash_b ? -1 : 1;
	return km_sort_compare(a + KM_RECORD_VALUES, b + KM_RECORD_VALUES, *(const int *) arg);
}

/* sort, merge copies, and make room for max records in all */
static void
records_merge(KmRecords *records, size_t max)
{
	KmTeam	   *team = records->team;
	size_t		bytes = records->size * sizeof(double);
	size_t		check = km_check_every(bytes);
	double	  **order = km_team_alloc(team, records->n, sizeof(double *));
	double	   *data = km_team_alloc(team, max, bytes);
	double	   *last = NULL;
	size_t		n = 0;

	records_order(records, order);
	for (size_t i = 0; i < records->n; i++)
	{
		if (i % check == 0)
			km_team_check(team);
		if (last != NULL && records_compare(last, order[i], &records->d) == 0)
		{
			record_set_mass(last, km_record_mass(last) + km_record_mass(order[i]));
			continue;
		}
		last = data + n * records->size;
		memcpy(last, order[i], bytes);
		n++;
	}
	km_team_release(team, records->data);
	km_team_release(team, order);
	records->data = data;
	records->n = n;
	records->max = max;
}

/* pointers to the records, sorted */
static void
records_order(const KmRecords *records, double **order)
{
	KmTeam	   *team = records->team;
	uint64_t	least = UINT64_MAX;
	uint64_t	most = 0;
	size_t		ngroups = 1;
	int			shift = 0;
	size_t	   *end;			/* per group, once all are placed */

	for (size_t i = 0; i < records->n; i++)
	{
		uint64_t	hash = km_record_hash(km_record(records, i));

		least = hash < least ? hash : least;
		most = hash > most ? hash : most;
	}
	while (ngroups < records->n)
		ngroups *= 2;
	while (records->n > 0 && (most - least) >> shift >= ngroups)
		shift++;

	end = km_team_alloc(team, ngroups + 1, sizeof(size_t));
	memset(end, 0, (ngroups + 1) * sizeof(size_t));
	for (size_t i = 0; i < records->n; i++)
		end[((km_record_hash(km_record(records, i)) - least) >> shift) + 1]++;
	for (size_t g = 0; g < ngroups; g++)
		end[g + 1] += end[g];
	for (size_t i = 0; i < records->n; i++)
	{
		double	   *record = records->data + i * records->size;

		order[end[(km_record_hash(record) - least) >> shift]++] = record;
	}
	for (size_t g = 0; g < ngroups; g++)
	{
		size_t		start = g > 0 ? end[g - 1] : 0;

		if (end[g] - start > 1)
			km_sort_rows(team, order + start, end[g] - start, records_compare,
						 &records->d);
		if (g % RECORDS_CHECK == 0)
			km_team_check(team);
	}
	km_team_release(team, end);
}
