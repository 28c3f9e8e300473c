/* Batches: several changes, one commit. */
#include "api_fixture.h"

#include <pthread.h>

#define KEYWORD_ONLY                                                                               \
    "\"it can be found by keyword only: there is no embedding model for it\""

static ragstore_batch *begin(ragstore_store *store)
{
    ragstore_batch *batch;
    assert_ok(ragstore_batch_begin(&batch, store));
    return batch;
}

static ragstore_store *open_impatient(void **state)
{
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.busy_timeout_ms = RAGSTORE_NO_WAIT;
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    return store;
}

static void fill(ragstore_store *store)
{
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_session *session;
    add_text(entity, "a.txt", "All about granite.");
    assert_ok(ragstore_session_create(&session, entity, NULL));
    assert_ok(ragstore_session_append(NULL, session, "user", "hello", NULL));
    ragstore_session_free(session);
    ragstore_entity_free(entity);
}

static void expect_counts(ragstore_store *store, json_int_t count)
{
    json_t *description = describe_store(store);
    assert_number(description, "entities", count);
    assert_number(description, "documents", count);
    assert_number(description, "sessions", count);
    json_decref(description);
}

static void batch_commit__makes_all_changes_visible(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_batch *batch = begin(store);
    fill(store);
    assert_ok(ragstore_batch_commit(batch));
    for (int round = 0; round < 2; round++) {
        expect_counts(store, 1);
        ragstore_entity *entity = open_entity(store, "acme");
        assert_int_equal(count_hits(entity, "granite"), 1);
        ragstore_entity_free(entity);
        store = reopen_store(store, state);
    }
    assert_ok(ragstore_store_close(store));
}

static void batch_abort__forgets_all_changes(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    ragstore_entity *entity;
    ragstore_store *store = open_store(state);
    ragstore_batch *batch = begin(store);
    fill(store);
    ragstore_batch_abort(batch);
    ragstore_batch_abort(NULL);
    for (int round = 0; round < 2; round++) {
        expect_counts(store, 0);
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_entity_open(&entity, store, "acme"));
        store = reopen_store(store, state);
    }
    fill(store); /* the id is free, and nothing of the forgotten one shows */
    expect_counts(store, 1);
    entity = open_entity(store, "acme");
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_entity_free(entity);
    assert_int_equal(temporary_count(temporary_join(path, state, "store/uploads/acme")), 1);
    assert_ok(ragstore_store_close(store));
}

static void batch_abort__brings_back_what_was_deleted(void **state)
{
    ragstore_store *store = open_store(state);
    fill(store);
    ragstore_batch *batch = begin(store);
    assert_ok(ragstore_entity_delete(NULL, store, "acme"));
    ragstore_batch_abort(batch);
    expect_counts(store, 1);
    ragstore_entity *entity = open_entity(store, "acme");
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void batch__of_nothing_is_fine(void **state)
{
    ragstore_store *store = open_store(state);
    assert_ok(ragstore_batch_commit(begin(store)));
    ragstore_batch_abort(begin(store));
    assert_ok(ragstore_store_close(store));
}

static void batch__a_failed_change_in_it_leaves_the_others(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_batch *batch = begin(store);
    ragstore_entity_free(make_entity(store, "one"));
    assert_fails(RAGSTORE_E_EXISTS, ragstore_entity_create(NULL, store, "one", NULL));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_entity_delete(NULL, store, "two"));
    ragstore_entity_free(make_entity(store, "three"));
    assert_ok(ragstore_batch_commit(batch));
    json_t *description = describe_store(store);
    assert_number(description, "entities", 2);
    json_decref(description);
    assert_ok(ragstore_store_close(store));
}

/* ---- the same bytes twice in one batch ---- */

static void add_granite(ragstore_entity *entity, const char *filename, const char *key,
                        const char *metadata, bool is_duplicate)
{
    static const char text[] = "All about granite.";
    ragstore_document *document;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.filename = filename;
    options.key = key;
    options.metadata_json = metadata;
    assert_ok(ragstore_document_add(&document, entity, text, strlen(text), &options));
    json_t *description = describe_document(document);
    assert_member(description, "is_duplicate", is_duplicate ? "true" : "false");
    assert_member(description, "notice", is_duplicate ? "null" : KEYWORD_ONLY);
    json_decref(description);
    ragstore_document_free(document);
}

static void assert_document(const json_t *document, const char *filename, const char *key,
                            const char *metadata)
{
    assert_text(document, "filename", filename);
    if (key == NULL)
        assert_null_member(document, "key");
    else
        assert_text(document, "key", key);
    assert_member(document, "metadata", metadata);
}

