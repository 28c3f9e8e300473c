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

static void sift_up(rsi_hit *hits, size_t i)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (!rsi_hit_before(hits[parent], hits[i]))
            break;
        rsi_hit swap = hits[parent];
        hits[parent] = hits[i];
        hits[i] = swap;
        i = parent;
    }
}

static void sift_down(rsi_hit *hits, size_t count, size_t i)
{
    for (;;) {
        size_t worst = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < count; child++)
            if (rsi_hit_before(hits[worst], hits[child]))
                worst = child;
        if (worst == i)
            return;
        rsi_hit swap = hits[worst];
        hits[worst] = hits[i];
        hits[i] = swap;
        i = worst;
    }
}

void rsi_top_offer(rsi_top *top, rsi_hit hit)
{
    if (isnan(hit.score) || top->limit == 0)
        return;
    if (top->count < top->limit) {
        top->hits[top->count] = hit;
        sift_up(top->hits, top->count++);
        return;
    }
    if (!rsi_hit_before(hit, top->hits[0]))
        return;
    top->hits[0] = hit;
    sift_down(top->hits, top->count, 0);
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
    rsi_hits_sort(top->hits, top->count);
}
