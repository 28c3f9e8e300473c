/* Documents of the caller's own chunks and vectors. */
#include "api_fixture.h"

static int add_json(ragstore_entity *entity, const char *json)
{
    return ragstore_document_add_chunks(NULL, entity, json, NULL, 0, NULL);
}

static void expect_documents(ragstore_entity *entity, json_int_t documents, json_int_t chunks)
{
    json_t *description = describe_entity(entity);
    assert_number(description, "total_documents", documents);
    assert_number(description, "total_chunks", chunks);
    json_decref(description);
}

static ragstore_result *search_near(ragstore_entity *entity, const float *vector, size_t dimension)
{
    ragstore_result *result;
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    options.mode = RAGSTORE_MODE_VECTOR;
    options.vector = vector;
    options.dimension = dimension;
    assert_ok(ragstore_entity_search(&result, entity, "", &options));
    return result;
}

/* ---- chunks ---- */

static void chunks_add__keeps_texts_and_what_belongs_to_them(void **state)
{
    ragstore_document *document;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    options.filename = "rocks";
    options.source = "caller";
    options.metadata_json = "{\"lang\": \"en\", \"level\": 1}";
    assert_ok(ragstore_document_add_chunks(
        &document, entity,
        "[{\"text\": \"All about granite.\", \"page\": 3, \"start\": 10, \"end\": 28,"
        "  \"metadata\": {\"level\": 2, \"n\": null}},"
        " {\"text\": \"Marble, 日本 \\u00e9\"}]",
        NULL, 0, &options));
    json_t *description = describe_document(document);
    assert_number(description, "chunks_count", 2);
    assert_null_member(description, "file_path");
    json_decref(description);
    for (int round = 0; round < 2; round++) {
        ragstore_result *result = search(entity, "granite");
        assert_int_equal(ragstore_result_count(result), 1);
        assert_string_equal(ragstore_result_content(result, 0), "All about granite.");
        assert_string_equal(ragstore_result_source(result, 0), "caller");
        assert_int_equal(ragstore_result_page(result, 0), 3);
        assert_int_equal(ragstore_result_start(result, 0), 10);
        assert_int_equal(ragstore_result_end(result, 0), 28);
        assert_int_equal(ragstore_result_chunk_order(result, 0), 0);
        json_t *metadata = json_loads(ragstore_result_metadata(result, 0), 0, NULL);
        assert_text(metadata, "lang", "en");
        assert_number(metadata, "level", 2);
        json_decref(metadata);
        ragstore_result_free(result);
        result = search(entity, "marble");
        assert_string_equal(ragstore_result_content(result, 0), "Marble, 日本 é");
        assert_int_equal(ragstore_result_chunk_order(result, 0), 1);
        assert_int_equal(ragstore_result_page(result, 0), 0);
        assert_int_equal(ragstore_result_start(result, 0), -1);
        assert_int_equal(ragstore_result_end(result, 0), -1);
        ragstore_result_free(result);
        if (round == 0) {
            ragstore_document_free(document);
            ragstore_entity_free(entity);
            store = reopen_store(store, state);
            entity = open_entity(store, "acme");
        }
    }
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void chunks_add__has_no_file(void **state)
{
    ragstore_buffer *buffer;
    ragstore_document *document;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(
        ragstore_document_add_chunks(&document, entity, "[{\"text\":\"granite\"}]", NULL, 0, NULL));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_document_content(&buffer, document));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_document_text(&buffer, document));
    assert_ok(ragstore_document_delete(entity, ragstore_document_id(document)));
    assert_int_equal(count_hits(entity, "granite"), 0);
    ragstore_document_free(document);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void chunks_add__twice_adds_once_and_a_key_replaces(void **state)
{
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(add_json(entity, "[{\"text\":\"granite\"}]"));
    assert_ok(add_json(entity, "[{\"text\":\"granite\"}]"));
    expect_documents(entity, 1, 1);
    options.key = "k";
    assert_ok(
        ragstore_document_add_chunks(NULL, entity, "[{\"text\":\"marble\"}]", NULL, 0, &options));
    assert_ok(ragstore_document_add_chunks(
        NULL, entity, "[{\"text\":\"basalt\"},{\"text\":\"slate\"}]", NULL, 0, &options));
    expect_documents(entity, 2, 3);
    assert_int_equal(count_hits(entity, "marble"), 0);
    assert_int_equal(count_hits(entity, "basalt"), 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void chunks_add__refuses_bad_json_and_adds_nothing(void **state)
{
    static const char *const cases[] = {
        "",
        "[",
        "[]",
        "{}",
        "null",
        "7",
        "{\"text\": \"a\"}",
        "[7]",
        "[null]",
        "[[]]",
        "[{}]",
        "[{\"text\": \"\"}]",
        "[{\"text\": 7}]",
        "[{\"text\": \"\xff\"}]",
        "[{\"text\": \"\\ud800\"}]",
        "[{\"text\": \"a\"}, {\"txt\": \"b\"}]",
        "[{\"text\": \"a\", \"metadata\": []}]",
        "[{\"text\": \"a\", \"page\": -1}]",
        "[{\"text\": \"a\", \"page\": 4294967296}]",
        "[{\"text\": \"a\", \"start\": -2}]",
        "[{\"text\": \"a\", \"start\": 5, \"end\": 4}]",
        "[{\"text\": \"a\", \"vector\": \"x\"}]",
        "[{\"text\": \"a\", \"vector\": {}}]",
        "[{\"text\": \"a\", \"vector\": []}]",
        "[{\"text\": \"a\", \"vector\": [1, 0]}, {\"text\": \"b\", \"vector\": true}]",
        "[{\"text\": \"a\", \"vector\": [1, \"x\"]}]",
        "[{\"text\": \"a\", \"vector\": [0, 0]}]",
        "[{\"text\": \"a\", \"vector\": [1e999, 0]}]",
        "[{\"text\": \"a\", \"vector\": [1e39, 0]}]",
        "[{\"text\": \"a\", \"vector\": [1, 0]}, {\"text\": \"b\", \"vector\": [1]}]",
        "[{\"text\": \"a\", \"vector\": [1, 0]}, {\"text\": \"b\"}]",
    };
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (size_t i = 0; i < COUNT(cases); i++) {
        ragstore_document *document = (ragstore_document *)(uintptr_t)1;
        int status = ragstore_document_add_chunks(&document, entity, cases[i], NULL, 0, NULL);
        if (status != RAGSTORE_E_INVALID_DATA)
            fail_msg("%s: %s: %s", cases[i], ragstore_status_name(status),
                     ragstore_error_message());
        assert_null(document);
    }
    expect_documents(entity, 0, 0);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void chunks_add__takes_10000_at_once_and_no_more(void **state)
{
    enum { MOST = 10000 };
    static const char one[] = "{\"text\":\"granite\"},";
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    const size_t each = sizeof one - 1;
    char *json = malloc((MOST + 1) * each + 3);
    assert_non_null(json);
    json[0] = '[';
    for (size_t i = 0; i < MOST + 1; i++)
        memcpy(json + 1 + i * each, one, each);
    memcpy(json + (MOST + 1) * each, "]", 2); /* over the last comma */
    assert_fails(RAGSTORE_E_INVALID_DATA, add_json(entity, json));
    expect_documents(entity, 0, 0);
    memcpy(json + MOST * each, "]", 2);
    assert_ok(add_json(entity, json));
    expect_documents(entity, 1, MOST);
    free(json);
    ragstore_entity_free(entity);
    store = reopen_store(store, state);
    entity = open_entity(store, "acme");
    expect_documents(entity, 1, MOST);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- vectors ---- */

static void vectors__of_the_caller_need_no_model(void **state)
{
    static const float vectors[] = {3, 4, 0, 0, 0, 2};
    static const float near_second[] = {0, 0.1f, 5};
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(ragstore_document_add_chunks(
        NULL, entity, "[{\"text\":\"first\"},{\"text\":\"second\"}]", vectors, 3, NULL));
    assert_ok(add_json(entity, "[{\"text\": \"third\", \"vector\": [-1, 0, 0]}]"));
    for (int round = 0; round < 2; round++) {
        ragstore_result *result = search_near(entity, near_second, 3);
        assert_int_equal(ragstore_result_count(result), 3);
        assert_int_equal(ragstore_result_mode(result), RAGSTORE_MODE_VECTOR);
        assert_string_equal(ragstore_result_content(result, 0), "second");
        assert_float_equal(ragstore_result_vector_score(result, 0), 0.9998, 1e-4);
        assert_string_equal(ragstore_result_content(result, 1), "first");
        ragstore_result_free(result);
        json_t *description = describe_entity(entity);
        assert_member(description, "has_vector_store", "true");
        assert_true(json_is_string(json_object_get(description, "embedder")));
        assert_text(description, "search_mode", "keyword"); /* unless a vector is given */
        json_decref(description);
        ragstore_entity_free(entity);
        store = reopen_store(store, state);
        entity = open_entity(store, "acme");
    }
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void vectors__of_another_dimension_fail_the_whole_call(void **state)
{
    static const float three[] = {1, 0, 0, 0, 1, 0};
    ragstore_result *result;
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(ragstore_document_add_chunks(NULL, entity, "[{\"text\":\"a\"},{\"text\":\"b\"}]",
                                           three, 3, NULL));
    assert_fails(RAGSTORE_E_INVALID_DATA,
                 ragstore_document_add_chunks(NULL, entity, "[{\"text\":\"c\"}]", three, 2, NULL));
    assert_fails(RAGSTORE_E_INVALID_DATA, add_json(entity, "[{\"text\":\"c\", \"vector\":[1,0,0]},"
                                                           " {\"text\":\"d\", \"vector\":[1,0]}]"));
    assert_fails(RAGSTORE_E_EMBEDDER, add_json(entity, "[{\"text\":\"no vector\"}]"));
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_document_add(NULL, entity, "granite", 7, NULL));
    expect_documents(entity, 1, 2);
    options.vector = three;
    options.dimension = 2;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_entity_search(&result, entity, "a", &options));
    assert_null(result);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void vectors__that_are_no_directions_are_refused(void **state)
{
    const float bad[][2] = {{0, 0}, {NAN, 1}, {1, INFINITY}, {-INFINITY, 0}};
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_fails(
            RAGSTORE_E_INVALID_DATA,
            ragstore_document_add_chunks(NULL, entity, "[{\"text\":\"a\"}]", bad[i], 2, NULL));
    expect_documents(entity, 0, 0);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void vectors__very_long_and_very_short_become_directions(void **state)
{
    static const float vectors[] = {3e38f, 3e38f, -1e-38f, 1e-38f};
    static const float query[] = {1e-30f, 1e-30f};
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(ragstore_document_add_chunks(NULL, entity, "[{\"text\":\"a\"},{\"text\":\"b\"}]",
                                           vectors, 2, NULL));
    ragstore_result *result = search_near(entity, query, 2);
    assert_int_equal(ragstore_result_count(result), 2);
    assert_string_equal(ragstore_result_content(result, 0), "a");
    assert_float_equal(ragstore_result_vector_score(result, 0), 1, 1e-5);
    assert_float_equal(ragstore_result_vector_score(result, 1), 0, 1e-5);
    ragstore_result_free(result);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void vectors__and_dimension_are_given_together(void **state)
{
    static const float vector[] = {1, 0};
    const int wrong = RAGSTORE_E_INVALID_ARGUMENT;
    static const char one[] = "[{\"text\":\"a\"}]";
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_fails(wrong, ragstore_document_add_chunks(NULL, entity, one, vector, 0, NULL));
    assert_fails(wrong, ragstore_document_add_chunks(NULL, entity, one, NULL, 2, NULL));
    assert_fails(wrong, ragstore_document_add_chunks(NULL, entity, NULL, NULL, 0, NULL));
    assert_fails(wrong, ragstore_document_add_chunks(NULL, NULL, one, NULL, 0, NULL));
    expect_documents(entity, 0, 0);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void vectors__are_not_read_when_the_call_cannot_succeed(void **state)
{
    static const float vector[] = {1, 0};
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    /* there is one row of two numbers: more would be read out of bounds */
    assert_fails(RAGSTORE_E_TOO_LARGE,
                 ragstore_document_add_chunks(NULL, entity, "[{\"text\":\"a\"}]", vector,
                                              SIZE_MAX / 8, NULL));
    assert_fails(
        RAGSTORE_E_INVALID_DATA,
        ragstore_document_add_chunks(NULL, entity, "{\"a\": 1, \"b\": 2}", vector, 2, NULL));
    assert_fails(RAGSTORE_E_INVALID_DATA,
                 ragstore_document_add_chunks(NULL, entity, "not json", vector, 2, NULL));
    expect_documents(entity, 0, 0);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void vectors__in_an_entity_of_keywords_are_refused(void **state)
{
    static const float vector[] = {1, 0};
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "All about granite.");
    assert_fails(RAGSTORE_E_EMBEDDER,
                 ragstore_document_add_chunks(NULL, entity, "[{\"text\":\"a\"}]", vector, 2, NULL));
    expect_documents(entity, 1, 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void vectors__that_are_missing_are_embedded(void **state)
{
    ragstore_result *result;
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    ragstore_store *store = open_store_with(state, 0, the_model());
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(add_json(entity, "[{\"text\":\"The cat sleeps on the sofa.\"},"
                               " {\"text\":\"Interest rates were raised.\"}]"));
    options.mode = RAGSTORE_MODE_VECTOR;
    assert_ok(ragstore_entity_search(&result, entity, "a dozing pet", &options));
    assert_int_equal(ragstore_result_count(result), 2);
    assert_string_equal(ragstore_result_content(result, 0), "The cat sleeps on the sofa.");
    ragstore_result_free(result);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(chunks_add__keeps_texts_and_what_belongs_to_them),
        TEST(chunks_add__has_no_file),
        TEST(chunks_add__twice_adds_once_and_a_key_replaces),
        TEST(chunks_add__refuses_bad_json_and_adds_nothing),
        TEST(chunks_add__takes_10000_at_once_and_no_more),
        TEST(vectors__of_the_caller_need_no_model),
        TEST(vectors__of_another_dimension_fail_the_whole_call),
        TEST(vectors__that_are_no_directions_are_refused),
        TEST(vectors__very_long_and_very_short_become_directions),
        TEST(vectors__and_dimension_are_given_together),
        TEST(vectors__are_not_read_when_the_call_cannot_succeed),
        TEST(vectors__in_an_entity_of_keywords_are_refused),
        TEST(vectors__that_are_missing_are_embedded),
    };
    return cmocka_run_group_tests_name("chunks", tests, NULL, NULL);
}
