/* The element-wise steps of a transformer: see kernels.c. */
#ifndef RSI_EMBED_KERNELS_H
#define RSI_EMBED_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#define RSI_KERNELS_STRETCH 32 /* numbers that are summed up together */

/* Matrices are row by row without gaps, unless a stride is given. */
typedef struct rsi_kernels {
    const char *name;
    /* Each row becomes exp(x) / sum(exp(x)). `stride` floats from row to row. */
    void (*softmax)(float *matrix, size_t rows, size_t columns, size_t stride);
    /* x = gelu(x + bias), with the error function itself, not its tanh likeness */
    void (*bias_gelu)(float *matrix, const float *bias, size_t rows, size_t columns,
                      size_t stride);
    /* x = layer norm(x + added + bias) × scale + shift */
    void (*add_norm)(float *matrix, const float *added, const float *bias, const float *scale,
                     const float *shift, float epsilon, size_t rows, size_t columns);
    /* A row as 8-bit numbers: x ≈ (out - zero) × scale, as exactly as 256 of them can. A row of
     * numbers that are not finite gets a scale that is not finite. */
    void (*quantise)(uint8_t *out, float *scale, int32_t *zero, const float *row, size_t columns);
    /* A row as 16-bit numbers: x ≈ out × scale, the largest of either sign being ±32767. */
    void (*quantise_int16)(int16_t *out, float *scale, const float *row, size_t columns);
    /* Of a row: the largest size of a number, not finite if one of them is not, and the largest sum
     * of sizes over RSI_KERNELS_STRETCH numbers, right to a millionth. */
    void (*sizes)(float *largest, float *largest_stretch, const float *row, size_t columns);
    /* A row times a factor, which leaves sizes of 32767 at most, rounded to the nearest. */
    void (*whole)(int16_t *out, const float *row, float factor, size_t columns);
} rsi_kernels;

/* The best for this processor. Static. */
const rsi_kernels *rsi_kernels_choose(void);

/* The one for any processor. */
extern const rsi_kernels rsi_kernels_plain;

#endif
