/* Collection and cursor. */
#include "api/handles.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

static int enter(const ragstore_collection *collection, const char *function)
{
    int status = rsi_check_handle(collection, RSI_MAGIC_COLLECTION, function);
    return status == RAGSTORE_OK ? rsi_core_enter(collection->core, function) : status;
}

static int enter_to_write(const ragstore_collection *collection, const char *function)
{
    int status = rsi_check_handle(collection, RSI_MAGIC_COLLECTION, function);
    return status == RAGSTORE_OK ? rsi_core_enter_to_write(collection->core, function) : status;
}

static int enter_store(const ragstore_store *store, const char *function)
{
    int status = rsi_check_handle(store, RSI_MAGIC_STORE, function);
    return status == RAGSTORE_OK ? rsi_core_enter(store->core, function) : status;
}

/* Hand an answer over, unless nobody asked for it. */
static int give(ragstore_buffer **out, int status, rsi_bytes *text)
{
    if (status == RAGSTORE_OK && out != NULL)
        status = rsi_buffer_from(out, text);
    rsi_bytes_free(text);
    return status;
}

/* The same for a change, whose answer must not fail after the commit: the buffer was made
 * before. */
static void give_made(ragstore_buffer **out, ragstore_buffer *made, int status, rsi_bytes *text)
{
    if (status == RAGSTORE_OK && made != NULL) {
        rsi_buffer_fill(made, text);
        *out = made;
    } else {
        rsi_free(made);
    }
    rsi_bytes_free(text);
}

/* ---- handles ---- */

