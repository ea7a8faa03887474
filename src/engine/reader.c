/*
 * reader.c
 *		The rows of a source as a model sees them, a batch at a time.
 *
 * As in load.c the query runs through SPI with a DestReceiver of our own, but
 * a row goes from its slot into a batch, and a full batch to the callback.
 * What is read of a row:
 *
 *		columns			values		original units, NULLs filled
 *		  of the		z			the same in the space of the model
 *		  model, ...	isnull		it has no place in that space
 *		weight			weights
 *		id				ids			the output of its type, or the ordinal
 *
 * The plan is a serial one: a Gather would deliver rows in no order, and rows
 * are known by their order wherever there is no id column, and in messages.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/float.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "engine/pack.h"
#include "engine/reader.h"
#include "engine/settings.h"
#include "engine/source.h"

typedef struct KmReader
{
	DestReceiver pub;
	const KmReaderSpec *spec;
	KmReaderCallback callback;
	void	   *arg;
	const KmSource *source;
	MemoryContext cxt;			/* lives as long as the reader */
	MemoryContext batchcxt;		/* reset after every batch */
	KmEncoder  *encoders;		/* one per column */
	KmColumn	weight_column;
	KmEncoder	weight_encoder;
	FmgrInfo	id_output;
	int			id_field;		/* its place in the slot; -1: ordinals */
	KmBatch		batch;
	int64		n_read;
} KmReader;

static void reader_startup(DestReceiver *self, int operation, TupleDesc desc);
static bool reader_receive(TupleTableSlot *slot, DestReceiver *self);
static void reader_add(KmReader *reader, TupleTableSlot *slot);
static int	reader_features(const KmReaderSpec *spec);
static bool reader_values(KmReader *reader, TupleTableSlot *slot, double *x);
static bool reader_place(KmReader *reader, const double *x, double *z);
static char *reader_id(KmReader *reader, TupleTableSlot *slot);
static void reader_flush(KmReader *reader);
static void reader_nothing(DestReceiver *self);
static void reader_execute(KmReader *reader);

int64
km_reader_run(const KmReaderSpec *spec, KmReaderCallback callback, void *arg)
{
	KmReader   *reader = palloc0(sizeof(KmReader));
	KmSourceSpec source = {
		.text = spec->text,
		.model = spec->model,
		.known = spec->columns,
		.nknown = spec->ncolumns,
		.weight = spec->weight,
		.id_column = spec->ids ? spec->id_column : NULL,
		.id_optional = spec->id_optional
	};
	int64		n_read;

	reader->pub.receiveSlot = reader_receive;
	reader->pub.rStartup = reader_startup;
	reader->pub.rShutdown = reader_nothing;
	reader->pub.rDestroy = reader_nothing;
	reader->pub.mydest = DestTuplestore;	/* SPI: neither nowhere nor its own */
	reader->spec = spec;
	reader->callback = callback;
	reader->arg = arg;
	reader->source = km_source_open(&source);
	reader->cxt = AllocSetContextCreate(CurrentMemoryContext, "kmeans reader",
										ALLOCSET_DEFAULT_SIZES);
	reader->batchcxt = AllocSetContextCreate(reader->cxt, "kmeans batch",
											 ALLOCSET_DEFAULT_SIZES);
	if (!spec->locked)
		PushActiveSnapshot(GetTransactionSnapshot());
	reader_execute(reader);
	if (!spec->locked)
		PopActiveSnapshot();
	n_read = reader->n_read;
	MemoryContextDelete(reader->cxt);
	pfree(reader);
	return n_read;
}

static void
reader_execute(KmReader *reader)
{
	SPIExecuteOptions options = {0};
	int			nestlevel = km_settings_push();
	SPIPlanPtr	plan;
	int			status;

	options.read_only = true;
	options.must_return_tuples = true;
	options.dest = &reader->pub;

	SPI_connect();
	/* no options: in particular not CURSOR_OPT_PARALLEL_OK */
	plan = SPI_prepare_cursor(reader->source->query, 0, NULL, 0);
	if (plan == NULL)
		elog(ERROR, "unexpected SPI status %d", SPI_result);
	status = SPI_execute_plan_extended(plan, &options);
	if (status != SPI_OK_SELECT)
		elog(ERROR, "unexpected SPI status %d", status);
	reader_flush(reader);
	SPI_finish();
	km_settings_pop(nestlevel);
}

/* ---- The receiver ---- */

