/*
 * Calls about documents that are there; new ones are in upload_calls.c.
 */
#include "calls.h"
#include "failures.h"
#include "reply.h"
#include "validate.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The names that the API has for the library's, in the order of the reply. */
static const struct {
    const char *name, *of_library;
} members[] = {
    {"doc_id", "doc_id"},          {"doc_name", "filename"},       {"file_path", "file_path"},
    {"indexed_at", "uploaded_at"}, {"file_size", "file_size"},     {"metadata", "metadata"},
    {"media_type", "media_type"},  {"sha256", "sha256"},           {"key", "key"},
    {"source", "source"},          {"description", "description"}, {"chunks_count", "chunks_count"},
};

static void out_document(struct json_out *out, const json_t *document)
{
    out_begin(out, '{');
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        out_key(out, members[i].name);
        out_value(out, json_object_get(document, members[i].of_library));
    }
    out_end(out, '}');
}

/* Parse a reply of the library; NULL when memory ran out, for its JSON is valid. */
static json_t *load(ragstore_buffer *json)
{
    return json_loadb(ragstore_buffer_data(json), ragstore_buffer_size(json), 0, NULL);
}

enum handled list_documents(struct request *request)
{
    const char *id = request->arguments[0];
    ragstore_entity *entity = open_entity(request, id);
    ragstore_buffer *json = NULL;
    json_t *documents = NULL;
    struct json_out out = {0};
    ragstore_list_options options;
    struct fields fields;
    int status = RAGSTORE_OK;

    if (entity == NULL) {
        return HANDLED;
    }
    if (!fields_page(&fields, request, &options)) {
        fields_free(&fields);
        ragstore_entity_free(entity);
        return HANDLED;
    }
    status = ragstore_document_list(&json, entity, &options);
    if (status == RAGSTORE_OK) {
        documents = load(json);
        out_begin(&out, '[');
        for (size_t i = 0; i < json_array_size(documents); i++) {
            out_document(&out, json_array_get(documents, i));
        }
        out_end(&out, ']');
        out.failed = out.failed || documents == NULL;
        reply_out(request, MHD_HTTP_OK, &out);
    } else if (status == RAGSTORE_E_NOT_FOUND) {
        reply_missing(request, "Entity", id);
    } else {
        reply_failure(request, status, NULL);
    }
    json_decref(documents);
    ragstore_buffer_free(json);
    fields_free(&fields);
    ragstore_entity_free(entity);
    return HANDLED;
}

/* Find the document of /api/entities/{id}/files/{doc_id}; otherwise NULL, and the reply is made. */
static ragstore_document *find_document(struct request *request)
{
    ragstore_entity *entity = open_entity(request, request->arguments[0]);
    ragstore_document *document = NULL;

    if (entity != NULL) {
        document = open_document(request, entity, request->arguments[1]);
    }
    ragstore_entity_free(entity);
    return document;
}

/* The library's description of a document, or NULL, and the reply is made. */
static json_t *describe(struct request *request, ragstore_document *document)
{
    ragstore_buffer *json = NULL;
    json_t *description = NULL;
    int status = ragstore_document_describe(&json, document);

    if (status == RAGSTORE_OK) {
        description = load(json);
    } else {
        reply_failure(request, status, NULL);
    }
    ragstore_buffer_free(json);
    return description;
}

enum handled get_document(struct request *request)
{
    ragstore_document *document = find_document(request);
    json_t *description = document == NULL ? NULL : describe(request, document);
    struct json_out out = {0};

    if (description != NULL) {
        out_document(&out, description);
        reply_out(request, MHD_HTTP_OK, &out);
    }
    json_decref(description);
    ragstore_document_free(document);
    return HANDLED;
}

/* Tell the file's name in a header: every byte that is not plain is escaped (RFC 5987). */
static void add_disposition(struct request *request, const char *name)
{
    char header[1024] = "attachment; filename*=UTF-8''";
    size_t used = strlen(header);

    for (; name != NULL && *name != '\0' && used + 4 < sizeof header; name++) {
        unsigned char byte = (unsigned char)*name;

        if (byte < 0x80 && (isalnum(byte) || strchr("-._~", byte) != NULL)) {
            header[used++] = (char)byte;
        } else {
            used += (size_t)snprintf(header + used, 4, "%%%02X", byte);
        }
    }
    header[used] = '\0';
    reply_header(request, "Content-Disposition", header);
}

static bool is_media_type(const char *type)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "!#$&^_.+-/";

    return type != NULL && type[0] != '\0' && type[strspn(type, plain)] == '\0' &&
           strchr(type, '/') != NULL;
}

