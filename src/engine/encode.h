/*
 * encode.h
 *		How a value of a column becomes features.
 *
 * A KmEncoder turns values of one actual SQL type into a column's features.
 * The fit and the prediction encode with the same code.  Only where a fit does
 * not know the categories of a column yet, its encoder learns them, and a
 * value becomes one number, the code of its category (see engine/category).
 */
#ifndef KM_ENCODE_H
#define KM_ENCODE_H

#include "postgres.h"

#include <math.h>

#include "catalog/pg_type_d.h"
#include "fmgr.h"

#include "compat.h"
#include "core/space.h"
#include "engine/category.h"
#include "engine/column.h"

/* A column's values of one actual type. */
typedef struct KmEncoder KmEncoder;

struct KmEncoder
{
	const KmColumn *column;		/* borrowed; must outlive the encoder */
	Oid			type;			/* actual (base) type of the values */
	Oid			element;		/* base type of an array's elements, else
								 * InvalidOid */

	/*
	 * The value (of an array: an element) as a number, which may be infinite
	 * or NaN; NULL for categories.
	 */
	double		(*number) (const KmEncoder *encoder, Datum value);
	FmgrInfo	cast;			/* pgvector types: to real[]; else unused */
	Oid			enum_type;		/* type, if it is an enum; else InvalidOid */
	FmgrInfo	output;			/* enums: to their labels; else unused */
	KmCategories *categories;	/* of a category column; else NULL */
	bool		learning;		/* new texts are added to them */
	int16		elmlen;			/* of the array's elements */
	bool		elmbyval;
	char		elmalign;
};

typedef enum KmEncodeStatus
{
	KM_ENCODE_OK,
	KM_ENCODE_NULL				/* a NULL value: nothing was written */
} KmEncodeStatus;

/*
 * Prepare to encode values of a type as the column.  Raises 42804 if values
 * of that type cannot be that column.  Memory is taken from the current
 * context.  Type "unknown" is accepted: such values are cstrings (untyped
 * literals), read as a category, a truth value or an array where the column is
 * that, and else as a number: what a date, time or interval means depends on
 * settings of the session.
 */
extern void km_encoder_init(KmEncoder *encoder, const KmColumn *column, Oid type);

/*
 * For a fit: if the column is one of categories, learn them, and write codes.
 */
extern void km_encoder_learn(KmEncoder *encoder);

/* how many numbers km_encode() writes; 0 while an array's length is not known */
static inline int
km_encoder_width(const KmEncoder *encoder)
{
	return encoder->learning ? 1 : encoder->column->nfeatures;
}

/*
 * The number of elements of an array value, for columns whose nfeatures is not
 * known yet (2202E unless it is one-dimensional and not empty).
 */
extern int	km_encoder_length(KmEncoder *encoder, Datum value, int64 ordinal);

/*
 * An array value as an aligned array in the server's sense: detoasted; what
 * pgvector's types and untyped literals stand for.  It may be the value itself.
 */
extern struct ArrayType *km_encoder_array(KmEncoder *encoder, Datum value);

/* km_encode's general way, for its use only */
extern KmEncodeStatus km_encode_value(KmEncoder *encoder, Datum value, bool isnull,
									  int64 ordinal, double *out);

/*
 * Write the features of a value (km_encoder_width() doubles, which must be
 * known) to out.
 *
 * ordinal is the number of the row, from 1, for error messages; 0 for
 * predictions (then messages name the column only).  Raises 22003 for NaN and
 * infinities, 2202E / 22004 for arrays of wrong shape, with NULL elements, 54000
 * for one category too many.
 * Negative zero becomes zero.  May leave garbage in the current memory
 * context: callers reset a per-row or per-batch context.
 */
static inline KmEncodeStatus
km_encode(KmEncoder *encoder, Datum value, bool isnull, int64 ordinal, double *out)
{
	if (encoder->type == FLOAT8OID && !isnull)
	{
		double		number = DatumGetFloat8(value) + 0.0;

		if (isfinite(number))
		{
			*out = number;
			return KM_ENCODE_OK;
		}
	}
	return km_encode_value(encoder, value, isnull, ordinal, out);
}

/*
 * Raise 22003 for a row whose sum of squares exceeds KM_MAX_NORM2.  values:
 * the row's d values, raw; the one that is largest after scaling (space NULL:
 * as it is) is shown under its name in features (NULL: shown without a name).
 * ordinal as for km_encode.
 */
extern void km_encode_overflow(char *const *features, const KmSpace *space,
							   const double *values, int d,
							   int64 ordinal) pg_attribute_noreturn();

#endif							/* KM_ENCODE_H */
