/*
 * New documents: a file in a form, or ready-made chunks as JSON.
 */
#include "calls.h"
#include "failures.h"
#include "json_in.h"
#include "multipart.h"
#include "reply.h"
#include "server_log.h"
#include "validate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_SIZE = 256 * 1024, CHUNKS_MAX = 10000 };

/* The members of the reply, from the library's description. */
static const struct {
    const char *name, *of_library;
} members[] = {
    {"doc_id", "doc_id"},
    {"entity_id", "entity_id"},
    {"filename", "filename"},
    {"chunks_count", "chunks_count"},
    {"is_duplicate", "is_duplicate"},
};

static const char *message_for(const json_t *description)
{
    if (json_is_true(json_object_get(description, "is_duplicate"))) {
        return "The entity has this document already; nothing was changed.";
    }
    if (json_is_true(json_object_get(description, "replaced"))) {
        return "The document was replaced and indexed.";
    }
    return "The document was stored and indexed.";
}

static void reply_added(struct request *request, ragstore_document *document)
{
    ragstore_buffer *json = NULL;
    json_t *description = NULL;
    struct json_out out = {0};
    int status = ragstore_document_describe(&json, document);

    if (status != RAGSTORE_OK) {
        reply_failure(request, status, NULL);
        return;
    }
    description = json_loadb(ragstore_buffer_data(json), ragstore_buffer_size(json), 0, NULL);
    out_begin(&out, '{');
    out_key(&out, "success");
    out_flag(&out, true);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        out_key(&out, members[i].name);
        out_value(&out, json_object_get(description, members[i].of_library));
    }
    out_key(&out, "message");
    out_text(&out, message_for(description));
    out_key(&out, "replaced");
    out_flag(&out, json_is_true(json_object_get(description, "replaced")));
    out_key(&out, "notice");
    out_value(&out, json_object_get(description, "notice"));
    out_end(&out, '}');
    out.failed = out.failed || description == NULL;
    reply_out(request, MHD_HTTP_OK, &out);
    json_decref(description);
    ragstore_buffer_free(json);
}

static void reply_form_problem(struct request *request, const struct multipart *form)
{
    char detail[128];

    switch (form->problem) {
    case MULTIPART_FINE:
        break;
    case MULTIPART_MALFORMED:
        reply_refused_value(request, NULL, "the form is malformed or was cut off");
        break;
    case MULTIPART_TWO_FILES:
        reply_refused_value(request, "file", "send one file at a time");
        break;
    case MULTIPART_NOT_UTF8:
        reply_refused_value(request, NULL, "the text fields of the form must be UTF-8");
        break;
    case MULTIPART_FILE_TOO_LARGE:
        snprintf(detail, sizeof detail, "A file may have at most %llu bytes (--max-upload).",
                 (unsigned long long)form->max_file_bytes);
        reply_error(request, MHD_HTTP_CONTENT_TOO_LARGE, "Too large", detail);
        break;
    case MULTIPART_FIELD_TOO_LARGE:
        reply_error(request, MHD_HTTP_CONTENT_TOO_LARGE, "Too large",
                    "The text fields of the form are too long.");
        break;
    case MULTIPART_NO_MEMORY:
        reply_no_memory(request);
        break;
    case MULTIPART_DISK:
        if (form->error_number == ENOSPC || form->error_number == EDQUOT) {
            reply_error(request, MHD_HTTP_INSUFFICIENT_STORAGE, "Disk full",
                        "There is no room for this file. Nothing was stored.");
        } else {
            reply_error(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "Internal server error",
                        "The file could not be written while it arrived. Nothing was stored.");
        }
        break;
    }
}

/* Give the spooled bytes to the library. */
static int write_spool(const struct request *request, ragstore_upload *upload, int spool)
{
    char *piece = malloc(PIECE_SIZE);
    off_t offset = 0;
    int status = piece == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;

    while (status == RAGSTORE_OK) {
        ssize_t count = pread(spool, piece, PIECE_SIZE, offset);

        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            log_line(LOG_LEVEL_ERROR, "%s cannot read what was uploaded: %s", request->id,
                     strerror(errno));
            status = RAGSTORE_E_IO;
        }
        if (count <= 0) {
            break;
        }
        status = ragstore_upload_write(upload, piece, (size_t)count);
        offset += count;
    }
    free(piece);
    return status;
}

