/*
 * value.c
 *		The value type kmeans_model: its bytes.
 *
 * A datum of the type is one varlena, aligned to 8 bytes:
 *
 *		+---------------------------------------------------------------+
 *		| KmModelHeader: length word, magic, counts, scalars     80 bytes |
 *		+---------------------------------------------------------------+
 *		| shift d | scale d | fill d (if has_fill) | centroids k x d     |
 *		| weights k | cluster_inertia k | radius_rms k | radius_max k    |  float8
 *		| mean | stddev | min | max, each k x d                          |
 *		| histogram: upper nbins | weight nbins                          |
 *		+---------------------------------------------------------------+
 *		| sizes k                                                        |  int8
 *		+---------------------------------------------------------------+
 *		| ids k | (kind, nfeatures) of each column                       |  int4
 *		+---------------------------------------------------------------+
 *		| of each column: name\0, then, if it is a category, nfeatures   |
 *		|		categories\0                                             |
 *		| features: d x name\0                                           |  bytes
 *		| labels: k x ( \0 for none | \1 label\0 )                       |
 *		| options\0                                                      |
 *		+---------------------------------------------------------------+
 *
 * The parts come in order of falling alignment, so there is no padding, and
 * the counts in the header determine where each begins: no offsets are stored
 * that could disagree with them.  Both directions walk the parts in this order
 * (put_model, km_model_unpack).
 *
 * A datum may come from a damaged page, or from a cast that a superuser made
 * WITHOUT FUNCTION.  Unpacking therefore takes every part through reader_take,
 * which compares with the bytes left, and then checks the values as well:
 * those who use a model rely on finite centroids and ascending ids.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "model/value.h"
#include "storage/shmem.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

/* "KM" and the number of this layout */
#define KM_MODEL_MAGIC	0x4B4D0001

typedef struct KmModelHeader
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	uint32		magic;
	int32		k;
	int32		d;
	int32		ncolumns;
	int32		nbins;
	int32		n_iter;
	uint8		metric;
	uint8		converged;
	uint8		has_fill;
	uint8		unused;			/* 0 */
	int64		n_rows;
	int64		n_skipped;
	int64		seed;
	double		inertia;
	double		total_ss;
	double		largest;		/* outlier score */
} KmModelHeader;

StaticAssertDecl(sizeof(KmModelHeader) == 80, "KmModelHeader has padding");

/* Hands out the bytes of a datum, never more than there are. */
typedef struct KmReader
{
	char	   *at;
	char	   *end;
} KmReader;

static char *canonical_options(const char *options);
static void put_model(StringInfo out, const KmModel *model);
static void put_reals(StringInfo out, const double *values, Size n);
static void put_string(StringInfo out, const char *string);
static void put_bytes(StringInfo out, const void *bytes, Size n, Size size);
static struct varlena *align_datum(struct varlena *datum);
static KmModelHeader *unpack_header(KmReader *reader, KmModel *model);
static void unpack_columns(KmReader *reader, KmModel *model);
static char **unpack_strings(KmReader *reader, int n);
static char **unpack_labels(KmReader *reader, int n);
static void *reader_take(KmReader *reader, Size n, Size size);
static char *reader_string(KmReader *reader);
static void inconsistent(const char *problem) pg_attribute_noreturn();

static const char *const metric_names[] = {
	[KM_METRIC_EUCLIDEAN] = "euclidean",
	[KM_METRIC_COSINE] = "cosine",
};

const char *
km_metric_name(KmMetric metric)
{
	return metric_names[metric];
}

bool
km_metric_parse(const char *name, KmMetric *metric)
{
	for (int i = 0; i < lengthof(metric_names); i++)
	{
		if (strcmp(name, metric_names[i]) == 0)
		{
			*metric = (KmMetric) i;
			return true;
		}
	}
	return false;
}

KmSpace
km_model_space(const KmModel *model)
{
	KmSpace		space;
	bool		scaled = false;

	for (int t = 0; t < model->d && !scaled; t++)
		scaled = model->shift[t] != 0 || model->scale[t] != 1;

	space.d = model->d;
	space.shift = scaled ? model->shift : NULL;
	space.scale = scaled ? model->scale : NULL;
	space.unit = model->metric == KM_METRIC_COSINE;
	return space;
}

int
km_model_find_cluster(const KmModel *model, int32 id)
{
	int			low = 0;
	int			high = model->k - 1;

	while (low <= high)
	{
		int			middle = low + (high - low) / 2;

		if (model->ids[middle] == id)
			return middle;
		if (model->ids[middle] < id)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return -1;
}

/* ---- Model to datum ---- */

/*
 * The string buffer is the datum: its memory is palloc'd, and it refuses, with
 * 54000, to grow beyond what a value can be.
 */
struct varlena *
km_model_pack(const KmModel *model)
{
	StringInfoData out;

	initStringInfo(&out);
	put_model(&out, model);
	SET_VARSIZE(out.data, out.len);
	return (struct varlena *) out.data;
}

/* One text for all ways to write the same options. */
static char *
canonical_options(const char *options)
{
	Jsonb	   *jsonb = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
														   CStringGetDatum(options)));
	char	   *text = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));

	pfree(jsonb);
	return text;
}

