/*
 * Hostile model files: the corpus, and inputs made from files that work by changing what matters in
 * them. RAGSTORE_FUZZ_SEED repeats a run, RAGSTORE_FUZZ_ROUNDS makes it longer.
 *
 * A mutation knows JSON: numbers, strings and names are put in place of others, pieces are
 * doubled, dropped, and wrapped deep. In safetensors it keeps the length of the header right in
 * most cases, so that what lies behind it is read at all.
 */
#include "fuzz_model.h"

#include "harness/temporary.h"
#include "ragstore.h"

#include <ctype.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/embed/small_model.h"

#define CORPUS "tests/fuzz/corpus/model"
#define INPUT_MAX 65536

static uint64_t seed;

static size_t chance(size_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(seed >> 33) % below;
}

typedef struct input {
    uint8_t data[INPUT_MAX];
    size_t size;
} input;

/* Put `size` bytes in place of `gone` bytes at `at`. */
static void replace(input *in, size_t at, size_t gone, const void *bytes, size_t size)
{
    if (in->size - gone + size > INPUT_MAX)
        return;
    memmove(in->data + at + size, in->data + at + gone, in->size - at - gone);
    memcpy(in->data + at, bytes, size);
    in->size = in->size - gone + size;
}

static bool part_of_number(uint8_t c)
{
    return isdigit(c) || c == '-' || c == '.' || c == '+' || c == 'e' || c == 'E';
}

/* Some number, name or string of JSON between begin and end: its place and length. */
static bool find_value(const input *in, size_t begin, size_t end, size_t *at, size_t *length)
{
    for (size_t tries = 0; tries < 50 && begin < end; tries++) {
        size_t from = begin + chance(end - begin), to;
        if (part_of_number(in->data[from])) {
            for (to = from; from > begin && part_of_number(in->data[from - 1]);)
                from--;
            while (to < end && part_of_number(in->data[to]))
                to++;
        } else if (in->data[from] == '"') {
            for (to = from + 1; to < end && in->data[to] != '"';)
                to++;
            to += to < end;
        } else {
            continue;
        }
        *at = from;
        *length = to - from;
        return true;
    }
    return false;
}

static void change_value(input *in, size_t begin, size_t end)
{
    static const char *const values[] = {
        "-1",
        "0",
        "1",
        "2",
        "3",
        "7",
        "16",
        "255",
        "65536",
        "4294967295",
        "4294967296",
        "2147483648",
        "9223372036854775807",
        "18446744073709551616",
        "1e308",
        "0.5",
        "-0",
        "1e-400",
        "null",
        "true",
        "[]",
        "{}",
        "\"\"",
        "\"F16\"",
        "\"BF16\"",
        "\"F64\"",
        "\"X\"",
        "\"bert\"",
        "\"bert.encoder.layer.0\"",
        "[1,2,3,4,5,6,7,8,9]",
        "\"\\u0000\"",
        "\"\xFF\"",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["};
    size_t at, length;
    const char *value = values[chance(sizeof values / sizeof values[0])];
    if (find_value(in, begin, end, &at, &length))
        replace(in, at, length, value, strlen(value));
}

static void change_piece(input *in, size_t begin, size_t end)
{
    if (begin >= end)
        return;
    const size_t at = begin + chance(end - begin);
    size_t length = 1 + chance(end - at < 64 ? end - at : 64);
    uint8_t copy[64];
    memcpy(copy, in->data + at, length);
    switch (chance(4)) {
    case 0: /* doubled */
        replace(in, at, 0, copy, length);
        break;
    case 1: /* dropped */
        replace(in, at, length, "", 0);
        break;
    case 2: /* one bit */
        in->data[at] ^= (uint8_t)(1u << chance(8));
        break;
    default: /* elsewhere */
        replace(in, begin + chance(end - begin), 0, copy, length);
    }
}

static void mutate(input *in)
{
    size_t begin = 1, end = in->size, header = 0;
    const bool weights = in->data[0] == 'S' && in->size > 9;
    if (weights) {
        memcpy(&header, in->data + 1, sizeof header);
        begin = 9;
        end = header < in->size - 9 ? 9 + header : in->size;
    }
    const size_t before = in->size;
    for (size_t changes = 1 + chance(3); changes > 0 && in->size > 1; changes--) {
        if (end > in->size)
            end = in->size;
        if (chance(3) > 0)
            change_value(in, begin, end);
        else
            change_piece(in, begin, chance(4) == 0 ? in->size : end);
    }
    if (weights && chance(8) > 0) {
        header += in->size - before; /* what was put into the header, mostly */
        memcpy(in->data + 1, &header, sizeof header);
    } else if (weights && in->size > 9) {
        in->data[1 + chance(8)] = (uint8_t)chance(256);
    }
    if (chance(12) == 0)
        in->size = 1 + chance(in->size);
}

static void load(input *out, char selector, const char *path)
{
    size_t size;
    char *data = temporary_read(path, &size);
    assert_true(size < INPUT_MAX);
    out->data[0] = (uint8_t)selector;
    memcpy(out->data + 1, data, size);
    out->size = size + 1;
    free(data);
}

/* ---- the tests ---- */

static void fuzz_model__corpus_ends_in_vectors_or_typed_errors(void **state)
{
    (void)state;
    size_t count = 0, opened = 0;
    DIR *folder = opendir(CORPUS);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[512];
        size_t size;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, CORPUS "/%s", entry->d_name);
        char *data = temporary_read(path, &size);
        assert_non_null(fuzz_model_file((uint8_t)data[0]));
        LLVMFuzzerTestOneInput((const uint8_t *)data, size);
        opened += fuzz_model_last_status() == RAGSTORE_OK;
        /* what names begin with says what is expected */
        const bool good = strncmp(entry->d_name, "good-", 5) == 0;
        if (good != (fuzz_model_last_status() == RAGSTORE_OK))
            fail_msg("%s: status %d", entry->d_name, fuzz_model_last_status());
        free(data);
        count++;
    }
    closedir(folder);
    assert_true(count >= 20 && opened >= 5);
}

