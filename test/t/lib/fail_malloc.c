/*
 * fail_malloc.c
 *		An allocator that fails once, when it is told to.
 *
 * Preloaded into a server, it stands before the C library's; loaded by the
 * server as a library of functions, it is the same object.  fail_malloc(n) lets
 * n allocations of this process pass and refuses the next; malloc_failed() says
 * whether it came to that, and ends it.
 */
#include "postgres.h"

#include <errno.h>

#include "fmgr.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(fail_malloc);
PG_FUNCTION_INFO_V1(malloc_failed);

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);

static long to_pass = -1;		/* -1: all */
static bool failed = false;

static bool
refuse(void)
{
	if (to_pass < 0 || to_pass-- > 0)
		return false;
	failed = true;
	errno = ENOMEM;
	return true;
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
	failed = false;
	to_pass = PG_GETARG_INT32(0);
	PG_RETURN_VOID();
}

Datum
malloc_failed(PG_FUNCTION_ARGS)
{
	to_pass = -1;
	PG_RETURN_BOOL(failed);
}