static void
reader_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	KmReader   *reader = (KmReader *) self;
	const KmReaderSpec *spec = reader->spec;
	const KmSource *source = reader->source;
	MemoryContext old = MemoryContextSwitchTo(reader->cxt);
	KmBatch    *batch = &reader->batch;
	int			field = source->ncolumns;
	Size		cells;

	reader->encoders = palloc0(mul_size(source->ncolumns, sizeof(KmEncoder)));
	for (int i = 0; i < source->ncolumns; i++)
		km_encoder_init(&reader->encoders[i], &source->columns[i],
						TupleDescAttr(desc, i)->atttypid);
	if (source->weight != NULL)
	{
		reader->weight_column.name = source->weight;
		reader->weight_column.kind = KM_COLUMN_NUMBER;
		reader->weight_column.nfeatures = 1;
		km_encoder_init(&reader->weight_encoder, &reader->weight_column,
						TupleDescAttr(desc, field++)->atttypid);
		batch->weights = palloc(KM_TILE * sizeof(double));
	}
	reader->id_field = -1;
	if (source->id_column != NULL)
	{
		Oid			output;
		bool		isvarlena;

		reader->id_field = field;
		getTypeOutputInfo(TupleDescAttr(desc, field)->atttypid, &output, &isvarlena);
		fmgr_info(output, &reader->id_output);
	}

	batch->d = spec->space != NULL ? spec->space->d : reader_features(spec);
	cells = mul_size(mul_size(KM_TILE, batch->d), sizeof(double));
	batch->first = 1;
	batch->isnull = palloc(KM_TILE * sizeof(bool));
	batch->values = palloc(cells);
	batch->z = spec->space == NULL || km_space_identity(spec->space) ?
		batch->values : palloc(cells);
	batch->ids = spec->ids ? palloc(KM_TILE * sizeof(char *)) : NULL;
	MemoryContextSwitchTo(old);
}

static bool
reader_receive(TupleTableSlot *slot, DestReceiver *self)
{
	KmReader   *reader = (KmReader *) self;
	MemoryContext old = MemoryContextSwitchTo(reader->batchcxt);

	reader->n_read++;
	slot_getallattrs(slot);
	reader_add(reader, slot);
	if (reader->batch.n == KM_TILE)
		reader_flush(reader);
	MemoryContextSwitchTo(old);
	return true;
}

static void
reader_add(KmReader *reader, TupleTableSlot *slot)
{
	KmBatch    *batch = &reader->batch;
	int			field = reader->source->ncolumns;
	int			i = batch->n;
	double	   *x = batch->values + (Size) i * batch->d;
	double	   *z = batch->z + (Size) i * batch->d;
	bool		present = reader_values(reader, slot, x);

	if (batch->weights != NULL)
		present &= km_pack_weight(&reader->weight_encoder, slot->tts_values[field],
								  slot->tts_isnull[field], reader->n_read,
								  &batch->weights[i]);
	if (batch->ids != NULL)
		batch->ids[i] = reader_id(reader, slot);
	if (reader->spec->space != NULL && (!present || !reader_place(reader, x, z)))
	{
		present = false;
		memset(x, 0, batch->d * sizeof(double));
		memset(z, 0, batch->d * sizeof(double));
	}
	batch->isnull[i] = !present;
	batch->n++;
}

/* the features of the columns */
static int
reader_features(const KmReaderSpec *spec)
{
	int			d = 0;

	for (int i = 0; i < spec->ncolumns; i++)
		d += spec->columns[i].nfeatures;
	return d;
}

/* false if a column is NULL for which nothing stands */
static bool
reader_values(KmReader *reader, TupleTableSlot *slot, double *x)
{
	const double *fill = reader->spec->fill;
	bool		present = true;
	int			t = 0;

	for (int i = 0; i < reader->source->ncolumns; i++)
	{
		int			nfeatures = reader->source->columns[i].nfeatures;

		if (km_encode(&reader->encoders[i], slot->tts_values[i], slot->tts_isnull[i],
					  reader->n_read, x + t) == KM_ENCODE_NULL)
		{
			if (fill != NULL)
				memcpy(x + t, fill + t, nfeatures * sizeof(double));
			else if (reader->spec->space == NULL)
				for (int f = 0; f < nfeatures; f++)
					x[t + f] = get_float8_nan();
			else
				present = false;
		}
		t += nfeatures;
	}
	return present;
}

/* false if the row has no place in the space; 22003 if it lies too far out */
static bool
reader_place(KmReader *reader, const double *x, double *z)
{
	const KmSpace *space = reader->spec->space;
	double		norm2 = 0;

	if (z != x && !km_space_row(space, x, z))
		return false;
	for (int t = 0; t < space->d; t++)
		norm2 += z[t] * z[t];
	if (unlikely(!(norm2 <= KM_MAX_NORM2)))
		km_encode_overflow(reader->spec->features, space, x, space->d, reader->n_read);
	return true;
}

static char *
reader_id(KmReader *reader, TupleTableSlot *slot)
{
	int			field = reader->id_field;

	if (field < 0)
	{
		char	   *ordinal = palloc(MAXINT8LEN + 1);

		pg_lltoa(reader->n_read, ordinal);
		return ordinal;
	}
	if (slot->tts_isnull[field])
		return NULL;
	return OutputFunctionCall(&reader->id_output, slot->tts_values[field]);
}

static void
reader_flush(KmReader *reader)
{
	KmBatch    *batch = &reader->batch;
	MemoryContext old;

	if (batch->n == 0)
		return;
	CHECK_FOR_INTERRUPTS();
	old = MemoryContextSwitchTo(reader->batchcxt);
	reader->callback(reader->arg, batch);
	MemoryContextSwitchTo(old);
	MemoryContextReset(reader->batchcxt);
	batch->first += batch->n;
	batch->n = 0;
}

static void
reader_nothing(DestReceiver *self)
{
}
