/*
 * Rows: opening and closing, the directory from chunk number to row, and the check of a block at
 * its first use. Layout and state are drawn in rows_block.h and rows_internal.h; rows_walk.c finds
 * the blocks, rows_append.c writes them, rows_search.c ranks them, rows_compact.c leaves the dead
 * out, rows_restore.c brings back what did not reach the disk. Locking: vectors.h.
 */
#include "vectors/rows_internal.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What a view counts for: a process has 65,530 of them on Linux unless more were allowed. */
#define VIEW_COST ((size_t)64 << 10)

/* Whoever touches a page gets its neighbours as well, as far as this. */
#define NEIGHBOURS (64u << 10)

#define FILES_KEPT_MAX 4 /* by all rows of the process */

static atomic_int files_kept;

static bool is_incarnation(const char *text)
{
    return text != NULL && strlen(text) == RSI_INCARNATION_DIGITS &&
           strspn(text, "0123456789abcdef") == RSI_INCARNATION_DIGITS;
}

int rsi_rows_open(rsi_rows **out, rsi_root *root, const char *directory, const char *incarnation,
                  uint32_t dimension)
{
    *out = NULL;
    if (root == NULL || directory == NULL || !is_incarnation(incarnation))
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                        "open rows: an incarnation is %u lower-case hexadecimal digits",
                        RSI_INCARNATION_DIGITS);
    if (dimension == 0 || dimension > RSI_DIMENSION_MAX)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                        "open rows: dimension %" PRIu32 " is not in 1 to %u", dimension,
                        RSI_DIMENSION_MAX);

    rsi_rows *rows = rsi_alloc_zeroed(sizeof *rows);
    if (rows == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rows->root = root;
    rows->dimension = dimension;
    rows->segment_limit = RSI_ROWS_SEGMENT_BYTES;
    rows->block_limit = RSI_ROWS_BLOCK_BYTES;
    rows->next_segment = 1;
    memcpy(rows->incarnation, incarnation, sizeof rows->incarnation);
    rows->directory = rsi_strdup(directory);
    int status = rows->directory == NULL ? RAGSTORE_E_NO_MEMORY : rsi_rows_walk(rows);
    if (status != RAGSTORE_OK) {
        rsi_rows_close(rows);
        return rsi_wrap(status, "open rows");
    }
    *out = rows;
    return RAGSTORE_OK;
}

static void close_files_before(rsi_rows *rows, size_t end)
{
    rsi_saved_error saved;
    rsi_error_save(&saved);
    for (size_t i = 0; i < end; i++) {
        /* Whatever counts was flushed when it was written: a late error means nothing. */
        rsi_file_close(rows->segments[i].file);
        rows->segments[i].file = NULL;
    }
    rsi_error_restore(&saved);
}

void rsi_rows_close_files(rsi_rows *rows)
{
    close_files_before(rows, rows->segment_count);
    if (rows->keeps_file)
        atomic_fetch_sub(&files_kept, 1);
    rows->keeps_file = false;
}

void rsi_rows_keep_file(rsi_rows *rows)
{
    if (!rows->keeps_file && atomic_fetch_add(&files_kept, 1) >= FILES_KEPT_MAX) {
        atomic_fetch_sub(&files_kept, 1);
        rsi_rows_close_files(rows);
        return;
    }
    rows->keeps_file = true;
    close_files_before(rows, rows->segment_count - 1);
}

void rsi_rows_forget(rsi_rows *rows)
{
    rsi_saved_error saved;
    rsi_error_save(&saved);
    for (size_t i = 0; i < rows->segment_count; i++) {
        rsi_rows_segment *segment = &rows->segments[i];
        if (segment->state == RSI_SEGMENT_HELD)
            rsi_free((void *)(uintptr_t)segment->view);
        else
            rsi_root_unview(rows->root, segment->view, segment->viewed);
        segment->view = NULL;
    }
    rsi_rows_close_files(rows);
    rsi_error_restore(&saved);
    rows->restored = NULL;
    rows->segment_count = 0;
    rows->run_count = 0;
}

