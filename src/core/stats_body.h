/*
 * stats_body.h
 *		The inner loops of the features' statistics, for one instruction set.
 *
 * Included by stats.c once per instruction set, with
 *
 *		BODY_NAME(name)		the function's name for this instruction set
 *		BODY_TARGET			the function attribute that selects it, or nothing
 *
 * Columns are padded to a multiple of KM_LANES values.  Every loop computes
 * the same bits on any instruction set.
 */

/* Turn n rows of d values into columns, `stride` apart; the last row is repeated. */
BODY_TARGET static void
BODY_NAME(stats_turn) (const double *values, int n, int d, size_t stride, double *column)
{
	for (int i = 0; i < n; i += KM_LANES)
	{
		const double *row[KM_LANES];

		for (int l = 0; l < KM_LANES; l++)
			row[l] = values + (size_t) (i + l < n ? i + l : n - 1) * d;
		for (int t = 0; t < d; t++)
			*(KmDoubles *) (column + t * stride + i) =
				(KmDoubles) {row[0][t], row[1][t], row[2][t], row[3][t]};
	}
}

/*
 * The extremes of a column and of its magnitudes, without weights.  Returns
 * false, and has looked at nothing, if there is a NaN.
 */
BODY_TARGET static bool
BODY_NAME(stats_extremes) (const double *x, int n, StatsFeature *feature)
{
	KmDoubles min = feature->min - (KmDoubles) {0};
	KmDoubles max = feature->max - (KmDoubles) {0};
	KmDoubles smallest = feature->smallest - (KmDoubles) {0};
	KmLongs	missing = {0};

	for (int i = 0; i < n; i += KM_LANES)
	{
		KmDoubles value = *(const KmDoubles *) (x + i);
		KmLongs	magnitude = (KmLongs) value & INT64_MAX;
		KmLongs	below = (KmLongs) (value < min);
		KmLongs	above = (KmLongs) (value > max);
		KmLongs	smaller = (KmLongs) ((KmDoubles) magnitude < smallest) &
			(KmLongs) (value != 0);

		missing |= (KmLongs) (value != value);
		min = (KmDoubles) ((below & (KmLongs) value) | (~below & (KmLongs) min));
		max = (KmDoubles) ((above & (KmLongs) value) | (~above & (KmLongs) max));
		smallest = (KmDoubles) ((smaller & magnitude) |
								   (~smaller & (KmLongs) smallest));
	}
	for (int l = 0; l < KM_LANES; l++)
		if (missing[l] != 0)
			return false;
	for (int l = 0; l < KM_LANES; l++)
	{
		feature->min = min[l] < feature->min ? min[l] : feature->min;
		feature->max = max[l] > feature->max ? max[l] : feature->max;
		feature->smallest = smallest[l] < feature->smallest ? smallest[l] : feature->smallest;
	}
	return true;
}

/* x = (x * factor - mean)^2 */
BODY_TARGET static void
BODY_NAME(stats_squares) (double *x, int n, double factor, double mean)
{
	for (int i = 0; i < n; i += KM_LANES)
	{
		KmDoubles deviation = *(KmDoubles *) (x + i) * factor - mean;

		*(KmDoubles *) (x + i) = deviation * deviation;
	}
}

#undef BODY_NAME
#undef BODY_TARGET
