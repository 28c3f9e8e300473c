/*
 * Reading JSON that a client sent: strict, and bounded before anything recursive sees it.
 */
#ifndef JSON_IN_H
#define JSON_IN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { JSON_DEPTH_MAX = 32 };

struct json_fault {
    size_t position; /* byte offset */
    char text[160];
};

/* Parse one JSON value. Refused: invalid UTF-8, NUL, duplicate keys, anything after the value,
 * nesting deeper than JSON_DEPTH_MAX, numbers that fit no int64 or double. Returns a new reference,
 * or NULL with *fault filled in. */
json_t *json_read(const char *text, size_t size, struct json_fault *fault);

#endif
