/* Segments: see segment.h. */
#include "storage/segment.h"

#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"
#include "storage/journal_op.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WRITE_STEP ((size_t)1 << 20)
#define READ_AHEAD ((size_t)64 << 10)

size_t rsi_segment_from = (size_t)4 << 20;

#define OPEN_MAX 64

struct rsi_segments {
    unsigned references; /* atomic: of the storage, and of each segment that is open */
};

/* Of the value of a row. */
typedef struct row_place {
    uint64_t offset;
    uint32_t size;
    uint32_t crc;
} row_place;

struct rsi_segment {
    int references; /* atomic */
    rsi_segments *segments;
    rsi_root *root;
    rsi_file *file;
    rsi_path path;
    bool is_kept;   /* the file stays when the last reference goes */
    uint64_t size;  /* of the file, with what waits in the tail */
    rsi_bytes tail; /* of one that is written: its last bytes */
    rsi_sha256 sha; /* of what was written */
    row_place *places; /* of all rows, in the order of the file; of one that is open, once it was walked */
    size_t place_count;
    size_t place_capacity;
};

/* ---- references ---- */

rsi_segments *rsi_segments_make(void)
{
    rsi_segments *segments = rsi_alloc(sizeof *segments);
    if (segments != NULL)
        segments->references = 1;
    return segments;
}

void rsi_segments_release(rsi_segments *segments)
{
    if (segments != NULL && __atomic_sub_fetch(&segments->references, 1, __ATOMIC_ACQ_REL) == 0)
        rsi_free(segments);
}

bool rsi_segments_have_room(const rsi_segments *segments)
{
    return __atomic_load_n(&segments->references, __ATOMIC_RELAXED) <= OPEN_MAX;
}

static rsi_segment *make(rsi_root *root, rsi_segments *segments)
{
    rsi_segment *segment = rsi_alloc_zeroed(sizeof *segment);
    if (segment == NULL)
        return NULL;
    segment->references = 1;
    segment->root = root;
    segment->segments = segments;
    __atomic_add_fetch(&segments->references, 1, __ATOMIC_RELAXED);
    return segment;
}

rsi_segment *rsi_segment_retain(rsi_segment *segment)
{
    if (segment != NULL)
        __atomic_add_fetch(&segment->references, 1, __ATOMIC_RELAXED);
    return segment;
}

