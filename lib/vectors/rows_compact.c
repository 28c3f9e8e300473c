/*
 * Writing a segment again without the rows of dead chunks.
 *
 *   before   [H|B0: 0…9 |B1: 10…14|B2: 15…40        ]     alive: 2, 3, 15…30, 33…40
 *   after    [H|B: 2…3|B: 15…40      ]                    31 and 32: zeros
 *
 * Live rows of neighbouring blocks come together in one. A dead stretch inside a block that would
 * take less room than the header of another block stays, as zeros; a chunk that is alive but has no
 * row is never inside a block, since it would get one.
 *
 * The file keeps its name, and the new one takes its place by a rename, so that at any moment there
 * is exactly one that has the rows of the living: for a crash, for a process that is just walking
 * through the directory, and for a backup that copies it file by file. Whoever has mapped the old
 * one reads on in it. Locking: vectors.h.
 */
#include "vectors/rows_internal.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

/* A dead stretch of up to so many bytes stays inside a block: a header and its padding, about. */
#define FILLED_BYTES 128u

typedef struct planned_block {
    int64_t first_chunk;
    int64_t end_chunk;
} planned_block;

typedef struct layout {
    planned_block *blocks;
    size_t count;
    size_t capacity;
    uint64_t bytes; /* of the file */
} layout;

struct rsi_rows_rewrite {
    rsi_rows *rows;
    size_t segment;
    size_t first_run; /* of the segment's runs */
    size_t end_run;
    layout plan;
    rsi_rows_run *runs; /* all of the rows', with the new ones in their place */
    size_t run_count;
    bool goes; /* nothing of it stays */
    const unsigned char *view;
    uint64_t inode;
};

size_t rsi_rows_segment_count(const rsi_rows *rows)
{
    return rows->segment_count;
}

/* ---- what the new file holds ---- */

static void find_runs(const rsi_rows *rows, size_t segment, size_t *first, size_t *end)
{
    size_t at = 0;
    while (at < rows->run_count && rows->runs[at].segment != segment)
        at++;
    *first = at;
    while (at < rows->run_count && rows->runs[at].segment == segment)
        at++;
    *end = at;
}

static int64_t rows_in(uint64_t bytes, const rsi_rows *rows)
{
    uint64_t count = bytes / ((uint64_t)rows->dimension * sizeof(float));
    return count == 0 ? 1 : count > UINT32_MAX ? (int64_t)UINT32_MAX : (int64_t)count;
}

/* Put a live chunk, which has a row, behind those that were put before. */
static int put_chunk(layout *plan, const rsi_rows *rows, const rsi_bitset *alive, int64_t chunk)
{
    const int64_t most = rows_in(rows->block_limit - RSI_ROWS_HEADER_SIZE, rows);
    planned_block *last = plan->count == 0 ? NULL : &plan->blocks[plan->count - 1];
    if (last != NULL && chunk < last->first_chunk + most &&
        (uint64_t)(chunk - last->end_chunk) * rows->dimension * sizeof(float) <= FILLED_BYTES &&
        rsi_bitset_next(alive, last->end_chunk) == chunk) {
        last->end_chunk = chunk + 1;
        return RAGSTORE_OK;
    }
    if (!rsi_grow((void **)&plan->blocks, &plan->capacity, plan->count + 1, sizeof *plan->blocks))
        return RAGSTORE_E_NO_MEMORY;
    plan->blocks[plan->count++] = (planned_block){chunk, chunk + 1};
    return RAGSTORE_OK;
}

