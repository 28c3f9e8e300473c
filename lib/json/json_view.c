/*
 * Views of values in JSON text and in trees: see json_view.h.
 *
 * In text, a member is found by scanning (json_scan.h), and only the value that is asked for is
 * read.
 */
#include "json/json_view.h"

#include "base/status.h"
#include "json/json_number.h"
#include "json/json_scan.h"

#include <jansson.h>

#include <string.h>

static int malformed(void)
{
    return rsi_fail(RAGSTORE_E_INVALID_DATA, "json", "this text is not a JSON value");
}

static bool is_word(const char *at, const char *end, const char *word, size_t size)
{
    return (size_t)(end - at) >= size && memcmp(at, word, size) == 0;
}

/* The value that begins at `at`. *behind: behind a scalar, or the container's bracket itself.
 * False when no value begins there. */
static bool read_value(rsi_json_view *view, const char *at, const char *end, const char **behind)
{
    *view = (rsi_json_view){.kind = RSI_JSON_MISSING, .text = at, .end = end};
    if (at == end)
        return false;
    *behind = at;
    switch (*at) {
    case '"': {
        const char *quote = rsi_json_scan_string(at + 1, end, &view->escaped);
        if (quote == NULL)
            return false;
        view->kind = RSI_JSON_TEXT;
        view->text = at + 1;
        view->end = quote;
        *behind = quote + 1;
        return true;
    }
    case '{':
        view->kind = RSI_JSON_OBJECT;
        return true;
    case '[':
        view->kind = RSI_JSON_ARRAY;
        return true;
    case 't':
    case 'f':
        view->kind = RSI_JSON_BOOL;
        view->truth = *at == 't';
        *behind = view->end = at + (view->truth ? 4 : 5);
        return is_word(at, end, view->truth ? "true" : "false", view->truth ? 4 : 5);
    case 'n':
        view->kind = RSI_JSON_NULL;
        *behind = view->end = at + 4;
        return is_word(at, end, "null", 4);
    default:
        *behind = view->end = rsi_json_scan_scalar(at, end);
        return rsi_json_number_read(view, at, view->end);
    }
}

int rsi_json_view_of_text(rsi_json_view *view, const char *text, size_t size)
{
    const char *end = text + size;
    const char *behind;

    if (!read_value(view, rsi_json_scan_space(text, end), end, &behind)) {
        view->kind = RSI_JSON_MISSING;
        return malformed();
    }
    return RAGSTORE_OK;
}

rsi_json_view rsi_json_view_of_string(const char *text, size_t size)
{
    return (rsi_json_view){.kind = RSI_JSON_TEXT, .text = text, .end = text + size};
}

rsi_json_view rsi_json_view_of(const rsi_json *value)
{
    rsi_json_view view = {.kind = RSI_JSON_MISSING};

    if (value == NULL)
        return view;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        view.kind = json_is_object(value) ? RSI_JSON_OBJECT : RSI_JSON_ARRAY;
        view.tree = value;
        break;
    case JSON_STRING:
        return rsi_json_view_of_string(json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        view.kind = RSI_JSON_INTEGER;
        view.integer = (int64_t)json_integer_value(value);
        break;
    case JSON_REAL:
        view.kind = RSI_JSON_REAL;
        view.real = json_real_value(value);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        view.kind = RSI_JSON_BOOL;
        view.truth = json_is_true(value);
        break;
    case JSON_NULL:
        view.kind = RSI_JSON_NULL;
        break;
    }
    return view;
}

/* ---- members ---- */

static int get_from_text(rsi_json_view *member, const rsi_json_view *object, rsi_slice key)
{
    const char *end = object->end;
    bool absent;

    const char *at = rsi_json_scan_member(object->text, end, key, &absent);
    if (absent)
        return RSI_JSON_ABSENT;
    if (at != NULL && read_value(member, rsi_json_scan_space(at, end), end, &at))
        return RSI_JSON_FOUND;
    member->kind = RSI_JSON_MISSING;
    return malformed();
}

int rsi_json_view_get(rsi_json_view *member, const rsi_json_view *object, rsi_slice key)
{
    *member = (rsi_json_view){.kind = RSI_JSON_MISSING};
    if (object->kind != RSI_JSON_OBJECT)
        return RSI_JSON_ABSENT;
    if (object->tree == NULL)
        return get_from_text(member, object, key);
    *member = rsi_json_view_of(json_object_getn(object->tree, key.data, key.size));
    return member->kind != RSI_JSON_MISSING ? RSI_JSON_FOUND : RSI_JSON_ABSENT;
}

rsi_json_cursor rsi_json_walk(const rsi_json_view *container)
{
    rsi_json_cursor cursor = {.is_object = container->kind == RSI_JSON_OBJECT};

    if (container->kind != RSI_JSON_OBJECT && container->kind != RSI_JSON_ARRAY)
        return cursor;
    cursor.tree = container->tree;
    if (container->tree == NULL) {
        cursor.at = container->text;
        cursor.end = container->end;
    }
    return cursor;
}

