/*
 * The chunker "structure/2": packs blocks into chunks.
 *
 *   # Guide                 ┐
 *   ## Install              │ one chunk: headings stay with what follows them; its path is what
 *   Get it. Unpack it.      ┘ stands above its own headings, here nothing
 *   A long paragraph that …   next chunk, path "Guide > Install"
 *   ## Use                    a heading begins a new chunk, path "Guide"
 *
 * Blocks under the same headings go into one chunk while they fit; one that does not fit begins a
 * new chunk; one too long for any chunk is cut into sentences (code into lines), those into
 * words, those into characters. Every character that a reader would miss is in a chunk.
 *
 * What is left at the end of a section, a page or the text goes to the chunk before it when the two
 * are not much too long together: a few words alone say little, and a text that is about one thing is
 * found best as one.
 *
 * A chunk's tokens are added up from its parts, which are parted by white space; so the counter
 * must be additive there. Called by the ingestion of documents; keeps nothing, locks nothing.
 */
#include "ingest/chunk_parts.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

#define DEFAULT_MAX_TOKENS 200
#define RECENT_MAX 16

typedef struct part {
    size_t start;
    size_t tokens;
} part;

typedef struct packer {
    const rsi_extracted *extracted;
    const char *text;
    size_t size;
    const rsi_chunker_options *options;
    size_t max_tokens;
    size_t limit_tokens; /* of a chunk that took a rest in */
    rsi_chunk_visitor *visit;
    void *user;
    size_t count;         /* chunks so far, the last one included */
    rsi_chunk last;       /* of them, not told yet: it may take a rest in */
    char *last_heading;   /* its own; owned */
    bool has_last;        /* not told yet */
    size_t last_start;    /* of it, also when it has been told */
    size_t last_tokens;   /* of it, with its heading path */
    size_t section_first; /* number of the section's first chunk */
    rsi_heading_stack headings;
    /* The open chunk. */
    bool open;
    bool only_headings;
    size_t start;
    size_t end;
    size_t tokens; /* of text[start..end) */
    size_t budget; /* for them: what the heading path leaves */
    uint32_t page;
    char *path; /* owned */
    /* A short paragraph at its end that leads to what follows ("like this:"); size 0: none. */
    size_t lead_start;
    size_t lead_size;
    size_t lead_tokens;
    size_t lead_before; /* where the chunk ends without it */
    /* Sentences at its end that may be repeated in the next one. */
    part recent[RECENT_MAX];
    size_t recent_count;
    uint32_t block_page; /* of the block being packed */
} packer;

static int count(const packer *p, size_t *tokens, size_t start, size_t end)
{
    return rsi_chunk_count(tokens, p->options, p->text + start, end - start);
}

static int open_chunk(packer *p, size_t start)
{
    size_t path_tokens;
    int status =
        rsi_heading_path(&p->path, &path_tokens, &p->headings, p->options, p->max_tokens / 3);
    if (status != RAGSTORE_OK)
        return status;
    p->open = true;
    p->only_headings = true;
    p->start = start;
    p->end = start;
    p->tokens = 0;
    p->budget = p->max_tokens - path_tokens;
    p->page = p->block_page;
    return RAGSTORE_OK;
}

/* Nothing more comes to the last chunk. */
static int tell_last(packer *p)
{
    if (!p->has_last)
        return RAGSTORE_OK;
    int status = p->visit(p->user, &p->last);
    rsi_free(p->last_heading);
    p->last_heading = NULL;
    p->has_last = false;
    return status;
}

/* The open chunk is done. */
static int close_chunk(packer *p)
{
    if (!p->open || p->start == p->end)
        return RAGSTORE_OK;
    int status = tell_last(p);
    p->last = (rsi_chunk){p->start, p->end, p->page, p->path};
    p->last_heading = p->path;
    p->has_last = true;
    p->last_tokens = p->tokens + p->max_tokens - p->budget;
    p->path = NULL;
    p->open = false;
    p->count++;
    p->last_start = p->last.start;
    return status;
}

