/*
 * From text to vectors: one small interface over whatever computes them.
 *
 * A rsi_embedder is shared by stores and threads (reference-counted, safe to call
 * from several threads at once) and never changes after it was opened. Its fingerprint
 * names everything that decides about the numbers: model, weights' digest, dimension,
 * pooling, normalisation, prompts. Equal fingerprints give equal vectors, up to the last bits that
 * depend on the processor (cosine above 0.99999).
 */
#ifndef RSI_EMBED_EMBED_H
#define RSI_EMBED_EMBED_H

#include "base/bytes.h"
#include "embed/precision.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rsi_embedder rsi_embedder;

/* What a text is for: some models want other words before a question than before a text in which
 * answers are found. */
typedef enum rsi_embed_role {
    RSI_EMBED_DOCUMENT,
    RSI_EMBED_QUERY,
} rsi_embed_role;

typedef struct rsi_model_options {
    rsi_precision precision;
    size_t threads; /* that one call computes with; 0: as many as the processors at hand */
    const char *query_prompt;    /* put before each query; NULL: what the model's files say */
    const char *document_prompt; /* the same for documents */
} rsi_model_options;

/* A model directory of the BERT family: see bert_config.c. Options may be NULL.
 * NOT_FOUND, INVALID_DATA, UNSUPPORTED, INVALID_ARGUMENT (of the options). */
int rsi_embedder_open_model(rsi_embedder **out, const char *directory,
                            const rsi_model_options *options);

#define RSI_FINGERPRINT_MAX 256
#define RSI_EMBED_BATCH_MAX 256

/* An embedder of the application. Its vectors are brought to length 1. */
typedef struct rsi_embedder_callback {
    const char *fingerprint; /* copied */
    uint32_t dimension;
    uint32_t batch;      /* texts at once; 0: 32 */
    uint32_t max_tokens; /* of a document, about; 0: 256 */
    int32_t (*embed)(void *user, float *vectors, const char *const *texts, size_t count,
                     uint32_t role, char *reason, size_t reason_size);
    void *user;
} rsi_embedder_callback;

/* INVALID_ARGUMENT. */
int rsi_embedder_open_callback(rsi_embedder **out, const rsi_embedder_callback *callback);
/* Call release(user) when the last owner has gone; NULL: nothing. Before anybody shares it. */
void rsi_embedder_set_release(rsi_embedder *embedder, void (*release)(void *user));
/* Vectors of words without meaning, for tests; dimension 0: 256. INVALID_ARGUMENT. */
int rsi_embedder_open_hashing(rsi_embedder **out, uint32_t dimension);

rsi_embedder *rsi_embedder_retain(rsi_embedder *embedder);
void rsi_embedder_release(rsi_embedder *embedder); /* NULL is fine */

uint32_t rsi_embedder_dimension(const rsi_embedder *embedder);
uint32_t rsi_embedder_max_tokens(const rsi_embedder *embedder); /* special tokens included */
/* How many tokens of a document count, without special ones and the prompt. */
uint32_t rsi_embedder_document_tokens(const rsi_embedder *embedder);
const char *rsi_embedder_fingerprint(const rsi_embedder *embedder);

/* How many texts at once, when somebody wants to hear of progress; at most RSI_EMBED_BATCH_MAX. */
uint32_t rsi_embedder_batch(const rsi_embedder *embedder);
/* Can it count tokens? The two below are UNSUPPORTED otherwise. */
bool rsi_embedder_has_tokens(const rsi_embedder *embedder);

/* How many tokens a text has without special ones and without a cut. Additive over texts that are
 * split at white space. */
int rsi_embedder_count_tokens(size_t *count, const rsi_embedder *embedder, const char *text,
                              size_t size);

/* Ids with special tokens, cut at the model's limit. `ids` has room for max_tokens numbers.
 * *uncut (may be NULL) is the count without the cut. */
int rsi_embedder_tokenize(int32_t *ids, size_t *count, size_t *uncut, const rsi_embedder *embedder,
                          const char *text, size_t size);

/* Vectors of count × dimension floats, row by row, of length 1. INVALID_DATA: not UTF-8. EMBEDDER:
 * the application's callback failed, or what it gave are no vectors. */
int rsi_embedder_embed(float *vectors, const rsi_embedder *embedder, rsi_embed_role role,
                       const rsi_slice *texts, size_t count);

#endif
