/*
 * From the library's status codes to HTTP. The one place that knows which is which.
 */
#ifndef FAILURES_H
#define FAILURES_H

#include "request.h"

/* Reply to a call of the library that failed on this thread just now. `field` names the field of
 * the body that a refused value came from, NULL when that is not known. */
void reply_failure(struct request *request, int status, const char *field);

/* The same as the JSON object {"error", "detail"} inside a stream that has already begun, when the
 * request may be gone. */
struct json_out;
void out_failure(struct json_out *out, const struct server *server, const char *request_id,
                 int status);

/* 404: "Entity not found", "There is no entity \"x\"." */
void reply_missing(struct request *request, const char *noun, const char *id);

/* The entity of that id; otherwise NULL, and the reply is made. An id that no entity can have is
 * an entity that does not exist, and so is one that the client's token may not see. Free it with
 * ragstore_entity_free(). */
ragstore_entity *open_entity(struct request *request, const char *id);

/* The same for a document of an entity and for a session. */
ragstore_document *open_document(struct request *request, ragstore_entity *entity,
                                 const char *doc_id);
ragstore_session *open_session(struct request *request, const char *session_id);

#endif
