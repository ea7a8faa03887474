/*
 * moved.c
 *		How many rows have another id than they had in a former clustering.
 */
#include "core/moved.h"

#include "core/place.h"
#include "core/sums.h"

static void count_rows(const KmFormer *former, const int32_t *before,
					   const uint16_t *now, const int32_t *ids,
					   const double *weight, int n, KmExact *sums);

double
km_moved_share(KmTeam *team, KmRows *rows, const KmFormer *former,
			   const int32_t *ids)
{
	KmPlacer   *placer = km_placer_create(team, &former->space, former->centroids,
										  former->k, former->source);
	KmExact    *sums = km_team_alloc(team, 2, sizeof(KmExact));
	int32_t		before[KM_TILE];
	double		share;

	km_exact_init(&sums[0]);
	km_exact_init(&sums[1]);
	for (int c = 0; c < rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE)
		{
			int			n = km_chunk_batch(chunk, start, KM_TILE);

			km_team_check(team);
			km_placer_label(placer, km_chunk_rows(chunk, rows->d, start, n), rows->d, n,
							before);
			count_rows(former, before, chunk->label + start, ids,
					   km_chunk_weights(chunk, start), n, sums);
		}
	}
	km_exact_reduce(team, sums, 2);
	share = km_exact_value(&sums[0]) / km_exact_value(&sums[1]);
	km_placer_free(placer);
	km_team_release(team, sums);
	return share;
}

/* add the weight of the rows that have moved, and of all */
static void
count_rows(const KmFormer *former, const int32_t *before, const uint16_t *now,
		   const int32_t *ids, const double *weight, int n, KmExact *sums)
{
	int			moved = 0;

	for (int i = 0; i < n; i++)
	{
		bool		same = before[i] >= 0 && former->ids[before[i]] == ids[now[i]];

		moved += !same;
		if (weight == NULL)
			continue;
		km_exact_add(&sums[1], weight[i]);
		if (!same)
			km_exact_add(&sums[0], weight[i]);
	}
	if (weight == NULL)
	{
		km_exact_add(&sums[0], moved);
		km_exact_add(&sums[1], n);
	}
}
