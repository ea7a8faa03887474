/*
 * compare.c
 *		The rows of one source as two models label them.
 *
 * The models may differ in everything: columns, categories, scaling, what NULL
 * counts as.  So the columns of both are read, side by side, as they are; those
 * of one model are filled, scaled and labelled as if the others were not there.
 */
#include "postgres.h"

#include <math.h>

#include "core/place.h"
#include "core/sums.h"
#include "engine/team.h"
#include "model/compare.h"

/* One model's view of a row. */
typedef struct KmView
{
	const KmModel *model;
	KmSpace		space;
	KmPlacer   *placer;
	int32	   *source;			/* where its features are in the row */
	int32		label[KM_TILE];
} KmView;

typedef struct KmComparison
{
	KmView		view[2];
	KmCompareCallback callback;
	void	   *arg;
} KmComparison;

typedef struct KmMovedSums
{
	const KmModel *a;
	const KmModel *b;
	KmExact		moved;
	KmExact		total;
} KmMovedSums;

static void km_compare_view(KmView *view, const KmModel *model, int first);
static void km_compare_receive(void *arg, const KmBatch *batch);
static void km_compare_label(KmView *view, const KmBatch *batch);
static void km_compare_count(void *arg, int n, const double *weights,
							 const int32 *a, const int32 *b);

void
km_compare_run(const KmFeed *feed, const KmModel *a, const KmModel *b,
			   KmCompareCallback callback, void *arg)
{
	KmComparison *comparison = palloc(sizeof(KmComparison));
	int			ncolumns = a->ncolumns + b->ncolumns;
	KmColumn   *columns = palloc(mul_size(ncolumns, sizeof(KmColumn)));

	memcpy(columns, a->columns, a->ncolumns * sizeof(KmColumn));
	memcpy(columns + a->ncolumns, b->columns, b->ncolumns * sizeof(KmColumn));
	km_compare_view(&comparison->view[0], a, 0);
	km_compare_view(&comparison->view[1], b, a->d);
	comparison->callback = callback;
	comparison->arg = arg;
	km_feed_run_columns(feed, columns, ncolumns, km_compare_receive, comparison);
	km_placer_free(comparison->view[0].placer);
	km_placer_free(comparison->view[1].placer);
}

static void
km_compare_view(KmView *view, const KmModel *model, int first)
{
	view->model = model;
	view->space = km_model_space(model);
	view->source = palloc(mul_size(model->d, sizeof(int32)));
	for (int t = 0; t < model->d; t++)
		view->source[t] = first + t;
	view->placer = km_placer_create(km_team_alone(CurrentMemoryContext), &view->space,
									model->centroids, model->k, view->source);
}

static void
km_compare_receive(void *arg, const KmBatch *batch)
{
	KmComparison *comparison = arg;

	for (int v = 0; v < 2; v++)
		km_compare_label(&comparison->view[v], batch);
	comparison->callback(comparison->arg, batch->n, batch->weights,
						 comparison->view[0].label, comparison->view[1].label);
}

static void
km_compare_label(KmView *view, const KmBatch *batch)
{
	const KmModel *model = view->model;
	int			first = view->source[0];

	for (int i = 0; model->fill != NULL && i < batch->n; i++)
	{
		double	   *x = batch->values + (Size) i * batch->d + first;

		for (int t = 0; t < model->d; t++)
			if (isnan(x[t]))
				x[t] = model->fill[t];
	}
	km_placer_label(view->placer, batch->values, batch->d, batch->n, view->label);
	for (int i = 0; i < batch->n; i++)
		if (view->label[i] == KM_PLACE_FAR)
			km_encode_overflow(model->features, &view->space,
							   batch->values + (Size) i * batch->d + first,
							   model->d, batch->first + i);
}

/* ---- How many ids differ ---- */

double
km_compare_moved(const KmFeed *feed, const KmModel *a, const KmModel *b)
{
	KmMovedSums sums = {.a = a, .b = b};

	km_exact_init(&sums.moved);
	km_exact_init(&sums.total);
	km_compare_run(feed, a, b, km_compare_count, &sums);
	return km_exact_value(&sums.moved) / km_exact_value(&sums.total);
}

/* rows that have no cluster in b are not among those that it was fitted to */
static void
km_compare_count(void *arg, int n, const double *weights,
				 const int32 *a, const int32 *b)
{
	KmMovedSums *sums = arg;

	for (int i = 0; i < n; i++)
	{
		double		weight = weights != NULL ? weights[i] : 1;

		if (b[i] < 0)
			continue;
		km_exact_add(&sums->total, weight);
		if (a[i] < 0 || sums->a->ids[a[i]] != sums->b->ids[b[i]])
			km_exact_add(&sums->moved, weight);
	}
}
