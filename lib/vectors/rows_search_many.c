/*
 * Exact search for several queries at once: rows are read once for all of them.
 *
 *   queries  [q0 q1 … q31]          a piece of rows that lie one behind the other
 *                 └──── their products ──────┘ ──► each query keeps the k best ──► exact scores
 *
 * A product of matrices adds up in another order than the kernels, so those that are kept are scored again: a row's
 * score is the same whoever it is found with. Distances are not taken apart into products, which
 * would lose digits; they go the way of single queries. Locking: vectors.h.
 */
#include "vectors/rows_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "matrix/product.h"
#include "vectors/kernel.h"

#include <math.h>

#define QUERIES 32  /* at once */
#define MANY_FROM 4 /* fewer are as fast one by one (bench_exact) */

typedef struct many {
    rsi_rows *rows;
    const float *queries; /* count × dimension */
    size_t count;
    size_t dimension;
    size_t k;
    rsi_top tops[QUERIES];
    float thresholds[QUERIES]; /* of the tops */
    float *packed;             /* the queries, as the weight of a product */
    float *products;           /* RSI_PRODUCT_ROWS × QUERIES */
    float *scratch;
} many;

static void offer_piece(many *in, int64_t first_chunk, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const float *products = in->products + i * QUERIES;
        for (size_t q = 0; q < in->count; q++) {
            if (products[q] < in->thresholds[q])
                continue;
            rsi_top_offer(&in->tops[q], (rsi_hit){first_chunk + (int64_t)i, products[q]});
            in->thresholds[q] = rsi_top_threshold(&in->tops[q]);
        }
    }
}

static void multiply(many *in, const rsi_rows_stretch *stretch)
{
    for (size_t done = 0; done < stretch->count; done += RSI_PRODUCT_ROWS) {
        const size_t left = stretch->count - done;
        const size_t part = left < RSI_PRODUCT_ROWS ? left : RSI_PRODUCT_ROWS;
        rsi_product(rsi_product_kernel_best(), in->scratch, in->products, QUERIES,
                    stretch->first + done * in->dimension, in->dimension, part, in->packed, NULL,
                    in->count, in->dimension);
        offer_piece(in, stretch->first_chunk + (int64_t)done, part);
    }
}

/* The scores that the kernel gives, and the order that follows from them. */
static int score_again(many *in, size_t q)
{
    rsi_top *top = &in->tops[q];
    for (size_t i = 0; i < top->count; i++) {
        const float *row;
        int status = rsi_rows_get(&row, in->rows, top->hits[i].chunk);
        if (status != RAGSTORE_OK)
            return status;
        rsi_kernel_best()->inner_products(&top->hits[i].score, in->queries + q * in->dimension,
                                          &row, 1, in->dimension);
    }
    rsi_hits_sort(top->hits, top->count);
    return RAGSTORE_OK;
}

static int search_group(rsi_hit *hits, size_t *counts, many *in, const rsi_bitset *allowed)
{
    rsi_rows_cursor cursor;
    rsi_rows_stretch stretch;
    int status;
    for (size_t q = 0; q < in->count; q++) {
        rsi_top_init(&in->tops[q], hits + q * in->k, in->k);
        in->thresholds[q] = rsi_top_threshold(&in->tops[q]);
    }
    rsi_product_pack(in->packed, in->queries, in->count, in->dimension, in->dimension);
    rsi_rows_cursor_init(&cursor, in->rows, allowed);
    while ((status = rsi_rows_cursor_next(&cursor, &stretch)) > 0)
        multiply(in, &stretch);
    for (size_t q = 0; q < in->count && status == RAGSTORE_OK; q++) {
        status = score_again(in, q);
        counts[q] = in->tops[q].count;
    }
    return status;
}

static int search_one_by_one(rsi_hit *hits, size_t *counts, rsi_rows *rows, const float *queries,
                             size_t count, size_t k, const rsi_bitset *allowed)
{
    int status = RAGSTORE_OK;
    for (size_t q = 0; status == RAGSTORE_OK && q < count; q++)
        status = rsi_rows_search(hits + q * k, &counts[q], rows, queries + q * rows->dimension, k,
                                 allowed);
    return status;
}

static bool are_finite(const float *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(numbers[i]))
            return false;
    return true;
}

int rsi_rows_search_many(rsi_hit *hits, size_t *counts, rsi_rows *rows, const float *queries,
                         size_t count, size_t k, const rsi_bitset *allowed)
{
    for (size_t q = 0; q < count; q++)
        counts[q] = 0;
    if (count < MANY_FROM || k == 0 || hits == NULL || queries == NULL || allowed == NULL ||
        rows->metric == RSI_METRIC_L2 || !are_finite(queries, count * rows->dimension))
        return search_one_by_one(hits, counts, rows, queries, count, k, allowed);
    many in = {.rows = rows, .dimension = rows->dimension, .k = k};
    in.packed = rsi_alloc_array(QUERIES * in.dimension, sizeof *in.packed);
    in.products = rsi_alloc_array((size_t)QUERIES * RSI_PRODUCT_ROWS, sizeof *in.products);
    in.scratch = rsi_alloc_array(in.dimension * RSI_PRODUCT_ROWS, sizeof *in.scratch);
    int status = in.packed == NULL || in.products == NULL || in.scratch == NULL
                     ? RAGSTORE_E_NO_MEMORY
                     : RAGSTORE_OK;
    for (size_t done = 0; status == RAGSTORE_OK && done < count; done += QUERIES) {
        in.queries = queries + done * in.dimension;
        in.count = count - done < QUERIES ? count - done : QUERIES;
        status = search_group(hits + done * k, counts + done, &in, allowed);
    }
    rsi_free(in.packed);
    rsi_free(in.products);
    rsi_free(in.scratch);
    for (size_t q = 0; status != RAGSTORE_OK && q < count; q++)
        counts[q] = 0;
    return rsi_wrap(status, "search");
}
