/* Embedding models: finding, opening, tokens, vectors. */
#include "api_fixture.h"

#include "harness/locales.h"

static double dot(const float *a, const float *b, size_t dimension)
{
    double sum = 0;
    for (size_t d = 0; d < dimension; d++)
        sum += (double)a[d] * (double)b[d];
    return sum;
}

static float *embed(const char *const *texts, size_t count)
{
    float *vectors = malloc(count * ragstore_model_dimension(the_model()) * sizeof *vectors);
    assert_non_null(vectors);
    assert_ok(ragstore_model_embed(vectors, the_model(), texts, count));
    return vectors;
}

/* ---- finding and opening ---- */

static void model_locate__follows_the_environment(void **state)
{
    ragstore_buffer *buffer;
    const char *before = getenv("RAGSTORE_MODEL");
    char *saved = before == NULL ? NULL : strdup(before);
    char path[TEMPORARY_PATH_MAX];
    the_model();
    assert_ok(ragstore_model_locate(&buffer));
    char *place = strdup(ragstore_buffer_data(buffer));
    ragstore_buffer_free(buffer);
    assert_int_equal(symlink(place, temporary_join(path, state, "model")), 0);
    assert_int_equal(setenv("RAGSTORE_MODEL", path, 1), 0);
    assert_ok(ragstore_model_locate(&buffer));
    assert_string_equal(ragstore_buffer_data(buffer), path);
    ragstore_buffer_free(buffer);

    buffer = (ragstore_buffer *)(uintptr_t)1;
    assert_int_equal(setenv("RAGSTORE_MODEL", temporary_join(path, state, "nothing"), 1), 0);
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_model_locate(&buffer));
    assert_null(buffer);
    assert_message_has("nothing");
    if (saved == NULL)
        unsetenv("RAGSTORE_MODEL");
    else
        setenv("RAGSTORE_MODEL", saved, 1);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_model_locate(NULL));
    free(saved);
    free(place);
}

static void model_open__of_nothing_is_not_found(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    ragstore_model *model = (ragstore_model *)(uintptr_t)1;
    assert_fails(RAGSTORE_E_NOT_FOUND,
                 ragstore_model_open(&model, temporary_join(path, state, "nothing")));
    assert_null(model);
    assert_message_has(path);
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_model_open(&model, temporary_path(state)));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_model_open(NULL, path));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_model_open(&model, NULL));
    ragstore_model_free(NULL);
}

/* A model's directory in which every file is a link, so that one can be replaced. */
static void link_model(void **state, const char *except, const char *content, size_t size)
{
    static const char *const files[] = {"config.json", "tokenizer.json", "vocab.txt",
                                        "model.safetensors"};
    ragstore_buffer *buffer;
    assert_ok(ragstore_model_locate(&buffer));
    for (size_t i = 0; i < COUNT(files); i++) {
        char from[TEMPORARY_PATH_MAX];
        char to[TEMPORARY_PATH_MAX];
        snprintf(from, sizeof from, "%s/%s", ragstore_buffer_data(buffer), files[i]);
        temporary_join(to, state, files[i]);
        (void)unlink(to);
        if (strcmp(files[i], except) == 0)
            temporary_write(to, content, size);
        else if (temporary_exists(from))
            assert_int_equal(symlink(from, to), 0);
    }
    ragstore_buffer_free(buffer);
}

