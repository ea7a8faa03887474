/*
 * compat.h
 *		What differs between the supported servers (PostgreSQL 15 and newer):
 *		the only file of the project that looks at PG_VERSION_NUM.
 */
#ifndef KM_COMPAT_H
#define KM_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "kmeans needs PostgreSQL 15 or newer"
#endif

/* intervals are infinite from PostgreSQL 17 on */
#if PG_VERSION_NUM < 170000
#define INTERVAL_NOT_FINITE(i) ((void) (i), false)
#endif

#endif							/* KM_COMPAT_H */
