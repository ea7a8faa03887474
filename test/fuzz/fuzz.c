/*
 * fuzz.c
 *		Inputs made up by libFuzzer for whatever reads a kmeans_model.
 *
 * Part of a library that is built for this alone (see the Makefile), beside all
 * of the extension's files, instrumented.  In a server,
 *
 *		kmeans_fuzz(target, arguments)
 *
 * runs libFuzzer, which calls one of the functions below for every input.  They
 * may answer with a value or an error of the SQLSTATEs that malformed input
 * has; a value must survive the way through its text.  Anything else is a crash
 * of the server, after which the input lies where -artifact_prefix says.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

extern int	LLVMFuzzerRunDriver(int *argc, char ***argv,
								int (*one) (const uint8_t *data, size_t size));

PG_FUNCTION_INFO_V1(kmeans_fuzz);
PGDLLEXPORT Datum kmeans_model_in(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum kmeans_model_out(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum kmeans_model_recv(PG_FUNCTION_ARGS);

typedef Datum (*Reader) (const uint8_t *data, size_t size);

static MemoryContext cxt;		/* of one input */
static Reader reader;

/* a value that was read becomes a text, which is read as the same value */
static void
check_round_trip(Datum value)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(kmeans_model_out, value));
	Datum		again = DirectFunctionCall1(kmeans_model_in, CStringGetDatum(text));
	char	   *text_again = DatumGetCString(DirectFunctionCall1(kmeans_model_out, again));

	if (strcmp(text, text_again) != 0)
		elog(PANIC, "the text of a value is read as another");
}

static Datum
read_text(const uint8_t *data, size_t size)
{
	char	   *text = pnstrdup((const char *) data, size);

	/* what a client sends is text in the encoding */
	if (!pg_verifymbstr(text, strlen(text), true))
		return (Datum) 0;
	return DirectFunctionCall1(kmeans_model_in, CStringGetDatum(text));
}

static Datum
read_binary(const uint8_t *data, size_t size)
{
	StringInfoData message;

	initStringInfo(&message);
	appendBinaryStringInfo(&message, (const char *) data, (int) size);
	return DirectFunctionCall1(kmeans_model_recv, PointerGetDatum(&message));
}

/* bytes as they may lie on a disk */
static Datum
read_stored(const uint8_t *data, size_t size)
{
	struct varlena *value = palloc(VARHDRSZ + size);

	SET_VARSIZE(value, VARHDRSZ + size);
	memcpy(VARDATA(value), data, size);

	/* options in an unusual order, say, are put into the usual one once */
	return DirectFunctionCall1(kmeans_model_in,
							   DirectFunctionCall1(kmeans_model_out,
												   PointerGetDatum(value)));
}

/* the errors of malformed input */
static bool
is_expected(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_INVALID_TEXT_REPRESENTATION ||
		sqlerrcode == ERRCODE_INVALID_BINARY_REPRESENTATION ||
		sqlerrcode == ERRCODE_PROTOCOL_VIOLATION ||
		sqlerrcode == ERRCODE_CHARACTER_NOT_IN_REPERTOIRE ||
		sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED ||
		sqlerrcode == ERRCODE_STATEMENT_TOO_COMPLEX ||
		sqlerrcode == ERRCODE_DATA_CORRUPTED;
}

static int
fuzz_one(const uint8_t *data, size_t size)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);

	PG_TRY();
	{
		Datum		value = reader(data, size);

		if (value != (Datum) 0)
			check_round_trip(value);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		if (!is_expected(error->sqlerrcode))
			elog(PANIC, "%s: %s", unpack_sql_state(error->sqlerrcode), error->message);
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextReset(cxt);
	return 0;
}

Datum
kmeans_fuzz(PG_FUNCTION_ARGS)
{
	char	   *target = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Datum	   *elements;
	int			n;
	char	  **argv;

	if (strcmp(target, "text") == 0)
		reader = read_text;
	else if (strcmp(target, "binary") == 0)
		reader = read_binary;
	else if (strcmp(target, "stored") == 0)
		reader = read_stored;
	else
		elog(ERROR, "no such target: %s", target);

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, NULL, &n);
	argv = palloc((n + 2) * sizeof(char *));
	argv[0] = target;
	for (int i = 0; i < n; i++)
		argv[i + 1] = TextDatumGetCString(elements[i]);
	n++;
	argv[n] = NULL;
	cxt = AllocSetContextCreate(CurrentMemoryContext, "fuzz", ALLOCSET_DEFAULT_SIZES);

	/* it ends the process, without a word to the server */
	(void) LLVMFuzzerRunDriver(&n, &argv, fuzz_one);
	PG_RETURN_VOID();
}
