/*
 * rowarg.c
 *		The row in the variadic arguments of a labelling function.
 *
 * There are three forms:
 *
 *		columns		f(model, a, b, c)			each argument is a column
 *		elements	f(model, ARRAY[a, b, c])	each element is a column; also
 *					f(model, VARIADIC ARRAY[a, b, c])
 *		fields		f(model, t)					columns are found by name
 *
 * A single array is taken as elements only where every column is a number, so
 * it cannot be mistaken for the one array column of a model.  A row value's
 * type may change from call to call (records), or be altered; its columns are
 * matched again whenever it is another type or the server gives the type
 * another identifier.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "api/rowarg.h"
#include "catalog/pg_type.h"
#include "engine/encode.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

/* so many names are listed in a message, then "..." */
#define SHOWN_NAMES 20

typedef enum KmRowForm
{
	KM_ROW_COLUMNS,
	KM_ROW_ELEMENTS,
	KM_ROW_FIELDS
} KmRowForm;

struct KmRowArg
{
	const KmModel *model;
	const char *name;			/* the model's, or NULL */
	int			first;			/* number of the first argument */
	KmRowForm	form;
	KmEncoder  *encoders;		/* one per column of the model */

	/* elements */
	Oid			element;
	int16		elmlen;
	bool		elmbyval;
	char		elmalign;
	bool		converted;		/* a vector or an untyped literal: see array */
	KmColumn	all;			/* the columns as if they were one array */
	KmEncoder	array;

	/* fields */
	MemoryContext match;		/* holds the rest and what the encoders need */
	Oid			type;			/* that is matched; InvalidOid: none */
	int32		typmod;
	TypeCacheEntry *entry;		/* lives as long as the server process; NULL for a
								 * record, whose typmod means one thing for ever */
	uint64		identifier;		/* of the entry when it was matched */
	TupleDesc	desc;
	int		   *field;			/* per column: its place in the row, from 0 */
	int			last;			/* the largest of them */
	bool		fixed;			/* up to there widths are fixed, and so places: */
	int		   *place;			/* per column, from where the row's data begin */
	bool		floats;			/* fixed, and every column is a float8 */
	Datum	   *values;			/* of one row */
	bool	   *nulls;
};

static Oid	argument_type(FunctionCallInfo fcinfo, int argno);
static bool all_numbers(const KmModel *model);
static bool literal_array(FunctionCallInfo fcinfo, int argno);
static void bind_columns(KmRowArg *row, FunctionCallInfo fcinfo);
static void columns_context(void *arg);
static void bind_elements(KmRowArg *row, Oid type);
static inline bool read_column(KmRowArg *row, int c, Datum value, bool isnull,
							   double *x, int *t);
static bool read_columns(KmRowArg *row, FunctionCallInfo fcinfo, double *x);
static bool read_elements(KmRowArg *row, Datum value, double *x);
static bool read_fields(KmRowArg *row, Datum value, double *x);
static void match_fields(KmRowArg *row, HeapTupleHeader header);
static inline bool read_floats(const KmRowArg *row, HeapTupleHeader header, double *x);
static void find_places(KmRowArg *row);
static bool nameless(TupleDesc desc);
static int	find_field(TupleDesc desc, const char *name);
static void missing_field(KmRowArg *row, const char *column) pg_attribute_noreturn();
static void check_count(const KmRowArg *row, int got);
static const char *model_words(const KmRowArg *row);
static const char *model_columns(const KmRowArg *row);

KmRowArg *
km_rowarg_bind(FunctionCallInfo fcinfo, int first, const KmModel *model, const char *name)
{
	KmRowArg   *row = palloc0(sizeof(KmRowArg));
	Oid			type = argument_type(fcinfo, first);
	Oid			base = getBaseType(type);
	bool		single = PG_NARGS() == first + 1;

	row->model = model;
	row->name = name;
	row->first = first;
	row->encoders = palloc0(mul_size(model->ncolumns, sizeof(KmEncoder)));

	if (get_fn_expr_variadic(fcinfo->flinfo))
		bind_elements(row, base);
	else if (single && type_is_rowtype(base))
	{
		row->form = KM_ROW_FIELDS;
		row->match = AllocSetContextCreate(CurrentMemoryContext, "kmeans row value",
										   ALLOCSET_SMALL_SIZES);
	}
	else if (single && all_numbers(model) &&
			 (base == UNKNOWNOID ? literal_array(fcinfo, first) :
			  OidIsValid(get_element_type(base)) ||
			  (km_column_kind_of_type(base, &row->all.kind) &&
			   row->all.kind == KM_COLUMN_ARRAY)))
		bind_elements(row, base);
	else
		bind_columns(row, fcinfo);
	return row;
}

