/*
 * access.c
 *		Who may do what with a model.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "model/access.h"
#include "utils/acl.h"
#include "utils/builtins.h"

bool
km_access_is_owner(Oid owner)
{
	if (!OidIsValid(owner))
		return superuser();
	return has_privs_of_role(GetUserId(), owner);
}

bool
km_access_may_read(Oid owner, const Oid *grantees, int ngrantees)
{
	if (km_access_is_owner(owner))
		return true;
	for (int i = 0; i < ngrantees; i++)
	{
		if (!OidIsValid(grantees[i]) ||
			has_privs_of_role(GetUserId(), grantees[i]))
			return true;
	}
	return false;
}

void
km_access_denied(const char *model, Oid owner, bool own)
{
	char	   *name = GetUserNameFromId(owner, true);
	char	   *grant = psprintf("kmeans_grant(%s, %s)", quote_literal_cstr(model),
								 quote_literal_cstr(GetUserNameFromId(GetUserId(), false)));

	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for model \"%s\"", model),
			 name == NULL ?
			 errhint("The owner was dropped: ask a superuser for %s.", grant) :
			 own ?
			 errhint("Only the owner, %s, may change it; to read it ask for %s.",
					 name, grant) :
			 errhint("Ask the owner, %s, for %s.", name, grant)));
}

void
km_access_not_owner(const char *model, Oid owner)
{
	char	   *name = GetUserNameFromId(owner, true);

	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of model \"%s\"", model),
			 name != NULL ?
			 errdetail("The owner is %s.", name) :
			 errdetail("The owner was dropped.")));
}
