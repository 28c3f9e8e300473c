/* The vectors of an entity: describing, searching, reading, exporting. */
#include "api_fixture.h"

#include <dirent.h>
#include <time.h>

/* Four directions in a plane and their texts; chunk numbers 0 to 3. */
static const float rows[] = {1, 0, 0, 1, -1, 0, 3, 4};
static const char texts[] = "[{\"text\":\"east\"},{\"text\":\"north\"},{\"text\":\"west\"},"
                            "{\"text\":\"northeast\"}]";

typedef struct stage {
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_index *index;
    char doc_id[64];
} stage;

static void set_stage(stage *on, void **state)
{
    ragstore_document *document;
    on->store = open_store(state);
    on->entity = make_entity(on->store, "acme");
    assert_ok(ragstore_document_add_chunks(&document, on->entity, texts, rows, 2, NULL));
    snprintf(on->doc_id, sizeof on->doc_id, "%s", ragstore_document_id(document));
    ragstore_document_free(document);
    assert_ok(ragstore_index_open(&on->index, on->entity));
}

static void strike_stage(stage *on)
{
    ragstore_index_free(on->index);
    ragstore_entity_free(on->entity);
    assert_ok(ragstore_store_close(on->store));
}

static json_t *describe_index(ragstore_index *index)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_index_describe(&buffer, index));
    return take_json(buffer);
}

static void index_describe__tells_dimension_count_and_file(void **state)
{
    stage on;
    set_stage(&on, state);
    json_t *description = describe_index(on.index);
    assert_text(description, "kind", "auto");
    assert_text(description, "tier", "exact");
    assert_text(description, "state", "ready");
    assert_text(description, "metric", "cosine");
    assert_number(description, "dimension", 2);
    assert_number(description, "count", 4);
    assert_number(description, "coded", 0);
    assert_number(description, "rows", 4);
    assert_number(description, "dead", 0);
    assert_number(description, "memory", 0);
    assert_true(json_integer_value(json_object_get(description, "bytes")) > 4 * 2 * 4);
    assert_true(json_is_string(json_object_get(description, "embedder")));
    json_decref(description);
    assert_ok(ragstore_index_export(on.index));
    description = describe_index(on.index);
    assert_text(description, "file", "entity_scoped/entities/acme/vector_store/index.faiss");
    json_decref(description);
    strike_stage(&on);
}

static void index_search__ranks_each_query_by_cosine(void **state)
{
    static const float queries[] = {1, 0, 0, 10};
    int64_t numbers[6];
    float scores[6];
    stage on;
    set_stage(&on, state);
    assert_ok(ragstore_index_search(numbers, scores, on.index, queries, 2, 2, 3));
    static const int64_t expected[] = {0, 3, 1, 1, 3};
    for (size_t i = 0; i < COUNT(expected); i++)
        assert_int_equal(numbers[i], expected[i]);
    assert_float_equal(scores[0], 1, 1e-6);
    assert_float_equal(scores[1], 0.6, 1e-6);
    assert_float_equal(scores[3], 1, 1e-6);
    assert_float_equal(scores[4], 0.8, 1e-6);
    strike_stage(&on);
}

static void index_search__fills_up_with_minus_one_and_nan(void **state)
{
    static const float query[] = {1, 0};
    enum { MOST = 16384 };
    int64_t *numbers = malloc(MOST * sizeof *numbers);
    float *scores = malloc(MOST * sizeof *scores);
    stage on;
    assert_non_null(numbers);
    assert_non_null(scores);
    set_stage(&on, state);
    assert_ok(ragstore_index_search(numbers, scores, on.index, query, 1, 2, MOST));
    for (size_t i = 0; i < MOST; i++) {
        assert_true(i < 4 ? numbers[i] >= 0 : numbers[i] == -1);
        assert_int_equal(isnan(scores[i]) != 0, i >= 4);
    }
    free(numbers);
    free(scores);
    strike_stage(&on);
}

static void index_search__of_no_queries_does_nothing(void **state)
{
    stage on;
    set_stage(&on, state);
    assert_ok(ragstore_index_search(NULL, NULL, on.index, NULL, 0, 2, 5));
    strike_stage(&on);
}

