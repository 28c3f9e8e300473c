/* Mapped files that somebody shortens while they are in use: lib/entities/catalog_cut.c. */
#include "entities_fixture.h"

#include "base/clock.h"
#include "lexical/lexical_file.h"

#include <unistd.h>

#define ENTITY_PATH "entity_scoped/entities/" ACME
#define ROWS_PATH ENTITY_PATH "/vector_store/rows-1.rsv"
#define LEXICAL_PATH ENTITY_PATH "/lexical.rsl"
#define DIMENSION 64
#define COUNT 2500 /* 640 KB of vectors */

static uint64_t mapped_from;

static int setup(void **state)
{
    mapped_from = rsi_lexical_mapped_from;
    rsi_lexical_mapped_from = 1;
    rsi_catalog_lexical_file_from = 4;
    return temporary_setup(state);
}

static int teardown(void **state)
{
    rsi_lexical_mapped_from = mapped_from;
    rsi_catalog_lexical_file_from = 1000;
    return temporary_teardown(state);
}

static void direction_of(float *vector, size_t chunk)
{
    memset(vector, 0, DIMENSION * sizeof *vector);
    vector[chunk % DIMENSION] = 1;
    vector[(chunk / DIMENSION + 1 + chunk) % DIMENSION] = 0.5f;
}

/* Of its own for each chunk. */
static const char *word_of(char out[16], size_t chunk)
{
    snprintf(out, 16, "q%c%c%cx", (char)('a' + chunk / 676 % 26), (char)('a' + chunk / 26 % 26),
             (char)('a' + chunk % 26));
    return out;
}

static void fill_store(open_store *s, size_t first, size_t count)
{
    float *vectors = calloc(count * DIMENSION, sizeof *vectors);
    rsi_bytes json = {0};
    for (size_t i = 0; i < count; i++) {
        char word[16];
        rsi_bytes_printf(&json, "%s{\"text\":\"common %s\"}", i == 0 ? "[" : ",",
                         word_of(word, first + i));
        direction_of(vectors + i * DIMENSION, first + i);
    }
    rsi_bytes_append_text(&json, "]");
    open_store_add_chunks(s, "words", json.data, vectors, DIMENSION);
    rsi_bytes_free(&json);
    free(vectors);
}

/* So many bytes stay; the next who acquires the catalog is another millisecond's. */
static void cut(void **state, const char *below, off_t size)
{
    char path[TEMPORARY_PATH_MAX];
    assert_int_equal(truncate(temporary_join(path, state, below), size), 0);
    const int64_t now = rsi_monotonic_ms();
    while (rsi_monotonic_ms() == now)
        rsi_sleep_us(100);
}

static int search(open_store *s, size_t chunk, rsi_hit *hit)
{
    size_t count = 0;
    float query[DIMENSION];
    rsi_catalog *catalog = acquire(s);
    direction_of(query, chunk);
    assert_int_equal(rsi_metric_prepare(query, DIMENSION, rsi_rows_metric(catalog->rows)), 0);
    int status =
        rsi_catalog_search_locked(hit, &count, catalog, query, 1, &catalog->alive);
    rsi_catalog_release(s->store, catalog);
    assert_int_equal(count, status == RAGSTORE_OK);
    return status;
}

/* Before and after the rows were looked at, and their checksums are known. */
static void entities_cut__damages_the_rows_that_are_gone(void **state)
{
    for (int looked_at = 0; looked_at < 2; looked_at++) {
        open_store s;
        rsi_hit hit;
        const float *row;
        rsi_bitset missing;
        open_store_begin(&s, state, NULL);
        fill_store(&s, 0, 100);
        fill_store(&s, 100, COUNT - 100);
        open_store_again(&s);
        rsi_catalog_release(s.store, acquire(&s));
        if (looked_at > 0)
            assert_int_equal(search(&s, 7, &hit), 0);
        cut(state, ROWS_PATH, 100 * DIMENSION * sizeof(float) + 8192);
        assert_int_equal(search(&s, 7, &hit), RAGSTORE_E_DAMAGED);
        rsi_catalog *catalog = acquire(&s);
        assert_int_equal(rsi_rows_get(&row, catalog->rows, 99), 0);
        assert_int_equal(rsi_rows_get(&row, catalog->rows, 100), RAGSTORE_E_DAMAGED);
        assert_int_equal(rsi_rows_missing(&missing, catalog->rows, &catalog->alive), 0);
        assert_int_equal(missing.count, COUNT - 100);
        rsi_bitset_free(&missing);
        rsi_catalog_release(s.store, catalog);
        assert_int_equal(count_chunks_with(&s, "common"), 64); /* by keyword all are found */
        open_store_end(&s);
        assert_int_equal(temporary_teardown(state), 0);
        assert_int_equal(temporary_setup(state), 0);
    }
}

