/*
 * Cursors: the documents that a filter finds, one by one.
 *
 *   unsorted   pieces of the walk are copied as they are asked for; other writers go on in between
 *   sorted     everything is read when the cursor is opened
 *   in a batch everything is read when the cursor is opened, with the batch's changes
 *
 * The copies are the documents as they are stored; a projection is made when one is told.
 */
#include "collections/collections_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "query/ordering.h"
#include "query/projection.h"

#include <string.h>

/* A piece is handed over when it has so much. */
#define PIECE_DOCUMENTS 256
#define PIECE_BYTES ((size_t)256 << 10)

typedef struct copied {
    size_t offset;
    size_t size;
} copied;

struct rsi_cursor {
    rsi_collection collection;
    rsi_predicate *predicate;   /* NULL: the documents were worked out */
    rsi_projection *projection; /* NULL: whole documents */
    rsi_ordering *ordering;     /* NULL: unsorted */
    rsi_sorter *sorter;
    rsi_walk walk;
    uint64_t epoch;  /* of the call that is running */
    uint64_t skip;   /* still to be skipped */
    uint64_t left;   /* still to be told; UINT64_MAX: all */
    bool reads_all;  /* now, not piece by piece */
    rsi_bytes texts; /* copies of the piece */
    copied *copies;
    size_t count;
    size_t capacity;
    size_t position;
    rsi_bytes told;
    char version[RSI_VERSION_SIZE];
};

/* ---- reading ---- */

static int keep_copy(rsi_cursor *cursor, const char *json, size_t size)
{
    if (!rsi_grow((void **)&cursor->copies, &cursor->capacity, cursor->count + 1,
                  sizeof *cursor->copies))
        return RAGSTORE_E_NO_MEMORY;
    cursor->copies[cursor->count] = (copied){cursor->texts.size, size};
    rsi_bytes_append(&cursor->texts, json, size);
    cursor->count++;
    return rsi_bytes_status(&cursor->texts);
}

static int take_record(void *user, const char *key, const char *json, size_t size)
{
    rsi_cursor *cursor = user;
    bool matched;
    (void)key;
    int status = rsi_store_check_interrupt(cursor->collection.store, cursor->epoch);
    if (status == RAGSTORE_OK)
        status = rsi_predicate_match(&matched, cursor->predicate, json, size);
    if (status != RAGSTORE_OK || !matched)
        return status;
    if (cursor->sorter != NULL)
        return rsi_sorter_add(cursor->sorter, json, size);
    if (cursor->skip > 0) {
        cursor->skip--;
        return RAGSTORE_OK;
    }
    if (cursor->left == 0)
        return 1;
    status = keep_copy(cursor, json, size);
    if (cursor->left != UINT64_MAX)
        cursor->left--;
    if (status != RAGSTORE_OK || cursor->left == 0)
        return status == RAGSTORE_OK ? 1 : status;
    return !cursor->reads_all &&
           (cursor->count >= PIECE_DOCUMENTS || cursor->texts.size >= PIECE_BYTES);
}

/* Read until there is something to tell, or everything. */
static int read_on(rsi_cursor *cursor)
{
    int status = RAGSTORE_OK;
    cursor->epoch = rsi_store_epoch(cursor->collection.store);
    cursor->count = 0;
    cursor->position = 0;
    rsi_bytes_clear(&cursor->texts);
    while (status >= RAGSTORE_OK && !cursor->walk.ended && cursor->left > 0 &&
           (cursor->count == 0 || cursor->reads_all))
        status =
            rsi_walk_step(&cursor->walk, &cursor->collection, RSI_WALK_PIECE, take_record, cursor);
    return status < 0 ? status : RAGSTORE_OK;
}

/* ---- opening ---- */

static int compile_sort(rsi_cursor *cursor, const rsi_find_options *options)
{
    size_t limit = 0; /* what is skipped is sorted, too */
    if (options->sort == NULL)
        return RAGSTORE_OK;
    int status = rsi_ordering_compile_text(&cursor->ordering, options->sort, strlen(options->sort));
    if (options->limit > 0 && !rsi_add_size(options->limit, options->skip, &limit))
        limit = 0;
    if (status == RAGSTORE_OK)
        status = rsi_sorter_new(&cursor->sorter, cursor->ordering, limit, RSI_SORT_BYTES_MAX);
    return rsi_wrap(status, "sort");
}

static int compile(rsi_cursor *cursor, const char *filter, const rsi_find_options *options)
{
    int status = rsi_filter_compile(&cursor->predicate, filter);
    if (status == RAGSTORE_OK && options->projection != NULL)
        status = rsi_wrap(rsi_projection_compile_text(&cursor->projection, options->projection,
                                                      strlen(options->projection)),
                          "projection");
    return status == RAGSTORE_OK ? compile_sort(cursor, options) : status;
}

