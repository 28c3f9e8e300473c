/*
 * The weights of a BERT-family encoder, found in a mapped model.safetensors.
 *
 * Tables and vectors of 32-bit floats are used where they lie. Half-precision ones, and ones that
 * do not lie on a multiple of four bytes, are converted into memory of their own. The weights of
 * dense steps are left as they are: dense.c packs them when they are first used. Names may begin
 * with "bert."; layer norms may use the older names gamma and beta; token types may be missing, and
 * what an encoder does not need (a pooler) may be there. Each shape is compared with
 * config.json's, so that no later step can reach outside a tensor.
 *
 * Called by embedder.c. Does not change once opened: no locks.
 */
#include "embed/weights.h"

#include "base/memory.h"
#include "base/status.h"
#include "embed/safetensors.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 160

/* What is needed while the tensors are looked up. */
typedef struct search {
    rsi_weights *weights;
    rsi_safetensors table;
    const char *prefix; /* "" or "bert." */
    int status;         /* of the first failure; later look-ups do nothing */
} search;

/* Memory of the weights' own; NULL after a failure. */
static float *own_block(search *finder, size_t count)
{
    rsi_weights *weights = finder->weights;
    float *block = NULL;
    if (rsi_grow((void **)&weights->converted, &weights->converted_capacity,
                 weights->converted_count + 1, sizeof *weights->converted))
        block = rsi_alloc_array(count, sizeof *block);
    if (block == NULL)
        finder->status = RAGSTORE_E_NO_MEMORY;
    else
        weights->converted[weights->converted_count++] = block;
    return block;
}

static const float *converted(search *finder, const rsi_tensor *tensor)
{
    float *block = own_block(finder, tensor->count);
    if (block != NULL)
        rsi_tensor_to_float(block, tensor);
    return block;
}

/* A tensor of rows × columns, or of columns when rows is 0; NULL when it is missing and optional,
 * or after a failure. */
static const rsi_tensor *find_tensor(search *finder, const char *name, size_t rows, size_t columns,
                                     bool optional)
{
    char full[NAME_MAX_BYTES];
    if (finder->status != RAGSTORE_OK)
        return NULL;
    snprintf(full, sizeof full, "%s%s", finder->prefix, name);
    const rsi_tensor *tensor = rsi_safetensors_find(&finder->table, full);
    if (tensor == NULL) {
        if (!optional)
            finder->status =
                rsi_fail(RAGSTORE_E_INVALID_DATA, "embed", "tensor \"%s\" is missing", full);
        return NULL;
    }
    bool fits = rows == 0
                    ? tensor->rank == 1 && tensor->shape[0] == columns
                    : tensor->rank == 2 && tensor->shape[0] == rows && tensor->shape[1] == columns;
    if (!fits) {
        finder->status = rsi_fail(RAGSTORE_E_INVALID_DATA, "embed",
                                  "the shape of tensor \"%s\" is not config.json's", full);
        return NULL;
    }
    if (tensor->type == RSI_TENSOR_OTHER) {
        finder->status = rsi_fail(RAGSTORE_E_UNSUPPORTED, "embed",
                                  "tensor \"%s\" is not of F32, F16 or BF16", full);
        return NULL;
    }
    return tensor;
}

/* The same as floats. */
static const float *find(search *finder, const char *name, size_t rows, size_t columns,
                         bool optional)
{
    const rsi_tensor *tensor = find_tensor(finder, name, rows, columns, optional);
    if (tensor == NULL)
        return NULL;
    if (tensor->type != RSI_TENSOR_F32 || (uintptr_t)tensor->data % sizeof(float) != 0)
        return converted(finder, tensor);
    return (const float *)(const void *)tensor->data;
}

static rsi_linear find_linear(search *finder, const char *name, size_t outputs, size_t inputs)
{
    char full[NAME_MAX_BYTES];
    rsi_linear linear = {0};
    snprintf(full, sizeof full, "%s.weight", name);
    const rsi_tensor *weight = find_tensor(finder, full, outputs, inputs, false);
    if (weight != NULL)
        linear.weight = *weight;
    linear.weight.name = NULL; /* it goes with the table */
    snprintf(full, sizeof full, "%s.bias", name);
    linear.bias = find(finder, full, 0, outputs, false);
    return linear;
}

