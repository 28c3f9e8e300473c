/* Collections: names, inserting, finding, counting, cursors. */
#include "collection_fixture.h"

/* ---- names ---- */

static void collection_open__refuses_malformed_and_reserved_names(void **state)
{
    static const char *const names[] = {"",  "a/b",      "..", "a.b",   "a b",
                                        "é", "_indexes", "_",  "chunks"};
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = (void *)1;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                     ragstore_collection_open(&collection, store, names[i]));
        assert_null(collection);
    }
    char *name = long_text(65);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_collection_open(&collection, store, name));
    name[64] = '\0';
    assert_ok(ragstore_collection_open(&collection, store, name));
    assert_string_equal(ragstore_collection_name(collection), name);
    ragstore_collection_free(collection);
    free(name);
    assert_ok(ragstore_store_close(store));
}

static void collection_open__leaves_no_trace_of_an_empty_one(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    struct stat info;
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "books");
    assert_int_equal(count(collection, NULL), 0);
    ragstore_collection_free(collection);
    assert_ok(ragstore_collection_list(&buffer, store));
    assert_json(take_json(buffer), "[]");
    assert_ok(ragstore_store_close(store));
    assert_int_not_equal(stat(temporary_join(path, state, "store/api_storage/collections"), &info),
                         0);
}

static void collection_list__tells_names_that_differ_in_case(void **state)
{
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    ragstore_collection *upper = open_collection(store, "Books");
    ragstore_collection *lower = open_collection(store, "books");
    insert(upper, "{\"_id\":\"1\"}");
    insert(lower, "[{\"_id\":\"1\"},{\"_id\":\"2\"}]");
    ragstore_collection_free(upper);
    ragstore_collection_free(lower);
    for (int round = 0; round < 2; round++) {
        assert_ok(ragstore_collection_list(&buffer, store));
        assert_json(take_json(buffer), "[{\"name\":\"Books\",\"documents\":1},"
                                       "{\"name\":\"books\",\"documents\":2}]");
        store = reopen_store(store, state);
    }
    assert_ok(ragstore_store_close(store));
}

static void collection__refuses_null_and_foreign_handles(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "books");
    ragstore_collection *other = (void *)store;
    ragstore_cursor *cursor = (void *)1;
    ragstore_buffer *buffer = (void *)1;
    const char *text = "x";
    uint64_t number = 7;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_collection_open(NULL, store, "a"));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_collection_open(&other, NULL, "a"));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_collection_open(&other, store, NULL));
    assert_null(other);
    other = (void *)store;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_collection_count(&number, other, NULL));
    assert_int_equal(number, 0);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_collection_count(NULL, collection, NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_collection_find(&cursor, NULL, NULL, NULL));
    assert_null(cursor);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_collection_find(NULL, collection, NULL, NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_cursor_next(&text, NULL, NULL));
    assert_null(text);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_collection_find_one(&buffer, NULL, NULL, NULL, NULL));
    assert_null(buffer);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_collection_insert(NULL, collection, NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_collection_update_one(NULL, collection, NULL, NULL, NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_collection_delete_one(NULL, (void *)store, NULL));
    assert_null(ragstore_collection_name(NULL));
    assert_null(ragstore_cursor_version(NULL));
    ragstore_collection_free(NULL);
    ragstore_cursor_free(NULL);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection__answers_closed_after_the_store_and_can_be_freed_later(void **state)
{
    const char *text;
    uint64_t number;
    ragstore_cursor *cursor;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "books");
    insert(collection, "{\"a\":1}");
    assert_ok(ragstore_collection_find(&cursor, collection, NULL, NULL));
    assert_ok(ragstore_store_close(store));
    assert_fails(RAGSTORE_E_CLOSED, ragstore_cursor_next(&text, NULL, cursor));
    assert_fails(RAGSTORE_E_CLOSED, ragstore_collection_count(&number, collection, NULL));
    assert_fails(RAGSTORE_E_CLOSED, ragstore_collection_insert(NULL, collection, "{}"));
    ragstore_collection_free(collection);
    ragstore_cursor_free(cursor);
}

/* ---- inserting ---- */

