/*
 * pick.c
 *		Which output columns of a source are features, its weight, its id.
 *
 * Columns are found by the names that the query gives them, letter by letter:
 * whoever names them has seen them in a list of columns, not written SQL.
 */
#include "compat.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "engine/pick.h"

/* A choice in progress. */
typedef struct KmPick
{
	const KmSourceSpec *spec;
	List	   *targets;		/* of the source's query */
	KmSource   *source;
} KmPick;

/* The names of the columns, of those that can be features or of all. */
static char *
km_pick_names(const KmPick *pick, bool features)
{
	StringInfoData names;
	ListCell   *lc;

	initStringInfo(&names);
	foreach(lc, pick->targets)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		KmColumnKind kind;

		if (!entry->resjunk &&
			(!features ||
			 km_column_kind_of_type(exprType((Node *) entry->expr), &kind)))
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
							 entry->resname);
	}
	return names.len > 0 ? names.data : "none";
}

/*
 * The name of a column that was meant, perhaps, by one written as in SQL: in
 * another case, in quotes, behind the name of its table.  NULL: none.
 */
static const char *
km_pick_alike(const KmPick *pick, const char *name)
{
	const char *dot = strrchr(name, '.');
	char	   *bare = pstrdup(dot != NULL ? dot + 1 : name);
	Size		len = strlen(bare);
	ListCell   *lc;

	if (len > 2 && bare[0] == '"' && bare[len - 1] == '"')
	{
		bare[len - 1] = '\0';
		bare++;
	}
	foreach(lc, pick->targets)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (!entry->resjunk && pg_strcasecmp(entry->resname, bare) == 0)
			return entry->resname;
	}
	return NULL;
}

/* The output column of that name, or NULL. */
static TargetEntry *
km_pick_search_column(const KmPick *pick, const char *name)
{
	TargetEntry *found = NULL;
	ListCell   *lc;

	foreach(lc, pick->targets)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (entry->resjunk || strcmp(entry->resname, name) != 0)
			continue;
		if (found != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_COLUMN),
					 errmsg("column \"%s\" is ambiguous in the source", name)));
		found = entry;
	}
	return found;
}

/* The same, but there must be one. */
static TargetEntry *
km_pick_find_column(const KmPick *pick, const char *name, const char *role)
{
	TargetEntry *found = km_pick_search_column(pick, name);
	bool		feature = pick->spec->known == NULL && strcmp(role, "column") == 0;
	const char *alike = found == NULL ? km_pick_alike(pick, name) : NULL;

	if (found == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("%s \"%s\" does not exist in the source", role, name),
				 feature ?
				 errdetail("Columns that can be features: %s.", km_pick_names(pick, true)) :
				 errdetail("Its columns are: %s.", km_pick_names(pick, false)),
				 alike != NULL ?
				 errhint("Perhaps you mean \"%s\": a column is called by its bare name, in its own case, without quotes.",
						 alike) :
				 errhint("An expression belongs into the source query: SELECT ..., expression AS name FROM ...")));
	return found;
}

/* Is the output column the whole primary key of the table it comes from? */
static bool
km_pick_is_primary_key(const TargetEntry *entry)
{
	bool		result = false;
	Relation	rel;
	List	   *indexes;
	ListCell   *lc;

	if (!OidIsValid(entry->resorigtbl) ||
		get_rel_relkind(entry->resorigtbl) == RELKIND_VIEW)
		return false;
	rel = relation_open(entry->resorigtbl, AccessShareLock);
	indexes = RelationGetIndexList(rel);
	foreach(lc, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_index index;

		if (!HeapTupleIsValid(tuple))
			continue;
		index = (Form_pg_index) GETSTRUCT(tuple);
		result |= index->indisprimary && index->indnkeyatts == 1 &&
			index->indkey.values[0] == entry->resorigcol;
		ReleaseSysCache(tuple);
	}
	relation_close(rel, NoLock);
	return result;
}

bool
km_pick_is_identifier(const char *name)
{
	Size		len = strlen(name);

	return strcmp(name, "id") == 0 || (len >= 3 && strcmp(name + len - 3, "_id") == 0);
}

static bool
km_pick_name_is(const char *name, const char *other)
{
	return other != NULL && strcmp(name, other) == 0;
}

/* Why a column is not a feature unless it is named; NULL if it is one. */
static const char *
km_pick_why_not(const KmSourceSpec *spec, const TargetEntry *entry)
{
	const char *name = entry->resname;
	KmColumnKind kind;

	if (km_pick_name_is(name, spec->id_column))
		return "the id column";
	if (km_pick_name_is(name, spec->weight))
		return "the weight";
	if (!km_column_kind_of_type(exprType((Node *) entry->expr), &kind))
		return format_type_be(exprType((Node *) entry->expr));
	if (kind == KM_COLUMN_CATEGORY)
		return "a category, used only when named";
	if (km_pick_is_primary_key(entry))
		return "the primary key";
	if (km_pick_is_identifier(name))
		return "an identifier by its name";
	return NULL;
}

