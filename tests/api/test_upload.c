/* Uploads: documents that come piece by piece. */
#include "api_fixture.h"

static const char *uploads_path(void **state)
{
    static char path[TEMPORARY_PATH_MAX];
    return temporary_join(path, state, "store/uploads/acme");
}

static ragstore_upload *begin(ragstore_entity *entity, const char *filename)
{
    ragstore_upload *upload;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.filename = filename;
    assert_ok(ragstore_upload_begin(&upload, entity, &options));
    return upload;
}

static void upload__of_pieces_is_the_document_of_the_whole(void **state)
{
    static const char text[] = "# Rocks\n\nGranite é 日本 is hard.\n";
    ragstore_buffer *buffer;
    ragstore_document *document;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_upload *upload = begin(entity, "a.md");
    assert_ok(ragstore_upload_write(upload, NULL, 0));
    for (size_t i = 0; i < sizeof text - 1; i++) /* characters are cut in two, too */
        assert_ok(ragstore_upload_write(upload, text + i, 1));
    assert_int_equal(count_hits(entity, "granite"), 0);
    assert_ok(ragstore_upload_commit(&document, upload));
    assert_ok(ragstore_document_content(&buffer, document));
    assert_string_equal(ragstore_buffer_data(buffer), text);
    ragstore_buffer_free(buffer);
    assert_int_equal(count_hits(entity, "granite"), 1);

    ragstore_document *again = add_document(entity, "b.md", text);
    assert_string_equal(ragstore_document_id(again), ragstore_document_id(document));
    assert_int_equal(temporary_count(uploads_path(state)), 1);
    ragstore_document_free(again);
    ragstore_document_free(document);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void upload__copies_its_options(void **state)
{
    char name[] = "first.txt";
    char key[] = "key one";
    char metadata[] = "{\"a\": 1}";
    ragstore_upload *upload;
    ragstore_document *document;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    options.filename = name;
    options.key = key;
    options.metadata_json = metadata;
    assert_ok(ragstore_upload_begin(&upload, entity, &options));
    memset(name, 'X', sizeof name - 1);
    memset(key, 'X', sizeof key - 1);
    memset(metadata, 'X', sizeof metadata - 1);
    memset(&options, 0xAA, sizeof options);
    ragstore_entity_free(entity); /* nor is the entity's handle needed */
    assert_ok(ragstore_upload_write(upload, "granite", 7));
    assert_ok(ragstore_upload_commit(&document, upload));
    json_t *description = describe_document(document);
    assert_text(description, "filename", "first.txt");
    assert_text(description, "key", "key one");
    assert_member(description, "metadata", "{\"a\": 1}");
    json_decref(description);
    ragstore_document_free(document);
    assert_ok(ragstore_store_close(store));
}

static void upload_abort__leaves_nothing(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_upload *upload = begin(entity, "a.txt");
    assert_ok(ragstore_upload_write(upload, "granite", 7));
    ragstore_upload_abort(upload);
    ragstore_upload_abort(NULL);
    assert_int_equal(temporary_count(uploads_path(state)), 0);
    assert_int_equal(count_hits(entity, "granite"), 0);
    json_t *list = list_documents(entity, NULL);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void upload_commit__of_nothing_fails_and_leaves_nothing(void **state)
{
    ragstore_document *document = (ragstore_document *)(uintptr_t)1;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_fails(RAGSTORE_E_NOT_EXTRACTABLE,
                 ragstore_upload_commit(&document, begin(entity, "empty.txt")));
    assert_null(document);
    assert_message_has("empty.txt");
    assert_int_equal(temporary_count(uploads_path(state)), 0);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void upload__runs_beside_others(void **state)
{
    enum { MANY = 5 };
    ragstore_upload *uploads[MANY];
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (size_t i = 0; i < MANY; i++)
        uploads[i] = begin(entity, "same.txt");
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < MANY; i++) {
            char piece[16];
            snprintf(piece, sizeof piece, "word%c%zu ", (char)('a' + i), round);
            assert_ok(ragstore_upload_write(uploads[i], piece, strlen(piece)));
        }
    for (size_t i = MANY; i-- > 0;)
        assert_ok(ragstore_upload_commit(NULL, uploads[i]));
    json_t *list = list_documents(entity, NULL);
    assert_int_equal(json_array_size(list), MANY);
    json_decref(list);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void upload_commit__after_the_entity_went_is_not_found(void **state)
{
    ragstore_document *document = (ragstore_document *)(uintptr_t)1;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_upload *upload = begin(entity, "a.txt");
    assert_ok(ragstore_upload_write(upload, "granite", 7));
    assert_ok(ragstore_entity_delete(NULL, store, "acme"));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_upload_commit(&document, upload));
    assert_null(document);
    ragstore_entity_free(entity);
    store = reopen_store(store, state);
    assert_false(temporary_exists(uploads_path(state)));
    assert_ok(ragstore_store_close(store));
}

static void upload__after_the_close_of_its_store_is_closed(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_upload *committed = begin(entity, "a.txt");
    ragstore_upload *aborted = begin(entity, "b.txt");
    assert_ok(ragstore_upload_write(committed, "granite", 7));
    assert_ok(ragstore_upload_write(aborted, "granite", 7));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    assert_fails(RAGSTORE_E_CLOSED, ragstore_upload_write(committed, "more", 4));
    assert_fails(RAGSTORE_E_CLOSED, ragstore_upload_commit(NULL, committed));
    ragstore_upload_abort(aborted);
}

static int begin_and_die(void *user)
{
    void **state = user;
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_upload *upload;
    return ragstore_store_open(&store, store_path(state), NULL) != RAGSTORE_OK ||
           ragstore_entity_create(&entity, store, "acme", NULL) != RAGSTORE_OK ||
           ragstore_upload_begin(&upload, entity, NULL) != RAGSTORE_OK ||
           ragstore_upload_write(upload, "granite", 7) != RAGSTORE_OK;
}

static void upload__that_a_dead_process_left_is_swept_away(void **state)
{
    assert_int_equal(run_in_child(begin_and_die, state), 0);
    assert_int_equal(temporary_count(uploads_path(state)), 1);
    ragstore_store *store = open_store(state);
    assert_int_equal(temporary_count(uploads_path(state)), 0);
    ragstore_entity *entity = open_entity(store, "acme");
    assert_int_equal(count_hits(entity, "granite"), 0);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void upload_calls__refuse_null(void **state)
{
    ragstore_upload *upload = (ragstore_upload *)(uintptr_t)1;
    ragstore_document *document = (ragstore_document *)(uintptr_t)1;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    const int wrong = RAGSTORE_E_INVALID_ARGUMENT;
    assert_fails(wrong, ragstore_upload_begin(NULL, entity, NULL));
    assert_fails(wrong, ragstore_upload_begin(&upload, NULL, NULL));
    assert_null(upload);
    assert_fails(wrong, ragstore_upload_write(NULL, "x", 1));
    assert_fails(wrong, ragstore_upload_commit(&document, NULL));
    assert_null(document);
    upload = begin(entity, "a.txt");
    assert_fails(wrong, ragstore_upload_write(upload, NULL, 1));
    assert_ok(ragstore_upload_write(upload, "granite", 7)); /* it goes on */
    assert_ok(ragstore_upload_commit(NULL, upload));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void upload_begin__refuses_bad_fields(void **state)
{
    ragstore_upload *upload = (ragstore_upload *)(uintptr_t)1;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    char *name = long_text(1025);
    options.filename = name;
    assert_fails(RAGSTORE_E_TOO_LARGE, ragstore_upload_begin(&upload, entity, &options));
    assert_null(upload);
    options.filename = "\xff";
    assert_fails(RAGSTORE_E_INVALID_DATA, ragstore_upload_begin(&upload, entity, &options));
    options.filename = "a.txt";
    options.metadata_json = "[]";
    assert_fails(RAGSTORE_E_INVALID_DATA, ragstore_upload_begin(&upload, entity, &options));
    free(name);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void upload_write__over_the_limit_fails_and_stays_failed(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_upload *upload = begin(entity, "a.txt");
    assert_ok(ragstore_upload_write(upload, "granite", 7));
    /* refused by its size alone: the byte is not read */
    assert_fails(RAGSTORE_E_TOO_LARGE, ragstore_upload_write(upload, "x", ((size_t)1 << 30) - 6));
    assert_fails(RAGSTORE_E_WRONG_STATE, ragstore_upload_write(upload, "x", 1));
    assert_fails(RAGSTORE_E_WRONG_STATE, ragstore_upload_commit(NULL, upload));
    assert_fails(RAGSTORE_E_TOO_LARGE, ragstore_document_add(NULL, entity, "x", SIZE_MAX, NULL));
    assert_int_equal(temporary_count(uploads_path(state)), 0);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(upload__of_pieces_is_the_document_of_the_whole),
        TEST(upload__copies_its_options),
        TEST(upload_abort__leaves_nothing),
        TEST(upload_commit__of_nothing_fails_and_leaves_nothing),
        TEST(upload__runs_beside_others),
        TEST(upload_commit__after_the_entity_went_is_not_found),
        TEST(upload__after_the_close_of_its_store_is_closed),
        TEST(upload__that_a_dead_process_left_is_swept_away),
        TEST(upload_calls__refuse_null),
        TEST(upload_begin__refuses_bad_fields),
        TEST(upload_write__over_the_limit_fails_and_stays_failed),
    };
    return cmocka_run_group_tests_name("upload", tests, NULL, NULL);
}
