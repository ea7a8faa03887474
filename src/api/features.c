/*
 * features.c
 *		A row in one argument: an array of numbers, or a row value.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/features.h"
#include "engine/encode.h"
#include "engine/pick.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

struct KmFeatures
{
	MemoryContext cxt;
	bool		is_row;
	TupleDesc	desc;			/* of row values; NULL before the first */
	KmColumn   *columns;
	KmEncoder  *encoders;
	int		   *attnums;		/* of a row value's columns, from 0 */
	int			ncolumns;
	int			d;				/* 0: an array's length is not known yet */
	double	   *values;			/* d */
};

static void features_of_row(KmFeatures *features, HeapTupleHeader row);
static void features_add_column(KmFeatures *features, const char *name,
								KmColumnKind kind, Oid type, int attnum);
static bool features_has_nulls(const KmFeatures *features, int column, Datum value);
static void features_settle(KmFeatures *features, const Datum *values, int64 ordinal);

bool
km_features_is_row(Oid type)
{
	KmColumnKind kind;

	type = getBaseType(type);
	if (type_is_rowtype(type))
		return true;
	if (!km_column_kind_of_type(type, &kind) || kind != KM_COLUMN_ARRAY)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("features must be an array of numbers or a row, not %s",
						format_type_be(type))));
	return false;
}

KmFeatures *
km_features_create(Oid type)
{
	KmFeatures *features = palloc0(sizeof(KmFeatures));

	features->cxt = CurrentMemoryContext;
	features->is_row = km_features_is_row(type);
	if (features->is_row)
		return features;
	features->columns = palloc0(sizeof(KmColumn));
	features->encoders = palloc0(sizeof(KmEncoder));
	features->attnums = palloc0(sizeof(int));
	features_add_column(features, "features", KM_COLUMN_ARRAY, getBaseType(type), 0);
	return features;
}

/* The columns of a row value, from the first one. */
static void
features_of_row(KmFeatures *features, HeapTupleHeader row)
{
	MemoryContext old = MemoryContextSwitchTo(features->cxt);
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row),
											  HeapTupleHeaderGetTypMod(row));
	int			room = Max(desc->natts, 1);

	features->desc = CreateTupleDescCopy(desc);
	ReleaseTupleDesc(desc);
	features->columns = palloc0(mul_size(room, sizeof(KmColumn)));
	features->encoders = palloc0(mul_size(room, sizeof(KmEncoder)));
	features->attnums = palloc0(mul_size(room, sizeof(int)));
	for (int att = 0; att < features->desc->natts; att++)
	{
		Form_pg_attribute attr = TupleDescAttr(features->desc, att);
		const char *name = NameStr(attr->attname);
		KmColumnKind kind;

		if (!attr->attisdropped && km_column_kind_of_type(attr->atttypid, &kind) &&
			kind != KM_COLUMN_CATEGORY && !km_pick_is_identifier(name))
			features_add_column(features, name, kind, attr->atttypid, att);
	}
	if (features->ncolumns == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the row value has no column that can be a feature")));
	MemoryContextSwitchTo(old);
}

static void
features_add_column(KmFeatures *features, const char *name, KmColumnKind kind,
					Oid type, int attnum)
{
	KmColumn   *column = &features->columns[features->ncolumns];

	column->name = pstrdup(name);
	column->kind = kind;
	column->nfeatures = km_column_features_of_kind(kind);
	km_encoder_init(&features->encoders[features->ncolumns], column, type);
	features->attnums[features->ncolumns++] = attnum;
}

const double *
km_features_read(KmFeatures *features, Datum value, int64 ordinal, int *d)
{
	Datum	   *values;
	bool	   *nulls;
	double	   *out;
	double		norm2 = 0;

	if (features->is_row && features->desc == NULL)
		features_of_row(features, DatumGetHeapTupleHeader(value));
	values = palloc(mul_size(features->ncolumns, sizeof(Datum)));
	nulls = palloc(mul_size(features->ncolumns, sizeof(bool)));
	if (features->is_row)
		km_features_deform(features->desc, value, features->attnums, features->ncolumns,
						   values, nulls);
	else
	{
		values[0] = value;
		nulls[0] = false;
	}
	for (int i = 0; i < features->ncolumns; i++)
		if (nulls[i] || features_has_nulls(features, i, values[i]))
			return NULL;
	if (features->d == 0)
		features_settle(features, values, ordinal);

	out = features->values;
	for (int i = 0; i < features->ncolumns; i++)
	{
		(void) km_encode(&features->encoders[i], values[i], false, ordinal, out);
		out += features->columns[i].nfeatures;
	}
	for (int t = 0; t < features->d; t++)
		norm2 += features->values[t] * features->values[t];
	if (!(norm2 <= KM_MAX_NORM2))
		km_encode_overflow(NULL, NULL, features->values, features->d, ordinal);
	*d = features->d;
	return features->values;
}

void
km_features_deform(TupleDesc desc, Datum value, const int *attnums, int ncolumns,
				   Datum *values, bool *nulls)
{
	HeapTupleHeader row = DatumGetHeapTupleHeader(value);
	HeapTupleData tuple;
	Datum	   *all;
	bool	   *all_null;

	if (HeapTupleHeaderGetTypeId(row) != desc->tdtypeid ||
		HeapTupleHeaderGetTypMod(row) != desc->tdtypmod)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the row values of a group have different types")));
	tuple.t_len = HeapTupleHeaderGetDatumLength(row);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = row;
	all = palloc(mul_size(desc->natts, sizeof(Datum)));
	all_null = palloc(mul_size(desc->natts, sizeof(bool)));
	heap_deform_tuple(&tuple, desc, all, all_null);
	for (int i = 0; i < ncolumns; i++)
	{
		values[i] = all[attnums[i]];
		nulls[i] = all_null[attnums[i]];
	}
}

/* NULL elements make a row incomplete, as NULL columns do */
static bool
features_has_nulls(const KmFeatures *features, int column, Datum value)
{
	return features->columns[column].kind == KM_COLUMN_ARRAY &&
		array_contains_nulls(km_encoder_array(&features->encoders[column], value));
}

/* The first complete row shows the lengths of arrays. */
static void
features_settle(KmFeatures *features, const Datum *values, int64 ordinal)
{
	int64		d = 0;

	for (int i = 0; i < features->ncolumns; i++)
	{
		if (features->columns[i].kind == KM_COLUMN_ARRAY)
			features->columns[i].nfeatures =
				km_encoder_length(&features->encoders[i], values[i], ordinal);
		d += features->columns[i].nfeatures;
	}
	km_source_check_size(d, 1);
	features->values = MemoryContextAlloc(features->cxt, mul_size(d, sizeof(double)));
	features->d = (int) d;
}