static void index_search__refuses_bad_arguments(void **state)
{
    static const float good[] = {1, 0};
    const float not_finite[][2] = {{NAN, 0}, {0, INFINITY}, {-INFINITY, 0}};
    int64_t number = 7;
    float score = 7;
    stage on;
    const int wrong = RAGSTORE_E_INVALID_ARGUMENT;
    set_stage(&on, state);
    assert_fails(wrong, ragstore_index_search(&number, &score, on.index, good, 1, 2, 0));
    assert_fails(wrong, ragstore_index_search(&number, &score, on.index, good, 1, 2, 16385));
    assert_fails(wrong, ragstore_index_search(&number, &score, on.index, good, 1, 2, SIZE_MAX));
    assert_fails(wrong, ragstore_index_search(&number, &score, on.index, good, 65537, 2, 1));
    assert_fails(wrong, ragstore_index_search(&number, &score, on.index, good, SIZE_MAX, 2, 1));
    assert_fails(wrong, ragstore_index_search(&number, &score, on.index, good, 1, 1, 1));
    assert_fails(wrong, ragstore_index_search(&number, &score, on.index, good, 1, 0, 1));
    assert_fails(wrong, ragstore_index_search(&number, &score, on.index, good, 1, SIZE_MAX, 1));
    assert_fails(wrong, ragstore_index_search(NULL, &score, on.index, good, 1, 2, 1));
    assert_fails(wrong, ragstore_index_search(&number, NULL, on.index, good, 1, 2, 1));
    assert_fails(wrong, ragstore_index_search(&number, &score, on.index, NULL, 1, 2, 1));
    assert_fails(wrong, ragstore_index_search(&number, &score, NULL, good, 1, 2, 1));
    for (size_t i = 0; i < COUNT(not_finite); i++)
        assert_fails(wrong,
                     ragstore_index_search(&number, &score, on.index, not_finite[i], 1, 2, 1));
    assert_int_equal(number, 7);
    assert_ok(ragstore_index_search(&number, &score, on.index, good, 1, 2, 1));
    assert_int_equal(number, 0);
    strike_stage(&on);
}

static void index_vector__is_what_was_given_at_length_one(void **state)
{
    float vector[2];
    stage on;
    set_stage(&on, state);
    assert_ok(ragstore_index_vector(vector, on.index, 3, 2));
    assert_float_equal(vector[0], 0.6, 1e-6);
    assert_float_equal(vector[1], 0.8, 1e-6);
    strike_stage(&on);
}

static void index_vector__refuses_what_is_not_there(void **state)
{
    static const int64_t numbers[] = {-1, 4, INT64_MAX, INT64_MIN};
    float vector[3] = {7, 7, 7};
    stage on;
    set_stage(&on, state);
    for (size_t i = 0; i < COUNT(numbers); i++)
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_index_vector(vector, on.index, numbers[i], 2));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_vector(vector, on.index, 0, 3));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_vector(vector, on.index, 0, 0));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_vector(NULL, on.index, 0, 2));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_vector(vector, NULL, 0, 2));
    assert_float_equal(vector[0], 7, 0);
    strike_stage(&on);
}

static void index__forgets_what_is_deleted(void **state)
{
    static const float query[] = {1, 0};
    int64_t numbers[2];
    float scores[2];
    float vector[2];
    stage on;
    set_stage(&on, state);
    assert_ok(ragstore_document_add_chunks(
        NULL, on.entity, "[{\"text\": \"later\", \"vector\": [1, 1]}]", NULL, 0, NULL));
    assert_ok(ragstore_document_delete(on.entity, on.doc_id));
    for (int round = 0; round < 2; round++) {
        assert_ok(ragstore_index_search(numbers, scores, on.index, query, 1, 2, 2));
        assert_int_equal(numbers[0], 4);
        assert_int_equal(numbers[1], -1);
        for (int64_t gone = 0; gone < 4; gone++)
            assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_index_vector(vector, on.index, gone, 2));
        json_t *description = describe_index(on.index);
        assert_number(description, "count", 1);
        json_decref(description);
        ragstore_index_free(on.index);
        ragstore_entity_free(on.entity);
        on.store = reopen_store(on.store, state);
        on.entity = open_entity(on.store, "acme");
        assert_ok(ragstore_index_open(&on.index, on.entity));
    }
    strike_stage(&on);
}

