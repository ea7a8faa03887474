/*
 * deal.c
 *		Rows that one participant has read, dealt to its team.
 *
 * The leader gives its rows away from the end, in pieces of as many as fit into
 * a slot of the team, until it has no more than its own part.  Memory and files
 * shrink as they grow elsewhere.  A row is its values, then its weight if rows
 * are weighted.
 */
#include "postgres.h"

#include "engine/deal.h"

StaticAssertDecl((KM_MAX_FEATURES + 1) * sizeof(double) <= KM_TEAM_PIECE,
				 "a row does not fit into a piece");

typedef struct KmDealer
{
	KmStore    *store;
	Size		row_bytes;
	int64		rest;			/* rows still to give away */
} KmDealer;

/* Some of the last rows. */
static size_t
km_deal_write(void *arg, char *room)
{
	KmDealer   *dealer = arg;
	KmStore    *store = dealer->store;
	const KmChunk *chunk;
	Size		values = store->d * sizeof(double);
	int64		first;
	int64		n;

	if (dealer->rest == 0)
		return 0;
	chunk = km_store_get(store, store->nchunks - 1);
	n = Min(Min(dealer->rest, chunk->nrows), KM_TEAM_PIECE / dealer->row_bytes);
	first = chunk->nrows - n;
	for (int64 i = first; i < chunk->nrows; i++)
	{
		memcpy(room, km_chunk_rows(chunk, store->d, i, 1), values);
		if (store->weighted)
			memcpy(room + values, &chunk->weight[i], sizeof(double));
		room += dealer->row_bytes;
	}
	km_store_pop(store, n);
	dealer->rest -= n;
	return n * dealer->row_bytes;
}

static void
km_deal_read(KmStore *store, const char *piece, Size row_bytes, size_t bytes)
{
	Size		values = store->d * sizeof(double);
	double		weight = 1;

	for (size_t at = 0; at < bytes; at += row_bytes)
	{
		memcpy(km_store_room(store), piece + at, values);
		if (store->weighted)
			memcpy(&weight, piece + at + values, sizeof(double));
		km_store_push(store, weight);
	}
}

void
km_deal(KmPoints *points, KmTeam *team)
{
	KmStore    *store = km_points_store(points);
	KmDealer	dealer = {
		.store = store,
		.row_bytes = (store->d + (store->weighted ? 1 : 0)) * sizeof(double),
		.rest = store->n - store->n / team->size
	};
	const char *piece;
	size_t		bytes;

	while (km_team_deal(team, km_deal_write, &dealer, &piece, &bytes))
	{
		km_deal_read(store, piece, dealer.row_bytes, bytes);
		km_team_check(team);
	}
	km_points_join(points, team);
}
