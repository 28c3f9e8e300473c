/*
 * What is put before texts, and that it reaches the encoder: lib/embed/prompts.c, embedder.c.
 */
#include "embed/prompts.h"

#include "harness/fault_memory.h"
#include "harness/temporary.h"
#include "small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "embed_fixture.h"

#define FILE_NAME "config_sentence_transformers.json"

static void reads(void **state, const char *file, const char *query, const char *document)
{
    rsi_prompts prompts;
    small_text_write(temporary_path(state), FILE_NAME, file);
    if (rsi_prompts_read(&prompts, temporary_path(state), NULL, NULL) != RAGSTORE_OK)
        fail_msg("%s: %s", file, rsi_error_message());
    assert_string_equal(prompts.query, query);
    assert_string_equal(prompts.document, document);
    rsi_prompts_free(&prompts);
}

static void embed_prompts__are_read_as_models_are_published(void **state)
{
    rsi_prompts prompts;
    assert_int_equal(rsi_prompts_read(&prompts, temporary_path(state), NULL, NULL), RAGSTORE_OK);
    assert_string_equal(prompts.query, "");
    assert_string_equal(prompts.document, "");
    rsi_prompts_free(&prompts);
    reads(state, "{}", "", "");
    reads(state, "{\"prompts\": {}, \"default_prompt_name\": null}", "", "");
    reads(state, "{\"prompts\": {\"query\": \"query: \", \"passage\": \"passage: \"}}",
          "query: ", "passage: ");
    reads(state, "{\"prompts\": {\"query\": \"\", \"document\": \"d: \", \"passage\": \"p: \"}}",
          "", "d: ");
    reads(state, "{\"prompts\": {\"corpus\": \"c: \"}}", "", "c: ");
    reads(state,
          "{\"prompts\": {\"query\": \"q: \", \"x\": \"y: \"}, \"default_prompt_name\": \"x\"}",
          "q: ", "y: ");
}

static void embed_prompts__of_the_caller_go_before_those_of_the_model(void **state)
{
    rsi_prompts prompts;
    const char *directory = temporary_path(state);
    small_text_write(directory, FILE_NAME,
                     "{\"prompts\": {\"query\": \"q: \", \"document\": \"d: \"}}");
    assert_int_equal(rsi_prompts_read(&prompts, directory, "ask: ", NULL), RAGSTORE_OK);
    assert_string_equal(prompts.query, "ask: ");
    assert_string_equal(prompts.document, "d: ");
    rsi_prompts_free(&prompts);
    assert_int_equal(rsi_prompts_read(&prompts, directory, "", ""), RAGSTORE_OK);
    assert_string_equal(prompts.query, "");
    assert_string_equal(prompts.document, "");
    rsi_prompts_free(&prompts);
}

static void read_fails(const char *directory, const char *query, int code, const char *why)
{
    rsi_prompts prompts;
    assert_int_equal(rsi_prompts_read(&prompts, directory, query, NULL), code);
    assert_null(prompts.query);
    assert_null(prompts.document);
    if (strstr(rsi_error_message(), why) == NULL)
        fail_msg("\"%s\" is not in: %s", why, rsi_error_message());
}

static void embed_prompts__that_make_no_sense_are_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"{\"prompts\": {\"query\": 7}}", "not text"},
        {"{\"prompts\": {\"document\": [\"d\"]}}", "not text"},
        {"{\"prompts\": {\"query\": \"q\"}, \"default_prompt_name\": \"x\"}", "not among"},
        {"{\"prompts\": ", FILE_NAME},
    };
    const char *directory = temporary_path(state);
    char longest[RSI_PROMPT_BYTES_MAX + 2];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        small_text_write(directory, FILE_NAME, cases[i].text);
        read_fails(directory, NULL, RAGSTORE_E_INVALID_DATA, cases[i].why);
    }
    small_text_write(directory, FILE_NAME, "{}");
    read_fails(directory, "caf\xe9", RAGSTORE_E_INVALID_ARGUMENT, "UTF-8 at byte 3");
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    read_fails(directory, longest, RAGSTORE_E_INVALID_ARGUMENT, "1025 bytes");
    longest[sizeof longest - 2] = '\0';
    rsi_prompts prompts;
    assert_int_equal(rsi_prompts_read(&prompts, directory, longest, NULL), RAGSTORE_OK);
    rsi_prompts_free(&prompts);
}

static void embed_prompts__survive_each_failing_allocation(void **state)
{
    small_text_write(temporary_path(state), FILE_NAME,
                     "{\"prompts\": {\"query\": \"q: \", \"document\": \"d: \"}}");
    fault_memory_install();
    unsigned n = 1;
    for (bool failed = true; failed; n++) {
        rsi_prompts prompts;
        fault_memory_fail(n, false);
        int status = rsi_prompts_read(&prompts, temporary_path(state), NULL, NULL);
        failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        rsi_prompts_free(&prompts);
        assert_int_equal(fault_memory_alive(), 0);
    }
    fault_memory_restore();
    assert_true(n > 4);
}

