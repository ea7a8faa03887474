/*
 * owner.h
 *		Running a model's stored source, with the rights of its owner.
 *
 * Whoever stores a source must not get it run with the rights of others.  So
 * in whatever function, between km_owner_enter() and km_owner_leave(), a
 * stored source runs as REFRESH MATERIALIZED VIEW runs a view's query: as the
 * owner, in a security-restricted operation, under a fixed search_path, with
 * settings that are rolled back.  What is called in between (a callback for
 * rows, say) runs as the owner too.
 *
 *		text = km_owner_source(ref, info);		who may, is there one
 *		km_owner_enter(ref, &scope);
 *		... km_source_open(), km_source_load() or km_reader_run() ...
 *		km_owner_leave(&scope);
 *
 * Errors in between say in their context of which model the source was, and as
 * whom it was run.
 * If an error leaves the section, the end of the transaction or subtransaction
 * restores user and settings.
 */
#ifndef KM_OWNER_H
#define KM_OWNER_H

#include "postgres.h"

#include "model/registry.h"

typedef struct KmOwnerScope
{
	Oid			user;			/* who was it before */
	int			sec_context;
	int			nestlevel;
	const char *model;			/* errors name it, and whose rights count */
	const char *owner;
	ErrorContextCallback context;
} KmOwnerScope;

/*
 * The stored source of the version.  42501 unless the current user is the
 * owner, a member of that role or a superuser; 55000 if the version has no
 * stored source, or the model no owner.
 */
extern const char *km_owner_source(const KmModelRef *ref, const KmVersionInfo *info);

/* 55000 if the model has no owner, as whom a source could be run */
extern void km_owner_check(const KmModelRef *ref);

extern void km_owner_enter(const KmModelRef *ref, KmOwnerScope *scope);
extern void km_owner_leave(const KmOwnerScope *scope);

#endif							/* KM_OWNER_H */
