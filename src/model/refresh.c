/*
 * refresh.c
 *		Fitting a model again, to the rows there are now.
 *
 * A refresh is a fit with the options of the version that it starts from, run
 * as the owner.  Ids and labels are carried over (renew.c), and the rows that
 * nevertheless get another id are counted: by the team that has them at hand
 * (core/moved.c), or, if missing values were filled, by reading the source once
 * more under the same snapshot, since each version fills with its own means.
 */
#include "postgres.h"

#include "model/compare.h"
#include "model/owner.h"
#include "model/refresh.h"

static void km_refresh_options(KmRefresh *refresh);
static const char *km_refresh_source(const KmRefresh *refresh, const KmVersionInfo *info);
static double km_refresh_churn(const KmRefresh *refresh);
static bool km_refresh_may_promote(const KmRefresh *refresh);

void
km_refresh(KmRefresh *refresh)
{
	KmFitting  *fitting = &refresh->fitting;
	KmVersionInfo info;
	KmOwnerScope scope;

	INSTR_TIME_SET_CURRENT(fitting->start);
	fitting->ref = km_registry_lock_existing(refresh->name, false);
	fitting->name = fitting->ref->name;
	fitting->old = km_registry_load(fitting->ref, &info);
	fitting->renewal.max_id = km_registry_max_cluster(fitting->ref);
	fitting->refresh = true;
	fitting->warm = refresh->warm_start;
	refresh->old_version = fitting->ref->version;
	km_refresh_options(refresh);
	fitting->source = km_refresh_source(refresh, &info);

	km_owner_enter(fitting->ref, &scope);
	km_fitting_run(fitting);
	refresh->churn = km_refresh_churn(refresh);
	km_owner_leave(&scope);

	refresh->promoted = refresh->promote && km_refresh_may_promote(refresh);
	refresh->new_version = km_fitting_store(fitting, refresh->promoted);
}

/* Those of the old version, as far as they are recorded. */
static void
km_refresh_options(KmRefresh *refresh)
{
	const KmModel *old = refresh->fitting.old;
	KmOptions  *options = &refresh->fitting.options;

	km_options_init(options);
	options->k = old->k;
	options->metric = old->metric;
	options->on_null = old->fill != NULL ? KM_ON_NULL_MEAN : KM_ON_NULL_SKIP;
	km_options_restore(options, old->options);
	options->seed = old->seed;
	options->ncolumns = old->ncolumns;
	options->columns = palloc(mul_size(old->ncolumns, sizeof(char *)));
	for (int c = 0; c < old->ncolumns; c++)
		options->columns[c] = old->columns[c].name;
	km_options_check(options);
}

/* The text to run as the owner. */
static const char *
km_refresh_source(const KmRefresh *refresh, const KmVersionInfo *info)
{
	const KmFitting *fitting = &refresh->fitting;
	const KmOptions *options = &fitting->options;
	KmSourceSpec spec = {
		.text = refresh->source,
		.model = fitting->name,
		.known = fitting->old->columns,
		.nknown = fitting->old->ncolumns,
		.weight = options->weight,
		.id_column = options->id_column
	};

	if (refresh->source == NULL)
		return km_owner_source(fitting->ref, info);
	km_owner_check(fitting->ref);
	return km_source_open(&spec)->bound;
}

static double
km_refresh_churn(const KmRefresh *refresh)
{
	const KmFitting *fitting = &refresh->fitting;
	const KmFitJob *job = &fitting->job;
	KmFeed		feed = {
		.source = fitting->source,
		.weight = fitting->options.weight,
		.locked = true
	};

	if (job->former != NULL)
		return job->moved;
	return km_compare_moved(&feed, fitting->old, fitting->model);
}

static bool
km_refresh_may_promote(const KmRefresh *refresh)
{
	if (refresh->churn <= refresh->max_churn)
		return true;
	ereport(WARNING,
			(errmsg("the new version of model \"%s\" is not promoted: %.3g of the rows would change their cluster",
					refresh->fitting.name, refresh->churn),
			 errdetail("max_churn is %g.", refresh->max_churn),
			 errhint("Compare the versions by kmeans_transitions, then use kmeans_promote or kmeans_prune.")));
	return false;
}
