/*
 * life.c
 *		Life of a model: kmeans_drop, kmeans_rename, kmeans_set_label.
 *
 * Everything here writes, so everything refuses at once on a standby and in a
 * read-only transaction.
 */
#include "postgres.h"

#include "api/args.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "model/registry.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(kmeans_drop);
PG_FUNCTION_INFO_V1(kmeans_rename);
PG_FUNCTION_INFO_V1(kmeans_set_label);

Datum
kmeans_drop(PG_FUNCTION_ARGS)
{
	char	   *name;
	bool		if_exists;
	bool		dropped;

	PreventCommandIfReadOnly("kmeans_drop()");
	name = km_args_text(fcinfo, 0, "model");
	if_exists = km_args_bool(fcinfo, 1, "if_exists");

	dropped = km_registry_drop(name, if_exists);
	if (!dropped)
		ereport(NOTICE,
				(errmsg("model \"%s\" does not exist, skipping", name)));
	PG_RETURN_BOOL(dropped);
}

Datum
kmeans_rename(PG_FUNCTION_ARGS)
{
	char	   *name;
	char	   *new_name;

	PreventCommandIfReadOnly("kmeans_rename()");
	name = km_args_text(fcinfo, 0, "model");
	new_name = km_args_text(fcinfo, 1, "new_name");

	km_registry_rename(name, new_name);
	PG_RETURN_VOID();
}

Datum
kmeans_set_label(PG_FUNCTION_ARGS)
{
	char	   *name;
	int32		cluster;
	char	   *label;

	PreventCommandIfReadOnly("kmeans_set_label()");
	name = km_args_text(fcinfo, 0, "model");
	cluster = km_args_int(fcinfo, 1, "cluster");
	label = km_args_text_or_null(fcinfo, 2);
	if (label != NULL && label[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("label of cluster %d must not be empty", cluster),
				 errhint("A null label removes the label.")));

	km_registry_set_label(name, cluster, label);
	PG_RETURN_VOID();
}
