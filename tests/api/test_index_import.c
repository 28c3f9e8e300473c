/* Importing the vectors of a FAISS file. */
#include "api_fixture.h"

#include "harness/faiss_bytes.h"

/* Four directions in a plane, and ids of the caller's own. */
static const float rows[] = {1, 0, 0, 1, -1, 0, 3, 4};
static const int64_t some_ids[] = {70, 7, 700, 7000000000};

static const char *put_file(void **state, const void *bytes, size_t size)
{
    static char path[TEMPORARY_PATH_MAX];
    temporary_write(temporary_join(path, state, "given.faiss"), bytes, size);
    return path;
}

/* The four directions as a file of FAISS. */
static const char *put_faiss(void **state, const char *map, const char *flat)
{
    size_t size;
    const faiss_bytes of = {.map = map,
                            .flat = flat,
                            .metric = flat[3] == '2',
                            .dimension = 2,
                            .count = 4,
                            .vectors = rows,
                            .ids = some_ids};
    unsigned char *bytes = faiss_bytes_make(&size, &of);
    const char *path = put_file(state, bytes, size);
    free(bytes);
    return path;
}

static void expect_chunk(ragstore_entity *entity, const float *query, const char *content,
                         json_int_t faiss_id)
{
    ragstore_result *result;
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    options.mode = RAGSTORE_MODE_VECTOR;
    options.vector = query;
    options.dimension = 2;
    options.k = 1;
    assert_ok(ragstore_entity_search(&result, entity, "", &options));
    assert_int_equal(ragstore_result_count(result), 1);
    assert_string_equal(ragstore_result_content(result, 0), content);
    json_t *metadata = json_loads(ragstore_result_metadata(result, 0), 0, NULL);
    assert_number(metadata, "faiss_id", faiss_id);
    json_decref(metadata);
    ragstore_result_free(result);
}

static void index_import__takes_each_vector_with_its_id(void **state)
{
    static const char *const kinds[][2] = {
        {"IxMp", "IxFI"}, {"IxM2", "IxFI"}, {"IxMp", "IxF2"}, {"IxM2", "IxFl"}, {NULL, "IxFI"}};
    static const float west[] = {-2, 0};
    static const float northeast[] = {3, 4};
    float vector[2];
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char id[16];
        ragstore_document *document;
        ragstore_index *index;
        ragstore_store *store = open_store(state);
        snprintf(id, sizeof id, "entity%zu", i);
        ragstore_entity *entity = make_entity(store, id);
        const char *path = put_faiss(state, kinds[i][0], kinds[i][1]);
        assert_ok(ragstore_index_import(&document, entity, path, NULL, NULL));
        json_t *description = describe_document(document);
        assert_text(description, "filename", "given.faiss");
        assert_text(description, "media_type", "application/x-faiss");
        assert_number(description, "chunks_count", 4);
        assert_null_member(description, "file_path");
        json_decref(description);
        ragstore_document_free(document);
        temporary_remove_all(path); /* it is not needed any more */
        for (int round = 0; round < 2; round++) {
            expect_chunk(entity, west, kinds[i][0] == NULL ? "vector 2" : "vector 700",
                         kinds[i][0] == NULL ? 2 : 700);
            expect_chunk(entity, northeast, kinds[i][0] == NULL ? "vector 3" : "vector 7000000000",
                         kinds[i][0] == NULL ? 3 : 7000000000);
            assert_ok(ragstore_index_open(&index, entity));
            assert_ok(ragstore_index_vector(vector, index, 3, 2));
            assert_float_equal(vector[0], 0.6, 1e-6); /* it has length 1 now */
            assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_index_vector(vector, index, 4, 2));
            ragstore_index_free(index);
            ragstore_entity_free(entity);
            if (round == 0) {
                store = reopen_store(store, state);
                entity = open_entity(store, id);
            }
        }
        assert_ok(ragstore_store_close(store));
    }
}

