/*
 * groups.h
 *		The rows of a batch, cluster by cluster.
 *
 * What is summed or compared per cluster stays in registers while its rows
 * pass.
 */
#ifndef KM_GROUPS_H
#define KM_GROUPS_H

#include "core/kernel.h"

#define KM_GROUPS_ROWS	KM_ROWS_BATCH

typedef struct KmGroups
{
	int			k;
	int32_t    *end;			/* k: where a cluster's rows end */
	int32_t		pick[KM_GROUPS_ROWS];	/* places in the batch, by cluster */
} KmGroups;

extern KmGroups *km_groups_create(KmTeam *team, int k);
extern void km_groups_free(KmTeam *team, KmGroups *groups);

/* sort n <= KM_GROUPS_ROWS rows by label; within a cluster they keep their order */
extern void km_groups_sort(KmGroups *groups, const uint16_t *label, int n);

/* where the rows of cluster j begin and end in pick */
static inline int
km_groups_begin(const KmGroups *groups, int j)
{
	return j > 0 ? groups->end[j - 1] : 0;
}

static inline int
km_groups_end(const KmGroups *groups, int j)
{
	return groups->end[j];
}

#endif							/* KM_GROUPS_H */
