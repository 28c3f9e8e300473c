/*
 * Writing parsed values: the bridge from jansson's trees to the writer.
 *
 * jansson's own dump recurses without a limit, depends on the locale and gives up the
 * whole document for one bad string; so the tree is walked here, with a fixed stack:
 *
 *   stack  [ {"a": ▸[…]} ][ [1, ▸{…}] ][ … ]     at most RSI_JSON_DEPTH_STORED open containers
 *              iterator        position
 *
 * Parsed values are never deeper than that. One that was put together deeper marks the
 * output failed with INVALID_DATA.
 *
 * Called by every room that writes JSON. Not locked: a value is not changed while written.
 */
#include "base/status.h"
#include "json/json.h"

#include <jansson.h>

typedef struct open_container {
    const rsi_json *container;
    void *iterator;  /* of an object */
    size_t position; /* in an array: the next member */
} open_container;

typedef struct dump {
    rsi_json_writer *writer;
    open_container stack[RSI_JSON_DEPTH_STORED];
    size_t depth;
} dump;

static void write_scalar(rsi_json_writer *writer, const rsi_json *value)
{
    if (value == NULL) {
        rsi_json_null_value(writer);
        return;
    }
    switch (json_typeof(value)) {
    case JSON_STRING:
        rsi_json_text_value(writer, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        rsi_json_integer_value(writer, (int64_t)json_integer_value(value));
        break;
    case JSON_REAL:
        rsi_json_real_value(writer, json_real_value(value));
        break;
    case JSON_TRUE:
        rsi_json_bool_value(writer, true);
        break;
    case JSON_FALSE:
        rsi_json_bool_value(writer, false);
        break;
    case JSON_NULL:
    case JSON_OBJECT: /* begin_member has taken the containers */
    case JSON_ARRAY:
        rsi_json_null_value(writer);
        break;
    }
}

/* Write a scalar, or open a container. False when the tree is too deep. */
static bool begin_member(dump *dumped, const rsi_json *value)
{
    if (!json_is_object(value) && !json_is_array(value)) {
        write_scalar(dumped->writer, value);
        return true;
    }
    if (dumped->depth == RSI_JSON_DEPTH_STORED)
        return false;
    if (json_is_object(value))
        rsi_json_begin_object(dumped->writer);
    else
        rsi_json_begin_array(dumped->writer);
    dumped->stack[dumped->depth++] = (open_container){value, NULL, 0};
    return true;
}

/* The next member of the innermost container, its key written; false (closed) at its end. */
static bool next_member(dump *dumped, const rsi_json **member)
{
    open_container *top = &dumped->stack[dumped->depth - 1];

    if (json_is_object(top->container)) {
        const char *key;
        rsi_json *value;
        if (rsi_json_each(top->container, &top->iterator, &key, &value)) {
            rsi_json_key(dumped->writer, key);
            *member = value;
            return true;
        }
        rsi_json_end_object(dumped->writer);
    } else {
        if (top->position < json_array_size(top->container)) {
            *member = json_array_get(top->container, top->position++);
            return true;
        }
        rsi_json_end_array(dumped->writer);
    }
    dumped->depth--;
    return false;
}

void rsi_json_value(rsi_json_writer *writer, const rsi_json *value)
{
    dump dumped = {.writer = writer};
    const rsi_json *member = value;
    bool fits = begin_member(&dumped, member);

    while (fits && dumped.depth > 0)
        if (next_member(&dumped, &member))
            fits = begin_member(&dumped, member);

    if (!fits && writer->out->status == RAGSTORE_OK)
        writer->out->status =
            rsi_fail(RAGSTORE_E_INVALID_DATA, "json", "write value: nested deeper than %d levels",
                     RSI_JSON_DEPTH_STORED);
}

int rsi_json_dump(rsi_bytes *out, const rsi_json *value)
{
    rsi_json_writer writer = rsi_json_writer_of(out);

    rsi_json_value(&writer, value);
    return rsi_bytes_status(out);
}
