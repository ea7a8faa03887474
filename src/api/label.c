/*
 * label.c
 *		Labelling rows: kmeans_predict and its relatives.
 *
 * Every function here does the same until the distances are known: get the
 * model, read the row from the arguments, bring it into the model's space,
 * measure it against all centroids (measure_row).  What is prepared for that
 * is a KmLabeler, one per model.  A call site keeps the labelers of the models
 * it has met in a hash table (KmLabelSite, in fn_extra), since a join may meet
 * another model with every row.  When they take too much memory all are
 * forgotten.
 *
 * When is a labeler still good?  Its fn_extra outlives the query: an
 * expression of PL/pgSQL keeps it from statement to statement, so each call
 * asks.  A model passed by value is the same if its bytes are; of a toasted
 * one the bytes of the TOAST pointer are compared.  A model passed by name is
 * the same if the name's bytes are, and the session's cache says so; what was
 * prepared of it lies there, too, since fn_extra goes with each execution of a
 * prepared statement.
 *
 * A row's label is defined as the lowest id among the smallest sums of
 * (z - c)^2, in feature order, multiplication and addition separate.  One row
 * gives no tile for the core's kernels, so here the lanes of the vector
 * registers are clusters: centroids lie in blocks of LANES clusters, within a
 * block by feature.  Each lane then computes the defining sum itself, and no
 * margin is needed.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/args.h"
#include "api/result.h"
#include "api/rowarg.h"
#include "common/hashfn.h"
#include "core/space.h"
#include "core/stats.h"
#include "engine/encode.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "model/array.h"
#include "model/cache.h"
#include "model/profile.h"
#include "model/value.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#define LANES 8

/* of a key */
#define HASHED_WORDS 16

/* so much memory is not too much for one call site: thousands of small models */
#define SITE_BYTES ((Size) 64 * 1024 * 1024)

/* what every supported processor computes at once */
typedef double KmLanes __attribute__((vector_size(2 * sizeof(double)), aligned(8)));

/* What is the same for all calls with a model. */
typedef struct KmPrepared
{
	const KmModel *model;
	KmSpace		space;
	double	   *centroids;		/* in blocks, see above */
	double	   *reference;		/* k: radii for outlier scores */
} KmPrepared;

typedef struct KmLabeler
{
	const struct varlena *key;	/* the model argument's bytes as they were passed */
	MemoryContext cxt;			/* holds all that follows */
	bool		loaded;			/* what follows is complete */
	const KmCached *cached;		/* by name; else NULL */
	const KmPrepared *prepared;
	KmRowArg   *row;
	double	   *z;				/* d: the row */
	double	   *dist2;			/* k, and the rest of the last block */
} KmLabeler;

typedef struct KmLabelerEntry
{
	const struct varlena *key;	/* the labeler's */
	KmLabeler  *labeler;
} KmLabelerEntry;

typedef struct KmLabelSite
{
	bool		by_name;
	MemoryContext cxt;			/* holds the labelers, their keys and the table */
	HTAB	   *labelers;		/* by key */
	Size		used;			/* by the labelers */
	KmLabeler  *last;			/* the last call's, or NULL */
	TupleDesc	desc;			/* of kmeans_assignment, if it was needed */
} KmLabelSite;

static void explain_row(KmLabeler *labeler, FunctionCallInfo fcinfo, KmResultRow *row);
static void add_cluster(KmResultRow *row, const KmModel *model, int cluster);
static KmLabeler *measure_row(FunctionCallInfo fcinfo);
static KmLabelSite *create_site(FunctionCallInfo fcinfo);
static KmLabeler *find_labeler(KmLabelSite *site, const struct varlena *key);
static void empty_site(KmLabelSite *site);
static KmLabeler *create_labeler(KmLabelSite *site, const struct varlena *key);
static void create_table(KmLabelSite *site);
static void enter_labeler(KmLabelSite *site, KmLabeler *labeler);
static uint32 hash_key(const void *key, Size keysize);
static int	compare_keys(const void *a, const void *b, Size keysize);
static inline bool same_model(const struct varlena *a, const struct varlena *b);
static void load_labeler(KmLabelSite *site, KmLabeler *labeler, FunctionCallInfo fcinfo);
static void *prepare_model(const KmModel *model);
static double *block_centroids(const KmModel *model);
static inline void measure_centroids(const KmLabeler *labeler);
static inline int nearest(const KmLabeler *labeler, int except);
static text *cluster_label(const KmModel *model, int cluster);
static double outlier_score(const KmLabeler *labeler);
static TupleDesc assignment_desc(FunctionCallInfo fcinfo);

