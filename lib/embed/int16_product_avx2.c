/*
 * Products in 16-bit integers with AVX2: see integer_product.h. One instruction multiplies two
 * inputs of a row with those of eight outputs and adds the pairs. A tile is five rows: ten sums in
 * whole numbers; those in floats wait in memory for the end of a stretch.
 */
#include "embed/integer_product.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define WITH_AVX2 __attribute__((target("avx2,fma")))
#define INLINE static inline __attribute__((always_inline)) WITH_AVX2
#define TILE 5
#define HALF (RSI_PANEL / 2)
#define HALF_BYTES (HALF * RSI_GROUP_BYTES)
#define STRETCH (RSI_INT16_STRETCH / RSI_INT16_GROUP) /* groups */

/* Add the sums of up to STRETCH groups to the totals; row_count is known when compiled. */
INLINE void add_stretch(const size_t row_count, float totals[TILE][RSI_PANEL], const uint8_t *in,
                        const int8_t *panel, size_t groups, size_t ahead)
{
    __m256i sums[TILE][2];
#pragma GCC unroll 5
    for (size_t r = 0; r < row_count; r++)
        sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    for (size_t g = 0; g < groups; g++) {
        const int8_t *place = panel + g * RSI_GROUP_BYTES * RSI_PANEL;
        const __m256i low = _mm256_loadu_si256((const __m256i *)place);
        const __m256i high = _mm256_loadu_si256((const __m256i *)(place + HALF_BYTES));
        /* The next panel comes from memory meanwhile. */
        _mm_prefetch((const char *)(place + ahead), _MM_HINT_T1);
#pragma GCC unroll 5
        for (size_t r = 0; r < row_count; r++) {
            int32_t two;
            memcpy(&two, in + (g * row_count + r) * RSI_GROUP_BYTES, sizeof two);
            const __m256i x = _mm256_set1_epi32(two);
            sums[r][0] = _mm256_add_epi32(sums[r][0], _mm256_madd_epi16(x, low));
            sums[r][1] = _mm256_add_epi32(sums[r][1], _mm256_madd_epi16(x, high));
        }
    }
#pragma GCC unroll 5
    for (size_t r = 0; r < row_count; r++)
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; h++)
            _mm256_storeu_ps(totals[r] + h * HALF,
                             _mm256_add_ps(_mm256_loadu_ps(totals[r] + h * HALF),
                                           _mm256_cvtepi32_ps(sums[r][h])));
}

/* row_count is known when compiled. */
INLINE void tile(const size_t row_count, float totals[TILE][RSI_PANEL], const uint8_t *in,
                 const int8_t *panel, size_t groups)
{
    const size_t panel_bytes = groups * RSI_GROUP_BYTES * RSI_PANEL;
    for (size_t g = 0; g < groups; g += STRETCH)
        add_stretch(row_count, totals, in + g * row_count * RSI_GROUP_BYTES,
                    panel + g * RSI_GROUP_BYTES * RSI_PANEL,
                    groups - g < STRETCH ? groups - g : STRETCH, panel_bytes);
}

WITH_AVX2 static void multiply(float *out, size_t out_stride, const uint8_t *in,
                               const rsi_integer_row *rows, size_t row_count, const int8_t *panel,
                               size_t groups, const rsi_integer_outputs *outputs, size_t width)
{
    float totals[TILE][RSI_PANEL] = {{0}};
    switch (row_count) {
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        tile(n, totals, in, panel, groups);                                                        \
        break;
        ROWS(1)
        ROWS(2)
        ROWS(3)
        ROWS(4)
        ROWS(5)
#undef ROWS
    }
    for (size_t r = 0; r < row_count; r++)
        for (size_t o = 0; o < width; o++) {
            const float scale = rows[r].scale * outputs->scales[o];
            const float scaled = totals[r][o] * scale;
            out[r * out_stride + o] = outputs->bias == NULL ? scaled : scaled + outputs->bias[o];
        }
}

const rsi_integer_kernel *rsi_int16_kernel_avx2(void)
{
    static const rsi_integer_kernel kernel = {"avx2", RSI_INT16_GROUP, TILE, multiply};
    return __builtin_cpu_supports("avx2") ? &kernel : NULL;
}

#else

const rsi_integer_kernel *rsi_int16_kernel_avx2(void)
{
    return NULL;
}

#endif
