/*
 * Plain text, reStructuredText and source code: the text stays as it is, blocks are found in it.
 *
 * Blank lines part paragraphs. A short line with a rule of marks under it (and perhaps above) is a
 * heading; its level is the rank of its mark in order of appearance, as reStructuredText has it. A short
 * first line that stands alone is the title, above all of them: every chunk of the document is found by
 * it, too.
 * Indented lines behind a paragraph that ends in "::" are code. Called by extract.c.
 */
#include "ingest/extract_parts.h"

#include "base/status.h"

#include <string.h>

#define HEADING_LINE_MAX 200
#define MARKS_MAX 6
#define BODY_MIN 4 /* times the title's length: what has less below it is a note of a few lines */

typedef struct plain {
    rsi_extracted *out;
    rsi_slice text;
    char marks[2 * MARKS_MAX]; /* heading styles so far: mark, and 1 for one with an overline */
    unsigned mark_count;
    bool has_title;
    bool code_follows; /* the last paragraph ended in "::" */
    size_t scanned; /* what was looked at before this place need not be in memory */
} plain;

static void note_scanned(plain *state, size_t offset)
{
    if (offset < state->scanned)
        state->scanned = offset; /* from here on it was looked at again */
    if (offset - state->scanned < RSI_LOOK_AHEAD)
        return;
    rsi_source_scanned(state->out, state->scanned, offset);
    state->scanned = offset;
}

/* As rsi_next_line(), but neither a line nor many without a blank one have to be in memory as a whole. */
static bool next_line(plain *state, rsi_slice text, size_t *offset, rsi_slice *line)
{
    const size_t start = *offset;
    const char *end = NULL;
    note_scanned(state, start);
    for (size_t at = start; end == NULL && at < text.size;) {
        const size_t left = text.size - at;
        const size_t part = left < RSI_LOOK_AHEAD ? left : RSI_LOOK_AHEAD;
        end = memchr(text.data + at, '\n', part);
        at += part;
        if (end == NULL)
            note_scanned(state, at);
    }
    if (start >= text.size)
        return false;
    *offset = end != NULL ? (size_t)(end - text.data) : text.size;
    *line = (rsi_slice){text.data + start, *offset - start};
    *offset += end != NULL;
    return true;
}

static size_t offset_of(const plain *state, rsi_slice line)
{
    return (size_t)(line.data - state->text.data);
}

static bool is_blank(rsi_slice line)
{
    return rsi_trim(line).size == 0;
}

static uint32_t level_of(plain *state, char mark, bool overlined)
{
    for (unsigned i = 0; i < state->mark_count; i++)
        if (state->marks[2 * i] == mark && state->marks[2 * i + 1] == overlined)
            return i + 1 + state->has_title;
    if (state->mark_count == MARKS_MAX)
        return MARKS_MAX;
    state->marks[2 * state->mark_count] = mark;
    state->marks[2 * state->mark_count + 1] = overlined;
    return ++state->mark_count + state->has_title;
}

static bool can_be_heading(rsi_slice line, rsi_slice rule)
{
    rsi_slice title = rsi_trim(line);
    return title.size > 0 && title.size <= HEADING_LINE_MAX && rsi_rule_character(title) == '\0' &&
           rsi_has_words(title.data, title.size) && rsi_trim(rule).size * 4 >= title.size * 2;
}

/* A heading at `line`, which stands before *offset; moves behind its rule. */
static bool read_heading(plain *state, rsi_slice line, size_t *offset, int *status)
{
    rsi_slice next;
    size_t behind = *offset;
    char over = rsi_rule_character(line);
    rsi_slice title = line;
    if (!next_line(state, state->text, &behind, &next))
        return false;
    if (over != '\0') {
        title = next;
        if (!next_line(state, state->text, &behind, &next))
            return false;
    } else if (rsi_indent_of(line) > 0) {
        return false;
    }
    char mark = rsi_rule_character(next);
    if (mark == '\0' || (over != '\0' && over != mark) || !can_be_heading(title, next))
        return false;
    *offset = behind;
    *status = rsi_add_block(state->out, RSI_BLOCK_HEADING, level_of(state, mark, over != '\0'),
                            offset_of(state, title), offset_of(state, title) + title.size);
    return true;
}

