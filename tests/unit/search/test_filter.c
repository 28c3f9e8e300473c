/* Which chunks may appear: documents by id, metadata by query. */
#include "search_fixture.h"

/* The allowed chunks as bits. */
static uint64_t allowed_by(searched *f, const rsi_search_query *query)
{
    rsi_bitset allowed;
    rsi_catalog *catalog = acquire(f);
    uint64_t bits = 0;
    if (rsi_search_filter_locked(&allowed, f->s.store, catalog, query) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    for (int64_t chunk = rsi_bitset_next(&allowed, 0); chunk >= 0;
         chunk = rsi_bitset_next(&allowed, chunk + 1))
        bits |= UINT64_C(1) << chunk;
    rsi_bitset_free(&allowed);
    rsi_catalog_release(f->s.store, catalog);
    return bits;
}

static uint64_t by_metadata(searched *f, const char *filter)
{
    rsi_search_query query = words("x", RAGSTORE_MODE_KEYWORD);
    query.filter_json = filter;
    return allowed_by(f, &query);
}

static void search_filter__allows_all_that_live_without_a_filter(void **state)
{
    searched f;
    rsi_search_query query = words("x", RAGSTORE_MODE_KEYWORD);
    searched_begin(&f, state, false);
    assert_int_equal(allowed_by(&f, &query), 0x1f);
    assert_int_equal(rsi_document_delete(f.s.store, ACME, f.s.incarnation, f.jets.doc_id), 0);
    assert_int_equal(allowed_by(&f, &query), 0x13);
    assert_int_equal(by_metadata(&f, "{}"), 0x13);
    searched_end(&f);
}

static void search_filter__allows_named_documents_only(void **state)
{
    searched f;
    searched_begin(&f, state, false);
    const char *ids[] = {f.notes.doc_id, f.wings.doc_id, f.wings.doc_id, "doc_of_nobody"};
    rsi_search_query query = words("x", RAGSTORE_MODE_KEYWORD);
    query.doc_ids = ids;
    query.doc_ids_count = 4;
    assert_int_equal(allowed_by(&f, &query), 0x13);
    query.doc_ids_count = 1;
    assert_int_equal(allowed_by(&f, &query), 0x10);
    query.doc_ids_count = 0; /* an empty list allows none */
    assert_int_equal(allowed_by(&f, &query), 0);
    searched_end(&f);
}

static void search_filter__lays_a_chunks_metadata_over_its_documents(void **state)
{
    searched f;
    searched_begin(&f, state, false);
    assert_int_equal(by_metadata(&f, "{\"year\": 1960}"), 0x03);
    assert_int_equal(by_metadata(&f, "{\"year\": 1955}"), 0x04);
    assert_int_equal(by_metadata(&f, "{\"year\": 1970}"), 0x08);
    assert_int_equal(by_metadata(&f, "{\"part\": \"stall\", \"year\": {\"$lt\": 1965}}"), 0x02);
    assert_int_equal(by_metadata(&f, "{\"year\": {\"$exists\": false}}"), 0x10);
    assert_int_equal(by_metadata(&f, "{\"year\": 1800}"), 0);
    searched_end(&f);
}

static void search_filter__follows_dots_into_objects_and_arrays(void **state)
{
    searched f;
    searched_begin(&f, state, false);
    add_with(&f, "deep.txt", "{\"a\": {\"b\": [{\"c\": 1}, {\"c\": 5}]}, \"ab\": 7}",
             "[{\"text\": \"deep\"}]", NULL);
    assert_int_equal(by_metadata(&f, "{\"a.b.c\": 5}"), 0x20);
    assert_int_equal(by_metadata(&f, "{\"a.b.1.c\": 5}"), 0x20);
    assert_int_equal(by_metadata(&f, "{\"a.b.0.c\": 5}"), 0);
    assert_int_equal(by_metadata(&f, "{\"a..c\": 5}"), 0);
    assert_int_equal(by_metadata(&f, "{\"a.b.2.c\": {\"$exists\": true}}"), 0);
    assert_int_equal(by_metadata(&f, "{\"ab.c\": 7}"), 0);
    searched_end(&f);
}

static void search_filter__combines_documents_and_metadata(void **state)
{
    searched f;
    searched_begin(&f, state, false);
    const char *ids[] = {f.jets.doc_id};
    rsi_search_query query = words("x", RAGSTORE_MODE_KEYWORD);
    query.doc_ids = ids;
    query.doc_ids_count = 1;
    query.filter_json = "{\"year\": {\"$gte\": 1960}}";
    assert_int_equal(allowed_by(&f, &query), 0x08);
    searched_end(&f);
}

static void search_filter__refuses_what_is_not_a_query(void **state)
{
    static const char *const bad[] = {"{\"year\": {\"$near\": 3}}", "{\"$where\": \"1\"}", "[1]",
                                      "7"};
    searched f;
    searched_begin(&f, state, false);
    rsi_catalog *catalog = acquire(&f);
    rsi_bitset allowed;
    rsi_search_query query = words("x", RAGSTORE_MODE_KEYWORD);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        query.filter_json = bad[i];
        assert_int_equal(rsi_search_filter_locked(&allowed, f.s.store, catalog, &query),
                         RAGSTORE_E_QUERY);
        expect_message("filter: ");
        assert_null(allowed.words);
    }
    query.filter_json = "{\"year\": ";
    assert_int_equal(rsi_search_filter_locked(&allowed, f.s.store, catalog, &query),
                     RAGSTORE_E_INVALID_DATA);
    assert_null(allowed.words);
    rsi_catalog_release(f.s.store, catalog);
    searched_end(&f);
}

