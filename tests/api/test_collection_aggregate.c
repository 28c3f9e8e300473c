/* Collections: pipelines, distinct values, interruption of long calls. */
#include "collection_fixture.h"

#include <pthread.h>

static json_t *aggregate(ragstore_collection *collection, const char *pipeline)
{
    ragstore_cursor *cursor;
    assert_ok(ragstore_collection_aggregate(&cursor, collection, pipeline));
    return drain(cursor);
}

static json_t *distinct(ragstore_collection *collection, const char *path, const char *filter)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_collection_distinct(&buffer, collection, path, filter));
    return take_json(buffer);
}

static const char sales[] =
    "[{\"_id\":\"1\",\"item\":\"pen\",\"n\":2,\"tags\":[\"a\",\"b\"]},"
    "{\"_id\":\"2\",\"item\":\"ink\",\"n\":1,\"tags\":[\"b\"]},"
    "{\"_id\":\"3\",\"item\":\"pen\",\"n\":5},{\"_id\":\"4\",\"item\":\"cap\",\"n\":1.0}]";

static void collection_aggregate__passes_the_stages(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "sales");
    insert(collection, sales);
    assert_json(aggregate(collection,
                          "[{\"$match\":{\"n\":{\"$gt\":1}}},{\"$group\":{\"_id\":\"$item\","
                          "\"sum\":{\"$sum\":\"$n\"}}}]"),
                "[{\"_id\":\"pen\",\"sum\":7}]");
    assert_json(aggregate(collection, "[{\"$sort\":{\"n\":-1}},{\"$skip\":1},{\"$limit\":1},"
                                      "{\"$project\":{\"n\":1}}]"),
                "[{\"_id\":\"1\",\"n\":2}]");
    assert_json(aggregate(collection, "[{\"$count\":\"all\"}]"), "[{\"all\":4}]");
    assert_json(aggregate(collection, "[{\"$match\":{\"_id\":\"3\"}},{\"$count\":\"all\"}]"),
                "[{\"all\":1}]");
    assert_json(aggregate(collection, "[{\"$limit\":1},{\"$project\":{\"_id\":1}}]"),
                "[{\"_id\":\"1\"}]");
    assert_json(aggregate(collection, "[{\"$match\":{\"n\":99}}]"), "[]");
    json_t *all = aggregate(collection, "[]");
    assert_int_equal(json_array_size(all), 4);
    json_decref(all);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_aggregate__uses_an_index_for_a_first_match(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "sales");
    insert(collection, sales);
    assert_ok(ragstore_collection_index_create(collection, "n"));
    assert_json(aggregate(collection, "[{\"$match\":{\"n\":1}},{\"$project\":{\"_id\":1}}]"),
                "[{\"_id\":\"2\"},{\"_id\":\"4\"}]");
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_aggregate__names_what_is_wrong(void **state)
{
    ragstore_cursor *cursor = (void *)1;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "sales");
    assert_fails(RAGSTORE_E_QUERY,
                 ragstore_collection_aggregate(&cursor, collection, "[{\"$foo\":1}]"));
    assert_message_has("$foo");
    assert_null(cursor);
    assert_fails(RAGSTORE_E_QUERY, ragstore_collection_aggregate(&cursor, collection, "{}"));
    assert_fails(RAGSTORE_E_INVALID_DATA, ragstore_collection_aggregate(&cursor, collection, "["));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_collection_aggregate(&cursor, collection, NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_collection_aggregate(NULL, collection, "[]"));
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_aggregate__has_no_versions(void **state)
{
    ragstore_cursor *cursor;
    const char *text;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "sales");
    insert(collection, sales);
    assert_ok(ragstore_collection_aggregate(&cursor, collection, "[]"));
    assert_ok(ragstore_cursor_next(&text, NULL, cursor));
    assert_string_equal(ragstore_cursor_version(cursor), "");
    ragstore_cursor_free(cursor);
    assert_ok(ragstore_collection_find(&cursor, collection, NULL, NULL));
    assert_string_equal(ragstore_cursor_version(cursor), "");
    assert_ok(ragstore_cursor_next(&text, NULL, cursor));
    assert_int_equal(strlen(ragstore_cursor_version(cursor)), 32);
    ragstore_cursor_free(cursor);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_distinct__tells_values_once(void **state)
{
    ragstore_buffer *buffer = (void *)1;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "sales");
    insert(collection, sales);
    assert_json(distinct(collection, "item", NULL), "[\"pen\",\"ink\",\"cap\"]");
    assert_json(distinct(collection, "tags", NULL), "[\"a\",\"b\"]");
    assert_json(distinct(collection, "n", NULL), "[2,1,5]");
    assert_json(distinct(collection, "item", "{\"n\":{\"$lt\":2}}"), "[\"ink\",\"cap\"]");
    assert_json(distinct(collection, "none", NULL), "[]");
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_collection_distinct(&buffer, collection, NULL, NULL));
    assert_null(buffer);
    assert_fails(RAGSTORE_E_QUERY,
                 ragstore_collection_distinct(&buffer, collection, "a", "{\"$x\":1}"));
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

