/*
 * source.c
 *		From the text of a source to a bound query and its feature columns.
 *
 * The text is a relation name or exactly one read-only query.  Either way it is
 * analysed as a query, in the caller's search_path, and written out again by
 * the server's own deparser under fixed settings, with every name qualified.
 * That text is what is stored, and that text, under those settings, is what is
 * run, now and whenever the model is refreshed: what would fail at night fails
 * at the fit.
 *
 * load.c runs it.
 */
#include "compat.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "parser/scansup.h"
#include "rewrite/rewriteHandler.h"
#include "storage/bufmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "engine/settings.h"
#include "engine/source.h"

/* A source while it is being opened. */
typedef struct KmSourceParse
{
	const KmSourceSpec *spec;
	bool		is_relation;
	Query	   *query;
	char	   *text;			/* bound: a qualified name, or a query */
	const char *hint_relation;	/* the text begins with the name of a relation */
	KmSource   *source;
} KmSourceParse;

/* ---- Is it a name? ---- */

/*
 * One or more identifiers joined by dots, as SQL would read them.  (The
 * splitter alone takes whatever has no blank in it for a name.)
 */
static List *
km_source_split_name(const char *text)
{
	List	   *names;
	bool		quoted = false;
	bool		start = true;

	for (const char *p = text; *p; p++)
	{
		unsigned char c = (unsigned char) *p;

		if (c == '"')
			quoted = !quoted;
		else if (!quoted)
		{
			bool		letter = IS_HIGHBIT_SET(c) || c == '_' ||
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
			bool		inner = (c >= '0' && c <= '9') || c == '$';

			if (!letter && !(inner && !start) && c != '.' && !scanner_isspace(c))
				return NIL;
		}
		start = !quoted && (c == '.' || scanner_isspace(c));
	}
	if (!SplitIdentifierString(pstrdup(text), '.', &names))
		return NIL;
	return names;
}

bool
km_source_is_name(const char *text)
{
	return km_source_split_name(text) != NIL;
}

static List *
km_source_strings(List *names)
{
	List	   *strings = NIL;
	ListCell   *lc;

	foreach(lc, names)
		strings = lappend(strings, makeString((char *) lfirst(lc)));
	return strings;
}

static RangeVar *
km_source_range_var(List *names)
{
	if (list_length(names) > 3)
		return NULL;
	return makeRangeVarFromNameList(km_source_strings(names));
}

/* The relation a text names, or InvalidOid. */
static Oid
km_source_lookup(const char *text)
{
	List	   *names = km_source_split_name(text);
	RangeVar   *name = names != NIL ? km_source_range_var(names) : NULL;

	if (name == NULL || name->catalogname != NULL)
		return InvalidOid;
	return RangeVarGetRelid(name, NoLock, true);
}

/* ---- A relation ---- */

static void
km_source_check_relation(Oid relid, const char *text)
{
	switch (get_rel_relkind(relid))
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
		case RELKIND_FOREIGN_TABLE:
			return;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" has no rows to cluster", text),
					 errdetail("A source is a table, a view, a materialized view, a foreign table, or a query.")));
	}
}

/* The query that stands for a relation. */
static char *
km_source_relation_query(KmSourceParse *parse, List *names)
{
	const KmSourceSpec *spec = parse->spec;
	RangeVar   *name = km_source_range_var(names);
	Oid			relid;
	char	   *schema;

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("improper relation name (too many dotted names): %s", spec->text)));
	relid = RangeVarGetRelid(name, NoLock, true);
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" does not exist",
						NameListToString(km_source_strings(names))),
				 spec->model != NULL && OidIsValid(km_source_lookup(spec->model)) ?
				 errhint("\"%s\" is a relation: the arguments are the name of the model, then its source.",
						 spec->model) : 0));
	km_source_check_relation(relid, spec->text);
	schema = get_namespace_name(get_rel_namespace(relid));
	parse->text = quote_qualified_identifier(schema, get_rel_name(relid));
	return psprintf("SELECT * FROM %s", parse->text);
}

/* ---- A query ---- */

/*
 * Errors of the parser point into the source, not into the statement that the
 * client sent.
 */
static void
km_source_error_callback(void *arg)
{
	KmSourceParse *parse = arg;
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(parse->spec->text);
	}
	if (geterrcode() == ERRCODE_SYNTAX_ERROR && parse->hint_relation != NULL)
		errhint("Write SELECT * FROM %s ... to use a part of the relation.",
				parse->hint_relation);
}

/* The relation that the text begins with, as in "orders WHERE x > 0". */
static const char *
km_source_leading_relation(const char *text)
{
	const char *end;
	char	   *word;

	while (scanner_isspace(*text))
		text++;
	for (end = text; *end && !scanner_isspace(*end); end++)
		;
	word = pnstrdup(text, end - text);
	return OidIsValid(km_source_lookup(word)) ? word : NULL;
}

static void
km_source_refuse(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a source cannot be %s", what),
			 errdetail("A source is the name of a relation, or one SELECT, WITH, VALUES or TABLE query that only reads.")));
}

