/* What is held in memory of an entity: loading, changes that follow commits, staleness, memory. */
#include "entities_fixture.h"

static void entities_catalog__holds_what_was_committed(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    rsi_added one = add_pair(&s, "one");
    rsi_added two = add_pair(&s, "two");
    for (int again = 0; again < 2; again++) {
        rsi_catalog *catalog = acquire(&s);
        assert_true(catalog->is_loaded);
        assert_int_equal(catalog->document_count, 2);
        assert_int_equal(catalog->alive.count, 4);
        assert_int_equal(rsi_lexical_count(catalog->lexical), 4);
        assert_non_null(catalog->rows);
        assert_null(catalog->rows_problem);
        assert_int_equal(rsi_catalog_next_chunk(catalog, 0), 4);
        assert_int_equal(rsi_catalog_next_chunk(catalog, 9), 9);
        assert_string_equal(rsi_catalog_document_of(catalog, 3)->doc_id, two.doc_id);
        assert_string_equal(rsi_catalog_document_of(catalog, 0)->name, "one");
        assert_null(rsi_catalog_document_of(catalog, 4));
        assert_null(rsi_catalog_document_of(catalog, -1));
        assert_ptr_equal(rsi_catalog_find_document(catalog, one.doc_id), &catalog->documents[0]);
        assert_null(rsi_catalog_find_document(catalog, "doc_x"));
        assert_true(rsi_catalog_memory(catalog) > sizeof *catalog);
        rsi_catalog_release(s.store, catalog);
        open_store_again(&s);
    }
    open_store_end(&s);
}

static void entities_catalog__follows_each_commit(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    rsi_catalog *catalog = acquire(&s);
    assert_int_equal(catalog->alive.count, 0);
    rsi_added one = add_pair(&s, "one");
    assert_int_equal(catalog->alive.count, 2);
    add_pair(&s, "two");
    assert_int_equal(rsi_document_delete(s.store, ACME, s.incarnation, one.doc_id), 0);
    assert_int_equal(catalog->alive.count, 2);
    assert_false(rsi_bitset_has(&catalog->alive, 0));
    assert_int_equal(catalog->document_count, 1);
    assert_int_equal(rsi_lexical_count(catalog->lexical), 2);
    add_pair(&s, "three"); /* numbers are never used again */
    assert_int_equal(catalog->documents[1].first_chunk, 4);
    assert_false(catalog->is_stale);
    rsi_catalog *same = acquire(&s);
    assert_ptr_equal(same, catalog);
    rsi_catalog_release(s.store, same);
    rsi_catalog_release(s.store, catalog);
    open_store_end(&s);
}

/* The catalog is shared: what an open transaction did must not be seen in it. */
static void entities_catalog__is_never_ahead_of_a_commit(void **state)
{
    open_store s;
    rsi_tx *tx;
    open_store_begin(&s, state, NULL);
    add_pair(&s, "one");
    assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
    add_pair(&s, "two");
    rsi_catalog *catalog = acquire(&s);
    assert_int_equal(catalog->alive.count, 2);
    rsi_tx_abort(tx);
    assert_int_equal(catalog->alive.count, 2);
    rsi_catalog_release(s.store, catalog);
    assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
    add_pair(&s, "two");
    assert_int_equal(rsi_tx_commit(tx), 0);
    catalog = acquire(&s);
    assert_int_equal(catalog->alive.count, 4);
    rsi_catalog_release(s.store, catalog);
    open_store_end(&s);
}

static void entities_catalog__gives_its_memory_back(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    add_pair(&s, "one");
    rsi_catalog_release(s.store, acquire(&s));
    s.store->memory_limit_bytes = 1;
    rsi_catalog *first = acquire(&s);
    rsi_catalog *second = acquire(&s); /* in use: kept */
    assert_ptr_equal(first, second);
    rsi_catalog_release(s.store, first);
    assert_int_equal(s.store->catalogs.count, 1);
    rsi_catalog_release(s.store, second);
    assert_int_equal(s.store->catalogs.count, 0);
    first = acquire(&s); /* made anew */
    assert_int_equal(first->alive.count, 2);
    rsi_catalog_release(s.store, first);
    rsi_catalog_release(s.store, NULL);
    open_store_end(&s);
}

static void entities_catalog__is_not_given_for_another_incarnation(void **state)
{
    open_store s;
    rsi_catalog *catalog = (rsi_catalog *)&s;
    open_store_begin(&s, state, NULL);
    rsi_catalog *held = acquire(&s);
    assert_int_equal(rsi_catalog_acquire(&catalog, s.store, "nobody", s.incarnation),
                     RAGSTORE_E_NOT_FOUND);
    assert_null(catalog);
    assert_int_equal(
        rsi_catalog_acquire(&catalog, s.store, ACME, "00000000000000000000000000000000"),
        RAGSTORE_E_NOT_FOUND);
    assert_null(catalog);
    rsi_catalog_release(s.store, held);
    catalog = acquire(&s);
    rsi_catalog_release(s.store, catalog);
    open_store_end(&s);
}

