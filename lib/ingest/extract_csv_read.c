/*
 * The reader of records: see extract_csv.h. Called by extract_csv.c; keeps no state of its own.
 */
#include "ingest/extract_csv.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

#define FIELD_MAX (64u << 10) /* a quoted field */

void rsi_csv_begin(rsi_csv_reader *reader, rsi_slice source, char delimiter)
{
    *reader = (rsi_csv_reader){source, 0, delimiter};
}

void rsi_csv_record_free(rsi_csv_record *record)
{
    rsi_free(record->fields);
    rsi_bytes_free(&record->bytes);
    memset(record, 0, sizeof *record);
}

/* Behind the closing quote, or 0 when there is none nearby. */
static size_t end_of_quoted(const rsi_csv_reader *reader, size_t open)
{
    const char *data = reader->source.data;
    size_t end = reader->source.size;
    if (end - open > FIELD_MAX)
        end = open + FIELD_MAX;
    for (size_t i = open + 1; i < end; i++) {
        if (data[i] != '"')
            continue;
        if (i + 1 < reader->source.size && data[i + 1] == '"')
            i++;
        else
            return i + 1;
    }
    return 0;
}

/* "" inside quotes is one quote. */
static void append_unquoted(rsi_bytes *bytes, rsi_slice inside)
{
    size_t start = 0;
    for (size_t i = 0; i < inside.size; i++) {
        if (inside.data[i] != '"')
            continue;
        rsi_append_folded(bytes, (rsi_slice){inside.data + start, i + 1 - start});
        i += i + 1 < inside.size && inside.data[i + 1] == '"';
        start = i + 1;
    }
    rsi_append_folded(bytes, (rsi_slice){inside.data + start, inside.size - start});
}

/* Append one field to the record's bytes and move to its delimiter or line end. */
static void read_field(rsi_csv_reader *reader, rsi_bytes *bytes)
{
    const char *data = reader->source.data;
    size_t size = reader->source.size;
    size_t at = reader->at;
    while (at < size && data[at] == ' ')
        at++;
    if (at < size && data[at] == '"') {
        size_t end = end_of_quoted(reader, at);
        if (end > 0) {
            append_unquoted(bytes, (rsi_slice){data + at + 1, end - at - 2});
            at = end;
        }
    }
    size_t start = at;
    while (at < size && data[at] != reader->delimiter && data[at] != '\n')
        at++;
    rsi_append_folded(bytes, (rsi_slice){data + start, at - start});
    reader->at = at;
}

/* Until the record's bytes no longer move, a slice's size says where the field starts. */
static int add_field(rsi_csv_record *record, size_t start)
{
    if (record->count == RSI_COLUMNS_MAX)
        return RAGSTORE_OK;
    if (!rsi_grow((void **)&record->fields, &record->capacity, record->count + 1,
                  sizeof *record->fields))
        return RAGSTORE_E_NO_MEMORY;
    record->fields[record->count++] = (rsi_slice){NULL, start};
    return RAGSTORE_OK;
}

static int read_record(rsi_csv_reader *reader, rsi_csv_record *record)
{
    record->count = 0;
    rsi_bytes_clear(&record->bytes);
    for (;;) {
        int status = add_field(record, record->bytes.size);
        if (status != RAGSTORE_OK)
            return status;
        read_field(reader, &record->bytes);
        rsi_bytes_append_char(&record->bytes, ' ');
        if (record->bytes.status != RAGSTORE_OK)
            return record->bytes.status;
        if (reader->at >= reader->source.size)
            break;
        if (reader->source.data[reader->at++] == '\n')
            break;
    }
    size_t end = record->bytes.size;
    for (size_t i = record->count; i-- > 0;) {
        size_t start = record->fields[i].size;
        record->fields[i] = rsi_trim((rsi_slice){record->bytes.data + start, end - start});
        end = start;
    }
    return RAGSTORE_OK;
}

int rsi_csv_next(rsi_csv_reader *reader, rsi_csv_record *record)
{
    while (reader->at < reader->source.size) {
        int status = read_record(reader, record);
        if (status != RAGSTORE_OK)
            return status;
        for (size_t i = 0; i < record->count; i++)
            if (record->fields[i].size > 0)
                return RSI_CSV_RECORD;
    }
    return RAGSTORE_OK;
}
