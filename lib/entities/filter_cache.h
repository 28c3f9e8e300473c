/*
 * Which chunks of an entity passed the filters that were asked lately. People ask with the same few
 * filters again and again, and looking at the metadata of each chunk is dear.
 *
 *   filter                        passed          until
 *   {"year":{"$gte":2020}}        0 1 4 9         12     chunks from 12 on have not been looked at
 *
 * Chunk numbers are never used again, so that a deleted chunk does no harm: who asks keeps those that are
 * alive. Documents that come are looked at when the filter is asked again. What was found is forgotten
 * when the metadata of a document change that was looked at, or one comes between others.
 *
 * Has a mutex of its own, under which nothing else is called. Who puts something in holds the lock of
 * the catalog, shared, since before the chunks were looked at; who makes it forget holds it exclusively.
 */
#ifndef RSI_ENTITIES_FILTER_CACHE_H
#define RSI_ENTITIES_FILTER_CACHE_H

#include "base/bitset.h"

#include <pthread.h>

#define RSI_FILTERS_KEPT 16
#define RSI_FILTER_TEXT_MAX 4096 /* bytes of a filter that is kept */

typedef struct rsi_kept_filter {
    char *text; /* NULL: free */
    rsi_bitset passed;
    int64_t until;
    uint64_t last_use;
} rsi_kept_filter;

typedef struct rsi_filter_cache {
    pthread_mutex_t mutex;
    rsi_kept_filter kept[RSI_FILTERS_KEPT];
    uint64_t uses;
} rsi_filter_cache;

void rsi_filter_cache_init(rsi_filter_cache *cache);
void rsi_filter_cache_free(rsi_filter_cache *cache);
/* Forget the filters that looked at this chunk or one behind it: with 0, all. */
void rsi_filter_cache_forget(rsi_filter_cache *cache, int64_t chunk);
size_t rsi_filter_cache_memory(rsi_filter_cache *cache);

/* Copy what is known of a filter into `passed`, which is overwritten; of one that is not there that is
 * nothing, and *until 0. */
int rsi_filter_cache_get(rsi_bitset *passed, int64_t *until, rsi_filter_cache *cache,
                         const char *text);
/* Keep a copy of what is known now, in the place of the one that was not used for longest. */
int rsi_filter_cache_put(rsi_filter_cache *cache, const char *text, const rsi_bitset *passed,
                         int64_t until);

#endif