void rsi_rows_close(rsi_rows *rows)
{
    if (rows == NULL)
        return;
    rsi_rows_forget(rows);
    rsi_free(rows->segments);
    rsi_free(rows->runs);
    rsi_free(rows->directory);
    rsi_free(rows);
}

void rsi_rows_set_metric(rsi_rows *rows, rsi_metric metric)
{
    rows->metric = metric;
}

rsi_metric rsi_rows_metric(const rsi_rows *rows)
{
    return rows->metric;
}

uint32_t rsi_rows_dimension(const rsi_rows *rows)
{
    return rows->dimension;
}

int64_t rsi_rows_next_chunk(const rsi_rows *rows)
{
    return rows->run_count == 0 ? 0 : rows->runs[rows->run_count - 1].end_chunk;
}

uint64_t rsi_rows_count(const rsi_rows *rows)
{
    uint64_t count = 0;
    for (size_t i = 0; i < rows->run_count; i++)
        if (atomic_load(&rows->runs[i].state) != RSI_RUN_LOST)
            count += (uint64_t)(rows->runs[i].end_chunk - rows->runs[i].first_chunk);
    return count;
}

uint64_t rsi_rows_bytes(const rsi_rows *rows)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < rows->segment_count; i++)
        bytes += rows->segments[i].end;
    return bytes;
}

size_t rsi_rows_memory(const rsi_rows *rows)
{
    size_t bytes = 0;
    for (size_t i = 0; i < rows->segment_count; i++)
        bytes += rows->segments[i].state == RSI_SEGMENT_HELD ? rows->segments[i].viewed : VIEW_COST;
    return sizeof *rows + bytes + strlen(rows->directory) + 1 +
           rows->segment_capacity * sizeof *rows->segments +
           rows->run_capacity * sizeof *rows->runs;
}

int rsi_rows_path(rsi_path *path, const rsi_rows *rows, uint32_t number)
{
    int length =
        snprintf(path->text, sizeof path->text, "%s/rows-%" PRIu32 ".rsv", rows->directory, number);
    if (length < 0 || (size_t)length >= sizeof path->text)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors", "path of %zu bytes is too long",
                        strlen(rows->directory));
    return RAGSTORE_OK;
}

rsi_rows_identity rsi_rows_identity_of(const rsi_rows *rows, uint32_t number)
{
    rsi_rows_identity identity = {rows->incarnation, rows->dimension, number};
    return identity;
}

int rsi_rows_view(rsi_rows *rows, rsi_rows_segment *segment, uint64_t size)
{
    if (size == segment->viewed)
        return RAGSTORE_OK;
    if (rsi_root_view_reaches(rows->root, segment->viewed, (size_t)size)) {
        segment->viewed = (size_t)size;
        return RAGSTORE_OK;
    }
    const void *view = NULL;
    if (size > 0) {
        int status = rsi_file_view(segment->file, (size_t)size, &view);
        if (status != RAGSTORE_OK)
            return status;
    }
    rsi_root_unview(rows->root, segment->view, segment->viewed);
    segment->view = view;
    segment->viewed = (size_t)size;
    return RAGSTORE_OK;
}

size_t rsi_rows_find(const rsi_rows *rows, size_t from, int64_t chunk)
{
    size_t low = from;
    size_t high = rows->run_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows->runs[middle].end_chunk <= chunk)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t rsi_rows_run_size(const rsi_rows *rows, const rsi_rows_run *run)
{
    return rsi_rows_block_size((uint32_t)(run->end_chunk - run->first_chunk), rows->dimension);
}

int rsi_rows_run_check(rsi_rows *rows, rsi_rows_run *run)
{
    int state = atomic_load_explicit(&run->state, memory_order_relaxed);
    if (state != RSI_RUN_UNCHECKED)
        return state;
    const unsigned char *data =
        rows->segments[run->segment].view + run->offset + RSI_ROWS_HEADER_SIZE;
    size_t size = (size_t)rsi_rows_run_size(rows, run) - RSI_ROWS_HEADER_SIZE;
    state = rsi_crc32c(0, data, size) == run->data_crc ? RSI_RUN_INTACT : RSI_RUN_DAMAGED;
    atomic_store_explicit(&run->state, state, memory_order_relaxed);
    return state;
}

