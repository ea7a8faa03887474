/*
 * few.h
 *		The line of few rows: every content by itself.
 *
 * The part of line.c for up to KM_FEW_ROWS rows, in all participants, of up to
 * KM_FEW_VALUES values: everybody then has the contents of all rows, and nobody
 * looks at rows again.
 */
#ifndef KM_FEW_H
#define KM_FEW_H

#include "core/line.h"

#define KM_FEW_ROWS		1024
#define KM_FEW_VALUES	(1 << 16)

/* collective; needs the line's rows, space, seed and weight_factor */
extern KmFew *km_few_create(KmLine *line);
extern void km_few_free(KmTeam *team, KmFew *few);

/* how many contents have weight */
extern int	km_few_size(const KmFew *few);

/* the raw values of the i-th, in the order of the line */
extern const double *km_few_content(const KmFew *few, int i);

/* the mass of each content */
extern void km_few_masses(const KmLine *line, KmWide *mass);

/* there are m more centroids; returns the largest D^2 */
extern double km_few_nearer(KmLine *line, const double *centroids, int m);

/* see km_line_potentials() */
extern void km_few_potentials(const KmLine *line, const double *centroids, int m,
							  KmWide *potential);

#endif							/* KM_FEW_H */
