/*
 * The request target; see target.h. Plain text handling without state.
 */
#include "target.h"

#include <stdlib.h>
#include <string.h>

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    if (digit >= 'A' && digit <= 'F') {
        return digit - 'A' + 10;
    }
    return -1;
}

/* Decode in place; in a query '+' means a space. False for a bad escape or an encoded NUL. */
static bool decode(char *text, bool in_query)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '%') {
            int high = hex_value(from[1]);
            int low = high < 0 ? -1 : hex_value(from[2]);

            if (low < 0 || (high == 0 && low == 0)) {
                return false;
            }
            *to++ = (char)(high * 16 + low);
            from += 2;
        } else {
            *to++ = in_query && *from == '+' ? ' ' : *from;
        }
    }
    *to = '\0';
    return true;
}

/* "/a/b" has the segments "a" and "b"; one slash at the end does not count. */
static bool split_path(struct target *target, char *path)
{
    size_t length = strlen(path);

    if (path[0] != '/') {
        return false;
    }
    if (length > 1 && path[length - 1] == '/') {
        path[length - 1] = '\0';
    }
    for (char *rest = path[1] == '\0' ? NULL : path + 1; rest != NULL;) {
        char *segment = rest;
        char *slash = strchr(rest, '/');

        rest = slash == NULL ? NULL : slash + 1;
        if (slash != NULL) {
            *slash = '\0';
        }
        if (target->segment_count == TARGET_SEGMENTS_MAX || !decode(segment, false)) {
            return false;
        }
        target->segments[target->segment_count++] = segment;
    }
    return true;
}

static bool split_query(struct target *target, char *query)
{
    for (char *rest = query; rest != NULL && *rest != '\0';) {
        char *name = rest;
        char *end = strchr(rest, '&');
        char *equals = NULL;

        rest = end == NULL ? NULL : end + 1;
        if (end != NULL) {
            *end = '\0';
        }
        equals = strchr(name, '=');
        if (equals != NULL) {
            *equals = '\0';
        }
        if (target->query_count == TARGET_QUERIES_MAX || !decode(name, true) ||
            (equals != NULL && !decode(equals + 1, true))) {
            return false;
        }
        target->queries[target->query_count++] =
            (struct target_query){name, equals == NULL ? name + strlen(name) : equals + 1};
    }
    return true;
}

bool target_parse(struct target *target, const char *raw)
{
    char *query = NULL;
    char *fragment = NULL;

    *target = (struct target){0};
    target->text = strdup(raw);
    if (target->text == NULL) {
        return false;
    }
    fragment = strchr(target->text, '#');
    if (fragment != NULL) {
        *fragment = '\0';
    }
    query = strchr(target->text, '?');
    if (query != NULL) {
        *query++ = '\0';
    }
    target->path = strdup(target->text);
    if (target->path == NULL) {
        return false;
    }
    target->malformed = !split_path(target, target->text) || !split_query(target, query);
    return true;
}

void target_free(struct target *target)
{
    free(target->path);
    free(target->text);
    *target = (struct target){0};
}

const char *target_query(const struct target *target, const char *name)
{
    for (size_t i = 0; i < target->query_count; i++) {
        if (strcmp(target->queries[i].name, name) == 0) {
            return target->queries[i].value;
        }
    }
    return NULL;
}
