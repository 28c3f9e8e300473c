/*
 * Keyword search: a BM25 index over the chunks of one entity, held in memory or, when it is large,
 * mostly in files that are mapped.
 *
 * Derived data: it is built from chunk texts whenever it is needed and can be thrown
 * away at any time. Not locked: its owner lets one thread change it or many read it.
 */
#ifndef RSI_LEXICAL_LEXICAL_H
#define RSI_LEXICAL_LEXICAL_H

#include "base/bitset.h"
#include "base/bytes.h"
#include "base/hits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rsi_lexical rsi_lexical;

struct rsi_root;

/*
 * language: a Snowball name such as "english", "none" for no stemming and no stop words, or
 * "auto", which treats each word by its script: English for Latin letters, Russian for Cyrillic
 * ones, none for others. Stop words are known for the languages of stop_words.h. INVALID_ARGUMENT
 * for other names.
 */
int rsi_lexical_check_language(const char *language);
int rsi_lexical_create(rsi_lexical **out, const char *language);
void rsi_lexical_free(rsi_lexical *index); /* NULL is fine */

/*
 * Keep no more than about rsi_lexical_run_bytes of it in memory, the rest in files without a name,
 * made beside `place`, below `root`, which outlives the index. What cannot be written (the disk is
 * full, the store is only read) stays in memory.
 */
int rsi_lexical_put_away_beside(rsi_lexical *index, struct rsi_root *root, const char *place);
/* Set by tests before there is an index. */
extern size_t rsi_lexical_run_bytes;

/*
 * Add a chunk that is not in the index yet (EXISTS) and not negative. text: UTF-8; invalid bytes
 * are skipped. On failure the index is unchanged.
 */
int rsi_lexical_add(rsi_lexical *index, int64_t chunk, const char *text, size_t size);
/*
 * Remove a chunk; unknown numbers are ignored. Afterwards the index answers as one that never had
 * it. Its postings go when enough chunks were removed; that call takes time for the whole index.
 */
void rsi_lexical_remove(rsi_lexical *index, int64_t chunk);

/* Remove all chunks that are not in `wanted`. */
void rsi_lexical_keep(rsi_lexical *index, const rsi_bitset *wanted);

/* A number that the owner knows a chunk's text by; 0 until it is set. Unknown chunks are ignored,
 * and have none. */
void rsi_lexical_set_mark(rsi_lexical *index, int64_t chunk, uint32_t mark);
bool rsi_lexical_mark(const rsi_lexical *index, int64_t chunk, uint32_t *mark);

size_t rsi_lexical_count(const rsi_lexical *index);  /* chunks */
size_t rsi_lexical_memory(const rsi_lexical *index); /* bytes, about; not of mapped files */

/*
 * The best k chunks of `allowed` (NULL: of all) for a query, best first, into hits[0..k).
 * score: BM25 (Robertson and Zaragoza 2009, formula 3.15, times k1 + 1; k1 1.2, b 0.75), > 0; a
 * term that the query repeats counts as often.
 * *ideal: the sum over the query's terms of idf × (k1 + 1): what no chunk can reach. Terms that
 * no chunk has add nothing.
 * Stop words in the query count only when it has nothing else. A query without any term of the
 * index gives 0 hits.
 */
int rsi_lexical_search(rsi_hit *hits, size_t *count, float *ideal, const rsi_lexical *index,
                       const char *query, size_t size, size_t k, const rsi_bitset *allowed);

/* A query with words that stand for all that begin so, of which the index's most frequent ones are
 * taken: each as if the query had it, but *ideal counts only the best of them. */
typedef struct rsi_lexical_query {
    const char *text;
    size_t size;
    const rsi_slice *prefixes;
    size_t prefix_count;
} rsi_lexical_query;
int rsi_lexical_search_words(rsi_hit *hits, size_t *count, float *ideal, const rsi_lexical *index,
                             const rsi_lexical_query *query, size_t k, const rsi_bitset *allowed);

/* The chunks of `allowed` that have every term of a text, stop words too; all when it has none. */
int rsi_lexical_having(rsi_bitset *having, const rsi_lexical *index, const char *text, size_t size,
                       const rsi_bitset *allowed);

/*
 * What the index sees in a text, for snippets and extractive answers: each term (folded, stemmed,
 * stop words left out) with its place, in bytes. Terms of a compound come whole and in parts
 * (add_page_break, add, page, break), so places may overlap. The callback returns false to stop.
 */
typedef bool rsi_term_visitor(void *user, const char *term, size_t term_size, size_t start,
                              size_t end);
int rsi_lexical_analyze(const char *language, const char *text, size_t size,
                        rsi_term_visitor *visit, void *user);

/* Weight of a term in this index: its idf; 0 for a term that no chunk has. */
float rsi_lexical_idf(const rsi_lexical *index, const char *term, size_t term_size);

#endif
