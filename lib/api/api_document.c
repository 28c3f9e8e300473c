/* Document and upload. */
#include "api/handles.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

static int enter_entity(const ragstore_entity *entity, const char *function)
{
    int status = rsi_check_handle(entity, RSI_MAGIC_ENTITY, function);
    return status == RAGSTORE_OK ? rsi_core_enter(entity->core, function) : status;
}

static int enter_entity_to_write(const ragstore_entity *entity, const char *function)
{
    int status = rsi_check_handle(entity, RSI_MAGIC_ENTITY, function);
    return status == RAGSTORE_OK ? rsi_core_enter_to_write(entity->core, function) : status;
}

static int enter_document(const ragstore_document *document, const char *function)
{
    int status = rsi_check_handle(document, RSI_MAGIC_DOCUMENT, function);
    return status == RAGSTORE_OK ? rsi_core_enter(document->core, function) : status;
}

rsi_document_fields rsi_document_fields_of(const ragstore_document_add_options *given,
                                           const rsi_core *core)
{
    rsi_document_fields fields = {.filename = given->filename,
                                  .media_type = given->media_type,
                                  .source = given->source,
                                  .description = given->description,
                                  .metadata_json = given->metadata_json,
                                  .key = given->key,
                                  .progress = given->progress,
                                  .progress_user = given->progress_user,
                                  .extract = core->extractor.call,
                                  .extract_user = core->extractor.user};
    return fields;
}

int rsi_document_open_handle(ragstore_document **out, rsi_core *core, const char *entity_id,
                             const char *incarnation, const char *doc_id, const rsi_added *added)
{
    rsi_bytes text = {0};
    *out = NULL;
    int status =
        rsi_document_describe(&text, core->store, entity_id, incarnation, doc_id, added);
    if (status != RAGSTORE_OK) {
        rsi_bytes_free(&text);
        return status;
    }
    ragstore_document *document = rsi_alloc_zeroed(sizeof *document);
    if (document == NULL) {
        rsi_bytes_free(&text);
        return RAGSTORE_E_NO_MEMORY;
    }
    document->entity_id = rsi_strdup(entity_id);
    document->description = rsi_bytes_take(&text, NULL);
    if (document->entity_id == NULL || document->description == NULL) {
        rsi_free(document->entity_id);
        rsi_free(document->description);
        rsi_free(document);
        return RAGSTORE_E_NO_MEMORY;
    }
    memcpy(document->incarnation, incarnation, sizeof document->incarnation);
    strncpy(document->doc_id, doc_id, sizeof document->doc_id - 1);
    document->magic = RSI_MAGIC_DOCUMENT;
    document->core = core;
    rsi_core_retain(core);
    *out = document;
    return RAGSTORE_OK;
}

/* ---- adding ---- */

int ragstore_document_add(ragstore_document **out, ragstore_entity *entity, const void *bytes,
                          size_t size, const ragstore_document_add_options *options)
{
    ragstore_upload *upload;
    if (out != NULL)
        *out = NULL;
    int status = size == 0 ? RAGSTORE_OK : rsi_check_not_null(bytes, __func__, "bytes");
    if (status == RAGSTORE_OK)
        status = ragstore_upload_begin(&upload, entity, options);
    if (status != RAGSTORE_OK)
        return status;
    status = ragstore_upload_write(upload, bytes, size);
    if (status != RAGSTORE_OK) {
        ragstore_upload_abort(upload);
        return status;
    }
    return ragstore_upload_commit(out, upload);
}

int rsi_check_chunks_arguments(const char *chunks_json, const float *vectors, size_t dimension,
                               const char *function)
{
    int status = rsi_check_not_null(chunks_json, function, "chunks_json");
    if (status == RAGSTORE_OK && (vectors == NULL) != (dimension == 0))
        status = rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api",
                          "%s: vectors and dimension are given together or not at all", function);
    return status;
}

