/*
 * export.c
 *		Life of a model: kmeans_export.
 */
#include "postgres.h"

#include "api/args.h"
#include "fmgr.h"
#include "model/export.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(kmeans_export);

Datum
kmeans_export(PG_FUNCTION_ARGS)
{
	KmModelArg	arg = km_args_model(fcinfo);
	char	   *format = km_args_text(fcinfo, 1, "format");
	char	   *text;

	if (strcmp(format, "json") == 0)
		text = km_model_to_json(arg.model);
	else if (strcmp(format, "sql") == 0)
		text = km_export_sql(arg.model, arg.info.source);
	else if (strcmp(format, "pmml") == 0)
		text = km_export_pmml(arg.model, arg.ref->name);
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown format: \"%s\"", format),
				 errdetail("Formats are 'json', 'sql' and 'pmml'.")));
	PG_RETURN_TEXT_P(cstring_to_text(text));
}
