/*
 * column.c
 *		Columns: what a model knows of what the user calls a column.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "engine/column.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static const char *const kind_names[] = {
	[KM_COLUMN_NUMBER] = "number",
	[KM_COLUMN_BOOLEAN] = "boolean",
	[KM_COLUMN_DATE] = "date",
	[KM_COLUMN_TIMESTAMP] = "timestamp",
	[KM_COLUMN_TIMESTAMPTZ] = "timestamptz",
	[KM_COLUMN_INTERVAL] = "interval",
	[KM_COLUMN_ARRAY] = "array",
	[KM_COLUMN_CATEGORY] = "category"
};

const char *
km_column_kind_name(KmColumnKind kind)
{
	return kind_names[kind];
}

bool
km_column_kind_parse(const char *name, KmColumnKind *kind)
{
	for (int i = 0; i < lengthof(kind_names); i++)
	{
		if (strcmp(name, kind_names[i]) == 0)
		{
			*kind = (KmColumnKind) i;
			return true;
		}
	}
	return false;
}

bool
km_column_kind_of_type(Oid type, KmColumnKind *kind)
{
	Oid			base = getBaseType(type);
	Oid			element;
	KmColumnKind element_kind;

	switch (base)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			*kind = KM_COLUMN_NUMBER;
			return true;
		case BOOLOID:
			*kind = KM_COLUMN_BOOLEAN;
			return true;
		case DATEOID:
			*kind = KM_COLUMN_DATE;
			return true;
		case TIMESTAMPOID:
			*kind = KM_COLUMN_TIMESTAMP;
			return true;
		case TIMESTAMPTZOID:
			*kind = KM_COLUMN_TIMESTAMPTZ;
			return true;
		case INTERVALOID:
			*kind = KM_COLUMN_INTERVAL;
			return true;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			*kind = KM_COLUMN_CATEGORY;
			return true;
	}

	if (type_is_enum(base))
	{
		*kind = KM_COLUMN_CATEGORY;
		return true;
	}

	element = get_element_type(base);
	if (OidIsValid(element) ?
		km_column_kind_of_type(element, &element_kind) &&
		element_kind == KM_COLUMN_NUMBER :
		OidIsValid(km_column_vector_cast(base)))
	{
		*kind = KM_COLUMN_ARRAY;
		return true;
	}
	return false;
}

int
km_column_features_of_kind(KmColumnKind kind)
{
	return kind == KM_COLUMN_ARRAY || kind == KM_COLUMN_CATEGORY ? 0 : 1;
}

char **
km_column_features(const KmColumn *columns, int ncolumns, int *nfeatures)
{
	char	  **features;
	int			d = 0;

	for (int c = 0; c < ncolumns; c++)
		d += columns[c].nfeatures;
	features = palloc(sizeof(char *) * Max(d, 1));

	d = 0;
	for (int c = 0; c < ncolumns; c++)
	{
		const KmColumn *column = &columns[c];

		for (int t = 0; t < column->nfeatures; t++)
		{
			if (column->kind == KM_COLUMN_ARRAY)
				features[d++] = psprintf("%s[%d]", column->name, t + 1);
			else if (column->kind == KM_COLUMN_CATEGORY)
				features[d++] = psprintf("%s=%s", column->name, column->categories[t]);
			else
				features[d++] = pstrdup(column->name);
		}
	}
	*nfeatures = d;
	return features;
}

static int
compare_strings(const void *a, const void *b, void *arg)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

const char *
km_column_find_duplicate(const char **strings, int n)
{
	qsort_interruptible(strings, n, sizeof(char *), compare_strings, NULL);
	for (int i = 1; i < n; i++)
	{
		if (strcmp(strings[i - 1], strings[i]) == 0)
			return strings[i];
	}
	return NULL;
}

/*
 * The types are known by name and by the extension they belong
 * to, which may live in any schema.  Whoever owns an extension can add types
 * and casts to it, and the cast runs as whoever fits or predicts: so the type
 * must be a base type, which only a superuser can make.
 */
Oid
km_column_vector_cast(Oid type)
{
	HeapTuple	tuple;
	Form_pg_type form;
	bool		named;
	Oid			extension;
	char	   *extension_name;
	Oid			cast;

	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	form = (Form_pg_type) GETSTRUCT(tuple);
	named = form->typtype == TYPTYPE_BASE &&
		(strcmp(NameStr(form->typname), "vector") == 0 ||
		 strcmp(NameStr(form->typname), "halfvec") == 0);
	ReleaseSysCache(tuple);
	if (!named)
		return InvalidOid;

	extension = getExtensionOfObject(TypeRelationId, type);
	extension_name = OidIsValid(extension) ? get_extension_name(extension) : NULL;
	if (extension_name == NULL || strcmp(extension_name, "vector") != 0)
		return InvalidOid;

	if (find_coercion_pathway(FLOAT4ARRAYOID, type, COERCION_EXPLICIT,
							  &cast) != COERCION_PATH_FUNC)
		return InvalidOid;

	/* called as a cast with a length and a flag */
	return get_func_nargs(cast) == 3 ? cast : InvalidOid;
}
