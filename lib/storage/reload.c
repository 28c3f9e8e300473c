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

/* ---- taking over, under the state lock held exclusively ---- */

static bool has_same_value(const rsi_record *a, const rsi_record *b)
{
    return a->json != NULL && b->json != NULL && a->size == b->size &&
           memcmp(a->json, b->json, a->size) == 0;
}

static void swap_rows(rsi_record *a, rsi_record *b)
{
    const rsi_record old = *a;
    a->rows = b->rows;
    a->row_count = b->row_count;
    a->row_capacity = b->row_capacity;
    b->rows = old.rows;
    b->row_count = old.row_count;
    b->row_capacity = old.row_capacity;
}

/* Records that are not there any more. */
static void drop_others(rsi_table *table, const rsi_table *fresh)
{
    size_t position = 0;
    void *value;
    while (rsi_map_next(&table->records, &position, NULL, &value)) {
        rsi_record *record = value;
        if (rsi_table_find(fresh, record->key) == NULL)
            rsi_table_drop(table, record);
    }
}

static int take_records(rsi_table *table, const rsi_table *fresh)
{
    rsi_record **records;
    size_t count;
    int status = rsi_table_sorted(&records, &count, fresh);
    drop_others(table, fresh);
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        rsi_record *record = rsi_table_place(table, records[i]->key);
        if (record == NULL) {
            status = RAGSTORE_E_NO_MEMORY;
            break;
        }
        if (!has_same_value(record, records[i])) {
            rsi_table_set(table, record, records[i]->json, records[i]->size);
            records[i]->json = NULL;
        }
        swap_rows(record, records[i]);
    }
    rsi_free(records);
    return status;
}

static int take_space(rsi_space *space, const rsi_space *fresh)
{
    space->base_sequence = fresh->base_sequence;
    space->last_sequence = fresh->last_sequence;
    space->edited = fresh->edited;
    space->must_write = fresh->must_write;
    return take_records(&space->table, &fresh->table);
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
        static const rsi_space nothing = {0};
        const rsi_space *other = rsi_map_get(&fresh->collections, name.data, name.size);
        status = take_space(value, other == NULL ? &nothing : other);
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
    storage->journal = fresh->journal;
    storage->manifest = fresh->manifest;
    storage->candidates = fresh->candidates;
    storage->seen = fresh->seen;
    storage->needs_flush = fresh->needs_flush;
    fresh->journal.file = journal;
    fresh->manifest = manifest;
    fresh->candidates = candidates;
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
        status = take_over(storage, fresh);
    if (status == RAGSTORE_OK) {
        rsi_work_list_free(&storage->foreign);
        storage->foreign = fresh->foreign;
        fresh->foreign = (rsi_work_list){0};
    }
    rsi_saved_error error;
    rsi_error_save(&error);
    fresh->hint = NULL;
    fresh->root = NULL;
    rsi_storage_free(fresh);
    rsi_error_restore(&error);
    return rsi_wrap(status, recover ? "make safe what another process left" : "read again");
}
