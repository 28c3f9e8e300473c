/*
 * The embedder: a model directory, opened, counted and named; texts in, vectors out.
 *
 * Texts are taken in slices of bounded size: as many as have SLICE_TOKENS tokens together (one
 * text at least), so that memory does not grow with the batch.
 *
 * The fingerprint says what the numbers depend on:
 *
 *   all-MiniLM-L6-v2/384/mean/l2/53aa51172d142c89/6e1f0a52
 *   directory's name │   │    │  │                └ tokenizer, limits and sizes: 8 digits of
 * SHA-256 dimension   │    │  └ model.safetensors: the first 16 digits of its SHA-256 pooling    └
 * normalisation
 *
 * The digest of the weights takes longer than all the rest of opening (about 1 ms per megabyte
 * with the processor's help, 4 without), so it is made when somebody first asks for the name.
 *
 * Locking: an embedder does not change, except for the count of its owners (atomic) and the
 * fingerprint (under its mutex, once).
 */
#include "embed/embed.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"
#include "embed/encoder.h"
#include "embed/model_file.h"
#include "embed/wordpiece.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SLICE_TOKENS 2048
#define SPECIAL_TOKENS 2 /* [CLS] and [SEP] */
#define WEIGHTS_DIGITS 16
#define SETTINGS_DIGITS 8

struct rsi_embedder {
    atomic_size_t owners;
    rsi_encoder encoder;
    rsi_wordpiece wordpiece;
    pthread_mutex_t naming; /* guards named, and fingerprint until named is set */
    bool named;
    char *fingerprint; /* the weights' digits are blank until named is set */
    size_t weights_digits_at;
};

static void free_embedder(rsi_embedder *embedder)
{
    rsi_encoder_close(&embedder->encoder);
    rsi_wordpiece_free(&embedder->wordpiece);
    rsi_free(embedder->fingerprint);
    pthread_mutex_destroy(&embedder->naming);
    rsi_free(embedder);
}

/* Each id that can come out of the tokenizer must have a row in the table of words. */
static int check_ids(const rsi_embedder *embedder)
{
    const rsi_wordpiece *wordpiece = &embedder->wordpiece;
    size_t rows = embedder->encoder.config.vocabulary;
    bool fits = wordpiece->vocabulary.count <= rows;
    for (size_t i = 0; i < wordpiece->added_count; i++)
        fits = fits && (size_t)wordpiece->added[i].id < rows;
    return fits ? RAGSTORE_OK
                : rsi_fail(RAGSTORE_E_INVALID_DATA, "embed",
                           "the vocabulary has ids beyond the model's %zu rows", rows);
}

/* Eight digits for all that decides about vectors beside the weights. */
static void digest_settings(const rsi_embedder *embedder, char hex[RSI_SHA256_HEX])
{
    const rsi_bert_config *config = &embedder->encoder.config;
    char sizes[160];
    rsi_sha256 sha;
    rsi_sha256_begin(&sha);
    rsi_wordpiece_digest(&embedder->wordpiece, &sha);
    uint32_t epsilon;
    memcpy(&epsilon, &config->norm_epsilon, sizeof epsilon);
    int length = snprintf(sizes, sizeof sizes, "layers %zu heads %zu tokens %zu epsilon %08x",
                          config->layers, config->heads, config->max_tokens, (unsigned)epsilon);
    rsi_sha256_add(&sha, sizes, (size_t)length);
    rsi_sha256_end_hex(&sha, hex);
}

static int begin_fingerprint(rsi_embedder *embedder, const char *directory)
{
    const rsi_bert_config *config = &embedder->encoder.config;
    char settings[RSI_SHA256_HEX];
    char *name = NULL;
    rsi_bytes text = {0};
    int status = rsi_model_directory_name(&name, directory);
    if (status != RAGSTORE_OK)
        return status;
    digest_settings(embedder, settings);
    rsi_bytes_printf(&text, "%s/%zu/%s/l2/", name, config->hidden,
                     config->pooling == RSI_POOLING_CLS ? "cls" : "mean");
    embedder->weights_digits_at = text.size;
    rsi_bytes_printf(&text, "%*s/%.*s", WEIGHTS_DIGITS, "", SETTINGS_DIGITS, settings);
    status = rsi_bytes_status(&text);
    embedder->fingerprint = rsi_bytes_take(&text, NULL);
    rsi_free(name);
    return status;
}

int rsi_embedder_open_model(rsi_embedder **out, const char *directory)
{
    *out = NULL;
    rsi_embedder *embedder = rsi_alloc_zeroed(sizeof *embedder);
    if (embedder == NULL)
        return RAGSTORE_E_NO_MEMORY;
    atomic_init(&embedder->owners, 1);
    pthread_mutex_init(&embedder->naming, NULL); /* cannot fail with default attributes */
    int status = rsi_encoder_open(&embedder->encoder, directory);
    if (status == RAGSTORE_OK)
        status = rsi_wordpiece_open(&embedder->wordpiece, directory);
    if (status == RAGSTORE_OK)
        status = check_ids(embedder);
    if (status == RAGSTORE_OK)
        status = begin_fingerprint(embedder, directory);
    if (status != RAGSTORE_OK) {
        free_embedder(embedder);
        return rsi_wrap(status, "open model %s", directory);
    }
    *out = embedder;
    return RAGSTORE_OK;
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
        free_embedder(embedder);
}

