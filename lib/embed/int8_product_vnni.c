/*
 * Products in 8-bit integers with AVX-512 VNNI: see integer_product.h. One instruction multiplies
 * four inputs of a row with those of sixteen outputs and adds up. A tile is twelve rows.
 */
#include "embed/integer_product.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define WITH_VNNI __attribute__((target("avx512f,avx512vnni,avx2,fma")))
#define INLINE static inline __attribute__((always_inline)) WITH_VNNI
#define TILE 12

/* rows is known when compiled. */
INLINE void tile(const size_t row_count, float *out, size_t out_stride, const uint8_t *in,
                 const rsi_integer_row *rows, const int8_t *panel, size_t groups,
                 const rsi_integer_outputs *outputs, size_t width)
{
    const __mmask16 columns = (__mmask16)((1u << width) - 1);
    __m512i sums[TILE];
#pragma GCC unroll 12
    for (size_t r = 0; r < row_count; r++)
        sums[r] = _mm512_setzero_si512();
    for (size_t g = 0; g < groups; g++) {
        const __m512i weights = _mm512_loadu_si512(panel + g * RSI_GROUP_BYTES * RSI_PANEL);
        /* The next panel comes from memory meanwhile. */
        _mm_prefetch((const char *)(panel + (groups + g) * RSI_GROUP_BYTES * RSI_PANEL),
                     _MM_HINT_T1);
#pragma GCC unroll 12
        for (size_t r = 0; r < row_count; r++) {
            int32_t four;
            memcpy(&four, in + (g * row_count + r) * RSI_GROUP_BYTES, sizeof four);
            sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_set1_epi32(four), weights);
        }
    }
    const __m512i weight_sums = _mm512_maskz_loadu_epi32(columns, outputs->sums);
    const __m512 scales = _mm512_maskz_loadu_ps(columns, outputs->scales);
#pragma GCC unroll 12
    for (size_t r = 0; r < row_count; r++) {
        const __m512i zero = _mm512_mullo_epi32(_mm512_set1_epi32(rows[r].zero), weight_sums);
        const __m512 whole = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums[r], zero));
        const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(rows[r].scale), scales);
        __m512 scaled = _mm512_mul_ps(whole, scale);
        if (outputs->bias != NULL)
            scaled = _mm512_add_ps(scaled, _mm512_maskz_loadu_ps(columns, outputs->bias));
        _mm512_mask_storeu_ps(out + r * out_stride, columns, scaled);
    }
}

WITH_VNNI static void multiply(float *out, size_t out_stride, const uint8_t *in,
                               const rsi_integer_row *rows, size_t row_count, const int8_t *panel,
                               size_t groups, const rsi_integer_outputs *outputs, size_t width)
{
    switch (row_count) {
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        tile(n, out, out_stride, in, rows, panel, groups, outputs, width);                         \
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

const rsi_integer_kernel *rsi_int8_kernel_vnni(void)
{
    static const rsi_integer_kernel kernel = {"avx512-vnni", RSI_INT8_GROUP, TILE, multiply};
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni") ? &kernel
                                                                                     : NULL;
}

#else

const rsi_integer_kernel *rsi_int8_kernel_vnni(void)
{
    return NULL;
}

#endif
