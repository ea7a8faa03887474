/*
 * registry_rights.c
 *		The catalog: whose a model is, and who may read it.
 */
#include "postgres.h"

#include "compat.h"
#include "miscadmin.h"
#include "model/catalog.h"
#include "model/registry.h"
#include "model/registry_change.h"
#include "utils/acl.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* what to do with a grant */
typedef enum KmGrant
{
	KM_GRANT,
	KM_REVOKE
} KmGrant;

static void change_grant(const char *name, const char *role, KmGrant what);
static Oid	grantee_oid(const char *role);
static bool find_grant(const KmModelRef *ref, Oid grantee, Snapshot snapshot);
static bool is_dropped_role(Oid role);
static void delete_grants(const KmModelRef *ref, const Oid *revoked, Snapshot snapshot);
static void insert_grant(const KmModelRef *ref, Oid grantee);

/*
 * As ALTER ... OWNER TO: what the model does with the rights of its owner, it
 * then does with those of the new one, so nobody can make it somebody else's.
 */
void
km_registry_set_owner(const char *name, const char *role)
{
	KmModelRef *ref;
	Snapshot	latest;
	KmCatalogChange change = {0};
	Oid			owner;

	km_registry_check_new_name(name);
	ref = km_registry_lock_existing(name, false);
	owner = get_role_oid(role, false);
	km_compat_check_new_owner(owner);

	latest = RegisterSnapshot(GetLatestSnapshot());
	km_change_set(&change, KM_CATALOG_OWNER, ObjectIdGetDatum(owner));
	km_change_model(ref, latest, &change);
	UnregisterSnapshot(latest);
	km_catalog_changed();
}

void
km_registry_grant(const char *name, const char *role)
{
	change_grant(name, role, KM_GRANT);
}

void
km_registry_revoke(const char *name, const char *role)
{
	change_grant(name, role, KM_REVOKE);
}

static void
change_grant(const char *name, const char *role, KmGrant what)
{
	KmModelRef *ref;
	Snapshot	latest;
	KmCatalogChange change = {0};
	Oid			grantee;

	km_registry_check_new_name(name);
	ref = km_registry_lock_existing(name, false);
	grantee = grantee_oid(role);
	latest = RegisterSnapshot(GetLatestSnapshot());
	if (find_grant(ref, grantee, latest) != (what == KM_GRANT))
	{
		km_change_model(ref, latest, &change);
		delete_grants(ref, what == KM_REVOKE ? &grantee : NULL, latest);
		if (what == KM_GRANT)
			insert_grant(ref, grantee);
		km_catalog_changed();
	}
	UnregisterSnapshot(latest);
}

/* InvalidOid for public */
static Oid
grantee_oid(const char *role)
{
	Oid			grantee = InvalidOid;

	if (strcmp(role, "public") == 0)
		return InvalidOid;
	grantee = get_role_oid(role, pg_strcasecmp(role, "public") == 0);
	if (!OidIsValid(grantee))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", role),
				 errhint("Everybody is \"public\", in lower case.")));
	return grantee;
}

static bool
find_grant(const KmModelRef *ref, Oid grantee, Snapshot snapshot)
{
	KmScan	   *scan = km_scan_begin(KM_TABLE_PRIVILEGE, snapshot, false,
									 1, ref->model_id, 0, 0);
	bool		found = false;

	while (!found && km_scan_next(scan))
		found = DatumGetObjectId(km_scan_value(scan, KM_PRIVILEGE_GRANTEE)) == grantee;
	km_scan_end(scan);
	return found;
}

static bool
is_dropped_role(Oid role)
{
	return OidIsValid(role) && !SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role));
}

/* the one that is revoked, if any, and those of roles that were dropped */
static void
delete_grants(const KmModelRef *ref, const Oid *revoked, Snapshot snapshot)
{
	KmScan	   *scan = km_scan_begin(KM_TABLE_PRIVILEGE, snapshot, true,
									 1, ref->model_id, 0, 0);

	while (km_scan_next(scan))
	{
		Oid			grantee = DatumGetObjectId(km_scan_value(scan, KM_PRIVILEGE_GRANTEE));

		CHECK_FOR_INTERRUPTS();
		if (is_dropped_role(grantee) || (revoked != NULL && grantee == *revoked))
			km_scan_delete(scan);
	}
	km_scan_end(scan);
}

static void
insert_grant(const KmModelRef *ref, Oid grantee)
{
	KmInsert   *insert = km_insert_begin(KM_TABLE_PRIVILEGE);

	km_insert_set(insert, KM_PRIVILEGE_MODEL_ID, Int64GetDatum(ref->model_id));
	km_insert_set(insert, KM_PRIVILEGE_GRANTEE, ObjectIdGetDatum(grantee));
	km_insert_row(insert);
	km_insert_end(insert);
}
