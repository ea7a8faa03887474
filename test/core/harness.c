/*
 * harness.c
 *		What the core's tests and its benchmark share.
 */
#include "test.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"

static int	tests_run;
static int	tests_failed;
static int64_t allocated;
static int64_t checks;

bool
ok(bool cond, const char *format,...)
{
	va_list		args;

	tests_run++;
	tests_failed += !cond;
	printf("%s %d - ", cond ? "ok" : "not ok", tests_run);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	return cond;
}

bool
ok_all(void)
{
	printf("1..%d\n", tests_run);
	if (tests_failed > 0)
		fprintf(stderr, "%d of %d tests failed\n", tests_failed, tests_run);
	return tests_failed == 0;
}

bool
same(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

bool
same_all(const double *a, const double *b, size_t n)
{
	return memcmp(a, b, n * sizeof(double)) == 0;
}

bool
near(double a, double b, double relative)
{
	return fabs(a - b) <= relative * fmax(fabs(a), fabs(b));
}

/* ---- a team of one ---- */

static void *
solo_alloc(void *arg, size_t size)
{
	char	   *ptr;

	(void) arg;
	if (size > SIZE_MAX - 8)
		abort();
	ptr = malloc(size + 8);
	if (ptr == NULL)
		abort();
	/* nobody may count on zeros, or on more than 8 bytes of alignment */
	memset(ptr, 0xa5, size + 8);
	__atomic_add_fetch(&allocated, 1, __ATOMIC_RELAXED);
	return ptr + 8;
}

static void
solo_release(void *arg, void *ptr)
{
	(void) arg;
	__atomic_sub_fetch(&allocated, 1, __ATOMIC_RELAXED);
	free((char *) ptr - 8);
}

static void
solo_check(void *arg)
{
	(void) arg;
	__atomic_add_fetch(&checks, 1, __ATOMIC_RELAXED);
}

KmTeam *
solo_team(void)
{
	static KmTeam team = {
		.alloc = solo_alloc, .release = solo_release, .check = solo_check,
		.size = 1
	};

	return &team;
}

int64_t
solo_allocated(void)
{
	return allocated;
}

int64_t
solo_checks(void)
{
	return checks;
}

/* ---- a team of threads ---- */

typedef struct Shared
{
	int			size;
	pthread_barrier_t barrier;
	const void **part;			/* what each brings */
	size_t	   *bytes;
	void		(*work) (KmTeam *team, void *arg);
	void	   *arg;
} Shared;

typedef struct Member
{
	Shared	   *shared;
	KmTeam		team;
	pthread_t	thread;
} Member;

/* everybody's part is readable until leave() */
static void
meet(Member *member, const void *part, size_t bytes)
{
	Shared	   *shared = member->shared;

	shared->part[member->team.rank] = part;
	shared->bytes[member->team.rank] = bytes;
	pthread_barrier_wait(&shared->barrier);
}

static void
leave(Member *member)
{
	pthread_barrier_wait(&member->shared->barrier);
}

static void
team_add(void *arg, int64_t *v, size_t n)
{
	Member	   *member = arg;
	int64_t    *sum = calloc(n, sizeof(int64_t));

	meet(member, v, n * sizeof(int64_t));
	for (int rank = 0; rank < member->team.size; rank++)
	{
		if (member->shared->bytes[rank] != n * sizeof(int64_t))
			abort();
		for (size_t i = 0; i < n; i++)
			sum[i] += ((const int64_t *) member->shared->part[rank])[i];
	}
	leave(member);
	memcpy(v, sum, n * sizeof(int64_t));
	free(sum);
}

static void
team_max(void *arg, double *v, size_t n)
{
	Member	   *member = arg;
	double	   *max = malloc(n * sizeof(double));

	memcpy(max, v, n * sizeof(double));
	meet(member, v, n * sizeof(double));
	for (int rank = 0; rank < member->team.size; rank++)
	{
		if (member->shared->bytes[rank] != n * sizeof(double))
			abort();
		for (size_t i = 0; i < n; i++)
			max[i] = fmax(max[i], ((const double *) member->shared->part[rank])[i]);
	}
	leave(member);
	memcpy(v, max, n * sizeof(double));
	free(max);
}

static void *
team_gather(void *arg, const void *mine, size_t bytes, size_t *total)
{
	Member	   *member = arg;
	char	   *all;
	size_t		offset = 0;

	meet(member, mine, bytes);
	*total = 0;
	for (int rank = 0; rank < member->team.size; rank++)
		*total += member->shared->bytes[rank];
	all = solo_alloc(NULL, *total);
	for (int rank = 0; rank < member->team.size; rank++)
	{
		memcpy(all + offset, member->shared->part[rank], member->shared->bytes[rank]);
		offset += member->shared->bytes[rank];
	}
	leave(member);
	return all;
}

static void *
member_main(void *arg)
{
	Member	   *member = arg;

	member->shared->work(&member->team, member->shared->arg);
	return NULL;
}

void
team_run(int size, void (*work) (KmTeam *team, void *arg), void *arg)
{
	Shared		shared;
	Member	   *members = calloc(size, sizeof(Member));

	shared.size = size;
	shared.part = calloc(size, sizeof(void *));
	shared.bytes = calloc(size, sizeof(size_t));
	shared.work = work;
	shared.arg = arg;
	pthread_barrier_init(&shared.barrier, NULL, size);
	for (int rank = 0; rank < size; rank++)
	{
		members[rank].shared = &shared;
		members[rank].team = (KmTeam) {
			.arg = &members[rank], .alloc = solo_alloc, .release = solo_release,
				.check = solo_check, .size = size, .rank = rank,
				.add = team_add, .max = team_max, .gather = team_gather
		};
		pthread_create(&members[rank].thread, NULL, member_main, &members[rank]);
	}
	for (int rank = 0; rank < size; rank++)
		pthread_join(members[rank].thread, NULL);
	pthread_barrier_destroy(&shared.barrier);
	free(shared.part);
	free(shared.bytes);
	free(members);
}

/* ---- rows ---- */

static KmChunk *
rows_get(void *arg, int chunk)
{
	return &((TestRows *) arg)->chunks[chunk];
}

TestRows *
rows_create(const double *values, const double *weight, int64_t n, int d,
			int64_t chunk_rows)
{
	TestRows   *rows = calloc(1, sizeof(TestRows));
	int			nchunks = (int) ((n + chunk_rows - 1) / chunk_rows);

	rows->rows.d = d;
	rows->rows.n = n;
	rows->rows.weighted = weight != NULL;
	rows->rows.nchunks = nchunks;
	rows->rows.arg = rows;
	rows->rows.get = rows_get;
	rows->chunks = calloc(nchunks + 1, sizeof(KmChunk));
	rows->values = malloc(n * d * sizeof(double) + 1);
	memcpy(rows->values, values, n * d * sizeof(double));
	if (weight != NULL)
	{
		rows->weight = malloc(n * sizeof(double) + 1);
		memcpy(rows->weight, weight, n * sizeof(double));
	}
	rows->label = malloc(n * sizeof(uint16_t) + 1);
	rows->bound = malloc(n * sizeof(float) + 1);
	rows->dist2 = malloc(n * sizeof(double) + 1);
	rows->bucket = malloc(n * sizeof(uint16_t) + 1);
	for (int64_t i = 0; i < n; i++)
		rows->label[i] = UINT16_MAX;
	for (int c = 0; c < nchunks; c++)
	{
		int64_t		start = c * chunk_rows;

		rows->chunks[c] = (KmChunk) {
			.nrows = n - start < chunk_rows ? n - start : chunk_rows,
				.values = rows->values + start * d,
				.weight = weight != NULL ? rows->weight + start : NULL,
				.label = rows->label + start,
				.bound = rows->bound + start,
				.dist2 = rows->dist2 + start,
				.bucket = rows->bucket + start
		};
	}
	return rows;
}

void
rows_free(TestRows *rows)
{
	for (int c = 0; c < rows->rows.nchunks; c++)
	{
		free(rows->chunks[c].floats);
		free(rows->chunks[c].room);
	}
	free(rows->chunks);
	free(rows->values);
	free(rows->weight);
	free(rows->label);
	free(rows->bound);
	free(rows->dist2);
	free(rows->bucket);
	free(rows);
}

void
rows_narrow(TestRows *rows, int step)
{
	int			d = rows->rows.d;

	for (int c = 0; c < rows->rows.nchunks; c += step)
	{
		KmChunk    *chunk = &rows->chunks[c];

		chunk->floats = malloc(chunk->nrows * d * sizeof(float) + 1);
		chunk->room = malloc((size_t) km_rows_batch(d) * d * sizeof(double));
		for (int64_t i = 0; i < chunk->nrows * d; i++)
		{
			chunk->floats[i] = (float) chunk->values[i];
			if (chunk->floats[i] != chunk->values[i])
				abort();
		}
		chunk->values = NULL;
	}
}

TestRows *
rows_shuffled(const TestRows *rows, uint64_t seed, int64_t chunk_rows,
			  int64_t *where)
{
	int64_t		n = rows->rows.n;
	int			d = rows->rows.d;
	TestRows   *copy;

	for (int64_t i = 0; i < n; i++)
		where[i] = i;
	for (int64_t i = n - 1; i > 0; i--)
	{
		int64_t		j = (int64_t) (uniform(seed, i) * (i + 1));
		int64_t		other = where[i];

		where[i] = where[j];
		where[j] = other;
	}
	copy = rows_create(rows->values, rows->weight, n, d, chunk_rows);
	for (int64_t i = 0; i < n; i++)
	{
		memcpy(copy->values + i * d, rows->values + where[i] * d, d * sizeof(double));
		if (rows->weight != NULL)
			copy->weight[i] = rows->weight[where[i]];
	}
	return copy;
}

double
uniform(uint64_t seed, uint64_t i)
{
	return km_random_double(seed, 77, i);
}

double
normal(uint64_t seed, uint64_t i)
{
	double		sum = -6;

	for (int s = 0; s < 12; s++)
		sum += uniform(seed, 12 * i + s);
	return sum;
}

double *
read_iris(int64_t *n)
{
	FILE	   *file = fopen(TEST_DATA "/iris.csv", "r");
	double	   *values = malloc(150 * 4 * sizeof(double));
	char		line[256];

	if (file == NULL)
	{
		perror(TEST_DATA "/iris.csv");
		exit(1);
	}
	*n = 0;
	while (*n < 150 && fgets(line, sizeof(line), file) != NULL)
	{
		double	   *row = values + 4 * *n;

		if (sscanf(line, "%lf,%lf,%lf,%lf", row, row + 1, row + 2, row + 3) == 4)
			(*n)++;
	}
	fclose(file);
	return values;
}
