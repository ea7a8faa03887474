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

/* up to so many features are few: then more rows may go at once */
#define KM_SCORE_FEW 8
#define KM_SCORE_FEW_ROWS 1024

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

/* do KM_SCORE_FEW_ROWS rows go at once? */
extern bool km_score_takes_many(const KmScore *score);

/*
 * The k centroids to compare with, k x d, less a centre (d values), times a
 * power of two.  False if they are of
 * no size that this precision can handle.
 */
extern bool km_score_set(KmScore *score, const double *centroids, int k,
						 const double *centre, double unit);

/*
 * Rows in the space, as doubles or floats (row-major), by their places there, or,
 * which is quicker, one after the other.
 */
typedef struct KmScoreRows
{
	const double *doubles;
	const float *floats;		/* instead, if not NULL */
	const int32_t *pick;		/* NULL: 0, 1, 2, ... */
} KmScoreRows;

static inline int32_t
km_score_place(const KmScoreRows *rows, int i)
{
	return rows->pick != NULL ? rows->pick[i] : i;
}

/* the same from row i on */
static inline KmScoreRows
km_score_from(const KmScoreRows *rows, int i, size_t d)
{
	KmScoreRows from = *rows;

	if (from.pick != NULL)
		from.pick += i;
	else if (from.floats != NULL)
		from.floats += i * d;
	else
		from.doubles += i * d;
	return from;
}

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
 * n <= lanes (or KM_SCORE_FEW_ROWS) rows: label[i], and gap[i]
 * times the unit.  Returns whether all gaps are positive.  ahead may be NULL.
 */
extern bool km_score_rows(KmScore *score, const KmScoreRows *rows, int n,
						  uint16_t *label, float *gap, KmScoreAhead *ahead);

#endif							/* KM_SCORE_H */
