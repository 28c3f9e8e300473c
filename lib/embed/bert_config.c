/*
 * Reading the set-up of a BERT-family sentence encoder from a model directory.
 *
 *   config.json                the transformer: must be there
 *   modules.json               the steps behind it: only pooling and normalisation are understood
 *   1_Pooling/config.json      which pooling, in the folder that modules.json names; mean when
 *                              there is no such file. Both forms are read: a member for each kind
 *                              ("pooling_mode_cls_token": true) and one for all ("pooling_mode":
 *                              "cls")
 *   sentence_bert_config.json  max_seq_length; the position table's size when missing
 *
 * The limit of tokenizer.json's truncation is deliberately not read: models are published with
 * limits there that their authors did not use. What is not understood is refused.
 *
 * Called by embedder.c when a model is opened.
 */
#include "embed/bert_config.h"

#include "base/bytes.h"
#include "base/status.h"
#include "embed/model_file.h"
#include "json/json.h"

#include <stdbool.h>
#include <string.h>

#define CONFIG_SIZE_MAX ((size_t)1 << 20)
#define CONFIG_DEPTH_MAX 16
#define TOKENS_MIN 3 /* both special ones and one of the text */

static int unsupported(const char *what, const char *value)
{
    return rsi_fail(RAGSTORE_E_UNSUPPORTED, "embed", "%s is \"%.60s\"", what,
                    value == NULL ? "?" : value);
}

static int read_json(rsi_json **out, const char *directory, const char *name)
{
    rsi_bytes text = {0};
    *out = NULL;
    int status = rsi_model_file_read(&text, directory, name, CONFIG_SIZE_MAX);
    if (status == RAGSTORE_OK)
        status = rsi_json_parse(out, text.data, text.size, CONFIG_DEPTH_MAX);
    rsi_bytes_free(&text);
    return status;
}

/* The same for a file that may be missing: *out is NULL then. */
static int read_optional(rsi_json **out, const char *directory, const char *name)
{
    int status = read_json(out, directory, name);
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : rsi_wrap(status, "%s", name);
}

/* A member that is missing, or null, has the fallback; one that is no whole number is refused. */
static int64_t integer_of(const rsi_json *object, const char *key, int64_t fallback)
{
    const rsi_json *value = rsi_json_get(object, key);
    return value == NULL || rsi_json_is_null(value) ? fallback : rsi_json_integer(value, -1);
}

static int read_size(size_t *out, const rsi_json *object, const char *key, int64_t fallback,
                     int64_t max)
{
    int64_t number = integer_of(object, key, fallback);
    if (number < 1 || number > max)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "embed", "%s is missing or not within 1 to %lld",
                        key, (long long)max);
    *out = (size_t)number;
    return RAGSTORE_OK;
}

/* A member that must have this value where it is there at all. */
static int expect_text(const rsi_json *object, const char *key, const char *wanted)
{
    const char *found = rsi_json_get_text(object, key);
    return found == NULL || strcmp(found, wanted) == 0 ? RAGSTORE_OK : unsupported(key, found);
}

static int read_sizes(rsi_bert_config *config, const rsi_json *object)
{
    const struct {
        size_t *out;
        const char *key;
        int64_t fallback;
        int64_t max;
    } sizes[] = {{&config->hidden, "hidden_size", -1, 8192},
                 {&config->layers, "num_hidden_layers", -1, 128},
                 {&config->heads, "num_attention_heads", -1, 256},
                 {&config->intermediate, "intermediate_size", -1, 65536},
                 {&config->vocabulary, "vocab_size", -1, 1 << 22},
                 {&config->positions, "max_position_embeddings", -1, 32768},
                 {&config->types, "type_vocab_size", 2, 256}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int status = read_size(sizes[i].out, object, sizes[i].key, sizes[i].fallback, sizes[i].max);
        if (status != RAGSTORE_OK)
            return status;
    }
    if (config->hidden % config->heads != 0)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "embed",
                        "num_attention_heads does not divide hidden_size");
    if (config->positions < TOKENS_MIN)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "embed", "max_position_embeddings is too small");
    return RAGSTORE_OK;
}

static int read_transformer(rsi_bert_config *config, const rsi_json *object)
{
    const char *kind = rsi_json_get_text(object, "model_type");
    if (kind == NULL || strcmp(kind, "bert") != 0)
        return unsupported("model_type", kind);
    int status = expect_text(object, "hidden_act", "gelu");
    if (status == RAGSTORE_OK)
        status = expect_text(object, "position_embedding_type", "absolute");
    if (status == RAGSTORE_OK)
        status = read_sizes(config, object);
    const rsi_json *given = rsi_json_get(object, "layer_norm_eps");
    double epsilon = given == NULL ? 1e-12 : rsi_json_number(given, -1);
    if (status == RAGSTORE_OK && !(epsilon >= 0 && epsilon <= 0.01))
        status = rsi_fail(RAGSTORE_E_INVALID_DATA, "embed", "layer_norm_eps is out of range");
    config->norm_epsilon = (float)epsilon;
    return status;
}

