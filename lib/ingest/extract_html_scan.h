/*
 * HTML as a row of tags and texts, without a tree.
 *
 * Text extraction needs to know what is a tag, what is text and what is neither; it needs no tree.
 * So the scanner follows the tokenizer of the HTML standard, touches each byte a bounded number of
 * times, allocates nothing, and cannot be made to nest. Tree builders are slower with each
 * attribute and each open element: libxml2 2.9 takes 50 seconds for one tag with 80,000
 * attributes. Used by extract_html.c.
 */
#ifndef RSI_INGEST_EXTRACT_HTML_SCAN_H
#define RSI_INGEST_EXTRACT_HTML_SCAN_H

#include "ingest/extract_parts.h"

typedef enum rsi_html_token_kind {
    RSI_HTML_TEXT,  /* with entities */
    RSI_HTML_OPEN,  /* <name attributes> */
    RSI_HTML_CLOSE, /* </name> */
    RSI_HTML_RAW,   /* what stands in script, style and the like: no tags, no entities */
} rsi_html_token_kind;

typedef struct rsi_html_token {
    rsi_html_token_kind kind;
    rsi_slice name;       /* of a tag, as it is written */
    rsi_slice attributes; /* of an opening tag, unparsed */
    rsi_slice text;
} rsi_html_token;

typedef struct rsi_html_scanner {
    rsi_slice source;
    size_t at;
    const char *raw;       /* the element whose raw text comes next; NULL: none */
    unsigned never_closed; /* raw elements without an end tag in the rest: bits of their table */
} rsi_html_scanner;

void rsi_html_begin(rsi_html_scanner *scanner, rsi_slice source);
bool rsi_html_next(rsi_html_scanner *scanner, rsi_html_token *token); /* false at the end */

/* Walk the attributes of a tag: false at the end. Values are without quotes, with entities. */
bool rsi_html_attribute(rsi_slice *attributes, rsi_slice *name, rsi_slice *value);

/* extract_html_entities.c: append text with its entities decoded. */
void rsi_html_append_decoded(rsi_bytes *out, rsi_slice text);

#endif
