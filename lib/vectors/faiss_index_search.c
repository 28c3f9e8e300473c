/*
 * Searching an index of FAISS's: see faiss_index.h.
 *
 *   few of the rows allowed          the rows themselves
 *   otherwise  1  fetch candidates, so many more as others are not allowed
 *              2  leave those out; too few left: fetch more, up to FETCH_MAX, then the rows
 *              3  exact scores of the rest, and of the rows that are not in the index yet
 */
#include "vectors/faiss_index_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "vectors/kernel.h"

#include <math.h>
#include <string.h>

#define CANDIDATES_MIN 128
#define CANDIDATES_PER_HIT 4
#define EXACT_ROWS 4096 /* so many allowed rows need no index */
#define EXACT_SHARE 10  /* or one in so many of those in the index */
#define FETCH_MAX 131072
#define FETCH_STEP 4

/* ---- candidates ---- */

typedef struct candidates {
    float *distances;
    idx_t *ids;
    const float **places;
    float *scores;
    size_t room;
    size_t count; /* that are allowed: their ids first */
} candidates;

static void free_candidates(candidates *found)
{
    rsi_free(found->distances);
    rsi_free(found->ids);
    rsi_free(found->places);
    rsi_free(found->scores);
    memset(found, 0, sizeof *found);
}

static int make_room(candidates *found, size_t room)
{
    free_candidates(found);
    found->room = room;
    found->distances = rsi_alloc_array(room, sizeof *found->distances);
    found->ids = rsi_alloc_array(room, sizeof *found->ids);
    found->places = rsi_alloc_array(room, sizeof *found->places);
    found->scores = rsi_alloc_array(room, sizeof *found->scores);
    return found->distances == NULL || found->ids == NULL || found->places == NULL ||
                   found->scores == NULL
               ? RAGSTORE_E_NO_MEMORY
               : RAGSTORE_OK;
}

/* An id that is no chunk number at all is not in the set. */
static int fetch(candidates *found, rsi_faiss_index *index, rsi_faiss_query *query,
                 const rsi_bitset *allowed, int64_t *covered)
{
    int status = make_room(found, query->wanted);
    if (status != RAGSTORE_OK)
        return status;
    query->distances = found->distances;
    query->ids = found->ids;
    *covered = rsi_faiss_index_covered(index); /* what is added meanwhile is searched as a row */
    status = rsi_faiss_query_ask(index, query);
    for (size_t i = 0; status == RAGSTORE_OK && i < query->wanted; i++)
        if (found->ids[i] >= 0 && found->ids[i] < *covered &&
            rsi_bitset_has(allowed, found->ids[i]))
            found->ids[found->count++] = found->ids[i];
    return status;
}

/* How many to ask for: so many more as others are not allowed, where FAISS cannot be told. */
static size_t first_number(const rsi_faiss_index *index, const rsi_bitset *allowed, size_t total,
                           size_t wanted, size_t most)
{
    const double share = (double)allowed->count / (double)total;
    const double ask =
        (double)wanted / (share < 1 && !rsi_faiss_query_can_filter(index) ? share : 1);
    return ask < (double)most ? (size_t)ask : most;
}

/* As many as are wanted, or what FETCH_MAX gives. */
static int fetch_enough(candidates *found, rsi_faiss_index *index, const float *vector, size_t k,
                        const rsi_bitset *allowed, const rsi_quantised_effort *effort,
                        int64_t *covered)
{
    const size_t total = rsi_faiss_index_count(index);
    const size_t most = total < FETCH_MAX ? total : FETCH_MAX;
    rsi_faiss_query query = {
        .vector = vector,
        .probes = effort->probes,
        .allowed = allowed->count < total ? allowed : NULL,
        .wanted = first_number(index, allowed, total, effort->candidates, most),
    };
    for (;;) {
        int status = fetch(found, index, &query, allowed, covered);
        if (status != RAGSTORE_OK || found->count >= k || query.wanted == most)
            return status;
        query.wanted = query.wanted < most / FETCH_STEP ? query.wanted * FETCH_STEP : most;
    }
}

/* ---- exact scores ---- */

static int score(rsi_top *top, candidates *found, rsi_rows *rows, const float *query)
{
    size_t count = 0;
    for (size_t i = 0; i < found->count; i++) {
        int status = rsi_rows_get(&found->places[count], rows, found->ids[i]);
        if (status == RAGSTORE_OK)
            found->ids[count++] = found->ids[i];
        else if (status != RAGSTORE_E_NOT_FOUND)
            return status;
    }
    rsi_kernel_of(rsi_rows_metric(rows))(found->scores, query, found->places, count,
                                         rsi_rows_dimension(rows));
    for (size_t i = 0; i < count; i++)
        rsi_top_offer(top, (rsi_hit){found->ids[i], found->scores[i]});
    return RAGSTORE_OK;
}

/* The rows that are not in the index yet. */
static int add_rest(rsi_top *top, rsi_rows *rows, const float *query, const rsi_bitset *allowed,
                    int64_t covered)
{
    size_t count;
    if (rsi_bitset_next(allowed, covered) < 0)
        return RAGSTORE_OK;
    rsi_hit *rest = rsi_alloc_array(top->limit, sizeof *rest);
    if (rest == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = rsi_rows_search_from(rest, &count, rows, query, top->limit, allowed, covered);
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++)
        rsi_top_offer(top, rest[i]);
    rsi_free(rest);
    return status;
}

static bool is_searched_exactly(const rsi_faiss_index *index, const rsi_rows *rows,
                                const float *query, size_t k, const rsi_bitset *allowed)
{
    const size_t total = rsi_faiss_index_count(index);
    if (index->dimension != rsi_rows_dimension(rows) || total == 0 || k == 0 ||
        allowed->count <= EXACT_ROWS || allowed->count < total / EXACT_SHARE ||
        k > allowed->count / 8)
        return true;
    for (uint32_t i = 0; i < index->dimension; i++)
        if (!isfinite(query[i])) /* refused there */
            return true;
    return false;
}

int rsi_faiss_index_search(rsi_hit *hits, size_t *count, rsi_faiss_index *index, rsi_rows *rows,
                           const float *query, size_t k, const rsi_bitset *allowed,
                           const rsi_quantised_effort *effort)
{
    candidates found = {0};
    rsi_quantised_effort how = {0};
    int64_t covered = 0;
    rsi_top top;
    *count = 0;
    if (query == NULL || allowed == NULL || hits == NULL ||
        is_searched_exactly(index, rows, query, k, allowed))
        return rsi_rows_search(hits, count, rows, query, k, allowed);
    if (effort != NULL)
        how = *effort;
    if (how.candidates == 0)
        how.candidates = CANDIDATES_MIN + CANDIDATES_PER_HIT * k;
    if (how.candidates < k)
        how.candidates = k;
    rsi_top_init(&top, hits, k);
    int status = fetch_enough(&found, index, query, k, allowed, &how, &covered);
    if (status == RAGSTORE_OK)
        status = score(&top, &found, rows, query);
    if (status == RAGSTORE_OK)
        status = add_rest(&top, rows, query, allowed, covered);
    free_candidates(&found);
    if (status != RAGSTORE_OK)
        return rsi_wrap(status, "search");
    if (top.count < k) /* there may be more that FAISS did not come to */
        return rsi_rows_search(hits, count, rows, query, k, allowed);
    rsi_top_sort(&top);
    *count = top.count;
    return RAGSTORE_OK;
}
