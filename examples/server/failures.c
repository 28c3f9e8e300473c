/*
 * From the library's status codes to HTTP.
 *
 * What a client can mend is told in the library's own words. What only the operator can mend
 * (the disk, a defect) goes to the log, and the client gets a sentence without internals; damage
 * is named to both, because hiding it would cost data.
 */
#include "failures.h"

#include "access.h"
#include "reply.h"
#include "server_log.h"
#include "validate.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct failure {
    int status;
    unsigned http;
    const char *error;  /* NULL: a refused value, told as a validation error */
    const char *detail; /* NULL: the library's message */
};

static const char see_log[] =
    "The server could not do this. Its log has the details under this request's X-Request-Id.";

static const struct failure failures[] = {
    {RAGSTORE_E_INVALID_ARGUMENT, MHD_HTTP_UNPROCESSABLE_CONTENT, NULL, NULL},
    {RAGSTORE_E_INVALID_DATA, MHD_HTTP_UNPROCESSABLE_CONTENT, NULL, NULL},
    {RAGSTORE_E_QUERY, MHD_HTTP_UNPROCESSABLE_CONTENT, NULL, NULL},
    {RAGSTORE_E_MODEL, MHD_HTTP_BAD_GATEWAY, "Language model failed", NULL},
    {RAGSTORE_E_NOT_FOUND, MHD_HTTP_NOT_FOUND, "Not found", NULL},
    {RAGSTORE_E_EXISTS, MHD_HTTP_BAD_REQUEST, "Already exists", NULL},
    {RAGSTORE_E_CONFLICT, MHD_HTTP_CONFLICT, "Conflict", NULL},
    {RAGSTORE_E_EMBEDDER, MHD_HTTP_CONFLICT, "Embedding model not available", NULL},
    {RAGSTORE_E_TOO_LARGE, MHD_HTTP_CONTENT_TOO_LARGE, "Too large", NULL},
    {RAGSTORE_E_NOT_EXTRACTABLE, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "No text in this document", NULL},
    {RAGSTORE_E_DISK_FULL, MHD_HTTP_INSUFFICIENT_STORAGE, "Disk full", NULL},
    {RAGSTORE_E_BUSY, MHD_HTTP_SERVICE_UNAVAILABLE, "Busy", NULL},
    {RAGSTORE_E_READ_ONLY, MHD_HTTP_SERVICE_UNAVAILABLE, "Read-only", NULL},
    {RAGSTORE_E_FAILED, MHD_HTTP_SERVICE_UNAVAILABLE, "Storage has failed",
     "An earlier write could not be made durable, so writing has stopped. Restart the server."},
    {RAGSTORE_E_INTERRUPTED, MHD_HTTP_SERVICE_UNAVAILABLE, "Interrupted",
     "The server is stopping."},
    {RAGSTORE_E_CLOSED, MHD_HTTP_SERVICE_UNAVAILABLE, "Stopping", "The server is stopping."},
    {RAGSTORE_E_NO_MEMORY, MHD_HTTP_SERVICE_UNAVAILABLE, "Out of memory",
     "The server is short of memory. Try again later."},
    {RAGSTORE_E_UNSUPPORTED, MHD_HTTP_NOT_IMPLEMENTED, "Not supported", NULL},
    {RAGSTORE_E_DAMAGED, MHD_HTTP_INTERNAL_SERVER_ERROR, "Stored data is damaged", NULL},
};

static const struct failure unexpected = {RAGSTORE_E_INTERNAL, MHD_HTTP_INTERNAL_SERVER_ERROR,
                                          "Internal server error", see_log};

/* The model is there, but did not give vectors: its endpoint is away. */
static const struct failure no_vectors = {RAGSTORE_E_EMBEDDER, MHD_HTTP_SERVICE_UNAVAILABLE,
                                          "Embedding failed", NULL};

/* The calling thread's last failure. */
static const struct failure *find_failure(int status)
{
    if (status == RAGSTORE_E_EMBEDDER && strcmp(ragstore_error_room(), "embed") == 0) {
        return &no_vectors;
    }
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        if (failures[i].status == status) {
            return &failures[i];
        }
    }
    return &unexpected;
}

