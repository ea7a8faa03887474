/*
 * contents.c
 *		A few weighted contents that stand for the rows of a fit.
 */
#include "core/contents.h"

KmTeam
km_contents_team(const KmTeam *team)
{
	KmTeam		solo = *team;

	solo.size = 1;
	solo.rank = 0;
	return solo;
}

static KmChunk *
contents_get(void *arg, int chunk)
{
	return (KmChunk *) arg + chunk;
}

KmRows
km_contents_rows(KmTeam *team, KmChunk *contents, int d)
{
	KmRows		rows = {
		.d = d,.n = contents->nrows,.weighted = true,.nchunks = 1,
		.arg = contents,.get = contents_get
	};

	contents->label = km_team_alloc(team, contents->nrows, sizeof(uint16_t));
	contents->bound = km_team_alloc(team, contents->nrows, sizeof(float));
	contents->dist2 = km_team_alloc(team, contents->nrows, sizeof(double));
	contents->bucket = km_team_alloc(team, contents->nrows, sizeof(uint16_t));
	return rows;
}

void
km_contents_free(KmTeam *team, KmChunk *contents)
{
	km_team_release(team, contents->bucket);
	km_team_release(team, contents->dist2);
	km_team_release(team, contents->bound);
	km_team_release(team, contents->label);
}
