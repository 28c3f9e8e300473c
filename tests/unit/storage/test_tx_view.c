/* What the thread of a transaction reads: its own changes, always. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"
#include "harness/fault_memory.h"
#include "harness/open_store.h"
#include "harness/temporary.h"

#include <string.h>
#include <time.h>

static void expect_stored(open_store *s, const char *key, const char *expected)
{
    rsi_bytes value = {0};
    assert_int_equal(rsi_storage_get(&value, s->store->storage, RSI_SPACE_SESSIONS, key), 0);
    assert_string_equal(value.data, expected);
    rsi_bytes_free(&value);
}

static void sees_changes_of(open_store *s, const char *key)
{
    rsi_tx *tx;
    assert_int_equal(rsi_tx_begin(&tx, s->store->storage), 0);
    assert_int_equal(rsi_tx_put(tx, RSI_SPACE_SESSIONS, key, "{\"n\":1}", 7), 0);
    assert_int_equal(rsi_tx_commit(tx), 0);
    assert_int_equal(rsi_tx_begin(&tx, s->store->storage), 0);
    assert_int_equal(rsi_tx_put(tx, RSI_SPACE_SESSIONS, key, "{\"n\":2}", 7), 0);
    expect_stored(s, key, "{\"n\":2}");
    assert_int_equal(rsi_tx_put(tx, RSI_SPACE_SESSIONS, key, "{\"n\":3}", 7), 0);
    expect_stored(s, key, "{\"n\":3}");
    rsi_tx_abort(tx);
    expect_stored(s, key, "{\"n\":1}");
}

static void storage_tx_view__sees_its_changes_under_keys_of_any_length(void **state)
{
    static char key[2000];
    open_store s;
    open_store_begin(&s, state, NULL);
    sees_changes_of(&s, "session_1");
    for (size_t size = 490; size < 520; size++) {
        memset(key, 'k', size);
        key[size] = '\0';
        sees_changes_of(&s, key);
    }
    memset(key, 'k', sizeof key - 1);
    sees_changes_of(&s, key);
    open_store_end(&s);
}

/* Reads either fail or see the change: never what was there before it. */
static int read_once(void *user)
{
    open_store *s = user;
    rsi_bytes value = {0};
    int status = rsi_storage_get(&value, s->store->storage, RSI_SPACE_SESSIONS, "session_1");
    if (status == RAGSTORE_OK)
        assert_string_equal(value.data, "{\"n\":2}");
    rsi_bytes_free(&value);
    return status;
}

static void storage_tx_view__never_misses_its_changes_when_memory_is_short(void **state)
{
    open_store s;
    rsi_tx *tx;
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
    assert_int_equal(rsi_tx_put(tx, RSI_SPACE_SESSIONS, "session_1", "{\"n\":1}", 7), 0);
    assert_int_equal(rsi_tx_commit(tx), 0);
    assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
    assert_int_equal(rsi_tx_put(tx, RSI_SPACE_SESSIONS, "session_1", "{\"n\":2}", 7), 0);
    assert_true(each_allocation_fails(read_once, &s, 0) > 0);
    rsi_tx_abort(tx);
    open_store_end(&s);
}

typedef struct tally {
    uint64_t count;
    uint64_t next;
} tally;

static int tally_row(void *user, uint64_t number, const char *json, size_t size)
{
    tally *found = user;
    (void)json;
    (void)size;
    found->count++;
    found->next = number + 1;
    return RAGSTORE_OK;
}

static void expect_counted(open_store *s, const char *key)
{
    tally all = {0, 0};
    uint64_t count, next, next_alone;
    rsi_storage *storage = s->store->storage;
    assert_int_equal(
        rsi_storage_rows(storage, RSI_SPACE_SESSIONS, key, 0, UINT64_MAX, tally_row, &all), 0);
    assert_int_equal(rsi_storage_row_count(&count, &next, storage, RSI_SPACE_SESSIONS, key), 0);
    assert_int_equal(rsi_storage_row_count(NULL, &next_alone, storage, RSI_SPACE_SESSIONS, key), 0);
    assert_int_equal(count, all.count);
    assert_int_equal(next, all.next);
    assert_int_equal(next_alone, all.next);
}

/* A few changes of rows that are mostly new ones at the end, each counted at once. */
static void change_rows(open_store *s, rsi_tx *tx, uint32_t *chance)
{
    for (unsigned i = 0; i < 6; i++) {
        uint64_t next;
        assert_int_equal(rsi_storage_row_count(NULL, &next, s->store->storage, RSI_SPACE_SESSIONS,
                                               "session_1"),
                         0);
        *chance = *chance * 1664525 + 1013904223;
        const unsigned kind = *chance >> 28;
        const uint64_t any = (*chance >> 8) % (next + 2);
        if (kind < 9)
            assert_int_equal(
                rsi_tx_row_put(tx, RSI_SPACE_SESSIONS, "session_1", next + kind % 2, "{}", 2), 0);
        else if (kind < 11)
            assert_int_equal(rsi_tx_row_put(tx, RSI_SPACE_SESSIONS, "session_1", any, "{}", 2), 0);
        else
            assert_int_equal(rsi_tx_row_drop(tx, RSI_SPACE_SESSIONS, "session_1", any), 0);
        expect_counted(s, "session_1");
    }
}

