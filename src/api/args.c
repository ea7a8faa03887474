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

bool
km_args_by_name(FunctionCallInfo fcinfo)
{
	Oid		   *types;
	int			ntypes;
	bool		by_name;

	(void) get_func_signature(fcinfo->flinfo->fn_oid, &types, &ntypes);
	by_name = ntypes > 0 && types[0] == TEXTOID;
	pfree(types);
	return by_name;
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

void
km_args_tell_seed(int64 seed)
{
	ereport(NOTICE,
			(errmsg("the seed drawn is %lld", (long long) seed),
			 errhint("Pass it as seed to have the same once more.")));
}

KmModelArg
km_args_model(FunctionCallInfo fcinfo)
{
	KmModelArg	arg = {0};

	km_args_require(fcinfo, 0, "model");
	if (km_args_by_name(fcinfo))
	{
		arg.ref = km_registry_find(km_args_text(fcinfo, 0, "model"));
		arg.model = km_registry_load(arg.ref, &arg.info);
	}
	else
		arg.model = km_model_unpack((struct varlena *)
									PG_DETOAST_DATUM(PG_GETARG_DATUM(0)));
	return arg;
}
