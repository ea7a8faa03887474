/*
 * args.h
 *		Arguments of SQL-callable functions.
 *
 * Functions whose arguments may be NULL are not declared STRICT, since a NULL
 * where a value is needed is an error here, not a NULL result.  argno counts
 * from 0; name is the argument's name in SQL.
 */
#ifndef KM_ARGS_H
#define KM_ARGS_H

#include "postgres.h"

#include "compat.h"
#include "fmgr.h"
#include "model/registry.h"

/* 22004 if the argument is NULL */
extern void km_args_require(FunctionCallInfo fcinfo, int argno, const char *name);

/* the same message for a value that is not an argument of its own */
extern void km_args_null(const char *name) pg_attribute_noreturn();

/* a text argument as a palloc'd C string; 22004 if it is NULL */
extern char *km_args_text(FunctionCallInfo fcinfo, int argno, const char *name);

/* the same, but NULL for NULL */
extern char *km_args_text_or_null(FunctionCallInfo fcinfo, int argno);

/*
 * Is the first argument, a model, given by name rather than as a kmeans_model?
 * One C function serves both; what it was declared with tells, however it is
 * called.
 */
extern bool km_args_by_name(FunctionCallInfo fcinfo);

/* 22004 if the argument is NULL */
extern int32 km_args_int(FunctionCallInfo fcinfo, int argno, const char *name);
extern bool km_args_bool(FunctionCallInfo fcinfo, int argno, const char *name);

/* Tell a seed that was drawn and that no result shows, so that the call can be repeated. */
extern void km_args_tell_seed(int64 seed);

/* A model argument: a name, or a kmeans_model. */
typedef struct KmModelArg
{
	KmModel    *model;
	KmModelRef *ref;			/* NULL for a kmeans_model */
	KmVersionInfo info;			/* all zero for a kmeans_model */
} KmModelArg;

/*
 * Load the model that the first argument means, which needs the right to read it.
 * 22004 if the argument is NULL.
 */
extern KmModelArg km_args_model(FunctionCallInfo fcinfo);

#endif							/* KM_ARGS_H */