static void model_open__refuses_what_is_damaged_or_of_another_kind(void **state)
{
    static const struct {
        const char *file;
        const char *content;
        size_t size;
        int code;
    } cases[] = {
        {"config.json", "", 0, RAGSTORE_E_INVALID_DATA},
        {"config.json", "{", 1, RAGSTORE_E_INVALID_DATA},
        {"config.json", "{\"model_type\": \"llama\"}", 23, RAGSTORE_E_UNSUPPORTED},
        {"model.safetensors", "", 0, RAGSTORE_E_INVALID_DATA},
        {"model.safetensors", "\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10, RAGSTORE_E_INVALID_DATA},
        {"model.safetensors", "\2\0\0\0\0\0\0\0{}", 10, RAGSTORE_E_INVALID_DATA},
        {"tokenizer.json", "{", 1, RAGSTORE_E_INVALID_DATA},
    };
    ragstore_model *model;
    the_model();
    for (size_t i = 0; i < COUNT(cases); i++) {
        link_model(state, cases[i].file, cases[i].content, cases[i].size);
        assert_fails(cases[i].code, ragstore_model_open(&model, temporary_path(state)));
        assert_null(model);
    }
    link_model(state, "none", "", 0);
    assert_ok(ragstore_model_open(&model, temporary_path(state)));
    assert_int_equal(ragstore_model_dimension(model), ragstore_model_dimension(the_model()));
    ragstore_model_free(model);
}

static void model__names_itself_by_what_it_computes(void **state)
{
    ragstore_model *again;
    ragstore_buffer *path;
    (void)state;
    the_model();
    assert_ok(ragstore_model_locate(&path));
    assert_ok(ragstore_model_open(&again, ragstore_buffer_data(path)));
    assert_string_equal(ragstore_model_fingerprint(again), ragstore_model_fingerprint(the_model()));
    char dimension[16];
    snprintf(dimension, sizeof dimension, "/%u/", ragstore_model_dimension(again));
    assert_non_null(strstr(ragstore_model_fingerprint(again), dimension));
    ragstore_model_free(again);
    ragstore_buffer_free(path);
}

static void model__lives_as_long_as_a_store_uses_it(void **state)
{
    ragstore_model *model;
    ragstore_buffer *path;
    the_model();
    assert_ok(ragstore_model_locate(&path));
    assert_ok(ragstore_model_open(&model, ragstore_buffer_data(path)));
    ragstore_store *store = open_store_with(state, 0, model);
    ragstore_model_free(model);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "The cat sleeps.");
    ragstore_result *result = search(entity, "a dozing pet");
    assert_int_equal(ragstore_result_count(result), 1);
    ragstore_result_free(result);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    ragstore_buffer_free(path);
}

/* ---- tokens ---- */

static void model_tokenize__fills_what_there_is_room_for(void **state)
{
    static const char text[] = "All about granite.";
    int32_t ids[16];
    int32_t few[2] = {-1, -1};
    size_t count;
    size_t uncut;
    (void)state;
    ragstore_model *model = the_model();
    assert_ok(ragstore_model_tokenize(ids, &count, &uncut, model, 16, text, sizeof text - 1));
    assert_int_equal(count, uncut);
    assert_in_range(count, 5, 16);
    size_t whole = count;
    assert_ok(ragstore_model_tokenize(few, &count, NULL, model, 1, text, sizeof text - 1));
    assert_int_equal(count, whole);
    assert_int_equal(few[0], ids[0]);
    assert_int_equal(few[1], -1);
    assert_ok(ragstore_model_tokenize(NULL, &count, &uncut, model, 0, text, sizeof text - 1));
    assert_int_equal(count, whole);
    assert_ok(ragstore_model_tokenize(ids, &count, &uncut, model, 16, NULL, 0));
    assert_int_equal(count, 2); /* only the special ones */
}

static void model_tokenize__cuts_at_the_models_limit(void **state)
{
    enum { WORDS = 2000 };
    char text[WORDS * 4 + 1];
    size_t count;
    size_t uncut;
    (void)state;
    for (size_t i = 0; i < WORDS; i++)
        memcpy(text + 4 * i, "cat ", 5);
    assert_ok(ragstore_model_tokenize(NULL, &count, &uncut, the_model(), 0, text, WORDS * 4));
    assert_int_equal(uncut, WORDS + 2);
    assert_in_range(count, 64, 512);
}

