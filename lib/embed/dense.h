/*
 * A dense step of an encoder, packed for the processor: out = in · transposed(weight) + bias.
 *
 * Made once from the tensors of a model; several of them side by side make one step, such as query,
 * key and value. Does not change afterwards: any thread may apply it.
 */
#ifndef RSI_EMBED_DENSE_H
#define RSI_EMBED_DENSE_H

#include "embed/integer_product.h"
#include "embed/kernels.h"
#include "embed/precision.h"
#include "embed/safetensors.h"
#include "matrix/product.h"

#include <stddef.h>

/* y = x · transposed(weight) + bias; weight is [outputs, inputs] */
typedef struct rsi_linear {
    rsi_tensor weight; /* of F32, F16 or BF16; its data is borrowed from the model's file */
    const float *bias;
} rsi_linear;

/* Some of the outputs of a step. */
typedef struct rsi_dense_part {
    const rsi_linear *linear;
    float factor; /* weight and bias are multiplied by it */
} rsi_dense_part;

typedef struct rsi_dense {
    const float *bias;   /* of all parts, one behind the other */
    const float *packed; /* NULL: in whole numbers */
    const void *packed_integers;
    const float *scales; /* of whole numbers, by output */
    const int32_t *sums;
    size_t outputs;
    size_t inputs;
} rsi_dense;

/* What a processor does dense steps with. */
typedef struct rsi_dense_kernels {
    const rsi_product_kernel *products;
    const rsi_integer_kernel *integer_products; /* of the precision; NULL: in floats */
    const rsi_kernels *steps;
} rsi_dense_kernels;

#define RSI_DENSE_ALIGNMENT 64 /* bytes: a line of the cache */

/* Bytes that a step takes, a multiple of the alignment; 0 when that is more than a size can say. */
size_t rsi_dense_size(size_t outputs, size_t inputs, rsi_precision precision);

/* Make a step in `place`, which has the size and the alignment that it needs, and which the caller
 * frees when nobody applies the step any more. NO_MEMORY. */
int rsi_dense_make(rsi_dense *out, const rsi_kernels *steps, void *place,
                   const rsi_dense_part *parts, size_t count, rsi_precision precision);

/* Floats that so many rows of so many inputs take when they are arranged; 0 when that is more than
 * a size can say. */
size_t rsi_dense_tiles(size_t rows, size_t inputs);

/* Put at most RSI_PRODUCT_ROWS rows into the order, and the kind of number, that the processor reads
 * them in. */
void rsi_dense_arrange(const rsi_dense *dense, const rsi_dense_kernels *kernels, float *tiles,
                       const float *in, size_t rows);

/* The outputs from `first`, a multiple of RSI_PRODUCT_STEP, to before `end`, of rows that are
 * arranged. `out` has all outputs of each row. `bias` is dense->bias, or NULL for none. */
void rsi_dense_multiply(const rsi_dense *dense, const rsi_dense_kernels *kernels, float *out,
                        const float *tiles, size_t rows, const float *bias, size_t first,
                        size_t end);

/* Both, for all outputs: the fastest way for one thread. */
void rsi_dense_apply(const rsi_dense *dense, const rsi_dense_kernels *kernels, float *tiles,
                     float *out, const float *in, size_t rows, const float *bias);

#endif