static void index_import__takes_the_callers_texts(void **state)
{
    static const char given[] = "[{\"text\":\"east\"},{\"text\":\"north\",\"metadata\":{}},"
                                "{\"text\":\"west\",\"metadata\":{\"side\":\"left\"},\"page\":3},"
                                "{\"text\":\"northeast\",\"metadata\":{\"faiss_id\":12}}]";
    static const float directions[][2] = {{1, 0}, {0, 1}, {-1, 0}, {3, 4}};
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.key = "directions";
    const char *path = put_faiss(state, "IxMp", "IxFI");
    assert_ok(ragstore_index_import(NULL, entity, path, given, &options));
    expect_chunk(entity, directions[0], "east", 70);
    expect_chunk(entity, directions[1], "north", 7);
    expect_chunk(entity, directions[2], "west", 700);
    expect_chunk(entity, directions[3], "northeast", 12);
    assert_int_equal(count_hits(entity, "west"), 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void index_import__of_the_same_file_adds_once(void **state)
{
    ragstore_document *document;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    const char *path = put_faiss(state, "IxMp", "IxFI");
    for (int round = 0; round < 3; round++) {
        assert_ok(ragstore_index_import(&document, entity, path, NULL, NULL));
        json_t *description = describe_document(document);
        assert_true(json_is_boolean(json_object_get(description, "is_duplicate")));
        assert_int_equal(json_is_true(json_object_get(description, "is_duplicate")), round > 0);
        json_decref(description);
        ragstore_document_free(document);
    }
    json_t *description = describe_entity(entity);
    assert_number(description, "total_chunks", 4);
    json_decref(description);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* What one entity exports another one imports. */
static void index_import__reads_an_exported_index(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    static const float query[] = {0.9f, 1};
    int64_t numbers[2][4];
    float scores[2][4];
    ragstore_index *index;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_entity *other = make_entity(store, "other");
    assert_ok(ragstore_index_import(NULL, entity, put_faiss(state, "IxMp", "IxFI"), NULL, NULL));
    for (size_t i = 0; i < 2; i++) {
        assert_ok(ragstore_index_open(&index, i == 0 ? entity : other));
        assert_ok(ragstore_index_search(numbers[i], scores[i], index, query, 1, 2, 4));
        if (i == 0) {
            assert_ok(ragstore_index_export(index));
            temporary_join(path, state,
                           "store/entity_scoped/entities/acme/vector_store/index.faiss");
            assert_ok(ragstore_index_import(NULL, other, path, NULL, NULL));
        }
        ragstore_index_free(index);
        if (i == 0)
            continue;
        assert_memory_equal(numbers[0], numbers[1], sizeof numbers[0]);
        for (size_t k = 0; k < 4; k++)
            assert_float_equal(scores[0][k], scores[1][k], 1e-6);
    }
    ragstore_entity_free(other);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void expect_nothing_imported(ragstore_entity *entity)
{
    json_t *description = describe_entity(entity);
    assert_number(description, "total_documents", 0);
    assert_number(description, "total_chunks", 0);
    json_decref(description);
}

static void index_import__refuses_files_that_are_not_right(void **state)
{
    static const struct {
        size_t at;
        int64_t value;
        size_t size;
        int code;
        const char *message;
    } changes[] = {
        {0, 'X', 1, RAGSTORE_E_INVALID_DATA, "does not begin like an index file"},
        {37, 'X', 1, RAGSTORE_E_INVALID_DATA, "holds no index"},
        {4, 3, 4, RAGSTORE_E_INVALID_DATA, "disagree"},
        {4, 0, 4, RAGSTORE_E_INVALID_DATA, "have 0 numbers"},
        {4, -1, 4, RAGSTORE_E_INVALID_DATA, "have -1 numbers"},
        {4, 65537, 4, RAGSTORE_E_INVALID_DATA, "have 65537 numbers"},
        {41, 1, 4, RAGSTORE_E_INVALID_DATA, "are 8 numbers"},
        {8, -1, 8, RAGSTORE_E_INVALID_DATA, "has -1 vectors"},
        {8, 5, 8, RAGSTORE_E_INVALID_DATA, "disagree"},
        {8, INT64_MAX, 8, RAGSTORE_E_INVALID_DATA, "disagree"},
        {32, 0, 1, RAGSTORE_E_INVALID_DATA, "not trained"},
        {33, 1, 4, RAGSTORE_E_INVALID_DATA, "disagree"},
        {33, 23, 4, RAGSTORE_E_UNSUPPORTED, "number 23"},
        {74, 7, 8, RAGSTORE_E_INVALID_DATA, "are 7 numbers"},
        {74, INT64_MAX, 8, RAGSTORE_E_INVALID_DATA, "numbers"},
        {114, 3, 8, RAGSTORE_E_INVALID_DATA, "has 3 ids"},
        {122, -1, 8, RAGSTORE_E_INVALID_DATA, "the id -1"},
        {122, 7, 8, RAGSTORE_E_INVALID_DATA, "the id 7 belongs to more than one"},
        {82, 0x7FC00000, 4, RAGSTORE_E_INVALID_DATA, "chunk 0: its vector has a number"},
        {82, 0, 8, RAGSTORE_E_INVALID_DATA, "chunk 0: its vector has the length 0"},
    };
    size_t size;
    const faiss_bytes of = {"IxMp", "IxFI", 0, 2, 4, rows, some_ids};
    unsigned char *good = faiss_bytes_make(&size, &of);
    unsigned char *bytes = malloc(size + 1);
    assert_non_null(bytes);
    assert_int_equal(size, 154);
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (size_t i = 0; i < COUNT(changes); i++) {
        memcpy(bytes, good, size);
        memcpy(bytes + changes[i].at, &changes[i].value, changes[i].size);
        const char *path = put_file(state, bytes, size);
        ragstore_document *document = (ragstore_document *)(uintptr_t)1;
        assert_fails(changes[i].code, ragstore_index_import(&document, entity, path, NULL, NULL));
        assert_message_has(changes[i].message);
        assert_null(document);
    }
    memcpy(bytes, good, size);
    bytes[size] = 0;
    for (size_t length = 0; length <= size + 1; length++)
        if (length != size)
            assert_fails(
                RAGSTORE_E_INVALID_DATA,
                ragstore_index_import(NULL, entity, put_file(state, bytes, length), NULL, NULL));
    expect_nothing_imported(entity);
    free(bytes);
    free(good);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void index_import__refuses_other_kinds_by_name(void **state)
{
    static const char *const kinds[] = {"IHNf", "IwFl", "IxSQ", "IxPQ", "IBxF"};
    char bytes[128] = "";
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (size_t i = 0; i < COUNT(kinds); i++) {
        memcpy(bytes, kinds[i], 4);
        assert_fails(
            RAGSTORE_E_UNSUPPORTED,
            ragstore_index_import(NULL, entity, put_file(state, bytes, sizeof bytes), NULL, NULL));
        assert_message_has(kinds[i]);
        assert_message_has("reconstruct_n()");
    }
    expect_nothing_imported(entity);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void index_import__refuses_bad_arguments(void **state)
{
    static const char four[] = "[{\"text\":\"a\"},{\"text\":\"b\"},{\"text\":\"c\"},"
                               "{\"text\":\"d\",\"vector\":[1,2]}]";
    static const float triple[] = {1, 2, 3};
    char missing[TEMPORARY_PATH_MAX];
    const int bad_data = RAGSTORE_E_INVALID_DATA;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    const char *path = put_faiss(state, "IxMp", "IxFI");
    temporary_join(missing, state, "nothing.faiss");
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_import(NULL, NULL, path, NULL, NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_index_import(NULL, entity, NULL, NULL, NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_import(NULL, entity, "", NULL, NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_index_import(NULL, entity, temporary_path(state), NULL, NULL));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_index_import(NULL, entity, missing, NULL, NULL));
    assert_fails(bad_data, ragstore_index_import(NULL, entity, path, "[]", NULL));
    assert_fails(bad_data, ragstore_index_import(NULL, entity, path, "{}", NULL));
    assert_fails(bad_data, ragstore_index_import(NULL, entity, path, "[{\"text\":\"a\"}]", NULL));
    assert_fails(bad_data, ragstore_index_import(NULL, entity, path, "[", NULL));
    assert_fails(bad_data, ragstore_index_import(NULL, entity, path, four, NULL));
    assert_message_has("comes from the file");
    expect_nothing_imported(entity);

    assert_ok(
        ragstore_document_add_chunks(NULL, entity, "[{\"text\":\"three\"}]", triple, 3, NULL));
    assert_fails(bad_data, ragstore_index_import(NULL, entity, path, NULL, NULL));
    assert_message_has("have 3");
    ragstore_entity *wordy = make_entity(store, "wordy");
    add_text(wordy, "a.txt", "granite");
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_index_import(NULL, wordy, path, NULL, NULL));
    assert_ok(ragstore_entity_delete(NULL, store, "wordy"));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_index_import(NULL, wordy, path, NULL, NULL));
    ragstore_entity_free(wordy);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));

    store = open_store_with(state, RAGSTORE_OPEN_READ_ONLY, NULL);
    entity = open_entity(store, "acme");
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_index_import(NULL, entity, path, NULL, NULL));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static int32_t cancel_reading(void *user, const char *at, uint64_t done, uint64_t total)
{
    unsigned *calls = user;
    (*calls)++;
    return strcmp(at, "read") == 0 && total == 4 && done == 4;
}

static void index_import__can_be_cancelled(void **state)
{
    unsigned calls = 0;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.progress = cancel_reading;
    options.progress_user = &calls;
    assert_fails(
        RAGSTORE_E_INTERRUPTED,
        ragstore_index_import(NULL, entity, put_faiss(state, "IxMp", "IxFI"), NULL, &options));
    assert_int_equal(calls, 2);
    expect_nothing_imported(entity);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* More than a call with chunks may bring, and a file that says that it is larger than any may be.
 */
static void index_import__takes_many_and_refuses_too_many(void **state)
{
    enum { MANY = 50000 };
    static const float west[] = {-1, 0};
    int64_t number;
    float score;
    size_t size;
    ragstore_index *index;
    float *vectors = malloc(2 * MANY * sizeof *vectors);
    assert_non_null(vectors);
    for (size_t i = 0; i < MANY; i++) {
        vectors[2 * i] = 1;
        vectors[2 * i + 1] = (float)i / MANY;
    }
    vectors[2 * 34567] = -1;
    vectors[2 * 34567 + 1] = 0;
    faiss_bytes of = {NULL, "IxFI", 0, 2, MANY, vectors, NULL};
    unsigned char *bytes = faiss_bytes_make(&size, &of);
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(ragstore_index_import(NULL, entity, put_file(state, bytes, size), NULL, NULL));
    assert_ok(ragstore_index_open(&index, entity));
    assert_ok(ragstore_index_search(&number, &score, index, west, 1, 2, 1));
    assert_int_equal(number, 34567);
    ragstore_index_free(index);
    free(bytes);
    free(vectors);

    of.count = 0;
    bytes = faiss_bytes_make(&size, &of);
    assert_fails(RAGSTORE_E_INVALID_DATA,
                 ragstore_index_import(NULL, entity, put_file(state, bytes, size), NULL, NULL));
    assert_message_has("no vectors");
    const int64_t count = 1000001; /* as many as that, in a file with a hole */
    const uint64_t numbers = 2 * (uint64_t)count;
    memcpy(bytes + 8, &count, sizeof count);
    memcpy(bytes + 37, &numbers, sizeof numbers);
    const char *path = put_file(state, bytes, size);
    assert_int_equal(truncate(path, 45 + (off_t)numbers * 4), 0);
    assert_fails(RAGSTORE_E_TOO_LARGE, ragstore_index_import(NULL, entity, path, NULL, NULL));
    free(bytes);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(index_import__takes_each_vector_with_its_id),
        TEST(index_import__takes_the_callers_texts),
        TEST(index_import__of_the_same_file_adds_once),
        TEST(index_import__reads_an_exported_index),
        TEST(index_import__refuses_files_that_are_not_right),
        TEST(index_import__refuses_other_kinds_by_name),
        TEST(index_import__refuses_bad_arguments),
        TEST(index_import__can_be_cancelled),
        TEST(index_import__takes_many_and_refuses_too_many),
    };
    return cmocka_run_group_tests_name("index_import", tests, NULL, NULL);
}