static void model_calls__refuse_bad_arguments(void **state)
{
    static const char *const bad_texts[] = {"good", "\xff"};
    static const char *const null_texts[] = {"good", NULL};
    int32_t id;
    size_t count = 7;
    (void)state;
    ragstore_model *model = the_model();
    float *vectors = malloc(2 * ragstore_model_dimension(model) * sizeof *vectors);
    assert_non_null(vectors);
    const int wrong = RAGSTORE_E_INVALID_ARGUMENT;
    assert_fails(wrong, ragstore_model_tokenize(&id, NULL, NULL, model, 1, "a", 1));
    assert_fails(wrong, ragstore_model_tokenize(NULL, &count, NULL, model, 1, "a", 1));
    assert_int_equal(count, 0);
    assert_fails(wrong, ragstore_model_tokenize(&id, &count, NULL, NULL, 1, "a", 1));
    assert_fails(wrong, ragstore_model_tokenize(&id, &count, NULL, model, 1, NULL, 1));
    assert_fails(RAGSTORE_E_INVALID_DATA,
                 ragstore_model_tokenize(&id, &count, NULL, model, 1, "caf\xe9", 4));
    assert_fails(wrong, ragstore_model_embed(vectors, NULL, bad_texts, 1));
    assert_fails(wrong, ragstore_model_embed(NULL, model, bad_texts, 1));
    assert_fails(wrong, ragstore_model_embed(vectors, model, NULL, 1));
    assert_fails(wrong, ragstore_model_embed(vectors, model, null_texts, 2));
    assert_fails(wrong, ragstore_model_embed(vectors, model, bad_texts, 65537));
    assert_fails(RAGSTORE_E_INVALID_DATA, ragstore_model_embed(vectors, model, bad_texts, 2));
    assert_ok(ragstore_model_embed(NULL, model, NULL, 0));
    assert_int_equal(ragstore_model_dimension(NULL), 0);
    assert_null(ragstore_model_fingerprint(NULL));
    free(vectors);
}

/* ---- vectors ---- */

static void model_embed__gives_directions_of_meaning(void **state)
{
    static const char *const texts[] = {"The cat sleeps on the sofa.",
                                        "A kitten naps on the couch.",
                                        "Interest rates were raised again.", ""};
    (void)state;
    const size_t dimension = ragstore_model_dimension(the_model());
    float *vectors = embed(texts, COUNT(texts));
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_float_equal(dot(vectors + i * dimension, vectors + i * dimension, dimension), 1,
                           1e-4);
    double alike = dot(vectors, vectors + dimension, dimension);
    double unlike = dot(vectors, vectors + 2 * dimension, dimension);
    assert_true(alike > 0.5);
    assert_true(unlike < 0.3);
    free(vectors);
}

static void model_embed__does_not_depend_on_the_company(void **state)
{
    static const char *const texts[] = {
        "granite", "A much longer text about the forming of granite.", "日本の石", "é"};
    (void)state;
    const size_t dimension = ragstore_model_dimension(the_model());
    float *together = embed(texts, COUNT(texts));
    for (size_t i = 0; i < COUNT(texts); i++) {
        float *alone = embed(texts + i, 1);
        assert_true(dot(alone, together + i * dimension, dimension) > 0.99999);
        free(alone);
    }
    free(together);
}

static void model__does_not_depend_on_the_locale(void **state)
{
    static const char *const locales[] = {"de_DE", "ps_AF"};
    static const char *const texts[] = {"granite"};
    ragstore_buffer *path;
    the_model();
    const size_t dimension = ragstore_model_dimension(the_model());
    float *before = embed(texts, 1);
    assert_ok(ragstore_model_locate(&path));
    for (size_t i = 0; i < COUNT(locales); i++) {
        if (!locales_use(temporary_path(state), locales[i]))
            continue;
        ragstore_model *model;
        float *after = malloc(dimension * sizeof *after);
        assert_non_null(after);
        assert_ok(ragstore_model_open(&model, ragstore_buffer_data(path)));
        assert_ok(ragstore_model_embed(after, model, texts, 1));
        ragstore_store *store = open_store_with(state, 0, model);
        ragstore_entity *entity = make_entity(store, locales[i]);
        assert_ok(ragstore_document_add_chunks(
            NULL, entity, "[{\"text\": \"granite\", \"metadata\": {\"n\": 1.5}}]", NULL, 0, NULL));
        ragstore_result *result = search(entity, "granite");
        assert_string_equal(ragstore_result_metadata(result, 0), "{\"n\":1.5}");
        ragstore_result_free(result);
        ragstore_entity_free(entity);
        assert_ok(ragstore_store_close(store));
        locales_restore();
        assert_string_equal(ragstore_model_fingerprint(model),
                            ragstore_model_fingerprint(the_model()));
        assert_true(dot(before, after, dimension) > 0.99999);
        ragstore_model_free(model);
        free(after);
    }
    ragstore_buffer_free(path);
    free(before);
}

