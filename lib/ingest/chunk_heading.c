/*
 * The headings above a chunk, as one line: "Guide > Installation > Linux".
 *
 * Marks of Markdown and tags of HTML within a heading are left out: the line is read by people and
 * embedded before the chunk. Called by chunk.c.
 */
#include "ingest/chunk_parts.h"

#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"

#include <string.h>

#define SEPARATOR " > "
#define ONE_MAX 200 /* bytes of one heading */

void rsi_heading_leave(rsi_heading_stack *stack, uint32_t level)
{
    for (uint32_t i = level > 0 ? level - 1 : 0; i < RSI_HEADING_LEVELS; i++)
        stack->headings[i].size = 0;
}

void rsi_heading_enter(rsi_heading_stack *stack, uint32_t level, rsi_slice heading)
{
    rsi_heading_leave(stack, level);
    if (level > RSI_HEADING_LEVELS)
        level = RSI_HEADING_LEVELS;
    stack->headings[level > 0 ? level - 1 : 0] = heading;
}

/* The bytes of a tag at `at`, or 0: "<a id='1'>", "</a>". */
static size_t tag_at(rsi_slice text, size_t at)
{
    size_t name = at + 1 + (at + 1 < text.size && text.data[at + 1] == '/');
    if (text.data[at] != '<' || name >= text.size || !rsi_is_letter(text.data[name]))
        return 0;
    const char *end = memchr(text.data + at, '>', text.size - at);
    return end != NULL ? (size_t)(end - text.data) - at + 1 : 0;
}

/* "](target)" behind the words of a link, or 0. */
static size_t target_at(rsi_slice text, size_t at)
{
    if (at + 1 >= text.size || text.data[at] != ']' || text.data[at + 1] != '(')
        return 0;
    const char *end = memchr(text.data + at, ')', text.size - at);
    return end != NULL ? (size_t)(end - text.data) - at + 1 : 0;
}

static void append_words(rsi_bytes *line, rsi_slice heading)
{
    rsi_bytes words = {0};
    heading.size =
        rsi_utf8_floor(heading.data, heading.size, heading.size < ONE_MAX ? heading.size : ONE_MAX);
    for (size_t i = 0; i < heading.size;) {
        size_t skip = tag_at(heading, i);
        if (skip == 0)
            skip = target_at(heading, i);
        bool opens_link =
            heading.data[i] == '[' && memmem(heading.data + i, heading.size - i, "](", 2) != NULL;
        bool doubled = i + 1 < heading.size && heading.data[i + 1] == heading.data[i];
        if (skip == 0 && (opens_link || heading.data[i] == '`'))
            skip = 1;
        else if (skip == 0 && heading.data[i] == '*' && doubled)
            skip = 2;
        if (skip == 0)
            rsi_bytes_append_char(&words, heading.data[i]);
        i += skip > 0 ? skip : 1;
    }
    rsi_slice trimmed = rsi_trim((rsi_slice){words.data, words.size});
    if (trimmed.size > 0 && line->size > 0)
        rsi_bytes_append_text(line, SEPARATOR);
    rsi_append_folded(line, trimmed);
    if (words.status != RAGSTORE_OK)
        line->status = words.status;
    rsi_bytes_free(&words);
}

/* Cut a single heading that is still too long. */
static int shorten(rsi_bytes *line, size_t *tokens, const rsi_chunker_options *options,
                   size_t max_tokens)
{
    size_t cut = line->size;
    int status = rsi_chunk_cut(&cut, options, line->data, 0, line->size, max_tokens);
    if (status != RAGSTORE_OK)
        return status;
    line->size = rsi_trim((rsi_slice){line->data, cut}).size;
    line->data[line->size] = '\0';
    return rsi_chunk_count(tokens, options, line->data, line->size);
}

int rsi_heading_path(char **path, size_t *tokens, const rsi_heading_stack *stack,
                     const rsi_chunker_options *options, size_t max_tokens)
{
    rsi_bytes line = {0};
    int status = RAGSTORE_OK;
    *path = NULL;
    *tokens = 0;
    for (size_t first = 0; first < RSI_HEADING_LEVELS; first++) {
        rsi_bytes_clear(&line);
        bool single = true;
        for (size_t i = first; i < RSI_HEADING_LEVELS; i++) {
            single = single && (line.size == 0 || stack->headings[i].size == 0);
            if (stack->headings[i].size > 0)
                append_words(&line, stack->headings[i]);
        }
        status = rsi_bytes_status(&line);
        if (status != RAGSTORE_OK || line.size == 0)
            break;
        status = rsi_chunk_count(tokens, options, line.data, line.size);
        if (status == RAGSTORE_OK && *tokens > max_tokens && single)
            status = shorten(&line, tokens, options, max_tokens);
        if (status != RAGSTORE_OK || *tokens <= max_tokens)
            break;
    }
    if (status == RAGSTORE_OK && line.size > 0 && *tokens <= max_tokens) {
        *path = rsi_bytes_take(&line, NULL);
        return *path != NULL ? RAGSTORE_OK : RAGSTORE_E_NO_MEMORY;
    }
    *tokens = 0;
    rsi_bytes_free(&line);
    return status;
}
