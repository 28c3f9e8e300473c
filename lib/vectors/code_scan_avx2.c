/*
 * Scanning codes with AVX2: see code_scan.h.
 *
 * Two nibbles at a time, one in each half of a register. Bytes are added as pairs of 16 bits:
 * `both` gets low + 256 × high of each pair, `high` the high byte alone, and at the end the low sum
 * is what remains of the one without the other.
 */
#include "vectors/code_scan.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_AVX2 __attribute__((target("avx2,fma")))

/* The sums of 16 rows, in order, from those of both halves. */
WITH_AVX2 static inline __m256i sums_of(__m256i both, __m256i high)
{
    const __m256i low = _mm256_sub_epi16(both, _mm256_slli_epi16(high, 8));
    const __m128i even =
        _mm_add_epi16(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    const __m128i odd =
        _mm_add_epi16(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    return _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd));
}

/* Rows from number `at` on. */
WITH_AVX2 static inline uint32_t estimate_eight(float *estimates, const rsi_code_query *query,
                                                __m128i sums, size_t at, const float *factors,
                                                const float *addends, float least)
{
    const __m256 wide = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(sums));
    const __m256 line = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(query->slope), wide),
                                      _mm256_set1_ps(query->offset));
    __m256 found = _mm256_mul_ps(_mm256_loadu_ps(factors + at), line);
    if (addends != NULL)
        found = _mm256_add_ps(found, _mm256_loadu_ps(addends + at));
    _mm256_storeu_ps(estimates + at, found);
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(found, _mm256_set1_ps(least), _CMP_GT_OQ))
           << at;
}

WITH_AVX2 static uint32_t scan(float estimates[RSI_CODE_BLOCK], const rsi_code_query *query,
                               const uint8_t *block, const float *factors, const float *addends,
                               float least)
{
    const __m256i half = _mm256_set1_epi8(15);
    __m256i both0 = _mm256_setzero_si256(), high0 = both0, both1 = both0, high1 = both0;
    for (size_t at = 0; at < query->nibbles * 16; at += 32) {
        const __m256i codes = _mm256_loadu_si256((const __m256i *)(const void *)(block + at));
        if (at % 64 == 0)
            __builtin_prefetch(block + at + RSI_CODE_AHEAD);
        const __m256i table =
            _mm256_loadu_si256((const __m256i *)(const void *)(query->tables + at));
        const __m256i first = _mm256_shuffle_epi8(table, _mm256_and_si256(codes, half));
        const __m256i second =
            _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(codes, 4), half));
        both0 = _mm256_add_epi16(both0, first);
        high0 = _mm256_add_epi16(high0, _mm256_srli_epi16(first, 8));
        both1 = _mm256_add_epi16(both1, second);
        high1 = _mm256_add_epi16(high1, _mm256_srli_epi16(second, 8));
    }
    const __m256i low = sums_of(both0, high0);
    const __m256i high = sums_of(both1, high1);
    const __m128i sums[] = {_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1),
                            _mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1)};
    uint32_t over = 0;
    for (size_t i = 0; i < 4; i++)
        over |= estimate_eight(estimates, query, sums[i], i * 8, factors, addends, least);
    return over;
}

const rsi_code_scanner *rsi_code_scanner_avx2(void)
{
    static const rsi_code_scanner scanner = {"AVX2", scan};
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &scanner : NULL;
}

#else

const rsi_code_scanner *rsi_code_scanner_avx2(void)
{
    return NULL;
}

#endif
