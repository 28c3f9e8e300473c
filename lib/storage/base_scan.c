/*
 * Walking through a snapshot file line by line, to describe where everything is. Only what shows
 * that the lines are ours is looked at; the digest has vouched for the rest.
 */
#include "storage/base_internal.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"

#include <inttypes.h>
#include <string.h>

#define SCAN_STEP ((size_t)1 << 20)

typedef struct scan {
    rsi_base *base;
    rsi_base_index *index;
    rsi_base_reader reader;
    uint64_t offset; /* of the next line */
    rsi_line_place line;
    rsi_slice text; /* of the line, without its comma */
    bool has_comma;
    rsi_bytes key;
    uint64_t next_row; /* of the record that is being read */
} scan;

static int not_ours(const scan *s, const char *what)
{
    return rsi_fail(RAGSTORE_E_INVALID_DATA, "storage", "byte %" PRIu64 ": %s", s->line.offset,
                    what);
}

static int next_line(scan *s)
{
    const uint64_t left = s->base->size - s->offset;
    size_t size = rsi_base_reader_holds(&s->reader, s->offset);
    const char *bytes;
    const char *end = NULL;
    for (;;) {
        int status = rsi_base_reader_bytes(&s->reader, s->offset, size, &bytes);
        if (status != RAGSTORE_OK)
            return status;
        end = size == 0 ? NULL : memchr(bytes, '\n', size);
        if (end != NULL)
            break;
        if (size == left)
            return not_ours(s, "the last line has no end");
        size = size < SCAN_STEP ? SCAN_STEP : size * 2;
        if (size > left)
            size = (size_t)left;
    }
    s->text = (rsi_slice){bytes, (size_t)(end - bytes)};
    s->line.offset = s->offset;
    s->offset += s->text.size + 1;
    s->has_comma = s->text.size > 0 && s->text.data[s->text.size - 1] == ',';
    s->text.size -= s->has_comma;
    if (s->text.size > UINT32_MAX)
        return not_ours(s, "a line of more than 4 GiB");
    s->line.size = (uint32_t)s->text.size;
    return RAGSTORE_OK;
}

static void measure_line(scan *s)
{
    s->line.crc = rsi_crc32c(0, s->text.data, s->text.size);
}

static bool line_is(const scan *s, const char *text)
{
    return s->text.size == strlen(text) && memcmp(s->text.data, text, s->text.size) == 0;
}

static bool line_ends_with(const scan *s, const char *end)
{
    const size_t size = strlen(end);
    return s->text.size >= size && memcmp(s->text.data + s->text.size - size, end, size) == 0;
}

/* A number without leading zeros. */
static bool read_number(const char *text, size_t size, uint64_t *number)
{
    *number = 0;
    if (size == 0 || size > 18 || (text[0] == '0' && size > 1))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *number = *number * 10 + (uint64_t)(text[i] - '0');
    }
    return true;
}

static bool row_number(const scan *s, uint64_t *number)
{
    static const char start[] = "{\"row\":";
    const size_t skipped = sizeof start - 1;
    size_t end = skipped;
    if (s->text.size < skipped || memcmp(s->text.data, start, skipped) != 0)
        return false;
    while (end < s->text.size && s->text.data[end] >= '0' && s->text.data[end] <= '9')
        end++;
    return read_number(s->text.data + skipped, end - skipped, number);
}

static int add_row(scan *s, uint64_t number)
{
    if (number < s->next_row || !line_ends_with(s, "}"))
        return not_ours(s, "a row is not in its place");
    measure_line(s);
    s->next_row = number + 1;
    return rsi_base_index_add_row(s->index, number, s->line);
}

