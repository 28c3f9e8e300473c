/*
 * One input against everything that reads model files.
 *
 * The first byte chooses a file, the rest is its content; all other files are those of a small
 * model that works. The model is opened in both precisions, and if that succeeds it embeds a few
 * texts. Whatever the file holds, this must end in vectors of length 1 or in a typed error with a
 * message. tests/fuzz/test_fuzz_model.c feeds it in `make check`, libFuzzer in `make fuzz`.
 */
#include "fuzz_model.h"

#include "base/status.h"
#include "embed/embed.h"
#include "unit/embed/small_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HIDDEN 8
#define TEXTS 4

static char directory[] = "/tmp/ragstore-fuzz-XXXXXX";
static int last_status;

static const struct {
    char selector;
    const char *name;
} files[] = {
    {'S', "model.safetensors"},
    {'C', "config.json"},
    {'T', "tokenizer.json"},
    {'V', "vocab.txt"},
    {'K', "tokenizer_config.json"},
    {'P', "1_Pooling/config.json"},
    {'M', "modules.json"},
    {'L', "sentence_bert_config.json"},
    {'Q', "config_sentence_transformers.json"},
};

const char *fuzz_model_file(uint8_t selector)
{
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (files[i].selector == (char)selector)
            return files[i].name;
    return NULL;
}

int fuzz_model_last_status(void)
{
    return last_status;
}

static void remove_files(void)
{
    char path[128];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, files[i].name);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/1_Pooling", directory);
    rmdir(path);
    rmdir(directory);
}

/* A small model, kept in memory: each input begins with a whole directory. */
static struct {
    char *data;
    size_t size;
} originals[sizeof files / sizeof files[0]];

static void begin(void)
{
    char path[128];
    small_model model = small_model_defaults();
    model.hidden = HIDDEN;
    model.heads = 2;
    model.intermediate = 12;
    model.layers = 1;
    model.positions = model.max_tokens = 16;
    if (mkdtemp(directory) == NULL)
        abort();
    atexit(remove_files);
    small_model_write(&model, directory);
    small_model_free(&model);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, files[i].name);
        if (access(path, F_OK) == 0)
            originals[i].data = temporary_read(path, &originals[i].size);
    }
}

static void fail(const char *what)
{
    fprintf(stderr, "fuzz_model: %s: status %d, \"%s\"\n", what, last_status, rsi_error_message());
    abort();
}

static void check_error(int status)
{
    const int known[] = {RAGSTORE_E_INVALID_DATA, RAGSTORE_E_UNSUPPORTED, RAGSTORE_E_NOT_FOUND,
                         RAGSTORE_E_TOO_LARGE};
    size_t i = 0;
    while (i < sizeof known / sizeof known[0] && known[i] != status)
        i++;
    if (i == sizeof known / sizeof known[0] || rsi_error_message()[0] == '\0')
        fail("an error that is not among the expected ones");
}

static void check_vectors(const float *vectors, size_t dimension)
{
    for (size_t t = 0; t < TEXTS; t++) {
        double square = 0;
        for (size_t d = 0; d < dimension; d++)
            square += (double)vectors[t * dimension + d] * (double)vectors[t * dimension + d];
        if (!(fabs(square - 1) < 1e-4))
            fail("a vector that is not of length 1");
    }
}

static void open_and_embed(rsi_precision precision)
{
    const rsi_model_options options = {.precision = precision, .threads = 1};
    const rsi_slice texts[TEXTS] = {rsi_slice_of("wing lifting the unable, \xC3\xA9t\xC3\xA9"),
                                    rsi_slice_of(""), rsi_slice_of("[SEP] \xE4\xB8\xAD [X]"),
                                    rsi_slice_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")};
    rsi_embedder *embedder = (rsi_embedder *)1;
    last_status = rsi_embedder_open_model(&embedder, directory, &options);
    if (last_status != RAGSTORE_OK) {
        check_error(last_status);
        if (embedder != NULL)
            fail("a model beside an error");
        return;
    }
    const size_t dimension = rsi_embedder_dimension(embedder);
    float *vectors = calloc(TEXTS * dimension, sizeof *vectors);
    if (rsi_embedder_fingerprint(embedder) == NULL || vectors == NULL)
        fail("no name");
    last_status = rsi_embedder_embed(vectors, embedder, RSI_EMBED_QUERY, texts, TEXTS);
    if (last_status == RAGSTORE_OK)
        check_vectors(vectors, dimension);
    else
        check_error(last_status);
    free(vectors);
    rsi_embedder_release(embedder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[128];
    if (originals[0].data == NULL)
        begin();
    const char *name = size == 0 ? NULL : fuzz_model_file(data[0]);
    if (name == NULL)
        return 0;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    temporary_write(path, data + 1, size - 1);
    open_and_embed(RSI_PRECISION_FLOAT32);
    const int first = last_status;
    for (rsi_precision other = RSI_PRECISION_INT8; other <= RSI_PRECISION_INT16; other++) {
        open_and_embed(other);
        if (first == RAGSTORE_OK && last_status != RAGSTORE_OK &&
            last_status != RAGSTORE_E_INVALID_DATA)
            fail("whole numbers differ from floats in what they open");
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (files[i].selector == (char)data[0]) {
            if (originals[i].data != NULL)
                temporary_write(path, originals[i].data, originals[i].size);
            else
                unlink(path);
        }
    return 0;
}
