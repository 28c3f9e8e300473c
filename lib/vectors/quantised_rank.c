/*
 * Which lists a search looks through first: those whose centroids are nearest to the query.
 *
 * Of many centroids a byte a number says well enough which are near (byte_scan.h), and is read in a
 * quarter of the time; what the near ones score is then computed from their numbers. That ranks
 * them, and a row's estimate begins with it.
 */
#include "vectors/quantised_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "vectors/byte_codes_internal.h"
#include "vectors/candidates.h"
#include "vectors/kernel.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CODED_FROM 128 /* lists: fewer are compared as fast without codes */
#define SPARE 8       /* lists that are ranked besides those that are asked for, */
#define SPARE_SHARE 4 /* and one for so many of them: codes may be wrong about the last */

/* ---- centroids in bytes ---- */

int rsi_quantised_code_centroids(rsi_quantised *index)
{
    if (index->list_count < CODED_FROM)
        return RAGSTORE_OK;
    const size_t stride = rsi_byte_stride(index->dimension);
    const size_t block_bytes = rsi_byte_block_bytes(stride);
    const size_t blocks = (index->list_count + RSI_BYTE_BLOCK - 1) / RSI_BYTE_BLOCK;
    uint8_t *coded = rsi_alloc_zeroed(blocks * block_bytes);
    if (coded == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; i < index->list_count; i++) {
        uint8_t *block = coded + i / RSI_BYTE_BLOCK * block_bytes;
        rsi_byte_encode_row(block, stride, i % RSI_BYTE_BLOCK,
                            index->centroids + i * index->dimension, index->dimension);
        if (!isfinite(rsi_byte_residuals(block, stride)[i % RSI_BYTE_BLOCK])) {
            rsi_free(coded); /* too long for codes */
            return RAGSTORE_OK;
        }
    }
    index->coded = coded;
    return RAGSTORE_OK;
}

/* What is over no number, or no number, is last of all; only what has been passed is behind it. */
static float ranked(float rank)
{
    return rank >= -FLT_MAX ? rank : -FLT_MAX;
}

/* q · c - ‖c‖² / 2, which ranks centroids by their distance, of each. False: not by codes. */
static bool rank_by_codes(rsi_list_ranking *of, uint8_t *bytes, int8_t *codes)
{
    const rsi_quantised *index = of->index;
    const size_t stride = rsi_byte_stride(index->dimension);
    const rsi_byte_coded query = rsi_byte_encode(bytes, of->moved, index->dimension, stride);
    if (!isfinite(query.residual))
        return false;
    int32_t sum = 0;
    for (size_t i = 0; i < stride; i++) {
        codes[i] = (int8_t)(bytes[i] - RSI_BYTE_ZERO);
        sum += codes[i];
    }
    const rsi_byte_query scan = {.codes = codes,
                                 .stride = stride,
                                 .excess = sum * RSI_BYTE_ZERO,
                                 .slope = (float)query.scale};
    for (size_t first = 0; first < index->list_count; first += RSI_BYTE_BLOCK) {
        float products[RSI_BYTE_BLOCK];
        const size_t left = index->list_count - first;
        const size_t count = left < RSI_BYTE_BLOCK ? left : RSI_BYTE_BLOCK;
        rsi_byte_scanner_best()->scan(
            products, &scan,
            index->coded + first / RSI_BYTE_BLOCK * rsi_byte_block_bytes(stride), 0);
        for (size_t i = 0; i < count; i++)
            of->ranks[first + i] = ranked(products[i] - index->half_norms[first + i]);
    }
    return true;
}

/* ---- by their numbers ---- */

/* What stands in `chosen` gets its score and its rank. */
static void score_chosen(rsi_list_ranking *of, size_t count)
{
    const rsi_quantised *index = of->index;
    const float norms = index->metric == RSI_METRIC_L2 ? 0 : 1;
    for (size_t i = 0; i < count; i++)
        of->rows[i] = index->centroids + (size_t)of->chosen[i].number * index->dimension;
    rsi_kernel_of(index->metric)(of->numbers, of->moved, of->rows, count, index->dimension);
    for (size_t i = 0; i < count; i++) {
        of->chosen[i].base = of->numbers[i];
        of->chosen[i].rank = of->numbers[i] - norms * index->half_norms[of->chosen[i].number];
    }
}

static int compare_ranks(const void *a, const void *b)
{
    const rsi_ranked_list *left = a, *right = b;
    return (left->rank < right->rank) - (left->rank > right->rank);
}

/* ---- the ranking ---- */

int rsi_list_ranking_begin(rsi_list_ranking *of, const rsi_quantised *index, const float *moved)
{
    const size_t count = index->list_count;
    const size_t stride = rsi_byte_stride(index->dimension);
    *of = (rsi_list_ranking){.index = index, .moved = moved};
    of->ranks = rsi_alloc_array(count, sizeof *of->ranks);
    of->numbers = rsi_alloc_array(2 * count, sizeof *of->numbers);
    of->chosen = rsi_alloc_array(count, sizeof *of->chosen);
    of->rows = rsi_alloc_array(count, sizeof *of->rows);
    uint8_t *bytes = rsi_alloc_array(2, stride);
    const bool good = of->ranks != NULL && of->numbers != NULL && of->chosen != NULL &&
                      of->rows != NULL && bytes != NULL;
    if (good && (index->coded == NULL || !rank_by_codes(of, bytes, (int8_t *)bytes + stride))) {
        for (size_t i = 0; i < count; i++)
            of->chosen[i].number = (uint32_t)i;
        score_chosen(of, count);
        for (size_t i = 0; i < count; i++)
            of->ranks[i] = ranked(of->chosen[i].rank);
    }
    rsi_free(bytes);
    return good ? RAGSTORE_OK : RAGSTORE_E_NO_MEMORY;
}

void rsi_list_ranking_end(rsi_list_ranking *of)
{
    rsi_free(of->ranks);
    rsi_free(of->numbers);
    rsi_free(of->chosen);
    rsi_free(of->rows);
}

/* The lists that rank highest of those that are left go to `chosen`: `some`, more of equal rank. */
static size_t choose(rsi_list_ranking *of, size_t some)
{
    const size_t count = of->index->list_count;
    size_t chosen = 0;
    float bound = -FLT_MAX;
    if (some < count - of->passed) {
        memcpy(of->numbers, of->ranks, count * sizeof *of->numbers);
        bound = rsi_kth_largest(of->numbers, of->numbers + count, count, some);
    }
    for (size_t i = 0; i < count; i++) {
        of->chosen[chosen].number = (uint32_t)i;
        chosen += of->ranks[i] >= bound;
    }
    return chosen;
}

size_t rsi_list_ranking_next(rsi_list_ranking *of, size_t want)
{
    const size_t left = of->index->list_count - of->passed;
    if (want > left)
        want = left;
    const size_t chosen = choose(of, want + want / SPARE_SHARE + SPARE);
    score_chosen(of, chosen);
    qsort(of->chosen, chosen, sizeof *of->chosen, compare_ranks);
    for (size_t i = 0; i < want; i++)
        of->ranks[of->chosen[i].number] = -INFINITY;
    of->passed += want;
    return want;
}
