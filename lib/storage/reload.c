/*
 * Reading an open store again, from its files: when a follower cannot go on from where it is, and
 * when a process that wrote has died halfway.
 *
 *   scratch storage  ── opened as any other would ──►  tables, journal, manifest
 *        │ recover: the valid tail is copied and flushed, files half replaced are written again
 *        ▼
 *   the open one     takes over what differs; readers go on before and after, watchers are told
 *
 * Called by follow.c with follow_mutex held; `recover` by the owner of the writer byte only.
 */
#include "storage/storage_internal.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

/* ---- places ---- */

/* Walks that readers have begun go on. Reads the keys of all records; nobody changes a table
 * here. */
static int keep_orders(rsi_storage *storage, rsi_storage *fresh)
{
    size_t position = 0;
    rsi_slice name;
    void *value;
    pthread_rwlock_rdlock(&storage->state);
    int status = rsi_table_keep_orders(&fresh->entities.table, &storage->entities.table);
    if (status == RAGSTORE_OK)
        status = rsi_table_keep_orders(&fresh->sessions.table, &storage->sessions.table);
    while (status == RAGSTORE_OK && rsi_map_next(&fresh->collections, &position, &name, &value)) {
        const rsi_space *old = rsi_map_get(&storage->collections, name.data, name.size);
        if (old != NULL)
            status = rsi_table_keep_orders(&((rsi_space *)value)->table, &old->table);
    }
    pthread_rwlock_unlock(&storage->state);
    return status;
}

/* ---- taking over, under the state lock held exclusively ---- */

static int take_space(rsi_space *space, rsi_space *fresh)
{
    int status = rsi_table_replace(&space->table, &fresh->table);
    if (status != RAGSTORE_OK)
        return status;
    space->base_sequence = fresh->base_sequence;
    space->last_sequence = fresh->last_sequence;
    space->edited = fresh->edited;
    space->must_write = fresh->must_write;
    return RAGSTORE_OK;
}

static int take_collections(rsi_storage *storage, rsi_storage *fresh)
{
    size_t position = 0;
    rsi_slice name;
    void *value;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && rsi_map_next(&fresh->collections, &position, &name, &value))
        if (rsi_collection_space_of(storage, name.data) == NULL)
            status = rsi_error_code();
    position = 0;
    while (status == RAGSTORE_OK &&
           rsi_map_next(&storage->collections, &position, &name, &value)) {
        rsi_space nothing = {0};
        rsi_space *other = rsi_map_get(&fresh->collections, name.data, name.size);
        status = take_space(value, other == NULL ? &nothing : other);
        rsi_table_free(&nothing.table);
    }
    return status;
}

/* Chunks are read from the files again when somebody needs them. */
static void take_chunks(rsi_storage *storage, rsi_storage *fresh)
{
    const rsi_map old = storage->chunks;
    storage->chunks = fresh->chunks;
    fresh->chunks = old;
}

static void take_rest(rsi_storage *storage, rsi_storage *fresh)
{
    rsi_file *journal = storage->journal.file;
    const rsi_manifest manifest = storage->manifest;
    const rsi_candidates candidates = storage->candidates;
    rsi_segments *segments = storage->segments;
    const rsi_map vector_places = storage->vector_places;
    storage->journal = fresh->journal;
    storage->manifest = fresh->manifest;
    storage->candidates = fresh->candidates;
    storage->seen = fresh->seen;
    storage->needs_flush = fresh->needs_flush;
    storage->journal_begin = fresh->journal_begin;
    storage->first_read = fresh->first_read;
    storage->reloads++;
    storage->keeps_journals = storage->keeps_journals || fresh->keeps_journals;
    storage->segments = fresh->segments; /* those of its tables */
    fresh->segments = segments;
    fresh->journal.file = journal;
    fresh->manifest = manifest;
    fresh->candidates = candidates;
    storage->vector_places = fresh->vector_places;
    fresh->vector_places = vector_places;
}

static int take_over(rsi_storage *storage, rsi_storage *fresh)
{
    pthread_rwlock_wrlock(&storage->state);
    int status = take_space(&storage->entities, &fresh->entities);
    if (status == RAGSTORE_OK)
        status = take_space(&storage->sessions, &fresh->sessions);
    if (status == RAGSTORE_OK)
        status = take_collections(storage, fresh);
    if (status == RAGSTORE_OK) {
        take_chunks(storage, fresh);
        take_rest(storage, fresh);
    }
    pthread_rwlock_unlock(&storage->state);
    return status;
}

/* ---- reading ---- */

int rsi_storage_reload(rsi_storage *storage, bool recover)
{
    rsi_storage *fresh;
    rsi_storage_options options = storage->options;
    options.keep_lease = false;
    options.followed = NULL;
    int status = rsi_storage_make(&fresh, &options);
    if (status != RAGSTORE_OK)
        return status;
    fresh->root = storage->root;
    fresh->hint = recover ? NULL : storage->hint;
    fresh->is_beside = true;
    fresh->was_unclean = recover;
    fresh->attachment.is_single = true; /* the byte is ours, or nothing is written */
    status = recover ? rsi_storage_recover(fresh) : rsi_storage_load(fresh);
    if (status == RAGSTORE_OK)
        status = keep_orders(storage, fresh);
    if (status == RAGSTORE_OK)
        status = take_over(storage, fresh);
    if (status == RAGSTORE_OK) {
        pthread_mutex_lock(&storage->mutex);
        const rsi_work_list old = storage->foreign;
        storage->foreign = fresh->foreign;
        fresh->foreign = old;
        const rsi_row_files written = storage->row_files;
        storage->row_files = fresh->row_files;
        fresh->row_files = written;
        pthread_mutex_unlock(&storage->mutex);
    }
    rsi_saved_error error;
    rsi_error_save(&error);
    fresh->hint = NULL;
    fresh->root = NULL;
    rsi_storage_free(fresh);
    rsi_error_restore(&error);
    return rsi_wrap(status, recover ? "make safe what another process left" : "read again");
}
