/* Rows as their user sees them: append, reopen, get, verify, missing. */
#include "rows_fixture.h"

#include <math.h>

static void vectors_rows__missing_directory_is_an_entity_without_rows(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, 8);
    assert_int_equal(rsi_rows_next_chunk(rows), 0);
    assert_no_row(rows, 0, RAGSTORE_E_NOT_FOUND);
    assert_no_row(rows, -1, RAGSTORE_E_NOT_FOUND);
    rsi_bitset wanted = set_of(3, 6);
    rsi_bitset missing;
    assert_int_equal(rsi_rows_missing(&missing, rows, &wanted), 0);
    assert_int_equal(missing.count, 3);
    rsi_hit hits[4];
    size_t count = 9;
    float query[8] = {1};
    assert_int_equal(rsi_rows_search(hits, &count, rows, query, 4, &wanted), 0);
    assert_int_equal(count, 0);
    rsi_bitset_free(&missing);
    rsi_bitset_free(&wanted);
    char path[TEMPORARY_PATH_MAX];
    assert_false(temporary_exists(temporary_join(path, state, "entity")));
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void append_and_reopen(void **state, uint32_t dimension)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, dimension);
    rsi_rows_extent extents[3][EXTENTS_MAX];
    size_t counts[3];
    assert_int_equal(append(rows, 0, 1, extents[0], &counts[0]), 0);
    assert_int_equal(append(rows, 1, 7, extents[1], &counts[1]), 0);
    assert_int_equal(append(rows, 20, 3, extents[2], &counts[2]), 0);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(rsi_rows_dimension(rows), dimension);
        assert_int_equal(rsi_rows_next_chunk(rows), 23);
        for (int64_t chunk = 0; chunk < 8; chunk++)
            assert_row(rows, chunk);
        for (int64_t chunk = 8; chunk < 20; chunk++)
            assert_no_row(rows, chunk, RAGSTORE_E_NOT_FOUND);
        for (int64_t chunk = 20; chunk < 23; chunk++)
            assert_row(rows, chunk);
        assert_no_row(rows, 23, RAGSTORE_E_NOT_FOUND);
        assert_no_row(rows, INT64_MAX, RAGSTORE_E_NOT_FOUND);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(counts[i], 1);
            assert_int_equal(extents[i][0].offset % 64, 0);
            assert_int_equal(rsi_rows_verify(rows, &extents[i][0]), 0);
        }
        rsi_rows_close(rows);
        rows = open_rows(&f, dimension);
    }
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows__come_back_after_reopening(void **state)
{
    static const uint32_t dimensions[] = {1, 3, 16, 17, 384, 1024};
    char path[TEMPORARY_PATH_MAX];
    for (size_t i = 0; i < sizeof dimensions / sizeof *dimensions; i++) {
        append_and_reopen(state, dimensions[i]);
        temporary_remove_all(temporary_join(path, state, "entity"));
    }
}

static void vectors_rows__rows_of_whole_lines_are_aligned(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, 384);
    assert_int_equal(append(rows, 0, 5, NULL, NULL), 0);
    assert_int_equal(append(rows, 5, 5, NULL, NULL), 0);
    for (int64_t chunk = 0; chunk < 10; chunk++) {
        const float *row;
        assert_int_equal(rsi_rows_get(&row, rows, chunk), 0);
        assert_int_equal((uintptr_t)row % 64, 0);
    }
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows__verify_refuses_any_other_extent(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, 5);
    rsi_rows_extent extents[EXTENTS_MAX];
    assert_int_equal(append(rows, 10, 4, extents, NULL), 0);
    const rsi_rows_extent right = extents[0];
    assert_int_equal(rsi_rows_verify(rows, &right), 0);
    rsi_rows_extent wrong[8];
    for (size_t i = 0; i < 8; i++)
        wrong[i] = right;
    wrong[0].segment++;
    wrong[1].offset += 64;
    wrong[2].size -= 64;
    wrong[3].first_chunk++;
    wrong[4].count--;
    wrong[5].crc ^= 1;
    wrong[6].first_chunk = -1;
    wrong[7].first_chunk = INT64_MAX;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(rsi_rows_verify(rows, &wrong[i]), RAGSTORE_E_DAMAGED);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows__missing_names_exactly_what_has_no_row(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, 4);
    assert_int_equal(append(rows, 5, 10, NULL, NULL), 0);
    assert_int_equal(append(rows, 100, 50, NULL, NULL), 0);
    rsi_bitset wanted = set_of(0, 200);
    rsi_bitset missing;
    assert_int_equal(rsi_rows_missing(&missing, rows, &wanted), 0);
    for (int64_t chunk = 0; chunk < 200; chunk++) {
        bool has_row = (chunk >= 5 && chunk < 15) || (chunk >= 100 && chunk < 150);
        assert_int_equal(rsi_bitset_has(&missing, chunk), !has_row);
    }
    assert_int_equal(missing.count, 140);
    rsi_bitset_free(&missing);
    rsi_bitset_free(&wanted);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows__open_refuses_bad_arguments(void **state)
{
    static const char *const incarnations[] = {
        NULL,
        "",
        "0123456789abcdef0123456789abcde",
        "0123456789abcdef0123456789abcdef0",
        "0123456789ABCDEF0123456789abcdef",
    };
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = (rsi_rows *)&f;
    for (size_t i = 0; i < sizeof incarnations / sizeof *incarnations; i++) {
        assert_int_equal(rsi_rows_open(&rows, f.root, DIRECTORY, incarnations[i], 4),
                         RAGSTORE_E_INVALID_ARGUMENT);
        assert_null(rows);
    }
    assert_int_equal(rsi_rows_open(&rows, f.root, DIRECTORY, INCARNATION, 0),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_rows_open(&rows, f.root, DIRECTORY, INCARNATION, RSI_DIMENSION_MAX + 1),
                     RAGSTORE_E_INVALID_ARGUMENT);
    rsi_rows_close(NULL);
    fixture_end(&f);
}

static void vectors_rows__memory_grows_with_the_directory(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, 2);
    size_t before = rsi_rows_memory(rows);
    for (int64_t chunk = 0; chunk < 100; chunk++)
        assert_int_equal(append(rows, chunk, 1, NULL, NULL), 0);
    assert_true(rsi_rows_memory(rows) >= before + 100 * sizeof(rsi_rows_run));
    rsi_rows_close(rows);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(vectors_rows__missing_directory_is_an_entity_without_rows,
                                        temporary_setup, temporary_teardown),
        cmocka_unit_test_setup_teardown(vectors_rows__come_back_after_reopening, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test_setup_teardown(vectors_rows__rows_of_whole_lines_are_aligned,
                                        temporary_setup, temporary_teardown),
        cmocka_unit_test_setup_teardown(vectors_rows__verify_refuses_any_other_extent,
                                        temporary_setup, temporary_teardown),
        cmocka_unit_test_setup_teardown(vectors_rows__missing_names_exactly_what_has_no_row,
                                        temporary_setup, temporary_teardown),
        cmocka_unit_test_setup_teardown(vectors_rows__open_refuses_bad_arguments, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test_setup_teardown(vectors_rows__memory_grows_with_the_directory,
                                        temporary_setup, temporary_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
