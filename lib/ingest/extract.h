/*
 * From bytes to text, inside the library: plain text, Markdown, HTML, CSV, JSON, source code.
 *
 * The result is UTF-8 without NUL. Offsets of chunks and citations count bytes of this text,
 * so the same bytes always give the same text (the extractor's version is stored with the
 * document). Blocks tell the chunker what the text is made of, in order and without overlap.
 */
#ifndef RSI_INGEST_EXTRACT_H
#define RSI_INGEST_EXTRACT_H

#include "base/bytes.h"
#include "files/spill.h"
#include "ingest/extract_input.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSI_EXTRACTOR_VERSION 1

typedef enum rsi_block_kind {
    RSI_BLOCK_PARAGRAPH,
    RSI_BLOCK_HEADING, /* level 1 to 6 */
    RSI_BLOCK_LIST_ITEM,
    RSI_BLOCK_CODE,
    RSI_BLOCK_TABLE_ROW, /* one row of a table or CSV file */
} rsi_block_kind;

typedef struct rsi_block {
    size_t start; /* byte offsets into the text, on character borders */
    size_t end;
    rsi_block_kind kind;
    uint32_t level;   /* of a heading */
    uint32_t page;    /* from 1; 0: no pages */
    uint32_t padding; /* zero: of a large text they go to a file as they are */
} rsi_block;

typedef struct rsi_extracted {
    rsi_bytes text;
    rsi_block *blocks;
    size_t block_count;
    size_t block_capacity;
    char media_type[64]; /* what it was taken for, such as "text/markdown" */
    char encoding[32];   /* such as "utf-8", "utf-16le", "iso-8859-1" */
    rsi_slice kept;      /* while it is made, and of a large one: the text is the decoded source */
    struct rsi_large_text *large; /* owned; NULL: all of it is above */
} rsi_extracted;

/*
 * A large text while it is made and cut. What the extractor does not look at any more goes to the disk:
 *
 *   bytes ─► source ─► blocks ──────────────► blocks
 *               └────► text of CSV, JSON ───► text         `text` and `blocks` of rsi_extracted hold
 *                                                          the end of either
 */
typedef struct rsi_large_text {
    rsi_spill source; /* decoded */
    rsi_spill text;
    rsi_spill blocks;
    const rsi_input *input; /* whose look() is asked whether to go on */
} rsi_large_text;

/*
 * Take the text out of a document. `filename` and `media_type` are hints and may be NULL; the
 * content decides. NOT_EXTRACTABLE says why and what to do: empty, binary, a PDF or Office file
 * (needs an extractor), no words in it. `out` is empty on failure.
 */
int rsi_extract(rsi_extracted *out, const char *bytes, size_t size, const char *filename,
                const char *media_type);
/*
 * The same for bytes in a file, for cutting the text into chunks: a large text stays on the disk of the
 * store, and memory does not grow with it, but for HTML (TOO_LARGE over RSI_HTML_MAX bytes of UTF-8) and
 * JSON that is parsed as a whole (up to 32 MiB; more is taken line by line, or for plain text).
 */
#define RSI_HTML_MAX ((size_t)64 << 20)
int rsi_extract_input(rsi_extracted *out, rsi_root *root, const rsi_input *input,
                      const char *filename, const char *media_type);
/* All of the text and the blocks, wherever they are: borrowed, not to be freed. */
int rsi_extracted_view(rsi_extracted *view, rsi_extracted *extracted);
/* A look ahead has come from one place of the text to another, and somebody will come back to what lies
 * between. `view` is such a one. */
void rsi_extracted_let_go(const rsi_extracted *view, size_t start, size_t end);
/* What lies before this place of the text will hardly be looked at again. `view` is such a one. */
void rsi_extracted_forget(const rsi_extracted *view, size_t offset);

/* Is it refused because the bytes are no text at all, so that an extractor may know better? */
bool rsi_extract_is_binary(const char *bytes, size_t size);
void rsi_extracted_free(rsi_extracted *extracted);

#endif
