/* Rows that did not reach the disk: each comes back where it was, and nothing that stands is
 * harmed. */
#include "rows_fixture.h"

#define DIMENSION 64u
#define BLOCKS 4

/* 0…7, 8, 9…10, 11, each a block. */
static const int64_t firsts[BLOCKS + 1] = {0, 8, 9, 11, 12};

typedef struct blocks {
    rsi_rows_extent extents[BLOCKS];
    float vectors[12 * DIMENSION];
    char path[TEMPORARY_PATH_MAX];
    size_t size; /* of the file */
    char *bytes;
} blocks;

static rsi_rows_copy copy_of(const blocks *all, size_t i)
{
    return (rsi_rows_copy){.segment = all->extents[i].segment,
                           .offset = all->extents[i].offset,
                           .first_chunk = firsts[i],
                           .count = (uint32_t)(firsts[i + 1] - firsts[i]),
                           .vectors = all->vectors + firsts[i] * DIMENSION};
}

static void make_blocks(blocks *all, fixture *f, void **state)
{
    rsi_rows *rows = open_rows(f, DIMENSION);
    fill(all->vectors, 0, 12, DIMENSION);
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t count;
        assert_int_equal(rsi_rows_append_unflushed(
                             rows, firsts[i], all->vectors + firsts[i] * DIMENSION,
                             (size_t)(firsts[i + 1] - firsts[i]), &all->extents[i], 1, &count),
                         0);
        assert_int_equal(count, 1);
        assert_row(rows, firsts[i]);
    }
    rsi_rows_close(rows);
    segment_path(all->path, state, 1);
    all->bytes = temporary_read(all->path, &all->size);
}

/* What a power cut does to a block. */
typedef enum loss { KEPT, GONE, TORN, LOSSES } loss;

static void lose(char *bytes, const rsi_rows_extent *extent, loss how)
{
    if (how == GONE)
        memset(bytes + extent->offset, 0, extent->size);
    else if (how == TORN)
        memset(bytes + extent->offset + 128, 0, extent->size - 128);
}

/* The file after each of the 81 ways to lose them; cut: those at its end shorten it. */
static void write_lossy(const blocks *all, unsigned ways, bool cut)
{
    char *bytes = malloc(all->size);
    size_t size = all->size;
    assert_non_null(bytes);
    memcpy(bytes, all->bytes, all->size);
    for (size_t i = 0; i < BLOCKS; i++, ways /= LOSSES)
        lose(bytes, &all->extents[i], (loss)(ways % LOSSES));
    while (cut && size > 0 && bytes[size - 1] == 0)
        size--;
    temporary_write(all->path, bytes, size);
    free(bytes);
}

static int restore_all(fixture *f, const blocks *all, unsigned *placed_count)
{
    rsi_rows *rows;
    int status = rsi_rows_open(&rows, f->root, DIRECTORY, INCARNATION, DIMENSION);
    *placed_count = 0;
    for (size_t i = 0; status == RAGSTORE_OK && i < BLOCKS; i++) {
        bool placed;
        const rsi_rows_copy copy = copy_of(all, i);
        status = rsi_rows_restore(&placed, rows, &copy);
        *placed_count += placed;
    }
    if (status == RAGSTORE_OK)
        status = rsi_rows_restore_end(rows);
    rsi_rows_close(rows);
    return status;
}

static void assert_same_file(const blocks *all)
{
    size_t size;
    char *bytes = temporary_read(all->path, &size);
    assert_int_equal(size, all->size);
    assert_memory_equal(bytes, all->bytes, size);
    free(bytes);
}

/* ---- into the file ---- */

static void vectors_rows_restore__brings_back_every_block(void **state)
{
    fixture f;
    blocks all;
    unsigned placed;
    fixture_begin(&f, state);
    make_blocks(&all, &f, state);
    for (unsigned ways = 0; ways < 2 * 81; ways++) {
        write_lossy(&all, ways % 81, ways >= 81);
        assert_int_equal(restore_all(&f, &all, &placed), 0);
        assert_int_equal(placed, BLOCKS);
        assert_same_file(&all);
    }
    free(all.bytes);
    fixture_end(&f);
}

/* A page cache may show what never reached the disk: blocks that seem to be there are written,
 * too. */
