/*
 * Checkpoint: the JSON files are brought up to the journal's end, and a new journal begins.
 *
 *   1  write what changed to temporaries, flush them
 *   2  begin journal N+1 with a record of each file's old and new digest, flush it
 *   3  rename the temporaries, flush the directories
 *   4  write the entity files, then the manifest
 *   5  remove journals that are older than N and older than 15 minutes
 *
 * Cut short before 2 it never happened; after 2 each file is good in its old and in its new form.
 * Runs under the writer lock; readers go on.
 */
#include "storage/storage_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "json/json.h"
#include "storage/tx.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define KEEP_JOURNAL_SECONDS (15 * 60)

typedef struct target {
    rsi_space *space;
    rsi_path path;
    rsi_path temporary; /* empty: the file stays as it is */
    rsi_file_state old;
    rsi_file_state new;
    char incarnation[RSI_INCARNATION_HEX]; /* of a chunk file's entity */
} target;

typedef struct checkpoint {
    rsi_storage *storage;
    uint64_t base_sequence;
    target *targets;
    size_t count;
    size_t capacity;
    bool incomplete; /* an entity's chunks cannot be read: its commits must stay in the journals */
} checkpoint;

static bool is_dirty(const rsi_space *space)
{
    return space->must_write || space->last_sequence > space->base_sequence;
}

/* Chunks of an entity that has been deleted have no file any more. */
static bool is_dirty_chunk_file(const rsi_storage *storage, const rsi_space *space)
{
    return is_dirty(space) && rsi_table_find(&storage->entities.table, space->entity_id) != NULL;
}

static bool has_work_locked(rsi_storage *storage)
{
    size_t position = 0;
    void *space;
    if (is_dirty(&storage->entities) || is_dirty(&storage->sessions))
        return true;
    while (rsi_map_next(&storage->collections, &position, NULL, &space))
        if (is_dirty(space))
            return true;
    position = 0;
    while (rsi_map_next(&storage->chunks, &position, NULL, &space))
        if (is_dirty_chunk_file(storage, space) && ((const rsi_space *)space)->damage == NULL)
            return true;
    return false;
}

bool rsi_checkpoint_has_work(rsi_storage *storage)
{
    pthread_rwlock_rdlock(&storage->state);
    bool has_work = has_work_locked(storage);
    pthread_rwlock_unlock(&storage->state);
    return has_work;
}

/* ---- 1: temporaries ---- */

