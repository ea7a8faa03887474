/*
 * simd.h
 *		Which instruction sets there are, and which one to use.
 */
#ifndef KM_SIMD_H
#define KM_SIMD_H

#include "core/core.h"

/* can this CPU run it, and does this build have it? */
extern bool km_simd_available(KmSimd simd);

/* what the team wants; the widest available one for KM_SIMD_AUTO */
extern KmSimd km_simd_of(const KmTeam *team);

#endif							/* KM_SIMD_H */
