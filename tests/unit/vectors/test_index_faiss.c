/* index.faiss: what FAISS reads back, what counts as current, and what failures leave. */
#include "rows_fixture.h"

#include "base/digest.h"

#if __has_include(<faiss/c_api/Index_c.h>)
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/index_factory_c.h>
#include <faiss/c_api/index_io_c.h>
#else
#include <c_api/Index_c.h>
#include <c_api/index_factory_c.h>
#include <c_api/index_io_c.h>
#endif

#include <math.h>

#define DIMENSION 24u
#define INDEX DIRECTORY "/index.faiss"
#define STAMP "rows 0:42 alive 17"

static float random_number(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(int32_t)*seed / 2147483648.0f;
}

static rsi_rows *make_rows(fixture *f, size_t count)
{
    rsi_rows *rows = open_rows(f, DIMENSION);
    float *vectors = malloc(count * DIMENSION * sizeof *vectors);
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t extents_count;
    uint32_t seed = 3;
    assert_non_null(vectors);
    for (size_t i = 0; i < count * DIMENSION; i++)
        vectors[i] = random_number(&seed);
    assert_int_equal(
        rsi_rows_append(rows, 1000, vectors, count / 2, extents, EXTENTS_MAX, &extents_count), 0);
    assert_int_equal(rsi_rows_append(rows, 5000000, vectors + count / 2 * DIMENSION,
                                     count - count / 2, extents, EXTENTS_MAX, &extents_count),
                     0);
    free(vectors);
    return rows;
}

/* Every third of the chunks is dead, and some have no row at all. */
static rsi_bitset allowed_of(size_t count)
{
    rsi_bitset set = {0};
    for (int64_t chunk = 1000; chunk < 1000 + (int64_t)count; chunk++)
        if (chunk % 3 != 0)
            assert_int_equal(rsi_bitset_add(&set, chunk), 0);
    for (int64_t chunk = 5000000; chunk < 5000000 + (int64_t)count; chunk++)
        if (chunk % 3 != 0)
            assert_int_equal(rsi_bitset_add(&set, chunk), 0);
    return set;
}

static rsi_faiss_state state_of(fixture *f, rsi_rows *rows, const rsi_bitset *allowed,
                                const char *stamp)
{
    rsi_faiss_state found;
    assert_int_equal(rsi_faiss_check(&found, f->root, INDEX, rows, allowed, stamp), 0);
    return found;
}

static bool is_current(fixture *f, rsi_rows *rows, const rsi_bitset *allowed, const char *stamp)
{
    return state_of(f, rows, allowed, stamp) == RSI_FAISS_CURRENT;
}

/* The bytes are checked against the .sum here, by other means than the library's; then FAISS. */
static FaissIndex *read_back(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    size_t size, sum_size;
    char *bytes = temporary_read(temporary_join(path, state, INDEX), &size);
    char *sum = temporary_read(temporary_join(path, state, INDEX ".sum"), &sum_size);
    assert_non_null(bytes);
    assert_non_null(sum);
    size_t size_in_sum = 0;
    char sha256_in_sum[65] = "", sha256[65];
    assert_int_equal(
        sscanf(sum, "ragstore-faiss 1\nsize %zu\nsha256 %64s\n", &size_in_sum, sha256_in_sum), 2);
    rsi_sha256_hex(bytes, size, sha256);
    assert_int_equal(size, size_in_sum);
    assert_string_equal(sha256, sha256_in_sum);
    unsigned crc_in_sum = 0;
    const char *last_line = strstr(sum, "crc32c ");
    assert_non_null(last_line);
    assert_int_equal(sscanf(last_line, "crc32c %8x\n", &crc_in_sum), 1);
    assert_int_equal(rsi_crc32c(0, sum, (size_t)(last_line - sum)), crc_in_sum);

    FILE *stream = fmemopen(bytes, size, "r");
    FaissIndex *index = NULL;
    assert_non_null(stream);
    assert_int_equal(faiss_read_index(stream, 0, &index), 0);
    fclose(stream);
    free(bytes);
    free(sum);
    return index;
}

