/* Which tier for how many vectors, metric and settings; and how settings are written down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"
#include "entities/index_plan.h"

#include <string.h>

static rsi_index_settings of_kind(const char *kind)
{
    rsi_index_settings settings = {0};
    assert_int_equal(rsi_index_settings_set(&settings, "kind", kind), 0);
    return settings;
}

#define DIMENSION 384

static size_t lists_of(const char *kind, rsi_metric metric, uint32_t dimension, size_t rows)
{
    const rsi_index_settings settings = of_kind(kind);
    return rsi_index_lists(&settings, metric, dimension, rows);
}

static size_t lists(const char *kind, rsi_metric metric, size_t rows)
{
    return lists_of(kind, metric, DIMENSION, rows);
}

static rsi_index_change due_of(const char *kind, rsi_metric metric, uint32_t dimension, size_t rows,
                               size_t there)
{
    const rsi_index_settings settings = of_kind(kind);
    return rsi_index_due(&settings, metric, dimension, rows, there);
}

static rsi_index_change due(const char *kind, rsi_metric metric, size_t rows, size_t there)
{
    return due_of(kind, metric, DIMENSION, rows, there);
}

static void entities_index_plan__by_itself_goes_by_the_number_of_rows(void **state)
{
    (void)state;
    assert_int_equal(lists("auto", RSI_METRIC_COSINE, 0), 0);
    assert_int_equal(lists("auto", RSI_METRIC_COSINE, 8191), 0);
    assert_int_equal(lists("auto", RSI_METRIC_COSINE, 8192), 1);
    assert_int_equal(lists("auto", RSI_METRIC_COSINE, 65535), 1);
    assert_int_equal(lists("auto", RSI_METRIC_COSINE, 65536), 256);
    assert_int_equal(lists("auto", RSI_METRIC_COSINE, 1000000), 1024);
    assert_int_equal(lists("auto", RSI_METRIC_INNER_PRODUCT, 1000000), 1);
    assert_int_equal(lists("auto", RSI_METRIC_L2, 8191), 0);
    assert_int_equal(lists("auto", RSI_METRIC_L2, 8192), 1);
    assert_int_equal(lists("auto", RSI_METRIC_L2, 65535), 1);
    assert_int_equal(lists("auto", RSI_METRIC_L2, 65536), 256);
}

static void entities_index_plan__searches_short_vectors_exactly(void **state)
{
    (void)state;
    assert_int_equal(lists_of("auto", RSI_METRIC_L2, 95, 10000), 0);
    assert_int_equal(lists_of("auto", RSI_METRIC_L2, 96, 10000), 1);
    assert_int_equal(lists_of("auto", RSI_METRIC_COSINE, 63, 1000000), 0);
    assert_int_equal(lists_of("auto", RSI_METRIC_COSINE, 64, 1000000), 1024);
    assert_int_equal(lists_of("auto", RSI_METRIC_INNER_PRODUCT, 95, 1000000), 0);
    assert_int_equal(lists_of("codes", RSI_METRIC_L2, 2, 10000), 1);
    assert_int_equal(lists_of("partition", RSI_METRIC_L2, 2, 10000), 128);
}

static void entities_index_plan__can_be_forced(void **state)
{
    (void)state;
    assert_int_equal(lists("exact", RSI_METRIC_COSINE, 1000000), 0);
    assert_int_equal(lists("codes", RSI_METRIC_COSINE, 1000000), 1);
    assert_int_equal(lists("codes", RSI_METRIC_COSINE, 4097), 1);
    assert_int_equal(lists("codes", RSI_METRIC_COSINE, 4096), 0);
    assert_int_equal(lists("partition", RSI_METRIC_COSINE, 5000), 64);
    assert_int_equal(lists("partition", RSI_METRIC_COSINE, 100), 0);
    assert_int_equal(lists("partition", RSI_METRIC_INNER_PRODUCT, 1000000), 1024);
    assert_int_equal(lists("codes", RSI_METRIC_L2, 4097), 1);
    assert_int_equal(lists("partition", RSI_METRIC_L2, 5000), 64);
}

static void entities_index_plan__helps_exact_search_with_bytes(void **state)
{
    (void)state;
    const rsi_index_settings by_itself = of_kind("auto");
    const rsi_index_settings exact = of_kind("exact");
    const rsi_index_settings faiss = of_kind("faiss:Flat");
    assert_false(rsi_index_wants_bytes(&by_itself, 0, 2047));
    assert_true(rsi_index_wants_bytes(&by_itself, 0, 2048));
    assert_false(rsi_index_wants_bytes(&by_itself, 1, 10000));
    assert_true(rsi_index_wants_bytes(&exact, 0, 1000000));
    assert_false(rsi_index_wants_bytes(&faiss, 0, 1000000));
    assert_true(rsi_index_spares_bytes(1023));
    assert_false(rsi_index_spares_bytes(1024));
}

static void entities_index_plan__makes_again_what_does_not_fit(void **state)
{
    (void)state;
    assert_int_equal(due("auto", RSI_METRIC_COSINE, 100, 0), RSI_INDEX_KEEP);
    assert_int_equal(due("auto", RSI_METRIC_COSINE, 10000, 0), RSI_INDEX_MAKE);
    assert_int_equal(due("auto", RSI_METRIC_COSINE, 10000, 1), RSI_INDEX_KEEP);
    assert_int_equal(due("auto", RSI_METRIC_COSINE, 70000, 1), RSI_INDEX_MAKE);
    assert_int_equal(due("auto", RSI_METRIC_COSINE, 70000, 256), RSI_INDEX_KEEP);
    assert_int_equal(due("auto", RSI_METRIC_COSINE, 1000000, 256), RSI_INDEX_MAKE);
    /* some rows fewer are no reason; many fewer are */
    assert_int_equal(due("auto", RSI_METRIC_COSINE, 60000, 256), RSI_INDEX_KEEP);
    assert_int_equal(due("auto", RSI_METRIC_COSINE, 30000, 256), RSI_INDEX_MAKE);
    assert_int_equal(due("auto", RSI_METRIC_COSINE, 8000, 1), RSI_INDEX_KEEP);
    assert_int_equal(due("auto", RSI_METRIC_COSINE, 4000, 1), RSI_INDEX_DROP);
    assert_int_equal(due("exact", RSI_METRIC_COSINE, 70000, 256), RSI_INDEX_DROP);
    assert_int_equal(due("exact", RSI_METRIC_COSINE, 70000, 0), RSI_INDEX_KEEP);
    assert_int_equal(due("codes", RSI_METRIC_COSINE, 70000, 256), RSI_INDEX_MAKE);
    assert_int_equal(due("codes", RSI_METRIC_COSINE, 70000, 1), RSI_INDEX_KEEP);
    assert_int_equal(due("partition", RSI_METRIC_COSINE, 5000, 1), RSI_INDEX_MAKE);
    assert_int_equal(due("partition", RSI_METRIC_COSINE, 5000, 64), RSI_INDEX_KEEP);
    /* what another kind made before goes, whatever the number of rows */
    assert_int_equal(due("auto", RSI_METRIC_INNER_PRODUCT, 100000, 256), RSI_INDEX_MAKE);
    assert_int_equal(due_of("auto", RSI_METRIC_L2, 32, 100000, 256), RSI_INDEX_DROP);
    assert_int_equal(due_of("auto", RSI_METRIC_L2, 64, 40000, 1), RSI_INDEX_DROP);
    assert_int_equal(due_of("auto", RSI_METRIC_L2, 64, 40000, 256), RSI_INDEX_KEEP);
    assert_int_equal(due_of("auto", RSI_METRIC_L2, 64, 30000, 256), RSI_INDEX_DROP);
}

