/*
 * octets.h
 *		Rows in whole numbers of 8 bits.
 *
 * With x = (row - centre) * unit, a row becomes
 *
 *		x = p g + r		p whole numbers up to KM_OCTETS_LARGEST, g a float
 *
 * The numbers p + 128 of up to 64 rows lie in a tile, four features of a row in
 * one lane of 32 bits:
 *
 *		tile[(t / 4) * lanes + i]	features t .. t + 3 of row i
 *
 * where features beyond the last have p = 0.  It needs AVX-512; on other
 * processors there are no such functions.
 */
#ifndef KM_OCTETS_H
#define KM_OCTETS_H

#include "core/score.h"

#define KM_OCTETS_LARGEST	127
#define KM_OCTETS_LANES		16	/* rows in a vector of the tile, or floats */
#define KM_OCTETS_PADDED	64	/* rows of floats are padded to such multiples */

typedef struct KmOctets
{
	KmTeam	   *team;
	int			d;
	int			quads;			/* d / 4, rounded up */
	int			padded;			/* d, up to a multiple of KM_OCTETS_PADDED */
	int			lanes;			/* of a full tile */
	double		unit;
	double	   *middle;			/* d: the centre times unit, */
	float	   *narrow;			/* and the same as floats, */
	bool		is_narrow;		/* if it is the same */
	void	   *room;			/* where these were allocated, aligned to cache lines: */
	int32_t    *tile;			/* quads x lanes */
	float	   *row;			/* padded: x of one row, then zeros */
	int8_t	   *bytes;			/* KM_OCTETS_LANES x padded: p + 128 of some rows */

	/* per lane; lengths are taken up by more than their rounding */
	float		norm2[KM_SCORE_ROWS];	/* |x|^2 as summed, which rounds to d /
										 * KM_OCTETS_LANES + 8 times */
	float		step[KM_SCORE_ROWS];	/* g */
	float		length[KM_SCORE_ROWS];	/* |x| + |r| */
	float		rest[KM_SCORE_ROWS];	/* |r| */
} KmOctets;

extern KmOctets *km_octets_create(KmTeam *team, int d, int lanes);
extern void km_octets_free(KmOctets *octets);

/* the next multiple of a cache line, of which there must be one more than is used */
static inline char *
km_octets_align(void *room)
{
	return (char *) room + 64 - (uintptr_t) room % 64;
}

/*
 * Set unit and centre.  Where that hardly moves it, the centre becomes one of
 * floats, since rows of floats can then do without doubles.
 */
extern void km_octets_set(KmOctets *octets, const double *centre, double unit);

/* n <= lanes rows into the tile; returns the lanes in use, a multiple of KM_OCTETS_LANES */
extern int	km_octets_fill(KmOctets *octets, const KmScoreRows *rows, int n);

/* row i, centred, into octets->row; returns |x|^2 and the largest magnitude */
extern float km_octets_row(const KmOctets *octets, const KmScoreRows *rows, int i,
						   float *largest);

#endif							/* KM_OCTETS_H */
