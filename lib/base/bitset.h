/*
 * A growing set of small non-negative numbers: which chunks are alive, which pass a filter.
 * Not locked: the owner's lock rules.
 */
#ifndef RSI_BASE_BITSET_H
#define RSI_BASE_BITSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rsi_bitset {
    uint64_t *words;
    size_t capacity; /* words there is room for */
    size_t count;    /* members */
} rsi_bitset;

void rsi_bitset_free(rsi_bitset *set);               /* leaves it empty and usable */
int rsi_bitset_add(rsi_bitset *set, int64_t member); /* INVALID_ARGUMENT when negative */
void rsi_bitset_remove(rsi_bitset *set, int64_t member);
int rsi_bitset_copy(rsi_bitset *copy, const rsi_bitset *set); /* copy is overwritten, not freed */
void rsi_bitset_intersect(rsi_bitset *set, const rsi_bitset *other);

static inline bool rsi_bitset_has(const rsi_bitset *set, int64_t member)
{
    size_t word = (size_t)member / 64;
    return member >= 0 && word < set->capacity && (set->words[word] >> (member % 64) & 1) != 0;
}

/* The smallest member >= from, or -1. */
int64_t rsi_bitset_next(const rsi_bitset *set, int64_t from);

#endif
