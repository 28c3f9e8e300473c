/*
 * Products of matrices of floats: out = in · transposed(weight) + bias. The encoder's layers are such,
 * and so is comparing rows with all centroids.
 *
 * The weight is packed once, in the order in which it will be read. Sixteen outputs make a panel, a
 * number of each side by side, and panels hold RSI_PRODUCT_INPUTS inputs at most:
 *
 *   weight [outputs × inputs]                  packed
 *   ┌───────────────┬───────────────┐          inputs 0…383 of outputs 0…15, of outputs 16…31, …,
 *   │ outputs 0…15  │               │          then inputs 384…767 of outputs 0…15, …
 *   ├───────────────┼───────────────┤          panel: ┌─ 16 floats: input 0 ─┬─ input 1 ─┬ …
 *   │ outputs 16…31 │               │                 outputs that are missing at the end are zeros
 *   └───────────────┴───────────────┘
 *     inputs 0…383    inputs 384…
 *
 * Each number of the result is one chain of fused multiply-adds over the inputs in order, however
 * many rows there are: a row's result depends on nothing but the row, and AVX2 and AVX-512 give the
 * same to the last bit. Plain C rounds twice where they round once.
 *
 * Chosen by what the processor can do. No state: any thread.
 */
#ifndef RSI_MATRIX_PRODUCT_H
#define RSI_MATRIX_PRODUCT_H

#include <stddef.h>

#define RSI_PANEL 16           /* outputs of a panel */
#define RSI_PRODUCT_INPUTS 384 /* of a panel, at most */
#define RSI_PRODUCT_ROWS 96    /* of one call, at most; a multiple of each kernel's tile */
#define RSI_PRODUCT_STEP 32    /* outputs: where a part of them may begin */

/* One panel for all rows: what the processor's own instructions do. */
typedef struct rsi_product_kernel {
    const char *name;
    size_t tile; /* rows that are computed together */
    /* `rows` (1 to tile) × `width` (1 to 16 × panels) of the result, panels 1 or 2. `in` holds the
     * rows of a tile input by input; the sums begin with `begin`, rows of begin_stride floats (0:
     * the same for each row), or with zero when it is NULL. */
    void (*multiply)(float *out, size_t out_stride, const float *in, size_t rows,
                     const float *panels, size_t panel_count, size_t inputs, const float *begin,
                     size_t begin_stride, size_t width);
} rsi_product_kernel;

/* The fastest one for this processor. */
const rsi_product_kernel *rsi_product_kernel_best(void);
extern const rsi_product_kernel rsi_product_kernel_plain;
/* NULL where the processor or the build has none. */
const rsi_product_kernel *rsi_product_kernel_avx2(void);
const rsi_product_kernel *rsi_product_kernel_avx512(void);

/* Floats that a packed weight takes; 0 when that is more than a size can say. */
size_t rsi_product_packed_size(size_t outputs, size_t inputs);

/* Pack `outputs` rows of `inputs` floats each, `stride` floats from row to row. */
void rsi_product_pack(float *packed, const float *weight, size_t outputs, size_t inputs,
                      size_t stride);

/* The same for a weight that lies the other way round: `inputs` rows of `outputs` floats. */
void rsi_product_pack_turned(float *packed, const float *weight, size_t outputs, size_t inputs,
                             size_t stride);

/* Put at most RSI_PRODUCT_ROWS rows into tiles, as the kernel reads them: rows × inputs floats. */
void rsi_product_arrange(const rsi_product_kernel *kernel, float *tiles, const float *in,
                         size_t in_stride, size_t rows, size_t inputs);

/* A weight that is packed, and the outputs to compute: from `first`, a multiple of
 * RSI_PRODUCT_STEP, to before `end`. */
typedef struct rsi_product_part {
    const float *packed;
    const float *bias; /* a float for each output, or NULL */
    size_t outputs;    /* of the whole weight */
    size_t inputs;
    size_t first;
    size_t end;
} rsi_product_part;

/* Those outputs of in · transposed(weight) + bias, for rows that are arranged. `out` is where the
 * first of all outputs goes. */
void rsi_product_multiply(const rsi_product_kernel *kernel, float *out, size_t out_stride,
                          const float *tiles, size_t rows, const rsi_product_part *part);

/* Both, for all outputs, piece by piece of the inputs, so that tiles stay in the cache. `scratch` has
 * room for rows × (inputs, or RSI_PRODUCT_INPUTS when those are fewer) floats. */
void rsi_product(const rsi_product_kernel *kernel, float *scratch, float *out, size_t out_stride,
                 const float *in, size_t in_stride, size_t rows, const float *packed,
                 const float *bias, size_t outputs, size_t inputs);

#endif
