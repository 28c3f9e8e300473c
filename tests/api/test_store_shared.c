/* One store opened several times in one process: what is shared, what must agree, who closes. */
#include "api_fixture.h"

static int open_like(ragstore_store **store, void **state,
                     const ragstore_store_open_options *options)
{
    return ragstore_store_open(store, store_path(state), options);
}

static void store_shared__what_one_handle_writes_the_other_reads(void **state)
{
    ragstore_store *first = open_store(state);
    ragstore_store *second = open_store(state);
    ragstore_entity *made = make_entity(first, "acme");
    ragstore_entity *seen = open_entity(second, "acme");
    add_text(made, "a.txt", "All about granite.");
    assert_int_equal(count_hits(seen, "granite"), 1);
    add_text(seen, "b.txt", "More about granite.");
    assert_int_equal(count_hits(made, "granite"), 2);
    ragstore_entity_free(made);
    ragstore_entity_free(seen);
    assert_ok(ragstore_store_close(first));
    assert_ok(ragstore_store_close(second));
}

static void store_shared__closing_one_handle_leaves_the_other(void **state)
{
    ragstore_buffer *buffer;
    ragstore_store *first = open_store(state);
    ragstore_store *second = open_store(state);
    ragstore_entity *child = make_entity(first, "acme");
    assert_ok(ragstore_store_close(first));
    assert_fails(RAGSTORE_E_CLOSED, ragstore_entity_describe(&buffer, child));
    ragstore_entity_free(child);
    ragstore_entity *other = open_entity(second, "acme");
    add_text(other, "a.txt", "granite");
    assert_int_equal(count_hits(other, "granite"), 1);
    ragstore_entity_free(other);
    assert_ok(ragstore_store_close(second));
    second = open_store_with(state, RAGSTORE_OPEN_MUST_EXIST, NULL);
    assert_ok(ragstore_store_close(second));
}

static void store_shared__a_batch_of_one_handle_is_one_of_the_store(void **state)
{
    ragstore_batch *batch;
    ragstore_batch *again;
    ragstore_store *first = open_store(state);
    ragstore_store *second = open_store(state);
    assert_ok(ragstore_batch_begin(&batch, first));
    ragstore_entity_free(make_entity(second, "acme"));
    assert_fails(RAGSTORE_E_WRONG_STATE, ragstore_batch_begin(&again, second));
    ragstore_batch_abort(batch);
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_entity_delete(NULL, second, "acme"));
    assert_ok(ragstore_store_close(second));
    assert_ok(ragstore_store_close(first));
}

static void expect_conflict(void **state, const ragstore_store_open_options *options,
                            const char *name)
{
    ragstore_store *second;
    assert_fails(RAGSTORE_E_CONFLICT, open_like(&second, state, options));
    assert_null(second);
    assert_message_has(name);
}

static void store_shared__an_option_that_differs_is_named(void **state)
{
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    ragstore_store *first = open_store(state);
    options.durability = RAGSTORE_DURABILITY_NORMAL;
    expect_conflict(state, &options, "durability");
    options = (ragstore_store_open_options)RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.memory_limit_bytes = 1 << 20;
    expect_conflict(state, &options, "memory_limit_bytes");
    options = (ragstore_store_open_options)RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.busy_timeout_ms = 17;
    expect_conflict(state, &options, "busy_timeout_ms");
    options = (ragstore_store_open_options)RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.flags = RAGSTORE_OPEN_MUST_CREATE;
    ragstore_store *second;
    assert_fails(RAGSTORE_E_EXISTS, open_like(&second, state, &options));
    /* what is written out as the default is the default */
    options = (ragstore_store_open_options)RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.durability = RAGSTORE_DURABILITY_FULL;
    options.flags = RAGSTORE_OPEN_MUST_EXIST | RAGSTORE_OPEN_NO_BACKGROUND;
    assert_ok(open_like(&second, state, &options));
    assert_ok(ragstore_store_close(second));
    assert_ok(ragstore_store_close(first));
}

