/* Index: how it is searched, and what there is of it. */
#include "api/handles.h"

#include "base/status.h"
#include "entities/index_plan.h"
#include "files/paths.h"

static int enter(const ragstore_index *index, const char *function)
{
    int status = rsi_check_handle(index, RSI_MAGIC_INDEX, function);
    return status == RAGSTORE_OK ? rsi_core_enter(index->core, function) : status;
}

int ragstore_index_set(ragstore_index *index, const char *key, const char *value)
{
    int status = rsi_check_not_null(key, __func__, "key");
    if (status == RAGSTORE_OK)
        status = rsi_check_handle(index, RSI_MAGIC_INDEX, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter_to_write(index->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status =
        rsi_entity_set_index(index->core->store, index->entity_id, index->incarnation, key, value);
    return rsi_core_leave(index->core, rsi_wrap(status, "set up an index"));
}

int ragstore_index_get(ragstore_buffer **out, ragstore_index *index, const char *key)
{
    rsi_entity_record record = {0};
    rsi_index_settings settings;
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(key, __func__, "key");
    if (status == RAGSTORE_OK)
        status = enter(index, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_entity_read(&record, index->core->store, index->entity_id, index->incarnation);
    if (status == RAGSTORE_OK) {
        rsi_index_settings_read(&settings, record.json);
        status = rsi_index_settings_get(&text, &settings, key);
    }
    rsi_entity_record_free(&record);
    return rsi_core_leave_with(out, index->core, &text, status);
}

int ragstore_index_rebuild(ragstore_index *index, const ragstore_index_rebuild_options *options)
{
    ragstore_index_rebuild_options given;
    rsi_catalog *catalog = NULL;
    int status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = enter(index, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_store *store = index->core->store;
    const rsi_rebuild rebuild = {given.progress, given.progress_user, rsi_store_epoch(store)};
    status = rsi_catalog_acquire(&catalog, store, index->entity_id, index->incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_rebuild(store, catalog, &rebuild);
    rsi_catalog_release(store, catalog);
    return rsi_core_leave(index->core, rsi_wrap(status, "rebuild an index"));
}

/* ---- describing ---- */

/* How many vectors are in what serves beside the rows, and how large that is. */
static void count_codes_locked(const rsi_catalog *catalog, bool by_faiss, size_t *coded,
                               size_t *memory)
{
    if (by_faiss) {
        *coded = rsi_faiss_index_count(catalog->faiss);
        *memory = rsi_faiss_index_memory(catalog->faiss);
    } else if (catalog->codes != NULL) {
        *coded = rsi_quantised_count(catalog->codes);
        *memory = rsi_quantised_memory(catalog->codes);
    } else if (catalog->bytes != NULL) {
        *coded = rsi_byte_codes_count(catalog->bytes);
        *memory = rsi_byte_codes_memory(catalog->bytes);
    }
}

static void put_state_locked(rsi_json_writer *writer, const rsi_catalog *catalog)
{
    const rsi_quantised *codes = catalog->codes;
    const uint64_t rows = catalog->rows == NULL ? 0 : rsi_rows_count(catalog->rows);
    const uint64_t alive = catalog->alive.count;
    const size_t lists = codes == NULL ? 0 : rsi_quantised_lists(codes);
    const bool by_faiss = catalog->faiss != NULL && catalog->settings.kind == RSI_INDEX_FAISS;
    size_t coded = 0;
    size_t memory = 0;
    count_codes_locked(catalog, by_faiss, &coded, &memory);
    rsi_json_put_text(writer, "tier",
                      by_faiss ? "faiss" : rsi_index_tier(&catalog->settings, lists));
    rsi_json_put_text(writer, "problem", catalog->index_problem);
    rsi_json_put_text(writer, "state",
                      __atomic_load_n(&catalog->wants_codes, __ATOMIC_RELAXED) ? "building"
                                                                               : "ready");
    rsi_json_put_integer(writer, "count", (int64_t)alive);
    rsi_json_put_integer(writer, "coded", (int64_t)coded);
    rsi_json_put_integer(writer, "rows", (int64_t)rows);
    rsi_json_put_integer(writer, "dead", rows > alive ? (int64_t)(rows - alive) : 0);
    rsi_json_put_integer(writer, "bytes",
                         catalog->rows == NULL ? 0 : (int64_t)rsi_rows_bytes(catalog->rows));
    rsi_json_put_integer(writer, "memory", (int64_t)memory);
}

static int put_settings(rsi_json_writer *writer, const rsi_entity_record *record)
{
    rsi_index_settings settings;
    rsi_bytes kind = {0};
    rsi_index_settings_read(&settings, record->json);
    int status = rsi_index_settings_get(&kind, &settings, "kind");
    if (status == RAGSTORE_OK)
        rsi_json_put_text(writer, "kind", kind.data);
    rsi_bytes_free(&kind);
    return status;
}

static int describe(rsi_bytes *out, const ragstore_index *index)
{
    rsi_store *store = index->core->store;
    rsi_entity_record record = {0};
    rsi_catalog *catalog = NULL;
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_path file = rsi_path_in_entity(index->entity_id, "vector_store/index.faiss");
    int status = rsi_entity_read(&record, store, index->entity_id, index->incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_acquire(&catalog, store, index->entity_id, index->incarnation);
    if (status != RAGSTORE_OK)
        goto cleanup;
    rsi_json_begin_object(&writer);
    status = put_settings(&writer, &record);
    pthread_rwlock_rdlock(&catalog->lock);
    put_state_locked(&writer, catalog);
    pthread_rwlock_unlock(&catalog->lock);
    rsi_json_put_text(&writer, "metric", rsi_metric_name(record.metric));
    rsi_json_put_integer(&writer, "dimension", record.dimension);
    rsi_json_put_text(&writer, "embedder", record.embedder);
    rsi_json_put_text(&writer, "file",
                      rsi_file_exists(rsi_storage_root(store->storage), file.text) ? file.text
                                                                                   : NULL);
    rsi_json_end_object(&writer);
    if (status == RAGSTORE_OK)
        status = rsi_bytes_status(out);

cleanup:
    rsi_catalog_release(store, catalog);
    rsi_entity_record_free(&record);
    return status;
}

int ragstore_index_describe(ragstore_buffer **out, ragstore_index *index)
{
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = enter(index, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = describe(&text, index);
    return rsi_core_leave_with(out, index->core, &text, status);
}
