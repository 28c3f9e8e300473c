/*
 * The element-wise steps of a transformer: softmax, GELU, layer norm.
 *
 * Written once, on vectors of eight floats in the compiler's portable vector types, and compiled
 * twice: for the base instruction set, and for AVX2 with FMA. Rows whose length is no multiple of
 * eight end in a vector that is filled up.
 *
 * exp: x = n ln 2 + r with whole n and |r| <= ln 2 / 2; 2^n by its exponent bits, exp(r) by its
 * series to r^7 (error below 1e-8 of the value). erf: Abramowitz and Stegun, 7.1.26 (absolute
 * error below 1.5e-7), which is exact to float's precision where GELU is not tiny.
 *
 * Called by encoder.c. No state: any thread.
 */
#include "embed/kernels.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LANES 8
#define LARGEST_INT16 32767.0f

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef uint8_t lane_bytes __attribute__((vector_size(LANES)));
typedef uint16_t lane_words __attribute__((vector_size(2 * LANES)));
typedef uint32_t lane_bits __attribute__((vector_size(4 * LANES)));

/* Vectors go by pointer: by value they would cross a boundary of calling conventions. */
#define INLINE static inline __attribute__((always_inline))

INLINE void load(lanes *out, const float *from)
{
    memcpy(out, from, sizeof *out);
}

INLINE void store(float *to, const lanes *from)
{
    memcpy(to, from, sizeof *from);
}

/* The last `count` < LANES floats of a row, the other lanes being `filling`. */
INLINE void load_part(lanes *out, const float *from, size_t count, float filling)
{
    float part[LANES];
    for (size_t i = 0; i < LANES; i++)
        part[i] = i < count ? from[i] : filling;
    load(out, part);
}

INLINE void store_part(float *to, const lanes *from, size_t count)
{
    float part[LANES];
    store(part, from);
    memcpy(to, part, count * sizeof *to);
}

INLINE float sum_of(const lanes *x)
{
    float part[LANES];
    store(part, x);
    return ((part[0] + part[4]) + (part[2] + part[6])) +
           ((part[1] + part[5]) + (part[3] + part[7]));
}

/* x = max(x, y), lane by lane */
INLINE void take_larger(lanes *x, const lanes *y)
{
    lane_bits larger = (lane_bits)(*x > *y);
    *x = (lanes)(((lane_bits)*x & larger) | ((lane_bits)*y & ~larger));
}

/* x = exp(x) for x <= 0; below -87 it stays there, near the smallest float. */
INLINE void exp_of(lanes *x)
{
    const lanes lowest = (lanes){0} - 87.0f;
    const lanes shifter = (lanes){0} + 12582912.0f; /* 1.5 × 2^23: adding it rounds to a whole */
    lanes v = *x;
    take_larger(&v, &lowest);
    lanes shifted = v * 1.44269504f + shifter;
    lanes n = shifted - shifter;
    lanes r = v - n * 0.693359375f + n * 2.12194440e-4f; /* ln 2 in two parts */
    lanes p = r * (1.0f / 5040) + (1.0f / 720);
    p = p * r + (1.0f / 120);
    p = p * r + (1.0f / 24);
    p = p * r + (1.0f / 6);
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    lane_bits power = ((lane_bits)shifted << 23) + (127u << 23);
    *x = p * (lanes)power;
}

/* x = x / 2 × (1 + erf(x / sqrt 2)) = (x + |x| erf(|x| / sqrt 2)) / 2 */
INLINE void gelu_of(lanes *x)
{
    lanes v = *x;
    lanes size = (lanes)((lane_bits)v & 0x7FFFFFFFu);
    lanes z = size * 0.707106781f;
    lanes e = -z * z;
    exp_of(&e);
    lanes t = 1.0f / (z * 0.3275911f + 1.0f);
    lanes p = t * 1.061405429f - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    lanes erf = 1.0f - p * t * e;
    *x = (v + size * erf) * 0.5f;
}

