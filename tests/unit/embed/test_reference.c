/*
 * The published model all-MiniLM-L6-v2, where it is at hand, against ids and vectors that another
 * implementation gave for 200 texts.
 */
#include "embed/embed.h"

#include "base/status.h"
#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "embed_fixture.h"

#define MINILM_DIMENSION 384
#define MINILM_TOKENS 256

typedef struct reference {
    char *text; /* may hold NUL */
    size_t size;
    size_t uncut;
    int32_t ids[MINILM_TOKENS];
    size_t id_count;
    float vector[MINILM_DIMENSION];
} reference;

static rsi_embedder *minilm;
static reference *references;
static size_t reference_count;

static const char *minilm_directory(void)
{
    static char path[4096];
    const char *given = getenv("RAGSTORE_MODEL"), *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (given != NULL && given[0] != '\0')
        return given;
    if (cache != NULL && cache[0] != '\0')
        snprintf(path, sizeof path, "%s/ragstore/models/all-MiniLM-L6-v2", cache);
    else
        snprintf(path, sizeof path, "%s/.cache/ragstore/models/all-MiniLM-L6-v2",
                 home == NULL ? "" : home);
    return path;
}

/* The library's JSON refuses NUL in strings; one reference text has it. It is carried through as
 * a private character that no text has. */
#define NUL_CARRIER "\xEF\xA3\xB0"

static char *with_carriers(const char *line)
{
    char *copy = strdup(line);
    assert_null(strstr(line, NUL_CARRIER));
    for (char *at = strstr(copy, "\\u0000"); at != NULL; at = strstr(at, "\\u0000"))
        memcpy(at, "\\uf8f0", 6);
    return copy;
}

static void take_text(reference *entry, const char *text, size_t size)
{
    entry->text = malloc(size + 1);
    for (size_t i = 0; i < size;) {
        bool carrier = size - i >= 3 && memcmp(text + i, NUL_CARRIER, 3) == 0;
        entry->text[entry->size++] = carrier ? '\0' : text[i];
        i += carrier ? 3 : 1;
    }
}

static void read_reference(reference *entry, const char *line)
{
    char *carried = with_carriers(line);
    rsi_json *json;
    if (rsi_json_parse(&json, carried, strlen(carried), 8) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    const rsi_json *text = rsi_json_get(json, "text"), *ids = rsi_json_get(json, "ids");
    const rsi_json *vector = rsi_json_get(json, "embedding");
    take_text(entry, rsi_json_text(text), rsi_json_text_size(text));
    entry->uncut = (size_t)rsi_json_get_integer(json, "tokens_before_cut", -1);
    entry->id_count = rsi_json_count(ids);
    assert_true(entry->id_count <= MINILM_TOKENS);
    assert_int_equal(rsi_json_count(vector), MINILM_DIMENSION);
    for (size_t i = 0; i < entry->id_count; i++)
        entry->ids[i] = (int32_t)rsi_json_integer(rsi_json_at(ids, i), -1);
    for (size_t i = 0; i < MINILM_DIMENSION; i++)
        entry->vector[i] = (float)rsi_json_number(rsi_json_at(vector, i), 9);
    rsi_json_free(json);
    free(carried);
}

static void read_references(void)
{
    const char *shared = getenv("RAGSTORE_SHARED_DATA");
    char path[4096];
    snprintf(path, sizeof path, "%s/embeddings/minilm_reference.jsonl",
             shared == NULL ? "../shared/data" : shared);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        print_message("no reference vectors in %s\n", path);
        return;
    }
    char *line = NULL;
    size_t capacity = 0, room = 0;
    while (getline(&line, &capacity, file) > 0) {
        if (reference_count == room) {
            room = room == 0 ? 64 : 2 * room;
            references = realloc(references, room * sizeof *references);
        }
        memset(&references[reference_count], 0, sizeof *references);
        read_reference(&references[reference_count++], line);
    }
    free(line);
    fclose(file);
}