/* A title at the first line that is not blank; moves behind it. */
static int read_title(plain *state, size_t *offset)
{
    rsi_slice title;
    rsi_slice next;
    size_t behind = *offset;
    do {
        if (!next_line(state, state->text, &behind, &title))
            return RAGSTORE_OK;
    } while (is_blank(title));
    const size_t end = behind;
    if (title.size > HEADING_LINE_MAX || rsi_indent_of(title) > 0 || rsi_list_marker(title) > 0 ||
        !rsi_has_words(title.data, title.size) || !next_line(state, state->text, &behind, &next) ||
        !is_blank(next))
        return RAGSTORE_OK;
    const rsi_slice rest = {state->text.data + behind, state->text.size - behind};
    if (rsi_trim(rest).size < BODY_MIN * title.size || title.data[title.size - 1] == ':')
        return RAGSTORE_OK;
    state->has_title = true;
    *offset = end;
    return rsi_add_block(state->out, RSI_BLOCK_HEADING, 1, offset_of(state, title),
                         offset_of(state, title) + title.size);
}

/* One paragraph's lines are text[start..end): list items in it become blocks of their own. */
static int add_paragraph(plain *state, size_t start, size_t end)
{
    rsi_slice part = {state->text.data, end};
    rsi_slice line;
    size_t offset = start;
    size_t begun = start;
    bool item = false;
    while (next_line(state, part, &offset, &line)) {
        size_t at = offset_of(state, line);
        if (rsi_list_marker(line) == 0)
            continue;
        int status = rsi_add_block(state->out, item ? RSI_BLOCK_LIST_ITEM : RSI_BLOCK_PARAGRAPH, 0,
                                   begun, at);
        if (status != RAGSTORE_OK)
            return status;
        begun = at;
        item = true;
    }
    return rsi_add_block(state->out, item ? RSI_BLOCK_LIST_ITEM : RSI_BLOCK_PARAGRAPH, 0, begun,
                         end);
}

/* The lines up to the next blank one, from `first`, which ends at *offset. */
static int read_paragraph(plain *state, rsi_slice first, size_t *offset)
{
    size_t start = offset_of(state, first);
    size_t end = start + first.size;
    bool indented = rsi_indent_of(first) >= 1;
    rsi_slice line;
    size_t at = *offset;
    while (next_line(state, state->text, &at, &line) && !is_blank(line)) {
        indented = indented && rsi_indent_of(line) >= 1;
        end = offset_of(state, line) + line.size;
        *offset = at;
    }
    if (state->code_follows && indented)
        return rsi_add_block(state->out, RSI_BLOCK_CODE, 0, start, end);
    state->code_follows = end - start >= 2 && memcmp(state->text.data + end - 2, "::", 2) == 0;
    return add_paragraph(state, start, end);
}

int rsi_extract_plain(rsi_extracted *out, rsi_slice source)
{
    plain state = {.out = out, .text = source};
    rsi_slice line;
    size_t offset = 0;
    int status = read_title(&state, &offset);
    while (status == RAGSTORE_OK && next_line(&state, state.text, &offset, &line))
        if (!is_blank(line) && !read_heading(&state, line, &offset, &status))
            status = read_paragraph(&state, line, &offset);
    return status;
}

int rsi_extract_code(rsi_extracted *out, rsi_slice text)
{
    rsi_slice line;
    size_t offset = 0;
    int status = RAGSTORE_OK;
    size_t start = 0;
    while (status == RAGSTORE_OK && rsi_next_line(text, &offset, &line)) {
        if (is_blank(line)) {
            status = rsi_add_block(out, RSI_BLOCK_CODE, 0, start, offset);
            start = offset;
        }
    }
    return status != RAGSTORE_OK ? status : rsi_add_block(out, RSI_BLOCK_CODE, 0, start, text.size);
}
