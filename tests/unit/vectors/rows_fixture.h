/*
 * What the tests of rows share: a store in a temporary directory behind a fault table, and vectors
 * whose numbers tell which chunk they belong to.
 */
#ifndef TESTS_UNIT_VECTORS_ROWS_FIXTURE_H
#define TESTS_UNIT_VECTORS_ROWS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/status.h"
#include "harness/fault_files.h"
#include "harness/fault_memory.h"
#include "harness/temporary.h"
#include "vectors/rows_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTORY "entity/vector_store"
#define INCARNATION "0123456789abcdef0123456789abcdef"
#define EXTENTS_MAX 64

typedef struct fixture {
    fault_files faults;
    rsi_root *root;
} fixture;

static inline void fixture_begin(fixture *f, void **state)
{
    fault_files_init(&f->faults, NULL);
    assert_int_equal(rsi_root_open(&f->root, &f->faults.table, temporary_path(state), true), 0);
}

/* Closes the store; what was opened and mapped must be closed and unmapped. */
static inline void fixture_end(fixture *f)
{
    rsi_root_close(f->root);
    assert_int_equal(atomic_load(&f->faults.open_handles), 0);
    assert_int_equal(atomic_load(&f->faults.views), 0);
}

static inline float number_of(int64_t chunk, uint32_t i)
{
    return (float)((double)chunk + 1) + (float)i / 1024.0f;
}

static inline void fill(float *vectors, int64_t first_chunk, size_t count, uint32_t dimension)
{
    for (size_t row = 0; row < count; row++)
        for (uint32_t i = 0; i < dimension; i++)
            vectors[row * dimension + i] = number_of(first_chunk + (int64_t)row, i);
}

static inline bool is_row_of(const float *row, int64_t chunk, uint32_t dimension)
{
    for (uint32_t i = 0; i < dimension; i++)
        if (row[i] != number_of(chunk, i))
            return false;
    return true;
}

static inline int append(rsi_rows *rows, int64_t first_chunk, size_t count,
                         rsi_rows_extent *extents, size_t *extents_count)
{
    uint32_t dimension = rsi_rows_dimension(rows);
    float *vectors = malloc(count * dimension * sizeof *vectors);
    rsi_rows_extent own[EXTENTS_MAX];
    size_t own_count;
    assert_non_null(vectors);
    fill(vectors, first_chunk, count, dimension);
    int status = rsi_rows_append(rows, first_chunk, vectors, count, extents != NULL ? extents : own,
                                 EXTENTS_MAX, extents_count != NULL ? extents_count : &own_count);
    free(vectors);
    return status;
}

static inline rsi_rows *open_rows(fixture *f, uint32_t dimension)
{
    rsi_rows *rows = NULL;
    assert_int_equal(rsi_rows_open(&rows, f->root, DIRECTORY, INCARNATION, dimension), 0);
    return rows;
}

static inline void assert_row(rsi_rows *rows, int64_t chunk)
{
    const float *row;
    assert_int_equal(rsi_rows_get(&row, rows, chunk), 0);
    assert_true(is_row_of(row, chunk, rsi_rows_dimension(rows)));
}

static inline void assert_no_row(rsi_rows *rows, int64_t chunk, int status)
{
    const float *row;
    assert_int_equal(rsi_rows_get(&row, rows, chunk), status);
    assert_null(row);
}

static inline rsi_bitset set_of(int64_t first, int64_t end)
{
    rsi_bitset set = {0};
    for (int64_t chunk = first; chunk < end; chunk++)
        assert_int_equal(rsi_bitset_add(&set, chunk), 0);
    return set;
}

static inline const char *segment_path(char out[TEMPORARY_PATH_MAX], void **state, unsigned number)
{
    char below[64];
    snprintf(below, sizeof below, DIRECTORY "/rows-%u.rsv", number);
    return temporary_join(out, state, below);
}

#endif
