/*
 * access.h
 *		Who may do what with a model.
 *
 * A model belongs to a role and its members; they, and superusers, may do
 * everything.  Grantees may read it and predict with it.
 */
#ifndef KM_ACCESS_H
#define KM_ACCESS_H

#include "postgres.h"

#include "compat.h"

/*
 * The owner, members of the owner's role and superusers.  An owner that is no
 * longer a role (InvalidOid or an unknown oid) is nobody: superusers only.
 */
extern bool km_access_is_owner(Oid owner);

/* grantees: roles; InvalidOid among them stands for public */
extern bool km_access_may_read(Oid owner, const Oid *grantees, int ngrantees);

/* 42501 with the hint to ask the owner for kmeans_grant; own: that this is not enough */
extern void km_access_denied(const char *model, Oid owner, bool own) pg_attribute_noreturn();

/* 42501 for those who may read the model, but not change it */
extern void km_access_not_owner(const char *model, Oid owner) pg_attribute_noreturn();

#endif							/* KM_ACCESS_H */
