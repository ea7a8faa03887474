/*
 * definition_body.h
 *		The inner loops of the definition, for one instruction set.
 *
 * Included by definition.c once per instruction set, with
 *
 *		BODY_NAME(name)		the function's name for this instruction set
 *		BODY_TARGET			the function attribute that selects it, or nothing
 *		BODY_WIDTH			bytes of its vectors
 *
 * A lane is a row.  A step takes one vector of rows and a group of 8 or 4
 * centroids: per feature one load of the rows, and per centroid a broadcast, a
 * subtraction, a multiplication and an addition.  The group's independent sums
 * hide the latency of the additions.  No sum is ever split or reordered, so
 * that every lane computes km_kernel_dist2() to the bit, on every instruction
 * set.
 *
 * The vectors are those of GCC and Clang, which need no particular
 * optimisation level and no intrinsics.  The sums are separate variables, and
 * not an array, because below -O3 an array would stay in memory.
 */

typedef double BODY_NAME(Doubles) __attribute__((vector_size(BODY_WIDTH), aligned(8), may_alias));
typedef int64_t BODY_NAME(Longs) __attribute__((vector_size(BODY_WIDTH), aligned(8), may_alias));

#define BODY_LANES (BODY_WIDTH / 8)

#define BODY_EACH_4(step) step(0) step(1) step(2) step(3)
#define BODY_EACH_8(step) BODY_EACH_4(step) step(4) step(5) step(6) step(7)

#define BODY_DECLARE(c) \
	BODY_NAME(Doubles) sum##c = {0};

#define BODY_ADD(c) \
	diff = z - centroid[c]; \
	sum##c += diff * diff;

/* all ones where nearer; strictly, so that the lowest index stays */
#define BODY_COMPARE(c) \
	nearer = (BODY_NAME(Longs)) (sum##c < least); \
	least = (BODY_NAME(Doubles)) ((nearer & (BODY_NAME(Longs)) sum##c) | \
								  (~nearer & (BODY_NAME(Longs)) least)); \
	index = (nearer & (first + c)) | (~nearer & index);

#define BODY_STORE(c) \
	*(BODY_NAME(Doubles) *) (out + c * KM_TILE + lane) = sum##c;

#define BODY_SUMS(each) \
	for (int t = 0; t < d; t++) \
	{ \
		const BODY_NAME(Doubles) z = \
			*(const BODY_NAME(Doubles) *) (tile + (size_t) t * lanes + lane); \
		const double *centroid = packed + (size_t) t * (0 each(BODY_COUNT)); \
		BODY_NAME(Doubles) diff; \
		\
		each(BODY_ADD) \
	}

#define BODY_COUNT(c) + 1

/* the nearest of a group's centroids and those before it */
#define BODY_NEAREST(name, each) \
BODY_TARGET static void \
BODY_NAME(name) (const double *tile, int lanes, int used, int d, \
				 const double *packed, int64_t first, \
				 double *best, int64_t *label) \
{ \
	for (int lane = 0; lane < used; lane += BODY_LANES) \
	{ \
		BODY_NAME(Doubles) least = *(BODY_NAME(Doubles) *) (best + lane); \
		BODY_NAME(Longs) index = *(BODY_NAME(Longs) *) (label + lane); \
		BODY_NAME(Longs) nearer; \
		each(BODY_DECLARE) \
		\
		BODY_SUMS(each) \
		each(BODY_COMPARE) \
		*(BODY_NAME(Doubles) *) (best + lane) = least; \
		*(BODY_NAME(Longs) *) (label + lane) = index; \
	} \
}

/* the squared distances to a group's centroids: out[c * KM_TILE + lane] */
#define BODY_ALL(name, each) \
BODY_TARGET static void \
BODY_NAME(name) (const double *tile, int lanes, int used, int d, \
				 const double *packed, double *out) \
{ \
	for (int lane = 0; lane < used; lane += BODY_LANES) \
	{ \
		each(BODY_DECLARE) \
		\
		BODY_SUMS(each) \
		each(BODY_STORE) \
	} \
}

BODY_NEAREST(definition_nearest8, BODY_EACH_8)
BODY_NEAREST(definition_nearest4, BODY_EACH_4)
BODY_ALL(definition_all8, BODY_EACH_8)
BODY_ALL(definition_all4, BODY_EACH_4)

static const DefinitionBody BODY_NAME(definition_body) =
{
	BODY_NAME(definition_nearest8), BODY_NAME(definition_nearest4),
	BODY_NAME(definition_all8), BODY_NAME(definition_all4)
};

#undef BODY_ALL
#undef BODY_NEAREST
#undef BODY_COUNT
#undef BODY_SUMS
#undef BODY_STORE
#undef BODY_COMPARE
#undef BODY_ADD
#undef BODY_DECLARE
#undef BODY_EACH_8
#undef BODY_EACH_4
#undef BODY_LANES
#undef BODY_NAME
#undef BODY_TARGET
#undef BODY_WIDTH
