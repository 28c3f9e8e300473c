/*
 * Counts, offsets and chunk numbers around 2^31 and 2^32: in sparse files, of which only the ends
 * are written and read.
 */
#include "rows_fixture.h"

#include "base/digest.h"
#include "vectors/faiss_file.h"
#include "vectors/faiss_walk.h"

#include <fcntl.h>
#include <unistd.h>

static const uint64_t borders[] = {INT32_MAX, (uint64_t)INT32_MAX + 1, UINT32_MAX,
                                   (uint64_t)UINT32_MAX + 1};
#define BORDERS (sizeof borders / sizeof *borders)

/* Bytes at a place of a file, which is as long as it is said afterwards; false: there is no room
 * for the name of such a length on this file system. */
static bool put(const char *path, const void *bytes, size_t size, uint64_t offset, uint64_t length)
{
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    const bool fits = ftruncate(file, (off_t)length) == 0 &&
                      pwrite(file, bytes, size, (off_t)offset) == (ssize_t)size;
    assert_int_equal(close(file), 0);
    return fits;
}

/* ---- FAISS's files ---- */

static void vectors_borders__of_a_faiss_file(void **state)
{
    fixture f;
    char path[TEMPORARY_PATH_MAX];
    fixture_begin(&f, state);
    temporary_join(path, state, "given.faiss");
    for (size_t i = 0; i < 2 * BORDERS; i++) {
        unsigned char head[RSI_FAISS_HEAD_MAX];
        const float last[2] = {3, 4};
        float found[2];
        rsi_faiss_layout layout;
        rsi_faiss_file file;
        const uint64_t count = borders[i % BORDERS];
        const uint32_t dimension = i < BORDERS ? 1 : 2;
        assert_int_equal(rsi_faiss_layout_make(&layout, dimension, count, RSI_FAISS_L2), 0);
        assert_int_equal(layout.ids_at, RSI_FAISS_HEAD_MAX + 4 * count * dimension + 8);
        assert_int_equal(layout.file_size, layout.ids_at + 8 * count);
        const size_t head_size = rsi_faiss_layout_head(head, &layout);
        unlink(path);
        if (!put(path, head, head_size, 0, layout.file_size))
            skip();
        put(path, last, sizeof last, layout.ids_at - 8 - sizeof last, layout.file_size);
        assert_int_equal(rsi_faiss_file_open(&file, f.root, path), 0);
        assert_int_equal(file.layout.count, count);
        const uint64_t rows = 2 / dimension;
        assert_int_equal(rsi_faiss_file_vectors(found, &file, count - rows, rows), 0);
        assert_memory_equal(found, last, sizeof last);
        rsi_faiss_file_close(&file);
        put(path, head, head_size, 0, layout.file_size - 1);
        assert_int_equal(rsi_faiss_file_open(&file, f.root, path), RAGSTORE_E_INVALID_DATA);
    }
    fixture_end(&f);
}

/* More vectors than FAISS's graphs can number, and as many as they can in a file that has none. */
static void vectors_borders__of_a_saved_index(void **state)
{
    fixture f;
    char path[TEMPORARY_PATH_MAX];
    fixture_begin(&f, state);
    temporary_join(path, state, "saved.faiss");
    for (size_t i = 0; i < BORDERS; i++) {
        unsigned char head[RSI_FAISS_HEAD_MAX];
        rsi_faiss_layout layout;
        rsi_faiss_blocks blocks;
        rsi_faiss_facts facts;
        rsi_file *file;
        rsi_sha256 sha;
        assert_int_equal(rsi_faiss_layout_make(&layout, 1, borders[i], RSI_FAISS_L2), 0);
        const size_t head_size = rsi_faiss_layout_head(head, &layout);
        const uint64_t size = borders[i] > INT32_MAX ? layout.file_size : 2 * RSI_FAISS_BLOCK_SIZE;
        unlink(path);
        if (!put(path, head, head_size, 0, size))
            skip();
        const size_t digests_size = rsi_faiss_blocks_count(size) * RSI_FAISS_DIGEST_SIZE;
        unsigned char *digests = calloc(1, digests_size); /* only the first block is read */
        unsigned char *first = calloc(1, RSI_FAISS_BLOCK_SIZE);
        assert_non_null(digests);
        assert_non_null(first);
        memcpy(first, head, head_size);
        rsi_sha256_begin(&sha);
        rsi_sha256_add(&sha, first, RSI_FAISS_BLOCK_SIZE);
        rsi_sha256_end(&sha, digests);
        assert_int_equal(rsi_file_open(&file, f.root, "saved.faiss", RSI_OPEN_READ), 0);
        assert_int_equal(rsi_faiss_blocks_open(&blocks, file, size, digests), 0);
        assert_int_equal(rsi_faiss_walk(&facts, &blocks),
                         borders[i] > INT32_MAX ? RAGSTORE_E_UNSUPPORTED : RAGSTORE_E_DAMAGED);
        assert_null(strstr(rsi_error_message(), "are not those")); /* it was not the digests */
        rsi_faiss_blocks_free(&blocks);
        rsi_file_close(file);
        free(first);
        free(digests);
    }
    fixture_end(&f);
}