PG_FUNCTION_INFO_V1(kmeans_predict);
PG_FUNCTION_INFO_V1(kmeans_label);
PG_FUNCTION_INFO_V1(kmeans_distance);
PG_FUNCTION_INFO_V1(kmeans_transform);
PG_FUNCTION_INFO_V1(kmeans_nearest);
PG_FUNCTION_INFO_V1(kmeans_explain);

Datum
kmeans_predict(PG_FUNCTION_ARGS)
{
	KmLabeler  *labeler = measure_row(fcinfo);

	if (labeler == NULL)
		PG_RETURN_NULL();
	PG_RETURN_INT32(labeler->prepared->model->ids[nearest(labeler, -1)]);
}

Datum
kmeans_label(PG_FUNCTION_ARGS)
{
	KmLabeler  *labeler = measure_row(fcinfo);

	if (labeler == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cluster_label(labeler->prepared->model, nearest(labeler, -1)));
}

Datum
kmeans_distance(PG_FUNCTION_ARGS)
{
	KmLabeler  *labeler = measure_row(fcinfo);

	if (labeler == NULL)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(sqrt(labeler->dist2[nearest(labeler, -1)]));
}

Datum
kmeans_transform(PG_FUNCTION_ARGS)
{
	KmLabeler  *labeler = measure_row(fcinfo);
	double	   *distances;
	int			k;

	if (labeler == NULL)
		PG_RETURN_NULL();

	k = labeler->prepared->model->k;
	distances = palloc(mul_size(k, sizeof(double)));
	for (int j = 0; j < k; j++)
		distances[j] = sqrt(labeler->dist2[j]);
	PG_RETURN_ARRAYTYPE_P(km_array_floats(distances, k));
}

Datum
kmeans_nearest(PG_FUNCTION_ARGS)
{
	KmLabeler  *labeler = measure_row(fcinfo);
	const KmModel *model;
	Datum		values[7] = {0};
	bool		nulls[7] = {false};
	int			first;
	double		distance;

	if (labeler == NULL)
		PG_RETURN_NULL();

	model = labeler->prepared->model;
	first = nearest(labeler, -1);
	distance = sqrt(labeler->dist2[first]);
	values[0] = Int32GetDatum(model->ids[first]);
	values[1] = PointerGetDatum(cluster_label(model, first));
	values[2] = Float8GetDatum(distance);

	if (model->k > 1)
	{
		int			next = nearest(labeler, first);
		double		next_distance = sqrt(labeler->dist2[next]);

		values[3] = Int32GetDatum(model->ids[next]);
		values[4] = PointerGetDatum(cluster_label(model, next));
		values[5] = Float8GetDatum(next_distance > 0 ? 1 - distance / next_distance : 0);
	}
	else
		nulls[3] = nulls[4] = nulls[5] = true;

	values[6] = Float8GetDatum(outlier_score(labeler));

	return HeapTupleGetDatum(heap_form_tuple(assignment_desc(fcinfo),
											 values, nulls));
}

/* One row per feature; none if the answer is NULL. */
Datum
kmeans_explain(PG_FUNCTION_ARGS)
{
	KmLabeler  *labeler = measure_row(fcinfo);
	KmResultRow row;

	km_result_begin(&row, fcinfo);
	if (labeler != NULL)
		explain_row(labeler, fcinfo, &row);
	km_result_end(&row);
	return (Datum) 0;
}