static int lay_out(layout *plan, rsi_rows *rows, size_t first_run, size_t end_run,
                   const rsi_bitset *alive)
{
    int status = RAGSTORE_OK;
    for (size_t i = first_run; status == RAGSTORE_OK && i < end_run; i++) {
        rsi_rows_run *run = &rows->runs[i];
        int64_t chunk = rsi_bitset_next(alive, run->first_chunk);
        if (chunk < 0 || chunk >= run->end_chunk)
            continue; /* damaged or not: nobody needs it */
        if (rsi_rows_run_check(rows, run) != RSI_RUN_INTACT)
            return rsi_rows_run_fail(rows, run);
        while (status == RAGSTORE_OK && chunk >= 0 && chunk < run->end_chunk) {
            status = put_chunk(plan, rows, alive, chunk);
            chunk = rsi_bitset_next(alive, chunk + 1);
        }
    }
    plan->bytes = RSI_ROWS_HEADER_SIZE;
    for (size_t i = 0; i < plan->count; i++)
        plan->bytes += rsi_rows_block_size(
            (uint32_t)(plan->blocks[i].end_chunk - plan->blocks[i].first_chunk), rows->dimension);
    return status;
}

/* ---- what it has now ---- */

static bool is_zero(const float *row, uint32_t dimension)
{
    for (uint32_t i = 0; i < dimension; i++)
        if (row[i] != 0)
            return false;
    return true;
}

static bool run_has_dead(rsi_rows *rows, rsi_rows_run *run, const rsi_bitset *alive)
{
    const int state = atomic_load_explicit(&run->state, memory_order_relaxed);
    if (state == RSI_RUN_LOST || state == RSI_RUN_DAMAGED)
        return true;
    for (int64_t chunk = run->first_chunk; chunk < run->end_chunk; chunk++)
        if (!rsi_bitset_has(alive, chunk) &&
            !is_zero(rsi_rows_at(rows, run, chunk), rows->dimension))
            return true;
    return false;
}

int rsi_rows_usage_of(rsi_rows_usage *usage, rsi_rows *rows, size_t segment,
                      const rsi_bitset *alive)
{
    layout plan = {0};
    size_t first;
    size_t end;
    rsi_path path;
    rsi_file_info info;
    const rsi_rows_segment *at = &rows->segments[segment];
    memset(usage, 0, sizeof *usage);
    if (at->state == RSI_SEGMENT_ABANDONED || at->state == RSI_SEGMENT_REMOVED)
        return RAGSTORE_OK;
    find_runs(rows, segment, &first, &end);
    int status = rsi_rows_path(&path, rows, at->number);
    if (status == RAGSTORE_OK)
        status = rsi_file_info_of(rows->root, path.text, &info);
    usage->bytes = status == RAGSTORE_OK ? info.size : 0;
    if (status == RAGSTORE_OK)
        status = lay_out(&plan, rows, first, end, alive);
    usage->bytes_after = plan.bytes;
    usage->has_dead = usage->bytes > at->end;
    for (size_t i = first; status == RAGSTORE_OK && !usage->has_dead && i < end; i++)
        usage->has_dead = run_has_dead(rows, &rows->runs[i], alive);
    for (size_t i = first; i < end; i++)
        rsi_rows_run_let_go(rows, &rows->runs[i]);
    rsi_free(plan.blocks);
    return status;
}

/* ---- writing ---- */

/* Bring the rows of a planned block together; chunks without one become zeros. */
static void gather(float *vectors, rsi_rows *rows, const planned_block *block,
                   const rsi_bitset *alive)
{
    size_t run = rsi_rows_find(rows, 0, block->first_chunk);
    for (int64_t chunk = block->first_chunk; chunk < block->end_chunk; chunk++) {
        float *row = vectors + (size_t)(chunk - block->first_chunk) * rows->dimension;
        while (rows->runs[run].end_chunk <= chunk)
            run++;
        if (rsi_bitset_has(alive, chunk))
            memcpy(row, rsi_rows_at(rows, &rows->runs[run], chunk), rows->dimension * sizeof *row);
        else
            memset(row, 0, rows->dimension * sizeof *row);
    }
}

