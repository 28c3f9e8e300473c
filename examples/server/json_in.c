/*
 * Reading JSON that a client sent. Jansson recurses for each level when it dumps and frees, so the
 * depth is counted here, over the bare bytes, before it parses.
 */
#include "json_in.h"

#include <stdio.h>
#include <string.h>

/* Find where nesting becomes too deep; returns size when it nowhere does. Brackets inside strings
 * do not count. Text that is no JSON at all is left to the parser. */
static size_t find_too_deep(const char *text, size_t size)
{
    unsigned depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < size; i++) {
        char byte = text[i];

        if (in_string) {
            if (byte == '\\') {
                i++;
            } else if (byte == '"') {
                in_string = false;
            }
        } else if (byte == '"') {
            in_string = true;
        } else if (byte == '{' || byte == '[') {
            if (++depth > JSON_DEPTH_MAX) {
                return i;
            }
        } else if ((byte == '}' || byte == ']') && depth > 0) {
            depth--;
        }
    }
    return size;
}

json_t *json_read(const char *text, size_t size, struct json_fault *fault)
{
    json_error_t error = {0};
    size_t too_deep = find_too_deep(text, size);
    json_t *value = NULL;

    if (too_deep < size) {
        fault->position = too_deep;
        snprintf(fault->text, sizeof fault->text, "nested deeper than %d levels", JSON_DEPTH_MAX);
        return NULL;
    }
    value = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (value == NULL) {
        fault->position = error.position < 0 ? 0 : (size_t)error.position;
        /* what jansson says of it names one of its own flags */
        if (json_error_code(&error) == json_error_null_character)
            snprintf(fault->text, sizeof fault->text, "a text cannot hold \\u0000");
        else
            snprintf(fault->text, sizeof fault->text, "%.150s", error.text);
    }
    return value;
}
