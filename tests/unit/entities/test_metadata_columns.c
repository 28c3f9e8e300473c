/* Members of metadata, side by side: lib/entities/metadata_columns.c. */
#include "entities/metadata_columns.h"

#include "base/memory.h"
#include "base/status.h"
#include "harness/fault_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The column of a path that was asked about before; or NULL, with nothing to release. */
static rsi_column *acquire(rsi_columns *columns, const char *path)
{
    rsi_column *column;
    assert_int_equal(rsi_columns_acquire(&column, columns, path), 0);
    return column;
}

static void add(rsi_column *column, int64_t first, int64_t end, const char *key)
{
    assert_int_equal(rsi_column_add(column, first, end, key, strlen(key)), 0);
}

/* A column of four keys: chunks 0 to 2 b, 1 d, 3 to 4 c, 70 bb. */
static rsi_column *make(rsi_columns *columns)
{
    assert_null(acquire(columns, "year"));
    rsi_column *column = acquire(columns, "year");
    assert_non_null(column);
    add(column, 0, 3, "b");
    add(column, 1, 2, "d");
    add(column, 3, 5, "c");
    add(column, 70, 71, "bb");
    column->until = 71;
    return column;
}

/* Chunks that are selected, those from 64 on at their number less 60. */
static uint64_t select_bits(const rsi_column *column, const rsi_constraint *constraint)
{
    rsi_bitset selected = {0};
    uint64_t bits = 0;
    assert_int_equal(rsi_column_select(&selected, column, constraint), 0);
    for (int64_t chunk = rsi_bitset_next(&selected, 0); chunk >= 0;
         chunk = rsi_bitset_next(&selected, chunk + 1))
        bits |= UINT64_C(1) << (chunk < 64 ? chunk : chunk - 60);
    rsi_bitset_free(&selected);
    return bits;
}

static uint64_t select_between(const rsi_column *column, const char *lower, bool lower_included,
                               const char *upper, bool upper_included)
{
    rsi_constraint constraint = {.kind = RSI_CONSTRAINT_RANGE,
                                 .lower_included = lower_included,
                                 .upper_included = upper_included};
    rsi_bytes_append_text(&constraint.lower, lower);
    rsi_bytes_append_text(&constraint.upper, upper);
    const uint64_t bits = select_bits(column, &constraint);
    rsi_constraint_free(&constraint);
    return bits;
}

static uint64_t select_among(const rsi_column *column, const char *const *keys, size_t count)
{
    rsi_constraint constraint = {.kind = RSI_CONSTRAINT_KEYS, .key_count = count};
    constraint.keys = rsi_alloc_zeroed((count + 1) * sizeof *constraint.keys);
    for (size_t i = 0; i < count; i++)
        rsi_bytes_append_text(&constraint.keys[i], keys[i]);
    const uint64_t bits = select_bits(column, &constraint);
    rsi_constraint_free(&constraint);
    return bits;
}

static void entities_metadata_columns__select_by_ranges_and_keys(void **state)
{
    static const char *const some[] = {"a", "bb", "d"};
    rsi_columns columns;
    (void)state;
    rsi_columns_init(&columns);
    const rsi_column *column = make(&columns);
    assert_int_equal(select_between(column, "b", true, "c", false), 0x407); /* b and bb */
    assert_int_equal(select_between(column, "b", false, "c", true), 0x418); /* bb and c */
    assert_int_equal(select_between(column, "c", false, "z", true), 0x002);
    assert_int_equal(select_between(column, "bc", true, "bz", true), 0);
    assert_int_equal(select_between(column, "", true, "z", true), 0x41f);
    assert_int_equal(select_among(column, some, 3), 0x402);
    assert_int_equal(select_among(column, some, 1), 0);
    assert_int_equal(select_among(column, some, 0), 0);
    rsi_columns_release(&columns);
    rsi_columns_free(&columns);
}

static void entities_metadata_columns__notice_several_keys_of_a_chunk(void **state)
{
    rsi_columns columns;
    (void)state;
    rsi_columns_init(&columns);
    rsi_column *column = make(&columns);
    assert_false(column->has_several);
    add(column, 71, 72, "x");
    add(column, 71, 72, "y");
    assert_true(column->has_several);
    rsi_columns_release(&columns);
    rsi_columns_free(&columns);
}