static void reply_job(struct request *request, ragstore_job *job)
{
    ragstore_buffer *json = NULL;
    int status = ragstore_job_describe(&json, job);

    if (status == RAGSTORE_OK) {
        reply_buffer(request, json);
    } else {
        reply_failure(request, status, NULL);
    }
}

/* Reply with what became of a document: it is stored, a job does the rest, or neither. */
static void reply_stored(struct request *request, int status, ragstore_document *document,
                         ragstore_job *job, const char *field)
{
    if (job != NULL) {
        reply_job(request, job);
    } else if (status == RAGSTORE_OK) {
        reply_added(request, document);
    } else if (status == RAGSTORE_E_NOT_FOUND) {
        reply_missing(request, "Entity", request->arguments[0]);
    } else {
        reply_failure(request, status, field);
    }
    ragstore_document_free(document);
    ragstore_job_free(job);
}

/* Store the file of the form; with wait, until it can be searched, otherwise a job does the
 * rest. */
static void store_file(struct request *request, ragstore_entity *entity,
                       const ragstore_document_add_options *options, bool wait)
{
    ragstore_upload *upload = NULL;
    ragstore_document *document = NULL;
    ragstore_job *job = NULL;
    int status = ragstore_upload_begin(&upload, entity, options);

    if (status == RAGSTORE_OK) {
        status = write_spool(request, upload, request->form->spool);
        if (status != RAGSTORE_OK) {
            ragstore_upload_abort(upload);
        } else {
            status = wait ? ragstore_upload_commit(&document, upload)
                          : ragstore_upload_submit(&job, upload);
        }
    }
    reply_stored(request, status, document, job, NULL);
}

/* ?wait=…; false when the reply is made already. */
static bool read_wait(struct request *request, bool *wait)
{
    struct fields fields;
    bool fine = false;

    fields_begin_query(&fields, request);
    *wait = fields_boolean(&fields, "wait", FIELD_NOT_NULL, true);
    fine = fields_end(&fields);
    fields_free(&fields);
    return fine;
}

/* The metadata field of a form is JSON text; it must hold an object. */
static const char *check_metadata(struct fields *fields)
{
    const char *text = fields_string(fields, "metadata", FIELD_ADDED, 0);
    struct json_fault fault = {0};
    json_t *metadata = NULL;

    if (text == NULL) {
        return NULL;
    }
    metadata = json_read(text, strlen(text), &fault);
    if (metadata == NULL) {
        fields_wrong(fields, "metadata", -1, NULL, "json_invalid", "Input should be valid JSON");
        text = NULL;
    } else if (!json_is_object(metadata)) {
        fields_wrong(fields, "metadata", -1, NULL, "dict_type",
                     "Input should be a valid dictionary");
        text = NULL;
    }
    json_decref(metadata);
    return text;
}

static const char *or_null(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : text;
}

enum handled upload_file(struct request *request)
{
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    ragstore_entity *entity = open_entity(request, request->arguments[0]);
    struct multipart *form = request->form;
    struct fields fields;
    bool wait = true;

    if (entity == NULL || !read_wait(request, &wait)) {
        ragstore_entity_free(entity);
        return HANDLED;
    }
    if (form->problem != MULTIPART_FINE) {
        reply_form_problem(request, form);
        ragstore_entity_free(entity);
        return HANDLED;
    }
    fields_begin_object(&fields, request, json_incref(form->fields));
    if (form->filename == NULL) {
        (void)fields_value(&fields, "file", 0);
        fields_wrong(&fields, "file", -1, NULL, "missing", "Field required: a file");
    }
    options.filename = form->filename;
    options.description = or_null(fields_string(&fields, "description", 0, 0));
    options.source = or_null(fields_string(&fields, "source", 0, 0));
    options.key = or_null(fields_string(&fields, "key", FIELD_ADDED, 0));
    options.metadata_json = check_metadata(&fields);
    if (fields_end(&fields)) {
        store_file(request, entity, &options, wait);
    }
    fields_free(&fields);
    ragstore_entity_free(entity);
    return HANDLED;
}

