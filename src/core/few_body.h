/*
 * few_body.h
 *		The inner loops over few contents, for one instruction set.
 *
 * Included by few.c once per instruction set, with
 *
 *		BODY_NAME(name)		the function's name for this instruction set
 *		BODY_TARGET			the function attribute that selects it, or nothing
 *
 * Lane = content, and no sum ever runs across lanes, so every lane computes
 * km_kernel_dist2() to the bit.
 */

/* least: also of the squared distances of KM_LANES contents to a centroid */
BODY_TARGET static inline __attribute__((always_inline)) void
BODY_NAME(few_lower) (const double *column, size_t stride, const double *c, int d,
					  KmDoubles *least)
{
	KmDoubles	sum = {0};

	for (int t = 0; t < d; t++)
	{
		KmDoubles	diff = *(const KmDoubles *) (column + t * stride) - c[t];

		sum += diff * diff;
	}
	*least = KM_LANES_MIN(sum, *least);
}

/*
 * Bring dist2 up to date with m more centroids; what is no more than `none`
 * becomes 0.  Returns the largest that is left.
 */
BODY_TARGET static double
BODY_NAME(few_nearer) (const double *column, int n, int d, const double *centroids,
					   int m, double none, double *dist2)
{
	KmDoubles	most = {0};
	double		largest = 0;

	for (int i = 0; i < n; i += KM_LANES)
	{
		KmDoubles	least = *(KmDoubles *) (dist2 + i);

		for (int j = 0; j < m; j++)
			BODY_NAME(few_lower) (column + i, n, centroids + (size_t) j * d, d, &least);
		least = KM_LANES_WHERE((KmLongs) (least <= none), (KmDoubles) {0}, least);
		*(KmDoubles *) (dist2 + i) = least;
		most = KM_LANES_MAX(least, most);
	}
	for (int l = 0; l < KM_LANES; l++)
		largest = most[l] > largest ? most[l] : largest;
	return largest;
}

/*
 * The sum of times x units, see km_line_units(), if there were one more
 * centroid.
 */
BODY_TARGET static int64_t
BODY_NAME(few_potential) (const double *column, int n, int d, const double *c,
						  const double *dist2, const int64_t *times, double factor)
{
	const KmDoubles magic = KM_LANES_EVERY(0x1.8p52);
	KmLongs		sum = {0};

	for (int i = 0; i < n; i += KM_LANES)
	{
		KmDoubles	least = *(const KmDoubles *) (dist2 + i);
		KmLongs		units;

		BODY_NAME(few_lower) (column + i, n, c, d, &least);
		units = ((KmLongs) (least * factor + magic) - (KmLongs) magic) |
			((KmLongs) (least > 0) & 1);
		sum += units * *(const KmLongs *) (times + i);
	}
	return sum[0] + sum[1] + sum[2] + sum[3];
}

#undef BODY_NAME
#undef BODY_TARGET
