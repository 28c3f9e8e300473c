/* Embedding models. */
#include "api/handles.h"

#include "base/memory.h"
#include "base/status.h"
#include "embed/batch.h"
#include "embed/model_locate.h"

#include <stdint.h>
#include <string.h>

#define MODEL_TEXTS_MAX 65536

_Static_assert(RAGSTORE_MODEL_THREADS_MAX == RSI_BATCH_THREADS_MAX, "one limit");

int ragstore_model_locate(ragstore_buffer **out)
{
    rsi_bytes path = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_model_locate(&path);
    if (status == RAGSTORE_OK)
        status = rsi_buffer_from(out, &path);
    rsi_bytes_free(&path);
    return status;
}

/* The options as embed/ has them. */
static int convert(rsi_model_options *out, const ragstore_model_open_options *options,
                   const char *function)
{
    static const rsi_precision precisions[] = {
        [0] = RSI_PRECISION_USUAL,
        [RAGSTORE_PRECISION_FLOAT32] = RSI_PRECISION_FLOAT32,
        [RAGSTORE_PRECISION_INT8] = RSI_PRECISION_INT8,
        [RAGSTORE_PRECISION_INT16] = RSI_PRECISION_INT16,
    };
    ragstore_model_open_options given;
    int status = rsi_take_options(&given, sizeof given, options, function);
    if (status != RAGSTORE_OK)
        return status;
    if (given.threads > RAGSTORE_MODEL_THREADS_MAX)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: %u threads; at most %u", function,
                        given.threads, RAGSTORE_MODEL_THREADS_MAX);
    if (given.precision >= sizeof precisions / sizeof precisions[0])
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: precision %u is unknown", function,
                        given.precision);
    out->threads = given.threads;
    out->precision = precisions[given.precision];
    out->query_prompt = given.query_prompt;
    out->document_prompt = given.document_prompt;
    return RAGSTORE_OK;
}

static int open_model(ragstore_model **out, const char *path,
                      const ragstore_model_open_options *options, const char *function)
{
    rsi_model_options converted = {0};
    int status = rsi_clear_out(out, function);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(path, function, "path");
    if (status == RAGSTORE_OK)
        status = convert(&converted, options, function);
    if (status != RAGSTORE_OK)
        return status;
    ragstore_model *model = rsi_alloc_zeroed(sizeof *model);
    if (model == NULL)
        return RAGSTORE_E_NO_MEMORY;
    status = rsi_embedder_open_model(&model->embedder, path, &converted);
    if (status != RAGSTORE_OK) {
        rsi_free(model);
        return status;
    }
    model->magic = RSI_MAGIC_MODEL;
    *out = model;
    return RAGSTORE_OK;
}

int ragstore_model_open(ragstore_model **out, const char *path)
{
    return open_model(out, path, NULL, __func__);
}

int ragstore_model_open_with(ragstore_model **out, const char *path,
                             const ragstore_model_open_options *options)
{
    return open_model(out, path, options, __func__);
}

static int make_model(ragstore_model **out, rsi_embedder *embedder)
{
    ragstore_model *model = rsi_alloc_zeroed(sizeof *model);
    if (model == NULL)
        return RAGSTORE_E_NO_MEMORY;
    model->embedder = embedder;
    model->magic = RSI_MAGIC_MODEL;
    *out = model;
    return RAGSTORE_OK;
}

