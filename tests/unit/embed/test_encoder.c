/*
 * The encoder and its weights: lib/embed/encoder.c, weights.c. Small models of all shapes are
 * compared with a plain second implementation.
 */
#include "embed/embed.h"

#include "base/status.h"
#include "harness/temporary.h"
#include "small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "embed_fixture.h"

static void compare_with_plain(small_model *model, const char *directory, const size_t *words,
                               size_t count, double tolerance)
{
    small_model_write(model, directory);
    rsi_embedder *embedder = open_ok(directory);
    char **owned = malloc(count * sizeof *owned);
    rsi_slice *texts = malloc(count * sizeof *texts);
    float *vectors = malloc(count * model->hidden * sizeof *vectors);
    int32_t *ids = malloc(model->max_tokens * sizeof *ids);
    double *expected = malloc(model->hidden * sizeof *expected);
    for (size_t i = 0; i < count; i++) {
        owned[i] = words_text(words[i], (unsigned)i + 1);
        texts[i] = rsi_slice_of(owned[i]);
    }
    assert_int_equal(rsi_embedder_dimension(embedder), model->hidden);
    assert_int_equal(rsi_embedder_max_tokens(embedder), model->max_tokens);
    assert_int_equal(rsi_embedder_embed(vectors, embedder, RSI_EMBED_DOCUMENT, texts, count),
                     RAGSTORE_OK);
    for (size_t i = 0; i < count; i++) {
        size_t tokens;
        assert_int_equal(
            rsi_embedder_tokenize(ids, &tokens, NULL, embedder, texts[i].data, texts[i].size),
            RAGSTORE_OK);
        small_model_vector(model, expected, ids, tokens);
        for (size_t k = 0; k < model->hidden; k++)
            if (!(fabs(expected[k] - (double)vectors[i * model->hidden + k]) < tolerance))
                fail_msg("text %zu, component %zu: %.7f, not %.7f", i, k,
                         (double)vectors[i * model->hidden + k], expected[k]);
        free(owned[i]);
    }
    free(owned);
    free(texts);
    free(vectors);
    free(ids);
    free(expected);
    rsi_embedder_release(embedder);
    small_model_free(model);
}

static void embed_encoder__computes_what_is_defined(void **state)
{
    static const size_t words[] = {0, 1, 2, 7, 13, 20, 40, 3, 1};
    small_model model = small_model_defaults();
    compare_with_plain(&model, temporary_path(state), words, 9, 1e-5);
}

static void embed_encoder__pools_by_the_first_token_when_told(void **state)
{
    static const size_t words[] = {0, 5, 12};
    small_model model = small_model_defaults();
    model.cls = true;
    compare_with_plain(&model, temporary_path(state), words, 3, 1e-5);
}

/* No size a multiple of four or eight. */
static void embed_encoder__takes_odd_sizes(void **state)
{
    static const size_t words[] = {3, 9, 1};
    small_model model = small_model_defaults();
    model.hidden = 35;
    model.heads = 5;
    model.intermediate = 53;
    model.layers = 3;
    compare_with_plain(&model, temporary_path(state), words, 3, 1e-5);
}

static void embed_encoder__takes_half_precision_weights(void **state)
{
    static const size_t words[] = {3, 9};
    small_model model = small_model_defaults();
    model.type = "F16";
    compare_with_plain(&model, temporary_path(state), words, 2, 1e-5);
    model = small_model_defaults();
    model.type = "BF16";
    compare_with_plain(&model, temporary_path(state), words, 2, 1e-5);
}

static void embed_encoder__takes_weights_that_lie_on_odd_addresses(void **state)
{
    static const size_t words[] = {3, 9};
    small_model model = small_model_defaults();
    model.misaligned = true;
    compare_with_plain(&model, temporary_path(state), words, 2, 1e-5);
}

static void embed_encoder__takes_older_names_of_tensors(void **state)
{
    static const size_t words[] = {3, 9};
    small_model model = small_model_defaults();
    model.prefix = "bert.";
    model.scale_name = "gamma";
    model.shift_name = "beta";
    compare_with_plain(&model, temporary_path(state), words, 2, 1e-5);
}

static void embed_encoder__does_without_token_types(void **state)
{
    static const size_t words[] = {3, 9};
    small_model model = small_model_defaults();
    model.without_types = true;
    compare_with_plain(&model, temporary_path(state), words, 2, 1e-5);
}

static void embed_encoder__leaves_a_pooler_alone(void **state)
{
    static const size_t words[] = {3, 9};
    small_model model = small_model_defaults();
    model.with_pooler = true;
    compare_with_plain(&model, temporary_path(state), words, 2, 1e-5);
}

/* The shapes of published relatives, as far as a small model can have them: deep and narrow, wide
 * with few heads, one layer, heads as large as BGE's and E5's. */
