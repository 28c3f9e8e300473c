/* The rows of a record in memory: lib/storage/table.c. */
#include "storage/table_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "files/files.h"
#include "harness/temporary.h"
#include "storage/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NUMBERS 120

enum { NOTHING = 0, DROPPED = -1 }; /* otherwise what the row's value says */

typedef struct rows_under_test {
    rsi_root *root;
    rsi_segments *segments;
    rsi_record record;
    rsi_record delta;
    int model[NUMBERS];
    int next_value;
    uint64_t random;
} rows_under_test;

static uint64_t below(rows_under_test *t, uint64_t limit)
{
    t->random = t->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (t->random >> 33) % limit;
}

static void begin(rows_under_test *t, void **state)
{
    *t = (rows_under_test){.random = 7};
    assert_int_equal(rsi_root_open(&t->root, NULL, temporary_path(state), true), 0);
    t->segments = rsi_segments_make();
    assert_non_null(t->segments);
}

static void end(rows_under_test *t)
{
    rsi_record_free_members(&t->record);
    rsi_record_free_members(&t->delta);
    rsi_segments_release(t->segments);
    rsi_root_close(t->root);
}

static void set(rsi_record *record, rsi_row *row)
{
    assert_int_equal(rsi_record_reserve(record, 1), 0);
    rsi_record_set_row(record, row);
    assert_null(row->json);
    assert_null(row->segment);
}

/* Rows from `number` on that are put into a segment. */
static void put_into_segment(rows_under_test *t, uint64_t number, uint64_t count)
{
    rsi_segment *segment;
    assert_int_equal(rsi_segment_begin(&segment, t->root, t->segments, "acme"), 0);
    for (uint64_t i = 0; i < count; i++) {
        char json[32];
        rsi_row row = {.number = number + i};
        const int size = snprintf(json, sizeof json, "{\"v\":%d}", ++t->next_value);
        assert_int_equal(rsi_segment_add(segment, &row, json, (size_t)size), 0);
        set(&t->delta, &row);
        t->model[number + i] = t->next_value;
    }
    rsi_segment_release(segment);
}

static void put_one(rows_under_test *t, uint64_t number)
{
    char json[32];
    const int size = snprintf(json, sizeof json, "{\"v\":%d}", ++t->next_value);
    rsi_row row = {.number = number, .count = 1, .json = rsi_strdup(json), .size = (uint32_t)size};
    set(&t->delta, &row);
    t->model[number] = t->next_value;
}

static void drop(rows_under_test *t, uint64_t number, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        rsi_row row = {.number = number + i, .count = 1};
        set(&t->delta, &row);
        t->model[number + i] = DROPPED;
    }
}

/* As a commit does. */
static void move(rows_under_test *t)
{
    assert_int_equal(rsi_record_reserve(&t->record, t->delta.row_count), 0);
    for (size_t i = 0; i < t->delta.row_count; i++)
        rsi_record_set_row(&t->record, &t->delta.rows[i]);
    rsi_record_clear_rows(&t->delta);
    assert_true(t->record.row_count <= t->record.row_capacity);
}

static void expect_rows_from(rows_under_test *t, uint64_t from)
{
    rsi_segment_reader reader = {0};
    rsi_row row;
    rsi_row_walk walk = rsi_record_walk(&t->record, from);
    for (uint64_t number = from; number < NUMBERS; number++) {
        rsi_slice json;
        char expected[32];
        if (t->model[number] == NOTHING)
            continue;
        assert_true(rsi_row_walk_get(&row, &walk));
        assert_int_equal(row.number, number);
        assert_int_equal(rsi_row_is_dropped(&row), t->model[number] == DROPPED);
        assert_int_equal(rsi_row_value(&json, &reader, &row), 0);
        const int size = snprintf(expected, sizeof expected, "{\"v\":%d}", t->model[number]);
        if (t->model[number] == DROPPED) {
            assert_null(json.data);
        } else {
            assert_int_equal(json.size, size);
            assert_memory_equal(json.data, expected, json.size);
        }
        rsi_row_walk_step(&walk);
    }
    assert_false(rsi_row_walk_get(&row, &walk));
    rsi_segment_reader_free(&reader);
}

static void expect_model(rows_under_test *t)
{
    size_t total = 0;
    size_t drops = 0;
    for (size_t i = 0; i < NUMBERS; i++) {
        total += t->model[i] != NOTHING;
        drops += t->model[i] == DROPPED;
    }
    assert_int_equal(t->record.row_total, total);
    assert_int_equal(t->record.row_drops, drops);
    for (size_t i = 1; i < t->record.row_count; i++)
        assert_true(rsi_row_end(&t->record.rows[i - 1]) <= t->record.rows[i].number);
    expect_rows_from(t, 0);
    expect_rows_from(t, below(t, NUMBERS));
}

static void storage_rows__one_behind_the_other_are_one(void **state)
{
    rows_under_test t;
    begin(&t, state);
    put_into_segment(&t, 10, 100);
    assert_int_equal(t.delta.row_count, 1);
    move(&t);
    assert_int_equal(t.record.row_count, 1);
    expect_model(&t);
    drop(&t, 10, 40);
    assert_int_equal(t.delta.row_count, 1);
    move(&t);
    assert_int_equal(t.record.row_count, 2); /* those, and what is left */
    expect_model(&t);
    put_one(&t, 70);
    move(&t);
    assert_int_equal(t.record.row_count, 4);
    expect_model(&t);
    end(&t);
}

static void storage_rows__are_what_was_put_last(void **state)
{
    rows_under_test t;
    begin(&t, state);
    for (int round = 0; round < 3000; round++) {
        for (uint64_t changes = 1 + below(&t, 4); changes > 0; changes--) {
            const uint64_t number = below(&t, NUMBERS);
            const uint64_t most = NUMBERS - number < 30 ? NUMBERS - number : 30;
            const uint64_t what = below(&t, 3);
            if (what == 0)
                put_into_segment(&t, number, 1 + below(&t, most));
            else if (what == 1)
                drop(&t, number, 1 + below(&t, most));
            else
                put_one(&t, number);
        }
        move(&t);
        expect_model(&t);
        if (below(&t, 50) == 0) {
            rsi_record_clear_rows(&t.record);
            memset(t.model, 0, sizeof t.model);
        }
    }
    end(&t);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(storage_rows__one_behind_the_other_are_one),
        FRESH(storage_rows__are_what_was_put_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
