/*
 * sample.c
 *		Distinct rows by smallest hash, with their copies.
 *
 * An entry is a row of doubles, so that it can be sorted and sent as it is:
 *
 *		entry:	hash, copies (both as bits) | x[0] .. x[d-1] | weight
 *
 * (the weight only where rows have one).  Entries are collected until there
 * are twice as many as wanted; then they are sorted, the first `most` stay,
 * and the last of these gives the limit that later hashes must not exceed.
 * That happens about log2(n / most) times.  A hash table finds the entry of a
 * content that is there already.
 *
 * The copies counted are all there are: once an entry has been dropped there
 * are `most` contents before it, which only contents still before those can
 * displace.  So a content in the sample has been there since its first row.
 */
#include "core/sample.h"

#include <string.h>

#include "core/bits.h"
#include "core/hash.h"
#include "core/sort.h"

#define ENTRY_HASH		0
#define ENTRY_COPIES	1
#define ENTRY_CONTENT	2

#define SAMPLE_FIRST_ROOM	1024
#define SAMPLE_CHECK_EVERY	1024	/* rows between two calls of check */

struct KmSampler
{
	KmTeam	   *team;
	int			d;
	bool		weighted;
	int			content;		/* doubles of a content: d, and a weight */
	size_t		size;			/* doubles of an entry */
	size_t		most;
	uint64_t	seed;
	uint64_t	limit;			/* larger hashes are not in the sample */
	size_t		n;
	size_t		room;			/* entries */
	double	   *entries;
	size_t		mask;			/* slots - 1, a power of two over 2 x room */
	size_t	   *slots;			/* number of the entry, from 1; 0: empty */
	double	   *content_row;	/* scratch: a content */
};

static void sampler_add(KmSampler *sampler, uint64_t hash, const double *x, double weight);
static void sampler_make_room(KmSampler *sampler);
static void sampler_enlarge(KmSampler *sampler, size_t room);
static void sampler_index(KmSampler *sampler);
static size_t sampler_find(const KmSampler *sampler, uint64_t hash, const double *x);
static size_t sampler_condense(KmSampler *sampler, double *entries, size_t n);
static int	sample_compare(const double *a, const double *b, const void *arg);
static KmSample *sample_unpack(const KmSampler *sampler);

KmSampler *
km_sampler_create(KmTeam *team, int d, bool weighted, int64_t most, uint64_t seed)
{
	KmSampler  *sampler = km_team_alloc(team, 1, sizeof(KmSampler));

	memset(sampler, 0, sizeof(*sampler));
	sampler->team = team;
	sampler->d = d;
	sampler->weighted = weighted;
	sampler->content = d + (weighted ? 1 : 0);
	sampler->size = (size_t) ENTRY_CONTENT + sampler->content;
	sampler->most = (size_t) most;
	sampler->seed = seed;
	sampler->limit = UINT64_MAX;
	sampler->content_row = km_team_alloc(team, sampler->content, sizeof(double));
	sampler_enlarge(sampler, SAMPLE_FIRST_ROOM);
	return sampler;
}

void
km_sampler_limit(KmSampler *sampler, double part)
{
	sampler->limit = part < 1 ? (uint64_t) (part * 0x1p63) << 1 : UINT64_MAX;
}

void
km_sampler_add(KmSampler *sampler, const double *x, double weight)
{
	uint64_t	hash = km_hash_row(x, sampler->d, sampler->seed);

	if (hash <= sampler->limit)
		sampler_add(sampler, hash, x, weight);
}

static void
sampler_add(KmSampler *sampler, uint64_t hash, const double *x, double weight)
{
	double	   *content = sampler->content_row;
	double	   *entry;
	size_t		slot;

	memcpy(content, x, sampler->d * sizeof(double));
	if (sampler->weighted)
		content[sampler->d] = weight;

	slot = sampler_find(sampler, hash, content);
	if (sampler->slots[slot] != 0)
	{
		entry = sampler->entries + (sampler->slots[slot] - 1) * sampler->size;
		entry[ENTRY_COPIES] = km_bits_double(km_bits_of(entry[ENTRY_COPIES]) + 1);
		return;
	}
	if (sampler->n == sampler->room)
	{
		sampler_make_room(sampler);
		slot = sampler_find(sampler, hash, content);
	}
	entry = sampler->entries + sampler->n * sampler->size;
	entry[ENTRY_HASH] = km_bits_double(hash);
	entry[ENTRY_COPIES] = km_bits_double(1);
	memcpy(entry + ENTRY_CONTENT, content, sampler->content * sizeof(double));
	sampler->slots[slot] = ++sampler->n;
}

