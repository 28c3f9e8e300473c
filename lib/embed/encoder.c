/*
 * The transformer: from token ids to vectors.
 *
 * The sequences of a batch are packed without padding: their tokens are the rows of one matrix,
 * so that each weight is multiplied with all of them at once, and only attention looks at
 * sequences one by one.
 *
 *   ids      [ 101 … 102 | 101 … 102 | 101 … 102 ]       lengths: 7, 12, 5
 *   x        [ tokens × hidden                   ]       one row per id
 *
 *   x = norm(word + position + type)
 *   each layer:  q, k, v = x · Wqkv'                     by blocks of rows
 *                context = softmax(q · k') · v           by sequence and head
 *                x = norm(x + context · Wo')             by blocks of rows, which stay in the
 *                x = norm(x + gelu(x · Wi') · Wd')       cache from here to the end of the layer
 *   vector = mean of a sequence's rows (or its first row), divided by its length
 *
 * The scores' division by sqrt(head size) is in Wq. What a row becomes depends on its sequence
 * alone: a text has the same vector, to the last bit, in any batch and at any place of it.
 *
 * With RSI_PRECISION_INT8 or _INT16 the weights, and what they are multiplied with, are whole
 * numbers of 8 or 16 bits (integer_product.h); all else is the same, in 32-bit floats.
 *
 * The weights are packed for the processor (dense.h) by the first run, not when the model is
 * opened: a program that only counts tokens does not wait for it.
 *
 * The caller bounds the tokens of a batch, and so the memory of a run. Each run has its own:
 * any number of threads may run one encoder at once.
 */
#include "embed/encoder.h"

#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <string.h>

#define BLOCK_ROWS RSI_PRODUCT_ROWS

typedef struct pass {
    const rsi_encoder *encoder;
    const int32_t *ids;
    const size_t *lengths;
    size_t count;      /* sequences */
    size_t tokens;     /* of all of them */
    size_t longest;    /* sequence */
    size_t block_rows; /* of the blocks: at most BLOCK_ROWS */
    float *memory;     /* owned; holds all that follow */
    float *x;          /* tokens × hidden */
    float *mixed;      /* tokens × 3 hidden: queries, keys and values of a token side by side */
    float *context;    /* tokens × hidden */
    float *wide;       /* block × intermediate */
    float *narrow;     /* block × hidden */
    float *scores;     /* block × longest, */
    float *keys;       /* packed for products, of one head and sequence */
    float *values;
    float *scratch; /* of products */
} pass;

static const rsi_integer_kernel *integer_kernel(rsi_precision precision)
{
    switch (precision) {
    case RSI_PRECISION_INT8:
        return rsi_int8_kernel_best();
    case RSI_PRECISION_INT16:
        return rsi_int16_kernel_best();
    case RSI_PRECISION_FLOAT32:
        break;
    }
    return NULL;
}

int rsi_encoder_open(rsi_encoder *out, const char *directory, rsi_precision precision)
{
    memset(out, 0, sizeof *out);
    pthread_mutex_init(&out->packing, NULL); /* cannot fail with default attributes */
    atomic_init(&out->packed, false);
    out->precision = precision;
    out->kernels = (rsi_dense_kernels){rsi_product_kernel_best(), integer_kernel(precision),
                                       rsi_kernels_choose()};
    int status = rsi_bert_config_read(&out->config, directory);
    if (status == RAGSTORE_OK)
        status = rsi_weights_open(&out->weights, &out->config, directory);
    if (status == RAGSTORE_OK) {
        out->layers = rsi_alloc_array(out->config.layers, sizeof *out->layers);
        status = out->layers == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    }
    return status;
}

void rsi_encoder_close(rsi_encoder *encoder)
{
    rsi_free(encoder->layers);
    rsi_free(encoder->packed_block);
    rsi_weights_close(&encoder->weights);
    pthread_mutex_destroy(&encoder->packing);
}

/* ---- packing ---- */