static void expect_rest(const char *kind, rsi_metric metric, uint32_t dimension, size_t rows,
                        size_t there)
{
    const rsi_index_change change = due_of(kind, metric, dimension, rows, there);
    const size_t after = change == RSI_INDEX_MAKE   ? lists_of(kind, metric, dimension, rows)
                         : change == RSI_INDEX_DROP ? 0
                                                    : there;
    assert_true(change != RSI_INDEX_MAKE || after > 0);
    assert_int_equal(due_of(kind, metric, dimension, rows, after), RSI_INDEX_KEEP);
}

/* What was decided must not be due again, or the background would never rest. */
static void entities_index_plan__rests_when_it_was_followed(void **state)
{
    static const char *const kinds[] = {"auto", "exact", "codes", "partition"};
    static const uint32_t dimensions[] = {2, 64, 96, DIMENSION};
    (void)state;
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
        for (size_t i = 0; i < sizeof dimensions / sizeof *dimensions; i++)
            for (rsi_metric metric = RSI_METRIC_COSINE; metric <= RSI_METRIC_L2; metric++)
                for (size_t rows = 0; rows < 3000000; rows = rows * 9 / 8 + 1)
                    for (size_t there = 0; there <= 4096; there = there * 2 + (there == 0))
                        expect_rest(kinds[kind], metric, dimensions[i], rows, there);
}

static void entities_index_settings__are_read_as_they_were_written(void **state)
{
    (void)state;
    rsi_index_settings settings = of_kind("partition");
    rsi_index_settings found;
    rsi_bytes text = {0};
    rsi_json *json;
    assert_int_equal(rsi_index_settings_set(&settings, "probes", "65536"), 0);
    assert_int_equal(rsi_index_settings_set(&settings, "candidates", "7"), 0);
    rsi_json_writer writer = rsi_json_writer_of(&text);
    rsi_json_begin_object(&writer);
    rsi_index_settings_put(&writer, &settings);
    rsi_json_end_object(&writer);
    assert_int_equal(rsi_json_parse(&json, text.data, text.size, 8), 0);
    rsi_index_settings_read(&found, json);
    assert_memory_equal(&found, &settings, sizeof found);
    rsi_json_free(json);
    rsi_bytes_free(&text);
}

static void entities_index_settings__have_defaults_for_what_they_do_not_know(void **state)
{
    static const char *const records[] = {
        "{}", "{\"index\":7}", "{\"index\":[]}",
        "{\"index\":{\"kind\":\"quantum\",\"probes\":-1,\"candidates\":\"7\",\"more\":1}}",
        "{\"index\":{\"kind\":1,\"probes\":65537,\"candidates\":1000001}}"};
    (void)state;
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        rsi_json *json;
        rsi_index_settings found;
        rsi_index_settings defaults = of_kind("auto");
        assert_int_equal(rsi_json_parse(&json, records[i], strlen(records[i]), 8), 0);
        rsi_index_settings_read(&found, json);
        assert_memory_equal(&found, &defaults, sizeof found);
        rsi_json_free(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entities_index_plan__by_itself_goes_by_the_number_of_rows),
        cmocka_unit_test(entities_index_plan__searches_short_vectors_exactly),
        cmocka_unit_test(entities_index_plan__can_be_forced),
        cmocka_unit_test(entities_index_plan__helps_exact_search_with_bytes),
        cmocka_unit_test(entities_index_plan__makes_again_what_does_not_fit),
        cmocka_unit_test(entities_index_plan__rests_when_it_was_followed),
        cmocka_unit_test(entities_index_settings__are_read_as_they_were_written),
        cmocka_unit_test(entities_index_settings__have_defaults_for_what_they_do_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
