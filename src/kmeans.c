/*
 * kmeans.c
 *		The library: what happens when it is loaded.
 */
#include "compat.h"

#include "fmgr.h"
#include "utils/guc.h"

#include "model/registry.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	MarkGUCPrefixReserved("kmeans");
	km_registry_init();
}
