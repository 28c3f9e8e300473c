/*
 * Markdown: the text stays as it is written, so that offsets point into the file itself; blocks
 * are found by lines, as CommonMark finds them, but without nesting.
 *
 *   a heading's block is its words alone, without "##" or the rule under it;
 *   a list item is its marker and its lines; fenced code is its lines and its fences;
 *   a table gives one block for each row, none for the line of dashes.
 *
 * Called by extract.c.
 */
#include "ingest/extract_parts.h"

#include "base/status.h"

#include <string.h>

#define FRONT_MATTER_LINES 200

typedef struct markdown {
    rsi_extracted *out;
    rsi_slice text;
    int status;
    rsi_block_kind kind; /* of the block being gathered */
    size_t start;        /* … its first byte; SIZE_MAX: none is open */
    size_t end;
    bool in_list;  /* indented lines belong to an item, not to code */
    bool in_quote; /* the open paragraph is quoted */
} markdown;

static size_t offset_of(const markdown *state, rsi_slice line)
{
    return (size_t)(line.data - state->text.data);
}

static void add(markdown *state, rsi_block_kind kind, uint32_t level, size_t start, size_t end)
{
    if (state->status == RAGSTORE_OK)
        state->status = rsi_add_block(state->out, kind, level, start, end);
}

static void close_block(markdown *state)
{
    if (state->start != SIZE_MAX)
        add(state, state->kind, 0, state->start, state->end);
    state->start = SIZE_MAX;
    state->in_quote = false;
}

static void open_block(markdown *state, rsi_block_kind kind, rsi_slice line)
{
    close_block(state);
    state->kind = kind;
    state->start = offset_of(state, line);
    state->end = state->start + line.size;
}

/* "## Words ##": gives the level and the words, or 0. */
static uint32_t atx_heading(rsi_slice line, rsi_slice *words)
{
    rsi_slice rest = rsi_trim(line);
    uint32_t level = 0;
    if (rsi_indent_of(line) > 3)
        return 0;
    while (level < rest.size && rest.data[level] == '#')
        level++;
    if (level == 0 || level > 6 || (level < rest.size && !rsi_is_space(rest.data[level])))
        return 0;
    rest = rsi_trim((rsi_slice){rest.data + level, rest.size - level});
    size_t end = rest.size;
    while (end > 0 && rest.data[end - 1] == '#')
        end--;
    if (end == 0 || rsi_is_space(rest.data[end - 1]))
        rest.size = end;
    *words = rsi_trim(rest);
    return level;
}

/* How many of ` or ~ open or close a fence; 0: none. */
static size_t fence_of(rsi_slice line, char *mark)
{
    rsi_slice rest = rsi_trim(line);
    if (rest.size < 3 || (rest.data[0] != '`' && rest.data[0] != '~'))
        return 0;
    size_t count = 0;
    while (count < rest.size && rest.data[count] == rest.data[0])
        count++;
    *mark = rest.data[0];
    bool inline_code = rest.data[0] == '`' && memchr(rest.data + count, '`', rest.size - count);
    return count >= 3 && !inline_code ? count : 0;
}

/* "| --- | :-: |" */
static bool is_table_rule(rsi_slice line)
{
    bool dash = false;
    bool bar = false;
    line = rsi_trim(line);
    for (size_t i = 0; i < line.size; i++) {
        if (strchr("|-: \t", line.data[i]) == NULL)
            return false;
        dash = dash || line.data[i] == '-';
        bar = bar || line.data[i] == '|';
    }
    return dash && bar;
}

static bool has_bar(rsi_slice line)
{
    return memchr(line.data, '|', line.size) != NULL;
}

/* Each reader is given a line that ends at *offset, and moves *offset behind what it took. */

static bool read_fence(markdown *state, rsi_slice line, size_t *offset)
{
    char mark = '\0';
    size_t opened = fence_of(line, &mark);
    if (opened == 0)
        return false;
    open_block(state, RSI_BLOCK_CODE, line);
    while (rsi_next_line(state->text, offset, &line)) {
        char other = '\0';
        size_t closed = fence_of(line, &other);
        state->end = offset_of(state, line) + line.size;
        if (closed >= opened && other == mark && rsi_trim(line).size == closed)
            break;
    }
    close_block(state);
    return true;
}

