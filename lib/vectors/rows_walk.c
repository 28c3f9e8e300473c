/*
 * Opening rows: which segments there are, and where their blocks lie.
 *
 * Each segment is read from header to header, with pread, so that a file which another process
 * cuts meanwhile costs an error and not a SIGBUS; only bytes up to the last valid block are mapped
 * afterwards. Where no block header is found the walk goes on at the next multiple of 64:
 *
 *   valid, damaged, valid      the chunk numbers between the two valid blocks are lost: DAMAGED at
 *                              their first use
 *   valid, damaged, end        a torn tail: ignored, cut before the first append
 *
 * A segment that goes while it is looked for was compacted away by another process, and others may
 * be written anew: the walk begins again.
 *
 * The data of the last block is checked here, because a torn append can leave a whole header
 * before unwritten data; all other data is checked at its first use. Called by rsi_rows_open()
 * under the caller's exclusive lock.
 */
#include "vectors/rows_internal.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_BYTES 16384u
#define LATER_SEGMENT 1 /* of a visitor: there is one that these rows do not know */
#define WALKS_MAX 100 /* again, when segments go meanwhile */
#define NAME_MAX_BYTES 32

typedef struct walker {
    rsi_rows *rows;
    uint32_t *numbers; /* of the segments there are */
    size_t number_count;
    size_t number_capacity;
    bool gap; /* bytes without a block since the last one */
    uint32_t gap_segment;
    uint64_t gap_offset;
    rsi_file *file; /* the window: bytes start..start + size of this file */
    uint64_t file_size;
    uint64_t start;
    size_t size;
    unsigned char bytes[WINDOW_BYTES];
} walker;

/* The n of "rows-<n>.rsv" as this library writes it: no leading zero, in range. */
static bool parse_name(const char *name, uint32_t *number)
{
    static const char before[] = "rows-";
    if (strncmp(name, before, sizeof before - 1) != 0)
        return false;
    const char *digits = name + sizeof before - 1;
    size_t length = strspn(digits, "0123456789");
    if (length == 0 || length > 10 || digits[0] == '0' || strcmp(digits + length, ".rsv") != 0)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++)
        value = value * 10 + (uint64_t)(digits[i] - '0');
    *number = (uint32_t)value;
    return value <= UINT32_MAX;
}