void rsi_rows_run_let_go(rsi_rows *rows, const rsi_rows_run *run)
{
    const rsi_rows_segment *segment = &rows->segments[run->segment];
    const uint64_t before = run->offset < NEIGHBOURS ? run->offset : NEIGHBOURS;
    if (segment->state != RSI_SEGMENT_HELD &&
        atomic_load_explicit(&run->state, memory_order_relaxed) != RSI_RUN_LOST)
        rsi_root_forget(rows->root, segment->view + run->offset - before,
                        (size_t)(before + rsi_rows_run_size(rows, run)));
}

void rsi_rows_let_go(rsi_rows *rows, int64_t from, int64_t end)
{
    for (size_t i = rsi_rows_find(rows, 0, from);
         i < rows->run_count && rows->runs[i].first_chunk < end; i++)
        rsi_rows_run_let_go(rows, &rows->runs[i]);
}

int rsi_rows_run_fail(const rsi_rows *rows, const rsi_rows_run *run)
{
    bool lost = atomic_load_explicit(&run->state, memory_order_relaxed) == RSI_RUN_LOST;
    return rsi_fail(RAGSTORE_E_DAMAGED, "vectors",
                    "%s/rows-%" PRIu32 ".rsv: %s at byte %" PRIu64 ", vectors of chunks %" PRId64
                    " to %" PRId64 "; embed them again",
                    rows->directory, rows->segments[run->segment].number,
                    lost ? "no readable block" : "a block fails its checksum", run->offset,
                    run->first_chunk, run->end_chunk - 1);
}

const float *rsi_rows_at(const rsi_rows *rows, const rsi_rows_run *run, int64_t chunk)
{
    const void *data = rows->segments[run->segment].view + run->offset + RSI_ROWS_HEADER_SIZE;
    return (const float *)data + (size_t)(chunk - run->first_chunk) * rows->dimension;
}

int rsi_rows_get(const float **row, rsi_rows *rows, int64_t chunk)
{
    *row = NULL;
    size_t i = rsi_rows_find(rows, 0, chunk);
    if (chunk < 0 || i == rows->run_count || rows->runs[i].first_chunk > chunk)
        return rsi_fail(RAGSTORE_E_NOT_FOUND, "vectors", "%s: chunk %" PRId64 " has no vector",
                        rows->directory, chunk);
    if (rsi_rows_run_check(rows, &rows->runs[i]) != RSI_RUN_INTACT)
        return rsi_rows_run_fail(rows, &rows->runs[i]);
    *row = rsi_rows_at(rows, &rows->runs[i], chunk);
    return RAGSTORE_OK;
}

int rsi_rows_verify(rsi_rows *rows, const rsi_rows_extent *extent)
{
    size_t i = rsi_rows_find(rows, 0, extent->first_chunk);
    if (extent->first_chunk >= 0 && i < rows->run_count) {
        rsi_rows_run *run = &rows->runs[i];
        const rsi_rows_segment *segment = &rows->segments[run->segment];
        bool is_block = atomic_load_explicit(&run->state, memory_order_relaxed) != RSI_RUN_LOST;
        if (is_block && run->first_chunk == extent->first_chunk &&
            run->end_chunk - run->first_chunk == extent->count &&
            segment->number == extent->segment && run->offset == extent->offset &&
            rsi_rows_run_size(rows, run) == extent->size &&
            rsi_crc32c(0, segment->view + run->offset, (size_t)extent->size) == extent->crc)
            return RAGSTORE_OK;
    }
    return rsi_fail(
        RAGSTORE_E_DAMAGED, "vectors",
        "%s/rows-%" PRIu32 ".rsv: the block at byte %" PRIu64 " with the vectors of %" PRIu32
        " chunks from %" PRId64 " is not what was committed; embed them again",
        rows->directory, extent->segment, extent->offset, extent->count, extent->first_chunk);
}

