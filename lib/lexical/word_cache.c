/* Words seen before: see word_cache.h. */
#include "lexical/word_cache.h"

#include "base/memory.h"
#include "base/status.h"

#define ENTRIES_MAX 32768 /* 1 MiB; beyond it the gain is small */

void rsi_word_cache_free(rsi_word_cache *cache)
{
    rsi_free(cache->entries);
    cache->entries = NULL;
    cache->size = 0;
}

void rsi_word_cache_clear(rsi_word_cache *cache)
{
    if (cache->size > 0)
        memset(cache->entries, 0, cache->size * sizeof *cache->entries);
}

int rsi_word_cache_fit(rsi_word_cache *cache, size_t terms)
{
    if (terms < 2 * cache->size || cache->size >= ENTRIES_MAX || terms < 64)
        return RAGSTORE_OK;
    size_t size = cache->size == 0 ? 64 : cache->size;
    while (size < terms && size < ENTRIES_MAX)
        size *= 2;
    rsi_word_cache grown = {rsi_alloc_array(size, sizeof *cache->entries), size, cache->seed};
    if (grown.entries == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; i < cache->size; i++) {
        const rsi_cached_word *old = &cache->entries[i];
        if (old->size > 0)
            *rsi_word_cache_place(&grown, old->word, old->size) = *old;
    }
    rsi_word_cache_free(cache);
    *cache = grown;
    return RAGSTORE_OK;
}
