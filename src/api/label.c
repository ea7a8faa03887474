/*
 * label.c
 *		Labelling rows: kmeans_predict and its relatives.
 *
 * Every function here does the same until the distances are known: get the
 * model, read the row from the arguments, bring it into the model's space,
 * measure it against all centroids (measure_row).  What is prepared for that
 * is a KmLabeler, kept in fn_extra, one per call site.
 *
 * When is a labeler still good?  Its fn_extra outlives the query: an
 * expression of PL/pgSQL keeps it from statement to statement, so each call
 * asks.  A model passed by value is the same if its bytes are; of a toasted
 * one the bytes of the TOAST pointer are compared.  A model passed by name is
 * the same if the name's bytes, the user and the registry's generation are,
 * with one catch: the generation tells of commits that the snapshot in use may
 * not see yet.  A labeler loaded then holds the old model under the new
 * generation.  So a labeler counts as settled only once it was loaded under a
 * snapshot taken after its generation was current; until then it is loaded
 * again when the snapshot changes, at most once.
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
#include "api/result.h"
#include "api/rowarg.h"
#include "catalog/pg_type_d.h"
#include "core/space.h"
#include "core/stats.h"
#include "engine/encode.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "model/array.h"
#include "model/profile.h"
#include "model/registry.h"
#include "model/value.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define LANES 8

/* what every supported processor computes at once */
typedef double KmLanes __attribute__((vector_size(2 * sizeof(double)), aligned(8)));

/*
 * What tells two snapshots of one transaction apart: what commits in between
 * raises xmax or leaves the lists of running transactions, and the
 * transaction's own changes raise curcid.
 */
typedef struct KmMoment
{
	TransactionId xmax;
	uint32		xcnt;
	int32		subxcnt;
	CommandId	curcid;
} KmMoment;

typedef struct KmLabeler
{
	MemoryContext cxt;			/* holds all that follows, but desc */
	bool		loaded;			/* what follows is complete */
	bool		by_name;

	/* the model argument: its bytes as they were passed */
	struct varlena *key;
	Size		key_size;

	/* by name: see above */
	Oid			user;
	uint64		generation;
	KmMoment	moment;			/* the snapshot it was last found good under */
	bool		settled;

	const KmModel *model;
	KmSpace		space;
	KmRowArg   *row;
	double	   *centroids;		/* in blocks, see above */
	double	   *reference;		/* k: radii for outlier scores */
	double	   *z;				/* d: the row */
	double	   *dist2;			/* k, and the rest of the last block */

	TupleDesc	desc;			/* of kmeans_assignment, if it was needed */
} KmLabeler;

static void explain_row(KmLabeler *labeler, FunctionCallInfo fcinfo, KmResultRow *row);
static void add_cluster(KmResultRow *row, const KmModel *model, int cluster);
static KmLabeler *measure_row(FunctionCallInfo fcinfo);
static KmLabeler *create_labeler(FmgrInfo *flinfo);
static inline bool same_model(const KmLabeler *labeler, struct varlena *key);
static inline bool still_good(KmLabeler *labeler);
static KmMoment current_moment(void);
static bool same_moment(const KmMoment *a, const KmMoment *b);
static void load_labeler(KmLabeler *labeler, FunctionCallInfo fcinfo,
						 struct varlena *key);
static const KmModel *load_by_name(KmLabeler *labeler, const char *name);
static void prepare_model(KmLabeler *labeler);
static double *block_centroids(const KmModel *model);
static inline void measure_centroids(const KmLabeler *labeler);
static inline int nearest(const KmLabeler *labeler, int except);
static text *cluster_label(const KmModel *model, int cluster);
static double outlier_score(const KmLabeler *labeler);
static TupleDesc assignment_desc(KmLabeler *labeler, FunctionCallInfo fcinfo);

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
	PG_RETURN_INT32(labeler->model->ids[nearest(labeler, -1)]);
}

