/*
 * One request, from its request line to the end of its reply.
 *
 *     FRESH ── head read ──> READING ── body complete ──> RUNNING ── worker done ──> ANSWERED
 *       │                      │                                                        │
 *       └── refused at once ───┴───────────────── queued with libmicrohttpd ──────> SENT
 *
 * Owned by the connection's thread, except in RUNNING, when a worker alone may touch it (the
 * connection is suspended then); what is quick runs on the connection's thread instead. Made when
 * the request line arrives, freed by http.c when libmicrohttpd tells that the request has ended.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "server.h"
#include "target.h"

#include <microhttpd.h>
#include <time.h>

struct route;
struct multipart;

enum { REQUEST_ARGUMENTS_MAX = 3 };

enum request_state {
    REQUEST_FRESH,
    REQUEST_READING,
    REQUEST_RUNNING,
    REQUEST_ANSWERED,
    REQUEST_SENT
};

enum request_format { FORMAT_JSON, FORMAT_HTML, FORMAT_EVENTS }; /* what Accept asks for */

struct request {
    struct server *server;
    struct MHD_Connection *connection;
    struct request *next; /* in the queue of the workers */
    enum request_state state;
    char id[17]; /* in the log and in the X-Request-Id header */
    char method[12];
    struct timespec begun;
    size_t raw_target_size;
    struct target target;

    const struct route *route;
    struct tokens *tokens;     /* held; NULL: everybody may do everything */
    const struct token *token; /* NULL: none was sent, or there are none */
    const char *arguments[REQUEST_ARGUMENTS_MAX]; /* the segments where the pattern has {…} */
    enum request_format format;
    const char *content_type; /* libmicrohttpd's; NULL: none was sent */
    bool counted;       /* in server->active */
    bool is_stream;     /* the reply grows while it is sent */
    bool is_here;       /* the handler runs on the connection's thread, and must be quick */

    uint64_t body_limit;
    uint64_t body_seen;
    char *body; /* of JSON requests; a NUL follows the last byte */
    size_t body_size, body_capacity;
    struct multipart *form; /* of uploads */

    char *ignored; /* names of unknown fields, for the X-Ragstore-Ignored header */
    unsigned status;
    uint64_t held_size;  /* bytes of the reply that are in memory until it is sent */
    uint64_t reply_size; /* as far as it is known when the reply begins */
    struct MHD_Response *response;
};

/* Make a request from the raw target of its request line; NULL when memory ran out. */
struct request *request_create(struct server *server, struct MHD_Connection *connection,
                               const char *raw_target);
void request_free(struct request *request);

/* Append bytes to the body; false when memory ran out, or the bodies of all requests together have
 * become too large. */
bool request_keep_body(struct request *request, const char *bytes, size_t size);

/* Keep the bytes of a reply in memory until it is sent. False: the replies that wait for slow
 * readers take too much already, and this one has to be refused. */
bool request_hold_reply(struct request *request, uint64_t size);

/* Milliseconds since the request line. */
double request_age_ms(const struct request *request);

/* Let the connection go on with the reply. For the worker that runs the request; it must not touch
 * the request afterwards. */
void request_release(struct request *request);

#endif