static Oid
argument_type(FunctionCallInfo fcinfo, int argno)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, argno);

	if (!OidIsValid(type))
		elog(ERROR, "could not determine the type of argument %d", argno + 1);
	return type;
}

static bool
all_numbers(const KmModel *model)
{
	for (int c = 0; c < model->ncolumns; c++)
	{
		if (model->columns[c].kind != KM_COLUMN_NUMBER)
			return false;
	}
	return true;
}

/* Is the untyped literal, the same at every call of a call site, an array? */
static bool
literal_array(FunctionCallInfo fcinfo, int argno)
{
	return !PG_ARGISNULL(argno) && PG_GETARG_CSTRING(argno)[0] == '{';
}

static void
bind_columns(KmRowArg *row, FunctionCallInfo fcinfo)
{
	const KmModel *model = row->model;
	int			got = PG_NARGS() - row->first;
	ErrorContextCallback callback = {
		.callback = columns_context, .arg = row, .previous = error_context_stack
	};

	row->form = KM_ROW_COLUMNS;
	if (got == 1 && model->ncolumns > 1)
	{
		Oid			type = argument_type(fcinfo, row->first);

		if (type == UNKNOWNOID && PG_ARGISNULL(row->first))
			return;				/* NULL for the whole row, see read_columns */
		if (OidIsValid(get_element_type(getBaseType(type))))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("one array cannot stand for the columns of %s",
							model_words(row)),
					 errdetail("Not all of its columns are numbers."),
					 errhint("Pass the columns one by one, or a row value.")));
	}
	check_count(row, got);
	error_context_stack = &callback;
	for (int c = 0; c < got; c++)
		km_encoder_init(&row->encoders[c], &model->columns[c],
						argument_type(fcinfo, row->first + c));
	error_context_stack = callback.previous;
}

/* In what order they must come, for whom one has the wrong type. */
static void
columns_context(void *arg)
{
	const KmRowArg *row = arg;

	errcontext("columns of %s: %s", model_words(row), model_columns(row));
}

static void
bind_elements(KmRowArg *row, Oid type)
{
	row->form = KM_ROW_ELEMENTS;
	row->element = get_element_type(type);
	if (!OidIsValid(row->element))
	{
		row->converted = true;
		row->all.name = unconstify(char *, model_words(row));
		row->all.kind = KM_COLUMN_ARRAY;
		km_encoder_init(&row->array, &row->all, type);
		row->element = row->array.element;
	}
	get_typlenbyvalalign(row->element, &row->elmlen, &row->elmbyval, &row->elmalign);
	for (int c = 0; c < row->model->ncolumns; c++)
		km_encoder_init(&row->encoders[c], &row->model->columns[c], row->element);
}

bool
km_rowarg_read(KmRowArg *row, FunctionCallInfo fcinfo, double *x)
{
	if (row->form == KM_ROW_COLUMNS)
		return read_columns(row, fcinfo, x);
	if (PG_ARGISNULL(row->first))
		return false;
	if (row->form == KM_ROW_ELEMENTS)
		return read_elements(row, PG_GETARG_DATUM(row->first), x);
	return read_fields(row, PG_GETARG_DATUM(row->first), x);
}

/*
 * Column c's value goes to its features, which begin at x[*t].  Returns false
 * for a NULL without a fill.
 */
static inline bool
read_column(KmRowArg *row, int c, Datum value, bool isnull, double *x, int *t)
{
	const KmModel *model = row->model;
	int			nfeatures = row->encoders[c].column->nfeatures;

	if (km_encode(&row->encoders[c], value, isnull, 0, &x[*t]) == KM_ENCODE_NULL)
	{
		if (model->fill == NULL)
			return false;
		memcpy(&x[*t], &model->fill[*t], sizeof(double) * nfeatures);
	}
	*t += nfeatures;
	return true;
}