Datum
kmeans_label(PG_FUNCTION_ARGS)
{
	KmLabeler  *labeler = measure_row(fcinfo);

	if (labeler == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cluster_label(labeler->model, nearest(labeler, -1)));
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

	k = labeler->model->k;
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

	model = labeler->model;
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

	return HeapTupleGetDatum(heap_form_tuple(assignment_desc(labeler, fcinfo),
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
	const KmModel *model = labeler->model;
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
	KmLabeler  *labeler = fcinfo->flinfo->fn_extra;
	struct varlena *key;
	const KmModel *model;
	double		norm2 = 0;

	if (PG_ARGISNULL(0))
		return NULL;
	key = PG_GETARG_RAW_VARLENA_P(0);

	/* a pointer to memory says nothing about what is there */
	if (VARATT_IS_EXTERNAL(key) && !VARATT_IS_EXTERNAL_ONDISK(key))
		key = pg_detoast_datum(key);

	if (labeler == NULL)
		labeler = create_labeler(fcinfo->flinfo);
	if (!labeler->loaded || !same_model(labeler, key) ||
		(labeler->by_name && !still_good(labeler)))
		load_labeler(labeler, fcinfo, key);

	if (!km_rowarg_read(labeler->row, fcinfo, labeler->z))
		return NULL;
	if (!km_space_identity(&labeler->space) &&
		!km_space_row(&labeler->space, labeler->z, labeler->z))
		return NULL;

	model = labeler->model;
	for (int t = 0; t < model->d; t++)
		norm2 += labeler->z[t] * labeler->z[t];
	if (unlikely(!(norm2 <= KM_MAX_NORM2)))
	{
		/* the complaint shows the row as it was given */
		(void) km_rowarg_read(labeler->row, fcinfo, labeler->z);
		km_encode_overflow(model->features, labeler->z, model->d, 0);
	}

	measure_centroids(labeler);
	return labeler;
}

/* ---- The labeler ---- */

static KmLabeler *
create_labeler(FmgrInfo *flinfo)
{
	KmLabeler  *labeler = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(KmLabeler));

	labeler->cxt = AllocSetContextCreate(flinfo->fn_mcxt, "kmeans labeler",
										 ALLOCSET_DEFAULT_SIZES);
	labeler->by_name = get_fn_expr_argtype(flinfo, 0) == TEXTOID;
	flinfo->fn_extra = labeler;
	return labeler;
}

static inline bool
same_model(const KmLabeler *labeler, struct varlena *key)
{
	return VARSIZE_ANY(key) == labeler->key_size &&
		memcmp(key, labeler->key, labeler->key_size) == 0;
}

/* Is the model loaded by name still what the name means to the user? */
static inline bool
still_good(KmLabeler *labeler)
{
	KmMoment	moment = current_moment();

	if (!same_moment(&moment, &labeler->moment))
	{
		if (!labeler->settled)
			return false;
		/* a statement without a lock of its own may not have heard yet */
		AcceptInvalidationMessages();
		labeler->moment = moment;
	}
	return labeler->generation == km_registry_generation() &&
		labeler->user == GetUserId();
}

static KmMoment
current_moment(void)
{
	Snapshot	snapshot = GetActiveSnapshot();
	KmMoment	moment;

	moment.xmax = snapshot->xmax;
	moment.xcnt = snapshot->xcnt;
	moment.subxcnt = snapshot->subxcnt;
	moment.curcid = snapshot->curcid;
	return moment;
}

static bool
same_moment(const KmMoment *a, const KmMoment *b)
{
	return a->xmax == b->xmax && a->xcnt == b->xcnt &&
		a->subxcnt == b->subxcnt && a->curcid == b->curcid;
}

/*
 * Load the model that the first argument means and bind the others to it.  If
 * that fails the labeler is not loaded, and the next call tries again.
 */
static void
load_labeler(KmLabeler *labeler, FunctionCallInfo fcinfo, struct varlena *key)
{
	MemoryContext old;
	const char *name = NULL;

	labeler->loaded = false;
	MemoryContextReset(labeler->cxt);
	old = MemoryContextSwitchTo(labeler->cxt);

	labeler->key_size = VARSIZE_ANY(key);
	labeler->key = palloc(labeler->key_size);
	memcpy(labeler->key, key, labeler->key_size);

	if (labeler->by_name)
	{
		name = text_to_cstring((text *) labeler->key);
		labeler->model = load_by_name(labeler, name);
	}
	else
		labeler->model = km_model_unpack(pg_detoast_datum(labeler->key));

	prepare_model(labeler);
	labeler->row = km_rowarg_bind(fcinfo, 1, labeler->model, name);
	MemoryContextSwitchTo(old);
	labeler->loaded = true;
}

static const KmModel *
load_by_name(KmLabeler *labeler, const char *name)
{
	KmMoment	moment = current_moment();
	uint64		known = labeler->generation;

	AcceptInvalidationMessages();
	labeler->generation = km_registry_generation();
	labeler->user = GetUserId();
	labeler->settled = TransactionIdIsValid(labeler->moment.xmax) &&
		labeler->generation == known && !same_moment(&moment, &labeler->moment);
	labeler->moment = moment;
	return km_registry_load(km_registry_find(name, KM_RIGHT_READ, false), NULL);
}

static void
prepare_model(KmLabeler *labeler)
{
	const KmModel *model = labeler->model;
	int			k = model->k;
	double		weight = 0;

	for (int j = 0; j < k; j++)
		weight += model->weights[j];

	labeler->space = km_model_space(model);
	labeler->centroids = block_centroids(model);
	labeler->reference = palloc(mul_size(k, sizeof(double)));
	km_outlier_reference(k, model->sizes, model->radius_rms, model->inertia, weight,
						 labeler->reference);
	labeler->z = palloc(mul_size(model->d, sizeof(double)));
	labeler->dist2 = palloc(mul_size(TYPEALIGN(LANES, k), sizeof(double)));
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
	int			k = labeler->model->k;
	int			d = labeler->model->d;
	const double *z = labeler->z;
	const KmLanes *block = (const KmLanes *) labeler->centroids;

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

	for (int j = best + 1; j < labeler->model->k; j++)
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
	return km_outlier_score(labeler->model->k, labeler->dist2, labeler->reference);
}

static TupleDesc
assignment_desc(KmLabeler *labeler, FunctionCallInfo fcinfo)
{
	if (labeler->desc == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		TupleDesc	desc;

		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		labeler->desc = BlessTupleDesc(desc);
		MemoryContextSwitchTo(old);
	}
	return labeler->desc;
}
