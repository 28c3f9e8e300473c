/*
 * JSON and JSON Lines as lines that can be read and found: "key: value", with the path of what is
 * inside others: "address.city: Kabul", "phones[0]: 123".
 *
 * One block is one record: a line of JSON Lines, an element of the outermost array, or, in an
 * outermost object, the run of its simple members and each of its containers (arrays of objects
 * element by element). Called by extract.c, which takes what is no JSON for plain text.
 */
#include "ingest/extract_parts.h"

#include "base/status.h"
#include "json/json.h"

#include <string.h>

#define WHOLE_MAX (32u << 20) /* bytes parsed at once: a tree takes ten times as much memory */

typedef struct flattener {
    rsi_extracted *out;
    rsi_bytes path; /* of the value being written */
    size_t start;   /* of the open block; SIZE_MAX: none */
} flattener;

static bool is_container(const rsi_json *value)
{
    return rsi_json_is_object(value) || rsi_json_is_array(value);
}

static int end_record(flattener *f)
{
    int status = rsi_bytes_status(&f->out->text);
    if (status == RAGSTORE_OK)
        status = rsi_bytes_status(&f->path);
    if (status == RAGSTORE_OK && f->start != SIZE_MAX)
        status = rsi_add_block(f->out, RSI_BLOCK_TABLE_ROW, 0, f->start, f->out->text.size);
    f->start = SIZE_MAX;
    return status;
}

/* Text without control characters but line ends. */
static void append_string(rsi_bytes *text, const char *data, size_t size)
{
    size_t start = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)data[i];
        if ((c >= 0x20 && c != 0x7F) || c == '\n' || c == '\t')
            continue;
        rsi_bytes_append(text, data + start, i - start);
        start = i + 1;
    }
    rsi_bytes_append(text, data + start, size - start);
}

static void append_line(flattener *f, const rsi_json *value)
{
    rsi_bytes *text = &f->out->text;
    if (f->start == SIZE_MAX) {
        rsi_blank_line(text);
        f->start = text->size;
    } else {
        rsi_bytes_append_char(text, '\n');
    }
    if (f->path.size > 0) {
        append_string(text, f->path.data, f->path.size);
        rsi_bytes_append(text, ": ", 2);
    }
    if (rsi_json_is_string(value)) {
        append_string(text, rsi_json_text(value), rsi_json_text_size(value));
    } else {
        rsi_json_writer writer = rsi_json_writer_of(text);
        rsi_json_value(&writer, value);
    }
}

/* Lengthen the path by a member's name, or by a position; gives its length before. */
static size_t push_name(flattener *f, const char *name)
{
    size_t before = f->path.size;
    if (before > 0)
        rsi_bytes_append_char(&f->path, '.');
    rsi_bytes_append_text(&f->path, name);
    return before;
}

static size_t push_position(flattener *f, size_t position)
{
    size_t before = f->path.size;
    rsi_bytes_printf(&f->path, "[%zu]", position);
    return before;
}

static void pop(flattener *f, size_t before)
{
    f->path.size = before;
}

/* Depth is bounded by the parser. */
static void append_value(flattener *f, const rsi_json *value)
{
    if (rsi_json_is_object(value)) {
        void *iterator = NULL;
        const char *key;
        rsi_json *member;
        while (rsi_json_each(value, &iterator, &key, &member)) {
            size_t before = push_name(f, key);
            append_value(f, member);
            pop(f, before);
        }
    } else if (rsi_json_is_array(value)) {
        for (size_t i = 0; i < rsi_json_count(value); i++) {
            size_t before = push_position(f, i);
            append_value(f, rsi_json_at(value, i));
            pop(f, before);
        }
    } else if (!rsi_json_is_null(value)) {
        append_line(f, value);
    }
}

/* An array whose elements are records of their own. */
static bool holds_records(const rsi_json *value)
{
    return rsi_json_is_array(value) && is_container(rsi_json_at(value, 0));
}

static int append_records(flattener *f, const rsi_json *array, bool with_position)
{
    int status = RAGSTORE_OK;
    for (size_t i = 0; i < rsi_json_count(array) && status == RAGSTORE_OK; i++) {
        size_t before = with_position ? push_position(f, i) : f->path.size;
        append_value(f, rsi_json_at(array, i));
        pop(f, before);
        status = end_record(f);
    }
    return status;
}

static int append_members(flattener *f, const rsi_json *object)
{
    void *iterator = NULL;
    const char *key;
    rsi_json *member;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && rsi_json_each(object, &iterator, &key, &member)) {
        bool apart = rsi_json_is_object(member) || holds_records(member);
        if (apart)
            status = end_record(f);
        size_t before = push_name(f, key);
        if (status == RAGSTORE_OK && holds_records(member))
            status = append_records(f, member, true);
        else if (status == RAGSTORE_OK)
            append_value(f, member);
        pop(f, before);
        if (apart && status == RAGSTORE_OK)
            status = end_record(f);
    }
    return status;
}

static int append_document(flattener *f, const rsi_json *value)
{
    int status;
    if (rsi_json_is_object(value)) {
        status = append_members(f, value);
    } else if (holds_records(value)) {
        status = append_records(f, value, false);
    } else {
        append_value(f, value);
        status = RAGSTORE_OK;
    }
    return status == RAGSTORE_OK ? end_record(f) : status;
}

int rsi_extract_json(rsi_extracted *out, rsi_slice source)
{
    flattener f = {.out = out, .start = SIZE_MAX};
    rsi_json *value = NULL;
    if (source.size > WHOLE_MAX)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest", "JSON of more than 32 MiB");
    int status = rsi_json_parse(&value, source.data, source.size, RSI_JSON_DEPTH_STORED);
    if (status == RAGSTORE_OK)
        status = append_document(&f, value);
    rsi_json_free(value);
    rsi_bytes_free(&f.path);
    return status;
}

int rsi_extract_json_lines(rsi_extracted *out, rsi_slice source)
{
    flattener f = {.out = out, .start = SIZE_MAX};
    rsi_slice line;
    size_t offset = 0;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && rsi_next_line(source, &offset, &line)) {
        rsi_json *value = NULL;
        if (rsi_trim(line).size == 0)
            continue;
        status = line.size > WHOLE_MAX
                     ? rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest", "a line of more than 32 MiB")
                     : rsi_json_parse(&value, line.data, line.size, RSI_JSON_DEPTH_STORED);
        if (status == RAGSTORE_OK)
            append_value(&f, value);
        if (status == RAGSTORE_OK)
            status = end_record(&f);
        rsi_json_free(value);
        rsi_source_passed(out, offset);
    }
    rsi_bytes_free(&f.path);
    return status;
}
