/*
 * fitted.h
 *		From a finished fit to a model.
 */
#ifndef KM_FITTED_H
#define KM_FITTED_H

#include "postgres.h"

#include "engine/driver.h"
#include "engine/source.h"
#include "model/options.h"
#include "model/value.h"

/* 22023 if init_centroids is given, and not with d columns */
extern void km_fitted_check_start(const KmOptions *options, int d);

/* The parameters of the driver that options ask for. */
extern KmFitParams km_fitted_params(const KmOptions *options);

/*
 * The model of a fit.  Arrays are borrowed from the fit and the points: pack
 * or store the model before they go.  columns must be complete (lengths of
 * arrays known).
 */
extern KmModel *km_fitted_model(const KmFit *fit, const KmPoints *points,
								KmColumn *columns, int ncolumns,
								const KmOptions *options, int64 n_skipped);

/* 1 - inertia / total_ss; false if total_ss is 0 */
extern bool km_fitted_explained(double inertia, double total_ss, double *explained);

#endif							/* KM_FITTED_H */