static void
explain_row(KmLabeler *labeler, FunctionCallInfo fcinfo, KmResultRow *row)
{
	const KmModel *model = labeler->prepared->model;
	int			first = nearest(labeler, -1);
	int			next = model->k > 1 ? nearest(labeler, first) : -1;
	double		total = next >= 0 ? labeler->dist2[next] - labeler->dist2[first] : 0;
	KmPlace    *contributions = km_profile_contributions(model, first, next, labeler->z);
	double	   *x = palloc(mul_size(3 * model->d, sizeof(double)));
	double	   *centroid = x + model->d;
	double	   *next_centroid = centroid + model->d;

	/* the labeler has it only as scaled */
	(void) km_rowarg_read(labeler->row, fcinfo, x);
	km_profile_centroid(model, first, centroid);
	if (next >= 0)
		km_profile_centroid(model, next, next_centroid);
	for (int i = 0; i < model->d; i++)
	{
		int			t = contributions[i].index;

		CHECK_FOR_INTERRUPTS();
		add_cluster(row, model, first);
		add_cluster(row, model, next);
		km_result_text(row, model->features[t]);
		km_result_float(row, x[t]);
		km_result_float(row, centroid[t]);
		km_result_float(row, next >= 0 ? next_centroid[t] : get_float8_nan());
		km_result_float(row, contributions[i].value);
		km_result_float(row, total > 0 ? contributions[i].value / total : get_float8_nan());
		km_result_put(row);
	}
	pfree(x);
	pfree(contributions);
}

/* id and label; NULL if there is no such cluster */
static void
add_cluster(KmResultRow *row, const KmModel *model, int cluster)
{
	if (cluster < 0)
	{
		km_result_null(row);
		km_result_null(row);
		return;
	}
	km_result_int(row, model->ids[cluster]);
	km_result_datum(row, PointerGetDatum(cluster_label(model, cluster)));
}

/*
 * The call's labeler, with the squared distances of the call's row to all
 * centroids in dist2; NULL if the answer is NULL.
 */
static KmLabeler *
measure_row(FunctionCallInfo fcinfo)
{
	KmLabelSite *site = fcinfo->flinfo->fn_extra;
	KmLabeler  *labeler;
	struct varlena *key;
	const KmModel *model;
	double		norm2 = 0;

	if (PG_ARGISNULL(0))
		return NULL;
	key = PG_GETARG_RAW_VARLENA_P(0);

	/* a pointer to memory says nothing about what is there */
	if (VARATT_IS_EXTERNAL(key) && !VARATT_IS_EXTERNAL_ONDISK(key))
		key = pg_detoast_datum(key);

	if (site == NULL)
		site = create_site(fcinfo);
	labeler = site->last;
	if (labeler == NULL || !same_model(labeler->key, key))
		labeler = find_labeler(site, key);
	if (!labeler->loaded || (site->by_name && !km_cache_good(labeler->cached)))
		load_labeler(site, labeler, fcinfo);

	if (!km_rowarg_read(labeler->row, fcinfo, labeler->z))
		return NULL;
	if (!km_space_identity(&labeler->prepared->space) &&
		!km_space_row(&labeler->prepared->space, labeler->z, labeler->z))
		return NULL;

	model = labeler->prepared->model;
	for (int t = 0; t < model->d; t++)
		norm2 += labeler->z[t] * labeler->z[t];
	if (unlikely(!(norm2 <= KM_MAX_NORM2)))
	{
		/* the complaint shows the row as it was given */
		(void) km_rowarg_read(labeler->row, fcinfo, labeler->z);
		km_encode_overflow(model->features, &labeler->prepared->space, labeler->z,
						   model->d, 0);
	}

	measure_centroids(labeler);
	return labeler;
}

/* ---- The labeler ---- */

static KmLabelSite *
create_site(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;
	KmLabelSite *site = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(KmLabelSite));

	site->by_name = km_args_by_name(fcinfo);
	site->cxt = AllocSetContextCreate(flinfo->fn_mcxt, "kmeans labelers",
									  ALLOCSET_SMALL_SIZES);
	flinfo->fn_extra = site;
	return site;
}

