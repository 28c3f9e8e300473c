/* Documents for callers: as JSON, as the bytes that were sent, as text. See document.h. */
#include "ingest/document_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"
#include "ingest/extract.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* ---- JSON ---- */

static void put_document(rsi_json_writer *writer, const char *entity_id, const rsi_json *row,
                         const rsi_added *added)
{
    static const char *const members[] = {"filename",    "file_path", "file_size", "media_type",
                                          "sha256",      "key",       "source",    "description",
                                          "metadata",    "uploaded_at", "chunks_count"};
    rsi_json_begin_object(writer);
    rsi_json_put_value(writer, "doc_id", rsi_json_get(row, "doc_id"));
    rsi_json_put_text(writer, "entity_id", entity_id);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        rsi_json_put_value(writer, members[i], rsi_json_get(row, members[i]));
    if (added != NULL) {
        rsi_json_put_bool(writer, "is_duplicate", added->is_duplicate);
        rsi_json_put_bool(writer, "replaced", added->replaced);
        rsi_json_put_text(writer, "notice", added->notice);
    }
    rsi_json_end_object(writer);
}

/* Find a document of a living entity. */
static int find_document(rsi_stored_document *document, rsi_store *store, const char *entity_id,
                         const char *incarnation, const char *doc_id)
{
    rsi_entity_record entity;
    memset(document, 0, sizeof *document);
    int status = rsi_entity_glance(&entity, store, entity_id, incarnation);
    rsi_entity_record_free(&entity);
    if (status == RAGSTORE_OK)
        status = rsi_stored_document_find(document, store, entity_id, "doc_id", doc_id);
    return status;
}

int rsi_document_describe(rsi_bytes *out, rsi_store *store, const char *entity_id,
                          const char *incarnation, const char *doc_id, const rsi_added *added)
{
    rsi_stored_document document;
    int status = find_document(&document, store, entity_id, incarnation, doc_id);
    if (status == RAGSTORE_OK) {
        rsi_json_writer writer = rsi_json_writer_of(out);
        put_document(&writer, entity_id, document.json, added);
        status = rsi_bytes_status(out);
    }
    rsi_stored_document_free(&document);
    return status;
}

typedef struct document_list {
    rsi_json_writer writer;
    const char *entity_id;
    uint64_t limit;
    uint64_t offset;
    const char *match;
    uint64_t position;
} document_list;

static bool matches(const document_list *list, const rsi_json *row)
{
    const char *id = rsi_json_get_text(row, "doc_id");
    const char *name = rsi_json_get_text(row, "filename");
    return list->match == NULL || (id != NULL && strcasestr(id, list->match) != NULL) ||
           (name != NULL && strcasestr(name, list->match) != NULL);
}