/* Is it intact? Nothing else of it is looked at. */
static bool check_in_passing(rsi_rows *rows, rsi_rows_run *run)
{
    const bool is_known =
        atomic_load_explicit(&run->state, memory_order_relaxed) != RSI_RUN_UNCHECKED;
    const bool is_intact = rsi_rows_run_check(rows, run) == RSI_RUN_INTACT;
    if (!is_known)
        rsi_rows_run_let_go(rows, run);
    return is_intact;
}

int rsi_rows_missing(rsi_bitset *missing, rsi_rows *rows, const rsi_bitset *wanted)
{
    memset(missing, 0, sizeof *missing);
    size_t i = 0;
    int64_t chunk = rsi_bitset_next(wanted, 0);
    while (chunk >= 0) {
        i = rsi_rows_find(rows, i, chunk);
        rsi_rows_run *run = i < rows->run_count ? &rows->runs[i] : NULL;
        if (run != NULL && run->first_chunk <= chunk && check_in_passing(rows, run)) {
            chunk = rsi_bitset_next(wanted, run->end_chunk);
            continue;
        }
        int status = rsi_bitset_add(missing, chunk);
        if (status != RAGSTORE_OK) {
            rsi_bitset_free(missing);
            return rsi_wrap(status, "look for missing vectors");
        }
        chunk = rsi_bitset_next(wanted, chunk + 1);
    }
    return RAGSTORE_OK;
}

void rsi_rows_cursor_init(rsi_rows_cursor *cursor, rsi_rows *rows, const rsi_bitset *allowed)
{
    cursor->rows = rows;
    cursor->allowed = allowed;
    cursor->chunk = rsi_bitset_next(allowed, 0);
    cursor->run = 0;
    cursor->is_once = false;
}

/* The first number in from..limit that is not a member, else limit. `from` is a member. */
static int64_t end_of_members(const rsi_bitset *set, int64_t from, int64_t limit)
{
    size_t word = (size_t)from / 64;
    uint64_t absent = ~set->words[word] & (~UINT64_C(0) << (from % 64));
    while (absent == 0 && ++word < set->capacity && (int64_t)(word * 64) < limit)
        absent = ~set->words[word];
    if (absent == 0)
        return (int64_t)(word * 64) < limit ? (int64_t)(word * 64) : limit;
    int64_t end = (int64_t)(word * 64 + (size_t)__builtin_ctzll(absent));
    return end < limit ? end : limit;
}

int rsi_rows_cursor_next(rsi_rows_cursor *cursor, rsi_rows_stretch *stretch)
{
    rsi_rows *rows = cursor->rows;
    while (cursor->run < rows->run_count) {
        rsi_rows_run *run = &rows->runs[cursor->run];
        const bool is_behind = cursor->chunk < 0 || cursor->chunk >= run->end_chunk;
        if (is_behind && cursor->is_once)
            rsi_rows_run_let_go(rows, run);
        if (cursor->chunk < 0)
            return 0;
        if (is_behind) {
            /* Mostly the next run has it: ask that before bisecting. */
            cursor->run++;
            if (cursor->run < rows->run_count && cursor->chunk >= rows->runs[cursor->run].end_chunk)
                cursor->run = rsi_rows_find(rows, cursor->run, cursor->chunk);
            continue;
        }
        if (cursor->chunk < run->first_chunk) {
            cursor->chunk = rsi_bitset_next(cursor->allowed, run->first_chunk);
            continue;
        }
        if (rsi_rows_run_check(rows, run) != RSI_RUN_INTACT)
            return rsi_rows_run_fail(rows, run);
        int64_t end = end_of_members(cursor->allowed, cursor->chunk, run->end_chunk);
        stretch->first = rsi_rows_at(rows, run, cursor->chunk);
        stretch->first_chunk = cursor->chunk;
        stretch->count = (size_t)(end - cursor->chunk);
        cursor->chunk = rsi_bitset_next(cursor->allowed, end);
        return 1;
    }
    return 0;
}
