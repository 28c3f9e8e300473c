/*
 * What a word of a text came to the last time: most words of a text have been seen before, and
 * need no folding and stemming then.
 *
 *   set     [ word 0 | word 1 | value 0 | value 1 | which was asked for last ]    64 bytes
 *
 * Each word has one set, in which a new one takes the place of that which was not asked for last.
 * Holds words as they are spelled, of up to RSI_CACHED_WORD_MAX bytes without NUL, that came to
 * exactly one term, and a number for each. Not locked: the index's rules.
 */
#ifndef RSI_LEXICAL_WORD_CACHE_H
#define RSI_LEXICAL_WORD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RSI_CACHED_WORD_MAX 24
#define RSI_CACHED_WAYS 2
#define RSI_NOT_CACHED UINT32_MAX

/* A word with zeros behind it. */
typedef struct rsi_word_key {
    uint64_t part[RSI_CACHED_WORD_MAX / 8];
} rsi_word_key;

typedef struct rsi_cached_words {
    rsi_word_key keys[RSI_CACHED_WAYS]; /* zeros: none */
    uint32_t values[RSI_CACHED_WAYS];
    uint32_t last;
    uint32_t padding;
} rsi_cached_words;

_Static_assert(sizeof(rsi_cached_words) == 64, "a line of the processor's cache");

typedef struct rsi_word_cache {
    rsi_cached_words *sets;
    void *block; /* that they lie in */
    size_t count; /* a power of two, or 0: nothing is kept */
    unsigned shift; /* of a hash, to the number of a set */
    uint64_t seed;
} rsi_word_cache;

void rsi_word_cache_free(rsi_word_cache *cache); /* zero-initialised is fine */
/* Forget everything; keeps the memory. */
void rsi_word_cache_clear(rsi_word_cache *cache);
/* Keep the size in step with a dictionary of so many terms. */
int rsi_word_cache_fit(rsi_word_cache *cache, size_t terms);
size_t rsi_word_cache_memory(const rsi_word_cache *cache);

/* size: 1 to RSI_CACHED_WORD_MAX; `left` bytes may be read from `word` on. */
static inline rsi_word_key rsi_word_key_of(const char *word, size_t size, size_t left)
{
    static const unsigned char kept[2 * RSI_CACHED_WORD_MAX] = {
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    };
    rsi_word_key key = {{0}};
    if (left < sizeof key) {
        memcpy(&key, word, size);
        return key;
    }
    rsi_word_key mask;
    memcpy(&key, word, sizeof key);
    memcpy(&mask, kept + RSI_CACHED_WORD_MAX - size, sizeof mask);
    for (size_t i = 0; i < sizeof key.part / sizeof key.part[0]; i++)
        key.part[i] &= mask.part[i];
    return key;
}

/* Where the word would be kept. count > 0. */
static inline rsi_cached_words *rsi_word_cache_set(const rsi_word_cache *cache,
                                                   const rsi_word_key *key)
{
    const uint64_t hash = (key->part[0] ^ cache->seed) * UINT64_C(0x9E3779B97F4A7C15) +
                          key->part[1] * UINT64_C(0xD6E8FEB86659FD93) +
                          key->part[2] * UINT64_C(0xA0761D6478BD642F);
    return &cache->sets[hash >> cache->shift];
}

static inline bool rsi_word_key_equal(const rsi_word_key *a, const rsi_word_key *b)
{
    return ((a->part[0] ^ b->part[0]) | (a->part[1] ^ b->part[1]) | (a->part[2] ^ b->part[2])) == 0;
}

/* What is kept for a word; RSI_NOT_CACHED when there is nothing. */
static inline uint32_t rsi_cached_value(rsi_cached_words *set, const rsi_word_key *key)
{
    const bool second = rsi_word_key_equal(&set->keys[1], key);
    if (!second && !rsi_word_key_equal(&set->keys[0], key))
        return RSI_NOT_CACHED;
    set->last = second;
    return set->values[second];
}

/* Keep a word in its set. */
static inline void rsi_cache_word(rsi_cached_words *set, const rsi_word_key *key, uint32_t value)
{
    if (rsi_cached_value(set, key) != RSI_NOT_CACHED)
        return;
    const uint32_t way = set->keys[0].part[0] == 0 ? 0 : 1 - set->last;
    set->keys[way] = *key;
    set->values[way] = value;
}

#endif
