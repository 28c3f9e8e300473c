/* Searching one entity: see search.h. */
#include "search/search.h"

#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"
#include "search/fusion.h"
#include "search/hit_details.h"
#include "vectors/kernel.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define QUERY_MAX ((size_t)32 << 10)

/* One search while it runs. */
typedef struct search {
    rsi_store *store;
    const rsi_search_query *query;
    rsi_catalog *catalog;
    rsi_bitset allowed;
    float *vector; /* of the query; NULL: no vector leg */
    size_t dimension;
    uint32_t mode;
    rsi_hit *vector_hits;
    size_t vector_count;
    rsi_hit *keyword_hits;
    size_t keyword_count;
    float ideal; /* what no chunk's keyword score can reach */
    rsi_fused *fused;
    size_t fused_count;
} search;

/* ---- the query's vector ---- */

static int take_given_vector(search *s, const rsi_entity_record *entity)
{
    if (entity->embedder == NULL)
        return rsi_fail(RAGSTORE_E_EMBEDDER, "search",
                        "entity \"%s\" has no vectors: it can only be searched by keyword",
                        entity->id);
    if (s->query->dimension != entity->dimension)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "search",
                        "the query vector has %zu numbers, those of entity \"%s\" have %u",
                        s->query->dimension, entity->id, entity->dimension);
    s->dimension = entity->dimension;
    s->vector = rsi_alloc_array(s->dimension, sizeof *s->vector);
    if (s->vector == NULL)
        return RAGSTORE_E_NO_MEMORY;
    memcpy(s->vector, s->query->vector, entity->dimension * sizeof *s->vector);
    const char *problem = rsi_metric_prepare(s->vector, entity->dimension, entity->metric);
    return problem == NULL
               ? RAGSTORE_OK
               : rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "search", "the query vector %s", problem);
}

/* Embed the query if the entity's model is there; without it a hybrid search is by keyword. */
static int embed_query(search *s, const rsi_entity_record *entity)
{
    const char *notice;
    if (s->mode == RAGSTORE_MODE_KEYWORD)
        return RAGSTORE_OK;
    if (s->query->vector != NULL)
        return take_given_vector(s, entity);
    bool ready = rsi_entity_has_vectors(s->store, entity, &notice);
    if (ready && entity->embedder != NULL) {
        rsi_slice text = {s->query->text, s->query->size};
        s->dimension = rsi_embedder_dimension(s->store->embedder);
        s->vector = rsi_alloc_array(s->dimension, sizeof *s->vector);
        return s->vector == NULL ? RAGSTORE_E_NO_MEMORY
                                 : rsi_embed_cached(s->vector, s->store->embedded,
                                                    s->store->embedder, RSI_EMBED_QUERY, &text, 1);
    }
    if (s->mode == RAGSTORE_MODE_VECTOR && !ready)
        return rsi_fail(RAGSTORE_E_EMBEDDER, "search", "%s", notice);
    s->mode = RAGSTORE_MODE_KEYWORD;
    return RAGSTORE_OK;
}

/* ---- the two legs ---- */

/* Some rows are damaged: search the rest of them. Their chunks can be found by keyword only. */
static int search_intact_rows(search *s, size_t depth)
{
    rsi_bitset rest = {0};
    rsi_bitset missing = {0};
    rsi_storage_log(s->store->storage, RAGSTORE_LOG_ERROR,
                    "entity \"%s\": some vectors are damaged and left out; add their documents "
                    "again to mend them: %s",
                    s->catalog->entity_id, rsi_error_message());
    int status = rsi_rows_missing(&missing, s->catalog->rows, &s->allowed);
    if (status == RAGSTORE_OK)
        status = rsi_bitset_copy(&rest, &s->allowed);
    for (int64_t chunk = rsi_bitset_next(&missing, 0); chunk >= 0 && status == RAGSTORE_OK;
         chunk = rsi_bitset_next(&missing, chunk + 1))
        rsi_bitset_remove(&rest, chunk);
    if (status == RAGSTORE_OK)
        status = rsi_rows_search(s->vector_hits, &s->vector_count, s->catalog->rows, s->vector,
                                 depth, &rest);
    rsi_bitset_free(&missing);
    rsi_bitset_free(&rest);
    return status;
}