/* ---- opening in other ways ---- */

static ragstore_model *open_with(const ragstore_model_open_options *options)
{
    ragstore_buffer *path;
    ragstore_model *model;
    the_model();
    assert_ok(ragstore_model_locate(&path));
    assert_ok(ragstore_model_open_with(&model, ragstore_buffer_data(path), options));
    ragstore_buffer_free(path);
    return model;
}

#define MANY 48

/* Texts of all lengths, of which several slices are made. */
static void make_texts(char *texts[MANY])
{
    static const char *const words[] = {"wing ", "of lift ", "supersonic flow, ", "the ",
                                        "boundary "};
    for (size_t i = 0; i < MANY; i++) {
        texts[i] = calloc(i * 20 + 1, 1);
        for (size_t w = 0; w < i; w++)
            strcat(texts[i], words[(i * 7 + w * w) % 5]);
    }
}

static void model_open_with__any_number_of_threads_gives_the_same_vectors(void **state)
{
    (void)state;
    const size_t dimension = ragstore_model_dimension(the_model());
    char *texts[MANY];
    make_texts(texts);
    float *expected = malloc(MANY * dimension * sizeof *expected);
    float *got = malloc(MANY * dimension * sizeof *got);
    for (uint32_t precision = 0; precision <= RAGSTORE_PRECISION_INT16; precision++)
        for (uint32_t threads = 1; threads <= RAGSTORE_MODEL_THREADS_MAX; threads *= 8) {
            ragstore_model_open_options options = RAGSTORE_MODEL_OPEN_OPTIONS_INIT;
            options.threads = threads;
            options.precision = precision;
            ragstore_model *model = open_with(&options);
            memset(got, 0, MANY * dimension * sizeof *got);
            assert_ok(ragstore_model_embed(got, model, (const char *const *)texts, MANY));
            if (threads == 1)
                memcpy(expected, got, MANY * dimension * sizeof *got);
            assert_memory_equal(got, expected, MANY * dimension * sizeof *got);
            ragstore_model_free(model);
        }
    for (size_t i = 0; i < MANY; i++)
        free(texts[i]);
    free(expected);
    free(got);
}

static void check_precision(uint32_t precision, const char *suffix, float cosine)
{
    const size_t dimension = ragstore_model_dimension(the_model());
    ragstore_model_open_options options = RAGSTORE_MODEL_OPEN_OPTIONS_INIT;
    options.precision = precision;
    ragstore_model *model = open_with(&options);
    options.precision = RAGSTORE_PRECISION_FLOAT32;
    ragstore_model *floats = open_with(&options);
    char *texts[MANY], expected[512];
    snprintf(expected, sizeof expected, "%s%s", ragstore_model_fingerprint(floats), suffix);
    assert_string_equal(ragstore_model_fingerprint(model), expected);
    make_texts(texts);
    float *exact = malloc(MANY * dimension * sizeof *exact);
    float *got = malloc(MANY * dimension * sizeof *got);
    assert_ok(ragstore_model_embed(exact, floats, (const char *const *)texts, MANY));
    assert_ok(ragstore_model_embed(got, model, (const char *const *)texts, MANY));
    if (precision != 0) /* which may be floats */
        assert_memory_not_equal(got, exact, MANY * dimension * sizeof *got);
    for (size_t i = 0; i < MANY; i++) {
        assert_true(dot(got + i * dimension, exact + i * dimension, dimension) >= cosine);
        free(texts[i]);
    }
    ragstore_model_free(model);
    ragstore_model_free(floats);
    free(exact);
    free(got);
}

static void model_open_with__in_8_bits_is_nearly_the_same(void **state)
{
    (void)state;
    check_precision(RAGSTORE_PRECISION_INT8, "/int8", 0.985f);
}