static int write_temporary(rsi_root *root, target *at, const rsi_bytes *text)
{
    char random[17];
    const char *slash = strrchr(at->path.text, '/');
    int status = rsi_random_hex(random, 16);
    if (status != RAGSTORE_OK)
        return status;
    snprintf(at->temporary.text, sizeof at->temporary.text, "%.*s/.tmp-%s",
             (int)(slash - at->path.text), at->path.text, random);
    rsi_file *file;
    status = rsi_file_open(&file, root, at->temporary.text,
                           RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
    if (status != RAGSTORE_OK) {
        at->temporary.text[0] = '\0';
        return status;
    }
    status = rsi_file_write_at(file, text->data, text->size, 0);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(file);
    int closed = rsi_file_close(file);
    return status == RAGSTORE_OK ? closed : status;
}

static int encode_target(rsi_bytes *text, const target *at)
{
    const rsi_space *space = at->space;
    if (space->entity_id == NULL)
        return rsi_snapshot_encode(text, &space->table, space->layout);
    static const rsi_record nothing = {0};
    const rsi_record *record = rsi_table_find(&space->table, space->entity_id);
    return rsi_snapshot_encode_rows(text, record == NULL ? &nothing : record);
}

static int write_target(const checkpoint *point, target *at)
{
    rsi_bytes text = {0};
    at->new = at->old;
    at->new.base_sequence = point->base_sequence;
    if (!is_dirty(at->space) && at->old.known)
        return RAGSTORE_OK; /* a file that nobody wrote down is written, or the manifest is not valid */
    int status = encode_target(&text, at);
    if (status == RAGSTORE_OK)
        status = write_temporary(point->storage->root, at, &text);
    if (status == RAGSTORE_OK) {
        at->new.known = true;
        at->new.size = text.size;
        rsi_sha256_hex(text.data, text.size, at->new.sha256);
    }
    rsi_bytes_free(&text);
    return rsi_wrap(status, "write %s", at->path.text);
}

static int add_target(checkpoint *point, rsi_space *space, const char *path,
                      const rsi_file_state *old)
{
    if (!rsi_grow((void **)&point->targets, &point->capacity, point->count + 1,
                  sizeof *point->targets))
        return RAGSTORE_E_NO_MEMORY;
    target *at = &point->targets[point->count++];
    memset(at, 0, sizeof *at);
    at->space = space;
    at->old = *old;
    snprintf(at->path.text, sizeof at->path.text, "%s", path);
    return RAGSTORE_OK;
}

/* An entity's chunk file. One whose chunks cannot be read is left alone. */
static int add_chunk_target(checkpoint *point, rsi_space *space)
{
    rsi_storage *storage = point->storage;
    rsi_entity_file file;
    if (!is_dirty_chunk_file(storage, space))
        return RAGSTORE_OK;
    pthread_rwlock_wrlock(&storage->state);
    int status = rsi_space_load_locked(storage, space);
    pthread_rwlock_unlock(&storage->state);
    if (status == RAGSTORE_E_DAMAGED) {
        point->incomplete = true;
        rsi_storage_log(storage, RAGSTORE_LOG_ERROR, "entity \"%s\" is left out: %s",
                        space->entity_id, rsi_error_message());
        return RAGSTORE_OK;
    }
    if (status == RAGSTORE_OK)
        status = rsi_entity_file_read(&file, storage->root, space->entity_id);
    if (status != RAGSTORE_OK)
        return status;
    rsi_path directory = rsi_path_entity(space->entity_id);
    rsi_path path = rsi_path_in_entity(space->entity_id, "chunk_metadata.json");
    status = rsi_directory_make(storage->root, directory.text);
    if (status == RAGSTORE_OK)
        status = add_target(point, space, path.text, &file.chunks);
    if (status == RAGSTORE_OK)
        status = rsi_entity_incarnation(point->targets[point->count - 1].incarnation, storage,
                                        space->entity_id);
    return status;
}

/* A collection's file: one that is there already takes part even when it stays as it is, so that
 * its base goes on with the others'. */
static int add_collection_target(checkpoint *point, rsi_space *space)
{
    static const rsi_file_state unknown = {0};
    rsi_storage *storage = point->storage;
    rsi_path path = rsi_space_path(space);
    const rsi_file_state *state = rsi_candidates_last(&storage->manifest.collections, path.text);
    if (state == NULL && !is_dirty(space))
        return RAGSTORE_OK;
    int status = rsi_directory_make(storage->root, RSI_PATH_COLLECTIONS);
    if (status == RAGSTORE_OK)
        status = add_target(point, space, path.text, state == NULL ? &unknown : state);
    return status;
}

/* The spaces of a map: readers may put further ones into it while a checkpoint runs. */
static int list_spaces(rsi_space ***spaces, size_t *count, rsi_storage *storage,
                       const rsi_map *map)
{
    size_t position = 0;
    void *space;
    *count = 0;
    pthread_rwlock_rdlock(&storage->state);
    *spaces = rsi_alloc_array(map->count + 1, sizeof **spaces);
    while (*spaces != NULL && rsi_map_next(map, &position, NULL, &space))
        if (is_dirty(space) || ((rsi_space *)space)->name != NULL)
            (*spaces)[(*count)++] = space;
    pthread_rwlock_unlock(&storage->state);
    return *spaces == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

static int add_targets(checkpoint *point, const rsi_map *map,
                       int (*add)(checkpoint *point, rsi_space *space))
{
    rsi_space **spaces;
    size_t count;
    int status = list_spaces(&spaces, &count, point->storage, map);
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++)
        status = add(point, spaces[i]);
    rsi_free(spaces);
    return status;
}

static int collect_targets(checkpoint *point)
{
    rsi_storage *storage = point->storage;
    int status = add_target(point, &storage->entities, RSI_PATH_ENTITIES,
                            &storage->manifest.entities);
    if (status == RAGSTORE_OK)
        status = add_target(point, &storage->sessions, RSI_PATH_SESSIONS,
                            &storage->manifest.sessions);
    if (status == RAGSTORE_OK)
        status = add_targets(point, &storage->collections, add_collection_target);
    if (status == RAGSTORE_OK)
        status = add_targets(point, &storage->chunks, add_chunk_target);
    return status;
}

static void remove_temporaries(const checkpoint *point)
{
    rsi_saved_error error;
    rsi_error_save(&error);
    for (size_t i = 0; i < point->count; i++)
        if (point->targets[i].temporary.text[0] != '\0')
            rsi_file_remove(point->storage->root, point->targets[i].temporary.text);
    rsi_error_restore(&error);
}

/* ---- 2: the new journal ---- */

static int encode_record(rsi_bytes *text, const checkpoint *point)
{
    rsi_json_writer writer = rsi_json_writer_of(text);
    rsi_json_begin_array(&writer);
    rsi_json_text_value(&writer, "checkpoint", 10);
    rsi_json_integer_value(&writer, (int64_t)point->base_sequence);
    rsi_json_begin_array(&writer);
    for (size_t i = 0; i < point->count; i++) {
        const target *at = &point->targets[i];
        rsi_json_begin_array(&writer);
        rsi_json_text_value(&writer, at->path.text, strlen(at->path.text));
        rsi_file_state_put(&writer, &at->old);
        rsi_file_state_put(&writer, &at->new);
        rsi_json_end_array(&writer);
    }
    rsi_json_end_array(&writer);
    rsi_json_end_array(&writer);
    return rsi_bytes_status(text);
}

static int begin_journal(const checkpoint *point)
{
    rsi_storage *storage = point->storage;
    rsi_journal next;
    rsi_bytes record = {0};
    bool broken;
    int status = encode_record(&record, point);
    if (status == RAGSTORE_OK)
        status = rsi_journal_create(&next, storage->root, storage->journal.generation + 1,
                                    point->base_sequence, storage->manifest.store_id);
    if (status != RAGSTORE_OK) {
        rsi_bytes_free(&record);
        return status;
    }
    status = rsi_journal_append(&next, record.data, record.size, false, &broken);
    rsi_bytes_free(&record);
    if (status == RAGSTORE_OK)
        status = rsi_journal_flush(&next);
    if (status == RAGSTORE_OK)
        status = rsi_directory_flush(storage->root, RSI_PATH_API_STORAGE);
    if (status != RAGSTORE_OK) {
        rsi_saved_error error;
        rsi_error_save(&error);
        rsi_journal_close(&next);
        rsi_file_remove(storage->root, rsi_path_journal(next.generation).text);
        rsi_error_restore(&error);
        return status;
    }
    rsi_journal_close(&storage->journal);
    storage->journal = next;
    __atomic_store_n(&storage->journal_bytes, next.size, __ATOMIC_RELAXED);
    return RAGSTORE_OK;
}

/* ---- 3 and 4: the files ---- */

static int settle_target(const checkpoint *point, target *at)
{
    rsi_storage *storage = point->storage;
    int status = RAGSTORE_OK;
    if (at->temporary.text[0] != '\0') {
        status = rsi_file_rename(storage->root, at->temporary.text, at->path.text);
        if (status != RAGSTORE_OK)
            return status;
        at->temporary.text[0] = '\0';
    }
    if (at->space->entity_id != NULL) {
        rsi_entity_file file = {.chunks = at->new};
        memcpy(file.incarnation, at->incarnation, sizeof file.incarnation);
        status = rsi_entity_file_write(&file, storage->root, at->space->entity_id);
    }
    if (status != RAGSTORE_OK)
        return status;
    pthread_rwlock_wrlock(&storage->state);
    at->space->base_sequence = point->base_sequence;
    at->space->must_write = false;
    pthread_rwlock_unlock(&storage->state);
    return RAGSTORE_OK;
}

static int list_collections(rsi_candidates *listed, const checkpoint *point)
{
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < point->count; i++)
        if (point->targets[i].space->name != NULL)
            status = rsi_candidates_add(listed, point->targets[i].path.text,
                                        &point->targets[i].new);
    return status;
}

