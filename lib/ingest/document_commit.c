/*
 * The commit of a document. Vector rows are written first, then one transaction names them, the
 * chunks, the file and the record; few rows are flushed with it, many before. Runs under the writer
 * lock, inside the caller's transaction.
 */
#include "ingest/document_internal.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"
#include "ingest/extract.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- rows ---- */

/* A member, if there is such a text. */
static void put_slice(rsi_json_writer *writer, const char *name, rsi_slice text)
{
    if (text.data == NULL)
        return;
    rsi_json_key(writer, name);
    rsi_json_text_value(writer, text.data, text.size);
}

/* A chunk as it is stored; `text` is room that is used again. */
static int put_chunk(rsi_tx *tx, rsi_bytes *text, const char *entity_id, const char *doc_id,
                     size_t order, const rsi_new_chunk *chunk, int64_t number)
{
    rsi_bytes_clear(text);
    rsi_json_writer writer = rsi_json_writer_of(text);
    rsi_json_begin_object(&writer);
    rsi_json_put_text(&writer, "doc_id", doc_id);
    rsi_json_put_integer(&writer, "chunk_order_index", (int64_t)order);
    put_slice(&writer, "content", chunk->content);
    if (chunk->start >= 0) {
        rsi_json_put_integer(&writer, "start", chunk->start);
        rsi_json_put_integer(&writer, "end", chunk->end);
    }
    if (chunk->page > 0)
        rsi_json_put_integer(&writer, "page", chunk->page);
    put_slice(&writer, "heading", chunk->heading);
    if (chunk->metadata.data != NULL)
        rsi_json_put_raw(&writer, "metadata", chunk->metadata.data);
    put_slice(&writer, "before", chunk->before);
    put_slice(&writer, "after", chunk->after);
    rsi_json_end_object(&writer);
    int status = rsi_bytes_status(text);
    return status == RAGSTORE_OK ? rsi_tx_row_put(tx, RSI_SPACE_CHUNKS, entity_id, (uint64_t)number,
                                                  text->data, text->size)
                                 : status;
}

typedef struct document_row {
    const char *doc_id;
    const char *stored_name; /* or NULL */
    const char *uploaded_at; /* NULL: now */
    int64_t first_chunk;
    uint64_t row;
} document_row;

static int encode_row(rsi_bytes *out, const document_row *row, const char *entity_id,
                      const rsi_prepared *prepared, const rsi_origin *origin,
                      const rsi_document_fields *fields)
{
    char now[RSI_TIME_TEXT];
    rsi_bytes metadata = {0};
    int status = rsi_metadata_check(&metadata, fields->metadata_json);
    if (status != RAGSTORE_OK)
        return status;
    const char *filename = fields->filename != NULL ? fields->filename
                           : row->stored_name != NULL ? row->stored_name
                           : fields->key != NULL      ? fields->key
                                                      : "chunks";
    rsi_time_now_text(now);
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_json_begin_object(&writer);
    rsi_json_put_integer(&writer, "chunks_count", (int64_t)prepared->count);
    rsi_json_put_integer(&writer, "first_chunk", row->first_chunk);
    rsi_json_put_text(&writer, "doc_id", row->doc_id);
    rsi_json_put_text(&writer, "filename", filename);
    rsi_json_put_text(&writer, "file_path",
                      row->stored_name == NULL
                          ? NULL
                          : rsi_path_upload(entity_id, row->stored_name).text);
    rsi_json_put_text(&writer, "stored_name", row->stored_name);
    rsi_json_put_text(&writer, "uploaded_at", row->uploaded_at == NULL ? now : row->uploaded_at);
    rsi_json_put_text(&writer, "source", fields->source);
    rsi_json_put_text(&writer, "description", fields->description);
    rsi_json_put_text(&writer, "key", fields->key);
    rsi_json_put_text(&writer, "media_type", prepared->media_type);
    rsi_json_put_text(&writer, "encoding",
                      prepared->encoding[0] == '\0' ? NULL : prepared->encoding);
    rsi_json_put_integer(&writer, "extractor", RSI_EXTRACTOR_VERSION);
    if (prepared->text_in_chunks)
        rsi_json_put_bool(&writer, "text_in_chunks", true);
    rsi_json_put_integer(&writer, "file_size", (int64_t)origin->size);
    rsi_json_put_text(&writer, "sha256", origin->sha256);
    rsi_json_put_raw(&writer, "metadata", metadata.data);
    rsi_json_end_object(&writer);
    rsi_bytes_free(&metadata);
    return rsi_bytes_status(out);
}

