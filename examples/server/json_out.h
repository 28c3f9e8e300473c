/*
 * Writes JSON text piece by piece into one growing string.
 *
 *     struct json_out out = {0};
 *     out_begin(&out, '{');
 *     out_key(&out, "total");
 *     out_whole(&out, 3);
 *     out_end(&out, '}');
 *     text = out_take(&out, &size);      NULL when memory ran out on the way
 *
 * Commas are put where they belong. When memory runs out, all further calls do nothing and
 * out_take() tells. Text that is JSON already is copied as it is, so the library's replies keep
 * every digit of the numbers in a user's metadata.
 */
#ifndef JSON_OUT_H
#define JSON_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct json_out {
    char *text;
    size_t size, capacity;
    bool comma;  /* the next key or element is not the first */
    bool failed; /* memory ran out */
};

void out_begin(struct json_out *out, char bracket);
void out_end(struct json_out *out, char bracket);
void out_key(struct json_out *out, const char *key); /* a plain name: nothing is escaped */
void out_text(struct json_out *out, const char *text); /* UTF-8; NULL gives null */
void out_text_n(struct json_out *out, const char *text, size_t size);
void out_whole(struct json_out *out, json_int_t number);
void out_decimal(struct json_out *out, double number); /* up to 7 digits; NaN gives null */
void out_flag(struct json_out *out, bool flag);
void out_nothing(struct json_out *out);
void out_raw(struct json_out *out, const char *json);         /* a JSON value; NULL gives null */
void out_value(struct json_out *out, const json_t *value);    /* NULL gives null */

/* Bytes that are not JSON, such as the frame of an event; commas are left alone. */
void out_bytes(struct json_out *out, const char *bytes, size_t size);

/* Make room for so many bytes more at once. */
void out_reserve(struct json_out *out, size_t size);

/* Give the text, NUL-terminated, to be freed with free(); *out is empty again. */
char *out_take(struct json_out *out, size_t *size);
void out_drop(struct json_out *out);

#endif
