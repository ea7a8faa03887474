/*
 * rows.c
 *		The rows of a fit: floats, read as doubles.
 */
#include "core/rows.h"

typedef double RowsDoubles __attribute__((vector_size(32), aligned(8), may_alias));
typedef float RowsFloats __attribute__((vector_size(16), aligned(4), may_alias));

void
km_rows_widen(const float *from, double *to, size_t n)
{
	size_t		i = 0;

	for (; i + 4 <= n; i += 4)
		*(RowsDoubles *) (to + i) =
			__builtin_convertvector(*(const RowsFloats *) (from + i), RowsDoubles);
	for (; i < n; i++)
		to[i] = from[i];
}
