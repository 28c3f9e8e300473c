/* Documents: the same again, replacing by key, deleting, lists. */
#include "api_fixture.h"

static ragstore_document *add_keyed(ragstore_entity *entity, const char *key, const char *text,
                                    const char *metadata)
{
    ragstore_document *document;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.filename = "keyed.txt";
    options.key = key;
    options.metadata_json = metadata;
    assert_ok(ragstore_document_add(&document, entity, text, strlen(text), &options));
    return document;
}

/* Check what an add said of itself, and free it. */
static void take_added(ragstore_document *document, bool is_duplicate, bool replaced)
{
    json_t *description = describe_document(document);
    assert_member(description, "is_duplicate", is_duplicate ? "true" : "false");
    assert_member(description, "replaced", replaced ? "true" : "false");
    json_decref(description);
    ragstore_document_free(document);
}

static void expect_documents(ragstore_entity *entity, size_t documents, json_int_t chunks)
{
    json_t *description = describe_entity(entity);
    assert_number(description, "total_documents", (json_int_t)documents);
    assert_number(description, "total_chunks", chunks);
    json_decref(description);
    json_t *list = list_documents(entity, NULL);
    assert_int_equal(json_array_size(list), documents);
    json_decref(list);
}

/* ---- the same again ---- */

static void document_duplicate__changes_nothing_and_has_the_same_id(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document *first = add_document(entity, "a.txt", "All about granite.");
    for (int round = 0; round < 2; round++) {
        ragstore_document *again = add_document(entity, "other name.txt", "All about granite.");
        assert_string_equal(ragstore_document_id(again), ragstore_document_id(first));
        json_t *description = describe_document(again);
        assert_text(description, "filename", "a.txt");
        json_decref(description);
        take_added(again, true, false);
        expect_documents(entity, 1, 1);
        assert_int_equal(temporary_count(temporary_join(path, state, "store/uploads/acme")), 1);
        ragstore_entity_free(entity);
        store = reopen_store(store, state);
        entity = open_entity(store, "acme");
    }
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_document_free(first);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_duplicate__after_a_deletion_is_new(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document *first = add_document(entity, "a.txt", "All about granite.");
    assert_ok(ragstore_document_delete(entity, ragstore_document_id(first)));
    ragstore_document *second = add_document(entity, "a.txt", "All about granite.");
    assert_string_not_equal(ragstore_document_id(first), ragstore_document_id(second));
    take_added(second, false, false);
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_document_free(first);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_add__of_one_name_and_other_bytes_is_another_document(void **state)
{
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document *first = add_document(entity, "a.txt", "All about granite.");
    ragstore_document *second = add_document(entity, "a.txt", "All about marble.");
    assert_string_not_equal(ragstore_document_id(first), ragstore_document_id(second));
    expect_documents(entity, 2, 2);
    assert_ok(ragstore_document_delete(entity, ragstore_document_id(second)));
    assert_ok(ragstore_document_content(&buffer, first));
    assert_string_equal(ragstore_buffer_data(buffer), "All about granite.");
    ragstore_buffer_free(buffer);
    ragstore_document_free(first);
    ragstore_document_free(second);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- keys ---- */

static void document_key__replaces_and_keeps_the_id(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    char id[64];
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document *document = add_keyed(entity, "k", "All about granite.", "{\"v\": 1}");
    snprintf(id, sizeof id, "%s", ragstore_document_id(document));
    take_added(document, false, false);
    document = add_keyed(entity, "k", "All about marble.", "{\"v\": 2}");
    assert_string_equal(ragstore_document_id(document), id);
    take_added(document, false, true);
    for (int round = 0; round < 2; round++) {
        expect_documents(entity, 1, 1);
        assert_int_equal(count_hits(entity, "granite"), 0);
        ragstore_result *result = search(entity, "marble");
        assert_int_equal(ragstore_result_count(result), 1);
        assert_string_equal(ragstore_result_doc_id(result, 0), id);
        json_t *metadata = json_loads(ragstore_result_metadata(result, 0), 0, NULL);
        assert_number(metadata, "v", 2);
        json_decref(metadata);
        ragstore_result_free(result);
        ragstore_entity_free(entity);
        store = reopen_store(store, state);
        entity = open_entity(store, "acme");
    }
    assert_int_equal(temporary_count(temporary_join(path, state, "store/uploads/acme")), 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_key__with_the_same_bytes_changes_nothing(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    take_added(add_keyed(entity, "k", "All about granite.", "{\"v\": 1}"), false, false);
    take_added(add_keyed(entity, "k", "All about granite.", "{\"v\": 2}"), true, false);
    expect_documents(entity, 1, 1);
    json_t *list = list_documents(entity, NULL);
    assert_member(json_array_get(list, 0), "metadata", "{\"v\": 1}");
    json_decref(list);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_key__tells_documents_of_equal_bytes_apart(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document *one = add_keyed(entity, "one", "All about granite.", NULL);
    ragstore_document *two = add_keyed(entity, "two", "All about granite.", NULL);
    assert_string_not_equal(ragstore_document_id(one), ragstore_document_id(two));
    expect_documents(entity, 2, 2);
    assert_ok(ragstore_document_delete(entity, ragstore_document_id(one)));
    expect_documents(entity, 1, 1);
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_document_free(one);
    ragstore_document_free(two);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_key__replacing_with_what_has_no_text_keeps_the_old_one(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.key = "k";
    take_added(add_keyed(entity, "k", "All about granite.", NULL), false, false);
    assert_fails(RAGSTORE_E_NOT_EXTRACTABLE, ragstore_document_add(NULL, entity,
                                                                   "\x7f"
                                                                   "ELF\0\0\0\0",
                                                                   8, &options));
    assert_int_equal(count_hits(entity, "granite"), 1);
    expect_documents(entity, 1, 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_handle__shows_it_as_it_was_when_looked_up(void **state)
{
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document *old = add_keyed(entity, "k", "All about granite.", "{\"v\": 1}");
    ragstore_document_free(add_keyed(entity, "k", "All about marble.", "{\"v\": 2}"));
    json_t *description = describe_document(old);
    assert_member(description, "metadata", "{\"v\": 1}");
    json_decref(description);
    assert_ok(ragstore_document_content(&buffer, old)); /* what the id names now */
    assert_string_equal(ragstore_buffer_data(buffer), "All about marble.");
    ragstore_buffer_free(buffer);
    ragstore_document_free(old);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- deleting ---- */

static void document_delete__is_not_found_again(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    ragstore_buffer *buffer = (ragstore_buffer *)(uintptr_t)1;
    ragstore_document *found;
    ragstore_result *result;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document *document = add_document(entity, "a.txt", "All about granite.");
    add_text(entity, "b.txt", "All about marble.");
    const char *id = ragstore_document_id(document);
    assert_ok(ragstore_document_delete(entity, id));
    for (int round = 0; round < 2; round++) {
        ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
        options.doc_ids = &id;
        options.doc_ids_count = 1;
        assert_ok(ragstore_entity_search(&result, entity, "granite about", &options));
        assert_int_equal(ragstore_result_count(result), 0);
        ragstore_result_free(result);
        assert_int_equal(count_hits(entity, "granite"), 0);
        assert_int_equal(count_hits(entity, "marble"), 1);
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_document_open(&found, entity, id));
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_document_delete(entity, id));
        expect_documents(entity, 1, 1);
        assert_false(temporary_exists(temporary_join(path, state, "store/uploads/acme/a.txt")));
        if (round == 0) {
            assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_document_content(&buffer, document));
            assert_null(buffer);
            assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_document_text(&buffer, document));
        }
        ragstore_entity_free(entity);
        store = reopen_store(store, state);
        entity = open_entity(store, "acme");
    }
    /* neither is it in any file */
    char *chunks = temporary_read(
        temporary_join(path, state, "store/entity_scoped/entities/acme/chunk_metadata.json"), NULL);
    assert_null(strstr(chunks, "granite"));
    free(chunks);
    ragstore_document_free(document);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_delete__never_gives_a_chunk_number_again(void **state)
{
    int64_t last = -1;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (int round = 0; round < 3; round++) {
        char text[32];
        snprintf(text, sizeof text, "granite %d", round);
        ragstore_document *document = add_document(entity, "a.txt", text);
        ragstore_result *result = search(entity, "granite");
        assert_int_equal(ragstore_result_count(result), 1);
        assert_true(ragstore_result_chunk_number(result, 0) > last);
        last = ragstore_result_chunk_number(result, 0);
        assert_ok(ragstore_document_delete(entity, ragstore_document_id(document)));
        ragstore_result_free(result);
        ragstore_document_free(document);
        ragstore_entity_free(entity);
        store = reopen_store(store, state);
        entity = open_entity(store, "acme");
    }
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- lists ---- */

static void document_list__is_in_order_and_can_be_cut_and_matched(void **state)
{
    static const char *const names[] = {"Zebra.txt", "apple.txt", "ZEBRA 2.txt", "日本.txt"};
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_list_options options = RAGSTORE_LIST_OPTIONS_INIT;
    json_t *list = list_documents(entity, NULL);
    assert_true(json_is_array(list));
    json_decref(list);
    for (size_t i = 0; i < COUNT(names); i++)
        add_text(entity, names[i], names[i]);
    list = list_documents(entity, NULL);
    assert_int_equal(json_array_size(list), COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++)
        assert_text(json_array_get(list, i), "filename", names[i]);
    json_decref(list);
    options.limit = 2;
    options.offset = 1;
    list = list_documents(entity, &options);
    assert_int_equal(json_array_size(list), 2);
    assert_text(json_array_get(list, 0), "filename", names[1]);
    json_decref(list);
    options.match = "zebra";
    list = list_documents(entity, &options);
    assert_int_equal(json_array_size(list), 1);
    assert_text(json_array_get(list, 0), "filename", names[2]);
    json_decref(list);
    options.offset = UINT64_MAX;
    options.limit = UINT64_MAX;
    list = list_documents(entity, &options);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(document_duplicate__changes_nothing_and_has_the_same_id),
        TEST(document_duplicate__after_a_deletion_is_new),
        TEST(document_add__of_one_name_and_other_bytes_is_another_document),
        TEST(document_key__replaces_and_keeps_the_id),
        TEST(document_key__with_the_same_bytes_changes_nothing),
        TEST(document_key__tells_documents_of_equal_bytes_apart),
        TEST(document_key__replacing_with_what_has_no_text_keeps_the_old_one),
        TEST(document_handle__shows_it_as_it_was_when_looked_up),
        TEST(document_delete__is_not_found_again),
        TEST(document_delete__never_gives_a_chunk_number_again),
        TEST(document_list__is_in_order_and_can_be_cut_and_matched),
    };
    return cmocka_run_group_tests_name("document_change", tests, NULL, NULL);
}
