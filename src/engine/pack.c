/*
 * pack.c
 *		A row of a fit, from its columns' values to packed numbers.
 */
#include "postgres.h"

#include "utils/float.h"

#include "engine/pack.h"

void
km_pack_encoder(KmEncoder *encoder, const KmColumn *column, Oid type)
{
	km_encoder_init(encoder, column, type);
	km_encoder_learn(encoder);
}

int64
km_pack_width(const KmEncoder *encoders, int ncolumns)
{
	int64		width = 0;

	for (int i = 0; i < ncolumns; i++)
	{
		int			its = km_encoder_width(&encoders[i]);

		if (its == 0)
			return 0;
		width += its;
	}
	return width;
}

bool
km_pack_are_doubles(const KmEncoder *encoders, int ncolumns)
{
	for (int i = 0; i < ncolumns; i++)
		if (encoders[i].type != FLOAT8OID)
			return false;
	return true;
}

bool
km_pack_row(KmEncoder *encoders, int ncolumns, const Datum *values, const bool *nulls,
			KmOnNull on_null, int64 ordinal, double *out)
{
	if (on_null == KM_ON_NULL_SKIP)
		for (int i = 0; i < ncolumns; i++)
			if (nulls[i])
				return false;

	for (int i = 0; i < ncolumns; i++)
	{
		KmEncoder  *encoder = &encoders[i];
		int			width = km_encoder_width(encoder);

		if (km_encode(encoder, values[i], nulls[i], ordinal, out) == KM_ENCODE_NULL)
		{
			if (on_null == KM_ON_NULL_ERROR)
				km_pack_refuse_null(encoder->column, ordinal);
			for (int t = 0; t < width; t++)
				out[t] = get_float8_nan();
		}
		out += width;
	}
	return true;
}

bool
km_pack_weight(KmEncoder *encoder, Datum value, bool isnull, int64 ordinal,
			   double *weight)
{
	*weight = 0;
	if (km_encode(encoder, value, isnull, ordinal, weight) == KM_ENCODE_NULL)
		return false;
	if (*weight < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weight column \"%s\" is negative in row %lld: %g",
						encoder->column->name, (long long) ordinal, *weight),
				 errdetail("A weight counts copies of a row: 0 or more.")));
	return true;
}

void
km_pack_refuse_null(const KmColumn *column, int64 ordinal)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("column \"%s\" is NULL in row %lld", column->name,
					(long long) ordinal),
			 errhint("Use on_null => 'skip' or 'mean'.")));
}

void
km_pack_refuse_all_null(const KmColumn *column)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("column \"%s\" is NULL in every row", column->name),
			 errdetail("There is no value to take a mean of.")));
}