/* Whether only the ends of both need a look or all rows: the number is the same. */
static void storage_tx_view__counts_rows_as_a_look_at_all_of_them_does(void **state)
{
    open_store s;
    rsi_tx *tx;
    uint32_t chance = 1;
    open_store_begin(&s, state, NULL);
    for (unsigned round = 0; round < 200; round++) {
        assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
        if (round % 40 == 0) {
            assert_int_equal(rsi_tx_drop(tx, RSI_SPACE_SESSIONS, "session_1"), 0);
            assert_int_equal(rsi_tx_put(tx, RSI_SPACE_SESSIONS, "session_1", "{}", 2), 0);
            expect_counted(&s, "session_1");
        }
        change_rows(&s, tx, &chance);
        assert_int_equal(rsi_tx_commit(tx), 0);
        expect_counted(&s, "session_1");
        if (round % 30 == 29)
            assert_int_equal(rsi_storage_checkpoint(s.store->storage), 0);
    }
    open_store_end(&s);
}

/* A second document of a transaction asks for the next number, however many there are below. */
static void storage_tx_view__reads_no_rows_to_know_where_new_ones_go(void **state)
{
    open_store s;
    rsi_tx *tx;
    uint64_t next;
    open_store_begin(&s, state, NULL);
    rsi_storage *storage = s.store->storage;
    assert_int_equal(rsi_tx_begin(&tx, storage), 0);
    assert_int_equal(rsi_tx_put(tx, RSI_SPACE_SESSIONS, "session_1", "{}", 2), 0);
    for (uint64_t i = 0; i < 20000; i++)
        assert_int_equal(rsi_tx_row_put(tx, RSI_SPACE_SESSIONS, "session_1", i, "{\"n\":1}", 7), 0);
    assert_int_equal(rsi_tx_commit(tx), 0);
    assert_int_equal(rsi_storage_checkpoint(storage), 0);
    open_store_again(&s); /* the rows are in the file only */
    storage = s.store->storage;
    assert_int_equal(rsi_tx_begin(&tx, storage), 0);
    assert_int_equal(rsi_tx_row_put(tx, RSI_SPACE_SESSIONS, "session_1", 20000, "{}", 2), 0);
    fault_files_reset_counts(&s.faults);
    assert_int_equal(rsi_storage_row_count(NULL, &next, storage, RSI_SPACE_SESSIONS, "session_1"),
                     0);
    assert_int_equal(next, 20001);
    assert_true(fault_files_count(&s.faults, FAULT_READ) <= 2);
    rsi_tx_abort(tx);
    open_store_end(&s);
}

static bool has_own_row(const open_store *s, uint64_t number)
{
    return rsi_storage_has_own_row(s->store->storage, RSI_SPACE_SESSIONS, "session_1", number);
}

/* Whoever adds 20,000 documents in one transaction asks that of each: a look at all of its rows each
 * time took 6 s of the processor, where this takes some milliseconds. */
static void storage_tx_view__looks_up_whether_a_row_is_its_own(void **state)
{
    enum { ROWS = 200000, ASKED = 20000 };
    open_store s;
    rsi_tx *tx;
    open_store_begin(&s, state, NULL);
    assert_false(has_own_row(&s, 0));
    assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
    assert_int_equal(rsi_tx_put(tx, RSI_SPACE_SESSIONS, "session_1", "{}", 2), 0);
    assert_false(has_own_row(&s, 0));
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(rsi_tx_row_put(tx, RSI_SPACE_SESSIONS, "session_1", i, "{}", 2), 0);
    assert_int_equal(rsi_tx_commit(tx), 0);
    assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
    assert_int_equal(rsi_tx_row_drop(tx, RSI_SPACE_SESSIONS, "session_1", 1), 0);
    for (uint64_t i = 0; i < ROWS; i++)
        assert_int_equal(rsi_tx_row_put(tx, RSI_SPACE_SESSIONS, "session_1", 10 + 2 * i, "{}", 2),
                         0);
    const clock_t before = clock();
    for (uint64_t i = 0; i < ASKED; i++) {
        assert_true(has_own_row(&s, 10 + 2 * (ROWS - 1 - i)));
        assert_false(has_own_row(&s, 11 + 2 * i));
    }
    assert_true((double)(clock() - before) / CLOCKS_PER_SEC < 1);
    assert_false(has_own_row(&s, 0)); /* of an earlier one */
    assert_false(has_own_row(&s, 1)); /* dropped */
    assert_false(has_own_row(&s, 9));
    assert_false(has_own_row(&s, 10 + 2 * ROWS));
    rsi_tx_abort(tx);
    assert_false(has_own_row(&s, 10));
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(storage_tx_view__sees_its_changes_under_keys_of_any_length,
                                        temporary_setup, temporary_teardown),
        cmocka_unit_test_setup_teardown(
            storage_tx_view__counts_rows_as_a_look_at_all_of_them_does, temporary_setup,
            temporary_teardown),
        cmocka_unit_test_setup_teardown(
            storage_tx_view__reads_no_rows_to_know_where_new_ones_go, temporary_setup,
            temporary_teardown),
        cmocka_unit_test_setup_teardown(
            storage_tx_view__looks_up_whether_a_row_is_its_own, temporary_setup,
            temporary_teardown),
        cmocka_unit_test_setup_teardown(
            storage_tx_view__never_misses_its_changes_when_memory_is_short, temporary_setup,
            temporary_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
