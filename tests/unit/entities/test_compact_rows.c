/* Compaction of an entity's vectors beneath the public call: transactions, damage, what fails. */
#include "entities_fixture.h"

#include "entities/compact.h"

/* Documents of two chunks; the first `deleted` of them go. */
static void fill(open_store *s, int documents, int deleted)
{
    rsi_added added[16];
    assert_true(documents <= 16);
    for (int i = 0; i < documents; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%d", i);
        added[i] = add_pair(s, name);
    }
    for (int i = 0; i < deleted; i++)
        assert_int_equal(rsi_document_delete(s->store, ACME, s->incarnation, added[i].doc_id), 0);
}

static void expect_rows(open_store *s, int64_t first, int64_t end)
{
    rsi_catalog *catalog = acquire(s);
    assert_non_null(catalog->rows);
    for (int64_t chunk = first; chunk < end; chunk++) {
        const float *row;
        assert_int_equal(rsi_rows_get(&row, catalog->rows, chunk), 0);
        assert_float_equal(row[chunk % 2], 1, 0);
    }
    rsi_catalog_release(s->store, catalog);
}

static uint64_t rows_size(open_store *s)
{
    rsi_file_info info;
    rsi_path path = rsi_path_in_entity(ACME, "vector_store/rows-1.rsv");
    assert_int_equal(rsi_file_info_of(rsi_storage_root(s->store->storage), path.text, &info), 0);
    return info.size;
}

static void entities_compact_rows__leaves_the_living(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    fill(&s, 10, 7);
    const uint64_t before = rows_size(&s);
    assert_int_equal(rsi_compact_rows(s.store, ACME, RSI_COMPACT_WASTEFUL), 0);
    assert_int_equal(rows_size(&s), before); /* so small a file is not worth it */
    assert_int_equal(rsi_compact_rows(s.store, ACME, RSI_COMPACT_ALL), 0);
    assert_true(rows_size(&s) < before);
    expect_rows(&s, 14, 20);
    open_store_again(&s);
    expect_rows(&s, 14, 20);
    assert_int_equal(rsi_compact_rows(s.store, "nobody", RSI_COMPACT_ALL), RAGSTORE_E_NOT_FOUND);
    open_store_end(&s);
}

/* What a transaction has written is alive only when it has ended. */
static void entities_compact_rows__a_transaction_keeps_its_rows(void **state)
{
    open_store s;
    rsi_tx *tx;
    open_store_begin(&s, state, NULL);
    fill(&s, 3, 1);
    assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
    add_pair(&s, "late");
    assert_int_equal(rsi_compact_rows(s.store, ACME, RSI_COMPACT_ALL), 0);
    assert_int_equal(rsi_tx_commit(tx), 0);
    expect_rows(&s, 2, 8);
    assert_int_equal(rsi_compact_rows(s.store, ACME, RSI_COMPACT_ALL), 0);
    expect_rows(&s, 2, 8);
    open_store_end(&s);
}

static int compact_all(void *user)
{
    open_store *s = user;
    return rsi_compact_rows(s->store, ACME, RSI_COMPACT_ALL);
}

static void entities_compact_rows__each_failing_allocation_leaves_the_living(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    fill(&s, 4, 2);
    assert_true(each_allocation_fails(compact_all, &s, EACH_MAY_SUCCEED | EACH_MAY_KEEP) > 3);
    expect_rows(&s, 4, 8);
    add_pair(&s, "more");
    open_store_again(&s);
    expect_rows(&s, 4, 10);
    open_store_end(&s);
}

/* One flush that fails stops all writing; any other failure is told of and does no harm. */
static void entities_compact_rows__each_failing_call_leaves_the_living(void **state)
{
    open_store s;
    bool struck = true;
    bool refused = false;
    open_store_begin(&s, state, NULL);
    fill(&s, 4, 2);
    open_store_close(&s);
    open_store_keep(&s);
    for (int64_t n = 1; struck; n++) {
        open_store_put_back(&s);
        assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
        fault_files_fail(&s.faults, FAULT_ANY, n, EIO, false);
        int status = compact_all(&s);
        struck = fault_files_struck(&s.faults);
        fault_files_disarm(&s.faults);
        if (!struck)
            assert_int_equal(status, 0);
        refused |= status == RAGSTORE_E_FAILED;
        reopen_after_fault(&s);
        expect_rows(&s, 4, 8);
        add_pair(&s, "more");
        expect_rows(&s, 4, 10);
        open_store_close(&s);
    }
    assert_true(refused);
    open_store_put_back(&s);
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
    open_store_end(&s);
}

/* ---- unasked ---- */

#define WIDE 4096

/* Documents of 16 KiB of vector each: enough for upkeep to care. */
static void fill_wide(open_store *s, int documents, int deleted)
{
    static float vector[WIDE];
    rsi_added added[16];
    assert_true(documents <= 16);
    for (int i = 0; i < documents; i++) {
        char name[16];
        char json[64];
        snprintf(name, sizeof name, "w%d", i);
        snprintf(json, sizeof json, "[{\"text\": \"wide %d\"}]", i);
        memset(vector, 0, sizeof vector);
        vector[i] = 1;
        added[i] = open_store_add_chunks(s, name, json, vector, WIDE);
    }
    for (int i = 0; i < deleted; i++)
        assert_int_equal(rsi_document_delete(s->store, ACME, s->incarnation, added[i].doc_id), 0);
}

/* Until nothing waits, or something failed. */
static int do_upkeep(open_store *s)
{
    bool did = true;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && did)
        status = rsi_upkeep_step(s->store, true, &did);
    return status;
}

/* On a full disk it waits, and is done when there is room again, without a further change. */
static void entities_compact_rows__unasked_is_made_up_for_after_a_full_disk(void **state)
{
    open_store s;
    bool struck = true;
    open_store_begin(&s, state, NULL);
    open_store_close(&s);
    open_store_keep(&s);
    for (int64_t n = 1; struck; n++) {
        open_store_put_back(&s);
        assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
        fill_wide(&s, 12, 9);
        const uint64_t before = rows_size(&s);
        fault_files_fail(&s.faults, FAULT_WRITE, n, ENOSPC, false);
        (void)do_upkeep(&s);
        struck = fault_files_struck(&s.faults);
        fault_files_disarm(&s.faults);
        assert_int_equal(do_upkeep(&s), 0);
        assert_true(rows_size(&s) < before / 2);
        rsi_catalog *catalog = acquire(&s);
        for (int64_t chunk = 9; chunk < 12; chunk++) {
            const float *row;
            assert_int_equal(rsi_rows_get(&row, catalog->rows, chunk), 0);
            assert_float_equal(row[chunk], 1, 0);
        }
        rsi_catalog_release(s.store, catalog);
        open_store_close(&s);
    }
    open_store_put_back(&s);
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(entities_compact_rows__leaves_the_living),
        FRESH(entities_compact_rows__a_transaction_keeps_its_rows),
        FRESH(entities_compact_rows__each_failing_allocation_leaves_the_living),
        FRESH(entities_compact_rows__each_failing_call_leaves_the_living),
        FRESH(entities_compact_rows__unasked_is_made_up_for_after_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
