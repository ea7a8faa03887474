/*
 * options.h
 *		The options of a fit: their words, their limits, their JSON.
 */
#ifndef KM_OPTIONS_H
#define KM_OPTIONS_H

#include "postgres.h"

#include "engine/driver.h"
#include "utils/jsonb.h"

typedef struct KmOptions
{
	int			k;
	KmInit		init;			/* KM_INIT_CENTROIDS if init_centroids is given */
	double	   *init_centroids; /* init_k x init_d, original units; or NULL */
	int			init_k;
	int			init_d;
	int			n_init;			/* 0: chosen by init */
	int			max_iter;
	double		tol;
	int64		seed;
	KmMetric	metric;
	KmScale		scale;
	KmOnNull	on_null;
	char	  **columns;		/* NULL: not given */
	int			ncolumns;
	char	   *weight;			/* NULL: none */
	char	   *id_column;		/* NULL: none */
} KmOptions;

/* the defaults of kmeans_fit */
extern void km_options_init(KmOptions *options);

/*
 * Words of init, metric, scale and on_null.  An unknown word is 22023 with
 * the value and the words that are allowed.
 */
extern void km_options_set_init(KmOptions *options, const char *word);
extern void km_options_set_metric(KmOptions *options, const char *word);
extern void km_options_set_scale(KmOptions *options, const char *word);
extern void km_options_set_on_null(KmOptions *options, const char *word);
extern const char *km_options_metric_word(KmMetric metric);
extern const char *km_options_scale_word(KmScale scale);

/* 22023 unless n_init >= 1 */
extern void km_options_set_n_init(KmOptions *options, int n_init);

/* a seed for a caller who leaves the choice to us: 0 .. 2^63 - 1 */
extern int64 km_options_draw_seed(void);

/*
 * Check the numbers against their limits, and that init, init_centroids and
 * n_init go together: 22023 with the value and the allowed ones.
 */
extern void km_options_check(KmOptions *options);

/* Set what a jsonb object holds; unknown keys are 22023. */
extern void km_options_from_jsonb(KmOptions *options, Jsonb *object);

/*
 * The options of an earlier fit, from what km_options_to_json() made of them.
 * What is missing there, as in a model that was made by hand, is left at its
 * default; what is no option is passed over.
 */
extern void km_options_restore(KmOptions *options, const char *json);

/* The text that an option was recorded with in a jsonb object, or NULL. */
extern char *km_options_recorded(Datum object, const char *key);

/* The options as the text of a JSON object, for kmeans_version and kmeans_model. */
extern char *km_options_to_json(const KmOptions *options);

#endif							/* KM_OPTIONS_H */