static void batch__bytes_of_a_keyed_document_again_change_nothing(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_batch *batch = begin(store);
    add_granite(entity, "keyed.txt", "k", "{\"v\": 1}", false);
    add_granite(entity, "other.txt", NULL, "{\"v\": 2}", true);
    add_granite(entity, "keyed.txt", "k", "{\"v\": 3}", true);
    assert_ok(ragstore_batch_commit(batch));
    for (int round = 0; round < 2; round++) {
        json_t *list = list_documents(entity, NULL);
        assert_int_equal(json_array_size(list), 1);
        assert_document(json_array_get(list, 0), "keyed.txt", "k", "{\"v\": 1}");
        json_decref(list);
        assert_int_equal(count_hits(entity, "granite"), 1);
        assert_int_equal(temporary_count(temporary_join(path, state, "store/uploads/acme")), 1);
        ragstore_entity_free(entity);
        store = reopen_store(store, state);
        entity = open_entity(store, "acme");
    }
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* A key names a document of its own, whatever others hold. */
static void batch__a_key_for_bytes_that_are_there_makes_another_document(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_batch *batch = begin(store);
    add_granite(entity, "plain.txt", NULL, "{\"v\": 1}", false);
    add_granite(entity, "keyed.txt", "k", "{\"v\": 2}", false);
    add_granite(entity, "third.txt", NULL, "{\"v\": 3}", true);
    assert_ok(ragstore_batch_commit(batch));
    for (int round = 0; round < 2; round++) {
        json_t *list = list_documents(entity, NULL);
        assert_int_equal(json_array_size(list), 2);
        assert_document(json_array_get(list, 0), "plain.txt", NULL, "{\"v\": 1}");
        assert_document(json_array_get(list, 1), "keyed.txt", "k", "{\"v\": 2}");
        json_decref(list);
        assert_int_equal(count_hits(entity, "granite"), 2);
        ragstore_entity_free(entity);
        store = reopen_store(store, state);
        entity = open_entity(store, "acme");
    }
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void batch_begin__twice_in_one_thread_is_refused(void **state)
{
    ragstore_batch *second = (ragstore_batch *)(uintptr_t)1;
    ragstore_store *store = open_store(state);
    ragstore_batch *batch = begin(store);
    assert_fails(RAGSTORE_E_WRONG_STATE, ragstore_batch_begin(&second, store));
    assert_null(second);
    assert_ok(ragstore_batch_commit(batch));
    assert_ok(ragstore_store_close(store));
}

static void batch_calls__refuse_null(void **state)
{
    ragstore_batch *batch = (ragstore_batch *)(uintptr_t)1;
    ragstore_store *store = open_store(state);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_batch_begin(NULL, store));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_batch_begin(&batch, NULL));
    assert_null(batch);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_batch_commit(NULL));
    ragstore_entity_free(make_entity(store, "acme")); /* no writer was left behind */
    assert_ok(ragstore_store_close(store));
}

static void batch__is_forgotten_when_its_store_closes(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_batch *committed = begin(store);
    fill(store);
    assert_ok(ragstore_store_close(store));
    assert_fails(RAGSTORE_E_CLOSED, ragstore_batch_commit(committed));
    store = open_store(state);
    expect_counts(store, 0);
    ragstore_batch *aborted = begin(store);
    assert_ok(ragstore_store_close(store));
    ragstore_batch_abort(aborted);
}

/* ---- other threads ---- */

typedef struct other_thread {
    ragstore_store *store;
    ragstore_batch *batch;
    int describe;
    json_int_t entities; /* as it sees them */
    int create;
    int begin;
    int commit;
} other_thread;

static void *look_from_another_thread(void *user)
{
    other_thread *other = user;
    ragstore_buffer *buffer;
    ragstore_batch *mine;
    other->describe = ragstore_store_describe(&buffer, other->store);
    if (other->describe == RAGSTORE_OK) {
        json_t *description = json_loads(ragstore_buffer_data(buffer), 0, NULL);
        other->entities = json_integer_value(json_object_get(description, "entities"));
        json_decref(description);
        ragstore_buffer_free(buffer);
    }
    other->create = ragstore_entity_create(NULL, other->store, "theirs", NULL);
    other->begin = ragstore_batch_begin(&mine, other->store);
    other->commit = ragstore_batch_commit(other->batch);
    ragstore_batch_abort(other->batch); /* not its own: nothing happens */
    return NULL;
}

static void batch__is_not_seen_by_other_threads_and_keeps_writers_out(void **state)
{
    pthread_t thread;
    other_thread other = {.store = open_impatient(state), .entities = 99};
    other.batch = begin(other.store);
    fill(other.store);
    assert_int_equal(pthread_create(&thread, NULL, look_from_another_thread, &other), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(other.describe, RAGSTORE_OK);
    assert_int_equal(other.entities, 0);
    assert_int_equal(other.create, RAGSTORE_E_BUSY);
    assert_int_equal(other.begin, RAGSTORE_E_BUSY);
    assert_int_equal(other.commit, RAGSTORE_E_WRONG_STATE);
    assert_ok(ragstore_batch_commit(other.batch));
    expect_counts(other.store, 1);
    assert_ok(ragstore_store_close(other.store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(batch_commit__makes_all_changes_visible),
        TEST(batch_abort__forgets_all_changes),
        TEST(batch_abort__brings_back_what_was_deleted),
        TEST(batch__of_nothing_is_fine),
        TEST(batch__a_failed_change_in_it_leaves_the_others),
        TEST(batch__bytes_of_a_keyed_document_again_change_nothing),
        TEST(batch__a_key_for_bytes_that_are_there_makes_another_document),
        TEST(batch_begin__twice_in_one_thread_is_refused),
        TEST(batch_calls__refuse_null),
        TEST(batch__is_forgotten_when_its_store_closes),
        TEST(batch__is_not_seen_by_other_threads_and_keeps_writers_out),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
