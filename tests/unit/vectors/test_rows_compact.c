/* Compaction of rows: the living stay, the dead go, and what fails leaves one file or the other. */
#include "rows_fixture.h"

#define DIMENSION 64u /* 256 bytes a row: no dead stretch is filled */

/* 8 rows a block, 2 blocks a segment. */
static rsi_rows *open_small(fixture *f, uint32_t dimension)
{
    rsi_rows *rows = open_rows(f, dimension);
    rows->block_limit = 64 + 8 * (uint64_t)dimension * sizeof(float);
    rows->segment_limit = 64 + 2 * rows->block_limit;
    return rows;
}

static int rewrite(rsi_rows *rows, size_t segment, const rsi_bitset *alive)
{
    rsi_rows_rewrite *work;
    int status = rsi_rows_rewrite_begin(&work, rows, segment, alive);
    if (status == RAGSTORE_OK)
        rsi_rows_rewrite_end(work);
    else
        assert_null(work);
    return status;
}

static void rewrite_all(rsi_rows *rows, const rsi_bitset *alive)
{
    for (size_t i = 0; i < rsi_rows_segment_count(rows); i++)
        assert_int_equal(rewrite(rows, i, alive), 0);
}

static rsi_rows_usage usage_of(rsi_rows *rows, size_t segment, const rsi_bitset *alive)
{
    rsi_rows_usage usage;
    assert_int_equal(rsi_rows_usage_of(&usage, rows, segment, alive), 0);
    return usage;
}

static uint64_t size_of(void **state, unsigned number)
{
    char path[TEMPORARY_PATH_MAX];
    size_t size = 0;
    free(temporary_read(segment_path(path, state, number), &size));
    return size;
}

/* Exactly these have their rows. */
static void expect_rows(rsi_rows *rows, const rsi_bitset *alive, int64_t end)
{
    for (int64_t chunk = 0; chunk < end; chunk++)
        if (rsi_bitset_has(alive, chunk))
            assert_row(rows, chunk);
        else
            assert_no_row(rows, chunk, RAGSTORE_E_NOT_FOUND);
}

/* ---- tests ---- */

static void vectors_rows_compact__leaves_the_living(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_small(&f, DIMENSION);
    assert_int_equal(append(rows, 0, 70, NULL, NULL), 0);
    rsi_bitset alive = set_of(2, 4);
    for (int64_t chunk = 20; chunk < 70; chunk += 3)
        assert_int_equal(rsi_bitset_add(&alive, chunk), 0);
    rewrite_all(rows, &alive);
    for (int again = 0; again < 2; again++) {
        expect_rows(rows, &alive, 75);
        rsi_rows_close(rows);
        rows = open_small(&f, DIMENSION);
    }
    /* and rows come behind them as before */
    assert_int_equal(append(rows, 70, 40, NULL, NULL), 0);
    for (int64_t chunk = 70; chunk < 110; chunk++)
        assert_int_equal(rsi_bitset_add(&alive, chunk), 0);
    expect_rows(rows, &alive, 110);
    rewrite_all(rows, &alive);
    rsi_rows_close(rows);
    rows = open_small(&f, DIMENSION);
    expect_rows(rows, &alive, 110);
    rsi_rows_close(rows);
    rsi_bitset_free(&alive);
    fixture_end(&f);
}

static void vectors_rows_compact__gives_space_back_and_joins_small_blocks(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    for (int64_t chunk = 0; chunk < 200; chunk++)
        assert_int_equal(append(rows, chunk, 1, NULL, NULL), 0);
    rsi_bitset alive = set_of(100, 200);
    const uint64_t before = size_of(state, 1);
    rsi_rows_usage usage = usage_of(rows, 0, &alive);
    assert_int_equal(usage.bytes, before);
    assert_true(usage.has_dead);
    assert_int_equal(rewrite(rows, 0, &alive), 0);
    assert_int_equal(size_of(state, 1), usage.bytes_after);
    assert_int_equal(usage.bytes_after, 64 + 64 + 100 * DIMENSION * sizeof(float));
    assert_int_equal(rows->run_count, 1);
    usage = usage_of(rows, 0, &alive);
    assert_false(usage.has_dead);
    assert_int_equal(usage.bytes, usage.bytes_after);
    rsi_rows_close(rows);
    rsi_bitset_free(&alive);
    fixture_end(&f);
}

