/*
 * watch.c
 *		Running fits: what the view kmeans_progress shows.
 */
#include "postgres.h"

#include "api/result.h"
#include "engine/progress.h"
#include "fmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(kmeans_list_progress);

static void list_fit(void *arg, int pid, const KmProgress *progress);

Datum
kmeans_list_progress(PG_FUNCTION_ARGS)
{
	KmResultRow row;

	km_result_begin(&row, fcinfo);
	km_progress_list(list_fit, &row);
	km_result_end(&row);
	return (Datum) 0;
}

static void
list_fit(void *arg, int pid, const KmProgress *progress)
{
	KmResultRow *row = arg;

	km_result_int(row, pid);
	km_result_text(row, progress->model[0] != '\0' ? progress->model : NULL);
	km_result_text(row, km_phase_name(progress->phase));
	if (progress->run > 0)
		km_result_int(row, progress->run);
	else
		km_result_null(row);
	if (progress->iteration > 0)
		km_result_int(row, progress->iteration);
	else
		km_result_null(row);
	km_result_int(row, progress->max_iter);
	km_result_datum(row, Int64GetDatum(progress->rows_read));
	if (progress->iteration > 0)
	{
		km_result_float(row, progress->inertia);
		km_result_datum(row, Int64GetDatum(progress->reassigned));
	}
	else
	{
		km_result_null(row);
		km_result_null(row);
	}
	km_result_datum(row, TimestampTzGetDatum(progress->started_at));
	km_result_put(row);
}
