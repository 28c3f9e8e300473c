/* Indexes of collections: definitions, plans, and the same answers as without them. */
#include "collection_fixture.h"

#include <pthread.h>

static json_t *explain(ragstore_collection *collection, const char *filter)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_collection_explain(&buffer, collection, filter));
    return take_json(buffer);
}

static void assert_plan(ragstore_collection *collection, const char *filter, const char *plan,
                        const char *index, json_int_t candidates)
{
    json_t *told = explain(collection, filter);
    assert_text(told, "plan", plan);
    if (index == NULL)
        assert_null_member(told, "index");
    else
        assert_text(told, "index", index);
    assert_number(told, "candidates", candidates);
    json_decref(told);
}

static json_t *list_indexes(ragstore_collection *collection)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_collection_index_list(&buffer, collection));
    return take_json(buffer);
}

/* {"_id":"<i>","n":<i % 10>,"tags":["t<i % 3>","u"]} */
static void insert_rows(ragstore_collection *collection, int from, int to)
{
    json_t *rows = json_array();
    for (int i = from; i < to; i++) {
        char id[16];
        char tag[16];
        snprintf(id, sizeof id, "%d", i);
        snprintf(tag, sizeof tag, "t%d", i % 3);
        json_array_append_new(rows, json_pack("{s:s,s:i,s:[s,s]}", "_id", id, "n", i % 10, "tags",
                                              tag, "u"));
    }
    char *text = json_dumps(rows, JSON_COMPACT);
    insert(collection, text);
    free(text);
    json_decref(rows);
}

