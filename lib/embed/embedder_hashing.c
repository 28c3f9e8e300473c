/*
 * The hashing embedder: texts with the same words get similar vectors, and nothing else does. It
 * knows no meaning, needs no file, and is for tests of what surrounds an embedder.
 *
 *   "Wings lift" ─► wings, lift ─► each word adds ±1 at two places that its digest chooses
 */
#include "embed/embed.h"

#include "base/memory.h"
#include "base/status.h"
#include "embed/embedder_kind.h"

#include <stdio.h>
#include <string.h>

#define DIMENSION 256
#define DIMENSION_MIN 8
#define DIMENSION_MAX 4096
#define TOKENS 512
#define BATCH 32
#define PLACES 2

typedef struct hashing_embedder {
    rsi_embedder base;
    char fingerprint[32];
} hashing_embedder;

static void free_hashing(rsi_embedder *embedder)
{
    rsi_free(embedder);
}

static const char *name_hashing(const rsi_embedder *embedder)
{
    return ((const hashing_embedder *)(const void *)embedder)->fingerprint;
}

/* FNV-1a, its bits mixed once more: the low ones choose the place. */
static uint64_t hash_word(const char *word, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)word[i];
        hash ^= c >= 'A' && c <= 'Z' ? c + 32u : c;
        hash *= UINT64_C(0x100000001b3);
    }
    hash ^= hash >> 32;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    return hash ^ (hash >> 32);
}

static void add_word(float *vector, size_t dimension, const char *word, size_t size)
{
    uint64_t hash = hash_word(word, size);
    for (int i = 0; i < PLACES; i++, hash >>= 32)
        vector[(hash >> 1) % dimension] += (hash & 1) != 0 ? 1.0f : -1.0f;
}

static bool is_of_a_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

static void embed_text(float *vector, size_t dimension, const rsi_slice *text)
{
    bool is_zero = true;
    memset(vector, 0, dimension * sizeof *vector);
    for (size_t at = 0; at < text->size;) {
        size_t end = at;
        while (end < text->size && is_of_a_word(text->data[end]))
            end++;
        if (end > at)
            add_word(vector, dimension, text->data + at, end - at);
        at = end == at ? at + 1 : end;
    }
    for (size_t d = 0; is_zero && d < dimension; d++)
        is_zero = vector[d] == 0;
    if (is_zero) /* no words, or all took each other away */
        vector[hash_word(text->data, text->size) % dimension] = 1.0f;
}

static int embed_by_hashing(float *vectors, const rsi_embedder *embedder, rsi_embed_role role,
                            const rsi_slice *texts, size_t count)
{
    int status = RAGSTORE_OK;
    (void)role;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        float *vector = vectors + i * embedder->dimension;
        embed_text(vector, embedder->dimension, &texts[i]);
        status = rsi_embedder_normalise(vector, embedder->dimension, i);
    }
    return status;
}

static const rsi_embedder_kind hashing_kind = {
    .free = free_hashing, .fingerprint = name_hashing, .embed = embed_by_hashing};

int rsi_embedder_open_hashing(rsi_embedder **out, uint32_t dimension)
{
    *out = NULL;
    dimension = dimension == 0 ? DIMENSION : dimension;
    if (dimension < DIMENSION_MIN || dimension > DIMENSION_MAX)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "embed",
                        "the hashing embedder has %d to %d numbers, not %u", DIMENSION_MIN,
                        DIMENSION_MAX, (unsigned)dimension);
    hashing_embedder *embedder = rsi_alloc_zeroed(sizeof *embedder);
    if (embedder == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rsi_embedder_init(&embedder->base, &hashing_kind);
    snprintf(embedder->fingerprint, sizeof embedder->fingerprint, "hashing/%u/1",
             (unsigned)dimension);
    embedder->base.dimension = dimension;
    embedder->base.max_tokens = TOKENS;
    embedder->base.document_tokens = TOKENS;
    embedder->base.batch = BATCH;
    *out = &embedder->base;
    return RAGSTORE_OK;
}
