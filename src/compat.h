/*
 * compat.h
 *		What differs between the supported servers (PostgreSQL 15 and newer):
 *		the only file of the project that looks at PG_VERSION_NUM.
 */
#ifndef KM_COMPAT_H
#define KM_COMPAT_H

#include "postgres.h"

#include "common/jsonapi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000
#error "kmeans needs PostgreSQL 15 or newer"
#endif

/*
 * Prepare to return a set in one go, into the tuplestore of the call's
 * ReturnSetInfo.  The newer name exists in 15 only from 15.1 on, and a library
 * that used it could not be loaded by 15.0.
 */
static inline void
km_compat_materialize(FunctionCallInfo fcinfo)
{
#if PG_VERSION_NUM < 160000
	SetSingleFuncCall(fcinfo, 0);
#else
	InitMaterializedSRF(fcinfo, 0);
#endif
}

/* 18 has pg_noreturn instead, which stands before a declaration */
#if PG_VERSION_NUM >= 180000
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

/* intervals are infinite from PostgreSQL 17 on */
#if PG_VERSION_NUM < 170000
#define INTERVAL_NOT_FINITE(i) ((void) (i), false)
#endif

/*
 * Callbacks of the JSON parser return nothing in 15, and a JsonParseErrorType
 * since 16.  They end with KM_JSON_RETURN; errors are raised by ereport.
 */
#if PG_VERSION_NUM >= 160000
typedef JsonParseErrorType KmJsonResult;
#define KM_JSON_RETURN	return JSON_SUCCESS
#else
typedef void KmJsonResult;
#define KM_JSON_RETURN	return
#endif

/* The i-th backend, from 1, of pgstat_fetch_stat_numbackends(). */
static inline const PgBackendStatus *
km_compat_backend_status(int i)
{
#if PG_VERSION_NUM >= 160000
	LocalPgBackendStatus *local = pgstat_get_local_beentry_by_index(i);
#else
	LocalPgBackendStatus *local = pgstat_fetch_stat_local_beentry(i);
#endif

	return local != NULL ? &local->backendStatus : NULL;
}

/* What a backend says it waits for; extensions have names of their own since 17. */
static inline uint32
km_compat_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	return PG_WAIT_EXTENSION;
#endif
}

/* since 17 the lexer takes the memory of its context as an argument */
static inline JsonLexContext *
km_compat_json_lexer(char *json, int length)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, json, length, GetDatabaseEncoding(), true);
#else
	return makeJsonLexContextCstringLen(json, length, GetDatabaseEncoding(), true);
#endif
}

/*
 * May the current user make this role the owner of something?  42501 if not.
 * Membership is no longer enough since 16: it must come with the option SET.
 */
static inline void
km_compat_check_new_owner(Oid role)
{
#if PG_VERSION_NUM >= 160000
	check_can_set_role(GetUserId(), role);
#else
	check_is_member_of_role(GetUserId(), role);
#endif
}

#endif							/* KM_COMPAT_H */
