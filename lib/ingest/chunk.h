/*
 * From text to chunks: along headings, paragraphs and sentences, within the embedder's limit.
 *
 * The chunker is pinned per entity by name and version ("structure/2"; "structure/1" joined no rests):
 * a better one gets a new version and changes new entities only. Chunks are slices of the extracted text, so
 * text[start..end) is exactly the chunk's content.
 */
#ifndef RSI_INGEST_CHUNK_H
#define RSI_INGEST_CHUNK_H

#include "ingest/extract.h"

#include <stdbool.h>

#define RSI_CHUNKER_NAME "structure/2"

typedef struct rsi_chunker_options {
    uint32_t max_tokens;     /* of one chunk, heading path included; 0: 200 */
    uint32_t limit_tokens;   /* the rest of a section may make its last chunk so long; 0: none may */
    uint32_t overlap_tokens; /* repeated from the end of the chunk before, at sentence borders */
    /* Count tokens as the embedder does, without special ones; additive over texts that are split
     * at white space. A failure is passed on. NULL: an estimate from the bytes. */
    int (*count_tokens)(size_t *count, void *user, const char *text, size_t size);
    void *user;
} rsi_chunker_options;

typedef struct rsi_chunk {
    size_t start; /* of the content, in the extracted text */
    size_t end;
    uint32_t page;       /* where it starts; 0: no pages */
    const char *heading; /* the headings above it, outermost first, joined by " > "; or NULL */
} rsi_chunk;

/* Visit the chunks in order; each lives until the visitor returns, and a failure of that is passed on.
 * Never gives an empty chunk; gives at least one when the text has a character that is not white
 * space. */
typedef int rsi_chunk_visitor(void *user, const rsi_chunk *chunk);
int rsi_chunk_text(const rsi_extracted *extracted, const rsi_chunker_options *options,
                   rsi_chunk_visitor *visit, void *user);

/*
 * Split a text into sentences for quoting: UAX #29 is close, but abbreviations, numbers and list
 * items are handled too. Calls visit for each; false stops.
 */
typedef bool rsi_sentence_visitor(void *user, size_t start, size_t end);
void rsi_sentences(const char *text, size_t size, rsi_sentence_visitor *visit, void *user);
/* The same; `look` is told, each RSI_LOOK_AHEAD bytes, how far a sentence without an end has been
 * followed: from `start` to `end`. */
typedef void rsi_look_ahead(void *user, size_t start, size_t end);
void rsi_sentences_looking(const char *text, size_t size, rsi_sentence_visitor *visit,
                           rsi_look_ahead *look, void *user);

#endif
