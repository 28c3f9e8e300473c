/*
 * Ranked chunk numbers: what keyword and vector search give and fusion takes.
 *
 * A rsi_top keeps the best k of a stream without sorting it whole: a binary heap
 * whose root is the worst hit kept. Ties go to the smaller chunk number, so that
 * the same data always gives the same order.
 */
#ifndef RSI_BASE_HITS_H
#define RSI_BASE_HITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rsi_hit {
    int64_t chunk; /* chunk number within its entity */
    float score;   /* higher is better */
} rsi_hit;

typedef struct rsi_top {
    rsi_hit *hits; /* borrowed from the caller: room for `limit` */
    size_t count;
    size_t limit;
} rsi_top;

/* True when a ranks before b. */
static inline bool rsi_hit_before(rsi_hit a, rsi_hit b)
{
    return a.score > b.score || (a.score == b.score && a.chunk < b.chunk);
}

void rsi_top_init(rsi_top *top, rsi_hit *room, size_t limit);
bool rsi_top_take(rsi_top *top, rsi_hit hit); /* one that enters, or NaN */

/* Keep a hit if it is among the best so far, and tell. NaN scores are ignored. */
static inline bool rsi_top_offer(rsi_top *top, rsi_hit hit)
{
    if (top->count == top->limit && (top->limit == 0 || !rsi_hit_before(hit, top->hits[0])))
        return false;
    return rsi_top_take(top, hit);
}

/* The score that a further hit must beat; -infinity while there is room. */
float rsi_top_threshold(const rsi_top *top);
void rsi_top_sort(rsi_top *top); /* best first; ends the offering */
void rsi_hits_sort(rsi_hit *hits, size_t count); /* best first */

#endif
