/* Which indexes there are, filling them, keeping them in step: see collection_index.h. */
#include "collections/collection_index.h"

#include "base/memory.h"
#include "base/status.h"
#include "query/field_path.h"

#include <string.h>

static void empty_index(rsi_index *index)
{
    rsi_ordered_keys_free(&index->keys);
    index->is_filled = false;
    index->is_ready = false;
    index->has_several = false;
}

static void free_indexes(void *user)
{
    rsi_indexes *indexes = user;
    for (size_t i = 0; i < indexes->count; i++) {
        empty_index(&indexes->items[i]);
        rsi_free(indexes->items[i].path);
    }
    rsi_free(indexes->items);
    pthread_rwlock_destroy(&indexes->lock);
    pthread_mutex_destroy(&indexes->building);
    rsi_free(indexes);
}

/* ---- in step with the documents ---- */

typedef struct key_change {
    rsi_index *index;
    uint64_t order;
    size_t keys;
    bool adds;
} key_change;

static int change_key(void *user, const char *key, size_t size)
{
    key_change *change = user;
    const rsi_slice slice = {key, size};
    change->keys++;
    if (change->adds)
        return rsi_ordered_keys_add(&change->index->keys, slice, change->order);
    rsi_ordered_keys_remove(&change->index->keys, slice, change->order);
    return RAGSTORE_OK;
}

static int change_keys(rsi_index *index, uint64_t order, const char *json, size_t size, bool adds)
{
    key_change change = {index, order, 0, adds};
    rsi_json_view document;
    if (json == NULL)
        return RAGSTORE_OK;
    int status = rsi_json_view_of_text(&document, json, size);
    if (status == RAGSTORE_OK)
        status =
            rsi_field_keys(index->path, strlen(index->path), &document, change_key, &change);
    if (adds && change.keys > 1)
        index->has_several = true;
    return status;
}

static void follow(void *user, uint64_t order, const char *old_json, size_t old_size,
                   const char *new_json, size_t new_size)
{
    rsi_indexes *indexes = user;
    rsi_saved_error error;
    rsi_error_save(&error);
    pthread_rwlock_wrlock(&indexes->lock);
    for (size_t i = 0; i < indexes->count; i++) {
        rsi_index *index = &indexes->items[i];
        if (!index->is_filled)
            continue;
        if (order == RSI_ORDER_ALL) {
            empty_index(index);
            continue;
        }
        int status = change_keys(index, order, old_json, old_size, false);
        if (status == RAGSTORE_OK)
            status = change_keys(index, order, new_json, new_size, true);
        if (status != RAGSTORE_OK)
            empty_index(index);
    }
    pthread_rwlock_unlock(&indexes->lock);
    rsi_error_restore(&error);
}

/* ---- which there are may change ---- */

static void count_change(void *user, uint64_t order, const char *old_json, size_t old_size,
                         const char *new_json, size_t new_size)
{
    (void)order;
    (void)old_json;
    (void)old_size;
    (void)new_json;
    (void)new_size;
    __atomic_add_fetch((uint64_t *)user, 1, __ATOMIC_RELEASE);
}

/* The number of changes of the definitions, which is kept from the first collection on. */
static int watch_definitions(const uint64_t **changes, rsi_storage *storage)
{
    const char *space;
    int status = rsi_storage_collection(&space, storage, RSI_INDEX_DEFINITIONS);
    if (status != RAGSTORE_OK)
        return status;
    void *counter = rsi_storage_watcher(storage, space);
    if (counter == NULL) {
        counter = rsi_alloc_zeroed(sizeof(uint64_t));
        if (counter == NULL)
            return RAGSTORE_E_NO_MEMORY;
        status = rsi_storage_watch(&counter, storage, space, count_change, rsi_free);
    }
    *changes = counter;
    return status;
}