static void collection_explain__tells_which_plan_answers(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    insert_rows(collection, 0, 1000);
    assert_plan(collection, NULL, "scan", NULL, 1000);
    assert_plan(collection, "{\"_id\":\"7\"}", "ids", NULL, 1);
    assert_plan(collection, "{\"_id\":{\"$in\":[\"7\",\"8\"]}}", "ids", NULL, 2);
    assert_plan(collection, "{\"_id\":7}", "nothing", NULL, 0);
    assert_plan(collection, "{\"n\":3}", "scan", NULL, 1000);
    assert_ok(ragstore_collection_index_create(collection, "n"));
    assert_plan(collection, "{\"n\":3}", "index", "n", 100);
    assert_plan(collection, "{\"n\":77}", "index", "n", 0);
    assert_plan(collection, "{\"n\":{\"$in\":[3,4,88]}}", "index", "n", 200);
    assert_plan(collection, "{\"n\":{\"$gt\":3,\"$lte\":5}}", "index", "n", 200);
    assert_plan(collection, "{\"n\":{\"$gte\":0}}", "scan", NULL, 1000);
    assert_plan(collection, "{\"$or\":[{\"n\":3},{\"n\":4}]}", "scan", NULL, 1000);
    assert_ok(ragstore_collection_index_create(collection, "tags"));
    assert_plan(collection, "{\"n\":3,\"tags\":\"t1\"}", "index", "n", 100);
    assert_plan(collection, "{\"tags\":\"t1\"}", "index", "tags", 333);
    assert_ok(ragstore_collection_index_drop(collection, "n"));
    assert_plan(collection, "{\"n\":3}", "scan", NULL, 1000);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_index__is_kept_with_the_store(void **state)
{
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    insert_rows(collection, 0, 100);
    assert_json(list_indexes(collection), "[]");
    assert_ok(ragstore_collection_index_create(collection, "n"));
    assert_ok(ragstore_collection_index_create(collection, "a.b"));
    assert_json(list_indexes(collection), "[{\"path\":\"n\"},{\"path\":\"a.b\"}]");
    for (int round = 0; round < 2; round++) {
        ragstore_collection_free(collection);
        store = reopen_store(store, state);
        collection = open_collection(store, "things");
        assert_json(list_indexes(collection), "[{\"path\":\"n\"},{\"path\":\"a.b\"}]");
        assert_plan(collection, "{\"n\":3}", "index", "n", 10);
    }
    assert_ok(ragstore_collection_list(&buffer, store));
    assert_json(take_json(buffer), "[{\"name\":\"things\",\"documents\":100}]");
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_index__refuses_what_makes_no_sense(void **state)
{
    ragstore_buffer *buffer = (void *)1;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    ragstore_collection *entities = open_collection(store, "entities");
    assert_ok(ragstore_collection_index_create(collection, "n"));
    assert_fails(RAGSTORE_E_EXISTS, ragstore_collection_index_create(collection, "n"));
    assert_fails(RAGSTORE_E_EXISTS, ragstore_collection_index_create(collection, "_id"));
    assert_fails(RAGSTORE_E_QUERY, ragstore_collection_index_create(collection, ""));
    assert_fails(RAGSTORE_E_QUERY, ragstore_collection_index_create(collection, "$a"));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_collection_index_drop(collection, "m"));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_collection_index_create(collection, NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_collection_index_drop(NULL, "n"));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_collection_index_create(entities, "n"));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_collection_index_list(NULL, collection));
    assert_fails(RAGSTORE_E_QUERY, ragstore_collection_explain(&buffer, collection, "{\"$x\":1}"));
    assert_null(buffer);
    assert_json(list_indexes(entities), "[]");
    assert_plan(entities, NULL, "scan", NULL, 0);
    ragstore_collection_free(entities);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_index__is_undone_with_its_batch(void **state)
{
    ragstore_batch *batch;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    insert_rows(collection, 0, 30);
    assert_ok(ragstore_batch_begin(&batch, store));
    assert_ok(ragstore_collection_index_create(collection, "n"));
    assert_json(list_indexes(collection), "[{\"path\":\"n\"}]");
    assert_int_equal(count(collection, "{\"n\":3}"), 3);
    ragstore_batch_abort(batch);
    assert_json(list_indexes(collection), "[]");
    assert_plan(collection, "{\"n\":3}", "scan", NULL, 30);
    assert_ok(ragstore_batch_begin(&batch, store));
    assert_ok(ragstore_collection_index_create(collection, "n"));
    assert_ok(ragstore_batch_commit(batch));
    assert_plan(collection, "{\"n\":3}", "index", "n", 3);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_index__sees_the_changes_of_a_batch(void **state)
{
    ragstore_batch *batch;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    insert_rows(collection, 0, 30);
    assert_ok(ragstore_collection_index_create(collection, "n"));
    assert_int_equal(count(collection, "{\"n\":3}"), 3);
    assert_ok(ragstore_batch_begin(&batch, store));
    assert_ok(ragstore_collection_update_one(NULL, collection, "{\"_id\":\"3\"}",
                                             "{\"$set\":{\"n\":99}}", NULL));
    assert_ok(ragstore_collection_update_one(NULL, collection, "{\"_id\":\"4\"}",
                                             "{\"$set\":{\"n\":3}}", NULL));
    assert_ok(ragstore_collection_delete_one(NULL, collection, "{\"_id\":\"13\"}"));
    insert(collection, "{\"_id\":\"x\",\"n\":3}");
    assert_json(ids_of(collection, "{\"n\":3}"), "[\"23\",\"4\",\"x\"]");
    assert_json(ids_of(collection, "{\"n\":99}"), "[\"3\"]");
    ragstore_batch_abort(batch);
    assert_json(ids_of(collection, "{\"n\":3}"), "[\"3\",\"13\",\"23\"]");
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

/* ---- random documents ---- */

static uint32_t random_state;

static uint32_t pick(uint32_t below)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % below;
}

static const char *const values[] = {"1",
                                     "2",
                                     "2.0",
                                     "3",
                                     "-7",
                                     "2.5",
                                     "\"a\"",
                                     "\"b\"",
                                     "\"\"",
                                     "null",
                                     "true",
                                     "false",
                                     "[]",
                                     "[1,2]",
                                     "[2,\"a\"]",
                                     "[[1],3]",
                                     "{}",
                                     "{\"b\":1}",
                                     "{\"b\":[1,2]}",
                                     "[{\"b\":2},{\"b\":\"a\"}]",
                                     "9223372036854775807",
                                     "1e300",
                                     "[null]"};

static void random_document(char *out, size_t room, int id)
{
    int size = snprintf(out, room, "{\"_id\":\"%d\"", id);
    static const char *const names[] = {"a", "c"};
    for (size_t i = 0; i < 2; i++)
        if (pick(5) != 0)
            size += snprintf(out + size, room - (size_t)size, ",\"%s\":%s", names[i],
                             values[pick(COUNT(values))]);
    snprintf(out + size, room - (size_t)size, "}");
}

static void random_filter(char *out, size_t room)
{
    static const char *const paths[] = {"a", "c", "a.b", "a.0"};
    static const char *const operators[] = {"$eq", "$gt", "$gte", "$lt", "$lte"};
    const char *path = paths[pick(COUNT(paths))];
    const char *first = values[pick(COUNT(values))];
    const char *second = values[pick(COUNT(values))];
    switch (pick(5)) {
    case 0:
        snprintf(out, room, "{\"%s\":%s}", path, first);
        break;
    case 1:
        snprintf(out, room, "{\"%s\":{\"$in\":[%s,%s]}}", path, first, second);
        break;
    case 2:
        snprintf(out, room, "{\"%s\":{\"%s\":%s}}", path, operators[pick(5)], first);
        break;
    case 3:
        snprintf(out, room, "{\"%s\":{\"$gte\":%s,\"$lt\":%s}}", path, first, second);
        break;
    default:
        snprintf(out, room, "{\"$and\":[{\"%s\":%s},{\"%s\":{\"$ne\":%s}}]}", path, first,
                 paths[pick(COUNT(paths))], second);
    }
}

static void compare_answers(ragstore_collection *with, ragstore_collection *without, int rounds)
{
    int used = 0;
    for (int i = 0; i < rounds; i++) {
        char filter[256];
        random_filter(filter, sizeof filter);
        json_t *fast = ids_of(with, filter);
        json_t *slow = ids_of(without, filter);
        if (!json_equal(fast, slow))
            fail_msg("%s: with the indexes %s, without %s", filter, json_dumps(fast, 0),
                     json_dumps(slow, 0));
        json_decref(fast);
        json_decref(slow);
        json_t *told = explain(with, filter);
        used += strcmp(json_string_value(json_object_get(told, "plan")), "index") == 0;
        json_decref(told);
    }
    assert_true(used > rounds / 4);
}

static void change_both(ragstore_collection *with, ragstore_collection *without, int *next_id)
{
    char text[512];
    char filter[256];
    switch (pick(3)) {
    case 0:
        random_document(text, sizeof text, (*next_id)++);
        insert(with, text);
        insert(without, text);
        break;
    case 1:
        snprintf(filter, sizeof filter, "{\"_id\":\"%u\"}", pick((uint32_t)*next_id));
        snprintf(text, sizeof text, "{\"$set\":{\"%s\":%s}}", pick(2) ? "a" : "c",
                 values[pick(COUNT(values))]);
        assert_ok(ragstore_collection_update_one(NULL, with, filter, text, NULL));
        assert_ok(ragstore_collection_update_one(NULL, without, filter, text, NULL));
        break;
    default:
        snprintf(filter, sizeof filter, "{\"_id\":\"%u\"}", pick((uint32_t)*next_id));
        assert_ok(ragstore_collection_delete_one(NULL, with, filter));
        assert_ok(ragstore_collection_delete_one(NULL, without, filter));
    }
}

static void collection_index__answers_as_a_scan_does(void **state)
{
    static const char *const paths[] = {"a", "c", "a.b", "a.0"};
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.durability = RAGSTORE_DURABILITY_NORMAL;
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    ragstore_collection *with = open_collection(store, "with");
    ragstore_collection *without = open_collection(store, "without");
    int next_id = 0;
    random_state = 20261126;
    for (; next_id < 400; next_id++) {
        char text[512];
        random_document(text, sizeof text, next_id);
        insert(with, text);
        insert(without, text);
    }
    for (size_t i = 0; i < COUNT(paths); i++)
        assert_ok(ragstore_collection_index_create(with, paths[i]));
    for (int round = 0; round < 10; round++) {
        compare_answers(with, without, 100);
        for (int i = 0; i < 40; i++)
            change_both(with, without, &next_id);
    }
    ragstore_batch *batch;
    assert_ok(ragstore_batch_begin(&batch, store));
    for (int i = 0; i < 40; i++)
        change_both(with, without, &next_id);
    assert_ok(ragstore_batch_commit(batch));
    compare_answers(with, without, 200);
    ragstore_collection_free(with);
    ragstore_collection_free(without);
    store = reopen_store(store, state);
    with = open_collection(store, "with");
    without = open_collection(store, "without");
    compare_answers(with, without, 200);
    ragstore_collection_free(with);
    ragstore_collection_free(without);
    assert_ok(ragstore_store_close(store));
}

/* ---- several threads ---- */

static void *move_between(void *user)
{
    for (int i = 0; i < 100; i++)
        if (ragstore_collection_update_many(NULL, user, i % 2 == 0 ? "{\"n\":3}" : "{\"n\":13}",
                                            i % 2 == 0 ? "{\"$set\":{\"n\":13}}"
                                                       : "{\"$set\":{\"n\":3}}",
                                            NULL) != RAGSTORE_OK)
            return (void *)ragstore_error_message();
    return NULL;
}

static void collection_index__is_made_while_others_write(void **state)
{
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.durability = RAGSTORE_DURABILITY_NORMAL;
    pthread_t thread;
    void *message;
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    ragstore_collection *collection = open_collection(store, "things");
    insert_rows(collection, 0, 2000);
    assert_int_equal(pthread_create(&thread, NULL, move_between, collection), 0);
    for (int i = 0; i < 50; i++) {
        assert_ok(ragstore_collection_index_create(collection, "n"));
        assert_int_equal(count(collection, "{\"n\":4}"), 200);
        assert_true(count(collection, "{\"n\":{\"$in\":[3,13]}}") <= 200);
        assert_ok(ragstore_collection_index_drop(collection, "n"));
    }
    assert_int_equal(pthread_join(thread, &message), 0);
    assert_null(message);
    assert_ok(ragstore_collection_index_create(collection, "n"));
    assert_plan(collection, "{\"n\":3}", "index", "n", 200);
    assert_int_equal(count(collection, "{\"n\":3}"), 200);
    assert_int_equal(count(collection, "{\"n\":13}"), 0);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(collection_explain__tells_which_plan_answers),
        TEST(collection_index__is_kept_with_the_store),
        TEST(collection_index__refuses_what_makes_no_sense),
        TEST(collection_index__is_undone_with_its_batch),
        TEST(collection_index__sees_the_changes_of_a_batch),
        TEST(collection_index__answers_as_a_scan_does),
        TEST(collection_index__is_made_while_others_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
