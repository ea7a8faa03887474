/*
 * space.c
 *		Bringing a row into the space of a fit, and a centroid back.
 *
 * Scaling is one subtraction and one division per value, in that order, on
 * every path: a row that is predicted must get the very bits it had when it
 * was fitted.
 *
 * For cosine the row is then divided by its length.  The naive length,
 * sqrt(sum of squares), is infinite for values over 2^512 and zero for values
 * under 2^-538, although the quotient is an ordinary number.  So the naive
 * sum is taken only where it is far from both ends; elsewhere the row is first
 * multiplied by the power of two that brings its largest value to [1, 2),
 * which rounds nothing that matters.
 */
#include "core/space.h"

#include <math.h>

#include "core/bits.h"

static bool space_unit(double *z, int d);

bool
km_space_row(const KmSpace *space, const double *x, double *z)
{
	int			d = space->d;

	if (space->shift != NULL)
	{
		/* the last addition turns a negative zero into zero */
		for (int t = 0; t < d; t++)
			z[t] = (x[t] - space->shift[t]) / space->scale[t] + 0.0;
	}
	else if (z != x)
	{
		for (int t = 0; t < d; t++)
			z[t] = x[t];
	}
	return space->unit ? space_unit(z, d) : true;
}

void
km_space_back(const KmSpace *space, const double *z, double *x)
{
	for (int t = 0; t < space->d; t++)
		x[t] = space->shift != NULL ?
			z[t] * space->scale[t] + space->shift[t] : z[t];
}

/* z / |z|, or false if |z| = 0 */
static bool
space_unit(double *z, int d)
{
	double		sum = 0;
	double		length;

	for (int t = 0; t < d; t++)
		sum += z[t] * z[t];
	if (!(sum >= 0x1p-900 && sum <= 0x1p1000))
	{
		double		largest = 0;
		int			exponent;

		for (int t = 0; t < d; t++)
			if (fabs(z[t]) > largest)
				largest = fabs(z[t]);
		if (largest == 0)
			return false;

		/* in two steps: 2^1074 is no double */
		exponent = km_bits_exponent(largest);
		sum = 0;
		for (int t = 0; t < d; t++)
		{
			z[t] = z[t] * km_bits_pow2(-exponent / 2) *
				km_bits_pow2(-exponent - -exponent / 2);
			sum += z[t] * z[t];
		}
	}
	length = sqrt(sum);
	for (int t = 0; t < d; t++)
		z[t] = z[t] / length + 0.0;
	return true;
}
