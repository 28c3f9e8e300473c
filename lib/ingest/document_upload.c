/* Uploads: bytes go to disk as they come, hashed on the way. See document.h. */
#include "ingest/upload.h"

#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Copy the texts of fields into the upload. */
static int copy_fields(rsi_document_fields *copy, const rsi_document_fields *fields)
{
    const char *const from[] = {fields->filename,    fields->media_type,    fields->source,
                                fields->description, fields->metadata_json, fields->key};
    const char **const to[] = {&copy->filename,    &copy->media_type,    &copy->source,
                               &copy->description, &copy->metadata_json, &copy->key};
    *copy = (rsi_document_fields){.progress = fields->progress,
                                  .progress_user = fields->progress_user,
                                  .extract = fields->extract,
                                  .extract_user = fields->extract_user};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        if (from[i] == NULL)
            continue;
        *to[i] = rsi_strdup(from[i]);
        if (*to[i] == NULL)
            return RAGSTORE_E_NO_MEMORY;
    }
    return RAGSTORE_OK;
}

static void free_upload(rsi_upload *upload)
{
    rsi_free((char *)(uintptr_t)upload->fields.filename);
    rsi_free((char *)(uintptr_t)upload->fields.media_type);
    rsi_free((char *)(uintptr_t)upload->fields.source);
    rsi_free((char *)(uintptr_t)upload->fields.description);
    rsi_free((char *)(uintptr_t)upload->fields.metadata_json);
    rsi_free((char *)(uintptr_t)upload->fields.key);
    rsi_free(upload->entity_id);
    rsi_free(upload);
}

void rsi_upload_abort(rsi_upload *upload)
{
    if (upload == NULL)
        return;
    rsi_saved_error error;
    rsi_error_save(&error);
    rsi_root *root = rsi_storage_root(upload->store->storage);
    rsi_file_close(upload->file);
    if (root != NULL && upload->incoming[0] != '\0')
        rsi_file_remove(root, rsi_path_upload(upload->entity_id, upload->incoming).text);
    free_upload(upload);
    rsi_error_restore(&error);
}

