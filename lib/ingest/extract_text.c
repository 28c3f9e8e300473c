/*
 * What the extractors share: adding blocks, folding white space, looking at lines.
 *
 * Called by extract_*.c and chunk*.c; keeps no state.
 */
#include "ingest/extract_parts.h"

#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"

#include <string.h>
#include <utf8proc.h>

int rsi_add_block(rsi_extracted *out, rsi_block_kind kind, uint32_t level, size_t start, size_t end)
{
    const char *text = out->text.data;
    while (start < end && rsi_is_space(text[start]))
        start++;
    while (end > start && rsi_is_space(text[end - 1]))
        end--;
    if (start == end)
        return RAGSTORE_OK;
    if (!rsi_grow((void **)&out->blocks, &out->block_capacity, out->block_count + 1,
                  sizeof *out->blocks))
        return RAGSTORE_E_NO_MEMORY;
    out->blocks[out->block_count++] = (rsi_block){start, end, kind, level, 0};
    return RAGSTORE_OK;
}

void rsi_blank_line(rsi_bytes *text)
{
    size_t size = text->size;
    while (size > 0 && rsi_is_space(text->data[size - 1]))
        size--;
    if (text->status != RAGSTORE_OK || size == 0)
        return;
    text->size = size;
    rsi_bytes_append(text, "\n\n", 2);
}

void rsi_append_folded(rsi_bytes *text, rsi_slice piece)
{
    size_t i = 0;
    while (i < piece.size) {
        size_t start = i;
        while (i < piece.size && !rsi_is_space(piece.data[i]))
            i++;
        if (i > start)
            rsi_bytes_append(text, piece.data + start, i - start);
        start = i;
        while (i < piece.size && rsi_is_space(piece.data[i]))
            i++;
        if (i > start)
            rsi_bytes_append_char(text, ' ');
    }
}

rsi_slice rsi_trim(rsi_slice text)
{
    while (text.size > 0 && rsi_is_space(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && rsi_is_space(text.data[text.size - 1]))
        text.size--;
    return text;
}

/* Above ASCII: letters, marks, digits and symbols (also those too new for the table). */
static bool is_word_character(uint32_t c)
{
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
        return false;
    default:
        return c != 0xFFFD;
    }
}

bool rsi_has_words(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size) {
        if ((unsigned char)text[i] < 0x80) {
            if (rsi_is_letter(text[i]) || rsi_is_digit(text[i]))
                return true;
            i++;
        } else if (is_word_character(rsi_utf8_next(text, size, &i))) {
            return true;
        }
    }
    return false;
}

bool rsi_starts_with(rsi_slice text, const char *prefix)
{
    size_t i = 0;
    while (prefix[i] != '\0' && i < text.size && rsi_lower(text.data[i]) == rsi_lower(prefix[i]))
        i++;
    return prefix[i] == '\0';
}

bool rsi_equals_ignoring_case(rsi_slice text, const char *other)
{
    return text.size == strlen(other) && rsi_starts_with(text, other);
}

bool rsi_next_line(rsi_slice text, size_t *offset, rsi_slice *line)
{
    if (*offset >= text.size)
        return false;
    const char *start = text.data + *offset;
    const char *end = memchr(start, '\n', text.size - *offset);
    line->data = start;
    line->size = end != NULL ? (size_t)(end - start) : text.size - *offset;
    *offset += line->size + (end != NULL);
    return true;
}

size_t rsi_indent_of(rsi_slice line)
{
    size_t column = 0;
    for (size_t i = 0; i < line.size; i++) {
        if (line.data[i] == ' ')
            column++;
        else if (line.data[i] == '\t')
            column += 4 - column % 4;
        else
            break;
    }
    return column;
}

size_t rsi_list_marker(rsi_slice line)
{
    size_t i = 0;
    while (i < line.size && (line.data[i] == ' ' || line.data[i] == '\t'))
        i++;
    size_t mark = i;
    if (i < line.size && memchr("-*+", line.data[i], 3) != NULL) {
        i++;
    } else if (i + 3 <= line.size && memcmp(line.data + i, "\xE2\x80\xA2", 3) == 0) { /* bullet */
        i += 3;
    } else {
        while (i < line.size && i - mark < 9 && rsi_is_digit(line.data[i]))
            i++;
        if (i == mark && i < line.size && line.data[i] == '#')
            i++;
        if (i == mark || i == line.size || (line.data[i] != '.' && line.data[i] != ')'))
            return 0;
        i++;
    }
    return i + 1 < line.size && (line.data[i] == ' ' || line.data[i] == '\t') ? i + 1 : 0;
}

char rsi_rule_character(rsi_slice line)
{
    line = rsi_trim(line);
    if (line.size < 3 || strchr("=-~^\"'`*+#<>_:.", line.data[0]) == NULL)
        return '\0';
    for (size_t i = 1; i < line.size; i++)
        if (line.data[i] != line.data[0])
            return '\0';
    return line.data[0];
}
