/*
 * The best of a stream of estimates, in no order: what a scan over codes keeps.
 *
 * They are taken as they come until there are twice as many as are wanted; then the better half is
 * kept, and its least is what a further one must be over. Where that lies is found by Hoare's
 * selection, without a branch that a processor could guess wrong: estimates come in no order, and a
 * wrong guess takes as long as ten of them.
 *
 * Not locked: one search's own.
 */
#ifndef RSI_VECTORS_CANDIDATES_H
#define RSI_VECTORS_CANDIDATES_H

#include <stddef.h>
#include <stdint.h>

typedef struct rsi_candidate {
    float estimate; /* never NaN */
    float doubt;    /* how far the estimate may be off: factor × length */
    uint32_t chunk;
} rsi_candidate;

typedef struct rsi_candidates {
    rsi_candidate *items; /* room for twice the limit */
    float *numbers;       /* scratch: likewise, twice */
    size_t count;
    size_t limit;
    float least; /* what a further one must be over; -infinity at first */
} rsi_candidates;

int rsi_candidates_begin(rsi_candidates *best, size_t limit); /* `limit` is over 0 */
void rsi_candidates_end(rsi_candidates *best);                /* all zeros are fine */
/* Keep no more than the limit. */
void rsi_candidates_shrink(rsi_candidates *best);
/* Put the `first` best before the others; `first` is at most the count. */
void rsi_candidates_bring(rsi_candidates *best, size_t first);

static inline void rsi_candidates_offer(rsi_candidates *best, rsi_candidate one)
{
    best->items[best->count++] = one;
    if (best->count == 2 * best->limit)
        rsi_candidates_shrink(best);
}

/* The k-th largest of `count` numbers, k from 1 to the count, none of them NaN. Both arrays have
 * room for `count` and are left in disorder. */
float rsi_kth_largest(float *numbers, float *spare, size_t count, size_t k);

#endif
