/*
 * score.h
 *		The quick search for the nearest centroid: fused multiply-adds in one
 *		precision, with a proof for each row that it is right, or none.
 *
 * A KmScore looks for the nearest centroid of up to KM_SCORE_ROWS rows.  For
 * each it returns a label and a gap.  A positive gap is a promise: the label
 * is the one of the definition in kernel.h, and every other centroid is
 * farther by the gap at least, in true distances (see score.c).  Else nothing
 * is said about the row, and somebody more exact has to decide it.
 */
#ifndef KM_SCORE_H
#define KM_SCORE_H

#include "core/core.h"

#define KM_SCORE_ROWS 64

typedef enum KmScorePrecision
{
	KM_SCORE_FLOAT,
	KM_SCORE_DOUBLE,
	KM_SCORE_PRECISIONS
} KmScorePrecision;

typedef struct KmScore KmScore;

/* lanes: rows of a full tile, a multiple of 16, at most KM_SCORE_ROWS */
extern KmScore *km_score_create(KmTeam *team, KmScorePrecision precision, int d,
								int max_k, int lanes);
extern void km_score_free(KmScore *score);

/*
 * The k centroids to compare with, k x d, less a centre (d values), times a
 * power of two.  False if they are of
 * no size that this precision can handle.
 */
extern bool km_score_set(KmScore *score, const double *centroids, int k,
						 const double *centre, double unit);

/* rows in the space, as doubles or floats (row-major), by their places there */
typedef struct KmScoreRows
{
	const double *doubles;
	const float *floats;		/* instead, if not NULL */
	const int32_t *pick;
} KmScoreRows;

/*
 * Rows that come later, so that memory is read while others are scored:
 * km_score_rows() asks for them bit by bit.
 */
typedef struct KmScoreAhead
{
	KmScoreRows rows;
	int			n;
	int			asked;			/* of these, those that have been asked for */
} KmScoreAhead;

/* ask for so many more of them, if there are */
extern void km_score_ask(KmScoreAhead *ahead, int rows, int d);

/*
 * n <= lanes rows: label[i], and gap[i] times the unit; both have room for
 * KM_SCORE_ROWS.
 * Returns whether all gaps are positive.
 */
extern bool km_score_rows(KmScore *score, const KmScoreRows *rows, int n,
						  int32_t *label, float *gap, KmScoreAhead *ahead);

#endif							/* KM_SCORE_H */
