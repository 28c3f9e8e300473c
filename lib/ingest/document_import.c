/*
 * Importing the vectors of a FAISS file: each becomes a chunk of one document, in one commit.
 *
 *   file ─► layout checked against its size ─► ids, vectors ─► digest ─► as any other document
 *                                                               (the same file twice adds once)
 *
 * The file is somebody else's: nothing in it is believed, and FAISS never sees it
 * (vectors/faiss_file.h). It is not kept under uploads/: the rows are all that was in it. Called by
 * the api; takes locks as rsi_document_add() does.
 */
#include "ingest/document_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"
#include "vectors/faiss_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FILENAME_MAX_BYTES 1024
#define READ_BYTES ((uint64_t)4 << 20) /* of vectors, between two looks at whether to go on */
#define ID_MEMBER "faiss_id"           /* of a chunk's metadata */

/* What was read of a file. */
typedef struct import {
    rsi_faiss_layout layout;
    int64_t *ids;
    float *vectors;
    const char *chunks_json;
    const rsi_document_fields *fields;
} import;

/* ---- the file ---- */

static int check_size(const rsi_faiss_layout *layout, const char *path)
{
    if (layout->count == 0)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest", "%s: it holds no vectors", path);
    if (layout->count > RSI_IMPORT_VECTORS_MAX || layout->file_size > RSI_IMPORT_BYTES_MAX)
        return rsi_fail(
            RAGSTORE_E_TOO_LARGE, "ingest",
            "%s: %" PRIu64 " vectors in %" PRIu64 " bytes; a file of at most %d vectors "
            "and %" PRIu64 " bytes is read: divide it",
            path, layout->count, layout->file_size, RSI_IMPORT_VECTORS_MAX, RSI_IMPORT_BYTES_MAX);
    return RAGSTORE_OK;
}

static int read_vectors(import *from, rsi_store *store, const rsi_faiss_file *file)
{
    const rsi_faiss_layout *layout = &from->layout;
    const uint64_t epoch = rsi_store_epoch(store);
    const uint64_t fit = READ_BYTES / (layout->dimension * sizeof(float));
    const uint64_t step = fit > 0 ? fit : 1;
    int status = rsi_report_progress(from->fields, "read", 0, layout->count);
    for (uint64_t done = 0; status == RAGSTORE_OK && done < layout->count;) {
        const uint64_t count = layout->count - done < step ? layout->count - done : step;
        status =
            rsi_faiss_file_vectors(from->vectors + done * layout->dimension, file, done, count);
        done += count;
        if (status == RAGSTORE_OK)
            status = rsi_store_check_interrupt(store, epoch);
        if (status == RAGSTORE_OK)
            status = rsi_report_progress(from->fields, "read", done, layout->count);
    }
    return status;
}

static int read_file(import *from, rsi_store *store, const char *path)
{
    rsi_faiss_file file;
    int status = rsi_faiss_file_open(&file, rsi_storage_root(store->storage), path);
    if (status != RAGSTORE_OK)
        return status;
    from->layout = file.layout;
    const size_t count = (size_t)file.layout.count;
    status = check_size(&file.layout, path);
    if (status == RAGSTORE_OK) {
        from->ids = rsi_alloc_array(count, sizeof *from->ids);
        from->vectors = rsi_alloc_array(count * file.layout.dimension, sizeof *from->vectors);
        status = from->ids == NULL || from->vectors == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    }
    if (status == RAGSTORE_OK)
        status = rsi_faiss_file_ids(from->ids, &file);
    if (status == RAGSTORE_OK)
        status = read_vectors(from, store, &file);
    rsi_saved_error saved;
    rsi_error_save(&saved);
    rsi_faiss_file_close(&file);
    rsi_error_restore(&saved);
    return status;
}

/* ---- the chunks ---- */

/* Without texts of the caller: what a vector can be found by is its number. */
static int name_chunks(rsi_prepared *prepared, const import *from)
{
    const size_t count = (size_t)from->layout.count;
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        char content[48];
        char metadata[48];
        snprintf(content, sizeof content, "vector %" PRId64, from->ids[i]);
        snprintf(metadata, sizeof metadata, "{\"" ID_MEMBER "\":%" PRId64 "}", from->ids[i]);
        const rsi_new_chunk chunk = {.content = rsi_slice_of(content),
                                     .metadata = rsi_slice_of(metadata),
                                     .start = -1,
                                     .end = -1};
        status = rsi_prepared_add(prepared, &chunk);
    }
    return status;
}

