/* Derived files: see export.h. */
#include "entities/export.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void rsi_export_stamp_locked(char stamp[RSI_EXPORT_STAMP_MAX], const rsi_catalog *catalog)
{
    uint32_t crc = 0;
    for (int64_t chunk = rsi_bitset_next(&catalog->alive, 0); chunk >= 0;
         chunk = rsi_bitset_next(&catalog->alive, chunk + 1))
        crc = rsi_crc32c(crc, &chunk, sizeof chunk);
    snprintf(stamp, RSI_EXPORT_STAMP_MAX, "%s-%zu-%08" PRIx32, catalog->incarnation,
             catalog->alive.count, crc);
}

/* First the folder, then the look at the record: while it stands, the folder is of no other. */
int rsi_export_open_folder(rsi_root **folder, rsi_store *store, const rsi_catalog *catalog)
{
    rsi_entity_record record = {0};
    const rsi_path path = rsi_path_entity(catalog->entity_id);
    int status = rsi_root_open_below(folder, rsi_storage_root(store->storage), path.text);
    if (status == RAGSTORE_OK)
        status = rsi_storage_follow(store->storage);
    if (status == RAGSTORE_OK)
        status = rsi_entity_read(&record, store, catalog->entity_id, catalog->incarnation);
    rsi_entity_record_free(&record);
    if (status != RAGSTORE_OK) {
        rsi_root_close(*folder);
        *folder = NULL;
    }
    return rsi_wrap(status, "open the folder of \"%s\"", catalog->entity_id);
}

static int write_index_locked(rsi_store *store, rsi_catalog *catalog, rsi_root *folder)
{
    char stamp[RSI_EXPORT_STAMP_MAX];
    rsi_faiss_state state;
    rsi_export_stamp_locked(stamp, catalog);
    int status = rsi_faiss_check(&state, folder, RSI_EXPORT_INDEX, catalog->rows, &catalog->alive,
                                 stamp);
    if (status == RAGSTORE_OK && state == RSI_FAISS_DAMAGED)
        rsi_storage_log(store->storage, RAGSTORE_LOG_WARNING,
                        "%s is damaged; it is written again from the vectors",
                        rsi_path_in_entity(catalog->entity_id, RSI_EXPORT_INDEX).text);
    if (status == RAGSTORE_OK && state != RSI_FAISS_CURRENT)
        status = rsi_faiss_write(folder, RSI_EXPORT_INDEX, catalog->rows, &catalog->alive, stamp);
    return status;
}

/* A file that was asked for once and has vectors of then: nobody should take it for today's. */
static int drop_stale_index_locked(rsi_catalog *catalog, rsi_root *folder)
{
    char stamp[RSI_EXPORT_STAMP_MAX];
    rsi_faiss_state state;
    if (!rsi_file_exists(folder, RSI_EXPORT_INDEX))
        return RAGSTORE_OK;
    rsi_export_stamp_locked(stamp, catalog);
    int status = rsi_faiss_look(&state, folder, RSI_EXPORT_INDEX, stamp);
    if (status == RAGSTORE_OK && state != RSI_FAISS_CURRENT)
        status = rsi_faiss_remove(folder, RSI_EXPORT_INDEX);
    return status;
}

static int export_index_locked(rsi_store *store, rsi_catalog *catalog, rsi_root *folder,
                               rsi_export_scope scope)
{
    return scope == RSI_EXPORT_ALL || catalog->alive.count <= RSI_EXPORT_UNASKED_MAX
               ? write_index_locked(store, catalog, folder)
               : drop_stale_index_locked(catalog, folder);
}

static int export_asked_index(rsi_store *store, rsi_catalog *catalog, rsi_root *folder)
{
    bool handled;
    int status = rsi_export_faiss(&handled, store, catalog, folder, RSI_EXPORT_ALL);
    if (status != RAGSTORE_OK || handled)
        return status;
    pthread_rwlock_rdlock(&catalog->lock);
    if (catalog->rows == NULL)
        status = rsi_fail(RAGSTORE_E_EMBEDDER, "entities", "entity \"%s\" has no vectors",
                          catalog->entity_id);
    else
        status = export_index_locked(store, catalog, folder, RSI_EXPORT_ALL);
    pthread_rwlock_unlock(&catalog->lock);
    return status;
}

int rsi_export_index(rsi_store *store, rsi_catalog *catalog)
{
    rsi_root *folder;
    int status = rsi_export_open_folder(&folder, store, catalog);
    if (status == RAGSTORE_OK)
        status = export_asked_index(store, catalog, folder);
    rsi_root_close(folder);
    return rsi_wrap(status, "write index.faiss of \"%s\"", catalog->entity_id);
}

