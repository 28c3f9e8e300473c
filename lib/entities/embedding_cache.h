/*
 * Vectors of texts that the store has embedded lately: what comes again, a query, a chunk of a
 * document that hardly changed, a document whose job was cut short, is not embedded again.
 *
 *   SHA-256 of role and text ─► vector          newest ─► … ─► oldest, which goes first
 *
 * Belongs to one store and so to one embedder. Bounded by bytes, which count against the store's
 * memory limit. Has a mutex of its own, under which nothing else is called.
 */
#ifndef RSI_ENTITIES_EMBEDDING_CACHE_H
#define RSI_ENTITIES_EMBEDDING_CACHE_H

#include "embed/embed.h"

#include <stddef.h>

typedef struct rsi_embedding_cache rsi_embedding_cache;

/* For vectors of `dimension` numbers; max_bytes 0: it keeps nothing. */
int rsi_embedding_cache_make(rsi_embedding_cache **out, uint32_t dimension, size_t max_bytes);
void rsi_embedding_cache_free(rsi_embedding_cache *cache);     /* NULL is fine */
size_t rsi_embedding_cache_memory(rsi_embedding_cache *cache); /* NULL: 0 */

/* rsi_embedder_embed(), for what the cache (NULL: none) does not have. */
int rsi_embed_cached(float *vectors, rsi_embedding_cache *cache, const rsi_embedder *embedder,
                     rsi_embed_role role, const rsi_slice *texts, size_t count);

#endif
