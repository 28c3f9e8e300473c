/*
 * Products of matrices in 8-bit integers, for an encoder: out ≈ in · transposed(weight) + bias.
 *
 * Each output of the weight has a scale: its largest number is ±127. Each row of the input is scaled
 * when it comes, so that its numbers are 0 to 255, with the one that stands for zero beside it. The
 * sums of products are whole numbers and exact:
 *
 *   out = (Σ in₈ · weight₈ - zero · Σ weight₈) · (row's scale · output's scale) + bias
 *
 * Sixteen outputs make a panel, which a kernel reads from end to end; inputs go by fours:
 *
 *   panel: ┌─ inputs 0…3 of output 0 ─┬─ … of output 15 ─┬─ inputs 4…7 of output 0 ─┬ …
 *          what is missing at the end of outputs or inputs is zero
 *
 * All kernels give the same, to the last bit; chosen by what the processor can do. No state: any
 * thread.
 */
#ifndef RSI_EMBED_INT8_PRODUCT_H
#define RSI_EMBED_INT8_PRODUCT_H

#include "embed/kernels.h"
#include "embed/product.h"

#include <stddef.h>
#include <stdint.h>

#define RSI_INT8_GROUP 4           /* inputs that lie together */
#define RSI_INT8_INPUTS_MAX 65536u /* more could be too much for a 32-bit sum */

/* Of each output: scale, sum of its 8-bit weights, bias. */
typedef struct rsi_int8_outputs {
    const float *scales;
    const int32_t *sums;
    const float *bias; /* NULL: none */
} rsi_int8_outputs;

/* Of a row of input. */
typedef struct rsi_int8_row {
    float scale;
    int32_t zero;
} rsi_int8_row;

typedef struct rsi_int8_kernel {
    const char *name;
    size_t tile; /* rows that are computed together */
    /* `rows` (1 to tile) × `width` (1 to 16) of the result. `in` holds the rows of a tile four
     * inputs at a time; `outputs` begin with those of the panel. */
    void (*multiply)(float *out, size_t out_stride, const uint8_t *in, const rsi_int8_row *rows,
                     size_t row_count, const int8_t *panel, size_t groups,
                     const rsi_int8_outputs *outputs, size_t width);
} rsi_int8_kernel;

/* The fastest one for this processor. */
const rsi_int8_kernel *rsi_int8_kernel_best(void);
extern const rsi_int8_kernel rsi_int8_kernel_plain;
/* NULL where the processor or the build has none. */
const rsi_int8_kernel *rsi_int8_kernel_avx2(void);
const rsi_int8_kernel *rsi_int8_kernel_vnni(void);

/* Bytes that a packed weight takes; 0 when that is more than a size can say. */
size_t rsi_int8_packed_size(size_t outputs, size_t inputs);

/* Pack `outputs` rows of `inputs` (at most RSI_INT8_INPUTS_MAX) floats, with their scales and sums.
 * Numbers that are not finite give scales that are not. */
void rsi_int8_pack(int8_t *packed, float *scales, int32_t *sums, const float *weight,
                   size_t outputs, size_t inputs);

/* Bytes of working memory that a product with so many inputs needs. */
size_t rsi_int8_scratch_size(size_t inputs);

/* out = in · transposed(weight) + bias, for at most RSI_PRODUCT_ROWS rows without gaps. */
void rsi_int8_product(const rsi_int8_kernel *kernel, const rsi_kernels *steps, void *scratch,
                      float *out, const float *in, size_t rows, const int8_t *packed,
                      const rsi_int8_outputs *weight, size_t outputs, size_t inputs);

#endif
