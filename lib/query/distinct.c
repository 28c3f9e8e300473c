/* The different values of a field: see pipeline.h. */
#include "base/map.h"
#include "base/memory.h"
#include "base/status.h"
#include "query/field_path.h"
#include "query/pipeline.h"
#include "query/value_order.h"

struct rsi_distinct {
    rsi_field_path path;
    rsi_map seen;
    rsi_bytes key;
    rsi_bytes elements; /* with commas between them */
    size_t bytes;
    size_t max_bytes;
    int status;
};

int rsi_distinct_new(rsi_distinct **out, const char *path, size_t size, size_t max_bytes)
{
    *out = rsi_alloc_zeroed(sizeof **out);
    if (*out == NULL)
        return RAGSTORE_E_NO_MEMORY;
    (*out)->max_bytes = max_bytes;
    int status = rsi_field_path_make(&(*out)->path, path, size);
    if (status != RAGSTORE_OK) {
        rsi_free(*out);
        *out = NULL;
    }
    return status;
}

void rsi_distinct_free(rsi_distinct *distinct)
{
    if (distinct == NULL)
        return;
    rsi_field_path_free(&distinct->path);
    rsi_map_free(&distinct->seen, NULL);
    rsi_bytes_free(&distinct->key);
    rsi_bytes_free(&distinct->elements);
    rsi_free(distinct);
}

static int add_value(rsi_distinct *distinct, const rsi_json_view *value)
{
    static char mark;
    size_t before = distinct->elements.size;

    rsi_bytes_clear(&distinct->key);
    int status = rsi_value_append_key(&distinct->key, value);
    if (status != RAGSTORE_OK ||
        rsi_map_get(&distinct->seen, distinct->key.data, distinct->key.size) != NULL)
        return status;
    status = rsi_map_put(&distinct->seen, distinct->key.data, distinct->key.size, &mark, NULL);
    if (status != RAGSTORE_OK)
        return status;
    if (before > 0)
        rsi_bytes_append_char(&distinct->elements, ',');
    rsi_json_writer writer = rsi_json_writer_of(&distinct->elements);
    status = rsi_json_view_write(&writer, value);
    distinct->bytes += distinct->key.size + distinct->elements.size - before;
    if (status == RAGSTORE_OK && distinct->max_bytes > 0 && distinct->bytes > distinct->max_bytes)
        status = rsi_fail(RAGSTORE_E_TOO_LARGE, "query", "distinct needs more than %zu bytes",
                          distinct->max_bytes);
    return status;
}

static bool visit(void *user, const rsi_json_view *value)
{
    rsi_distinct *distinct = user;
    rsi_json_cursor cursor = rsi_json_walk(value);
    rsi_json_view element;
    int found = 0;

    if (value->kind == RSI_JSON_MISSING)
        return true;
    if (value->kind != RSI_JSON_ARRAY) {
        distinct->status = add_value(distinct, value);
        return distinct->status == RAGSTORE_OK;
    }
    while (distinct->status == RAGSTORE_OK && (found = rsi_json_next(&cursor, &element)) > 0)
        distinct->status = add_value(distinct, &element);
    if (found < 0)
        distinct->status = found;
    return distinct->status == RAGSTORE_OK;
}

int rsi_distinct_add(rsi_distinct *distinct, const rsi_json_view *document)
{
    distinct->status = RAGSTORE_OK;
    int status = rsi_field_path_each(&distinct->path, document, RSI_FIELD_WHOLE, visit, distinct);
    return status < 0 ? status : distinct->status;
}

int rsi_distinct_write(rsi_bytes *out, const rsi_distinct *distinct)
{
    rsi_bytes_append_char(out, '[');
    rsi_bytes_append(out, distinct->elements.data, distinct->elements.size);
    rsi_bytes_append_char(out, ']');
    return rsi_bytes_status(out);
}
