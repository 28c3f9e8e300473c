/*
 * Texts that are hard to tokenize, with the published model: accents, ideographs, control
 * characters, words that are too long, special tokens in the text, emoji, right-to-left scripts,
 * NUL, and random mixtures of all of them, against the ids that another implementation gives them
 * (make_hard_texts.py); and texts of ten million bytes on one line.
 */
#include "embed/embed.h"

#include "base/status.h"
#include "embed/model_locate.h"
#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXTS "tests/unit/embed/hard_texts.jsonl"
#define LONG_BYTES ((size_t)10 << 20)

static rsi_embedder *minilm;

static int open_model(void **state)
{
    rsi_bytes path = {0};
    (void)state;
    if (rsi_model_locate(&path) == RAGSTORE_OK)
        (void)rsi_embedder_open_model(&minilm, path.data, NULL);
    if (minilm == NULL)
        print_message("no embedding model: %s\n", rsi_error_message());
    rsi_bytes_free(&path);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    rsi_embedder_release(minilm);
    return 0;
}

static void need_model(void)
{
    if (minilm == NULL || strstr(rsi_embedder_fingerprint(minilm), "/53aa51172d142c89/") == NULL)
        skip();
}

static size_t from_hex(char *out, const char *hex)
{
    size_t size = strlen(hex) / 2;
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (char)byte;
    }
    return size;
}

/* The ids of a text up to the model's limit, and how many there are without it. */
static void compare(const char *line, const rsi_json *json)
{
    const char *hex = rsi_json_get_text(json, "hex");
    const rsi_json *expected = rsi_json_get(json, "ids");
    char *text = malloc(strlen(hex) / 2 + 1);
    int32_t ids[256];
    size_t count, uncut, size = from_hex(text, hex);
    assert_int_equal(rsi_embedder_tokenize(ids, &count, &uncut, minilm, text, size), RAGSTORE_OK);
    if (uncut != rsi_json_count(expected) + 2)
        fail_msg("%zu ids, not %zu: %.200s", uncut - 2, rsi_json_count(expected), line);
    for (size_t i = 1; i + 1 < count; i++)
        if (ids[i] != rsi_json_integer(rsi_json_at(expected, i - 1), -1))
            fail_msg("id %zu is %d: %.200s", i, ids[i], line);
    free(text);
}

static void embed_hard_texts__have_the_ids_of_the_reference(void **state)
{
    (void)state;
    need_model();
    FILE *file = fopen(TEXTS, "r");
    assert_non_null(file);
    char *line = NULL;
    size_t room = 0, count = 0;
    while (getline(&line, &room, file) > 0) {
        rsi_json *json;
        assert_int_equal(rsi_json_parse(&json, line, strlen(line), 8), RAGSTORE_OK);
        compare(line, json);
        rsi_json_free(json);
        count++;
    }
    assert_true(count > 450);
    free(line);
    fclose(file);
}

/* Each in time that grows with its length: otherwise this does not end. */
static void embed_hard_texts__of_ten_megabytes_on_one_line_are_taken(void **state)
{
    static const char *const pieces[] = {
        "a", "\xF0\x9F\x98\x80", "[CLS]", "\xD7\xA9\xCC\x81", "\xE4\xB8\xAD", "[", "e\xCC\x81 "};
    (void)state;
    need_model();
    char *text = malloc(LONG_BYTES);
    float *vector = malloc(rsi_embedder_dimension(minilm) * sizeof *vector);
    for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
        const size_t piece = strlen(pieces[p]), size = LONG_BYTES / piece * piece;
        size_t tokens;
        for (size_t at = 0; at < size; at += piece)
            memcpy(text + at, pieces[p], piece);
        assert_int_equal(rsi_embedder_count_tokens(&tokens, minilm, text, size), RAGSTORE_OK);
        assert_true(tokens > 0);
        const rsi_slice slice = {text, size};
        assert_int_equal(rsi_embedder_embed(vector, minilm, RSI_EMBED_QUERY, &slice, 1),
                         RAGSTORE_OK);
    }
    free(text);
    free(vector);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embed_hard_texts__have_the_ids_of_the_reference),
        cmocka_unit_test(embed_hard_texts__of_ten_megabytes_on_one_line_are_taken),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