static int settle_files(const checkpoint *point)
{
    rsi_storage *storage = point->storage;
    for (size_t i = 0; i < point->count; i++) {
        target *at = &point->targets[i];
        int status = rsi_candidates_add(&storage->candidates, at->path.text, &at->new);
        if (status == RAGSTORE_OK)
            status = settle_target(point, at);
        if (status != RAGSTORE_OK)
            return rsi_wrap(status, "replace %s", at->path.text);
    }
    rsi_manifest manifest = storage->manifest;
    manifest.entities = point->targets[0].new;
    manifest.sessions = point->targets[1].new;
    manifest.generation = storage->journal.generation;
    manifest.present = true;
    manifest.collections = (rsi_candidates){0};
    int status = list_collections(&manifest.collections, point);
    if (status == RAGSTORE_OK)
        status = rsi_manifest_write(&manifest, storage->root);
    if (status != RAGSTORE_OK) {
        rsi_candidates_free(&manifest.collections);
        return status;
    }
    rsi_candidates_free(&storage->manifest.collections);
    storage->manifest = manifest;
    return RAGSTORE_OK;
}

/* ---- 5: old journals ---- */

static int remove_segments(void *user, const rsi_journal_line *line)
{
    rsi_storage *storage = user;
    rsi_json *ops;
    if (memmem(line->text, line->size, "[\"segment\",", 11) == NULL)
        return RAGSTORE_OK;
    int status = rsi_json_parse(&ops, line->text, line->size, RSI_JSON_DEPTH_STORED + 4);
    for (size_t i = 1; status == RAGSTORE_OK && i < rsi_json_count(ops); i++) {
        const rsi_json *op = rsi_json_at(ops, i);
        const char *kind = rsi_json_text(rsi_json_at(op, 0));
        const char *entity_id = rsi_json_text(rsi_json_at(op, 1));
        const char *name = rsi_json_text(rsi_json_at(op, 3));
        if (kind == NULL || strcmp(kind, "segment") != 0 || entity_id == NULL || name == NULL ||
            strchr(name, '/') != NULL)
            continue;
        char below[96];
        snprintf(below, sizeof below, "segments/%.80s", name);
        status = rsi_file_remove(storage->root, rsi_path_in_entity(entity_id, below).text);
    }
    rsi_json_free(ops);
    return status;
}