static void
put_model(StringInfo out, const KmModel *model)
{
	Size		k = model->k;
	Size		d = model->d;
	Size		cells = k * d;
	KmModelHeader header = {
		.magic = KM_MODEL_MAGIC,
		.k = model->k,
		.d = model->d,
		.ncolumns = model->ncolumns,
		.nbins = model->outliers.nbins,
		.n_iter = model->n_iter,
		.metric = model->metric,
		.converged = model->converged,
		.has_fill = model->fill != NULL,
		.n_rows = model->n_rows,
		.n_skipped = model->n_skipped,
		.seed = model->seed,
		.inertia = model->inertia + 0.0,
		.total_ss = model->total_ss + 0.0,
		.largest = model->outliers.largest + 0.0,
	};

	put_bytes(out, &header, 1, sizeof(header));

	put_reals(out, model->shift, d);
	put_reals(out, model->scale, d);
	if (model->fill != NULL)
		put_reals(out, model->fill, d);
	put_reals(out, model->centroids, cells);
	put_reals(out, model->weights, k);
	put_reals(out, model->cluster_inertia, k);
	put_reals(out, model->radius_rms, k);
	put_reals(out, model->radius_max, k);
	put_reals(out, model->mean, cells);
	put_reals(out, model->stddev, cells);
	put_reals(out, model->min, cells);
	put_reals(out, model->max, cells);
	put_reals(out, model->outliers.upper, model->outliers.nbins);
	put_reals(out, model->outliers.weight, model->outliers.nbins);

	put_bytes(out, model->sizes, k, sizeof(int64));
	put_bytes(out, model->ids, k, sizeof(int32));
	for (int c = 0; c < model->ncolumns; c++)
	{
		int32		column[2] = {model->columns[c].kind, model->columns[c].nfeatures};

		put_bytes(out, column, 1, sizeof(column));
	}

	for (int c = 0; c < model->ncolumns; c++)
	{
		const KmColumn *column = &model->columns[c];

		put_string(out, column->name);
		for (int t = 0; column->kind == KM_COLUMN_CATEGORY && t < column->nfeatures; t++)
			put_string(out, column->categories[t]);
	}
	for (int t = 0; t < model->d; t++)
		put_string(out, model->features[t]);
	for (int j = 0; j < model->k; j++)
	{
		put_bytes(out, model->labels[j] == NULL ? "\0" : "\1", 1, 1);
		if (model->labels[j] != NULL)
			put_string(out, model->labels[j]);
	}
	put_string(out, canonical_options(model->options));
}

/* The sum with 0.0 turns -0 into 0, and there is one NaN only. */
static void
put_reals(StringInfo out, const double *values, Size n)
{
	double		nan = get_float8_nan();

	CHECK_FOR_INTERRUPTS();
	for (Size i = 0; i < n; i++)
	{
		double		value = isnan(values[i]) ? nan : values[i] + 0.0;

		appendBinaryStringInfo(out, (char *) &value, sizeof(double));
	}
}

static void
put_string(StringInfo out, const char *string)
{
	put_bytes(out, string, strlen(string) + 1, 1);
}

static void
put_bytes(StringInfo out, const void *bytes, Size n, Size size)
{
	appendBinaryStringInfo(out, bytes, mul_size(n, size));
}

/* ---- Datum to model ---- */

KmModel *
km_model_unpack(struct varlena *datum)
{
	KmModel    *model = palloc0(sizeof(KmModel));
	KmReader	reader;
	KmModelHeader *header;
	Size		k,
				d,
				cells;
	char	   *problem;

	/* to fetch it may have taken a while */
	CHECK_FOR_INTERRUPTS();
	datum = align_datum(datum);
	reader.at = (char *) datum;
	reader.end = reader.at + VARSIZE(datum);

	header = unpack_header(&reader, model);
	k = model->k;
	d = model->d;
	cells = k * d;

	model->shift = reader_take(&reader, d, sizeof(double));
	model->scale = reader_take(&reader, d, sizeof(double));
	if (header->has_fill)
		model->fill = reader_take(&reader, d, sizeof(double));
	model->centroids = reader_take(&reader, cells, sizeof(double));
	model->weights = reader_take(&reader, k, sizeof(double));
	model->cluster_inertia = reader_take(&reader, k, sizeof(double));
	model->radius_rms = reader_take(&reader, k, sizeof(double));
	model->radius_max = reader_take(&reader, k, sizeof(double));
	model->mean = reader_take(&reader, cells, sizeof(double));
	model->stddev = reader_take(&reader, cells, sizeof(double));
	model->min = reader_take(&reader, cells, sizeof(double));
	model->max = reader_take(&reader, cells, sizeof(double));
	model->outliers.upper = reader_take(&reader, header->nbins, sizeof(double));
	model->outliers.weight = reader_take(&reader, header->nbins, sizeof(double));

	model->sizes = reader_take(&reader, k, sizeof(int64));
	model->ids = reader_take(&reader, k, sizeof(int32));
	unpack_columns(&reader, model);
	model->features = unpack_strings(&reader, model->d);
	model->labels = unpack_labels(&reader, model->k);
	model->options = reader_string(&reader);
	if (reader.at != reader.end)
		inconsistent("it is longer than its parts");

	problem = km_model_validate_values(model);
	if (problem != NULL)
		inconsistent(problem);
	return model;
}

