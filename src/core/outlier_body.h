/*
 * outlier_body.h
 *		The inner loops of outlier scores, for one instruction set.
 *
 * Included by outlier.c once per instruction set, with
 *
 *		BODY_NAME(name)		the function's name for this instruction set
 *		BODY_TARGET			the function attribute that selects it, or nothing
 *
 * Roots and quotients have the same bits everywhere.
 */

/* the scores of n rows at squared distances, each over its own reference */
BODY_TARGET static void
BODY_NAME(outlier_own) (const double *dist2, const double *reference, int n,
						double *score)
{
	for (int i = 0; i < n; i++)
		score[i] = sqrt(dist2[i]) / reference[i];
}

/*
 * n rows picked from z (rows of d), feature by feature: feature t of row i is
 * tile[t * KM_TILE + i].  The last one is repeated up to whole vectors.
 */
BODY_TARGET static void
BODY_NAME(outlier_turn) (const double *z, const int32_t *row, int n, int d, double *tile)
{
	for (int i = 0; i < n; i += KM_LANES)
	{
		const double *from[KM_LANES];

		for (int l = 0; l < KM_LANES; l++)
			from[l] = z + (size_t) row[i + l < n ? i + l : n - 1] * d;
		for (int t = 0; t < d; t++)
			*(KmDoubles *) (tile + (size_t) t * KM_TILE + i) =
				(KmDoubles) {from[0][t], from[1][t], from[2][t], from[3][t]};
	}
}

/*
 * The lesser of score[i] and the score by one cluster, whose centroid and
 * reference are given, for n rows in a tile.  Roots and divisions are spared
 * where a comparison of squares, with a margin over its roundings, shows for
 * some rows that they would be in vain.
 */
BODY_TARGET static void
BODY_NAME(outlier_rival) (const double *tile, int n, int d, const double *centroid,
						  double reference, double *score)
{
	for (int i = 0; i < n; i += KM_LANES)
	{
		KmDoubles	limit = *(const KmDoubles *) (score + i) * reference;
		KmDoubles	sum = {0};
		KmLongs		nearer;

		for (int t = 0; t < d; t++)
		{
			KmDoubles	difference = *(const KmDoubles *) (tile + (size_t) t * KM_TILE + i) -
				centroid[t];

			sum += difference * difference;
		}
		/* a NaN, of 0 times Infinity, is not larger */
		nearer = ~(KmLongs) (sum > limit * limit * (1 + 0x1p-40) + 0x1p-700);
		if ((nearer[0] | nearer[1] | nearer[2] | nearer[3]) == 0)
			continue;
		for (int l = 0; l < KM_LANES; l++)
		{
			double		other = sum[l] == 0 ? 0 : sqrt(sum[l]) / reference;

			score[i + l] = other < score[i + l] ? other : score[i + l];
		}
	}
}

#undef BODY_NAME
#undef BODY_TARGET
