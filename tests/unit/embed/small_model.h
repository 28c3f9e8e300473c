/*
 * A small encoder with weights that follow from their place, written as a model directory, and its
 * vectors by a second, plain way: loops over doubles, straight from the definition. So the encoder
 * is tested where no published model is at hand, and with sizes that no published model has.
 *
 * Weights are multiples of 1/64, which all three forms (F32, F16, BF16) hold exactly.
 */
#ifndef TESTS_UNIT_EMBED_SMALL_MODEL_H
#define TESTS_UNIT_EMBED_SMALL_MODEL_H

#include "harness/temporary.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SMALL_TENSORS_MAX 128
#define SMALL_NAME_MAX 160

typedef struct small_tensor {
    char name[SMALL_NAME_MAX];
    size_t rows; /* 0: a vector of `columns` */
    size_t columns;
    float *data;
} small_tensor;

typedef struct small_model {
    /* set by the test; zero means the value of small_model_defaults */
    size_t hidden, layers, heads, intermediate, positions, max_tokens;
    bool cls;                            /* pooling by the first token, else the mean */
    const char *type;                    /* "F32", "F16" or "BF16" */
    const char *prefix;                  /* before each tensor's name */
    const char *scale_name, *shift_name; /* of layer norms */
    bool misaligned;                     /* the data begins at an odd byte */
    bool without_types;                  /* no tensor of token types */
    bool with_pooler;                    /* tensors that no vector depends on */
    /* made by small_model_write */
    size_t vocabulary;
    small_tensor tensors[SMALL_TENSORS_MAX];
    size_t tensor_count;
} small_model;

/* Line numbers are ids. */
static const char *const small_vocabulary =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwing\nlift\n##s\n##ing\nun\n##able\n,\n.\na\nb\nc\nd\n"
    "##a\n##b\n##c\nfly\nthe\n";

static inline small_model small_model_defaults(void)
{
    small_model model = {.hidden = 24,
                         .layers = 2,
                         .heads = 3,
                         .intermediate = 40,
                         .positions = 32,
                         .max_tokens = 32,
                         .type = "F32",
                         .prefix = "",
                         .scale_name = "weight",
                         .shift_name = "bias"};
    return model;
}

/* The tensor "<where>.<part>". */
static inline const small_tensor *small_tensor_find(const small_model *model, const char *where,
                                                    const char *part)
{
    char name[SMALL_NAME_MAX];
    snprintf(name, sizeof name, "%s.%s", where, part);
    for (size_t i = 0; i < model->tensor_count; i++)
        if (strcmp(model->tensors[i].name, name) == 0)
            return &model->tensors[i];
    fprintf(stderr, "small model: no tensor %s\n", name);
    abort();
}

static inline void small_tensor_add(small_model *model, const char *name, size_t rows,
                                    size_t columns, float centre)
{
    small_tensor *tensor = &model->tensors[model->tensor_count];
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    tensor->rows = rows;
    tensor->columns = columns;
    size_t count = (rows == 0 ? 1 : rows) * columns;
    tensor->data = malloc(count * sizeof(float));
    uint32_t state = 2654435761u * (uint32_t)++model->tensor_count;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        tensor->data[i] = centre + (float)((int)(state >> 20 & 63) - 32) / 64;
    }
}

static inline void small_part_add(small_model *model, const char *where, const char *part,
                                  size_t rows, size_t columns, float centre)
{
    char name[SMALL_NAME_MAX];
    snprintf(name, sizeof name, "%s.%s", where, part);
    small_tensor_add(model, name, rows, columns, centre);
}

static inline void small_linear_add(small_model *model, const char *where, size_t outputs,
                                    size_t inputs)
{
    small_part_add(model, where, "weight", outputs, inputs, 0);
    small_part_add(model, where, "bias", 0, outputs, 0);
}

static inline void small_norm_add(small_model *model, const char *where)
{
    small_part_add(model, where, model->scale_name, 0, model->hidden, 1);
    small_part_add(model, where, model->shift_name, 0, model->hidden, 0);
}

/* "encoder.layer.<layer>.<part>" */
static inline const char *small_layer_part(char out[96], size_t layer, const char *part)
{
    snprintf(out, 96, "encoder.layer.%zu.%s", layer, part);
    return out;
}