static void embed_encoder__takes_the_shapes_of_relatives(void **state)
{
    static const size_t words[] = {0, 4, 30, 90};
    static const struct {
        size_t hidden, layers, heads, intermediate;
        bool cls;
    } shapes[] = {{16, 6, 4, 64, false},
                  {64, 1, 1, 200, true},
                  {96, 2, 3, 384, true},
                  {128, 3, 2, 400, false},
                  {8, 1, 8, 9, false}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        small_model model = small_model_defaults();
        model.hidden = shapes[i].hidden;
        model.layers = shapes[i].layers;
        model.heads = shapes[i].heads;
        model.intermediate = shapes[i].intermediate;
        model.cls = shapes[i].cls;
        model.positions = model.max_tokens = 100;
        compare_with_plain(&model, temporary_path(state), words, 4, 2e-4);
    }
}

/* Longer than the blocks of rows in which scores and the wide matrix are made. */
static void embed_encoder__takes_long_texts(void **state)
{
    static const size_t words[] = {1000, 5, 300, 1000};
    small_model model = small_model_defaults();
    model.positions = model.max_tokens = 700;
    compare_with_plain(&model, temporary_path(state), words, 4, 1e-5);
}

/* More tokens than one slice holds, and texts of no token at all among them. */
static void embed_encoder__takes_many_texts(void **state)
{
    size_t words[400];
    for (size_t i = 0; i < 400; i++)
        words[i] = i % 23;
    small_model model = small_model_defaults();
    compare_with_plain(&model, temporary_path(state), words, 400, 1e-5);
}

static void embed_weights__must_have_the_shapes_of_the_configuration(void **state)
{
    const char *directory = temporary_path(state);
    small_model model = small_model_defaults();
    small_model_write(&model, directory);
    small_text_write(directory, "config.json",
                     "{\"model_type\": \"bert\", \"hidden_size\": 24, \"num_hidden_layers\": 2, "
                     "\"num_attention_heads\": 3, \"intermediate_size\": 41, \"vocab_size\": 22, "
                     "\"max_position_embeddings\": 32}");
    open_fails(directory, RAGSTORE_E_INVALID_DATA, "intermediate.dense.weight");
    small_text_write(directory, "config.json",
                     "{\"model_type\": \"bert\", \"hidden_size\": 24, \"num_hidden_layers\": 3, "
                     "\"num_attention_heads\": 3, \"intermediate_size\": 40, \"vocab_size\": 22, "
                     "\"max_position_embeddings\": 32}");
    open_fails(directory, RAGSTORE_E_INVALID_DATA, "encoder.layer.2.attention.self.query.weight");
    small_text_write(directory, "config.json",
                     "{\"model_type\": \"bert\", \"hidden_size\": 12, \"num_hidden_layers\": 2, "
                     "\"num_attention_heads\": 3, \"intermediate_size\": 40, \"vocab_size\": 22, "
                     "\"max_position_embeddings\": 32}");
    open_fails(directory, RAGSTORE_E_INVALID_DATA, "word_embeddings");
    small_model_free(&model);

    char path[TEMPORARY_PATH_MAX];
    model = small_model_defaults();
    small_model_write(&model, directory);
    model.tensors[model.tensor_count - 1].columns--;
    small_weights_write(&model, temporary_join(path, state, "model.safetensors"));
    open_fails(directory, RAGSTORE_E_INVALID_DATA, "encoder.layer.1.output.LayerNorm.bias");
    small_model_free(&model);
}

/* Weights that are not numbers must not become vectors. */
static void embed_encoder__reports_numbers_that_are_not_finite(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    small_model model = small_model_defaults();
    small_model_write(&model, temporary_path(state));
    model.tensors[model.tensor_count - 1].data[5] = NAN; /* the shift of the last norm */
    small_weights_write(&model, temporary_join(path, state, "model.safetensors"));
    rsi_embedder *embedder = open_ok(temporary_path(state));
    rsi_slice text = {"wing", 4};
    float vector[24];
    assert_int_equal(rsi_embedder_embed(vector, embedder, RSI_EMBED_DOCUMENT, &text, 1),
                     RAGSTORE_E_INVALID_DATA);
    assert_non_null(strstr(rsi_error_message(), "not finite"));
    rsi_embedder_release(embedder);
    small_model_free(&model);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
    cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(embed_encoder__computes_what_is_defined),
        WITH_DIRECTORY(embed_encoder__pools_by_the_first_token_when_told),
        WITH_DIRECTORY(embed_encoder__takes_odd_sizes),
        WITH_DIRECTORY(embed_encoder__takes_half_precision_weights),
        WITH_DIRECTORY(embed_encoder__takes_weights_that_lie_on_odd_addresses),
        WITH_DIRECTORY(embed_encoder__takes_older_names_of_tensors),
        WITH_DIRECTORY(embed_encoder__does_without_token_types),
        WITH_DIRECTORY(embed_encoder__leaves_a_pooler_alone),
        WITH_DIRECTORY(embed_encoder__takes_the_shapes_of_relatives),
        WITH_DIRECTORY(embed_encoder__takes_long_texts),
        WITH_DIRECTORY(embed_encoder__takes_many_texts),
        WITH_DIRECTORY(embed_encoder__reports_numbers_that_are_not_finite),
        WITH_DIRECTORY(embed_weights__must_have_the_shapes_of_the_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