/* FAISS, asked for everything, names the same chunks with the same scores as our own search. */
static void compare_with_rows(const FaissIndex *index, rsi_rows *rows, const rsi_bitset *allowed)
{
    size_t total = (size_t)faiss_Index_ntotal(index);
    rsi_hit *hits = calloc(total + 1, sizeof *hits);
    float *distances = calloc(total + 1, sizeof *distances);
    idx_t *labels = calloc(total + 1, sizeof *labels);
    size_t count;
    float query[DIMENSION];
    uint32_t seed = 77;
    for (uint32_t i = 0; i < DIMENSION; i++)
        query[i] = random_number(&seed);
    assert_int_equal(rsi_rows_search(hits, &count, rows, query, total + 1, allowed), 0);
    assert_int_equal(count, total);
    assert_int_equal(faiss_Index_search(index, 1, query, (idx_t)total, distances, labels), 0);
    rsi_bitset seen = {0};
    for (size_t i = 0; i < total; i++) {
        assert_true(rsi_bitset_has(allowed, labels[i]));
        assert_int_equal(rsi_bitset_add(&seen, labels[i]), 0);
        assert_true(distances[i] - hits[i].score < 1e-4f && hits[i].score - distances[i] < 1e-4f);
        const float *row;
        float sum = 0;
        assert_int_equal(rsi_rows_get(&row, rows, labels[i]), 0);
        for (uint32_t j = 0; j < DIMENSION; j++)
            sum += row[j] * query[j];
        assert_true(sum - distances[i] < 1e-4f && distances[i] - sum < 1e-4f);
    }
    assert_int_equal(seen.count, total);
    rsi_bitset_free(&seen);
    free(hits);
    free(distances);
    free(labels);
}

static void vectors_index_faiss__reads_back_with_chunk_numbers_as_ids(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, 12000);
    rsi_bitset allowed = allowed_of(7000);
    assert_false(is_current(&f, rows, &allowed, STAMP));
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, STAMP), 0);
    assert_true(is_current(&f, rows, &allowed, STAMP));
    FaissIndex *index = read_back(state);
    assert_int_equal(faiss_Index_d(index), DIMENSION);
    assert_int_equal(faiss_Index_metric_type(index), METRIC_INNER_PRODUCT);
    assert_int_equal(faiss_Index_ntotal(index), 8000);
    compare_with_rows(index, rows, &allowed);
    faiss_Index_free(index);
    rsi_bitset_free(&allowed);

    /* More rows one behind the other than are handed over at once. */
    allowed = set_of(1000, 7000);
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, STAMP), 0);
    index = read_back(state);
    assert_int_equal(faiss_Index_ntotal(index), 6000);
    compare_with_rows(index, rows, &allowed);
    faiss_Index_free(index);
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_index_faiss__of_the_metric_l2_is_one_of_faiss(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, 2000);
    rsi_bitset allowed = allowed_of(1500);
    rsi_rows_set_metric(rows, RSI_METRIC_L2);
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, STAMP), 0);
    FaissIndex *index = read_back(state);
    assert_int_equal(faiss_Index_metric_type(index), METRIC_L2);
    const float *query;
    float distances[10];
    idx_t labels[10];
    rsi_hit hits[10];
    size_t count;
    assert_int_equal(rsi_rows_get(&query, rows, rsi_bitset_next(&allowed, 900)), 0);
    assert_int_equal(faiss_Index_search(index, 1, query, 10, distances, labels), 0);
    assert_int_equal(rsi_rows_search(hits, &count, rows, query, 10, &allowed), 0);
    assert_int_equal(count, 10);
    for (size_t i = 0; i < 10; i++)
        assert_true(fabsf(distances[i] + hits[i].score) <= 1e-3f * (1 + distances[i]));
    faiss_Index_free(index);
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* The same rows as FAISS writes them: free() it. */
static char *written_by_faiss(size_t *size, rsi_rows *rows, const rsi_bitset *allowed)
{
    FaissIndex *index = NULL;
    assert_int_equal(faiss_index_factory(&index, DIMENSION, "IDMap,Flat", METRIC_INNER_PRODUCT), 0);
    for (idx_t chunk = rsi_bitset_next(allowed, 0); chunk >= 0;
         chunk = rsi_bitset_next(allowed, chunk + 1)) {
        const float *row;
        if (rsi_rows_get(&row, rows, chunk) == RAGSTORE_OK)
            assert_int_equal(faiss_Index_add_with_ids(index, 1, row, &chunk), 0);
    }
    char *bytes = NULL;
    FILE *stream = open_memstream(&bytes, size);
    assert_non_null(stream);
    assert_int_equal(faiss_write_index(index, stream), 0);
    assert_int_equal(fclose(stream), 0);
    faiss_Index_free(index);
    return bytes;
}

