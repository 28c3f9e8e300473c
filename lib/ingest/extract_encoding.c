/*
 * Which encoding the bytes are in.
 *
 * In this order: a byte order mark; the zeros of UTF-16 and UTF-32 without one; valid UTF-8; what
 * the document declares about itself (HTML, XML); UTF-8 with a few broken bytes; what uchardet
 * makes of a window around the first byte that is not UTF-8; Windows-1252. uchardet sees bytes
 * only here. Called by extract_decode.c, which finds out whether the guess converts.
 */
#include "ingest/extract_parts.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>
#include <uchardet/uchardet.h>

#define SAMPLE (64u << 10)    /* bytes looked at for zeros */
#define DETECTED (128u << 10) /* bytes given to uchardet */
#define DECLARED 1024u        /* bytes in which HTML and XML must declare */

static void set_encoding(char encoding[RSI_ENCODING_MAX], const char *name)
{
    size_t i = 0;
    for (; name[i] != '\0' && i < RSI_ENCODING_MAX - 1; i++)
        encoding[i] = rsi_lower(name[i]);
    encoding[i] = '\0';
}

static const char *byte_order_mark(size_t *mark_size, const char *bytes, size_t size)
{
    static const struct {
        const char *mark;
        size_t size;
        const char *name;
    } marks[] = {
        {"\xEF\xBB\xBF", 3, "utf-8"},    {"\xFF\xFE\0\0", 4, "utf-32le"},
        {"\0\0\xFE\xFF", 4, "utf-32be"}, {"\xFF\xFE", 2, "utf-16le"},
        {"\xFE\xFF", 2, "utf-16be"},
    };
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (size >= marks[i].size && memcmp(bytes, marks[i].mark, marks[i].size) == 0) {
            *mark_size = marks[i].size;
            return marks[i].name;
        }
    }
    return NULL;
}

/* UTF-16 and UTF-32 of mostly Latin text have zeros at fixed places of each unit. */
static const char *encoding_of_zeros(const char *bytes, size_t size)
{
    size_t units = (size < SAMPLE ? size : SAMPLE) / 4;
    size_t zeros[4] = {0};
    for (size_t i = 0; i < units * 4; i++)
        zeros[i % 4] += bytes[i] == '\0';
    if (units == 0)
        return NULL;
    size_t many = units - units / 10; /* nine of ten */
    size_t some = units / 3;
    size_t few = units / 20;
    if (zeros[3] == units && zeros[2] >= many && zeros[0] <= few)
        return "utf-32le";
    if (zeros[0] == units && zeros[1] >= many && zeros[3] <= few)
        return "utf-32be";
    if (zeros[1] > some && zeros[3] > some && zeros[0] <= few && zeros[2] <= few)
        return "utf-16le";
    if (zeros[0] > some && zeros[2] > some && zeros[1] <= few && zeros[3] <= few)
        return "utf-16be";
    return NULL;
}

/* Where the name behind `key` and an equals sign begins, or NULL. */
static const char *value_of(const char *key, const char *from, const char *end)
{
    size_t key_size = strlen(key);
    for (const char *at = from; (size_t)(end - at) > key_size; at++) {
        rsi_slice rest = {at, (size_t)(end - at)};
        if (!rsi_starts_with(rest, key))
            continue;
        at += key_size;
        while (at < end && rsi_is_space(*at))
            at++;
        if (at == end || *at != '=')
            continue;
        at++;
        while (at < end && (rsi_is_space(*at) || *at == '"' || *at == '\''))
            at++;
        return at;
    }
    return NULL;
}

