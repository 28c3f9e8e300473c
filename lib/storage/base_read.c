/* Reading lines of a base, and taking them apart: see base.h. */
#include "storage/base_internal.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"
#include "json/json_scan.h"
#include "json/json_view.h"

#include <inttypes.h>
#include <string.h>

/* ---- windows ---- */

rsi_base_reader rsi_base_reader_of(rsi_base *base, size_t ahead)
{
    return (rsi_base_reader){.base = base, .ahead = ahead};
}

void rsi_base_reader_free(rsi_base_reader *reader)
{
    rsi_bytes_free(&reader->window);
    rsi_bytes_free(&reader->key);
    rsi_bytes_free(&reader->value);
}

static int move_window(rsi_base_reader *reader, uint64_t offset, size_t size)
{
    const uint64_t left = reader->base->size - offset;
    size_t wanted = size < reader->ahead ? reader->ahead : size;
    if (wanted > left)
        wanted = (size_t)left;
    rsi_bytes_clear(&reader->window);
    if (!rsi_bytes_reserve(&reader->window, wanted))
        return RAGSTORE_E_NO_MEMORY;
    int status = rsi_file_read_at(reader->base->file, reader->window.data, wanted, offset);
    if (status != RAGSTORE_OK)
        return status;
    reader->window.size = wanted;
    reader->start = offset;
    return RAGSTORE_OK;
}

size_t rsi_base_reader_holds(const rsi_base_reader *reader, uint64_t offset)
{
    const rsi_base *base = reader->base;
    const uint64_t end =
        base->file == NULL ? base->size : reader->start + reader->window.size;
    const uint64_t start = base->file == NULL ? 0 : reader->start;
    return offset >= start && offset < end ? (size_t)(end - offset) : 0;
}

int rsi_base_reader_bytes(rsi_base_reader *reader, uint64_t offset, size_t size, const char **out)
{
    rsi_base *base = reader->base;
    *out = NULL;
    if (offset > base->size || size > base->size - offset)
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                        "%s: it has no %zu bytes at byte %" PRIu64
                        "; restore it from a backup",
                        base->path, size, offset);
    if (base->file == NULL) {
        *out = base->text.data + offset;
        return RAGSTORE_OK;
    }
    if (offset < reader->start || offset + size > reader->start + reader->window.size) {
        int status = move_window(reader, offset, size);
        if (status != RAGSTORE_OK)
            return status;
    }
    *out = reader->window.data + (offset - reader->start);
    return RAGSTORE_OK;
}

/* ---- lines ---- */

static int read_line(rsi_base_reader *reader, const rsi_line_place *place, rsi_slice *line)
{
    line->size = place->size;
    int status = rsi_base_reader_bytes(reader, place->offset, line->size, &line->data);
    if (status == RAGSTORE_OK && rsi_crc32c(0, line->data, line->size) != place->crc)
        status = rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                          "%s: byte %" PRIu64 ": this line is not as it was written; restore the "
                          "file from a backup",
                          reader->base->path, place->offset);
    return status;
}

int rsi_base_read_record_line(rsi_base_reader *reader, size_t record, rsi_slice *line)
{
    const rsi_base_record *at;
    int status = rsi_base_record_at(&at, reader->base, record);
    return status == RAGSTORE_OK ? read_line(reader, &at->line, line) : status;
}

int rsi_base_read_row_line(rsi_base_reader *reader, size_t position, rsi_slice *line)
{
    const rsi_base_row *row;
    int status = rsi_base_row_at(&row, reader->base, position);
    return status == RAGSTORE_OK ? read_line(reader, &row->line, line) : status;
}

/* ---- taking them apart ---- */

static int not_ours(const char *what)
{
    return rsi_fail(RAGSTORE_E_INVALID_DATA, "storage", "%s is not as the library writes it", what);
}

static int view_key(rsi_json_view *key, rsi_slice line)
{
    const char *end = line.data + line.size;
    *key = (rsi_json_view){.kind = RSI_JSON_TEXT, .text = line.data + 1};
    if (line.size < 6 || line.data[0] != '"')
        return not_ours("a record's key");
    key->end = rsi_json_scan_string(key->text, end, &key->escaped);
    return key->end == NULL || end - key->end < 5 || memcmp(key->end, "\": {", 4) != 0
               ? not_ours("a record's key")
               : RAGSTORE_OK;
}

