/* Bit set: see bitset.h. */
#include "base/bitset.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

void rsi_bitset_free(rsi_bitset *set)
{
    rsi_free(set->words);
    memset(set, 0, sizeof *set);
}

int rsi_bitset_add(rsi_bitset *set, int64_t member)
{
    if (member < 0)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "base", "negative number in a bit set");
    size_t word = (size_t)member / 64;
    size_t before = set->capacity;
    if (!rsi_grow((void **)&set->words, &set->capacity, word + 1, sizeof *set->words))
        return RAGSTORE_E_NO_MEMORY;
    if (set->capacity > before)
        memset(set->words + before, 0, (set->capacity - before) * sizeof *set->words);
    uint64_t bit = UINT64_C(1) << (member % 64);
    if ((set->words[word] & bit) == 0) {
        set->words[word] |= bit;
        set->count++;
    }
    return RAGSTORE_OK;
}

void rsi_bitset_remove(rsi_bitset *set, int64_t member)
{
    if (!rsi_bitset_has(set, member))
        return;
    set->words[(size_t)member / 64] &= ~(UINT64_C(1) << (member % 64));
    set->count--;
}

int rsi_bitset_copy(rsi_bitset *copy, const rsi_bitset *set)
{
    memset(copy, 0, sizeof *copy);
    if (set->capacity == 0)
        return RAGSTORE_OK;
    copy->words = rsi_alloc_array(set->capacity, sizeof *set->words);
    if (copy->words == NULL)
        return RAGSTORE_E_NO_MEMORY;
    memcpy(copy->words, set->words, set->capacity * sizeof *set->words);
    copy->capacity = set->capacity;
    copy->count = set->count;
    return RAGSTORE_OK;
}

void rsi_bitset_intersect(rsi_bitset *set, const rsi_bitset *other)
{
    set->count = 0;
    for (size_t i = 0; i < set->capacity; i++) {
        set->words[i] &= i < other->capacity ? other->words[i] : 0;
        set->count += (size_t)__builtin_popcountll(set->words[i]);
    }
}

int64_t rsi_bitset_next(const rsi_bitset *set, int64_t from)
{
    if (from < 0)
        from = 0;
    size_t word = (size_t)from / 64;
    if (word >= set->capacity)
        return -1;
    uint64_t bits = set->words[word] & (~UINT64_C(0) << (from % 64));
    while (bits == 0) {
        if (++word >= set->capacity)
            return -1;
        bits = set->words[word];
    }
    return (int64_t)(word * 64 + (size_t)__builtin_ctzll(bits));
}