/* Is the open chunk a rest that the chunk before it can take in? */
static int is_rest(const packer *p, bool *rest)
{
    size_t tokens;
    *rest = false;
    if (!p->open || p->start == p->end || !p->has_last || p->count <= p->section_first)
        return RAGSTORE_OK;
    const rsi_chunk *last = &p->last;
    if (p->last_tokens >= p->limit_tokens ||
        p->end - last->start > p->limit_tokens * RSI_CHUNK_BYTES_PER_TOKEN)
        return RAGSTORE_OK;
    int status = count(p, &tokens, last->end, p->end);
    *rest = status == RAGSTORE_OK && p->last_tokens + tokens <= p->limit_tokens;
    return status;
}

/* The open chunk is done, and with it a section. */
static int close_section(packer *p)
{
    bool rest;
    int status = is_rest(p, &rest);
    if (status == RAGSTORE_OK && rest) {
        p->last.end = p->end;
        rsi_free(p->path);
        p->path = NULL;
        p->open = false;
    } else if (status == RAGSTORE_OK) {
        status = close_chunk(p);
    }
    p->section_first = p->count;
    return status;
}

/* Where the next chunk begins when it repeats sentences of the one just closed. */
static size_t overlap_start(const packer *p, size_t start, size_t tokens)
{
    size_t from = start;
    size_t overlap = 0;
    for (size_t i = p->recent_count; i-- > 0;) {
        const part *candidate = &p->recent[i];
        size_t wanted = overlap + candidate->tokens;
        if (wanted > p->options->overlap_tokens || candidate->start <= p->last_start ||
            wanted + tokens > p->max_tokens - p->max_tokens / 3)
            break;
        overlap = wanted;
        from = candidate->start;
    }
    return from;
}

/* Tokens that text[start..end) adds to the open chunk, with what lies between. */
static int added_tokens(const packer *p, size_t *added, size_t start, size_t tokens)
{
    *added = tokens;
    if (!p->open || start <= p->end)
        return RAGSTORE_OK;
    size_t between = 0;
    rsi_slice gap = rsi_trim((rsi_slice){p->text + p->end, start - p->end});
    int status =
        gap.size > 0 ? rsi_chunk_count(&between, p->options, gap.data, gap.size) : RAGSTORE_OK;
    *added += between;
    return status;
}

static bool fits(const packer *p, size_t end, size_t added)
{
    return p->tokens + added <= p->budget &&
           end - p->start <= p->max_tokens * RSI_CHUNK_BYTES_PER_TOKEN;
}

static void append(packer *p, size_t end, size_t added)
{
    p->end = end;
    p->tokens += added;
}

static void remember(packer *p, size_t start, size_t tokens)
{
    if (p->recent_count == RECENT_MAX) {
        memmove(p->recent, p->recent + 1, sizeof p->recent - sizeof p->recent[0]);
        p->recent_count--;
    }
    p->recent[p->recent_count++] = (part){start, tokens};
}

/* Make sure of an open chunk with room for a piece that begins at `start`: a new one, or one that
 * holds only headings so far. */
static int make_room(packer *p, size_t *room, size_t *gap, size_t start)
{
    int status = added_tokens(p, gap, start, 0);
    if (status == RAGSTORE_OK && p->open && p->end > p->start &&
        (!p->only_headings || p->tokens + *gap + p->max_tokens / 4 >= p->budget))
        status = close_chunk(p);
    if (status == RAGSTORE_OK && !p->open) {
        *gap = 0;
        status = open_chunk(p, start);
    }
    *room = status == RAGSTORE_OK ? p->budget - p->tokens - *gap : 0;
    return status;
}

/* What is too long for any chunk: words, at last characters. */
static int add_pieces(packer *p, size_t start, size_t end)
{
    while (start < end) {
        size_t gap;
        size_t room;
        size_t tokens;
        size_t cut;
        int status = make_room(p, &room, &gap, start);
        if (status == RAGSTORE_OK)
            status = rsi_chunk_cut(&cut, p->options, p->text, start, end, room);
        if (status != RAGSTORE_OK)
            return status;
        size_t last = cut;
        while (last > start && rsi_is_space(p->text[last - 1]))
            last--;
        if (last > start) {
            status = count(p, &tokens, start, last);
            if (status != RAGSTORE_OK)
                return status;
            append(p, last, gap + tokens);
            p->only_headings = false;
        }
        start = cut;
        while (start < end && rsi_is_space(p->text[start]))
            start++;
    }
    return RAGSTORE_OK;
}

