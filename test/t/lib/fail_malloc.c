/*
 * fail_malloc.c
 *		An allocator that fails once, when it is told to.
 *
 * Preloaded into a server, it stands before the C library's; loaded by the
 * server as a library of functions, it is the same object.  fail_malloc(n) lets
 * n allocations of this process pass and refuses the next, fail_malloc_workers(n)
 * does so with those of all parallel workers together; malloc_failed() says
 * whether it came to that, and ends it.
 *
 * Workers are told through a page that the postmaster shares with all it forks.
 */
#include "postgres.h"

#include <errno.h>
#include <sys/mman.h>

#include "fmgr.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(fail_malloc);
PG_FUNCTION_INFO_V1(fail_malloc_workers);
PG_FUNCTION_INFO_V1(malloc_failed);

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);

/* negative in other processes; absent in other programs */
extern int	ParallelWorkerNumber __attribute__((weak));

typedef struct Failure
{
	long		to_pass;		/* negative: all */
	bool		failed;
} Failure;

static Failure own = {.to_pass = -1};
static Failure *workers = NULL;

static void __attribute__((constructor))
share(void)
{
	void	   *page = mmap(NULL, sizeof(Failure), PROT_READ | PROT_WRITE,
							MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return;
	workers = page;
	workers->to_pass = -1;
}

static bool
refuse(void)
{
	bool		is_worker = &ParallelWorkerNumber != NULL && ParallelWorkerNumber >= 0;
	Failure    *failure = is_worker && workers != NULL ? workers : &own;

	if (failure->to_pass < 0 ||
		__atomic_fetch_sub(&failure->to_pass, 1, __ATOMIC_RELAXED) != 0)
		return false;
	failure->failed = true;
	errno = ENOMEM;
	return true;
}

static void
begin(Failure *failure, int to_pass)
{
	failure->failed = false;
	failure->to_pass = to_pass;
}

void *
malloc(size_t size)
{
	return refuse() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	return refuse() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *ptr, size_t size)
{
	return refuse() ? NULL : __libc_realloc(ptr, size);
}

Datum
fail_malloc(PG_FUNCTION_ARGS)
{
	begin(&own, PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

Datum
fail_malloc_workers(PG_FUNCTION_ARGS)
{
	begin(workers, PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

Datum
malloc_failed(PG_FUNCTION_ARGS)
{
	own.to_pass = workers->to_pass = -1;
	PG_RETURN_BOOL(own.failed || workers->failed);
}