static void store_shared__another_model_is_named(void **state)
{
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.model = the_model();
    ragstore_store *first = open_store(state);
    expect_conflict(state, &options, "model");
    assert_ok(ragstore_store_close(first));
}

static void store_shared__a_reader_of_a_writers_store_refuses_changes(void **state)
{
    ragstore_batch *batch;
    ragstore_collection *notes;
    ragstore_upload *upload;
    ragstore_buffer *buffer;
    ragstore_store *writer = open_store(state);
    ragstore_entity *made = make_entity(writer, "acme");
    ragstore_store *reader = open_store_with(state, RAGSTORE_OPEN_READ_ONLY, NULL);
    ragstore_entity *seen = open_entity(reader, "acme");
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_entity_create(NULL, reader, "new", NULL));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_entity_delete(NULL, reader, "acme"));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_document_add(NULL, seen, "text", 4, NULL));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_upload_begin(&upload, seen, NULL));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_session_create(NULL, seen, NULL));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_batch_begin(&batch, reader));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_store_export(reader));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_store_maintain(reader, 0));
    assert_ok(ragstore_collection_open(&notes, reader, "notes"));
    assert_fails(RAGSTORE_E_READ_ONLY,
                 ragstore_collection_insert(&buffer, notes, "{\"_id\":\"a\"}"));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_collection_delete_many(&buffer, notes, "{}"));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_collection_index_create(notes, "a"));
    ragstore_collection_free(notes);
    add_text(made, "a.txt", "granite");
    assert_int_equal(count_hits(seen, "granite"), 1);
    json_t *description = describe_store(reader);
    assert_member(description, "read_only", "true");
    json_decref(description);
    description = describe_store(writer);
    assert_member(description, "read_only", "false");
    json_decref(description);
    ragstore_entity_free(seen);
    ragstore_entity_free(made);
    assert_ok(ragstore_store_close(writer));
    assert_ok(ragstore_store_close(reader));
}

static void count_message(void *user, int level, const char *message)
{
    (void)level;
    (void)message;
    ++*(int *)user;
}

static void store_shared__each_handle_hears_until_it_is_closed(void **state)
{
    int heard[2] = {0, 0};
    char path[TEMPORARY_PATH_MAX];
    ragstore_store *stores[2];
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.flags = RAGSTORE_OPEN_NO_BACKGROUND;
    options.log = count_message;
    for (size_t i = 0; i < COUNT(stores); i++) {
        options.log_user = &heard[i];
        assert_ok(open_like(&stores[i], state, &options));
    }
    ragstore_entity *entity = make_entity(stores[1], "acme");
    add_text(entity, "a.txt", "granite");
    /* an upload that cannot be removed is told of: a folder stands in its place */
    temporary_join(path, state, "store/uploads/acme/a.txt");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    json_t *documents = list_documents(entity, NULL);
    const char *id = json_string_value(json_object_get(json_array_get(documents, 0), "doc_id"));
    assert_ok(ragstore_document_delete(entity, id));
    json_decref(documents);
    assert_true(heard[0] > 0);
    assert_int_equal(heard[0], heard[1]);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(stores[0]));
    const int before = heard[0];
    assert_int_not_equal(ragstore_store_close(stores[1]), RAGSTORE_OK); /* it still cannot */
    assert_int_equal(heard[0], before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(store_shared__what_one_handle_writes_the_other_reads),
        TEST(store_shared__closing_one_handle_leaves_the_other),
        TEST(store_shared__a_batch_of_one_handle_is_one_of_the_store),
        TEST(store_shared__an_option_that_differs_is_named),
        TEST(store_shared__another_model_is_named),
        TEST(store_shared__a_reader_of_a_writers_store_refuses_changes),
        TEST(store_shared__each_handle_hears_until_it_is_closed),
    };
    return cmocka_run_group_tests_name("store_shared", tests, NULL, NULL);
}
