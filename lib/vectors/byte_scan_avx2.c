/*
 * Scanning bytes with AVX2: see byte_scan.h.
 *
 * Bytes are multiplied as an unsigned and a signed one, and two products added in 16 bits: the
 * row's numbers give their signs to the query's, so that no sum is over 2 × 127 × 128.
 */
#include "vectors/byte_scan.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_AVX2 __attribute__((target("avx2,fma")))

WITH_AVX2 static inline __m256i add_products(__m256i sums, const uint8_t *row, __m256i numbers)
{
    const __m256i zero = _mm256_set1_epi8((char)RSI_BYTE_ZERO);
    const __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)row);
    const __m256i codes = _mm256_xor_si256(bytes, zero);
    const __m256i pairs =
        _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(numbers, codes));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* Two sums, so that they need not wait for each other; the stride is a multiple of 64. */
WITH_AVX2 static inline int32_t product_of(const uint8_t *row, const int8_t *query, size_t stride)
{
    __m256i even = _mm256_setzero_si256(), odd = even;
    for (size_t at = 0; at < stride; at += 64) {
        even = add_products(even, row + at, _mm256_loadu_si256((const void *)(query + at)));
        odd = add_products(odd, row + at + 32, _mm256_loadu_si256((const void *)(query + at + 32)));
    }
    const __m256i sums = _mm256_add_epi32(even, odd);
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    half = _mm_hadd_epi32(half, half);
    return _mm_cvtsi128_si32(_mm_hadd_epi32(half, half));
}

WITH_AVX2 static inline uint32_t bound_eight(float *bounds, const rsi_byte_query *query,
                                             const int32_t *products, const float *scales,
                                             float least)
{
    const __m256i exact = _mm256_loadu_si256((const __m256i *)(const void *)products);
    const __m256 norms = _mm256_loadu_ps(scales + RSI_BYTE_BLOCK);
    const __m256 residuals = _mm256_loadu_ps(scales + 2 * RSI_BYTE_BLOCK);
    __m256 bound = _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(exact), _mm256_loadu_ps(scales)),
                                 _mm256_set1_ps(query->slope));
    bound = _mm256_add_ps(bound, _mm256_set1_ps(query->offset));
    const __m256 per_norm = _mm256_add_ps(_mm256_set1_ps(query->per_norm),
                                          _mm256_mul_ps(_mm256_set1_ps(query->per_square), norms));
    bound = _mm256_add_ps(bound, _mm256_mul_ps(per_norm, norms));
    bound = _mm256_add_ps(bound, _mm256_mul_ps(_mm256_set1_ps(query->per_residual), residuals));
    _mm256_storeu_ps(bounds, bound);
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(bound, _mm256_set1_ps(least), _CMP_NLT_UQ));
}

WITH_AVX2 static uint32_t scan(float bounds[RSI_BYTE_BLOCK], const rsi_byte_query *query,
                               const uint8_t *block, float least)
{
    int32_t products[RSI_BYTE_BLOCK];
    const float *scales = rsi_byte_scales(block, query->stride);
    uint32_t kept = 0;
    for (size_t i = 0; i < RSI_BYTE_BLOCK; i++)
        products[i] = product_of(block + i * query->stride, query->codes, query->stride);
    for (size_t i = 0; i < RSI_BYTE_BLOCK; i += 8)
        kept |= bound_eight(bounds + i, query, products + i, scales + i, least) << i;
    return kept;
}

const rsi_byte_scanner *rsi_byte_scanner_avx2(void)
{
    static const rsi_byte_scanner scanner = {"AVX2", scan};
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &scanner : NULL;
}

#else

const rsi_byte_scanner *rsi_byte_scanner_avx2(void)
{
    return NULL;
}

#endif
