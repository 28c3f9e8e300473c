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
 * A team of threads (team.c) may do one run together: they share the outputs of each dense step, and
 * the heads. What is left to one thread, the norms, takes a fiftieth of the time of a query.
 *
 * The caller bounds the tokens of a batch, and so the memory of a run. Each run has its own:
 * any number of threads may run one encoder at once.
 */
#include "embed/encoder.h"

#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define BLOCK_ROWS RSI_PRODUCT_ROWS
#define LINE 64            /* bytes of the cache */
#define PIECES_OF_MEMBER 4 /* of a step: few enough to be worth taking, and all are done together */

/* A member's own. */
typedef struct desk {
    size_t arranged; /* the number of the step whose rows lie in the tiles */
    float *tiles;    /* rows, as the processor reads them */
    float *scores;   /* block × longest, */
    float *keys;     /* packed for products, of one head and sequence */
    float *values;
} desk;

typedef struct pass {
    const rsi_encoder *encoder;
    rsi_team *team; /* NULL: the caller's thread alone */
    const int32_t *ids;
    const size_t *lengths;
    size_t count;      /* sequences */
    size_t tokens;     /* of all of them */
    size_t longest;    /* sequence */
    size_t block_rows; /* of the blocks: at most BLOCK_ROWS */
    size_t steps;      /* dense ones, begun so far */
    float *memory;     /* owned; holds all that follow */
    float *x;          /* tokens × hidden */
    float *mixed;      /* tokens × 3 hidden: queries, keys and values of a token side by side */
    float *context;    /* tokens × hidden */
    float *wide;       /* block × intermediate */
    float *narrow;     /* block × hidden */
    desk desks[RSI_TEAM_MAX];
} pass;

static const rsi_integer_kernel *integer_kernel(rsi_precision precision)
{
    switch (precision) {
    case RSI_PRECISION_INT8:
        return rsi_int8_kernel_best();
    case RSI_PRECISION_INT16:
        return rsi_int16_kernel_best();
    case RSI_PRECISION_USUAL:
    case RSI_PRECISION_FLOAT32:
        break;
    }
    return NULL;
}

static rsi_precision choose(rsi_precision precision)
{
    if (precision != RSI_PRECISION_USUAL)
        return precision;
    return rsi_int16_kernel_vnni() != NULL ? RSI_PRECISION_INT16 : RSI_PRECISION_FLOAT32;
}