/*
 * The labeler of the model with that key; a new one is not loaded.  There is
 * no table before the second model.
 */
static KmLabeler *
find_labeler(KmLabelSite *site, const struct varlena *key)
{
	KmLabelerEntry *entry;

	if (site->used > SITE_BYTES)
		empty_site(site);
	if (site->last == NULL)
	{
		site->last = create_labeler(site, key);
		return site->last;
	}

	if (site->labelers == NULL)
	{
		create_table(site);
		enter_labeler(site, site->last);
	}
	entry = hash_search(site->labelers, &key, HASH_FIND, NULL);
	if (entry != NULL)
		site->last = entry->labeler;
	else
	{
		site->last = create_labeler(site, key);
		enter_labeler(site, site->last);
	}
	return site->last;
}

static void
empty_site(KmLabelSite *site)
{
	site->last = NULL;
	site->labelers = NULL;
	site->used = 0;
	MemoryContextReset(site->cxt);
}

static KmLabeler *
create_labeler(KmLabelSite *site, const struct varlena *key)
{
	KmLabeler  *labeler = MemoryContextAllocZero(site->cxt, sizeof(KmLabeler));
	Size		size = VARSIZE_ANY(key);

	labeler->key = memcpy(MemoryContextAlloc(site->cxt, size), key, size);
	labeler->cxt = AllocSetContextCreate(site->cxt, "kmeans labeler",
										 ALLOCSET_SMALL_SIZES);
	site->used += sizeof(KmLabeler) + size;
	return labeler;
}

