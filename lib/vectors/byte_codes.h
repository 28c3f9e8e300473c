/*
 * A byte for each number of an entity's rows, so that exact search reads a quarter of them.
 *
 *   row ─► scale = largest number / 127 ─► codes = round(row / scale) ─► residual = ‖row - scale ×
 *   codes‖
 *
 *   pieces   [block of 32 rows | block | … ] ─► [ … ] ─► …      byte_scan.h draws a block
 *             and their chunk numbers                            rows behind `covered` are in none
 *
 *   query ─► what no row's score can be over ─► those that may be among the best ─► their scores
 *
 * This is a vector approximation file (Weber, Schek, Blott, VLDB 1998) in memory: bounds from the
 * codes rule out nearly all rows, the others are scored by their numbers. What is found is what
 * rsi_rows_search() finds, scores and ties included, because a bound takes account of both
 * residuals and of what floats are rounded by.
 *
 * Derived from the rows, which never change. Whether a chunk is alive is not known here, and asked
 * of the set that a search is given. Rows that came since are scored without codes.
 *
 * Locking: any number of searches beside one rsi_byte_codes_absorb(): what was published is never
 * changed. The rows are the caller's to lock.
 */
#ifndef RSI_VECTORS_BYTE_CODES_H
#define RSI_VECTORS_BYTE_CODES_H

#include "base/bitset.h"
#include "base/hits.h"
#include "vectors/vectors.h"

#define RSI_BYTE_THREADS_MAX 64u

typedef struct rsi_byte_codes rsi_byte_codes;

int rsi_byte_codes_new(rsi_byte_codes **out, uint32_t dimension); /* without rows */
void rsi_byte_codes_free(rsi_byte_codes *codes);                  /* NULL is fine */

size_t rsi_byte_codes_count(const rsi_byte_codes *codes); /* rows that are coded */
/* Behind the last chunk that was looked at: rows before it are coded, or too few for a block. */
int64_t rsi_byte_codes_seen(const rsi_byte_codes *codes);
size_t rsi_byte_codes_memory(const rsi_byte_codes *codes); /* bytes, about */
/* What so many rows would take. */
uint64_t rsi_byte_codes_bytes(uint32_t dimension, uint64_t rows);

/* Code the next rows of `wanted`, about `limit` of them, a block at a time; *done when what is left
 * does not fill one. One thread at a time. DAMAGED, UNSUPPORTED (a chunk number over 32 bits): what
 * was coded before stays. */
int rsi_byte_codes_absorb(rsi_byte_codes *codes, bool *done, rsi_rows *rows,
                          const rsi_bitset *wanted, size_t limit);

/* As rsi_rows_search_many(), and finds the same. `codes` NULL: no row is coded. With more `threads`
 * than one, so many share the work where it is worth it: this one, and others that last as long. */
int rsi_byte_codes_search(rsi_hit *hits, size_t *counts, rsi_byte_codes *codes, rsi_rows *rows,
                          const float *queries, size_t count, size_t k, const rsi_bitset *allowed,
                          size_t threads);

#endif