/* The arrays of doubles lie at multiples of 8 in the datum. */
static struct varlena *
align_datum(struct varlena *datum)
{
	struct varlena *copy;

	if ((uintptr_t) datum == MAXALIGN(datum))
		return datum;
	copy = palloc(VARSIZE(datum));
	memcpy(copy, datum, VARSIZE(datum));
	return copy;
}

static KmModelHeader *
unpack_header(KmReader *reader, KmModel *model)
{
	KmModelHeader *header = reader_take(reader, 1, sizeof(KmModelHeader));
	char	   *problem;

	if (header->magic != KM_MODEL_MAGIC)
		inconsistent("its format is unknown");
	problem = km_model_validate_counts(header->k, header->d, header->ncolumns);
	if (problem != NULL)
		inconsistent(problem);
	if (header->nbins < 0 || header->metric >= lengthof(metric_names) ||
		header->converged > 1 || header->has_fill > 1 || header->unused != 0)
		inconsistent("its header is damaged");

	model->k = header->k;
	model->d = header->d;
	model->ncolumns = header->ncolumns;
	model->metric = (KmMetric) header->metric;
	model->inertia = header->inertia;
	model->total_ss = header->total_ss;
	model->n_rows = header->n_rows;
	model->n_skipped = header->n_skipped;
	model->n_iter = header->n_iter;
	model->converged = header->converged;
	model->seed = header->seed;
	model->outliers.nbins = header->nbins;
	model->outliers.largest = header->largest;
	return header;
}

static void
unpack_columns(KmReader *reader, KmModel *model)
{
	int32	   *pairs = reader_take(reader, model->ncolumns, 2 * sizeof(int32));
	char	   *problem;

	model->columns = palloc0(mul_size(model->ncolumns, sizeof(KmColumn)));
	for (int c = 0; c < model->ncolumns; c++)
	{
		model->columns[c].kind = (KmColumnKind) pairs[2 * c];
		model->columns[c].nfeatures = pairs[2 * c + 1];
	}
	problem = km_model_validate_columns(model);
	if (problem != NULL)
		inconsistent(problem);

	for (int c = 0; c < model->ncolumns; c++)
	{
		KmColumn   *column = &model->columns[c];

		column->name = reader_string(reader);
		if (column->kind == KM_COLUMN_CATEGORY)
			column->categories = unpack_strings(reader, column->nfeatures);
	}
}

static char **
unpack_strings(KmReader *reader, int n)
{
	char	  **strings = palloc(mul_size(n, sizeof(char *)));

	for (int i = 0; i < n; i++)
		strings[i] = reader_string(reader);
	return strings;
}

static char **
unpack_labels(KmReader *reader, int n)
{
	char	  **labels = palloc0(mul_size(n, sizeof(char *)));

	for (int j = 0; j < n; j++)
	{
		char	   *present = reader_take(reader, 1, 1);

		if (*present != 0)
			labels[j] = reader_string(reader);
	}
	return labels;
}

static void *
reader_take(KmReader *reader, Size n, Size size)
{
	void	   *taken = reader->at;

	if (n > (Size) (reader->end - reader->at) / size)
		inconsistent("it is shorter than its parts");
	reader->at += n * size;
	return taken;
}

/*
 * A string that ends inside the datum and is valid in the database's encoding
 * (else functions on multibyte characters would look beyond its end).
 */
static char *
reader_string(KmReader *reader)
{
	char	   *string = reader->at;
	char	   *nul = memchr(string, '\0', reader->end - reader->at);

	if (nul == NULL || !pg_verifymbstr(string, nul - string, true))
		inconsistent("one of its texts is damaged");
	reader->at = nul + 1;
	return string;
}

static void
inconsistent(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("value of type kmeans_model is inconsistent: %s", problem)));
}