static int next_of_tree(rsi_json_cursor *cursor, rsi_json_view *member)
{
    if (cursor->is_object) {
        const char *key;
        rsi_json *value;
        if (!rsi_json_each(cursor->tree, &cursor->iterator, &key, &value)) {
            cursor->tree = NULL;
            return RSI_JSON_ABSENT;
        }
        cursor->key = rsi_json_view_of_string(key, json_object_iter_key_len(cursor->iterator));
        *member = rsi_json_view_of(value);
        return RSI_JSON_FOUND;
    }
    *member = rsi_json_view_of(json_array_get(cursor->tree, cursor->position));
    if (member->kind == RSI_JSON_MISSING)
        return RSI_JSON_ABSENT;
    cursor->position++;
    return RSI_JSON_FOUND;
}

/* To the next member of text: behind the bracket, or behind the value before and its comma. */
static int step(rsi_json_cursor *cursor)
{
    const char *at = cursor->at;
    const char *end = cursor->end;
    char closing = cursor->is_object ? '}' : ']';

    if (cursor->started) {
        if (at < end && (*at == '{' || *at == '[')) /* a container is skipped when it is over */
            at = rsi_json_scan_container(at, end);
        if (at == NULL)
            return malformed();
    } else {
        at++;
    }
    at = rsi_json_scan_space(at, end);
    if (at < end && *at == closing) {
        cursor->at = NULL;
        return RSI_JSON_ABSENT;
    }
    if (cursor->started) {
        if (at == end || *at != ',')
            return malformed();
        at = rsi_json_scan_space(at + 1, end);
    }
    cursor->started = true;
    cursor->at = at;
    return RSI_JSON_FOUND;
}

static int next_of_text(rsi_json_cursor *cursor, rsi_json_view *member)
{
    const char *end = cursor->end;
    const char *at;

    int found = step(cursor);
    if (found <= 0)
        return found;
    at = cursor->at;
    if (cursor->is_object) {
        if (at == end || *at != '"' || !read_value(&cursor->key, at, end, &at))
            return malformed();
        at = rsi_json_scan_space(at, end);
        if (at == end || *at != ':')
            return malformed();
        at = rsi_json_scan_space(at + 1, end);
    }
    if (!read_value(member, at, end, &cursor->at)) {
        member->kind = RSI_JSON_MISSING;
        return malformed();
    }
    cursor->position++;
    return RSI_JSON_FOUND;
}

int rsi_json_next(rsi_json_cursor *cursor, rsi_json_view *member)
{
    if (cursor->tree != NULL)
        return next_of_tree(cursor, member);
    *member = (rsi_json_view){.kind = RSI_JSON_MISSING};
    return cursor->at == NULL ? RSI_JSON_ABSENT : next_of_text(cursor, member);
}

/* ---- whole values ---- */

int rsi_json_view_source(rsi_slice *source, const rsi_json_view *view)
{
    const char *start = view->kind == RSI_JSON_TEXT ? view->text - 1 : view->text;
    const char *end = view->kind == RSI_JSON_TEXT ? view->end + 1 : view->end;

    if (view->kind == RSI_JSON_OBJECT || view->kind == RSI_JSON_ARRAY)
        end = rsi_json_scan_container(start, end);
    if (end == NULL)
        return malformed();
    *source = (rsi_slice){start, (size_t)(end - start)};
    return RAGSTORE_OK;
}

void rsi_json_view_key(rsi_json_writer *writer, const rsi_json_view *key)
{
    (void)rsi_json_view_write(writer, key); /* only containers have faults that are met late */
    rsi_bytes_append_char(writer->out, ':');
    writer->needs_comma = false;
}

int rsi_json_view_write(rsi_json_writer *writer, const rsi_json_view *view)
{
    rsi_slice source = {NULL, 0};
    int status;

    switch (view->kind) {
    case RSI_JSON_OBJECT:
    case RSI_JSON_ARRAY:
        if (view->tree != NULL) {
            rsi_json_value(writer, view->tree);
            break;
        }
        status = rsi_json_view_source(&source, view);
        if (status != RAGSTORE_OK)
            return status;
        rsi_json_raw_value(writer, source.data, source.size);
        break;
    case RSI_JSON_TEXT:
        if (view->escaped) /* it is inside of quotes then, and stays so */
            rsi_json_raw_value(writer, view->text - 1, (size_t)(view->end - view->text) + 2);
        else
            rsi_json_text_value(writer, view->text, (size_t)(view->end - view->text));
        break;
    case RSI_JSON_INTEGER:
        rsi_json_integer_value(writer, view->integer);
        break;
    case RSI_JSON_REAL:
        if (view->text != NULL)
            rsi_json_raw_value(writer, view->text, (size_t)(view->end - view->text));
        else
            rsi_json_real_value(writer, view->real);
        break;
    case RSI_JSON_BOOL:
        rsi_json_bool_value(writer, view->truth);
        break;
    case RSI_JSON_MISSING:
    case RSI_JSON_NULL:
        rsi_json_null_value(writer);
        break;
    }
    return rsi_bytes_status(writer->out);
}

int rsi_json_view_tree(rsi_json **out, const rsi_json_view *view)
{
    rsi_bytes text = {0};

    *out = NULL;
    if (view->tree != NULL) {
        *out = json_incref((json_t *)(uintptr_t)view->tree);
        return RAGSTORE_OK;
    }
    rsi_json_writer writer = rsi_json_writer_of(&text);
    int status = rsi_json_view_write(&writer, view);
    if (status == RAGSTORE_OK)
        status = rsi_json_parse(out, text.data, text.size, RSI_JSON_DEPTH_STORED);
    rsi_bytes_free(&text);
    return status;
}
