/* What the quantised_….c files share: see quantised.h. */
#ifndef RSI_VECTORS_QUANTISED_INTERNAL_H
#define RSI_VECTORS_QUANTISED_INTERNAL_H

#include "vectors/code_scan.h"
#include "vectors/quantised.h"
#include "vectors/rotation.h"

#include <pthread.h>

typedef struct rsi_code_list {
    uint8_t *codes;   /* blocks × nibbles × 16 */
    float *factors;   /* blocks × 32; 0 where there is no row */
    uint32_t *chunks; /* likewise */
    size_t count;
    size_t blocks; /* there is room for */
} rsi_code_list;

struct rsi_quantised {
    uint32_t dimension;
    size_t nibbles; /* of a code: a multiple of 4 */
    rsi_rotation *rotation;
    float *centroids;  /* lists × dimension */
    float *half_norms; /* of the centroids: half of their squared lengths */
    uint32_t list_count;
    pthread_rwlock_t lock; /* guards the rest */
    rsi_code_list *lists;
    size_t count;
    int64_t covered; /* chunks below are coded, if they have a row */
};

/* The code of a residual, a bit to a byte's place as code_scan.h has them: nibbles of one row, each
 * in a byte. Returns the row's factor. `residual` is rotated in place. */
float rsi_code_encode(uint8_t *nibbles, const rsi_quantised *index, float *residual);

#endif
