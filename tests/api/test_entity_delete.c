/* Entities: deletion, lists, and that nothing of one is seen from another. */
#include "api_fixture.h"

static json_t *list_entities(ragstore_store *store, uint64_t limit, uint64_t offset,
                             const char *match)
{
    ragstore_buffer *buffer;
    ragstore_list_options options = RAGSTORE_LIST_OPTIONS_INIT;
    options.limit = limit;
    options.offset = offset;
    options.match = match;
    assert_ok(ragstore_entity_list(&buffer, store, &options));
    return take_json(buffer);
}

static const char *id_in_list(const json_t *list, size_t position)
{
    const json_t *entity = json_array_get(json_object_get(list, "entities"), position);
    return json_string_value(json_object_get(entity, "entity_id"));
}

static size_t length_of_list(const json_t *list)
{
    return json_array_size(json_object_get(list, "entities"));
}

/* ---- deleting ---- */

static void entity_delete__takes_documents_sessions_and_files_along(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    uint64_t sessions = 99;
    ragstore_session *session;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_entity *other = make_entity(store, "other");
    add_text(entity, "a.txt", "All about granite.");
    add_text(other, "a.txt", "All about granite.");
    assert_ok(ragstore_session_create(&session, entity, NULL));
    assert_ok(ragstore_session_create(NULL, entity, NULL));
    assert_ok(ragstore_session_create(NULL, other, NULL));
    char session_id[64];
    snprintf(session_id, sizeof session_id, "%s", ragstore_session_id(session));

    assert_ok(ragstore_entity_delete(&sessions, store, "acme"));
    assert_int_equal(sessions, 2);
    json_t *description = describe_store(store);
    assert_number(description, "entities", 1);
    assert_number(description, "documents", 1);
    assert_number(description, "sessions", 1);
    json_decref(description);
    ragstore_session_free(session);
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_open(&session, store, session_id));
    assert_int_equal(count_hits(other, "granite"), 1);
    ragstore_entity_free(entity);
    ragstore_entity_free(other);

    store = reopen_store(store, state);
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_entity_open(&entity, store, "acme"));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_open(&session, store, session_id));
    assert_false(temporary_exists(temporary_join(path, state, "store/uploads/acme")));
    assert_false(
        temporary_exists(temporary_join(path, state, "store/entity_scoped/entities/acme")));
    assert_true(temporary_exists(temporary_join(path, state, "store/uploads/other/a.txt")));
    assert_ok(ragstore_store_close(store));
}

static void entity_delete__of_what_is_not_there_is_not_found(void **state)
{
    uint64_t sessions = 99;
    ragstore_store *store = open_store(state);
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_entity_delete(&sessions, store, "acme"));
    assert_int_equal(sessions, 0);
    ragstore_entity_free(make_entity(store, "acme"));
    assert_ok(ragstore_entity_delete(NULL, store, "acme"));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_entity_delete(NULL, store, "acme"));
    assert_ok(ragstore_store_close(store));
}

/* Every call on a handle of a deleted entity. */
static void expect_gone(ragstore_entity *entity)
{
    ragstore_buffer *buffer;
    ragstore_result *result;
    ragstore_document *document;
    ragstore_upload *upload;
    ragstore_session *session;
    ragstore_index *index;
    ragstore_entity_update_options update = RAGSTORE_ENTITY_UPDATE_OPTIONS_INIT;
    const int gone = RAGSTORE_E_NOT_FOUND;
    update.name = "new";
    assert_fails(gone, ragstore_entity_describe(&buffer, entity));
    assert_fails(gone, ragstore_entity_update(entity, &update));
    assert_fails(gone, ragstore_entity_search(&result, entity, "granite", NULL));
    assert_fails(gone, ragstore_document_add(&document, entity, "text", 4, NULL));
    assert_fails(
        gone, ragstore_document_add_chunks(&document, entity, "[{\"text\":\"a\"}]", NULL, 0, NULL));
    assert_fails(gone, ragstore_document_list(&buffer, entity, NULL));
    assert_fails(gone, ragstore_document_open(&document, entity, "doc_x"));
    assert_fails(gone, ragstore_document_delete(entity, "doc_x"));
    assert_fails(gone, ragstore_upload_begin(&upload, entity, NULL));
    assert_fails(gone, ragstore_session_create(&session, entity, NULL));
    assert_fails(gone, ragstore_session_list(&buffer, entity, NULL));
    assert_fails(gone, ragstore_index_open(&index, entity));
    assert_null(buffer);
    assert_null(result);
    assert_null(document);
    assert_null(upload);
    assert_null(session);
    assert_null(index);
    assert_string_equal(ragstore_entity_id(entity), "acme");
}

