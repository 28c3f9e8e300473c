/* The set-up of a BERT-family sentence encoder: see bert_config.c. */
#ifndef RSI_EMBED_BERT_CONFIG_H
#define RSI_EMBED_BERT_CONFIG_H

#include <stddef.h>

typedef enum rsi_pooling {
    RSI_POOLING_MEAN, /* over all tokens, the special ones too */
    RSI_POOLING_CLS,  /* the first token */
} rsi_pooling;

typedef struct rsi_bert_config {
    size_t hidden; /* numbers of a vector */
    size_t layers;
    size_t heads; /* divide hidden */
    size_t intermediate;
    size_t vocabulary; /* rows of the token table */
    size_t positions;  /* rows of the position table */
    size_t types;      /* rows of the token type table */
    float norm_epsilon;
    size_t max_tokens; /* special ones included; at most positions */
    rsi_pooling pooling;
} rsi_bert_config;

/* Read the files of a model directory. NOT_FOUND, INVALID_DATA, UNSUPPORTED. */
int rsi_bert_config_read(rsi_bert_config *out, const char *directory);

#endif