static int write_blocks(rsi_rows_rewrite *rewrite, rsi_file *file, const rsi_bitset *alive)
{
    rsi_rows *rows = rewrite->rows;
    const rsi_rows_identity identity =
        rsi_rows_identity_of(rows, rows->segments[rewrite->segment].number);
    const uint32_t most = (uint32_t)rows_in(rows->block_limit - RSI_ROWS_HEADER_SIZE, rows);
    float *vectors = rsi_alloc((size_t)most * rows->dimension * sizeof *vectors);
    unsigned char *bytes = rsi_alloc((size_t)rsi_rows_block_size(most, rows->dimension));
    int status = vectors == NULL || bytes == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    uint64_t offset = RSI_ROWS_HEADER_SIZE;
    for (size_t i = 0; status == RAGSTORE_OK && i < rewrite->plan.count; i++) {
        const planned_block *block = &rewrite->plan.blocks[i];
        const uint32_t count = (uint32_t)(block->end_chunk - block->first_chunk);
        const uint64_t size = rsi_rows_block_size(count, rows->dimension);
        rsi_rows_run *run = &rewrite->runs[rewrite->first_run + i];
        gather(vectors, rows, block, alive);
        run->first_chunk = block->first_chunk;
        run->end_chunk = block->end_chunk;
        run->offset = offset;
        run->segment = (uint32_t)rewrite->segment;
        run->data_crc =
            rsi_rows_block_encode(bytes, &identity, offset, block->first_chunk, vectors, count);
        atomic_init(&run->state, RSI_RUN_UNCHECKED);
        status = rsi_file_write_at(file, bytes, (size_t)size, offset);
        offset += size;
    }
    rsi_free(vectors);
    rsi_free(bytes);
    return status;
}

