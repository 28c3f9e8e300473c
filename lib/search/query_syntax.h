/*
 * What a query says beside its words:
 *
 *   "boundary layer" of aero* wings
 *    ───── phrase ──    prefix
 *
 * A part in double quotes, straight or typographic, is a phrase: only chunks that have its words
 * one behind the other are found. A word with an asterisk behind it stands for all words that begin
 * so. A quotation mark without its other half, and an asterisk elsewhere, say nothing. Nothing is
 * an error.
 */
#ifndef RSI_SEARCH_QUERY_SYNTAX_H
#define RSI_SEARCH_QUERY_SYNTAX_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>

#define RSI_QUERY_PHRASES_MAX 16  /* further ones are ordinary words, as are further prefixes */
#define RSI_QUERY_PREFIXES_MAX 16
#define RSI_PREFIX_BYTES_MIN 2 /* a shorter one would stand for nearly everything */

typedef struct rsi_query_syntax {
    rsi_slice phrases[RSI_QUERY_PHRASES_MAX]; /* into the query */
    size_t phrase_count;
    rsi_slice prefixes[RSI_QUERY_PREFIXES_MAX];
    size_t prefix_count;
    char *plain; /* the query without those marks, NUL-terminated */
    size_t plain_size;
} rsi_query_syntax;

/* Read a valid UTF-8 query, which must live as long as the syntax. NO_MEMORY. */
int rsi_query_syntax_read(rsi_query_syntax *syntax, const char *query, size_t size);
void rsi_query_syntax_free(rsi_query_syntax *syntax); /* zero-initialised is fine */

#endif
