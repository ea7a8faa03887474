/*
 * deal.h
 *		Rows that one participant has read, dealt to its team.
 */
#ifndef KM_DEAL_H
#define KM_DEAL_H

#include "engine/points.h"
#include "engine/team.h"

/*
 * Give every participant an equal part of the leader's rows: a collective
 * operation.  The leader's points lose what they give and join the team; a
 * worker's are new and empty.
 */
extern void km_deal(KmPoints *points, KmTeam *team);

#endif							/* KM_DEAL_H */
