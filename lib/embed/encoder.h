/* The transformer: from token ids to vectors. See encoder.c. */
#ifndef RSI_EMBED_ENCODER_H
#define RSI_EMBED_ENCODER_H

#include "embed/bert_config.h"
#include "embed/dense.h"
#include "embed/kernels.h"
#include "matrix/product.h"
#include "embed/team.h"
#include "embed/weights.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* The dense steps of a layer, packed. */
typedef struct rsi_encoder_layer {
    rsi_dense mixed; /* to queries, keys and values */
    rsi_dense attended;
    rsi_dense wide;
    rsi_dense narrow;
} rsi_encoder_layer;

typedef struct rsi_encoder {
    rsi_bert_config config;
    rsi_weights weights;
    rsi_precision precision; /* never the usual one, but what was chosen */
    rsi_dense_kernels kernels;
    rsi_encoder_layer *layers; /* packed by the first run */
    void *packed_block;        /* owned; what is packed, all layers one behind the other */
    pthread_mutex_t packing;   /* guards layers until packed is set */
    atomic_bool packed;
} rsi_encoder;

/* NOT_FOUND, INVALID_DATA, UNSUPPORTED. Close it also after a failure. */
int rsi_encoder_open(rsi_encoder *out, const char *directory, rsi_precision precision);
void rsi_encoder_close(rsi_encoder *encoder);

/* Vectors of unit length for `count` sequences of ids, which lie one behind the other. Each has
 * 1 to max_tokens ids, each id is below config.vocabulary. INVALID_DATA: the weights lead to
 * numbers that are not finite. `team` is one that the caller has taken, or NULL: vectors are the same,
 * to the last bit. */
int rsi_encoder_run(const rsi_encoder *encoder, rsi_team *team, float *vectors, const int32_t *ids,
                    const size_t *lengths, size_t count);

#endif