int rsi_indexes_attach(rsi_collection *collection)
{
    rsi_storage *storage = collection->store->storage;
    const uint64_t *changes;
    void *indexes = rsi_storage_watcher(storage, collection->space);
    int status = watch_definitions(&changes, storage);
    if (status == RAGSTORE_OK && indexes == NULL) {
        rsi_indexes *made = rsi_alloc_zeroed(sizeof *made);
        if (made == NULL)
            return RAGSTORE_E_NO_MEMORY;
        made->is_stale = true;
        made->changes = changes;
        if (pthread_rwlock_init(&made->lock, NULL) != 0 ||
            pthread_mutex_init(&made->building, NULL) != 0) {
            rsi_free(made);
            return rsi_fail_no_memory();
        }
        indexes = made;
        status = rsi_storage_watch(&indexes, storage, collection->space, follow, free_indexes);
    }
    collection->indexes = indexes;
    return status;
}

/* ---- filling ---- */

typedef struct filling {
    const rsi_collection *collection;
    const char *path;
    uint64_t epoch;
} filling;

static rsi_index *find_index(rsi_indexes *indexes, const char *path)
{
    for (size_t i = 0; i < indexes->count; i++)
        if (strcmp(indexes->items[i].path, path) == 0)
            return &indexes->items[i];
    return NULL;
}

static int fill_record(void *user, uint64_t order, const char *json, size_t size)
{
    const filling *fill = user;
    rsi_indexes *indexes = fill->collection->indexes;
    int status = rsi_store_check_interrupt(fill->collection->store, fill->epoch);
    if (status != RAGSTORE_OK)
        return status;
    pthread_rwlock_wrlock(&indexes->lock);
    rsi_index *index = find_index(indexes, fill->path);
    if (index != NULL && index->is_filled)
        status = change_keys(index, order, json, size, true);
    pthread_rwlock_unlock(&indexes->lock);
    return status;
}

/* With `building` locked. */
static int fill_index(const rsi_collection *collection, const char *path)
{
    rsi_indexes *indexes = collection->indexes;
    const filling fill = {collection, path, rsi_store_epoch(collection->store)};
    pthread_rwlock_wrlock(&indexes->lock);
    find_index(indexes, path)->is_filled = true;
    pthread_rwlock_unlock(&indexes->lock);
    int status = rsi_storage_each_committed(collection->store->storage, collection->space,
                                            fill_record, (void *)(uintptr_t)&fill);
    pthread_rwlock_wrlock(&indexes->lock);
    rsi_index *index = find_index(indexes, path);
    if (status != RAGSTORE_OK)
        empty_index(index);
    else
        index->is_ready = index->is_filled; /* not when the watcher had to give it up */
    pthread_rwlock_unlock(&indexes->lock);
    return status;
}

/* ---- definitions ---- */

/* The record of a collection, or NULL when it has no indexes. */
static int read_definitions(rsi_json **out, const rsi_collection *collection)
{
    rsi_bytes json = {0};
    *out = NULL;
    int status = rsi_storage_get(&json, collection->store->storage,
                                 RSI_SPACE_COLLECTIONS RSI_INDEX_DEFINITIONS, collection->name);
    if (status == RAGSTORE_OK)
        status = rsi_json_parse(out, json.data, json.size, RSI_JSON_DEPTH_STORED);
    rsi_bytes_free(&json);
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
}

static bool has_path(const rsi_json *paths, const char *path)
{
    for (size_t i = 0; i < rsi_json_count(paths); i++) {
        const char *given = rsi_json_text(rsi_json_at(paths, i));
        if (given != NULL && strcmp(given, path) == 0)
            return true;
    }
    return false;
}

