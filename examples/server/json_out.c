/*
 * Writes JSON text into one growing string; see json_out.h. Each value is used by one thread.
 */
#include "json_out.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 512 };

static bool make_room(struct json_out *out, size_t size)
{
    size_t capacity = out->capacity == 0 ? FIRST_CAPACITY : out->capacity;
    char *text = NULL;

    if (out->failed) {
        return false;
    }
    if (out->text != NULL && size < out->capacity - out->size) {
        return true;
    }
    while (capacity - out->size <= size) {
        if (capacity > SIZE_MAX / 2) {
            out->failed = true;
            return false;
        }
        capacity *= 2;
    }
    text = realloc(out->text, capacity);
    if (text == NULL) {
        out->failed = true;
        return false;
    }
    out->text = text;
    out->capacity = capacity;
    return true;
}

void out_reserve(struct json_out *out, size_t size)
{
    (void)make_room(out, size);
}

/* Append where room was made for it. */
static void put_byte(struct json_out *out, char byte)
{
    out->text[out->size++] = byte;
}

static void put_bytes(struct json_out *out, const char *bytes, size_t size)
{
    memcpy(out->text + out->size, bytes, size);
    out->size += size;
}

void out_bytes(struct json_out *out, const char *bytes, size_t size)
{
    if (size > 0 && make_room(out, size)) {
        put_bytes(out, bytes, size);
    }
}

static void put_text(struct json_out *out, const char *text)
{
    out_bytes(out, text, strlen(text));
}

static void before_value(struct json_out *out)
{
    if (out->comma && make_room(out, 1)) {
        put_byte(out, ',');
    }
    out->comma = true;
}

void out_begin(struct json_out *out, char bracket)
{
    before_value(out);
    out_bytes(out, &bracket, 1);
    out->comma = false;
}

void out_end(struct json_out *out, char bracket)
{
    out_bytes(out, &bracket, 1);
    out->comma = true;
}

/* How long the UTF-8 sequence at `text` is; 0 when it is not a valid one (overlong, surrogate,
 * out of range, cut off). */
