/* From a chunk number to everything that a caller is told about it, and results as JSON. */
#include "search/hit_details.h"
#include "search_fixture.h"

static void search_hit_details__tells_all_about_a_chunk(void **state)
{
    searched f;
    rsi_found found;
    searched_begin(&f, state, false);
    rsi_catalog *catalog = acquire(&f);
    assert_int_equal(rsi_found_fill(&found, f.s.store, catalog, 0, 0), 0);
    assert_int_equal(found.chunk, 0);
    assert_int_equal(found.order, 0);
    assert_int_equal(found.start, 0);
    assert_int_equal(found.end, 23);
    assert_int_equal(found.page, 2);
    assert_string_equal(found.content, "wings lift the aircraft");
    assert_string_equal(found.doc_id, f.wings.doc_id);
    assert_string_equal(found.doc_name, "wings.txt");
    assert_string_equal(found.source, "wings.txt");
    assert_string_equal(found.heading, "");
    assert_string_equal(found.metadata, "{\"year\":1960}");
    rsi_found_clear(&found);
    assert_int_equal(rsi_found_fill(&found, f.s.store, catalog, 3, 0), 0);
    assert_int_equal(found.order, 1);
    assert_int_equal(found.start, -1);
    assert_int_equal(found.page, 0);
    assert_string_equal(found.metadata, "{\"year\":1970}");
    rsi_found_clear(&found);
    rsi_catalog_release(f.s.store, catalog);
    searched_end(&f);
}

static void search_hit_details__joins_neighbors_within_the_document(void **state)
{
    searched f;
    rsi_found found;
    searched_begin(&f, state, false);
    rsi_catalog *catalog = acquire(&f);
    for (int64_t chunk = 0; chunk < 2; chunk++) {
        assert_int_equal(rsi_found_fill(&found, f.s.store, catalog, chunk, 1), 0);
        assert_string_equal(found.content,
                            "wings lift the aircraft\n\na wing stalls at a large angle");
        rsi_found_clear(&found);
    }
    assert_int_equal(rsi_found_fill(&found, f.s.store, catalog, 4, UINT32_MAX), 0);
    assert_string_equal(found.content, "paper and ink");
    rsi_found_clear(&found);
    rsi_catalog_release(f.s.store, catalog);
    searched_end(&f);
}

static void search_hit_details__finds_no_chunk_that_is_not_there(void **state)
{
    static const int64_t numbers[] = {5, -1, INT64_MAX - 1, INT64_MIN};
    searched f;
    rsi_found found;
    searched_begin(&f, state, false);
    rsi_catalog *catalog = acquire(&f);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_int_equal(rsi_found_fill(&found, f.s.store, catalog, numbers[i], 0),
                         RAGSTORE_E_NOT_FOUND);
        assert_null(found.content);
        assert_null(found.doc_id);
    }
    rsi_catalog_release(f.s.store, catalog);
    searched_end(&f);
}

typedef struct filling {
    searched *f;
    rsi_catalog *catalog;
    int64_t chunk;
    uint32_t neighbors;
} filling;

static int fill_once(void *user)
{
    filling *fill = user;
    rsi_found found;
    int status = rsi_found_fill(&found, fill->f->s.store, fill->catalog, fill->chunk,
                                fill->neighbors);
    if (status == RAGSTORE_OK)
        rsi_found_clear(&found);
    else
        assert_null(found.content);
    return status;
}

static void search_hit_details__survives_each_failing_allocation(void **state)
{
    searched f;
    searched_begin(&f, state, false);
    filling fill = {&f, acquire(&f), 0, 0};
    const size_t alone = each_allocation_fails(fill_once, &fill, 0);
    assert_true(alone >= 2);
    fill.chunk = 1; /* has metadata of its own */
    fill.neighbors = 2;
    assert_true(each_allocation_fails(fill_once, &fill, 0) > alone);
    rsi_catalog_release(f.s.store, fill.catalog);
    searched_end(&f);
}

static int write_once(void *user)
{
    rsi_bytes out = {0};
    int status = rsi_result_json(&out, user);
    if (status == RAGSTORE_OK)
        assert_string_equal(
            out.data,
            "[{\"content\":\"a \\\"b\\\"\",\"doc_id\":\"doc_1\",\"chunk_order_index\":4,"
            "\"source\":\"s\",\"score\":0.5,\"doc_name\":\"n\",\"chunk_number\":9,"
            "\"scores\":{\"vector\":null,\"keyword\":0.25},\"metadata\":{\"k\":[1]},"
            "\"heading\":\"h\",\"page\":null,\"start\":null,\"end\":null},"
            "{\"content\":\"\",\"doc_id\":\"doc_1\",\"chunk_order_index\":0,"
            "\"source\":\"s\",\"score\":0.0,\"doc_name\":\"n\",\"chunk_number\":5,"
            "\"scores\":{\"vector\":-1.0,\"keyword\":null},\"metadata\":{},"
            "\"heading\":\"\",\"page\":3,\"start\":0,\"end\":7}]");
    rsi_bytes_free(&out);
    return status;
}

static void search_hit_details__writes_results_as_json(void **state)
{
    rsi_found items[] = {{.chunk = 9,
                          .order = 4,
                          .start = -1,
                          .end = -1,
                          .score = 0.5f,
                          .vector_score = NAN,
                          .keyword_score = 0.25f,
                          .content = "a \"b\"",
                          .doc_id = "doc_1",
                          .doc_name = "n",
                          .source = "s",
                          .metadata = "{\"k\":[1]}",
                          .heading = "h"},
                         {.chunk = 5,
                          .end = 7,
                          .page = 3,
                          .vector_score = -1,
                          .keyword_score = NAN,
                          .content = "",
                          .doc_id = "doc_1",
                          .doc_name = "n",
                          .source = "s",
                          .metadata = "{}",
                          .heading = ""}};
    rsi_result result = {items, 2, RAGSTORE_MODE_HYBRID};
    rsi_result nothing = {NULL, 0, RAGSTORE_MODE_HYBRID};
    rsi_bytes out = {0};
    (void)state;
    fault_memory_install();
    assert_true(each_allocation_fails(write_once, &result, 0) > 0);
    assert_int_equal(rsi_result_json(&out, &nothing), 0);
    assert_string_equal(out.data, "[]");
    rsi_bytes_free(&out);
    rsi_result_free(NULL);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(search_hit_details__tells_all_about_a_chunk),
        FRESH(search_hit_details__joins_neighbors_within_the_document),
        FRESH(search_hit_details__finds_no_chunk_that_is_not_there),
        FRESH(search_hit_details__survives_each_failing_allocation),
        cmocka_unit_test(search_hit_details__writes_results_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