/* One sentence or line of a block that is cut. */
static int add_part(void *user, size_t start, size_t end)
{
    packer *p = user;
    size_t tokens = SIZE_MAX;
    size_t added = 0;
    int status = RAGSTORE_OK;
    if (end - start <= p->max_tokens * RSI_CHUNK_BYTES_PER_TOKEN)
        status = count(p, &tokens, start, end);
    if (status == RAGSTORE_OK && tokens != SIZE_MAX)
        status = added_tokens(p, &added, start, tokens);
    if (status != RAGSTORE_OK)
        return status;
    if (tokens == SIZE_MAX || (p->open && p->only_headings && !fits(p, end, added))) {
        p->recent_count = 0;
        return add_pieces(p, start, end);
    }
    if (p->open && !fits(p, end, added)) {
        status = close_chunk(p);
        if (status != RAGSTORE_OK)
            return status;
    }
    if (!p->open) {
        size_t from = p->count > 0 ? overlap_start(p, start, tokens) : start;
        status = open_chunk(p, from);
        if (status != RAGSTORE_OK)
            return status;
        status = count(p, &p->tokens, from, start);
        if (status != RAGSTORE_OK)
            return status;
        added = tokens;
        if (tokens > p->budget) {
            p->recent_count = 0;
            return add_pieces(p, start, end);
        }
    }
    append(p, end, added);
    p->only_headings = false;
    remember(p, start, tokens);
    return RAGSTORE_OK;
}

/* A paragraph that ends in a colon wants to stay with the code or list behind it. */
static void note_lead(packer *p, const rsi_block *block, size_t tokens, size_t before)
{
    bool leads = block->kind == RSI_BLOCK_PARAGRAPH && p->text[block->end - 1] == ':' &&
                 !p->only_headings && tokens <= p->max_tokens / 4 && before > p->start;
    p->lead_size = leads ? block->end - block->start : 0;
    p->lead_start = block->start;
    p->lead_tokens = tokens;
    p->lead_before = before;
}

/* Close the open chunk; a leading paragraph at its end begins the next one. */
static int close_before_lead(packer *p)
{
    size_t size = p->lead_size;
    p->lead_size = 0;
    if (size == 0)
        return close_chunk(p);
    p->end = p->lead_before;
    int status = close_chunk(p);
    if (status == RAGSTORE_OK)
        status = open_chunk(p, p->lead_start);
    if (status == RAGSTORE_OK)
        append(p, p->lead_start + size, p->lead_tokens);
    return status;
}

/* A paragraph, item, row or piece of code. */
static int add_body(packer *p, const rsi_block *block)
{
    size_t tokens = SIZE_MAX;
    size_t added = 0;
    int status = RAGSTORE_OK;
    p->recent_count = 0;
    if (block->end - block->start <= p->max_tokens * RSI_CHUNK_BYTES_PER_TOKEN)
        status = count(p, &tokens, block->start, block->end);
    if (status == RAGSTORE_OK && tokens != SIZE_MAX)
        status = added_tokens(p, &added, block->start, tokens);
    if (status != RAGSTORE_OK)
        return status;
    if (p->open && !p->only_headings && (tokens == SIZE_MAX || !fits(p, block->end, added))) {
        status = close_before_lead(p);
        if (status == RAGSTORE_OK && !p->open)
            added = tokens;
        if (status != RAGSTORE_OK)
            return status;
    }
    if (!p->open) {
        status = open_chunk(p, block->start);
        if (status != RAGSTORE_OK)
            return status;
    }
    if (tokens == SIZE_MAX || !fits(p, block->end, added)) {
        p->lead_size = 0;
        return rsi_chunk_parts(block, p->extracted, add_part, p);
    }
    size_t before = p->end;
    append(p, block->end, added);
    note_lead(p, block, added, before);
    p->only_headings = false;
    return RAGSTORE_OK;
}

