/*
 * score_low_body.h
 *		The inner loops of the quick search where rows have few features, for
 *		one instruction set, in float: a part of score_body.h.
 *
 * Rows that follow each other in memory are read as what they are, a stream of
 * numbers.  The d vectors that LANES rows fill are centred, and then drawn
 * apart, feature by feature, in registers:
 *
 *		a0 b0 a1 b1   a2 b2 a3 b3		two vectors of four, two features
 *		a0 a1 a2 a3   b0 b1 b2 b3		feature a, feature b
 *
 * which is done by factors of d: by 2 as often as that goes, by 3, 5 or 7 in
 * the end.  Halving leaves features in another order (score_order), in which
 * centroids are packed.  The rows then stay where they are, in registers, while
 * all centroids pass, and until label and gap are known.
 *
 * Scattered rows, and the last few, are put side by side first.
 */

typedef double BODY_NAME(Doubles) __attribute__((vector_size(BODY_BYTES), aligned(8), may_alias));

/*
 * Feature t of m features of LANES rows: what there is of it in vectors 0 and 1
 * (s = 1), or in vector s, the other lanes staying as they are.
 */
#define LOW_PLACE(m, t, s, l) \
	(((l) * m + t) / BODY_LANES == s ? BODY_LANES + ((l) * m + t) % BODY_LANES : \
	 s == 1 && (l) * m + t < BODY_LANES ? (l) * m + t : (l))
#define LOW_SAME(m, t, s, l) (l)
#define LOW_SHUFFLE(a, b, place, m, t, s) \
	__builtin_shufflevector(a, b, SCORE_PLACES(BODY_LANES) (place, m, t, s, 0))

#define LOW_2(m, t) LOW_SHUFFLE(v[0], v[1], LOW_PLACE, m, t, 1)
#define LOW_3(m, t) LOW_SHUFFLE((LOW_2(m, t)), v[2], LOW_PLACE, m, t, 2)
#define LOW_4(m, t) LOW_SHUFFLE((LOW_3(m, t)), v[3], LOW_PLACE, m, t, 3)
#define LOW_5(m, t) LOW_SHUFFLE((LOW_4(m, t)), v[4], LOW_PLACE, m, t, 4)
#define LOW_6(m, t) LOW_SHUFFLE((LOW_5(m, t)), v[5], LOW_PLACE, m, t, 5)
#define LOW_7(m, t) LOW_SHUFFLE((LOW_6(m, t)), v[6], LOW_PLACE, m, t, 6)

/* n vectors into two streams of n / 2 */
BODY_INLINE void
BODY_NAME(score_halve) (VECTOR *from, const int n)
{
	VECTOR		odd[KM_SCORE_FEW / 2];

#pragma GCC unroll 8
	for (int i = 0; i < n / 2; i++)
	{
		const VECTOR *v = from + 2 * i;
		VECTOR		even = LOW_2(2, 0);

		odd[i] = LOW_2(2, 1);
		from[i] = even;
	}
#pragma GCC unroll 8
	for (int i = 0; i < n / 2; i++)
		from[n / 2 + i] = odd[i];
}

/* an odd number of vectors into as many features */
BODY_INLINE void
BODY_NAME(score_part) (VECTOR *to, const int n)
{
	VECTOR		v[KM_SCORE_FEW];

#pragma GCC unroll 8
	for (int i = 0; i < n; i++)
		v[i] = to[i];
	if (n == 3)
	{
		to[0] = LOW_3(3, 0);
		to[1] = LOW_3(3, 1);
		to[2] = LOW_3(3, 2);
	}
	else if (n == 5)
	{
		to[0] = LOW_5(5, 0);
		to[1] = LOW_5(5, 1);
		to[2] = LOW_5(5, 2);
		to[3] = LOW_5(5, 3);
		to[4] = LOW_5(5, 4);
	}
	else
	{
		to[0] = LOW_7(7, 0);
		to[1] = LOW_7(7, 1);
		to[2] = LOW_7(7, 2);
		to[3] = LOW_7(7, 3);
		to[4] = LOW_7(7, 4);
		to[5] = LOW_7(7, 5);
		to[6] = LOW_7(7, 6);
	}
}

