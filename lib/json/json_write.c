/*
 * Writing JSON text piece by piece: see json.h.
 *
 * The output never depends on the locale. Text is escaped as RFC 8259 asks (quotes,
 * backslash, control characters), and U+2028 and U+2029 as well, so that a line of
 * JSON stays one line for every tool that splits text into lines. Reals are written
 * with the fewest of 15, 16 or 17 digits that read back as the same double, and always
 * so that they read back as reals.
 *
 * Called by every room that writes JSON. Not locked: a writer belongs to one thread.
 */
#include "json/json.h"
#include "json/json_real.h"
#include "json/json_scan.h"

#include <stdint.h>
#include <math.h>
#include <string.h>

rsi_json_writer rsi_json_writer_of(rsi_bytes *out)
{
    rsi_json_writer writer = {out, false};
    return writer;
}

static void begin_value(rsi_json_writer *writer)
{
    if (writer->needs_comma)
        rsi_bytes_append_char(writer->out, ',');
    writer->needs_comma = true;
}

void rsi_json_begin_object(rsi_json_writer *writer)
{
    begin_value(writer);
    rsi_bytes_append_char(writer->out, '{');
    writer->needs_comma = false;
}

void rsi_json_end_object(rsi_json_writer *writer)
{
    rsi_bytes_append_char(writer->out, '}');
    writer->needs_comma = true;
}

void rsi_json_begin_array(rsi_json_writer *writer)
{
    begin_value(writer);
    rsi_bytes_append_char(writer->out, '[');
    writer->needs_comma = false;
}

void rsi_json_end_array(rsi_json_writer *writer)
{
    rsi_bytes_append_char(writer->out, ']');
    writer->needs_comma = true;
}

/* The letter behind the backslash of a short escape, or 0. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* Does U+2028 or U+2029 (E2 80 A8, E2 80 A9) start at text[at]? */
static bool is_line_separator(const char *text, size_t size, size_t at)
{
    return size - at >= 3 && memcmp(text + at, "\xE2\x80", 2) == 0 &&
           (text[at + 2] == '\xA8' || text[at + 2] == '\xA9');
}

static void append_quoted(rsi_bytes *out, const char *text, size_t size)
{
    size_t written = 0; /* text before this offset is in `out` */

    rsi_bytes_append_char(out, '"');
    for (size_t at = 0; at < size; at++) {
        for (uint64_t next; size - at >= sizeof next; at += sizeof next) {
            memcpy(&next, text + at, sizeof next);
            if (rsi_json_may_be_special(next) || rsi_json_bytes_equal(next, 0xE2) != 0)
                break;
        }
        if (at == size)
            break;
        unsigned char c = (unsigned char)text[at];
        size_t escaped = 1;
        if (c == 0xE2 && is_line_separator(text, size, at))
            escaped = 3;
        else if (c >= 0x20 && c != '"' && c != '\\')
            continue;

        rsi_bytes_append(out, text + written, at - written);
        if (escaped == 3)
            rsi_bytes_append_text(out, text[at + 2] == '\xA8' ? "\\u2028" : "\\u2029");
        else if (short_escape(c) != 0)
            rsi_bytes_append(out, (char[]){'\\', short_escape(c)}, 2);
        else
            rsi_bytes_printf(out, "\\u%04X", (unsigned)c);
        at += escaped - 1;
        written = at + 1;
    }
    rsi_bytes_append(out, text + written, size - written);
    rsi_bytes_append_char(out, '"');
}

void rsi_json_key(rsi_json_writer *writer, const char *key)
{
    begin_value(writer);
    append_quoted(writer->out, key, strlen(key));
    rsi_bytes_append_char(writer->out, ':');
    writer->needs_comma = false;
}

void rsi_json_text_value(rsi_json_writer *writer, const char *text, size_t size)
{
    begin_value(writer);
    append_quoted(writer->out, text, size);
}

void rsi_json_integer_value(rsi_json_writer *writer, int64_t value)
{
    begin_value(writer);
    rsi_bytes_append_integer(writer->out, value);
}

void rsi_json_real_value(rsi_json_writer *writer, double value)
{
    char text[RSI_JSON_REAL_TEXT];

    if (!isfinite(value)) {
        rsi_json_null_value(writer);
        return;
    }
    begin_value(writer);
    rsi_bytes_append(writer->out, text, rsi_json_real_write(text, value));
}

void rsi_json_bool_value(rsi_json_writer *writer, bool value)
{
    begin_value(writer);
    rsi_bytes_append_text(writer->out, value ? "true" : "false");
}

void rsi_json_null_value(rsi_json_writer *writer)
{
    begin_value(writer);
    rsi_bytes_append_text(writer->out, "null");
}

void rsi_json_raw_value(rsi_json_writer *writer, const char *json, size_t size)
{
    begin_value(writer);
    rsi_bytes_append(writer->out, json, size);
}

void rsi_json_put_text(rsi_json_writer *writer, const char *key, const char *text)
{
    rsi_json_key(writer, key);
    if (text == NULL)
        rsi_json_null_value(writer);
    else
        rsi_json_text_value(writer, text, strlen(text));
}

void rsi_json_put_integer(rsi_json_writer *writer, const char *key, int64_t value)
{
    rsi_json_key(writer, key);
    rsi_json_integer_value(writer, value);
}

void rsi_json_put_real(rsi_json_writer *writer, const char *key, double value)
{
    rsi_json_key(writer, key);
    rsi_json_real_value(writer, value);
}

void rsi_json_put_bool(rsi_json_writer *writer, const char *key, bool value)
{
    rsi_json_key(writer, key);
    rsi_json_bool_value(writer, value);
}

void rsi_json_put_null(rsi_json_writer *writer, const char *key)
{
    rsi_json_key(writer, key);
    rsi_json_null_value(writer);
}

void rsi_json_put_raw(rsi_json_writer *writer, const char *key, const char *json)
{
    rsi_json_key(writer, key);
    rsi_json_raw_value(writer, json, strlen(json));
}

void rsi_json_put_value(rsi_json_writer *writer, const char *key, const rsi_json *value)
{
    rsi_json_key(writer, key);
    rsi_json_value(writer, value);
}
