/*
 * traits.c
 *		What a query of a source is like, beyond its text.
 */
#include "compat.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parse_relation.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "engine/traits.h"

/* ---- Does it outlive the session? ---- */

static bool
km_traits_is_temp_function(Oid function, void *context)
{
	return isAnyTempNamespace(get_func_namespace(function));
}

static bool
km_traits_is_temp_type(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = isAnyTempNamespace(((Form_pg_type) GETSTRUCT(tuple))->typnamespace);
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Temporary functions, operators and types, at any depth; the server looks for
 * temporary relations.
 */
static bool
km_traits_temp_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, km_traits_is_temp_function, context))
		return true;
	switch (nodeTag(node))
	{
		case T_Query:
			return query_tree_walker((Query *) node, km_traits_temp_walker,
									 context, 0);
		case T_Const:
		case T_FuncExpr:
		case T_OpExpr:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_CoerceToDomain:
		case T_ArrayCoerceExpr:
		case T_ArrayExpr:
		case T_ConvertRowtypeExpr:
		case T_RowExpr:
			if (km_traits_is_temp_type(exprType(node)))
				return true;
			break;
		default:
			break;
	}
	return expression_tree_walker(node, km_traits_temp_walker, context);
}

bool
km_traits_is_temporary(Query *query)
{
	return isQueryUsingTempRelation(query) ||
		km_traits_temp_walker((Node *) query, NULL);
}

/* ---- Can it be read in ranges of blocks? ---- */

/* add up its tables; false for what keeps its rows elsewhere */
static bool
km_traits_measure(Oid relid, KmExtent *extent)
{
	bool		possible = true;
	List	   *leaves = find_all_inheritors(relid, AccessShareLock, NULL);
	ListCell   *lc;

	foreach(lc, leaves)
	{
		Relation	rel = relation_open(lfirst_oid(lc), NoLock);

		if (rel->rd_rel->relkind == RELKIND_RELATION)
		{
			BlockNumber blocks;

			possible &= rel->rd_rel->relpersistence != RELPERSISTENCE_TEMP &&
				rel->rd_rel->relam == HEAP_TABLE_AM_OID;
			if (possible)
			{
				extent->tables++;
				blocks = RelationGetNumberOfBlocks(rel);
				extent->blocks = Max(extent->blocks, blocks);
				extent->rows += rel->rd_rel->reltuples > 0 && rel->rd_rel->relpages > 0 ?
					(double) rel->rd_rel->reltuples / rel->rd_rel->relpages * blocks :
					blocks * 100.0;
			}
		}
		else
			possible &= rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
		relation_close(rel, NoLock);
	}
	return possible;
}

bool
km_traits_has_blocks(Query *query, Oid relid, KmExtent *extent)
{
	memset(extent, 0, sizeof(KmExtent));
	return km_traits_measure(relid, extent) &&
		max_parallel_hazard(query) == PROPARALLEL_SAFE;
}
