/*
 * Scanning bytes with AVX-512 and VNNI: see byte_scan.h. 64 numbers with one instruction, and one
 * row after the other: read in order, a block comes from memory faster than four rows beside each
 * other do, or than anything comes that asks ahead.
 */
#include "vectors/byte_scan.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_AVX512                                                                                \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma")))

WITH_AVX512 static inline __m256i products_of(const uint8_t *row, const int8_t *query,
                                              size_t stride)
{
    __m512i sums = _mm512_setzero_si512();
    for (size_t at = 0; at < stride; at += 64)
        sums = _mm512_dpbusd_epi32(sums, _mm512_loadu_si512(row + at),
                                   _mm512_loadu_si512(query + at));
    return _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
}

/* The products of four rows, each with what RSI_BYTE_ZERO has added to it. */
WITH_AVX512 static inline __m128i four_products(const uint8_t *rows, const int8_t *query,
                                                size_t stride)
{
    const __m256i first = products_of(rows, query, stride);
    const __m256i second = products_of(rows + stride, query, stride);
    const __m256i third = products_of(rows + 2 * stride, query, stride);
    const __m256i fourth = products_of(rows + 3 * stride, query, stride);
    const __m256i sums = _mm256_hadd_epi32(_mm256_hadd_epi32(first, second),
                                           _mm256_hadd_epi32(third, fourth));
    return _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

WITH_AVX512 static inline uint32_t bound_sixteen(float *bounds, const rsi_byte_query *query,
                                                 const int32_t *products, const float *scales,
                                                 float least)
{
    const __m512i exact =
        _mm512_sub_epi32(_mm512_loadu_si512(products), _mm512_set1_epi32(query->excess));
    const __m512 norms = _mm512_loadu_ps(scales + RSI_BYTE_BLOCK);
    const __m512 residuals = _mm512_loadu_ps(scales + 2 * RSI_BYTE_BLOCK);
    __m512 bound = _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(exact), _mm512_loadu_ps(scales)),
                                 _mm512_set1_ps(query->slope));
    bound = _mm512_add_ps(bound, _mm512_set1_ps(query->offset));
    const __m512 per_norm = _mm512_add_ps(_mm512_set1_ps(query->per_norm),
                                          _mm512_mul_ps(_mm512_set1_ps(query->per_square), norms));
    bound = _mm512_add_ps(bound, _mm512_mul_ps(per_norm, norms));
    bound = _mm512_add_ps(bound, _mm512_mul_ps(_mm512_set1_ps(query->per_residual), residuals));
    _mm512_storeu_ps(bounds, bound);
    return _mm512_cmp_ps_mask(bound, _mm512_set1_ps(least), _CMP_NLT_UQ);
}

WITH_AVX512 static uint32_t scan(float bounds[RSI_BYTE_BLOCK], const rsi_byte_query *query,
                                 const uint8_t *block, float least)
{
    int32_t products[RSI_BYTE_BLOCK];
    const float *scales = rsi_byte_scales(block, query->stride);
    for (size_t i = 0; i < RSI_BYTE_BLOCK; i += 4)
        _mm_storeu_si128((__m128i *)(void *)(products + i),
                         four_products(block + i * query->stride, query->codes, query->stride));
    return bound_sixteen(bounds, query, products, scales, least) |
           bound_sixteen(bounds + 16, query, products + 16, scales + 16, least) << 16;
}

const rsi_byte_scanner *rsi_byte_scanner_avx512(void)
{
    static const rsi_byte_scanner scanner = {"AVX-512 VNNI", scan};
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vnni")
               ? &scanner
               : NULL;
}

#else

const rsi_byte_scanner *rsi_byte_scanner_avx512(void)
{
    return NULL;
}

#endif
