/* The core of an open store and its upkeep: opening, closing, interrupting, what waits. */
#include "entities_fixture.h"

#define DOCUMENTS "entity_scoped/entities/" ACME "/doc_to_chunks.json"

static void entities_store__closing_writes_what_waits(void **state)
{
    open_store s;
    char path[TEMPORARY_PATH_MAX];
    open_store_begin(&s, state, NULL);
    add_pair(&s, "one");
    temporary_join(path, state, DOCUMENTS);
    assert_false(temporary_exists(path));
    open_store_close(&s);
    assert_true(temporary_exists(path));
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
    open_store_end(&s);
}

static void entities_store__does_one_piece_of_waiting_work_at_a_time(void **state)
{
    open_store s;
    bool did = true;
    unsigned pieces = 0;
    open_store_begin(&s, state, NULL);
    add_pair(&s, "one");
    while (did) {
        assert_int_equal(rsi_upkeep_step(s.store, true, &did), 0);
        pieces += did;
        assert_in_range(pieces, 0, 10);
    }
    assert_in_range(pieces, 2, 10);     /* a checkpoint, the index files */
    rsi_upkeep_mark(s.store, "nobody"); /* deleted meanwhile */
    assert_int_equal(rsi_upkeep_step(s.store, true, &did), 0);
    assert_true(did);
    assert_int_equal(rsi_upkeep_step(s.store, false, &did), 0);
    assert_false(did);
    open_store_end(&s);
}

static void entities_store__leaves_the_store_quiet_before_it_writes(void **state)
{
    open_store s;
    bool did = true;
    open_store_begin(&s, state, NULL);
    add_pair(&s, "one");
    assert_int_equal(rsi_upkeep_step(s.store, false, &did), 0);
    assert_false(did); /* the last commit was a moment ago */
    open_store_end(&s);
}

static void entities_store__its_thread_does_the_same(void **state)
{
    open_store s;
    char path[TEMPORARY_PATH_MAX];
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_upkeep_start(s.store), 0);
    assert_true(s.store->upkeep_runs);
    add_pair(&s, "one");
    open_store_close(&s); /* stops it, whatever it is at */
    assert_true(temporary_exists(temporary_join(path, state, DOCUMENTS)));
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
    rsi_upkeep_stop(s.store); /* none runs */
    open_store_end(&s);
}

static void entities_store__tells_long_calls_that_they_are_interrupted(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    uint64_t epoch = rsi_store_epoch(s.store);
    assert_int_equal(rsi_store_check_interrupt(s.store, epoch), 0);
    rsi_store_interrupt(s.store);
    assert_int_equal(rsi_store_check_interrupt(s.store, epoch), RAGSTORE_E_INTERRUPTED);
    assert_int_equal(rsi_store_check_interrupt(s.store, rsi_store_epoch(s.store)), 0);
    open_store_end(&s);
}

static void entities_store__opened_for_reading_changes_nothing(void **state)
{
    const rsi_entity_fields fields = {.name = NULL};
    open_store s;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    open_store_begin(&s, state, NULL);
    add_pair(&s, "one");
    open_store_close(&s);
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_READ_ONLY), 0);
    fault_files_reset_counts(&s.faults);
    open_store_expect_totals(&s, 1, 2);
    rsi_catalog_release(s.store, acquire(&s));
    assert_int_equal(rsi_entity_create(incarnation, s.store, "b", &fields), RAGSTORE_E_READ_ONLY);
    assert_int_equal(rsi_entity_delete(NULL, s.store, ACME), RAGSTORE_E_READ_ONLY);
    open_store_close(&s);
    assert_int_equal(fault_files_count(&s.faults, FAULT_WRITE), 0);
    assert_int_equal(fault_files_count(&s.faults, FAULT_RENAME), 0);
    assert_int_equal(fault_files_count(&s.faults, FAULT_REMOVE), 0);
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
    open_store_end(&s);
}

static void entities_store__is_not_opened_where_it_is_not_or_is(void **state)
{
    open_store s;
    char path[TEMPORARY_PATH_MAX];
    open_store_begin(&s, state, NULL);
    open_store_close(&s);
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_CREATE), RAGSTORE_E_EXISTS);
    assert_null(s.store);
    const char *there = s.path;
    s.path = temporary_join(path, state, "nothing");
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), RAGSTORE_E_NOT_FOUND);
    assert_null(s.store);
    s.path = there;
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
    rsi_store_free(NULL);
    open_store_end(&s);
}

/* ---- faults ---- */

static int open_and_close(void *user)
{
    open_store *s = user;
    open_store_put_back(s);
    int status = open_store_open(s, RAGSTORE_OPEN_MUST_EXIST);
    assert_true((status == RAGSTORE_OK) == (s->store != NULL));
    if (status != RAGSTORE_OK)
        return status;
    uint64_t documents;
    uint64_t chunks;
    status = rsi_entity_totals(&documents, &chunks, s->store, ACME);
    if (status == RAGSTORE_OK)
        assert_int_equal(chunks, 2);
    int closed = rsi_store_close(s->store);
    rsi_store_free(s->store);
    s->store = NULL;
    return status == RAGSTORE_OK ? closed : status;
}

static void entities_store__survives_each_failing_allocation(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    add_pair(&s, "one");
    open_store_close(&s);
    open_store_keep(&s);
    assert_true(each_allocation_fails(open_and_close, &s, EACH_MAY_SUCCEED) > 20);
    assert_int_equal(open_and_close(&s), 0);
    open_store_end(&s);
}

static void entities_store__survives_each_failing_file_call(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    add_pair(&s, "one");
    open_store_close(&s);
    open_store_keep(&s);
    assert_true(each_file_call_fails(&s, open_and_close, &s, EACH_MAY_SUCCEED) > 20);
    assert_int_equal(open_and_close(&s), 0);
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(entities_store__closing_writes_what_waits),
        FRESH(entities_store__does_one_piece_of_waiting_work_at_a_time),
        FRESH(entities_store__leaves_the_store_quiet_before_it_writes),
        FRESH(entities_store__its_thread_does_the_same),
        FRESH(entities_store__tells_long_calls_that_they_are_interrupted),
        FRESH(entities_store__opened_for_reading_changes_nothing),
        FRESH(entities_store__is_not_opened_where_it_is_not_or_is),
        FRESH(entities_store__survives_each_failing_allocation),
        FRESH(entities_store__survives_each_failing_file_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
