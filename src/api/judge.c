/*
 * judge.c
 *		Judge: kmeans_evaluate, kmeans_choose_k.
 *
 * The aggregates kmeans_silhouette and kmeans_adjusted_rand_index have files
 * of their own.
 */
#include "postgres.h"

#include <math.h>

#include "api/args.h"
#include "api/choice.h"
#include "api/result.h"
#include "fmgr.h"
#include "model/array.h"
#include "model/evaluate.h"
#include "utils/float.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(kmeans_evaluate);
PG_FUNCTION_INFO_V1(kmeans_choose_k);

static double explained(double inertia, double total_ss);
static void put_evaluation(FunctionCallInfo fcinfo, const KmEvaluation *evaluation);
static void put_choice(KmResultRow *row, const KmChoice *choice);

/* NaN if there is nothing to explain */
static double
explained(double inertia, double total_ss)
{
	return total_ss > 0 ? 1 - inertia / total_ss : get_float8_nan();
}

/* ---- kmeans_evaluate ---- */

/*
 * By name the rows are weighted as in the fit; a model as a value does not say
 * by which column.
 */
Datum
kmeans_evaluate(PG_FUNCTION_ARGS)
{
	KmModelArg	arg = km_args_model(fcinfo);
	KmFeed		feed = {
		.model = arg.model,
		.ref = arg.ref,
		.info = arg.ref != NULL ? &arg.info : NULL,
		.source = km_args_text_or_null(fcinfo, 1),
		.weight = arg.info.weight
	};
	int64		sample_rows = km_choice_sample_rows(fcinfo, 2);

	if (arg.ref == NULL)
		km_args_require(fcinfo, 1, "source");
	put_evaluation(fcinfo, km_evaluate(&feed, sample_rows, km_choice_seed(fcinfo, 3)));
	return (Datum) 0;
}

static void
put_evaluation(FunctionCallInfo fcinfo, const KmEvaluation *evaluation)
{
	double		weight = evaluation->weight;
	KmResultRow row;

	km_result_begin(&row, fcinfo);
	km_result_datum(&row, Int64GetDatum(evaluation->n_rows));
	km_result_float(&row, evaluation->inertia);
	km_result_float(&row, weight > 0 ? evaluation->inertia / weight : get_float8_nan());
	km_result_float(&row, explained(evaluation->inertia, evaluation->total_ss));
	km_result_float(&row, evaluation->silhouette);
	km_result_datum(&row, Int64GetDatum(evaluation->sample->rows));
	km_result_float(&row, evaluation->simplified_silhouette);
	km_result_float(&row, evaluation->davies_bouldin);
	km_result_float(&row, evaluation->calinski_harabasz);
	km_result_put(&row);
	km_result_end(&row);
}

/* ---- kmeans_choose_k ---- */

Datum
kmeans_choose_k(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(caller, "kmeans fit job",
											  ALLOCSET_DEFAULT_SIZES);
	const KmChooseJob *job;
	KmResultRow row;

	MemoryContextSwitchTo(cxt);
	job = km_choice_run(fcinfo);
	MemoryContextSwitchTo(caller);
	km_result_begin(&row, fcinfo);
	for (int l = 0; l < job->nchoices; l++)
		put_choice(&row, &job->choices[l]);
	km_result_end(&row);
	MemoryContextDelete(cxt);
	return (Datum) 0;
}

static void
put_choice(KmResultRow *row, const KmChoice *choice)
{
	char	   *best[KM_NCRITERIA];
	int			nbest = 0;

	for (KmCriterion c = 0; c < KM_NCRITERIA; c++)
		if (choice->best[c])
			best[nbest++] = unconstify(char *, km_criterion_name(c));
	km_result_int(row, choice->k);
	km_result_float(row, choice->inertia);
	km_result_float(row, explained(choice->inertia, choice->total_ss));
	for (KmCriterion c = 0; c < KM_NCRITERIA; c++)
		km_result_float(row, choice->criteria[c]);
	km_result_datum(row, Int64GetDatum(choice->smallest));
	km_result_datum(row, PointerGetDatum(km_array_texts(best, nbest)));
	km_result_put(row);
}
