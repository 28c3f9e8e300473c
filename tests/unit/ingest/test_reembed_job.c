/* Reembedding under faults: an entity has all vectors or none, and searches answer. */
#include "document_fixture.h"

static rsi_embedder *the_embedder(void)
{
    rsi_embedder *embedder;
    assert_int_equal(rsi_embedder_open_hashing(&embedder, 16), 0);
    return embedder;
}

static bool has_vectors(open_store *s)
{
    rsi_entity_record entity;
    assert_int_equal(rsi_entity_read(&entity, s->store, ACME, s->incarnation), 0);
    const bool has = entity.embedder != NULL;
    rsi_entity_record_free(&entity);
    return has;
}

/* Each chunk has a vector when the entity says so. */
static void expect_whole(open_store *s)
{
    rsi_catalog *catalog;
    rsi_bitset missing = {0};
    if (!has_vectors(s))
        return;
    assert_int_equal(rsi_catalog_acquire(&catalog, s->store, ACME, s->incarnation), 0);
    assert_non_null(catalog->rows);
    assert_int_equal(rsi_rows_missing(&missing, catalog->rows, &catalog->alive), 0);
    assert_int_equal(missing.count, 0);
    rsi_bitset_free(&missing);
    rsi_catalog_release(s->store, catalog);
}

static void begin_keyword_only(open_store *s, void **state)
{
    open_store_begin(s, state, NULL);
    open_store_add_text(s, "a.txt", "Wings lift the aircraft.", NULL);
    open_store_add_text(s, "b.txt", "Jets push it.", NULL);
    open_store_close(s);
    s->embedder = the_embedder();
}

static void ingest_reembed_job__is_whole_or_absent_after_each_failing_file_call(void **state)
{
    open_store s;
    unsigned failures = 0;
    begin_keyword_only(&s, state);
    rsi_embedder *embedder = s.embedder;
    open_store_keep(&s);
    for (int64_t n = 1;; n++) {
        char id[RSI_JOB_ID_MAX];
        open_store_put_back(&s);
        assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
        fault_files_fail(&s.faults, FAULT_ANY, n, n % 2 == 0 ? EIO : ENOSPC, false);
        int status = rsi_reembed_submit(id, s.store, ACME, s.incarnation);
        if (status == RAGSTORE_OK)
            status = open_store_work(&s);
        const bool struck = fault_files_struck(&s.faults);
        fault_files_disarm(&s.faults);
        failures += struck;
        (void)rsi_store_close(s.store); /* may say again what failed */
        rsi_store_free(s.store);
        assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
        expect_whole(&s);
        open_store_expect_totals(&s, 2, 2);
        /* another try, or the same one, gets by */
        assert_int_equal(rsi_reembed_submit(id, s.store, ACME, s.incarnation), 0);
        assert_int_equal(open_store_work(&s), 0);
        assert_true(has_vectors(&s));
        expect_whole(&s);
        open_store_close(&s);
        if (!struck)
            break;
    }
    assert_true(failures > 20);
    rsi_embedder_release(embedder);
    open_store_end(&s);
}

typedef struct attempt {
    open_store *store;
    char id[RSI_JOB_ID_MAX];
} attempt;

/* Make the entity keyword-only again, as far as its record goes. */
static void forget_vectors(open_store *s)
{
    rsi_entity_record entity;
    rsi_tx *tx;
    assert_int_equal(rsi_tx_begin(&tx, s->store->storage), 0);
    assert_int_equal(rsi_entity_read(&entity, s->store, ACME, s->incarnation), 0);
    assert_int_equal(
        rsi_entity_put_counters(tx, &entity, entity.next_chunk, entity.next_row, NULL, 0), 0);
    assert_int_equal(rsi_catalog_forget_on_commit(tx, s->store, ACME), 0);
    assert_int_equal(rsi_tx_commit(tx), 0);
    rsi_entity_record_free(&entity);
}

static int submit_and_work(void *user)
{
    attempt *made = user;
    open_store *s = made->store;
    int status = rsi_reembed_submit(made->id, s->store, ACME, s->incarnation);
    const bool submitted = status == RAGSTORE_OK;
    if (submitted)
        status = open_store_work(s);
    const bool failed = fault_memory_failed();
    fault_memory_disarm();
    if (submitted) {
        expect_whole(s);
        assert_true(failed || has_vectors(s));
        /* nothing when it has ended */
        assert_int_equal(rsi_job_cancel(s->store->jobs, made->id), 0);
        if (has_vectors(s))
            forget_vectors(s);
    }
    return status;
}

static void ingest_reembed_job__survives_each_failing_allocation(void **state)
{
    open_store s;
    attempt made = {.store = &s};
    begin_keyword_only(&s, state);
    rsi_embedder *embedder = s.embedder;
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
    assert_true(each_allocation_fails(submit_and_work, &made, EACH_MAY_KEEP | EACH_MAY_SUCCEED) >
                60);
    open_store_expect_totals(&s, 2, 2);
    rsi_embedder_release(embedder); /* the store has its own hold */
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(ingest_reembed_job__is_whole_or_absent_after_each_failing_file_call),
        FRESH(ingest_reembed_job__survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