/* Every file of the model, cut off at each place. */
static void fuzz_model__files_that_are_cut_off_are_refused_or_whole(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    small_model model = small_model_defaults();
    model.hidden = 8;
    model.heads = 2;
    model.intermediate = 12;
    model.layers = 1;
    model.positions = model.max_tokens = 16;
    model.type = "F16";
    small_model_write(&model, temporary_path(state));
    small_model_free(&model);
    static input in, part;
    load(&in, 'S', temporary_join(path, state, "model.safetensors"));
    for (size_t size = 1; size < in.size; size += size < 64 || size + 64 > in.size ? 1 : 37) {
        memcpy(part.data, in.data, size);
        LLVMFuzzerTestOneInput(part.data, size);
        assert_true(fuzz_model_last_status() != RAGSTORE_OK);
    }
    LLVMFuzzerTestOneInput(in.data, in.size);
    assert_int_equal(fuzz_model_last_status(), RAGSTORE_OK);
    load(&in, 'C', temporary_join(path, state, "config.json"));
    for (size_t size = 1; size < in.size; size++) {
        LLVMFuzzerTestOneInput(in.data, size);
        assert_true(fuzz_model_last_status() != RAGSTORE_OK);
    }
}

static void fuzz_model__mutations_end_in_vectors_or_typed_errors(void **state)
{
    static const struct {
        char selector;
        const char *name;
    } seeds[] = {{'S', "model.safetensors"},
                 {'S', "model.safetensors"},
                 {'C', "config.json"},
                 {'V', "vocab.txt"},
                 {'P', "1_Pooling/config.json"},
                 {'L', "sentence_bert_config.json"},
                 {'T', CORPUS "/good-tokenizer"},
                 {'Q', CORPUS "/good-prompts"},
                 {'M', CORPUS "/good-modules"}};
    static input in;
    const char *given = getenv("RAGSTORE_FUZZ_SEED"), *rounds = getenv("RAGSTORE_FUZZ_ROUNDS");
    const uint64_t first = given == NULL ? 20261127 : strtoull(given, NULL, 10);
    const size_t count = rounds == NULL ? 2000 : strtoull(rounds, NULL, 10);
    size_t opened = 0, refused = 0;
    print_message("RAGSTORE_FUZZ_SEED=%llu RAGSTORE_FUZZ_ROUNDS=%zu\n", (unsigned long long)first,
                  count);
    small_model model = small_model_defaults();
    model.hidden = 8;
    model.heads = 2;
    model.intermediate = 12;
    model.layers = 1;
    model.positions = model.max_tokens = 16;
    small_model_write(&model, temporary_path(state));
    small_model_free(&model);
    for (size_t i = 0; i < count; i++) {
        char path[TEMPORARY_PATH_MAX];
        const size_t kind = i % (sizeof seeds / sizeof seeds[0]);
        seed = first + i;
        if (strncmp(seeds[kind].name, CORPUS, sizeof CORPUS - 1) == 0) {
            load(&in, seeds[kind].selector, seeds[kind].name);
            replace(&in, 0, 1, "", 0); /* the file has its selector */
        } else {
            load(&in, seeds[kind].selector, temporary_join(path, state, seeds[kind].name));
        }
        mutate(&in);
        LLVMFuzzerTestOneInput(in.data, in.size);
        *(fuzz_model_last_status() == RAGSTORE_OK ? &opened : &refused) += 1;
    }
    print_message("%zu opened, %zu refused\n", opened, refused);
    assert_true(opened >
                count / 50); /* mutations that nothing survives test only the first check */
    assert_true(refused > count / 10);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
    cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fuzz_model__corpus_ends_in_vectors_or_typed_errors),
        WITH_DIRECTORY(fuzz_model__files_that_are_cut_off_are_refused_or_whole),
        WITH_DIRECTORY(fuzz_model__mutations_end_in_vectors_or_typed_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
