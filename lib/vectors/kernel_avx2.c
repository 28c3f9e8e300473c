/*
 * Scores with AVX2 and FMA: see kernel.h.
 *
 * One row after the other, in four sums: rows that lie behind each other are read as one stream of
 * memory, which the processor fetches ahead. Rows at four places at once take twice as long
 * (bench_exact). A row that lies elsewhere is asked for while the one before it is summed.
 */
#include "vectors/kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>

#define WITH_AVX2 __attribute__((target("avx2,fma")))
#define ALWAYS_INLINE WITH_AVX2 __attribute__((always_inline)) static inline
#define LINE 16 /* floats */

ALWAYS_INLINE __m256i mask_of(size_t count)
{
    static const int32_t ones_then_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(const void *)(ones_then_zeros + 8 - count));
}

ALWAYS_INLINE float sum_of(__m256 numbers)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(numbers), _mm256_extractf128_ps(numbers, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* The sum with the products of query and row, or with the squares of what is between them. */
ALWAYS_INLINE __m256 add(__m256 sum, __m256 query, __m256 row, bool squares)
{
    if (!squares)
        return _mm256_fmadd_ps(query, row, sum);
    const __m256 apart = _mm256_sub_ps(query, row);
    return _mm256_fmadd_ps(apart, apart, sum);
}

ALWAYS_INLINE float one_row(const float *query, const float *row, size_t dimension, bool squares)
{
    __m256 first = _mm256_setzero_ps(), second = first, third = first, fourth = first;
    size_t i = 0;
    for (; i + 32 <= dimension; i += 32) {
        first = add(first, _mm256_loadu_ps(query + i), _mm256_loadu_ps(row + i), squares);
        second = add(second, _mm256_loadu_ps(query + i + 8), _mm256_loadu_ps(row + i + 8), squares);
        third = add(third, _mm256_loadu_ps(query + i + 16), _mm256_loadu_ps(row + i + 16), squares);
        fourth =
            add(fourth, _mm256_loadu_ps(query + i + 24), _mm256_loadu_ps(row + i + 24), squares);
    }
    for (; i + 8 <= dimension; i += 8)
        first = add(first, _mm256_loadu_ps(query + i), _mm256_loadu_ps(row + i), squares);
    if (i < dimension) {
        const __m256i mask = mask_of(dimension - i);
        second = add(second, _mm256_maskload_ps(query + i, mask), _mm256_maskload_ps(row + i, mask),
                     squares);
    }
    return sum_of(_mm256_add_ps(_mm256_add_ps(first, second), _mm256_add_ps(third, fourth)));
}

ALWAYS_INLINE void all_rows(float *sums, const float *query, const float *const *rows, size_t count,
                            size_t dimension, bool squares)
{
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && rows[i + 1] != rows[i] + dimension)
            for (size_t at = 0; at < dimension; at += LINE)
                _mm_prefetch((const char *)(rows[i + 1] + at), _MM_HINT_T0);
        sums[i] = one_row(query, rows[i], dimension, squares);
    }
}

WITH_AVX2 static void inner_products(float *scores, const float *query, const float *const *rows,
                                     size_t count, size_t dimension)
{
    all_rows(scores, query, rows, count, dimension, false);
}

WITH_AVX2 static void nearnesses(float *scores, const float *query, const float *const *rows,
                                 size_t count, size_t dimension)
{
    all_rows(scores, query, rows, count, dimension, true);
    for (size_t i = 0; i < count; i++)
        scores[i] = -scores[i];
}

const rsi_kernel *rsi_kernel_avx2(void)
{
    static const rsi_kernel kernel = {"AVX2", inner_products, nearnesses};
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kernel : NULL;
}

#else

const rsi_kernel *rsi_kernel_avx2(void)
{
    return NULL;
}

#endif
