/* Changing what is known about a document. */
#include "api_fixture.h"

static json_t *look_up(ragstore_entity *entity, const char *doc_id)
{
    ragstore_document *document;
    assert_ok(ragstore_document_open(&document, entity, doc_id));
    json_t *description = describe_document(document);
    ragstore_document_free(document);
    return description;
}

static size_t count_filtered(ragstore_entity *entity, const char *query, const char *filter)
{
    ragstore_result *result;
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    options.filter_json = filter;
    assert_ok(ragstore_entity_search(&result, entity, query, &options));
    size_t count = ragstore_result_count(result);
    ragstore_result_free(result);
    return count;
}

static ragstore_document *add_with(ragstore_entity *entity, const char *text, const char *metadata)
{
    ragstore_document *document;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.filename = "a.txt";
    options.description = "kept";
    options.metadata_json = metadata;
    assert_ok(ragstore_document_add(&document, entity, text, strlen(text), &options));
    ragstore_document *looked_up;
    assert_ok(ragstore_document_open(&looked_up, entity, ragstore_document_id(document)));
    ragstore_document_free(document);
    return looked_up;
}

static void document_update__changes_what_is_given_and_keeps_the_rest(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document_update_options options = RAGSTORE_DOCUMENT_UPDATE_OPTIONS_INIT;
    ragstore_document *document = add_with(entity, "granite and marble", "{\"a\": 1, \"b\": 2}");
    char doc_id[64];
    snprintf(doc_id, sizeof doc_id, "%s", ragstore_document_id(document));
    json_t *before = describe_document(document);
    assert_ok(ragstore_document_update(document, NULL));
    assert_ok(ragstore_document_update(document, &options)); /* nothing to change */
    json_t *same = look_up(entity, doc_id);
    assert_true(json_equal(before, same));
    json_decref(same);
    options.metadata_json = "{\"b\": 3}";
    options.source = "The quarry";
    assert_ok(ragstore_document_update(document, &options));
    json_t *held = describe_document(document); /* the handle tells what it was looked up as */
    assert_true(json_equal(before, held));
    json_decref(held);
    json_object_set_new(before, "metadata", json_pack("{s:i}", "b", 3));
    json_object_set_new(before, "source", json_string("The quarry"));
    for (int round = 0; round < 2; round++) {
        json_t *after = look_up(entity, doc_id);
        assert_true(json_equal(before, after));
        json_decref(after);
        ragstore_result *result = search(entity, "granite");
        assert_int_equal(ragstore_result_count(result), 1);
        assert_string_equal(ragstore_result_source(result, 0), "The quarry");
        assert_string_equal(ragstore_result_metadata(result, 0), "{\"b\":3}");
        ragstore_result_free(result);
        assert_int_equal(count_filtered(entity, "granite", "{\"b\": 3}"), 1);
        assert_int_equal(count_filtered(entity, "granite", "{\"a\": 1}"), 0);
        ragstore_document_free(document);
        document = NULL;
        ragstore_entity_free(entity);
        store = reopen_store(store, state);
        entity = open_entity(store, "acme");
    }
    json_decref(before);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_update__is_seen_by_a_search_that_has_looked_before(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document_update_options options = RAGSTORE_DOCUMENT_UPDATE_OPTIONS_INIT;
    ragstore_document *first = add_with(entity, "granite one", "{\"year\": 1}");
    ragstore_document *second = add_with(entity, "granite two", "{\"year\": 2}");
    assert_int_equal(count_filtered(entity, "granite", "{\"year\": 2}"), 1);
    options.metadata_json = "{\"year\": 2}";
    assert_ok(ragstore_document_update(first, &options));
    assert_int_equal(count_filtered(entity, "granite", "{\"year\": 2}"), 2);
    options.metadata_json = "{}";
    assert_ok(ragstore_document_update(second, &options));
    assert_int_equal(count_filtered(entity, "granite", "{\"year\": 2}"), 1);
    ragstore_document_free(first);
    ragstore_document_free(second);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_update__refuses_bad_fields_and_changes_nothing(void **state)
{
    char *long_source = long_text(4097);
    char *long_description = long_text((16 << 10) + 1);
    const ragstore_document_update_options bad[] = {
        {sizeof bad[0], NULL, NULL, "[]"},       {sizeof bad[0], NULL, NULL, "{\"a\""},
        {sizeof bad[0], NULL, NULL, ""},         {sizeof bad[0], "\xc0\x80", NULL, NULL},
        {sizeof bad[0], NULL, "\xff", NULL},     {sizeof bad[0], long_source, NULL, NULL},
        {sizeof bad[0], NULL, long_description, NULL},
    };
    const int codes[] = {RAGSTORE_E_INVALID_DATA, RAGSTORE_E_INVALID_DATA, RAGSTORE_E_INVALID_DATA,
                         RAGSTORE_E_INVALID_DATA, RAGSTORE_E_INVALID_DATA, RAGSTORE_E_TOO_LARGE,
                         RAGSTORE_E_TOO_LARGE};
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document *document = add_with(entity, "granite", "{\"a\": 1}");
    json_t *before = describe_document(document);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_fails(codes[i], ragstore_document_update(document, &bad[i]));
    json_t *after = look_up(entity, ragstore_document_id(document));
    assert_true(json_equal(before, after));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_document_update(NULL, NULL));
    json_decref(before);
    json_decref(after);
    free(long_source);
    free(long_description);
    ragstore_document_free(document);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_update__of_what_is_gone_is_not_found(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document_update_options options = RAGSTORE_DOCUMENT_UPDATE_OPTIONS_INIT;
    ragstore_document *document = add_with(entity, "granite", "{}");
    ragstore_document *other = add_with(entity, "marble", "{}");
    options.description = "new";
    assert_ok(ragstore_document_delete(entity, ragstore_document_id(document)));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_document_update(document, &options));
    assert_ok(ragstore_entity_delete(NULL, store, "acme"));
    ragstore_entity *again = make_entity(store, "acme");
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_document_update(other, &options));
    ragstore_document_free(document);
    ragstore_document_free(other);
    ragstore_entity_free(again);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_update__is_refused_by_a_store_for_reading(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_document_update_options options = RAGSTORE_DOCUMENT_UPDATE_OPTIONS_INIT;
    ragstore_entity *entity = make_entity(store, "acme");
    char doc_id[64];
    ragstore_document *document = add_with(entity, "granite", "{}");
    snprintf(doc_id, sizeof doc_id, "%s", ragstore_document_id(document));
    ragstore_document_free(document);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    store = open_store_with(state, RAGSTORE_OPEN_READ_ONLY, NULL);
    entity = open_entity(store, "acme");
    assert_ok(ragstore_document_open(&document, entity, doc_id));
    options.source = "x";
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_document_update(document, &options));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store)); /* the document keeps it open */
    assert_fails(RAGSTORE_E_CLOSED, ragstore_document_update(document, &options));
    ragstore_document_free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(document_update__changes_what_is_given_and_keeps_the_rest),
        TEST(document_update__is_seen_by_a_search_that_has_looked_before),
        TEST(document_update__refuses_bad_fields_and_changes_nothing),
        TEST(document_update__of_what_is_gone_is_not_found),
        TEST(document_update__is_refused_by_a_store_for_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
