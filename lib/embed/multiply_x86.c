/*
 * Products of a few rows with a weight, for processors with AVX2 and FMA.
 *
 * A query is some ten tokens. For so few rows a BLAS spends more on rearranging the weight than
 * on multiplying, so here the weight is read once, in the order in which it lies: four rows of it
 * are held in the innermost cache while all rows of the input pass by, three at a time. Each of
 * the twelve sums of such a tile has a register of eight partial sums of its own. Meanwhile the
 * next four rows are fetched, since a weight comes from main memory.
 *
 * Called by encoder.c, which gives larger products to BLAS. No state: any thread.
 */
#include "embed/multiply_x86.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_AVX2 __attribute__((target("avx2,fma")))
#define INLINE static inline __attribute__((always_inline)) WITH_AVX2

bool rsi_multiply_few_usable(size_t rows, size_t outputs, size_t inputs)
{
    return rows <= RSI_FEW_ROWS && outputs % 4 == 0 && inputs % 8 == 0 &&
           __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* The four sums of four registers, side by side. */
INLINE __m128 sums_of(__m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    return _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
}

/* `rows` (1 to 3, known when compiled) rows of input with four of the weight. Four rows from
 * `next` on will be needed soon. */
INLINE void tile(const int rows, float *out, const float *in, const float *weight,
                 const float *next, size_t outputs, size_t inputs)
{
    const float *w0 = weight, *w1 = w0 + inputs, *w2 = w1 + inputs, *w3 = w2 + inputs;
    const float *x0 = in, *x1 = rows > 1 ? x0 + inputs : x0, *x2 = rows > 2 ? x1 + inputs : x0;
    __m256 a0 = _mm256_setzero_ps(), a1 = a0, a2 = a0, a3 = a0;
    __m256 b0 = a0, b1 = a0, b2 = a0, b3 = a0, c0 = a0, c1 = a0, c2 = a0, c3 = a0;
    for (size_t i = 0; i < inputs; i += 8) {
        const __m256 a = _mm256_loadu_ps(x0 + i);
        const __m256 b = _mm256_loadu_ps(x1 + i);
        const __m256 c = _mm256_loadu_ps(x2 + i);
        if (i % 16 == 0) /* once for each line of the cache */
            for (size_t ahead = 0; ahead < 4; ahead++)
                _mm_prefetch((const char *)(next + ahead * inputs + i), _MM_HINT_T0);
        __m256 w = _mm256_loadu_ps(w0 + i);
        a0 = _mm256_fmadd_ps(a, w, a0);
        b0 = rows > 1 ? _mm256_fmadd_ps(b, w, b0) : b0;
        c0 = rows > 2 ? _mm256_fmadd_ps(c, w, c0) : c0;
        w = _mm256_loadu_ps(w1 + i);
        a1 = _mm256_fmadd_ps(a, w, a1);
        b1 = rows > 1 ? _mm256_fmadd_ps(b, w, b1) : b1;
        c1 = rows > 2 ? _mm256_fmadd_ps(c, w, c1) : c1;
        w = _mm256_loadu_ps(w2 + i);
        a2 = _mm256_fmadd_ps(a, w, a2);
        b2 = rows > 1 ? _mm256_fmadd_ps(b, w, b2) : b2;
        c2 = rows > 2 ? _mm256_fmadd_ps(c, w, c2) : c2;
        w = _mm256_loadu_ps(w3 + i);
        a3 = _mm256_fmadd_ps(a, w, a3);
        b3 = rows > 1 ? _mm256_fmadd_ps(b, w, b3) : b3;
        c3 = rows > 2 ? _mm256_fmadd_ps(c, w, c3) : c3;
    }
    _mm_storeu_ps(out, sums_of(a0, a1, a2, a3));
    if (rows > 1)
        _mm_storeu_ps(out + outputs, sums_of(b0, b1, b2, b3));
    if (rows > 2)
        _mm_storeu_ps(out + 2 * outputs, sums_of(c0, c1, c2, c3));
}

WITH_AVX2 void rsi_multiply_few(float *out, const float *in, const float *weight, size_t rows,
                                size_t outputs, size_t inputs)
{
    for (size_t o = 0; o < outputs; o += 4) {
        const float *four = weight + o * inputs;
        const float *next = o + 4 < outputs ? four + 4 * inputs : weight;
        size_t r = 0;
        for (; r + 3 <= rows; r += 3)
            tile(3, out + r * outputs + o, in + r * inputs, four, next, outputs, inputs);
        if (rows - r == 2)
            tile(2, out + r * outputs + o, in + r * inputs, four, next, outputs, inputs);
        else if (rows - r == 1)
            tile(1, out + r * outputs + o, in + r * inputs, four, next, outputs, inputs);
    }
}

#else

bool rsi_multiply_few_usable(size_t rows, size_t outputs, size_t inputs)
{
    (void)rows;
    (void)outputs;
    (void)inputs;
    return false;
}

void rsi_multiply_few(float *out, const float *in, const float *weight, size_t rows, size_t outputs,
                      size_t inputs)
{
    (void)out;
    (void)in;
    (void)weight;
    (void)rows;
    (void)outputs;
    (void)inputs;
}

#endif