/* A heading begins a chunk, unless the open one holds nothing but headings or next to nothing. */
static int add_heading(packer *p, const rsi_block *block)
{
    size_t tokens;
    int status = RAGSTORE_OK;
    p->recent_count = 0;
    p->lead_size = 0;
    bool rest = false;
    if (p->open && !p->only_headings)
        status = is_rest(p, &rest);
    if (status == RAGSTORE_OK && p->open && !p->only_headings &&
        (rest || p->tokens >= p->max_tokens / 16))
        status = close_section(p);
    if (status != RAGSTORE_OK)
        return status;
    p->section_first = p->count;
    rsi_heading_leave(&p->headings, block->level);
    if (!p->open) {
        status = open_chunk(p, block->start);
        if (status != RAGSTORE_OK)
            return status;
    }
    status = count(p, &tokens, block->start, block->end);
    size_t added = 0;
    if (status == RAGSTORE_OK)
        status = added_tokens(p, &added, block->start, tokens);
    if (status != RAGSTORE_OK)
        return status;
    if (fits(p, block->end, added)) {
        append(p, block->end, added);
        p->only_headings = true;
    } else {
        status = rsi_chunk_parts(block, p->extracted, add_part, p);
    }
    rsi_heading_enter(&p->headings, block->level,
                      (rsi_slice){p->text + block->start, block->end - block->start});
    return status;
}

/* Words that no block covers are not lost: they are a paragraph. */
static int add_gap(packer *p, size_t start, size_t end)
{
    rsi_slice words = rsi_trim((rsi_slice){p->text + start, end - start});
    if (words.size == 0 || !rsi_has_words(words.data, words.size))
        return RAGSTORE_OK;
    size_t from = (size_t)(words.data - p->text);
    rsi_block block = {from, from + words.size, RSI_BLOCK_PARAGRAPH, 0, p->block_page, 0};
    return add_body(p, &block);
}

static int add_block(packer *p, const rsi_block *block)
{
    if (!rsi_has_words(p->text + block->start, block->end - block->start))
        return RAGSTORE_OK;
    if (block->page != p->block_page && p->open) { /* so that a chunk's page is where it stands */
        p->lead_size = 0;
        p->recent_count = 0;
        int status = close_section(p);
        if (status != RAGSTORE_OK)
            return status;
    }
    p->block_page = block->page;
    return block->kind == RSI_BLOCK_HEADING ? add_heading(p, block) : add_body(p, block);
}

/* A text of punctuation only still is one chunk. */
static int add_wordless(packer *p)
{
    rsi_slice all = rsi_trim((rsi_slice){p->text, p->size});
    if (p->count > 0 || p->open || all.size == 0)
        return RAGSTORE_OK;
    size_t start = (size_t)(all.data - p->text);
    return add_pieces(p, start, start + all.size);
}

int rsi_chunk_text(const rsi_extracted *extracted, const rsi_chunker_options *options,
                   rsi_chunk_visitor *visit, void *user)
{
    packer p = {.extracted = extracted,
                .text = extracted->text.data,
                .size = extracted->text.size,
                .options = options,
                .max_tokens = options->max_tokens > 0 ? options->max_tokens : DEFAULT_MAX_TOKENS,
                .limit_tokens = options->limit_tokens,
                .visit = visit,
                .user = user};
    int status = RAGSTORE_OK;
    size_t done = 0;
    for (size_t i = 0; i < extracted->block_count && status == RAGSTORE_OK; i++) {
        const rsi_block *block = &extracted->blocks[i];
        if (block->start < done || block->end < block->start || block->end > p.size) {
            status =
                rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest",
                         "block %zu of the extracted text overlaps another or leaves the text", i);
            break;
        }
        status = add_gap(&p, done, block->start);
        if (status == RAGSTORE_OK)
            status = add_block(&p, block);
        done = block->end;
    }
    if (status == RAGSTORE_OK)
        status = add_gap(&p, done, p.size);
    if (status == RAGSTORE_OK)
        status = add_wordless(&p);
    if (status == RAGSTORE_OK)
        status = close_section(&p);
    if (status == RAGSTORE_OK)
        status = tell_last(&p);
    rsi_free(p.last_heading);
    rsi_free(p.path);
    return status;
}
