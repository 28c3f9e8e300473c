/*
 * The transformer: from token ids to vectors, in 32-bit floats.
 *
 * The sequences of a batch are packed without padding: their tokens are the rows of one matrix,
 * so that each weight is multiplied with all of them at once (BLAS), and only attention looks at
 * sequences one by one.
 *
 *   ids      [ 101 … 102 | 101 … 102 | 101 … 102 ]       lengths: 7, 12, 5
 *   x        [ tokens × hidden                   ]       one row per id
 *
 *   x = norm(word + position + type)
 *   each layer:  q, k, v = x · Wq', x · Wk', x · Wv'
 *                context = softmax(q · k' / sqrt(head size)) · v      by sequence and head
 *                x = norm(x + context · Wo')
 *                x = norm(x + gelu(x · Wi') · Wd')                    by blocks of rows
 *   vector = mean of a sequence's rows (or its first row), divided by its length
 *
 * The caller bounds the tokens of a batch, and so the memory of a run. Each run has its own:
 * any number of threads may run one encoder at once.
 */
#include "embed/encoder.h"

#include "base/memory.h"
#include "base/status.h"
#include "embed/multiply_x86.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#define WIDE_ROWS 512  /* rows of the widest matrix that are in memory at once */
#define SCORE_ROWS 256 /* queries of a head whose scores are in memory at once */

typedef struct pass {
    const rsi_encoder *encoder;
    const int32_t *ids;
    const size_t *lengths;
    size_t count;   /* sequences */
    size_t tokens;  /* of all of them */
    size_t longest; /* sequence */
    float *memory;  /* owned; holds all that follow */
    float *x;       /* tokens × hidden, each */
    float *queries;
    float *keys;
    float *values;
    float *context; /* also the result of a product on its way to x */
    float *wide;    /* WIDE_ROWS × intermediate */
    float *scores;  /* SCORE_ROWS × longest */
} pass;

int rsi_encoder_open(rsi_encoder *out, const char *directory)
{
    memset(out, 0, sizeof *out);
    out->kernels = rsi_kernels_choose();
    int status = rsi_bert_config_read(&out->config, directory);
    if (status == RAGSTORE_OK)
        status = rsi_weights_open(&out->weights, &out->config, directory);
    if (status != RAGSTORE_OK)
        rsi_encoder_close(out);
    return status;
}

void rsi_encoder_close(rsi_encoder *encoder)
{
    rsi_weights_close(&encoder->weights);
    memset(encoder, 0, sizeof *encoder);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int begin_run(pass *run)
{
    const rsi_bert_config *config = &run->encoder->config;
    for (size_t i = 0; i < run->count; i++) {
        run->tokens += run->lengths[i];
        run->longest = run->lengths[i] > run->longest ? run->lengths[i] : run->longest;
    }
    size_t wide_rows = smaller(run->tokens, WIDE_ROWS);
    size_t score_rows = smaller(run->longest, SCORE_ROWS);
    size_t rows, wide, scores, floats;
    if (!rsi_mul_size(run->tokens, config->hidden, &rows) ||
        !rsi_mul_size(wide_rows, config->intermediate, &wide) ||
        !rsi_mul_size(score_rows, run->longest, &scores) || !rsi_mul_size(rows, 5, &floats) ||
        !rsi_add_size(floats, wide, &floats) || !rsi_add_size(floats, scores, &floats) ||
        !rsi_mul_size(floats, sizeof(float), &floats))
        return rsi_fail_no_memory();
    run->memory = rsi_alloc(floats);
    if (run->memory == NULL)
        return RAGSTORE_E_NO_MEMORY;
    run->x = run->memory;
    run->queries = run->x + rows;
    run->keys = run->queries + rows;
    run->values = run->keys + rows;
    run->context = run->values + rows;
    run->wide = run->context + rows;
    run->scores = run->wide + wide;
    return RAGSTORE_OK;
}

/* out[rows × outputs] = in[rows × inputs] · transposed(weight) */
static void multiply(float *out, const float *in, const float *weight, size_t rows, size_t outputs,
                     size_t inputs)
{
    if (rsi_multiply_few_usable(rows, outputs, inputs)) {
        rsi_multiply_few(out, in, weight, rows, outputs, inputs);
        return;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)outputs, (int)inputs, 1,
                in, (int)inputs, weight, (int)inputs, 0, out, (int)outputs);
}