/* A folder of the model's own, by its plain name. */
static bool is_folder(const char *path)
{
    return path != NULL && path[0] != '\0' && path[0] != '.' && strchr(path, '/') == NULL;
}

/* Vectors are made unit length here whether the model asks for it or not; any further step would
 * change them. *pooling is set to the folder of that step. */
static int check_modules(const char **pooling, const rsi_json *modules)
{
    static const char *const known[] = {"Transformer", "Pooling", "Normalize"};
    for (size_t i = 0; i < rsi_json_count(modules); i++) {
        const rsi_json *module = rsi_json_at(modules, i);
        const char *type = rsi_json_get_text(module, "type");
        const char *path = rsi_json_get_text(module, "path");
        const char *dot = type == NULL ? NULL : strrchr(type, '.');
        const char *name = dot == NULL ? type : dot + 1;
        size_t k = 0;
        while (name != NULL && k < 3 && strcmp(name, known[k]) != 0)
            k++;
        if (name == NULL || k == 3)
            return unsupported("the type of a module", type);
        if (k == 0 && path != NULL && path[0] != '\0')
            return unsupported("the folder of the transformer", path);
        if (k == 1 && path != NULL && !is_folder(path))
            return unsupported("the folder of the pooling", path);
        if (k == 1 && path != NULL)
            *pooling = path;
    }
    return RAGSTORE_OK;
}

static int read_pooling_name(rsi_bert_config *config, const char *name)
{
    if (strcmp(name, "cls") == 0)
        config->pooling = RSI_POOLING_CLS;
    else if (strcmp(name, "mean") != 0)
        return unsupported("the pooling", name);
    return RAGSTORE_OK;
}

static int read_pooling(rsi_bert_config *config, const rsi_json *object)
{
    static const char mode[] = "pooling_mode_";
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    size_t modes = 0;
    config->pooling = RSI_POOLING_MEAN;
    const rsi_json *named = rsi_json_get(object, "pooling_mode");
    const rsi_json *prompt = rsi_json_get(object, "include_prompt");
    if (prompt != NULL && !rsi_json_true(prompt))
        return unsupported("include_prompt", "false");
    if (named != NULL)
        return rsi_json_is_string(named) ? read_pooling_name(config, rsi_json_text(named))
                                         : unsupported("the pooling", "several at once");
    while (object != NULL && rsi_json_each(object, &iterator, &key, &value)) {
        if (strncmp(key, mode, sizeof mode - 1) != 0 || !rsi_json_true(value))
            continue;
        modes++;
        if (strcmp(key, "pooling_mode_cls_token") == 0)
            config->pooling = RSI_POOLING_CLS;
        else if (strcmp(key, "pooling_mode_mean_tokens") != 0)
            return unsupported("the pooling", key);
    }
    if (object != NULL && modes != 1)
        return unsupported("the pooling", modes == 0 ? "none" : "several at once");
    return RAGSTORE_OK;
}

static int read_limit(rsi_bert_config *config, const rsi_json *object)
{
    int64_t limit = integer_of(object, "max_seq_length", (int64_t)config->positions);
    if (rsi_json_true(rsi_json_get(object, "do_lower_case")))
        return unsupported("do_lower_case of sentence_bert_config.json", "true");
    if (limit < TOKENS_MIN)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "embed", "max_seq_length is too small");
    config->max_tokens = (uint64_t)limit < config->positions ? (size_t)limit : config->positions;
    return RAGSTORE_OK;
}

int rsi_bert_config_read(rsi_bert_config *out, const char *directory)
{
    memset(out, 0, sizeof *out);
    const char *folder = "1_Pooling";
    rsi_bytes pooling_file = {0};
    rsi_json *transformer = NULL, *modules = NULL, *pooling = NULL, *limit = NULL;
    int status = rsi_wrap(read_json(&transformer, directory, "config.json"), "config.json");
    if (status == RAGSTORE_OK)
        status = rsi_wrap(read_transformer(out, transformer), "config.json");
    if (status == RAGSTORE_OK)
        status = read_optional(&modules, directory, "modules.json");
    if (status == RAGSTORE_OK)
        status = rsi_wrap(check_modules(&folder, modules), "modules.json");
    if (status == RAGSTORE_OK)
        rsi_bytes_printf(&pooling_file, "%s/config.json", folder);
    if (status == RAGSTORE_OK)
        status = rsi_bytes_status(&pooling_file);
    if (status == RAGSTORE_OK)
        status = read_optional(&pooling, directory, pooling_file.data);
    if (status == RAGSTORE_OK)
        status = rsi_wrap(read_pooling(out, pooling), "%s", pooling_file.data);
    if (status == RAGSTORE_OK)
        status = read_optional(&limit, directory, "sentence_bert_config.json");
    if (status == RAGSTORE_OK)
        status = rsi_wrap(read_limit(out, limit), "sentence_bert_config.json");
    rsi_json_free(transformer);
    rsi_json_free(modules);
    rsi_json_free(pooling);
    rsi_json_free(limit);
    rsi_bytes_free(&pooling_file);
    return status;
}