static int adopt_paths_locked(rsi_indexes *indexes, const rsi_json *paths)
{
    size_t kept = 0;
    for (size_t i = 0; i < indexes->count; i++) {
        if (has_path(paths, indexes->items[i].path)) {
            indexes->items[kept++] = indexes->items[i];
        } else {
            empty_index(&indexes->items[i]);
            rsi_free(indexes->items[i].path);
        }
    }
    indexes->count = kept;
    for (size_t i = 0; i < rsi_json_count(paths) && indexes->count < RSI_INDEXES_MAX; i++) {
        const char *path = rsi_json_text(rsi_json_at(paths, i));
        if (path == NULL || find_index(indexes, path) != NULL)
            continue;
        if (!rsi_grow((void **)&indexes->items, &indexes->capacity, indexes->count + 1,
                      sizeof *indexes->items))
            return RAGSTORE_E_NO_MEMORY;
        char *copy = rsi_strdup(path);
        if (copy == NULL)
            return RAGSTORE_E_NO_MEMORY;
        indexes->items[indexes->count++] = (rsi_index){.path = copy};
    }
    return RAGSTORE_OK;
}

/* With `building` locked: what is committed decides which indexes there are. */
static int look_for_definitions(const rsi_collection *collection)
{
    rsi_indexes *indexes = collection->indexes;
    rsi_storage *storage = collection->store->storage;
    rsi_json *record;
    const uint64_t changes = __atomic_load_n(indexes->changes, __ATOMIC_ACQUIRE);
    if (!__atomic_exchange_n(&indexes->is_stale, false, __ATOMIC_ACQ_REL) &&
        changes == indexes->seen_changes)
        return RAGSTORE_OK;
    __atomic_store_n(&indexes->seen_changes, changes, __ATOMIC_RELAXED);
    rsi_tx_hide(storage, true);
    int status = read_definitions(&record, collection);
    rsi_tx_hide(storage, false);
    if (status == RAGSTORE_OK) {
        pthread_rwlock_wrlock(&indexes->lock);
        status = adopt_paths_locked(indexes, rsi_json_get(record, "paths"));
        pthread_rwlock_unlock(&indexes->lock);
    }
    rsi_json_free(record);
    if (status != RAGSTORE_OK)
        __atomic_store_n(&indexes->is_stale, true, __ATOMIC_RELEASE);
    return status;
}

/* Does the predicate say anything about the field? */
static int is_wanted(bool *wanted, const char *path, const rsi_predicate *predicate)
{
    rsi_constraint constraint;
    int status =
        rsi_predicate_constraint(&constraint, predicate, path, strlen(path), true);
    *wanted = status == RAGSTORE_OK && constraint.kind != RSI_CONSTRAINT_NONE;
    rsi_constraint_free(&constraint);
    return status;
}

static bool all_ready(rsi_indexes *indexes)
{
    bool ready = true;
    pthread_rwlock_rdlock(&indexes->lock);
    for (size_t i = 0; ready && i < indexes->count; i++)
        ready = indexes->items[i].is_ready;
    pthread_rwlock_unlock(&indexes->lock);
    return ready;
}

int rsi_indexes_prepare(const rsi_collection *collection, const rsi_predicate *predicate)
{
    rsi_indexes *indexes = collection->indexes;
    if (!__atomic_load_n(&indexes->is_stale, __ATOMIC_ACQUIRE) &&
        __atomic_load_n(indexes->changes, __ATOMIC_ACQUIRE) ==
            __atomic_load_n(&indexes->seen_changes, __ATOMIC_RELAXED) &&
        all_ready(indexes))
        return RAGSTORE_OK;
    pthread_mutex_lock(&indexes->building);
    int status = look_for_definitions(collection);
    for (size_t i = 0; status == RAGSTORE_OK && i < indexes->count; i++) {
        const rsi_index *index = &indexes->items[i]; /* comes and goes with `building` only */
        bool wanted = false;
        pthread_rwlock_rdlock(&indexes->lock);
        const bool is_ready = index->is_ready;
        pthread_rwlock_unlock(&indexes->lock);
        if (!is_ready)
            status = is_wanted(&wanted, index->path, predicate);
        if (wanted)
            status = fill_index(collection, index->path);
    }
    pthread_mutex_unlock(&indexes->building);
    return status;
}

/* ---- changing the definitions ---- */

static void mark_stale(void *user, bool committed)
{
    rsi_indexes *indexes = user;
    (void)committed;
    __atomic_store_n(&indexes->is_stale, true, __ATOMIC_RELEASE);
}