static int list_document(void *user, uint64_t number, const char *json, size_t size)
{
    document_list *list = user;
    rsi_json *row;
    (void)number;
    int status = rsi_json_parse(&row, json, size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    if (matches(list, row)) {
        if (list->position >= list->offset && list->position - list->offset < list->limit)
            put_document(&list->writer, list->entity_id, row, NULL);
        list->position++;
    }
    rsi_json_free(row);
    return RAGSTORE_OK;
}

int rsi_document_list(rsi_bytes *out, rsi_store *store, const char *entity_id,
                      const char *incarnation, uint64_t limit, uint64_t offset, const char *match)
{
    rsi_entity_record entity;
    int status = rsi_entity_read(&entity, store, entity_id, incarnation);
    rsi_entity_record_free(&entity);
    if (status != RAGSTORE_OK)
        return status;
    document_list list = {.writer = rsi_json_writer_of(out),
                          .entity_id = entity_id,
                          .limit = limit,
                          .offset = offset,
                          .match = match};
    rsi_json_begin_array(&list.writer);
    status = rsi_storage_rows(store->storage, RSI_SPACE_ENTITIES, entity_id, 0, UINT64_MAX,
                              list_document, &list);
    rsi_json_end_array(&list.writer);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}

/* ---- bytes and text ---- */

/* The file of an upload. It gets its name after the commit: who comes in between finds it under the
 * old one, or has missed that by a moment. */
static int read_upload(rsi_bytes *out, rsi_store *store, const char *entity_id, const char *name)
{
    rsi_root *root = rsi_storage_root(store->storage);
    const rsi_path path = rsi_path_upload(entity_id, name);
    rsi_path waiting;
    int status = rsi_file_read_all(root, path.text, (size_t)RSI_DOCUMENT_MAX, out);
    if (status == RAGSTORE_E_NOT_FOUND &&
        rsi_storage_upload_waits(&waiting, store->storage, entity_id, name))
        status = rsi_file_read_all(root, waiting.text, (size_t)RSI_DOCUMENT_MAX, out);
    if (status == RAGSTORE_E_NOT_FOUND)
        status = rsi_file_read_all(root, path.text, (size_t)RSI_DOCUMENT_MAX, out);
    return status;
}

static int read_content(rsi_bytes *out, rsi_store *store, const char *entity_id,
                        const rsi_stored_document *document)
{
    char sha256[RSI_SHA256_HEX];
    if (document->stored_name == NULL || !rsi_upload_name_is_safe(document->stored_name))
        return rsi_fail(RAGSTORE_E_NOT_FOUND, "ingest",
                        "document \"%s\" was made of chunks and has no file", document->doc_id);
    rsi_path path = rsi_path_upload(entity_id, document->stored_name);
    int status = read_upload(out, store, entity_id, document->stored_name);
    if (status == RAGSTORE_E_NOT_FOUND)
        return rsi_fail(RAGSTORE_E_DAMAGED, "ingest",
                        "%s is missing; upload the file again to mend it", path.text);
    if (status != RAGSTORE_OK)
        return status;
    rsi_sha256_hex(out->data == NULL ? "" : out->data, out->size, sha256);
    if (document->sha256 != NULL && strcmp(sha256, document->sha256) != 0)
        return rsi_fail(RAGSTORE_E_DAMAGED, "ingest",
                        "%s is not what was uploaded (SHA-256 %.16s…, expected %.16s…)", path.text,
                        sha256, document->sha256);
    return RAGSTORE_OK;
}

static bool has_same_file(const rsi_stored_document *a, const rsi_stored_document *b)
{
    return a->stored_name != NULL && b->stored_name != NULL && a->sha256 != NULL &&
           b->sha256 != NULL && strcmp(a->stored_name, b->stored_name) == 0 &&
           strcmp(a->sha256, b->sha256) == 0;
}

#define TRIES 3 /* for a document that others replace */

/* Find a document and read its bytes. Another thread or process may delete or replace it between
 * the two: a file that is not as it should be is damage only when the document still names it. */
static int find_and_read(rsi_bytes *out, rsi_stored_document *document, rsi_store *store,
                         const char *entity_id, const char *incarnation, const char *doc_id)
{
    int status = find_document(document, store, entity_id, incarnation, doc_id);
    if (status == RAGSTORE_OK)
        status = read_content(out, store, entity_id, document);
    for (int i = 1; i < TRIES && status == RAGSTORE_E_DAMAGED; i++) {
        rsi_stored_document now;
        rsi_saved_error error;
        rsi_error_save(&error);
        int found = rsi_storage_follow(store->storage);
        if (found != RAGSTORE_OK) {
            rsi_error_restore(&error);
            return status;
        }
        found = find_document(&now, store, entity_id, incarnation, doc_id);
        const bool is_same = found == RAGSTORE_OK && has_same_file(document, &now);
        rsi_stored_document_free(document);
        *document = now;
        if (is_same)
            rsi_error_restore(&error);
        if (is_same || found != RAGSTORE_OK)
            return is_same ? status : found;
        rsi_bytes_clear(out);
        status = read_content(out, store, entity_id, document);
    }
    return status;
}

int rsi_document_content(rsi_bytes *out, rsi_store *store, const char *entity_id,
                         const char *incarnation, const char *doc_id)
{
    rsi_stored_document document;
    int status = find_and_read(out, &document, store, entity_id, incarnation, doc_id);
    rsi_stored_document_free(&document);
    return status;
}

/* Append what a chunk adds to the text that has been put together: *reached is how far that
 * goes. */
static int append_chunk(rsi_bytes *out, size_t *reached, const rsi_json *chunk)
{
    const char *before = rsi_json_get_text(chunk, "before");
    const char *content = rsi_json_get_text(chunk, "content");
    const char *after = rsi_json_get_text(chunk, "after");
    const int64_t start = rsi_json_get_integer(chunk, "start", -1);
    if (before != NULL && *reached == 0)
        rsi_bytes_append_text(out, before);
    const size_t have = out->size;
    if (content == NULL || start < 0 || (size_t)start > have)
        return rsi_fail(RAGSTORE_E_DAMAGED, "ingest",
                        "the chunks of the document do not fit together at byte %zu of its text; "
                        "upload the file again to mend it",
                        have);
    const size_t size = strlen(content);
    const size_t known = have - (size_t)start; /* overlaps with what is there */
    if (known < size)
        rsi_bytes_append(out, content + known, size - known);
    if (after != NULL)
        rsi_bytes_append_text(out, after);
    *reached = out->size;
    return rsi_bytes_status(out);
}

/* The text of a document whose chunks hold all of it: see extract_callback.h. */
static int join_chunks(rsi_bytes *out, rsi_store *store, const char *entity_id,
                       const rsi_stored_document *document)
{
    size_t reached = 0;
    int status = RAGSTORE_OK;
    for (int64_t i = 0; status == RAGSTORE_OK && i < document->chunks_count; i++) {
        rsi_bytes text = {0};
        rsi_json *chunk = NULL;
        status = rsi_storage_row_get(&text, store->storage, RSI_SPACE_CHUNKS, entity_id,
                                     (uint64_t)(document->first_chunk + i));
        if (status == RAGSTORE_OK)
            status = rsi_json_parse(&chunk, text.data, text.size, RSI_JSON_DEPTH_STORED);
        if (status == RAGSTORE_OK)
            status = append_chunk(out, &reached, chunk);
        rsi_json_free(chunk);
        rsi_bytes_free(&text);
    }
    return status;
}

int rsi_document_text(rsi_bytes *out, rsi_store *store, const char *entity_id,
                      const char *incarnation, const char *doc_id)
{
    rsi_stored_document document;
    rsi_bytes bytes = {0};
    rsi_extracted extracted = {0};
    int status = find_document(&document, store, entity_id, incarnation, doc_id);
    const bool in_chunks =
        status == RAGSTORE_OK && rsi_json_true(rsi_json_get(document.json, "text_in_chunks"));
    if (in_chunks)
        status = join_chunks(out, store, entity_id, &document);
    if (status == RAGSTORE_OK && !in_chunks) {
        rsi_stored_document_free(&document);
        status = find_and_read(&bytes, &document, store, entity_id, incarnation, doc_id);
    }
    if (status == RAGSTORE_OK && !in_chunks)
        status = rsi_extract(&extracted, bytes.data == NULL ? "" : bytes.data, bytes.size,
                             document.filename, rsi_json_get_text(document.json, "media_type"));
    if (status == RAGSTORE_OK && !in_chunks) {
        rsi_bytes_append(out, extracted.text.data, extracted.text.size);
        status = rsi_bytes_status(out);
    }
    rsi_extracted_free(&extracted);
    rsi_bytes_free(&bytes);
    rsi_stored_document_free(&document);
    return status;
}
