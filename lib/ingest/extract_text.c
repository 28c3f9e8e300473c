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

#define BLOCKS_HELD 4096
#define TEXT_HELD ((size_t)1 << 20)

/* The written text goes to the disk but for what may still be changed: white space at its end. */
static int keep_text(rsi_extracted *out)
{
    rsi_bytes *text = &out->text;
    size_t size = text->size;
    while (size > 0 && rsi_is_space(text->data[size - 1]))
        size--;
    if (size > 0)
        size--; /* that something stands before it shows */
    int status = size == 0 ? RAGSTORE_OK : rsi_spill_append(&out->large->text, text->data, size);
    if (status != RAGSTORE_OK || size == 0)
        return status;
    memmove(text->data, text->data + size, text->size - size);
    text->size -= size;
    text->data[text->size] = '\0';
    return RAGSTORE_OK;
}

/* A block was added that begins at `start`: let go of what came before. */
static int keep_large(rsi_extracted *out, size_t start)
{
    rsi_large_text *large = out->large;
    int status = RAGSTORE_OK;
    if (out->kept.data != NULL)
        rsi_spill_forget(&large->source, start);
    else if (out->text.size >= TEXT_HELD)
        status = keep_text(out);
    if (status != RAGSTORE_OK || out->block_count < BLOCKS_HELD)
        return status;
    status =
        rsi_spill_append(&large->blocks, out->blocks, out->block_count * sizeof *out->blocks);
    out->block_count = 0;
    if (status == RAGSTORE_OK && large->input->look != NULL)
        status = large->input->look(large->input->user, large->input->size);
    return status;
}

int rsi_add_block(rsi_extracted *out, rsi_block_kind kind, uint32_t level, size_t start, size_t end)
{
    const char *text = out->kept.data != NULL ? out->kept.data : out->text.data;
    while (start < end && rsi_is_space(text[start]))
        start++;
    while (end > start && rsi_is_space(text[end - 1]))
        end--;
    if (start == end)
        return RAGSTORE_OK;
    if (!rsi_grow((void **)&out->blocks, &out->block_capacity, out->block_count + 1,
                  sizeof *out->blocks))
        return RAGSTORE_E_NO_MEMORY;
    const size_t before = out->large == NULL ? 0 : (size_t)rsi_spill_size(&out->large->text);
    out->blocks[out->block_count++] =
        (rsi_block){before + start, before + end, kind, level, 0, 0};
    return out->large == NULL ? RAGSTORE_OK : keep_large(out, start);
}

bool rsi_has_blocks(const rsi_extracted *out)
{
    return out->block_count > 0 ||
           (out->large != NULL && rsi_spill_size(&out->large->blocks) > 0);
}

void rsi_source_passed(rsi_extracted *out, size_t offset)
{
    if (out->large != NULL)
        rsi_spill_forget(&out->large->source, offset);
}

void rsi_source_scanned(rsi_extracted *out, size_t start, size_t end)
{
    if (out->large != NULL && out->kept.data != NULL)
        rsi_spill_let_go(&out->large->source, start, end);
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