int rsi_base_split_key(rsi_slice line, rsi_bytes *key, rsi_slice *rest)
{
    rsi_json_view text;
    int status = view_key(&text, line);
    if (status != RAGSTORE_OK)
        return status;
    rest->data = text.end + 3;
    rest->size = (size_t)(line.data + line.size - rest->data);
    rsi_bytes_clear(key);
    rsi_json_view_append_text(key, &text);
    return rsi_bytes_status(key);
}

/* The value in front of a record's rows: {…,"messages":[  or  {…,"messages":[]}  */
static int take_value(rsi_bytes *value, rsi_slice rest, const char *rows_field)
{
    const size_t name = strlen(rows_field);
    size_t tail = name + 4; /* "…":[ */
    if (rest.size > 2 && rest.data[rest.size - 1] == '}')
        tail += 2;
    if (rest.size < tail + 1)
        return not_ours("a record");
    size_t size = rest.size - tail;
    const char *field = rest.data + size;
    if (field[0] != '"' || memcmp(field + 1, rows_field, name) != 0 ||
        memcmp(field + 1 + name, "\":[", 3) != 0)
        return not_ours("a record");
    if (rest.data[size - 1] == ',')
        size--;
    rsi_bytes_clear(value);
    rsi_bytes_append(value, rest.data, size);
    rsi_bytes_append_char(value, '}');
    return rsi_bytes_status(value);
}

int rsi_base_shows_key(rsi_base_reader *reader, size_t record, rsi_slice key)
{
    const rsi_base_record *at;
    rsi_json_view text;
    rsi_slice line = {0};
    const rsi_json_view wanted = rsi_json_view_of_string(key.data, key.size);
    int status = rsi_base_record_at(&at, reader->base, record);
    if (status == RAGSTORE_OK) {
        line.size = at->line.size;
        status = rsi_base_reader_bytes(reader, at->line.offset, line.size, &line.data);
    }
    if (status == RAGSTORE_OK)
        status = view_key(&text, line);
    if (status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_INVALID_DATA)
        return 0;
    return status == RAGSTORE_OK ? rsi_json_view_compare_texts(&text, &wanted) == 0 : status;
}

int rsi_base_read_record(rsi_base_reader *reader, size_t record, rsi_slice *key, rsi_slice *json)
{
    const rsi_layout *layout = reader->base->layout;
    rsi_slice line;
    rsi_slice rest;
    int status = rsi_base_read_record_line(reader, record, &line);
    if (status == RAGSTORE_OK)
        status = rsi_base_split_key(line, &reader->key, &rest);
    if (status == RAGSTORE_OK && layout->rows_field != NULL)
        status = take_value(&reader->value, rest, layout->rows_field);
    if (status != RAGSTORE_OK)
        return status;
    *key = (rsi_slice){reader->key.data, reader->key.size};
    *json = layout->rows_field == NULL ? rest : (rsi_slice){reader->value.data, reader->value.size};
    return RAGSTORE_OK;
}

/* {"row":3,"doc_id":…  without the number. */
static int take_numbered_row(rsi_bytes *value, rsi_slice line)
{
    static const char start[] = "{\"row\":";
    const char *at = line.data + sizeof start - 1;
    const char *end = line.data + line.size;
    if (line.size < sizeof start + 1 || memcmp(line.data, start, sizeof start - 1) != 0)
        return not_ours("a row");
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    if (at < end && *at == ',')
        at++;
    rsi_bytes_clear(value);
    rsi_bytes_append_char(value, '{');
    rsi_bytes_append(value, at, (size_t)(end - at));
    return rsi_bytes_status(value);
}

int rsi_base_read_row(rsi_base_reader *reader, size_t position, uint64_t *number, rsi_slice *json)
{
    const rsi_layout *layout = reader->base->layout;
    const rsi_base_row *row;
    rsi_slice line;
    int status = rsi_base_row_at(&row, reader->base, position);
    if (status == RAGSTORE_OK)
        status = read_line(reader, &row->line, &line);
    if (status != RAGSTORE_OK)
        return status;
    *number = row->number;
    *json = line;
    if (rsi_base_only_rows(layout))
        return rsi_base_split_key(line, &reader->key, json);
    if (!layout->rows_numbered)
        return RAGSTORE_OK;
    status = take_numbered_row(&reader->value, line);
    *json = (rsi_slice){reader->value.data, reader->value.size};
    return status;
}