static void entities_catalog__ignores_chunks_that_no_document_claims(void **state)
{
    static const char stray[] = "{\"doc_id\":\"doc_x\",\"content\":\"stray\"}";
    open_store s;
    rsi_tx *tx;
    open_store_begin(&s, state, NULL);
    add_pair(&s, "one");
    assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
    assert_int_equal(rsi_tx_row_put(tx, RSI_SPACE_CHUNKS, ACME, 1, stray, sizeof stray - 1), 0);
    assert_int_equal(rsi_tx_row_put(tx, RSI_SPACE_CHUNKS, ACME, 8, stray, sizeof stray - 1), 0);
    assert_int_equal(rsi_tx_commit(tx), 0);
    open_store_again(&s);
    rsi_catalog *catalog = acquire(&s);
    assert_int_equal(catalog->alive.count, 1);
    assert_true(rsi_bitset_has(&catalog->alive, 0));
    rsi_catalog_release(s.store, catalog);
    open_store_end(&s);
}

/* ---- faults ---- */

static int load_once(void *user)
{
    open_store *s = user;
    rsi_catalog *catalog;
    rsi_catalogs_free(s->store);
    int status = rsi_catalog_acquire(&catalog, s->store, ACME, s->incarnation);
    assert_true((status == RAGSTORE_OK) == (catalog != NULL));
    if (status == RAGSTORE_OK)
        assert_int_equal(catalog->alive.count, 2);
    rsi_catalog_release(s->store, catalog);
    rsi_catalogs_free(s->store);
    return status;
}

static void entities_catalog__survives_each_failing_allocation(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    add_pair(&s, "one");
    assert_int_equal(load_once(&s), 0);
    /* that its files are to be written is forgotten then; the next change or export tells again */
    assert_true(each_allocation_fails(load_once, &s, EACH_MAY_KEEP | EACH_MAY_SUCCEED) > 20);
    assert_int_equal(load_once(&s), 0);
    open_store_end(&s);
}

static void entities_catalog__survives_each_failing_file_call(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    add_pair(&s, "one");
    assert_true(each_file_call_fails(&s, load_once, &s, EACH_MAY_SUCCEED) > 0);
    assert_int_equal(load_once(&s), 0);
    open_store_end(&s);
}

/* A change that cannot be applied makes the catalog stale, and the next one is right. */
static void entities_catalog__is_made_anew_after_a_change_that_failed(void **state)
{
    static const float vectors[] = {1, 0};
    const rsi_document_fields fields = {.filename = "n"};
    open_store s;
    open_store_begin(&s, state, NULL);
    int64_t documents = 0;
    for (uint64_t n = 1;; n++) {
        char json[64];
        rsi_added added;
        snprintf(json, sizeof json, "[{\"text\": \"text %d\"}]", (int)n);
        rsi_catalog_release(s.store, acquire(&s));
        fault_memory_fail(n, false);
        int status = rsi_document_add_chunks(&added, s.store, ACME, s.incarnation, json, vectors, 2,
                                             &fields);
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        assert_true(status == RAGSTORE_OK || status == RAGSTORE_E_NO_MEMORY);
        documents += status == RAGSTORE_OK;
        rsi_catalog *catalog = acquire(&s);
        assert_int_equal(catalog->document_count, documents);
        assert_int_equal(catalog->alive.count, documents);
        rsi_catalog_release(s.store, catalog);
        if (!failed)
            break;
    }
    assert_true(documents > 1); /* some failed after the commit */
    open_store_expect_totals(&s, (uint64_t)documents, (uint64_t)documents);
    open_store_again(&s);
    open_store_expect_totals(&s, (uint64_t)documents, (uint64_t)documents);
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(entities_catalog__holds_what_was_committed),
        FRESH(entities_catalog__follows_each_commit),
        FRESH(entities_catalog__is_never_ahead_of_a_commit),
        FRESH(entities_catalog__gives_its_memory_back),
        FRESH(entities_catalog__is_not_given_for_another_incarnation),
        FRESH(entities_catalog__ignores_chunks_that_no_document_claims),
        FRESH(entities_catalog__survives_each_failing_allocation),
        FRESH(entities_catalog__survives_each_failing_file_call),
        FRESH(entities_catalog__is_made_anew_after_a_change_that_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
