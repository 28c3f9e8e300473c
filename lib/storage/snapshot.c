/* Parsing snapshots that people may have changed: see snapshot.h. */
#include "storage/snapshot.h"

#include "base/memory.h"
#include "base/status.h"
#include "json/json.h"

#include <inttypes.h>
#include <string.h>

const rsi_layout rsi_layout_entities = {"documents", true, NULL};
const rsi_layout rsi_layout_sessions = {"messages", false, "session_id"};
const rsi_layout rsi_layout_chunks = {NULL, false, NULL};
const rsi_layout rsi_layout_collection = {NULL, false, "_id"};

/* An object without one of its members, as compact text. */
static int dump_without(char **json, size_t *size, const rsi_json *object, const char *left_out)
{
    rsi_bytes text = {0};
    rsi_json_writer writer = rsi_json_writer_of(&text);
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    rsi_json_begin_object(&writer);
    while (rsi_json_each(object, &iterator, &key, &value))
        if (left_out == NULL || strcmp(key, left_out) != 0)
            rsi_json_put_value(&writer, key, value);
    rsi_json_end_object(&writer);
    *json = rsi_bytes_take(&text, size);
    return *json == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

/* A record of a collection: as it is, or with the key that somebody forgot to write into it. */
static int dump_record(char **json, size_t *size, const rsi_json *value, const char *key,
                       const rsi_layout *layout)
{
    if (layout->rows_field != NULL || rsi_json_get_text(value, layout->id_field) != NULL)
        return dump_without(json, size, value, layout->rows_field);
    rsi_bytes text = {0};
    rsi_json_writer writer = rsi_json_writer_of(&text);
    void *iterator = NULL;
    const char *name;
    rsi_json *member;
    rsi_json_begin_object(&writer);
    rsi_json_put_text(&writer, layout->id_field, key);
    while (rsi_json_each(value, &iterator, &name, &member))
        if (strcmp(name, layout->id_field) != 0)
            rsi_json_put_value(&writer, name, member);
    rsi_json_end_object(&writer);
    *json = rsi_bytes_take(&text, size);
    return *json == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

static int add_row(rsi_record *record, uint64_t number, const rsi_json *value,
                   const char *left_out)
{
    rsi_row row = {.number = number, .count = 1};
    size_t size = 0;
    int status = rsi_record_reserve(record, 1);
    if (status == RAGSTORE_OK)
        status = dump_without(&row.json, &size, value, left_out);
    row.size = (uint32_t)size;
    if (status == RAGSTORE_OK)
        rsi_record_set_row(record, &row);
    return status;
}

static int decode_rows(rsi_record *record, const rsi_json *rows, const rsi_layout *layout)
{
    uint64_t next = 0;
    for (size_t i = 0; i < rsi_json_count(rows); i++) {
        const rsi_json *row = rsi_json_at(rows, i);
        if (!rsi_json_is_object(row))
            return rsi_fail(RAGSTORE_E_INVALID_DATA, "storage", "%s %zu is not an object",
                            layout->rows_field, i);
        uint64_t number = next;
        if (layout->rows_numbered) {
            int64_t given = rsi_json_get_integer(row, "row", (int64_t)next);
            if (given < (int64_t)next)
                return rsi_fail(RAGSTORE_E_INVALID_DATA, "storage",
                                "%s %zu: \"row\" is %" PRId64 ", which does not grow",
                                layout->rows_field, i, given);
            number = (uint64_t)given;
        }
        int status = add_row(record, number, row, layout->rows_numbered ? "row" : NULL);
        if (status != RAGSTORE_OK)
            return status;
        next = number + 1;
    }
    return RAGSTORE_OK;
}

static int decode_record(rsi_table *table, const char *key, const rsi_json *value,
                         const rsi_layout *layout)
{
    if (!rsi_json_is_object(value))
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "storage", "it is not an object");
    if (layout->id_field != NULL) {
        const char *id = rsi_json_get_text(value, layout->id_field);
        if (id != NULL)
            key = id;
    }
    const rsi_json *rows =
        layout->rows_field == NULL ? NULL : rsi_json_get(value, layout->rows_field);
    if (rows != NULL && !rsi_json_is_array(rows))
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "storage", "\"%s\" is not an array",
                        layout->rows_field);
    rsi_record *record = rsi_table_place(table, key);
    if (record == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (record->json != NULL)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "storage", "its id is there twice");
    char *json;
    size_t size;
    int status = dump_record(&json, &size, value, key, layout);
    if (status != RAGSTORE_OK)
        return status;
    rsi_table_set(table, record, json, size, 0);
    return decode_rows(record, rows, layout);
}

static int parse_object(rsi_json **root, const char *data, size_t size)
{
    int status = rsi_json_parse(root, data, size, RSI_JSON_DEPTH_STORED + 4);
    if (status == RAGSTORE_OK && !rsi_json_is_object(*root)) {
        rsi_json_free(*root);
        *root = NULL;
        status = rsi_fail(RAGSTORE_E_INVALID_DATA, "storage", "it is not one JSON object");
    }
    return status;
}

int rsi_snapshot_decode(rsi_table *table, const char *data, size_t size, const rsi_layout *layout)
{
    rsi_json *root = NULL;
    int status = parse_object(&root, data, size);
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    while (status == RAGSTORE_OK && rsi_json_each(root, &iterator, &key, &value))
        status = rsi_wrap(decode_record(table, key, value, layout), "record \"%s\"", key);
    rsi_json_free(root);
    return status;
}

/* A chunk number as the key of a chunk file writes it. */
static bool read_row_key(const char *key, uint64_t *number)
{
    *number = 0;
    if (key[0] == '\0' || (key[0] == '0' && key[1] != '\0'))
        return false;
    for (; *key != '\0'; key++) {
        if (*key < '0' || *key > '9' || *number > (uint64_t)(INT64_MAX - 9) / 10)
            return false;
        *number = *number * 10 + (uint64_t)(*key - '0');
    }
    return true;
}

int rsi_snapshot_decode_rows(rsi_record *record, const char *data, size_t size)
{
    rsi_json *root = NULL;
    int status = parse_object(&root, data, size);
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    while (status == RAGSTORE_OK && rsi_json_each(root, &iterator, &key, &value)) {
        uint64_t number;
        if (!read_row_key(key, &number) || !rsi_json_is_object(value))
            status = rsi_fail(RAGSTORE_E_INVALID_DATA, "storage",
                              "\"%s\" is not a chunk number with an object", key);
        else
            status = add_row(record, number, value, NULL);
    }
    rsi_json_free(root);
    return status;
}
