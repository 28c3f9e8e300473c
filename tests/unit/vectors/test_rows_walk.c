/*
 * Opening what a crash, a bad disk or a careless copy left. The small store of most tests:
 *
 *   byte  0       64             192            320            448
 *         [header |chunks 0 1 2  |chunks 3 4 5  |chunks 6 7 8  ]     dimension 4
 */
#include "rows_fixture.h"

#include "base/digest.h"

#define DIMENSION 4u
#define BLOCKS 3
#define ROWS_OF_BLOCK 3
#define ALL_ROWS (BLOCKS * ROWS_OF_BLOCK)
#define BLOCK_BYTES 128u
#define FILE_BYTES (64u + BLOCKS * BLOCK_BYTES)

static char *make_store(fixture *f, void **state)
{
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    rsi_rows *rows = open_rows(f, DIMENSION);
    for (int64_t block = 0; block < BLOCKS; block++)
        assert_int_equal(append(rows, block * ROWS_OF_BLOCK, ROWS_OF_BLOCK, NULL, NULL), 0);
    rsi_rows_close(rows);
    char *bytes = temporary_read(segment_path(path, state, 1), &size);
    assert_non_null(bytes);
    assert_int_equal(size, FILE_BYTES);
    return bytes;
}

/* Only rows-1.rsv, with these bytes. */
static void put_segment(void **state, const void *bytes, size_t size)
{
    char path[TEMPORARY_PATH_MAX];
    temporary_remove_all(segment_path(path, state, 2));
    temporary_write(segment_path(path, state, 1), bytes, size);
}

/* The next append works, and all is right after reopening; chunks are those that had a row. */
static void append_after(fixture *f, rsi_rows *rows, const bool has_row[ALL_ROWS])
{
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t count;
    assert_int_equal(append(rows, 50, 2, extents, &count), 0);
    for (int again = 0; again < 2; again++) {
        assert_row(rows, 50);
        assert_row(rows, 51);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(rsi_rows_verify(rows, &extents[i]), 0);
        for (int64_t chunk = 0; chunk < ALL_ROWS; chunk++)
            if (has_row[chunk])
                assert_row(rows, chunk);
        rsi_rows_close(rows);
        rows = open_rows(f, DIMENSION);
    }
    rsi_rows_close(rows);
}

static void vectors_rows_walk__survives_a_cut_at_every_length(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    char *bytes = make_store(&f, state);
    for (size_t length = 0; length <= FILE_BYTES; length++) {
        put_segment(state, bytes, length);
        rsi_rows *rows = open_rows(&f, DIMENSION);
        size_t blocks = length < 64 ? 0 : (length - 64) / BLOCK_BYTES;
        bool has_row[ALL_ROWS];
        assert_int_equal(rsi_rows_next_chunk(rows), blocks * ROWS_OF_BLOCK);
        for (int64_t chunk = 0; chunk < ALL_ROWS; chunk++) {
            has_row[chunk] = chunk < (int64_t)blocks * ROWS_OF_BLOCK;
            if (has_row[chunk])
                assert_row(rows, chunk);
            else
                assert_no_row(rows, chunk, RAGSTORE_E_NOT_FOUND);
        }
        append_after(&f, rows, has_row);
        /* What was torn is gone: nothing lies in between. */
        char path[TEMPORARY_PATH_MAX];
        size_t size;
        free(temporary_read(segment_path(path, state, length < 64 ? 2 : 1), &size));
        assert_int_equal(size, 64 + (blocks + 1) * BLOCK_BYTES);
        assert_int_equal(temporary_exists(segment_path(path, state, 1)), length >= 64);
    }
    free(bytes);
    fixture_end(&f);
}