/* ---- removing parts ---- */

int rsi_document_drop_parts(rsi_tx *tx, rsi_store *store, const rsi_entity_record *entity,
                            const rsi_stored_document *document)
{
    int status = RAGSTORE_OK;
    for (int64_t i = 0; status == RAGSTORE_OK && i < document->chunks_count; i++)
        status = rsi_tx_row_drop(tx, RSI_SPACE_CHUNKS, entity->id,
                                 (uint64_t)(document->first_chunk + i));
    if (status == RAGSTORE_OK && document->stored_name != NULL &&
        rsi_upload_name_is_safe(document->stored_name))
        status = rsi_tx_unlink(tx, entity->id, document->stored_name);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_remove_on_commit(tx, store, entity->id, document->first_chunk);
    return status;
}

/* ---- the commit ---- */

static int settle_id(rsi_added *added, const rsi_stored_document *old)
{
    if (old != NULL) {
        snprintf(added->doc_id, sizeof added->doc_id, "%s", old->doc_id);
        return RAGSTORE_OK;
    }
    memcpy(added->doc_id, "doc_", 4);
    return rsi_random_uuid(added->doc_id + 4);
}

static int read_rows(void *user, float *out, size_t from, size_t count)
{
    return rsi_prepared_read_vectors(out, user, from, count);
}

/* Vector rows first: they count only when the transaction names their chunks. */
static int append_vectors(rsi_catalog *catalog, rsi_prepared *prepared, int64_t first_chunk,
                          rsi_tx *tx)
{
    return prepared->embedder == NULL ? RAGSTORE_OK
                                      : rsi_catalog_append_rows(catalog, first_chunk, read_rows,
                                                                prepared, prepared->count, tx);
}

/* The file of an upload while its transaction runs. */
typedef struct incoming_file {
    rsi_store *store;
    rsi_path path;
} incoming_file;

/* A transaction that did not commit leaves no file. When writing has stopped, nobody knows whether
 * it did: opening the store again names the file or sweeps it away. */
static void end_incoming(void *user, bool committed)
{
    incoming_file *file = user;
    rsi_bytes failure = {0};
    if (!committed && rsi_storage_failure(&failure, file->store->storage) == RAGSTORE_OK &&
        failure.size == 0)
        rsi_file_remove(rsi_storage_root(file->store->storage), file->path.text);
    rsi_bytes_free(&failure);
    rsi_free(file);
}

int rsi_incoming_remove_on_abort(rsi_tx *tx, rsi_store *store, const char *entity_id,
                                 const char *incoming)
{
    incoming_file *file = rsi_alloc(sizeof *file);
    if (file == NULL)
        return RAGSTORE_E_NO_MEMORY;
    file->store = store;
    file->path = rsi_path_upload(entity_id, incoming);
    int status = rsi_tx_on_end(tx, end_incoming, file);
    if (status != RAGSTORE_OK)
        rsi_free(file);
    return status;
}

static int name_incoming(rsi_store *store, const char *entity_id, const rsi_origin *origin,
                         const char *stored_name, rsi_tx *tx)
{
    int status = origin->job != NULL
                     ? RAGSTORE_OK /* whose it is until the commit */
                     : rsi_incoming_remove_on_abort(tx, store, entity_id, origin->incoming);
    if (status != RAGSTORE_OK)
        return status;
    *origin->incoming_taken = true;
    return rsi_tx_file(tx, entity_id, origin->incoming, stored_name);
}

