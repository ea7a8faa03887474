/*
 * groups.c
 *		The rows of a batch, cluster by cluster: a counting sort.
 */
#include "core/groups.h"

#include <string.h>

KmGroups *
km_groups_create(KmTeam *team, int k)
{
	KmGroups   *groups = km_team_alloc(team, 1, sizeof(KmGroups));

	groups->k = k;
	groups->end = km_team_alloc(team, (size_t) k, sizeof(int32_t));
	return groups;
}

void
km_groups_free(KmTeam *team, KmGroups *groups)
{
	km_team_release(team, groups->end);
	km_team_release(team, groups);
}

void
km_groups_sort(KmGroups *groups, const uint16_t *label, int n)
{
	int32_t    *end = groups->end;
	int32_t		before = 0;

	memset(end, 0, groups->k * sizeof(int32_t));
	for (int i = 0; i < n; i++)
		end[label[i]]++;

	/* where a cluster begins; it moves to its end while rows are put there */
	for (int j = 0; j < groups->k; j++)
	{
		int32_t		rows = end[j];

		end[j] = before;
		before += rows;
	}
	for (int i = 0; i < n; i++)
		groups->pick[end[label[i]]++] = i;
}
