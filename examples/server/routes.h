/*
 * Which call a request is: one table of method, pattern and handler.
 */
#ifndef ROUTES_H
#define ROUTES_H

#include "request.h"

enum handled {
    HANDLED,  /* the reply is made (or memory ran out, when there is none) */
    DETACHED, /* the handler has released the request itself; it may be gone already */
    TOO_SLOW  /* nothing is done: this is not for a connection's thread (request->is_here) */
};

enum body_kind {
    BODY_NONE, /* a body is read and dropped */
    BODY_JSON, /* kept in memory up to the limit */
    BODY_FORM  /* given to request->form as it arrives */
};

/* Who may make a call when there are tokens. */
enum route_access { ACCESS_OPEN, ACCESS_TOKEN, ACCESS_ADMIN };

struct route {
    const char *method;
    const char *pattern; /* "{}" stands for any one segment, kept in request->arguments */
    enum body_kind body;
    uint64_t body_limit; /* 0: BODY_LIMIT; of a form it is what --max-upload says */
    enum route_access access;
    enum worker_pool pool; /* POOL_SEARCH: the connection's thread, if it is quick */
    enum handled (*handler)(struct request *request);
};

enum { BODY_LIMIT = 1024 * 1024, BODY_LIMIT_CHUNKS = 32 * 1024 * 1024 };

enum { ROUTES_MAX = 64 };

/* The place of a route in the table, and back; NULL behind the last one. */
size_t routes_index(const struct route *route);
const struct route *routes_at(size_t index);

/* Set request->route and request->arguments, or make a reply: 404, or 405 with Allow. */
void routes_find(struct request *request);

/* Make a reply, 400, when the query of an API call has a name that the call does not know: a
 * misspelt limit must not list everything. What leads to a page may have any. */
void routes_check_query(struct request *request);

#endif
