/* Dense steps: see dense.h. */
#include "embed/dense.h"

#include "base/memory.h"
#include "base/status.h"
#include "embed/model_file.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static size_t outputs_of(const rsi_dense_part *part)
{
    return part->linear->weight.shape[0];
}

/* The weights of all parts as floats, row by row. */
static void gather(float *out, const rsi_dense_part *parts, size_t count)
{
    for (size_t p = 0; p < count; p++) {
        const rsi_tensor *tensor = &parts[p].linear->weight;
        rsi_tensor_to_float(out, tensor);
        for (size_t i = 0; i < tensor->count && parts[p].factor != 1; i++)
            out[i] *= parts[p].factor;
        out += tensor->count;
    }
}

static void gather_bias(float *out, const rsi_dense_part *parts, size_t count)
{
    for (size_t p = 0; p < count; p++)
        for (size_t o = 0; o < outputs_of(&parts[p]); o++)
            *out++ = parts[p].linear->bias[o] * parts[p].factor;
}

/* A tensor that can be read where it lies. */
static bool in_place(const rsi_dense_part *parts, size_t count)
{
    const rsi_tensor *tensor = &parts[0].linear->weight;
    return count == 1 && parts[0].factor == 1 && tensor->type == RSI_TENSOR_F32 &&
           (uintptr_t)tensor->data % sizeof(float) == 0;
}

/* Bytes rounded up to whole lines of the cache; false when that is more than a size can say. */
static bool whole_lines(size_t *bytes)
{
    if (!rsi_add_size(*bytes, RSI_DENSE_ALIGNMENT - 1, bytes))
        return false;
    *bytes = *bytes / RSI_DENSE_ALIGNMENT * RSI_DENSE_ALIGNMENT;
    return true;
}

/* Inputs that lie together in whole numbers. */
static size_t group_of(rsi_precision precision)
{
    return precision == RSI_PRECISION_INT16 ? RSI_INT16_GROUP : RSI_INT8_GROUP;
}

/* Bytes of the packed weight alone; 0 when that is too much. */
static size_t packed_bytes(size_t outputs, size_t inputs, rsi_precision precision)
{
    size_t bytes = rsi_integer_packed_size(outputs, inputs, group_of(precision));
    if (precision == RSI_PRECISION_FLOAT32 &&
        !rsi_mul_size(rsi_product_packed_size(outputs, inputs), sizeof(float), &bytes))
        return 0;
    return whole_lines(&bytes) ? bytes : 0;
}

size_t rsi_dense_size(size_t outputs, size_t inputs, rsi_precision precision)
{
    const size_t packed = packed_bytes(outputs, inputs, precision);
    size_t bytes;
    if (packed == 0 || !rsi_mul_size(outputs, 3 * sizeof(float), &bytes) ||
        !rsi_add_size(packed, bytes, &bytes) || !whole_lines(&bytes))
        return 0;
    return bytes;
}

/* What is packed, then bias, scales and sums by output. */
static void divide(rsi_dense *out, void *place, rsi_precision precision)
{
    if (precision == RSI_PRECISION_FLOAT32)
        out->packed = place;
    else
        out->packed_integers = place;
    out->bias = (const float *)(void *)((char *)place +
                                        packed_bytes(out->outputs, out->inputs, precision));
    out->scales = out->bias + out->outputs;
    out->sums = (const int32_t *)(const void *)(out->scales + out->outputs);
}

static void fill(rsi_dense *out, const rsi_kernels *steps, const float *weight,
                 const rsi_dense_part *parts, size_t count, rsi_precision precision)
{
    /* everything lies in the place that we were given to write */
    void *integers = (void *)(uintptr_t)out->packed_integers;
    float *scales = (float *)(uintptr_t)out->scales;
    int32_t *sums = (int32_t *)(uintptr_t)out->sums;
    if (precision == RSI_PRECISION_INT8)
        rsi_int8_pack(integers, scales, sums, steps, weight, out->outputs, out->inputs);
    else if (precision == RSI_PRECISION_INT16)
        rsi_int16_pack(integers, scales, sums, steps, weight, out->outputs, out->inputs);
    else
        rsi_product_pack((float *)(uintptr_t)out->packed, weight, out->outputs, out->inputs,
                         out->inputs);
    gather_bias((float *)(uintptr_t)out->bias, parts, count);
}

int rsi_dense_make(rsi_dense *out, const rsi_kernels *steps, void *place,
                   const rsi_dense_part *parts, size_t count, rsi_precision precision)
{
    const bool ready = in_place(parts, count);
    float *copy = NULL;
    memset(out, 0, sizeof *out);
    out->inputs = parts[0].linear->weight.shape[1];
    for (size_t p = 0; p < count; p++)
        out->outputs += outputs_of(&parts[p]);
    if (!ready) {
        copy = rsi_alloc(out->outputs * out->inputs * sizeof *copy); /* twice the file at most */
        if (copy == NULL)
            return RAGSTORE_E_NO_MEMORY;
        gather(copy, parts, count);
    }
    divide(out, place, precision);
    const void *lying = parts[0].linear->weight.data;
    fill(out, steps, ready ? lying : copy, parts, count, precision);
    rsi_free(copy);
    for (size_t p = 0; p < count; p++)
        rsi_model_file_let_go(parts[p].linear->weight.data, parts[p].linear->weight.size);
    return RAGSTORE_OK;
}

size_t rsi_dense_tiles(size_t rows, size_t inputs)
{
    const size_t bytes = rsi_integer_tiles_size(rows, inputs, RSI_INT16_GROUP);
    size_t floats;
    if (bytes == 0 || !rsi_mul_size(rows, inputs, &floats))
        return 0;
    return floats > bytes / sizeof(float) ? floats : bytes / sizeof(float) + 1;
}

void rsi_dense_arrange(const rsi_dense *dense, const rsi_dense_kernels *kernels, float *tiles,
                       const float *in, size_t rows)
{
    if (dense->packed != NULL)
        rsi_product_arrange(kernels->products, tiles, in, dense->inputs, rows, dense->inputs);
    else
        rsi_integer_arrange(kernels->integer_products, kernels->steps, tiles, in, rows,
                            dense->inputs);
}

void rsi_dense_multiply(const rsi_dense *dense, const rsi_dense_kernels *kernels, float *out,
                        const float *tiles, size_t rows, const float *bias, size_t first,
                        size_t end)
{
    if (dense->packed != NULL) {
        const rsi_product_part part = {dense->packed, bias,  dense->outputs,
                                       dense->inputs, first, end};
        rsi_product_multiply(kernels->products, out, dense->outputs, tiles, rows, &part);
    } else {
        const rsi_integer_part part = {
            dense->packed_integers, {dense->scales, dense->sums, bias}, dense->inputs, first, end};
        rsi_integer_multiply(kernels->integer_products, out, dense->outputs, tiles, rows, &part);
    }
}

void rsi_dense_apply(const rsi_dense *dense, const rsi_dense_kernels *kernels, float *tiles,
                     float *out, const float *in, size_t rows, const float *bias)
{
    if (dense->packed != NULL) {
        rsi_product(kernels->products, tiles, out, dense->outputs, in, dense->inputs, rows,
                    dense->packed, bias, dense->outputs, dense->inputs);
        return;
    }
    rsi_dense_arrange(dense, kernels, tiles, in, rows);
    rsi_dense_multiply(dense, kernels, out, tiles, rows, bias, 0, dense->outputs);
}
