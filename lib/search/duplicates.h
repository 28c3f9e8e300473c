/*
 * Which chunks say the same as one that is in the result already, so that others come in their
 * place.
 *
 *   text ─► folded words ─► hashes of every 3 words in a row ─► the 128 smallest, and one hash of
 *                                                               the words with digits
 *
 * Two texts are the same when at least 9 in 10 of those hashes agree, by the estimate of Broder
 * (1997) from the smallest of both, and their numbers are equal: a contract of another year, or an
 * invoice of another amount, is never left out.
 *
 * Most texts need no sketch: where the digits differ, so do the numbers, and digits are found
 * without looking for words.
 */
#ifndef RSI_SEARCH_DUPLICATES_H
#define RSI_SEARCH_DUPLICATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSI_SKETCH_HASHES 128

typedef struct rsi_sketch {
    uint64_t hashes[RSI_SKETCH_HASHES]; /* ascending, different */
    size_t count;
    uint64_t numbers;
} rsi_sketch;

/* The digits of a text, in their order, as one number. Texts where it differs have other numbers;
 * 0 is like all: there may be digits in it that only folding shows. */
uint64_t rsi_digits_of(const char *text, size_t size);

static inline bool rsi_digits_may_agree(uint64_t a, uint64_t b)
{
    return a == b || a == 0 || b == 0;
}

void rsi_sketch_make(rsi_sketch *sketch, const char *text);
bool rsi_sketch_is_like(const rsi_sketch *a, const rsi_sketch *b);

#endif