/* One changed bit: which chunks must then be what. */
static void check_flip(fixture *f, size_t bit)
{
    size_t byte = bit / 8;
    int64_t hurt = byte < 64 ? -1 : (int64_t)((byte - 64) / BLOCK_BYTES);
    bool has_row[ALL_ROWS];
    rsi_rows *rows = open_rows(f, DIMENSION);
    for (int64_t chunk = 0; chunk < ALL_ROWS; chunk++) {
        has_row[chunk] = chunk / ROWS_OF_BLOCK != hurt;
        if (has_row[chunk])
            assert_row(rows, chunk);
        else
            assert_no_row(rows, chunk,
                          hurt == BLOCKS - 1 ? RAGSTORE_E_NOT_FOUND : RAGSTORE_E_DAMAGED);
    }

    rsi_bitset all = set_of(0, ALL_ROWS);
    rsi_bitset missing;
    assert_int_equal(rsi_rows_missing(&missing, rows, &all), 0);
    assert_int_equal(missing.count, hurt < 0 ? 0 : ROWS_OF_BLOCK);
    rsi_hit hits[ALL_ROWS];
    size_t count;
    const float query[DIMENSION] = {1, 1, 1, 1};
    bool damaged = hurt >= 0 && hurt < BLOCKS - 1;
    assert_int_equal(rsi_rows_search(hits, &count, rows, query, ALL_ROWS, &all),
                     damaged ? RAGSTORE_E_DAMAGED : RAGSTORE_OK);
    for (int64_t chunk = rsi_bitset_next(&missing, 0); chunk >= 0;
         chunk = rsi_bitset_next(&missing, chunk + 1)) {
        assert_false(has_row[chunk]);
        rsi_bitset_remove(&all, chunk);
    }
    assert_int_equal(rsi_rows_search(hits, &count, rows, query, ALL_ROWS, &all), 0);
    assert_int_equal(count, all.count);
    rsi_bitset_free(&missing);
    rsi_bitset_free(&all);
    append_after(f, rows, has_row);
}

static void vectors_rows_walk__every_flipped_bit_is_damaged_or_a_tail(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    char *bytes = make_store(&f, state);
    for (size_t bit = 0; bit < FILE_BYTES * 8; bit++) {
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        put_segment(state, bytes, FILE_BYTES);
        check_flip(&f, bit);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    }
    free(bytes);
    fixture_end(&f);
}

static void vectors_rows_walk__padding_is_checked_too(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    char *bytes = make_store(&f, state);
    bytes[64 + BLOCK_BYTES - 1] = 1; /* 3 × 4 floats are 48 bytes of 64 */
    put_segment(state, bytes, FILE_BYTES);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    assert_no_row(rows, 0, RAGSTORE_E_DAMAGED);
    assert_non_null(strstr(rsi_error_message(), "rows-1.rsv"));
    assert_row(rows, 3);
    rsi_rows_close(rows);
    free(bytes);
    fixture_end(&f);
}

static void vectors_rows_walk__ignores_zeros_and_garbage_behind_the_last_block(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    char *bytes = make_store(&f, state);
    char longer[FILE_BYTES + 70000];
    for (int kind = 0; kind < 3; kind++) {
        memset(longer, kind == 1 ? 0xA5 : 0, sizeof longer);
        memcpy(longer, bytes, FILE_BYTES);
        if (kind == 2) /* a stale block, whole but from another place */
            memcpy(longer + FILE_BYTES, bytes + 64, BLOCK_BYTES);
        put_segment(state, longer, sizeof longer);
        rsi_rows *rows = open_rows(&f, DIMENSION);
        assert_int_equal(rsi_rows_next_chunk(rows), ALL_ROWS);
        bool has_row[ALL_ROWS];
        memset(has_row, true, sizeof has_row);
        append_after(&f, rows, has_row);
        char path[TEMPORARY_PATH_MAX];
        size_t size;
        free(temporary_read(segment_path(path, state, 1), &size));
        assert_int_equal(size, FILE_BYTES + BLOCK_BYTES);
    }
    free(bytes);
    fixture_end(&f);
}