void
km_sampler_add_rows(KmSampler *sampler, KmRows *rows)
{
	for (int c = 0; c < rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE)
		{
			int			n = km_chunk_batch(chunk, start, KM_TILE);
			const double *values = km_chunk_rows(chunk, rows->d, start, n);
			uint64_t	hash[KM_TILE];

			km_hash_rows(values, n, rows->d, sampler->seed, hash);
			for (int i = 0; i < n; i++)
				if (hash[i] <= sampler->limit)
					sampler_add(sampler, hash[i], values + (size_t) i * rows->d,
								chunk->weight != NULL ? chunk->weight[start + i] : 1);
			km_team_check(sampler->team);
		}
	}
}

KmSample *
km_sampler_finish(KmSampler *sampler)
{
	KmTeam	   *team = sampler->team;
	KmSample   *sample;

	sampler->n = sampler_condense(sampler, sampler->entries, sampler->n);
	if (team->size > 1)
	{
		size_t		entry = sampler->size * sizeof(double);
		size_t		total;
		double	   *all = team->gather(team->arg, sampler->entries,
									   sampler->n * entry, &total);

		km_team_release(team, sampler->entries);
		sampler->entries = all;
		sampler->n = sampler_condense(sampler, all, total / entry);
	}
	sample = sample_unpack(sampler);
	km_team_release(team, sampler->content_row);
	km_team_release(team, sampler->slots);
	km_team_release(team, sampler->entries);
	km_team_release(team, sampler);
	return sample;
}

void
km_sample_free(KmTeam *team, KmSample *sample)
{
	km_team_release(team, sample->weight);
	km_team_release(team, sample->copies);
	km_team_release(team, sample->values);
	km_team_release(team, sample);
}

/* All room is taken: take more, or drop what is not in the sample. */
static void
sampler_make_room(KmSampler *sampler)
{
	if (sampler->n < 2 * sampler->most)
	{
		sampler_enlarge(sampler, 2 * sampler->room < 2 * sampler->most ?
						2 * sampler->room : 2 * sampler->most);
		return;
	}
	sampler->n = sampler_condense(sampler, sampler->entries, sampler->n);
	sampler->limit = km_bits_of(sampler->entries[(sampler->n - 1) * sampler->size +
												 ENTRY_HASH]);
	sampler_index(sampler);
}

static void
sampler_enlarge(KmSampler *sampler, size_t room)
{
	KmTeam	   *team = sampler->team;
	double	   *entries = km_team_alloc(team, room, sampler->size * sizeof(double));
	size_t		slots = 4;

	if (sampler->n > 0)
		memcpy(entries, sampler->entries, sampler->n * sampler->size * sizeof(double));
	km_team_release(team, sampler->entries);
	sampler->entries = entries;
	sampler->room = room;

	while (slots < 2 * room)
		slots *= 2;
	km_team_release(team, sampler->slots);
	sampler->slots = km_team_alloc(team, slots, sizeof(size_t));
	sampler->mask = slots - 1;
	sampler_index(sampler);
}

/* fill the hash table anew */
static void
sampler_index(KmSampler *sampler)
{
	memset(sampler->slots, 0, (sampler->mask + 1) * sizeof(size_t));
	for (size_t i = 0; i < sampler->n; i++)
	{
		const double *entry = sampler->entries + i * sampler->size;

		if (i % SAMPLE_CHECK_EVERY == 0)
			km_team_check(sampler->team);
		sampler->slots[sampler_find(sampler, km_bits_of(entry[ENTRY_HASH]),
									entry + ENTRY_CONTENT)] = i + 1;
	}
}