static void search_filter__remembers_what_passed(void **state)
{
    static const char early[] = "{\"year\": {\"$lt\": 1965}}";
    const rsi_document_fields later = {.metadata_json = "{\"year\": 1999}"};
    searched f;
    searched_begin(&f, state, false);
    assert_int_equal(by_metadata(&f, early), 0x07);
    rsi_bitset planted = {0};
    assert_int_equal(rsi_bitset_add(&planted, 4), 0);
    rsi_catalog *catalog = acquire(&f);
    assert_int_equal(rsi_filter_cache_put(&catalog->filters, early, &planted, 5), 0);
    rsi_catalog_release(f.s.store, catalog);
    rsi_bitset_free(&planted);
    assert_int_equal(by_metadata(&f, early), 0x10); /* nobody looked again */
    add_with(&f, "new.txt", "{\"year\": 1950}",
             "[{\"text\": \"balloons\"}, {\"text\": \"kites\", \"metadata\": {\"year\": 1966}}]",
             NULL);
    assert_int_equal(by_metadata(&f, early), 0x30); /* but at what came */
    assert_int_equal(
        rsi_document_update(f.s.store, ACME, f.s.incarnation, f.wings.doc_id, &later), 0);
    assert_int_equal(by_metadata(&f, early), 0x24); /* and at all after a change */
    assert_int_equal(rsi_document_delete(f.s.store, ACME, f.s.incarnation, f.jets.doc_id), 0);
    assert_int_equal(by_metadata(&f, early), 0x20);
    searched_end(&f);
}

static void search_filter__forgets_what_a_transaction_saw(void **state)
{
    static const char early[] = "{\"year\": {\"$lt\": 1965}}";
    searched f;
    rsi_tx *tx;
    searched_begin(&f, state, false);
    assert_int_equal(rsi_tx_begin(&tx, f.s.store->storage), 0);
    assert_int_equal(rsi_document_delete(f.s.store, ACME, f.s.incarnation, f.wings.doc_id), 0);
    by_metadata(&f, early);
    rsi_tx_abort(tx);
    assert_int_equal(by_metadata(&f, early), 0x07);
    searched_end(&f);
}

