/* The embedder around tokenizer and encoder: lib/embed/embedder.c. */
#include "embed/embed.h"

#include "base/status.h"
#include "harness/fault_memory.h"
#include "harness/temporary.h"
#include "small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "embed_fixture.h"

static void embed_embedder__says_which_text_is_not_utf8(void **state)
{
    small_model model = small_model_defaults();
    small_model_write(&model, temporary_path(state));
    rsi_embedder *embedder = open_ok(temporary_path(state));
    rsi_slice texts[2] = {{"wing", 4}, {"wi\xC3(ng", 6}};
    float vectors[2 * 24];
    size_t count = 7;
    int32_t ids[32];
    assert_int_equal(rsi_embedder_embed(vectors, embedder, RSI_EMBED_DOCUMENT, texts, 2),
                     RAGSTORE_E_INVALID_DATA);
    assert_non_null(strstr(rsi_error_message(), "text 1"));
    assert_non_null(strstr(rsi_error_message(), "byte 2"));
    assert_int_equal(rsi_embedder_count_tokens(&count, embedder, texts[1].data, 6),
                     RAGSTORE_E_INVALID_DATA);
    assert_int_equal(count, 0);
    assert_int_equal(rsi_embedder_tokenize(ids, &count, NULL, embedder, texts[1].data, 6),
                     RAGSTORE_E_INVALID_DATA);
    assert_int_equal(rsi_embedder_embed(vectors, embedder, RSI_EMBED_DOCUMENT, texts, 0),
                     RAGSTORE_OK);
    rsi_embedder_release(embedder);
    small_model_free(&model);
}

static void embed_embedder__cuts_at_the_limit_and_says_so(void **state)
{
    small_model model = small_model_defaults();
    model.max_tokens = 6;
    small_model_write(&model, temporary_path(state));
    rsi_embedder *embedder = open_ok(temporary_path(state));
    static const int32_t expected[] = {2, 21, 5, 7, 11, 3}; /* [CLS] the wing ##s , [SEP] */
    int32_t ids[6];
    size_t count, uncut;
    const char *text = "The wings, wings";
    assert_int_equal(rsi_embedder_tokenize(ids, &count, &uncut, embedder, text, strlen(text)),
                     RAGSTORE_OK);
    assert_int_equal(count, 6);
    assert_int_equal(uncut, 8);
    assert_memory_equal(ids, expected, sizeof expected);
    assert_int_equal(rsi_embedder_tokenize(ids, &count, NULL, embedder, text, strlen(text)),
                     RAGSTORE_OK);
    assert_int_equal(count, 6);
    assert_memory_equal(ids, expected, sizeof expected);
    assert_int_equal(rsi_embedder_count_tokens(&count, embedder, text, strlen(text)), RAGSTORE_OK);
    assert_int_equal(count, 6);
    rsi_embedder_release(embedder);
    small_model_free(&model);
}

static char *fingerprint_of(const char *directory)
{
    rsi_embedder *embedder = open_ok(directory);
    char *copy = strdup(rsi_embedder_fingerprint(embedder));
    assert_string_equal(copy, rsi_embedder_fingerprint(embedder));
    rsi_embedder_release(embedder);
    return copy;
}

static void embed_fingerprint__names_whatever_decides_about_vectors(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    small_model model = small_model_defaults();
    const char *directory = temporary_path(state);
    small_model_write(&model, directory);
    char *first = fingerprint_of(directory);
    char *again = fingerprint_of(directory);
    assert_string_equal(first, again);
    assert_non_null(strstr(first, "/24/mean/l2/"));
    for (int precision = RSI_PRECISION_USUAL; precision <= RSI_PRECISION_INT16; precision++) {
        /* the usual one counts as floats, whatever it computes in */
        static const char *const suffixes[] = {"", "", "/int8", "/int16"};
        const rsi_model_options options = {.precision = (rsi_precision)precision};
        rsi_embedder *embedder;
        assert_int_equal(rsi_embedder_open_model(&embedder, directory, &options), RAGSTORE_OK);
        const char *name = rsi_embedder_fingerprint(embedder);
        assert_memory_equal(name, first, strlen(first));
        assert_string_equal(name + strlen(first), suffixes[precision]);
        rsi_embedder_release(embedder);
    }

    small_text_write(directory, "sentence_bert_config.json", "{\"max_seq_length\": 16}");
    char *shorter = fingerprint_of(directory);
    assert_string_not_equal(first, shorter);

    small_text_write(directory, "tokenizer_config.json", "{\"do_lower_case\": false}");
    char *cased = fingerprint_of(directory);
    assert_string_not_equal(shorter, cased);

    size_t size;
    char *weights = temporary_read(temporary_join(path, state, "model.safetensors"), &size);
    weights[size - 1] = (char)(weights[size - 1] ^ 1);
    temporary_write(path, weights, size);
    char *other = fingerprint_of(directory);
    assert_string_not_equal(cased, other);
    free(weights);
    free(first);
    free(again);
    free(shorter);
    free(cased);
    free(other);
    small_model_free(&model);
}

