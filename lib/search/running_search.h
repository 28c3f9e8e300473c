/* A search while it runs: shared by the files that rank and those that collect. */
#ifndef RSI_SEARCH_RUNNING_SEARCH_H
#define RSI_SEARCH_RUNNING_SEARCH_H

#include "search/fusion.h"
#include "search/phrases.h"
#include "search/search.h"

/* One search while it runs. */
typedef struct rsi_running_search {
    rsi_store *store;
    const rsi_search_query *query;
    rsi_query_syntax syntax;
    rsi_slice text; /* of the query, without its marks */
    rsi_phrases phrases;
    rsi_catalog *catalog;
    rsi_bitset allowed;
    float *vector; /* of the query; NULL: no vector leg */
    size_t dimension;
    uint32_t mode;
    rsi_hit *vector_hits;
    size_t vector_count;
    rsi_hit *keyword_hits;
    size_t keyword_count;
    float ideal; /* what no chunk's keyword score can reach */
    rsi_fused *fused;
    size_t fused_count;
} rsi_running_search;

/* Rank the chunks of `allowed` into `fused`, in place of what was there: each leg's best
 * `depth`. */
int rsi_search_rank_locked(rsi_running_search *s, size_t depth);
/* Rank, and turn the best chunks into found ones with texts and scores. Both under the catalog's
 * lock; `allowed` is used up. */
int rsi_search_collect_locked(rsi_result *result, rsi_running_search *s);

#endif
