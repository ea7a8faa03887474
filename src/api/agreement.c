/*
 * agreement.c
 *		The aggregate kmeans_adjusted_rand_index(a, b).
 *
 * The state is a contingency table.  The distinct values of each argument are
 * numbered as they come, found again by the hash and equality of their type;
 * pairs of numbers have counts:
 *
 *		a:		'setosa' 0, 'virginica' 1, ...
 *		b:		0 0, 2 1, ...
 *		pairs:	(0, 0) 50, (1, 1) 36, ...
 *
 * States of parallel workers number the same values differently, so combining
 * two looks up the values of the one in the other.  Between processes values
 * travel as they are in memory (datumSerialize), which is good enough for
 * processes of one server.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "core/quality.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(kmeans_adjusted_rand_index_transfn);
PG_FUNCTION_INFO_V1(kmeans_adjusted_rand_index_combinefn);
PG_FUNCTION_INFO_V1(kmeans_adjusted_rand_index_serialfn);
PG_FUNCTION_INFO_V1(kmeans_adjusted_rand_index_deserialfn);
PG_FUNCTION_INFO_V1(kmeans_adjusted_rand_index_finalfn);

/* The numbered values of one argument. */
typedef struct KmValues
{
	Oid			collation;
	TypeCacheEntry *type;
	uint32		n;
	uint32		room;
	Datum	   *values;			/* room: by number */
	struct km_values_hash *numbers;
} KmValues;

typedef struct KmNumber
{
	Datum		value;
	uint32		hash;
	uint32		number;
	char		status;
} KmNumber;

typedef struct KmPair
{
	uint64		key;			/* number of a << 32 | number of b */
	int64		count;
	char		status;
} KmPair;

typedef struct KmAgreement
{
	KmValues	a;
	KmValues	b;
	struct km_pairs_hash *pairs;
} KmAgreement;

static uint32 hash_value(const KmValues *values, Datum value);
static bool equal_values(const KmValues *values, Datum a, Datum b);

#define SH_PREFIX km_values
#define SH_ELEMENT_TYPE KmNumber
#define SH_KEY_TYPE Datum
#define SH_KEY value
#define SH_HASH_KEY(tb, key) hash_value((tb)->private_data, key)
#define SH_EQUAL(tb, a, b) equal_values((tb)->private_data, a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

#define SH_PREFIX km_pairs
#define SH_ELEMENT_TYPE KmPair
#define SH_KEY_TYPE uint64
#define SH_KEY key
#define SH_HASH_KEY(tb, key) hash_combine(murmurhash32((uint32) (key)), murmurhash32((uint32) ((key) >> 32)))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

#define FIRST_ROOM 16

static KmAgreement *create_state(Oid type_a, Oid type_b, Oid collation_a, Oid collation_b);
static void init_values(KmValues *values, Oid type, Oid collation);
static uint32 number_of(KmValues *values, Datum value);
static Datum copy_value(const KmValues *values, Datum value);
static void count_pair(KmAgreement *state, uint32 a, uint32 b, int64 count);
static void add_state(KmAgreement *state, const KmAgreement *other);
static uint32 *numbers_in(KmValues *values, const KmValues *other);
static void send_values(StringInfo message, const KmValues *values);
static void receive_values(StringInfo message, KmValues *values);
static double rand_index(const KmAgreement *state);

/* ---- The aggregate's functions ---- */

Datum
kmeans_adjusted_rand_index_transfn(PG_FUNCTION_ARGS)
{
	MemoryContext aggcontext;
	MemoryContext old;
	KmAgreement *state;

	if (!AggCheckCallContext(fcinfo, &aggcontext))
		elog(ERROR, "kmeans_adjusted_rand_index_transfn called in non-aggregate context");
	old = MemoryContextSwitchTo(aggcontext);
	if (PG_ARGISNULL(0))
		state = create_state(get_fn_expr_argtype(fcinfo->flinfo, 1),
							 get_fn_expr_argtype(fcinfo->flinfo, 2),
							 PG_GET_COLLATION(), PG_GET_COLLATION());
	else
		state = (KmAgreement *) PG_GETARG_POINTER(0);
	MemoryContextSwitchTo(old);
	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
	{
		uint32		a = number_of(&state->a, PG_GETARG_DATUM(1));

		count_pair(state, a, number_of(&state->b, PG_GETARG_DATUM(2)), 1);
	}
	PG_RETURN_POINTER(state);
}

/*
 * Without a first state a new one, in the right memory, takes in the second.
 */
