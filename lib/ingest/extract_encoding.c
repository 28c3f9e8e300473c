/*
 * Which encoding the bytes are in.
 *
 * In this order: a byte order mark; the zeros of UTF-16 and UTF-32 without one; valid UTF-8; what
 * the document declares about itself (HTML, XML); UTF-8 with a few broken bytes; what uchardet
 * makes of a window around the first byte that is not UTF-8; Windows-1252. uchardet sees bytes
 * only here. Called by extract_decode.c, which finds out whether the guess converts.
 */
#include "ingest/extract_parts.h"

#include "base/status.h"
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

/* Is there nothing wrong but that the last character was cut off? */
static bool is_cut_character(rsi_slice end, uint64_t first_bad)
{
    if (end.size >= 4 || (unsigned char)end.data[0] < 0xE0)
        return false;
    for (size_t k = 1; k < end.size; k++)
        if (((unsigned char)end.data[k] & 0xC0) != 0x80)
            return false;
    return end.size > 1 || first_bad > 64;
}

/* Mostly UTF-8: the broken bytes are few beside the whole characters above ASCII. */
static int count_characters(bool *few_broken, const rsi_input *input)
{
    rsi_input_walk walk = {.input = input};
    uint64_t whole = 0;
    uint64_t broken = 0;
    size_t carried = 0;
    int found = 0;
    while ((found = rsi_input_next(&walk, carried)) > 0) {
        size_t i = 0;
        while (i < walk.size && (walk.is_last || walk.size - i >= RSI_UTF8_MAX)) {
            const size_t before = i;
            if ((unsigned char)walk.data[i] < 0x80) {
                i++;
                continue;
            }
            rsi_utf8_next(walk.data, walk.size, &i);
            if (i - before > 1)
                whole++;
            else
                broken++;
        }
        carried = walk.size - i;
    }
    rsi_input_walk_free(&walk);
    *few_broken = whole >= 20 * broken;
    return found;
}

static int nearly_utf8(bool *nearly, rsi_bytes *buffer, const rsi_input *input, uint64_t first_bad)
{
    rsi_slice end;
    int status = rsi_input_peek(&end, buffer, input, first_bad, RSI_UTF8_MAX);
    *nearly = status == RAGSTORE_OK && is_cut_character(end, first_bad);
    return status != RAGSTORE_OK || *nearly ? status : count_characters(nearly, input);
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

/* What uchardet makes of a window around `middle`, which begins behind a line end, so that no
 * character of several bytes is cut. */
static int detect(char encoding[RSI_ENCODING_MAX], rsi_bytes *buffer, const rsi_input *input,
                  uint64_t middle)
{
    const uint64_t before = middle > DETECTED / 8 ? DETECTED / 8 : middle;
    rsi_slice window;
    int status =
        rsi_input_peek(&window, buffer, input, middle - before, (size_t)before + DETECTED);
    if (status != RAGSTORE_OK)
        return status;
    if (before < middle) {
        const char *line = memchr(window.data, '\n', (size_t)before);
        const size_t skipped = line != NULL ? (size_t)(line - window.data) + 1 : (size_t)before;
        window.data += skipped;
        window.size -= skipped;
    }
    detected_encoding(encoding, window.data, window.size < DETECTED ? window.size : DETECTED);
    return RAGSTORE_OK;
}

/* What all bytes say. */
typedef struct survey {
    bool is_utf8;
    uint64_t first_bad;  /* when it is not */
    uint64_t escapes[2]; /* the first of each kind; UINT64_MAX: none */
} survey;

/* ISO-2022-JP is seven bits wide and so looks like ASCII but for its escapes. */
static void note_escapes(survey *found, const rsi_input_walk *window)
{
    static const char *const escapes[] = {"\x1B$B", "\x1B$@"};
    if (memchr(window->data, 0x1B, window->size) == NULL)
        return;
    for (size_t i = 0; i < 2; i++) {
        const char *at = memmem(window->data, window->size, escapes[i], 3);
        if (at != NULL && found->escapes[i] == UINT64_MAX)
            found->escapes[i] = window->end - window->size + (uint64_t)(at - window->data);
    }
}

/* Validity is looked at up to the end of each window, but for a character that may go on behind
 * it. */
static int look_at_all(survey *found, const rsi_input *input)
{
    rsi_input_walk walk = {.input = input};
    uint64_t valid_to = 0;
    size_t carried = 0;
    int more = 0;
    *found = (survey){.is_utf8 = true, .escapes = {UINT64_MAX, UINT64_MAX}};
    while (found->is_utf8 && (more = rsi_input_next(&walk, carried)) > 0) {
        const size_t from = (size_t)(valid_to - (walk.end - walk.size));
        size_t bad = walk.size - from;
        if (!rsi_utf8_valid(walk.data + from, walk.size - from, &bad) &&
            (walk.is_last || walk.size - from - bad >= RSI_UTF8_MAX)) {
            found->is_utf8 = false;
            found->first_bad = valid_to + bad;
        }
        valid_to += bad;
        note_escapes(found, &walk);
        carried = (size_t)(walk.end - valid_to);
        if (carried < 2) /* an escape may go on behind the window */
            carried = walk.size < 2 ? walk.size : 2;
    }
    rsi_input_walk_free(&walk);
    return found->is_utf8 && more < 0 ? more : RAGSTORE_OK;
}

/* Of bytes without a mark. */
static int guess_by_all(char encoding[RSI_ENCODING_MAX], rsi_bytes *buffer, const rsi_input *input,
                        bool believe_document)
{
    survey found;
    rsi_slice start;
    bool nearly;
    int status = look_at_all(&found, input);
    if (status != RAGSTORE_OK)
        return status;
    if (found.is_utf8) {
        const uint64_t escape = found.escapes[found.escapes[0] == UINT64_MAX];
        set_encoding(encoding, "utf-8");
        return escape == UINT64_MAX ? RAGSTORE_OK : detect(encoding, buffer, input, escape);
    }
    status = rsi_input_peek(&start, buffer, input, 0, DECLARED);
    if (status != RAGSTORE_OK ||
        (believe_document && declared_encoding(encoding, start.data, start.size)))
        return status;
    set_encoding(encoding, "utf-8");
    status = nearly_utf8(&nearly, buffer, input, found.first_bad);
    if (status != RAGSTORE_OK || nearly)
        return status;
    set_encoding(encoding, "windows-1252");
    return detect(encoding, buffer, input, found.first_bad);
}

int rsi_guess_encoding(char encoding[RSI_ENCODING_MAX], size_t *bom_size, const rsi_input *input,
                       bool believe_document)
{
    rsi_bytes buffer = {0};
    rsi_slice start;
    *bom_size = 0;
    int status = rsi_input_peek(&start, &buffer, input, 0, SAMPLE);
    const char *name = NULL;
    if (status == RAGSTORE_OK)
        name = byte_order_mark(bom_size, start.data, start.size);
    if (status == RAGSTORE_OK && name == NULL)
        name = encoding_of_zeros(start.data, start.size);
    if (name != NULL)
        set_encoding(encoding, name);
    else if (status == RAGSTORE_OK)
        status = guess_by_all(encoding, &buffer, input, believe_document);
    rsi_bytes_free(&buffer);
    return status;
}