/* Put the id of its vector into the metadata of a chunk that names none. */
static int add_id(void *user, rsi_bytes *metadata, const rsi_json *value, size_t i)
{
    const import *from = user;
    const rsi_json *vector = rsi_json_get(value, "vector");
    if (vector != NULL && !rsi_json_is_null(vector))
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest",
                        "chunk %zu: it has a vector, but that comes from the file", i);
    if (rsi_json_get(rsi_json_get(value, "metadata"), ID_MEMBER) != NULL)
        return RAGSTORE_OK;
    if (metadata->size > 2) {
        metadata->size--; /* the brace */
        rsi_bytes_append_char(metadata, ',');
    } else {
        rsi_bytes_clear(metadata);
        rsi_bytes_append_char(metadata, '{');
    }
    rsi_bytes_printf(metadata, "\"" ID_MEMBER "\":%" PRId64 "}", from->ids[i]);
    return rsi_bytes_status(metadata);
}

static int take_chunks(rsi_prepared *prepared, import *from, const rsi_json *list)
{
    if (!rsi_json_is_array(list) || rsi_json_count(list) != from->layout.count)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest",
                        "chunks must be a JSON array of %" PRIu64 " objects, one for each vector",
                        from->layout.count);
    return rsi_chunk_list_read(prepared, list, add_id, from);
}

static int make_chunks(rsi_prepared *prepared, import *from)
{
    rsi_json *list;
    if (from->chunks_json == NULL)
        return name_chunks(prepared, from);
    int status =
        rsi_json_parse(&list, from->chunks_json, strlen(from->chunks_json), RSI_JSON_DEPTH_REQUEST);
    if (status != RAGSTORE_OK)
        return status;
    status = take_chunks(prepared, from, list);
    rsi_json_free(list);
    return status;
}

/* ---- all ---- */

static int prepare_import(rsi_prepared *prepared, rsi_store *store, const rsi_entity_record *entity,
                          void *user)
{
    import *from = user;
    const rsi_embedder *embedder;
    const size_t dimension = from->layout.dimension;
    rsi_prepared_begin(prepared, store);
    snprintf(prepared->media_type, sizeof prepared->media_type, "application/x-faiss");
    int status = rsi_settle_own_vectors(prepared, &embedder, store, entity, dimension);
    if (status == RAGSTORE_OK)
        status = make_chunks(prepared, from);
    for (size_t i = 0; status == RAGSTORE_OK && i < prepared->count; i++)
        status = rsi_vector_take(from->vectors + i * dimension, prepared, i);
    if (status == RAGSTORE_OK)
        status = rsi_prepared_add_vectors(prepared, from->vectors, prepared->count);
    if (status != RAGSTORE_OK)
        rsi_prepared_free(prepared);
    return status;
}

/* What the import is known by: so the same file with the same texts twice adds once. */
static void digest_import(char sha256[RSI_SHA256_HEX], const import *from)
{
    rsi_sha256 sha;
    const size_t count = (size_t)from->layout.count;
    rsi_sha256_begin(&sha);
    if (from->chunks_json != NULL)
        rsi_sha256_add(&sha, from->chunks_json, strlen(from->chunks_json) + 1);
    rsi_sha256_add(&sha, &from->layout.dimension, sizeof from->layout.dimension);
    rsi_sha256_add(&sha, from->ids, count * sizeof *from->ids);
    rsi_sha256_add(&sha, from->vectors, count * from->layout.dimension * sizeof *from->vectors);
    rsi_sha256_end_hex(&sha, sha256);
}

/* Without another name the document has the file's. */
static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    return rsi_utf8_valid(name, strlen(name), NULL) && strlen(name) <= FILENAME_MAX_BYTES ? name
                                                                                          : NULL;
}

int rsi_document_import(rsi_added *added, rsi_store *store, const char *entity_id,
                        const char *incarnation, const char *path, const char *chunks_json,
                        const rsi_document_fields *fields)
{
    char sha256[RSI_SHA256_HEX];
    rsi_document_fields own = *fields;
import from = {.chunks_json = chunks_json, .fields = & own };
    memset(added, 0, sizeof *added);
    if (own.filename == NULL)
        own.filename = name_of(path);
    if (rsi_storage_is_read_only(store->storage))
        return rsi_fail(RAGSTORE_E_READ_ONLY, "ingest", "the store was opened for reading only");
    if (chunks_json != NULL && strlen(chunks_json) > RSI_CHUNKS_JSON_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "ingest", "chunks of over 256 MiB; divide the file");
    int status = rsi_document_check_fields(&own);
    if (status == RAGSTORE_OK)
        status = read_file(&from, store, path);
    if (status == RAGSTORE_OK) {
        digest_import(sha256, &from);
        const rsi_origin origin = {NULL, NULL, from.layout.file_size, sha256, NULL};
        status = rsi_document_add(added, store, entity_id, incarnation, &origin, &own,
                                  prepare_import, &from);
    }
    rsi_free(from.ids);
    rsi_free(from.vectors);
    return rsi_wrap(status, "import a FAISS file");
}
