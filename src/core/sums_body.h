/*
 * sums_body.h
 *		The inner loops of the sums, for one instruction set.
 *
 * Included by sums.c once per instruction set, with
 *
 *		BODY_NAME(name)		the function's name for this instruction set
 *		BODY_TARGET			the function attribute that selects it, or nothing
 *
 * Both cut numbers as the head of sums.c tells.  All additions of doubles here
 * are exact or the wanted rounding to the grid, so the results do not depend
 * on the instruction set.
 */

/*
 * Prepare n <= EXACT_BATCH numbers for exact_cut(): copy them to rest, padded
 * with zeros to a multiple of SUMS_BLOCK.  Returns their largest magnitude.
 */
BODY_TARGET static double
BODY_NAME(exact_load) (const double *x, int n, double *rest)
{
	SumsDoubles most = {0};
	double		largest = 0;

	memcpy(rest, x, n * sizeof(double));
	for (int i = n; i % SUMS_BLOCK != 0; i++)
		rest[i] = 0;
	for (int i = 0; i < n; i += SUMS_BLOCK)
	{
		SumsDoubles value = *(SumsDoubles *) (rest + i);
		SumsDoubles magnitude = (SumsDoubles) ((SumsLongs) value & INT64_MAX);
		SumsLongs	larger = (SumsLongs) (magnitude > most);

		most = (SumsDoubles) ((larger & (SumsLongs) magnitude) |
							  (~larger & (SumsLongs) most));
	}
	for (int l = 0; l < SUMS_BLOCK; l++)
		largest = most[l] > largest ? most[l] : largest;
	return largest;
}

/*
 * Take from each of n numbers its multiples of unit, and return their sum in
 * units; *remains: is anything left?  The numbers are under 2^51 units.
 */
BODY_TARGET static int64_t
BODY_NAME(exact_cut) (double *rest, int n, double unit, bool *remains)
{
	const SumsDoubles magic = 0x1.8p52 * unit - (SumsDoubles) {0};
	SumsLongs	parts = {0};
	SumsLongs	left = {0};
	int64_t		sum = 0;
	int64_t		any = 0;

	for (int i = 0; i < n; i += SUMS_BLOCK)
	{
		SumsDoubles value = *(SumsDoubles *) (rest + i);
		SumsDoubles cut = value + magic;

		parts += (SumsLongs) cut - (SumsLongs) magic;
		value -= cut - magic;
		left |= (SumsLongs) value;
		*(SumsDoubles *) (rest + i) = value;
	}
	for (int l = 0; l < SUMS_BLOCK; l++)
	{
		sum += parts[l];
		any |= left[l];
	}
	/* the sign bit alone is a zero */
	*remains = (any & INT64_MAX) != 0;
	return sum;
}

/*
 * Cut the vector z (d features), times weight, into digits and add factor
 * times each.  The digits of a feature lie `padded` apart.
 */
BODY_TARGET static void
BODY_NAME(sums_cut) (const double *z, double weight, const double *scale, int d,
					 int ndigits, int padded, int64_t factor, int64_t *digit)
{
	for (int t = 0; t < d; t += SUMS_BLOCK)
	{
		SumsDoubles rest = {0};
		double		unit = 0x1p-40;

		if (d - t >= SUMS_BLOCK)
			rest = *(const SumsDoubles *) (z + t);
		else
			for (int l = 0; l < d - t; l++)
				rest[l] = z[t + l];

		/* folded first, rounded there: not weight * scale */
		rest = rest * weight * *(const SumsDoubles *) (scale + t);
		for (int i = ndigits; i-- > 0; unit *= 0x1p-40)
		{
			SumsDoubles magic = 0x1.8p52 * unit - (SumsDoubles) {0};
			SumsDoubles cut = rest + magic;
			SumsLongs	part = (SumsLongs) cut - (SumsLongs) magic;
			SumsLongs  *place = (SumsLongs *) (digit + (size_t) i * padded + t);

			rest -= cut - magic;
			if (factor == 1)
				*place += part;
			else if (factor == -1)
				*place -= part;
			else
				*place += part * factor;
		}
	}
}

/* The same, with weight 1, for n vectors: number i goes to sum[i]. */
BODY_TARGET static void
BODY_NAME(sums_cut_rows) (const double *z, int n, const double *scale, int d,
						  int ndigits, int padded, int64_t *const *sum)
{
	for (int i = 0; i < n; i++)
		BODY_NAME(sums_cut) (z + (size_t) i * d, 1, scale, d, ndigits, padded, 1, sum[i]);
}

#undef BODY_NAME
#undef BODY_TARGET