uint32_t rsi_embedder_dimension(const rsi_embedder *embedder)
{
    return (uint32_t)embedder->encoder.config.hidden;
}

uint32_t rsi_embedder_max_tokens(const rsi_embedder *embedder)
{
    return (uint32_t)embedder->encoder.config.max_tokens;
}

const char *rsi_embedder_fingerprint(const rsi_embedder *embedder)
{
    rsi_embedder *self = (rsi_embedder *)embedder; /* every embedder is made by us, and writable */
    pthread_mutex_lock(&self->naming);
    if (!self->named) {
        char hex[RSI_SHA256_HEX];
        rsi_sha256_hex(self->encoder.weights.file.data, self->encoder.weights.file.size, hex);
        memcpy(self->fingerprint + self->weights_digits_at, hex, WEIGHTS_DIGITS);
        self->named = true;
    }
    pthread_mutex_unlock(&self->naming);
    return self->fingerprint;
}

static int check_text(const char *text, size_t size)
{
    size_t bad;
    if (!rsi_utf8_valid(text, size, &bad))
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "embed", "the text is not UTF-8 at byte %zu", bad);
    return RAGSTORE_OK;
}

int rsi_embedder_count_tokens(size_t *count, const rsi_embedder *embedder, const char *text,
                              size_t size)
{
    *count = 0;
    int status = check_text(text, size);
    if (status != RAGSTORE_OK)
        return status;
    rsi_token_list list = {0};
    rsi_wordpiece_run(&embedder->wordpiece, &list, text, size);
    *count = list.count;
    return RAGSTORE_OK;
}

/* [CLS], the text's ids as far as they fit, [SEP]. `uncut` may be NULL, which saves reading a long
 * text to its end. */
static size_t frame(int32_t *ids, size_t *uncut, const rsi_embedder *embedder, const char *text,
                    size_t size)
{
    size_t room = embedder->encoder.config.max_tokens - SPECIAL_TOKENS;
    rsi_token_list list = {.ids = ids + 1, .capacity = room, .only_first = uncut == NULL};
    rsi_wordpiece_run(&embedder->wordpiece, &list, text, size);
    if (uncut != NULL)
        *uncut = list.count + SPECIAL_TOKENS;
    size_t kept = list.count < room ? list.count : room;
    ids[0] = embedder->wordpiece.begin;
    ids[kept + 1] = embedder->wordpiece.end;
    return kept + SPECIAL_TOKENS;
}

int rsi_embedder_tokenize(int32_t *ids, size_t *count, size_t *uncut, const rsi_embedder *embedder,
                          const char *text, size_t size)
{
    *count = 0;
    if (uncut != NULL)
        *uncut = 0;
    int status = check_text(text, size);
    if (status == RAGSTORE_OK)
        *count = frame(ids, uncut, embedder, text, size);
    return status;
}

/* Tokenize texts from the front until a slice is full; returns how many. */
static size_t fill_slice(int32_t *ids, size_t *lengths, const rsi_embedder *embedder,
                         const rsi_slice *texts, size_t count)
{
    size_t taken = 0, tokens = 0;
    while (taken < count && (taken == 0 || tokens < SLICE_TOKENS)) {
        lengths[taken] = frame(ids + tokens, NULL, embedder, texts[taken].data, texts[taken].size);
        tokens += lengths[taken++];
    }
    return taken;
}

int rsi_embedder_embed(float *vectors, const rsi_embedder *embedder, const rsi_slice *texts,
                       size_t count)
{
    const rsi_bert_config *config = &embedder->encoder.config;
    size_t most_texts =
        count < SLICE_TOKENS / SPECIAL_TOKENS ? count : SLICE_TOKENS / SPECIAL_TOKENS;
    int status = RAGSTORE_OK;
    for (size_t i = 0; i < count && status == RAGSTORE_OK; i++)
        status = rsi_wrap(check_text(texts[i].data, texts[i].size), "text %zu", i);
    if (status != RAGSTORE_OK || count == 0)
        return status;
    /* The text that fills a slice may bring as many tokens again as a text can have. */
    int32_t *ids = rsi_alloc_array(SLICE_TOKENS + config->max_tokens, sizeof *ids);
    size_t *lengths = rsi_alloc_array(most_texts, sizeof *lengths);
    if (ids == NULL || lengths == NULL) {
        status = RAGSTORE_E_NO_MEMORY;
        goto cleanup;
    }
    for (size_t done = 0; done < count && status == RAGSTORE_OK;) {
        size_t taken = fill_slice(ids, lengths, embedder, texts + done, count - done);
        status = rsi_encoder_run(&embedder->encoder, vectors + done * config->hidden, ids, lengths,
                                 taken);
        done += taken;
    }
cleanup:
    rsi_free(ids);
    rsi_free(lengths);
    return status;
}
