/* The choice of scanners, and the one in plain C: see byte_scan.h. */
#include "vectors/byte_scan.h"

static int32_t product_of(const uint8_t *row, const int8_t *query, size_t stride)
{
    int32_t sum = 0;
    for (size_t i = 0; i < stride; i++)
        sum += (row[i] - RSI_BYTE_ZERO) * query[i];
    return sum;
}

static uint32_t scan(float bounds[RSI_BYTE_BLOCK], const rsi_byte_query *query,
                     const uint8_t *block, float least)
{
    const float *scales = rsi_byte_scales(block, query->stride);
    const float *norms = rsi_byte_norms(block, query->stride);
    const float *residuals = rsi_byte_residuals(block, query->stride);
    uint32_t kept = 0;
    for (size_t i = 0; i < RSI_BYTE_BLOCK; i++) {
        const int32_t product = product_of(block + i * query->stride, query->codes, query->stride);
        bounds[i] = (float)product * scales[i] * query->slope + query->offset +
                    (query->per_norm + query->per_square * norms[i]) * norms[i] +
                    query->per_residual * residuals[i];
        kept |= (uint32_t)!(bounds[i] < least) << i;
    }
    return kept;
}

const rsi_byte_scanner rsi_byte_scanner_plain = {"plain C", scan};

const rsi_byte_scanner *rsi_byte_scanner_best(void)
{
    const rsi_byte_scanner *scanner = rsi_byte_scanner_avx512();
    if (scanner == NULL)
        scanner = rsi_byte_scanner_avx2();
    return scanner != NULL ? scanner : &rsi_byte_scanner_plain;
}
