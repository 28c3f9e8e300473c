/*
 * Rows that may not have reached the disk, from where the caller keeps them.
 *
 *   before the crash   [H|A: 0…9 |B: 10   |C: 11   ]     B and C appended without a flush
 *   after it           [H|A: 0…9 |░░░░░░░░|C: 11   ]
 *   restored           [H|A: 0…9 |B: 10   |C: 11   ]     each where it was
 *
 * A place may have been given to something else: when the segment was written again without its
 * dead rows, or by hand. So a block is only put where no good block stands, and where the chunk
 * numbers ascend with it. Locking: the caller's exclusive lock.
 */
#include "vectors/rows_internal.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

static int64_t end_of(const rsi_rows_copy *copy)
{
    return copy->first_chunk + copy->count;
}

static bool is_intact(rsi_rows *rows, rsi_rows_run *run)
{
    return rsi_rows_run_check(rows, run) == RSI_RUN_INTACT;
}

static bool have_rows(rsi_rows *rows, int64_t chunk, int64_t end)
{
    for (size_t i = rsi_rows_find(rows, 0, chunk); chunk < end; i++) {
        if (i == rows->run_count || rows->runs[i].first_chunk > chunk ||
            !is_intact(rows, &rows->runs[i]))
            return false;
        chunk = rows->runs[i].end_chunk;
    }
    return true;
}

/* The block that stands where this one stood and looks the same from outside; or NULL. */
static rsi_rows_run *same_place(rsi_rows *rows, const rsi_rows_copy *copy)
{
    size_t i = rsi_rows_find(rows, 0, copy->first_chunk);
    rsi_rows_run *run = i == rows->run_count ? NULL : &rows->runs[i];
    return run != NULL && atomic_load(&run->state) != RSI_RUN_LOST &&
                   run->first_chunk == copy->first_chunk && run->end_chunk == end_of(copy) &&
                   run->offset == copy->offset &&
                   rows->segments[run->segment].number == copy->segment
               ? run
               : NULL;
}

static bool holds(const rsi_rows *rows, const rsi_rows_run *run, const rsi_rows_copy *copy)
{
    return memcmp(rsi_rows_at(rows, run, run->first_chunk), copy->vectors,
                  (size_t)copy->count * rows->dimension * sizeof(float)) == 0;
}

/* Would the block lie over this one, or break the order? */
static bool is_in_the_way(const rsi_rows *rows, const rsi_rows_run *run, const rsi_rows_copy *copy)
{
    const uint32_t segment = rows->segments[run->segment].number;
    const uint64_t end = copy->offset + rsi_rows_block_size(copy->count, rows->dimension);
    if (segment == copy->segment && run->offset < end &&
        run->offset + rsi_rows_run_size(rows, run) > copy->offset)
        return true;
    const bool is_before =
        segment < copy->segment || (segment == copy->segment && run->offset < copy->offset);
    return is_before ? run->end_chunk > copy->first_chunk : run->first_chunk < end_of(copy);
}

static bool is_free(rsi_rows *rows, const rsi_rows_copy *copy)
{
    for (size_t i = 0; i < rows->run_count; i++) {
        rsi_rows_run *run = &rows->runs[i];
        if (atomic_load(&run->state) != RSI_RUN_LOST && is_in_the_way(rows, run, copy) &&
            is_intact(rows, run))
            return false;
    }
    return true;
}

static rsi_rows_segment *segment_of(rsi_rows *rows, uint32_t number)
{
    for (size_t i = 0; i < rows->segment_count; i++)
        if (rows->segments[i].number == number && rows->segments[i].state == RSI_SEGMENT_INTACT)
            return &rows->segments[i];
    return NULL;
}

/* The bytes of the block; NULL without memory. */
static unsigned char *encode(const rsi_rows *rows, const rsi_rows_copy *copy)
{
    const rsi_rows_identity identity = rsi_rows_identity_of(rows, copy->segment);
    unsigned char *bytes = rsi_alloc((size_t)rsi_rows_block_size(copy->count, rows->dimension));
    if (bytes != NULL)
        rsi_rows_block_encode(bytes, &identity, copy->offset, copy->first_chunk, copy->vectors,
                              copy->count);
    return bytes;
}

/* ---- into the file ---- */

