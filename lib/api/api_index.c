/* Index: the vectors of an entity. */
#include "api/handles.h"

#include "base/memory.h"
#include "base/status.h"
#include "entities/export.h"
#include "files/paths.h"

#include <math.h>
#include <string.h>

#define QUERIES_MAX 65536
#define NEAREST_MAX 16384

static int enter(const ragstore_index *index, const char *function)
{
    int status = rsi_check_handle(index, RSI_MAGIC_INDEX, function);
    return status == RAGSTORE_OK ? rsi_core_enter(index->core, function) : status;
}

static int enter_to_write(const ragstore_index *index, const char *function)
{
    int status = rsi_check_handle(index, RSI_MAGIC_INDEX, function);
    return status == RAGSTORE_OK ? rsi_core_enter_to_write(index->core, function) : status;
}

int ragstore_index_open(ragstore_index **out, ragstore_entity *entity)
{
    rsi_entity_record record = {0};
    ragstore_index *index = NULL;
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_handle(entity, RSI_MAGIC_ENTITY, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter(entity->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_entity_read(&record, entity->core->store, entity->id, entity->incarnation);
    if (status == RAGSTORE_OK && record.embedder == NULL)
        status = rsi_fail(RAGSTORE_E_EMBEDDER, "api",
                          "entity \"%s\" has no vectors: it is searched by keyword only",
                          entity->id);
    if (status == RAGSTORE_OK) {
        index = rsi_alloc_zeroed(sizeof *index);
        status = index == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    }
    if (status == RAGSTORE_OK) {
        index->entity_id = rsi_strdup(entity->id);
        status = index->entity_id == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    }
    rsi_entity_record_free(&record);
    if (status == RAGSTORE_OK) {
        memcpy(index->incarnation, entity->incarnation, sizeof index->incarnation);
        index->magic = RSI_MAGIC_INDEX;
        index->core = entity->core;
        rsi_core_retain(entity->core);
        *out = index;
    } else {
        rsi_free(index);
    }
    return rsi_core_leave(entity->core, status);
}

void ragstore_index_free(ragstore_index *index)
{
    if (index == NULL || rsi_check_handle(index, RSI_MAGIC_INDEX, __func__) != RAGSTORE_OK)
        return;
    rsi_core *core = index->core;
    index->magic = RSI_MAGIC_FREED;
    rsi_free(index->entity_id);
    rsi_free(index);
    rsi_core_release(core);
}

/* ---- searching ---- */

#define AT_ONCE                                                                                    \
    32 /* queries between two looks at the lock, and whether the store was interrupted */

/* One call's queries. */
typedef struct search {
    rsi_catalog *catalog;
    const rsi_entity_record *entity;
    const float *given;
    size_t dimension;
    size_t k;
    float *queries; /* AT_ONCE of them, in the form that the metric compares */
    rsi_hit *room;  /* AT_ONCE × k */
} search;

static int take_queries(search *in, size_t first, size_t count)
{
    memcpy(in->queries, in->given + first * in->dimension,
           count * in->dimension * sizeof *in->queries);
    for (size_t i = 0; i < count; i++) {
        const char *problem =
            rsi_metric_prepare(in->queries + i * in->dimension, in->dimension, in->entity->metric);
        if (problem != NULL)
            return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "query %zu %s", first + i, problem);
    }
    return RAGSTORE_OK;
}

static size_t at_once(size_t count, size_t done)
{
    return count - done < AT_ONCE ? count - done : AT_ONCE;
}

/* One query may be refused where others are not: all are checked before any is searched for. */
static int check_queries(search *in, size_t count)
{
    int status = RAGSTORE_OK;
    if (in->dimension != in->entity->dimension)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api",
                        "vectors of %zu numbers; those of entity \"%s\" have %u", in->dimension,
                        in->entity->id, in->entity->dimension);
    const size_t most = at_once(count, 0);
    in->queries = rsi_alloc_array(most * in->dimension + 1, sizeof *in->queries);
    in->room = rsi_alloc_array(most * in->k + 1, sizeof *in->room);
    if (in->queries == NULL || in->room == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t done = 0; status == RAGSTORE_OK && done < count; done += AT_ONCE)
        status = take_queries(in, done, at_once(count, done));
    return status;
}

static int search_some_locked(int64_t *chunk_numbers, float *scores, search *in, size_t count)
{
    size_t counts[AT_ONCE] = {0};
    int status = RAGSTORE_OK;
    if (in->catalog->rows_problem != NULL)
        return rsi_fail(RAGSTORE_E_DAMAGED, "api", "%s", in->catalog->rows_problem);
    if (in->catalog->rows != NULL)
        status = rsi_catalog_search_many_locked(in->room, counts, in->catalog, in->queries, count,
                                                in->k, &in->catalog->alive);
    for (size_t i = 0; i < count * in->k; i++) {
        const bool is_found = i % in->k < counts[i / in->k];
        chunk_numbers[i] = is_found ? in->room[i].chunk : -1;
        scores[i] = is_found ? in->room[i].score : NAN;
    }
    return status;
}