/*
 * The slot of a content, or the empty one where it belongs.  The low bits of
 * the hash give the place: the high ones are zero where few of many contents
 * are in the sample.
 */
static size_t
sampler_find(const KmSampler *sampler, uint64_t hash, const double *content)
{
	size_t		slot = (size_t) hash & sampler->mask;

	for (; sampler->slots[slot] != 0; slot = (slot + 1) & sampler->mask)
	{
		const double *entry = sampler->entries +
			(sampler->slots[slot] - 1) * sampler->size;

		if (km_bits_of(entry[ENTRY_HASH]) == hash &&
			memcmp(entry + ENTRY_CONTENT, content,
				   sampler->content * sizeof(double)) == 0)
			break;
	}
	return slot;
}

/*
 * Bring n entries into their order, put copies together, and keep the first
 * `most`.  Returns how many there are now.
 */
static size_t
sampler_condense(KmSampler *sampler, double *entries, size_t n)
{
	KmTeam	   *team = sampler->team;
	size_t		bytes = sampler->size * sizeof(double);
	size_t		check = km_check_every(bytes);
	double	  **order = km_team_alloc(team, n, sizeof(double *));
	double	   *sorted = km_team_alloc(team, n < sampler->most ? n : sampler->most, bytes);
	size_t		kept = 0;

	for (size_t i = 0; i < n; i++)
		order[i] = entries + i * sampler->size;
	km_sort_rows(team, order, n, sample_compare, sampler);
	for (size_t i = 0; i < n; i++)
	{
		double	   *last = kept > 0 ? sorted + (kept - 1) * sampler->size : NULL;

		if (i % check == 0)
			km_team_check(team);
		if (last != NULL && sample_compare(last, order[i], sampler) == 0)
			last[ENTRY_COPIES] = km_bits_double(km_bits_of(last[ENTRY_COPIES]) +
												km_bits_of(order[i][ENTRY_COPIES]));
		else if (kept < sampler->most)
			memcpy(sorted + kept++ * sampler->size, order[i], bytes);
		else
			break;
	}
	for (size_t i = 0; i < kept; i++)
	{
		if (i % check == 0)
			km_team_check(team);
		memcpy(entries + i * sampler->size, sorted + i * sampler->size, bytes);
	}
	km_team_release(team, sorted);
	km_team_release(team, order);
	return kept;
}

static int
sample_compare(const double *a, const double *b, const void *arg)
{
	uint64_t	x = km_bits_of(a[ENTRY_HASH]);
	uint64_t	y = km_bits_of(b[ENTRY_HASH]);

	if (x != y)
		return x < y ? -1 : 1;
	return km_sort_compare(a + ENTRY_CONTENT, b + ENTRY_CONTENT,
						   ((const KmSampler *) arg)->content);
}

static KmSample *
sample_unpack(const KmSampler *sampler)
{
	KmTeam	   *team = sampler->team;
	KmSample   *sample = km_team_alloc(team, 1, sizeof(KmSample));
	int			d = sampler->d;
	size_t		check = km_check_every(d * sizeof(double));

	sample->d = d;
	sample->n = (int64_t) sampler->n;
	sample->rows = 0;
	sample->values = km_team_alloc(team, sampler->n * d, sizeof(double));
	sample->copies = km_team_alloc(team, sampler->n, sizeof(int64_t));
	sample->weight = km_team_alloc(team, sampler->n, sizeof(double));
	for (size_t i = 0; i < sampler->n; i++)
	{
		const double *entry = sampler->entries + i * sampler->size;
		const double *x = entry + ENTRY_CONTENT;

		if (i % check == 0)
			km_team_check(team);
		memcpy(sample->values + i * d, x, d * sizeof(double));
		sample->copies[i] = (int64_t) km_bits_of(entry[ENTRY_COPIES]);
		sample->weight[i] = (double) sample->copies[i] * (sampler->weighted ? x[d] : 1);
		sample->rows += sample->copies[i];
	}
	return sample;
}