INLINE void softmax_row(float *row, size_t columns)
{
    const size_t whole = columns / LANES * LANES, rest = columns - whole;
    lanes largest = (lanes){0} + row[0];
    lanes x;
    for (size_t i = 0; i < whole; i += LANES) {
        load(&x, row + i);
        take_larger(&largest, &x);
    }
    load_part(&x, row + whole, rest, row[0]);
    take_larger(&largest, &x);
    float parts[LANES];
    store(parts, &largest);
    float top = parts[0];
    for (size_t i = 1; i < LANES; i++)
        top = parts[i] > top ? parts[i] : top;

    lanes sum = {0};
    for (size_t i = 0; i < whole; i += LANES) {
        load(&x, row + i);
        x -= top;
        exp_of(&x);
        sum += x;
        store(row + i, &x);
    }
    float total = 0;
    if (rest > 0) {
        load_part(&x, row + whole, rest, top);
        x -= top;
        exp_of(&x);
        store_part(row + whole, &x, rest);
        for (size_t i = 0; i < rest; i++)
            total += row[whole + i];
    }
    total += sum_of(&sum);
    float factor = 1.0f / total;
    for (size_t i = 0; i < columns; i++)
        row[i] *= factor;
}

INLINE void softmax_body(float *matrix, size_t rows, size_t columns, size_t stride)
{
    for (size_t r = 0; r < rows; r++)
        softmax_row(matrix + r * stride, columns);
}

INLINE void bias_gelu_body(float *matrix, const float *bias, size_t rows, size_t columns,
                           size_t stride)
{
    const size_t whole = columns / LANES * LANES, rest = columns - whole;
    lanes x, b;
    for (size_t r = 0; r < rows; r++) {
        float *row = matrix + r * stride;
        for (size_t i = 0; i < whole; i += LANES) {
            load(&x, row + i);
            load(&b, bias + i);
            x += b;
            gelu_of(&x);
            store(row + i, &x);
        }
        if (rest > 0) {
            load_part(&x, row + whole, rest, 0);
            load_part(&b, bias + whole, rest, 0);
            x += b;
            gelu_of(&x);
            store_part(row + whole, &x, rest);
        }
    }
}

/* row = row + added + bias; returns the mean */
INLINE float add_row(float *row, const float *added, const float *bias, size_t columns)
{
    const size_t whole = columns / LANES * LANES;
    lanes x, a, b, sum = {0};
    for (size_t i = 0; i < whole; i += LANES) {
        load(&x, row + i);
        load(&a, added + i);
        load(&b, bias + i);
        x = x + (a + b);
        store(row + i, &x);
        sum += x;
    }
    float total = sum_of(&sum);
    for (size_t i = whole; i < columns; i++) {
        row[i] += added[i] + bias[i];
        total += row[i];
    }
    return total / (float)columns;
}

INLINE void norm_row(float *row, float mean, const float *scale, const float *shift, float epsilon,
                     size_t columns)
{
    const size_t whole = columns / LANES * LANES;
    lanes x, s, b, sum = {0};
    for (size_t i = 0; i < whole; i += LANES) {
        load(&x, row + i);
        x -= mean;
        sum += x * x;
    }
    float total = sum_of(&sum);
    for (size_t i = whole; i < columns; i++)
        total += (row[i] - mean) * (row[i] - mean);
    float factor = 1.0f / sqrtf(total / (float)columns + epsilon);
    for (size_t i = 0; i < whole; i += LANES) {
        load(&x, row + i);
        load(&s, scale + i);
        load(&b, shift + i);
        x = (x - mean) * factor * s + b;
        store(row + i, &x);
    }
    for (size_t i = whole; i < columns; i++)
        row[i] = (row[i] - mean) * factor * scale[i] + shift[i];
}

INLINE void add_norm_body(float *matrix, const float *added, const float *bias, const float *scale,
                          const float *shift, float epsilon, size_t rows, size_t columns)
{
    for (size_t r = 0; r < rows; r++) {
        float *row = matrix + r * columns;
        float mean = add_row(row, added + r * columns, bias, columns);
        norm_row(row, mean, scale, shift, epsilon, columns);
    }
}