/* Copy the library's message without the directory of the store in front of file names. */
static void copy_message(char *message, size_t size, const struct server *server)
{
    const char *directory = server->settings.data_dir;
    size_t length = strlen(directory);
    const char *from = ragstore_error_message();
    size_t to = 0;

    while (*from != '\0' && to + 1 < size) {
        if (strncmp(from, directory, length) == 0 && from[length] == '/') {
            from += length + 1;
        } else {
            message[to++] = *from++;
        }
    }
    message[to] = '\0';
}

static void log_failure(const char *request_id, int status, const struct failure *failure)
{
    log_line(failure->http >= 500 ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG, "%s %s (%s, errno %d): %s",
             request_id, ragstore_status_name(status), ragstore_error_room(),
             ragstore_error_errno(), ragstore_error_message());
}

void reply_failure(struct request *request, int status, const char *field)
{
    const struct failure *failure = find_failure(status);
    char message[1024];

    copy_message(message, sizeof message, request->server);
    log_failure(request->id, status, failure);
    if (failure->error == NULL) {
        reply_refused_value(request, field, message);
    } else {
        reply_error(request, failure->http, failure->error,
                    failure->detail == NULL ? message : failure->detail);
    }
}

void out_failure(struct json_out *out, const struct server *server, const char *request_id,
                 int status)
{
    const struct failure *failure = find_failure(status);
    char message[1024];

    copy_message(message, sizeof message, server);
    log_failure(request_id, status, failure);
    out_begin(out, '{');
    out_key(out, "error");
    out_text(out, failure->error == NULL ? "Refused" : failure->error);
    out_key(out, "detail");
    out_text(out, failure->detail == NULL ? message : failure->detail);
    out_end(out, '}');
}

void reply_missing(struct request *request, const char *noun, const char *id)
{
    char error[64];
    char detail[512];
    size_t length = strlen(id);

    if (length > 200) { /* cut between characters, not inside one */
        for (length = 200; length > 0 && ((unsigned char)id[length] & 0xc0) == 0x80; length--) {
        }
    }
    snprintf(error, sizeof error, "%s not found", noun);
    snprintf(detail, sizeof detail, "There is no %c%s \"%.*s\".", tolower((unsigned char)noun[0]),
             noun + 1, (int)length, id);
    reply_error(request, MHD_HTTP_NOT_FOUND, error, detail);
}

/* What a failed look-up means to a client: nothing there, or something else went wrong. */
static void reply_lookup(struct request *request, int status, const char *noun, const char *id)
{
    if (status == RAGSTORE_E_NOT_FOUND || status == RAGSTORE_E_INVALID_ARGUMENT ||
        status == RAGSTORE_E_INVALID_DATA) {
        reply_missing(request, noun, id);
    } else {
        reply_failure(request, status, NULL);
    }
}

ragstore_entity *open_entity(struct request *request, const char *id)
{
    ragstore_entity *entity = NULL;
    int status = access_sees(request, id)
                     ? ragstore_entity_open(&entity, request->server->store, id)
                     : RAGSTORE_E_NOT_FOUND;

    if (status != RAGSTORE_OK) {
        reply_lookup(request, status, "Entity", id);
    }
    return entity;
}

ragstore_document *open_document(struct request *request, ragstore_entity *entity,
                                 const char *doc_id)
{
    ragstore_document *document = NULL;
    int status = ragstore_document_open(&document, entity, doc_id);

    if (status != RAGSTORE_OK) {
        reply_lookup(request, status, "Document", doc_id);
    }
    return document;
}

ragstore_session *open_session(struct request *request, const char *session_id)
{
    ragstore_session *session = NULL;
    int status = ragstore_session_open(&session, request->server->store, session_id);

    if (status == RAGSTORE_OK && !access_sees(request, ragstore_session_entity_id(session))) {
        ragstore_session_free(session);
        session = NULL;
        status = RAGSTORE_E_NOT_FOUND;
    }
    if (status != RAGSTORE_OK) {
        reply_lookup(request, status, "Session", session_id);
    }
    return session;
}