/* The rows of a record up to the line that closes it, whose comma is left in has_comma. */
static int scan_rows(scan *s)
{
    const bool numbered = s->base->layout->rows_numbered;
    bool more = true;
    s->next_row = 0;
    for (;;) {
        int status = next_line(s);
        if (status != RAGSTORE_OK)
            return status;
        if (line_is(s, "]}"))
            return more ? not_ours(s, "a row is missing") : RAGSTORE_OK;
        uint64_t number = s->next_row;
        if (!more || s->text.size < 2 || s->text.data[0] != '{' ||
            (numbered && !row_number(s, &number)))
            return not_ours(s, "it is not a row");
        more = s->has_comma;
        status = add_row(s, number);
        if (status != RAGSTORE_OK)
            return status;
    }
}

static int scan_record(scan *s)
{
    const rsi_layout *layout = s->base->layout;
    rsi_slice rest;
    int status = rsi_base_split_key(s->text, &s->key, &rest);
    if (status != RAGSTORE_OK)
        return status;
    if (rsi_base_only_rows(layout)) {
        uint64_t number;
        return read_number(s->key.data, s->key.size, &number)
                   ? add_row(s, number)
                   : not_ours(s, "its key is not a number");
    }
    const bool has_rows = layout->rows_field != NULL && !line_ends_with(s, "[]}");
    if (!line_ends_with(s, has_rows ? "\":[" : "}"))
        return not_ours(s, "it is not a record");
    measure_line(s);
    status = rsi_base_index_add_record(s->index, (rsi_slice){s->key.data, s->key.size}, s->line);
    return status == RAGSTORE_OK && has_rows ? scan_rows(s) : status;
}

static int scan_file(scan *s)
{
    int status = next_line(s);
    if (status == RAGSTORE_OK && !line_is(s, "{"))
        status = not_ours(s, "it does not begin with {");
    bool more = true;
    for (bool first = true; status == RAGSTORE_OK; first = false) {
        status = next_line(s);
        if (status == RAGSTORE_OK && line_is(s, "}") && (first || !more))
            return s->offset == s->base->size ? RAGSTORE_OK
                                              : not_ours(s, "something follows the last line");
        if (status == RAGSTORE_OK && !more)
            status = not_ours(s, "a comma is missing");
        if (status == RAGSTORE_OK)
            status = scan_record(s);
        more = s->has_comma;
    }
    return status;
}

/* Two records whose keys have the same hash. */
static int is_same_key(void *user, size_t a, size_t b)
{
    scan *s = user;
    const rsi_base_record *records = s->index->records;
    rsi_bytes keys[2] = {{0}, {0}};
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < 2; i++) {
        const rsi_line_place *line = &records[i == 0 ? a : b].line;
        rsi_slice text = {NULL, line->size};
        rsi_slice rest;
        status = rsi_base_reader_bytes(&s->reader, line->offset, line->size, &text.data);
        if (status == RAGSTORE_OK)
            status = rsi_base_split_key(text, &keys[i], &rest);
    }
    if (status == RAGSTORE_OK)
        status = rsi_slice_equal((rsi_slice){keys[0].data, keys[0].size},
                                 (rsi_slice){keys[1].data, keys[1].size});
    rsi_bytes_free(&keys[0]);
    rsi_bytes_free(&keys[1]);
    return status;
}

int rsi_base_scan(rsi_base_index *index, rsi_base *base)
{
    static const rsi_line_place nowhere = {0};
    scan s = {.base = base, .index = index, .reader = rsi_base_reader_of(base, SCAN_STEP)};
    int status = rsi_base_index_begin(index);
    if (status == RAGSTORE_OK && rsi_base_only_rows(base->layout))
        status = rsi_base_index_add_record(index, (rsi_slice){"", 0}, nowhere);
    if (status == RAGSTORE_OK)
        status = scan_file(&s);
    if (status == RAGSTORE_OK)
        status = rsi_base_index_end(index, is_same_key, &s);
    rsi_base_reader_free(&s.reader);
    rsi_bytes_free(&s.key);
    if (status != RAGSTORE_OK)
        rsi_base_index_free(index);
    return status;
}
