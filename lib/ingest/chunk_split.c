/*
 * Cutting what is too long for one chunk: see chunk_parts.h. Called by chunk.c.
 *
 * Every piece is measured a bounded number of times and the pieces do not overlap, so the time is
 * linear in the text whatever it holds.
 */
#include "ingest/chunk_parts.h"

#include "base/status.h"
#include "base/utf8.h"

#include <utf8proc.h>

#define WIDENING_STEPS 4
#define CLUSTER_MAX 64 /* bytes of what a reader sees as one character, such as a family emoji */

/* Move a cut back so that it does not part a character from its accents and joiners. */
static size_t whole_characters(const char *text, size_t start, size_t end, size_t cut)
{
    size_t at = cut - start > CLUSTER_MAX ? rsi_utf8_floor(text, end, cut - CLUSTER_MAX) : start;
    size_t border = cut;
    utf8proc_int32_t state = 0;
    uint32_t before = rsi_utf8_next(text, end, &at);
    while (at < end && at <= cut) {
        size_t here = at;
        uint32_t after = rsi_utf8_next(text, end, &at);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)after,
                                             &state))
            border = here;
        before = after;
    }
    return border;
}

/* The last white space in the second half of text[start..limit), else a character border. */
static size_t good_cut(const char *text, size_t start, size_t end, size_t limit)
{
    if (rsi_is_space(text[limit]))
        return limit;
    for (size_t at = limit; at > start + (limit - start) / 2; at--)
        if (rsi_is_space(text[at - 1]))
            return at;
    size_t cut = whole_characters(text, start, end, limit);
    return cut > start ? cut : limit;
}

/* Between what fits and what is too long, a few steps nearer to the border. */
static int widen(size_t *fits, size_t too_long, const rsi_chunker_options *options,
                 const char *text, size_t start, size_t end, size_t budget)
{
    for (int step = 0; step < WIDENING_STEPS; step++) {
        size_t tokens;
        size_t middle = rsi_utf8_floor(text, end, *fits + (too_long - *fits) / 2);
        if (middle <= *fits)
            break;
        int status = rsi_chunk_count(&tokens, options, text + start, middle - start);
        if (status != RAGSTORE_OK)
            return status;
        if (tokens <= budget)
            *fits = middle;
        else
            too_long = middle;
    }
    return RAGSTORE_OK;
}

int rsi_chunk_cut(size_t *cut, const rsi_chunker_options *options, const char *text, size_t start,
                  size_t end, size_t budget)
{
    size_t most = budget * RSI_CHUNK_BYTES_PER_TOKEN;
    size_t limit = end - start > most ? rsi_utf8_floor(text, end, start + most) : end;
    size_t too_long = limit;
    size_t one = start;
    int status = RAGSTORE_OK;
    rsi_utf8_next(text, end, &one);
    for (;;) {
        size_t tokens;
        if (limit < one)
            limit = one;
        status = rsi_chunk_count(&tokens, options, text + start, limit - start);
        if (status != RAGSTORE_OK)
            return status;
        if (tokens <= budget || limit == one)
            break;
        too_long = limit;
        double share = (double)budget / (double)tokens; /* below 1: always shorter than before */
        limit = rsi_utf8_floor(text, end, start + (size_t)((double)(limit - start) * share));
    }
    if (limit < too_long)
        status = widen(&limit, too_long, options, text, start, end, budget);
    *cut = limit < end ? good_cut(text, start, end, limit) : end;
    return status;
}

typedef struct parts {
    const rsi_extracted *extracted;
    const char *text;
    size_t base;
    rsi_part_visitor *visit;
    void *user;
    int status;
} parts;

static bool visit_sentence(void *user, size_t start, size_t end)
{
    parts *p = user;
    p->status = p->visit(p->user, p->base + start, p->base + end);
    return p->status == RAGSTORE_OK;
}

static void let_go(void *user, size_t start, size_t end)
{
    const parts *p = user;
    rsi_extracted_let_go(p->extracted, p->base + start, p->base + end);
}

static int visit_lines(parts *p, const rsi_block *block)
{
    rsi_slice text = {p->text, block->end};
    rsi_slice line;
    size_t offset = block->start;
    while (rsi_next_line(text, &offset, &line)) {
        rsi_slice words = rsi_trim(line);
        if (words.size == 0)
            continue;
        size_t start = (size_t)(line.data - p->text); /* code keeps its indent */
        size_t end = (size_t)(words.data - p->text) + words.size;
        int status = p->visit(p->user, start, end);
        if (status != RAGSTORE_OK)
            return status;
    }
    return RAGSTORE_OK;
}

int rsi_chunk_parts(const rsi_block *block, const rsi_extracted *extracted,
                    rsi_part_visitor *visit, void *user)
{
    const char *text = extracted->text.data;
    parts p = {extracted, text, block->start, visit, user, RAGSTORE_OK};
    if (block->kind == RSI_BLOCK_CODE)
        return visit_lines(&p, block);
    rsi_sentences_looking(text + block->start, block->end - block->start, visit_sentence, let_go,
                          &p);
    return p.status;
}
