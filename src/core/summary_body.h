/*
 * summary_body.h
 *		The inner loops of the summary, for one instruction set.
 *
 * Included by summary.c once per instruction set, with
 *
 *		BODY_NAME(name)		the function's name for this instruction set
 *		BODY_TARGET			the function attribute that selects it, or nothing
 *
 * Lane = feature, and the rows of one cluster pass.
 */

BODY_TARGET static inline __attribute__((always_inline)) void
BODY_NAME(summary_block) (const double *x, const int32_t *pick, int n, size_t d,
						  const double *factor, const double *center,
						  double *min, double *max, double *square, const int width)
{
	KmDoubles	scale = KM_LANES_LOAD(factor, width);
	KmDoubles	middle = KM_LANES_LOAD(center, width);
	KmDoubles	least = KM_LANES_LOAD(min, width);
	KmDoubles	most = KM_LANES_LOAD(max, width);

	for (int i = 0; i < n; i++, square += d)
	{
		const double *from = x + (size_t) pick[i] * d;
		KmDoubles	value = KM_LANES_LOAD(from, width);
		KmDoubles	deviation = value * scale - middle;

		least = KM_LANES_MIN(value, least);
		most = KM_LANES_MAX(value, most);
		deviation *= deviation;
		KM_LANES_STORE(square, deviation, width);
	}
	KM_LANES_STORE(min, least, width);
	KM_LANES_STORE(max, most, width);
}

/*
 * The rows x[pick[i]], of one cluster: its extremes, and square[i], the
 * squares of the rows' deviations.
 */
BODY_TARGET static void
BODY_NAME(summary_rows) (const double *x, const int32_t *pick, int n, int d,
						 const double *factor, const double *center,
						 double *min, double *max, double *square)
{
#define SUMMARY_BLOCK(t, width) \
	BODY_NAME(summary_block) (x + (t), pick, n, d, factor + (t), center + (t), \
							  min + (t), max + (t), square + (t), width)
	KM_LANES_BLOCKS(d, SUMMARY_BLOCK);
#undef SUMMARY_BLOCK
}

/* out[i] = x[pick[i]]; returns the largest, or 0 */
BODY_TARGET static double
BODY_NAME(summary_gather) (const double *x, const int32_t *pick, int n, double *out)
{
	KmDoubles	most = {0};
	double		largest = 0;
	int			i;

	for (i = 0; i + KM_LANES <= n; i += KM_LANES)
	{
		KmDoubles	value = {x[pick[i]], x[pick[i + 1]], x[pick[i + 2]], x[pick[i + 3]]};

		most = KM_LANES_MAX(value, most);
		*(KmDoubles *) (out + i) = value;
	}
	for (; i < n; i++)
	{
		out[i] = x[pick[i]];
		largest = out[i] > largest ? out[i] : largest;
	}
	for (int l = 0; l < KM_LANES; l++)
		largest = most[l] > largest ? most[l] : largest;
	return largest;
}

#undef BODY_NAME
#undef BODY_TARGET
