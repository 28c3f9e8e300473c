/* Results: what a hit tells of itself, in order, one by one, in bulk and as JSON. */
#include "api_fixture.h"

/* Two sections, each of several chunks; what matters stands in the last of them. */
static ragstore_entity *make_guide(ragstore_store *store)
{
    static const char filler[] =
        "This sentence is here because a section has to have some length. ";
    char guide[8192] = "# Rocks\n\n## Granite\n\n";
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    for (int i = 0; i < 16; i++)
        strcat(guide, filler);
    strcat(guide, "Granite forms when magma cools slowly.\n\n## Marble\n\n");
    for (int i = 0; i < 16; i++)
        strcat(guide, filler);
    strcat(guide, "Marble is limestone that pressure has changed.\n");
    options.filename = "guide.md";
    options.source = "library";
    options.metadata_json = "{\"year\": 2024}";
    assert_ok(ragstore_document_add(NULL, entity, guide, strlen(guide), &options));
    return entity;
}

static void result__tells_where_a_hit_comes_from(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_guide(store);
    json_t *documents = list_documents(entity, NULL);
    ragstore_result *result = search(entity, "magma");
    assert_int_equal(ragstore_result_count(result), 1);
    assert_non_null(strstr(ragstore_result_content(result, 0), "magma cools slowly"));
    assert_text(json_array_get(documents, 0), "doc_id", ragstore_result_doc_id(result, 0));
    assert_string_equal(ragstore_result_doc_name(result, 0), "guide.md");
    assert_string_equal(ragstore_result_source(result, 0), "library");
    assert_string_equal(ragstore_result_heading(result, 0), "Rocks > Granite");
    json_t *metadata = json_loads(ragstore_result_metadata(result, 0), 0, NULL);
    assert_number(metadata, "year", 2024);
    assert_int_equal(ragstore_result_page(result, 0), 0);
    assert_true(ragstore_result_chunk_number(result, 0) >= 0);
    assert_true(ragstore_result_chunk_order(result, 0) >= 0);
    float score = ragstore_result_score(result, 0);
    assert_true(score > 0 && score <= 1);
    float keyword_score = ragstore_result_keyword_score(result, 0);
    assert_true(keyword_score > 0 && keyword_score <= 1);
    json_decref(metadata);
    json_decref(documents);
    ragstore_result_free(result);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void result__names_the_file_when_no_source_was_given(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "plain.txt", "granite");
    ragstore_result *result = search(entity, "granite");
    assert_string_equal(ragstore_result_source(result, 0), "plain.txt");
    assert_string_equal(ragstore_result_heading(result, 0), "");
    assert_string_equal(ragstore_result_metadata(result, 0), "{}");
    ragstore_result_free(result);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void result__has_neighbours_when_asked(void **state)
{
    ragstore_result *result;
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(
        ragstore_document_add_chunks(NULL, entity,
                                     "[{\"text\":\"zero\"},{\"text\":\"one\"},{\"text\":\"two\"},"
                                     " {\"text\":\"three\"},{\"text\":\"four\"}]",
                                     NULL, 0, NULL));
    add_text(entity, "other.txt", "never a neighbour");
    static const char *const shown[][2] = {{"three", "zero"}, {"four", "never"}};
    options.neighbors = 1;
    assert_ok(ragstore_entity_search(&result, entity, "two", &options));
    assert_int_equal(ragstore_result_count(result), 1);
    assert_non_null(strstr(ragstore_result_content(result, 0), "one"));
    assert_non_null(strstr(ragstore_result_content(result, 0), shown[0][0]));
    assert_null(strstr(ragstore_result_content(result, 0), shown[0][1]));
    assert_int_equal(ragstore_result_chunk_order(result, 0), 2);
    ragstore_result_free(result);
    options.neighbors = 10; /* no further than the document goes */
    assert_ok(ragstore_entity_search(&result, entity, "two", &options));
    assert_non_null(strstr(ragstore_result_content(result, 0), shown[1][0]));
    assert_null(strstr(ragstore_result_content(result, 0), shown[1][1]));
    ragstore_result_free(result);
    options.neighbors = 0;
    assert_ok(ragstore_entity_search(&result, entity, "two", &options));
    assert_string_equal(ragstore_result_content(result, 0), "two");
    ragstore_result_free(result);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void result__beyond_its_end_is_nothing(void **state)
{
    static const size_t positions[] = {1, 2, SIZE_MAX};
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_guide(store);
    ragstore_result *result = search(entity, "magma");
    for (size_t i = 0; i <= COUNT(positions); i++) {
        const ragstore_result *from = i < COUNT(positions) ? result : NULL;
        size_t at = i < COUNT(positions) ? positions[i] : 0;
        assert_null(ragstore_result_content(from, at));
        assert_null(ragstore_result_doc_id(from, at));
        assert_null(ragstore_result_doc_name(from, at));
        assert_null(ragstore_result_source(from, at));
        assert_null(ragstore_result_metadata(from, at));
        assert_null(ragstore_result_heading(from, at));
        assert_int_equal(ragstore_result_chunk_number(from, at), -1);
        assert_int_equal(ragstore_result_chunk_order(from, at), -1);
        assert_int_equal(ragstore_result_page(from, at), 0);
        assert_int_equal(ragstore_result_start(from, at), -1);
        assert_int_equal(ragstore_result_end(from, at), -1);
        assert_true(ragstore_result_score(from, at) == 0);
        assert_true(isnan(ragstore_result_vector_score(from, at)) != 0);
        assert_true(isnan(ragstore_result_keyword_score(from, at)) != 0);
    }
    ragstore_result_free(result);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void result__outlives_entity_and_store(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_guide(store);
    ragstore_result *result = search(entity, "magma");
    assert_ok(ragstore_entity_delete(NULL, store, "acme"));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    assert_non_null(strstr(ragstore_result_content(result, 0), "magma cools slowly"));
    assert_string_equal(ragstore_result_doc_name(result, 0), "guide.md");
    ragstore_result_free(result);
}

static void result__is_copied_in_bulk_as_far_as_there_is_room(void **state)
{
    int64_t numbers[4];
    float scores[4];
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "granite quarry");
    add_text(entity, "b.txt", "granite");
    add_text(entity, "c.txt", "a quarry of another rock, far away from here");
    ragstore_result *result = search(entity, "granite quarry");
    assert_int_equal(ragstore_result_count(result), 3);
    assert_int_equal(ragstore_result_copy(numbers, scores, result, 4), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(numbers[i], ragstore_result_chunk_number(result, i));
        assert_float_equal(scores[i], ragstore_result_score(result, i), 0);
    }
    assert_true(scores[0] >= scores[1]);
    numbers[1] = 77;
    scores[1] = 77;
    assert_int_equal(ragstore_result_copy(numbers, scores, result, 1), 1);
    assert_int_equal(numbers[1], 77);
    assert_float_equal(scores[1], 77, 0);
    assert_int_equal(ragstore_result_copy(NULL, scores, result, 2), 2);
    assert_int_equal(ragstore_result_copy(numbers, NULL, result, 2), 2);
    assert_int_equal(ragstore_result_copy(NULL, NULL, result, SIZE_MAX), 3);
    assert_int_equal(ragstore_result_copy(numbers, scores, result, 0), 0);
    assert_int_equal(ragstore_result_copy(numbers, scores, NULL, 4), 0);
    ragstore_result_free(result);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void result__as_json_says_the_same(void **state)
{
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_guide(store);
    ragstore_result *result = search(entity, "granite marble");
    assert_ok(ragstore_result_json(&buffer, result));
    json_t *list = take_json(buffer);
    assert_int_equal(json_array_size(list), ragstore_result_count(result));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *hit = json_array_get(list, i);
        assert_text(hit, "content", ragstore_result_content(result, i));
        assert_text(hit, "doc_id", ragstore_result_doc_id(result, i));
        assert_text(hit, "doc_name", ragstore_result_doc_name(result, i));
        assert_text(hit, "source", ragstore_result_source(result, i));
        assert_text(hit, "heading", ragstore_result_heading(result, i));
        assert_number(hit, "chunk_number", ragstore_result_chunk_number(result, i));
        assert_number(hit, "chunk_order_index", ragstore_result_chunk_order(result, i));
        assert_number(hit, "start", ragstore_result_start(result, i));
        assert_number(hit, "end", ragstore_result_end(result, i));
        assert_member(hit, "metadata", "{\"year\": 2024}");
        assert_float_equal(json_number_value(json_object_get(hit, "score")),
                           ragstore_result_score(result, i), 1e-5);
        assert_null_member(json_object_get(hit, "scores"), "vector");
        assert_float_equal(
            json_number_value(json_object_get(json_object_get(hit, "scores"), "keyword")),
            ragstore_result_keyword_score(result, i), 1e-5);
    }
    json_decref(list);
    ragstore_result_free(result);
    result = search(entity, "nothingness");
    assert_ok(ragstore_result_json(&buffer, result));
    assert_string_equal(ragstore_buffer_data(buffer), "[]");
    ragstore_buffer_free(buffer);
    ragstore_result_free(result);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void result__of_null_is_nothing(void **state)
{
    (void)state;
    ragstore_buffer *buffer = (ragstore_buffer *)(uintptr_t)1;
    assert_int_equal(ragstore_result_count(NULL), 0);
    assert_int_equal(ragstore_result_mode(NULL), 0);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_result_json(&buffer, NULL));
    assert_null(buffer);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_result_json(NULL, NULL));
    ragstore_result_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(result__tells_where_a_hit_comes_from),
        TEST(result__names_the_file_when_no_source_was_given),
        TEST(result__has_neighbours_when_asked),
        TEST(result__beyond_its_end_is_nothing),
        TEST(result__outlives_entity_and_store),
        TEST(result__is_copied_in_bulk_as_far_as_there_is_room),
        TEST(result__as_json_says_the_same),
        cmocka_unit_test(result__of_null_is_nothing),
    };
    return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
