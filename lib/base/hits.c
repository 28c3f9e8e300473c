/* Ranked chunk numbers: see hits.h. */
#include "base/hits.h"

#include <math.h>
#include <stdlib.h>

void rsi_top_init(rsi_top *top, rsi_hit *room, size_t limit)
{
    top->hits = room;
    top->count = 0;
    top->limit = limit;
}

/* Put a hit into the heap at i or above, in the place of hits that rank before it. */
static void sift_up(rsi_hit *hits, size_t i, rsi_hit hit)
{
    while (i > 0) {
        const size_t parent = (i - 1) / 2;
        if (!rsi_hit_before(hits[parent], hit))
            break;
        hits[i] = hits[parent];
        i = parent;
    }
    hits[i] = hit;
}

/* Put a hit into the heap at the root or below, in the place of hits that rank behind it. */
static void sift_down(rsi_hit *hits, size_t count, rsi_hit hit)
{
    size_t i = 0;
    for (size_t child = 1; child < count; child = 2 * i + 1) {
        if (child + 1 < count && rsi_hit_before(hits[child], hits[child + 1]))
            child++;
        if (!rsi_hit_before(hit, hits[child]))
            break;
        hits[i] = hits[child];
        i = child;
    }
    hits[i] = hit;
}

bool rsi_top_take(rsi_top *top, rsi_hit hit)
{
    if (isnan(hit.score))
        return false;
    if (top->count < top->limit) {
        sift_up(top->hits, top->count, hit);
        top->count++;
    } else {
        sift_down(top->hits, top->count, hit);
    }
    return true;
}

float rsi_top_threshold(const rsi_top *top)
{
    return top->count < top->limit ? -INFINITY : top->hits[0].score;
}

static int compare_hits(const void *a, const void *b)
{
    const rsi_hit *left = a;
    const rsi_hit *right = b;
    if (rsi_hit_before(*left, *right))
        return -1;
    return rsi_hit_before(*right, *left) ? 1 : 0;
}

void rsi_hits_sort(rsi_hit *hits, size_t count)
{
    if (count > 1)
        qsort(hits, count, sizeof *hits, compare_hits);
}

void rsi_top_sort(rsi_top *top)
{
    rsi_hit *hits = top->hits;
    for (size_t left = top->count; left > 1;) { /* the worst of those that are left goes last */
        const rsi_hit last = hits[--left];
        hits[left] = hits[0];
        sift_down(hits, left, last);
    }
}
