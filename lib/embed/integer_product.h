/*
 * Products of matrices in whole numbers, of 8 or of 16 bits, for an encoder:
 * out ≈ in · transposed(weight) + bias.
 *
 * Each output of the weight has a scale, by which its numbers become whole ones. So has each row of
 * the input, when it comes; rows of 8 bits are 0 to 255, with the one that stands for zero beside
 * it, rows of 16 bits have a sign, and their zero is 0. Sums of products are whole numbers and
 * exact:
 *
 *   out = (Σ in · weight - zero · Σ weight) · (row's scale · output's scale) + bias
 *
 * In 8 bits the sum over all inputs fits 32 bits. In 16 bits that of RSI_INT16_STRETCH inputs does:
 * scales of outputs are chosen so that it must. The sums of stretches are added up as floats, in
 * order.
 *
 * Sixteen outputs make a panel, which a kernel reads from end to end; inputs go by groups of four
 * bytes, four numbers of 8 bits or two of 16:
 *
 *   panel: ┌─ group 0 of output 0 ─┬─ … of output 15 ─┬─ group 1 of output 0 ─┬ …
 *          what is missing at the end of outputs or inputs is zero
 *
 * All kernels of a width give the same, to the last bit; chosen by what the processor can do. No
 * state: any thread.
 */
#ifndef RSI_EMBED_INTEGER_PRODUCT_H
#define RSI_EMBED_INTEGER_PRODUCT_H

#include "embed/kernels.h"
#include "matrix/product.h"

#include <stddef.h>
#include <stdint.h>

#define RSI_GROUP_BYTES 4             /* of inputs that lie together */
#define RSI_INT8_GROUP 4              /* how many those are */
#define RSI_INT16_GROUP 2             /* the same in 16 bits */
#define RSI_INT16_STRETCH RSI_KERNELS_STRETCH /* inputs whose products are added up in 32 bits */
#define RSI_INTEGER_INPUTS_MAX 65536u /* more could be too much for a 32-bit sum in 8 bits */

/* Of each output: scale, sum of its whole weights, bias. */
typedef struct rsi_integer_outputs {
    const float *scales;
    const int32_t *sums;
    const float *bias; /* NULL: none */
} rsi_integer_outputs;

/* Of a row of input. */
typedef struct rsi_integer_row {
    float scale;
    int32_t zero;
} rsi_integer_row;

typedef struct rsi_integer_kernel {
    const char *name;
    size_t group; /* inputs of a group: RSI_INT8_GROUP or RSI_INT16_GROUP */
    size_t tile;  /* rows that are computed together */
    /* `rows` (1 to tile) × `width` (1 to 16) of the result. `in` holds the rows of a tile group by
     * group; `outputs` begin with those of the panel. */
    void (*multiply)(float *out, size_t out_stride, const uint8_t *in, const rsi_integer_row *rows,
                     size_t row_count, const int8_t *panel, size_t groups,
                     const rsi_integer_outputs *outputs, size_t width);
} rsi_integer_kernel;

/* The fastest ones for this processor. */
const rsi_integer_kernel *rsi_int8_kernel_best(void);
const rsi_integer_kernel *rsi_int16_kernel_best(void);
extern const rsi_integer_kernel rsi_int8_kernel_plain;
extern const rsi_integer_kernel rsi_int16_kernel_plain;
/* NULL where the processor or the build has none. */
const rsi_integer_kernel *rsi_int8_kernel_avx2(void);
const rsi_integer_kernel *rsi_int8_kernel_vnni(void);
const rsi_integer_kernel *rsi_int16_kernel_avx2(void);
const rsi_integer_kernel *rsi_int16_kernel_vnni(void);

/* Bytes that a packed weight takes, `group` inputs to a group; 0 when that is more than a size can
 * say. */
size_t rsi_integer_packed_size(size_t outputs, size_t inputs, size_t group);

/* Pack `outputs` rows of `inputs` (at most RSI_INTEGER_INPUTS_MAX) floats for kernels of that
 * width, with their scales and sums. Numbers that are not finite give scales that are not. */
void rsi_int8_pack(void *packed, float *scales, int32_t *sums, const rsi_kernels *steps,
                   const float *weight, size_t outputs, size_t inputs);
void rsi_int16_pack(void *packed, float *scales, int32_t *sums, const rsi_kernels *steps,
                    const float *weight, size_t outputs, size_t inputs);

/* Bytes that so many rows take as whole numbers; 0 when that is more than a size can say. */
size_t rsi_integer_tiles_size(size_t rows, size_t inputs, size_t group);

/* Make whole numbers of at most RSI_PRODUCT_ROWS rows without gaps, in tiles as the kernel reads
 * them. `tiles` begins where an int32_t may. */
void rsi_integer_arrange(const rsi_integer_kernel *kernel, const rsi_kernels *steps, void *tiles,
                         const float *in, size_t rows, size_t inputs);

/* A weight that is packed, and the outputs to compute: from `first`, a multiple of RSI_PANEL, to
 * before `end`. */
typedef struct rsi_integer_part {
    const void *packed;
    rsi_integer_outputs facts; /* of all outputs */
    size_t inputs;
    size_t first;
    size_t end;
} rsi_integer_part;

/* Those outputs of in · transposed(weight) + bias, for rows that are arranged. `out` is where the
 * first of all outputs goes. */
void rsi_integer_multiply(const rsi_integer_kernel *kernel, float *out, size_t out_stride,
                          const void *tiles, size_t rows, const rsi_integer_part *part);

#endif