static void vector_of(float vector[24], const rsi_embedder *embedder, rsi_embed_role role,
                      const char *text)
{
    rsi_slice slice = rsi_slice_of(text);
    assert_int_equal(rsi_embedder_embed(vector, embedder, role, &slice, 1), RAGSTORE_OK);
}

static void embed_prompts__stand_before_each_text_of_their_role(void **state)
{
    float got[24], expected[24];
    const char *directory = temporary_path(state);
    const rsi_model_options options = {.query_prompt = "fly the",
                                       .document_prompt = "a, ",
                                       .precision = RSI_PRECISION_FLOAT32};
    small_model model = small_model_defaults();
    small_model_write(&model, directory);
    rsi_embedder *bare = open_ok(directory), *with;
    assert_int_equal(rsi_embedder_open_model(&with, directory, &options), RAGSTORE_OK);

    vector_of(got, with, RSI_EMBED_QUERY, " wing");
    vector_of(expected, bare, RSI_EMBED_QUERY, "fly the wing");
    assert_memory_equal(got, expected, sizeof got);
    vector_of(got, with, RSI_EMBED_DOCUMENT, "wing");
    vector_of(expected, bare, RSI_EMBED_DOCUMENT, "a, wing");
    assert_memory_equal(got, expected, sizeof got);
    vector_of(got, bare, RSI_EMBED_QUERY, "wing");
    vector_of(expected, bare, RSI_EMBED_DOCUMENT, "wing");
    assert_memory_equal(got, expected, sizeof got);

    /* many texts, more than one slice: each has the prompt */
    rsi_slice texts[300];
    float *vectors = malloc(300 * sizeof got);
    char *owned[300];
    for (size_t i = 0; i < 300; i++) {
        owned[i] = words_text(i % 9, (unsigned)i);
        texts[i] = rsi_slice_of(owned[i]);
    }
    assert_int_equal(rsi_embedder_embed(vectors, with, RSI_EMBED_DOCUMENT, texts, 300),
                     RAGSTORE_OK);
    for (size_t i = 0; i < 300; i++) {
        char joined[128];
        snprintf(joined, sizeof joined, "a, %s", owned[i]);
        vector_of(expected, bare, RSI_EMBED_DOCUMENT, joined);
        assert_memory_equal(vectors + i * 24, expected, sizeof expected);
        free(owned[i]);
    }
    free(vectors);

    assert_int_equal(rsi_embedder_document_tokens(bare), 30);
    assert_int_equal(rsi_embedder_document_tokens(with), 28);
    rsi_embedder_release(bare);
    rsi_embedder_release(with);
    small_model_free(&model);
}

static char *name_with(const char *directory, const char *query, const char *document)
{
    const rsi_model_options options = {.query_prompt = query, .document_prompt = document};
    rsi_embedder *embedder;
    assert_int_equal(rsi_embedder_open_model(&embedder, directory, &options), RAGSTORE_OK);
    char *copy = strdup(rsi_embedder_fingerprint(embedder));
    rsi_embedder_release(embedder);
    return copy;
}

static void embed_prompts__are_part_of_the_fingerprint(void **state)
{
    const char *directory = temporary_path(state);
    small_model model = small_model_defaults();
    small_model_write(&model, directory);
    char *names[] = {name_with(directory, NULL, NULL), name_with(directory, "a ", NULL),
                     name_with(directory, NULL, "a "), name_with(directory, "a ", "a "),
                     name_with(directory, "a", NULL)};
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
    char *empty = name_with(directory, "", "");
    assert_string_equal(empty, names[0]);
    free(empty);
    for (size_t i = 0; i < 5; i++)
        free(names[i]);
    small_model_free(&model);
}

static void embed_prompts__must_leave_room_for_the_text(void **state)
{
    const char *directory = temporary_path(state);
    small_model model = small_model_defaults();
    small_model_write(&model, directory);
    small_text_write(directory, FILE_NAME,
                     "{\"prompts\": {\"document\": \"a a a a a a a a a a a a a a a a a\"}}");
    open_fails(directory, RAGSTORE_E_INVALID_DATA, "prompt for a document has 17 tokens");
    small_model_free(&model);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
    cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(embed_prompts__are_read_as_models_are_published),
        WITH_DIRECTORY(embed_prompts__of_the_caller_go_before_those_of_the_model),
        WITH_DIRECTORY(embed_prompts__that_make_no_sense_are_refused),
        WITH_DIRECTORY(embed_prompts__survive_each_failing_allocation),
        WITH_DIRECTORY(embed_prompts__stand_before_each_text_of_their_role),
        WITH_DIRECTORY(embed_prompts__are_part_of_the_fingerprint),
        WITH_DIRECTORY(embed_prompts__must_leave_room_for_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
