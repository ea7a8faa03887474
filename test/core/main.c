/*
 * main.c
 *		Runs the core's tests.
 */
#include "test.h"

#include <stdio.h>

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_sums();
	test_space();
	test_kernel();
	test_floats();
	test_stats();
	test_summary();
	test_seed();
	test_lloyd();
	test_pruning();
	test_assignment();
	test_blobs();
	test_criteria();
	test_principal();
	test_moved();
	ok(solo_allocated() == 0, "everything allocated was released");
	return ok_all() ? 0 : 1;
}