/* A step of all layers that is packed next. */
static int pack_step(rsi_dense *out, char **place, const rsi_dense_part *parts, size_t count,
                     rsi_precision precision)
{
    const int status = rsi_dense_make(out, *place, parts, count, precision);
    *place += rsi_dense_size(out->outputs, out->inputs, precision);
    return status;
}

static int pack_layer(rsi_encoder_layer *out, char **place, const rsi_bert_layer *layer,
                      const rsi_encoder *encoder)
{
    const rsi_precision precision = encoder->precision;
    const size_t head = encoder->config.hidden / encoder->config.heads;
    const float scale = 1.0f / sqrtf((float)head);
    const rsi_dense_part mixed[] = {{&layer->query, scale}, {&layer->key, 1}, {&layer->value, 1}};
    const rsi_dense_part attended = {&layer->attention_output, 1};
    const rsi_dense_part wide = {&layer->intermediate, 1}, narrow = {&layer->output, 1};
    int status = pack_step(&out->mixed, place, mixed, 3, precision);
    if (status == RAGSTORE_OK)
        status = pack_step(&out->attended, place, &attended, 1, precision);
    if (status == RAGSTORE_OK)
        status = pack_step(&out->wide, place, &wide, 1, precision);
    if (status == RAGSTORE_OK)
        status = pack_step(&out->narrow, place, &narrow, 1, precision);
    return status;
}

/* Bytes of all layers; false when that is more than a size can say. */
static bool packed_size(size_t *bytes, const rsi_encoder *encoder)
{
    const size_t hidden = encoder->config.hidden, intermediate = encoder->config.intermediate;
    const size_t steps[] = {
        rsi_dense_size(3 * hidden, hidden, encoder->precision),
        rsi_dense_size(hidden, hidden, encoder->precision),
        rsi_dense_size(intermediate, hidden, encoder->precision),
        rsi_dense_size(hidden, intermediate, encoder->precision),
    };
    size_t layer = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (steps[i] == 0 || !rsi_add_size(layer, steps[i], &layer))
            return false;
    return rsi_mul_size(layer, encoder->config.layers, bytes);
}

/* A run that had no memory leaves it to the next one. All layers lie in one block, in the order in
 * which they are read: while one step is done, the next comes from memory. */
static int pack_locked(rsi_encoder *encoder)
{
    void *block;
    size_t bytes;
    if (!packed_size(&bytes, encoder))
        return rsi_fail_no_memory();
    char *place = rsi_alloc_streamed(&block, bytes);
    int status = place == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    for (size_t i = 0; i < encoder->config.layers && status == RAGSTORE_OK; i++)
        status = pack_layer(&encoder->layers[i], &place, &encoder->weights.layers[i], encoder);
    if (status != RAGSTORE_OK) {
        rsi_free(block);
        return status;
    }
    encoder->packed_block = block;
    atomic_store_explicit(&encoder->packed, true, memory_order_release);
    return RAGSTORE_OK;
}

static int pack_once(const rsi_encoder *encoder)
{
    rsi_encoder *self = (rsi_encoder *)encoder; /* every encoder is made by us, and writable */
    if (atomic_load_explicit(&self->packed, memory_order_acquire))
        return RAGSTORE_OK;
    pthread_mutex_lock(&self->packing);
    int status = atomic_load(&self->packed) ? RAGSTORE_OK : pack_locked(self);
    pthread_mutex_unlock(&self->packing);
    return status;
}

/* ---- a run ---- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Add rows × columns floats to *floats; false when that is more than a size can say. */
static bool add_matrix(size_t *floats, size_t rows, size_t columns)
{
    size_t size;
    return rsi_mul_size(rows, columns, &size) && rsi_add_size(*floats, size, floats);
}

