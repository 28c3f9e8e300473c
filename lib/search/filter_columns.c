/* Choosing chunks by a column: see filter_columns.h. */
#include "search/filter_columns.h"

#include "base/status.h"
#include "search/metadata.h"

#include <string.h>

#define AND_DEPTH 8 /* of $and within $and: deeper ones are not looked into */

typedef struct choosing {
    rsi_store *store;
    const rsi_catalog *catalog;
    rsi_columns *columns;
    const rsi_predicate *predicate;
    rsi_bitset *some;
    bool is_done;
} choosing;

/* ---- filling a column ---- */

typedef struct filling {
    rsi_column *column;
    const rsi_catalog_document *document;
    int64_t first; /* whose key comes */
    int64_t end;
} filling;

static int add_key(void *user, const char *key, size_t size)
{
    const filling *fill = user;
    return rsi_column_add(fill->column, fill->first, fill->end, key, size);
}

static int add_keys(void *user, int64_t chunk, const rsi_json_view *metadata)
{
    filling *fill = user;
    const char *path = fill->column->path;
    const bool is_own = chunk != RSI_METADATA_OF_DOCUMENT;
    fill->first = is_own ? chunk : fill->document->first_chunk;
    fill->end = is_own ? chunk + 1 : fill->document->end_chunk;
    return rsi_field_keys(path, strlen(path), metadata, add_key, fill);
}

static int fill_column(rsi_column *column, const choosing *choose)
{
    const rsi_catalog *catalog = choose->catalog;
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < catalog->document_count; i++) {
        filling fill = {.column = column, .document = &catalog->documents[i]};
        if (fill.document->first_chunk >= column->until)
            status = rsi_metadata_walk(choose->store, catalog, fill.document, NULL, add_keys, &fill);
    }
    if (status == RAGSTORE_OK)
        column->until = rsi_catalog_end_locked(catalog);
    return status;
}

/* ---- choosing one ---- */

static int select_by(const rsi_column *column, choosing *choose)
{
    rsi_constraint constraint;
    int status = rsi_predicate_constraint(&constraint, choose->predicate, column->path,
                                          strlen(column->path), column->has_several);
    if (status == RAGSTORE_OK)
        status = rsi_column_select(choose->some, column, &constraint);
    rsi_constraint_free(&constraint);
    choose->is_done = status == RAGSTORE_OK;
    return status;
}

static int ask_column(choosing *choose, const char *path)
{
    rsi_column *column;
    int status = rsi_columns_acquire(&column, choose->columns, path);
    if (status != RAGSTORE_OK || column == NULL)
        return status;
    if (column->until < rsi_catalog_end_locked(choose->catalog)) {
        status = fill_column(column, choose);
        if (status != RAGSTORE_OK)
            rsi_column_drop(column);
    }
    if (status == RAGSTORE_OK && !column->is_refused)
        status = select_by(column, choose);
    rsi_columns_release(choose->columns);
    return status;
}

/* Does the filter say of a member what all that pass must have there? Then ask its column. */
static int ask_member(choosing *choose, const char *path)
{
    rsi_constraint constraint;
    int status =
        rsi_predicate_constraint(&constraint, choose->predicate, path, strlen(path), true);
    const bool tells = status == RAGSTORE_OK && constraint.kind != RSI_CONSTRAINT_NONE;
    rsi_constraint_free(&constraint);
    return tells ? ask_column(choose, path) : status;
}

static int ask_members(choosing *choose, const rsi_json_view *filter, int depth)
{
    rsi_json_cursor cursor = rsi_json_walk(filter);
    rsi_json_view member;
    rsi_bytes path = {0};
    int status = RAGSTORE_OK;
    int found = RSI_JSON_ABSENT;
    while (status == RAGSTORE_OK && !choose->is_done &&
           (found = rsi_json_next(&cursor, &member)) > 0) {
        rsi_bytes_clear(&path);
        if (cursor.is_object)
            rsi_json_view_append_text(&path, &cursor.key);
        status = rsi_bytes_status(&path);
        if (status != RAGSTORE_OK)
            break;
        if (!cursor.is_object || strcmp(path.data, "$and") == 0)
            status = depth > 0 ? ask_members(choose, &member, depth - 1) : RAGSTORE_OK;
        else if (path.size > 0 && path.data[0] != '$')
            status = ask_member(choose, path.data);
    }
    rsi_bytes_free(&path);
    return found < 0 ? found : status;
}

int rsi_filter_choose(rsi_bitset *some, const rsi_bitset **chosen, rsi_store *store,
                      const rsi_catalog *catalog, rsi_columns *columns,
                      const rsi_predicate *predicate, const char *filter_json)
{
    choosing choose = {store, catalog, columns, predicate, some, false};
    rsi_json_view filter;
    *chosen = NULL;
    int status = rsi_json_view_of_text(&filter, filter_json, strlen(filter_json));
    if (status == RAGSTORE_OK)
        status = ask_members(&choose, &filter, AND_DEPTH);
    if (status == RAGSTORE_OK && choose.is_done)
        *chosen = some;
    return status;
}
