/* What all embedders share: see embed.h and embedder_kind.h. */
#include "embed/embed.h"

#include "base/status.h"
#include "base/utf8.h"
#include "embed/embedder_kind.h"

#include <math.h>

void rsi_embedder_init(rsi_embedder *embedder, const rsi_embedder_kind *kind)
{
    embedder->kind = kind;
    atomic_init(&embedder->owners, 1);
}

rsi_embedder *rsi_embedder_retain(rsi_embedder *embedder)
{
    atomic_fetch_add_explicit(&embedder->owners, 1, memory_order_relaxed);
    return embedder;
}

void rsi_embedder_release(rsi_embedder *embedder)
{
    if (embedder != NULL &&
        atomic_fetch_sub_explicit(&embedder->owners, 1, memory_order_acq_rel) == 1)
        embedder->kind->free(embedder);
}

uint32_t rsi_embedder_dimension(const rsi_embedder *embedder)
{
    return embedder->dimension;
}

uint32_t rsi_embedder_max_tokens(const rsi_embedder *embedder)
{
    return embedder->max_tokens;
}

uint32_t rsi_embedder_document_tokens(const rsi_embedder *embedder)
{
    return embedder->document_tokens;
}

uint32_t rsi_embedder_batch(const rsi_embedder *embedder)
{
    return embedder->batch;
}

const char *rsi_embedder_fingerprint(const rsi_embedder *embedder)
{
    return embedder->kind->fingerprint(embedder);
}

static int check_text(const char *text, size_t size)
{
    size_t bad;
    if (!rsi_utf8_valid(text, size, &bad))
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "embed", "the text is not UTF-8 at byte %zu", bad);
    return RAGSTORE_OK;
}

bool rsi_embedder_has_tokens(const rsi_embedder *embedder)
{
    return embedder->kind->count_tokens != NULL;
}

static int check_tokens(const rsi_embedder *embedder)
{
    return rsi_embedder_has_tokens(embedder)
               ? RAGSTORE_OK
               : rsi_fail(RAGSTORE_E_UNSUPPORTED, "embed", "the model %s has no tokens",
                          rsi_embedder_fingerprint(embedder));
}

int rsi_embedder_count_tokens(size_t *count, const rsi_embedder *embedder, const char *text,
                              size_t size)
{
    *count = 0;
    int status = check_tokens(embedder);
    if (status == RAGSTORE_OK)
        status = check_text(text, size);
    return status == RAGSTORE_OK ? embedder->kind->count_tokens(count, embedder, text, size)
                                 : status;
}

int rsi_embedder_tokenize(int32_t *ids, size_t *count, size_t *uncut, const rsi_embedder *embedder,
                          const char *text, size_t size)
{
    *count = 0;
    if (uncut != NULL)
        *uncut = 0;
    int status = check_tokens(embedder);
    if (status == RAGSTORE_OK)
        status = check_text(text, size);
    return status == RAGSTORE_OK ? embedder->kind->tokenize(ids, count, uncut, embedder, text, size)
                                 : status;
}

int rsi_embedder_embed(float *vectors, const rsi_embedder *embedder, rsi_embed_role role,
                       const rsi_slice *texts, size_t count)
{
    int status = RAGSTORE_OK;
    for (size_t i = 0; i < count && status == RAGSTORE_OK; i++)
        status = rsi_wrap(check_text(texts[i].data, texts[i].size), "text %zu", i);
    return status != RAGSTORE_OK || count == 0
               ? status
               : embedder->kind->embed(vectors, embedder, role, texts, count);
}

int rsi_embedder_normalise(float *vector, size_t dimension, size_t i)
{
    double sum = 0;
    for (size_t d = 0; d < dimension; d++) {
        if (!isfinite(vector[d]))
            return rsi_fail(
                RAGSTORE_E_EMBEDDER, "embed",
                "the vector of text %zu has a number %zu that is not there or not finite", i, d);
        sum += (double)vector[d] * vector[d];
    }
    if (!(sum > 0))
        return rsi_fail(RAGSTORE_E_EMBEDDER, "embed", "the vector of text %zu has the length 0", i);
    const double scale = 1.0 / sqrt(sum);
    for (size_t d = 0; d < dimension; d++)
        vector[d] = (float)(vector[d] * scale);
    return RAGSTORE_OK;
}