static int check_path(const char *path)
{
    rsi_field_path made;
    if (path[0] == '\0' || path[0] == '$')
        return rsi_fail(RAGSTORE_E_QUERY, "collections", "\"%s\" is no path to a field", path);
    if (strcmp(path, "_id") == 0)
        return rsi_fail(RAGSTORE_E_EXISTS, "collections",
                        "documents are found by their _id anyway");
    int status = rsi_field_path_make(&made, path, strlen(path));
    if (status == RAGSTORE_OK)
        rsi_field_path_free(&made);
    return status;
}

/* The record with one path more or less. */
static int write_definitions(rsi_tx *tx, const rsi_collection *collection, const char *path,
                             bool adds)
{
    rsi_json *record;
    rsi_bytes text = {0};
    rsi_json_writer writer = rsi_json_writer_of(&text);
    int status = read_definitions(&record, collection);
    if (status != RAGSTORE_OK)
        return status;
    const rsi_json *paths = rsi_json_get(record, "paths");
    if (has_path(paths, path) == adds)
        status = adds ? rsi_fail(RAGSTORE_E_EXISTS, "collections", "\"%s\" has an index", path)
                      : rsi_fail(RAGSTORE_E_NOT_FOUND, "collections", "\"%s\" has no index", path);
    else if (adds && rsi_json_count(paths) >= RSI_INDEXES_MAX)
        status = rsi_fail(RAGSTORE_E_TOO_LARGE, "collections",
                          "a collection has at most %d indexes", RSI_INDEXES_MAX);
    rsi_json_begin_object(&writer);
    rsi_json_put_text(&writer, "_id", collection->name);
    rsi_json_key(&writer, "paths");
    rsi_json_begin_array(&writer);
    for (size_t i = 0; i < rsi_json_count(paths); i++) {
        const char *given = rsi_json_text(rsi_json_at(paths, i));
        if (given != NULL && strcmp(given, path) != 0)
            rsi_json_text_value(&writer, given, strlen(given));
    }
    if (adds)
        rsi_json_text_value(&writer, path, strlen(path));
    rsi_json_end_array(&writer);
    rsi_json_end_object(&writer);
    rsi_json_free(record);
    if (status == RAGSTORE_OK)
        status = rsi_bytes_status(&text);
    if (status == RAGSTORE_OK)
        status = rsi_tx_put(tx, RSI_SPACE_COLLECTIONS RSI_INDEX_DEFINITIONS, collection->name,
                            text.data, text.size);
    rsi_bytes_free(&text);
    return status;
}

int rsi_collection_index(const rsi_collection *collection, const char *path, bool adds)
{
    rsi_tx *tx;
    int status = rsi_collection_check_writable(collection);
    if (status == RAGSTORE_OK && adds)
        status = check_path(path);
    if (status == RAGSTORE_OK)
        status = rsi_tx_begin(&tx, collection->store->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = write_definitions(tx, collection, path, adds);
    if (status == RAGSTORE_OK)
        status = rsi_tx_on_end(tx, mark_stale, collection->indexes);
    if (status == RAGSTORE_OK)
        return rsi_tx_commit(tx);
    rsi_tx_abort(tx);
    return status;
}

int rsi_collection_index_list(rsi_bytes *out, const rsi_collection *collection)
{
    rsi_json *record = NULL;
    rsi_json_writer writer = rsi_json_writer_of(out);
    int status = collection->is_read_only ? RAGSTORE_OK : read_definitions(&record, collection);
    const rsi_json *paths = rsi_json_get(record, "paths");
    rsi_json_begin_array(&writer);
    for (size_t i = 0; i < rsi_json_count(paths); i++) {
        rsi_json_begin_object(&writer);
        rsi_json_put_value(&writer, "path", rsi_json_at(paths, i));
        rsi_json_end_object(&writer);
    }
    rsi_json_end_array(&writer);
    rsi_json_free(record);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}