static int open_incoming(rsi_upload *upload)
{
    char random[17];
    rsi_root *root = rsi_storage_root(upload->store->storage);
    rsi_path directory = rsi_path_uploads(upload->entity_id);
    int status = rsi_random_hex(random, 16);
    if (status == RAGSTORE_OK)
        status = rsi_directory_make(root, directory.text);
    if (status != RAGSTORE_OK)
        return status;
    snprintf(upload->incoming, sizeof upload->incoming, RSI_INCOMING_PREFIX "%s", random);
    rsi_path path = rsi_path_upload(upload->entity_id, upload->incoming);
    return rsi_file_open(&upload->file, root, path.text,
                         RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
}

int rsi_upload_begin(rsi_upload **out, rsi_store *store, const char *entity_id,
                     const char *incarnation, const rsi_document_fields *fields)
{
    rsi_entity_record entity;
    *out = NULL;
    if (rsi_storage_is_read_only(store->storage))
        return rsi_fail(RAGSTORE_E_READ_ONLY, "ingest", "the store was opened for reading only");
    int status = rsi_entity_read(&entity, store, entity_id, incarnation);
    rsi_entity_record_free(&entity);
    if (status == RAGSTORE_OK)
        status = rsi_document_check_fields(fields);
    if (status != RAGSTORE_OK)
        return status;
    rsi_upload *upload = rsi_alloc_zeroed(sizeof *upload);
    if (upload == NULL)
        return RAGSTORE_E_NO_MEMORY;
    upload->store = store;
    upload->entity_id = rsi_strdup(entity_id);
    snprintf(upload->incarnation, sizeof upload->incarnation, "%s", incarnation);
    rsi_sha256_begin(&upload->sha);
    if (upload->entity_id == NULL) {
        free_upload(upload);
        return RAGSTORE_E_NO_MEMORY;
    }
    status = copy_fields(&upload->fields, fields);
    if (status == RAGSTORE_OK)
        status = open_incoming(upload);
    if (status != RAGSTORE_OK) {
        rsi_upload_abort(upload);
        return rsi_wrap(status, "begin an upload to \"%s\"", entity_id);
    }
    *out = upload;
    return RAGSTORE_OK;
}

int rsi_upload_write(rsi_upload *upload, const void *bytes, size_t size)
{
    if (upload->failed)
        return rsi_fail(RAGSTORE_E_WRONG_STATE, "ingest",
                        "an earlier write to this upload failed; abort it");
    int status = RAGSTORE_OK;
    if (size > RSI_DOCUMENT_MAX - upload->size)
        status = rsi_fail(RAGSTORE_E_TOO_LARGE, "ingest",
                          "the document is over the limit of %" PRIu64 " bytes", RSI_DOCUMENT_MAX);
    else if (size > 0)
        status = rsi_file_write_at(upload->file, bytes, size, upload->size);
    if (status != RAGSTORE_OK) {
        upload->failed = true;
        return rsi_wrap(status, "write an upload");
    }
    rsi_sha256_add(&upload->sha, bytes, size);
    upload->size += size;
    return RAGSTORE_OK;
}

/* Make the bytes durable under their temporary name. */
static int flush_incoming(rsi_upload *upload)
{
    rsi_root *root = rsi_storage_root(upload->store->storage);
    int status = rsi_file_flush(upload->file);
    int closed = rsi_file_close(upload->file);
    upload->file = NULL;
    if (status == RAGSTORE_OK)
        status = closed;
    if (status == RAGSTORE_OK)
        status = rsi_directory_flush(root, rsi_path_uploads(upload->entity_id).text);
    return status;
}

int rsi_prepare_file(rsi_prepared *prepared, rsi_store *store, const rsi_entity_record *entity,
                     const char *incoming, const rsi_document_fields *fields)
{
    rsi_input input = {.bytes = NULL};
    int status = rsi_file_open(&input.file, rsi_storage_root(store->storage),
                               rsi_path_upload(entity->id, incoming).text, RSI_OPEN_READ);
    if (status == RAGSTORE_OK)
        status = rsi_file_size(input.file, &input.size);
    if (status == RAGSTORE_OK)
        status = rsi_prepare_input(prepared, store, entity, &input, fields);
    rsi_saved_error error;
    rsi_error_save(&error);
    rsi_file_close(input.file);
    rsi_error_restore(&error);
    return status;
}

static int prepare_upload(rsi_prepared *prepared, rsi_store *store, const rsi_entity_record *entity,
                          void *user)
{
    const rsi_upload *upload = user;
    return rsi_prepare_file(prepared, store, entity, upload->incoming, &upload->fields);
}

int rsi_upload_finish_writing(char sha256[RSI_SHA256_HEX], rsi_upload *upload)
{
    if (upload->failed)
        return rsi_fail(RAGSTORE_E_WRONG_STATE, "ingest",
                        "a write to this upload failed; nothing was added");
    if (upload->size == 0)
        return rsi_fail(RAGSTORE_E_NOT_EXTRACTABLE, "ingest",
                        "the file is empty: there is nothing to find in it");
    int status = flush_incoming(upload);
    if (status == RAGSTORE_OK)
        rsi_sha256_end_hex(&upload->sha, sha256);
    return status;
}

int rsi_upload_commit(rsi_added *added, rsi_upload *upload)
{
    char sha256[RSI_SHA256_HEX];
    bool taken = false;
    memset(added, 0, sizeof *added);
    int status = rsi_upload_finish_writing(sha256, upload);
    if (status == RAGSTORE_OK) {
        rsi_origin origin = {upload->incoming, &taken, upload->size, sha256, NULL};
        status = rsi_document_add(added, upload->store, upload->entity_id, upload->incarnation,
                                  &origin, &upload->fields, prepare_upload, upload);
    }
    const char *name = upload->fields.filename;
    status = rsi_wrap(status, "add \"%.200s\"", name == NULL ? "document" : name);
    if (taken)
        upload->incoming[0] = '\0';
    rsi_upload_abort(upload);
    return status;
}