static int note_name(void *user, const char *name, rsi_file_kind kind)
{
    walker *walk = user;
    uint32_t number;
    if (!parse_name(name, &number))
        return RAGSTORE_OK;
    if (kind != RSI_FILE_REGULAR)
        return rsi_fail(RAGSTORE_E_DAMAGED, "vectors", "%s/%s is not a regular file",
                        walk->rows->directory, name);
    if (!rsi_grow((void **)&walk->numbers, &walk->number_capacity, walk->number_count + 1,
                  sizeof *walk->numbers))
        return RAGSTORE_E_NO_MEMORY;
    walk->numbers[walk->number_count++] = number;
    return RAGSTORE_OK;
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* The header's worth of bytes at `offset`; the file has them. */
static int bytes_at(walker *walk, uint64_t offset, const unsigned char **bytes)
{
    if (offset < walk->start || offset + RSI_ROWS_HEADER_SIZE > walk->start + walk->size) {
        uint64_t left = walk->file_size - offset;
        walk->start = offset;
        walk->size = 0;
        size_t size = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
        int status = rsi_file_read_at(walk->file, walk->bytes, size, offset);
        if (status != RAGSTORE_OK)
            return status;
        walk->size = size;
    }
    *bytes = walk->bytes + (offset - walk->start);
    return RAGSTORE_OK;
}

static int add_run(rsi_rows *rows, int64_t first_chunk, int64_t end_chunk, uint32_t segment,
                   uint64_t offset, uint32_t data_crc, int state)
{
    if (!rsi_grow((void **)&rows->runs, &rows->run_capacity, rows->run_count + 1,
                  sizeof *rows->runs))
        return RAGSTORE_E_NO_MEMORY;
    rsi_rows_run *run = &rows->runs[rows->run_count++];
    run->first_chunk = first_chunk;
    run->end_chunk = end_chunk;
    run->offset = offset;
    run->segment = segment;
    run->data_crc = data_crc;
    atomic_init(&run->state, state);
    return RAGSTORE_OK;
}

static void note_gap(walker *walk, uint32_t segment, uint64_t offset)
{
    if (walk->gap)
        return;
    walk->gap = true;
    walk->gap_segment = segment;
    walk->gap_offset = offset;
}

static int add_block(walker *walk, const rsi_rows_block *block, uint32_t segment, uint64_t offset)
{
    int64_t next = rsi_rows_next_chunk(walk->rows);
    if (walk->gap && block->first_chunk > next) {
        int status = add_run(walk->rows, next, block->first_chunk, walk->gap_segment,
                             walk->gap_offset, 0, RSI_RUN_LOST);
        if (status != RAGSTORE_OK)
            return status;
    }
    walk->gap = false;
    return add_run(walk->rows, block->first_chunk, block->first_chunk + block->count, segment,
                   offset, block->data_crc, RSI_RUN_UNCHECKED);
}

static int walk_blocks(walker *walk, uint32_t segment)
{
    rsi_rows *rows = walk->rows;
    rsi_rows_identity identity = rsi_rows_identity_of(rows, rows->segments[segment].number);
    uint64_t offset = RSI_ROWS_HEADER_SIZE;
    while (walk->file_size - offset >= RSI_ROWS_HEADER_SIZE) {
        const unsigned char *header;
        rsi_rows_block block;
        int status = bytes_at(walk, offset, &header);
        if (status != RAGSTORE_OK)
            return status;
        if (!rsi_rows_block_decode(&block, header, &identity, offset, walk->file_size) ||
            block.first_chunk < rsi_rows_next_chunk(rows)) {
            note_gap(walk, segment, offset);
            offset += RSI_ROWS_ALIGNMENT;
            continue;
        }
        status = add_block(walk, &block, segment, offset);
        if (status != RAGSTORE_OK)
            return status;
        offset += block.size;
    }
    if (walk->file_size > offset)
        note_gap(walk, segment, offset);
    return RAGSTORE_OK;
}

static int check_header(walker *walk, rsi_rows_segment *segment)
{
    rsi_rows_identity identity = rsi_rows_identity_of(walk->rows, segment->number);
    rsi_rows_header_state state = RSI_ROWS_HEADER_DAMAGED;
    if (walk->file_size >= RSI_ROWS_HEADER_SIZE) {
        const unsigned char *header;
        int status = bytes_at(walk, 0, &header);
        if (status != RAGSTORE_OK)
            return status;
        state = rsi_rows_header_check(header, &identity);
    }
    switch (state) {
    case RSI_ROWS_HEADER_INTACT:
        return RAGSTORE_OK;
    case RSI_ROWS_HEADER_NEWER:
        return rsi_fail(RAGSTORE_E_VERSION, "vectors",
                        "%s was written by a newer library; use that one",
                        rsi_file_path(segment->file));
    case RSI_ROWS_HEADER_FOREIGN:
        return rsi_fail(RAGSTORE_E_DAMAGED, "vectors",
                        "%s belongs to another entity, model or place; move it away",
                        rsi_file_path(segment->file));
    case RSI_ROWS_HEADER_DAMAGED:
        break;
    }
    /* Blocks follow only a flushed header: without them a crash ended the creation. */
    segment->state =
        walk->file_size <= RSI_ROWS_HEADER_SIZE ? RSI_SEGMENT_ABANDONED : RSI_SEGMENT_DAMAGED;
    return RAGSTORE_OK;
}

static int walk_segment(walker *walk, uint32_t number)
{
    rsi_rows *rows = walk->rows;
    rsi_path path;
    int status = rsi_rows_path(&path, rows, number);
    if (status != RAGSTORE_OK)
        return status;
    if (!rsi_grow((void **)&rows->segments, &rows->segment_capacity, rows->segment_count + 1,
                  sizeof *rows->segments))
        return RAGSTORE_E_NO_MEMORY;
    uint32_t index = (uint32_t)rows->segment_count;
    rsi_rows_segment *segment = &rows->segments[index];
    memset(segment, 0, sizeof *segment);
    segment->number = number;
    segment->end = RSI_ROWS_HEADER_SIZE;
    status = rsi_file_open(&segment->file, rows->root, path.text, RSI_OPEN_READ);
    if (status != RAGSTORE_OK)
        return status;
    rows->segment_count++;

    rsi_file_info info;
    status = rsi_file_inspect(segment->file, &info);
    if (status != RAGSTORE_OK)
        return status;
    walk->file_size = info.size;
    segment->inode = info.inode;
    walk->file = segment->file;
    walk->start = 0;
    walk->size = 0;
    status = check_header(walk, segment);
    if (status != RAGSTORE_OK)
        return status;
    if (segment->state == RSI_SEGMENT_ABANDONED) {
        rsi_file_close(segment->file);
        segment->file = NULL;
        return RAGSTORE_OK;
    }
    return walk_blocks(walk, index);
}

/* Does the data of a block have its CRC? Read without a mapping: it may be about to be cut. */
static int check_last_block(walker *walk, const rsi_rows_run *run, bool *intact)
{
    rsi_file *file = walk->rows->segments[run->segment].file;
    uint64_t offset = run->offset + RSI_ROWS_HEADER_SIZE;
    uint64_t left = rsi_rows_run_size(walk->rows, run) - RSI_ROWS_HEADER_SIZE;
    uint32_t crc = 0;
    while (left > 0) {
        size_t size = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
        int status = rsi_file_read_at(file, walk->bytes, size, offset);
        if (status != RAGSTORE_OK)
            return status;
        crc = rsi_crc32c(crc, walk->bytes, size);
        offset += size;
        left -= size;
    }
    *intact = crc == run->data_crc;
    return RAGSTORE_OK;
}

static int drop_torn_tail(walker *walk)
{
    rsi_rows *rows = walk->rows;
    while (rows->run_count > 0) {
        const rsi_rows_run *last = &rows->runs[rows->run_count - 1];
        bool intact = false;
        if (atomic_load_explicit(&last->state, memory_order_relaxed) != RSI_RUN_LOST) {
            int status = check_last_block(walk, last, &intact);
            if (status != RAGSTORE_OK)
                return status;
        }
        if (intact)
            break;
        rows->run_count--;
    }
    return RAGSTORE_OK;
}

/* Where each segment ends, what is to be cut behind it, and the views. */
static int settle_segments(rsi_rows *rows)
{
    for (size_t i = 0; i < rows->run_count; i++) {
        const rsi_rows_run *run = &rows->runs[i];
        if (atomic_load_explicit(&run->state, memory_order_relaxed) != RSI_RUN_LOST)
            rows->segments[run->segment].end = run->offset + rsi_rows_run_size(rows, run);
    }
    size_t last = rows->run_count == 0 ? 0 : rows->runs[rows->run_count - 1].segment;
    for (size_t i = 0; i < rows->segment_count; i++) {
        rsi_rows_segment *segment = &rows->segments[i];
        if (segment->state == RSI_SEGMENT_ABANDONED)
            continue;
        uint64_t size;
        int status = rsi_file_size(segment->file, &size);
        if (status != RAGSTORE_OK)
            return status;
        segment->remains = i >= last && segment->state == RSI_SEGMENT_INTACT && size > segment->end;
        if (segment->end == RSI_ROWS_HEADER_SIZE)
            continue;
        status = rsi_rows_view(rows, segment, segment->end);
        if (status != RAGSTORE_OK)
            return status;
    }
    return RAGSTORE_OK;
}

static int walk_segments(walker *walk)
{
    rsi_rows *rows = walk->rows;
    int status = rsi_directory_list(rows->root, rows->directory, note_name, walk);
    if (status == RAGSTORE_E_NOT_FOUND)
        return RAGSTORE_OK; /* an entity without rows */
    if (status != RAGSTORE_OK)
        return status;
    if (walk->number_count > 0) {
        qsort(walk->numbers, walk->number_count, sizeof *walk->numbers, compare_numbers);
        uint32_t largest = walk->numbers[walk->number_count - 1];
        rows->next_segment = largest < UINT32_MAX ? largest + 1 : UINT32_MAX;
    }
    for (size_t i = 0; status == RAGSTORE_OK && i < walk->number_count; i++)
        status = walk_segment(walk, walk->numbers[i]);
    return status;
}

/* ---- have others been here? ---- */

static int note_later(void *user, const char *name, rsi_file_kind kind)
{
    const rsi_rows *rows = user;
    uint32_t number;
    (void)kind;
    return parse_name(name, &number) && number >= rows->next_segment ? LATER_SEGMENT
                                                                      : RAGSTORE_OK;
}

int rsi_rows_is_current(bool *current, rsi_rows *rows)
{
    rsi_path path;
    rsi_file_info info;
    *current = false;
    if (rows->segment_count == 0)
        return RAGSTORE_OK;
    const rsi_rows_segment *last = &rows->segments[rows->segment_count - 1];
    if (last->state != RSI_SEGMENT_INTACT || last->remains)
        return RAGSTORE_OK;
    int status = rsi_rows_path(&path, rows, last->number);
    if (status == RAGSTORE_OK)
        status = rsi_file_info_of(rows->root, path.text, &info);
    if (status == RAGSTORE_E_NOT_FOUND)
        return RAGSTORE_OK;
    if (status != RAGSTORE_OK || info.inode != last->inode || info.size != last->end)
        return status;
    status = rsi_directory_list(rows->root, rows->directory, note_later, rows);
    *current = status == RAGSTORE_OK;
    return status == LATER_SEGMENT ? RAGSTORE_OK : status;
}

/* ---- was a file shortened? ---- */

static bool damage_behind(rsi_rows *rows, size_t segment, uint64_t size)
{
    bool found = false;
    for (size_t i = 0; i < rows->run_count; i++) {
        rsi_rows_run *run = &rows->runs[i];
        const int state = atomic_load_explicit(&run->state, memory_order_relaxed);
        if (run->segment != segment || state == RSI_RUN_LOST || state == RSI_RUN_DAMAGED ||
            run->offset + rsi_rows_run_size(rows, run) <= size)
            continue;
        atomic_store_explicit(&run->state, RSI_RUN_DAMAGED, memory_order_relaxed);
        found = true;
    }
    return found;
}

/* Of a file that has another's place nobody cuts anything: it has no name. */
static bool notice_cut(rsi_rows *rows, size_t segment, rsi_root *directory)
{
    char name[NAME_MAX_BYTES];
    rsi_file_info info;
    const rsi_rows_segment *of = &rows->segments[segment];
    if (of->view == NULL || of->state == RSI_SEGMENT_HELD)
        return false;
    snprintf(name, sizeof name, "rows-%" PRIu32 ".rsv", of->number);
    return rsi_file_info_of(directory, name, &info) == RAGSTORE_OK && info.inode == of->inode &&
           info.size < of->viewed && damage_behind(rows, segment, info.size);
}

int rsi_rows_notice_cuts(bool *found, rsi_rows *rows)
{
    rsi_root *directory;
    rsi_saved_error saved;
    *found = false;
    if (rows->segment_count == 0)
        return RAGSTORE_OK;
    rsi_error_save(&saved);
    int status = rsi_root_open_below(&directory, rows->root, rows->directory);
    if (status == RAGSTORE_OK) {
        for (size_t i = 0; i < rows->segment_count; i++)
            *found |= notice_cut(rows, i, directory);
        rsi_root_close(directory);
    }
    if (status == RAGSTORE_E_NO_MEMORY)
        return status;
    rsi_error_restore(&saved);
    return RAGSTORE_OK;
}

int rsi_rows_walk(rsi_rows *rows)
{
    walker *walk = rsi_alloc_zeroed(sizeof *walk);
    if (walk == NULL)
        return RAGSTORE_E_NO_MEMORY;
    walk->rows = rows;
    int status = walk_segments(walk);
    for (int i = 0; status == RAGSTORE_E_NOT_FOUND && i < WALKS_MAX; i++) {
        rsi_rows_forget(rows);
        walk->number_count = 0;
        walk->gap = false;
        status = walk_segments(walk);
    }
    if (status == RAGSTORE_OK)
        status = drop_torn_tail(walk);
    if (status == RAGSTORE_OK)
        status = settle_segments(rows);
    rsi_rows_close_files(rows);
    rsi_free(walk->numbers);
    rsi_free(walk);
    return status;
}
