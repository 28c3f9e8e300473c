/*
 * Scores with NEON, which every aarch64 processor has: see kernel.h. One row after the other, in
 * four sums of four; numbers behind the last whole four are added one by one.
 */
#include "vectors/kernel.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#define ALWAYS_INLINE __attribute__((always_inline)) static inline

/* The sum with the products of query and row, or with the squares of what is between them. */
ALWAYS_INLINE float32x4_t add(float32x4_t sum, float32x4_t query, float32x4_t row, bool squares)
{
    if (!squares)
        return vfmaq_f32(sum, query, row);
    const float32x4_t apart = vsubq_f32(query, row);
    return vfmaq_f32(sum, apart, apart);
}

ALWAYS_INLINE float rest_of(float sum, const float *query, const float *row, size_t from,
                            size_t dimension, bool squares)
{
    for (size_t i = from; i < dimension; i++)
        sum += squares ? (query[i] - row[i]) * (query[i] - row[i]) : query[i] * row[i];
    return sum;
}

ALWAYS_INLINE float one_row(const float *query, const float *row, size_t dimension, bool squares)
{
    float32x4_t first = vdupq_n_f32(0), second = first, third = first, fourth = first;
    size_t i = 0;
    for (; i + 16 <= dimension; i += 16) {
        first = add(first, vld1q_f32(query + i), vld1q_f32(row + i), squares);
        second = add(second, vld1q_f32(query + i + 4), vld1q_f32(row + i + 4), squares);
        third = add(third, vld1q_f32(query + i + 8), vld1q_f32(row + i + 8), squares);
        fourth = add(fourth, vld1q_f32(query + i + 12), vld1q_f32(row + i + 12), squares);
    }
    for (; i + 4 <= dimension; i += 4)
        first = add(first, vld1q_f32(query + i), vld1q_f32(row + i), squares);
    const float sum = vaddvq_f32(vaddq_f32(vaddq_f32(first, second), vaddq_f32(third, fourth)));
    return rest_of(sum, query, row, i, dimension, squares);
}

ALWAYS_INLINE void all_rows(float *sums, const float *query, const float *const *rows, size_t count,
                            size_t dimension, bool squares)
{
    for (size_t i = 0; i < count; i++)
        sums[i] = one_row(query, rows[i], dimension, squares);
}

static void inner_products(float *scores, const float *query, const float *const *rows,
                           size_t count, size_t dimension)
{
    all_rows(scores, query, rows, count, dimension, false);
}

static void nearnesses(float *scores, const float *query, const float *const *rows, size_t count,
                       size_t dimension)
{
    all_rows(scores, query, rows, count, dimension, true);
    for (size_t i = 0; i < count; i++)
        scores[i] = -scores[i];
}

const rsi_kernel *rsi_kernel_neon(void)
{
    static const rsi_kernel kernel = {"NEON", inner_products, nearnesses};
    return &kernel;
}

#else

const rsi_kernel *rsi_kernel_neon(void)
{
    return NULL;
}

#endif