void
km_pick_refuse_type(const char *column, Oid type, const char *usable)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of type %s cannot be a feature",
					column, format_type_be(type)),
			 usable != NULL ? errdetail("Columns that can be features: %s.", usable) : 0,
			 errhint("Numbers, booleans, dates, timestamps, intervals, arrays of numbers, text and enums can; convert the column in the source query.")));
}

static void
km_pick_add_column(KmPick *pick, const TargetEntry *entry)
{
	const KmSourceSpec *spec = pick->spec;
	KmSource   *source = pick->source;
	Oid			type = exprType((Node *) entry->expr);
	KmColumn   *column = &source->columns[source->ncolumns];

	if (!km_column_kind_of_type(type, &column->kind))
		km_pick_refuse_type(entry->resname, type, km_pick_names(pick, true));
	column->name = pstrdup(entry->resname);
	column->nfeatures = km_column_features_of_kind(column->kind);
	column->categories = NULL;
	for (int i = 0; column->kind == KM_COLUMN_CATEGORY && i < spec->nbefore; i++)
		if (spec->before[i].kind == KM_COLUMN_CATEGORY &&
			strcmp(spec->before[i].name, column->name) == 0)
			*column = spec->before[i];
	source->ncolumns++;
}

/* columns => NULL: whatever can be a feature and does not identify a row. */
static void
km_pick_default_columns(KmPick *pick)
{
	KmSource   *source = pick->source;
	StringInfoData used;
	StringInfoData left;
	ListCell   *lc;

	initStringInfo(&used);
	initStringInfo(&left);
	foreach(lc, pick->targets)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		const char *why;

		if (entry->resjunk)
			continue;
		why = km_pick_why_not(pick->spec, entry);
		if (why != NULL)
			appendStringInfo(&left, "%s%s (%s)", left.len > 0 ? ", " : "",
							 entry->resname, why);
		else
		{
			km_pick_find_column(pick, entry->resname, "column");
			km_pick_add_column(pick, entry);
			appendStringInfo(&used, "%s%s", used.len > 0 ? ", " : "", entry->resname);
		}
	}
	if (source->ncolumns == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the source has no column to cluster on"),
				 left.len > 0 ? errdetail("Left out: %s.", left.data) : 0,
				 errhint("Name the columns with columns => ARRAY[...].")));
	ereport(NOTICE,
			(errmsg("clustering on columns %s", used.data),
			 left.len > 0 ? errdetail("Left out: %s.", left.data) : 0));
}

/* The columns that a model knows. */
static void
km_pick_take_known(KmPick *pick)
{
	const KmSourceSpec *spec = pick->spec;
	KmSource   *source = pick->source;

	for (int i = 0; i < spec->nknown; i++)
	{
		km_pick_find_column(pick, spec->known[i].name, "column");
		source->columns[source->ncolumns++] = spec->known[i];
	}
}

static void
km_pick_choose_id(KmPick *pick)
{
	const KmSourceSpec *spec = pick->spec;

	if (!spec->id_optional)
		km_pick_find_column(pick, spec->id_column, "id column");
	else if (km_pick_search_column(pick, spec->id_column) == NULL)
	{
		ereport(NOTICE,
				(errmsg("the source has no column \"%s\": its rows are numbered",
						spec->id_column)));
		return;
	}
	pick->source->id_column = pstrdup(spec->id_column);
}

void
km_pick_columns(const KmSourceSpec *spec, List *targets, KmSource *source)
{
	KmPick		pick = {.spec = spec, .targets = targets, .source = source};
	int			room = spec->known != NULL ? spec->nknown :
	spec->columns != NULL ? spec->ncolumns : list_length(targets);

	source->columns = palloc(mul_size(Max(room, 1), sizeof(KmColumn)));
	if (spec->weight != NULL)
	{
		TargetEntry *entry = km_pick_find_column(&pick, spec->weight, "weight column");
		KmColumnKind kind;

		if (!km_column_kind_of_type(exprType((Node *) entry->expr), &kind) ||
			kind != KM_COLUMN_NUMBER)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("weight column \"%s\" of type %s is not a number",
							spec->weight, format_type_be(exprType((Node *) entry->expr)))));
		source->weight = pstrdup(spec->weight);
	}
	if (spec->id_column != NULL)
		km_pick_choose_id(&pick);
	if (spec->known != NULL)
		km_pick_take_known(&pick);
	else if (spec->columns == NULL)
		km_pick_default_columns(&pick);
	for (int i = 0; spec->columns != NULL && i < spec->ncolumns; i++)
		km_pick_add_column(&pick, km_pick_find_column(&pick, spec->columns[i], "column"));
}

