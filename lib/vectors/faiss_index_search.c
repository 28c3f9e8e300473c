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

#if __has_include(<faiss/c_api/Index_c.h>)
#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/IndexPreTransform_c.h>
#else
#include <c_api/IndexIVF_c.h>
#include <c_api/IndexPreTransform_c.h>
#endif

#include <math.h>
#include <string.h>

#define CANDIDATES_MIN 128
#define CANDIDATES_PER_HIT 4
#define EXACT_ROWS 4096 /* so many allowed rows need no index */
#define EXACT_SHARE 10  /* or one in so many of those in the index */
#define FETCH_MAX 131072
#define FETCH_STEP 4

/* ---- how much FAISS looks at ---- */

/* The lists below IDMap and transformations, or NULL. */
static FaissIndexIVF *lists_of(FaissIndex *inside)
{
    FaissIndexIDMap *map = faiss_IndexIDMap_cast(inside);
    FaissIndex *index = map == NULL ? inside : faiss_IndexIDMap_sub_index(map);
    FaissIndexPreTransform *transform = faiss_IndexPreTransform_cast(index);
    if (transform != NULL)
        index = faiss_IndexPreTransform_index(transform);
    return faiss_IndexIVF_cast(index);
}

static size_t default_probes(size_t lists)
{
    return (size_t)(sqrt((double)lists) * 1.5) + 1;
}

/* Parameters of FAISS are not to be changed while it searches. */
static void settle_probes(rsi_faiss_index *index, size_t probes)
{
    pthread_rwlock_rdlock(&index->lock);
    FaissIndexIVF *lists = lists_of(index->inside);
    const size_t all = lists == NULL ? 1 : faiss_IndexIVF_nlist(lists);
    const size_t wanted = probes == 0 ? default_probes(all) : probes < all ? probes : all;
    const bool is_settled = lists == NULL || index->probes == wanted;
    pthread_rwlock_unlock(&index->lock);
    if (is_settled)
        return;
    pthread_rwlock_wrlock(&index->lock);
    faiss_IndexIVF_set_nprobe(lists, wanted);
    index->probes = wanted;
    pthread_rwlock_unlock(&index->lock);
}

int rsi_faiss_index_fetch(idx_t *ids, float *distances, rsi_faiss_index *index, const float *query,
                          size_t wanted)
{
    settle_probes(index, 0);
    pthread_rwlock_rdlock(&index->lock);
    int status = rsi_faiss_result(
        faiss_Index_search(index->inside, 1, query, (idx_t)wanted, distances, ids),
        "search that index");
    pthread_rwlock_unlock(&index->lock);
    return status;
}

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
static int fetch(candidates *found, rsi_faiss_index *index, const float *query, size_t wanted,
                 const rsi_bitset *allowed, int64_t *covered)
{
    int status = make_room(found, wanted);
    if (status != RAGSTORE_OK)
        return status;
    pthread_rwlock_rdlock(&index->lock);
    *covered = index->covered;
    status = rsi_faiss_result(
        faiss_Index_search(index->inside, 1, query, (idx_t)wanted, found->distances, found->ids),
        "search that index");
    pthread_rwlock_unlock(&index->lock);
    for (size_t i = 0; status == RAGSTORE_OK && i < wanted; i++)
        if (found->ids[i] >= 0 && found->ids[i] < *covered &&
            rsi_bitset_has(allowed, found->ids[i]))
            found->ids[found->count++] = found->ids[i];
    return status;
}

/* As many as are wanted, or what FETCH_MAX gives. */
static int fetch_enough(candidates *found, rsi_faiss_index *index, const float *query, size_t k,
                        const rsi_bitset *allowed, size_t candidates_wanted, int64_t *covered)
{
    const size_t total = rsi_faiss_index_count(index);
    const double share = (double)allowed->count / (double)total;
    const double wanted = (double)candidates_wanted / (share < 1 ? share : 1);
    const size_t most = total < FETCH_MAX ? total : FETCH_MAX;
    size_t ask = wanted < (double)most ? (size_t)wanted : most;
    for (;;) {
        int status = fetch(found, index, query, ask, allowed, covered);
        if (status != RAGSTORE_OK || found->count >= k || ask == most)
            return status;
        ask = ask < most / FETCH_STEP ? ask * FETCH_STEP : most;
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
    int64_t covered = 0;
    rsi_top top;
    *count = 0;
    if (query == NULL || allowed == NULL || hits == NULL ||
        is_searched_exactly(index, rows, query, k, allowed))
        return rsi_rows_search(hits, count, rows, query, k, allowed);
    size_t wanted = effort == NULL ? 0 : effort->candidates;
    if (wanted == 0)
        wanted = CANDIDATES_MIN + CANDIDATES_PER_HIT * k;
    settle_probes(index, effort == NULL ? 0 : effort->probes);
    rsi_top_init(&top, hits, k);
    int status = fetch_enough(&found, index, query, k, allowed, wanted < k ? k : wanted, &covered);
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
