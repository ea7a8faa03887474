/*
 * expand.c
 *		Rows packed with codes of categories, turned into rows of features.
 *
 * Rows are taken from the end, chunk by chunk, so that memory and files shrink
 * on one side as they grow on the other; nobody minds the order of rows.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/float.h"

#include "engine/category.h"
#include "engine/expand.h"

typedef struct KmExpansionColumn
{
	int			nfeatures;
	int		   *place;			/* per code, the feature that is 1; NULL: values
								 * are features already */
} KmExpansionColumn;

struct KmExpansion
{
	int			ncolumns;
	KmExpansionColumn *columns;
};

static void km_expand_row(const KmExpansion *expansion, const double *in, double *out);

KmExpansion *
km_expansion_create(KmTeam *team, const KmEncoder *encoders, KmColumn *columns,
					int ncolumns)
{
	KmExpansion *expansion = palloc(sizeof(KmExpansion));

	expansion->ncolumns = ncolumns;
	expansion->columns = palloc0(mul_size(ncolumns, sizeof(KmExpansionColumn)));
	for (int i = 0; i < ncolumns; i++)
	{
		if (columns[i].kind == KM_COLUMN_CATEGORY)
			expansion->columns[i].place =
				km_categories_settle(team, encoders[i].categories,
									 encoders[i].enum_type, &columns[i]);
		expansion->columns[i].nfeatures = columns[i].nfeatures;
	}
	return expansion;
}

void
km_expand(const KmExpansion *expansion, KmStore *from, KmStore *to, bool take)
{
	Size		budget = to->budget;

	for (int c = from->nchunks - 1; c >= 0; c--)
	{
		KmChunk    *chunk = km_store_get(from, c);

		km_store_limit(to, Max(budget / 8, budget - Min(budget, from->used)));
		for (int64 i = 0; i < chunk->nrows; i++)
		{
			if (i % 1024 == 0)
				CHECK_FOR_INTERRUPTS();
			km_expand_row(expansion, km_chunk_rows(chunk, from->d, i, 1), km_store_room(to));
			km_store_push(to, from->weighted ? chunk->weight[i] : 1);
		}
		if (take)
			km_store_pop(from, chunk->nrows);
	}
}

static void
km_expand_row(const KmExpansion *expansion, const double *in, double *out)
{
	for (int i = 0; i < expansion->ncolumns; i++)
	{
		const KmExpansionColumn *column = &expansion->columns[i];

		if (column->place == NULL)
		{
			memcpy(out, in, column->nfeatures * sizeof(double));
			in += column->nfeatures;
		}
		else
		{
			double		code = *in++;

			for (int t = 0; t < column->nfeatures; t++)
				out[t] = isnan(code) ? get_float8_nan() : 0;
			if (!isnan(code))
				out[column->place[(int) code]] = 1;
		}
		out += column->nfeatures;
	}
}
