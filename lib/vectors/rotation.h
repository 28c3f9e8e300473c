/*
 * A random rotation, the same for everyone: a product of sign changes and Hadamard transforms.
 *
 *   numbers   ████████████████        p = the largest power of two that fits
 *   round 0   └── signs, H_p ──┘      of the first p
 *   round 1       └── signs, H_p ──┘  of the last p
 *   rounds 2, 3   as 0 and 1
 *
 * It spreads what a vector has over all its numbers, so that their signs alone say much about it
 * (codes.h). A step is orthogonal, so lengths and inner products stay; a rotation costs
 * O(dimension log dimension). The signs come from a fixed seed: codes that were written down can be
 * used by every version.
 */
#ifndef RSI_VECTORS_ROTATION_H
#define RSI_VECTORS_ROTATION_H

#include <stddef.h>

typedef struct rsi_rotation rsi_rotation;

int rsi_rotation_new(rsi_rotation **out, size_t dimension);
void rsi_rotation_free(rsi_rotation *rotation); /* NULL is fine */
/* In place. Any thread. */
void rsi_rotation_apply(const rsi_rotation *rotation, float *vector);

#endif
