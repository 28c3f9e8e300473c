/* Rows that are appended one by one: the files of a few stay open, each the one of its name. */
#include "rows_fixture.h"

#define DIMENSION 4u
#define MANY 12u

static void append_one(rsi_rows *rows, int64_t chunk)
{
    float vector[DIMENSION];
    rsi_rows_extent extent;
    size_t count;
    fill(vector, chunk, 1, DIMENSION);
    if (rsi_rows_append_unflushed(rows, chunk, vector, 1, &extent, 1, &count) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    assert_int_equal(count, 1);
}

static void vectors_rows_keep__opens_the_file_once(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    append_one(rows, 0);
    fault_files_reset_counts(&f.faults);
    for (int64_t chunk = 1; chunk < 50; chunk++)
        append_one(rows, chunk);
    assert_int_equal(fault_files_count(&f.faults, FAULT_OPEN), 0);
    for (int again = 0; again < 2; again++) {
        for (int64_t chunk = 0; chunk < 50; chunk++)
            assert_row(rows, chunk);
        rsi_rows_close(rows);
        rows = open_rows(&f, DIMENSION);
    }
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_keep__is_for_a_few_only(void **state)
{
    fixture f;
    rsi_rows *rows[MANY];
    fixture_begin(&f, state);
    const int before = (int)atomic_load(&f.faults.open_handles);
    for (unsigned turn = 0; turn < 3; turn++) { /* what one gives back another gets */
        for (unsigned i = 0; i < MANY; i++) {
            char directory[64];
            snprintf(directory, sizeof directory, "entity-%u/vector_store", i);
            assert_int_equal(
                rsi_rows_open(&rows[i], f.root, directory, INCARNATION, DIMENSION), 0);
            append_one(rows[i], turn);
        }
        const int kept = (int)atomic_load(&f.faults.open_handles) - before;
        assert_in_range(kept, 1, 8);
        for (unsigned i = 0; i < MANY; i++) {
            assert_row(rows[i], turn);
            rsi_rows_close(rows[i]);
        }
        assert_int_equal((int)atomic_load(&f.faults.open_handles), before);
    }
    fixture_end(&f);
}

static void vectors_rows_keep__ends_with_a_flushed_append(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    const int before = (int)atomic_load(&f.faults.open_handles);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    append_one(rows, 0);
    assert_int_equal((int)atomic_load(&f.faults.open_handles), before + 1);
    assert_int_equal(append(rows, 1, 3, NULL, NULL), 0);
    assert_int_equal((int)atomic_load(&f.faults.open_handles), before);
    append_one(rows, 4);
    for (int64_t chunk = 0; chunk < 5; chunk++)
        assert_row(rows, chunk);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* Another is begun when it is full, and then that one is held. */
static void vectors_rows_keep__holds_the_last_segment(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    const int before = (int)atomic_load(&f.faults.open_handles);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    rows->segment_limit = 64 + 3 * rsi_rows_block_size(1, DIMENSION);
    for (int64_t chunk = 0; chunk < 20; chunk++) {
        append_one(rows, chunk);
        assert_int_equal((int)atomic_load(&f.faults.open_handles), before + 1);
    }
    assert_int_equal(rows->segment_count, 7);
    for (int64_t chunk = 0; chunk < 20; chunk++)
        assert_row(rows, chunk);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* Somebody puts a copy of `size` bytes, 0 for all, in its place. */
static void replace_by_copy(void **state, size_t size)
{
    char path[TEMPORARY_PATH_MAX];
    char aside[TEMPORARY_PATH_MAX];
    size_t all;
    char *bytes = temporary_read(segment_path(path, state, 1), &all);
    temporary_write(temporary_join(aside, state, "copy"), bytes, size == 0 ? all : size);
    free(bytes);
    assert_int_equal(rename(aside, path), 0);
}

#define OVER_A_PAGE 100 /* rows */

static void vectors_rows_keep__writes_to_the_file_that_has_the_name(void **state)
{
    for (int held = 0; held < 2; held++) {
        fixture f;
        fixture_begin(&f, state);
        f.faults.table.view_step = rsi_files_posix.view_step; /* a view reaches what comes */
        rsi_rows *rows = open_rows(&f, DIMENSION);
        append_one(rows, 0);
        append_one(rows, 1);
        if (!held)
            rsi_rows_close_files(rows);
        replace_by_copy(state, 0);
        for (int64_t chunk = 2; chunk < OVER_A_PAGE; chunk++)
            append_one(rows, chunk);
        for (int again = 0; again < 2; again++) {
            for (int64_t chunk = 0; chunk < OVER_A_PAGE; chunk++)
                assert_row(rows, chunk);
            rsi_rows_close(rows);
            rows = open_rows(&f, DIMENSION);
        }
        rsi_rows_close(rows);
        fixture_end(&f);
        assert_int_equal(temporary_teardown(state), 0);
        assert_int_equal(temporary_setup(state), 0);
    }
}

/* There is no place in it where the next row could go. */
static void vectors_rows_keep__writes_nothing_to_a_shorter_copy(void **state)
{
    fixture f;
    float vector[DIMENSION];
    rsi_rows_extent extent;
    size_t count;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    append_one(rows, 0);
    append_one(rows, 1);
    replace_by_copy(state, 64 + rsi_rows_block_size(1, DIMENSION));
    fill(vector, 2, 1, DIMENSION);
    assert_int_equal(rsi_rows_append_unflushed(rows, 2, vector, 1, &extent, 1, &count),
                     RAGSTORE_E_DAMAGED);
    assert_non_null(strstr(rsi_error_message(), "a shorter file was put in its place"));
    assert_row(rows, 0);
    assert_row(rows, 1);
    rsi_rows_close(rows);
    rows = open_rows(&f, DIMENSION);
    assert_row(rows, 0);
    append_one(rows, 2);
    assert_row(rows, 2);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* What it has in the place of rows that were checked is checked again. */
static void vectors_rows_keep__finds_damage_in_a_copy(void **state)
{
    fixture f;
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    append_one(rows, 0);
    append_one(rows, 1);
    assert_row(rows, 0);
    assert_row(rows, 1);
    replace_by_copy(state, 0);
    char *bytes = temporary_read(segment_path(path, state, 1), &size);
    bytes[size - 1] ^= 1; /* of the second */
    temporary_write(path, bytes, size);
    free(bytes);
    append_one(rows, 2);
    assert_row(rows, 0);
    assert_no_row(rows, 1, RAGSTORE_E_DAMAGED);
    assert_row(rows, 2);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_keep__ends_when_dead_rows_are_left_out(void **state)
{
    fixture f;
    rsi_rows_rewrite *rewrite;
    rsi_bitset alive = set_of(1, 3);
    fixture_begin(&f, state);
    const int before = (int)atomic_load(&f.faults.open_handles);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    for (int64_t chunk = 0; chunk < 3; chunk++)
        append_one(rows, chunk);
    assert_int_equal(rsi_rows_rewrite_begin(&rewrite, rows, 0, &alive), 0);
    rsi_rows_rewrite_end(rewrite);
    assert_int_equal((int)atomic_load(&f.faults.open_handles), before);
    append_one(rows, 3);
    for (int64_t chunk = 1; chunk < 4; chunk++)
        assert_row(rows, chunk);
    rsi_bitset_free(&alive);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* Each file call of an append into the open file fails in turn. */
static void vectors_rows_keep__every_failing_call_leaves_the_old_rows(void **state)
{
    static const int errors[] = {EIO, ENOSPC, EMFILE, FAULT_SHORT, EINTR};
    fixture f;
    int64_t chunk = 0;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    append_one(rows, chunk++);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        bool failed = true;
        for (int64_t n = 1; failed; n++) {
            float vector[DIMENSION];
            rsi_rows_extent extent;
            size_t count;
            fill(vector, chunk, 1, DIMENSION);
            fault_files_fail(&f.faults, FAULT_ANY, n, errors[i], false);
            const int status =
                rsi_rows_append_unflushed(rows, chunk, vector, 1, &extent, 1, &count);
            failed = fault_files_struck(&f.faults);
            fault_files_disarm(&f.faults);
            if (!failed)
                assert_int_equal(status, RAGSTORE_OK);
            if (status != RAGSTORE_OK) {
                assert_no_row(rows, chunk, RAGSTORE_E_NOT_FOUND);
                append_one(rows, chunk);
            }
            chunk++;
        }
    }
    for (int again = 0; again < 2; again++) {
        for (int64_t i = 0; i < chunk; i++)
            assert_row(rows, i);
        rsi_rows_close(rows);
        rows = open_rows(&f, DIMENSION);
    }
    rsi_rows_close(rows);
    fixture_end(&f);
}

#define IN_TEMPORARY(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TEMPORARY(vectors_rows_keep__opens_the_file_once),
        IN_TEMPORARY(vectors_rows_keep__is_for_a_few_only),
        IN_TEMPORARY(vectors_rows_keep__ends_with_a_flushed_append),
        IN_TEMPORARY(vectors_rows_keep__holds_the_last_segment),
        IN_TEMPORARY(vectors_rows_keep__writes_to_the_file_that_has_the_name),
        IN_TEMPORARY(vectors_rows_keep__writes_nothing_to_a_shorter_copy),
        IN_TEMPORARY(vectors_rows_keep__finds_damage_in_a_copy),
        IN_TEMPORARY(vectors_rows_keep__ends_when_dead_rows_are_left_out),
        IN_TEMPORARY(vectors_rows_keep__every_failing_call_leaves_the_old_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