static int run_vector_leg(search *s, size_t depth)
{
    if (s->vector == NULL)
        return RAGSTORE_OK;
    if (s->catalog->rows == NULL) { /* no document yet, or rows that cannot be used */
        if (s->catalog->rows_problem != NULL && s->mode == RAGSTORE_MODE_VECTOR)
            return rsi_fail(RAGSTORE_E_DAMAGED, "search", "%s", s->catalog->rows_problem);
        if (s->mode == RAGSTORE_MODE_HYBRID)
            s->mode = RAGSTORE_MODE_KEYWORD;
        return RAGSTORE_OK;
    }
    if (rsi_rows_dimension(s->catalog->rows) != s->dimension) {
        /* the first vectors of the entity, of another kind, are on their way or were given up */
        rsi_free(s->vector);
        s->vector = NULL;
        if (s->mode == RAGSTORE_MODE_HYBRID)
            s->mode = RAGSTORE_MODE_KEYWORD;
        return RAGSTORE_OK;
    }
    s->vector_hits = rsi_alloc_array(depth, sizeof *s->vector_hits);
    if (s->vector_hits == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = rsi_catalog_search_locked(s->vector_hits, &s->vector_count, s->catalog, s->vector,
                                           depth, &s->allowed);
    return status == RAGSTORE_E_DAMAGED ? search_intact_rows(s, depth) : status;
}

static int run_keyword_leg(search *s, size_t depth)
{
    if (s->mode == RAGSTORE_MODE_VECTOR || s->query->size == 0)
        return RAGSTORE_OK;
    s->keyword_hits = rsi_alloc_array(depth, sizeof *s->keyword_hits);
    if (s->keyword_hits == NULL)
        return RAGSTORE_E_NO_MEMORY;
    return rsi_lexical_search(s->keyword_hits, &s->keyword_count, &s->ideal, s->catalog->lexical,
                              s->query->text, s->query->size, depth, &s->allowed);
}

static int rank(search *s)
{
    size_t depth = RSI_FUSION_DEPTH;
    if (depth > s->allowed.count)
        depth = s->allowed.count;
    if (depth == 0)
        return RAGSTORE_OK;
    int status = run_vector_leg(s, depth);
    if (status == RAGSTORE_OK)
        status = run_keyword_leg(s, depth);
    if (status != RAGSTORE_OK)
        return status;
    s->fused = rsi_alloc_array(s->vector_count + s->keyword_count + 1, sizeof *s->fused);
    if (s->fused == NULL)
        return RAGSTORE_E_NO_MEMORY;
    s->fused_count = rsi_fuse(s->fused, s->vector_hits, s->vector_count, s->keyword_hits,
                              s->keyword_count);
    return RAGSTORE_OK;
}

/* ---- scores ---- */

/* A hybrid hit that only one leg found still has a similarity: look it up. */
static void complete_scores(const search *s, rsi_fused *hit)
{
    const float *row;
    if (s->vector != NULL && isnan(hit->vector_score) && s->catalog->rows != NULL &&
        rsi_rows_get(&row, s->catalog->rows, hit->chunk) == RAGSTORE_OK) {
        rsi_kernel_of(rsi_rows_metric(s->catalog->rows))(&hit->vector_score, s->vector, &row, 1,
                                                         s->dimension);
    }
    if (s->mode != RAGSTORE_MODE_VECTOR)
        hit->keyword_score =
            isnan(hit->keyword_score) || s->ideal <= 0 ? 0 : hit->keyword_score / s->ideal;
}

/* Into 0 to 1. A distance has no bound, so only 0 is as good as can be. */
static float absolute_vector_score(const search *s, float score)
{
    if (isnan(score))
        return 0;
    if (s->catalog->metric == RSI_METRIC_L2)
        return 1 / (1 + sqrtf(-score));
    return score < 0 ? 0 : score > 1 ? 1 : score;
}

static float absolute_score(const search *s, const rsi_fused *hit)
{
    float by_vector = absolute_vector_score(s, hit->vector_score);
    float by_keyword = isnan(hit->keyword_score) ? 0 : hit->keyword_score;
    float score = s->mode == RAGSTORE_MODE_VECTOR    ? by_vector
                  : s->mode == RAGSTORE_MODE_KEYWORD ? by_keyword
                                                     : (by_vector + by_keyword) / 2;
    return score > 1 ? 1 : score;
}

/* Turn the best hits into found chunks, with their texts. */
static int collect(rsi_result *result, search *s)
{
    result->items = rsi_alloc_array(s->query->k, sizeof *result->items);
    if (result->items == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; i < s->fused_count && result->count < s->query->k; i++) {
        rsi_fused *hit = &s->fused[i];
        complete_scores(s, hit);
        float score = absolute_score(s, hit);
        if (score < s->query->min_score)
            continue;
        rsi_found *found = &result->items[result->count];
        int status = rsi_found_fill(found, s->store, s->catalog, hit->chunk, s->query->neighbors);
        if (status == RAGSTORE_E_NOT_FOUND)
            continue; /* deleted while we searched */
        if (status != RAGSTORE_OK)
            return status;
        found->score = score;
        found->vector_score = hit->vector_score;
        found->keyword_score = hit->keyword_score;
        result->count++;
    }
    return RAGSTORE_OK;
}

/* ---- all of it ---- */

static int check_query(const rsi_search_query *query)
{
    size_t bad;
    if (query->size == 0 && query->vector == NULL)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "search",
                        "the query is empty; say what to look for");
    if (query->size > QUERY_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "search", "the query has %zu bytes; at most %zu",
                        query->size, QUERY_MAX);
    if (!rsi_utf8_valid(query->text, query->size, &bad))
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "search", "the query is not UTF-8 at byte %zu",
                        bad);
    if (query->mode == RAGSTORE_MODE_VECTOR || query->size > 0)
        return RAGSTORE_OK;
    return query->mode == RAGSTORE_MODE_KEYWORD
               ? rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "search",
                          "a keyword search needs a query text")
               : RAGSTORE_OK;
}

