/* Writing snapshots: see snapshot.h. */
#include "storage/snapshot.h"

#include "base/memory.h"
#include "base/status.h"
#include "json/json.h"
#include "storage/base.h"
#include "storage/segment.h"

#include <inttypes.h>
#include <string.h>

#define WRITE_STEP ((size_t)1 << 20)
#define READ_AHEAD ((size_t)1 << 20)

typedef struct output {
    rsi_file *file;
    const rsi_layout *layout;
    rsi_base_reader reader; /* on the base */
    rsi_segment_reader segments;
    rsi_bytes buffer;
    uint64_t written; /* before the buffer */
    rsi_sha256 sha;
    uint64_t *orders;
    size_t count;
    size_t capacity;
    bool any_row; /* of the record that is being written */
} output;

static int flush_buffer(output *out)
{
    int status = rsi_bytes_status(&out->buffer);
    if (status == RAGSTORE_OK)
        status = rsi_file_write_at(out->file, out->buffer.data, out->buffer.size, out->written);
    if (status != RAGSTORE_OK)
        return status;
    rsi_sha256_add(&out->sha, out->buffer.data, out->buffer.size);
    out->written += out->buffer.size;
    rsi_bytes_clear(&out->buffer);
    return RAGSTORE_OK;
}

static int flush_full_buffer(output *out)
{
    return out->buffer.size < WRITE_STEP ? RAGSTORE_OK : flush_buffer(out);
}

/* ---- rows ---- */

static void separate_rows(output *out)
{
    const bool inside = out->layout->rows_field != NULL;
    if (out->any_row)
        rsi_bytes_append_text(&out->buffer, ",\n");
    else if (inside)
        rsi_bytes_append_text(&out->buffer, "\n");
    out->any_row = true;
}

static int put_row_line(output *out, rsi_slice line)
{
    separate_rows(out);
    rsi_bytes_append(&out->buffer, line.data, line.size);
    return flush_full_buffer(out);
}

static int put_row(output *out, const rsi_row *row)
{
    rsi_slice json;
    int status = rsi_row_value(&json, &out->segments, row);
    if (status != RAGSTORE_OK)
        return status;
    separate_rows(out);
    if (out->layout->rows_field == NULL) {
        rsi_bytes_printf(&out->buffer, "\"%" PRIu64 "\": ", row->number);
        rsi_bytes_append(&out->buffer, json.data, json.size);
    } else if (out->layout->rows_numbered) {
        rsi_bytes_printf(&out->buffer, "{\"row\":%" PRIu64 "%s", row->number,
                         json.size > 2 ? "," : "");
        rsi_bytes_append(&out->buffer, json.data + 1, json.size - 1);
    } else {
        rsi_bytes_append(&out->buffer, json.data, json.size);
    }
    return flush_full_buffer(out);
}

/* The rows of the base from position to end with numbers below `below`. */
static int copy_rows(output *out, size_t *position, size_t end, uint64_t below)
{
    while (*position < end) {
        uint64_t number;
        rsi_slice line;
        int status = rsi_base_row_number(&number, out->reader.base, *position);
        if (status == RAGSTORE_OK && number >= below)
            return RAGSTORE_OK;
        if (status == RAGSTORE_OK)
            status = rsi_base_read_row_line(&out->reader, *position, &line);
        if (status == RAGSTORE_OK)
            status = put_row_line(out, line);
        if (status != RAGSTORE_OK)
            return status;
        ++*position;
    }
    return RAGSTORE_OK;
}

/* The rows of a record of the base (1 + its number; 0: none) with those of `over` laid over them. */
static int put_rows(output *out, size_t base, const rsi_record *over)
{
    rsi_base_rows rows = {0};
    int status = RAGSTORE_OK;
    out->any_row = false;
    if (base != 0)
        status = rsi_base_rows_of(&rows, out->reader.base, base - 1);
    size_t position = rows.first;
    rsi_row row;
    rsi_row_walk walk = rsi_record_walk(over, 0);
    for (; status == RAGSTORE_OK && rsi_row_walk_get(&row, &walk); rsi_row_walk_step(&walk)) {
        uint64_t number = UINT64_MAX;
        status = copy_rows(out, &position, rows.end, row.number);
        if (status == RAGSTORE_OK && position < rows.end)
            status = rsi_base_row_number(&number, out->reader.base, position);
        position += number == row.number;
        if (status == RAGSTORE_OK && !rsi_row_is_dropped(&row))
            status = put_row(out, &row);
    }
    return status == RAGSTORE_OK ? copy_rows(out, &position, rows.end, UINT64_MAX) : status;
}

/* ---- records ---- */

