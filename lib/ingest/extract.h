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
    uint32_t level; /* of a heading */
    uint32_t page;  /* from 1; 0: no pages */
} rsi_block;

typedef struct rsi_extracted {
    rsi_bytes text;
    rsi_block *blocks;
    size_t block_count;
    size_t block_capacity;
    char media_type[64]; /* what it was taken for, such as "text/markdown" */
    char encoding[32];   /* such as "utf-8", "utf-16le", "iso-8859-1" */
} rsi_extracted;

/*
 * Take the text out of a document. `filename` and `media_type` are hints and may be NULL; the
 * content decides. NOT_EXTRACTABLE says why and what to do: empty, binary, a PDF or Office file
 * (needs an extractor), no words in it. `out` is empty on failure.
 */
int rsi_extract(rsi_extracted *out, const char *bytes, size_t size, const char *filename,
                const char *media_type);
/* Is it refused because the bytes are no text at all, so that an extractor may know better? */
bool rsi_extract_is_binary(const char *bytes, size_t size);
void rsi_extracted_free(rsi_extracted *extracted);

#endif
