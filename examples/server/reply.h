/*
 * Making replies. Each function sets the request's status and response once; http.c sends it.
 * When memory runs out the response stays NULL, and http.c closes the connection.
 */
#ifndef REPLY_H
#define REPLY_H

#include "json_out.h"
#include "request.h"

/* Reply with the JSON text that was written; *out is empty afterwards. */
void reply_out(struct request *request, unsigned status, struct json_out *out);

/* Reply 200 with a JSON text of the library; the buffer is taken. */
void reply_buffer(struct request *request, ragstore_buffer *json);

/* Reply 200 with bytes of the library; the buffer is taken. False when the reply is another one:
 * too many bytes are on their way already, or memory ran out. */
bool reply_bytes(struct request *request, ragstore_buffer *bytes, const char *type);

/* Reply with bytes that live as long as the program. */
void reply_static(struct request *request, unsigned status, const char *type, const char *text,
                  size_t size);

/* Reply with a response made by the caller, which is taken; the common headers are added. */
void reply_response(struct request *request, unsigned status, struct MHD_Response *response);

/* {"error": error, "detail": detail} */
void reply_error(struct request *request, unsigned status, const char *error, const char *detail);

/* 503: the server is short of memory. */
void reply_no_memory(struct request *request);

/* Add a header to the reply that was just made. */
void reply_header(struct request *request, const char *name, const char *value);

#endif
