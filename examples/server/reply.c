/*
 * Making replies; see reply.h. The headers that every reply has are added in one place here.
 */
#include "reply.h"

#include <stdlib.h>
#include <string.h>

static void add_common_headers(struct request *request)
{
    const char *origin = request->server->settings.cors_origin;

    reply_header(request, "X-Request-Id", request->id);
    reply_header(request, "X-Content-Type-Options", "nosniff");
    reply_header(request, "Cache-Control", "no-store");
    if (request->ignored != NULL) {
        reply_header(request, "X-Ragstore-Ignored", request->ignored);
    }
    if (origin != NULL) {
        reply_header(request, "Access-Control-Allow-Origin", origin);
        reply_header(request, "Access-Control-Expose-Headers", "X-Request-Id, X-Ragstore-Ignored");
        reply_header(request, "Vary", "Origin");
    }
}

void reply_header(struct request *request, const char *name, const char *value)
{
    if (request->response != NULL) {
        (void)MHD_add_response_header(request->response, name, value);
    }
}

void reply_response(struct request *request, unsigned status, struct MHD_Response *response)
{
    if (request->response != NULL) {
        MHD_destroy_response(request->response);
    }
    request->status = status;
    request->response = response;
    add_common_headers(request);
}

static void reply_busy(struct request *request)
{
    reply_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, "Busy",
                "Too many large replies are on their way. Try again later.");
    reply_header(request, "Retry-After", "1");
}

static void reply_owned(struct request *request, unsigned status, char *text, size_t size)
{
    struct MHD_Response *response = NULL;

    if (text != NULL && !request_hold_reply(request, size)) {
        free(text);
        reply_busy(request);
        return;
    }
    if (text != NULL) {
        response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
    }
    if (response == NULL) {
        free(text);
        return;
    }
    request->reply_size = size;
    reply_response(request, status, response);
    reply_header(request, "Content-Type", "application/json");
}

void reply_out(struct request *request, unsigned status, struct json_out *out)
{
    size_t size = 0;
    char *text = out_take(out, &size);

    reply_owned(request, status, text, size);
}

static void free_buffer(void *buffer)
{
    ragstore_buffer_free(buffer);
}

bool reply_bytes(struct request *request, ragstore_buffer *bytes, const char *type)
{
    uint64_t size = ragstore_buffer_size(bytes);
    struct MHD_Response *response = NULL;

    if (!request_hold_reply(request, size)) {
        ragstore_buffer_free(bytes);
        reply_busy(request);
        return false;
    }
    response = MHD_create_response_from_buffer_with_free_callback_cls(
        size, (void *)(uintptr_t)ragstore_buffer_data(bytes), free_buffer, bytes);
    if (response == NULL) {
        ragstore_buffer_free(bytes);
        return false;
    }
    request->reply_size = size;
    reply_response(request, MHD_HTTP_OK, response);
    reply_header(request, "Content-Type", type);
    return true;
}

void reply_buffer(struct request *request, ragstore_buffer *json)
{
    (void)reply_bytes(request, json, "application/json");
}

void reply_static(struct request *request, unsigned status, const char *type, const char *text,
                  size_t size)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        size, (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);

    if (response != NULL) {
        request->reply_size = size;
        reply_response(request, status, response);
        reply_header(request, "Content-Type", type);
    }
}

void reply_error(struct request *request, unsigned status, const char *error, const char *detail)
{
    struct json_out out = {0};

    out_begin(&out, '{');
    out_key(&out, "error");
    out_text(&out, error);
    out_key(&out, "detail");
    out_text(&out, detail);
    out_end(&out, '}');
    reply_out(request, status, &out);
}

void reply_no_memory(struct request *request)
{
    reply_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, "Out of memory",
                "The server is short of memory. Try again later.");
}