static int write_temporary(rsi_rows_rewrite *rewrite, const char *temporary,
                           const rsi_bitset *alive)
{
    rsi_file *file;
    rsi_rows *rows = rewrite->rows;
    unsigned char header[RSI_ROWS_HEADER_SIZE];
    const rsi_rows_identity identity =
        rsi_rows_identity_of(rows, rows->segments[rewrite->segment].number);
    int status = rsi_file_open(&file, rows->root, temporary,
                               RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
    if (status != RAGSTORE_OK)
        return status;
    rsi_rows_header_encode(header, &identity);
    status = rsi_file_write_at(file, header, sizeof header, 0);
    if (status == RAGSTORE_OK)
        status = write_blocks(rewrite, file, alive);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(file);
    if (status == RAGSTORE_OK)
        return rsi_file_close(file);
    rsi_saved_error saved;
    rsi_error_save(&saved);
    rsi_file_close(file);
    rsi_error_restore(&saved);
    return status;
}

/* The runs before and behind stay as they are. */
static int make_runs(rsi_rows_rewrite *rewrite)
{
    const rsi_rows *rows = rewrite->rows;
    const size_t behind = rows->run_count - rewrite->end_run;
    rewrite->run_count = rewrite->first_run + rewrite->plan.count + behind;
    rewrite->runs = rsi_alloc_array(rewrite->run_count + 1, sizeof *rewrite->runs);
    if (rewrite->runs == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (rewrite->first_run > 0)
        memcpy(rewrite->runs, rows->runs, rewrite->first_run * sizeof *rewrite->runs);
    if (behind > 0)
        memcpy(rewrite->runs + rewrite->first_run + rewrite->plan.count,
               rows->runs + rewrite->end_run, behind * sizeof *rewrite->runs);
    return RAGSTORE_OK;
}

static int write_segment(rsi_rows_rewrite *rewrite, const char *path, const rsi_bitset *alive)
{
    rsi_path temporary;
    rsi_root *root = rewrite->rows->root;
    int status = rsi_path_temporary(&temporary, path);
    if (status != RAGSTORE_OK)
        return status;
    status = write_temporary(rewrite, temporary.text, alive);
    if (status == RAGSTORE_OK)
        status = rsi_file_rename(root, temporary.text, path);
    if (status == RAGSTORE_OK)
        return RAGSTORE_OK;
    rsi_saved_error saved;
    rsi_error_save(&saved);
    rsi_file_remove(root, temporary.text);
    rsi_error_restore(&saved);
    return status;
}

static int remove_segment(rsi_rows *rows, const char *path)
{
    int status = rsi_file_remove(rows->root, path);
    return status == RAGSTORE_OK ? rsi_directory_flush(rows->root, rows->directory) : status;
}

static int open_segment(rsi_rows_rewrite *rewrite, const char *path)
{
    rsi_file *file;
    rsi_file_info info;
    const void *view = NULL;
    int status = rsi_file_open(&file, rewrite->rows->root, path, RSI_OPEN_READ);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_file_inspect(file, &info);
    if (status == RAGSTORE_OK && rewrite->plan.count > 0)
        status = rsi_file_view(file, (size_t)rewrite->plan.bytes, &view);
    rsi_saved_error saved;
    rsi_error_save(&saved);
    rsi_file_close(file); /* it only read */
    rsi_error_restore(&saved);
    if (status != RAGSTORE_OK)
        return status;
    rewrite->view = view;
    rewrite->inode = info.inode;
    return RAGSTORE_OK;
}

static void free_rewrite(rsi_rows_rewrite *rewrite)
{
    rsi_free(rewrite->plan.blocks);
    rsi_free(rewrite->runs);
    rsi_free(rewrite);
}

int rsi_rows_rewrite_begin(rsi_rows_rewrite **out, rsi_rows *rows, size_t segment,
                           const rsi_bitset *alive)
{
    rsi_path path;
    *out = NULL;
    rsi_rows_rewrite *rewrite = rsi_alloc_zeroed(sizeof *rewrite);
    if (rewrite == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rewrite->rows = rows;
    rewrite->segment = segment;
    find_runs(rows, segment, &rewrite->first_run, &rewrite->end_run);
    int status = rsi_rows_path(&path, rows, rows->segments[segment].number);
    if (status == RAGSTORE_OK)
        status = lay_out(&rewrite->plan, rows, rewrite->first_run, rewrite->end_run, alive);
    if (status == RAGSTORE_OK)
        status = make_runs(rewrite);
    /* the last one stays, so that its number is not used again */
    rewrite->goes = rewrite->plan.count == 0 && segment + 1 < rows->segment_count;
    if (status == RAGSTORE_OK)
        status = rewrite->goes ? remove_segment(rows, path.text)
                               : write_segment(rewrite, path.text, alive);
    if (status == RAGSTORE_OK && !rewrite->goes)
        status = open_segment(rewrite, path.text);
    if (status == RAGSTORE_OK) {
        *out = rewrite;
        return RAGSTORE_OK;
    }
    rsi_saved_error saved;
    rsi_error_save(&saved);
    free_rewrite(rewrite);
    rsi_error_restore(&saved);
    return rsi_wrap(status, "compact %s", path.text);
}

void rsi_rows_rewrite_end(rsi_rows_rewrite *rewrite)
{
    rsi_rows *rows = rewrite->rows;
    rsi_rows_segment *segment = &rows->segments[rewrite->segment];
    rsi_rows_close_files(rows);
    rsi_root_unview(rows->root, segment->view, segment->viewed);
    segment->view = rewrite->view;
    segment->viewed = rewrite->view == NULL ? 0 : (size_t)rewrite->plan.bytes;
    segment->end = rewrite->plan.bytes;
    segment->state = rewrite->goes ? RSI_SEGMENT_REMOVED : RSI_SEGMENT_INTACT;
    segment->inode = rewrite->inode;
    segment->remains = false;
    rsi_free(rows->runs);
    rows->runs = rewrite->runs;
    rows->run_count = rewrite->run_count;
    rows->run_capacity = rewrite->run_count + 1;
    rewrite->runs = NULL;
    free_rewrite(rewrite);
}
