/*
 * Products in 16-bit integers with AVX-512 VNNI: see integer_product.h. One instruction multiplies
 * two inputs of a row with those of sixteen outputs and adds up. A tile is twelve rows: twelve sums
 * in whole numbers, and twelve in floats.
 */
#include "embed/integer_product.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define WITH_VNNI __attribute__((target("avx512f,avx512vnni,avx2,fma")))
#define INLINE static inline __attribute__((always_inline)) WITH_VNNI
#define TILE 12
#define STRETCH (RSI_INT16_STRETCH / RSI_INT16_GROUP) /* groups */

/* Sums of up to STRETCH groups; row_count is known when compiled. */
INLINE void add_stretch(const size_t row_count, __m512 totals[TILE], const uint8_t *in,
                        const int8_t *panel, size_t groups, size_t ahead)
{
    __m512i sums[TILE];
#pragma GCC unroll 12
    for (size_t r = 0; r < row_count; r++)
        sums[r] = _mm512_setzero_si512();
    for (size_t g = 0; g < groups; g++) {
        const int8_t *place = panel + g * RSI_GROUP_BYTES * RSI_PANEL;
        const __m512i weights = _mm512_loadu_si512(place);
        /* The next panel comes from memory meanwhile. */
        _mm_prefetch((const char *)(place + ahead), _MM_HINT_T1);
#pragma GCC unroll 12
        for (size_t r = 0; r < row_count; r++) {
            int32_t two;
            memcpy(&two, in + (g * row_count + r) * RSI_GROUP_BYTES, sizeof two);
            sums[r] = _mm512_dpwssd_epi32(sums[r], _mm512_set1_epi32(two), weights);
        }
    }
#pragma GCC unroll 12
    for (size_t r = 0; r < row_count; r++)
        totals[r] = _mm512_add_ps(totals[r], _mm512_cvtepi32_ps(sums[r]));
}

/* row_count is known when compiled. */
INLINE void tile(const size_t row_count, float *out, size_t out_stride, const uint8_t *in,
                 const rsi_integer_row *rows, const int8_t *panel, size_t groups,
                 const rsi_integer_outputs *outputs, size_t width)
{
    const __mmask16 columns = (__mmask16)((1u << width) - 1);
    const size_t panel_bytes = groups * RSI_GROUP_BYTES * RSI_PANEL;
    __m512 totals[TILE];
#pragma GCC unroll 12
    for (size_t r = 0; r < row_count; r++)
        totals[r] = _mm512_setzero_ps();
    for (size_t g = 0; g < groups; g += STRETCH)
        add_stretch(row_count, totals, in + g * row_count * RSI_GROUP_BYTES,
                    panel + g * RSI_GROUP_BYTES * RSI_PANEL,
                    groups - g < STRETCH ? groups - g : STRETCH, panel_bytes);
    const __m512 scales = _mm512_maskz_loadu_ps(columns, outputs->scales);
#pragma GCC unroll 12
    for (size_t r = 0; r < row_count; r++) {
        const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(rows[r].scale), scales);
        __m512 scaled = _mm512_mul_ps(totals[r], scale);
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

const rsi_integer_kernel *rsi_int16_kernel_vnni(void)
{
    static const rsi_integer_kernel kernel = {"avx512-vnni", RSI_INT16_GROUP, TILE, multiply};
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni") ? &kernel
                                                                                     : NULL;
}

#else

const rsi_integer_kernel *rsi_int16_kernel_vnni(void)
{
    return NULL;
}

#endif