Datum
kmeans_adjusted_rand_index_combinefn(PG_FUNCTION_ARGS)
{
	MemoryContext aggcontext;
	MemoryContext old;
	KmAgreement *state = PG_ARGISNULL(0) ? NULL : (KmAgreement *) PG_GETARG_POINTER(0);
	const KmAgreement *other;

	if (!AggCheckCallContext(fcinfo, &aggcontext))
		elog(ERROR, "kmeans_adjusted_rand_index_combinefn called in non-aggregate context");
	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	other = (const KmAgreement *) PG_GETARG_POINTER(1);
	if (state == NULL)
	{
		old = MemoryContextSwitchTo(aggcontext);
		state = create_state(other->a.type->type_id, other->b.type->type_id,
							 other->a.collation, other->b.collation);
		MemoryContextSwitchTo(old);
	}
	add_state(state, other);
	PG_RETURN_POINTER(state);
}

Datum
kmeans_adjusted_rand_index_serialfn(PG_FUNCTION_ARGS)
{
	const KmAgreement *state = (const KmAgreement *) PG_GETARG_POINTER(0);
	StringInfoData message;
	km_pairs_iterator it;
	KmPair	   *pair;

	if (!AggCheckCallContext(fcinfo, NULL))
		elog(ERROR, "kmeans_adjusted_rand_index_serialfn called in non-aggregate context");
	pq_begintypsend(&message);
	send_values(&message, &state->a);
	send_values(&message, &state->b);
	pq_sendint32(&message, state->pairs->members);
	km_pairs_start_iterate(state->pairs, &it);
	while ((pair = km_pairs_iterate(state->pairs, &it)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		pq_sendint64(&message, pair->key);
		pq_sendint64(&message, pair->count);
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

Datum
kmeans_adjusted_rand_index_deserialfn(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	KmAgreement *state = palloc0(sizeof(KmAgreement));
	StringInfoData message;
	uint32		npairs;

	if (!AggCheckCallContext(fcinfo, NULL))
		elog(ERROR, "kmeans_adjusted_rand_index_deserialfn called in non-aggregate context");
	initStringInfo(&message);
	appendBinaryStringInfo(&message, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	receive_values(&message, &state->a);
	receive_values(&message, &state->b);
	state->pairs = km_pairs_create(CurrentMemoryContext, FIRST_ROOM, NULL);
	npairs = pq_getmsgint(&message, 4);
	for (uint32 i = 0; i < npairs; i++)
	{
		uint64		key = pq_getmsgint64(&message);

		CHECK_FOR_INTERRUPTS();
		count_pair(state, (uint32) (key >> 32), (uint32) key, pq_getmsgint64(&message));
	}
	pq_getmsgend(&message);
	PG_RETURN_POINTER(state);
}

Datum
kmeans_adjusted_rand_index_finalfn(PG_FUNCTION_ARGS)
{
	const KmAgreement *state;

	if (!AggCheckCallContext(fcinfo, NULL))
		elog(ERROR, "kmeans_adjusted_rand_index_finalfn called in non-aggregate context");
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (const KmAgreement *) PG_GETARG_POINTER(0);
	if (state->pairs->members == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(rand_index(state));
}

/* ---- The table ---- */

static KmAgreement *
create_state(Oid type_a, Oid type_b, Oid collation_a, Oid collation_b)
{
	KmAgreement *state = palloc0(sizeof(KmAgreement));

	init_values(&state->a, type_a, collation_a);
	init_values(&state->b, type_b, collation_b);
	state->pairs = km_pairs_create(CurrentMemoryContext, FIRST_ROOM, NULL);
	return state;
}

static void
init_values(KmValues *values, Oid type, Oid collation)
{
	values->collation = collation;
	values->type = lookup_type_cache(type, TYPECACHE_HASH_PROC_FINFO | TYPECACHE_EQ_OPR_FINFO);
	if (!OidIsValid(values->type->hash_proc_finfo.fn_oid) ||
		!OidIsValid(values->type->eq_opr_finfo.fn_oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("values of type %s cannot be hashed", format_type_be(type)),
				 errhint("Cast them to text.")));
	values->room = FIRST_ROOM;
	values->values = palloc(FIRST_ROOM * sizeof(Datum));
	values->numbers = km_values_create(CurrentMemoryContext, FIRST_ROOM, values);
}

static uint32
hash_value(const KmValues *values, Datum value)
{
	return DatumGetUInt32(FunctionCall1Coll(&values->type->hash_proc_finfo,
											values->collation, value));
}

static bool
equal_values(const KmValues *values, Datum a, Datum b)
{
	return DatumGetBool(FunctionCall2Coll(&values->type->eq_opr_finfo,
										  values->collation, a, b));
}

/* the number of a value, which may be a new one */
static uint32
number_of(KmValues *values, Datum value)
{
	bool		found;
	KmNumber   *entry = km_values_insert(values->numbers, value, &found);

	if (found)
		return entry->number;
	if (values->n == values->room)
	{
		values->values = repalloc_huge(values->values,
									   mul_size(2 * (Size) values->room, sizeof(Datum)));
		values->room *= 2;
	}
	entry->number = values->n;
	entry->value = copy_value(values, value);
	values->values[values->n++] = entry->value;
	return entry->number;
}

/* a copy that lasts as long as the state */
static Datum
copy_value(const KmValues *values, Datum value)
{
	MemoryContext old = MemoryContextSwitchTo(values->numbers->ctx);
	Datum		copy;

	if (values->type->typlen == -1)
		copy = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	else
		copy = datumCopy(value, values->type->typbyval, values->type->typlen);
	MemoryContextSwitchTo(old);
	return copy;
}

static void
count_pair(KmAgreement *state, uint32 a, uint32 b, int64 count)
{
	bool		found;
	KmPair	   *pair = km_pairs_insert(state->pairs, (uint64) a << 32 | b, &found);

	if (!found)
		pair->count = 0;
	pair->count += count;
}

static void
add_state(KmAgreement *state, const KmAgreement *other)
{
	uint32	   *a = numbers_in(&state->a, &other->a);
	uint32	   *b = numbers_in(&state->b, &other->b);
	km_pairs_iterator it;
	KmPair	   *pair;

	km_pairs_start_iterate(other->pairs, &it);
	while ((pair = km_pairs_iterate(other->pairs, &it)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		count_pair(state, a[pair->key >> 32], b[(uint32) pair->key], pair->count);
	}
	pfree(b);
	pfree(a);
}

/* the numbers that another state's values have here, by their number there */
static uint32 *
numbers_in(KmValues *values, const KmValues *other)
{
	uint32	   *numbers = MemoryContextAllocHuge(CurrentMemoryContext,
												 mul_size(Max(other->n, 1), sizeof(uint32)));

	for (uint32 i = 0; i < other->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		numbers[i] = number_of(values, other->values[i]);
	}
	return numbers;
}

static double
rand_index(const KmAgreement *state)
{
	KmPairCounts counts = {0};
	int64	   *a = MemoryContextAllocExtended(CurrentMemoryContext,
											   mul_size(state->a.n, sizeof(int64)),
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	int64	   *b = MemoryContextAllocExtended(CurrentMemoryContext,
											   mul_size(state->b.n, sizeof(int64)),
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	km_pairs_iterator it;
	KmPair	   *pair;

	km_pairs_start_iterate(state->pairs, &it);
	while ((pair = km_pairs_iterate(state->pairs, &it)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		km_pair_counts_square(&counts.cells2, pair->count);
		a[pair->key >> 32] += pair->count;
		b[(uint32) pair->key] += pair->count;
		counts.n += (KmWide) pair->count;
	}
	for (uint32 i = 0; i < state->a.n; i++)
		km_pair_counts_square(&counts.rows2, a[i]);
	for (uint32 i = 0; i < state->b.n; i++)
		km_pair_counts_square(&counts.columns2, b[i]);
	pfree(b);
	pfree(a);
	return km_adjusted_rand_index(&counts);
}

/* ---- Between processes ---- */

static void
send_values(StringInfo message, const KmValues *values)
{
	int			typlen = values->type->typlen;
	bool		typbyval = values->type->typbyval;

	pq_sendint32(message, values->type->type_id);
	pq_sendint32(message, values->collation);
	pq_sendint32(message, values->n);
	for (uint32 i = 0; i < values->n; i++)
	{
		Size		size = datumEstimateSpace(values->values[i], false, typbyval, typlen);
		char	   *to;

		CHECK_FOR_INTERRUPTS();
		if (size > MaxAllocSize)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg_internal("a value of %zu bytes is too large", size)));
		enlargeStringInfo(message, (int) size);
		to = message->data + message->len;
		datumSerialize(values->values[i], false, typbyval, typlen, &to);
		message->len += (int) size;
	}
}

static void
receive_values(StringInfo message, KmValues *values)
{
	Oid			type = pq_getmsgint(message, 4);
	Oid			collation = pq_getmsgint(message, 4);
	uint32		n = pq_getmsgint(message, 4);

	init_values(values, type, collation);
	for (uint32 i = 0; i < n; i++)
	{
		char	   *from = message->data + message->cursor;
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		(void) number_of(values, datumRestore(&from, &isnull));
		message->cursor = (int) (from - message->data);
	}
}