static bool read_heading(markdown *state, rsi_slice line)
{
    rsi_slice words = {0};
    uint32_t level = atx_heading(line, &words);
    if (level == 0)
        return false;
    close_block(state);
    state->in_list = false;
    size_t start = words.size > 0 ? offset_of(state, words) : 0;
    add(state, RSI_BLOCK_HEADING, level, start, start + words.size);
    return true;
}

/* "===" or "---" under a paragraph of one line. */
static bool read_heading_rule(markdown *state, rsi_slice line)
{
    char mark = rsi_trim(line).size >= 2 ? rsi_trim(line).data[0] : '\0';
    if (state->start == SIZE_MAX || state->kind != RSI_BLOCK_PARAGRAPH || state->in_quote ||
        (mark != '=' && mark != '-'))
        return false;
    rsi_slice rule = rsi_trim(line);
    for (size_t i = 0; i < rule.size; i++)
        if (rule.data[i] != mark)
            return false;
    if (memchr(state->text.data + state->start, '\n', state->end - state->start) != NULL)
        return false;
    add(state, RSI_BLOCK_HEADING, mark == '=' ? 1 : 2, state->start, state->end);
    state->start = SIZE_MAX;
    return true;
}

static bool read_table(markdown *state, rsi_slice line, size_t *offset)
{
    rsi_slice next;
    size_t behind = *offset;
    if (!has_bar(line) || !rsi_next_line(state->text, &behind, &next) || !is_table_rule(next))
        return false;
    open_block(state, RSI_BLOCK_TABLE_ROW, line);
    *offset = behind;
    while (rsi_next_line(state->text, &behind, &next) && has_bar(next)) {
        open_block(state, RSI_BLOCK_TABLE_ROW, next);
        *offset = behind;
    }
    close_block(state);
    return true;
}

/* Lines indented by four, behind a blank one. */
static bool read_indented_code(markdown *state, rsi_slice line, size_t *offset)
{
    if (state->start != SIZE_MAX || state->in_list || rsi_indent_of(line) < 4)
        return false;
    open_block(state, RSI_BLOCK_CODE, line);
    size_t behind = *offset;
    while (rsi_next_line(state->text, &behind, &line)) {
        bool blank = rsi_trim(line).size == 0;
        if (!blank && rsi_indent_of(line) < 4)
            break;
        if (!blank) {
            state->end = offset_of(state, line) + line.size;
            *offset = behind;
        }
    }
    close_block(state);
    return true;
}

static void read_text(markdown *state, rsi_slice line)
{
    bool quoted = rsi_trim(line).data[0] == '>';
    if (rsi_list_marker(line) > 0) {
        open_block(state, RSI_BLOCK_LIST_ITEM, line);
        state->in_list = true;
    } else if (state->start == SIZE_MAX || (quoted && !state->in_quote)) {
        open_block(state, RSI_BLOCK_PARAGRAPH, line);
        state->in_list = state->in_list && rsi_indent_of(line) >= 2;
        state->in_quote = quoted;
    } else {
        state->end = offset_of(state, line) + line.size;
    }
}

/* "---", keys and values, "---" at the very start. */
static void read_front_matter(markdown *state, size_t *offset)
{
    rsi_slice line;
    size_t at = 0;
    if (!rsi_next_line(state->text, &at, &line) || !rsi_equals_ignoring_case(rsi_trim(line), "---"))
        return;
    size_t start = at;
    for (int i = 0; i < FRONT_MATTER_LINES && rsi_next_line(state->text, &at, &line); i++) {
        rsi_slice words = rsi_trim(line);
        if (words.size == 3 &&
            (memcmp(words.data, "---", 3) == 0 || memcmp(words.data, "...", 3) == 0)) {
            add(state, RSI_BLOCK_CODE, 0, start, offset_of(state, line));
            *offset = at;
            return;
        }
    }
}

int rsi_extract_markdown(rsi_extracted *out, rsi_slice source)
{
    markdown state = {.out = out, .text = source, .start = SIZE_MAX};
    rsi_slice line;
    size_t offset = 0;
    read_front_matter(&state, &offset);
    while (state.status == RAGSTORE_OK && rsi_next_line(state.text, &offset, &line)) {
        if (rsi_trim(line).size == 0) {
            close_block(&state);
            continue;
        }
        if (read_fence(&state, line, &offset) || read_heading(&state, line) ||
            read_heading_rule(&state, line) || read_table(&state, line, &offset) ||
            read_indented_code(&state, line, &offset))
            continue;
        read_text(&state, line);
    }
    close_block(&state);
    return state.status;
}
