/*
 * registry.h
 *		The catalog: models, versions, centroids, iterations, grants.
 *
 * The only reader and writer of the catalog tables.  Every function checks the
 * rights of the current user itself and then opens the tables directly.
 * Readers use the active snapshot.  Writers find the model with a fresh
 * snapshot, check the right to change it, lock it (LockDatabaseObject on
 * kmeans_catalog and its model_id) and look again; who finds none and wants to
 * create it locks the name (its hash) and looks again.  From then on nobody
 * else can create, change, rename or drop what the name means, and nobody
 * without rights on a model can keep others from it.  What is read is
 * validated before use: an edited dump is input like any other.
 *
 * A model argument is a name, or name@version; without a version the promoted
 * one is meant.
 */
#ifndef KM_REGISTRY_H
#define KM_REGISTRY_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "engine/driver.h"
#include "model/value.h"

/* A model found by name. */
typedef struct KmModelRef
{
	int64		model_id;
	char	   *name;			/* without @version */
	Oid			owner;
	int			version;		/* as asked for, or the promoted one */
	int			promoted;
	bool		locked;			/* found by a writer: read what is newest, not
								 * what the active snapshot shows */
	int64		revision;		/* number of changes to the model so far */
	TransactionId xmin;			/* the transaction of the last of them, and, if */
	CommandId	cmin;			/* that is the current one, the command */
} KmModelRef;

/* What is stored of a version besides the KmModel. */
typedef struct KmVersionInfo
{
	char	   *source;			/* NULL: not stored */
	char	   *id_column;		/* NULL: none */
	char	   *weight;			/* NULL: none */
	double		elapsed_ms;
	TimestampTz fitted_at;
	Oid			fitted_by;
	int			n_iterations;
	const KmIterationLog *iterations;	/* of all runs; NULL when read back */
	int			best_run;
} KmVersionInfo;

/*
 * What the views kmeans_models and kmeans_versions show.  Values that may be
 * long are as they are stored, perhaps out of line: whoever shows one fetches
 * it, and nobody else.
 */
typedef struct KmListedVersion
{
	int			version;
	int			k;
	int			d;
	int64		n_rows;
	int64		n_skipped;
	double		inertia;
	double		total_ss;
	int			n_iter;
	bool		converged;
	int64		seed;
	char	   *metric;
	Datum		source;			/* text; 0: not stored */
	Datum		columns;		/* text[] */
	char	   *id_column;		/* NULL: none */
	Datum		options;		/* jsonb */
	double		elapsed_ms;
	TimestampTz fitted_at;
	Oid			fitted_by;
} KmListedVersion;

typedef struct KmListedModel
{
	KmModelRef	ref;			/* version is the promoted one */
	int			ngrantees;
	Oid		   *grantees;		/* InvalidOid: public */
	int			nversions;
	KmListedVersion *versions;	/* ascending */
} KmListedModel;

/* Split "name@version"; version 0: none given.  Checks the name: 22023. */
extern void km_registry_parse_name(const char *text, char **name, int *version);

/* A name without version: 22023 for @, too short, too long. */
extern void km_registry_check_new_name(const char *name);

/*
 * Find a model to read.  Missing model: 42704 with a hint of close names (of
 * models the user may see), missing version: 42704 with the versions in the
 * detail; no right: 42501.
 */
extern KmModelRef *km_registry_find(const char *text);

/* the same for a name without @ and the number of a version */
extern KmModelRef *km_registry_find_version(const char *name, int version);

/*
 * Load the version that ref points to, with its info (info may be NULL), into
 * the current context.  XX001 if what is stored does not make a model.
 */
extern KmModel *km_registry_load(const KmModelRef *ref, KmVersionInfo *info);

/*
 * The iterations of the version's fit, of all runs, and which run became the
 * model.  A version that was saved rather than fitted has none.
 */
extern KmIterationLog *km_registry_iterations(const KmModelRef *ref, int *n,
											  int *best_run);

/*
 * Visit all models that the current user may read.  What is passed lives only
 * during the visit.
 */
extern void km_registry_list(void (*visit) (void *arg, const KmListedModel *model),
							 void *arg);

/* The highest cluster id that any version of the model ever used, or -1. */
extern int32 km_registry_max_cluster(const KmModelRef *ref);

/*
 * Lock what a name means, for the owner to write, until the end of the
 * transaction: the model, or, if there is none, the name itself (then NULL).
 * Without replace a model that is there already is 42710.  A transaction that
 * keeps one snapshot gets 40001 for a model that was changed, or dropped, after
 * that.
 */
extern KmModelRef *km_registry_lock(const char *name, bool replace);

/*
 * The same for name or name@version of a model that has to exist: 42704,
 * unless missing_ok (then NULL).
 */
extern KmModelRef *km_registry_lock_existing(const char *text, bool missing_ok);

/*
 * Store a model under a name that km_registry_lock() has locked: as version 1
 * of a new model (ref NULL), or as the next version of an old one, promoted
 * if asked.  Returns the version.  The model is validated: nothing is stored
 * that could not be read.
 */
extern int	km_registry_store(const char *name, const KmModelRef *ref,
							  const KmModel *model, const KmVersionInfo *info,
							  bool promote);

/*
 * Each is for the owner, locks the model, changes it and invalidates caches.
 * drop tells whether there was a model.  label NULL removes the label; an
 * unknown cluster is 22023 with those there are.
 */
extern bool km_registry_drop(const char *name, bool missing_ok);
extern void km_registry_rename(const char *name, const char *new_name);
extern void km_registry_set_label(const char *text, int32 cluster, const char *label);

/*
 * promote makes the name mean that version.  prune drops all but the newest
 * versions and the promoted one, and returns how many.
 */
extern void km_registry_promote(const char *name, int version);
extern int	km_registry_prune(const char *name, int keep);

/*
 * Rights.  role is the name of a role, for grants also "public".  Who gives a
 * model to another owner must be a member of that role (42501).  Granting what
 * is granted, and revoking what is not, changes nothing; both also forget
 * grantees that were dropped.
 */
extern void km_registry_set_owner(const char *name, const char *role);
extern void km_registry_grant(const char *name, const char *role);
extern void km_registry_revoke(const char *name, const char *role);

/*
 * A number that changes whenever any model, label, grant or role membership
 * has changed, as far as this session has heard, and with each snapshot once
 * one has shown an outdated model, or in a SERIALIZABLE transaction.  What a name meant to a user stays true
 * while it stays the same, for statements that see what was read
 * (km_registry_sees).  Read it before km_registry_find(): a change that arrives
 * during the load must count.
 */
extern uint64 km_registry_generation(void);

/* Does the running statement see the model as it was found, or something newer? */
extern bool km_registry_sees(const KmModelRef *ref);

/* registers the callbacks behind the generation; from _PG_init */
extern void km_registry_init(void);

#endif							/* KM_REGISTRY_H */
