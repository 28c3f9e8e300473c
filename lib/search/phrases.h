/*
 * Only chunks that have the phrases of a query: first those that have all their words, by the
 * keyword index, then, for those that would come into the result, a look at their texts.
 */
#ifndef RSI_SEARCH_PHRASES_H
#define RSI_SEARCH_PHRASES_H

#include "entities/catalog.h"
#include "lexical/phrase.h"
#include "search/query_syntax.h"

typedef struct rsi_phrases {
    rsi_phrase *items;
    size_t count;
} rsi_phrases;

/* The phrases of a query that have words, and nothing without them. */
int rsi_phrases_make(rsi_phrases *phrases, const rsi_query_syntax *syntax);
void rsi_phrases_free(rsi_phrases *phrases);

/* Leave in `allowed` only chunks with all words of all phrases. Under the catalog's lock. */
int rsi_phrases_restrict(rsi_bitset *allowed, const rsi_query_syntax *syntax,
                         const rsi_catalog *catalog);
/* Does the chunk have them, in its heading or its text? False when it is gone. */
int rsi_phrases_look(bool *has, const rsi_phrases *phrases, rsi_store *store,
                     const rsi_catalog *catalog, int64_t chunk);

#endif
