/*
 * contents.h
 *		A few weighted contents that stand for the rows of a fit.
 *
 * They are one chunk that everybody has alike, so what is done with them needs
 * no other participant.
 */
#ifndef KM_CONTENTS_H
#define KM_CONTENTS_H

#include "core/rows.h"

/* the same participant as a team of one */
extern KmTeam km_contents_team(const KmTeam *team);

/*
 * A chunk with values and weights as rows; allocates what else a chunk needs,
 * until km_contents_free().
 */
extern KmRows km_contents_rows(KmTeam *team, KmChunk *contents, int d);
extern void km_contents_free(KmTeam *team, KmChunk *contents);

#endif							/* KM_CONTENTS_H */
