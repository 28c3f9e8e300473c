/*
 * Appending rows.
 *
 *   1. cut what a torn append left behind the last block (only before the first append, or after
 *      one that failed)
 *   2. write blocks behind the last one; a full segment is flushed before the next is begun
 *   3. flush, unless the caller has the rows elsewhere, too
 *   4. map the new bytes and enter the runs: only now do the rows exist for this process
 *
 * A new segment is created, its header written and flushed, and its directory flushed, before a
 * block goes into it. All memory is reserved before the first byte is written. After a failed flush
 * nobody knows what the disk holds, so every further append is refused (RELIABILITY D4). Locking:
 * the caller's exclusive lock.
 */
#include "vectors/rows_internal.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

typedef struct appender {
    rsi_rows *rows;
    rsi_rows_source *source;
    void *user;
    size_t first_segment; /* the first that this append writes into */
    uint64_t end;         /* where the next block goes in the last segment */
    size_t run_count;     /* of the runs, with those that do not count yet */
    unsigned char *block;
    bool flushes;
} appender;

static uint64_t row_bytes(const rsi_rows *rows)
{
    return (uint64_t)rows->dimension * sizeof(float);
}

static bool last_segment_is_usable(const rsi_rows *rows)
{
    if (rows->segment_count == 0)
        return false;
    return rows->segments[rows->segment_count - 1].state == RSI_SEGMENT_INTACT;
}

/* How many of `left` rows go into a block that begins at `end` of a segment; 0: begin a new one. */
static uint32_t rows_of_next_block(const rsi_rows *rows, uint64_t end, size_t left)
{
    uint64_t room = end < rows->segment_limit ? rows->segment_limit - end : 0;
    if (room > rows->block_limit)
        room = rows->block_limit;
    room -= room % RSI_ROWS_ALIGNMENT;
    uint64_t fit =
        room > RSI_ROWS_HEADER_SIZE ? (room - RSI_ROWS_HEADER_SIZE) / row_bytes(rows) : 0;
    if (fit == 0 && end == RSI_ROWS_HEADER_SIZE)
        fit = 1; /* an empty segment takes a row of any size */
    return (uint32_t)(fit < left ? fit : left);
}

/* Lay the blocks out without writing them; *largest is the size of the largest. */
static size_t plan(const rsi_rows *rows, size_t count, size_t *new_segments, uint64_t *largest)
{
    size_t blocks = 0;
    *new_segments = 0;
    *largest = 0;
    uint64_t end = rows->segment_limit;
    if (last_segment_is_usable(rows))
        end = rows->segments[rows->segment_count - 1].end;
    while (count > 0) {
        uint32_t fit = rows_of_next_block(rows, end, count);
        if (fit == 0) {
            end = RSI_ROWS_HEADER_SIZE;
            (*new_segments)++;
            continue;
        }
        uint64_t size = rsi_rows_block_size(fit, rows->dimension);
        if (size > *largest)
            *largest = size;
        end += size;
        count -= fit;
        blocks++;
    }
    return blocks;
}

size_t rsi_rows_extents_needed(const rsi_rows *rows, size_t count)
{
    size_t new_segments;
    uint64_t largest;
    return plan(rows, count, &new_segments, &largest);
}

static int note_flush(rsi_rows *rows, int status)
{
    if (status != RAGSTORE_OK)
        rows->flush_failed = true;
    return status;
}

/* Another file may have got the segment's name since it was mapped: a copy, by somebody's hand. What
 * will be written stands there, so that one is looked at from now on, and all of it checked again. */
static int follow_name(rsi_rows *rows, rsi_rows_segment *segment)
{
    rsi_file_info info;
    const void *view = NULL;
    int status = rsi_file_inspect(segment->file, &info);
    if (status != RAGSTORE_OK || info.inode == segment->inode)
        return status;
    if (info.size < segment->end)
        return rsi_fail(RAGSTORE_E_DAMAGED, "vectors",
                        "%s: a shorter file was put in its place; put the whole one there, or "
                        "close the store and open it again",
                        rsi_file_path(segment->file));
    if (segment->viewed > 0)
        status = rsi_file_view(segment->file, segment->viewed, &view);
    if (status != RAGSTORE_OK)
        return status;
    rsi_root_unview(rows->root, segment->view, segment->viewed);
    segment->view = view;
    segment->inode = info.inode;
    for (size_t i = 0; i < rows->run_count; i++)
        if (&rows->segments[rows->runs[i].segment] == segment &&
            atomic_load(&rows->runs[i].state) != RSI_RUN_LOST)
            atomic_store(&rows->runs[i].state, RSI_RUN_UNCHECKED);
    return RAGSTORE_OK;
}