static bool
read_columns(KmRowArg *row, FunctionCallInfo fcinfo, double *x)
{
	int			t = 0;

	if (PG_NARGS() - row->first != row->model->ncolumns)
		return false;
	for (int c = 0; c < row->model->ncolumns; c++)
	{
		NullableDatum *argument = &fcinfo->args[row->first + c];

		if (!read_column(row, c, argument->value, argument->isnull, x, &t))
			return false;
	}
	return true;
}

static bool
read_elements(KmRowArg *row, Datum value, double *x)
{
	ArrayType  *array = row->converted ? km_encoder_array(&row->array, value) :
		DatumGetArrayTypeP(value);
	const char *data = ARR_DATA_PTR(array);
	const bits8 *present = ARR_NULLBITMAP(array);
	int			t = 0;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("array for the columns of %s has %d dimensions",
						model_words(row), ARR_NDIM(array)),
				 errdetail("It must have one.")));
	check_count(row, ARR_NDIM(array) == 0 ? 0 : ARR_DIMS(array)[0]);

	for (int c = 0; c < row->model->ncolumns; c++)
	{
		bool		isnull = present != NULL && att_isnull(c, present);
		Datum		element = 0;

		if (!isnull)
		{
			element = fetch_att(data, row->elmbyval, row->elmlen);
			data = att_addlength_pointer(data, row->elmlen, data);
			data = (const char *) att_align_nominal(data, row->elmalign);
		}
		if (!read_column(row, c, element, isnull, x, &t))
			return false;
	}
	return true;
}

/*
 * Fields at fixed places are fetched from there, where the row has them all.
 * heap_getattr() for the first one checks the whole row against desc.  What is
 * wrong with a value is said on the general way.
 */
static bool
read_fields(KmRowArg *row, Datum value, double *x)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	HeapTupleData tuple;
	bool		in_place;
	int			t = 0;

	if (row->type != HeapTupleHeaderGetTypeId(header) ||
		row->typmod != HeapTupleHeaderGetTypMod(header) ||
		(row->entry != NULL && row->entry->tupDesc_identifier != row->identifier))
		match_fields(row, header);

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	in_place = row->fixed && HeapTupleNoNulls(&tuple) &&
		row->last < HeapTupleHeaderGetNatts(header);
	if (in_place)
	{
		bool		isnull;

		(void) heap_getattr(&tuple, row->field[0] + 1, row->desc, &isnull);
		if (row->floats && read_floats(row, header, x))
			return true;
	}
	else
		heap_deform_tuple(&tuple, row->desc, row->values, row->nulls);

	for (int c = 0; c < row->model->ncolumns; c++)
	{
		int			field = row->field[c];
		Datum		column = row->values[field];
		bool		isnull = row->nulls[field];

		if (in_place)
			column = fetchatt(TupleDescAttr(row->desc, field),
							  (char *) header + header->t_hoff + row->place[c]);
		if (!read_column(row, c, column, isnull, x, &t))
			return false;
	}
	return true;
}

/* As km_encode() does it; false if a number is not finite. */
static inline bool
read_floats(const KmRowArg *row, HeapTupleHeader header, double *x)
{
	const char *data = (const char *) header + header->t_hoff;
	bool		finite = true;

	for (int c = 0; c < row->model->ncolumns; c++)
	{
		x[c] = *(const double *) (data + row->place[c]) + 0.0;
		finite &= isfinite(x[c]);
	}
	return finite;
}