static void
create_table(KmLabelSite *site)
{
	HASHCTL		control = {
		.keysize = sizeof(struct varlena *),
		.entrysize = sizeof(KmLabelerEntry),
		.hash = hash_key,
		.match = compare_keys,
		.hcxt = site->cxt
	};

	site->labelers = hash_create("kmeans labelers", 16, &control,
								 HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

static void
enter_labeler(KmLabelSite *site, KmLabeler *labeler)
{
	KmLabelerEntry *entry = hash_search(site->labelers, &labeler->key, HASH_ENTER, NULL);

	entry->labeler = labeler;
}

/*
 * Names and TOAST pointers are short.  Of models, words from all over them are
 * taken: many, say those of single rows, have the same header.
 */
static uint32
hash_key(const void *key, Size keysize)
{
	const unsigned char *value = *(const unsigned char *const *) key;
	Size		size = VARSIZE_ANY(value);
	uint64		words[HASHED_WORDS];

	if (size <= sizeof(words))
		return hash_bytes(value, (int) size);
	for (int i = 0; i < HASHED_WORDS; i++)
		memcpy(&words[i], value + i * (size / HASHED_WORDS), sizeof(uint64));
	return hash_bytes((const unsigned char *) words, sizeof(words));
}

static int
compare_keys(const void *a, const void *b, Size keysize)
{
	return !same_model(*(const struct varlena *const *) a,
					   *(const struct varlena *const *) b);
}

static inline bool
same_model(const struct varlena *a, const struct varlena *b)
{
	Size		size = VARSIZE_ANY(a);

	return size == VARSIZE_ANY(b) && memcmp(a, b, size) == 0;
}

/*
 * Load the model that the first argument means and bind the others to it.  If
 * that fails the labeler is not loaded, and the next call tries again.
 */
static void
load_labeler(KmLabelSite *site, KmLabeler *labeler, FunctionCallInfo fcinfo)
{
	MemoryContext old;
	const char *name = NULL;
	const KmModel *model;

	labeler->loaded = false;
	MemoryContextReset(labeler->cxt);
	old = MemoryContextSwitchTo(labeler->cxt);

	if (site->by_name)
	{
		name = text_to_cstring((const text *) labeler->key);
		labeler->cached = km_cache_get(name, prepare_model);
		labeler->prepared = km_cache_prepared(labeler->cached);
		site->used += km_cache_size(labeler->cached);
	}
	else
		labeler->prepared =
			prepare_model(km_model_unpack(pg_detoast_datum(unconstify(struct varlena *,
																	  labeler->key))));

	model = labeler->prepared->model;
	labeler->z = palloc(mul_size(model->d, sizeof(double)));
	labeler->dist2 = palloc(mul_size(TYPEALIGN(LANES, model->k), sizeof(double)));
	labeler->row = km_rowarg_bind(fcinfo, 1, model, name);
	MemoryContextSwitchTo(old);
	site->used += MemoryContextMemAllocated(labeler->cxt, true);
	labeler->loaded = true;
}

static void *
prepare_model(const KmModel *model)
{
	KmPrepared *prepared = palloc(sizeof(KmPrepared));
	int			k = model->k;
	double		weight = 0;

	for (int j = 0; j < k; j++)
		weight += model->weights[j];

	prepared->model = model;
	prepared->space = km_model_space(model);
	prepared->centroids = block_centroids(model);
	prepared->reference = palloc(mul_size(k, sizeof(double)));
	km_outlier_reference(k, model->sizes, model->radius_rms, model->inertia, weight,
						 prepared->reference);
	return prepared;
}

/* ---- The arithmetic ---- */

/* The lanes beyond the last cluster hold zeros, and nobody looks at them. */
static double *
block_centroids(const KmModel *model)
{
	int			nblocks = (model->k + LANES - 1) / LANES;
	Size		size = mul_size(mul_size(nblocks, model->d), LANES * sizeof(double));
	double	   *blocks = MemoryContextAllocHuge(CurrentMemoryContext, size);

	memset(blocks, 0, size);
	for (int j = 0; j < model->k; j++)
	{
		double	   *block = blocks + (Size) (j / LANES) * model->d * LANES;

		for (int t = 0; t < model->d; t++)
			block[t * LANES + j % LANES] = model->centroids[(Size) j * model->d + t];
	}
	return blocks;
}

static inline void
measure_centroids(const KmLabeler *labeler)
{
	int			k = labeler->prepared->model->k;
	int			d = labeler->prepared->model->d;
	const double *z = labeler->z;
	const KmLanes *block = (const KmLanes *) labeler->prepared->centroids;

	for (int j = 0; j < k; j += LANES)
	{
		KmLanes		sum[LANES / 2] = {{0}};

		for (int t = 0; t < d; t++)
		{
			KmLanes		zt = {z[t], z[t]};

			sum[0] += (zt - block[0]) * (zt - block[0]);
			sum[1] += (zt - block[1]) * (zt - block[1]);
			sum[2] += (zt - block[2]) * (zt - block[2]);
			sum[3] += (zt - block[3]) * (zt - block[3]);
			block += LANES / 2;
		}
		memcpy(&labeler->dist2[j], sum, sizeof(sum));
	}
}

/* the nearest cluster but one (-1: of all), the first of equals */
static inline int
nearest(const KmLabeler *labeler, int except)
{
	const double *dist2 = labeler->dist2;
	int			best = except == 0 ? 1 : 0;
	double		least = dist2[best];

	for (int j = best + 1; j < labeler->prepared->model->k; j++)
	{
		bool		closer = dist2[j] < least && j != except;

		/* two selections instead of a branch that is taken at random */
		best = closer ? j : best;
		least = closer ? dist2[j] : least;
	}
	return best;
}

/* ---- Results ---- */

static text *
cluster_label(const KmModel *model, int cluster)
{
	if (model->labels[cluster] != NULL)
		return cstring_to_text(model->labels[cluster]);
	return cstring_to_text(psprintf("%d", model->ids[cluster]));
}

static double
outlier_score(const KmLabeler *labeler)
{
	return km_outlier_score(labeler->prepared->model->k, labeler->dist2, labeler->prepared->reference);
}

static TupleDesc
assignment_desc(FunctionCallInfo fcinfo)
{
	KmLabelSite *site = fcinfo->flinfo->fn_extra;

	if (site->desc == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		site->desc = km_result_desc(fcinfo);
		MemoryContextSwitchTo(old);
	}
	return site->desc;
}
