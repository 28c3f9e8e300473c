/* Words seen before: see word_cache.h. */
#include "lexical/word_cache.h"

#include "base/memory.h"
#include "base/status.h"

#define SETS_MIN 32
#define SETS_MAX 16384 /* 1 MiB; beyond it the gain is small */

void rsi_word_cache_free(rsi_word_cache *cache)
{
    rsi_free(cache->block);
    cache->block = NULL;
    cache->sets = NULL;
    cache->count = 0;
}

size_t rsi_word_cache_memory(const rsi_word_cache *cache)
{
    return cache->count * sizeof *cache->sets;
}

void rsi_word_cache_clear(rsi_word_cache *cache)
{
    if (cache->count > 0)
        memset(cache->sets, 0, rsi_word_cache_memory(cache));
}

int rsi_word_cache_fit(rsi_word_cache *cache, size_t terms)
{
    if (terms < 4 * cache->count || cache->count >= SETS_MAX || terms < 2 * SETS_MIN)
        return RAGSTORE_OK;
    size_t count = SETS_MIN;
    while (2 * count < terms && count < SETS_MAX)
        count *= 2;
    rsi_word_cache grown = {.count = count, .seed = cache->seed};
    grown.shift = 64 - (unsigned)__builtin_ctzll(count);
    grown.sets = rsi_alloc_streamed(&grown.block, rsi_word_cache_memory(&grown));
    if (grown.sets == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rsi_word_cache_clear(&grown);
    for (size_t i = 0; i < RSI_CACHED_WAYS * cache->count; i++) {
        const rsi_cached_words *old = &cache->sets[i / RSI_CACHED_WAYS];
        const size_t way = i % RSI_CACHED_WAYS;
        if (old->keys[way].part[0] != 0)
            rsi_cache_word(rsi_word_cache_set(&grown, &old->keys[way]), &old->keys[way],
                           old->values[way]);
    }
    rsi_word_cache_free(cache);
    *cache = grown;
    return RAGSTORE_OK;
}
