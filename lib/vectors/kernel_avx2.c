/*
 * Inner products with AVX2 and FMA: see kernel.h.
 *
 * Four rows at a time share each load of the query and keep four streams of memory busy. A row has
 * two sums: `even` takes numbers 0..7 of each 16, and a last whole 8; `odd` takes 8..15, and what
 * is left below 8, loaded under a mask. One row alone is summed in the same order.
 */
#include "vectors/kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>

#define WITH_AVX2 __attribute__((target("avx2,fma")))

/* Rows that a group looks ahead for; its lines are asked for while the group before is summed. */
#define GROUP 4

WITH_AVX2 static inline __m256i mask_of(size_t count)
{
    static const int32_t ones_then_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(const void *)(ones_then_zeros + 8 - count));
}

WITH_AVX2 static inline float sum_of(__m256 even, __m256 odd)
{
    __m256 both = _mm256_add_ps(even, odd);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

WITH_AVX2 static float one_row(const float *query, const float *row, size_t dimension)
{
    __m256 even = _mm256_setzero_ps();
    __m256 odd = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 16 <= dimension; i += 16) {
        even = _mm256_fmadd_ps(_mm256_loadu_ps(query + i), _mm256_loadu_ps(row + i), even);
        odd = _mm256_fmadd_ps(_mm256_loadu_ps(query + i + 8), _mm256_loadu_ps(row + i + 8), odd);
    }
    if (i + 8 <= dimension) {
        even = _mm256_fmadd_ps(_mm256_loadu_ps(query + i), _mm256_loadu_ps(row + i), even);
        i += 8;
    }
    if (i < dimension) {
        __m256i mask = mask_of(dimension - i);
        odd = _mm256_fmadd_ps(_mm256_maskload_ps(query + i, mask),
                              _mm256_maskload_ps(row + i, mask), odd);
    }
    return sum_of(even, odd);
}

WITH_AVX2 static void four_rows(float *scores, const float *query, const float *const *rows,
                                const float *const *next, size_t dimension)
{
    const float *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3];
    __m256 even0 = _mm256_setzero_ps(), even1 = even0, even2 = even0, even3 = even0;
    __m256 odd0 = even0, odd1 = even0, odd2 = even0, odd3 = even0;
    size_t i = 0;
    for (; i + 16 <= dimension; i += 16) {
        __m256 low = _mm256_loadu_ps(query + i);
        __m256 high = _mm256_loadu_ps(query + i + 8);
        _mm_prefetch((const char *)(next[0] + i), _MM_HINT_T0);
        _mm_prefetch((const char *)(next[1] + i), _MM_HINT_T0);
        _mm_prefetch((const char *)(next[2] + i), _MM_HINT_T0);
        _mm_prefetch((const char *)(next[3] + i), _MM_HINT_T0);
        even0 = _mm256_fmadd_ps(low, _mm256_loadu_ps(r0 + i), even0);
        even1 = _mm256_fmadd_ps(low, _mm256_loadu_ps(r1 + i), even1);
        even2 = _mm256_fmadd_ps(low, _mm256_loadu_ps(r2 + i), even2);
        even3 = _mm256_fmadd_ps(low, _mm256_loadu_ps(r3 + i), even3);
        odd0 = _mm256_fmadd_ps(high, _mm256_loadu_ps(r0 + i + 8), odd0);
        odd1 = _mm256_fmadd_ps(high, _mm256_loadu_ps(r1 + i + 8), odd1);
        odd2 = _mm256_fmadd_ps(high, _mm256_loadu_ps(r2 + i + 8), odd2);
        odd3 = _mm256_fmadd_ps(high, _mm256_loadu_ps(r3 + i + 8), odd3);
    }
    if (i + 8 <= dimension) {
        __m256 low = _mm256_loadu_ps(query + i);
        even0 = _mm256_fmadd_ps(low, _mm256_loadu_ps(r0 + i), even0);
        even1 = _mm256_fmadd_ps(low, _mm256_loadu_ps(r1 + i), even1);
        even2 = _mm256_fmadd_ps(low, _mm256_loadu_ps(r2 + i), even2);
        even3 = _mm256_fmadd_ps(low, _mm256_loadu_ps(r3 + i), even3);
        i += 8;
    }
    if (i < dimension) {
        __m256i mask = mask_of(dimension - i);
        __m256 rest = _mm256_maskload_ps(query + i, mask);
        odd0 = _mm256_fmadd_ps(rest, _mm256_maskload_ps(r0 + i, mask), odd0);
        odd1 = _mm256_fmadd_ps(rest, _mm256_maskload_ps(r1 + i, mask), odd1);
        odd2 = _mm256_fmadd_ps(rest, _mm256_maskload_ps(r2 + i, mask), odd2);
        odd3 = _mm256_fmadd_ps(rest, _mm256_maskload_ps(r3 + i, mask), odd3);
    }
    scores[0] = sum_of(even0, odd0);
    scores[1] = sum_of(even1, odd1);
    scores[2] = sum_of(even2, odd2);
    scores[3] = sum_of(even3, odd3);
}

static void inner_products(float *scores, const float *query, const float *const *rows,
                           size_t count, size_t dimension)
{
    size_t i = 0;
    for (; i + GROUP <= count; i += GROUP) {
        const float *const *next = i + 2 * GROUP <= count ? rows + i + GROUP : rows + i;
        four_rows(scores + i, query, rows + i, next, dimension);
    }
    for (; i < count; i++)
        scores[i] = one_row(query, rows[i], dimension);
}

const rsi_kernel *rsi_kernel_avx2(void)
{
    static const rsi_kernel kernel = {"AVX2", inner_products};
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kernel : NULL;
}

#else

const rsi_kernel *rsi_kernel_avx2(void)
{
    return NULL;
}

#endif
