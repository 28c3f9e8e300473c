/* The transformer: from token ids to vectors. See encoder.c. */
#ifndef RSI_EMBED_ENCODER_H
#define RSI_EMBED_ENCODER_H

#include "embed/bert_config.h"
#include "embed/kernels.h"
#include "embed/weights.h"

#include <stddef.h>
#include <stdint.h>

typedef struct rsi_encoder {
    rsi_bert_config config;
    rsi_weights weights;
    const rsi_kernels *kernels;
} rsi_encoder;

/* NOT_FOUND, INVALID_DATA, UNSUPPORTED. */
int rsi_encoder_open(rsi_encoder *out, const char *directory);
void rsi_encoder_close(rsi_encoder *encoder); /* also for a zeroed one */

/* Vectors of unit length for `count` sequences of ids, which lie one behind the other. Each has
 * 1 to max_tokens ids, each id is below config.vocabulary. INVALID_DATA: the weights lead to
 * numbers that are not finite. */
int rsi_encoder_run(const rsi_encoder *encoder, float *vectors, const int32_t *ids,
                    const size_t *lengths, size_t count);

#endif
