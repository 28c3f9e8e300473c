/*
 * What an index is made of: shared by the files of this room that build, search and compact it.
 *
 *   text ─► segments ─► word cache ─► analyzer ─► dictionary ─► terms[number] ─► postings
 *                            └───────────────────────────────────▲
 *   chunk number ─► slot ─► length, numbers of its terms
 *
 * Stop words are in the dictionary too, under RSI_STOP_MARK and their spelling, so that a query
 * of nothing else finds something. They count neither for lengths nor in other queries.
 */
#ifndef RSI_LEXICAL_LEXICAL_INDEX_H
#define RSI_LEXICAL_LEXICAL_INDEX_H

#include "lexical/analyzer.h"
#include "lexical/chunk_slots.h"
#include "lexical/dictionary.h"
#include "lexical/lexical.h"
#include "lexical/postings.h"
#include "lexical/word_cache.h"

#define RSI_LANGUAGE_MAX 32

/* No word begins with it. */
#define RSI_STOP_MARK '\x01'

#define RSI_KEY_MAX (RSI_TERM_MAX + 1)

typedef struct rsi_term {
    rsi_postings postings;
    uint32_t chunks;       /* living ones that have it */
    uint32_t pending : 31; /* how often the chunk being added has it; 0 between calls */
    uint32_t stop : 1;
} rsi_term;

struct rsi_lexical {
    char language[RSI_LANGUAGE_MAX];
    rsi_analyzer
        analyzer; /* for adding only: searches, which may be many at once, make their own */
    rsi_word_cache cache;
    rsi_dictionary dictionary;
    rsi_term *terms; /* by dictionary number */
    size_t terms_capacity;
    rsi_chunk_slots slots;
    size_t postings_memory;
    unsigned char *borrowed_bytes; /* what lists that came from a file lie in; or NULL */
    rsi_block *borrowed_blocks;
    uint32_t *touched; /* the terms of the chunk being added */
    size_t touched_capacity;
};

/* The key of a token in the dictionary; returns its size. */
size_t rsi_lexical_key(const rsi_token *token, char key[RSI_KEY_MAX]);

/* ln(1 + (N - n + 0.5) / (n + 0.5)); 0 for RSI_NO_TERM and terms without living chunks. */
double rsi_lexical_term_idf(const rsi_lexical *index, uint32_t term);

/* Take out what removed chunks left behind. Does nothing when memory is short. */
void rsi_lexical_compact(rsi_lexical *index);

#endif
