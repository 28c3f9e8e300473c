/*
 * Scanning codes with AVX-512: see code_scan.h. As with AVX2 (code_scan_avx2.c), four nibbles at a
 * time.
 */
#include "vectors/code_scan.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")))

WITH_AVX512 static inline __m128i sum_quarters(__m512i quarters)
{
    const __m256i halves =
        _mm256_add_epi16(_mm512_castsi512_si256(quarters), _mm512_extracti64x4_epi64(quarters, 1));
    return _mm_add_epi16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
}

/* The sums of 16 rows, in order. */
WITH_AVX512 static inline __m256i sums_of(__m512i both, __m512i high)
{
    const __m128i even = sum_quarters(_mm512_sub_epi16(both, _mm512_slli_epi16(high, 8)));
    const __m128i odd = sum_quarters(high);
    return _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd));
}

/* Rows from number `at` on. */
WITH_AVX512 static inline uint32_t estimate_sixteen(float *estimates, const rsi_code_query *query,
                                                    __m256i sums, size_t at, const float *factors,
                                                    const float *addends, float least)
{
    const __m512 wide = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(sums));
    const __m512 line = _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(query->slope), wide),
                                      _mm512_set1_ps(query->offset));
    __m512 found = _mm512_mul_ps(_mm512_loadu_ps(factors + at), line);
    if (addends != NULL)
        found = _mm512_add_ps(found, _mm512_loadu_ps(addends + at));
    _mm512_storeu_ps(estimates + at, found);
    return (uint32_t)_mm512_cmp_ps_mask(found, _mm512_set1_ps(least), _CMP_GT_OQ) << at;
}

WITH_AVX512 static uint32_t scan(float estimates[RSI_CODE_BLOCK], const rsi_code_query *query,
                                 const uint8_t *block, const float *factors, const float *addends,
                                 float least)
{
    const __m512i half = _mm512_set1_epi8(15);
    __m512i both0 = _mm512_setzero_si512(), high0 = both0, both1 = both0, high1 = both0;
    for (size_t at = 0; at < query->nibbles * 16; at += 64) {
        const __m512i codes = _mm512_loadu_si512(block + at);
        __builtin_prefetch(block + at + RSI_CODE_AHEAD);
        const __m512i table = _mm512_loadu_si512(query->tables + at);
        const __m512i first = _mm512_shuffle_epi8(table, _mm512_and_si512(codes, half));
        const __m512i second =
            _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(codes, 4), half));
        both0 = _mm512_add_epi16(both0, first);
        high0 = _mm512_add_epi16(high0, _mm512_srli_epi16(first, 8));
        both1 = _mm512_add_epi16(both1, second);
        high1 = _mm512_add_epi16(high1, _mm512_srli_epi16(second, 8));
    }
    return estimate_sixteen(estimates, query, sums_of(both0, high0), 0, factors, addends, least) |
           estimate_sixteen(estimates, query, sums_of(both1, high1), 16, factors, addends, least);
}

const rsi_code_scanner *rsi_code_scanner_avx512(void)
{
    static const rsi_code_scanner scanner = {"AVX-512", scan};
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")
               ? &scanner
               : NULL;
}

#else

const rsi_code_scanner *rsi_code_scanner_avx512(void)
{
    return NULL;
}

#endif
