/* What the byte_codes….c files share: see byte_codes.h. */
#ifndef RSI_VECTORS_BYTE_CODES_INTERNAL_H
#define RSI_VECTORS_BYTE_CODES_INTERNAL_H

#include "vectors/byte_codes.h"
#include "vectors/byte_scan.h"

#include <pthread.h>

/* Bytes of a row's codes, and of a block. */
static inline size_t rsi_byte_stride(size_t dimension)
{
    return (dimension + RSI_BYTE_STRIDE - 1) / RSI_BYTE_STRIDE * RSI_BYTE_STRIDE;
}

static inline size_t rsi_byte_block_bytes(size_t stride)
{
    return RSI_BYTE_BLOCK * (stride + 3 * sizeof(float));
}

typedef struct rsi_byte_piece {
    struct rsi_byte_piece *next; /* set before any row of it is published */
    void *memory;                /* of what follows */
    uint8_t *blocks;
    uint32_t *chunks; /* RSI_BYTE_BLOCK for each block, ascending */
    size_t room;      /* blocks */
} rsi_byte_piece;

struct rsi_byte_codes {
    uint32_t dimension;
    size_t stride;
    size_t block_bytes;
    pthread_mutex_t mutex; /* guards the rest; what is in published blocks needs none */
    rsi_byte_piece *first;
    rsi_byte_piece *last;
    size_t room;     /* blocks, of all pieces */
    size_t blocks;   /* that are published */
    int64_t covered; /* chunks below are in them, if they have a row */
    int64_t seen;
};

/* A vector that is longer, or has a number that is not finite, has no bounds. */
#define RSI_BYTE_LENGTH_MAX 1e18

/* What is known of a vector beside its codes; see byte_scan.h. */
typedef struct rsi_byte_coded {
    double scale;
    double norm;     /* of the vector */
    double residual; /* not less than it is */
} rsi_byte_coded;

/* Code a vector: codes[i] is zero + code. Numbers up to `stride` are padded. */
rsi_byte_coded rsi_byte_encode(uint8_t *codes, const float *vector, size_t dimension,
                               size_t stride);
/* The same as number `at` of a block. */
void rsi_byte_encode_row(uint8_t *block, size_t stride, size_t at, const float *vector,
                         size_t dimension);

#endif