typedef struct filter_call {
    searched *f;
    rsi_catalog *catalog;
    const rsi_search_query *query;
} filter_call;

static int filter_once(void *user)
{
    filter_call *call = user;
    rsi_bitset allowed;
    int status = rsi_search_filter_locked(&allowed, call->f->s.store, call->catalog, call->query);
    assert_true(status == RAGSTORE_OK || allowed.words == NULL);
    rsi_bitset_free(&allowed);
    rsi_filter_cache_forget(&call->catalog->filters, 0); /* the next call does it all again */
    return status;
}

static void search_filter__survives_each_failing_allocation(void **state)
{
    searched f;
    searched_begin(&f, state, false);
    const char *ids[] = {f.jets.doc_id, f.wings.doc_id};
    rsi_search_query query = words("x", RAGSTORE_MODE_KEYWORD);
    filter_call call = {&f, acquire(&f), &query};
    assert_true(each_allocation_fails(filter_once, &call, 0) > 0);
    query.doc_ids = ids;
    query.doc_ids_count = 2;
    assert_true(each_allocation_fails(filter_once, &call, 0) > 0);
    query.filter_json = "{\"part\": {\"$in\": [\"stall\", \"flap\"]}, \"a.b.c\": {\"$ne\": 1}}";
    assert_true(each_allocation_fails(filter_once, &call, 0) > 4);
    query.doc_ids = NULL;
    assert_true(each_allocation_fails(filter_once, &call, 0) > 6);
    rsi_catalog_release(f.s.store, call.catalog);
    searched_end(&f);
}

static void search_filter__overlays_members_and_keeps_the_rest(void **state)
{
    static const char document_text[] = "{\"a\":1,\"b\":{\"c\":2},\"d\":3,\"\\u0066\":5,\"g\":6}";
    static const char chunk_text[] = "{\"b\":null,\"e\":[4],\"f\":7,\"\\u0067\":8}";
    static const char merged[] =
        "{\"a\":1,\"d\":3,\"b\":null,\"e\":[4],\"f\":7,\"\\u0067\":8}";
    rsi_json_view document;
    rsi_json_view chunk;
    rsi_bytes out = {0};
    const rsi_json_view nothing = {.kind = RSI_JSON_MISSING};
    (void)state;
    assert_int_equal(
        rsi_json_view_of_text(&document, document_text, sizeof document_text - 1), 0);
    assert_int_equal(rsi_json_view_of_text(&chunk, chunk_text, sizeof chunk_text - 1), 0);
    assert_int_equal(rsi_metadata_overlay(&out, &document, &chunk), 0);
    assert_string_equal(out.data, merged);
    rsi_bytes_clear(&out);
    assert_int_equal(rsi_metadata_overlay(&out, &nothing, &nothing), 0);
    assert_string_equal(out.data, "{}");
    rsi_bytes_free(&out);
    fault_memory_install();
    for (size_t failing = 1; failing <= 2; failing++) { /* the output; then a decoded name */
        fault_memory_fail(failing, false);
        assert_int_equal(rsi_metadata_overlay(&out, &document, &chunk), RAGSTORE_E_NO_MEMORY);
        fault_memory_disarm();
        rsi_bytes_free(&out);
    }
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(search_filter__allows_all_that_live_without_a_filter),
        FRESH(search_filter__allows_named_documents_only),
        FRESH(search_filter__lays_a_chunks_metadata_over_its_documents),
        FRESH(search_filter__follows_dots_into_objects_and_arrays),
        FRESH(search_filter__combines_documents_and_metadata),
        FRESH(search_filter__refuses_what_is_not_a_query),
        FRESH(search_filter__remembers_what_passed),
        FRESH(search_filter__forgets_what_a_transaction_saw),
        FRESH(search_filter__survives_each_failing_allocation),
        cmocka_unit_test(search_filter__overlays_members_and_keeps_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