/* d vectors of rows, as they lie in memory, into features, in the order of score_order */
BODY_INLINE void
BODY_NAME(score_apart) (VECTOR *v, const int d)
{
	if (d % 2 == 0)
		BODY_NAME(score_halve) (v, d);
	if (d % 4 == 0)
	{
		BODY_NAME(score_halve) (v, d / 2);
		BODY_NAME(score_halve) (v + d / 2, d / 2);
	}
	if (d == 8)
#pragma GCC unroll 4
		for (int i = 0; i < 8; i += 2)
			BODY_NAME(score_halve) (v + i, 2);
	if (d == 6)
	{
		BODY_NAME(score_part) (v, 3);
		BODY_NAME(score_part) (v + 3, 3);
	}
	if (d == 3 || d == 5 || d == 7)
		BODY_NAME(score_part) (v, d);
}

/* a vector of numbers from `from` on, the first of them number `at` of a row of d */
BODY_INLINE VECTOR
BODY_NAME(score_load) (const KmScore *score, const char *from, int at, const bool floats)
{
	typedef BODY_REAL Half __attribute__((vector_size(BODY_BYTES / 2)));
	const BODY_NAME(Doubles) unit = score->unit - (BODY_NAME(Doubles)) {0};
	const double *doubles = (const double *) from + at;
	const double *middles = score->middles + at;
	Half		low;
	Half		high;

	if (floats)
		return BODY_FMA(BODY_AT((const float *) from + at), BODY_EVERY(score->unit),
						BODY_AT(score->less + at));
	low = __builtin_convertvector(BODY_AWAY(*(const BODY_NAME(Doubles) *) doubles, unit,
											*(const BODY_NAME(Doubles) *) middles), Half);
	doubles += BODY_LANES / 2;
	middles += BODY_LANES / 2;
	high = __builtin_convertvector(BODY_AWAY(*(const BODY_NAME(Doubles) *) doubles, unit,
											 *(const BODY_NAME(Doubles) *) middles), Half);
	return LOW_SHUFFLE(low, high, LOW_SAME, 1, 0, 0);
}

/* `rows` vectors of rows against all centroids; false if one has no proof */
BODY_INLINE bool
BODY_NAME(score_low_step) (const KmScore *score, const char *from, uint16_t *label,
						   float *gap, const int rows, const int d, const bool floats)
{
	const int	bytes = BODY_LANES * d * (int) (floats ? sizeof(float) : sizeof(double));
	const BODY_REAL *packed = score->packed;
	VECTOR		x[BODY_LOW_ROWS][KM_SCORE_FEW];
	VECTOR		norm2[BODY_LOW_ROWS];
	VECTOR		best[BODY_LOW_ROWS];
	VECTOR		second[BODY_LOW_ROWS];
	VECTOR		index[BODY_LOW_ROWS];
	VECTOR		label_of = BODY_EVERY(0);
	bool		proven = true;

#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
	{
		best[r] = second[r] = BODY_EVERY(INFINITY);
		index[r] = BODY_EVERY(0);
#pragma GCC unroll 8
		for (int t = 0; t < d; t++)
			x[r][t] = BODY_NAME(score_load) (score, from, t * BODY_LANES, floats);
#pragma GCC unroll 16
		for (int at = 0; at < bytes; at += SCORE_LINE)
			__builtin_prefetch(from + SCORE_AHEAD + at);
		from += bytes;
		BODY_NAME(score_apart) (x[r], d);
		norm2[r] = x[r][0] * x[r][0];
#pragma GCC unroll 8
		for (int t = 1; t < d; t++)
			norm2[r] = BODY_FMA(x[r][t], x[r][t], norm2[r]);
	}
	for (int j = 0; j < score->k; j++, packed += d + 1, label_of += 1)
	{
#pragma GCC unroll 8
		for (int r = 0; r < rows; r++)
		{
			VECTOR		sum = BODY_EVERY(packed[0]);

#pragma GCC unroll 8
			for (int t = 0; t < d; t++)
				sum = BODY_FMA(x[r][t], BODY_EVERY(packed[t + 1]), sum);
			BODY_FOLD(sum, label_of, best[r], second[r], index[r])
		}
	}
#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
	{
		VECTOR		sure = BODY_NAME(score_gap) (best[r], second[r], norm2[r], d);

		proven = BODY_POSITIVE(sure) && proven;
		*(BODY_NAME(Labels) *) (label + r * BODY_LANES) =
			__builtin_convertvector(__builtin_convertvector(index[r], BODY_NAME(Wholes)),
									BODY_NAME(Labels));
		*(BODY_NAME(Gaps) *) (gap + r * BODY_LANES) =
			__builtin_convertvector(sure, BODY_NAME(Gaps));
	}
	return proven;
}

