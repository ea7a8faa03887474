/*
 * exact_body.h
 *		The inner loops of sums of numbers, for one instruction set.
 *
 * Included by exact.c once per instruction set, with
 *
 *		BODY_NAME(name)		the function's name for this instruction set
 *		BODY_TARGET			the function attribute that selects it, or nothing
 *
 * Numbers are cut as the head of sums.c tells.  All additions of doubles here are exact or the wanted rounding to the grid, so
 * the results do not depend on the instruction set.
 */

/* the largest magnitude of n numbers */
BODY_TARGET static double
BODY_NAME(exact_largest) (const double *x, int n)
{
	KmDoubles	most = {0};
	double		largest = 0;
	int			i;

	for (i = 0; i + KM_LANES <= n; i += KM_LANES)
	{
		KmDoubles	magnitude = (KmDoubles) (*(const KmLongs *) (x + i) & INT64_MAX);

		most = KM_LANES_MAX(magnitude, most);
	}
	for (; i < n; i++)
		largest = fabs(x[i]) > largest ? fabs(x[i]) : largest;
	for (int l = 0; l < KM_LANES; l++)
		largest = most[l] > largest ? most[l] : largest;
	return largest;
}

/*
 * The sums of the upper parts of n numbers, multiples of unit, and of the lower
 * ones, multiples of fine; both in these units.  Returns whether nothing is left
 * below.  The numbers are under 2^51 units, and half a unit under 2^51 fine ones.
 */
BODY_TARGET static bool
BODY_NAME(exact_two) (const double *x, int n, double unit, double fine,
					  int64_t *upper, int64_t *lower)
{
	const KmDoubles magic = KM_LANES_EVERY(0x1.8p52 * unit);
	const KmDoubles fine_magic = KM_LANES_EVERY(0x1.8p52 * fine);
	KmLongs		high = {0};
	KmLongs		low = {0};
	KmLongs		left = {0};
	int64_t		any = 0;

	for (int i = 0; i < n; i += KM_LANES)
	{
		KmDoubles	rest = {0};
		KmDoubles	cut;

		if (i + KM_LANES <= n)
			rest = *(const KmDoubles *) (x + i);
		else
			for (int l = 0; l < n - i; l++)
				rest[l] = x[i + l];
		cut = rest + magic;
		high += (KmLongs) cut - (KmLongs) magic;
		rest -= cut - magic;
		cut = rest + fine_magic;
		low += (KmLongs) cut - (KmLongs) fine_magic;
		left |= (KmLongs) (rest - (cut - fine_magic));
	}
	*upper = *lower = 0;
	for (int l = 0; l < KM_LANES; l++)
	{
		*upper += high[l];
		*lower += low[l];
		any |= left[l];
	}
	/* the sign bit alone is a zero */
	return (any & INT64_MAX) == 0;
}

/*
 * Take from each of n numbers its multiples of unit, and return their sum in
 * units; *remains: is anything left?  The numbers are under 2^51 units.
 */
BODY_TARGET static int64_t
BODY_NAME(exact_cut) (double *rest, int n, double unit, bool *remains)
{
	const KmDoubles magic = 0x1.8p52 * unit - (KmDoubles) {0};
	KmLongs	parts = {0};
	KmLongs	left = {0};
	int64_t		sum = 0;
	int64_t		any = 0;

	for (int i = 0; i < n; i += KM_LANES)
	{
		KmDoubles value = *(KmDoubles *) (rest + i);
		KmDoubles cut = value + magic;

		parts += (KmLongs) cut - (KmLongs) magic;
		value -= cut - magic;
		left |= (KmLongs) value;
		*(KmDoubles *) (rest + i) = value;
	}
	for (int l = 0; l < KM_LANES; l++)
	{
		sum += parts[l];
		any |= left[l];
	}
	/* the sign bit alone is a zero */
	*remains = (any & INT64_MAX) != 0;
	return sum;
}

#undef BODY_NAME
#undef BODY_TARGET