static void vectors_rows_walk__a_block_serves_only_in_its_place(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    char *bytes = make_store(&f, state);
    /* The third block in the place of the second: its chunk numbers would fit. */
    memcpy(bytes + 64 + BLOCK_BYTES, bytes + 64 + 2 * BLOCK_BYTES, BLOCK_BYTES);
    put_segment(state, bytes, FILE_BYTES - BLOCK_BYTES);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    assert_int_equal(rsi_rows_next_chunk(rows), ROWS_OF_BLOCK);
    rsi_rows_close(rows);
    free(bytes);
    fixture_end(&f);
}

static void vectors_rows_walk__a_block_serves_only_its_incarnation(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    char *bytes = make_store(&f, state);
    rsi_rows_identity other = {"ffffffffffffffffffffffffffffffff", DIMENSION, 1};
    float vectors[ROWS_OF_BLOCK * DIMENSION] = {0};
    unsigned char *last = (unsigned char *)bytes + FILE_BYTES - BLOCK_BYTES;
    rsi_rows_block_encode(last, &other, FILE_BYTES - BLOCK_BYTES, 6, vectors, ROWS_OF_BLOCK);
    put_segment(state, bytes, FILE_BYTES);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    assert_int_equal(rsi_rows_next_chunk(rows), 6);
    rsi_rows_close(rows);
    free(bytes);
    fixture_end(&f);
}

static void vectors_rows_walk__a_torn_tail_may_be_several_blocks(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    char *bytes = make_store(&f, state);
    bytes[64 + BLOCK_BYTES + 70] ^= 1;
    bytes[64 + 2 * BLOCK_BYTES + 70] ^= 1;
    put_segment(state, bytes, FILE_BYTES);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    assert_int_equal(rsi_rows_next_chunk(rows), ROWS_OF_BLOCK);
    bool has_row[ALL_ROWS] = {true, true, true};
    append_after(&f, rows, has_row);
    free(bytes);
    fixture_end(&f);
}

static void vectors_rows_walk__refuses_files_of_another_entity_dimension_or_place(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    char *bytes = make_store(&f, state);
    char path[TEMPORARY_PATH_MAX];
    rsi_rows *rows;
    assert_int_equal(
        rsi_rows_open(&rows, f.root, DIRECTORY, "ffffffffffffffffffffffffffffffff", DIMENSION),
        RAGSTORE_E_DAMAGED);
    assert_null(rows);
    assert_int_equal(rsi_rows_open(&rows, f.root, DIRECTORY, INCARNATION, DIMENSION + 1),
                     RAGSTORE_E_DAMAGED);
    temporary_write(segment_path(path, state, 2), bytes, FILE_BYTES);
    assert_int_equal(rsi_rows_open(&rows, f.root, DIRECTORY, INCARNATION, DIMENSION),
                     RAGSTORE_E_DAMAGED);
    assert_non_null(strstr(rsi_error_message(), "rows-2.rsv"));
    free(bytes);
    fixture_end(&f);
}

static void vectors_rows_walk__refuses_a_newer_format_untouched(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    char *bytes = make_store(&f, state);
    bytes[12] = RSI_ROWS_FORMAT_MAJOR + 1;
    uint32_t crc = rsi_crc32c(0, bytes, 60);
    memcpy(bytes + 60, &crc, sizeof crc);
    put_segment(state, bytes, FILE_BYTES);
    rsi_rows *rows;
    assert_int_equal(rsi_rows_open(&rows, f.root, DIRECTORY, INCARNATION, DIMENSION),
                     RAGSTORE_E_VERSION);
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    char *after = temporary_read(segment_path(path, state, 1), &size);
    assert_int_equal(size, FILE_BYTES);
    assert_memory_equal(after, bytes, FILE_BYTES);
    free(after);
    free(bytes);
    fixture_end(&f);
}