static void collection_insert__makes_ids_and_tells_them(void **state)
{
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "books");
    assert_ok(
        ragstore_collection_insert(&buffer, collection, "[{\"a\":1},{\"b\":2,\"_id\":\"x\"}]"));
    json_t *answer = take_json(buffer);
    assert_number(answer, "inserted_count", 2);
    json_t *ids = json_object_get(answer, "inserted_ids");
    const char *made = json_string_value(json_array_get(ids, 0));
    assert_int_equal(strlen(made), 24);
    assert_int_equal(strspn(made, "0123456789abcdef"), 24);
    assert_string_equal(json_string_value(json_array_get(ids, 1)), "x");
    assert_ok(ragstore_collection_find_one(&buffer, NULL, collection, "{\"_id\":\"x\"}", NULL));
    assert_string_equal(ragstore_buffer_data(buffer), "{\"_id\":\"x\",\"b\":2}");
    ragstore_buffer_free(buffer);
    json_decref(answer);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_insert__stores_all_or_none(void **state)
{
    ragstore_buffer *buffer = (void *)1;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "books");
    insert(collection, "{\"_id\":\"a\"}");
    assert_fails(RAGSTORE_E_EXISTS, ragstore_collection_insert(
                                        &buffer, collection, "[{\"_id\":\"b\"},{\"_id\":\"a\"}]"));
    assert_message_has("document 1");
    assert_null(buffer);
    assert_fails(RAGSTORE_E_EXISTS,
                 ragstore_collection_insert(NULL, collection, "[{\"_id\":\"c\"},{\"_id\":\"c\"}]"));
    assert_fails(RAGSTORE_E_INVALID_DATA,
                 ragstore_collection_insert(NULL, collection, "[{\"_id\":\"d\"},7]"));
    assert_int_equal(count(collection, NULL), 1);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_insert__refuses_what_cannot_be_stored(void **state)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "7",
                                        "{\"a\":1}x",
                                        "{\"_id\":7}",
                                        "{\"_id\":\"\"}",
                                        "{\"_id\":null}",
                                        "{\"$a\":1}",
                                        "{\"a\":1,\"a\":2}",
                                        "{\"a\":\"\\u0000\"}",
                                        "{\"a\":1e999}",
                                        "[[{}]]",
                                        "{\"a\":\"\xff\"}"};
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "books");
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_fails(RAGSTORE_E_INVALID_DATA,
                     ragstore_collection_insert(NULL, collection, texts[i]));
    char *long_id = long_text(1100);
    char *document = malloc(1200);
    snprintf(document, 1200, "{\"_id\":\"%s\"}", long_id);
    assert_fails(RAGSTORE_E_INVALID_DATA, ragstore_collection_insert(NULL, collection, document));
    free(document);
    free(long_id);
    assert_int_equal(count(collection, NULL), 0);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_insert__refuses_what_is_too_large_or_too_deep(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "books");
    const size_t size = ((size_t)16 << 20) + 1;
    char *text = long_text(size);
    char *document = malloc(size + 32);
    snprintf(document, size + 32, "{\"a\":\"%s\"}", text);
    assert_fails(RAGSTORE_E_TOO_LARGE, ragstore_collection_insert(NULL, collection, document));
    free(document);
    free(text);
    char deep[512] = "{\"a\":";
    char close[128] = "";
    for (int i = 0; i < 59; i++) {
        strcat(deep, "[");
        strcat(close, "]");
    }
    char whole[1024];
    snprintf(whole, sizeof whole, "%s%s}", deep, close);
    insert(collection, whole); /* 60 */
    snprintf(whole, sizeof whole, "%s[]%s}", deep, close);
    assert_fails(RAGSTORE_E_INVALID_DATA, ragstore_collection_insert(NULL, collection, whole));
    assert_fails(RAGSTORE_E_INVALID_DATA,
                 ragstore_collection_update_one(
                     NULL, collection, NULL,
                     "{\"$set\":{\"b.c.d\":1,\"a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
                     "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
                     "0.0.0.0.0.0.0.0.0.0.0.0.0.0\":[1]}}",
                     NULL));
    ragstore_collection_free(collection);
    store = reopen_store(store, state);
    assert_ok(ragstore_store_close(store));
}

static void collection_insert__keeps_every_value_as_it_is(void **state)
{
    static const char text[] =
        "{\"_id\":\"a\",\"z\":1,\"y\":1.0,\"x\":-0.0,\"w\":9223372036854775807,\"v\":1e-300,"
        "\"u\":\"\\\"\\\\é€😀\",\"t\":[null,true,{}],\"\":{\"a.b\":1}}";
    ragstore_buffer *before;
    ragstore_buffer *after;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "books");
    insert(collection, text);
    assert_ok(ragstore_collection_find_one(&before, NULL, collection, NULL, NULL));
    ragstore_collection_free(collection);
    store = reopen_store(store, state);
    collection = open_collection(store, "books");
    assert_ok(ragstore_collection_find_one(&after, NULL, collection, NULL, NULL));
    assert_string_equal(ragstore_buffer_data(before), ragstore_buffer_data(after));
    json_t *wanted = json_loads(text, 0, NULL);
    json_t *found = json_loads(ragstore_buffer_data(after), 0, NULL);
    assert_true(json_equal(wanted, found));
    json_decref(wanted);
    json_decref(found);
    ragstore_buffer_free(before);
    ragstore_buffer_free(after);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

