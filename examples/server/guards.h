/*
 * What is checked on every request before its body is read.
 */
#ifndef GUARDS_H
#define GUARDS_H

#include "request.h"

enum {
    TARGET_SIZE_MAX = 8 * 1024,
    HEADER_SIZE_MAX = 8 * 1024,
    HEADERS_MAX = 64,
    HEADERS_SIZE_MAX = 32 * 1024
};

/* Make a reply that refuses the request if it must not be served; otherwise leave it without one.
 * *length is set to the Content-Length, 0 when there is none or the body comes in chunks. */
void guards_check(struct request *request, const char *version, uint64_t *length);

#endif