static void entity_delete__handles_never_show_a_later_entity_of_the_same_id(void **state)
{
    ragstore_buffer *buffer;
    ragstore_session *session;
    ragstore_upload *upload;
    ragstore_store *store = open_store(state);
    ragstore_entity *old = make_entity(store, "acme");
    ragstore_document *document = add_document(old, "a.txt", "All about granite.");
    assert_ok(ragstore_session_create(&session, old, NULL));
    assert_ok(ragstore_upload_begin(&upload, old, NULL));
    assert_ok(ragstore_upload_write(upload, "late", 4));
    assert_ok(ragstore_entity_delete(NULL, store, "acme"));
    expect_gone(old);

    ragstore_entity *new = make_entity(store, "acme");
    add_text(new, "a.txt", "All about marble.");
    expect_gone(old);
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_document_content(&buffer, document));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_document_text(&buffer, document));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_describe(&buffer, session));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_append(NULL, session, "user", "x", NULL));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_ask(NULL, session, "Is it?", NULL));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_upload_commit(NULL, upload));
    json_t *description = describe_document(document); /* as it was when looked up */
    assert_text(description, "filename", "a.txt");
    json_decref(description);

    assert_int_equal(count_hits(new, "granite"), 0);
    assert_int_equal(count_hits(new, "marble"), 1);
    assert_ok(ragstore_session_list(&buffer, new, NULL));
    json_t *sessions = take_json(buffer);
    assert_int_equal(json_array_size(sessions), 0);
    json_decref(sessions);
    ragstore_document_free(document);
    ragstore_session_free(session);
    ragstore_entity_free(old);
    ragstore_entity_free(new);

    store = reopen_store(store, state);
    new = open_entity(store, "acme");
    assert_int_equal(count_hits(new, "granite"), 0);
    assert_int_equal(count_hits(new, "marble"), 1);
    ragstore_entity_free(new);
    assert_ok(ragstore_store_close(store));
}

/* ---- isolation ---- */

static void entity_isolation__a_search_sees_one_entity_only(void **state)
{
    static const char *const ids[] = {"acme", "ACME", "acme2", "日本"};
    static const char *const secrets[] = {"granite", "marble", "basalt", "slate"};
    ragstore_store *store = open_store(state);
    ragstore_entity *entities[COUNT(ids)];
    for (size_t i = 0; i < COUNT(ids); i++) {
        entities[i] = make_entity(store, ids[i]);
        add_text(entities[i], "secret.txt", secrets[i]);
    }
    for (size_t i = 0; i < COUNT(ids); i++)
        for (size_t j = 0; j < COUNT(ids); j++)
            assert_int_equal(count_hits(entities[i], secrets[j]), i == j);
    for (size_t i = 0; i < COUNT(ids); i++)
        ragstore_entity_free(entities[i]);
    assert_ok(ragstore_store_close(store));
}

static void entity_isolation__ids_of_documents_do_not_open_elsewhere(void **state)
{
    ragstore_document *found = (ragstore_document *)(uintptr_t)1;
    ragstore_result *result;
    ragstore_store *store = open_store(state);
    ragstore_entity *mine = make_entity(store, "mine");
    ragstore_entity *theirs = make_entity(store, "theirs");
    ragstore_document *document = add_document(theirs, "a.txt", "All about granite.");
    add_text(mine, "b.txt", "All about granite, too.");
    const char *id = ragstore_document_id(document);
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_document_open(&found, mine, id));
    assert_null(found);
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_document_delete(mine, id));
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    options.doc_ids = &id;
    options.doc_ids_count = 1;
    assert_ok(ragstore_entity_search(&result, mine, "granite", &options));
    assert_int_equal(ragstore_result_count(result), 0);
    ragstore_result_free(result);
    assert_int_equal(count_hits(theirs, "granite"), 1);
    ragstore_document_free(document);
    ragstore_entity_free(mine);
    ragstore_entity_free(theirs);
    assert_ok(ragstore_store_close(store));
}