/* <?xml … encoding="…"?>, <meta charset="…">, <meta … content="text/html; charset=…"> */
static bool declared_encoding(char encoding[RSI_ENCODING_MAX], const char *bytes, size_t size)
{
    const char *end = bytes + (size < DECLARED ? size : DECLARED);
    rsi_slice start = rsi_trim((rsi_slice){bytes, (size_t)(end - bytes)});
    const char *value = NULL;
    if (start.size == 0 || start.data[0] != '<')
        return false;
    if (rsi_starts_with(start, "<?xml")) {
        const char *close = memchr(start.data, '>', start.size);
        if (close != NULL)
            value = value_of("encoding", start.data, close);
    }
    for (const char *at = bytes; value == NULL && at < end; at++) {
        if (*at != '<' || !rsi_starts_with((rsi_slice){at, (size_t)(end - at)}, "<meta"))
            continue;
        const char *close = memchr(at, '>', (size_t)(end - at));
        if (close != NULL)
            value = value_of("charset", at, close);
    }
    size_t length = 0;
    while (value != NULL && value + length < end && length < RSI_ENCODING_MAX - 1 &&
           (rsi_is_letter(value[length]) || rsi_is_digit(value[length]) || value[length] == '-' ||
            value[length] == '_'))
        length++;
    /* Who could read the declaration as ASCII is not looking at UTF-16; and UTF-8 was tried. */
    if (length == 0 || rsi_starts_with((rsi_slice){value, length}, "utf"))
        return false;
    char name[RSI_ENCODING_MAX];
    memcpy(name, value, length);
    name[length] = '\0';
    set_encoding(encoding, name);
    return true;
}

/* Mostly UTF-8: the broken bytes are few beside the whole characters above ASCII, or only the
 * last character was cut off. */
static bool nearly_utf8(const char *bytes, size_t size, size_t first_bad)
{
    size_t whole = 0;
    size_t broken = 0;
    size_t i = 0;
    if (size - first_bad < 4 && (unsigned char)bytes[first_bad] >= 0xE0) {
        bool cut = true;
        for (size_t k = first_bad + 1; k < size; k++)
            cut = cut && ((unsigned char)bytes[k] & 0xC0) == 0x80;
        if (cut && (size - first_bad > 1 || first_bad > 64))
            return true;
    }
    while (i < size) {
        size_t before = i;
        if ((unsigned char)bytes[i] < 0x80) {
            i++;
            continue;
        }
        rsi_utf8_next(bytes, size, &i);
        if (i - before > 1)
            whole++;
        else
            broken++;
    }
    return whole >= 20 * broken;
}

/* Begin behind a line end, so that no character of several bytes is cut. */
static const char *detection_window(size_t *window, const char *bytes, size_t size, size_t middle)
{
    size_t start = middle > DETECTED / 8 ? middle - DETECTED / 8 : 0;
    if (start > 0) {
        const char *line = memchr(bytes + start, '\n', middle - start);
        start = line != NULL ? (size_t)(line - bytes) + 1 : middle;
    }
    *window = size - start < DETECTED ? size - start : DETECTED;
    return bytes + start;
}

static bool detected_encoding(char encoding[RSI_ENCODING_MAX], const char *bytes, size_t size)
{
    uchardet_t detector = uchardet_new();
    if (detector == NULL)
        return false;
    bool found = false;
    if (uchardet_handle_data(detector, bytes, size) == 0) {
        uchardet_data_end(detector);
        const char *name = uchardet_get_charset(detector);
        found = name[0] != '\0' && strcmp(name, "ASCII") != 0 && strcmp(name, "UTF-8") != 0;
        if (found)
            set_encoding(encoding, name);
    }
    uchardet_delete(detector);
    return found;
}

/* ISO-2022-JP is seven bits wide and so looks like ASCII but for its escapes. */
static const char *find_escape(const char *bytes, size_t size)
{
    const char *escape = memmem(bytes, size, "\x1B$B", 3);
    return escape != NULL ? escape : memmem(bytes, size, "\x1B$@", 3);
}

void rsi_guess_encoding(char encoding[RSI_ENCODING_MAX], size_t *bom_size, const char *bytes,
                        size_t size, bool believe_document)
{
    size_t bad = 0;
    *bom_size = 0;
    const char *name = byte_order_mark(bom_size, bytes, size);
    if (name == NULL)
        name = encoding_of_zeros(bytes, size);
    if (name != NULL) {
        set_encoding(encoding, name);
        return;
    }
    if (rsi_utf8_valid(bytes, size, &bad)) {
        const char *escape = find_escape(bytes, size);
        set_encoding(encoding, "utf-8");
        if (escape == NULL)
            return;
        bad = (size_t)(escape - bytes);
    } else {
        if (believe_document && declared_encoding(encoding, bytes, size))
            return;
        set_encoding(encoding, "utf-8");
        if (nearly_utf8(bytes, size, bad))
            return;
        set_encoding(encoding, "windows-1252");
    }
    size_t window;
    const char *start = detection_window(&window, bytes, size, bad);
    detected_encoding(encoding, start, window);
}