static int begin_run(pass *run)
{
    const rsi_bert_config *config = &run->encoder->config;
    const size_t head = config->hidden / config->heads;
    for (size_t i = 0; i < run->count; i++) {
        run->tokens += run->lengths[i];
        run->longest = run->lengths[i] > run->longest ? run->lengths[i] : run->longest;
    }
    run->block_rows = smaller(run->tokens, BLOCK_ROWS);
    const size_t keys = rsi_product_packed_size(run->longest, head);
    const size_t values = rsi_product_packed_size(head, run->longest);
    const size_t scratch = rsi_dense_scratch(
        config->intermediate > config->hidden ? config->intermediate : config->hidden);
    size_t floats = scratch, bytes;
    if (!add_matrix(&floats, run->tokens, config->hidden) ||
        !add_matrix(&floats, run->tokens, 3 * config->hidden) ||
        !add_matrix(&floats, run->tokens, config->hidden) ||
        !add_matrix(&floats, run->block_rows, config->intermediate) ||
        !add_matrix(&floats, run->block_rows, config->hidden) ||
        !add_matrix(&floats, run->block_rows, run->longest) || keys == 0 || values == 0 ||
        !rsi_add_size(floats, keys, &floats) || !rsi_add_size(floats, values, &floats) ||
        !rsi_mul_size(floats, sizeof(float), &bytes))
        return rsi_fail_no_memory();
    run->memory = rsi_alloc(bytes);
    if (run->memory == NULL)
        return RAGSTORE_E_NO_MEMORY;
    run->scratch = run->memory;
    run->x = run->scratch + scratch;
    run->mixed = run->x + run->tokens * config->hidden;
    run->context = run->mixed + run->tokens * 3 * config->hidden;
    run->wide = run->context + run->tokens * config->hidden;
    run->narrow = run->wide + run->block_rows * config->intermediate;
    run->scores = run->narrow + run->block_rows * config->hidden;
    run->keys = run->scores + run->block_rows * run->longest;
    run->values = run->keys + keys;
    return RAGSTORE_OK;
}

static void apply(const pass *run, const rsi_dense *dense, float *out, const float *in, size_t rows,
                  const float *bias)
{
    rsi_dense_apply(dense, &run->encoder->kernels, run->scratch, out, in, rows, bias);
}

static void embed_tokens(const pass *run)
{
    const rsi_weights *weights = &run->encoder->weights;
    const rsi_bert_config *config = &run->encoder->config;
    size_t row = 0;
    for (size_t s = 0; s < run->count; s++) {
        for (size_t i = 0; i < run->lengths[s]; i++, row++) {
            const float *word = weights->words + (size_t)run->ids[row] * config->hidden;
            memcpy(run->x + row * config->hidden, word, config->hidden * sizeof *word);
            memcpy(run->context + row * config->hidden, weights->positions + i * config->hidden,
                   config->hidden * sizeof *word);
        }
    }
    run->encoder->kernels.steps->add_norm(
        run->x, run->context, weights->types, weights->embedding_norm.scale,
        weights->embedding_norm.shift, config->norm_epsilon, run->tokens, config->hidden);
}

/* Attention of one head within the sequence whose rows begin at `first`. */
static void attend_head(const pass *run, size_t first, size_t length, size_t head)
{
    const rsi_bert_config *config = &run->encoder->config;
    const rsi_product_kernel *products = run->encoder->kernels.products;
    const size_t hidden = config->hidden, size = hidden / config->heads, stride = 3 * hidden;
    const float *queries = run->mixed + first * stride + head * size;
    float *context = run->context + first * hidden + head * size;
    rsi_product_pack(run->keys, queries + hidden, length, size, stride);
    rsi_product_pack_turned(run->values, queries + 2 * hidden, size, length, stride);
    for (size_t from = 0; from < length; from += BLOCK_ROWS) {
        const size_t rows = smaller(length - from, BLOCK_ROWS);
        rsi_product(products, run->scratch, run->scores, length, queries + from * stride, stride,
                    rows, run->keys, NULL, length, size);
        run->encoder->kernels.steps->softmax(run->scores, rows, length, length);
        rsi_product(products, run->scratch, context + from * hidden, hidden, run->scores, length,
                    rows, run->values, NULL, size, length);
    }
}