static int begin_record(output *out, uint64_t order)
{
    if (!rsi_grow((void **)&out->orders, &out->capacity, out->count + 1, sizeof *out->orders))
        return RAGSTORE_E_NO_MEMORY;
    if (out->count > 0)
        rsi_bytes_append_text(&out->buffer, ",\n");
    out->orders[out->count++] = order;
    return RAGSTORE_OK;
}

/* The line of a record of the base, up to where its rows begin. */
static int put_old_head(output *out, size_t number)
{
    rsi_slice line;
    int status = rsi_base_read_record_line(&out->reader, number, &line);
    if (status != RAGSTORE_OK)
        return status;
    if (out->layout->rows_field != NULL && line.size > 2 && line.data[line.size - 1] == '}')
        line.size -= 2; /* "]}" of a record without rows */
    rsi_bytes_append(&out->buffer, line.data, line.size);
    return RAGSTORE_OK;
}

static void put_new_head(output *out, const rsi_record *record)
{
    const char *field = out->layout->rows_field;
    rsi_json_writer key = rsi_json_writer_of(&out->buffer);
    rsi_json_text_value(&key, record->key, strlen(record->key));
    rsi_bytes_append_text(&out->buffer, ": ");
    if (field == NULL) {
        rsi_bytes_append(&out->buffer, record->json, record->size);
        return;
    }
    /* the value without its closing brace, then the rows as its last member */
    rsi_bytes_append(&out->buffer, record->json, record->size - 1);
    rsi_bytes_printf(&out->buffer, "%s\"%s\":[", record->size > 2 ? "," : "", field);
}

/* A record: of the base (1 + its number; 0: none), with what is new of it, which may be NULL. */
static int put_record(output *out, size_t base, const rsi_record *over, uint64_t order)
{
    int status = begin_record(out, order);
    if (status == RAGSTORE_OK && over != NULL && over->json != NULL)
        put_new_head(out, over);
    else if (status == RAGSTORE_OK)
        status = put_old_head(out, base - 1);
    if (status == RAGSTORE_OK && out->layout->rows_field != NULL) {
        status = put_rows(out, base, over);
        rsi_bytes_append_text(&out->buffer, out->any_row ? "\n]}" : "]}");
    }
    return status == RAGSTORE_OK ? flush_full_buffer(out) : status;
}

static int put_records(output *out, const rsi_frozen *frozen)
{
    const size_t count = frozen->base == NULL ? 0 : rsi_base_count(frozen->base);
    size_t next = 0;
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        const rsi_record *over = NULL;
        if (next < frozen->over_count && frozen->records[next].base == i + 1)
            over = &frozen->records[next++];
        if (over == NULL || over->continues)
            status = put_record(out, i + 1, over, rsi_base_order(frozen->base, i));
    }
    for (size_t i = frozen->over_count; status == RAGSTORE_OK && i < frozen->count; i++)
        if (frozen->records[i].json != NULL)
            status = put_record(out, 0, &frozen->records[i], frozen->records[i].order);
    return status;
}

/* The rows of a table that has nothing else: of its one record. */
static int put_only_rows(output *out, const rsi_frozen *frozen)
{
    const rsi_record *over = frozen->count == 0 ? NULL : &frozen->records[frozen->count - 1];
    bool continues = frozen->base != NULL;
    for (size_t i = 0; i < frozen->count; i++)
        continues = continues && frozen->records[i].continues;
    int status = put_rows(out, continues ? 1 : 0, over);
    out->count = out->any_row;
    return status;
}

int rsi_snapshot_write(rsi_file *file, const rsi_frozen *frozen, const rsi_layout *layout,
                       uint64_t *size, char sha256[RSI_SHA256_HEX], uint64_t **orders,
                       size_t *count)
{
    const bool only_rows = layout->rows_field == NULL && layout->id_field == NULL;
    output out = {.file = file, .layout = layout};
    out.reader = rsi_base_reader_of(frozen->base, READ_AHEAD);
    rsi_sha256_begin(&out.sha);
    rsi_bytes_append_text(&out.buffer, "{\n");
    int status = only_rows ? put_only_rows(&out, frozen) : put_records(&out, frozen);
    rsi_bytes_append_text(&out.buffer, out.count > 0 ? "\n}\n" : "}\n");
    if (status == RAGSTORE_OK)
        status = flush_buffer(&out);
    rsi_sha256_end_hex(&out.sha, sha256);
    *size = out.written;
    *count = only_rows ? 1 : out.count;
    *orders = out.orders;
    rsi_base_reader_free(&out.reader);
    rsi_segment_reader_free(&out.segments);
    rsi_bytes_free(&out.buffer);
    return status;
}