static bool is_number_field(const char *name)
{
    return strcmp(name, "page") == 0 || strcmp(name, "start") == 0 || strcmp(name, "end") == 0;
}

/* Look at each chunk: an object with a text, and nothing that is unknown. What the values may be
 * is for the library to say. */
static void check_chunks(struct fields *fields, json_t *chunks)
{
    static const char *const known[] = {"text", "metadata", "vector", "page", "start", "end"};
    json_t *chunk = NULL;
    size_t i = 0;

    json_array_foreach (chunks, i, chunk) {
        const char *name = NULL;
        json_t *value = NULL;

        if (!json_is_object(chunk)) {
            fields_wrong(fields, "chunks", (json_int_t)i, NULL, "model_attributes_type",
                         "Input should be a valid dictionary or object to extract fields from");
            continue;
        }
        if (json_object_get(chunk, "text") == NULL) {
            fields_wrong(fields, "chunks", (json_int_t)i, "text", "missing", "Field required");
        } else if (!json_is_string(json_object_get(chunk, "text"))) {
            fields_wrong(fields, "chunks", (json_int_t)i, "text", "string_type",
                         "Input should be a valid string");
        }
        json_object_foreach (chunk, name, value) {
            bool is_known = false;

            for (size_t j = 0; j < sizeof known / sizeof known[0]; j++) {
                is_known = is_known || strcmp(name, known[j]) == 0;
            }
            if (is_known && is_number_field(name) && !json_is_integer(value) &&
                !json_is_null(value)) {
                fields_wrong(fields, "chunks", (json_int_t)i, name, "int_type",
                             "Input should be a valid integer");
            }
            if (!is_known) {
                fields_wrong(fields, "chunks", (json_int_t)i, name, "extra_forbidden",
                             "Extra inputs are not permitted");
            }
        }
    }
}

/* Store ready-made chunks; with wait, until they can be searched, otherwise a job does the rest. */
static void store_chunks(struct request *request, ragstore_entity *entity, const json_t *chunks,
                         const ragstore_document_add_options *options, bool wait)
{
    ragstore_document *document = NULL;
    ragstore_job *job = NULL;
    char *text = json_dumps(chunks, JSON_COMPACT);
    int status = RAGSTORE_OK;

    if (text == NULL) {
        return;
    }
    status = wait ? ragstore_document_add_chunks(&document, entity, text, NULL, 0, options)
                  : ragstore_document_submit_chunks(&job, entity, text, NULL, 0, options);
    reply_stored(request, status, document, job, "chunks");
    free(text);
}

enum handled add_chunks(struct request *request)
{
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    ragstore_entity *entity = open_entity(request, request->arguments[0]);
    json_t *chunks = NULL;
    struct fields fields;
    bool wait = true;

    if (entity == NULL || !read_wait(request, &wait)) {
        ragstore_entity_free(entity);
        return HANDLED;
    }
    fields_begin(&fields, request);
    chunks = fields_list(&fields, "chunks", FIELD_REQUIRED | FIELD_ADDED);
    options.key = or_null(fields_string(&fields, "key", FIELD_ADDED, 0));
    options.source = or_null(fields_string(&fields, "source", FIELD_ADDED, 0));
    if (chunks != NULL && json_array_size(chunks) == 0) {
        fields_wrong(&fields, "chunks", -1, NULL, "too_short",
                     "List should have at least 1 item after validation, not 0");
    } else if (json_array_size(chunks) > CHUNKS_MAX) {
        fields_wrong(&fields, "chunks", -1, NULL, "too_long",
                     "List should have at most 10000 items after validation");
    } else {
        check_chunks(&fields, chunks);
    }
    if (fields_end(&fields)) {
        store_chunks(request, entity, chunks, &options, wait);
    }
    fields_free(&fields);
    ragstore_entity_free(entity);
    return HANDLED;
}
