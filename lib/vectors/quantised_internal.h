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
    uint8_t *coded;    /* the centroids in blocks of bytes (byte_scan.h); NULL: not worth it */
    uint32_t list_count;
    pthread_rwlock_t lock; /* guards the rest */
    rsi_code_list *lists;
    size_t count;
    int64_t covered; /* chunks below are coded, if they have a row */
};

/* ---- quantised_rank.c ---- */

/* What `coded` is made of stands in the index. */
int rsi_quantised_code_centroids(rsi_quantised *index);

typedef struct rsi_ranked_list {
    float base; /* what the centroid itself would score */
    float rank;
    uint32_t number;
} rsi_ranked_list;

typedef struct rsi_list_ranking {
    const rsi_quantised *index;
    const float *moved;      /* the query, where the centroids are: borrowed */
    rsi_ranked_list *chosen; /* room for all lists, as have those below */
    size_t passed;           /* lists that were given out */
    float *ranks;            /* of all lists, about; -infinity of those that were given out */
    float *numbers;          /* scratch: room for twice as many */
    const float **rows;      /* scratch */
} rsi_list_ranking;

int rsi_list_ranking_begin(rsi_list_ranking *of, const rsi_quantised *index, const float *moved);
void rsi_list_ranking_end(rsi_list_ranking *of); /* all zeros are fine */
/* The next lists, at most `want`, into `chosen`: the best of those that are left, best first. How many
 * they are. */
size_t rsi_list_ranking_next(rsi_list_ranking *of, size_t want);

/* ---- quantised.c ---- */

/* Bring a row or a query to where the centroids are, in place. */
void rsi_quantised_move(const rsi_quantised *index, float *vector);

#endif