/* ---- rows ---- */

/* The header of a block of so many rows of one number, which are zeros in a sparse file. */
static void make_block_header(unsigned char out[RSI_ROWS_HEADER_SIZE], uint32_t count)
{
    const rsi_rows_identity identity = {INCARNATION, 1, 1};
    unsigned char block[2 * RSI_ROWS_HEADER_SIZE];
    const float zero = 0;
    const uint64_t data = (uint64_t)count * sizeof zero;
    rsi_rows_block_encode(block, &identity, RSI_ROWS_HEADER_SIZE, 0, &zero, 1);
    memcpy(block + 16, &count, sizeof count);
    memcpy(block + 24, &data, sizeof data);
    const uint32_t crc = rsi_crc32c(rsi_crc32c(0, INCARNATION, RSI_INCARNATION_DIGITS), block, 60);
    memcpy(block + 60, &crc, sizeof crc);
    memcpy(out, block, RSI_ROWS_HEADER_SIZE);
}

static void vectors_borders__of_a_segment(void **state)
{
    fixture f;
    char path[TEMPORARY_PATH_MAX];
    fixture_begin(&f, state);
    assert_int_equal(rsi_directory_make(f.root, DIRECTORY), 0);
    segment_path(path, state, 1);
    for (size_t i = 0; i < BORDERS; i++) {
        unsigned char header[RSI_ROWS_HEADER_SIZE], block[2 * RSI_ROWS_HEADER_SIZE];
        const rsi_rows_identity identity = {INCARNATION, 1, 1};
        const uint32_t count = borders[i] > UINT32_MAX ? UINT32_MAX - 1 : (uint32_t)borders[i];
        const uint64_t behind = RSI_ROWS_HEADER_SIZE + rsi_rows_block_size(count, 1);
        const uint64_t end = behind + rsi_rows_block_size(3, 1);
        const float rows_behind[3] = {7, 8, 9};
        const float *row;
        assert_true(behind >= 64 + 64 + (uint64_t)count * 4);
        rsi_rows_header_encode(header, &identity);
        unlink(path);
        if (!put(path, header, sizeof header, 0, end))
            skip();
        make_block_header(header, count);
        put(path, header, sizeof header, RSI_ROWS_HEADER_SIZE, end);
        rsi_rows_block_encode(block, &identity, behind, count, rows_behind, 3);
        put(path, block, sizeof block, behind, end);
        rsi_rows *rows = open_rows(&f, 1);
        assert_int_equal(rsi_rows_count(rows), (uint64_t)count + 3);
        assert_int_equal(rsi_rows_next_chunk(rows), (int64_t)count + 3);
        for (int64_t chunk = 0; chunk < 3; chunk++) {
            assert_int_equal(rsi_rows_get(&row, rows, count + chunk), 0);
            assert_true(*row == 7.0f + (float)chunk);
        }
        assert_int_equal(rsi_rows_get(&row, rows, (int64_t)count + 3), RAGSTORE_E_NOT_FOUND);
        rsi_rows_close(rows);
    }
    fixture_end(&f);
}

static void vectors_borders__of_chunk_numbers(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, 4);
    for (size_t i = 0; i < BORDERS; i++)
        assert_int_equal(append(rows, (int64_t)borders[i] - (i % 2 == 0 ? 2 : 0), 2, NULL, NULL),
                         0);
    assert_int_equal(append(rows, INT64_MAX - 2, 2, NULL, NULL), 0);
    rsi_rows_close(rows);
    rows = open_rows(&f, 4);
    for (size_t i = 0; i < BORDERS; i++)
        for (int64_t next = 0; next < 2; next++)
            assert_row(rows, (int64_t)borders[i] - (i % 2 == 0 ? 2 : 0) + next);
    assert_row(rows, INT64_MAX - 1);
    assert_int_equal(rsi_rows_next_chunk(rows), INT64_MAX);
    assert_true(append(rows, INT64_MAX, 1, NULL, NULL) < 0);
    assert_no_row(rows, 0, RAGSTORE_E_NOT_FOUND);
    assert_no_row(rows, -1, RAGSTORE_E_NOT_FOUND);
    rsi_rows_close(rows);
    fixture_end(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_borders__of_a_faiss_file),
        TEST(vectors_borders__of_a_saved_index),
        TEST(vectors_borders__of_a_segment),
        TEST(vectors_borders__of_chunk_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