static inline void small_tensors_make(small_model *model)
{
    char name[96];
    const size_t hidden = model->hidden, wide = model->intermediate;
    for (const char *at = small_vocabulary; *at != '\0'; at++)
        model->vocabulary += *at == '\n';
    small_tensor_add(model, "embeddings.word_embeddings.weight", model->vocabulary, hidden, 0);
    small_tensor_add(model, "embeddings.position_embeddings.weight", model->positions, hidden, 0);
    small_tensor_add(model,
                     model->without_types ? "unused" : "embeddings.token_type_embeddings.weight", 2,
                     hidden, 0);
    for (size_t i = 0; i < 2 * hidden && model->without_types; i++)
        model->tensors[2].data[i] = 0;
    small_norm_add(model, "embeddings.LayerNorm");
    for (size_t l = 0; l < model->layers; l++) {
        small_linear_add(model, small_layer_part(name, l, "attention.self.query"), hidden, hidden);
        small_linear_add(model, small_layer_part(name, l, "attention.self.key"), hidden, hidden);
        small_linear_add(model, small_layer_part(name, l, "attention.self.value"), hidden, hidden);
        small_linear_add(model, small_layer_part(name, l, "attention.output.dense"), hidden,
                         hidden);
        small_norm_add(model, small_layer_part(name, l, "attention.output.LayerNorm"));
        small_linear_add(model, small_layer_part(name, l, "intermediate.dense"), wide, hidden);
        small_linear_add(model, small_layer_part(name, l, "output.dense"), hidden, wide);
        small_norm_add(model, small_layer_part(name, l, "output.LayerNorm"));
    }
    if (model->with_pooler)
        small_linear_add(model, "pooler.dense", hidden, hidden);
}

static inline size_t small_tensor_bytes(const small_model *model, const small_tensor *tensor)
{
    size_t count = (tensor->rows == 0 ? 1 : tensor->rows) * tensor->columns;
    return count * (strcmp(model->type, "F32") == 0 ? 4 : 2);
}

static inline void small_put_number(FILE *file, const char *type, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (strcmp(type, "F32") == 0) {
        fwrite(&value, sizeof value, 1, file);
        return;
    }
    uint16_t half = (uint16_t)(bits >> 16);
    if (strcmp(type, "F16") == 0)
        half = value == 0 ? 0
                          : (uint16_t)((bits >> 16 & 0x8000u) | ((bits >> 23 & 255u) - 112u) << 10 |
                                       (bits >> 13 & 0x3FFu));
    fwrite(&half, sizeof half, 1, file);
}

static inline void small_weights_write(const small_model *model, const char *path)
{
    char *header = NULL;
    size_t header_size = 0, offset = 0;
    FILE *text = open_memstream(&header, &header_size);
    fputs("{\"__metadata__\": {\"format\": \"pt\"}", text);
    for (size_t i = 0; i < model->tensor_count; i++) {
        const small_tensor *tensor = &model->tensors[i];
        size_t bytes = small_tensor_bytes(model, tensor);
        fprintf(text, ", \"%s%s\": {\"dtype\": \"%s\", \"shape\": [", model->prefix, tensor->name,
                model->type);
        if (tensor->rows > 0)
            fprintf(text, "%zu, ", tensor->rows);
        fprintf(text, "%zu], \"data_offsets\": [%zu, %zu]}", tensor->columns, offset,
                offset + bytes);
        offset += bytes;
    }
    fputs("}", text);
    while (ftell(text) % 4 != (model->misaligned ? 1 : 0))
        fputs(" ", text);
    fclose(text);

    FILE *file = fopen(path, "wb");
    uint64_t length = header_size;
    fwrite(&length, sizeof length, 1, file);
    fwrite(header, 1, header_size, file);
    for (size_t i = 0; i < model->tensor_count; i++) {
        const small_tensor *tensor = &model->tensors[i];
        for (size_t k = 0; k < (tensor->rows == 0 ? 1 : tensor->rows) * tensor->columns; k++)
            small_put_number(file, model->type, tensor->data[k]);
    }
    fclose(file);
    free(header);
}

static inline void small_text_write(const char *directory, const char *name, const char *text)
{
    char path[TEMPORARY_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    temporary_write(path, text, strlen(text));
}

/* Write the directory's files and make the tensors. */
static inline void small_model_write(small_model *model, const char *directory)
{
    char path[TEMPORARY_PATH_MAX], text[1024];
    small_tensors_make(model);
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    small_weights_write(model, path);
    snprintf(text, sizeof text,
             "{\"model_type\": \"bert\", \"hidden_act\": \"gelu\", \"hidden_size\": %zu, "
             "\"num_hidden_layers\": %zu, \"num_attention_heads\": %zu, "
             "\"intermediate_size\": %zu, \"vocab_size\": %zu, "
             "\"max_position_embeddings\": %zu, \"type_vocab_size\": 2, "
             "\"layer_norm_eps\": 1e-12}",
             model->hidden, model->layers, model->heads, model->intermediate, model->vocabulary,
             model->positions);
    small_text_write(directory, "config.json", text);
    snprintf(text, sizeof text, "{\"max_seq_length\": %zu, \"do_lower_case\": false}",
             model->max_tokens);
    small_text_write(directory, "sentence_bert_config.json", text);
    small_text_write(directory, "vocab.txt", small_vocabulary);
    snprintf(path, sizeof path, "%s/1_Pooling", directory);
    mkdir(path, 0700);
    snprintf(text, sizeof text,
             "{\"word_embedding_dimension\": %zu, \"pooling_mode_cls_token\": %s, "
             "\"pooling_mode_mean_tokens\": %s}",
             model->hidden, model->cls ? "true" : "false", model->cls ? "false" : "true");
    small_text_write(directory, "1_Pooling/config.json", text);
}

static inline void small_model_free(small_model *model)
{
    for (size_t i = 0; i < model->tensor_count; i++)
        free(model->tensors[i].data);
    model->tensor_count = 0;
}

/* ---- the second way ---- */

static inline void plain_norm(const small_model *model, double *x, size_t rows, const char *where)
{
    const size_t n = model->hidden;
    const float *scale = small_tensor_find(model, where, model->scale_name)->data;
    const float *shift = small_tensor_find(model, where, model->shift_name)->data;
    for (size_t r = 0; r < rows; r++) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < n; i++)
            mean += x[r * n + i] / (double)n;
        for (size_t i = 0; i < n; i++)
            variance += (x[r * n + i] - mean) * (x[r * n + i] - mean) / (double)n;
        for (size_t i = 0; i < n; i++)
            x[r * n + i] = (x[r * n + i] - mean) / sqrt(variance + 1e-12) * (double)scale[i] +
                           (double)shift[i];
    }
}

