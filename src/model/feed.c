/*
 * feed.c
 *		Rows for a model: from its stored source, or from another one.
 */
#include "postgres.h"

#include "model/feed.h"
#include "model/owner.h"

int64
km_feed_run(const KmFeed *feed, KmReaderCallback callback, void *arg)
{
	const KmModel *model = feed->model;
	KmSpace		space = km_model_space(model);
	KmReaderSpec spec = {
		.text = feed->source,
		.model = feed->ref != NULL ? feed->ref->name : NULL,
		.columns = model->columns,
		.ncolumns = model->ncolumns,
		.features = model->features,
		.fill = model->fill,
		.space = &space,
		.weight = feed->weight,
		.ids = feed->ids,
		.id_column = feed->id_column
	};
	KmOwnerScope scope;
	int64		n;

	if (feed->id_column == NULL && feed->info != NULL)
	{
		spec.id_column = feed->info->id_column;
		spec.id_optional = feed->source != NULL;
	}
	if (feed->source != NULL)
		return km_reader_run(&spec, callback, arg);

	spec.text = km_owner_source(feed->ref, feed->info);
	km_owner_enter(feed->ref, &scope);
	n = km_reader_run(&spec, callback, arg);
	km_owner_leave(&scope);
	return n;
}