BODY_INLINE bool
BODY_NAME(score_low_rows) (KmScore *score, const KmScoreRows *rows, int n,
						   uint16_t *label, float *gap, const int d, const bool floats)
{
	const int	step = BODY_LOW_ROWS * BODY_LANES;
	const int	bytes = d * (int) (floats ? sizeof(float) : sizeof(double));
	const char *from = score_row(rows, 0, d);
	bool		proven = true;

	if (rows->pick != NULL)
	{
		for (int r = 0; r < n; r++)
		{
			const char *later = score_row(rows, r + SCORE_LATER < n ? r + SCORE_LATER : n - 1, d);

			__builtin_prefetch(later);
			__builtin_prefetch(later + bytes - 1);
			__builtin_memcpy((char *) score->tile + r * bytes, score_row(rows, r, d), bytes);
		}
		from = score->tile;
	}
	for (int i = 0; i < n; i += step, from += step * bytes)
	{
		int			left = n - i < step ? n - i : step;
		uint16_t	nearest[BODY_LOW_ROWS * BODY_LANES];
		float		promise[BODY_LOW_ROWS * BODY_LANES];

		/* the last row again and again for a whole step */
		if (left < step)
		{
			for (int r = 0; r < step; r++)
				__builtin_memcpy((char *) score->last + r * bytes,
								 from + (r < left ? r : left - 1) * bytes, bytes);
			from = score->last;
		}
		proven = BODY_NAME(score_low_step) (score, from, left < step ? nearest : label + i,
											left < step ? promise : gap + i, BODY_LOW_ROWS, d,
											floats) && proven;
		if (left < step)
		{
			memcpy(label + i, nearest, left * sizeof(uint16_t));
			memcpy(gap + i, promise, left * sizeof(float));
		}
	}
	return proven;
}

BODY_TARGET static bool
BODY_NAME(score_low) (KmScore *score, const KmScoreRows *rows, int n, uint16_t *label,
					  float *gap)
{
#define LOW_CASE(d) \
	case d: \
		return rows->floats != NULL ? \
			BODY_NAME(score_low_rows) (score, rows, n, label, gap, d, true) : \
			BODY_NAME(score_low_rows) (score, rows, n, label, gap, d, false)
	switch (score->d)
	{
		LOW_CASE(1);
		LOW_CASE(2);
		LOW_CASE(3);
		LOW_CASE(4);
		LOW_CASE(5);
		LOW_CASE(6);
		LOW_CASE(7);
		default:
			return rows->floats != NULL ?
				BODY_NAME(score_low_rows) (score, rows, n, label, gap, KM_SCORE_FEW, true) :
				BODY_NAME(score_low_rows) (score, rows, n, label, gap, KM_SCORE_FEW, false);
	}
#undef LOW_CASE
}

#undef LOW_7
#undef LOW_6
#undef LOW_5
#undef LOW_4
#undef LOW_3
#undef LOW_2
#undef LOW_SHUFFLE
#undef LOW_SAME
#undef LOW_PLACE
