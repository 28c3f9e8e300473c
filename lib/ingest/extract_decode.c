/*
 * From bytes to clean UTF-8.
 *
 * The guessed encoding is tried; when too much of the bytes does not fit it, what the document
 * says about itself is disbelieved, and at last Windows-1252 is tried. iconv converts everything
 * that is not UTF-8. Then the text is cleaned in place: "\n" for every kind of line end, no NUL,
 * no control characters, no byte order marks. Called by extract.c.
 */
#include "ingest/extract_parts.h"

#include "base/status.h"
#include "base/utf8.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* Names under which iconv knows more characters of the same encoding: what the web means by the
 * smaller name. `high_controls`: the larger one is only needed for bytes 0x80 to 0x9F. */
static const char *larger_encoding(const char *name, bool high_controls)
{
    static const struct {
        const char *name;
        const char *larger;
        bool for_high_controls;
    } names[] = {
        {"iso-8859-1", "windows-1252", true},
        {"iso-8859-9", "windows-1254", true},
        {"shift_jis", "cp932", false},
        {"shift-jis", "cp932", false},
        {"sjis", "cp932", false},
        {"x-sjis", "cp932", false},
        {"gb2312", "gb18030", false},
        {"gbk", "gb18030", false},
        {"euc-kr", "uhc", false},
        {"ks_c_5601-1987", "uhc", false},
        {"iso-8859-8-i", "iso-8859-8", false},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i].name) == 0 && (high_controls || !names[i].for_high_controls))
            return names[i].larger;
    return name;
}

/* Append UTF-8 with U+FFFD for each character that is broken. */
static void append_utf8(rsi_bytes *text, size_t *replaced, const char *bytes, size_t size)
{
    size_t bad;
    while (!rsi_utf8_valid(bytes, size, &bad)) {
        rsi_bytes_append(text, bytes, bad);
        rsi_bytes_append(text, REPLACEMENT, 3);
        ++*replaced;
        size_t broken = 1;
        while (broken < 3 && (unsigned char)bytes[bad] >= 0xC2 && bad + broken < size &&
               ((unsigned char)bytes[bad + broken] & 0xC0) == 0x80)
            broken++;
        bytes += bad + broken;
        size -= bad + broken;
    }
    rsi_bytes_append(text, bytes, size);
}

/* UNSUPPORTED: this system's iconv does not know the encoding. */
static int append_converted(rsi_bytes *text, size_t *replaced, const char *name, const char *bytes,
                            size_t size)
{
    iconv_t converter = iconv_open("UTF-8", name);
    if (converter == (iconv_t)-1)
        return errno == ENOMEM ? rsi_fail_no_memory() : RAGSTORE_E_UNSUPPORTED;
    size_t unit = strncmp(name, "utf-16", 6) == 0 ? 2 : strncmp(name, "utf-32", 6) == 0 ? 4 : 1;
    char *in = (char *)(uintptr_t)bytes; /* iconv only reads it */
    size_t left = size;
    bool more = true;
    while (more) {
        char buffer[4096];
        char *to = buffer;
        size_t room = sizeof buffer;
        bool at_end = left == 0;
        int problem = 0;
        if (iconv(converter, at_end ? NULL : &in, at_end ? NULL : &left, &to, &room) == (size_t)-1)
            problem = errno;
        rsi_bytes_append(text, buffer, sizeof buffer - room);
        if (problem == EILSEQ || problem == EINVAL) {
            rsi_bytes_append(text, REPLACEMENT, 3);
            ++*replaced;
            size_t skipped = left < unit ? left : unit;
            in += skipped;
            left -= skipped;
        }
        more = text->status == RAGSTORE_OK && !(at_end && problem != E2BIG);
    }
    iconv_close(converter);
    return rsi_bytes_status(text);
}

/* Clean in place; no character gets longer. Returns how many were dropped as controls. */
static size_t clean(rsi_bytes *text)
{
    char *data = text->data;
    size_t to = 0;
    size_t dropped = 0;
    for (size_t i = 0; i < text->size; i++) {
        unsigned char c = (unsigned char)data[i];
        size_t left = text->size - i;
        if (c == '\r') {
            if (left < 2 || data[i + 1] != '\n')
                data[to++] = '\n';
        } else if (c == '\f' || c == '\v') {
            data[to++] = '\n';
        } else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) {
            dropped++;
        } else if (c == 0xC2 && left > 1 && (unsigned char)data[i + 1] < 0xA0) {
            i++; /* U+0080 to U+009F; U+0085 ends a line */
            if ((unsigned char)data[i] == 0x85)
                data[to++] = '\n';
            else
                dropped++;
        } else if (c == 0xEF && left > 2 && memcmp(data + i, "\xEF\xBB\xBF", 3) == 0) {
            i += 2;
        } else {
            data[to++] = (char)c;
        }
    }
    text->size = to;
    data[to] = '\0';
    return dropped;
}

/* Convert and clean; *is_text tells whether nearly all of it turned out to be text. */
static int try_encoding(rsi_bytes *text, bool *is_text, const char *encoding, const char *bytes,
                        size_t size)
{
    size_t replaced = 0;
    *is_text = false;
    rsi_bytes_clear(text);
    if (!rsi_bytes_reserve(text, size))
        return RAGSTORE_E_NO_MEMORY;
    if (strcmp(encoding, "utf-8") == 0) {
        append_utf8(text, &replaced, bytes, size);
    } else {
        bool high_controls = false;
        for (size_t i = 0; i < size && !high_controls; i++)
            high_controls = ((unsigned char)bytes[i] & 0xE0) == 0x80;
        int status = append_converted(text, &replaced, larger_encoding(encoding, high_controls),
                                      bytes, size);
        if (status == RAGSTORE_E_UNSUPPORTED)
            return RAGSTORE_OK;
        if (status != RAGSTORE_OK)
            return status;
    }
    if (rsi_bytes_status(text) != RAGSTORE_OK)
        return rsi_bytes_status(text);
    size_t all = text->size;
    size_t dropped = clean(text);
    *is_text = dropped <= 1 + all / 20 && replaced <= 1 + all / 50;
    return RAGSTORE_OK;
}

int rsi_decode(rsi_bytes *text, char encoding[RSI_ENCODING_MAX], const char *bytes, size_t size)
{
    bool is_text = false;
    for (int attempt = 0; attempt < 3 && !is_text; attempt++) {
        size_t bom_size = 0;
        if (attempt < 2)
            rsi_guess_encoding(encoding, &bom_size, bytes, size, attempt == 0);
        else
            snprintf(encoding, RSI_ENCODING_MAX, "windows-1252");
        int status = try_encoding(text, &is_text, encoding, bytes + bom_size, size - bom_size);
        if (status != RAGSTORE_OK)
            return status;
    }
    if (!is_text)
        return rsi_fail(RAGSTORE_E_NOT_EXTRACTABLE, "ingest",
                        "this is a binary file, not text in an encoding known here: convert it "
                        "to UTF-8 text, Markdown or HTML first");
    return RAGSTORE_OK;
}
