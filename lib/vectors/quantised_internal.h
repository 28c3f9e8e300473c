/* What the quantised_….c files share: see quantised.h. */
#ifndef RSI_VECTORS_QUANTISED_INTERNAL_H
#define RSI_VECTORS_QUANTISED_INTERNAL_H

#include "vectors/code_scan.h"
#include "vectors/quantised.h"
#include "vectors/rotation.h"

#include <pthread.h>

typedef struct rsi_code_list {
    uint8_t *codes;   /* blocks × nibbles × 16 */
    float *factors;   /* blocks × 32; 0 where there is no row. With l2 for 2 q · r */
    float *addends;   /* likewise; NULL but with l2 */
    uint32_t *chunks; /* likewise */
    size_t count;
    size_t blocks; /* there is room for */
} rsi_code_list;

struct rsi_quantised {
    uint32_t dimension;
    rsi_metric metric;
    size_t nibbles; /* of a code: a multiple of 4 */
    rsi_rotation *rotation;
    float *origin;     /* with l2: what is taken from each vector; otherwise NULL */
    float *centroids;  /* lists × dimension, without the origin */
    float *rotated;    /* with l2: the centroids, rotated; otherwise NULL */
    float *half_norms; /* of the centroids: half of their squared lengths */
    uint32_t list_count;
    pthread_rwlock_t lock; /* guards the rest */
    rsi_code_list *lists;
    size_t count;
    int64_t covered; /* chunks below are coded, if they have a row */
};

/* Bring a row or a query to where the centroids are, in place. */
void rsi_quantised_move(const rsi_quantised *index, float *vector);

#endif