static int export_index_if_any(rsi_store *store, rsi_catalog *catalog, rsi_root *folder,
                               rsi_export_scope scope)
{
    bool handled;
    int status = rsi_export_faiss(&handled, store, catalog, folder, scope);
    pthread_rwlock_rdlock(&catalog->lock);
    if (status == RAGSTORE_OK && !handled && catalog->rows != NULL)
        status = export_index_locked(store, catalog, folder, scope);
    pthread_rwlock_unlock(&catalog->lock);
    return rsi_wrap(status, "write index.faiss of \"%s\"", catalog->entity_id);
}

static void encode_documents(rsi_bytes *out, const rsi_catalog *catalog)
{
    rsi_bytes_append_text(out, "{\n");
    for (size_t i = 0; i < catalog->document_count; i++) {
        const rsi_catalog_document *document = &catalog->documents[i];
        rsi_json_writer writer = rsi_json_writer_of(out);
        rsi_json_text_value(&writer, document->doc_id, strlen(document->doc_id));
        rsi_bytes_append_text(out, ": ");
        writer = rsi_json_writer_of(out);
        rsi_json_begin_array(&writer);
        for (int64_t chunk = document->first_chunk; chunk < document->end_chunk; chunk++)
            if (rsi_bitset_has(&catalog->alive, chunk))
                rsi_json_integer_value(&writer, chunk);
        rsi_json_end_array(&writer);
        rsi_bytes_append_text(out, i + 1 < catalog->document_count ? ",\n" : "\n");
    }
    rsi_bytes_append_text(out, "}\n");
}

static int write_documents(rsi_catalog *catalog, rsi_root *folder)
{
    rsi_bytes text = {0};
    pthread_rwlock_rdlock(&catalog->lock);
    encode_documents(&text, catalog);
    pthread_rwlock_unlock(&catalog->lock);
    int status = rsi_bytes_status(&text);
    if (status == RAGSTORE_OK)
        status = rsi_file_replace(folder, RSI_EXPORT_DOCUMENTS, text.data, text.size);
    rsi_bytes_free(&text);
    return rsi_wrap(status, "write " RSI_EXPORT_DOCUMENTS " of \"%s\"", catalog->entity_id);
}

static int export_files(rsi_store *store, rsi_catalog *catalog, rsi_export_scope scope)
{
    rsi_root *folder;
    int status = rsi_export_open_folder(&folder, store, catalog);
    if (status == RAGSTORE_OK)
        status = write_documents(catalog, folder);
    if (status == RAGSTORE_OK)
        status = rsi_export_lexical(catalog, folder, scope);
    if (status == RAGSTORE_OK)
        status = export_index_if_any(store, catalog, folder, scope);
    rsi_root_close(folder);
    return status;
}

int rsi_export_entity(rsi_store *store, const char *entity_id, rsi_export_scope scope)
{
    rsi_entity_record record;
    rsi_catalog *catalog = NULL;
    int status = rsi_entity_read(&record, store, entity_id, NULL);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_acquire(&catalog, store, entity_id, record.incarnation);
    rsi_entity_record_free(&record);
    if (status == RAGSTORE_OK) {
        rsi_upkeep_unmark(store, entity_id); /* also the mark that loading it just made */
        status = export_files(store, catalog, scope);
    }
    rsi_catalog_release(store, catalog);
    if (status == RAGSTORE_E_DISK_FULL || status == RAGSTORE_E_IO ||
        status == RAGSTORE_E_NO_MEMORY)
        rsi_upkeep_mark(store, entity_id); /* may work later */
    return status;
}

/* One that cannot be read keeps nobody else from being written; the first is told of at the end. */
int rsi_export_all(rsi_store *store)
{
    rsi_bytes ids = {0};
    rsi_saved_error damage;
    size_t unreadable = 0;
    int status = rsi_storage_keys(&ids, &unreadable, store->storage, RSI_SPACE_ENTITIES);
    bool damaged = status == RAGSTORE_OK && unreadable > 0;
    if (damaged)
        rsi_error_save(&damage);
    for (size_t at = 0; status == RAGSTORE_OK && at < ids.size; at += strlen(ids.data + at) + 1) {
        status = rsi_export_entity(store, ids.data + at, RSI_EXPORT_ALL);
        if (status == RAGSTORE_E_DAMAGED && !damaged) {
            damaged = true;
            rsi_error_save(&damage);
        }
        if (status == RAGSTORE_E_NOT_FOUND || status == RAGSTORE_E_DAMAGED)
            status = RAGSTORE_OK;
    }
    rsi_bytes_free(&ids);
    if (status != RAGSTORE_OK || !damaged)
        return status;
    rsi_error_restore(&damage);
    return rsi_wrap(rsi_error_code(), "the files of all other entities are written");
}