static int minilm_setup(void **state)
{
    (void)state;
    int status = rsi_embedder_open_model(&minilm, minilm_directory(), NULL);
    if (status != RAGSTORE_OK)
        print_message("no embedding model: %s\n", rsi_error_message());
    else
        read_references();
    return 0;
}

static int minilm_teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < reference_count; i++)
        free(references[i].text);
    free(references);
    rsi_embedder_release(minilm);
    return 0;
}

static void need_references(void)
{
    if (minilm == NULL || reference_count == 0 ||
        rsi_embedder_dimension(minilm) != MINILM_DIMENSION)
        skip();
}

static void embed_minilm__has_the_expected_fingerprint(void **state)
{
    (void)state;
    if (minilm == NULL || rsi_embedder_dimension(minilm) != MINILM_DIMENSION)
        skip();
    const char *fingerprint = rsi_embedder_fingerprint(minilm);
    assert_non_null(strstr(fingerprint, "/384/mean/l2/53aa51172d142c89/"));
    assert_int_equal(rsi_embedder_max_tokens(minilm), MINILM_TOKENS);
}

static void embed_minilm__gives_the_ids_of_the_reference(void **state)
{
    (void)state;
    need_references();
    assert_int_equal(reference_count, 200);
    for (size_t i = 0; i < reference_count; i++) {
        const reference *entry = &references[i];
        int32_t ids[MINILM_TOKENS];
        size_t count, uncut, bare;
        assert_int_equal(
            rsi_embedder_tokenize(ids, &count, &uncut, minilm, entry->text, entry->size),
            RAGSTORE_OK);
        assert_int_equal(count, entry->id_count);
        assert_memory_equal(ids, entry->ids, count * sizeof *ids);
        assert_int_equal(uncut, entry->uncut);
        assert_int_equal(rsi_embedder_count_tokens(&bare, minilm, entry->text, entry->size),
                         RAGSTORE_OK);
        assert_int_equal(bare + 2, uncut);
    }
}

static void compare_with_reference(const reference *entry, const float *vector, float most)
{
    double dot = 0, mine = 0, theirs = 0;
    for (size_t i = 0; i < MINILM_DIMENSION; i++) {
        dot += (double)vector[i] * (double)entry->vector[i];
        mine += (double)vector[i] * (double)vector[i];
        theirs += (double)entry->vector[i] * (double)entry->vector[i];
    }
    assert_true(largest_difference(vector, entry->vector, MINILM_DIMENSION) < most);
    assert_true(dot / sqrt(mine * theirs) >= 0.99999);
    assert_true(fabs(mine - 1) < 1e-5);
}

/* In batches of 64, and each fourth text alone too. No number differs by `most`. */
static void compare_all(const rsi_embedder *embedder, float most)
{
    float *vectors = malloc(64 * MINILM_DIMENSION * sizeof *vectors);
    float alone[MINILM_DIMENSION];
    rsi_slice texts[64];
    for (size_t from = 0; from < reference_count; from += 64) {
        size_t count = reference_count - from < 64 ? reference_count - from : 64;
        for (size_t i = 0; i < count; i++)
            texts[i] = (rsi_slice){references[from + i].text, references[from + i].size};
        assert_int_equal(rsi_embedder_embed(vectors, embedder, RSI_EMBED_DOCUMENT, texts, count),
                         RAGSTORE_OK);
        for (size_t i = 0; i < count; i++) {
            const float *vector = vectors + i * MINILM_DIMENSION;
            compare_with_reference(&references[from + i], vector, most);
            if (i % 4 != 0)
                continue;
            assert_int_equal(rsi_embedder_embed(alone, embedder, RSI_EMBED_DOCUMENT, &texts[i], 1),
                             RAGSTORE_OK);
            assert_memory_equal(vector, alone, sizeof alone); /* to the last bit */
        }
    }
    free(vectors);
}

