/*
 * Collections when memory is short: each allocation of each call fails in turn. What was there is
 * as it was, or as the call makes it, never anything between; and an index gives the answers of a
 * scan afterwards.
 */
#include "collections/collections.h"

#include "base/status.h"
#include "harness/fault_memory.h"
#include "harness/temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START "[{\"_id\":\"a\",\"n\":1},{\"_id\":\"b\",\"n\":2},{\"_id\":\"c\",\"n\":2}]"

typedef int action(const rsi_collection *collection);

static int change(const rsi_collection *collection, rsi_change_kind kind, const char *filter,
                  const char *update, bool upsert)
{
    const rsi_change asked = {kind, filter, update, NULL, upsert};
    rsi_bytes out = {0};
    int status = rsi_collection_change(&out, collection, &asked);
    rsi_bytes_free(&out);
    return status;
}

static int do_insert(const rsi_collection *collection)
{
    rsi_bytes out = {0};
    int status =
        rsi_collection_insert(&out, collection, "[{\"_id\":\"d\",\"n\":2},{\"_id\":\"e\"}]");
    rsi_bytes_free(&out);
    return status;
}

static int do_update(const rsi_collection *collection)
{
    return change(collection, RSI_CHANGE_UPDATE_MANY, "{\"n\":2}", "{\"$inc\":{\"n\":10}}", false);
}

static int do_upsert(const rsi_collection *collection)
{
    return change(collection, RSI_CHANGE_UPDATE_ONE, "{\"_id\":\"z\"}", "{\"$set\":{\"n\":2}}",
                  true);
}

static int do_replace(const rsi_collection *collection)
{
    return change(collection, RSI_CHANGE_REPLACE_ONE, "{\"n\":1}", "{\"n\":2}", false);
}

static int do_delete(const rsi_collection *collection)
{
    return change(collection, RSI_CHANGE_DELETE_MANY, "{\"n\":2}", NULL, false);
}

static int read_all(rsi_bytes *out, const rsi_collection *collection, const char *filter,
                    const char *sort)
{
    const rsi_find_options options = {.sort = sort, .projection = "{\"n\":1}"};
    rsi_cursor *cursor;
    rsi_slice text;
    int status = rsi_cursor_open(&cursor, collection, filter, &options);
    if (status != RAGSTORE_OK)
        return status;
    while ((status = rsi_cursor_next(&text, cursor)) == RAGSTORE_OK && text.data != NULL)
        rsi_bytes_append(out, text.data, text.size);
    rsi_cursor_free(cursor);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}

static int do_find(const rsi_collection *collection)
{
    rsi_bytes out = {0};
    int status = read_all(&out, collection, "{\"n\":{\"$gt\":1}}", "{\"n\":1}");
    rsi_bytes_free(&out);
    return status;
}

static int do_aggregate(const rsi_collection *collection)
{
    rsi_cursor *cursor;
    int status = rsi_collection_aggregate(
        &cursor, collection, "[{\"$match\":{\"n\":2}},{\"$group\":{\"_id\":\"$n\"}}]");
    rsi_cursor_free(cursor);
    return status;
}

static int do_distinct(const rsi_collection *collection)
{
    rsi_bytes out = {0};
    int status = rsi_collection_distinct(&out, collection, "n", "{\"n\":2}");
    rsi_bytes_free(&out);
    return status;
}

static int do_explain(const rsi_collection *collection)
{
    rsi_bytes out = {0};
    int status = rsi_collection_explain(&out, collection, "{\"n\":2}");
    rsi_bytes_free(&out);
    return status;
}

static int do_index(const rsi_collection *collection)
{
    return rsi_collection_index(collection, "m", true);
}

static char *dump(const rsi_collection *collection, const char *filter)
{
    rsi_bytes out = {0};
    rsi_bytes_append_text(&out, ""); /* never NULL */
    assert_int_equal(read_all(&out, collection, filter, NULL), RAGSTORE_OK);
    char *text = strdup(out.data);
    rsi_bytes_free(&out);
    return text;
}

static void prepare(rsi_collection *collection, rsi_store *store, unsigned number)
{
    char name[32];
    rsi_bytes out = {0};
    snprintf(name, sizeof name, "things%u", number);
    assert_int_equal(rsi_collection_open(collection, store, name), RAGSTORE_OK);
    assert_int_equal(rsi_collection_insert(&out, collection, START), RAGSTORE_OK);
    assert_int_equal(rsi_collection_index(collection, "n", true), RAGSTORE_OK);
    rsi_bytes_free(&out);
}

/* The index, filled or given up, says what every document says. */
static void check_index(const rsi_collection *collection)
{
    char *fast = dump(collection, "{\"n\":2}");
    char *slow = dump(collection, "{\"$or\":[{\"n\":2}]}");
    assert_string_equal(fast, slow);
    free(fast);
    free(slow);
}

static void fail_each_allocation(rsi_store *store, action *act, unsigned *number)
{
    rsi_collection collection;
    prepare(&collection, store, (*number)++);
    char *before = dump(&collection, NULL);
    assert_int_equal(act(&collection), RAGSTORE_OK);
    char *after = dump(&collection, NULL);
    for (unsigned n = 1;; n++) {
        prepare(&collection, store, (*number)++);
        if (n % 2 == 0)
            check_index(&collection); /* so that it is filled */
        fault_memory_fail(n, false);
        int status = act(&collection);
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        char *now = dump(&collection, NULL);
        if (status != RAGSTORE_OK)
            assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
        assert_string_equal(now, status == RAGSTORE_OK ? after : before);
        check_index(&collection);
        free(now);
        if (!failed)
            break;
    }
    free(before);
    free(after);
}

static void collections__are_whole_after_a_failed_allocation(void **state)
{
    static action *const actions[] = {do_insert, do_update,    do_upsert,   do_replace, do_delete,
                                      do_find,   do_aggregate, do_distinct, do_explain, do_index};
    char path[TEMPORARY_PATH_MAX];
    rsi_store *store;
    unsigned number = 0;
    const rsi_store_options options = {
        .storage = {.durability = RAGSTORE_DURABILITY_NORMAL, .busy_timeout_ms = 1000},
        .memory_limit_bytes = (uint64_t)1 << 30};
    fault_memory_install();
    assert_int_equal(rsi_store_open(&store, temporary_join(path, state, "store"), &options),
                     RAGSTORE_OK);
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        fail_each_allocation(store, actions[i], &number);
    assert_int_equal(rsi_store_close(store), RAGSTORE_OK);
    rsi_store_free(store);
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(collections__are_whole_after_a_failed_allocation,
                                        temporary_setup, temporary_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