int rsi_rows_restore_end(rsi_rows *rows)
{
    int status = RAGSTORE_OK;
    if (rows->restored != NULL)
        status = rsi_file_flush(rows->restored->file);
    rows->restored = NULL;
    rsi_rows_close_files(rows);
    return rsi_wrap(status, "restore vectors");
}

static int write_copy(rsi_rows *rows, rsi_rows_segment *segment, const rsi_rows_copy *copy)
{
    int status = RAGSTORE_OK;
    if (rows->restored != segment)
        status = rsi_rows_restore_end(rows);
    if (status == RAGSTORE_OK)
        status = rsi_rows_make_writable(rows, segment);
    if (status != RAGSTORE_OK)
        return status;
    rows->restored = segment;
    unsigned char *bytes = encode(rows, copy);
    if (bytes == NULL)
        return RAGSTORE_E_NO_MEMORY;
    status =
        rsi_file_write_at(segment->file, bytes,
                          (size_t)rsi_rows_block_size(copy->count, rows->dimension), copy->offset);
    rsi_free(bytes);
    return status;
}

int rsi_rows_restore(bool *placed, rsi_rows *rows, const rsi_rows_copy *copy)
{
    rsi_rows_segment *segment = segment_of(rows, copy->segment);
    rsi_rows_run *same = same_place(rows, copy);
    *placed = have_rows(rows, copy->first_chunk, end_of(copy));
    if (segment == NULL || (*placed && (same == NULL || !holds(rows, same, copy))))
        return RAGSTORE_OK;
    if (!*placed && !is_free(rows, copy))
        return RAGSTORE_OK;
    int status = write_copy(rows, segment, copy);
    *placed = status == RAGSTORE_OK;
    return rsi_wrap(status, "restore vectors");
}

/* ---- in memory ---- */

static void insert_run(rsi_rows *rows, size_t at, const rsi_rows_run *run)
{
    memmove(rows->runs + at + 1, rows->runs + at, (rows->run_count - at) * sizeof *rows->runs);
    rows->runs[at] = *run;
    rows->run_count++;
}

/* Make way for chunks of which none has a good row: what is left of the runs there is lost. Returns
 * where a run goes now. There is room for two more. */
static size_t make_way(rsi_rows *rows, int64_t first, int64_t end)
{
    size_t at = rsi_rows_find(rows, 0, first);
    while (at < rows->run_count && rows->runs[at].first_chunk < end) {
        rsi_rows_run *run = &rows->runs[at];
        rsi_rows_run rest = *run;
        atomic_store(&run->state, RSI_RUN_LOST);
        atomic_store(&rest.state, RSI_RUN_LOST);
        rest.first_chunk = end;
        if (run->first_chunk < first) {
            run->end_chunk = first;
            at++;
            if (rest.end_chunk > end)
                insert_run(rows, at, &rest);
        } else if (rest.end_chunk > end) {
            *run = rest;
        } else {
            rows->run_count--;
            memmove(run, run + 1, (rows->run_count - at) * sizeof *run);
        }
    }
    return at;
}

int rsi_rows_hold(rsi_rows *rows, const rsi_rows_copy *copy)
{
    const int64_t end = end_of(copy);
    size_t i = rsi_rows_find(rows, 0, copy->first_chunk);
    for (; i < rows->run_count && rows->runs[i].first_chunk < end; i++)
        if (is_intact(rows, &rows->runs[i]))
            return RAGSTORE_OK; /* the segment was written again */
    if (!rsi_grow((void **)&rows->runs, &rows->run_capacity, rows->run_count + 2,
                  sizeof *rows->runs) ||
        !rsi_grow((void **)&rows->segments, &rows->segment_capacity, rows->segment_count + 1,
                  sizeof *rows->segments))
        return RAGSTORE_E_NO_MEMORY;
    unsigned char *bytes = encode(rows, copy);
    if (bytes == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rsi_rows_run run = {.first_chunk = copy->first_chunk,
                        .end_chunk = end,
                        .segment = (uint32_t)rows->segment_count};
    atomic_init(&run.state, RSI_RUN_INTACT);
    rows->segments[rows->segment_count++] =
        (rsi_rows_segment){.view = bytes,
                           .viewed = (size_t)rsi_rows_block_size(copy->count, rows->dimension),
                           .number = copy->segment,
                           .state = RSI_SEGMENT_HELD};
    insert_run(rows, make_way(rows, copy->first_chunk, end), &run);
    return RAGSTORE_OK;
}
