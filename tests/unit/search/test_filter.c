/* Which chunks may appear: documents by id, metadata by query. */
#include "search/metadata.h"
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

/* Filters that the entity was not asked before, each as it is answered without a column. */
static void search_filter__answers_alike_by_a_column(void **state)
{
    static const char *const filters[] = {
        "{\"year\": {\"$gte\": 1955, \"$lt\": 1961}}", "{\"year\": 1970}",
        "{\"year\": {\"$in\": [1955, 1970, 7]}}",      "{\"year\": {\"$gt\": 1955}}",
        "{\"year\": null}",                            "{\"year\": {\"$ne\": 1955}}",
        "{\"year\": {\"$lte\": \"z\"}}",               "{\"year\": {\"$exists\": true}}",
        "{\"$and\": [{\"year\": 1960}, {\"part\": \"stall\"}]}",
        "{\"$or\": [{\"year\": 1960}, {\"part\": \"stall\"}]}",
        "{\"part\": \"stall\", \"year\": 1960}",       "{\"years\": {\"$gt\": 3, \"$lt\": 6}}",
        "{\"years\": 9}",                              "{\"a.b\": 1}",
        "{\"\": 1}",                                 "{\"$and\": [{\"\": {\"$gt\": 1}}]}",
        "{\"\\u0079ear\": 1960}",                     "{\"$and\": [{\"$and\": [{\"year\": 1955}]}]}",
        "{\"a.b\": {\"$gt\": 1}}",                     "{\"year\": {\"$not\": {\"$gt\": 1955}}}",
    };
    const rsi_document_fields other = {.metadata_json = "{\"year\": 1970}"};
    searched f;
    searched_begin(&f, state, false);
    add_with(&f, "more.txt", "{\"a\": {\"b\": 1}}",
             "[{\"text\": \"kites\", \"metadata\": {\"years\": [1, 9], \"year\": 1955}},"
             " {\"text\": \"balloons\", \"metadata\": {\"years\": 4, \"a\": [{\"b\": 2}, {\"b\": 0}]}},"
             " {\"text\": \"gliders\"}]",
             NULL);
    for (int change = 0; change < 3; change++) {
        for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
            rsi_search_query query = words("x", RAGSTORE_MODE_KEYWORD);
            const char *all[] = {f.wings.doc_id, f.jets.doc_id, f.notes.doc_id};
            const uint64_t found = by_metadata(&f, filters[i]); /* from the second on by columns */
            query.filter_json = filters[i];
            query.doc_ids = all;
            query.doc_ids_count = 3;
            if ((found & 0x1f) != allowed_by(&f, &query)) /* never by a column */
                fail_msg("%s: %x, not %x", filters[i], (unsigned)found & 0x1f,
                         (unsigned)allowed_by(&f, &query));
            rsi_catalog *catalog = acquire(&f);
            rsi_filter_cache_forget(&catalog->filters, 0);
            rsi_catalog_release(f.s.store, catalog);
        }
        assert_int_equal(by_metadata(&f, "{\"years\": {\"$gt\": 3, \"$lt\": 6}}"), 0x60);
        assert_int_equal(by_metadata(&f, "{\"a.b\": 2}"), 0x40);
        assert_int_equal(by_metadata(&f, "{\"a.b\": 1}"), 0xa0);
        if (change == 0)
            assert_int_equal(
                rsi_document_update(f.s.store, ACME, f.s.incarnation, f.notes.doc_id, &other), 0);
        else if (change == 1)
            assert_int_equal(rsi_document_delete(f.s.store, ACME, f.s.incarnation, f.jets.doc_id),
                             0);
    }
    searched_end(&f);
}

/* A chunk that can pass is looked at, no other one. */
static void search_filter__looks_only_where_a_column_lets_pass(void **state)
{
    searched f;
    rsi_column *column;
    searched_begin(&f, state, false);
    assert_int_equal(by_metadata(&f, "{\"year\": 1}"), 0);
    assert_int_equal(by_metadata(&f, "{\"year\": 2}"), 0); /* makes the column */
    rsi_catalog *catalog = acquire(&f);
    assert_int_equal(rsi_columns_acquire(&column, &catalog->columns, "year"), 0);
    assert_non_null(column);
    assert_int_equal(column->until, 5);
    assert_int_equal(column->count, 5); /* three documents, two chunks with their own */
    column->count = 1;                  /* the first document's alone */
    rsi_columns_release(&catalog->columns);
    rsi_catalog_release(f.s.store, catalog);
    assert_int_equal(by_metadata(&f, "{\"year\": {\"$gt\": 1900}}"), 0x03);
    add_with(&f, "new.txt", "{\"year\": 1950}", "[{\"text\": \"kites\"}]", NULL);
    assert_int_equal(by_metadata(&f, "{\"year\": {\"$gt\": 1901}}"), 0x23);
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
    rsi_columns_forget(&call->catalog->columns, 0);
    return status;
}

/* The same, when an earlier filter asked about the member. */
static int filter_by_column_once(void *user)
{
    filter_call *call = user;
    rsi_column *column;
    int status = rsi_columns_acquire(&column, &call->catalog->columns, "part");
    assert_null(column);
    return status == RAGSTORE_OK ? filter_once(user) : status;
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
    assert_true(each_allocation_fails(filter_by_column_once, &call, 0) > 10);
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
        FRESH(search_filter__answers_alike_by_a_column),
        FRESH(search_filter__looks_only_where_a_column_lets_pass),
        FRESH(search_filter__survives_each_failing_allocation),
        cmocka_unit_test(search_filter__overlays_members_and_keeps_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