int ragstore_collection_open(ragstore_collection **out, ragstore_store *store, const char *name)
{
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(name, __func__, "name");
    if (status == RAGSTORE_OK)
        status = enter_store(store, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_core *core = store->core;
    ragstore_collection *collection = rsi_alloc_zeroed(sizeof *collection);
    if (collection == NULL)
        return rsi_core_leave(core, RAGSTORE_E_NO_MEMORY);
    status = rsi_collection_open(&collection->inside, core->store, name);
    if (status == RAGSTORE_OK) {
        collection->magic = RSI_MAGIC_COLLECTION;
        collection->core = core;
        rsi_core_retain(core);
        *out = collection;
    } else {
        rsi_free(collection);
    }
    return rsi_core_leave(core, rsi_wrap(status, "open a collection"));
}

void ragstore_collection_free(ragstore_collection *collection)
{
    if (collection == NULL ||
        rsi_check_handle(collection, RSI_MAGIC_COLLECTION, __func__) != RAGSTORE_OK)
        return;
    rsi_core *core = collection->core;
    collection->magic = RSI_MAGIC_FREED;
    rsi_free(collection);
    rsi_core_release(core);
}

const char *ragstore_collection_name(const ragstore_collection *collection)
{
    return rsi_check_handle(collection, RSI_MAGIC_COLLECTION, __func__) == RAGSTORE_OK
               ? collection->inside.name
               : NULL;
}

int ragstore_collection_list(ragstore_buffer **out, ragstore_store *store)
{
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = enter_store(store, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_collection_list(&text, store->core->store);
    return rsi_core_leave(store->core, give(out, status, &text));
}

/* ---- finding ---- */

static rsi_find_options find_options_of(const ragstore_collection_find_options *given)
{
    return (rsi_find_options){given->sort_json, given->projection_json, given->skip,
                              given->limit};
}

static int make_cursor(ragstore_cursor **out, rsi_core *core, rsi_cursor *inside)
{
    ragstore_cursor *cursor = rsi_alloc_zeroed(sizeof *cursor);
    if (cursor == NULL) {
        rsi_cursor_free(inside);
        return RAGSTORE_E_NO_MEMORY;
    }
    cursor->magic = RSI_MAGIC_CURSOR;
    cursor->core = core;
    cursor->inside = inside;
    rsi_core_retain(core);
    *out = cursor;
    return RAGSTORE_OK;
}

int ragstore_collection_find(ragstore_cursor **out, ragstore_collection *collection,
                             const char *filter_json,
                             const ragstore_collection_find_options *options)
{
    ragstore_collection_find_options given;
    rsi_cursor *inside = NULL;
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = enter(collection, __func__);
    if (status != RAGSTORE_OK)
        return status;
    const rsi_find_options wanted = find_options_of(&given);
    status = rsi_cursor_open(&inside, &collection->inside, filter_json, &wanted);
    if (status == RAGSTORE_OK)
        status = make_cursor(out, collection->core, inside);
    return rsi_core_leave(collection->core, rsi_wrap(status, "find"));
}

int ragstore_cursor_next(const char **out, size_t *size, ragstore_cursor *cursor)
{
    rsi_slice text;
    if (size != NULL)
        *size = 0;
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_handle(cursor, RSI_MAGIC_CURSOR, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter(cursor->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_cursor_next(&text, cursor->inside);
    if (status == RAGSTORE_OK) {
        *out = text.data;
        if (size != NULL)
            *size = text.size;
    }
    return rsi_core_leave(cursor->core, rsi_wrap(status, "read on"));
}

const char *ragstore_cursor_version(const ragstore_cursor *cursor)
{
    return rsi_check_handle(cursor, RSI_MAGIC_CURSOR, __func__) == RAGSTORE_OK
               ? rsi_cursor_version(cursor->inside)
               : NULL;
}

void ragstore_cursor_free(ragstore_cursor *cursor)
{
    if (cursor == NULL || rsi_check_handle(cursor, RSI_MAGIC_CURSOR, __func__) != RAGSTORE_OK)
        return;
    rsi_core *core = cursor->core;
    cursor->magic = RSI_MAGIC_FREED;
    rsi_cursor_free(cursor->inside);
    rsi_free(cursor);
    rsi_core_release(core);
}

/* The first document, and its version. */
static int find_one(ragstore_buffer **out, ragstore_buffer **version,
                    const ragstore_collection *collection, const char *filter,
                    const rsi_find_options *options)
{
    rsi_cursor *cursor;
    rsi_slice text;
    rsi_bytes copy = {0};
    int status = rsi_cursor_open(&cursor, &collection->inside, filter, options);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_cursor_next(&text, cursor);
    if (status == RAGSTORE_OK && text.data == NULL)
        status = rsi_fail(RAGSTORE_E_NOT_FOUND, "api", "no document of \"%s\" matches",
                          collection->inside.name);
    if (status == RAGSTORE_OK) {
        rsi_bytes_append(&copy, text.data, text.size);
        status = rsi_buffer_from(out, &copy);
    }
    if (status == RAGSTORE_OK && version != NULL) {
        rsi_bytes_append_text(&copy, rsi_cursor_version(cursor));
        status = rsi_buffer_from(version, &copy);
        if (status != RAGSTORE_OK) {
            ragstore_buffer_free(*out);
            *out = NULL;
        }
    }
    rsi_cursor_free(cursor);
    return status;
}

int ragstore_collection_find_one(ragstore_buffer **out, ragstore_buffer **version,
                                 ragstore_collection *collection, const char *filter_json,
                                 const ragstore_collection_find_options *options)
{
    ragstore_collection_find_options given;
    if (version != NULL)
        *version = NULL;
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = enter(collection, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_find_options wanted = find_options_of(&given);
    wanted.limit = 1;
    status = find_one(out, version, collection, filter_json, &wanted);
    return rsi_core_leave(collection->core, rsi_wrap(status, "find one"));
}

int ragstore_collection_count(uint64_t *out, ragstore_collection *collection,
                              const char *filter_json)
{
    int status = rsi_check_not_null(out, __func__, "out");
    if (status != RAGSTORE_OK)
        return status;
    *out = 0;
    status = enter(collection, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_collection_count(out, &collection->inside, filter_json);
    return rsi_core_leave(collection->core, rsi_wrap(status, "count"));
}

/* ---- aggregation ---- */

int ragstore_collection_aggregate(ragstore_cursor **out, ragstore_collection *collection,
                                  const char *pipeline_json)
{
    rsi_cursor *inside = NULL;
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(pipeline_json, __func__, "pipeline_json");
    if (status == RAGSTORE_OK)
        status = enter(collection, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_collection_aggregate(&inside, &collection->inside, pipeline_json);
    if (status == RAGSTORE_OK)
        status = make_cursor(out, collection->core, inside);
    return rsi_core_leave(collection->core, rsi_wrap(status, "aggregate"));
}

int ragstore_collection_distinct(ragstore_buffer **out, ragstore_collection *collection,
                                 const char *path, const char *filter_json)
{
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(path, __func__, "path");
    if (status == RAGSTORE_OK)
        status = enter(collection, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_collection_distinct(&text, &collection->inside, path, filter_json);
    return rsi_core_leave(collection->core, rsi_wrap(give(out, status, &text), "distinct"));
}

/* ---- changing ---- */

int ragstore_collection_insert(ragstore_buffer **out, ragstore_collection *collection,
                               const char *documents_json)
{
    rsi_bytes text = {0};
    if (out != NULL)
        *out = NULL;
    int status = rsi_check_not_null(documents_json, __func__, "documents_json");
    if (status == RAGSTORE_OK)
        status = enter_to_write(collection, __func__);
    if (status != RAGSTORE_OK)
        return status;
    ragstore_buffer *made = NULL;
    status = out == NULL ? RAGSTORE_OK : rsi_buffer_make(&made);
    if (status == RAGSTORE_OK)
        status = rsi_collection_insert(&text, &collection->inside, documents_json);
    give_made(out, made, status, &text);
    return rsi_core_leave(collection->core, rsi_wrap(status, "insert"));
}

static int take_update_options(rsi_change *change,
                               const ragstore_collection_update_options *options,
                               const char *function)
{
    ragstore_collection_update_options given;
    int status = rsi_take_options(&given, sizeof given, options, function);
    if (status == RAGSTORE_OK)
        status = rsi_check_reserved(given.reserved, function);
    if (status != RAGSTORE_OK)
        return status;
    if ((given.flags & ~RAGSTORE_UPDATE_UPSERT) != 0)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: unknown flags 0x%x", function,
                        given.flags);
    change->upsert = (given.flags & RAGSTORE_UPDATE_UPSERT) != 0;
    change->version = given.version;
    if (change->version == NULL)
        return RAGSTORE_OK;
    if (change->upsert || change->kind == RSI_CHANGE_UPDATE_MANY)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api",
                        "%s: a version is that of one document which is there: it goes with "
                        "neither an upsert nor an update of many",
                        function);
    return RAGSTORE_OK;
}

static int run_change(ragstore_buffer **out, ragstore_collection *collection,
                      const rsi_change *change, const char *function, const char *what)
{
    rsi_bytes text = {0};
    int status = enter_to_write(collection, function);
    if (status != RAGSTORE_OK)
        return status;
    ragstore_buffer *made = NULL;
    status = out == NULL ? RAGSTORE_OK : rsi_buffer_make(&made);
    if (status == RAGSTORE_OK)
        status = rsi_collection_change(&text, &collection->inside, change);
    give_made(out, made, status, &text);
    return rsi_core_leave(collection->core, rsi_wrap(status, "%s", what));
}

static int run_update(ragstore_buffer **out, ragstore_collection *collection, rsi_change change,
                      const ragstore_collection_update_options *options, const char *function,
                      const char *argument)
{
    if (out != NULL)
        *out = NULL;
    int status = rsi_check_not_null(change.update, function, argument);
    if (status == RAGSTORE_OK)
        status = take_update_options(&change, options, function);
    return status == RAGSTORE_OK ? run_change(out, collection, &change, function, "change")
                                 : status;
}

int ragstore_collection_update_one(ragstore_buffer **out, ragstore_collection *collection,
                                   const char *filter_json, const char *update_json,
                                   const ragstore_collection_update_options *options)
{
    const rsi_change change = {
        .kind = RSI_CHANGE_UPDATE_ONE, .filter = filter_json, .update = update_json};
    return run_update(out, collection, change, options, __func__, "update_json");
}

int ragstore_collection_update_many(ragstore_buffer **out, ragstore_collection *collection,
                                    const char *filter_json, const char *update_json,
                                    const ragstore_collection_update_options *options)
{
    const rsi_change change = {
        .kind = RSI_CHANGE_UPDATE_MANY, .filter = filter_json, .update = update_json};
    return run_update(out, collection, change, options, __func__, "update_json");
}

int ragstore_collection_replace_one(ragstore_buffer **out, ragstore_collection *collection,
                                    const char *filter_json, const char *document_json,
                                    const ragstore_collection_update_options *options)
{
    const rsi_change change = {
        .kind = RSI_CHANGE_REPLACE_ONE, .filter = filter_json, .update = document_json};
    return run_update(out, collection, change, options, __func__, "document_json");
}

int ragstore_collection_delete_one(ragstore_buffer **out, ragstore_collection *collection,
                                   const char *filter_json)
{
    const rsi_change change = {.kind = RSI_CHANGE_DELETE_ONE, .filter = filter_json};
    if (out != NULL)
        *out = NULL;
    return run_change(out, collection, &change, __func__, "delete");
}

int ragstore_collection_delete_many(ragstore_buffer **out, ragstore_collection *collection,
                                    const char *filter_json)
{
    const rsi_change change = {.kind = RSI_CHANGE_DELETE_MANY, .filter = filter_json};
    if (out != NULL)
        *out = NULL;
    return run_change(out, collection, &change, __func__, "delete");
}

/* ---- indexes ---- */

static int change_index(ragstore_collection *collection, const char *path, bool adds,
                        const char *function)
{
    int status = rsi_check_not_null(path, function, "path");
    if (status == RAGSTORE_OK)
        status = enter_to_write(collection, function);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_collection_index(&collection->inside, path, adds);
    return rsi_core_leave(collection->core, rsi_wrap(status, "index"));
}

int ragstore_collection_index_create(ragstore_collection *collection, const char *path)
{
    return change_index(collection, path, true, __func__);
}

int ragstore_collection_index_drop(ragstore_collection *collection, const char *path)
{
    return change_index(collection, path, false, __func__);
}

int ragstore_collection_index_list(ragstore_buffer **out, ragstore_collection *collection)
{
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = enter(collection, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_collection_index_list(&text, &collection->inside);
    return rsi_core_leave(collection->core, give(out, status, &text));
}

int ragstore_collection_explain(ragstore_buffer **out, ragstore_collection *collection,
                                const char *filter_json)
{
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = enter(collection, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_collection_explain(&text, &collection->inside, filter_json);
    return rsi_core_leave(collection->core, rsi_wrap(give(out, status, &text), "explain"));
}
