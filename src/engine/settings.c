/*
 * settings.c
 *		The settings under which a source is written down and run.
 *
 * A stored source is text.  It must mean the same whoever runs it, today and
 * after a restore: names are bound to schemas, and constants are written and
 * read in one format.  And it must be read from its beginning, whatever others
 * are reading, since rows are counted in messages.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "engine/settings.h"

static const char *const km_settings[][2] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"DateStyle", "ISO, MDY"},
	{"IntervalStyle", "postgres"},
	{"extra_float_digits", "3"},
	{"bytea_output", "hex"},
	{"standard_conforming_strings", "on"},
	/* rows are counted from the first block, for errors that name one */
	{"synchronize_seqscans", "off"},
};

int
km_settings_push(void)
{
	int			nestlevel = NewGUCNestLevel();

	for (int i = 0; i < (int) lengthof(km_settings); i++)
		(void) set_config_option(km_settings[i][0], km_settings[i][1],
								 PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	return nestlevel;
}

void
km_settings_pop(int nestlevel)
{
	AtEOXact_GUC(true, nestlevel);
}