static void vectors_rows_walk__leaves_other_names_alone(void **state)
{
    static const char *const names[] = {
        "rows-01.rsv",          "rows-.rsv",           "rows-0.rsv", "rows-1.rsv~", "index.faiss",
        "rows-99999999999.rsv", "rows-4294967296.rsv", ".tmp-1",     "rows-1a.rsv"};
    fixture f;
    fixture_begin(&f, state);
    free(make_store(&f, state));
    char below[128], path[TEMPORARY_PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(below, sizeof below, DIRECTORY "/%s", names[i]);
        temporary_write(temporary_join(path, state, below), "x", 1);
    }
    rsi_rows *rows = open_rows(&f, DIMENSION);
    bool has_row[ALL_ROWS];
    memset(has_row, true, sizeof has_row);
    append_after(&f, rows, has_row);
    assert_int_equal(temporary_count(temporary_join(path, state, DIRECTORY)),
                     1 + sizeof names / sizeof *names);
    fixture_end(&f);
}

static void vectors_rows_walk__damage_in_an_older_segment_is_damage(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    rows->segment_limit = FILE_BYTES;
    for (int64_t block = 0; block < 5; block++)
        assert_int_equal(append(rows, block * 3, 3, NULL, NULL), 0);
    rsi_rows_close(rows);
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    char *bytes = temporary_read(segment_path(path, state, 1), &size);
    assert_int_equal(size, FILE_BYTES);

    /* The last block of segment 1: its data, its header, and cut off. */
    for (int kind = 0; kind < 3; kind++) {
        char *copy = malloc(size);
        size_t left = kind == 2 ? size - BLOCK_BYTES + 10 : size;
        memcpy(copy, bytes, size);
        copy[kind == 0 ? FILE_BYTES - 60 : FILE_BYTES - BLOCK_BYTES + 9] ^= 4;
        temporary_write(path, copy, left);
        rows = open_rows(&f, DIMENSION);
        for (int64_t chunk = 0; chunk < 15; chunk++)
            if (chunk < 6 || chunk >= 9)
                assert_row(rows, chunk);
            else
                assert_no_row(rows, chunk, RAGSTORE_E_DAMAGED);
        rsi_rows_extent lost = {.segment = 1,
                                .offset = FILE_BYTES - BLOCK_BYTES,
                                .size = BLOCK_BYTES,
                                .first_chunk = 6,
                                .count = 3};
        assert_int_equal(rsi_rows_verify(rows, &lost), RAGSTORE_E_DAMAGED);

        /* Damage is kept as it is: only a tail is cut. */
        assert_int_equal(append(rows, 15 + kind, 1, NULL, NULL), 0);
        rsi_rows_close(rows);
        size_t size_after;
        char *after = temporary_read(path, &size_after);
        assert_int_equal(size_after, left);
        assert_memory_equal(after, copy, left);
        free(after);
        free(copy);
    }
    free(bytes);
    fixture_end(&f);
}

static void vectors_rows_walk__a_segment_with_a_damaged_header_is_never_written(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    char *bytes = make_store(&f, state);
    bytes[20] ^= 1;
    char longer[FILE_BYTES + 100] = {0};
    memcpy(longer, bytes, FILE_BYTES);
    put_segment(state, longer, sizeof longer);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    bool has_row[ALL_ROWS];
    memset(has_row, true, sizeof has_row);
    append_after(&f, rows, has_row);
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    char *after = temporary_read(segment_path(path, state, 1), &size);
    assert_int_equal(size, sizeof longer);
    assert_memory_equal(after, longer, size);
    assert_true(temporary_exists(segment_path(path, state, 2)));
    free(after);
    free(bytes);
    fixture_end(&f);
}

static void vectors_rows_walk__every_failing_file_call_is_an_error_without_a_leak(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    free(make_store(&f, state));
    bool failed = true;
    for (int64_t n = 1; failed; n++) {
        rsi_rows *rows = NULL;
        int64_t handles = atomic_load(&f.faults.open_handles);
        fault_files_fail(&f.faults, FAULT_ANY, n, EIO, false);
        int status = rsi_rows_open(&rows, f.root, DIRECTORY, INCARNATION, DIMENSION);
        failed = fault_files_struck(&f.faults);
        fault_files_disarm(&f.faults);
        assert_true(status == RAGSTORE_OK || (failed && rows == NULL));
        if (status == RAGSTORE_OK)
            for (int64_t chunk = 0; chunk < ALL_ROWS; chunk++)
                assert_row(rows, chunk);
        rsi_rows_close(rows);
        assert_int_equal(atomic_load(&f.faults.open_handles), handles);
        assert_int_equal(atomic_load(&f.faults.views), 0);
    }
    fixture_end(&f);
}