static size_t sequence_length(const char *text, size_t size)
{
    const unsigned char *byte = (const unsigned char *)text;
    size_t length = byte[0] < 0x80 ? 1 : byte[0] < 0xc2 ? 0 : byte[0] < 0xe0 ? 2 :
                    byte[0] < 0xf0 ? 3 : byte[0] < 0xf5 ? 4 : 0;

    if (length == 0 || length > size) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((byte[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((byte[0] == 0xe0 && byte[1] < 0xa0) || (byte[0] == 0xed && byte[1] > 0x9f) ||
        (byte[0] == 0xf0 && byte[1] < 0x90) || (byte[0] == 0xf4 && byte[1] > 0x8f)) {
        return 0;
    }
    return length;
}

static void put_escape(struct json_out *out, unsigned char byte)
{
    char escape[8];

    switch (byte) {
    case '\n':
        put_text(out, "\\n");
        break;
    case '"':
        put_text(out, "\\\"");
        break;
    case '\\':
        put_text(out, "\\\\");
        break;
    default:
        if (byte < 0x80) {
            snprintf(escape, sizeof escape, "\\u%04x", byte);
            put_text(out, escape);
        } else {
            put_text(out, "\\ufffd"); /* a byte that is not UTF-8, such as one from a URL */
        }
    }
}

/* How many bytes from the start on are ASCII that is copied as it is, or a few less: looked for
 * eight at a time, by the highest bit of each. */
static size_t count_plain(const char *text, size_t size)
{
    static const uint64_t ones = UINT64_C(0x0101010101010101), highest = ones << 7;
    size_t count = 0;

    while (size - count >= sizeof(uint64_t)) {
        uint64_t bytes = 0, quotes = 0, backslashes = 0, odd = 0;

        memcpy(&bytes, text + count, sizeof bytes);
        quotes = bytes ^ ones * '"';
        backslashes = bytes ^ ones * '\\';
        odd = bytes | (bytes - ones * 0x20) | (quotes - ones) | (backslashes - ones);
        if ((odd & highest) != 0) {
            break;
        }
        count += sizeof bytes;
    }
    return count;
}

/* A string from the place on where something has to be escaped, or may have to. */
static void put_rest(struct json_out *out, const char *text, size_t size, size_t at)
{
    size_t plain = 0; /* the bytes from here to `at` still have to be copied */

    out_bytes(out, "\"", 1);
    while (at < size) {
        unsigned char byte = (unsigned char)text[at];
        size_t length = sequence_length(text + at, size - at);

        if (length > 0 && byte >= 0x20 && byte != '"' && byte != '\\') {
            at += length;
            if (length > 1) {
                at += count_plain(text + at, size - at);
            }
            continue;
        }
        out_bytes(out, text + plain, at - plain);
        put_escape(out, byte);
        plain = ++at;
        at += count_plain(text + at, size - at);
    }
    out_bytes(out, text + plain, size - plain);
    out_bytes(out, "\"", 1);
}

static bool is_plain(char byte)
{
    return (unsigned char)byte >= 0x20 && (unsigned char)byte < 0x80 && byte != '"' && byte != '\\';
}

static void put_string(struct json_out *out, const char *text, size_t size)
{
    size_t at = count_plain(text, size);

    while (at < size && is_plain(text[at])) {
        at++;
    }
    if (at < size || !make_room(out, size + 2)) {
        put_rest(out, text, size, at);
        return;
    }
    put_byte(out, '"');
    put_bytes(out, text, size);
    put_byte(out, '"');
}

void out_key(struct json_out *out, const char *key)
{
    size_t size = strlen(key);

    if (!make_room(out, size + 4)) {
        return;
    }
    if (out->comma) {
        put_byte(out, ',');
    }
    put_byte(out, '"');
    put_bytes(out, key, size);
    put_byte(out, '"');
    put_byte(out, ':');
    out->comma = false;
}

void out_text_n(struct json_out *out, const char *text, size_t size)
{
    before_value(out);
    put_string(out, text, size);
}

void out_text(struct json_out *out, const char *text)
{
    if (text == NULL) {
        out_nothing(out);
    } else {
        out_text_n(out, text, strlen(text));
    }
}

void out_whole(struct json_out *out, json_int_t number)
{
    char digits[32];
    size_t at = sizeof digits;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0) {
        digits[--at] = '-';
    }
    before_value(out);
    out_bytes(out, digits + at, sizeof digits - at);
}

/* Write a number from 0.0001 to 10, up to 7 digits; returns the size. printf() does the same, and
 * takes as long for it as a search for half of its hits. */
static size_t print_small(char digits[16], double number)
{
    unsigned decimals = number >= 1 ? 6 : number >= 0.1 ? 7 : number >= 0.01 ? 8 :
                        number >= 0.001 ? 9 : 10;
    static const double scales[] = {1e6, 1e7, 1e8, 1e9, 1e10};
    uint64_t rounded = (uint64_t)(number * scales[decimals - 6] + 0.5);
    size_t size = decimals + 2;

    for (size_t at = decimals + 1; at >= 2; at--) {
        digits[at] = (char)('0' + rounded % 10);
        rounded /= 10;
    }
    digits[0] = (char)('0' + rounded % 10);
    digits[1] = '.';
    while (size > 3 && digits[size - 1] == '0') {
        size--;
    }
    return size;
}

void out_decimal(struct json_out *out, double number)
{
    char digits[40];

    if (number >= 0.0001 && number < 9) {
        before_value(out);
        out_bytes(out, digits, print_small(digits, number));
        return;
    }

    if (!isfinite(number)) {
        out_nothing(out);
        return;
    }
    snprintf(digits, sizeof digits, "%.7g", number);
    out_raw(out, digits);
    if (strpbrk(digits, ".e") == NULL) {
        put_text(out, ".0"); /* a reader that knows int and float sees the same type each time */
    }
}

void out_flag(struct json_out *out, bool flag)
{
    out_raw(out, flag ? "true" : "false");
}

void out_nothing(struct json_out *out)
{
    out_raw(out, "null");
}

void out_raw(struct json_out *out, const char *json)
{
    before_value(out);
    put_text(out, json == NULL ? "null" : json);
}

static int dump_piece(const char *bytes, size_t size, void *user)
{
    struct json_out *out = user;

    out_bytes(out, bytes, size);
    return out->failed ? -1 : 0;
}

void out_value(struct json_out *out, const json_t *value)
{
    before_value(out);
    if (value == NULL) {
        put_text(out, "null");
    } else if (json_dump_callback(value, dump_piece, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0) {
        out->failed = true;
    }
}

char *out_take(struct json_out *out, size_t *size)
{
    char *text = NULL;

    *size = 0;
    if (make_room(out, 1)) {
        out->text[out->size] = '\0';
        text = out->text;
        *size = out->size;
        *out = (struct json_out){0};
    } else {
        out_drop(out);
    }
    return text;
}

void out_drop(struct json_out *out)
{
    free(out->text);
    *out = (struct json_out){0};
}