static int search_all(int64_t *chunk_numbers, float *scores, const ragstore_index *index,
                      const float *queries, size_t query_count, size_t dimension, size_t k)
{
    rsi_store *store = index->core->store;
    rsi_entity_record record = {0};
    search in = {.entity = &record, .given = queries, .dimension = dimension, .k = k};
    const uint64_t epoch = rsi_store_epoch(store);
    int status = rsi_entity_read(&record, store, index->entity_id, index->incarnation);
    if (status == RAGSTORE_OK)
        status = check_queries(&in, query_count);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_acquire(&in.catalog, store, index->entity_id, index->incarnation);
    for (size_t done = 0; status == RAGSTORE_OK && done < query_count; done += AT_ONCE) {
        const size_t count = at_once(query_count, done);
        status = take_queries(&in, done, count);
        pthread_rwlock_rdlock(&in.catalog->lock);
        if (status == RAGSTORE_OK)
            status = search_some_locked(chunk_numbers + done * k, scores + done * k, &in, count);
        pthread_rwlock_unlock(&in.catalog->lock);
        if (status == RAGSTORE_OK)
            status = rsi_store_check_interrupt(store, epoch);
    }
    rsi_catalog_release(store, in.catalog);
    rsi_entity_record_free(&record);
    rsi_free(in.queries);
    rsi_free(in.room);
    return status;
}

int ragstore_index_search(int64_t *chunk_numbers, float *scores, ragstore_index *index,
                          const float *queries, size_t query_count, size_t dimension, size_t k)
{
    int status = enter(index, __func__);
    if (status != RAGSTORE_OK)
        return status;
    if (k < 1 || k > NEAREST_MAX)
        status = rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: k is %zu; 1 to %d", __func__, k,
                          NEAREST_MAX);
    else if (query_count > QUERIES_MAX)
        status = rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: %zu queries; at most %d",
                          __func__, query_count, QUERIES_MAX);
    else if (query_count > 0 && (chunk_numbers == NULL || scores == NULL || queries == NULL))
        status = rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: an array is NULL", __func__);
    if (status == RAGSTORE_OK && query_count > 0)
        status = search_all(chunk_numbers, scores, index, queries, query_count, dimension, k);
    return rsi_core_leave(index->core, status);
}

int ragstore_index_vector(float *vector, ragstore_index *index, int64_t chunk_number,
                          size_t dimension)
{
    rsi_catalog *catalog = NULL;
    int status = rsi_check_not_null(vector, __func__, "vector");
    if (status == RAGSTORE_OK)
        status = enter(index, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_catalog_acquire(&catalog, index->core->store, index->entity_id,
                                 index->incarnation);
    if (status == RAGSTORE_OK) {
        const float *row = NULL;
        pthread_rwlock_rdlock(&catalog->lock);
        if (catalog->rows == NULL || !rsi_bitset_has(&catalog->alive, chunk_number))
            status = rsi_fail(RAGSTORE_E_NOT_FOUND, "api", "there is no chunk %lld",
                              (long long)chunk_number);
        else if (dimension != rsi_rows_dimension(catalog->rows))
            status = rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api",
                              "%s: a dimension of %zu; the index has %u", __func__, dimension,
                              rsi_rows_dimension(catalog->rows));
        else
            status = rsi_rows_get(&row, catalog->rows, chunk_number);
        if (status == RAGSTORE_OK)
            memcpy(vector, row, dimension * sizeof *vector);
        pthread_rwlock_unlock(&catalog->lock);
    }
    rsi_catalog_release(index->core->store, catalog);
    return rsi_core_leave(index->core, status);
}

int ragstore_index_export(ragstore_index *index)
{
    rsi_catalog *catalog = NULL;
    int status = enter_to_write(index, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_store *store = index->core->store;
    status = rsi_catalog_acquire(&catalog, store, index->entity_id, index->incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_export_index(store, catalog);
    rsi_catalog_release(store, catalog);
    return rsi_core_leave(index->core, status);
}

int ragstore_index_import(ragstore_document **out, ragstore_entity *entity, const char *path,
                          const char *chunks_json, const ragstore_document_add_options *options)
{
    ragstore_document_add_options given;
    rsi_added added;
    if (out != NULL)
        *out = NULL;
    int status = rsi_check_not_null(path, __func__, "path");
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_handle(entity, RSI_MAGIC_ENTITY, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter_to_write(entity->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_document_fields fields = rsi_document_fields_of(&given, entity->core);
    status = rsi_document_import(&added, entity->core->store, entity->id, entity->incarnation, path,
                                 chunks_json, &fields);
    if (status == RAGSTORE_OK && out != NULL)
        status = rsi_document_open_handle(out, entity->core, entity->id, entity->incarnation,
                                          added.doc_id, &added);
    return rsi_core_leave(entity->core, status);
}
