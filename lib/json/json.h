/*
 * JSON behind one door: only this room and storage/ see jansson.
 *
 * A rsi_json is a parsed value (jansson's json_t; the pointer type is shared so that
 * no wrapper is allocated). Parsing refuses: invalid UTF-8, duplicate keys, NUL in
 * strings, lone surrogates, NaN, numbers out of range, depth over the limit. Values
 * are written by rsi_json_writer, never by a recursive dump without a limit.
 * Neither reading nor writing depends on the locale or changes it.
 */
#ifndef RSI_JSON_JSON_H
#define RSI_JSON_JSON_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct json_t rsi_json;

#define RSI_JSON_DEPTH_STORED 64
#define RSI_JSON_DEPTH_REQUEST 32

/* Parse one value; white space may surround it. INVALID_DATA names line and column ("line 3,
 * column 17: …"). `[]` has depth 1; max_depth counts up to RSI_JSON_DEPTH_STORED. A number
 * without point and exponent is an integer and must fit int64; all others are reals. */
int rsi_json_parse(rsi_json **out, const char *text, size_t size, unsigned max_depth);
void rsi_json_free(rsi_json *value); /* NULL is fine */

/* Parse an array member by member: each is seen as soon as it is whole, and gone afterwards, so
 * that a long array needs no more memory than its longest member. What is not 0 from `see` ends the
 * parsing and is returned; what is wrong behind that is not noticed. *is_array is false, and
 * nothing is seen, when the text is another value. */
typedef int rsi_json_member_visitor(void *user, const rsi_json *member, size_t position);
int rsi_json_parse_members(bool *is_array, const char *text, size_t size, unsigned max_depth,
                           rsi_json_member_visitor *see, void *user);

bool rsi_json_is_object(const rsi_json *value); /* all of these: false for NULL */
bool rsi_json_is_array(const rsi_json *value);
bool rsi_json_is_string(const rsi_json *value);
bool rsi_json_is_number(const rsi_json *value);
bool rsi_json_is_integer(const rsi_json *value);
bool rsi_json_is_bool(const rsi_json *value);
bool rsi_json_is_null(const rsi_json *value); /* a JSON null, not a NULL pointer */

/* Members are borrowed from their container; NULL when absent or of another type. */
rsi_json *rsi_json_get(const rsi_json *object, const char *key);
rsi_json *rsi_json_at(const rsi_json *array, size_t position);
size_t rsi_json_count(const rsi_json *container); /* members of an object or array, else 0 */
/* Walk an object in insertion order: *iterator starts as NULL; false at the end. */
bool rsi_json_each(const rsi_json *object, void **iterator, const char **key, rsi_json **value);

const char *rsi_json_text(const rsi_json *value);                  /* NULL when not a string */
size_t rsi_json_text_size(const rsi_json *value);                  /* 0 when not a string */
int64_t rsi_json_integer(const rsi_json *value, int64_t fallback); /* integers only */
double rsi_json_number(const rsi_json *value, double fallback);    /* integers and reals */
bool rsi_json_true(const rsi_json *value);                         /* is it `true`? */
/* Shorthands for members of an object. */
const char *rsi_json_get_text(const rsi_json *object, const char *key); /* NULL when absent */
int64_t rsi_json_get_integer(const rsi_json *object, const char *key, int64_t fallback);

/* Append compact JSON text of a value. */
int rsi_json_dump(rsi_bytes *out, const rsi_json *value);

/*
 * Write JSON text piece by piece; commas are put by the writer. Errors are kept in the
 * rsi_bytes (rsi_bytes_status): NO_MEMORY, and INVALID_DATA for a value that was put together
 * deeper than RSI_JSON_DEPTH_STORED.
 *
 *   rsi_json_writer w = rsi_json_writer_of(&bytes);
 *   rsi_json_begin_object(&w);
 *   rsi_json_put_text(&w, "name", name);
 *   rsi_json_key(&w, "list"); rsi_json_begin_array(&w); …; rsi_json_end_array(&w);
 *   rsi_json_end_object(&w);
 */
typedef struct rsi_json_writer {
    rsi_bytes *out;
    bool needs_comma;
} rsi_json_writer;

rsi_json_writer rsi_json_writer_of(rsi_bytes *out);
void rsi_json_begin_object(rsi_json_writer *writer);
void rsi_json_end_object(rsi_json_writer *writer);
void rsi_json_begin_array(rsi_json_writer *writer);
void rsi_json_end_array(rsi_json_writer *writer);
void rsi_json_key(rsi_json_writer *writer, const char *key);
void rsi_json_text_value(rsi_json_writer *writer, const char *text, size_t size); /* valid UTF-8 */
void rsi_json_integer_value(rsi_json_writer *writer, int64_t value);
void rsi_json_real_value(rsi_json_writer *writer, double value); /* NaN and infinity become null */
void rsi_json_bool_value(rsi_json_writer *writer, bool value);
void rsi_json_null_value(rsi_json_writer *writer);
void rsi_json_raw_value(rsi_json_writer *writer, const char *json, size_t size); /* trusted JSON */
void rsi_json_value(rsi_json_writer *writer, const rsi_json *value); /* NULL becomes null */
/* key and value together */
void rsi_json_put_text(rsi_json_writer *writer, const char *key, const char *text); /* NULL: null */
void rsi_json_put_integer(rsi_json_writer *writer, const char *key, int64_t value);
void rsi_json_put_real(rsi_json_writer *writer, const char *key, double value);
void rsi_json_put_bool(rsi_json_writer *writer, const char *key, bool value);
void rsi_json_put_null(rsi_json_writer *writer, const char *key);
void rsi_json_put_raw(rsi_json_writer *writer, const char *key, const char *json);
void rsi_json_put_value(rsi_json_writer *writer, const char *key, const rsi_json *value);

#endif