static void vectors_rows_restore__writes_and_flushes_also_what_is_there(void **state)
{
    fixture f;
    blocks all;
    unsigned placed;
    fixture_begin(&f, state);
    make_blocks(&all, &f, state);
    fault_files_reset_counts(&f.faults);
    assert_int_equal(restore_all(&f, &all, &placed), 0);
    assert_int_equal(fault_files_count(&f.faults, FAULT_WRITE), BLOCKS);
    assert_int_equal(fault_files_count(&f.faults, FAULT_FLUSH), 1);
    free(all.bytes);
    fixture_end(&f);
}

static void vectors_rows_restore__leaves_a_file_that_was_compacted(void **state)
{
    fixture f;
    blocks all;
    unsigned placed;
    rsi_rows_rewrite *work;
    size_t size;
    fixture_begin(&f, state);
    make_blocks(&all, &f, state);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    rsi_bitset alive = set_of(6, 9); /* and 11 */
    assert_int_equal(rsi_bitset_add(&alive, 11), 0);
    assert_int_equal(rsi_rows_rewrite_begin(&work, rows, 0, &alive), 0);
    rsi_rows_rewrite_end(work);
    rsi_rows_close(rows);
    char *before = temporary_read(all.path, &size);
    all.size = size;
    free(all.bytes);
    all.bytes = before;
    assert_int_equal(restore_all(&f, &all, &placed), 0);
    assert_int_equal(placed, 2); /* 8 and 11 have their rows, elsewhere */
    assert_same_file(&all);
    rsi_bitset_free(&alive);
    free(all.bytes);
    fixture_end(&f);
}

static void vectors_rows_restore__harms_no_good_block(void **state)
{
    fixture f;
    blocks all;
    unsigned placed;
    fixture_begin(&f, state);
    make_blocks(&all, &f, state);
    const rsi_rows_extent *b = &all.extents[1];
    const rsi_rows_copy bad[] = {
        {1, b->offset, 50, 1, all.vectors},           /* another chunk's place */
        {1, b->offset - 64, 50, 1, all.vectors},      /* the end of one, the beginning of another */
        {1, all.size + 64, 3, 1, all.vectors},        /* behind, with a smaller number */
        {1, all.size, 12, 1, all.vectors},            /* good, but for the next line */
        {2, 64, 60, 1, all.vectors},                  /* no such file */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rsi_rows *rows = open_rows(&f, DIMENSION);
        bool is_placed;
        assert_int_equal(rsi_rows_restore(&is_placed, rows, &bad[i]), 0);
        assert_int_equal(is_placed, i == 2 || i == 3);
        if (i == 3) { /* 12 is free: it goes where it belongs */
            assert_int_equal(rsi_rows_restore_end(rows), 0);
            temporary_write(all.path, all.bytes, all.size);
        }
        rsi_rows_close(rows);
        assert_same_file(&all);
    }
    char path[TEMPORARY_PATH_MAX];
    assert_false(temporary_exists(segment_path(path, state, 2)));
    assert_int_equal(restore_all(&f, &all, &placed), 0);
    assert_int_equal(placed, BLOCKS);
    free(all.bytes);
    fixture_end(&f);
}

/* ---- in memory ---- */

static int hold_all(rsi_rows **out, fixture *f, const blocks *all)
{
    int status = rsi_rows_open(out, f->root, DIRECTORY, INCARNATION, DIMENSION);
    for (size_t i = 0; status == RAGSTORE_OK && i < BLOCKS; i++) {
        const rsi_rows_copy copy = copy_of(all, i);
        status = rsi_rows_hold(*out, &copy);
    }
    return status;
}