static void attend(const pass *run)
{
    size_t first = 0;
    for (size_t s = 0; s < run->count; s++) {
        for (size_t head = 0; head < run->encoder->config.heads; head++)
            attend_head(run, first, run->lengths[s], head);
        first += run->lengths[s];
    }
}

/* Rows from `from` on, behind the attention: x = norm(x + …), twice. */
static void finish_block(const pass *run, size_t number, size_t from, size_t rows)
{
    const rsi_bert_config *config = &run->encoder->config;
    const rsi_encoder_layer *layer = &run->encoder->layers[number];
    const rsi_bert_layer *weights = &run->encoder->weights.layers[number];
    const rsi_kernels *kernels = run->encoder->kernels.steps;
    const size_t hidden = config->hidden;
    float *x = run->x + from * hidden;
    apply(run, &layer->attended, run->narrow, run->context + from * hidden, rows, NULL);
    kernels->add_norm(x, run->narrow, layer->attended.bias, weights->attention_norm.scale,
                      weights->attention_norm.shift, config->norm_epsilon, rows, hidden);
    apply(run, &layer->wide, run->wide, x, rows, NULL);
    kernels->bias_gelu(run->wide, layer->wide.bias, rows, config->intermediate);
    apply(run, &layer->narrow, run->narrow, run->wide, rows, NULL);
    kernels->add_norm(x, run->narrow, layer->narrow.bias, weights->output_norm.scale,
                      weights->output_norm.shift, config->norm_epsilon, rows, hidden);
}

static void run_layer(const pass *run, size_t number)
{
    const size_t hidden = run->encoder->config.hidden;
    const rsi_dense *mixed = &run->encoder->layers[number].mixed;
    for (size_t from = 0; from < run->tokens; from += BLOCK_ROWS)
        apply(run, mixed, run->mixed + from * 3 * hidden, run->x + from * hidden,
              smaller(run->tokens - from, BLOCK_ROWS), mixed->bias);
    attend(run);
    for (size_t from = 0; from < run->tokens; from += BLOCK_ROWS)
        finish_block(run, number, from, smaller(run->tokens - from, BLOCK_ROWS));
}

/* The vector of a sequence from its rows; false when it is not finite. */
static bool pool(const pass *run, float *vector, const float *rows, size_t length)
{
    const rsi_bert_config *config = &run->encoder->config;
    const size_t used = config->pooling == RSI_POOLING_CLS ? 1 : length;
    memcpy(vector, rows, config->hidden * sizeof *vector);
    for (size_t r = 1; r < used; r++)
        for (size_t i = 0; i < config->hidden; i++)
            vector[i] += rows[r * config->hidden + i];
    double square = 0;
    for (size_t i = 0; i < config->hidden; i++)
        square += (double)vector[i] * vector[i];
    if (!isfinite(square) || square == 0)
        return false;
    float factor = (float)(1 / sqrt(square)); /* the mean's divisor falls out here */
    for (size_t i = 0; i < config->hidden; i++)
        vector[i] *= factor;
    return true;
}

int rsi_encoder_run(const rsi_encoder *encoder, float *vectors, const int32_t *ids,
                    const size_t *lengths, size_t count)
{
    pass run = {.encoder = encoder, .ids = ids, .lengths = lengths, .count = count};
    const rsi_bert_config *config = &encoder->config;
    if (count == 0)
        return RAGSTORE_OK;
    int status = pack_once(encoder);
    if (status == RAGSTORE_OK)
        status = begin_run(&run);
    if (status != RAGSTORE_OK)
        return status;
    embed_tokens(&run);
    for (size_t i = 0; i < config->layers; i++)
        run_layer(&run, i);
    size_t first = 0;
    for (size_t s = 0; s < count && status == RAGSTORE_OK; s++) {
        if (!pool(&run, vectors + s * config->hidden, run.x + first * config->hidden, lengths[s]))
            status = rsi_fail(RAGSTORE_E_INVALID_DATA, "embed",
                              "the model's weights give numbers that are not finite");
        first += lengths[s];
    }
    rsi_free(run.memory);
    return status;
}