static int put_chunks(rsi_tx *tx, const char *entity_id, const char *doc_id,
                      rsi_prepared *prepared, int64_t first_chunk)
{
    rsi_prepared_reader reader = rsi_prepared_read(prepared);
    rsi_bytes text = {0};
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < prepared->count; i++) {
        rsi_new_chunk chunk;
        int found = rsi_prepared_next(&chunk, &reader);
        status = found < 0 ? found
                           : put_chunk(tx, &text, entity_id, doc_id, i, &chunk,
                                       first_chunk + (int64_t)i);
    }
    rsi_bytes_free(&text);
    rsi_prepared_reader_free(&reader);
    return status;
}

static int put_document(const rsi_added *added, rsi_store *store, const rsi_entity_record *entity,
                        rsi_prepared *prepared, const rsi_origin *origin,
                        const rsi_document_fields *fields, const document_row *row, rsi_tx *tx)
{
    rsi_bytes text = {0};
    int status = encode_row(&text, row, entity->id, prepared, origin, fields);
    if (status == RAGSTORE_OK)
        status = rsi_tx_row_put(tx, RSI_SPACE_ENTITIES, entity->id, row->row, text.data,
                                text.size);
    rsi_bytes_free(&text);
    if (status == RAGSTORE_OK)
        status = put_chunks(tx, entity->id, added->doc_id, prepared, row->first_chunk);
    if (status == RAGSTORE_OK && row->stored_name != NULL)
        status = name_incoming(store, entity->id, origin, row->stored_name, tx);
    return status;
}

/* What is mended is known as it was: who sent the same bytes again has said nothing new. */
static int keep_fields(rsi_document_fields *kept, rsi_bytes *metadata, const rsi_json *row)
{
    const rsi_json *known = rsi_json_get(row, "metadata");
    kept->filename = rsi_json_get_text(row, "filename");
    kept->source = rsi_json_get_text(row, "source");
    kept->description = rsi_json_get_text(row, "description");
    kept->key = rsi_json_get_text(row, "key");
    if (rsi_json_is_object(known))
        rsi_json_dump(metadata, known);
    kept->metadata_json = metadata->data;
    return rsi_bytes_status(metadata);
}

static int commit_fields(rsi_added *added, rsi_store *store, const rsi_entity_record *entity,
                         rsi_prepared *prepared, const rsi_origin *origin,
                         const rsi_document_fields *fields, const rsi_stored_document *old,
                         rsi_tx *tx)
{
    char name[RSI_STORED_NAME_MAX] = "";
    uint64_t next = 0;
    rsi_catalog *catalog = NULL;
    int status = settle_id(added, old);
    if (status == RAGSTORE_OK)
        status = rsi_storage_row_count(NULL, &next, store->storage, RSI_SPACE_CHUNKS, entity->id);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_acquire(&catalog, store, entity->id, entity->incarnation);
    if (status == RAGSTORE_OK && origin->incoming != NULL) /* by what the catalog knows */
        status = rsi_document_choose_name(name, store, entity->id, fields->filename);
    if (status != RAGSTORE_OK) {
        rsi_catalog_release(store, catalog);
        return status;
    }

    int64_t recorded = entity->next_chunk > (int64_t)next ? entity->next_chunk : (int64_t)next;
    if (prepared->embedder != NULL)
        status = rsi_catalog_prepare_rows(catalog, store, prepared->dimension, recorded);
    const char *since = added->is_duplicate ? rsi_json_get_text(old->json, "uploaded_at") : NULL;
    document_row row = {.doc_id = added->doc_id,
                        .stored_name = name[0] == '\0' ? NULL : name,
                        .uploaded_at = since,
                        .first_chunk = rsi_catalog_next_chunk(catalog, recorded),
                        .row = old == NULL ? entity->next_row : old->row};
    if (status == RAGSTORE_OK)
        status = append_vectors(catalog, prepared, row.first_chunk, tx);
    if (status == RAGSTORE_OK && old != NULL)
        status = rsi_document_drop_parts(tx, store, entity, old);
    if (status == RAGSTORE_OK)
        status = rsi_entity_put_counters(
            tx, entity, row.first_chunk + (int64_t)prepared->count,
            old == NULL ? entity->next_row + 1 : entity->next_row, prepared->embedder,
            prepared->dimension);
    if (status == RAGSTORE_OK)
        status = put_document(added, store, entity, prepared, origin, fields, &row, tx);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_add_on_commit(tx, store, entity->id, row.row);
    rsi_catalog_release(store, catalog);
    return status;
}