static void index_open__needs_vectors(void **state)
{
    ragstore_index *index = (ragstore_index *)(uintptr_t)1;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "granite");
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_index_open(&index, entity));
    assert_null(index);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_open(NULL, entity));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_open(&index, NULL));
    ragstore_index_free(NULL);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void index__of_a_deleted_entity_is_not_found(void **state)
{
    static const float query[] = {1, 0};
    int64_t number;
    float score;
    float vector[2];
    ragstore_buffer *buffer = (ragstore_buffer *)(uintptr_t)1;
    stage on;
    set_stage(&on, state);
    assert_ok(ragstore_entity_delete(NULL, on.store, "acme"));
    for (int round = 0; round < 2; round++) {
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_index_describe(&buffer, on.index));
        assert_null(buffer);
        assert_fails(RAGSTORE_E_NOT_FOUND,
                     ragstore_index_search(&number, &score, on.index, query, 1, 2, 1));
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_index_vector(vector, on.index, 0, 2));
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_index_export(on.index));
        if (round == 0) /* another entity of the same id is another entity */
            ragstore_entity_free(make_entity(on.store, "acme"));
    }
    strike_stage(&on);
}

static size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

/* Thousands of entities may be searched by one process. */
static void index_search__keeps_no_file_open_for_an_entity(void **state)
{
    enum { ENTITIES = 40 };
    ragstore_store *store = open_store(state);
    size_t first = 0;
    for (int i = 0; i < ENTITIES; i++) {
        char id[16];
        int64_t number;
        float score;
        ragstore_index *index;
        snprintf(id, sizeof id, "tenant%d", i);
        ragstore_entity *entity = make_entity(store, id);
        assert_ok(ragstore_document_add_chunks(NULL, entity, texts, rows, 2, NULL));
        assert_ok(ragstore_index_open(&index, entity));
        assert_ok(ragstore_index_search(&number, &score, index, rows, 1, 2, 1));
        assert_int_equal(number, 0);
        ragstore_index_free(index);
        ragstore_entity_free(entity);
        if (i == 0)
            first = count_descriptors();
    }
    assert_in_range(count_descriptors(), 1, first + 8); /* what the background has open meanwhile */
    assert_ok(ragstore_store_close(store));
}

static void index_export__writes_the_file_anew(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    stage on;
    set_stage(&on, state);
    assert_ok(ragstore_index_export(on.index));
    temporary_join(path, state, "store/entity_scoped/entities/acme/vector_store/index.faiss");
    size_t size;
    char *first = temporary_read(path, &size);
    assert_non_null(first);
    temporary_write(path, "rubbish", 7);
    assert_ok(ragstore_index_export(on.index));
    size_t again_size;
    char *again = temporary_read(path, &again_size);
    assert_int_equal(size, again_size);
    assert_memory_equal(first, again, size);
    free(first);
    free(again);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_export(NULL));
    strike_stage(&on);
}

static void count_damages(void *user, int level, const char *message)
{
    unsigned *damages = user;
    *damages += level == RAGSTORE_LOG_WARNING && strstr(message, "index.faiss is damaged") != NULL;
}

static void index_export__tells_of_a_damaged_file_once(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    size_t again_size;
    unsigned damages = 0;
    stage on;
    set_stage(&on, state);
    assert_ok(ragstore_index_export(on.index));
    strike_stage(&on);
    temporary_join(path, state, "store/entity_scoped/entities/acme/vector_store/index.faiss");
    char *bytes = temporary_read(path, &size);
    bytes[size - 1] ^= 1;
    temporary_write(path, bytes, size);
    bytes[size - 1] ^= 1;

    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.flags = RAGSTORE_OPEN_NO_BACKGROUND;
    options.log = count_damages;
    options.log_user = &damages;
    assert_ok(ragstore_store_open(&on.store, store_path(state), &options));
    on.entity = open_entity(on.store, "acme");
    assert_ok(ragstore_index_open(&on.index, on.entity));
    for (int round = 0; round < 3; round++)
        assert_ok(ragstore_index_export(on.index));
    strike_stage(&on);
    assert_int_equal(damages, 1);
    char *again = temporary_read(path, &again_size);
    assert_int_equal(size, again_size);
    assert_memory_equal(bytes, again, size);
    free(bytes);
    free(again);
}

