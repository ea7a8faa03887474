/*
 * stats_body.h
 *		The inner loops of the features' statistics, for one instruction set.
 *
 * Included by stats.c once per instruction set, with
 *
 *		BODY_NAME(name)		the function's name for this instruction set
 *		BODY_TARGET			the function attribute that selects it, or nothing
 *
 * Columns are padded to a multiple of STATS_LANES values.  Every loop computes
 * the same bits on any instruction set.
 */

/* Turn n rows of d values into columns, `stride` apart; the last row is repeated. */
BODY_TARGET static void
BODY_NAME(stats_turn) (const double *values, int n, int d, size_t stride, double *column)
{
	for (int i = 0; i < n; i += STATS_LANES)
	{
		const double *row[STATS_LANES];

		for (int l = 0; l < STATS_LANES; l++)
			row[l] = values + (size_t) (i + l < n ? i + l : n - 1) * d;
		for (int t = 0; t < d; t++)
			*(StatsDoubles *) (column + t * stride + i) =
				(StatsDoubles) {row[0][t], row[1][t], row[2][t], row[3][t]};
	}
}

/*
 * The extremes of a column and of its magnitudes, without weights.  Returns
 * false, and has looked at nothing, if there is a NaN.
 */
BODY_TARGET static bool
BODY_NAME(stats_extremes) (const double *x, int n, StatsFeature *feature)
{
	StatsDoubles min = feature->min - (StatsDoubles) {0};
	StatsDoubles max = feature->max - (StatsDoubles) {0};
	StatsDoubles smallest = feature->smallest - (StatsDoubles) {0};
	StatsLongs	missing = {0};

	for (int i = 0; i < n; i += STATS_LANES)
	{
		StatsDoubles value = *(const StatsDoubles *) (x + i);
		StatsLongs	magnitude = (StatsLongs) value & INT64_MAX;
		StatsLongs	below = (StatsLongs) (value < min);
		StatsLongs	above = (StatsLongs) (value > max);
		StatsLongs	smaller = (StatsLongs) ((StatsDoubles) magnitude < smallest) &
			(StatsLongs) (value != 0);

		missing |= (StatsLongs) (value != value);
		min = (StatsDoubles) ((below & (StatsLongs) value) | (~below & (StatsLongs) min));
		max = (StatsDoubles) ((above & (StatsLongs) value) | (~above & (StatsLongs) max));
		smallest = (StatsDoubles) ((smaller & magnitude) |
								   (~smaller & (StatsLongs) smallest));
	}
	for (int l = 0; l < STATS_LANES; l++)
		if (missing[l] != 0)
			return false;
	for (int l = 0; l < STATS_LANES; l++)
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
	for (int i = 0; i < n; i += STATS_LANES)
	{
		StatsDoubles deviation = *(StatsDoubles *) (x + i) * factor - mean;

		*(StatsDoubles *) (x + i) = deviation * deviation;
	}
}

#undef BODY_NAME
#undef BODY_TARGET