/* Nobody alive needs them: whoever measures what compaction would win does not touch them either. */
static void entities_cut__keeps_compaction_from_what_is_gone(void **state)
{
    open_store s;
    rsi_rows_usage usage;
    rsi_bitset few = {0};
    open_store_begin(&s, state, NULL);
    fill_store(&s, 0, 100);
    fill_store(&s, 100, COUNT - 100);
    rsi_catalog_release(s.store, acquire(&s));
    cut(state, ROWS_PATH, 2 * 64 + 100 * DIMENSION * sizeof(float)); /* at the end of a block */
    rsi_catalog *catalog = acquire(&s);
    for (int64_t chunk = 0; chunk < 100; chunk++)
        assert_int_equal(rsi_bitset_add(&few, chunk), 0);
    assert_int_equal(rsi_rows_usage_of(&usage, catalog->rows, 0, &few), 0);
    assert_true(usage.has_dead);
    rsi_bitset_free(&few);
    rsi_catalog_release(s.store, catalog);
    open_store_end(&s);
}

static void entities_cut__makes_the_keyword_index_again(void **state)
{
    open_store s;
    char word[16];
    open_store_begin(&s, state, NULL);
    fill_store(&s, 0, COUNT);
    assert_int_equal(rsi_export_entity(s.store, ACME, RSI_EXPORT_ALL), 0);
    open_store_again(&s);
    assert_int_equal(count_chunks_with(&s, word_of(word, 7)), 1);
    rsi_catalog *before = acquire(&s);
    cut(state, LEXICAL_PATH, 4096);
    rsi_catalog *after = acquire(&s);
    assert_ptr_not_equal(before, after);
    rsi_catalog_release(s.store, before);
    rsi_catalog_release(s.store, after);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(count_chunks_with(&s, word_of(word, 7)), 1);
        assert_int_equal(count_chunks_with(&s, word_of(word, COUNT - 1)), 1);
        assert_int_equal(count_chunks_with(&s, "common"), 64);
        assert_int_equal(rsi_export_entity(s.store, ACME, RSI_EXPORT_ALL), 0);
        open_store_again(&s);
    }
    open_store_end(&s);
}

/* What was mapped lies in no file that has a name, and cannot be cut by it. */
static void entities_cut__minds_no_file_in_their_place(void **state)
{
    open_store s;
    rsi_hit hit;
    char path[TEMPORARY_PATH_MAX];
    char other[TEMPORARY_PATH_MAX];
    open_store_begin(&s, state, NULL);
    fill_store(&s, 0, COUNT);
    assert_int_equal(rsi_export_entity(s.store, ACME, RSI_EXPORT_ALL), 0);
    open_store_again(&s);
    rsi_catalog *before = acquire(&s);
    rsi_catalog_release(s.store, before);
    temporary_write(temporary_join(other, state, "other"), "x", 1);
    assert_int_equal(rename(other, temporary_join(path, state, ROWS_PATH)), 0);
    temporary_write(other, "x", 1);
    assert_int_equal(rename(other, temporary_join(path, state, LEXICAL_PATH)), 0);
    cut(state, LEXICAL_PATH, 0);
    assert_int_equal(search(&s, 7, &hit), 0);
    rsi_catalog *after = acquire(&s);
    assert_ptr_equal(before, after);
    rsi_catalog_release(s.store, after);
    open_store_end(&s);
}

static int notice(void *user)
{
    bool found;
    return rsi_rows_notice_cuts(&found, user);
}

static void entities_cut__looks_in_vain_when_calls_fail(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    fill_store(&s, 0, 100);
    rsi_catalog *catalog = acquire(&s);
    assert_true(each_allocation_fails(notice, catalog->rows, 0) > 0);
    assert_true(each_file_call_fails(&s, notice, catalog->rows, EACH_MAY_SUCCEED) > 0);
    rsi_catalog_release(s.store, catalog);
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entities_cut__damages_the_rows_that_are_gone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(entities_cut__keeps_compaction_from_what_is_gone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(entities_cut__makes_the_keyword_index_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(entities_cut__minds_no_file_in_their_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(entities_cut__looks_in_vain_when_calls_fail, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("files that are cut", tests, NULL, NULL);
}
