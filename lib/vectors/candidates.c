/* The best of a stream of estimates: see candidates.h. */
#include "vectors/candidates.h"

#include "base/memory.h"
#include "base/status.h"

#include <math.h>

int rsi_candidates_begin(rsi_candidates *best, size_t limit)
{
    *best = (rsi_candidates){.limit = limit, .least = -INFINITY};
    if (limit > SIZE_MAX / 4)
        return rsi_fail_no_memory();
    best->items = rsi_alloc_array(2 * limit, sizeof *best->items);
    best->numbers = rsi_alloc_array(4 * limit, sizeof *best->numbers);
    return best->items == NULL || best->numbers == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

void rsi_candidates_end(rsi_candidates *best)
{
    rsi_free(best->items);
    rsi_free(best->numbers);
}

/* ---- selection ---- */

static float middle_of_three(float a, float b, float c)
{
    const float low = a < b ? a : b;
    const float high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* Numbers over the pivot go to `over`, the others to the front: how many are over it. */
static size_t part_over(float *numbers, float *over, size_t count, float pivot)
{
    size_t more = 0;
    size_t rest = 0;
    for (size_t i = 0; i < count; i++) {
        const float number = numbers[i];
        over[more] = number;
        numbers[rest] = number;
        more += number > pivot;
        rest += !(number > pivot);
    }
    return more;
}

/* Those under the pivot go to the front: how many they are. */
static size_t part_under(float *numbers, size_t count, float pivot)
{
    size_t under = 0;
    for (size_t i = 0; i < count; i++) {
        const float number = numbers[i];
        numbers[under] = number;
        under += number < pivot;
    }
    return under;
}

float rsi_kth_largest(float *numbers, float *spare, size_t count, size_t k)
{
    for (;;) {
        const float pivot =
            middle_of_three(numbers[0], numbers[count / 2], numbers[count - 1]);
        const size_t over = part_over(numbers, spare, count, pivot);
        if (k <= over) {
            float *swap = numbers;
            numbers = spare;
            spare = swap;
            count = over;
            continue;
        }
        k -= over;
        const size_t rest = count - over;
        const size_t under = part_under(numbers, rest, pivot);
        if (k <= rest - under)
            return pivot;
        k -= rest - under;
        count = under;
    }
}

/* ---- candidates ---- */

/* Exchange, without a branch, so that those that are wanted come first; how many they are. */
static size_t bring_over(rsi_candidate *items, size_t count, float bound)
{
    size_t first = 0;
    for (size_t i = 0; i < count; i++) {
        const rsi_candidate item = items[i];
        items[i] = items[first];
        items[first] = item;
        first += item.estimate > bound;
    }
    return first;
}

/* Puts the `first` best before the others: the least of them. */
static float bring(rsi_candidates *best, size_t first)
{
    rsi_candidate *items = best->items;
    for (size_t i = 0; i < best->count; i++)
        best->numbers[i] = items[i].estimate;
    const float bound =
        rsi_kth_largest(best->numbers, best->numbers + 2 * best->limit, best->count, first);
    size_t over = bring_over(items, best->count, bound);
    for (size_t i = over; over < first; i++)
        if (items[i].estimate >= bound) {
            const rsi_candidate item = items[i];
            items[i] = items[over];
            items[over++] = item;
        }
    return bound;
}

void rsi_candidates_bring(rsi_candidates *best, size_t first)
{
    if (first > 0 && first < best->count)
        bring(best, first);
}

void rsi_candidates_shrink(rsi_candidates *best)
{
    if (best->count <= best->limit)
        return;
    best->least = bring(best, best->limit);
    best->count = best->limit;
}