static void vectors_index_faiss__has_the_bytes_that_faiss_writes(void **state)
{
    static const size_t counts[] = {0, 1, 2, 700, 5000};
    char path[TEMPORARY_PATH_MAX];
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, 12000);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        size_t size, faiss_size;
        rsi_bitset allowed = allowed_of(counts[i]);
        assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, STAMP), 0);
        char *bytes = temporary_read(temporary_join(path, state, INDEX), &size);
        char *faiss_bytes = written_by_faiss(&faiss_size, rows, &allowed);
        assert_int_equal(size, faiss_size);
        assert_memory_equal(bytes, faiss_bytes, size);
        free(bytes);
        free(faiss_bytes);
        rsi_bitset_free(&allowed);
    }
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_index_faiss__an_empty_set_gives_an_empty_index(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, 10);
    rsi_bitset allowed = {0};
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, STAMP), 0);
    assert_true(is_current(&f, rows, &allowed, STAMP));
    FaissIndex *index = read_back(state);
    assert_int_equal(faiss_Index_ntotal(index), 0);
    faiss_Index_free(index);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_index_faiss__is_current_only_for_its_stamp(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, 10);
    rsi_bitset allowed = allowed_of(10);
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, STAMP), 0);
    assert_true(is_current(&f, rows, &allowed, STAMP));
    assert_false(is_current(&f, rows, &allowed, STAMP "1"));
    assert_false(is_current(&f, rows, &allowed, "rows 0:42"));
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, "another"), 0);
    assert_false(is_current(&f, rows, &allowed, STAMP));
    assert_true(is_current(&f, rows, &allowed, "another"));

    static const char *const bad_stamps[] = {NULL, "", "two\nlines", "\x7f", "\xc3\xa4"};
    rsi_faiss_state found;
    for (size_t i = 0; i < sizeof bad_stamps / sizeof *bad_stamps; i++) {
        assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, bad_stamps[i]),
                         RAGSTORE_E_INVALID_ARGUMENT);
        assert_int_equal(rsi_faiss_check(&found, f.root, INDEX, rows, &allowed, bad_stamps[i]),
                         RAGSTORE_E_INVALID_ARGUMENT);
        assert_int_equal(rsi_faiss_look(&found, f.root, INDEX, bad_stamps[i]),
                         RAGSTORE_E_INVALID_ARGUMENT);
    }
    char stamp[RSI_FAISS_STAMP_MAX + 1];
    memset(stamp, 'x', sizeof stamp);
    stamp[RSI_FAISS_STAMP_MAX] = '\0';
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, stamp),
                     RAGSTORE_E_INVALID_ARGUMENT);
    stamp[RSI_FAISS_STAMP_MAX - 1] = '\0';
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, stamp), 0);
    assert_true(is_current(&f, rows, &allowed, stamp));
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void check_every_flip_and_cut(fixture *f, void **state, rsi_rows *rows,
                                     const rsi_bitset *allowed, const char *below)
{
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    char *bytes = temporary_read(temporary_join(path, state, below), &size);
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        temporary_write(path, bytes, size);
        assert_false(is_current(f, rows, allowed, STAMP));
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    }
    for (size_t length = 0; length < size; length++) {
        temporary_write(path, bytes, length);
        assert_false(is_current(f, rows, allowed, STAMP));
    }
    temporary_remove_all(path);
    assert_false(is_current(f, rows, allowed, STAMP));
    temporary_write(path, bytes, size);
    assert_true(is_current(f, rows, allowed, STAMP));
    free(bytes);
}