/* A new matrix of rows × outputs. */
static inline double *plain_linear(const small_model *model, const double *x, size_t rows,
                                   const char *part, size_t layer)
{
    char name[96];
    small_layer_part(name, layer, part);
    const small_tensor *weight = small_tensor_find(model, name, "weight");
    const float *bias = small_tensor_find(model, name, "bias")->data;
    double *out = malloc(rows * weight->rows * sizeof *out);
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < weight->rows; o++) {
            double sum = (double)bias[o];
            for (size_t i = 0; i < weight->columns; i++)
                sum += x[r * weight->columns + i] * (double)weight->data[o * weight->columns + i];
            out[r * weight->rows + o] = sum;
        }
    return out;
}

static inline void plain_attention(const small_model *model, double *context, const double *q,
                                   const double *k, const double *v, size_t rows)
{
    const size_t n = model->hidden, size = n / model->heads;
    double *scores = malloc(rows * sizeof *scores);
    for (size_t head = 0; head < model->heads; head++)
        for (size_t r = 0; r < rows; r++) {
            double sum = 0;
            for (size_t c = 0; c < rows; c++) {
                scores[c] = 0;
                for (size_t i = head * size; i < (head + 1) * size; i++)
                    scores[c] += q[r * n + i] * k[c * n + i];
                scores[c] = exp(scores[c] / sqrt((double)size));
                sum += scores[c];
            }
            for (size_t i = head * size; i < (head + 1) * size; i++) {
                context[r * n + i] = 0;
                for (size_t c = 0; c < rows; c++)
                    context[r * n + i] += scores[c] / sum * v[c * n + i];
            }
        }
    free(scores);
}

static inline void plain_layer(const small_model *model, double *x, size_t rows, size_t layer)
{
    const size_t n = model->hidden;
    char name[96];
    double *q = plain_linear(model, x, rows, "attention.self.query", layer);
    double *k = plain_linear(model, x, rows, "attention.self.key", layer);
    double *v = plain_linear(model, x, rows, "attention.self.value", layer);
    double *context = malloc(rows * n * sizeof *context);
    plain_attention(model, context, q, k, v, rows);
    double *o = plain_linear(model, context, rows, "attention.output.dense", layer);
    for (size_t i = 0; i < rows * n; i++)
        x[i] += o[i];
    plain_norm(model, x, rows, small_layer_part(name, layer, "attention.output.LayerNorm"));
    double *wide = plain_linear(model, x, rows, "intermediate.dense", layer);
    for (size_t i = 0; i < rows * model->intermediate; i++)
        wide[i] = wide[i] / 2 * (1 + erf(wide[i] / sqrt(2.0)));
    double *d = plain_linear(model, wide, rows, "output.dense", layer);
    for (size_t i = 0; i < rows * n; i++)
        x[i] += d[i];
    plain_norm(model, x, rows, small_layer_part(name, layer, "output.LayerNorm"));
    free(q);
    free(k);
    free(v);
    free(context);
    free(o);
    free(wide);
    free(d);
}

/* The vector of a sequence of ids, hidden numbers. */
static inline void small_model_vector(const small_model *model, double *out, const int32_t *ids,
                                      size_t count)
{
    const size_t n = model->hidden;
    const float *words = model->tensors[0].data, *positions = model->tensors[1].data;
    const float *types = model->tensors[2].data;
    double *x = malloc(count * n * sizeof *x), square = 0;
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < n; i++)
            x[r * n + i] = (double)words[(size_t)ids[r] * n + i] + (double)positions[r * n + i] +
                           (double)types[i];
    plain_norm(model, x, count, "embeddings.LayerNorm");
    for (size_t l = 0; l < model->layers; l++)
        plain_layer(model, x, count, l);
    for (size_t i = 0; i < n; i++) {
        out[i] = x[i];
        for (size_t r = 1; r < count && !model->cls; r++)
            out[i] += x[r * n + i];
        square += out[i] * out[i];
    }
    for (size_t i = 0; i < n; i++)
        out[i] /= sqrt(square);
    free(x);
}

#endif
