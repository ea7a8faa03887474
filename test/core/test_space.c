/*
 * test_space.c
 */
#include "test.h"

#include <math.h>

#include "core/kernel.h"
#include "core/space.h"

void
test_space(void)
{
	double		shift[2] = {10, -1};
	double		scale[2] = {4, 0.5};
	KmSpace		identity = {2, NULL, NULL, false};
	KmSpace		scaled = {2, shift, scale, false};
	KmSpace		unit = {2, NULL, NULL, true};
	KmSpace		both = {2, shift, scale, true};
	double		x[2] = {22, -3};
	double		z[2];
	double		back[2];

	ok(km_space_row(&identity, x, z) && same_all(x, z, 2), "identity");
	ok(km_space_row(&scaled, x, z) && z[0] == 3 && z[1] == -4, "shift and scale");
	km_space_back(&scaled, z, back);
	ok(same_all(x, back, 2), "and back");
	ok(km_space_row(&both, x, z) && z[0] == 0.6 && z[1] == -0.8, "to length 1");
	ok(km_space_row(&both, x, x) && same_all(x, z, 2), "in place");

	x[0] = 10;
	x[1] = -1;
	ok(!km_space_row(&both, x, z), "a row of length 0 has no direction");
	km_space_row(&scaled, x, z);
	ok(same(z[0], 0) && same(z[1], 0), "no negative zero");
	shift[0] = 0;
	ok(km_space_row(&scaled, (double[]) {-0x1p-1074, -1}, z) && same(z[0], 0),
	   "none from a quotient either");

	ok(km_space_row(&unit, (double[]) {3e300, 4e300}, z) && z[0] == 0.6 && z[1] == 0.8,
	   "length of large values");
	ok(km_space_row(&unit, (double[]) {-0x3p-1000, 0x4p-1000}, z) && z[0] == -0.6 && z[1] == 0.8,
	   "length of small values");
	ok(km_space_row(&unit, (double[]) {0, 0x1p-1074}, z) && z[0] == 0 && z[1] == 1,
	   "length of the smallest value");
	ok(km_space_row(&unit, (double[]) {1e-200, 1}, z) && z[0] == 1e-200 && z[1] == 1,
	   "a small value beside a large one");

	{
		bool		good = true;
		double		y[2];

		for (int m = 1; m < 1000; m++)
		{
			km_space_row(&unit, (double[]) {1, 2}, z);
			km_space_row(&unit, (double[]) {m * 1.0, m * 2.0}, y);
			good = good && km_space_same_place(&unit, km_kernel_dist2(y, z, 2));
		}
		ok(good, "multiples of a row are at one place");
		ok(!km_space_same_place(&identity, 0x1p-1074) &&
		   km_space_same_place(&identity, 0), "otherwise only distance 0 is one place");
	}
}
