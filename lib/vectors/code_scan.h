/*
 * The inner loop of a scan over 1-bit codes: what 32 rows are worth to a query, at a time.
 *
 * A code has a bit for each number of a vector, and four of them make a nibble. For each nibble the
 * query has a table of 16 bytes: what the numbers whose bits are set come to. A row's sum over its
 * nibbles is looked up, 16 rows with one shuffle instruction:
 *
 *   block of 32 rows    ┌─ 16 bytes: nibble 0 ─┬─ 16 bytes: nibble 1 ─┬ …
 *                       byte i: low half row i, high half row i + 16
 *   tables              ┌─ 16 bytes: nibble 0 ─┬─ 16 bytes: nibble 1 ─┬ …
 *
 * (André, Kermarrec, Le Scouarnec: Cache locality is not enough, VLDB 2015, gave the idea of tables
 * in registers.) The number of nibbles is a multiple of 4, and no sum is over 65,535.
 *
 * Chosen by what the processor can do: AVX-512, AVX2, plain C. All give the same. Not locked: no
 * state.
 */
#ifndef RSI_VECTORS_CODE_SCAN_H
#define RSI_VECTORS_CODE_SCAN_H

#include <stddef.h>
#include <stdint.h>

#define RSI_CODE_BLOCK 32   /* rows */
#define RSI_CODE_AHEAD 2048 /* bytes that are fetched ahead: longer than a block of usual vectors */

/* What a block is scanned for. */
typedef struct rsi_code_query {
    const uint8_t *tables; /* nibbles × 16 */
    size_t nibbles;
    float slope; /* a row's estimate is factor × (slope × sum + offset) + addend */
    float offset;
} rsi_code_query;

typedef struct rsi_code_scanner {
    const char *name;
    /* Estimates of the rows of a block; bit i of what is returned: is that of row i over `least`?
     * `addends` NULL: nothing is added. */
    uint32_t (*scan)(float estimates[RSI_CODE_BLOCK], const rsi_code_query *query,
                     const uint8_t *block, const float *factors, const float *addends,
                     float least);
} rsi_code_scanner;

/* The fastest one for this processor. */
const rsi_code_scanner *rsi_code_scanner_best(void);

extern const rsi_code_scanner rsi_code_scanner_plain;
/* NULL where the processor or the build has none. */
const rsi_code_scanner *rsi_code_scanner_avx2(void);
const rsi_code_scanner *rsi_code_scanner_avx512(void);

#endif
