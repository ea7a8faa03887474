/*
 * owner.c
 *		Running a model's stored source, with the rights of its owner.
 *
 * The only caller of SetUserIdAndSecContext().
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "engine/settings.h"
#include "model/access.h"
#include "model/owner.h"

const char *
km_owner_source(const KmModelRef *ref, const KmVersionInfo *info)
{
	char	   *owner = GetUserNameFromId(ref->owner, true);

	if (!km_access_is_owner(ref->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for the source of model \"%s\"", ref->name),
				 owner != NULL ?
				 errdetail("It is run with the rights of the owner, %s, and only for that role and its members.",
						   owner) :
				 errdetail("It is run with the rights of the owner, and the owner was dropped."),
				 errhint("Pass source: it is run with your own rights.")));
	if (info->source == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no stored source", ref->name),
				 errdetail("It was saved from a value, or its source used a temporary object."),
				 errhint("Pass source.")));
	km_owner_check(ref);
	return info->source;
}

void
km_owner_check(const KmModelRef *ref)
{
	if (GetUserNameFromId(ref->owner, true) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the source of model \"%s\" cannot be run: its owner was dropped",
						ref->name),
				 errhint("Give the model another owner by kmeans_set_owner.")));
}

static void
km_owner_context(void *arg)
{
	const KmOwnerScope *scope = arg;

	errcontext("source of model \"%s\", run as its owner, %s", scope->model,
			   scope->owner);
}

void
km_owner_enter(const KmModelRef *ref, KmOwnerScope *scope)
{
	GetUserIdAndSecContext(&scope->user, &scope->sec_context);
	SetUserIdAndSecContext(ref->owner,
						   scope->sec_context | SECURITY_RESTRICTED_OPERATION);
	scope->nestlevel = km_settings_push();
	scope->model = ref->name;
	scope->owner = GetUserNameFromId(ref->owner, false);
	scope->context.callback = km_owner_context;
	scope->context.arg = scope;
	scope->context.previous = error_context_stack;
	error_context_stack = &scope->context;
}

void
km_owner_leave(const KmOwnerScope *scope)
{
	error_context_stack = scope->context.previous;
	/* not committed: what the source itself has set must not last */
	AtEOXact_GUC(false, scope->nestlevel);
	SetUserIdAndSecContext(scope->user, scope->sec_context);
}