/* Does a query, at any depth, do more than read? */
static bool
km_source_refuse_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		if (query->commandType != CMD_SELECT)
			km_source_refuse("a query that changes data");
		if (query->hasForUpdate || query->rowMarks != NIL)
			km_source_refuse("a query with FOR UPDATE or FOR SHARE");
		return query_tree_walker(query, km_source_refuse_walker, context, 0);
	}
	return expression_tree_walker(node, km_source_refuse_walker, context);
}

/* Parse and analyse a text that must be one read-only query. */
static void
km_source_analyse(KmSourceParse *parse, const char *text)
{
	ErrorContextCallback callback;
	List	   *statements;
	RawStmt    *statement;

	callback.callback = km_source_error_callback;
	callback.arg = parse;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	statements = raw_parser(text, RAW_PARSE_DEFAULT);
	if (list_length(statements) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 statements == NIL ? errmsg("the source is empty") :
				 errmsg("the source has %d statements", list_length(statements)),
				 errdetail("A source is the name of a relation, or one SELECT, WITH, VALUES or TABLE query that only reads.")));
	statement = linitial_node(RawStmt, statements);
	if (!IsA(statement->stmt, SelectStmt))
		km_source_refuse(IsA(statement->stmt, InsertStmt) ||
						 IsA(statement->stmt, UpdateStmt) ||
						 IsA(statement->stmt, DeleteStmt) ||
						 IsA(statement->stmt, MergeStmt) ?
						 "a query that changes data" : "a command");
	parse->query = parse_analyze_fixedparams(statement, text, NULL, 0, NULL);
	if (parse->query->commandType == CMD_UTILITY)
		km_source_refuse("a SELECT INTO");
	km_source_refuse_walker((Node *) parse->query, NULL);

	error_context_stack = callback.previous;
}

/* ---- Its columns ---- */

/* The names of the columns that can be features. */
static char *
km_source_usable(const KmSourceParse *parse)
{
	StringInfoData usable;
	ListCell   *lc;

	initStringInfo(&usable);
	foreach(lc, parse->query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		KmColumnKind kind;

		if (!entry->resjunk &&
			km_column_kind_of_type(exprType((Node *) entry->expr), &kind))
			appendStringInfo(&usable, "%s%s", usable.len > 0 ? ", " : "",
							 quote_identifier(entry->resname));
	}
	return usable.len > 0 ? usable.data : "none";
}

/* The output column of that name, or NULL. */
static TargetEntry *
km_source_search_column(const KmSourceParse *parse, const char *name)
{
	TargetEntry *found = NULL;
	ListCell   *lc;

	foreach(lc, parse->query->targetList)
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
km_source_find_column(const KmSourceParse *parse, const char *name, const char *role)
{
	TargetEntry *found = km_source_search_column(parse, name);

	if (found == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("%s \"%s\" does not exist in the source", role, name),
				 errdetail("Columns that can be features: %s.", km_source_usable(parse)),
				 errhint("An expression belongs into the source query: SELECT ..., expression AS name FROM ...")));
	return found;
}

/* Is the output column the whole primary key of the table it comes from? */
static bool
km_source_is_primary_key(const TargetEntry *entry)
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
km_source_is_identifier(const char *name)
{
	Size		len = strlen(name);

	return strcmp(name, "id") == 0 || (len >= 3 && strcmp(name + len - 3, "_id") == 0);
}

static bool
km_source_name_is(const char *name, const char *other)
{
	return other != NULL && strcmp(name, other) == 0;
}

/* Why a column is not a feature unless it is named; NULL if it is one. */
static const char *
km_source_why_not(const KmSourceSpec *spec, const TargetEntry *entry)
{
	const char *name = entry->resname;
	KmColumnKind kind;

	if (km_source_name_is(name, spec->id_column))
		return "the id column";
	if (km_source_name_is(name, spec->weight))
		return "the weight";
	if (!km_column_kind_of_type(exprType((Node *) entry->expr), &kind))
		return format_type_be(exprType((Node *) entry->expr));
	if (kind == KM_COLUMN_CATEGORY)
		return "a category, used only when named";
	if (km_source_is_primary_key(entry))
		return "the primary key";
	if (km_source_is_identifier(name))
		return "an identifier by its name";
	return NULL;
}

void
km_source_refuse_type(const char *column, Oid type, const char *usable)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of type %s cannot be a feature",
					column, format_type_be(type)),
			 usable != NULL ? errdetail("Columns that can be features: %s.", usable) : 0,
			 errhint("Numbers, booleans, dates, timestamps, intervals, arrays of numbers, text and enums can; convert the column in the source query.")));
}

