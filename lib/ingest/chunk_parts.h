/*
 * The steps of chunking. Only chunk*.c include this.
 *
 *   blocks ─► chunk.c packs them ─► chunks
 *               │ too long for one chunk: chunk_split.c cuts it into pieces
 *               │ heading path: chunk_heading.c
 *               └ tokens: chunk_tokens.c
 */
#ifndef RSI_INGEST_CHUNK_PARTS_H
#define RSI_INGEST_CHUNK_PARTS_H

#include "ingest/chunk.h"
#include "ingest/extract_parts.h"

/* A token never stands for more bytes than this, whatever the counter says: an embedder takes a
 * word of any length for one unknown token. */
#define RSI_CHUNK_BYTES_PER_TOKEN 16

/* chunk_tokens.c: by the options' counter, or by an estimate. */
int rsi_chunk_count(size_t *count, const rsi_chunker_options *options, const char *text,
                    size_t size);

/* chunk_heading.c: the headings in force at one place of the text. */
#define RSI_HEADING_LEVELS 6

typedef struct rsi_heading_stack {
    const char *text;
    rsi_slice headings[RSI_HEADING_LEVELS]; /* size 0: none at this level */
} rsi_heading_stack;

/* Take a heading in: it ends those of its own and deeper levels. */
void rsi_heading_leave(rsi_heading_stack *stack, uint32_t level);
void rsi_heading_enter(rsi_heading_stack *stack, uint32_t level, rsi_slice heading);
/* "Outer > Inner" with its tokens, at most max_tokens: outer ones are left out first. *path is
 * NULL when there is none; the caller frees it. */
int rsi_heading_path(char **path, size_t *tokens, const rsi_heading_stack *stack,
                     const rsi_chunker_options *options, size_t max_tokens);

/*
 * chunk_split.c: cut text[start..end) into pieces that belong together less and less: lines for
 * code, sentences for the rest, words, characters.
 */
/* The largest piece from `start` on that has at most `budget` tokens; at least one character. */
int rsi_chunk_cut(size_t *cut, const rsi_chunker_options *options, const char *text, size_t start,
                  size_t end, size_t budget);
/* Visit the parts of a block, each with its words: sentences, or lines of code. */
typedef int rsi_part_visitor(void *user, size_t start, size_t end);
int rsi_chunk_parts(const rsi_block *block, const rsi_extracted *extracted,
                    rsi_part_visitor *visit, void *user);

#endif
