/* Dense steps: see dense.h. */
#include "embed/dense.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ALIGNMENT 64 /* bytes: a line of the cache */
#define ALIGNMENT_FLOATS (ALIGNMENT / sizeof(float))

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

int rsi_dense_make(rsi_dense *out, const rsi_dense_part *parts, size_t count)
{
    float *copy = NULL;
    size_t floats, bytes;
    int status = RAGSTORE_OK;
    memset(out, 0, sizeof *out);
    out->inputs = parts[0].linear->weight.shape[1];
    for (size_t p = 0; p < count; p++)
        out->outputs += outputs_of(&parts[p]);
    size_t packed = rsi_product_packed_size(out->outputs, out->inputs);
    if (packed == 0 || !rsi_add_size(packed, out->outputs, &floats) ||
        !rsi_add_size(floats, ALIGNMENT_FLOATS, &floats) ||
        !rsi_mul_size(floats, sizeof(float), &bytes)) {
        status = rsi_fail_no_memory();
        goto cleanup;
    }
    out->memory = rsi_alloc(bytes);
    if (!in_place(parts, count))
        copy = rsi_alloc(packed * sizeof *copy);
    if (out->memory == NULL || (copy == NULL && !in_place(parts, count))) {
        status = RAGSTORE_E_NO_MEMORY;
        goto cleanup;
    }
    float *start = (float *)(((uintptr_t)out->memory + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    const float *weight = (const float *)(const void *)parts[0].linear->weight.data;
    if (copy != NULL) {
        gather(copy, parts, count);
        weight = copy;
    }
    rsi_product_pack(start, weight, out->outputs, out->inputs, out->inputs);
    gather_bias(start + packed, parts, count);
    out->packed = start;
    out->bias = start + packed;
cleanup:
    rsi_free(copy);
    if (status != RAGSTORE_OK)
        rsi_dense_free(out);
    return status;
}

void rsi_dense_free(rsi_dense *dense)
{
    rsi_free(dense->memory);
    memset(dense, 0, sizeof *dense);
}

void rsi_dense_apply(const rsi_dense *dense, const rsi_product_kernel *kernel, float *scratch,
                     float *out, const float *in, size_t rows, const float *bias)
{
    rsi_product(kernel, scratch, out, dense->outputs, in, dense->inputs, rows, dense->packed, bias,
                dense->outputs, dense->inputs);
}
