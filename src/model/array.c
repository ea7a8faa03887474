/*
 * array.c
 *		C arrays to SQL arrays and back.
 *
 * float8 and int4 elements lie in a SQL array as they lie in C, so whole
 * arrays are copied at once rather than boxed element by element.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "model/array.h"
#include "utils/builtins.h"

static ArrayType *fixed_array(Oid type, const void *values, int n, Size size);
static void *get_fixed_array(Datum datum, Oid type, Size size, int *n);
static ArrayType *plain_array(Datum datum, Oid type);
static void release_array(ArrayType *array, Datum datum);

ArrayType *
km_array_floats(const double *values, int n)
{
	return fixed_array(FLOAT8OID, values, n, sizeof(double));
}

ArrayType *
km_array_ints(const int32 *values, int n)
{
	return fixed_array(INT4OID, values, n, sizeof(int32));
}

ArrayType *
km_array_texts(char *const *values, int n)
{
	Datum	   *elements = palloc(mul_size(n, sizeof(Datum)));

	for (int i = 0; i < n; i++)
		elements[i] = CStringGetTextDatum(values[i]);
	return construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT);
}

double *
km_array_get_floats(Datum array, int *n)
{
	return get_fixed_array(array, FLOAT8OID, sizeof(double), n);
}

int32 *
km_array_get_ints(Datum array, int *n)
{
	return get_fixed_array(array, INT4OID, sizeof(int32), n);
}

char	  **
km_array_get_texts(Datum array, int *n)
{
	ArrayType  *plain = plain_array(array, TEXTOID);
	Datum	   *elements;
	char	  **texts;

	if (plain == NULL)
		return NULL;
	deconstruct_array(plain, TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, NULL, n);
	texts = palloc(mul_size(*n, sizeof(char *)));
	for (int i = 0; i < *n; i++)
		texts[i] = TextDatumGetCString(elements[i]);
	pfree(elements);
	release_array(plain, array);
	return texts;
}

static ArrayType *
fixed_array(Oid type, const void *values, int n, Size size)
{
	Size		bytes;
	ArrayType  *array;

	if (n == 0)
		return construct_empty_array(type);

	bytes = add_size(ARR_OVERHEAD_NONULLS(1), mul_size(n, size));
	array = palloc0(bytes);
	SET_VARSIZE(array, bytes);
	array->ndim = 1;
	array->elemtype = type;
	ARR_DIMS(array)[0] = n;
	ARR_LBOUND(array)[0] = 1;
	memcpy(ARR_DATA_PTR(array), values, n * size);
	return array;
}

static void *
get_fixed_array(Datum datum, Oid type, Size size, int *n)
{
	ArrayType  *array = plain_array(datum, type);
	void	   *values;

	if (array == NULL)
		return NULL;
	*n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	values = palloc(mul_size(*n, size));
	memcpy(values, ARR_DATA_PTR(array), *n * size);
	release_array(array, datum);
	return values;
}

static ArrayType *
plain_array(Datum datum, Oid type)
{
	ArrayType  *array = DatumGetArrayTypeP(datum);

	if (ARR_NDIM(array) > 1 || ARR_ELEMTYPE(array) != type ||
		array_contains_nulls(array))
		return NULL;
	return array;
}

/* A long array was fetched into memory of its own; thousands make a model. */
static void
release_array(ArrayType *array, Datum datum)
{
	if ((Pointer) array != DatumGetPointer(datum))
		pfree(array);
}