/* Find the model's columns in the type of a row value. */
static void
match_fields(KmRowArg *row, HeapTupleHeader header)
{
	const KmModel *model = row->model;
	Oid			type = HeapTupleHeaderGetTypeId(header);
	int32		typmod = HeapTupleHeaderGetTypMod(header);
	MemoryContext old;
	int			matched = 0;

	row->type = InvalidOid;
	row->entry = NULL;
	MemoryContextReset(row->match);
	old = MemoryContextSwitchTo(row->match);

	row->desc = lookup_rowtype_tupdesc_copy(type, typmod);
	row->values = palloc0(mul_size(row->desc->natts, sizeof(Datum)));
	row->nulls = palloc0(mul_size(row->desc->natts, sizeof(bool)));
	row->field = palloc(mul_size(model->ncolumns, sizeof(int)));
	row->place = palloc(mul_size(model->ncolumns, sizeof(int)));

	for (int c = 0; c < model->ncolumns; c++)
	{
		row->field[c] = find_field(row->desc, model->columns[c].name);
		if (row->field[c] >= 0)
			matched++;
	}
	if (matched == 0 && type == RECORDOID && row->desc->natts == model->ncolumns &&
		nameless(row->desc))
	{
		for (int c = 0; c < model->ncolumns; c++)
			row->field[c] = c;
	}

	for (int c = 0; c < model->ncolumns; c++)
	{
		if (row->field[c] < 0)
			missing_field(row, model->columns[c].name);
		km_encoder_init(&row->encoders[c], &model->columns[c],
						TupleDescAttr(row->desc, row->field[c])->atttypid);
	}
	find_places(row);

	MemoryContextSwitchTo(old);
	if (type != RECORDOID)
	{
		row->entry = lookup_type_cache(type, TYPECACHE_TUPDESC);
		row->identifier = row->entry->tupDesc_identifier;
	}
	row->type = type;
	row->typmod = typmod;
}

/* Where the fields are, as long as those before them are of fixed widths. */
static void
find_places(KmRowArg *row)
{
	int			place = 0;

	row->last = 0;
	row->floats = true;
	for (int c = 0; c < row->model->ncolumns; c++)
	{
		row->last = Max(row->last, row->field[c]);
		row->floats &= row->encoders[c].type == FLOAT8OID;
	}
	row->fixed = true;
	for (int i = 0; i <= row->last && row->fixed; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(row->desc, i);

		row->fixed = attribute->attlen > 0;
		place = att_align_nominal(place, attribute->attalign);
		for (int c = 0; c < row->model->ncolumns; c++)
			if (row->field[c] == i)
				row->place[c] = place;
		place += attribute->attlen;
	}
	row->floats &= row->fixed;
}

/* Are the columns called f1, f2, ..., as ROW(...) calls them? */
static bool
nameless(TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
	{
		char		name[NAMEDATALEN];

		snprintf(name, sizeof(name), "f%d", i + 1);
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) != 0)
			return false;
	}
	return true;
}

/* the place of the column of that name, or -1 */
static int
find_field(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0)
			return i;
	}
	return -1;
}

static void
missing_field(KmRowArg *row, const char *column)
{
	StringInfoData names;
	int			n = 0;

	initStringInfo(&names);
	for (int i = 0; i < row->desc->natts && n <= SHOWN_NAMES; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(row->desc, i);

		if (!attribute->attisdropped)
			appendStringInfo(&names, "%s%s", n > 0 ? ", " : "",
							 n == SHOWN_NAMES ? "..." : NameStr(attribute->attname));
		n += !attribute->attisdropped;
	}
	if (n == 0)
		appendStringInfoString(&names, "none");

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("row value has no column \"%s\", which %s expects",
					column, model_words(row)),
			 errdetail("Its columns are: %s.", names.data),
			 nameless(row->desc) ?
			 errhint("ROW(...) loses the names of its columns: pass the columns one by one, or a row of a table or subquery.") :
			 0));
}

static void
check_count(const KmRowArg *row, int got)
{
	const KmModel *model = row->model;

	if (got != model->ncolumns)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s expects %d %s (%s), got %d", model_words(row),
						model->ncolumns, model->ncolumns == 1 ? "column" : "columns",
						model_columns(row), got)));
}

static const char *
model_words(const KmRowArg *row)
{
	return row->name != NULL ? psprintf("model \"%s\"", row->name) : "the model";
}

static const char *
model_columns(const KmRowArg *row)
{
	const KmModel *model = row->model;
	StringInfoData names;

	initStringInfo(&names);
	for (int c = 0; c < model->ncolumns && c <= SHOWN_NAMES; c++)
		appendStringInfo(&names, "%s%s", c > 0 ? ", " : "",
						 c == SHOWN_NAMES ? "..." : model->columns[c].name);
	return names.data;
}
