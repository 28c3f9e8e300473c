/* Searching one entity: see search.h. */
#include "search/search.h"

#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"
#include "search/running_search.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define QUERY_MAX ((size_t)32 << 10)

/* ---- the query's vector ---- */

static int take_given_vector(rsi_running_search *s, const rsi_entity_record *entity)
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

static int embed_text(rsi_running_search *s)
{
    s->dimension = rsi_embedder_dimension(s->store->embedder);
    s->vector = rsi_alloc_array(s->dimension, sizeof *s->vector);
    if (s->vector == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = rsi_embed_cached(s->vector, s->store->embedded, s->store->embedder,
                                  RSI_EMBED_QUERY, &s->text, 1);
    if (status != RAGSTORE_E_EMBEDDER || s->mode == RAGSTORE_MODE_VECTOR)
        return status;
    rsi_storage_log(s->store->storage, RAGSTORE_LOG_WARNING, "searching by keyword: %s",
                    rsi_error_message());
    rsi_free(s->vector);
    s->vector = NULL;
    s->mode = RAGSTORE_MODE_KEYWORD;
    return RAGSTORE_OK;
}

/* Embed the query if the entity's model is there; without it, or when it fails, a hybrid search is
 * by keyword. */
static int embed_query(rsi_running_search *s, const rsi_entity_record *entity)
{
    const char *notice;
    if (s->mode == RAGSTORE_MODE_KEYWORD)
        return RAGSTORE_OK;
    if (s->query->vector != NULL)
        return take_given_vector(s, entity);
    bool ready = rsi_entity_has_vectors(s->store, entity, &notice);
    if (ready && entity->embedder != NULL)
        return embed_text(s);
    if (s->mode == RAGSTORE_MODE_VECTOR && !ready)
        return rsi_fail(RAGSTORE_E_EMBEDDER, "search", "%s", notice);
    s->mode = RAGSTORE_MODE_KEYWORD;
    return RAGSTORE_OK;
}

/* ---- the two legs ---- */

/* Some rows are damaged: search the rest of them. Their chunks can be found by keyword only. */
static int search_intact_rows(rsi_running_search *s, size_t depth)
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

static int run_vector_leg(rsi_running_search *s, size_t depth)
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

static int run_keyword_leg(rsi_running_search *s, size_t depth)
{
    if (s->mode == RAGSTORE_MODE_VECTOR || s->query->size == 0)
        return RAGSTORE_OK;
    s->keyword_hits = rsi_alloc_array(depth, sizeof *s->keyword_hits);
    if (s->keyword_hits == NULL)
        return RAGSTORE_E_NO_MEMORY;
    const rsi_lexical_query words = {s->text.data, s->text.size, s->syntax.prefixes,
                                     s->syntax.prefix_count};
    return rsi_lexical_search_words(s->keyword_hits, &s->keyword_count, &s->ideal,
                                    s->catalog->lexical, &words, depth, &s->allowed);
}

static void forget_ranking(rsi_running_search *s)
{
    rsi_free(s->vector_hits);
    rsi_free(s->keyword_hits);
    rsi_free(s->fused);
    s->vector_hits = s->keyword_hits = NULL;
    s->fused = NULL;
    s->vector_count = s->keyword_count = s->fused_count = 0;
}

int rsi_search_rank_locked(rsi_running_search *s, size_t depth)
{
    forget_ranking(s);
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
    s->fused_count = rsi_fuse(s->fused, s->query->fusion, s->vector_hits, s->vector_count,
                              s->keyword_hits, s->keyword_count);
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

/* Phrases and prefixes are for the keyword leg; a vector has neither. */
static int read_syntax(rsi_running_search *s)
{
    if (s->query->plain || s->mode == RAGSTORE_MODE_VECTOR || s->query->size == 0)
        return RAGSTORE_OK;
    int status = rsi_query_syntax_read(&s->syntax, s->query->text, s->query->size);
    if (status == RAGSTORE_OK)
        status = rsi_phrases_make(&s->phrases, &s->syntax);
    if (status == RAGSTORE_OK)
        s->text = (rsi_slice){s->syntax.plain, s->syntax.plain_size};
    return status;
}

static void free_search(rsi_running_search *s)
{
    forget_ranking(s);
    rsi_bitset_free(&s->allowed);
    rsi_free(s->vector);
    rsi_phrases_free(&s->phrases);
    rsi_query_syntax_free(&s->syntax);
}

int rsi_search(rsi_result **out, rsi_store *store, const char *entity_id, const char *incarnation,
               const rsi_search_query *query)
{
    rsi_running_search s = {.store = store,
                            .query = query,
                            .text = {query->text, query->size},
                            .mode = query->mode};
    rsi_entity_record entity = {0};
    rsi_result *result = NULL;
    *out = NULL;
    int status = check_query(query);
    if (status == RAGSTORE_OK)
        status = read_syntax(&s);
    if (status == RAGSTORE_OK)
        status = rsi_entity_glance(&entity, store, entity_id, incarnation);
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
        status = rsi_phrases_restrict(&s.allowed, &s.syntax, s.catalog);
    if (status == RAGSTORE_OK)
        status = rsi_search_collect_locked(result, &s);
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
