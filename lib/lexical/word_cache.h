/*
 * What a word of a text came to the last time: most words of a text have been seen before, and
 * need no folding and stemming then.
 *
 * Direct-mapped: each word has one place, and the last word there wins. Holds words as they are
 * spelled, of up to RSI_CACHED_WORD_MAX bytes, that came to exactly one term. Not locked: the
 * index's rules.
 */
#ifndef RSI_LEXICAL_WORD_CACHE_H
#define RSI_LEXICAL_WORD_CACHE_H

#include "lexical/dictionary.h"
#include "lexical/text_hash.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RSI_CACHED_WORD_MAX 27 /* makes an entry 32 bytes */

typedef struct rsi_cached_word {
    uint32_t term;
    uint8_t size; /* 0: empty */
    char word[RSI_CACHED_WORD_MAX];
} rsi_cached_word;

typedef struct rsi_word_cache {
    rsi_cached_word *entries;
    size_t size; /* a power of two, or 0: nothing is kept */
    uint64_t seed;
} rsi_word_cache;

void rsi_word_cache_free(rsi_word_cache *cache); /* zero-initialised is fine */
/* Forget everything; keeps the memory. */
void rsi_word_cache_clear(rsi_word_cache *cache);
/* Keep the size in step with a dictionary of so many terms. */
int rsi_word_cache_fit(rsi_word_cache *cache, size_t terms);

/* Where the word would be kept; NULL when it is not to be kept at all. */
static inline rsi_cached_word *rsi_word_cache_place(const rsi_word_cache *cache, const char *word,
                                                    size_t size)
{
    if (cache->size == 0 || size > RSI_CACHED_WORD_MAX)
        return NULL;
    return &cache->entries[rsi_text_hash(cache->seed, word, size) & (cache->size - 1)];
}

/* The term of a word, looked up in its place; RSI_NO_TERM when it is not there. */
static inline uint32_t rsi_cached_term(const rsi_cached_word *place, const char *word, size_t size)
{
    if (place == NULL || place->size != size || memcmp(place->word, word, size) != 0)
        return RSI_NO_TERM;
    return place->term;
}

/* Keep a word in its place. */
static inline void rsi_cache_word(rsi_cached_word *place, const char *word, size_t size,
                                  uint32_t term)
{
    if (place == NULL)
        return;
    place->term = term;
    place->size = (uint8_t)size;
    memcpy(place->word, word, size);
}

#endif