static void entity_isolation__the_same_bytes_are_a_document_of_each(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *one = make_entity(store, "one");
    ragstore_entity *two = make_entity(store, "two");
    ragstore_document *first = add_document(one, "a.txt", "All about granite.");
    ragstore_document *second = add_document(two, "a.txt", "All about granite.");
    assert_string_not_equal(ragstore_document_id(first), ragstore_document_id(second));
    assert_ok(ragstore_document_delete(one, ragstore_document_id(first)));
    assert_int_equal(count_hits(one, "granite"), 0);
    assert_int_equal(count_hits(two, "granite"), 1);
    ragstore_document_free(first);
    ragstore_document_free(second);
    ragstore_entity_free(one);
    ragstore_entity_free(two);
    assert_ok(ragstore_store_close(store));
}

/* ---- lists ---- */

static void entity_list__is_in_order_of_creation_and_can_be_cut(void **state)
{
    static const char *const ids[] = {"zebra", "Acme Corp", "日本", "acme", "b"};
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    assert_ok(ragstore_entity_list(&buffer, store, NULL));
    json_t *list = take_json(buffer);
    assert_number(list, "total", 0);
    assert_int_equal(length_of_list(list), 0);
    json_decref(list);
    for (size_t i = 0; i < COUNT(ids); i++)
        ragstore_entity_free(make_entity(store, ids[i]));
    store = reopen_store(store, state);
    assert_ok(ragstore_entity_list(&buffer, store, NULL));
    list = take_json(buffer);
    assert_number(list, "total", COUNT(ids));
    assert_int_equal(length_of_list(list), COUNT(ids));
    for (size_t i = 0; i < COUNT(ids); i++)
        assert_string_equal(id_in_list(list, i), ids[i]);
    json_decref(list);

    list = list_entities(store, 2, 1, NULL);
    assert_number(list, "total", COUNT(ids));
    assert_int_equal(length_of_list(list), 2);
    assert_string_equal(id_in_list(list, 0), ids[1]);
    assert_string_equal(id_in_list(list, 1), ids[2]);
    json_decref(list);
    list = list_entities(store, UINT64_MAX, 4, NULL);
    assert_int_equal(length_of_list(list), 1);
    json_decref(list);
    list = list_entities(store, UINT64_MAX, UINT64_MAX, NULL);
    assert_int_equal(length_of_list(list), 0);
    assert_number(list, "total", COUNT(ids));
    json_decref(list);
    assert_ok(ragstore_store_close(store));
}

static void entity_list__matches_id_or_name_without_regard_to_case(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity_create_options options = RAGSTORE_ENTITY_CREATE_OPTIONS_INIT;
    options.name = "The ACME company";
    ragstore_entity_free(make_entity(store, "acme"));
    ragstore_entity_free(make_entity(store, "other"));
    assert_ok(ragstore_entity_create(NULL, store, "third", &options));
    json_t *list = list_entities(store, 0, 0, "aCmE");
    assert_number(list, "total", 2);
    assert_string_equal(id_in_list(list, 0), "acme");
    assert_string_equal(id_in_list(list, 1), "third");
    json_decref(list);
    list = list_entities(store, 1, 1, "acme");
    assert_number(list, "total", 2);
    assert_string_equal(id_in_list(list, 0), "third");
    json_decref(list);
    list = list_entities(store, 0, 0, "%");
    assert_number(list, "total", 0);
    json_decref(list);
    list = list_entities(store, 0, 0, "");
    assert_number(list, "total", 3);
    json_decref(list);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entity_delete__takes_documents_sessions_and_files_along),
        TEST(entity_delete__of_what_is_not_there_is_not_found),
        TEST(entity_delete__handles_never_show_a_later_entity_of_the_same_id),
        TEST(entity_isolation__a_search_sees_one_entity_only),
        TEST(entity_isolation__ids_of_documents_do_not_open_elsewhere),
        TEST(entity_isolation__the_same_bytes_are_a_document_of_each),
        TEST(entity_list__is_in_order_of_creation_and_can_be_cut),
        TEST(entity_list__matches_id_or_name_without_regard_to_case),
    };
    return cmocka_run_group_tests_name("entity_delete", tests, NULL, NULL);
}
