/*
 * sums_body.h
 *		The inner loops of sums of vectors, for one instruction set.
 *
 * Included by sums.c once per instruction set, with
 *
 *		BODY_NAME(name)		the function's name for this instruction set
 *		BODY_TARGET			the function attribute that selects it, or nothing
 *
 * They cut numbers as the head of sums.c tells.  All additions of doubles here
 * are exact or the wanted rounding to the grid, so the results do not depend
 * on the instruction set.
 */

/*
 * Cut the vector z (d features), times weight, into digits, add factor times
 * each to digit, and, if that is not NULL, take it away from other.  The digits
 * of a feature lie `padded` apart.
 */
BODY_TARGET static void
BODY_NAME(sums_cut) (const double *z, double weight, const double *scale, int d,
					 int ndigits, int padded, int64_t factor, int64_t *digit,
					 int64_t *other)
{
	for (int t = 0; t < d; t += KM_LANES)
	{
		KmDoubles rest = {0};
		double		unit = 0x1p-40;

		if (d - t >= KM_LANES)
			rest = *(const KmDoubles *) (z + t);
		else
			for (int l = 0; l < d - t; l++)
				rest[l] = z[t + l];

		/* folded first, rounded there: not weight * scale */
		rest = rest * weight * *(const KmDoubles *) (scale + t);
		for (int i = ndigits; i-- > 0; unit *= 0x1p-40)
		{
			KmDoubles magic = 0x1.8p52 * unit - (KmDoubles) {0};
			KmDoubles cut = rest + magic;
			KmLongs	part = (KmLongs) cut - (KmLongs) magic;
			size_t		at = (size_t) i * padded + t;

			rest -= cut - magic;
			if (factor == -1)
				part = -part;
			else if (factor != 1)
				part *= factor;
			*(KmLongs *) (digit + at) += part;
			if (other != NULL)
				*(KmLongs *) (other + at) -= part;
		}
	}
}

/*
 * A block of `width` features of n vectors of one cluster, cut into multiples of
 * unit[0] and, below, of unit[1]: the parts' sums, in registers meanwhile.
 * Returns whether anything is left below that.
 */
BODY_TARGET static inline __attribute__((always_inline)) bool
BODY_NAME(sums_block) (const double *z, const int32_t *pick, int n, size_t d,
					   const double *scale, const double *unit, int64_t *part,
					   const int width)
{
	const KmDoubles upper = 0x1.8p52 * unit[0] - (KmDoubles) {0};
	const KmDoubles lower = 0x1.8p52 * unit[1] - (KmDoubles) {0};
	const KmDoubles factor = *(const KmDoubles *) scale;
	KmLongs	high = {0};
	KmLongs	low = {0};
	KmLongs	left = {0};
	int64_t		any = 0;

	for (int i = 0; i < n; i++)
	{
		const double *x = z + (size_t) pick[i] * d;
		KmDoubles	rest = KM_LANES_LOAD(x, width) * factor;
		KmDoubles	cut = rest + upper;

		high += (KmLongs) cut - (KmLongs) upper;
		rest -= cut - upper;
		cut = rest + lower;
		low += (KmLongs) cut - (KmLongs) lower;
		left |= (KmLongs) (rest - (cut - lower));
	}
	*(KmLongs *) part = high;
	*(KmLongs *) (part + KM_LANES) = low;
	for (int l = 0; l < KM_LANES; l++)
		any |= left[l];
	/* the sign bit alone is a zero */
	return (any & INT64_MAX) != 0;
}

/* The same for all features: for each block the sums of its upper and its lower parts. */
BODY_TARGET static bool
BODY_NAME(sums_cut_rows) (const double *z, const int32_t *pick, int n, int d,
						  const double *scale, const double *unit, int64_t *part)
{
	bool		left = false;

#define SUMS_CUT_BLOCK(t, width) \
	left |= BODY_NAME(sums_block) (z + (t), pick, n, d, scale + (t), unit, \
								   part + 2 * (t), width)
	KM_LANES_BLOCKS(d, SUMS_CUT_BLOCK);
#undef SUMS_CUT_BLOCK
	return left;
}

#undef BODY_NAME
#undef BODY_TARGET
