/*
 * What an embedder is made of: the functions of its kind, and what every kind has.
 *
 *   rsi_embedder   kind ─► free, fingerprint, embed, …      embedder.c: a model directory
 *                  owners, dimension, limits                embedder_callback.c: the application
 *   (the kind's own members behind it)                      embedder_hashing.c: for tests
 *
 * Called by embed.c, which has checked the texts: valid UTF-8.
 */
#ifndef RSI_EMBED_EMBEDDER_KIND_H
#define RSI_EMBED_EMBEDDER_KIND_H

#include "embed/embed.h"

#include <stdatomic.h>

typedef struct rsi_embedder_kind {
    void (*free)(rsi_embedder *embedder);
    const char *(*fingerprint)(const rsi_embedder *embedder);
    /* NULL: this kind has no tokens */
    int (*count_tokens)(size_t *count, const rsi_embedder *embedder, const char *text, size_t size);
    int (*tokenize)(int32_t *ids, size_t *count, size_t *uncut, const rsi_embedder *embedder,
                    const char *text, size_t size);
    int (*embed)(float *vectors, const rsi_embedder *embedder, rsi_embed_role role,
                 const rsi_slice *texts, size_t count);
} rsi_embedder_kind;

struct rsi_embedder {
    const rsi_embedder_kind *kind;
    atomic_size_t owners;
    uint32_t dimension;
    uint32_t max_tokens;
    uint32_t document_tokens;
    uint32_t batch; /* texts at once, when somebody wants to hear of progress */
};

/* One owner, of that kind; the rest is the kind's to fill in. */
void rsi_embedder_init(rsi_embedder *embedder, const rsi_embedder_kind *kind);
/* Bring a vector to length 1. EMBEDDER when it has a number that is not finite, or length 0: text i
 * is to blame. */
int rsi_embedder_normalise(float *vector, size_t dimension, size_t i);

#endif
