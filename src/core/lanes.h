/*
 * lanes.h
 *		Four doubles at a time, in the compiler's own vectors: they need no
 *		particular instruction set, but a function compiled for AVX2 keeps them
 *		in registers.
 */
#ifndef KM_LANES_H
#define KM_LANES_H

#include <stdint.h>

#define KM_LANES 4

typedef double KmDoubles __attribute__((vector_size(KM_LANES * 8), aligned(8), may_alias));
typedef int64_t KmLongs __attribute__((vector_size(KM_LANES * 8), aligned(8), may_alias));

/* x - 0, not x + 0: the compiler knows that this is x */
#define KM_LANES_EVERY(x) ((x) - (KmDoubles) {0})

/* a where the mask is all ones, b where it is 0 */
#define KM_LANES_WHERE(mask, a, b) \
	((KmDoubles) (((mask) & (KmLongs) (a)) | (~(mask) & (KmLongs) (b))))

#define KM_LANES_MIN(a, b) KM_LANES_WHERE((KmLongs) ((a) < (b)), a, b)
#define KM_LANES_MAX(a, b) KM_LANES_WHERE((KmLongs) ((a) > (b)), a, b)

/* `width` values from x, a constant of 1 to KM_LANES, and zeros */
#define KM_LANES_LOAD(x, width) \
	((width) == KM_LANES ? *(const KmDoubles *) (x) : \
	 (KmDoubles) {(x)[0], (width) > 1 ? (x)[1] : 0, (width) > 2 ? (x)[2] : 0, 0})

#define KM_LANES_STORE(to, value, width) \
	do { \
		if ((width) == KM_LANES) \
			*(KmDoubles *) (to) = (value); \
		else \
			for (int lane = 0; lane < (width); lane++) \
				(to)[lane] = (value)[lane]; \
	} while (0)

/*
 * Do call(t, width) for each block of a row of d features, width being a
 * constant.
 */
#define KM_LANES_BLOCKS(d, call) \
	do { \
		int			at = 0; \
		\
		for (; at + KM_LANES <= (d); at += KM_LANES) \
			call(at, KM_LANES); \
		if ((d) - at == 1) \
			call(at, 1); \
		else if ((d) - at == 2) \
			call(at, 2); \
		else if ((d) - at == 3) \
			call(at, 3); \
	} while (0)

#endif							/* KM_LANES_H */
