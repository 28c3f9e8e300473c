/*
 * Two rankings become one, in one of two ways.
 *
 * Sum: each leg's scores are mapped linearly to 0..1 between its smallest and largest hit, a chunk
 * that a leg did not find counts 0 there, and the two are added with equal weights (the "convex
 * combination" of Bruch, Gai and Ingber, 2023, with min-max normalisation). Over seven test
 * collections this beat the other way; `make bench-quality` measures it again.
 *
 * Ranks: a chunk gets 1 / (60 + its rank) from each leg that found it (reciprocal rank fusion,
 * Cormack, Clarke and Büttcher, 2009).
 */
#ifndef RSI_SEARCH_FUSION_H
#define RSI_SEARCH_FUSION_H

#include "base/hits.h"

#define RSI_FUSION_DEPTH 1000 /* hits of each leg */
#define RSI_FUSION_RANK 60.0f

typedef enum rsi_fusion { RSI_FUSE_SUM, RSI_FUSE_RANKS } rsi_fusion;

typedef struct rsi_fused {
    int64_t chunk;
    float rank_score;    /* what hits are ordered by */
    float vector_score;  /* NaN: not in that leg's hits */
    float keyword_score; /* NaN likewise */
} rsi_fused;

/*
 * Fuse; `out` has room for vectors_count + keywords_count. Both lists are best first. Returns how
 * many distinct chunks there are, best first.
 */
size_t rsi_fuse(rsi_fused *out, rsi_fusion way, const rsi_hit *vectors,
                size_t vectors_count, const rsi_hit *keywords, size_t keywords_count);

#endif