static void vectors_rows_compact__fills_short_gaps_with_zeros(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, 8);
    rsi_bitset alive = {0};
    rsi_bitset none = {0};
    static const float zeros[8];
    assert_int_equal(append(rows, 0, 30, NULL, NULL), 0);
    for (int64_t chunk = 0; chunk < 30; chunk += 3)
        assert_int_equal(rsi_bitset_add(&alive, chunk), 0);
    assert_int_equal(rewrite(rows, 0, &alive), 0);
    assert_int_equal(rows->run_count, 1);
    for (int64_t chunk = 0; chunk < 28; chunk++) {
        const float *row;
        assert_int_equal(rsi_rows_get(&row, rows, chunk), 0);
        if (chunk % 3 == 0)
            assert_true(is_row_of(row, chunk, 8));
        else
            assert_memory_equal(row, zeros, sizeof zeros);
    }
    assert_false(usage_of(rows, 0, &alive).has_dead);
    assert_true(usage_of(rows, 0, &none).has_dead);
    rsi_rows_close(rows);
    rsi_bitset_free(&alive);
    fixture_end(&f);
}

/* One that lives without a vector must not seem to have one. */
static void vectors_rows_compact__gives_no_row_to_who_had_none(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, 8);
    assert_int_equal(append(rows, 0, 2, NULL, NULL), 0);
    assert_int_equal(append(rows, 3, 2, NULL, NULL), 0);
    rsi_bitset alive = set_of(0, 5);
    rsi_bitset missing;
    assert_int_equal(rewrite(rows, 0, &alive), 0);
    assert_no_row(rows, 2, RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_rows_missing(&missing, rows, &alive), 0);
    assert_int_equal(missing.count, 1);
    rsi_bitset_free(&missing);
    rsi_bitset_free(&alive);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_compact__removes_a_file_without_living_rows_but_for_the_last(void **state)
{
    fixture f;
    char path[TEMPORARY_PATH_MAX];
    fixture_begin(&f, state);
    rsi_rows *rows = open_small(&f, DIMENSION);
    rsi_bitset alive = {0};
    assert_int_equal(append(rows, 0, 40, NULL, NULL), 0); /* three segments */
    rewrite_all(rows, &alive);
    assert_false(temporary_exists(segment_path(path, state, 1)));
    assert_false(temporary_exists(segment_path(path, state, 2)));
    assert_int_equal(size_of(state, 3), 64);
    expect_rows(rows, &alive, 40);
    assert_int_equal(append(rows, 40, 2, NULL, NULL), 0);
    rsi_rows_close(rows);
    rows = open_small(&f, DIMENSION);
    assert_row(rows, 41);
    assert_true(temporary_exists(segment_path(path, state, 3)));
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* What a torn append left goes as well. */
static void vectors_rows_compact__cuts_a_torn_tail(void **state)
{
    fixture f;
    char path[TEMPORARY_PATH_MAX];
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    assert_int_equal(append(rows, 0, 4, NULL, NULL), 0);
    rsi_rows_close(rows);
    FILE *file = fopen(segment_path(path, state, 1), "ab");
    assert_non_null(file);
    fputs("RSVBLOCK and then nothing more", file);
    fclose(file);
    rows = open_rows(&f, DIMENSION);
    rsi_bitset alive = set_of(0, 4);
    assert_true(usage_of(rows, 0, &alive).has_dead);
    assert_int_equal(rewrite(rows, 0, &alive), 0);
    assert_false(usage_of(rows, 0, &alive).has_dead);
    expect_rows(rows, &alive, 4);
    rsi_bitset_free(&alive);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void damage(void **state, unsigned number, long offset)
{
    char path[TEMPORARY_PATH_MAX];
    FILE *file = fopen(segment_path(path, state, number), "r+b");
    assert_non_null(file);
    fseek(file, offset, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, offset, SEEK_SET);
    fputc(byte ^ 0x40, file);
    fclose(file);
}

static void vectors_rows_compact__keeps_a_file_with_damage_that_somebody_needs(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_small(&f, DIMENSION);
    assert_int_equal(append(rows, 0, 8, NULL, NULL), 0);
    assert_int_equal(append(rows, 8, 8, NULL, NULL), 0);
    rsi_rows_close(rows);
    const uint64_t before = size_of(state, 1);
    damage(state, 1, 64 + 64 + 100);
    rows = open_small(&f, DIMENSION);
    rsi_bitset alive = set_of(7, 16);
    rsi_rows_usage usage;
    assert_int_equal(rsi_rows_usage_of(&usage, rows, 0, &alive), RAGSTORE_E_DAMAGED);
    assert_int_equal(rewrite(rows, 0, &alive), RAGSTORE_E_DAMAGED);
    assert_int_equal(size_of(state, 1), before);
    assert_row(rows, 8);
    /* nobody needs it any more */
    rsi_bitset_remove(&alive, 7);
    assert_int_equal(rewrite(rows, 0, &alive), 0);
    expect_rows(rows, &alive, 16);
    rsi_bitset_free(&alive);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_compact__searches_go_on_in_the_old_file(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    rsi_rows *other = open_rows(&f, DIMENSION); /* another process */
    assert_int_equal(append(rows, 0, 20, NULL, NULL), 0);
    rsi_rows_close(other);
    other = open_rows(&f, DIMENSION);
    rsi_bitset alive = set_of(10, 20);
    rsi_rows_rewrite *work;
    const float *row;
    assert_int_equal(rsi_rows_get(&row, rows, 15), 0);
    assert_int_equal(rsi_rows_rewrite_begin(&work, rows, 0, &alive), 0);
    assert_true(is_row_of(row, 15, DIMENSION));
    for (int64_t chunk = 0; chunk < 20; chunk++)
        assert_row(rows, chunk);
    rsi_rows_rewrite_end(work);
    expect_rows(rows, &alive, 20);
    for (int64_t chunk = 0; chunk < 20; chunk++)
        assert_row(other, chunk);
    rsi_rows_close(other);
    rsi_rows_close(rows);
    rsi_bitset_free(&alive);
    fixture_end(&f);
}

/* Another process compacts between the list of the files and their opening. */
static rsi_rows *compacting;
static rsi_bitset compacting_alive;
static const rsi_file_table *table_below;

static int open_late(void *self, int directory, const char *path, unsigned flags)
{
    if (compacting != NULL && strstr(path, "rows-1.rsv") != NULL) {
        rsi_rows *rows = compacting;
        compacting = NULL;
        rewrite_all(rows, &compacting_alive);
        rsi_rows_close(rows);
    }
    return table_below->open(self, directory, path, flags);
}

static void vectors_rows_compact__a_walk_begins_again_when_files_go(void **state)
{
    fixture f;
    rsi_file_table late = rsi_files_posix;
    rsi_root *root;
    rsi_rows *reader;
    fixture_begin(&f, state);
    table_below = &rsi_files_posix;
    late.open = open_late;
    assert_int_equal(rsi_root_open(&root, &late, temporary_path(state), false), 0);
    rsi_rows *rows = open_small(&f, DIMENSION);
    assert_int_equal(append(rows, 0, 40, NULL, NULL), 0);
    compacting_alive = set_of(30, 40);
    compacting = rows;
    assert_int_equal(rsi_rows_open(&reader, root, DIRECTORY, INCARNATION, DIMENSION), 0);
    assert_null(compacting);
    expect_rows(reader, &compacting_alive, 30);
    for (int64_t chunk = 32; chunk < 40; chunk++)
        assert_row(reader, chunk);
    rsi_rows_close(reader);
    rsi_root_close(root);
    rsi_bitset_free(&compacting_alive);
    fixture_end(&f);
}

static bool is_current(rsi_rows *rows)
{
    bool current;
    assert_int_equal(rsi_rows_is_current(&current, rows), 0);
    return current;
}

/* What another process did: rows behind ours, a file in the place of ours, a further file. */
static void vectors_rows_compact__tells_whether_others_have_written(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_small(&f, DIMENSION);
    assert_false(is_current(rows)); /* nothing is there to compare */
    assert_int_equal(append(rows, 0, 4, NULL, NULL), 0);
    assert_true(is_current(rows));
    rsi_rows *other = open_small(&f, DIMENSION);
    assert_true(is_current(other));
    assert_int_equal(append(other, 4, 1, NULL, NULL), 0);
    assert_false(is_current(rows));
    rsi_rows_close(rows);
    rows = open_small(&f, DIMENSION);
    assert_true(is_current(rows));
    rsi_bitset alive = set_of(0, 5);
    assert_int_equal(rewrite(other, 0, &alive), 0); /* of the same size */
    assert_false(is_current(rows));
    rsi_rows_close(rows);
    rows = open_small(&f, DIMENSION);
    assert_int_equal(append(other, 5, 11, NULL, NULL), 0); /* to the end of the file */
    rsi_rows_close(rows);
    rows = open_small(&f, DIMENSION);
    assert_true(is_current(rows));
    assert_int_equal(append(other, 16, 1, NULL, NULL), 0); /* in the next */
    assert_int_equal(rsi_rows_segment_count(other), 2);
    assert_false(is_current(rows));
    rsi_rows_close(other);
    rsi_rows_close(rows);
    rsi_bitset_free(&alive);
    fixture_end(&f);
}

/* ---- faults ---- */

static void make_two(fixture *f, void **state)
{
    char path[TEMPORARY_PATH_MAX];
    temporary_remove_all(temporary_join(path, state, "entity"));
    rsi_rows *rows = open_small(f, DIMENSION);
    assert_int_equal(append(rows, 0, 24, NULL, NULL), 0); /* two segments */
    rsi_rows_close(rows);
}

/* Whatever failed: opened again, the living are all there, and an append works. */
static void expect_whole(fixture *f, const rsi_bitset *alive)
{
    rsi_rows *rows = open_small(f, DIMENSION);
    for (int64_t chunk = rsi_bitset_next(alive, 0); chunk >= 0;
         chunk = rsi_bitset_next(alive, chunk + 1))
        assert_row(rows, chunk);
    assert_int_equal(append(rows, 24, 3, NULL, NULL), 0);
    rsi_rows_close(rows);
    rows = open_small(f, DIMENSION);
    for (int64_t chunk = 24; chunk < 27; chunk++)
        assert_row(rows, chunk);
    rsi_rows_close(rows);
}

static void fail_each_call(void **state, size_t segment, const rsi_bitset *alive, int error)
{
    for (int64_t n = 1;; n++) {
        fixture f;
        fixture_begin(&f, state);
        make_two(&f, state);
        rsi_rows *rows = open_small(&f, DIMENSION);
        fault_files_fail(&f.faults, FAULT_ANY, n, error, false);
        int status = rewrite(rows, segment, alive);
        bool struck = fault_files_struck(&f.faults);
        fault_files_disarm(&f.faults);
        if (status != RAGSTORE_OK)
            for (int64_t chunk = rsi_bitset_next(alive, 0); chunk >= 0;
                 chunk = rsi_bitset_next(alive, chunk + 1))
                assert_row(rows, chunk);
        rsi_rows_close(rows);
        expect_whole(&f, alive);
        fixture_end(&f);
        if (!struck) {
            assert_int_equal(status, 0);
            return;
        }
    }
}

static void vectors_rows_compact__each_failing_call_leaves_the_living(void **state)
{
    rsi_bitset some = set_of(3, 20);
    rsi_bitset last = set_of(16, 24);
    rsi_bitset_remove(&some, 9);
    static const int errors[] = {EIO, ENOSPC, EMFILE};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        fail_each_call(state, 0, &some, errors[i]);
        fail_each_call(state, 1, &some, errors[i]);
        fail_each_call(state, 0, &last, errors[i]); /* the file goes */
    }
    rsi_bitset_free(&some);
    rsi_bitset_free(&last);
}

static void vectors_rows_compact__each_failing_allocation_leaves_all(void **state)
{
    rsi_bitset some = set_of(3, 20);
    for (unsigned n = 1;; n++) {
        fixture f;
        fixture_begin(&f, state);
        make_two(&f, state);
        fault_memory_install();
        rsi_rows *rows = open_small(&f, DIMENSION);
        fault_memory_fail(n, false);
        int status = rewrite(rows, 0, &some);
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        for (int64_t chunk = 3; chunk < 20; chunk++)
            assert_row(rows, chunk);
        rsi_rows_close(rows);
        assert_int_equal(fault_memory_alive(), 0);
        fault_memory_restore();
        expect_whole(&f, &some);
        fixture_end(&f);
        if (!failed)
            break;
    }
    rsi_bitset_free(&some);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_rows_compact__leaves_the_living),
        TEST(vectors_rows_compact__gives_space_back_and_joins_small_blocks),
        TEST(vectors_rows_compact__fills_short_gaps_with_zeros),
        TEST(vectors_rows_compact__gives_no_row_to_who_had_none),
        TEST(vectors_rows_compact__removes_a_file_without_living_rows_but_for_the_last),
        TEST(vectors_rows_compact__cuts_a_torn_tail),
        TEST(vectors_rows_compact__keeps_a_file_with_damage_that_somebody_needs),
        TEST(vectors_rows_compact__searches_go_on_in_the_old_file),
        TEST(vectors_rows_compact__a_walk_begins_again_when_files_go),
        TEST(vectors_rows_compact__tells_whether_others_have_written),
        TEST(vectors_rows_compact__each_failing_call_leaves_the_living),
        TEST(vectors_rows_compact__each_failing_allocation_leaves_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