static void vectors_rows_walk__every_failing_allocation_is_no_memory(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    free(make_store(&f, state));
    fault_memory_install();
    bool failed = true;
    for (uint64_t n = 1; failed; n++) {
        rsi_rows *rows = NULL;
        int64_t alive = fault_memory_alive();
        fault_memory_fail(n, false);
        int status = rsi_rows_open(&rows, f.root, DIRECTORY, INCARNATION, DIMENSION);
        failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        rsi_rows_close(rows);
        assert_int_equal(fault_memory_alive(), alive);
    }
    fault_memory_restore();
    fixture_end(&f);
}

static void vectors_rows_walk__a_row_file_that_is_no_file_is_damage(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    free(make_store(&f, state));
    assert_int_equal(rsi_directory_make(f.root, DIRECTORY "/rows-7.rsv"), 0);
    rsi_rows *rows;
    assert_int_equal(rsi_rows_open(&rows, f.root, DIRECTORY, INCARNATION, DIMENSION),
                     RAGSTORE_E_DAMAGED);
    assert_null(rows);
    fixture_end(&f);
}

static void vectors_rows_walk__the_last_segment_number_is_the_end(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    char path[TEMPORARY_PATH_MAX];
    assert_int_equal(rsi_directory_make(f.root, DIRECTORY), 0);
    temporary_write(segment_path(path, state, UINT32_MAX), "", 0);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    assert_int_equal(append(rows, 0, 1, NULL, NULL), RAGSTORE_E_TOO_LARGE);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_walk__refuses_a_directory_whose_path_is_too_long(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    char directory[RSI_PATH_MAX];
    memset(directory, 'd', sizeof directory);
    for (size_t i = 100; i < sizeof directory; i += 100)
        directory[i] = '/';
    directory[RSI_PATH_MAX - 5] = '\0'; /* it fits, its files do not */
    rsi_rows *rows = NULL;
    int status = rsi_rows_open(&rows, f.root, directory, INCARNATION, DIMENSION);
    if (status == RAGSTORE_OK)
        assert_int_equal(append(rows, 0, 1, NULL, NULL), RAGSTORE_E_INVALID_ARGUMENT);
    else
        assert_int_equal(status, RAGSTORE_E_INVALID_ARGUMENT);
    rsi_rows_close(rows);
    fixture_end(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_rows_walk__survives_a_cut_at_every_length),
        TEST(vectors_rows_walk__every_flipped_bit_is_damaged_or_a_tail),
        TEST(vectors_rows_walk__padding_is_checked_too),
        TEST(vectors_rows_walk__ignores_zeros_and_garbage_behind_the_last_block),
        TEST(vectors_rows_walk__a_block_serves_only_in_its_place),
        TEST(vectors_rows_walk__a_block_serves_only_its_incarnation),
        TEST(vectors_rows_walk__a_torn_tail_may_be_several_blocks),
        TEST(vectors_rows_walk__refuses_files_of_another_entity_dimension_or_place),
        TEST(vectors_rows_walk__refuses_a_newer_format_untouched),
        TEST(vectors_rows_walk__leaves_other_names_alone),
        TEST(vectors_rows_walk__damage_in_an_older_segment_is_damage),
        TEST(vectors_rows_walk__a_segment_with_a_damaged_header_is_never_written),
        TEST(vectors_rows_walk__a_row_file_that_is_no_file_is_damage),
        TEST(vectors_rows_walk__the_last_segment_number_is_the_end),
        TEST(vectors_rows_walk__refuses_a_directory_whose_path_is_too_long),
        TEST(vectors_rows_walk__every_failing_file_call_is_an_error_without_a_leak),
        TEST(vectors_rows_walk__every_failing_allocation_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
