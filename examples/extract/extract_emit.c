/* The helper's output: see extract_emit.h. */
#include "extract_emit.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WRITE_AT_ONCE = 64 * 1024 };

static char waiting[WRITE_AT_ONCE];
static size_t waiting_size;
static bool has_blocks;

/* ---- memory ---- */

void *get_memory(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL) {
        emit_refusal(REASON_NO_MEMORY);
    }
    return memory;
}

char *copy_string(const char *string, size_t size)
{
    char *copy = get_memory(size + 1, 1);

    memcpy(copy, string, size);
    return copy;
}

void text_append(struct text *text, const char *bytes, size_t size)
{
    if (size > SIZE_MAX / 4 || text->size > SIZE_MAX / 4) {
        emit_refusal(REASON_TOO_LARGE);
    }
    if (text->size + size + 1 > text->capacity) {
        size_t capacity = (text->size + size + 64) * 2;
        char *grown = realloc(text->bytes, capacity);

        if (grown == NULL) {
            emit_refusal(REASON_NO_MEMORY);
        }
        text->bytes = grown;
        text->capacity = capacity;
    }
    if (size > 0) {
        memcpy(text->bytes + text->size, bytes, size);
    }
    text->size += size;
    text->bytes[text->size] = '\0';
}

void text_append_string(struct text *text, const char *string)
{
    text_append(text, string, strlen(string));
}

void text_clear(struct text *text)
{
    text->size = 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool text_is_blank(const struct text *text)
{
    for (size_t i = 0; i < text->size; i++) {
        if (!is_space(text->bytes[i])) {
            return false;
        }
    }
    return true;
}

/* ---- output ---- */

static void write_out(void)
{
    size_t written = 0;

    while (written < waiting_size) {
        ssize_t count = write(STDOUT_FILENO, waiting + written, waiting_size - written);

        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) { /* nobody reads any more */
            _exit(1);
        }
        written += (size_t)count;
    }
    waiting_size = 0;
}

static void put(const char *bytes, size_t size)
{
    while (size > 0) {
        size_t room = WRITE_AT_ONCE - waiting_size;
        size_t part = size < room ? size : room;

        memcpy(waiting + waiting_size, bytes, part);
        waiting_size += part;
        bytes += part;
        size -= part;
        if (waiting_size == WRITE_AT_ONCE) {
            write_out();
        }
    }
}

void emit_media_type(const char *media_type)
{
    put("T ", 2);
    put(media_type, strlen(media_type));
    put("\n", 1);
}

bool emit_has_blocks(void)
{
    return has_blocks;
}

void emit_refusal(const char *reason)
{
    put("X ", 2);
    put(reason, strlen(reason));
    put("\n.\n", 3);
    write_out();
    _exit(0);
}

void emit_end(void)
{
    if (!has_blocks) {
        emit_refusal(REASON_NO_TEXT);
    }
    put(".\n", 2);
    write_out();
    _exit(0);
}

/* ---- blocks ---- */

/* The length of a valid character at the start of bytes; 0: there is none. */
static size_t character_size(const unsigned char *bytes, size_t size)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = bytes[0];
    size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
    uint32_t code = 0;

    if (length == 0 || length > size || lead > 0xF4) {
        return 0;
    }
    if (length == 1) {
        return 1;
    }
    code = lead & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return 0;
        }
        code = code << 6 | (bytes[i] & 0x3Fu);
    }
    return code < smallest[length] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)
               ? 0
               : length;
}

/* Append one character, or U+FFFD for what is none; control characters become nothing. */
static size_t append_character(struct text *to, const char *bytes, size_t size)
{
    const unsigned char *at = (const unsigned char *)bytes;
    size_t length = character_size(at, size);

    if (length == 0) {
        text_append(to, "\xEF\xBF\xBD", 3);
        return 1;
    }
    if (length == 1 && (at[0] < 0x20 || at[0] == 0x7F) && at[0] != '\n' && at[0] != '\t') {
        return 1;
    }
    text_append(to, bytes, length);
    return length;
}

static void fold(struct text *to, const char *bytes, size_t size, bool keep_lines)
{
    bool space = false;

    for (size_t i = 0; i < size;) {
        bool no_break = size - i >= 2 && memcmp(bytes + i, "\xC2\xA0", 2) == 0;

        if (!keep_lines && (is_space(bytes[i]) || no_break)) {
            space = to->size > 0;
            i += no_break ? 2 : 1;
            continue;
        }
        if (space) {
            text_append(to, " ", 1);
            space = false;
        }
        i += append_character(to, bytes + i, size - i);
    }
}

void emit_block(enum block_kind kind, int level, int page, const char *bytes, size_t size)
{
    static struct text folded;
    char head[96];
    int length = 0;

    text_clear(&folded);
    fold(&folded, bytes, size, kind == BLOCK_CODE);
    if (text_is_blank(&folded)) {
        return;
    }
    length = snprintf(head, sizeof head, "B %d %d %d %zu\n", (int)kind, level, page, folded.size);
    put(head, (size_t)length);
    put(folded.bytes, folded.size);
    put("\n", 1);
    has_blocks = true;
}

void emit_text(enum block_kind kind, int level, int page, struct text *text)
{
    if (text->size > 0) {
        emit_block(kind, level, page, text->bytes, text->size);
    }
    text_clear(text);
}