int rsi_rows_make_writable(rsi_rows *rows, rsi_rows_segment *segment)
{
    rsi_path path;
    bool linked = false;
    int status = RAGSTORE_OK;
    if (segment->file != NULL)
        status = rsi_file_is_linked(segment->file, &linked);
    if (status != RAGSTORE_OK || linked)
        return status;
    rsi_file_close(segment->file); /* another file has its name, or none */
    segment->file = NULL;
    status = rsi_rows_path(&path, rows, segment->number);
    if (status == RAGSTORE_OK)
        status = rsi_file_open(&segment->file, rows->root, path.text, RSI_OPEN_WRITE);
    return status == RAGSTORE_OK ? follow_name(rows, segment) : status;
}

/* Cut one segment to its last block. */
static int cut_segment(rsi_rows *rows, rsi_rows_segment *segment)
{
    int status = rsi_rows_make_writable(rows, segment);
    if (status != RAGSTORE_OK)
        return status;
    uint64_t needed = segment->end == RSI_ROWS_HEADER_SIZE ? 0 : segment->end;
    status = rsi_rows_view(rows, segment, needed);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_file_truncate(segment->file, segment->end);
    if (status != RAGSTORE_OK)
        return status;
    status = note_flush(rows, rsi_file_flush(segment->file));
    if (status == RAGSTORE_OK)
        segment->remains = false;
    return status;
}

static int cut_torn_tail(rsi_rows *rows)
{
    for (size_t i = 0; i < rows->segment_count; i++) {
        rsi_rows_segment *segment = &rows->segments[i];
        int status = RAGSTORE_OK;
        if (segment->remains) {
            status = cut_segment(rows, segment);
        } else if (segment->state == RSI_SEGMENT_ABANDONED) {
            rsi_path path;
            status = rsi_rows_path(&path, rows, segment->number);
            if (status == RAGSTORE_OK)
                status = rsi_file_remove(rows->root, path.text);
            if (status == RAGSTORE_OK)
                segment->state = RSI_SEGMENT_REMOVED;
        }
        if (status != RAGSTORE_OK)
            return rsi_wrap(status, "cut a torn tail");
    }
    return RAGSTORE_OK;
}

static int write_header(rsi_rows *rows, rsi_file *file, uint32_t number)
{
    unsigned char header[RSI_ROWS_HEADER_SIZE];
    rsi_rows_identity identity = rsi_rows_identity_of(rows, number);
    rsi_rows_header_encode(header, &identity);
    int status = rsi_file_write_at(file, header, sizeof header, 0);
    if (status != RAGSTORE_OK)
        return status;
    status = note_flush(rows, rsi_file_flush(file));
    if (status != RAGSTORE_OK)
        return status;
    return note_flush(rows, rsi_directory_flush(rows->root, rows->directory));
}

/* Begin the next segment; room for it in `segments` is reserved. */
static int create_segment(rsi_rows *rows)
{
    if (rows->next_segment == UINT32_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "vectors", "%s: all segment numbers are used",
                        rows->directory);
    rsi_path path;
    uint32_t number = rows->next_segment;
    int status = rsi_rows_path(&path, rows, number);
    if (status == RAGSTORE_OK && rows->segment_count == 0) {
        status = rsi_directory_make(rows->root, rows->directory);
        if (status == RAGSTORE_E_IO) /* perhaps its flush, which a second try would leave out */
            rows->flush_failed = true;
    }
    if (status != RAGSTORE_OK)
        return status;
    rsi_file *file;
    rsi_file_info info;
    rows->next_segment++; /* an open that fails may have made the file: no name is tried twice */
    status = rsi_file_open(&file, rows->root, path.text,
                           RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
    if (status != RAGSTORE_OK)
        return status;
    status = write_header(rows, file, number);
    if (status == RAGSTORE_OK)
        status = rsi_file_inspect(file, &info);
    if (status != RAGSTORE_OK) {
        rsi_saved_error saved;
        rsi_error_save(&saved);
        rsi_file_close(file);
        rsi_file_remove(rows->root, path.text);
        rsi_error_restore(&saved);
        return status;
    }
    rsi_rows_segment *segment = &rows->segments[rows->segment_count++];
    memset(segment, 0, sizeof *segment);
    segment->file = file;
    segment->inode = info.inode;
    segment->end = RSI_ROWS_HEADER_SIZE;
    segment->number = number;
    return RAGSTORE_OK;
}

static int flush_last_segment(rsi_rows *rows)
{
    const rsi_rows_segment *last = &rows->segments[rows->segment_count - 1];
    return last->remains ? note_flush(rows, rsi_file_flush_data(last->file)) : RAGSTORE_OK;
}

static int begin_segment(appender *append)
{
    rsi_rows *rows = append->rows;
    if (rows->segment_count > append->first_segment) {
        int status = flush_last_segment(rows);
        if (status != RAGSTORE_OK)
            return status;
    }
    append->end = RSI_ROWS_HEADER_SIZE;
    return create_segment(rows);
}

/* Put rows `from` … into the block, and look at them there. */
static int fill_block(const appender *append, size_t from, uint32_t count)
{
    const uint32_t dimension = append->rows->dimension;
    float *vectors = (float *)(void *)(append->block + RSI_ROWS_HEADER_SIZE);
    int status = append->source(append->user, vectors, from, count);
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        const float *vector = vectors + i * dimension;
        if (rsi_metric_check(vector, dimension, RSI_METRIC_INNER_PRODUCT) == NULL)
            continue;
        size_t d = 0;
        while (d < dimension && isfinite(vector[d]))
            d++;
        if (d < dimension)
            status = rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                              "vector %zu: number %zu is not finite", from + i, d);
    }
    return status;
}

