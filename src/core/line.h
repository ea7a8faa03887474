/*
 * line.h
 *		All rows on one line, to draw from.
 *
 * The rows of all participants are thought of on a line in the order of
 * (hash of content, content), each as long as its mass: its weight times D^2,
 * the squared distance to the nearest centroid chosen so far.  A random point
 * of the line is a row drawn with probability proportional to its mass.
 * Copies of a content lie side by side and so count as often as they occur;
 * the physical order of rows does not matter.
 *
 * The legal order of calls: km_line_create(), then any number of
 * km_line_draw(), km_line_potentials() and km_line_nearer(), which brings the
 * distances up to date with new centroids.  Until the first km_line_nearer()
 * every row counts as at distance 1, and after km_line_restart() again: what
 * does not depend on centroids (hashes, buckets) serves one run after the
 * other.  The line uses the chunks' dist2 and bucket; bucket must stay as it is
 * while there is a line.
 */
#ifndef KM_LINE_H
#define KM_LINE_H

#include "core/bits.h"
#include "core/kernel.h"
#include "core/records.h"
#include "core/rows.h"
#include "core/space.h"
#include "core/sums.h"

/*
 * Masses are integers, so that sums of them are exact and order-free: a
 * squared distance is rounded to a multiple of 2^-48 of the power of two above
 * the largest, and an integer weight multiplies it, as copies would.  As rows
 * come nearer, the largest distance falls, and the unit with it.
 */
#define KM_LINE_BITS	48

/* the largest weight that multiplies; larger ones are scaled down */
#define KM_LINE_MAX_WEIGHT 0x1p40

typedef struct KmFew KmFew;

typedef struct KmLine
{
	KmTeam	   *team;
	KmRows	   *rows;
	const KmSpace *space;
	KmKernel   *kernel;			/* where there are many rows */
	int			d;
	int64_t		n;				/* rows of all participants */
	uint64_t	seed;
	bool		even;			/* mass is the weight, wherever D^2 > 0 */
	bool		fresh;			/* no distances yet */
	int			top;			/* D^2 is at most 2^top */
	double		factor;			/* brings D^2 to 2^KM_LINE_BITS at most */
	double		weight_factor;	/* brings weights to KM_LINE_MAX_WEIGHT at most */
	int			buckets_log2;	/* unless there are few rows */
	int			nbuckets;
	KmFew	   *few;			/* each bucket is a content, see few.h; or NULL */
	KmWide	   *mass;			/* per bucket, of this participant's rows, where
								 * there are many */
	KmWide	   *start;			/* the same at distance 1 */
	double	   *box;			/* of neighbours: the box of each tile, 2 x d in the
								 * space; else NULL */
	double	   *reach;			/* and the largest D^2 in it */
} KmLine;

/* max_centroids: the most that one call will bring */
extern KmLine *km_line_create(KmTeam *team, KmRows *rows, const KmSpace *space,
							  bool even, uint64_t seed, int max_centroids);
extern void km_line_free(KmLine *line);

/* forget all centroids */
extern void km_line_restart(KmLine *line);

/* there are m more centroids */
extern void km_line_nearer(KmLine *line, const double *centroids, int m);

/*
 * potential[c]: the whole mass, over all participants, if centroid c alone
 * were added.
 */
extern void km_line_potentials(KmLine *line, const double *centroids, int m,
							   KmWide *potential);

/*
 * Draw n contents (n x d, raw) with the random numbers from `counter` on of
 * stream (seed, run).  spread: one from each n-th part of the line, instead of
 * all from the whole.  Returns false if no mass is left.
 */
extern bool km_line_draw(KmLine *line, int run, uint64_t counter, int n,
						 bool spread, double *contents);

static inline int
km_line_bucket(const KmLine *line, uint64_t hash)
{
	return line->buckets_log2 > 0 ? (int) (hash >> (64 - line->buckets_log2)) : 0;
}

/*
 * A squared distance in units.  Rounding happens in the addition of a number
 * so large that a double there has no fraction.  What is not 0 stays so.
 */
static inline int64_t
km_line_units(const KmLine *line, double dist2)
{
	const double magic = 0x1.8p52;

	if (line->even || line->fresh)
		return (int64_t) (line->fresh || dist2 > 0) << KM_LINE_BITS;
	return (int64_t) (km_bits_of(dist2 * line->factor + magic) - km_bits_of(magic)) |
		(dist2 > 0);
}

extern KmWide km_line_fold(double weight, int64_t units);

/* the mass of a row */
static inline KmWide
km_line_mass(const KmLine *line, const double *weight, int64_t units)
{
	double		w;

	if (weight == NULL)
		return (KmWide) units;
	w = *weight * line->weight_factor;
	if (w == (double) (int64_t) w)
		return (KmWide) (int64_t) w * (KmWide) units;
	return km_line_fold(w, units);
}

#endif							/* KM_LINE_H */