static void vectors_rows_hold__serves_what_the_file_lacks(void **state)
{
    fixture f;
    blocks all;
    fixture_begin(&f, state);
    make_blocks(&all, &f, state);
    for (unsigned ways = 0; ways < 2 * 81; ways++) {
        rsi_rows *rows;
        write_lossy(&all, ways % 81, ways >= 81);
        fault_files_reset_counts(&f.faults);
        assert_int_equal(hold_all(&rows, &f, &all), 0);
        assert_int_equal(rsi_rows_next_chunk(rows), 12);
        assert_int_equal(rsi_rows_count(rows), 12);
        rsi_bitset every = set_of(0, 12);
        for (int64_t chunk = 0; chunk < 12; chunk++) {
            rsi_hit hit;
            size_t count;
            assert_row(rows, chunk);
            rsi_rows_set_metric(rows, RSI_METRIC_L2);
            assert_int_equal(rsi_rows_search(&hit, &count, rows, all.vectors + chunk * DIMENSION,
                                             1, &every),
                             0);
            assert_int_equal(count, 1);
            assert_int_equal(hit.chunk, chunk);
        }
        rsi_bitset_free(&every);
        assert_int_equal(fault_files_count(&f.faults, FAULT_WRITE), 0);
        rsi_rows_close(rows);
    }
    free(all.bytes);
    fixture_end(&f);
}

/* Where a file's header says nothing of several blocks, the ones that are known come back. */
static void vectors_rows_hold__takes_its_part_of_what_is_lost(void **state)
{
    fixture f;
    blocks all;
    rsi_rows *rows;
    fixture_begin(&f, state);
    make_blocks(&all, &f, state);
    write_lossy(&all, GONE * 1 + GONE * 3 + GONE * 9, false); /* 0…10 in one piece */
    assert_int_equal(rsi_rows_open(&rows, f.root, DIRECTORY, INCARNATION, DIMENSION), 0);
    const rsi_rows_copy middle = copy_of(&all, 1);
    assert_int_equal(rsi_rows_hold(rows, &middle), 0);
    assert_row(rows, 8);
    assert_row(rows, 11);
    assert_no_row(rows, 7, RAGSTORE_E_DAMAGED);
    assert_no_row(rows, 9, RAGSTORE_E_DAMAGED);
    rsi_rows_close(rows);
    free(all.bytes);
    fixture_end(&f);
}

/* ---- what fails ---- */

static void vectors_rows_restore__survives_every_failing_call(void **state)
{
    static const int errors[] = {EIO, ENOSPC};
    fixture f;
    blocks all;
    unsigned placed;
    fixture_begin(&f, state);
    make_blocks(&all, &f, state);
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
        for (int64_t n = 1;; n++) {
            write_lossy(&all, GONE * 3 + TORN * 27, false);
            fault_files_fail(&f.faults, FAULT_ANY, n, errors[e], false);
            int status = restore_all(&f, &all, &placed);
            const bool struck = fault_files_struck(&f.faults);
            fault_files_disarm(&f.faults);
            assert_int_equal(restore_all(&f, &all, &placed), 0); /* again, as the next open would */
            assert_same_file(&all);
            if (!struck) {
                assert_int_equal(status, 0);
                break;
            }
        }
    free(all.bytes);
    fixture_end(&f);
}

static void vectors_rows_restore__survives_every_failing_allocation(void **state)
{
    fixture f;
    blocks all;
    unsigned placed;
    fixture_begin(&f, state);
    make_blocks(&all, &f, state);
    fault_memory_install();
    for (uint64_t n = 1;; n++) {
        rsi_rows *rows = NULL;
        write_lossy(&all, GONE * 3 + TORN * 27, false);
        const int64_t alive = fault_memory_alive();
        fault_memory_fail(n, false);
        int held = hold_all(&rows, &f, &all);
        int status = restore_all(&f, &all, &placed);
        const bool failed = fault_memory_failed();
        fault_memory_disarm();
        rsi_rows_close(rows);
        assert_int_equal(fault_memory_alive(), alive);
        if (!failed)
            break;
        assert_true(held == RAGSTORE_E_NO_MEMORY || status == RAGSTORE_E_NO_MEMORY);
    }
    fault_memory_restore();
    free(all.bytes);
    fixture_end(&f);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(vectors_rows_restore__brings_back_every_block),
        FRESH(vectors_rows_restore__writes_and_flushes_also_what_is_there),
        FRESH(vectors_rows_restore__leaves_a_file_that_was_compacted),
        FRESH(vectors_rows_restore__harms_no_good_block),
        FRESH(vectors_rows_hold__serves_what_the_file_lacks),
        FRESH(vectors_rows_hold__takes_its_part_of_what_is_lost),
        FRESH(vectors_rows_restore__survives_every_failing_call),
        FRESH(vectors_rows_restore__survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
