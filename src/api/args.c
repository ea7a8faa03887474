/*
 * args.c
 *		Arguments of SQL-callable functions.
 */
#include "postgres.h"

#include "api/args.h"
#include "catalog/pg_type_d.h"
#include "model/value.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

void
km_args_require(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (PG_ARGISNULL(argno))
		km_args_null(name);
}

void
km_args_null(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("argument \"%s\" must not be null", name)));
}

char *
km_args_text(FunctionCallInfo fcinfo, int argno, const char *name)
{
	km_args_require(fcinfo, argno, name);
	return text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

char *
km_args_text_or_null(FunctionCallInfo fcinfo, int argno)
{
	if (PG_ARGISNULL(argno))
		return NULL;
	return text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

int32
km_args_int(FunctionCallInfo fcinfo, int argno, const char *name)
{
	km_args_require(fcinfo, argno, name);
	return PG_GETARG_INT32(argno);
}

bool
km_args_bool(FunctionCallInfo fcinfo, int argno, const char *name)
{
	km_args_require(fcinfo, argno, name);
	return PG_GETARG_BOOL(argno);
}

/*
 * Functions that take a model exist twice in SQL, by name and by value, with
 * one C function for both: the signature of the one that is called decides.
 */
KmModelArg
km_args_model(FunctionCallInfo fcinfo, int argno)
{
	KmModelArg	arg = {0};
	Oid		   *types;
	int			ntypes;

	km_args_require(fcinfo, argno, "model");
	(void) get_func_signature(fcinfo->flinfo->fn_oid, &types, &ntypes);
	if (types[argno] == TEXTOID)
	{
		arg.ref = km_registry_find(km_args_text(fcinfo, argno, "model"),
								   KM_RIGHT_READ, false);
		arg.model = km_registry_load(arg.ref, &arg.info);
	}
	else
		arg.model = km_model_unpack((struct varlena *)
									PG_DETOAST_DATUM(PG_GETARG_DATUM(argno)));
	return arg;
}