int ragstore_model_open_callback(ragstore_model **out,
                                 const ragstore_model_callback_options *options)
{
    ragstore_model_callback_options given;
    rsi_embedder *embedder;
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(options, __func__, "options");
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_reserved(given.reserved, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_embedder_callback callback = {.fingerprint = given.fingerprint,
                                      .dimension = given.dimension,
                                      .batch = given.batch_size,
                                      .max_tokens = given.max_tokens,
                                      .embed = given.embed,
                                      .user = given.user};
    status = rsi_embedder_open_callback(&embedder, &callback);
    if (status == RAGSTORE_OK)
        status = make_model(out, embedder);
    if (status == RAGSTORE_OK) /* from here on it will be called */
        rsi_embedder_set_release(embedder, given.release);
    else
        rsi_embedder_release(embedder);
    return status;
}

int ragstore_model_open_hashing(ragstore_model **out, uint32_t dimension)
{
    rsi_embedder *embedder;
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_embedder_open_hashing(&embedder, dimension);
    if (status != RAGSTORE_OK)
        return status;
    status = make_model(out, embedder);
    if (status != RAGSTORE_OK)
        rsi_embedder_release(embedder);
    return status;
}

static bool is_model(const ragstore_model *model, const char *function)
{
    return rsi_check_handle(model, RSI_MAGIC_MODEL, function) == RAGSTORE_OK;
}

uint32_t ragstore_model_dimension(const ragstore_model *model)
{
    return is_model(model, __func__) ? rsi_embedder_dimension(model->embedder) : 0;
}

const char *ragstore_model_fingerprint(const ragstore_model *model)
{
    return is_model(model, __func__) ? rsi_embedder_fingerprint(model->embedder) : NULL;
}

int ragstore_model_tokenize(int32_t *ids, size_t *count, size_t *uncut_count,
                            ragstore_model *model, size_t capacity, const char *text, size_t size)
{
    int status = rsi_check_not_null(count, __func__, "count");
    if (status != RAGSTORE_OK)
        return status;
    *count = 0;
    if (uncut_count != NULL)
        *uncut_count = 0;
    status = rsi_check_handle(model, RSI_MAGIC_MODEL, __func__);
    if (status == RAGSTORE_OK && capacity > 0)
        status = rsi_check_not_null(ids, __func__, "ids");
    if (status == RAGSTORE_OK && size > 0)
        status = rsi_check_not_null(text, __func__, "text");
    if (status != RAGSTORE_OK)
        return status;
    int32_t *all = rsi_alloc_array(rsi_embedder_max_tokens(model->embedder), sizeof *all);
    if (all == NULL)
        return RAGSTORE_E_NO_MEMORY;
    status = rsi_embedder_tokenize(all, count, uncut_count, model->embedder,
                                   size == 0 ? "" : text, size);
    if (status == RAGSTORE_OK && capacity > 0)
        memcpy(ids, all, (*count < capacity ? *count : capacity) * sizeof *ids);
    rsi_free(all);
    return status;
}

static int embed(float *vectors, ragstore_model *model, rsi_embed_role role,
                 const char *const *texts, size_t count, const char *function)
{
    int status = rsi_check_handle(model, RSI_MAGIC_MODEL, function);
    if (status == RAGSTORE_OK && count > 0)
        status = rsi_check_not_null(vectors, function, "vectors");
    if (status == RAGSTORE_OK && count > 0)
        status = rsi_check_not_null(texts, function, "texts");
    if (status == RAGSTORE_OK && count > MODEL_TEXTS_MAX)
        status = rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: %zu texts; at most %d", function,
                          count, MODEL_TEXTS_MAX);
    if (status != RAGSTORE_OK || count == 0)
        return status;
    rsi_slice *slices = rsi_alloc_array(count, sizeof *slices);
    if (slices == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        status = rsi_check_not_null(texts[i], function, "one of texts");
        if (status == RAGSTORE_OK)
            slices[i] = rsi_slice_of(texts[i]);
    }
    if (status == RAGSTORE_OK)
        status = rsi_embedder_embed(vectors, model->embedder, role, slices, count);
    rsi_free(slices);
    return status;
}

int ragstore_model_embed(float *vectors, ragstore_model *model, const char *const *texts,
                         size_t count)
{
    return embed(vectors, model, RSI_EMBED_DOCUMENT, texts, count, __func__);
}

int ragstore_model_embed_queries(float *vectors, ragstore_model *model, const char *const *texts,
                                 size_t count)
{
    return embed(vectors, model, RSI_EMBED_QUERY, texts, count, __func__);
}

void ragstore_model_free(ragstore_model *model)
{
    if (model == NULL || !is_model(model, __func__))
        return;
    model->magic = RSI_MAGIC_FREED;
    rsi_embedder_release(model->embedder);
    rsi_free(model);
}
