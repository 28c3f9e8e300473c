/*
 * The embedder of a model directory: opened and named; texts in, vectors out.
 *
 * The fingerprint says what the numbers depend on:
 *
 *   all-MiniLM-L6-v2/384/mean/l2/53aa51172d142c89/6e1f0a52
 *   │                │   │    │  │                └ tokenizer, limits, sizes, prompts: 8 digits
 *   │                │   │    │  └ model.safetensors: 16 digits of its SHA-256
 *   │                │   │    └ normalisation
 *   │                │   └ pooling
 *   directory's name └ dimension
 *
 * and ends in "/int8" or "/int16" where somebody asked for that. The usual precision is not named,
 * though it may be 16-bit integers: so vectors made on one machine, or by an earlier version, go on
 * being searched on another. Their cosine with those in floats is above 0.999999, no less than that of
 * two libraries which compute in floats.
 *
 * The digest of the weights takes longer than all the rest of opening (about 1 ms per megabyte
 * with the processor's help, 4 without), so it is made when somebody first asks for the name.
 *
 * Locking: an embedder does not change, except for the count of its owners (embed.c), the fingerprint
 * (under its mutex, once) and the team, which one call has at a time.
 */
#include "embed/embed.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"
#include "embed/batch.h"
#include "embed/embedder_kind.h"
#include "embed/encoder.h"
#include "embed/model_file.h"
#include "embed/prompts.h"
#include "embed/team.h"
#include "embed/wordpiece.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TEXTS_AT_ONCE 32 /* between two reports of progress */
#define WEIGHTS_DIGITS 16
#define SETTINGS_DIGITS 8

typedef struct model_embedder {
    rsi_embedder base;
    rsi_encoder encoder;
    rsi_wordpiece wordpiece;
    rsi_prompts prompts;
    size_t prompt_tokens[2]; /* by role */
    rsi_precision precision; /* that was asked for */
    size_t threads;          /* that a call may use */
    rsi_team team;           /* of those, for a call that is short */
    pthread_mutex_t naming; /* guards named, and fingerprint until named is set */
    bool named;
    char *fingerprint; /* the weights' digits are blank until named is set */
    size_t weights_digits_at;
} model_embedder;

static const model_embedder *model_of(const rsi_embedder *embedder)
{
    return (const model_embedder *)(const void *)embedder;
}

static void free_model(rsi_embedder *base)
{
    model_embedder *embedder = (model_embedder *)(void *)base;
    rsi_team_close(&embedder->team);
    rsi_encoder_close(&embedder->encoder);
    rsi_wordpiece_free(&embedder->wordpiece);
    rsi_prompts_free(&embedder->prompts);
    rsi_free(embedder->fingerprint);
    pthread_mutex_destroy(&embedder->naming);
    rsi_free(embedder);
}

/* Each id that can come out of the tokenizer must have a row in the table of words. */
static int check_ids(const model_embedder *embedder)
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

static const char *prompt_of(const model_embedder *embedder, rsi_embed_role role)
{
    return role == RSI_EMBED_QUERY ? embedder->prompts.query : embedder->prompts.document;
}

/* A prompt must leave room for the text. */
static int count_prompts(model_embedder *embedder)
{
    const size_t limit = embedder->encoder.config.max_tokens;
    for (rsi_embed_role role = RSI_EMBED_DOCUMENT; role <= RSI_EMBED_QUERY; role++) {
        const char *prompt = prompt_of(embedder, role);
        rsi_token_list list = {0};
        rsi_wordpiece_run(&embedder->wordpiece, &list, prompt, strlen(prompt));
        if (list.count > 0 && list.count > limit / 2)
            return rsi_fail(RAGSTORE_E_INVALID_DATA, "embed",
                            "the prompt for a %s has %zu tokens; the model takes %zu with the text",
                            role == RSI_EMBED_QUERY ? "query" : "document", list.count, limit);
        embedder->prompt_tokens[role] = list.count;
    }
    return RAGSTORE_OK;
}

/* Eight digits for all that decides about vectors beside the weights. */
static void digest_settings(const model_embedder *embedder, char hex[RSI_SHA256_HEX])
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
    for (rsi_embed_role role = RSI_EMBED_DOCUMENT; role <= RSI_EMBED_QUERY; role++) {
        const char *prompt = prompt_of(embedder, role);
        if (prompt[0] != '\0') { /* models without prompts keep the name that they had */
            const char *name = role == RSI_EMBED_QUERY ? " query " : " document ";
            rsi_sha256_add(&sha, name, strlen(name));
            rsi_sha256_add(&sha, prompt, strlen(prompt) + 1);
        }
    }
    rsi_sha256_end_hex(&sha, hex);
}

