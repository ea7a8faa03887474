/*
 * type.c
 *		The kmeans_model type in SQL: input, output and casts.
 *
 * Text, binary and jsonb are three wrappings of one text, the JSON that
 * km_model_to_json() writes and km_model_from_json() reads and checks.  The
 * binary form is a version byte and that text in the client's encoding.
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "model/value.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#define KM_BINARY_VERSION	1

PG_FUNCTION_INFO_V1(kmeans_model_in);
PG_FUNCTION_INFO_V1(kmeans_model_out);
PG_FUNCTION_INFO_V1(kmeans_model_recv);
PG_FUNCTION_INFO_V1(kmeans_model_send);
PG_FUNCTION_INFO_V1(kmeans_model_from_jsonb);
PG_FUNCTION_INFO_V1(kmeans_model_to_jsonb);

static char *argument_json(FunctionCallInfo fcinfo);
static void check_encoding(StringInfo message);

Datum
kmeans_model_in(PG_FUNCTION_ARGS)
{
	KmModel    *model = km_model_from_json(PG_GETARG_CSTRING(0));

	PG_RETURN_POINTER(km_model_pack(model));
}

Datum
kmeans_model_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(argument_json(fcinfo));
}

Datum
kmeans_model_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			version = pq_getmsgbyte(message);
	int			length;
	char	   *json;

	if (version != KM_BINARY_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("unsupported version %d of the binary form of type kmeans_model",
						version),
				 errdetail("Version %d is supported.", KM_BINARY_VERSION)));
	check_encoding(message);
	json = pq_getmsgtext(message, message->len - message->cursor, &length);
	PG_RETURN_POINTER(km_model_pack(km_model_from_json(json)));
}

Datum
kmeans_model_send(PG_FUNCTION_ARGS)
{
	char	   *json = argument_json(fcinfo);
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendbyte(&message, KM_BINARY_VERSION);
	pq_sendtext(&message, json, strlen(json));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

Datum
kmeans_model_from_jsonb(PG_FUNCTION_ARGS)
{
	Jsonb	   *jsonb = PG_GETARG_JSONB_P(0);
	char	   *json = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));

	PG_RETURN_POINTER(km_model_pack(km_model_from_json(json)));
}

Datum
kmeans_model_to_jsonb(PG_FUNCTION_ARGS)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(argument_json(fcinfo)));
}

/* The text of argument 0, a kmeans_model. */
static char *
argument_json(FunctionCallInfo fcinfo)
{
	return km_model_to_json(km_model_unpack(PG_DETOAST_DATUM(PG_GETARG_DATUM(0))));
}

/*
 * Bytes that are no text at all are malformed input of this type, as any other
 * malformed text is.
 */
static void
check_encoding(StringInfo message)
{
	if (!pg_verify_mbstr(pg_get_client_encoding(), message->data + message->cursor,
						 message->len - message->cursor, true))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input for type kmeans_model: it is not text in encoding \"%s\"",
						pg_get_client_encoding_name())));
}