int rsi_encoder_open(rsi_encoder *out, const char *directory, rsi_precision precision)
{
    memset(out, 0, sizeof *out);
    pthread_mutex_init(&out->packing, NULL); /* cannot fail with default attributes */
    atomic_init(&out->packed, false);
    out->precision = choose(precision);
    out->kernels = (rsi_dense_kernels){rsi_product_kernel_best(), integer_kernel(out->precision),
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
static int pack_step(rsi_dense *out, char **place, const rsi_encoder *encoder,
                     const rsi_dense_part *parts, size_t count)
{
    const int status =
        rsi_dense_make(out, encoder->kernels.steps, *place, parts, count, encoder->precision);
    *place += rsi_dense_size(out->outputs, out->inputs, encoder->precision);
    return status;
}

static int pack_layer(rsi_encoder_layer *out, char **place, const rsi_bert_layer *layer,
                      const rsi_encoder *encoder)
{
    const size_t head = encoder->config.hidden / encoder->config.heads;
    const float scale = 1.0f / sqrtf((float)head);
    const rsi_dense_part mixed[] = {{&layer->query, scale}, {&layer->key, 1}, {&layer->value, 1}};
    const rsi_dense_part attended = {&layer->attention_output, 1};
    const rsi_dense_part wide = {&layer->intermediate, 1}, narrow = {&layer->output, 1};
    int status = pack_step(&out->mixed, place, encoder, mixed, 3);
    if (status == RAGSTORE_OK)
        status = pack_step(&out->attended, place, encoder, &attended, 1);
    if (status == RAGSTORE_OK)
        status = pack_step(&out->wide, place, encoder, &wide, 1);
    if (status == RAGSTORE_OK)
        status = pack_step(&out->narrow, place, encoder, &narrow, 1);
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

typedef struct matrix {
    float **place;
    size_t rows, columns;
} matrix;

#define SHARED_MATRICES 5
#define DESK_MATRICES 4

/* All that a pass needs. False when that is more than a size can say. */
static bool list_matrices(matrix *out, size_t *count, pass *run)
{
    const rsi_bert_config *config = &run->encoder->config;
    const size_t hidden = config->hidden, head = hidden / config->heads, rows = run->block_rows;
    const size_t inputs = config->intermediate > hidden ? config->intermediate : hidden;
    const size_t keys = rsi_product_packed_size(run->longest, head);
    const size_t values = rsi_product_packed_size(head, run->longest);
    const size_t rows_of_steps = rsi_dense_tiles(rows, inputs);
    const size_t rows_of_scores = rows * (head > run->longest ? head : run->longest);
    const size_t tiles = rows_of_steps > rows_of_scores ? rows_of_steps : rows_of_scores;
    const matrix shared[SHARED_MATRICES] = {
        {&run->x, run->tokens, hidden},       {&run->mixed, run->tokens, 3 * hidden},
        {&run->context, run->tokens, hidden}, {&run->wide, rows, config->intermediate},
        {&run->narrow, rows, hidden},
    };
    memcpy(out, shared, sizeof shared);
    *count = SHARED_MATRICES;
    for (size_t m = 0; m < rsi_team_members(run->team); m++) {
        desk *own = &run->desks[m];
        out[(*count)++] = (matrix){&own->tiles, 1, tiles};
        out[(*count)++] = (matrix){&own->scores, rows, run->longest};
        out[(*count)++] = (matrix){&own->keys, 1, keys};
        out[(*count)++] = (matrix){&own->values, 1, values};
    }
    return keys != 0 && values != 0 && rows_of_steps != 0;
}

/* Bytes of a matrix up to the next line of the cache; false when that is more than a size can say. */
static bool matrix_size(size_t *bytes, const matrix *one)
{
    if (!rsi_mul_size(one->rows, one->columns, bytes) ||
        !rsi_mul_size(*bytes, sizeof(float), bytes) || !rsi_add_size(*bytes, LINE - 1, bytes))
        return false;
    *bytes = *bytes / LINE * LINE;
    return true;
}

static int begin_run(pass *run)
{
    matrix matrices[SHARED_MATRICES + DESK_MATRICES * RSI_TEAM_MAX];
    size_t count, bytes, all = LINE;
    for (size_t i = 0; i < run->count; i++) {
        run->tokens += run->lengths[i];
        run->longest = run->lengths[i] > run->longest ? run->lengths[i] : run->longest;
    }
    run->block_rows = smaller(run->tokens, BLOCK_ROWS);
    bool fits = list_matrices(matrices, &count, run);
    for (size_t i = 0; i < count && fits; i++)
        fits = matrix_size(&bytes, &matrices[i]) && rsi_add_size(all, bytes, &all);
    if (!fits)
        return rsi_fail_no_memory();
    run->memory = rsi_alloc(all);
    if (run->memory == NULL)
        return RAGSTORE_E_NO_MEMORY;
    char *place = (char *)run->memory + (LINE - (uintptr_t)run->memory % LINE) % LINE;
    for (size_t i = 0; i < count; i++) {
        *matrices[i].place = (float *)(void *)place;
        (void)matrix_size(&bytes, &matrices[i]);
        place += bytes;
    }
    return RAGSTORE_OK;
}

/* ---- steps ---- */

/* A dense step of a block of rows. */
typedef struct step {
    pass *run;
    size_t number; /* 1 and more */
    const rsi_dense *dense;
    float *out;
    const float *in;
    size_t rows;
    size_t columns; /* of a piece */
    const float *bias; /* NULL: added later */
    bool ends_in_gelu; /* and in the bias before it */
} step;

/* Some of the outputs. */
static void do_columns(void *user, size_t piece, size_t member)
{
    const step *one = user;
    const rsi_dense *dense = one->dense;
    const rsi_dense_kernels *kernels = &one->run->encoder->kernels;
    desk *own = &one->run->desks[member];
    const size_t first = piece * one->columns;
    const size_t end = smaller(first + one->columns, dense->outputs);
    if (one->columns >= dense->outputs) {
        rsi_dense_apply(dense, kernels, own->tiles, one->out, one->in, one->rows, one->bias);
    } else {
        if (own->arranged != one->number)
            rsi_dense_arrange(dense, kernels, own->tiles, one->in, one->rows);
        own->arranged = one->number;
        rsi_dense_multiply(dense, kernels, one->out, own->tiles, one->rows, one->bias, first, end);
    }
    if (one->ends_in_gelu)
        kernels->steps->bias_gelu(one->out + first, dense->bias + first, one->rows, end - first,
                                  dense->outputs);
}

/* A step whose outputs the team shares. */
static void apply(pass *run, step one)
{
    const size_t parts = (one.dense->outputs + RSI_PRODUCT_STEP - 1) / RSI_PRODUCT_STEP;
    const size_t members = rsi_team_members(run->team);
    const size_t pieces = members == 1 ? 1 : smaller(parts, members * PIECES_OF_MEMBER);
    one.run = run;
    one.number = ++run->steps;
    one.columns = (parts + pieces - 1) / pieces * RSI_PRODUCT_STEP;
    rsi_team_do(run->team, do_columns, &one,
                (one.dense->outputs + one.columns - 1) / one.columns);
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
static void attend_head(const pass *run, const desk *own, size_t first, size_t length, size_t head)
{
    const rsi_bert_config *config = &run->encoder->config;
    const rsi_product_kernel *products = run->encoder->kernels.products;
    const size_t hidden = config->hidden, size = hidden / config->heads, stride = 3 * hidden;
    const float *queries = run->mixed + first * stride + head * size;
    float *context = run->context + first * hidden + head * size;
    rsi_product_pack(own->keys, queries + hidden, length, size, stride);
    rsi_product_pack_turned(own->values, queries + 2 * hidden, size, length, stride);
    for (size_t from = 0; from < length; from += BLOCK_ROWS) {
        const size_t rows = smaller(length - from, BLOCK_ROWS);
        rsi_product(products, own->tiles, own->scores, length, queries + from * stride, stride,
                    rows, own->keys, NULL, length, size);
        run->encoder->kernels.steps->softmax(own->scores, rows, length, length);
        rsi_product(products, own->tiles, context + from * hidden, hidden, own->scores, length,
                    rows, own->values, NULL, size, length);
    }
}

/* Attention of some of the heads: of all when there is one piece, else of one. */
static void attend_piece(void *user, size_t piece, size_t member)
{
    const pass *run = user;
    const size_t heads = run->encoder->config.heads;
    const bool alone = rsi_team_members(run->team) == 1;
    size_t first = 0;
    for (size_t s = 0; s < run->count; s++) {
        for (size_t head = alone ? 0 : piece; head < (alone ? heads : piece + 1); head++)
            attend_head(run, &run->desks[member], first, run->lengths[s], head);
        first += run->lengths[s];
    }
}

static void attend(pass *run)
{
    const bool alone = rsi_team_members(run->team) == 1;
    rsi_team_do(run->team, attend_piece, run, alone ? 1 : run->encoder->config.heads);
}

/* Rows from `from` on, behind the attention: x = norm(x + …), twice. */
static void finish_block(pass *run, size_t number, size_t from, size_t rows)
{
    const rsi_bert_config *config = &run->encoder->config;
    const rsi_encoder_layer *layer = &run->encoder->layers[number];
    const rsi_bert_layer *weights = &run->encoder->weights.layers[number];
    const rsi_kernels *kernels = run->encoder->kernels.steps;
    const size_t hidden = config->hidden;
    float *x = run->x + from * hidden;
    apply(run, (step){.dense = &layer->attended,
                      .out = run->narrow,
                      .in = run->context + from * hidden,
                      .rows = rows});
    kernels->add_norm(x, run->narrow, layer->attended.bias, weights->attention_norm.scale,
                      weights->attention_norm.shift, config->norm_epsilon, rows, hidden);
    apply(run, (step){.dense = &layer->wide,
                      .out = run->wide,
                      .in = x,
                      .rows = rows,
                      .ends_in_gelu = true});
    apply(run,
          (step){.dense = &layer->narrow, .out = run->narrow, .in = run->wide, .rows = rows});
    kernels->add_norm(x, run->narrow, layer->narrow.bias, weights->output_norm.scale,
                      weights->output_norm.shift, config->norm_epsilon, rows, hidden);
}

static void run_layer(pass *run, size_t number)
{
    const size_t hidden = run->encoder->config.hidden;
    const rsi_dense *mixed = &run->encoder->layers[number].mixed;
    for (size_t from = 0; from < run->tokens; from += BLOCK_ROWS)
        apply(run, (step){.dense = mixed,
                          .out = run->mixed + from * 3 * hidden,
                          .in = run->x + from * hidden,
                          .rows = smaller(run->tokens - from, BLOCK_ROWS),
                          .bias = mixed->bias});
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

int rsi_encoder_run(const rsi_encoder *encoder, rsi_team *team, float *vectors, const int32_t *ids,
                    const size_t *lengths, size_t count)
{
    pass run = {
        .encoder = encoder, .team = team, .ids = ids, .lengths = lengths, .count = count};
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