static const char *precision_suffix(rsi_precision precision)
{
    return precision == RSI_PRECISION_INT8    ? "/int8"
           : precision == RSI_PRECISION_INT16 ? "/int16"
                                              : "";
}

static int begin_fingerprint(model_embedder *embedder, const char *directory)
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
    rsi_bytes_printf(&text, "%*s/%.*s%s", WEIGHTS_DIGITS, "", SETTINGS_DIGITS, settings,
                     precision_suffix(embedder->precision));
    status = rsi_bytes_status(&text);
    embedder->fingerprint = rsi_bytes_take(&text, NULL);
    rsi_free(name);
    return status;
}

static const char *name_model(const rsi_embedder *embedder)
{
    /* every one is made by us: writable */
    model_embedder *self = (model_embedder *)(uintptr_t)embedder;
    pthread_mutex_lock(&self->naming);
    if (!self->named) {
        char hex[RSI_SHA256_HEX];
        const rsi_model_file *file = &self->encoder.weights.file;
        rsi_sha256_hex(file->data, file->size, hex);
        rsi_model_file_let_go(file->data, file->size); /* what is used of it comes back */
        memcpy(self->fingerprint + self->weights_digits_at, hex, WEIGHTS_DIGITS);
        self->named = true;
    }
    pthread_mutex_unlock(&self->naming);
    return self->fingerprint;
}

static int count_model_tokens(size_t *count, const rsi_embedder *embedder, const char *text,
                              size_t size)
{
    rsi_token_list list = {0};
    rsi_wordpiece_run(&model_of(embedder)->wordpiece, &list, text, size);
    *count = list.count;
    return RAGSTORE_OK;
}

static int tokenize_for_model(int32_t *ids, size_t *count, size_t *uncut,
                              const rsi_embedder *embedder, const char *text, size_t size)
{
    *count = rsi_wordpiece_frame(&model_of(embedder)->wordpiece, ids, uncut, embedder->max_tokens,
                                 text, size);
    return RAGSTORE_OK;
}

static int embed_by_model(float *vectors, const rsi_embedder *base, rsi_embed_role role,
                          const rsi_slice *texts, size_t count)
{
    /* every one is made by us: writable */
    model_embedder *embedder = (model_embedder *)(uintptr_t)base;
    const rsi_batch batch = {.encoder = &embedder->encoder,
                             .wordpiece = &embedder->wordpiece,
                             .prompt = prompt_of(embedder, role),
                             .team = &embedder->team,
                             .texts = texts,
                             .count = count,
                             .vectors = vectors};
    return rsi_batch_run(&batch, embedder->threads);
}

static const rsi_embedder_kind model_kind = {
    .free = free_model,
    .fingerprint = name_model,
    .count_tokens = count_model_tokens,
    .tokenize = tokenize_for_model,
    .embed = embed_by_model,
};

static void set_limits(model_embedder *embedder)
{
    const rsi_bert_config *config = &embedder->encoder.config;
    const size_t taken = RSI_SPECIAL_TOKENS + embedder->prompt_tokens[RSI_EMBED_DOCUMENT];
    embedder->base.dimension = (uint32_t)config->hidden;
    embedder->base.max_tokens = (uint32_t)config->max_tokens;
    embedder->base.document_tokens = (uint32_t)(config->max_tokens - taken);
    embedder->base.batch = TEXTS_AT_ONCE;
}

int rsi_embedder_open_model(rsi_embedder **out, const char *directory,
                            const rsi_model_options *options)
{
    static const rsi_model_options defaults = {0};
    *out = NULL;
    options = options == NULL ? &defaults : options;
    model_embedder *embedder = rsi_alloc_zeroed(sizeof *embedder);
    if (embedder == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rsi_embedder_init(&embedder->base, &model_kind);
    pthread_mutex_init(&embedder->naming, NULL); /* cannot fail with default attributes */
    embedder->precision = options->precision;
    embedder->threads = options->threads > 0 ? options->threads : rsi_batch_threads();
    rsi_team_open(&embedder->team, embedder->threads);
    int status = rsi_encoder_open(&embedder->encoder, directory, options->precision);
    if (status == RAGSTORE_OK)
        status = rsi_wordpiece_open(&embedder->wordpiece, directory);
    if (status == RAGSTORE_OK)
        status = check_ids(embedder);
    if (status == RAGSTORE_OK)
        status = rsi_prompts_read(&embedder->prompts, directory, options->query_prompt,
                                  options->document_prompt);
    if (status == RAGSTORE_OK)
        status = count_prompts(embedder);
    if (status == RAGSTORE_OK)
        status = begin_fingerprint(embedder, directory);
    if (status != RAGSTORE_OK) {
        free_model(&embedder->base);
        return rsi_wrap(status, "open model %s", directory);
    }
    set_limits(embedder);
    *out = &embedder->base;
    return RAGSTORE_OK;
}