static void embed_embedder__lives_until_its_last_owner_lets_go(void **state)
{
    small_model model = small_model_defaults();
    small_model_write(&model, temporary_path(state));
    rsi_embedder *embedder = open_ok(temporary_path(state));
    assert_ptr_equal(rsi_embedder_retain(embedder), embedder);
    rsi_embedder_release(embedder);
    assert_int_equal(rsi_embedder_dimension(embedder), 24);
    rsi_embedder_release(embedder);
    rsi_embedder_release(NULL);
    small_model_free(&model);
}

static void remove_below(void **state, const char *name)
{
    char path[TEMPORARY_PATH_MAX];
    assert_int_equal(remove(temporary_join(path, state, name)), 0);
}

static void embed_embedder__says_what_a_model_lacks(void **state)
{
    small_model model = small_model_defaults();
    const char *directory = temporary_path(state);
    char path[TEMPORARY_PATH_MAX];
    open_fails(temporary_join(path, state, "nowhere"), RAGSTORE_E_NOT_FOUND, "nowhere");
    open_fails(directory, RAGSTORE_E_NOT_FOUND, "config.json");
    small_model_write(&model, directory);
    remove_below(state, "vocab.txt");
    open_fails(directory, RAGSTORE_E_NOT_FOUND, "vocab.txt");
    small_text_write(directory, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\nwing\n");
    open_fails(directory, RAGSTORE_E_INVALID_DATA, "[SEP]");
    char longer[256];
    snprintf(longer, sizeof longer, "%sone\nmore", small_vocabulary);
    small_text_write(directory, "vocab.txt", longer);
    open_fails(directory, RAGSTORE_E_INVALID_DATA, "beyond the model's 22 rows");
    remove_below(state, "model.safetensors");
    open_fails(directory, RAGSTORE_E_NOT_FOUND, "model.safetensors");
    small_text_write(directory, "model.safetensors", "");
    open_fails(directory, RAGSTORE_E_INVALID_DATA, "empty");
    remove_below(state, "model.safetensors");
    assert_int_equal(mkdir(temporary_join(path, state, "model.safetensors"), 0700), 0);
    open_fails(directory, RAGSTORE_E_INVALID_DATA, "regular");
    small_model_free(&model);
}

static void embed_embedder__survives_each_failing_allocation(void **state)
{
    static const struct {
        const char *type;
        rsi_model_options options;
    } forms[] = {{"F32", {0}},
                 {"F32", {.precision = RSI_PRECISION_FLOAT32}},
                 {"F16", {.precision = RSI_PRECISION_FLOAT32}}, /* is converted: more allocations */
                 {"F32", {.precision = RSI_PRECISION_INT8, .query_prompt = "a"}},
                 {"F16", {.precision = RSI_PRECISION_INT8, .document_prompt = "the "}},
                 {"F32", {.precision = RSI_PRECISION_INT16}}};
    rsi_slice texts[2] = {{"wing", 4}, {"the unable wing, lifting", 24}};
    float vectors[2 * 24];
    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
        small_model model = small_model_defaults();
        model.type = forms[f].type;
        small_model_write(&model, temporary_path(state));
        fault_memory_install();
        unsigned n = 1;
        for (bool failed = true; failed; n++) {
            rsi_embedder *embedder;
            fault_memory_fail(n, false);
            int status =
                rsi_embedder_open_model(&embedder, temporary_path(state), &forms[f].options);
            if (status == RAGSTORE_OK)
                status = rsi_embedder_embed(vectors, embedder, RSI_EMBED_DOCUMENT, texts, 2);
            failed = fault_memory_failed();
            fault_memory_disarm();
            assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
            rsi_embedder_release(embedder);
            assert_int_equal(fault_memory_alive(), 0);
        }
        fault_memory_restore();
        assert_true(n > 10);
        small_model_free(&model);
    }
}

/* A run that had no memory to pack the weights must not spoil the next one. */
static void embed_embedder__goes_on_after_memory_ran_out(void **state)
{
    rsi_slice text = {"the unable wing, lifting", 24};
    float expected[24], vector[24];
    for (int precision = RSI_PRECISION_FLOAT32; precision <= RSI_PRECISION_INT16; precision++) {
        const rsi_model_options options = {.precision = (rsi_precision)precision};
        small_model model = small_model_defaults();
        small_model_write(&model, temporary_path(state));
        rsi_embedder *embedder;
        assert_int_equal(rsi_embedder_open_model(&embedder, temporary_path(state), &options), 0);
        assert_int_equal(rsi_embedder_embed(expected, embedder, RSI_EMBED_QUERY, &text, 1), 0);
        rsi_embedder_release(embedder);
        fault_memory_install();
        assert_int_equal(rsi_embedder_open_model(&embedder, temporary_path(state), &options), 0);
        unsigned n = 1;
        for (bool failed = true; failed; n++) {
            fault_memory_fail(n, false);
            int status = rsi_embedder_embed(vector, embedder, RSI_EMBED_QUERY, &text, 1);
            failed = fault_memory_failed();
            fault_memory_disarm();
            assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        }
        assert_memory_equal(vector, expected, sizeof vector);
        rsi_embedder_release(embedder);
        assert_int_equal(fault_memory_alive(), 0);
        fault_memory_restore();
        small_model_free(&model);
    }
}

