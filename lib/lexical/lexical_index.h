/*
 * What an index is made of: shared by the files of this room that build, search and compact it.
 *
 *   runs    [ run 0 │ run 1 │ … │ the open one ]      chunks in the order in which they came
 *             in files, mapped      in memory: what is added goes there
 *
 * A run is a whole index over some of the chunks, with its own numbers:
 *
 *   text ─► segments ─► word cache ─► analyzer ─► dictionary ─► terms[number] ─► postings
 *                            └───────────────────────────────────▲
 *   chunk number ─► slot ─► length, numbers of its terms
 *
 * When the open one has become large it is written to a file without a name, which is mapped, and
 * another one is begun; several such become one (lexical_runs.c). lexical.rsl has all of them in
 * one, as if there had never been more (lexical_write.c). What a chunk's score depends on is
 * counted over all runs.
 *
 * Stop words are in the dictionary too, under RSI_STOP_MARK and their spelling, so that a query
 * of nothing else finds something. They count neither for lengths nor in other queries.
 */
#ifndef RSI_LEXICAL_LEXICAL_INDEX_H
#define RSI_LEXICAL_LEXICAL_INDEX_H

#include "files/files.h"
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
    uint32_t stop; /* 1: a stop word */
} rsi_term;

typedef struct rsi_lexical_run {
    rsi_dictionary dictionary;
    rsi_term *terms; /* by dictionary number; each is one line of the processor's cache */
    void *terms_block; /* that they lie in */
    size_t terms_capacity;
    rsi_chunk_slots slots;
    size_t postings_memory;
    unsigned char *borrowed_bytes; /* what lists that came from a file lie in; or NULL */
    rsi_block *borrowed_blocks;
    const void *view; /* of the file that all of it but what changes lies in; or NULL */
    size_t view_size;
    uint64_t inode;  /* of that file */
    unsigned merges; /* how often what it has was written with that of other runs */
} rsi_lexical_run;

struct rsi_lexical {
    char language[RSI_LANGUAGE_MAX];
    rsi_analyzer
        analyzer; /* for adding only: searches, which may be many at once, make their own */
    uint64_t seed; /* of all hashes */
    rsi_word_cache cache; /* numbers of the open run */
    rsi_lexical_run *runs;
    size_t run_count; /* at least 1 */
    uint32_t *touched; /* the terms of the chunk being added */
    size_t touched_capacity;
    uint32_t *pending; /* by number in the open run: how often it has each; 0 between calls */
    size_t pending_capacity;
    rsi_root *root; /* of the files of runs; NULL: there is none */
    char *place;    /* a name beside which they are made; NULL: all is in memory */
    size_t run_bytes; /* from so many bytes on the open run is put away */
};

static inline rsi_lexical_run *rsi_lexical_open_run(const rsi_lexical *index)
{
    return &index->runs[index->run_count - 1];
}

/* The key of a token in the dictionary; returns its size. */
size_t rsi_lexical_key(const rsi_token *token, char key[RSI_KEY_MAX]);

/* ln(1 + (N - n + 0.5) / (n + 0.5)), n chunks of all having a term; 0 when n is. */
double rsi_lexical_idf_of(const rsi_lexical *index, uint64_t chunks);

/* ---- lexical_runs.c ---- */

/* Make room for so many terms. */
int rsi_lexical_reserve_terms(rsi_lexical_run *run, size_t terms);
/* Append an empty run. Runs move. */
int rsi_lexical_begin_run(rsi_lexical *index);
/* Frees what it has, and leaves it empty. `root`: what its file belongs to, if it has one. */
void rsi_lexical_run_free(rsi_lexical_run *run, rsi_root *root);
size_t rsi_lexical_run_memory(const rsi_lexical_run *run); /* bytes, about; not of its file */

/* Put the open run away if it is large. On failure it stays as it is, until it has grown. */
void rsi_lexical_put_away(rsi_lexical *index);

/* The run that a chunk is in, and its slot there; NULL when it is in none. */
rsi_lexical_run *rsi_lexical_run_of(const rsi_lexical *index, int64_t chunk, uint32_t *slot);

/* A term of an index: the first run whose dictionary has it, and its number there. Terms have the
 * order in which they were first met. */
typedef uint64_t rsi_met_term;
#define RSI_NOT_MET UINT64_MAX

rsi_met_term rsi_lexical_find_term(const rsi_lexical *index, const char *key, size_t size);
/* Its number in a run, or RSI_NO_TERM. */
uint32_t rsi_lexical_term_in(const rsi_lexical *index, rsi_met_term term, size_t run);
uint64_t rsi_lexical_chunks_with(const rsi_lexical *index, rsi_met_term term);

/* ---- lexical_compact.c ---- */

/* Take out what removed chunks of a run in memory left. Does nothing when memory is short. */
void rsi_lexical_compact(rsi_lexical *index, rsi_lexical_run *run);

#endif