static int remove_journal(rsi_storage *storage, uint64_t generation)
{
    rsi_path path = rsi_path_journal(generation);
    rsi_bytes text = {0};
    size_t valid;
    int status = rsi_file_read_all(storage->root, path.text, SIZE_MAX / 2, &text);
    if (status == RAGSTORE_OK)
        status = rsi_journal_scan(path.text, text.data, text.size, generation, remove_segments,
                                  storage, &valid);
    rsi_bytes_free(&text);
    return status == RAGSTORE_OK ? rsi_file_remove(storage->root, path.text) : status;
}

/*
 * Journals before the last two generations that have been there for a while. The oldest goes first,
 * and durably before the next, so that a crash never leaves a gap between those that are there.
 */
static int remove_old_journals(rsi_storage *storage)
{
    const int64_t young = ((int64_t)time(NULL) - KEEP_JOURNAL_SECONDS) * 1000000000;
    const uint64_t end = storage->journal.generation - 1;
    uint64_t first = end;
    while (first > 1 && rsi_file_exists(storage->root, rsi_path_journal(first - 1).text))
        first--;
    for (uint64_t generation = first; generation < end; generation++) {
        rsi_file_info info;
        int status = rsi_file_info_of(storage->root, rsi_path_journal(generation).text, &info);
        if (status == RAGSTORE_OK && info.modified_ns > young)
            break;
        if (status == RAGSTORE_OK)
            status = remove_journal(storage, generation);
        if (status == RAGSTORE_OK)
            status = rsi_directory_flush(storage->root, RSI_PATH_API_STORAGE);
        if (status != RAGSTORE_OK)
            return status;
    }
    return RAGSTORE_OK;
}

int rsi_checkpoint_locked(rsi_storage *storage)
{
    rsi_group_drain(storage);
    checkpoint point = {.storage = storage, .base_sequence = storage->journal.sequence};
    int status = rsi_work_run(storage);
    if (status != RAGSTORE_OK ||
        (!rsi_checkpoint_has_work(storage) && storage->manifest.present && !storage->was_unclean))
        return status;
    status = rsi_storage_flush_locked(storage);
    if (status != RAGSTORE_OK)
        return status;
    status = collect_targets(&point);
    for (size_t i = 0; status == RAGSTORE_OK && i < point.count; i++)
        status = write_target(&point, &point.targets[i]);
    rsi_lease_publish_busy(storage);
    if (status == RAGSTORE_OK)
        status = begin_journal(&point);
    if (status == RAGSTORE_OK)
        status = settle_files(&point);
    rsi_lease_publish(storage);
    if (status == RAGSTORE_OK && !point.incomplete)
        status = remove_old_journals(storage);
    if (status == RAGSTORE_OK)
        storage->was_unclean = false;
    remove_temporaries(&point);
    rsi_free(point.targets);
    return status;
}