static void embed_minilm__gives_the_vectors_of_the_reference(void **state)
{
    (void)state;
    need_references();
    const rsi_model_options options = {.precision = RSI_PRECISION_FLOAT32};
    rsi_embedder *floats;
    assert_int_equal(rsi_embedder_open_model(&floats, minilm_directory(), &options), RAGSTORE_OK);
    assert_string_equal(rsi_embedder_fingerprint(floats), rsi_embedder_fingerprint(minilm));
    compare_all(floats, 1e-4f);
    rsi_embedder_release(floats);
}

/* In what the library chooses for this processor. */
static void embed_minilm__gives_the_vectors_of_the_reference_as_usual(void **state)
{
    (void)state;
    need_references();
    compare_all(minilm, 5e-4f);
}

/* In 16-bit integers: the same to all who rank by them. */
static void embed_minilm__in_16_bits_gives_the_vectors_of_the_reference(void **state)
{
    (void)state;
    need_references();
    const rsi_model_options options = {.precision = RSI_PRECISION_INT16};
    rsi_embedder *small;
    assert_int_equal(rsi_embedder_open_model(&small, minilm_directory(), &options), RAGSTORE_OK);
    assert_non_null(strstr(rsi_embedder_fingerprint(small), "/int16"));
    compare_all(small, 5e-4f);
    rsi_embedder_release(small);
}

/* In 8-bit integers: not the same, but near enough to rank by. */
static void embed_minilm__in_8_bits_is_near_the_reference(void **state)
{
    (void)state;
    need_references();
    const rsi_model_options options = {.precision = RSI_PRECISION_INT8};
    rsi_embedder *small;
    assert_int_equal(rsi_embedder_open_model(&small, minilm_directory(), &options), RAGSTORE_OK);
    assert_non_null(strstr(rsi_embedder_fingerprint(small), "/int8"));
    float *vectors = malloc(reference_count * MINILM_DIMENSION * sizeof *vectors);
    rsi_slice *texts = malloc(reference_count * sizeof *texts);
    for (size_t i = 0; i < reference_count; i++)
        texts[i] = (rsi_slice){references[i].text, references[i].size};
    assert_int_equal(
        rsi_embedder_embed(vectors, small, RSI_EMBED_DOCUMENT, texts, reference_count),
        RAGSTORE_OK);
    double least = 1;
    for (size_t i = 0; i < reference_count; i++) {
        double dot = 0, theirs = 0;
        for (size_t d = 0; d < MINILM_DIMENSION; d++) {
            dot += (double)vectors[i * MINILM_DIMENSION + d] * (double)references[i].vector[d];
            theirs += (double)references[i].vector[d] * (double)references[i].vector[d];
        }
        least = fmin(least, dot / sqrt(theirs));
    }
    print_message("least cosine in 8 bits: %.5f\n", least);
    assert_true(least >= 0.99);
    free(vectors);
    free(texts);
    rsi_embedder_release(small);
}

static void embed_minilm__serves_several_threads(void **state)
{
    (void)state;
    need_references();
    rsi_slice texts[16];
    for (size_t i = 0; i < 16; i++)
        texts[i] = (rsi_slice){references[i * 12].text, references[i * 12].size};
    embed_from_four_threads(minilm, texts, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embed_minilm__has_the_expected_fingerprint),
        cmocka_unit_test(embed_minilm__gives_the_ids_of_the_reference),
        cmocka_unit_test(embed_minilm__gives_the_vectors_of_the_reference),
        cmocka_unit_test(embed_minilm__gives_the_vectors_of_the_reference_as_usual),
        cmocka_unit_test(embed_minilm__in_16_bits_gives_the_vectors_of_the_reference),
        cmocka_unit_test(embed_minilm__in_8_bits_is_near_the_reference),
        cmocka_unit_test(embed_minilm__serves_several_threads),
    };
    return cmocka_run_group_tests(tests, minilm_setup, minilm_teardown);
}
