/*
 * kmeans.c
 *		The library: what happens when it is loaded.
 */
#include "compat.h"

#include "fmgr.h"
#include "utils/guc.h"

#include "core/simd.h"
#include "engine/team.h"
#include "model/registry.h"

PG_MODULE_MAGIC;

static const struct config_enum_entry km_simd_words[] = {
	{"auto", KM_SIMD_AUTO, false},
	{"avx512", KM_SIMD_AVX512, false},
	{"avx2", KM_SIMD_AVX2, false},
	{"neon", KM_SIMD_NEON, false},
	{"generic", KM_SIMD_GENERIC, false},
	{NULL, 0, false}
};

static const struct config_enum_entry km_pruning_words[] = {
	{"auto", KM_PRUNING_AUTO, false},
	{"on", KM_PRUNING_ON, false},
	{"off", KM_PRUNING_OFF, false},
	{NULL, 0, false}
};

void		_PG_init(void);

static bool
km_check_simd(int *newval, void **extra, GucSource source)
{
	if (km_simd_available(*newval))
		return true;
	GUC_check_errdetail("This processor does not have these instructions.");
	return false;
}

/*
 * If memory ends half way, the server calls this again at the next try, and
 * what is known already must not be made known twice.
 */
void
_PG_init(void)
{
	static int	known = 0;

	switch (known)
	{
		case 0:
			DefineCustomEnumVariable("kmeans.simd",
									 "Chooses the instructions with which distances are computed.",
									 "All give the same result.",
									 &km_team_simd, KM_SIMD_AUTO, km_simd_words,
									 PGC_USERSET, 0, km_check_simd, NULL, NULL);
			known++;
			/* FALLTHROUGH */
		case 1:
			DefineCustomEnumVariable("kmeans.pruning",
									 "Lets passes skip rows that cannot have changed their cluster.",
									 "The result is the same.",
									 &km_team_pruning, KM_PRUNING_AUTO, km_pruning_words,
									 PGC_USERSET, 0, NULL, NULL, NULL);
			known++;
			/* FALLTHROUGH */
		case 2:
			MarkGUCPrefixReserved("kmeans");
			known++;
			/* FALLTHROUGH */
		case 3:
			km_registry_init();
			known++;
	}
}
