/*
 * feed.c
 *		Rows for a model: from its stored source, or from another one.
 */
#include "postgres.h"

#include "engine/source.h"
#include "model/feed.h"
#include "model/owner.h"

static const char *km_feed_model(const KmFeed *feed);
static KmReaderSpec km_feed_spec(const KmFeed *feed, const KmColumn *columns,
								 int ncolumns);
static int64 km_feed_execute(const KmFeed *feed, KmReaderSpec *spec,
							 KmReaderCallback callback, void *arg);

void
km_feed_lock(const KmFeed *feed)
{
	KmOwnerScope scope;

	if (feed->source != NULL)
	{
		km_source_lock(feed->source, km_feed_model(feed));
		return;
	}
	(void) km_owner_source(feed->ref, feed->info);
	km_owner_enter(feed->ref, &scope);
	km_source_lock(feed->info->source, km_feed_model(feed));
	km_owner_leave(&scope);
}

int64
km_feed_run(const KmFeed *feed, KmReaderCallback callback, void *arg)
{
	const KmModel *model = feed->model;
	KmSpace		space = km_model_space(model);
	KmReaderSpec spec = km_feed_spec(feed, model->columns, model->ncolumns);

	spec.features = model->features;
	spec.fill = model->fill;
	spec.space = &space;
	return km_feed_execute(feed, &spec, callback, arg);
}

int64
km_feed_run_columns(const KmFeed *feed, const KmColumn *columns, int ncolumns,
					KmReaderCallback callback, void *arg)
{
	KmReaderSpec spec = km_feed_spec(feed, columns, ncolumns);

	return km_feed_execute(feed, &spec, callback, arg);
}

/* for hints */
static const char *
km_feed_model(const KmFeed *feed)
{
	return feed->ref != NULL ? feed->ref->name : NULL;
}

void
km_feed_refuse_empty(const KmFeed *feed)
{
	km_source_refuse_empty(feed->source != NULL ? feed->source : feed->info->source);
}

static KmReaderSpec
km_feed_spec(const KmFeed *feed, const KmColumn *columns, int ncolumns)
{
	KmReaderSpec spec = {
		.text = feed->source,
		.model = km_feed_model(feed),
		.columns = columns,
		.ncolumns = ncolumns,
		.weight = feed->weight,
		.ids = feed->ids,
		.id_column = feed->id_column,
		.locked = feed->locked
	};

	if (feed->id_column == NULL && feed->info != NULL)
	{
		spec.id_column = feed->info->id_column;
		spec.id_optional = feed->source != NULL;
	}
	return spec;
}

static int64
km_feed_execute(const KmFeed *feed, KmReaderSpec *spec, KmReaderCallback callback,
				void *arg)
{
	KmOwnerScope scope;
	int64		n;

	if (feed->source != NULL)
		return km_reader_run(spec, callback, arg);

	spec->text = km_owner_source(feed->ref, feed->info);
	km_owner_enter(feed->ref, &scope);
	n = km_reader_run(spec, callback, arg);
	km_owner_leave(&scope);
	return n;
}
