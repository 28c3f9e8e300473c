/* Collections: updates, replacements, deletions, versions, several writers. */
#include "collection_fixture.h"

#include <pthread.h>

static json_t *update(ragstore_collection *collection, const char *filter, const char *change,
                      uint32_t flags)
{
    ragstore_buffer *buffer;
    ragstore_collection_update_options options = RAGSTORE_COLLECTION_UPDATE_OPTIONS_INIT;
    options.flags = flags;
    assert_ok(ragstore_collection_update_one(&buffer, collection, filter, change, &options));
    return take_json(buffer);
}

static void assert_counts(json_t *taken, json_int_t matched, json_int_t modified)
{
    assert_number(taken, "matched_count", matched);
    assert_number(taken, "modified_count", modified);
    json_decref(taken);
}

static json_t *take_answer(int status, ragstore_buffer **buffer)
{
    assert_ok(status);
    return take_json(*buffer);
}

static void collection_update_one__changes_the_first_match(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    insert(collection, "[{\"_id\":\"a\",\"n\":1},{\"_id\":\"b\",\"n\":1}]");
    json_t *answer = update(collection, "{\"n\":1}", "{\"$inc\":{\"n\":1}}", 0);
    assert_null_member(answer, "upserted_id");
    assert_int_equal(strlen(json_string_value(json_object_get(answer, "version"))), 32);
    assert_counts(answer, 1, 1);
    assert_finds(collection, NULL, "[{\"_id\":\"a\",\"n\":2},{\"_id\":\"b\",\"n\":1}]");
    assert_counts(update(collection, "{\"n\":2}", "{\"$set\":{\"n\":2}}", 0), 1, 0);
    answer = update(collection, "{\"n\":9}", "{\"$set\":{\"n\":2}}", 0);
    assert_null_member(answer, "version");
    assert_counts(answer, 0, 0);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_update_many__changes_all_or_none(void **state)
{
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    insert(collection,
           "[{\"_id\":\"a\",\"n\":1},{\"_id\":\"b\",\"n\":2},{\"_id\":\"c\",\"n\":\"x\"}]");
    assert_counts(take_answer(ragstore_collection_update_many(&buffer, collection, NULL,
                                                              "{\"$max\":{\"n\":2}}", NULL),
                              &buffer),
                  3, 1);
    assert_fails(RAGSTORE_E_QUERY, ragstore_collection_update_many(&buffer, collection, NULL,
                                                                   "{\"$inc\":{\"n\":1}}", NULL));
    assert_null(buffer);
    assert_message_has("\"c\"");
    assert_finds(collection, NULL,
                 "[{\"_id\":\"a\",\"n\":2},{\"_id\":\"b\",\"n\":2},{\"_id\":\"c\",\"n\":\"x\"}]");
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_update__refuses_what_is_no_update(void **state)
{
    static const char *const queries[] = {"{\"n\":1}", "{\"$foo\":{\"n\":1}}", "[]",
                                          "{\"$set\":{\"_id\":\"z\"}}"};
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    insert(collection, "{\"_id\":\"a\"}");
    for (size_t i = 0; i < COUNT(queries); i++)
        assert_fails(RAGSTORE_E_QUERY,
                     ragstore_collection_update_one(NULL, collection, NULL, queries[i], NULL));
    assert_fails(RAGSTORE_E_INVALID_DATA,
                 ragstore_collection_update_one(NULL, collection, NULL, "{", NULL));
    assert_finds(collection, NULL, "[{\"_id\":\"a\"}]");
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_upsert__inserts_what_the_filter_and_the_update_say(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    json_t *answer =
        update(collection, "{\"_id\":\"k\",\"a.b\":7,\"n\":{\"$gt\":3}}",
               "{\"$inc\":{\"c\":1},\"$setOnInsert\":{\"new\":true}}", RAGSTORE_UPDATE_UPSERT);
    assert_text(answer, "upserted_id", "k");
    assert_counts(answer, 0, 0);
    assert_finds(collection, NULL, "[{\"_id\":\"k\",\"a\":{\"b\":7},\"c\":1,\"new\":true}]");
    assert_fails(
        RAGSTORE_E_EXISTS,
        ragstore_collection_update_one(
            NULL, collection, "{\"_id\":\"k\",\"c\":9}", "{\"$set\":{\"c\":1}}",
            &(ragstore_collection_update_options){sizeof(ragstore_collection_update_options),
                                                  RAGSTORE_UPDATE_UPSERT, 0, NULL}));
    answer = update(collection, "{\"x\":1}", "{\"$set\":{\"y\":2}}", RAGSTORE_UPDATE_UPSERT);
    assert_int_equal(strlen(json_string_value(json_object_get(answer, "upserted_id"))), 24);
    json_decref(answer);
    assert_fails(
        RAGSTORE_E_INVALID_DATA,
        ragstore_collection_update_one(
            NULL, collection, "{\"_id\":7}", "{\"$set\":{\"c\":1}}",
            &(ragstore_collection_update_options){sizeof(ragstore_collection_update_options),
                                                  RAGSTORE_UPDATE_UPSERT, 0, NULL}));
    assert_int_equal(count(collection, NULL), 2);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_replace_one__keeps_the_id(void **state)
{
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    ragstore_collection_update_options upsert = RAGSTORE_COLLECTION_UPDATE_OPTIONS_INIT;
    upsert.flags = RAGSTORE_UPDATE_UPSERT;
    insert(collection, "{\"_id\":\"a\",\"n\":1}");
    assert_counts(take_answer(ragstore_collection_replace_one(&buffer, collection, "{\"n\":1}",
                                                              "{\"m\":2}", NULL), &buffer), 1, 1);
    assert_finds(collection, NULL, "[{\"_id\":\"a\",\"m\":2}]");
    assert_counts(take_answer(ragstore_collection_replace_one(&buffer, collection, "{\"m\":2}",
                                                              "{\"m\":2,\"_id\":\"a\"}", NULL),
                              &buffer),
                  1, 0);
    assert_fails(RAGSTORE_E_QUERY, ragstore_collection_replace_one(NULL, collection, NULL,
                                                                   "{\"_id\":\"b\"}", NULL));
    assert_fails(RAGSTORE_E_QUERY, ragstore_collection_replace_one(NULL, collection, NULL,
                                                                   "{\"$set\":{\"a\":1}}", NULL));
    assert_fails(RAGSTORE_E_INVALID_DATA,
                 ragstore_collection_replace_one(NULL, collection, NULL, "[]", NULL));
    assert_ok(
        ragstore_collection_replace_one(NULL, collection, "{\"_id\":\"n\"}", "{\"z\":1}", &upsert));
    assert_ok(ragstore_collection_replace_one(NULL, collection, "{\"q\":1}",
                                              "{\"_id\":\"given\"}", &upsert));
    assert_json(ids_of(collection, NULL), "[\"a\",\"n\",\"given\"]");
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_delete__tells_how_many(void **state)
{
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    insert(collection, "[{\"n\":1},{\"n\":1},{\"n\":2},{\"n\":3}]");
    assert_json(
        take_answer(ragstore_collection_delete_one(&buffer, collection, "{\"n\":1}"), &buffer),
        "{\"deleted_count\":1}");
    assert_json(
        take_answer(ragstore_collection_delete_one(&buffer, collection, "{\"n\":9}"), &buffer),
        "{\"deleted_count\":0}");
    assert_json(
        take_answer(ragstore_collection_delete_many(&buffer, collection, "{\"n\":{\"$lt\":3}}"),
                    &buffer),
        "{\"deleted_count\":2}");
    assert_fails(RAGSTORE_E_QUERY,
                 ragstore_collection_delete_many(&buffer, collection, "{\"$x\":1}"));
    assert_int_equal(count(collection, NULL), 1);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

/* ---- versions ---- */

static void collection_update__conflicts_when_the_version_is_another(void **state)
{
    ragstore_buffer *buffer;
    ragstore_buffer *version;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    ragstore_collection_update_options options = RAGSTORE_COLLECTION_UPDATE_OPTIONS_INIT;
    insert(collection, "{\"_id\":\"a\",\"n\":1}");
    assert_ok(ragstore_collection_find_one(&buffer, &version, collection, NULL, NULL));
    ragstore_buffer_free(buffer);
    ragstore_collection_free(collection);
    store = reopen_store(store, state); /* a version outlives the store's closing */
    collection = open_collection(store, "things");
    options.version = ragstore_buffer_data(version);
    json_t *answer = take_answer(ragstore_collection_update_one(&buffer, collection, NULL,
                                                                "{\"$inc\":{\"n\":1}}", &options),
                                 &buffer);
    assert_fails(
        RAGSTORE_E_CONFLICT,
        ragstore_collection_update_one(NULL, collection, NULL, "{\"$inc\":{\"n\":1}}", &options));
    assert_fails(RAGSTORE_E_CONFLICT,
                 ragstore_collection_replace_one(NULL, collection, NULL, "{}", &options));
    options.version = json_string_value(json_object_get(answer, "version"));
    assert_ok(ragstore_collection_replace_one(NULL, collection, NULL, "{\"n\":9}", &options));
    assert_finds(collection, NULL, "[{\"_id\":\"a\",\"n\":9}]");
    assert_fails(
        RAGSTORE_E_INVALID_ARGUMENT,
        ragstore_collection_update_many(NULL, collection, NULL, "{\"$inc\":{\"n\":1}}", &options));
    options.flags = RAGSTORE_UPDATE_UPSERT;
    assert_fails(
        RAGSTORE_E_INVALID_ARGUMENT,
        ragstore_collection_update_one(NULL, collection, NULL, "{\"$inc\":{\"n\":1}}", &options));
    options.version = NULL;
    options.flags = 2;
    assert_fails(
        RAGSTORE_E_INVALID_ARGUMENT,
        ragstore_collection_update_one(NULL, collection, NULL, "{\"$inc\":{\"n\":1}}", &options));
    options.flags = 0;
    options.reserved = 1;
    assert_fails(
        RAGSTORE_E_UNSUPPORTED,
        ragstore_collection_update_one(NULL, collection, NULL, "{\"$inc\":{\"n\":1}}", &options));
    json_decref(answer);
    ragstore_buffer_free(version);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

/* ---- several writers ---- */

enum { WRITERS = 4, ROUNDS = 50 };

static void *count_up(void *user)
{
    ragstore_collection_update_options upsert = RAGSTORE_COLLECTION_UPDATE_OPTIONS_INIT;
    upsert.flags = RAGSTORE_UPDATE_UPSERT;
    for (int i = 0; i < ROUNDS; i++)
        if (ragstore_collection_update_one(NULL, user, "{\"_id\":\"counter\"}",
                                           "{\"$inc\":{\"n\":1},\"$push\":{\"list\":1}}",
                                           &upsert) != RAGSTORE_OK)
            return (void *)ragstore_error_message();
    return NULL;
}

/* Compare and set: read, add, write when nobody was faster. */
static void *count_up_by_version(void *user)
{
    int done = 0;
    while (done < ROUNDS) {
        ragstore_buffer *document;
        ragstore_buffer *version;
        char change[64];
        ragstore_collection_update_options options = RAGSTORE_COLLECTION_UPDATE_OPTIONS_INIT;
        if (ragstore_collection_find_one(&document, &version, user, "{\"_id\":\"cas\"}", NULL) != 0)
            return (void *)ragstore_error_message();
        json_t *value = json_loads(ragstore_buffer_data(document), 0, NULL);
        snprintf(change, sizeof change, "{\"n\":%d}",
                 1 + (int)json_integer_value(json_object_get(value, "n")));
        json_decref(value);
        options.version = ragstore_buffer_data(version);
        int status =
            ragstore_collection_replace_one(NULL, user, "{\"_id\":\"cas\"}", change, &options);
        ragstore_buffer_free(document);
        ragstore_buffer_free(version);
        if (status == RAGSTORE_OK)
            done++;
        else if (status != RAGSTORE_E_CONFLICT)
            return (void *)ragstore_error_message();
    }
    return NULL;
}

static void run_writers(ragstore_collection *collection, void *(*run)(void *user))
{
    pthread_t threads[WRITERS];
    void *message;
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, collection), 0);
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], &message), 0);
        assert_null(message);
    }
}

static void collection_update__loses_nobodys_change(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    insert(collection, "{\"_id\":\"cas\",\"n\":0}");
    run_writers(collection, count_up);
    run_writers(collection, count_up_by_version);
    ragstore_collection_free(collection);
    store = reopen_store(store, state);
    collection = open_collection(store, "things");
    assert_int_equal(count(collection, "{\"_id\":\"counter\",\"n\":200,\"list\":{\"$size\":200}}"),
                     1);
    assert_int_equal(count(collection, "{\"_id\":\"cas\",\"n\":200}"), 1);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_update__is_refused_while_another_thread_writes(void **state)
{
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    ragstore_batch *batch;
    pthread_t thread;
    void *message;
    options.busy_timeout_ms = RAGSTORE_NO_WAIT;
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    ragstore_collection *collection = open_collection(store, "things");
    assert_ok(ragstore_batch_begin(&batch, store));
    assert_int_equal(pthread_create(&thread, NULL, count_up, collection), 0);
    assert_int_equal(pthread_join(thread, &message), 0);
    assert_non_null(message);
    assert_ok(ragstore_batch_commit(batch));
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(collection_update_one__changes_the_first_match),
        TEST(collection_update_many__changes_all_or_none),
        TEST(collection_update__refuses_what_is_no_update),
        TEST(collection_upsert__inserts_what_the_filter_and_the_update_say),
        TEST(collection_replace_one__keeps_the_id),
        TEST(collection_delete__tells_how_many),
        TEST(collection_update__conflicts_when_the_version_is_another),
        TEST(collection_update__loses_nobodys_change),
        TEST(collection_update__is_refused_while_another_thread_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
