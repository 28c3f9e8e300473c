/*
 * A quantised index over an entity's rows: a bit for each number, scanned instead of the rows, and
 * the true rows for those that look best.
 *
 *   row ─► nearest centroid ─► residual ─► rotation ─► signs: the code ─► a block of 32 in its list
 *                                                      factor = ‖r‖² / ‖rotated r‖₁, addend
 *
 *   list 0   centroid   blocks of codes   factors   addends   chunk numbers
 *   list 1   …                                         rows behind `covered` are in none
 *
 *   query ─► lists in the order of their centroids ─► estimates ─► the best of them ─► exact scores
 *
 * What a row's inner product with a query is, is estimated without bias from the signs of its
 * rotated residual (Gao, Long: RaBitQ, SIGMOD 2024); centroid and residual are added up:
 *
 *   q · x     = q · c + q · r
 *   -‖q - x‖² = -‖q - c‖² + 2 q · r - (2 c · r + ‖r‖²)
 *
 * What stands in brackets depends on the row alone; its negative is the addend. c · r is what the
 * row's own code makes of it: so the estimate is that of (q - c) · r, and as good however long q and
 * c are. With l2 all is moved so that the rows lie around the origin, which changes no distance, and
 * the sums lose less. With one list every row is scanned; with more, those lists that a search probes.
 *
 * Derived from the rows, which never change: a chunk number that was coded once stays right.
 * Whether a chunk is alive is not known here, and asked of the set that a search is given. Rows
 * that came since are searched exactly.
 *
 * Locking: any number of searches beside one rsi_quantised_absorb(); a search waits for no more
 * than the copying of a few hundred codes. The rows are the caller's to lock.
 */
#ifndef RSI_VECTORS_QUANTISED_H
#define RSI_VECTORS_QUANTISED_H

#include "base/bitset.h"
#include "base/hits.h"
#include "vectors/vectors.h"

#define RSI_QUANTISED_DIMENSION_MAX 4096u
#define RSI_QUANTISED_LISTS_MAX 65536u

typedef struct rsi_quantised rsi_quantised;

/* Without rows. `centroids`: lists × dimension, copied. INVALID_ARGUMENT, NO_MEMORY. */
int rsi_quantised_new(rsi_quantised **out, uint32_t dimension, rsi_metric metric,
                      const float *centroids, size_t lists);
void rsi_quantised_free(rsi_quantised *index); /* NULL is fine */

uint32_t rsi_quantised_lists(const rsi_quantised *index);
size_t rsi_quantised_count(const rsi_quantised *index); /* rows that are coded */
int64_t rsi_quantised_covered(const rsi_quantised *index);
size_t rsi_quantised_memory(const rsi_quantised *index); /* bytes, about */

/* Code the next rows of `wanted`, at most `limit`; *done when there are no more. One thread at a
 * time. DAMAGED, UNSUPPORTED (a chunk number over 32 bits): what was coded before stays. */
int rsi_quantised_absorb(rsi_quantised *index, bool *done, rsi_rows *rows, const rsi_bitset *wanted,
                         size_t limit);

typedef struct rsi_quantised_effort {
    size_t probes;     /* lists; 0: the default */
    size_t candidates; /* rows whose exact scores are computed; 0: the default */
} rsi_quantised_effort;

/* As rsi_rows_search(): nearly always the same rows, with their exact scores. min(k, members of
 * `allowed` that have rows) are found. */
int rsi_quantised_search(rsi_hit *hits, size_t *count, rsi_quantised *index, rsi_rows *rows,
                         const float *query, size_t k, const rsi_bitset *allowed,
                         const rsi_quantised_effort *effort);

/* ---- centroids.c ---- */

/* Rows to train on, spread evenly over those that are wanted: *count × dimension, freed by the
 * caller. DAMAGED. */
int rsi_centroids_sample(float **out, size_t *count, rsi_rows *rows, const rsi_bitset *wanted,
                         size_t lists);
/* Where most of the vectors lie around, whatever a few are: of each number the median, of some. */
void rsi_centroids_middle(float *middle, const float *vectors, size_t count, uint32_t dimension);
/* Centroids by k-means over a sample, which is changed: lists × dimension, freed by the caller.
 * `cancelled` (may be NULL) is asked now and then: INTERRUPTED. */
int rsi_centroids_train(float **out, float *sample, size_t count, uint32_t dimension, size_t lists,
                        bool (*cancelled)(void *user), void *user);

/* Centroids, as it is quickest to compare many vectors with them. */
typedef struct rsi_centroid_table {
    size_t lists;
    uint32_t dimension;
    float *packed;    /* as the weight of a product (matrix/product.h) */
    float *shortness; /* -‖c‖² / 2 of each */
} rsi_centroid_table;

int rsi_centroid_table_make(rsi_centroid_table *out, const float *centroids, size_t lists,
                            uint32_t dimension);
void rsi_centroid_table_free(rsi_centroid_table *table); /* all zeros are fine */
/* The nearest centroid of each vector, by Euclidean distance. */
int rsi_centroids_assign(uint32_t *nearest, const rsi_centroid_table *table, const float *vectors,
                         size_t count);

#endif
