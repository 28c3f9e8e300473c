/* The weights of a BERT-family encoder: see weights.c. */
#ifndef RSI_EMBED_WEIGHTS_H
#define RSI_EMBED_WEIGHTS_H

#include "embed/bert_config.h"
#include "embed/dense.h"
#include "embed/model_file.h"

#include <stddef.h>

typedef struct rsi_layer_norm {
    const float *scale;
    const float *shift;
} rsi_layer_norm;

typedef struct rsi_bert_layer {
    rsi_linear query;
    rsi_linear key;
    rsi_linear value;
    rsi_linear attention_output;
    rsi_layer_norm attention_norm;
    rsi_linear intermediate;
    rsi_linear output;
    rsi_layer_norm output_norm;
} rsi_bert_layer;

typedef struct rsi_weights {
    rsi_model_file file; /* mapped; most pointers lead into it */
    const float *words;  /* [vocabulary, hidden] */
    const float *positions;
    const float *types;
    rsi_layer_norm embedding_norm;
    rsi_bert_layer *layers;
    float **converted; /* tensors that the file holds in another form */
    size_t converted_count;
    size_t converted_capacity;
} rsi_weights;

/* Map model.safetensors and find each tensor that the set-up asks for, in its shape.
 * NOT_FOUND, INVALID_DATA, UNSUPPORTED. */
int rsi_weights_open(rsi_weights *out, const rsi_bert_config *config, const char *directory);
void rsi_weights_close(rsi_weights *weights); /* also for zeroed ones */

#endif