static int write_block(appender *append, int64_t first_chunk, uint32_t count,
                       rsi_rows_extent *extent)
{
    rsi_rows *rows = append->rows;
    uint32_t index = (uint32_t)(rows->segment_count - 1);
    rsi_rows_segment *segment = &rows->segments[index];
    int status = rsi_rows_make_writable(rows, segment);
    if (status != RAGSTORE_OK)
        return status;

    rsi_rows_identity identity = rsi_rows_identity_of(rows, segment->number);
    uint32_t data_crc =
        rsi_rows_block_seal(append->block, &identity, append->end, first_chunk, count);
    extent->segment = segment->number;
    extent->offset = append->end;
    extent->size = rsi_rows_block_size(count, rows->dimension);
    extent->first_chunk = first_chunk;
    extent->count = count;
    extent->crc = rsi_crc32c(0, append->block, (size_t)extent->size);

    segment->remains = true;
    status = rsi_file_write_at(segment->file, append->block, (size_t)extent->size, append->end);
    if (status != RAGSTORE_OK)
        return status;
    rsi_rows_run *run = &rows->runs[append->run_count++];
    run->first_chunk = first_chunk;
    run->end_chunk = first_chunk + count;
    run->offset = append->end;
    run->segment = index;
    run->data_crc = data_crc;
    atomic_init(&run->state, RSI_RUN_UNCHECKED);
    append->end += extent->size;
    return RAGSTORE_OK;
}

/* Map what was written and let it count: after the last view nothing can fail. */
static int enter_runs(appender *append)
{
    rsi_rows *rows = append->rows;
    for (size_t i = rows->run_count; i < append->run_count; i++) {
        const rsi_rows_run *run = &rows->runs[i];
        bool is_last_of_segment =
            i + 1 == append->run_count || rows->runs[i + 1].segment != run->segment;
        if (!is_last_of_segment)
            continue;
        int status = rsi_rows_view(rows, &rows->segments[run->segment],
                                   run->offset + rsi_rows_run_size(rows, run));
        if (status != RAGSTORE_OK)
            return status;
    }
    for (size_t i = rows->run_count; i < append->run_count; i++) {
        const rsi_rows_run *run = &rows->runs[i];
        rows->segments[run->segment].end = run->offset + rsi_rows_run_size(rows, run);
        rows->segments[run->segment].remains = false;
    }
    rows->run_count = append->run_count;
    return RAGSTORE_OK;
}

/* Give the space of a failed append back, as far as that works; the next append cuts properly. */
static void take_back(appender *append)
{
    rsi_rows *rows = append->rows;
    if (rows->flush_failed)
        return;
    rsi_saved_error saved;
    rsi_error_save(&saved);
    for (size_t i = append->first_segment; i < rows->segment_count; i++) {
        rsi_rows_segment *segment = &rows->segments[i];
        if (segment->remains && segment->file != NULL && segment->viewed <= segment->end)
            rsi_file_truncate(segment->file, segment->end);
    }
    rsi_error_restore(&saved);
}

static int check_arguments(const rsi_rows *rows, int64_t first_chunk, bool given, size_t count)
{
    if (first_chunk < rsi_rows_next_chunk(rows))
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                        "chunk %" PRId64 " is below %" PRId64 ", the next that can have a vector",
                        first_chunk, rsi_rows_next_chunk(rows));
    if (!given || count > (uint64_t)(INT64_MAX - first_chunk) ||
        count > SIZE_MAX / row_bytes(rows))
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors", "%zu vectors from chunk %" PRId64,
                        count, first_chunk);
    if (rows->flush_failed)
        return rsi_fail(RAGSTORE_E_FAILED, "vectors",
                        "%s: an earlier flush failed; reopen the store to write again",
                        rows->directory);
    return RAGSTORE_OK;
}

