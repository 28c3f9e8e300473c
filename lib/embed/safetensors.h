/* The safetensors file format: see safetensors.c. */
#ifndef RSI_EMBED_SAFETENSORS_H
#define RSI_EMBED_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#define RSI_TENSOR_RANK_MAX 8

typedef enum rsi_tensor_type {
    RSI_TENSOR_F32,
    RSI_TENSOR_F16,
    RSI_TENSOR_BF16,
    RSI_TENSOR_OTHER, /* a known type that no part of an encoder has */
} rsi_tensor_type;

typedef struct rsi_tensor {
    char *name; /* owned by the table */
    rsi_tensor_type type;
    size_t rank;
    size_t shape[RSI_TENSOR_RANK_MAX];
    size_t count;              /* elements */
    const unsigned char *data; /* borrowed from the file; not aligned for its type */
    size_t size;               /* bytes */
} rsi_tensor;

typedef struct rsi_safetensors {
    rsi_tensor *tensors; /* in the order of their data */
    size_t count;
} rsi_safetensors;

/* Read the header of a whole file in memory, which must outlive the table. INVALID_DATA says what
 * is wrong with it, UNSUPPORTED names a data type that nobody knows. */
int rsi_safetensors_parse(rsi_safetensors *out, const unsigned char *file, size_t size);
void rsi_safetensors_free(rsi_safetensors *table);

/* NULL when there is none of this name. */
const rsi_tensor *rsi_safetensors_find(const rsi_safetensors *table, const char *name);

/* Convert count elements of an F32, F16 or BF16 tensor, from its begin. */
void rsi_tensor_to_float(float *out, const rsi_tensor *tensor);

#endif