static void free_search(search *s)
{
    rsi_bitset_free(&s->allowed);
    rsi_free(s->vector);
    rsi_free(s->vector_hits);
    rsi_free(s->keyword_hits);
    rsi_free(s->fused);
}

int rsi_search(rsi_result **out, rsi_store *store, const char *entity_id, const char *incarnation,
               const rsi_search_query *query)
{
    search s = {.store = store, .query = query, .mode = query->mode};
    rsi_entity_record entity = {0};
    rsi_result *result = NULL;
    *out = NULL;
    int status = check_query(query);
    if (status == RAGSTORE_OK)
        status = rsi_entity_read(&entity, store, entity_id, incarnation);
    if (status == RAGSTORE_OK)
        status = embed_query(&s, &entity);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_acquire(&s.catalog, store, entity_id, incarnation);
    if (status != RAGSTORE_OK)
        goto cleanup;
    result = rsi_alloc_zeroed(sizeof *result);
    if (result == NULL) {
        status = RAGSTORE_E_NO_MEMORY;
        goto cleanup;
    }
    pthread_rwlock_rdlock(&s.catalog->lock);
    status = rsi_search_filter_locked(&s.allowed, store, s.catalog, query);
    if (status == RAGSTORE_OK)
        status = rank(&s);
    if (status == RAGSTORE_OK)
        status = collect(result, &s);
    pthread_rwlock_unlock(&s.catalog->lock);
    result->mode = s.mode;

cleanup:
    rsi_catalog_release(store, s.catalog);
    rsi_entity_record_free(&entity);
    free_search(&s);
    if (status != RAGSTORE_OK) {
        rsi_result_free(result);
        return rsi_wrap(status, "search");
    }
    *out = result;
    return RAGSTORE_OK;
}
