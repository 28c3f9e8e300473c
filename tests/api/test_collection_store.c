/* Collections on disk: closing, dying, files changed by hand, missing files. */
#include "collection_fixture.h"

#include <signal.h>

static const char file[] = "store/api_storage/collections/things.json";

static char *read_text(void **state, const char *name)
{
    char path[TEMPORARY_PATH_MAX];
    FILE *stream = fopen(temporary_join(path, state, name), "rb");
    assert_non_null(stream);
    char *text = calloc(1, 1 << 16);
    assert_non_null(text);
    (void)!fread(text, 1, (1 << 16) - 1, stream);
    fclose(stream);
    return text;
}

static void write_text(void **state, const char *name, const char *text)
{
    char path[TEMPORARY_PATH_MAX];
    FILE *stream = fopen(temporary_join(path, state, name), "wb");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
}

static void make_things(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    insert(collection, "[{\"n\":1,\"_id\":\"b\"},{\"_id\":\"a\",\"t\":\"x\\ny\"}]");
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection_file__has_one_document_to_a_line(void **state)
{
    make_things(state);
    char *text = read_text(state, file);
    assert_string_equal(
        text, "{\n\"b\": {\"_id\":\"b\",\"n\":1},\n\"a\": {\"_id\":\"a\",\"t\":\"x\\ny\"}\n}\n");
    free(text);
    text = read_text(state, "store/ragstore.json");
    assert_non_null(strstr(text, "\"collections/things.json\":{\"base_sequence\":1,\"size\":"));
    free(text);
}

static void collection_file__stays_when_the_last_document_goes(void **state)
{
    make_things(state);
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    assert_ok(ragstore_collection_delete_many(NULL, collection, NULL));
    ragstore_collection_free(collection);
    store = reopen_store(store, state);
    collection = open_collection(store, "things");
    assert_int_equal(count(collection, NULL), 0);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
    char *text = read_text(state, file);
    assert_string_equal(text, "{\n}\n");
    free(text);
}

static void collection_file__can_be_edited_between_two_openings(void **state)
{
    make_things(state);
    write_text(state, file, "{\"b\": {\"_id\": \"b\", \"n\": 2},\n \"c\": {\"new\": true}}");
    write_text(state, "store/api_storage/collections/other.json", "{\"k\": {\"v\": 1}}");
    for (int round = 0; round < 2; round++) {
        ragstore_store *store = open_store(state);
        ragstore_collection *things = open_collection(store, "things");
        ragstore_collection *other = open_collection(store, "other");
        assert_finds(things, NULL, "[{\"_id\":\"b\",\"n\":2},{\"_id\":\"c\",\"new\":true}]");
        assert_finds(other, NULL, "[{\"_id\":\"k\",\"v\":1}]");
        ragstore_collection_free(things);
        ragstore_collection_free(other);
        assert_ok(ragstore_store_close(store));
    }
}

static void collection_file__that_is_missing_or_damaged_is_named_and_left_alone(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    ragstore_store *store;
    make_things(state);
    char *text = read_text(state, file);
    write_text(state, file, "{\"b\": ");
    assert_fails(RAGSTORE_E_DAMAGED, ragstore_store_open(&store, store_path(state), NULL));
    assert_message_has("collections/things.json");
    char *after = read_text(state, file);
    assert_string_equal(after, "{\"b\": ");
    free(after);
    assert_int_equal(unlink(temporary_join(path, state, file)), 0);
    assert_fails(RAGSTORE_E_DAMAGED, ragstore_store_open(&store, store_path(state), NULL));
    assert_message_has("collections/things.json is missing");
    write_text(state, file, text);
    free(text);
    store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    assert_int_equal(count(collection, NULL), 2);
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

/* ---- dying ---- */

typedef struct child_work {
    const char *path;
    int pipe;
} child_work;

static void work_until_killed(const child_work *work)
{
    ragstore_store *store;
    ragstore_collection *collection;
    if (ragstore_store_open(&store, work->path, NULL) != 0 ||
        ragstore_collection_open(&collection, store, "things") != 0)
        _exit(1);
    for (uint32_t n = 1;; n++) {
        char text[128];
        snprintf(text, sizeof text, "[{\"_id\":\"a%u\"},{\"_id\":\"b%u\",\"n\":%u}]", n, n, n);
        if (ragstore_collection_insert(NULL, collection, text) != 0 ||
            ragstore_collection_update_one(NULL, collection, "{\"_id\":\"a1\"}",
                                           "{\"$inc\":{\"n\":1}}", NULL) != 0 ||
            (n % 7 == 0 && ragstore_store_export(store) != 0))
            _exit(1);
        if (write(work->pipe, &n, sizeof n) != sizeof n)
            _exit(1);
    }
}

static void collection__keeps_what_was_acknowledged_when_the_process_dies(void **state)
{
    for (uint32_t round = 1; round <= 3; round++) {
        int ends[2];
        uint32_t n = 0;
        assert_int_equal(pipe(ends), 0);
        child_work work = {store_path(state), ends[1]};
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            work_until_killed(&work);
        close(ends[1]);
        while (n < 20 + round * 3)
            assert_int_equal(read(ends[0], &n, sizeof n), sizeof n);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        while (read(ends[0], &n, sizeof n) == sizeof n)
            ;
        close(ends[0]);
        ragstore_store *store = open_store(state);
        ragstore_collection *collection = open_collection(store, "things");
        uint64_t pairs = count(collection, "{\"_id\":{\"$regex\":\"^a\"}}");
        assert_true(pairs == n || pairs == n + 1);
        assert_int_equal(count(collection, NULL), 2 * pairs);
        json_t *first = find_one(collection, "{\"_id\":\"a1\"}");
        json_int_t counted = json_integer_value(json_object_get(first, "n"));
        assert_true(counted == n || counted == n + 1);
        json_decref(first);
        assert_ok(ragstore_collection_delete_many(NULL, collection, NULL));
        ragstore_collection_free(collection);
        assert_ok(ragstore_store_close(store));
    }
}

static void collection__can_be_read_in_a_store_opened_for_reading(void **state)
{
    make_things(state);
    ragstore_store *store = open_store_with(state, RAGSTORE_OPEN_READ_ONLY, NULL);
    ragstore_collection *collection = open_collection(store, "things");
    assert_int_equal(count(collection, "{\"n\":1}"), 1);
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_collection_insert(NULL, collection, "{}"));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_collection_delete_one(NULL, collection, NULL));
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

static void collection__is_a_part_of_a_batch(void **state)
{
    ragstore_batch *batch;
    ragstore_store *store = open_store(state);
    ragstore_collection *collection = open_collection(store, "things");
    assert_ok(ragstore_batch_begin(&batch, store));
    insert(collection, "{\"_id\":\"a\"}");
    assert_fails(RAGSTORE_E_EXISTS,
                 ragstore_collection_insert(NULL, collection, "[{\"_id\":\"b\"},{\"_id\":\"a\"}]"));
    ragstore_entity_free(make_entity(store, "acme"));
    assert_ok(ragstore_batch_commit(batch));
    ragstore_collection_free(collection);
    store = reopen_store(store, state);
    collection = open_collection(store, "things");
    assert_finds(collection, NULL, "[{\"_id\":\"a\"}]");
    ragstore_entity_free(open_entity(store, "acme"));
    ragstore_collection_free(collection);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(collection_file__has_one_document_to_a_line),
        TEST(collection_file__stays_when_the_last_document_goes),
        TEST(collection_file__can_be_edited_between_two_openings),
        TEST(collection_file__that_is_missing_or_damaged_is_named_and_left_alone),
        TEST(collection__keeps_what_was_acknowledged_when_the_process_dies),
        TEST(collection__can_be_read_in_a_store_opened_for_reading),
        TEST(collection__is_a_part_of_a_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