void rsi_segment_release(rsi_segment *segment)
{
    rsi_saved_error error;
    if (segment == NULL || __atomic_sub_fetch(&segment->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    rsi_error_save(&error);
    rsi_file_close(segment->file);
    if (!segment->is_kept && segment->path.text[0] != '\0')
        rsi_file_remove(segment->root, segment->path.text);
    rsi_error_restore(&error);
    rsi_segments_release(segment->segments);
    rsi_bytes_free(&segment->tail);
    rsi_free(segment->places);
    rsi_free(segment);
}

void rsi_segment_keep(rsi_segment *segment)
{
    segment->is_kept = true;
}

/* ---- writing ---- */

int rsi_segment_begin(rsi_segment **out, rsi_root *root, rsi_segments *segments,
                      const char *entity_id)
{
    rsi_path path;
    *out = NULL;
    rsi_path directory = rsi_path_in_entity(entity_id, "segments");
    int status = rsi_directory_make(root, directory.text);
    if (status == RAGSTORE_OK)
        status = rsi_path_temporary(&path, rsi_path_in_entity(entity_id, "segments/x").text);
    if (status != RAGSTORE_OK)
        return status;
    rsi_segment *segment = make(root, segments);
    if (segment == NULL)
        return RAGSTORE_E_NO_MEMORY;
    segment->path = path; /* also what an opening that failed made of it goes */
    rsi_sha256_begin(&segment->sha);
    status = rsi_file_open(&segment->file, root, path.text,
                           RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
    if (status != RAGSTORE_OK) {
        rsi_segment_release(segment);
        return status;
    }
    *out = segment;
    return RAGSTORE_OK;
}

static uint64_t written(const rsi_segment *segment)
{
    return segment->size - segment->tail.size;
}

static int write_tail(rsi_segment *segment)
{
    rsi_bytes *tail = &segment->tail;
    if (tail->size == 0)
        return RAGSTORE_OK;
    int status = rsi_file_write_at(segment->file, tail->data, tail->size, written(segment));
    if (status != RAGSTORE_OK)
        return status;
    rsi_sha256_add(&segment->sha, tail->data, tail->size);
    rsi_bytes_clear(tail);
    return RAGSTORE_OK;
}

/* Room for one more place. */
static int reserve_place(rsi_segment *segment)
{
    return rsi_grow((void **)&segment->places, &segment->place_capacity, segment->place_count + 1,
                    sizeof *segment->places)
               ? RAGSTORE_OK
               : RAGSTORE_E_NO_MEMORY;
}

int rsi_segment_add(rsi_segment *segment, rsi_row *row, const char *json, size_t size)
{
    rsi_bytes *tail = &segment->tail;
    int status = reserve_place(segment);
    if (status == RAGSTORE_OK && tail->size >= WRITE_STEP)
        status = write_tail(segment);
    if (status != RAGSTORE_OK)
        return status;
    const size_t before = tail->size;
    rsi_bytes_append_char(tail, '[');
    rsi_bytes_append_integer(tail, (int64_t)row->number);
    rsi_bytes_append_char(tail, ',');
    const uint64_t offset = segment->size + (tail->size - before);
    rsi_bytes_append(tail, json, size);
    rsi_bytes_append(tail, "]\n", 2);
    if (rsi_bytes_status(tail) != RAGSTORE_OK) {
        tail->size = before;
        tail->status = RAGSTORE_OK;
        return RAGSTORE_E_NO_MEMORY;
    }
    segment->size += tail->size - before;
    *row = (rsi_row){.number = row->number,
                     .count = 1,
                     .segment = rsi_segment_retain(segment),
                     .place = segment->place_count};
    segment->places[segment->place_count++] =
        (row_place){offset, (uint32_t)size, rsi_crc32c(0, json, size)};
    return RAGSTORE_OK;
}

int rsi_segment_finish(rsi_segment *segment, const char *entity_id, const char *name)
{
    char below[96];
    snprintf(below, sizeof below, "segments/%s", name);
    const rsi_path path = rsi_path_in_entity(entity_id, below);
    int status = write_tail(segment);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(segment->file);
    if (status == RAGSTORE_OK)
        status = rsi_file_rename(segment->root, segment->path.text, path.text);
    if (status == RAGSTORE_OK)
        segment->path = path;
    rsi_bytes_free(&segment->tail);
    return rsi_wrap(status, "write %s", path.text);
}

uint64_t rsi_segment_size(const rsi_segment *segment)
{
    return segment->size;
}

void rsi_segment_digest(const rsi_segment *segment, char sha256[RSI_SHA256_HEX])
{
    rsi_sha256 sha = segment->sha;
    rsi_sha256_end_hex(&sha, sha256);
}

/* ---- reading ---- */

int rsi_segment_open(rsi_segment **out, rsi_root *root, rsi_segments *segments, const char *path)
{
    *out = NULL;
    rsi_segment *segment = make(root, segments);
    if (segment == NULL)
        return RAGSTORE_E_NO_MEMORY;
    segment->is_kept = true;
    snprintf(segment->path.text, sizeof segment->path.text, "%s", path);
    int status = rsi_file_open(&segment->file, root, path, RSI_OPEN_READ);
    if (status == RAGSTORE_OK)
        status = rsi_file_size(segment->file, &segment->size);
    if (status != RAGSTORE_OK) {
        rsi_segment_release(segment);
        return status;
    }
    *out = segment;
    return RAGSTORE_OK;
}

void rsi_segment_reader_free(rsi_segment_reader *reader)
{
    rsi_bytes_free(&reader->window);
    reader->segment = NULL;
}

/* Bytes offset … offset + size - 1, as many of them as there are, in the reader's window. */
static int read_window(rsi_segment_reader *reader, const rsi_segment *segment, uint64_t offset,
                       size_t size)
{
    const uint64_t left = offset < segment->size ? segment->size - offset : 0;
    const size_t wanted = size > READ_AHEAD ? size : READ_AHEAD;
    const size_t count = wanted < left ? wanted : (size_t)left;
    reader->segment = NULL;
    rsi_bytes_clear(&reader->window);
    if (!rsi_bytes_reserve(&reader->window, count))
        return RAGSTORE_E_NO_MEMORY;
    const uint64_t end = written(segment);
    const size_t from_file = offset >= end ? 0 : count < end - offset ? count : (size_t)(end - offset);
    int status = from_file == 0 ? RAGSTORE_OK
                                : rsi_file_read_at(segment->file, reader->window.data, from_file,
                                                   offset);
    if (status != RAGSTORE_OK)
        return status;
    reader->window.size = from_file;
    if (count > from_file) /* what its writer has not written yet */
        rsi_bytes_append(&reader->window, segment->tail.data + (offset + from_file - end),
                         count - from_file);
    reader->segment = segment;
    reader->start = offset;
    return rsi_bytes_status(&reader->window);
}

static bool is_in_window(const rsi_segment_reader *reader, const rsi_segment *segment,
                         uint64_t offset, size_t size)
{
    return reader->segment == segment && offset >= reader->start &&
           offset - reader->start <= reader->window.size &&
           size <= reader->window.size - (size_t)(offset - reader->start);
}

int rsi_row_value(rsi_slice *json, rsi_segment_reader *reader, const rsi_row *row)
{
    *json = (rsi_slice){row->json, row->size};
    if (row->segment == NULL)
        return RAGSTORE_OK;
    const row_place *place = &row->segment->places[row->place];
    if (!is_in_window(reader, row->segment, place->offset, place->size)) {
        int status = read_window(reader, row->segment, place->offset, place->size);
        if (status != RAGSTORE_OK)
            return status;
    }
    json->size = place->size;
    if (is_in_window(reader, row->segment, place->offset, place->size)) {
        json->data = reader->window.data + (place->offset - reader->start);
        if (rsi_crc32c(0, json->data, place->size) == place->crc)
            return RAGSTORE_OK;
    }
    json->data = NULL;
    return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                    "%s: byte %" PRIu64 ": the row is not as it was committed; restore the folder "
                    "of this entity from a backup",
                    row->segment->path.text, place->offset);
}

/* ---- all rows ---- */

/* [number,{…}] at `offset`, the row `place` of the segment. */
static int read_line(rsi_row *row, rsi_segment *segment, size_t place, rsi_journal_op *op,
                     rsi_slice line, uint64_t offset)
{
    rsi_json_view view;
    rsi_slice json = {NULL, 0};
    int status = rsi_json_view_of_text(&view, line.data, line.size);
    if (status == RAGSTORE_OK)
        status = rsi_journal_op_read(op, &view);
    if (status == RAGSTORE_OK)
        status = rsi_journal_op_object(&json, op, 1);
    if (status != RAGSTORE_OK)
        return status;
    const int64_t number = rsi_journal_op_number(op, 0);
    if (number < 0 || json.data == NULL || json.size > UINT32_MAX)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "storage", "byte %" PRIu64 ": no row of a chunk",
                        offset);
    *row = (rsi_row){.number = (uint64_t)number,
                     .count = 1,
                     .segment = rsi_segment_retain(segment),
                     .place = place};
    if (place < segment->place_count) /* it is the one that wrote the file */
        return RAGSTORE_OK;
    status = reserve_place(segment);
    if (status == RAGSTORE_OK)
        segment->places[segment->place_count++] =
            (row_place){offset + (uint64_t)(json.data - line.data), (uint32_t)json.size,
                        rsi_crc32c(0, json.data, json.size)};
    return status;
}

/* The line at `offset`, without its end, in the window; grows it until the line fits. */
static int line_at(rsi_slice *line, rsi_segment_reader *reader, const rsi_segment *segment,
                   uint64_t offset)
{
    size_t size = READ_AHEAD;
    for (;;) {
        if (offset < reader->start || reader->segment != segment ||
            offset - reader->start >= reader->window.size || size > READ_AHEAD) {
            int status = read_window(reader, segment, offset, size);
            if (status != RAGSTORE_OK)
                return status;
        }
        const char *start = reader->window.data + (offset - reader->start);
        const size_t have = reader->window.size - (size_t)(offset - reader->start);
        const char *end = memchr(start, '\n', have);
        *line = (rsi_slice){start, end == NULL ? have : (size_t)(end - start)};
        if (end != NULL || offset + have >= segment->size)
            return RAGSTORE_OK;
        size = have >= READ_AHEAD ? have * 2 : READ_AHEAD + 1;
    }
}

int rsi_segment_walk(rsi_segment *segment, rsi_segment_visitor *visit, void *user)
{
    rsi_segment_reader reader = {0};
    rsi_journal_op op = {.count = 0};
    int status = RAGSTORE_OK;
    size_t place = 0;
    for (uint64_t offset = 0; status == RAGSTORE_OK && offset < segment->size;) {
        rsi_slice line = {NULL, 0};
        rsi_row row = {0};
        status = line_at(&line, &reader, segment, offset);
        if (status == RAGSTORE_OK)
            status = read_line(&row, segment, place++, &op, line, offset);
        if (status == RAGSTORE_OK)
            status = visit(user, &row);
        rsi_segment_release(row.segment);
        offset += line.size + 1;
    }
    rsi_journal_op_free(&op);
    rsi_segment_reader_free(&reader);
    return rsi_wrap(status, "read %s", segment->path.text);
}
