/* Search and result. */
#include "api/handles.h"

#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <string.h>

#define DEFAULT_K 5
#define MAX_K 200
#define MAX_NEIGHBORS 10

static int out_of_range(const char *function, const char *what)
{
    return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: %s", function, what);
}

static int check_search(const ragstore_entity_search_options *given, const char *function)
{
    if (given->k > MAX_K)
        return out_of_range(function, "k is over 200");
    if (given->mode > RAGSTORE_MODE_KEYWORD)
        return out_of_range(function, "the mode is unknown");
    if (given->fusion > RAGSTORE_FUSION_RANKS)
        return out_of_range(function, "the fusion is unknown");
    if (given->duplicates > RAGSTORE_DUPLICATES_KEEP)
        return out_of_range(function, "duplicates is unknown");
    if (given->neighbors > MAX_NEIGHBORS)
        return out_of_range(function, "neighbors is over 10");
    if (isnan(given->min_score))
        return out_of_range(function, "min_score is not a number");
    if (given->doc_ids == NULL && given->doc_ids_count > 0)
        return out_of_range(function, "doc_ids is NULL, but doc_ids_count is not 0");
    if ((given->vector == NULL) != (given->dimension == 0))
        return out_of_range(function, "vector and dimension are given together or not at all");
    for (size_t i = 0; i < given->doc_ids_count; i++)
        if (given->doc_ids[i] == NULL)
            return out_of_range(function, "one of doc_ids is NULL");
    return RAGSTORE_OK;
}

int ragstore_entity_search(ragstore_result **out, ragstore_entity *entity, const char *query,
                           const ragstore_entity_search_options *options)
{
    ragstore_entity_search_options given;
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(query, __func__, "query");
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = check_search(&given, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_handle(entity, RSI_MAGIC_ENTITY, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter(entity->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_search_query asked = {.text = query,
                              .size = strlen(query),
                              .k = given.k == 0 ? DEFAULT_K : given.k,
                              .mode = given.mode == 0 ? RAGSTORE_MODE_HYBRID : given.mode,
                              .neighbors = given.neighbors,
                              .fusion = given.fusion == RAGSTORE_FUSION_RANKS ? RSI_FUSE_RANKS
                                                                              : RSI_FUSE_SUM,
                              .keep_duplicates = given.duplicates == RAGSTORE_DUPLICATES_KEEP,
                              .min_score = given.min_score,
                              .doc_ids = given.doc_ids,
                              .doc_ids_count = given.doc_ids_count,
                              .filter_json = given.filter_json,
                              .vector = given.vector,
                              .dimension = given.dimension};
    ragstore_result *result = rsi_alloc_zeroed(sizeof *result);
    status = result == NULL ? RAGSTORE_E_NO_MEMORY
                            : rsi_search(&result->inside, entity->core->store, entity->id,
                                         entity->incarnation, &asked);
    if (status == RAGSTORE_OK) {
        result->magic = RSI_MAGIC_RESULT;
        *out = result;
    } else {
        rsi_free(result);
    }
    return rsi_core_leave(entity->core, status);
}

void ragstore_result_free(ragstore_result *result)
{
    if (result == NULL || rsi_check_handle(result, RSI_MAGIC_RESULT, __func__) != RAGSTORE_OK)
        return;
    result->magic = RSI_MAGIC_FREED;
    rsi_result_free(result->inside);
    rsi_free(result);
}

static bool is_result(const ragstore_result *result, const char *function)
{
    return rsi_check_handle(result, RSI_MAGIC_RESULT, function) == RAGSTORE_OK;
}

/* The hit at a position, or NULL with the error set. */
static const rsi_found *hit_at(const ragstore_result *result, size_t position,
                               const char *function)
{
    if (!is_result(result, function))
        return NULL;
    if (position >= result->inside->count) {
        rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: position %zu of %zu hits", function,
                 position, result->inside->count);
        return NULL;
    }
    return &result->inside->items[position];
}

size_t ragstore_result_count(const ragstore_result *result)
{
    return is_result(result, __func__) ? result->inside->count : 0;
}

uint32_t ragstore_result_mode(const ragstore_result *result)
{
    return is_result(result, __func__) ? result->inside->mode : 0;
}

#define HIT_MEMBER(type, name, member, fallback)                                                   \
    type ragstore_result_##name(const ragstore_result *result, size_t position)                    \
    {                                                                                              \
        const rsi_found *found = hit_at(result, position, __func__);                               \
        return found == NULL ? (fallback) : found->member;                                         \
    }

HIT_MEMBER(const char *, content, content, NULL)
HIT_MEMBER(const char *, doc_id, doc_id, NULL)
HIT_MEMBER(const char *, doc_name, doc_name, NULL)
HIT_MEMBER(const char *, source, source, NULL)
HIT_MEMBER(const char *, metadata, metadata, NULL)
HIT_MEMBER(const char *, heading, heading, NULL)
HIT_MEMBER(int64_t, chunk_number, chunk, -1)
HIT_MEMBER(int64_t, chunk_order, order, -1)
HIT_MEMBER(uint32_t, page, page, 0)
HIT_MEMBER(int64_t, start, start, -1)
HIT_MEMBER(int64_t, end, end, -1)
HIT_MEMBER(float, score, score, 0)
HIT_MEMBER(float, vector_score, vector_score, NAN)
HIT_MEMBER(float, keyword_score, keyword_score, NAN)

size_t ragstore_result_copy(int64_t *chunk_numbers, float *scores, const ragstore_result *result,
                            size_t capacity)
{
    if (!is_result(result, __func__))
        return 0;
    size_t count = result->inside->count < capacity ? result->inside->count : capacity;
    for (size_t i = 0; i < count; i++) {
        if (chunk_numbers != NULL)
            chunk_numbers[i] = result->inside->items[i].chunk;
        if (scores != NULL)
            scores[i] = result->inside->items[i].score;
    }
    return count;
}

int ragstore_result_json(ragstore_buffer **out, const ragstore_result *result)
{
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_handle(result, RSI_MAGIC_RESULT, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_result_json(&text, result->inside);
    if (status == RAGSTORE_OK)
        status = rsi_buffer_from(out, &text);
    rsi_bytes_free(&text);
    return status;
}