static int append_blocks(appender *append, int64_t first_chunk, size_t count,
                         rsi_rows_extent *extents, size_t *extents_count)
{
    rsi_rows *rows = append->rows;
    size_t written = 0;
    size_t blocks = 0;
    while (written < count) {
        uint32_t fit = rows_of_next_block(rows, append->end, count - written);
        int status;
        if (fit == 0) {
            status = begin_segment(append);
        } else {
            status = fill_block(append, written, fit);
            if (status == RAGSTORE_OK)
                status = write_block(append, first_chunk + (int64_t)written, fit,
                                     &extents[blocks++]);
            written += fit;
        }
        if (status != RAGSTORE_OK)
            return status;
    }
    int status = append->flushes ? flush_last_segment(rows) : RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = enter_runs(append);
    if (status == RAGSTORE_OK)
        *extents_count = blocks;
    return status;
}

/* What is in `append` is from whom the rows come, and whether they are flushed. */
static int append_rows(rsi_rows *rows, appender append, int64_t first_chunk, size_t count,
                       rsi_rows_extent *extents, size_t extents_max, size_t *extents_count)
{
    *extents_count = 0;
    if (count == 0)
        return RAGSTORE_OK;
    int status = check_arguments(rows, first_chunk, append.source != NULL, count);
    if (status != RAGSTORE_OK)
        return rsi_wrap(status, "append vectors");
    size_t new_segments;
    uint64_t largest;
    size_t blocks = plan(rows, count, &new_segments, &largest);
    if (extents == NULL || blocks > extents_max)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                        "append vectors: %zu extents are needed, there is room for %zu", blocks,
                        extents_max);

    bool usable = last_segment_is_usable(rows);
    append.rows = rows;
    append.run_count = rows->run_count;
    append.first_segment = usable ? rows->segment_count - 1 : rows->segment_count;
    append.end = usable ? rows->segments[rows->segment_count - 1].end : rows->segment_limit;
    append.block = rsi_alloc((size_t)largest);
    if (append.block == NULL ||
        !rsi_grow((void **)&rows->runs, &rows->run_capacity, rows->run_count + blocks,
                  sizeof *rows->runs) ||
        !rsi_grow((void **)&rows->segments, &rows->segment_capacity,
                  rows->segment_count + new_segments, sizeof *rows->segments)) {
        status = RAGSTORE_E_NO_MEMORY;
        goto cleanup;
    }
    status = cut_torn_tail(rows);
    if (status != RAGSTORE_OK)
        goto cleanup;
    status = append_blocks(&append, first_chunk, count, extents, extents_count);
    if (status != RAGSTORE_OK)
        take_back(&append);

cleanup:
    if (status == RAGSTORE_OK && !append.flushes)
        rsi_rows_keep_file(rows);
    else
        rsi_rows_close_files(rows);
    rsi_free(append.block);
    return rsi_wrap(status, "append vectors");
}

int rsi_rows_append_from(rsi_rows *rows, int64_t first_chunk, rsi_rows_source *source, void *user,
                         size_t count, rsi_rows_extent *extents, size_t extents_max,
                         size_t *extents_count)
{
    const appender append = {.source = source, .user = user, .flushes = true};
    return append_rows(rows, append, first_chunk, count, extents, extents_max, extents_count);
}

/* ---- rows that lie one behind the other ---- */

typedef struct row_array {
    const float *vectors;
    uint32_t dimension;
} row_array;

static int read_array(void *user, float *out, size_t from, size_t count)
{
    const row_array *array = user;
    memcpy(out, array->vectors + from * array->dimension, count * array->dimension * sizeof *out);
    return RAGSTORE_OK;
}

static int append_array(rsi_rows *rows, bool flushes, int64_t first_chunk, const float *vectors,
                        size_t count, rsi_rows_extent *extents, size_t extents_max,
                        size_t *extents_count)
{
    row_array array = {vectors, rows->dimension};
    const appender append = {
        .source = vectors == NULL ? NULL : read_array, .user = &array, .flushes = flushes};
    return append_rows(rows, append, first_chunk, count, extents, extents_max, extents_count);
}

int rsi_rows_append(rsi_rows *rows, int64_t first_chunk, const float *vectors, size_t count,
                    rsi_rows_extent *extents, size_t extents_max, size_t *extents_count)
{
    return append_array(rows, true, first_chunk, vectors, count, extents, extents_max,
                        extents_count);
}

int rsi_rows_append_unflushed(rsi_rows *rows, int64_t first_chunk, const float *vectors,
                              size_t count, rsi_rows_extent *extents, size_t extents_max,
                              size_t *extents_count)
{
    return append_array(rows, false, first_chunk, vectors, count, extents, extents_max,
                        extents_count);
}