static void
km_source_add_column(KmSourceParse *parse, const TargetEntry *entry)
{
	const KmSourceSpec *spec = parse->spec;
	KmSource   *source = parse->source;
	Oid			type = exprType((Node *) entry->expr);
	KmColumn   *column = &source->columns[source->ncolumns];

	if (!km_column_kind_of_type(type, &column->kind))
		km_source_refuse_type(entry->resname, type, km_source_usable(parse));
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
km_source_default_columns(KmSourceParse *parse)
{
	KmSource   *source = parse->source;
	StringInfoData used;
	StringInfoData left;
	ListCell   *lc;

	initStringInfo(&used);
	initStringInfo(&left);
	foreach(lc, parse->query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		const char *why;

		if (entry->resjunk)
			continue;
		why = km_source_why_not(parse->spec, entry);
		if (why != NULL)
			appendStringInfo(&left, "%s%s (%s)", left.len > 0 ? ", " : "",
							 entry->resname, why);
		else
		{
			km_source_find_column(parse, entry->resname, "column");
			km_source_add_column(parse, entry);
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
km_source_take_known(KmSourceParse *parse)
{
	const KmSourceSpec *spec = parse->spec;
	KmSource   *source = parse->source;

	for (int i = 0; i < spec->nknown; i++)
	{
		km_source_find_column(parse, spec->known[i].name, "column");
		source->columns[source->ncolumns++] = spec->known[i];
	}
}

static void
km_source_choose_id(KmSourceParse *parse)
{
	const KmSourceSpec *spec = parse->spec;

	if (!spec->id_optional)
		km_source_find_column(parse, spec->id_column, "id column");
	else if (km_source_search_column(parse, spec->id_column) == NULL)
	{
		ereport(NOTICE,
				(errmsg("the source has no column \"%s\": its rows are numbered",
						spec->id_column)));
		return;
	}
	parse->source->id_column = pstrdup(spec->id_column);
}

static void
km_source_choose_columns(KmSourceParse *parse)
{
	const KmSourceSpec *spec = parse->spec;
	KmSource   *source = parse->source;
	int			room = spec->known != NULL ? spec->nknown :
	spec->columns != NULL ? spec->ncolumns : list_length(parse->query->targetList);

	source->columns = palloc(mul_size(Max(room, 1), sizeof(KmColumn)));
	if (spec->weight != NULL)
	{
		TargetEntry *entry = km_source_find_column(parse, spec->weight, "weight column");
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
		km_source_choose_id(parse);
	if (spec->known != NULL)
		km_source_take_known(parse);
	else if (spec->columns == NULL)
		km_source_default_columns(parse);
	for (int i = 0; spec->columns != NULL && i < spec->ncolumns; i++)
		km_source_add_column(parse, km_source_find_column(parse, spec->columns[i],
														   "column"));
}

/* What is run: the columns that are needed, from the bound text. */
static char *
km_source_build_query(const KmSourceParse *parse, const char *condition)
{
	const KmSource *source = parse->source;
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT ");
	for (int i = 0; i < source->ncolumns; i++)
		appendStringInfo(&query, "%ss.%s", i > 0 ? ", " : "",
						 quote_identifier(source->columns[i].name));
	if (source->weight != NULL)
		appendStringInfo(&query, ", s.%s", quote_identifier(source->weight));
	if (parse->spec->known != NULL && source->id_column != NULL)
		appendStringInfo(&query, ", s.%s", quote_identifier(source->id_column));
	appendStringInfo(&query, parse->is_relation ? " FROM %s s%s" : " FROM (%s) s%s",
					 parse->text, condition);
	return query.data;
}

/*
 * The query that reads a range of blocks.  It names the relation itself, never
 * a partition, whose grants and policies may be others.
 *
 * Rewriting also locks the relations below views, as the analysis has locked
 * those that are named: a snapshot that is taken now shows what was done to
 * them until then.
 */
static void
km_source_find_ranges(const KmSourceParse *parse)
{
	List	   *rewritten = QueryRewrite(copyObject(parse->query));
	RangeTblEntry *entry;

	if (!parse->is_relation || list_length(rewritten) != 1)
		return;
	entry = linitial_node(RangeTblEntry, parse->query->rtable);
	if (km_traits_has_blocks(linitial_node(Query, rewritten), entry->relid,
							 &parse->source->extent))
		parse->source->ranges =
			km_source_build_query(parse, " WHERE s.ctid >= $1 AND s.ctid < $2");
}

KmSource *
km_source_open(const KmSourceSpec *spec)
{
	KmSourceParse parse = {.spec = spec};
	List	   *names = km_source_split_name(spec->text);
	const char *text = spec->text;
	int			nestlevel;

	parse.source = palloc0(sizeof(KmSource));
	parse.is_relation = names != NIL;
	if (parse.is_relation)
		text = km_source_relation_query(&parse, names);
	else
		parse.hint_relation = km_source_leading_relation(text);

	km_source_analyse(&parse, text);
	km_source_choose_columns(&parse);

	nestlevel = km_settings_push();
	if (!parse.is_relation)
	{
		parse.text = pg_get_querydef(copyObject(parse.query), false);
		while (scanner_isspace(*parse.text))
			parse.text++;
	}
	km_settings_pop(nestlevel);

	parse.source->bound = parse.text;
	if (!km_traits_is_temporary(parse.query))
		parse.source->stored = parse.text;
	parse.source->query = km_source_build_query(&parse, "");
	km_source_find_ranges(&parse);
	return parse.source;
}

void
km_source_refuse_empty(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the source has no rows")));
}
