/*
 * An index of FAISS's over an entity's rows, for who asks for it: any kind that the factory makes.
 *
 *   rows ─► IDMap over the kind ─► candidates, more than are wanted ─► exact scores by the rows
 *           ids: chunk numbers        those that are not allowed go
 *                                     behind `covered`: the rows themselves
 *
 * Derived from the rows, which never change: a chunk number that is in it stays right. Whether a
 * chunk is alive, or may be found, is asked of the set that a search is given; when that leaves too
 * few of the candidates, more are fetched, and at last the rows are searched exactly. A FAISS with
 * search parameters (1.7.4 and later) is told the set, and gives none but allowed candidates.
 *
 * FAISS is called with arguments that were checked, on the threads that OpenMP is set to by the
 * host. Where rsi_faiss_available() says no, everything here answers UNSUPPORTED.
 *
 * Locking: any number of searches beside one rsi_faiss_index_absorb(); a search waits for as long
 * as FAISS takes to add the rows of one call. The rows are the caller's to lock.
 */
#ifndef RSI_VECTORS_FAISS_INDEX_H
#define RSI_VECTORS_FAISS_INDEX_H

#include "vectors/faiss_factory.h"
#include "vectors/quantised.h"

typedef struct rsi_faiss_index rsi_faiss_index;

/* Without rows. INVALID_ARGUMENT names a factory string that FAISS does not know. */
int rsi_faiss_index_new(rsi_faiss_index **out, const char *factory, uint32_t dimension,
                        rsi_metric metric);
/* Another holder: it is there until each has freed it. */
rsi_faiss_index *rsi_faiss_index_hold(rsi_faiss_index *index);
void rsi_faiss_index_free(rsi_faiss_index *index); /* NULL is fine */

bool rsi_faiss_index_is_trained(const rsi_faiss_index *index);
/* Before any row: `sample` has count × dimension floats, at least rsi_faiss_factory_rows(). Cannot
 * be interrupted. */
int rsi_faiss_index_train(rsi_faiss_index *index, const float *sample, size_t count);
/* Add the next rows of `wanted`, at most `limit`; *done when there are no more. */
int rsi_faiss_index_absorb(rsi_faiss_index *index, bool *done, rsi_rows *rows,
                           const rsi_bitset *wanted, size_t limit);

const char *rsi_faiss_index_factory(const rsi_faiss_index *index);
size_t rsi_faiss_index_count(const rsi_faiss_index *index); /* rows that are in it */
int64_t rsi_faiss_index_covered(const rsi_faiss_index *index);
size_t rsi_faiss_index_memory(const rsi_faiss_index *index); /* bytes, at most, about */

/* As rsi_quantised_search(). `effort`: probes for kinds with lists; candidates that are fetched. */
int rsi_faiss_index_search(rsi_hit *hits, size_t *count, rsi_faiss_index *index, rsi_rows *rows,
                           const float *query, size_t k, const rsi_bitset *allowed,
                           const rsi_quantised_effort *effort);

#endif