int rsi_cursor_open(rsi_cursor **out, const rsi_collection *collection, const char *filter,
                    const rsi_find_options *options)
{
    *out = NULL;
    rsi_cursor *cursor = rsi_alloc_zeroed(sizeof *cursor);
    if (cursor == NULL)
        return RAGSTORE_E_NO_MEMORY;
    cursor->collection = *collection;
    cursor->skip = options->skip;
    cursor->left = options->limit == 0 ? UINT64_MAX : options->limit;
    int status = compile(cursor, filter, options);
    if (status == RAGSTORE_OK)
        status = rsi_walk_begin(&cursor->walk, collection, cursor->predicate);
    cursor->reads_all = cursor->sorter != NULL || rsi_tx_is_open(collection->store->storage);
    if (status == RAGSTORE_OK)
        status = read_on(cursor);
    if (status != RAGSTORE_OK) {
        rsi_cursor_free(cursor);
        return status;
    }
    *out = cursor;
    return RAGSTORE_OK;
}

void rsi_cursor_free(rsi_cursor *cursor)
{
    if (cursor == NULL)
        return;
    rsi_walk_end(&cursor->walk);
    rsi_sorter_free(cursor->sorter);
    rsi_ordering_free(cursor->ordering);
    rsi_projection_free(cursor->projection);
    rsi_predicate_free(cursor->predicate);
    rsi_bytes_free(&cursor->texts);
    rsi_bytes_free(&cursor->told);
    rsi_free(cursor->copies);
    rsi_free(cursor);
}

/* ---- documents that were worked out ---- */

int rsi_cursor_empty(rsi_cursor **out, const rsi_collection *collection)
{
    rsi_cursor *cursor = rsi_alloc_zeroed(sizeof *cursor);
    *out = cursor;
    if (cursor == NULL)
        return RAGSTORE_E_NO_MEMORY;
    cursor->collection = *collection;
    cursor->walk.ended = true;
    return RAGSTORE_OK;
}

int rsi_cursor_put(rsi_cursor *cursor, const char *json, size_t size)
{
    if (cursor->texts.size + size > RSI_SORT_BYTES_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "collections",
                        "more than %zu bytes come out; add a $limit or a $project",
                        RSI_SORT_BYTES_MAX);
    return keep_copy(cursor, json, size);
}

/* ---- telling ---- */

static int next_stored(rsi_slice *text, rsi_cursor *cursor)
{
    int status = RAGSTORE_OK;
    *text = (rsi_slice){NULL, 0};
    if (cursor->sorter != NULL) {
        while (cursor->skip > 0 && rsi_sorter_next(cursor->sorter, text))
            cursor->skip--;
        *text = (rsi_slice){NULL, 0};
        if (cursor->left == 0 || !rsi_sorter_next(cursor->sorter, text))
            *text = (rsi_slice){NULL, 0};
        else if (cursor->left != UINT64_MAX)
            cursor->left--;
        return RAGSTORE_OK;
    }
    if (cursor->position == cursor->count)
        status = read_on(cursor);
    if (status == RAGSTORE_OK && cursor->position < cursor->count) {
        const copied *copy = &cursor->copies[cursor->position++];
        *text = (rsi_slice){cursor->texts.data + copy->offset, copy->size};
    }
    return status;
}

int rsi_cursor_next(rsi_slice *text, rsi_cursor *cursor)
{
    rsi_slice stored;
    *text = (rsi_slice){NULL, 0};
    cursor->version[0] = '\0';
    rsi_bytes_clear(&cursor->told);
    int status = next_stored(&stored, cursor);
    if (status != RAGSTORE_OK || stored.data == NULL)
        return status;
    if (cursor->projection == NULL) {
        rsi_bytes_append(&cursor->told, stored.data, stored.size);
    } else {
        rsi_json_view document;
        status = rsi_json_view_of_text(&document, stored.data, stored.size);
        if (status == RAGSTORE_OK)
            status = rsi_projection_write(&cursor->told, cursor->projection, &document);
    }
    if (status == RAGSTORE_OK)
        status = rsi_bytes_status(&cursor->told);
    if (status != RAGSTORE_OK)
        return status;
    if (cursor->predicate != NULL)
        rsi_document_version(cursor->version, stored.data, stored.size);
    *text = (rsi_slice){cursor->told.data, cursor->told.size};
    return RAGSTORE_OK;
}

const char *rsi_cursor_version(const rsi_cursor *cursor)
{
    return cursor->version;
}

/* ---- counting ---- */

typedef struct counting {
    const rsi_store *store;
    const rsi_predicate *predicate;
    uint64_t epoch;
    uint64_t count;
} counting;

static int count_record(void *user, const char *key, const char *json, size_t size)
{
    counting *tally = user;
    bool matched;
    (void)key;
    int status = rsi_store_check_interrupt(tally->store, tally->epoch);
    if (status == RAGSTORE_OK)
        status = rsi_predicate_match(&matched, tally->predicate, json, size);
    if (status == RAGSTORE_OK && matched)
        tally->count++;
    return status;
}

int rsi_collection_count(uint64_t *count, const rsi_collection *collection, const char *filter)
{
    rsi_predicate *predicate;
    *count = 0;
    if (filter == NULL) {
        *count = rsi_storage_count(collection->store->storage, collection->space);
        return RAGSTORE_OK;
    }
    int status = rsi_filter_compile(&predicate, filter);
    if (status != RAGSTORE_OK)
        return status;
    counting tally = {collection->store, predicate, rsi_store_epoch(collection->store), 0};
    status = rsi_walk_all(collection, predicate, count_record, &tally);
    rsi_predicate_free(predicate);
    if (status == RAGSTORE_OK)
        *count = tally.count;
    return status;
}