static void index_export__of_a_read_only_store_is_refused(void **state)
{
    ragstore_index *index;
    stage on;
    set_stage(&on, state);
    strike_stage(&on);
    ragstore_store *store = open_store_with(state, RAGSTORE_OPEN_READ_ONLY, NULL);
    ragstore_entity *entity = open_entity(store, "acme");
    assert_ok(ragstore_index_open(&index, entity));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_index_export(index));
    json_t *description = describe_index(index);
    assert_number(description, "count", 4);
    json_decref(description);
    ragstore_index_free(index);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void index_search__agrees_with_the_models_vectors(void **state)
{
    static const char *const sentences[] = {"The cat sleeps on the sofa.",
                                            "Interest rates were raised again."};
    int64_t numbers[2];
    float scores[2];
    ragstore_index *index;
    ragstore_model *model = the_model();
    const size_t dimension = ragstore_model_dimension(model);
    float *vectors = malloc(2 * dimension * sizeof *vectors);
    assert_non_null(vectors);
    ragstore_store *store = open_store_with(state, 0, model);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", sentences[0]);
    add_text(entity, "b.txt", sentences[1]);
    assert_ok(ragstore_model_embed(vectors, model, sentences, 2));
    assert_ok(ragstore_index_open(&index, entity));
    for (size_t i = 0; i < 2; i++) {
        assert_ok(ragstore_index_search(numbers, scores, index, vectors + i * dimension, 1,
                                        dimension, 2));
        assert_int_equal(numbers[0], i);
        assert_float_equal(scores[0], 1, 1e-4);
        assert_true(scores[1] < 0.5f);
    }
    free(vectors);
    ragstore_index_free(index);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- many vectors: they are searched by codes, which are made in the background ---- */

#define WIDE 96 /* shorter ones are searched exactly */
#define PART 3000
#define PARTS 3

/* A point of the sphere for each number, always the same. */
static void make_point(float *point, uint64_t number)
{
    double length = 0;
    uint64_t state = number * 2 + 1;
    for (int i = 0; i < WIDE; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        point[i] = (float)((double)(state >> 40) / (1 << 24) - 0.5);
        length += (double)point[i] * (double)point[i];
    }
    for (int i = 0; i < WIDE; i++)
        point[i] = (float)(point[i] / sqrt(length));
}

static void add_points(ragstore_entity *entity, uint64_t first, char doc_id[64])
{
    ragstore_document *document;
    float *points = malloc(PART * WIDE * sizeof *points);
    char *json = malloc(PART * 32);
    size_t size = 0;
    assert_non_null(points);
    assert_non_null(json);
    for (uint64_t i = 0; i < PART; i++) {
        make_point(points + i * WIDE, first + i);
        size += (size_t)sprintf(json + size, "%s{\"text\":\"p%d\"}", i == 0 ? "[" : ",",
                                (int)(first + i));
    }
    sprintf(json + size, "]");
    assert_ok(ragstore_document_add_chunks(&document, entity, json, points, WIDE, NULL));
    snprintf(doc_id, 64, "%s", ragstore_document_id(document));
    ragstore_document_free(document);
    free(points);
    free(json);
}

static void expect_tier(ragstore_index *index, const char *tier)
{
    json_t *description = describe_index(index);
    assert_text(description, "tier", tier);
    json_decref(description);
}

/* Each point finds itself first, and those of a deleted part are never found. */
static void expect_points(ragstore_index *index, uint64_t deleted_from, uint64_t deleted_to)
{
    for (uint64_t number = 0; number < PART * PARTS; number += 97) {
        float point[WIDE];
        int64_t chunks[10];
        float scores[10];
        make_point(point, number);
        assert_ok(ragstore_index_search(chunks, scores, index, point, 1, WIDE, 10));
        const bool is_deleted = number >= deleted_from && number < deleted_to;
        if (!is_deleted)
            assert_int_equal(chunks[0], number);
        for (size_t i = 0; i < 10; i++) {
            assert_true(chunks[i] >= 0);
            assert_false((uint64_t)chunks[i] >= deleted_from && (uint64_t)chunks[i] < deleted_to);
            assert_true(i == 0 || scores[i - 1] >= scores[i]);
        }
    }
}

static void index_search__of_many_vectors_goes_by_codes_that_follow(void **state)
{
    char doc_ids[PARTS][64];
    ragstore_store *store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    ragstore_entity *entity = make_entity(store, "points");
    ragstore_index *index;
    for (uint64_t part = 0; part < PARTS; part++)
        add_points(entity, part * PART, doc_ids[part]);
    assert_ok(ragstore_index_open(&index, entity));
    expect_tier(index, "exact");
    expect_points(index, 0, 0);
    assert_ok(ragstore_store_maintain(store, 60000));
    expect_tier(index, "codes");
    expect_points(index, 0, 0);
    assert_ok(ragstore_document_delete(entity, doc_ids[1]));
    expect_points(index, PART, 2 * PART);
    assert_ok(ragstore_store_maintain(store, 60000));
    expect_points(index, PART, 2 * PART);
    char more[64];
    add_points(entity, PARTS * PART, more); /* not coded yet */
    float point[WIDE];
    int64_t chunk;
    float score;
    make_point(point, PARTS * PART + 5);
    assert_ok(ragstore_index_search(&chunk, &score, index, point, 1, WIDE, 1));
    assert_int_equal(chunk, PARTS * PART + 5);
    assert_ok(ragstore_store_maintain(store, 60000));
    assert_ok(ragstore_index_search(&chunk, &score, index, point, 1, WIDE, 1));
    assert_int_equal(chunk, PARTS * PART + 5);
    ragstore_index_free(index);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));

    store = open_store(state); /* with a thread that does it */
    entity = open_entity(store, "points");
    assert_ok(ragstore_index_open(&index, entity));
    expect_points(index, PART, 2 * PART);
    for (int i = 0; i < 600; i++) {
        json_t *description = describe_index(index);
        const bool is_coded =
            strcmp(json_string_value(json_object_get(description, "tier")), "codes") == 0;
        json_decref(description);
        if (is_coded)
            break;
        usleep(50000);
    }
    expect_tier(index, "codes");
    expect_points(index, PART, 2 * PART);
    assert_ok(ragstore_document_delete(entity, more));
    ragstore_index_free(index);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));

    /* rows that are dead, behind the last that lives, are no work that never ends */
    store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    entity = open_entity(store, "points");
    char again[64];
    add_points(entity, (PARTS + 1) * PART, again);
    add_points(entity, (PARTS + 2) * PART, more);
    assert_ok(ragstore_document_delete(entity, more));
    const time_t begin = time(NULL);
    assert_ok(ragstore_store_maintain(store, 60000));
    assert_true(time(NULL) - begin < 30);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(index_search__of_many_vectors_goes_by_codes_that_follow),
        TEST(index_describe__tells_dimension_count_and_file),
        TEST(index_search__ranks_each_query_by_cosine),
        TEST(index_search__fills_up_with_minus_one_and_nan),
        TEST(index_search__of_no_queries_does_nothing),
        TEST(index_search__refuses_bad_arguments),
        TEST(index_vector__is_what_was_given_at_length_one),
        TEST(index_vector__refuses_what_is_not_there),
        TEST(index__forgets_what_is_deleted),
        TEST(index_open__needs_vectors),
        TEST(index__of_a_deleted_entity_is_not_found),
        TEST(index_search__keeps_no_file_open_for_an_entity),
        TEST(index_export__writes_the_file_anew),
        TEST(index_export__tells_of_a_damaged_file_once),
        TEST(index_export__of_a_read_only_store_is_refused),
        TEST(index_search__agrees_with_the_models_vectors),
    };
    return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
