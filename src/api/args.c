/*
 * args.c
 *		Arguments of SQL-callable functions.
 */
#include "postgres.h"

#include "api/args.h"
#include "utils/builtins.h"

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