static void project(const pass *run, float *out, const float *in, const rsi_linear *linear)
{
    size_t hidden = run->encoder->config.hidden;
    multiply(out, in, linear->weight, run->tokens, hidden, hidden);
    run->encoder->kernels->add_bias(out, linear->bias, run->tokens, hidden);
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
    run->encoder->kernels->add_norm(run->x, run->context, weights->types,
                                    weights->embedding_norm.scale, weights->embedding_norm.shift,
                                    config->norm_epsilon, run->tokens, config->hidden);
}

/* Attention of one head within the sequence whose rows begin at `first`. */
static void attend_head(const pass *run, size_t first, size_t length, size_t head)
{
    const rsi_bert_config *config = &run->encoder->config;
    const size_t hidden = config->hidden, size = hidden / config->heads;
    const float scale = 1.0f / sqrtf((float)size);
    const size_t place = first * hidden + head * size;
    for (size_t from = 0; from < length; from += SCORE_ROWS) {
        const size_t rows = smaller(length - from, SCORE_ROWS);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)length, (int)size,
                    scale, run->queries + place + from * hidden, (int)hidden, run->keys + place,
                    (int)hidden, 0, run->scores, (int)length);
        run->encoder->kernels->softmax(run->scores, rows, length, length);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)size, (int)length, 1,
                    run->scores, (int)length, run->values + place, (int)hidden, 0,
                    run->context + place + from * hidden, (int)hidden);
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

/* x = norm(x + added + bias) */
static void add_and_norm(const pass *run, const float *added, const rsi_linear *linear,
                         const rsi_layer_norm *norm)
{
    const rsi_bert_config *config = &run->encoder->config;
    run->encoder->kernels->add_norm(run->x, added, linear->bias, norm->scale, norm->shift,
                                    config->norm_epsilon, run->tokens, config->hidden);
}

static void feed_forward(const pass *run, const rsi_bert_layer *layer)
{
    const rsi_bert_config *config = &run->encoder->config;
    const size_t hidden = config->hidden, wide = config->intermediate;
    for (size_t from = 0; from < run->tokens; from += WIDE_ROWS) {
        const size_t rows = smaller(run->tokens - from, WIDE_ROWS);
        multiply(run->wide, run->x + from * hidden, layer->intermediate.weight, rows, wide, hidden);
        run->encoder->kernels->bias_gelu(run->wide, layer->intermediate.bias, rows, wide);
        multiply(run->context + from * hidden, run->wide, layer->output.weight, rows, hidden, wide);
    }
    add_and_norm(run, run->context, &layer->output, &layer->output_norm);
}

static void run_layer(const pass *run, const rsi_bert_layer *layer)
{
    size_t hidden = run->encoder->config.hidden;
    project(run, run->queries, run->x, &layer->query);
    project(run, run->keys, run->x, &layer->key);
    project(run, run->values, run->x, &layer->value);
    attend(run);
    multiply(run->queries, run->context, layer->attention_output.weight, run->tokens, hidden,
             hidden);
    add_and_norm(run, run->queries, &layer->attention_output, &layer->attention_norm);
    feed_forward(run, layer);
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
    int status = begin_run(&run);
    if (status != RAGSTORE_OK)
        return status;
    embed_tokens(&run);
    for (size_t i = 0; i < config->layers; i++)
        run_layer(&run, &encoder->weights.layers[i]);
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