/* Many slices, of which one cannot be computed: the caller hears of it, and nothing hangs. */
static void embed_embedder__reports_a_failure_of_any_thread(void **state)
{
    const char *directory = temporary_path(state);
    char path[TEMPORARY_PATH_MAX];
    small_model model = small_model_defaults();
    small_model_write(&model, directory);
    model.tensors[0].data[20 * 24] = NAN; /* the word "fly", which is in the last text only */
    small_weights_write(&model, temporary_join(path, state, "model.safetensors"));
    enum { COUNT = 400 };
    rsi_slice texts[COUNT];
    float *vectors = malloc(COUNT * 24 * sizeof *vectors);
    for (size_t i = 0; i < COUNT; i++)
        texts[i] = rsi_slice_of(i + 1 < COUNT ? "wing lifting the a b c d unable" : "fly");
    for (size_t threads = 1; threads <= 8; threads *= 2)
        for (int precision = RSI_PRECISION_FLOAT32; precision <= RSI_PRECISION_INT16; precision++) {
            const rsi_model_options options = {.threads = threads,
                                                 .precision = (rsi_precision)precision};
            rsi_embedder *embedder;
            assert_int_equal(rsi_embedder_open_model(&embedder, directory, &options), 0);
            assert_int_equal(
                rsi_embedder_embed(vectors, embedder, RSI_EMBED_DOCUMENT, texts, COUNT),
                RAGSTORE_E_INVALID_DATA);
            assert_non_null(strstr(rsi_error_message(), "not finite"));
            assert_int_equal(
                rsi_embedder_embed(vectors, embedder, RSI_EMBED_DOCUMENT, texts, COUNT - 1),
                RAGSTORE_OK);
            rsi_embedder_release(embedder);
        }
    free(vectors);
    small_model_free(&model);
}

static void embed_embedder__serves_several_threads(void **state)
{
    small_model model = small_model_defaults();
    small_model_write(&model, temporary_path(state));
    rsi_embedder *embedder = open_ok(temporary_path(state));
    rsi_slice texts[60];
    char *owned[60];
    for (size_t i = 0; i < 60; i++) {
        owned[i] = words_text(i % 19, (unsigned)i);
        texts[i] = rsi_slice_of(owned[i]);
    }
    embed_from_four_threads(embedder, texts, 60);
    for (size_t i = 0; i < 60; i++)
        free(owned[i]);
    rsi_embedder_release(embedder);
    small_model_free(&model);
}

/* A single text is one call's work for several threads, when they are free: the vector is the same
 * to the last bit. */
static void embed_embedder__shares_a_single_text_among_threads(void **state)
{
    const char *directory = temporary_path(state);
    enum { HIDDEN = 96, TEXTS = 12 };
    small_model model = small_model_defaults();
    model.hidden = HIDDEN;
    model.heads = 3;
    model.intermediate = 200;
    model.max_tokens = model.positions = 128;
    small_model_write(&model, directory);
    for (int precision = RSI_PRECISION_FLOAT32; precision <= RSI_PRECISION_INT16; precision++) {
        float expected[TEXTS][HIDDEN], vector[HIDDEN];
        for (size_t threads = 1; threads <= 8; threads *= 2) {
            const rsi_model_options options = {.threads = threads,
                                               .precision = (rsi_precision)precision};
            rsi_embedder *embedder;
            assert_int_equal(rsi_embedder_open_model(&embedder, directory, &options), 0);
            for (size_t round = 0; round < 10; round++)
                for (size_t i = 0; i < TEXTS; i++) {
                    char *words = words_text(i * i, (unsigned)i + 1);
                    const rsi_slice text = rsi_slice_of(words);
                    assert_int_equal(
                        rsi_embedder_embed(vector, embedder, RSI_EMBED_QUERY, &text, 1), 0);
                    if (threads == 1)
                        memcpy(expected[i], vector, sizeof vector);
                    assert_memory_equal(expected[i], vector, sizeof vector);
                    free(words);
                }
            rsi_embedder_release(embedder);
        }
    }
    small_model_free(&model);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
    cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(embed_embedder__says_which_text_is_not_utf8),
        WITH_DIRECTORY(embed_embedder__cuts_at_the_limit_and_says_so),
        WITH_DIRECTORY(embed_embedder__lives_until_its_last_owner_lets_go),
        WITH_DIRECTORY(embed_embedder__says_what_a_model_lacks),
        WITH_DIRECTORY(embed_embedder__survives_each_failing_allocation),
        WITH_DIRECTORY(embed_embedder__serves_several_threads),
        WITH_DIRECTORY(embed_embedder__shares_a_single_text_among_threads),
        WITH_DIRECTORY(embed_fingerprint__names_whatever_decides_about_vectors),
        WITH_DIRECTORY(embed_embedder__goes_on_after_memory_ran_out),
        WITH_DIRECTORY(embed_embedder__reports_a_failure_of_any_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
