/*
 * labelcost.c
 *		What the planner should think a labelling function costs.
 *
 * In units of an operator such as float8's +: so much for the call and its
 * checks, one for every column to be read, one for every few cells (clusters x
 * features) to be measured, and so much for a result that needs memory.
 *
 * The size of a model is known if the model is a constant value.  A model by
 * name is not looked up, since the right to read it is not the planner's to
 * ask for: it counts as one of eight clusters.  The number of columns is
 * the number of arguments; in an array or a row value it counts as eight.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"

#define COST_CALL		4.0
#define COST_RESULT		8.0
#define COST_CELLS		16.0	/* cells for the price of one operator */

#define USUAL_COLUMNS	8
#define USUAL_CLUSTERS	8

/* a value holds centroid, mean, sd, minimum and maximum of every cell */
#define CELL_BYTES		(5 * sizeof(double))

PG_FUNCTION_INFO_V1(kmeans_label_support);

static int
count_columns(const List *arguments)
{
	int			n = list_length(arguments) - 1;
	Oid			type = exprType(lsecond(arguments));

	if (n == 1 && (type_is_rowtype(type) || type_is_array_domain(type)))
		return USUAL_COLUMNS;
	return n;
}

static double
count_cells(const List *arguments, int columns)
{
	const Const *model = linitial(arguments);

	if (IsA(model, Const) && !model->constisnull && model->consttype != TEXTOID)
		return toast_raw_datum_size(model->constvalue) / (double) CELL_BYTES;
	return USUAL_CLUSTERS * columns;
}

Datum
kmeans_label_support(PG_FUNCTION_ARGS)
{
	SupportRequestCost *request = (SupportRequestCost *) PG_GETARG_POINTER(0);
	const FuncExpr *call;
	int			columns;
	double		operators;

	if (!IsA(request, SupportRequestCost) || request->node == NULL ||
		!IsA(request->node, FuncExpr))
		PG_RETURN_POINTER(NULL);

	call = (const FuncExpr *) request->node;
	if (list_length(call->args) < 2)
		PG_RETURN_POINTER(NULL);

	columns = count_columns(call->args);
	operators = COST_CALL + columns + count_cells(call->args, columns) / COST_CELLS;
	if (!get_typbyval(call->funcresulttype))
		operators += COST_RESULT;
	request->startup = 0;
	request->per_tuple = operators * cpu_operator_cost;
	PG_RETURN_POINTER(request);
}
