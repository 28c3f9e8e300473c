/*
 * Scores with AVX-512: see kernel.h. One row after the other, as with AVX2 (kernel_avx2.c).
 */
#include "vectors/kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")))
#define ALWAYS_INLINE WITH_AVX512 __attribute__((always_inline)) static inline
#define LINE 16 /* floats */

/* The sum with the products of query and row, or with the squares of what is between them. */
ALWAYS_INLINE __m512 add(__m512 sum, __m512 query, __m512 row, bool squares)
{
    if (!squares)
        return _mm512_fmadd_ps(query, row, sum);
    const __m512 apart = _mm512_sub_ps(query, row);
    return _mm512_fmadd_ps(apart, apart, sum);
}

ALWAYS_INLINE float one_row(const float *query, const float *row, size_t dimension, bool squares)
{
    __m512 first = _mm512_setzero_ps(), second = first, third = first, fourth = first;
    size_t i = 0;
    for (; i + 64 <= dimension; i += 64) {
        first = add(first, _mm512_loadu_ps(query + i), _mm512_loadu_ps(row + i), squares);
        second =
            add(second, _mm512_loadu_ps(query + i + 16), _mm512_loadu_ps(row + i + 16), squares);
        third = add(third, _mm512_loadu_ps(query + i + 32), _mm512_loadu_ps(row + i + 32), squares);
        fourth =
            add(fourth, _mm512_loadu_ps(query + i + 48), _mm512_loadu_ps(row + i + 48), squares);
    }
    for (; i + 16 <= dimension; i += 16)
        first = add(first, _mm512_loadu_ps(query + i), _mm512_loadu_ps(row + i), squares);
    if (i < dimension) {
        const __mmask16 mask = (__mmask16)((1u << (dimension - i)) - 1);
        second = add(second, _mm512_maskz_loadu_ps(mask, query + i),
                     _mm512_maskz_loadu_ps(mask, row + i), squares);
    }
    return _mm512_reduce_add_ps(
        _mm512_add_ps(_mm512_add_ps(first, second), _mm512_add_ps(third, fourth)));
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

WITH_AVX512 static void inner_products(float *scores, const float *query, const float *const *rows,
                                       size_t count, size_t dimension)
{
    all_rows(scores, query, rows, count, dimension, false);
}

WITH_AVX512 static void nearnesses(float *scores, const float *query, const float *const *rows,
                                   size_t count, size_t dimension)
{
    all_rows(scores, query, rows, count, dimension, true);
    for (size_t i = 0; i < count; i++)
        scores[i] = -scores[i];
}

const rsi_kernel *rsi_kernel_avx512(void)
{
    static const rsi_kernel kernel = {"AVX-512", inner_products, nearnesses};
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")
               ? &kernel
               : NULL;
}

#else

const rsi_kernel *rsi_kernel_avx512(void)
{
    return NULL;
}

#endif