static void model_open_with__in_16_bits_has_the_same_direction(void **state)
{
    (void)state;
    check_precision(RAGSTORE_PRECISION_INT16, "/int16", 0.99999f);
}

/* What is chosen for the processor counts as floats: a store may go from one machine to another. */
static void model_open_with__as_usual_counts_as_floats(void **state)
{
    (void)state;
    check_precision(0, "", 0.99999f);
}

static void model_open_with__prompts_tell_queries_from_documents(void **state)
{
    (void)state;
    const size_t dimension = ragstore_model_dimension(the_model());
    const size_t bytes = dimension * sizeof(float);
    const char *text = "a cat", *documents[] = {"passage: a cat", "query: a cat", "a cat"};
    ragstore_model_open_options options = RAGSTORE_MODEL_OPEN_OPTIONS_INIT;
    options.query_prompt = "query: ";
    options.document_prompt = "passage: ";
    ragstore_model *model = open_with(&options);
    float *plain = embed(documents, 3), *got = malloc(bytes);
    assert_ok(ragstore_model_embed(got, model, &text, 1));
    assert_memory_equal(got, plain, bytes);
    assert_ok(ragstore_model_embed_queries(got, model, &text, 1));
    assert_memory_equal(got, plain + dimension, bytes);
    assert_ok(ragstore_model_embed_queries(got, the_model(), &text, 1));
    assert_memory_equal(got, plain + 2 * dimension, bytes);
    assert_string_not_equal(ragstore_model_fingerprint(model),
                            ragstore_model_fingerprint(the_model()));
    ragstore_model_free(model);
    free(plain);
    free(got);
}

static void model_open_with__refuses_what_it_does_not_know(void **state)
{
    (void)state;
    ragstore_buffer *path;
    the_model();
    assert_ok(ragstore_model_locate(&path));
    char longest[1026];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    ragstore_model_open_options wrong[6];
    for (size_t i = 0; i < 6; i++)
        ragstore_model_open_options_init(&wrong[i]);
    wrong[0].threads = RAGSTORE_MODEL_THREADS_MAX + 1;
    wrong[1].threads = UINT32_MAX;
    wrong[2].precision = RAGSTORE_PRECISION_INT16 + 1;
    wrong[3].query_prompt = "caf\xe9";
    wrong[4].document_prompt = longest;
    wrong[5].struct_size = 3;
    for (size_t i = 0; i < 6; i++) {
        ragstore_model *model = (ragstore_model *)1;
        assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                     ragstore_model_open_with(&model, ragstore_buffer_data(path), &wrong[i]));
        assert_null(model);
    }
    ragstore_model *model = (ragstore_model *)1;
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_model_open_with(&model, "/no/model", NULL));
    assert_null(model);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_model_open_with(NULL, ragstore_buffer_data(path), NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_model_open_with(&model, NULL, NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_model_embed_queries(NULL, NULL, NULL, 1));
    ragstore_buffer_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(model_locate__follows_the_environment),
        TEST(model_open__of_nothing_is_not_found),
        TEST(model_open__refuses_what_is_damaged_or_of_another_kind),
        cmocka_unit_test(model__names_itself_by_what_it_computes),
        TEST(model__lives_as_long_as_a_store_uses_it),
        cmocka_unit_test(model_tokenize__fills_what_there_is_room_for),
        cmocka_unit_test(model_tokenize__cuts_at_the_models_limit),
        cmocka_unit_test(model_calls__refuse_bad_arguments),
        cmocka_unit_test(model_embed__gives_directions_of_meaning),
        cmocka_unit_test(model_embed__does_not_depend_on_the_company),
        TEST(model__does_not_depend_on_the_locale),
        cmocka_unit_test(model_open_with__any_number_of_threads_gives_the_same_vectors),
        cmocka_unit_test(model_open_with__in_8_bits_is_nearly_the_same),
        cmocka_unit_test(model_open_with__in_16_bits_has_the_same_direction),
        cmocka_unit_test(model_open_with__as_usual_counts_as_floats),
        cmocka_unit_test(model_open_with__prompts_tell_queries_from_documents),
        cmocka_unit_test(model_open_with__refuses_what_it_does_not_know),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