/* ---- finding ---- */

static const char five[] = "[{\"_id\":\"e\",\"n\":5},{\"_id\":\"a\",\"n\":1,\"t\":[\"x\",\"y\"]},"
                           "{\"_id\":\"d\",\"n\":4},{\"_id\":\"b\",\"n\":2,\"s\":{\"u\":7}},"
                           "{\"_id\":\"c\",\"n\":3}]";

static void collection_find__filters_in_the_order_of_insertion(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "numbers");
    insert(collection, five);
    assert_json(ids_of(collection, NULL), "[\"e\",\"a\",\"d\",\"b\",\"c\"]");
    assert_json(ids_of(collection, "{\"n\":{\"$gte\":3}}"), "[\"e\",\"d\",\"c\"]");
    assert_json(ids_of(collection, "{\"t\":\"y\"}"), "[\"a\"]");
    assert_json(ids_of(collection, "{\"s.u\":7}"), "[\"b\"]");
    assert_json(ids_of(collection, "{\"_id\":\"c\"}"), "[\"c\"]");
    assert_json(ids_of(collection, "{\"_id\":{\"$in\":[\"b\",\"zz\",7,\"a\"]}}"), "[\"a\",\"b\"]");
    assert_json(ids_of(collection, "{\"_id\":\"c\",\"n\":4}"), "[]");
    assert_json(ids_of(collection, "{\"_id\":7}"), "[]");
    assert_int_equal(count(collection, "{\"n\":{\"$lt\":3}}"), 2);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_find__sorts_skips_limits_and_projects(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "numbers");
    ragstore_collection_find_options options = RAGSTORE_COLLECTION_FIND_OPTIONS_INIT;
    insert(collection, five);
    options.projection_json = "{\"_id\":0,\"n\":1}";
    options.skip = 1;
    options.limit = 2;
    assert_json(find_with(collection, NULL, &options), "[{\"n\":1},{\"n\":4}]");
    options.sort_json = "{\"n\":-1}";
    assert_json(find_with(collection, NULL, &options), "[{\"n\":4},{\"n\":3}]");
    options.limit = 0;
    assert_json(find_with(collection, NULL, &options), "[{\"n\":4},{\"n\":3},{\"n\":2},{\"n\":1}]");
    options.skip = 9;
    assert_json(find_with(collection, NULL, &options), "[]");
    options.skip = UINT64_MAX;
    options.limit = UINT64_MAX;
    assert_json(find_with(collection, NULL, &options), "[]");
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_find__names_what_is_wrong_in_a_query(void **state)
{
    ragstore_cursor *cursor = (void *)1;
    uint64_t number;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "numbers");
    ragstore_collection_find_options options = RAGSTORE_COLLECTION_FIND_OPTIONS_INIT;
    assert_fails(RAGSTORE_E_QUERY,
                 ragstore_collection_find(&cursor, collection, "{\"a\":{\"$foo\":1}}", NULL));
    assert_message_has("$foo");
    assert_null(cursor);
    assert_fails(RAGSTORE_E_INVALID_DATA, ragstore_collection_find(&cursor, collection, "{", NULL));
    assert_fails(RAGSTORE_E_QUERY, ragstore_collection_count(&number, collection, "[]"));
    options.sort_json = "{\"a\":2}";
    assert_fails(RAGSTORE_E_QUERY, ragstore_collection_find(&cursor, collection, NULL, &options));
    options.sort_json = NULL;
    options.projection_json = "{\"a\":1,\"b\":0}";
    assert_fails(RAGSTORE_E_QUERY, ragstore_collection_find(&cursor, collection, NULL, &options));
    options.struct_size = 3;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_collection_find(&cursor, collection, NULL, &options));
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_find_one__is_not_found_when_nothing_matches(void **state)
{
    ragstore_buffer *buffer = (void *)1;
    ragstore_buffer *version = (void *)1;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "numbers");
    insert(collection, five);
    assert_fails(RAGSTORE_E_NOT_FOUND,
                 ragstore_collection_find_one(&buffer, &version, collection, "{\"n\":9}", NULL));
    assert_null(buffer);
    assert_null(version);
    assert_ok(ragstore_collection_find_one(&buffer, &version, collection, "{\"n\":5}", NULL));
    assert_int_equal(ragstore_buffer_size(version), 32);
    ragstore_buffer_free(buffer);
    ragstore_buffer_free(version);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void insert_numbers(ragstore_collection *collection, int number)
{
    json_t *documents = json_array();
    for (int i = 0; i < number; i++)
        json_array_append_new(documents, json_pack("{s:i,s:s}", "n", i, "text", "some text here"));
    char *text = json_dumps(documents, JSON_COMPACT);
    insert(collection, text);
    free(text);
    json_decref(documents);
}