/* ---- interruption ---- */

typedef struct interruption {
    ragstore_store *store;
    int ended; /* atomic */
} interruption;

static void *interrupt_until_ended(void *user)
{
    interruption *at = user;
    while (!__atomic_load_n(&at->ended, __ATOMIC_ACQUIRE))
        ragstore_store_interrupt(at->store);
    return NULL;
}

/* The other thread may not get a processor during one call; it does during one of a thousand. */
#define assert_interrupted(call)                                                                   \
    do {                                                                                           \
        int tries = 1000;                                                                          \
        while ((call) != RAGSTORE_E_INTERRUPTED) {                                                 \
            ragstore_buffer_free(buffer);                                                          \
            buffer = NULL;                                                                         \
            assert_true(--tries > 0);                                                              \
        }                                                                                          \
    } while (0)

static void collection__is_interrupted_in_a_long_scan(void **state)
{
    static const char slow[] = "{\"text\":{\"$regex\":\"(a|b)*c(a|b)*d\"}}";
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    json_t *documents = json_array();
    for (int i = 0; i < 3000; i++)
        json_array_append_new(documents, json_pack("{s:s}", "text", "abababababababcabababababab"));
    char *text = json_dumps(documents, JSON_COMPACT);
    insert(collection, text);
    free(text);
    json_decref(documents);
    interruption at = {store, 0};
    pthread_t thread;
    ragstore_buffer *buffer = NULL;
    uint64_t number;
    assert_int_equal(pthread_create(&thread, NULL, interrupt_until_ended, &at), 0);
    assert_interrupted(ragstore_collection_count(&number, collection, slow));
    assert_interrupted(ragstore_collection_find_one(&buffer, NULL, collection, slow, NULL));
    assert_interrupted(ragstore_collection_distinct(&buffer, collection, "text", slow));
    assert_interrupted(
        ragstore_collection_update_many(NULL, collection, slow, "{\"$set\":{\"a\":1}}", NULL));
    assert_interrupted(ragstore_collection_delete_many(NULL, collection, slow));
    __atomic_store_n(&at.ended, 1, __ATOMIC_RELEASE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(count(collection, slow), 0);
    assert_int_equal(count(collection, "{\"a\":1}"), 0);
    assert_int_equal(count(collection, NULL), 3000);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(collection_aggregate__passes_the_stages),
        TEST(collection_aggregate__uses_an_index_for_a_first_match),
        TEST(collection_aggregate__names_what_is_wrong),
        TEST(collection_aggregate__has_no_versions),
        TEST(collection_distinct__tells_values_once),
        TEST(collection__is_interrupted_in_a_long_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