static const float *find_either(search *finder, const char *name, const char *new_part,
                                const char *old_part, size_t columns)
{
    char full[NAME_MAX_BYTES];
    snprintf(full, sizeof full, "%s.%s", name, old_part);
    const float *found = find(finder, full, 0, columns, true);
    if (found != NULL)
        return found;
    snprintf(full, sizeof full, "%s.%s", name, new_part);
    return find(finder, full, 0, columns, false);
}

static rsi_layer_norm find_norm(search *finder, const char *name, size_t columns)
{
    rsi_layer_norm norm;
    norm.scale = find_either(finder, name, "weight", "gamma", columns);
    norm.shift = find_either(finder, name, "bias", "beta", columns);
    return norm;
}

static void find_layer(search *finder, size_t number, const rsi_bert_config *config)
{
    rsi_bert_layer *layer = &finder->weights->layers[number];
    const size_t hidden = config->hidden, intermediate = config->intermediate;
    const struct {
        rsi_linear *linear;
        const char *name;
        size_t outputs, inputs;
    } linears[] = {
        {&layer->query, "attention.self.query", hidden, hidden},
        {&layer->key, "attention.self.key", hidden, hidden},
        {&layer->value, "attention.self.value", hidden, hidden},
        {&layer->attention_output, "attention.output.dense", hidden, hidden},
        {&layer->intermediate, "intermediate.dense", intermediate, hidden},
        {&layer->output, "output.dense", hidden, intermediate},
    };
    char name[96];
    for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
        snprintf(name, sizeof name, "encoder.layer.%zu.%s", number, linears[i].name);
        *linears[i].linear = find_linear(finder, name, linears[i].outputs, linears[i].inputs);
    }
    snprintf(name, sizeof name, "encoder.layer.%zu.attention.output.LayerNorm", number);
    layer->attention_norm = find_norm(finder, name, hidden);
    snprintf(name, sizeof name, "encoder.layer.%zu.output.LayerNorm", number);
    layer->output_norm = find_norm(finder, name, hidden);
}

static void find_all(search *finder, const rsi_bert_config *config)
{
    static const char words[] = "embeddings.word_embeddings.weight";
    rsi_weights *weights = finder->weights;
    finder->prefix = rsi_safetensors_find(&finder->table, words) == NULL ? "bert." : "";
    weights->words = find(finder, words, config->vocabulary, config->hidden, false);
    weights->positions = find(finder, "embeddings.position_embeddings.weight", config->positions,
                              config->hidden, false);
    weights->types = find(finder, "embeddings.token_type_embeddings.weight", config->types,
                          config->hidden, true);
    if (weights->types == NULL && finder->status == RAGSTORE_OK)
        weights->types = own_block(finder, config->hidden); /* zeros: there are no token types */
    weights->embedding_norm = find_norm(finder, "embeddings.LayerNorm", config->hidden);
    for (size_t i = 0; i < config->layers; i++)
        find_layer(finder, i, config);
}

int rsi_weights_open(rsi_weights *out, const rsi_bert_config *config, const char *directory)
{
    memset(out, 0, sizeof *out);
    search finder = {.weights = out};
    int status = rsi_model_file_map(&out->file, directory, "model.safetensors");
    if (status == RAGSTORE_OK)
        status = rsi_safetensors_parse(&finder.table, out->file.data, out->file.size);
    if (status == RAGSTORE_OK) {
        out->layers = rsi_alloc_array(config->layers, sizeof *out->layers);
        if (out->layers == NULL)
            status = RAGSTORE_E_NO_MEMORY;
    }
    if (status == RAGSTORE_OK) {
        find_all(&finder, config);
        status = finder.status;
    }
    rsi_safetensors_free(&finder.table);
    if (status != RAGSTORE_OK) {
        rsi_wrap(status, "model.safetensors");
        rsi_weights_close(out);
    }
    return status;
}

void rsi_weights_close(rsi_weights *weights)
{
    for (size_t i = 0; i < weights->converted_count; i++)
        rsi_free(weights->converted[i]);
    rsi_free(weights->converted);
    rsi_free(weights->layers);
    rsi_model_file_unmap(&weights->file);
    memset(weights, 0, sizeof *weights);
}
