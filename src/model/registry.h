/*
 * registry.h
 *		The catalog: models, versions, centroids, iterations, grants.
 *
 * The only reader and writer of the catalog tables.  Every function checks the
 * rights of the current user itself and then opens the tables directly.
 * Readers use the active snapshot.  Writers lock the model first
 * (LockDatabaseObject on kmeans_catalog and the model's id; a name that does
 * not exist yet by its hash), then look with a fresh snapshot.  What is read
 * is validated before use: an edited dump is input like any other.
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

/* What the caller wants to do with a model; see access.h for who may. */
typedef enum KmRight
{
	KM_RIGHT_READ,				/* owner, members, grantees, superusers */
	KM_RIGHT_OWN				/* owner, members of the owner, superusers */
} KmRight;

/* A model found by name. */
typedef struct KmModelRef
{
	int64		model_id;
	char	   *name;			/* without @version */
	Oid			owner;
	int			version;		/* as asked for, or the promoted one */
	int			promoted;
	bool		explicit_version;	/* the name said @version */
} KmModelRef;

/* What is stored of a version besides the KmModel. */
typedef struct KmVersionInfo
{
	char	   *source;			/* NULL: not stored */
	char	  **column_names;	/* as fitted; model->ncolumns of them */
	char	   *id_column;		/* NULL: none */
	char	   *weight;			/* NULL: none */
	double		elapsed_ms;
	TimestampTz fitted_at;
	Oid			fitted_by;
	int			n_iterations;
	const KmIterationLog *iterations;	/* of all runs; NULL when read back */
	int			best_run;
} KmVersionInfo;

/* Split "name@version" and check the name: 22023, 22004. */
extern void km_registry_parse_name(const char *text, char **name, int *version);

/* Check the name of a model to be created: 22023 for @, too short, too long. */
extern void km_registry_check_new_name(const char *name);

/*
 * Find a model and check the right.  Missing model: 42704 with a hint of close
 * names (of models the user may see), missing version: 42704 with the
 * versions in the detail; no right: 42501.  With missing_ok a missing model
 * gives NULL.
 */
extern KmModelRef *km_registry_find(const char *text, KmRight right, bool missing_ok);

/* Load the version that ref points to, with its info (info may be NULL). */
extern KmModel *km_registry_load(const KmModelRef *ref, KmVersionInfo *info);

/* The highest cluster id that any version of the model ever used, or -1. */
extern int32 km_registry_max_cluster(const KmModelRef *ref);

/*
 * Lock a name for writing until the end of the transaction, and look for the
 * model with a fresh snapshot: NULL if there is none.  Checks KM_RIGHT_OWN.
 */
extern KmModelRef *km_registry_lock(const char *name);

/*
 * Store a model under a name that km_registry_lock() has locked: as version 1
 * of a new model (ref NULL), or as the next version of an old one, promoted
 * if asked.  Returns the version.
 */
extern int	km_registry_store(const char *name, const KmModelRef *ref,
							  const KmModel *model, const KmVersionInfo *info,
							  bool promote);

/* Each locks the model, checks KM_RIGHT_OWN, changes and invalidates caches. */
extern bool km_registry_drop(const char *name, bool missing_ok);
extern void km_registry_rename(const char *name, const char *new_name);
extern void km_registry_set_label(const char *text, int32 cluster, const char *label);

/*
 * A number that changes whenever any model, label, grant or role membership
 * may have changed: a cached model is good while it, and the user, stay the
 * same.
 */
extern uint64 km_registry_generation(void);

/* registers the callbacks behind the generation; from _PG_init */
extern void km_registry_init(void);

#endif							/* KM_REGISTRY_H */
