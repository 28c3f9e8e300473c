/*
 * The inner loop of a scan over rows of a byte a number: what the scores of 32 rows cannot be over.
 *
 *   block   ┌─ codes: 32 rows × stride bytes ─┬─ scales ─┬─ norms ─┬─ residuals ─┐
 *            byte i of a row: 128 + code        32 floats   32 floats   32 floats
 *
 * A row x is held as scale × code, and how far it is from that is its residual. So is the query.
 * The inner product of the codes is exact, and by Cauchy and Schwarz the row's own score is at most
 *
 *   offset + slope × scale × product + per_norm × norm + per_residual × residual + per_square ×
 *   norm²
 *
 * with factors that byte_codes_search.c computes for a query. Rows are padded to the stride, a
 * multiple of 64, with codes of 0. No product is over 31 bits.
 *
 * Chosen by what the processor can do: AVX-512 with VNNI, AVX2, plain C. All give the same. Not
 * locked: no state.
 */
#ifndef RSI_VECTORS_BYTE_SCAN_H
#define RSI_VECTORS_BYTE_SCAN_H

#include <stddef.h>
#include <stdint.h>

#define RSI_BYTE_BLOCK 32  /* rows */
#define RSI_BYTE_STRIDE 64 /* a row's bytes are a multiple of it */
#define RSI_BYTE_ZERO 128  /* what stands for a code of 0 */

typedef struct rsi_byte_query {
    const int8_t *codes; /* stride of them */
    size_t stride;
    int32_t excess; /* RSI_BYTE_ZERO × the sum of the codes */
    float slope;
    float offset;
    float per_norm;
    float per_residual;
    float per_square;
} rsi_byte_query;

typedef struct rsi_byte_scanner {
    const char *name;
    /* What the rows of a block cannot be over; bit i of what is returned: is that of row i `least`,
     * over it, or no number? */
    uint32_t (*scan)(float bounds[RSI_BYTE_BLOCK], const rsi_byte_query *query,
                     const uint8_t *block, float least);
} rsi_byte_scanner;

/* The fastest one for this processor. */
const rsi_byte_scanner *rsi_byte_scanner_best(void);

extern const rsi_byte_scanner rsi_byte_scanner_plain;
/* NULL where the processor or the build has none. */
const rsi_byte_scanner *rsi_byte_scanner_avx2(void);
const rsi_byte_scanner *rsi_byte_scanner_avx512(void);

/* What stands behind the codes of a block. */
static inline const float *rsi_byte_scales(const uint8_t *block, size_t stride)
{
    return (const float *)(const void *)(block + RSI_BYTE_BLOCK * stride);
}

static inline const float *rsi_byte_norms(const uint8_t *block, size_t stride)
{
    return rsi_byte_scales(block, stride) + RSI_BYTE_BLOCK;
}

static inline const float *rsi_byte_residuals(const uint8_t *block, size_t stride)
{
    return rsi_byte_norms(block, stride) + RSI_BYTE_BLOCK;
}

#endif