/* The least and the largest number of a row, and zero, if it is beyond them. Returns zero, or NaN
 * if a number is not finite. */
INLINE float range_of(float *least, float *largest, const float *row, size_t columns)
{
    const size_t whole = columns / LANES * LANES;
    lanes low = {0}, high = {0}, sum = {0}, x;
    for (size_t i = 0; i <= whole; i += LANES) { /* once more for the rest */
        if (i < whole)
            load(&x, row + i);
        else
            load_part(&x, row + whole, columns - whole, 0);
        sum += x * 0.0f;
        take_larger(&high, &x);
        x = -x;
        take_larger(&low, &x);
    }
    float lows[LANES], highs[LANES];
    store(lows, &low);
    store(highs, &high);
    *least = *largest = 0;
    for (size_t i = 0; i < LANES; i++) {
        *least = -lows[i] < *least ? -lows[i] : *least;
        *largest = highs[i] > *largest ? highs[i] : *largest;
    }
    return sum_of(&sum);
}

/* Whole numbers from 0 to 255, rounded to the nearest. */
INLINE void bytes_of(lane_bytes *out, const lanes *in, float factor, float zero)
{
    const lanes shifter = (lanes){0} + 12582912.0f; /* 1.5 × 2^23: adding it rounds to a whole */
    const lanes nothing = {0}, most = (lanes){0} - 255.0f;
    lanes x = (*in * factor + shifter) - shifter + zero;
    take_larger(&x, &nothing);
    x = -x;
    take_larger(&x, &most);
    x = 8388608.0f - x; /* 2^23: the number is in the lowest bits */
    *out = __builtin_convertvector((lane_bits)x & 255u, lane_bytes);
}

INLINE void quantise_body(uint8_t *out, float *scale, int32_t *zero, const float *row,
                          size_t columns)
{
    const size_t whole = columns / LANES * LANES;
    float least, largest;
    const float trouble = range_of(&least, &largest, row, columns);
    const float span = largest - least;
    const bool usable = trouble == 0 && span > 0 && span <= FLT_MAX;
    const float factor = usable ? 255.0f / span : 0;
    const float shift = rintf(-least * factor);
    lanes x;
    lane_bytes bytes;
    for (size_t i = 0; i < whole; i += LANES) {
        load(&x, row + i);
        bytes_of(&bytes, &x, factor, shift);
        memcpy(out + i, &bytes, sizeof bytes);
    }
    load_part(&x, row + whole, columns - whole, 0);
    bytes_of(&bytes, &x, factor, shift);
    memcpy(out + whole, &bytes, columns - whole);
    *scale = span / 255.0f + trouble;
    *zero = usable ? (int32_t)shift : 0;
}

/* Whole numbers from -32767 to 32767, rounded to the nearest; 0 for what is not finite. */
INLINE void words_of(lane_words *out, const lanes *in, float factor)
{
    const lanes shifter = (lanes){0} + 12582912.0f; /* 1.5 × 2^23: the number is in the lowest
                                                       bits */
    lanes x = *in * factor + shifter;
    *out = __builtin_convertvector((lane_bits)x & 0xFFFFu, lane_words);
}

INLINE void whole_body(int16_t *out, const float *row, float factor, size_t columns)
{
    const size_t whole = columns / LANES * LANES;
    lanes x;
    lane_words words;
    for (size_t i = 0; i < whole; i += LANES) {
        load(&x, row + i);
        words_of(&words, &x, factor);
        memcpy(out + i, &words, sizeof words);
    }
    load_part(&x, row + whole, columns - whole, 0);
    words_of(&words, &x, factor);
    memcpy(out + whole, &words, (columns - whole) * sizeof *out);
}

INLINE void quantise_int16_body(int16_t *out, float *scale, const float *row, size_t columns)
{
    float least, largest;
    const float trouble = range_of(&least, &largest, row, columns);
    const float reach = largest > -least ? largest : -least;
    const float factor = LARGEST_INT16 / reach; /* infinite for next to nothing, which becomes 0 */
    whole_body(out, row, factor, columns);
    *scale = reach / LARGEST_INT16 + trouble;
}

