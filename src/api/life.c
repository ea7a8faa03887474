/*
 * life.c
 *		Life of a model, as far as no rows are read: names, labels, versions,
 *		owner, grants.
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
PG_FUNCTION_INFO_V1(kmeans_promote);
PG_FUNCTION_INFO_V1(kmeans_prune);
PG_FUNCTION_INFO_V1(kmeans_set_owner);
PG_FUNCTION_INFO_V1(kmeans_grant);
PG_FUNCTION_INFO_V1(kmeans_revoke);

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

Datum
kmeans_promote(PG_FUNCTION_ARGS)
{
	char	   *name;

	PreventCommandIfReadOnly("kmeans_promote()");
	name = km_args_text(fcinfo, 0, "model");
	km_registry_promote(name, km_args_int(fcinfo, 1, "version"));
	PG_RETURN_VOID();
}

Datum
kmeans_prune(PG_FUNCTION_ARGS)
{
	char	   *name;
	int32		keep;

	PreventCommandIfReadOnly("kmeans_prune()");
	name = km_args_text(fcinfo, 0, "model");
	keep = km_args_int(fcinfo, 1, "keep");
	if (keep < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keep is out of range: %d", keep),
				 errdetail("It is the number of newest versions to keep, from 0; the promoted one is kept in any case.")));
	PG_RETURN_INT32(km_registry_prune(name, keep));
}

/* The functions that say what a role is to a model. */
static void
change_role(FunctionCallInfo fcinfo, const char *command,
			void (*change) (const char *name, const char *role))
{
	char	   *name;

	PreventCommandIfReadOnly(command);
	name = km_args_text(fcinfo, 0, "model");
	change(name, km_args_text(fcinfo, 1, "role"));
}

Datum
kmeans_set_owner(PG_FUNCTION_ARGS)
{
	change_role(fcinfo, "kmeans_set_owner()", km_registry_set_owner);
	PG_RETURN_VOID();
}

Datum
kmeans_grant(PG_FUNCTION_ARGS)
{
	change_role(fcinfo, "kmeans_grant()", km_registry_grant);
	PG_RETURN_VOID();
}

Datum
kmeans_revoke(PG_FUNCTION_ARGS)
{
	change_role(fcinfo, "kmeans_revoke()", km_registry_revoke);
	PG_RETURN_VOID();
}