static void entities_metadata_columns__forget_who_looked_at_a_chunk(void **state)
{
    rsi_columns columns;
    (void)state;
    rsi_columns_init(&columns);
    make(&columns);
    rsi_columns_release(&columns);
    assert_true(rsi_columns_memory(&columns) > 0);
    rsi_columns_forget(&columns, 71);
    rsi_column *column = acquire(&columns, "year");
    assert_non_null(column);
    assert_int_equal(column->count, 4);
    rsi_columns_release(&columns);
    rsi_columns_forget(&columns, 70);
    assert_null(acquire(&columns, "year"));
    assert_int_equal(rsi_columns_memory(&columns), 0);
    rsi_columns_free(&columns);
}

static void entities_metadata_columns__let_the_longest_unused_go(void **state)
{
    rsi_columns columns;
    char path[20];
    (void)state;
    rsi_columns_init(&columns);
    make(&columns);
    rsi_columns_release(&columns);
    for (int i = 1; i < RSI_COLUMNS_KEPT; i++) {
        snprintf(path, sizeof path, "member%d", i);
        assert_null(acquire(&columns, path));
    }
    assert_non_null(acquire(&columns, "year"));
    rsi_columns_release(&columns);
    assert_null(acquire(&columns, "one.more")); /* in the place of member1 */
    assert_null(acquire(&columns, "member1"));
    assert_non_null(acquire(&columns, "year"));
    rsi_columns_release(&columns);
    rsi_columns_free(&columns);
}

static void entities_metadata_columns__are_not_made_beyond_their_size(void **state)
{
    enum { LARGE = 1 << 20 };
    rsi_columns columns;
    (void)state;
    rsi_columns_init(&columns);
    rsi_column *column = make(&columns);
    char *key = rsi_alloc(LARGE);
    memset(key, 'k', LARGE);
    for (size_t i = 0; i <= RSI_COLUMN_BYTES_MAX / LARGE; i++)
        assert_int_equal(rsi_column_add(column, 100 + (int64_t)i, 101 + (int64_t)i, key, LARGE), 0);
    rsi_free(key);
    assert_true(column->is_refused);
    assert_int_equal(column->count, 0);
    rsi_columns_release(&columns);
    assert_null(acquire(&columns, "year"));
    assert_int_equal(rsi_columns_memory(&columns), 0);
    rsi_columns_free(&columns);
}

static void entities_metadata_columns__survive_failing_allocations(void **state)
{
    rsi_columns columns;
    rsi_column *column;
    rsi_bitset selected = {0};
    const rsi_constraint all = {.kind = RSI_CONSTRAINT_RANGE,
                                .upper = {.data = (char[]){"z"}, .size = 1}};
    (void)state;
    rsi_columns_init(&columns);
    fault_memory_install();
    fault_memory_fail(1, false);
    assert_int_equal(rsi_columns_acquire(&column, &columns, "year"), RAGSTORE_E_NO_MEMORY);
    assert_null(column);
    fault_memory_disarm();
    assert_null(acquire(&columns, "year"));
    column = acquire(&columns, "year");
    for (size_t failing = 1; failing <= 2; failing++) { /* the entries; the keys */
        fault_memory_fail(failing, false);
        assert_int_equal(rsi_column_add(column, 1, 2, "k", 1), RAGSTORE_E_NO_MEMORY);
        fault_memory_disarm();
        rsi_columns_release(&columns);
        rsi_columns_forget(&columns, 0);
        assert_null(acquire(&columns, "year"));
        column = acquire(&columns, "year");
    }
    add(column, 1, 2, "k");
    fault_memory_fail(1, false);
    assert_int_equal(rsi_column_select(&selected, column, &all), RAGSTORE_E_NO_MEMORY);
    fault_memory_disarm();
    rsi_bitset_free(&selected);
    rsi_columns_release(&columns);
    rsi_columns_free(&columns);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entities_metadata_columns__select_by_ranges_and_keys),
        cmocka_unit_test(entities_metadata_columns__notice_several_keys_of_a_chunk),
        cmocka_unit_test(entities_metadata_columns__forget_who_looked_at_a_chunk),
        cmocka_unit_test(entities_metadata_columns__let_the_longest_unused_go),
        cmocka_unit_test(entities_metadata_columns__are_not_made_beyond_their_size),
        cmocka_unit_test(entities_metadata_columns__survive_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
