/*
 * Products of matrices with AVX2 and FMA: see product.h. A tile is six rows and one panel: twelve
 * sums in registers of eight, and for each input two loads of weights serve twelve multiply-adds.
 */
#include "matrix/product.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define WITH_AVX2 __attribute__((target("avx2,fma")))
#define INLINE static inline __attribute__((always_inline)) WITH_AVX2
#define TILE 6
#define HALF (RSI_PANEL / 2)

/* rows is known when compiled; all sixteen columns. */
INLINE void tile(const size_t rows, float *out, size_t out_stride, const float *in,
                 const float *weights, size_t inputs, const float *begin, size_t begin_stride)
{
    __m256 sums[TILE][2];
#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; h++)
            sums[r][h] = begin == NULL ? _mm256_setzero_ps()
                                       : _mm256_loadu_ps(begin + r * begin_stride + h * HALF);
    for (size_t i = 0; i < inputs; i++) {
        const __m256 low = _mm256_loadu_ps(weights + i * RSI_PANEL);
        const __m256 high = _mm256_loadu_ps(weights + i * RSI_PANEL + HALF);
        /* The next panel comes from memory meanwhile. */
        _mm_prefetch((const char *)(weights + (inputs + i) * RSI_PANEL), _MM_HINT_T1);
#pragma GCC unroll 6
        for (size_t r = 0; r < rows; r++) {
            const __m256 x = _mm256_broadcast_ss(in + i * rows + r);
            sums[r][0] = _mm256_fmadd_ps(x, low, sums[r][0]);
            sums[r][1] = _mm256_fmadd_ps(x, high, sums[r][1]);
        }
    }
#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; h++)
            _mm256_storeu_ps(out + r * out_stride + h * HALF, sums[r][h]);
}

INLINE void tile_of(float *out, size_t out_stride, const float *in, size_t rows,
                    const float *weights, size_t inputs, const float *begin, size_t begin_stride)
{
    switch (rows) {
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        tile(n, out, out_stride, in, weights, inputs, begin, begin_stride);                        \
        break;
        ROWS(1)
        ROWS(2)
        ROWS(3)
        ROWS(4)
        ROWS(5)
        ROWS(6)
#undef ROWS
    }
}

WITH_AVX2 static void multiply(float *out, size_t out_stride, const float *in, size_t rows,
                               const float *panels, size_t panel_count, size_t inputs,
                               const float *begin, size_t begin_stride, size_t width)
{
    for (size_t p = 0; p < panel_count; p++) {
        const float *panel = panels + p * RSI_PANEL * inputs;
        const size_t first = p * RSI_PANEL;
        float *place = out + first;
        const float *from = begin == NULL ? NULL : begin + first;
        if (width - first >= RSI_PANEL) {
            tile_of(place, out_stride, in, rows, panel, inputs, from, begin_stride);
            continue;
        }
        /* The last columns, by way of a tile of their own. */
        const size_t bytes = (width - first) * sizeof(float);
        float part[TILE * RSI_PANEL] = {0};
        for (size_t r = 0; r < rows && from != NULL; r++)
            memcpy(part + r * RSI_PANEL, from + r * begin_stride, bytes);
        tile_of(part, RSI_PANEL, in, rows, panel, inputs, part, RSI_PANEL);
        for (size_t r = 0; r < rows; r++)
            memcpy(place + r * out_stride, part + r * RSI_PANEL, bytes);
    }
}

const rsi_product_kernel *rsi_product_kernel_avx2(void)
{
    static const rsi_product_kernel kernel = {"avx2", TILE, multiply};
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kernel : NULL;
}

#else

const rsi_product_kernel *rsi_product_kernel_avx2(void)
{
    return NULL;
}

#endif
