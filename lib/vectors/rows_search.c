/*
 * Exact search: every allowed row is scored, the best k are kept.
 *
 * Rows are collected by pointer, wherever they lie, and scored a batch at a time; whole segments
 * and a filter's scattered rows take the same way. Locking: vectors.h.
 */
#include "vectors/rows_internal.h"

#include "base/status.h"
#include "vectors/kernel.h"

#include <math.h>

#define BATCH 128

typedef struct scorer {
    rsi_kernel_function *kernel;
    const float *query;
    size_t dimension;
    rsi_top *top;
    size_t count; /* rows collected */
    const float *rows[BATCH];
    int64_t chunks[BATCH];
    float scores[BATCH];
} scorer;

static void score_batch(scorer *scan)
{
    scan->kernel(scan->scores, scan->query, scan->rows, scan->count, scan->dimension);
    for (size_t i = 0; i < scan->count; i++) {
        rsi_hit hit = {scan->chunks[i], scan->scores[i]};
        if (!(hit.score < rsi_top_threshold(scan->top)))
            rsi_top_offer(scan->top, hit);
    }
    scan->count = 0;
}

static void collect(scorer *scan, const rsi_rows_stretch *stretch)
{
    for (size_t i = 0; i < stretch->count; i++) {
        scan->rows[scan->count] = stretch->first + i * scan->dimension;
        scan->chunks[scan->count] = stretch->first_chunk + (int64_t)i;
        if (++scan->count == BATCH)
            score_batch(scan);
    }
}

int rsi_rows_search(rsi_hit *hits, size_t *count, rsi_rows *rows, const float *query, size_t k,
                    const rsi_bitset *allowed)
{
    return rsi_rows_search_from(hits, count, rows, query, k, allowed, 0);
}

int rsi_rows_offer(rsi_top *top, rsi_rows *rows, const float *query, const rsi_bitset *allowed,
                   int64_t from)
{
    scorer scan;
    scan.kernel = rsi_kernel_of(rows->metric);
    scan.query = query;
    scan.dimension = rows->dimension;
    scan.count = 0;
    scan.top = top;
    rsi_rows_cursor cursor;
    rsi_rows_stretch stretch;
    rsi_rows_cursor_init(&cursor, rows, allowed);
    if (from > 0)
        cursor.chunk = rsi_bitset_next(allowed, from);
    int status;
    while ((status = rsi_rows_cursor_next(&cursor, &stretch)) > 0)
        collect(&scan, &stretch);
    if (status == RAGSTORE_OK && scan.count > 0)
        score_batch(&scan);
    return status;
}

int rsi_rows_search_from(rsi_hit *hits, size_t *count, rsi_rows *rows, const float *query, size_t k,
                         const rsi_bitset *allowed, int64_t from)
{
    *count = 0;
    if (query == NULL || allowed == NULL || (hits == NULL && k > 0))
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors", "search: a pointer is NULL");
    for (size_t i = 0; i < rows->dimension; i++)
        if (!isfinite(query[i]))
            return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                            "search: number %zu of the query is not finite", i);
    if (k == 0)
        return RAGSTORE_OK;

    rsi_top top;
    rsi_top_init(&top, hits, k);
    int status = rsi_rows_offer(&top, rows, query, allowed, from);
    if (status < 0)
        return rsi_wrap(status, "search");
    rsi_top_sort(&top);
    *count = top.count;
    return RAGSTORE_OK;
}