int ragstore_document_add_chunks(ragstore_document **out, ragstore_entity *entity,
                                 const char *chunks_json, const float *vectors, size_t dimension,
                                 const ragstore_document_add_options *options)
{
    ragstore_document_add_options given;
    rsi_added added;
    if (out != NULL)
        *out = NULL;
    int status = rsi_check_chunks_arguments(chunks_json, vectors, dimension, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = enter_entity_to_write(entity, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_document_fields fields = rsi_document_fields_of(&given, entity->core);
    status = rsi_document_add_chunks(&added, entity->core->store, entity->id, entity->incarnation,
                                     chunks_json, vectors, dimension, &fields);
    if (status == RAGSTORE_OK && out != NULL)
        status = rsi_document_open_handle(out, entity->core, entity->id, entity->incarnation,
                                          added.doc_id, &added);
    return rsi_core_leave(entity->core, status);
}

/* ---- uploads ---- */

int ragstore_upload_begin(ragstore_upload **out, ragstore_entity *entity,
                          const ragstore_document_add_options *options)
{
    ragstore_document_add_options given;
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = enter_entity_to_write(entity, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_document_fields fields = rsi_document_fields_of(&given, entity->core);
    ragstore_upload *upload = rsi_alloc_zeroed(sizeof *upload);
    status = upload == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    if (status == RAGSTORE_OK) {
        upload->entity_id = rsi_strdup(entity->id);
        status = upload->entity_id == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    }
    if (status == RAGSTORE_OK)
        status = rsi_upload_begin(&upload->upload, entity->core->store, entity->id,
                                  entity->incarnation, &fields);
    if (status != RAGSTORE_OK) {
        if (upload != NULL)
            rsi_free(upload->entity_id);
        rsi_free(upload);
        return rsi_core_leave(entity->core, status);
    }
    upload->magic = RSI_MAGIC_UPLOAD;
    upload->core = entity->core;
    memcpy(upload->incarnation, entity->incarnation, sizeof upload->incarnation);
    rsi_core_retain(entity->core);
    *out = upload;
    return rsi_core_leave(entity->core, RAGSTORE_OK);
}

int ragstore_upload_write(ragstore_upload *upload, const void *bytes, size_t size)
{
    int status = rsi_check_handle(upload, RSI_MAGIC_UPLOAD, __func__);
    if (status == RAGSTORE_OK && size > 0)
        status = rsi_check_not_null(bytes, __func__, "bytes");
    if (status == RAGSTORE_OK)
        status = rsi_core_enter_to_write(upload->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    return rsi_core_leave(upload->core, rsi_upload_write(upload->upload, bytes, size));
}

void rsi_upload_free_handle(ragstore_upload *upload)
{
    rsi_core *core = upload->core;
    upload->magic = RSI_MAGIC_FREED;
    rsi_free(upload->entity_id);
    rsi_free(upload);
    rsi_saved_error error;
    rsi_error_save(&error);
    rsi_core_release(core);
    rsi_error_restore(&error);
}

int ragstore_upload_commit(ragstore_document **out, ragstore_upload *upload)
{
    rsi_added added;
    if (out != NULL)
        *out = NULL;
    int status = rsi_check_handle(upload, RSI_MAGIC_UPLOAD, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_core *core = upload->core;
    status = rsi_core_enter_to_write(core, __func__);
    if (status != RAGSTORE_OK) {
        if (!rsi_core_is_foreign(core)) /* the file is the parent's */
            rsi_upload_abort(upload->upload);
        rsi_upload_free_handle(upload);
        return status;
    }
    status = rsi_upload_commit(&added, upload->upload);
    if (status == RAGSTORE_OK && out != NULL)
        status = rsi_document_open_handle(out, core, upload->entity_id, upload->incarnation,
                                          added.doc_id, &added);
    rsi_core_leave(core, status);
    rsi_upload_free_handle(upload);
    return status;
}

void ragstore_upload_abort(ragstore_upload *upload)
{
    if (upload == NULL || rsi_check_handle(upload, RSI_MAGIC_UPLOAD, __func__) != RAGSTORE_OK)
        return;
    rsi_saved_error error;
    rsi_error_save(&error);
    bool open = rsi_core_enter(upload->core, __func__) == RAGSTORE_OK;
    if (!rsi_core_is_foreign(upload->core)) /* the file is the parent's */
        rsi_upload_abort(upload->upload);
    if (open)
        rsi_core_leave(upload->core, RAGSTORE_OK);
    rsi_upload_free_handle(upload);
    rsi_error_restore(&error);
}

/* ---- reading and deleting ---- */

int ragstore_document_open(ragstore_document **out, ragstore_entity *entity, const char *doc_id)
{
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(doc_id, __func__, "doc_id");
    if (status == RAGSTORE_OK)
        status = enter_entity(entity, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_document_open_handle(out, entity->core, entity->id, entity->incarnation, doc_id,
                                      NULL);
    return rsi_core_leave(entity->core, status);
}

void ragstore_document_free(ragstore_document *document)
{
    if (document == NULL ||
        rsi_check_handle(document, RSI_MAGIC_DOCUMENT, __func__) != RAGSTORE_OK)
        return;
    rsi_core *core = document->core;
    document->magic = RSI_MAGIC_FREED;
    rsi_free(document->entity_id);
    rsi_free(document->description);
    rsi_free(document);
    rsi_core_release(core);
}

const char *ragstore_document_id(const ragstore_document *document)
{
    return rsi_check_handle(document, RSI_MAGIC_DOCUMENT, __func__) == RAGSTORE_OK
               ? document->doc_id
               : NULL;
}

int ragstore_document_describe(ragstore_buffer **out, ragstore_document *document)
{
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = enter_document(document, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_bytes_append_text(&text, document->description);
    status = rsi_bytes_status(&text);
    return rsi_core_leave_with(out, document->core, &text, status);
}

/* Read something of a document into a buffer. */
typedef int document_reader(rsi_bytes *out, rsi_store *store, const char *entity_id,
                            const char *incarnation, const char *doc_id);

static int read_into_buffer(ragstore_buffer **out, ragstore_document *document,
                            document_reader *reader, const char *function)
{
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, function);
    if (status == RAGSTORE_OK)
        status = enter_document(document, function);
    if (status != RAGSTORE_OK)
        return status;
    status = reader(&text, document->core->store, document->entity_id, document->incarnation,
                  document->doc_id);
    return rsi_core_leave_with(out, document->core, &text, status);
}

int ragstore_document_content(ragstore_buffer **out, ragstore_document *document)
{
    return read_into_buffer(out, document, rsi_document_content, __func__);
}

int ragstore_document_text(ragstore_buffer **out, ragstore_document *document)
{
    return read_into_buffer(out, document, rsi_document_text, __func__);
}

int ragstore_document_list(ragstore_buffer **out, ragstore_entity *entity,
                           const ragstore_list_options *options)
{
    ragstore_list_options given;
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_take_list_options(&given, options, 0, __func__);
    if (status == RAGSTORE_OK)
        status = enter_entity(entity, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_document_list(&text, entity->core->store, entity->id, entity->incarnation,
                               given.limit == 0 ? UINT64_MAX : given.limit, given.offset,
                               given.match);
    return rsi_core_leave_with(out, entity->core, &text, status);
}

int ragstore_document_update(ragstore_document *document,
                             const ragstore_document_update_options *options)
{
    ragstore_document_update_options given;
    int status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_handle(document, RSI_MAGIC_DOCUMENT, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter_to_write(document->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    const rsi_document_fields fields = {.source = given.source,
                                        .description = given.description,
                                        .metadata_json = given.metadata_json};
    status = rsi_document_update(document->core->store, document->entity_id, document->incarnation,
                                 document->doc_id, &fields);
    return rsi_core_leave(document->core, rsi_wrap(status, "update a document"));
}

int ragstore_document_delete(ragstore_entity *entity, const char *doc_id)
{
    int status = rsi_check_not_null(doc_id, __func__, "doc_id");
    if (status == RAGSTORE_OK)
        status = enter_entity_to_write(entity, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_document_delete(entity->core->store, entity->id, entity->incarnation, doc_id);
    return rsi_core_leave(entity->core, rsi_wrap(status, "delete a document"));
}