static void vectors_index_faiss__any_damage_makes_it_not_current(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, 4);
    rsi_bitset allowed = allowed_of(2);
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, STAMP), 0);
    check_every_flip_and_cut(&f, state, rows, &allowed, INDEX);
    check_every_flip_and_cut(&f, state, rows, &allowed, INDEX ".sum");
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* Write the bytes of an index, and a .sum that is right for them. */
static void put_with_new_sum(void **state, const char *bytes, size_t size, const char *stamp)
{
    char path[TEMPORARY_PATH_MAX];
    char sum[256];
    char sha256[65];
    rsi_sha256_hex(bytes, size, sha256);
    int length = snprintf(sum, sizeof sum, "ragstore-faiss 1\nsize %zu\nsha256 %s\nstamp %s\n",
                          size, sha256, stamp);
    unsigned crc = rsi_crc32c(0, sum, (size_t)length);
    length += snprintf(sum + length, sizeof sum - (size_t)length, "crc32c %08x\n", crc);
    temporary_write(temporary_join(path, state, INDEX), bytes, size);
    temporary_write(temporary_join(path, state, INDEX ".sum"), sum, (size_t)length);
}

static void vectors_index_faiss__a_new_checksum_makes_no_damage_current(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    fixture f;
    size_t size;
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, 8);
    rsi_bitset allowed = allowed_of(4);
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, STAMP), 0);
    char *bytes = temporary_read(temporary_join(path, state, INDEX), &size);
    put_with_new_sum(state, bytes, size, STAMP);
    assert_true(is_current(&f, rows, &allowed, STAMP));
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        put_with_new_sum(state, bytes, size, STAMP);
        assert_int_equal(state_of(&f, rows, &allowed, STAMP), RSI_FAISS_DAMAGED);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    }
    for (size_t length = 0; length < size; length++) {
        put_with_new_sum(state, bytes, length, STAMP);
        assert_int_equal(state_of(&f, rows, &allowed, STAMP), RSI_FAISS_DAMAGED);
    }
    free(bytes);
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* The file is as it should be, and its checksum, itself intact, is that of another one. */
static void vectors_index_faiss__another_checksum_makes_it_damaged(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    fixture f;
    size_t size;
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, 8);
    rsi_bitset allowed = allowed_of(4);
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, STAMP), 0);
    char *bytes = temporary_read(temporary_join(path, state, INDEX), &size);
    bytes[size - 1] ^= 1;
    put_with_new_sum(state, bytes, size, STAMP);
    bytes[size - 1] ^= 1;
    temporary_write(path, bytes, size);
    assert_int_equal(state_of(&f, rows, &allowed, STAMP), RSI_FAISS_DAMAGED);
    put_with_new_sum(state, bytes, size, STAMP);
    assert_true(is_current(&f, rows, &allowed, STAMP));
    free(bytes);
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_index_faiss__a_look_reads_the_sum_only(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    rsi_faiss_state found;
    size_t size;
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, 8);
    rsi_bitset allowed = allowed_of(4);
    assert_int_equal(rsi_faiss_look(&found, f.root, INDEX, STAMP), 0);
    assert_int_equal(found, RSI_FAISS_STALE);
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, STAMP), 0);
    assert_int_equal(rsi_faiss_look(&found, f.root, INDEX, STAMP), 0);
    assert_int_equal(found, RSI_FAISS_CURRENT);
    assert_int_equal(rsi_faiss_look(&found, f.root, INDEX, STAMP "1"), 0);
    assert_int_equal(found, RSI_FAISS_STALE);
    char *bytes = temporary_read(temporary_join(path, state, INDEX), &size);
    bytes[size / 2] ^= 1;
    temporary_write(path, bytes, size);
    assert_int_equal(rsi_faiss_look(&found, f.root, INDEX, STAMP), 0);
    assert_int_equal(found, RSI_FAISS_CURRENT); /* as it claims */
    assert_int_equal(state_of(&f, rows, &allowed, STAMP), RSI_FAISS_DAMAGED);
    temporary_write(path, bytes, size - 1);
    assert_int_equal(rsi_faiss_look(&found, f.root, INDEX, STAMP), 0);
    assert_int_equal(found, RSI_FAISS_DAMAGED);
    free(bytes);
    assert_int_equal(rsi_faiss_remove(f.root, INDEX), 0);
    assert_false(temporary_exists(path));
    assert_false(temporary_exists(temporary_join(path, state, INDEX ".sum")));
    assert_int_equal(rsi_faiss_remove(f.root, INDEX), 0);
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_index_faiss__damaged_rows_are_never_written(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, 10);
    rsi_bitset allowed = allowed_of(10);
    atomic_store(&rows->runs[0].state, RSI_RUN_DAMAGED);
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, STAMP), RAGSTORE_E_DAMAGED);
    char path[TEMPORARY_PATH_MAX];
    assert_false(temporary_exists(temporary_join(path, state, INDEX)));
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_index_faiss__a_full_disk_is_an_error_and_leaves_no_file(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, 3000);
    rsi_bitset allowed = allowed_of(3000);
    char path[TEMPORARY_PATH_MAX];
    size_t files = temporary_count(temporary_join(path, state, DIRECTORY));
    bool failed = true;
    int64_t n = 1;
    for (; failed; n++) {
        fault_files_fail(&f.faults, FAULT_WRITE, n, ENOSPC, true);
        int status = rsi_faiss_write(f.root, INDEX, rows, &allowed, STAMP);
        failed = fault_files_struck(&f.faults);
        fault_files_disarm(&f.faults);
        assert_int_equal(status, failed ? RAGSTORE_E_DISK_FULL : RAGSTORE_OK);
        assert_int_equal(temporary_exists(temporary_join(path, state, INDEX)), !failed);
        if (failed)
            assert_int_equal(temporary_count(temporary_join(path, state, DIRECTORY)), files);
    }
    assert_true(n > 3);
    assert_true(is_current(&f, rows, &allowed, STAMP));
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_index_faiss__failures_keep_the_old_pair_or_show_a_mismatch(void **state)
{
    static const int errors[] = {EIO, ENOSPC, EINTR, FAULT_SHORT};
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, 600);
    rsi_bitset allowed = allowed_of(300);
    rsi_bitset fewer = set_of(1000, 1100);
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
        bool failed = true;
        for (int64_t n = 1; failed; n++) {
            assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, "old"), 0);
            int64_t handles = atomic_load(&f.faults.open_handles);
            fault_files_fail(&f.faults, FAULT_ANY, n, errors[e], false);
            int status = rsi_faiss_write(f.root, INDEX, rows, &fewer, "new");
            failed = fault_files_struck(&f.faults);
            fault_files_disarm(&f.faults);
            assert_int_equal(atomic_load(&f.faults.open_handles), handles);
            assert_true(status == RAGSTORE_OK || failed);
            if (status == RAGSTORE_OK)
                assert_true(is_current(&f, rows, &fewer, "new"));
            /* Whatever is called current holds what its stamp says. */
            bool is_old = is_current(&f, rows, &allowed, "old");
            bool is_new = is_current(&f, rows, &fewer, "new");
            if (is_old || is_new) {
                FaissIndex *index = read_back(state);
                assert_int_equal(faiss_Index_ntotal(index), is_old ? 400 : 100);
                faiss_Index_free(index);
            }
        }
    }
    rsi_bitset_free(&fewer);
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_index_faiss__is_flushed_before_anything_is_replaced(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, 10);
    rsi_bitset allowed = allowed_of(5);
    fault_files_fail(&f.faults, FAULT_FLUSH, 1, EIO, false);
    fault_files_reset_counts(&f.faults);
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, STAMP), RAGSTORE_E_IO);
    /* Only the temporary index was opened: not yet a temporary of the .sum. */
    assert_int_equal(fault_files_count(&f.faults, FAULT_OPEN), 1);
    assert_int_equal(fault_files_count(&f.faults, FAULT_RENAME), 0);
    fault_files_disarm(&f.faults);
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_index_faiss__a_stop_between_the_two_files_is_not_current(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, 10);
    rsi_bitset allowed = allowed_of(5);
    rsi_bitset fewer = set_of(1000, 1002);
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &allowed, "old"), 0);
    fault_files_fail(&f.faults, FAULT_RENAME, 2, EIO, true);
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &fewer, "new"), RAGSTORE_E_IO);
    assert_true(fault_files_struck(&f.faults));
    fault_files_disarm(&f.faults);
    assert_false(is_current(&f, rows, &allowed, "old"));
    assert_false(is_current(&f, rows, &fewer, "new"));
    assert_int_equal(rsi_faiss_write(f.root, INDEX, rows, &fewer, "new"), 0);
    assert_true(is_current(&f, rows, &fewer, "new"));
    rsi_bitset_free(&fewer);
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_index_faiss__every_failing_allocation_is_no_memory(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, 20);
    rsi_bitset allowed = allowed_of(20);
    fault_memory_install();
    bool failed = true;
    for (uint64_t n = 1; failed; n++) {
        fault_memory_fail(n, false);
        int status = rsi_faiss_write(f.root, INDEX, rows, &allowed, STAMP);
        failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        assert_int_equal(fault_memory_alive(), 0);
    }
    failed = true;
    for (uint64_t n = 1; failed; n++) {
        rsi_faiss_state found;
        fault_memory_fail(n, false);
        int status = rsi_faiss_check(&found, f.root, INDEX, rows, &allowed, STAMP);
        failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        assert_int_equal(found == RSI_FAISS_CURRENT, !failed);
        assert_int_equal(fault_memory_alive(), 0);
    }
    fault_memory_restore();
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_index_faiss__says_why_it_is_not_available(void **state)
{
    (void)state;
    const char *reason = "unset";
    if (rsi_faiss_available(&reason))
        assert_null(reason);
    else
        assert_non_null(reason);
    assert_int_equal(rsi_faiss_available(NULL), reason == NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest available[] = {
        cmocka_unit_test(vectors_index_faiss__says_why_it_is_not_available),
    };
    const struct CMUnitTest tests[] = {
        TEST(vectors_index_faiss__reads_back_with_chunk_numbers_as_ids),
        TEST(vectors_index_faiss__of_the_metric_l2_is_one_of_faiss),
        TEST(vectors_index_faiss__has_the_bytes_that_faiss_writes),
        TEST(vectors_index_faiss__an_empty_set_gives_an_empty_index),
        TEST(vectors_index_faiss__is_current_only_for_its_stamp),
        TEST(vectors_index_faiss__any_damage_makes_it_not_current),
        TEST(vectors_index_faiss__a_new_checksum_makes_no_damage_current),
        TEST(vectors_index_faiss__another_checksum_makes_it_damaged),
        TEST(vectors_index_faiss__a_look_reads_the_sum_only),
        TEST(vectors_index_faiss__damaged_rows_are_never_written),
        TEST(vectors_index_faiss__a_full_disk_is_an_error_and_leaves_no_file),
        TEST(vectors_index_faiss__failures_keep_the_old_pair_or_show_a_mismatch),
        TEST(vectors_index_faiss__is_flushed_before_anything_is_replaced),
        TEST(vectors_index_faiss__a_stop_between_the_two_files_is_not_current),
        TEST(vectors_index_faiss__every_failing_allocation_is_no_memory),
    };
    const char *reason;
    int failures = cmocka_run_group_tests(available, NULL, NULL);
    if (!rsi_faiss_available(&reason)) {
        print_message("the other tests are left out: %s\n", reason);
        return failures;
    }
    return failures + cmocka_run_group_tests(tests, NULL, NULL);
}
