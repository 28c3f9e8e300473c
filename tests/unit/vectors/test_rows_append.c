/* Appending: blocks, segments, what is refused, and what a failing disk or memory leaves. */
#include "rows_fixture.h"

#include <math.h>

#define DIMENSION 4u

/* Small enough for several blocks and segments: 8 rows a block, 2 blocks a segment. */
static rsi_rows *open_small(fixture *f)
{
    rsi_rows *rows = open_rows(f, DIMENSION);
    rows->block_limit = 64 + 8 * DIMENSION * sizeof(float);
    rows->segment_limit = 64 + 2 * rows->block_limit;
    return rows;
}

static void vectors_rows_append__rolls_over_to_new_blocks_and_segments(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_small(&f);
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t count;
    assert_int_equal(append(rows, 0, 3, NULL, NULL), 0);
    size_t needed = rsi_rows_extents_needed(rows, 40);
    assert_int_equal(append(rows, 10, 40, extents, &count), 0);
    assert_int_equal(count, needed);
    assert_true(count >= 5);
    assert_true(extents[count - 1].segment >= 3);
    int64_t next = 10;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(extents[i].first_chunk, next);
        assert_true(extents[i].offset + extents[i].size <= rows->segment_limit);
        next += extents[i].count;
    }
    assert_int_equal(next, 50);
    for (int again = 0; again < 2; again++) {
        for (int64_t chunk = 0; chunk < 50; chunk++)
            if (chunk < 3 || chunk >= 10)
                assert_row(rows, chunk);
            else
                assert_no_row(rows, chunk, RAGSTORE_E_NOT_FOUND);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(rsi_rows_verify(rows, &extents[i]), 0);
        rsi_rows_close(rows);
        rows = open_rows(&f, DIMENSION);
    }
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_append__keeps_files_and_blocks_within_their_limits(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    const uint32_t dimension = 1024;
    const size_t count = 20000; /* 82 MB: two segments */
    rsi_rows *rows = open_rows(&f, dimension);
    size_t needed = rsi_rows_extents_needed(rows, count);
    rsi_rows_extent *extents = calloc(needed, sizeof *extents);
    float *vectors = malloc(count * dimension * sizeof *vectors);
    assert_non_null(extents);
    assert_non_null(vectors);
    fill(vectors, 0, count, dimension);
    size_t extents_count;
    assert_int_equal(rsi_rows_append(rows, 0, vectors, count, extents, needed, &extents_count), 0);
    assert_int_equal(extents_count, needed);
    assert_int_equal(extents[needed - 1].segment, 2);
    for (size_t i = 0; i < needed; i++) {
        assert_true(extents[i].size <= RSI_ROWS_BLOCK_BYTES);
        assert_true(extents[i].offset + extents[i].size <= RSI_ROWS_SEGMENT_BYTES);
        assert_int_equal(rsi_rows_verify(rows, &extents[i]), 0);
    }
    for (int64_t chunk = 0; chunk < (int64_t)count; chunk += 97)
        assert_row(rows, chunk);
    free(vectors);
    free(extents);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_append__takes_a_row_larger_than_the_limits(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, 1000);
    rows->block_limit = 128;
    rows->segment_limit = 128;
    assert_int_equal(append(rows, 0, 3, NULL, NULL), 0);
    for (int64_t chunk = 0; chunk < 3; chunk++)
        assert_row(rows, chunk);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* Rows on demand: what was asked for, and where the source fails. */
typedef struct tap {
    int64_t first_chunk;
    size_t asked;
    size_t fails_at;
    float odd; /* in the place of each 40th number; 0: the row's own */
} tap;

static int pour(void *user, float *out, size_t from, size_t count)
{
    tap *t = user;
    assert_int_equal(from, t->asked); /* in their order, each once */
    t->asked += count;
    if (t->asked > t->fails_at)
        return rsi_fail(RAGSTORE_E_INTERRUPTED, "test", "no more");
    fill(out, t->first_chunk + (int64_t)from, count, DIMENSION);
    for (size_t i = 0; t->odd != 0 && i < count * DIMENSION; i++)
        if ((from * DIMENSION + i) % 40 == 39)
            out[i] = t->odd;
    return RAGSTORE_OK;
}

static void vectors_rows_append__asks_for_rows_block_by_block(void **state)
{
    fixture f;
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t count;
    fixture_begin(&f, state);
    rsi_rows *rows = open_small(&f);
    tap t = {.first_chunk = 5, .fails_at = 100};
    assert_int_equal(append(rows, 0, 3, NULL, NULL), 0);
    assert_int_equal(
        rsi_rows_append_from(rows, 5, pour, &t, 40, extents, EXTENTS_MAX, &count), 0);
    assert_int_equal(t.asked, 40);
    assert_true(count >= 5);
    for (int again = 0; again < 2; again++) {
        for (int64_t chunk = 5; chunk < 45; chunk++)
            assert_row(rows, chunk);
        rsi_rows_close(rows);
        rows = open_rows(&f, DIMENSION);
    }
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_append__appends_nothing_when_its_source_fails(void **state)
{
    fixture f;
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t count;
    fixture_begin(&f, state);
    rsi_rows *rows = open_small(&f);
    assert_int_equal(append(rows, 0, 3, NULL, NULL), 0);
    tap fails = {.first_chunk = 3, .fails_at = 20};
    assert_int_equal(
        rsi_rows_append_from(rows, 3, pour, &fails, 40, extents, EXTENTS_MAX, &count),
        RAGSTORE_E_INTERRUPTED);
    tap odd = {.first_chunk = 3, .fails_at = 100, .odd = NAN};
    assert_int_equal(rsi_rows_append_from(rows, 3, pour, &odd, 40, extents, EXTENTS_MAX, &count),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_non_null(strstr(rsi_error_message(), "vector 9: number 3 is not finite"));
    assert_int_equal(rsi_rows_next_chunk(rows), 3);
    for (int again = 0; again < 2; again++) {
        for (int64_t chunk = 0; chunk < 3; chunk++)
            assert_row(rows, chunk);
        assert_no_row(rows, 3, RAGSTORE_E_NOT_FOUND);
        rsi_rows_close(rows);
        rows = open_rows(&f, DIMENSION);
    }
    assert_int_equal(append(rows, 3, 2, NULL, NULL), 0);
    assert_row(rows, 4);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_append__refuses_bad_arguments_and_writes_nothing(void **state)
{
    static const float bad_numbers[] = {NAN, INFINITY, -INFINITY};
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_small(&f);
    assert_int_equal(append(rows, 7, 2, NULL, NULL), 0);
    fault_files_reset_counts(&f.faults);
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t count = 5;
    float vectors[40 * DIMENSION] = {0};

    assert_int_equal(rsi_rows_append(rows, 8, vectors, 1, extents, EXTENTS_MAX, &count),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(count, 0);
    assert_int_equal(rsi_rows_append(rows, -1, vectors, 1, extents, EXTENTS_MAX, &count),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_rows_append(rows, INT64_MAX, vectors, 1, extents, EXTENTS_MAX, &count),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_rows_append(rows, 9, NULL, 1, extents, EXTENTS_MAX, &count),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_rows_append(rows, 9, vectors, SIZE_MAX / 2, extents, EXTENTS_MAX, &count),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_rows_append(rows, 9, vectors, 40, extents,
                                     rsi_rows_extents_needed(rows, 40) - 1, &count),
                     RAGSTORE_E_INVALID_ARGUMENT);
    for (size_t i = 0; i < 3; i++) {
        vectors[DIMENSION + 1] = bad_numbers[i];
        assert_int_equal(rsi_rows_append(rows, 9, vectors, 2, extents, EXTENTS_MAX, &count),
                         RAGSTORE_E_INVALID_ARGUMENT);
    }
    assert_int_equal(rsi_rows_append(rows, 9, vectors, 0, extents, EXTENTS_MAX, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(fault_files_count(&f.faults, FAULT_ANY), 0);
    assert_int_equal(rsi_rows_next_chunk(rows), 9);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_append__flushes_once_for_a_small_append(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    assert_int_equal(append(rows, 0, 1, NULL, NULL), 0);
    fault_files_reset_counts(&f.faults);
    assert_int_equal(append(rows, 1, 1, NULL, NULL), 0);
    assert_int_equal(fault_files_count(&f.faults, FAULT_WRITE), 1);
    assert_int_equal(fault_files_count(&f.faults, FAULT_FLUSH_DATA), 1);
    assert_int_equal(fault_files_count(&f.faults, FAULT_FLUSH), 0);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_append__a_new_segment_is_flushed_before_its_first_block(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    assert_int_equal(rsi_directory_make(f.root, DIRECTORY), 0);
    /* The header's flush, and then the directory's, fails: no block may have been written. */
    for (int64_t n = 1; n <= 2; n++) {
        rsi_rows *rows = open_rows(&f, DIMENSION);
        fault_files_reset_counts(&f.faults);
        fault_files_fail(&f.faults, FAULT_FLUSH, n, EIO, false);
        assert_int_equal(append(rows, 0, 1, NULL, NULL), RAGSTORE_E_IO);
        assert_true(fault_files_struck(&f.faults));
        fault_files_disarm(&f.faults);
        assert_int_equal(fault_files_count(&f.faults, FAULT_WRITE), 1);
        assert_int_equal(append(rows, 0, 1, NULL, NULL), RAGSTORE_E_FAILED);
        rsi_rows_close(rows);
    }
    fixture_end(&f);
}

static void vectors_rows_append__a_full_segment_is_flushed_before_the_next_is_begun(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_small(&f);
    fault_files_fail(&f.faults, FAULT_FLUSH_DATA, 1, EIO, false);
    assert_int_equal(append(rows, 0, 20, NULL, NULL), RAGSTORE_E_IO);
    fault_files_disarm(&f.faults);
    char path[TEMPORARY_PATH_MAX];
    assert_true(temporary_exists(segment_path(path, state, 1)));
    assert_false(temporary_exists(segment_path(path, state, 2)));
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_append__a_failed_flush_is_final_and_reading_goes_on(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    assert_int_equal(append(rows, 0, 2, NULL, NULL), 0);
    fault_files_fail(&f.faults, FAULT_FLUSH_DATA, 1, EIO, false);
    assert_int_equal(append(rows, 2, 2, NULL, NULL), RAGSTORE_E_IO);
    fault_files_disarm(&f.faults);
    assert_int_equal(rsi_rows_next_chunk(rows), 2);
    assert_row(rows, 1);
    assert_no_row(rows, 2, RAGSTORE_E_NOT_FOUND);
    assert_int_equal(append(rows, 2, 2, NULL, NULL), RAGSTORE_E_FAILED);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* A store with rows 0..19 in two segments; the append of 20 more goes on in the second. */
static void make_store(fixture *f, void **state)
{
    char path[TEMPORARY_PATH_MAX];
    temporary_remove_all(temporary_join(path, state, "entity"));
    rsi_rows *rows = open_small(f);
    assert_int_equal(append(rows, 0, 20, NULL, NULL), 0);
    rsi_rows_close(rows);
}

static void check_first_rows(rsi_rows *rows)
{
    for (int64_t chunk = 0; chunk < 20; chunk++)
        assert_row(rows, chunk);
}

/* After one failure: what was there is there, and appending works, at the latest after reopening.
 */
static void check_recovery(fixture *f, rsi_rows *rows, int status)
{
    check_first_rows(rows);
    assert_int_equal(rsi_rows_next_chunk(rows), status == RAGSTORE_OK ? 40 : 20);
    int again = status == RAGSTORE_OK ? RAGSTORE_OK : append(rows, 20, 20, NULL, NULL);
    assert_true(again == RAGSTORE_OK || again == RAGSTORE_E_FAILED);
    rsi_rows_close(rows);
    rows = open_small(f);
    check_first_rows(rows);
    /* Rows of the failed append may have reached the disk whole; they are right if so. */
    for (int64_t chunk = 20; chunk < rsi_rows_next_chunk(rows); chunk++)
        assert_row(rows, chunk);
    assert_true(again == RAGSTORE_E_FAILED || rsi_rows_next_chunk(rows) == 40);
    assert_int_equal(append(rows, 60, 20, NULL, NULL), 0);
    rsi_rows_close(rows);
    rows = open_small(f);
    check_first_rows(rows);
    for (int64_t chunk = 60; chunk < 80; chunk++)
        assert_row(rows, chunk);
    rsi_rows_close(rows);
}

static void fail_every_call(void **state, int error, bool for_ever)
{
    fixture f;
    fixture_begin(&f, state);
    bool failed = true;
    for (int64_t n = 1; failed; n++) {
        make_store(&f, state);
        rsi_rows *rows = open_small(&f);
        fault_files_fail(&f.faults, FAULT_ANY, n, error, for_ever);
        int status = append(rows, 20, 20, NULL, NULL);
        failed = fault_files_struck(&f.faults);
        fault_files_disarm(&f.faults);
        if (!failed)
            assert_int_equal(status, RAGSTORE_OK);
        check_recovery(&f, rows, status);
        assert_int_equal(atomic_load(&f.faults.views), 0);
        assert_int_equal(atomic_load(&f.faults.open_handles), 1);
    }
    fixture_end(&f);
}

static void vectors_rows_append__every_failing_file_call_leaves_the_old_rows(void **state)
{
    fail_every_call(state, EIO, false);
    fail_every_call(state, EIO, true);
}

static void vectors_rows_append__a_full_disk_leaves_the_old_rows(void **state)
{
    fail_every_call(state, ENOSPC, false);
    fail_every_call(state, ENOSPC, true);
}

static void vectors_rows_append__short_writes_and_interruptions_do_no_harm(void **state)
{
    fail_every_call(state, FAULT_SHORT, false);
    fail_every_call(state, EINTR, false);
}

static void vectors_rows_append__a_full_disk_gives_its_space_back(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    make_store(&f, state);
    char path[TEMPORARY_PATH_MAX];
    size_t before, after;
    free(temporary_read(segment_path(path, state, 2), &before));
    rsi_rows *rows = open_small(&f);
    fault_files_fail(&f.faults, FAULT_WRITE, 2, ENOSPC, true);
    assert_int_equal(append(rows, 20, 20, NULL, NULL), RAGSTORE_E_DISK_FULL);
    fault_files_disarm(&f.faults);
    free(temporary_read(segment_path(path, state, 2), &after));
    assert_int_equal(before, after);
    assert_int_equal(append(rows, 20, 20, NULL, NULL), 0);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_append__every_failing_allocation_leaves_the_old_rows(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    bool failed = true;
    for (uint64_t n = 1; failed; n++) {
        make_store(&f, state);
        fault_memory_install();
        rsi_rows *rows = open_small(&f);
        fault_memory_fail(n, false);
        int status = append(rows, 20, 20, NULL, NULL);
        failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        check_recovery(&f, rows, status);
        assert_int_equal(fault_memory_alive(), 0);
        fault_memory_restore();
    }
    fixture_end(&f);
}

/* Rows 0..19, a torn block behind them, and a third segment whose creation a crash ended. */
static void make_torn_store(fixture *f, void **state)
{
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    make_store(f, state);
    char *bytes = temporary_read(segment_path(path, state, 2), &size);
    char *longer = calloc(1, size + 100);
    assert_non_null(longer);
    memcpy(longer, bytes, size);
    memcpy(longer + size, bytes + 64, 90);
    temporary_write(path, longer, size + 100);
    free(longer);
    free(bytes);
    temporary_write(segment_path(path, state, 3), "RSVROWS", 7);
}

static void vectors_rows_append__every_failing_call_of_a_cut_leaves_the_old_rows(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    bool failed = true;
    for (int64_t n = 1; failed; n++) {
        make_torn_store(&f, state);
        rsi_rows *rows = open_small(&f);
        fault_files_fail(&f.faults, FAULT_ANY, n, EIO, false);
        int status = append(rows, 20, 20, NULL, NULL);
        failed = fault_files_struck(&f.faults);
        fault_files_disarm(&f.faults);
        assert_true(status == RAGSTORE_OK || failed);
        check_recovery(&f, rows, status);
        assert_int_equal(atomic_load(&f.faults.views), 0);
        assert_int_equal(atomic_load(&f.faults.open_handles), 1);
    }
    fixture_end(&f);
}

static void vectors_rows_append__what_a_crash_left_is_removed_once(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    make_torn_store(&f, state);
    rsi_rows *rows = open_small(&f);
    fault_files_reset_counts(&f.faults);
    assert_int_equal(append(rows, 20, 1, NULL, NULL), 0);
    assert_int_equal(append(rows, 21, 1, NULL, NULL), 0);
    assert_int_equal(fault_files_count(&f.faults, FAULT_REMOVE), 1);
    assert_int_equal(fault_files_count(&f.faults, FAULT_TRUNCATE), 1);
    char path[TEMPORARY_PATH_MAX];
    assert_false(temporary_exists(segment_path(path, state, 3)));
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_append__the_cut_is_flushed_before_the_first_block(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    make_torn_store(&f, state);
    rsi_rows *rows = open_small(&f);
    fault_files_reset_counts(&f.faults);
    fault_files_fail(&f.faults, FAULT_FLUSH, 1, EIO, false);
    assert_int_equal(append(rows, 20, 1, NULL, NULL), RAGSTORE_E_IO);
    assert_true(fault_files_struck(&f.faults));
    fault_files_disarm(&f.faults);
    assert_int_equal(fault_files_count(&f.faults, FAULT_TRUNCATE), 1);
    assert_int_equal(fault_files_count(&f.faults, FAULT_WRITE), 0);
    assert_int_equal(append(rows, 20, 1, NULL, NULL), RAGSTORE_E_FAILED);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_append__first_append_makes_the_directory_or_fails_cleanly(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    char path[TEMPORARY_PATH_MAX];
    bool failed = true;
    for (int64_t n = 1; failed; n++) {
        temporary_remove_all(temporary_join(path, state, "entity"));
        rsi_rows *rows = open_rows(&f, DIMENSION);
        fault_files_fail(&f.faults, FAULT_ANY, n, EIO, false);
        int status = append(rows, 0, 2, NULL, NULL);
        failed = fault_files_struck(&f.faults);
        fault_files_disarm(&f.faults);
        assert_true(status == RAGSTORE_OK || failed);
        rsi_rows_close(rows);
        rows = open_rows(&f, DIMENSION);
        for (int64_t chunk = 0; chunk < rsi_rows_next_chunk(rows); chunk++)
            assert_row(rows, chunk);
        assert_int_equal(append(rows, 5, 2, NULL, NULL), 0);
        rsi_rows_close(rows);
        rows = open_rows(&f, DIMENSION);
        assert_row(rows, 6);
        rsi_rows_close(rows);
    }
    fixture_end(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

/* Small appends need no new mapping each time. */
static void vectors_rows_append__maps_again_when_a_step_is_full(void **state)
{
    const uint32_t dimension = 1024; /* 4 KiB a row */
    fixture f;
    fixture_begin(&f, state);
    f.faults.table.view_step = rsi_files_posix.view_step;
    rsi_rows *rows = open_rows(&f, dimension);
    fault_files_reset_counts(&f.faults);
    for (int64_t chunk = 0; chunk < 600; chunk++) {
        assert_int_equal(append(rows, chunk, 1, NULL, NULL), 0);
        assert_row(rows, chunk);
    }
    assert_row(rows, 0);
    assert_in_range(fault_files_count(&f.faults, FAULT_VIEW), 2, 4); /* of 1 MiB, for 2.4 MiB */
    rsi_rows_close(rows);
    rows = open_rows(&f, dimension);
    for (int64_t chunk = 0; chunk < 600; chunk++)
        assert_row(rows, chunk);
    rsi_rows_close(rows);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_rows_append__maps_again_when_a_step_is_full),
        TEST(vectors_rows_append__rolls_over_to_new_blocks_and_segments),
        TEST(vectors_rows_append__keeps_files_and_blocks_within_their_limits),
        TEST(vectors_rows_append__takes_a_row_larger_than_the_limits),
        TEST(vectors_rows_append__asks_for_rows_block_by_block),
        TEST(vectors_rows_append__appends_nothing_when_its_source_fails),
        TEST(vectors_rows_append__refuses_bad_arguments_and_writes_nothing),
        TEST(vectors_rows_append__flushes_once_for_a_small_append),
        TEST(vectors_rows_append__a_new_segment_is_flushed_before_its_first_block),
        TEST(vectors_rows_append__a_full_segment_is_flushed_before_the_next_is_begun),
        TEST(vectors_rows_append__a_failed_flush_is_final_and_reading_goes_on),
        TEST(vectors_rows_append__every_failing_file_call_leaves_the_old_rows),
        TEST(vectors_rows_append__a_full_disk_leaves_the_old_rows),
        TEST(vectors_rows_append__short_writes_and_interruptions_do_no_harm),
        TEST(vectors_rows_append__a_full_disk_gives_its_space_back),
        TEST(vectors_rows_append__every_failing_allocation_leaves_the_old_rows),
        TEST(vectors_rows_append__every_failing_call_of_a_cut_leaves_the_old_rows),
        TEST(vectors_rows_append__what_a_crash_left_is_removed_once),
        TEST(vectors_rows_append__the_cut_is_flushed_before_the_first_block),
        TEST(vectors_rows_append__first_append_makes_the_directory_or_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
