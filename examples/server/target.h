/*
 * The request target: the path cut at its slashes, then decoded, exactly once; and the query.
 *
 * libmicrohttpd decodes the path before it hands it over, so that "a%2Fb" and "a/b" look alike
 * there. This works on the bytes of the request line instead: "/api/entities/a%2Fb" has three
 * segments, the last of which is "a/b".
 */
#ifndef TARGET_H
#define TARGET_H

#include <stdbool.h>
#include <stddef.h>

enum { TARGET_SEGMENTS_MAX = 8, TARGET_QUERIES_MAX = 16 };

struct target_query {
    char *name;
    char *value;
};

struct target {
    char *path; /* as it was sent, without the query: for the log */
    char *text; /* decoded pieces, which the pointers below point into */
    char *segments[TARGET_SEGMENTS_MAX];
    size_t segment_count;
    struct target_query queries[TARGET_QUERIES_MAX];
    size_t query_count;
    bool malformed; /* a bad escape, an encoded NUL, or too many pieces */
};

/* Returns false only when memory ran out. Free with target_free() either way. */
bool target_parse(struct target *target, const char *raw);
void target_free(struct target *target);

/* The first value of that name in the query, or NULL. */
const char *target_query(const struct target *target, const char *name);

#endif