/* The sum of the sizes of one stretch, or what there is of it at the end. */
INLINE float stretch_of(const float *row, size_t columns)
{
    const size_t count = columns < RSI_KERNELS_STRETCH ? columns : RSI_KERNELS_STRETCH;
    lanes x, sum = {0};
    for (size_t i = 0; i < count; i += LANES) {
        if (count - i >= LANES)
            load(&x, row + i);
        else
            load_part(&x, row + i, count - i, 0);
        sum += (lanes)((lane_bits)x & 0x7FFFFFFFu);
    }
    return sum_of(&sum);
}

INLINE void sizes_body(float *largest, float *largest_stretch, const float *row, size_t columns)
{
    float least, most;
    const float trouble = range_of(&least, &most, row, columns);
    *largest = (most > -least ? most : -least) + trouble;
    *largest_stretch = 0;
    for (size_t i = 0; i < columns; i += RSI_KERNELS_STRETCH) {
        const float stretch = stretch_of(row + i, columns - i);
        *largest_stretch = stretch > *largest_stretch ? stretch : *largest_stretch;
    }
}

/* One set of the functions for an instruction set. */
#define KERNELS(set, attributes)                                                                   \
    attributes static void softmax_##set(float *matrix, size_t rows, size_t columns,               \
                                         size_t stride)                                            \
    {                                                                                              \
        softmax_body(matrix, rows, columns, stride);                                               \
    }                                                                                              \
    attributes static void bias_gelu_##set(float *matrix, const float *bias, size_t rows,          \
                                           size_t columns, size_t stride)                          \
    {                                                                                              \
        bias_gelu_body(matrix, bias, rows, columns, stride);                                       \
    }                                                                                              \
    attributes static void add_norm_##set(float *matrix, const float *added, const float *bias,    \
                                          const float *scale, const float *shift, float epsilon,   \
                                          size_t rows, size_t columns)                             \
    {                                                                                              \
        add_norm_body(matrix, added, bias, scale, shift, epsilon, rows, columns);                  \
    }                                                                                              \
    attributes static void quantise_##set(uint8_t *out, float *scale, int32_t *zero,               \
                                          const float *row, size_t columns)                        \
    {                                                                                              \
        quantise_body(out, scale, zero, row, columns);                                             \
    }                                                                                              \
    attributes static void quantise_int16_##set(int16_t *out, float *scale, const float *row,      \
                                                size_t columns)                                    \
    {                                                                                              \
        quantise_int16_body(out, scale, row, columns);                                             \
    }                                                                                              \
    attributes static void sizes_##set(float *largest, float *largest_stretch, const float *row,   \
                                       size_t columns)                                             \
    {                                                                                              \
        sizes_body(largest, largest_stretch, row, columns);                                        \
    }                                                                                              \
    attributes static void whole_##set(int16_t *out, const float *row, float factor,               \
                                       size_t columns)                                             \
    {                                                                                              \
        whole_body(out, row, factor, columns);                                                     \
    }

KERNELS(plain, )

const rsi_kernels rsi_kernels_plain = {"plain", softmax_plain, bias_gelu_plain, add_norm_plain,
                                       quantise_plain, quantise_int16_plain, sizes_plain, whole_plain};

#if defined(__x86_64__)

KERNELS(avx2, __attribute__((target("avx2,fma"))))

const rsi_kernels *rsi_kernels_choose(void)
{
    static const rsi_kernels with_avx2 = {"avx2", softmax_avx2, bias_gelu_avx2, add_norm_avx2,
                                          quantise_avx2, quantise_int16_avx2, sizes_avx2,
                                          whole_avx2};
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &with_avx2
                                                                           : &rsi_kernels_plain;
}

#else

const rsi_kernels *rsi_kernels_choose(void)
{
    return &rsi_kernels_plain;
}

#endif