/* Reply with bytes that are not ours; the buffer is taken. */
static void reply_content(struct request *request, ragstore_buffer *content, const char *type,
                          const char *name)
{
    if (reply_bytes(request, content, type)) {
        reply_header(request, "Content-Security-Policy", "default-src 'none'; sandbox");
        add_disposition(request, name);
    }
}

enum handled get_document_content(struct request *request)
{
    ragstore_document *document = find_document(request);
    json_t *description = document == NULL ? NULL : describe(request, document);
    ragstore_buffer *content = NULL;
    int status = RAGSTORE_OK;

    if (description != NULL) {
        status = ragstore_document_content(&content, document);
        if (status == RAGSTORE_OK) {
            const char *type = json_string_value(json_object_get(description, "media_type"));

            reply_content(request, content, is_media_type(type) ? type : "application/octet-stream",
                          json_string_value(json_object_get(description, "filename")));
        } else if (status == RAGSTORE_E_NOT_FOUND) {
            reply_error(request, MHD_HTTP_NOT_FOUND, "Content not found",
                        "This document was made of chunks and has no file, or was deleted.");
        } else {
            reply_failure(request, status, NULL);
        }
    }
    json_decref(description);
    ragstore_document_free(document);
    return HANDLED;
}

/* What the offsets of hits and citations count in, whatever the file's format is. */
enum handled get_document_text(struct request *request)
{
    ragstore_document *document = find_document(request);
    ragstore_buffer *text = NULL;
    int status = RAGSTORE_OK;

    if (document == NULL) {
        return HANDLED;
    }
    status = ragstore_document_text(&text, document);
    if (status == RAGSTORE_OK) {
        reply_content(request, text, "text/plain; charset=utf-8", "text.txt");
    } else if (status == RAGSTORE_E_NOT_FOUND) {
        reply_error(request, MHD_HTTP_NOT_FOUND, "Text not found",
                    "This document was made of chunks and has no text of its own, or was deleted.");
    } else {
        reply_failure(request, status, NULL);
    }
    ragstore_document_free(document);
    return HANDLED;
}

enum handled update_document(struct request *request)
{
    ragstore_document_update_options options = RAGSTORE_DOCUMENT_UPDATE_OPTIONS_INIT;
    ragstore_document *document = find_document(request);
    json_t *metadata = NULL;
    char *metadata_json = NULL;
    struct fields fields;
    int status = RAGSTORE_OK;

    if (document == NULL) {
        return HANDLED;
    }
    fields_begin(&fields, request);
    options.source = fields_string(&fields, "source", FIELD_ADDED, 0);
    options.description = fields_string(&fields, "description", FIELD_ADDED, 0);
    metadata = fields_object(&fields, "metadata", FIELD_ADDED);
    fields.uses_added = true; /* the call itself is one that the original does not have */
    if (fields_end(&fields)) {
        metadata_json = metadata == NULL ? NULL : json_dumps(metadata, JSON_COMPACT);
        options.metadata_json = metadata_json;
        status = ragstore_document_update(document, &options);
        if (status == RAGSTORE_OK) {
            (void)get_document(request);
        } else if (status == RAGSTORE_E_NOT_FOUND) {
            reply_missing(request, "Document", request->arguments[1]);
        } else {
            reply_failure(request, status, NULL);
        }
    }
    ragstore_document_free(document);
    free(metadata_json);
    fields_free(&fields);
    return HANDLED;
}

static void reply_deleted(struct request *request, const char *entity_id, const char *doc_id)
{
    struct json_out out = {0};

    out_begin(&out, '{');
    out_key(&out, "success");
    out_flag(&out, true);
    out_key(&out, "doc_id");
    out_text(&out, doc_id);
    out_key(&out, "entity_id");
    out_text(&out, entity_id);
    out_key(&out, "message");
    out_text(&out, "The document was deleted with its file, chunks and vectors.");
    out_end(&out, '}');
    reply_out(request, MHD_HTTP_OK, &out);
}

enum handled delete_document(struct request *request)
{
    const char *doc_id = request->arguments[1];
    ragstore_entity *entity = open_entity(request, request->arguments[0]);
    int status = RAGSTORE_OK;

    if (entity == NULL) {
        return HANDLED;
    }
    status = ragstore_document_delete(entity, doc_id);
    if (status == RAGSTORE_OK) {
        reply_deleted(request, request->arguments[0], doc_id);
    } else if (status == RAGSTORE_E_NOT_FOUND || status == RAGSTORE_E_INVALID_ARGUMENT) {
        reply_missing(request, "Document", doc_id);
    } else {
        reply_failure(request, status, NULL);
    }
    ragstore_entity_free(entity);
    return HANDLED;
}