static void collection_find__tells_each_document_once_while_others_change(void **state)
{
    enum { MANY = 5000 };
    const char *text;
    ragstore_cursor *cursor;
    char seen[MANY] = {0};
    int told = 0;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "numbers");
    insert_numbers(collection, MANY);
    assert_ok(ragstore_collection_find(&cursor, collection, "{\"n\":{\"$gte\":0}}", NULL));
    for (;;) {
        assert_ok(ragstore_cursor_next(&text, NULL, cursor));
        if (text == NULL)
            break;
        json_t *document = json_loads(text, 0, NULL);
        json_int_t n = json_integer_value(json_object_get(document, "n"));
        json_decref(document);
        assert_int_equal(seen[n], 0);
        seen[n] = 1;
        if (++told % 500 == 0) { /* behind and before the cursor */
            assert_ok(ragstore_collection_update_many(NULL, collection, "{\"n\":{\"$mod\":[7,0]}}",
                                                      "{\"$inc\":{\"rounds\":1}}", NULL));
            assert_ok(ragstore_collection_delete_many(NULL, collection, "{\"n\":{\"$gte\":4900}}"));
        }
    }
    ragstore_cursor_free(cursor);
    assert_int_equal(told, 4900);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_find__shows_a_batch_its_own_changes(void **state)
{
    ragstore_batch *batch;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "numbers");
    insert(collection, five);
    assert_ok(ragstore_batch_begin(&batch, store));
    insert(collection, "{\"_id\":\"f\",\"n\":6}");
    assert_ok(ragstore_collection_delete_one(NULL, collection, "{\"_id\":\"a\"}"));
    assert_ok(ragstore_collection_update_many(NULL, collection, "{\"n\":{\"$gt\":3}}",
                                              "{\"$inc\":{\"n\":10}}", NULL));
    assert_json(ids_of(collection, "{\"n\":{\"$gt\":9}}"), "[\"e\",\"d\",\"f\"]");
    assert_int_equal(count(collection, NULL), 5);
    ragstore_batch_abort(batch);
    assert_json(ids_of(collection, NULL), "[\"e\",\"a\",\"d\",\"b\",\"c\"]");
    assert_int_equal(count(collection, "{\"n\":{\"$gt\":9}}"), 0);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

/* ---- the store's own records ---- */

static void collection__shows_entities_and_sessions_without_changing_them(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_session *session;
    assert_ok(ragstore_session_create(&session, entity, NULL));
    static const char *const names[] = {"entities", "chat_sessions"};
    for (size_t i = 0; i < 2; i++) {
        ragstore_collection *collection = open_collection(store, names[i]);
        assert_int_equal(count(collection, NULL), 1);
        assert_int_equal(count(collection, "{\"entity_id\":\"acme\"}"), 1);
        assert_int_equal(count(collection, "{\"entity_id\":\"other\"}"), 0);
        assert_fails(RAGSTORE_E_READ_ONLY, ragstore_collection_insert(NULL, collection, "{}"));
        assert_fails(
            RAGSTORE_E_READ_ONLY,
            ragstore_collection_update_many(NULL, collection, NULL, "{\"$set\":{\"a\":1}}", NULL));
        assert_fails(RAGSTORE_E_READ_ONLY,
                     ragstore_collection_replace_one(NULL, collection, NULL, "{}", NULL));
        assert_fails(RAGSTORE_E_READ_ONLY, ragstore_collection_delete_many(NULL, collection, NULL));
        ragstore_collection_free(collection);
    }
    ragstore_session_free(session);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(collection_open__refuses_malformed_and_reserved_names),
        TEST(collection_open__leaves_no_trace_of_an_empty_one),
        TEST(collection_list__tells_names_that_differ_in_case),
        TEST(collection__refuses_null_and_foreign_handles),
        TEST(collection__answers_closed_after_the_store_and_can_be_freed_later),
        TEST(collection_insert__makes_ids_and_tells_them),
        TEST(collection_insert__stores_all_or_none),
        TEST(collection_insert__refuses_what_cannot_be_stored),
        TEST(collection_insert__refuses_what_is_too_large_or_too_deep),
        TEST(collection_insert__keeps_every_value_as_it_is),
        TEST(collection_find__filters_in_the_order_of_insertion),
        TEST(collection_find__sorts_skips_limits_and_projects),
        TEST(collection_find__names_what_is_wrong_in_a_query),
        TEST(collection_find_one__is_not_found_when_nothing_matches),
        TEST(collection_find__tells_each_document_once_while_others_change),
        TEST(collection_find__shows_a_batch_its_own_changes),
        TEST(collection__shows_entities_and_sessions_without_changing_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
