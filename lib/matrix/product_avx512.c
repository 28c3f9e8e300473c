/*
 * Products of matrices with AVX-512: see product.h. A tile is twelve rows and two panels: 24 sums
 * in registers of sixteen, and for each input two loads of weights serve 24 multiply-adds.
 */
#include "matrix/product.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>

#define WITH_AVX512 __attribute__((target("avx512f,avx2,fma")))
#define INLINE static inline __attribute__((always_inline)) WITH_AVX512
#define TILE 12

/* rows and panels are known when compiled. */
INLINE void tile(const size_t rows, const size_t panels, float *out, size_t out_stride,
                 const float *in, const float *weights, size_t inputs, const float *begin,
                 size_t begin_stride, size_t width)
{
    const size_t second = panels == 2 ? RSI_PANEL * inputs : 0;
    const size_t last = width - (panels - 1) * RSI_PANEL;
    const __mmask16 columns[2] = {(__mmask16)(panels == 2 ? 0xFFFF : (1u << last) - 1),
                                  (__mmask16)((1u << last) - 1)};
    __m512 sums[TILE][2];
#pragma GCC unroll 12
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t p = 0; p < panels; p++)
            sums[r][p] =
                begin == NULL
                    ? _mm512_setzero_ps()
                    : _mm512_maskz_loadu_ps(columns[p], begin + r * begin_stride + p * RSI_PANEL);
    for (size_t i = 0; i < inputs; i++) {
        const __m512 first = _mm512_loadu_ps(weights + i * RSI_PANEL);
        const __m512 other = _mm512_loadu_ps(weights + second + i * RSI_PANEL);
        /* The next pair of panels comes from memory meanwhile. */
        _mm_prefetch((const char *)(weights + (2 * inputs + i) * RSI_PANEL), _MM_HINT_T1);
        _mm_prefetch((const char *)(weights + (3 * inputs + i) * RSI_PANEL), _MM_HINT_T1);
#pragma GCC unroll 12
        for (size_t r = 0; r < rows; r++) {
            const __m512 x = _mm512_set1_ps(in[i * rows + r]);
            sums[r][0] = _mm512_fmadd_ps(x, first, sums[r][0]);
            if (panels == 2)
                sums[r][1] = _mm512_fmadd_ps(x, other, sums[r][1]);
        }
    }
#pragma GCC unroll 12
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t p = 0; p < panels; p++)
            _mm512_mask_storeu_ps(out + r * out_stride + p * RSI_PANEL, columns[p], sums[r][p]);
}

INLINE void tile_of(const size_t panels, float *out, size_t out_stride, const float *in,
                    size_t rows, const float *weights, size_t inputs, const float *begin,
                    size_t begin_stride, size_t width)
{
    switch (rows) {
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        tile(n, panels, out, out_stride, in, weights, inputs, begin, begin_stride, width);         \
        break;
        ROWS(1)
        ROWS(2)
        ROWS(3)
        ROWS(4)
        ROWS(5)
        ROWS(6)
        ROWS(7)
        ROWS(8)
        ROWS(9)
        ROWS(10)
        ROWS(11)
        ROWS(12)
#undef ROWS
    }
}

WITH_AVX512 static void multiply(float *out, size_t out_stride, const float *in, size_t rows,
                                 const float *panels, size_t panel_count, size_t inputs,
                                 const float *begin, size_t begin_stride, size_t width)
{
    if (panel_count == 2)
        tile_of(2, out, out_stride, in, rows, panels, inputs, begin, begin_stride, width);
    else
        tile_of(1, out, out_stride, in, rows, panels, inputs, begin, begin_stride, width);
}

const rsi_product_kernel *rsi_product_kernel_avx512(void)
{
    static const rsi_product_kernel kernel = {"avx512", TILE, multiply};
    return __builtin_cpu_supports("avx512f") ? &kernel : NULL;
}

#else

const rsi_product_kernel *rsi_product_kernel_avx512(void)
{
    return NULL;
}

#endif
