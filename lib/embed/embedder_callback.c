/*
 * The embedder of the application: texts go to a callback, in batches; vectors come back, are
 * checked and brought to length 1. Holds no lock while it calls.
 */
#include "embed/embed.h"

#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"
#include "embed/embedder_kind.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DIMENSION_MAX 65536
#define BATCH 32
#define TOKENS 256 /* the limit of most models of sentences */
#define TOKENS_MIN 16
#define REASON_MAX 512

typedef struct callback_embedder {
    rsi_embedder base;
    rsi_embedder_callback callback;
    void (*release)(void *user);
    char *fingerprint; /* owned */
} callback_embedder;

static const callback_embedder *callback_of(const rsi_embedder *embedder)
{
    return (const callback_embedder *)(const void *)embedder;
}

static void free_callback(rsi_embedder *base)
{
    callback_embedder *embedder = (callback_embedder *)(void *)base;
    if (embedder->release != NULL)
        embedder->release(embedder->callback.user);
    rsi_free(embedder->fingerprint);
    rsi_free(embedder);
}

static const char *name_callback(const rsi_embedder *embedder)
{
    return callback_of(embedder)->fingerprint;
}

/* ---- calling ---- */

/* The callback said no. What it wrote is a stranger's: whole characters of one line. */
static int refusal(const callback_embedder *embedder, int32_t returned, char reason[REASON_MAX])
{
    size_t bad;
    reason[REASON_MAX - 1] = '\0';
    size_t size = strlen(reason);
    if (!rsi_utf8_valid(reason, size, &bad))
        reason[bad] = '\0';
    for (char *at = reason; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = ' ';
    if (returned == RAGSTORE_E_NO_MEMORY)
        return rsi_fail_no_memory();
    int status = rsi_fail(returned == RAGSTORE_E_INTERRUPTED ? RAGSTORE_E_INTERRUPTED
                                                             : RAGSTORE_E_EMBEDDER,
                          "embed", "the embedder %s: %s", embedder->fingerprint,
                          reason[0] != '\0' ? reason : "it failed and did not say why");
    return returned == RAGSTORE_E_BUSY ? rsi_for_now(status) : status;
}

static int embed_batch(float *vectors, const callback_embedder *embedder, rsi_embed_role role,
                       const char *const *texts, size_t count)
{
    char reason[REASON_MAX] = "";
    const size_t dimension = embedder->base.dimension;
    for (size_t i = 0; i < count * dimension; i++)
        vectors[i] = NAN; /* what is not written is noticed */
    int32_t returned = embedder->callback.embed(embedder->callback.user, vectors, texts, count,
                                                role == RSI_EMBED_QUERY ? RAGSTORE_ROLE_QUERY
                                                                        : RAGSTORE_ROLE_DOCUMENT,
                                                reason, sizeof reason);
    if (returned != RAGSTORE_OK)
        return refusal(embedder, returned, reason);
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++)
        status = rsi_embedder_normalise(vectors + i * dimension, dimension, i);
    return rsi_wrap(status, "the embedder %s", embedder->fingerprint);
}

static int embed_by_callback(float *vectors, const rsi_embedder *base, rsi_embed_role role,
                             const rsi_slice *texts, size_t count)
{
    const callback_embedder *embedder = callback_of(base);
    const size_t most = count < base->batch ? count : base->batch;
    char **copies = rsi_alloc_array(most, sizeof *copies);
    int status = copies == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    for (size_t done = 0; status == RAGSTORE_OK && done < count;) {
        const size_t part = count - done < most ? count - done : most;
        for (size_t i = 0; status == RAGSTORE_OK && i < part; i++) {
            const rsi_slice *text = &texts[done + i];
            copies[i] = rsi_memdup0(text->data, text->size);
            status = copies[i] == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
        }
        if (status == RAGSTORE_OK)
            status = embed_batch(vectors + done * base->dimension, embedder, role,
                                 (const char *const *)copies, part);
        for (size_t i = 0; i < part; i++) {
            rsi_free(copies[i]);
            copies[i] = NULL;
        }
        done += part;
    }
    rsi_free(copies);
    return status;
}

/* ---- opening ---- */

static const rsi_embedder_kind callback_kind = {
    .free = free_callback, .fingerprint = name_callback, .embed = embed_by_callback};

static int bad_option(const char *what)
{
    return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "embed", "open an embedder: %s", what);
}

static int check_callback(const rsi_embedder_callback *callback)
{
    const char *name = callback->fingerprint;
    size_t bad;
    if (callback->embed == NULL)
        return bad_option("there is no callback");
    if (name == NULL || name[0] == '\0' || strlen(name) > RSI_FINGERPRINT_MAX ||
        !rsi_utf8_valid(name, strlen(name), &bad))
        return bad_option(
            "the fingerprint must be a text of 1 to 256 bytes that names model, version "
            "and whatever else decides about the vectors");
    if (strncmp(name, "own/", 4) == 0)
        return bad_option("a fingerprint that begins with \"own/\" stands for vectors without an "
                          "embedder");
    if (callback->dimension == 0 || callback->dimension > DIMENSION_MAX)
        return bad_option("the dimension must be 1 to 65,536");
    if (callback->batch > RSI_EMBED_BATCH_MAX)
        return bad_option("batch_size must be at most 256");
    if (callback->max_tokens != 0 && callback->max_tokens < TOKENS_MIN)
        return bad_option("max_tokens must be at least 16");
    return RAGSTORE_OK;
}

int rsi_embedder_open_callback(rsi_embedder **out, const rsi_embedder_callback *callback)
{
    *out = NULL;
    int status = check_callback(callback);
    if (status != RAGSTORE_OK)
        return status;
    callback_embedder *embedder = rsi_alloc_zeroed(sizeof *embedder);
    if (embedder == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rsi_embedder_init(&embedder->base, &callback_kind);
    embedder->fingerprint = rsi_strdup(callback->fingerprint);
    if (embedder->fingerprint == NULL) {
        rsi_free(embedder);
        return RAGSTORE_E_NO_MEMORY;
    }
    embedder->callback = *callback;
    embedder->base.dimension = callback->dimension;
    embedder->base.max_tokens = callback->max_tokens == 0 ? TOKENS : callback->max_tokens;
    embedder->base.document_tokens = embedder->base.max_tokens;
    embedder->base.batch = callback->batch == 0 ? BATCH : callback->batch;
    *out = &embedder->base;
    return RAGSTORE_OK;
}

void rsi_embedder_set_release(rsi_embedder *base, void (*release)(void *user))
{
    ((callback_embedder *)(void *)base)->release = release;
}
