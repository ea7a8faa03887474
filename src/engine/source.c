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

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "parser/scansup.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/varlena.h"

#include "engine/pick.h"
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
km_source_check_relation(Oid relid)
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
					 errmsg("\"%s\" has no rows to cluster", get_rel_name(relid)),
					 errdetail("A source is a table, a view, a materialized view, a foreign table, or a query.")));
	}
}

/* Names are folded to lower case here; was that not meant, or model for source? */
static void
km_source_missing_relation(const KmSourceSpec *spec, List *names)
{
	Oid			model = spec->model != NULL ? km_source_lookup(spec->model) : InvalidOid;
	const char *dot = strrchr(spec->text, '.');
	RangeVar   *cased = km_source_range_var(names);

	cased->relname = pstrdup(dot != NULL ? dot + 1 : spec->text);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("relation \"%s\" does not exist",
					NameListToString(km_source_strings(names))),
			 OidIsValid(RangeVarGetRelid(cased, NoLock, true)) ?
			 errhint("Perhaps you mean '%s': without quotes a name is read in lower case.",
					 quote_qualified_identifier(cased->schemaname, cased->relname)) :
			 OidIsValid(model) ?
			 errhint("\"%s\" is a relation: the arguments are the name of the model, then its source.",
					 get_rel_name(model)) : 0));
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

	/* the lock that reading takes, so that the name stays while it is written */
	relid = RangeVarGetRelid(name, AccessShareLock, true);
	if (!OidIsValid(relid))
		km_source_missing_relation(spec, names);
	km_source_check_relation(relid);
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

/* ---- What is run ---- */

/* The columns that are needed, from the bound text. */
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
 */
static void
km_source_find_ranges(const KmSourceParse *parse, List *rewritten)
{
	RangeTblEntry *entry;

	if (!parse->is_relation || list_length(rewritten) != 1)
		return;
	entry = linitial_node(RangeTblEntry, parse->query->rtable);
	if (km_traits_has_blocks(linitial_node(Query, rewritten), entry->relid,
							 &parse->source->extent))
		parse->source->ranges =
			km_source_build_query(parse, " WHERE s.ctid >= $1 AND s.ctid < $2");
}

/* Find out what the text is, and what its names mean here and now. */
static void
km_source_bind(KmSourceParse *parse)
{
	List	   *names = km_source_split_name(parse->spec->text);
	const char *text = parse->spec->text;

	parse->is_relation = names != NIL;
	if (parse->is_relation)
		text = km_source_relation_query(parse, names);
	else
		parse->hint_relation = km_source_leading_relation(text);
	km_source_analyse(parse, text);
}

/*
 * Lock what will be read, and return the query as rewritten.  Analysis has
 * locked the relations that are named; to rewrite it locks those below views, to
 * plan it their partitions.
 */
static List *
km_source_lock_relations(const KmSourceParse *parse)
{
	List	   *rewritten = QueryRewrite(copyObject(parse->query));
	ListCell   *lc;

	foreach(lc, rewritten)
		(void) pg_plan_query(copyObject(lfirst_node(Query, lc)), parse->spec->text, 0,
							 NULL);
	return rewritten;
}

KmSource *
km_source_open(const KmSourceSpec *spec)
{
	KmSourceParse parse = {.spec = spec};
	int			nestlevel;

	parse.source = palloc0(sizeof(KmSource));
	km_source_bind(&parse);
	km_pick_columns(spec, parse.query->targetList, parse.source);

	nestlevel = km_settings_push();
	if (!parse.is_relation)
	{
		parse.text = pg_get_querydef(copyObject(parse.query), false);
		while (scanner_isspace(*parse.text))
			parse.text++;
	}
	km_settings_pop(nestlevel);

	parse.source->text = spec->text;
	parse.source->bound = parse.text;
	if (!km_traits_is_temporary(parse.query))
		parse.source->stored = parse.text;
	parse.source->query = km_source_build_query(&parse, "");
	km_source_find_ranges(&parse, km_source_lock_relations(&parse));
	return parse.source;
}

void
km_source_lock(const char *text, const char *model)
{
	KmSourceSpec spec = {.text = text, .model = model};
	KmSourceParse parse = {.spec = &spec};

	km_source_bind(&parse);
	(void) km_source_lock_relations(&parse);
}

void
km_source_refuse_empty(const char *text)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the source has no rows"),
			 errdetail("The source is: %s", text)));
}