int rsi_document_commit(rsi_added *added, rsi_store *store, const rsi_entity_record *entity,
                        rsi_prepared *prepared, const rsi_origin *origin,
                        const rsi_document_fields *fields, const rsi_stored_document *old,
                        rsi_tx *tx)
{
    rsi_document_fields recorded = *fields;
    rsi_bytes metadata = {0};
    int status =
        added->is_duplicate ? keep_fields(&recorded, &metadata, old->json) : RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = commit_fields(added, store, entity, prepared, origin, &recorded, old, tx);
    rsi_bytes_free(&metadata);
    return status;
}

/* ---- is it whole? ---- */

/* Is a document's file there, with the bytes that were sent? */
static int check_file(bool *good, rsi_store *store, const char *entity_id,
                      const rsi_stored_document *document)
{
    char piece[16384];
    char sha256[RSI_SHA256_HEX];
    rsi_sha256 sha;
    rsi_file *file = NULL;
    uint64_t size = 0;
    *good = document->stored_name == NULL;
    if (*good)
        return RAGSTORE_OK;
    int status = rsi_file_open(&file, rsi_storage_root(store->storage),
                               rsi_path_upload(entity_id, document->stored_name).text,
                               RSI_OPEN_READ);
    if (status == RAGSTORE_E_NOT_FOUND)
        return RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = rsi_file_size(file, &size);
    rsi_sha256_begin(&sha);
    for (uint64_t at = 0; status == RAGSTORE_OK && at < size;) {
        size_t part = size - at < sizeof piece ? (size_t)(size - at) : sizeof piece;
        status = rsi_file_read_at(file, piece, part, at);
        if (status == RAGSTORE_OK)
            rsi_sha256_add(&sha, piece, part);
        at += part;
    }
    if (status == RAGSTORE_OK) {
        rsi_sha256_end_hex(&sha, sha256);
        *good = document->sha256 == NULL || strcmp(sha256, document->sha256) == 0;
    }
    rsi_file_close(file);
    return status;
}

int rsi_document_is_whole(bool *whole, rsi_store *store, const rsi_entity_record *entity,
                          const rsi_stored_document *document)
{
    rsi_catalog *catalog;
    rsi_bitset wanted = {0};
    rsi_bitset missing = {0};
    bool has_file;
    /* When this thread's transaction made it, no catalog knows its chunks, and its file does not have
     * its name, before the commit. */
    *whole = rsi_storage_has_own_row(store->storage, RSI_SPACE_CHUNKS, entity->id,
                                     (uint64_t)document->first_chunk);
    if (*whole)
        return RAGSTORE_OK;
    int status = check_file(&has_file, store, entity->id, document);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_acquire(&catalog, store, entity->id, entity->incarnation);
    if (status != RAGSTORE_OK)
        return status;
    pthread_rwlock_rdlock(&catalog->lock);
    int64_t alive = 0;
    for (int64_t i = 0; status == RAGSTORE_OK && i < document->chunks_count; i++) {
        alive += rsi_bitset_has(&catalog->alive, document->first_chunk + i);
        status = rsi_bitset_add(&wanted, document->first_chunk + i);
    }
    bool has_vectors = entity->embedder == NULL;
    if (status == RAGSTORE_OK && entity->embedder != NULL && catalog->rows != NULL) {
        status = rsi_rows_missing(&missing, catalog->rows, &wanted);
        has_vectors = status == RAGSTORE_OK && missing.count == 0;
    }
    pthread_rwlock_unlock(&catalog->lock);
    rsi_catalog_release(store, catalog);
    rsi_bitset_free(&wanted);
    rsi_bitset_free(&missing);
    *whole = has_file && has_vectors && alive == document->chunks_count;
    return status;
}
