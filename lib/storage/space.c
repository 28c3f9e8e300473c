/*
 * Spaces: tables with their place on disk. Those of entities and sessions are there from the start;
 * the chunk file of an entity is opened when it is needed. What the journal says of rows of a file
 * that has not been opened yet waits in `pending`.
 */
#include "storage/storage_internal.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "storage/base.h"
#include "storage/journal_files.h"
#include "storage/replay.h"

#include <inttypes.h>
#include <string.h>

#define RELOADS 10 /* of a chunk file that another process may be replacing */

void rsi_space_forget_pending(rsi_space *space)
{
    for (size_t i = 0; i < space->pending_count; i++)
        rsi_row_clear(&space->pending[i]);
    rsi_free(space->pending);
    space->pending = NULL;
    space->pending_count = 0;
    space->pending_capacity = 0;
}

void rsi_space_clear(rsi_space *space)
{
    rsi_table_free(&space->table);
    rsi_space_forget_pending(space);
    rsi_free(space->damage);
    space->damage = NULL;
    space->damage_stays = false;
    space->base_sequence = 0;
    space->last_sequence = 0;
    space->must_write = false;
    space->was_moved = false;
}

void rsi_space_free(rsi_space *space)
{
    rsi_space_clear(space);
    rsi_free(space->entity_id);
    rsi_free(space->name);
    if (space->free_watcher != NULL)
        space->free_watcher(space->table.watch_user);
}

void rsi_space_free_mapped(void *space)
{
    rsi_space_free(space);
    rsi_free(space);
}

rsi_space *rsi_space_of(rsi_storage *storage, const char *name, const char *key)
{
    if (strcmp(name, RSI_SPACE_ENTITIES) == 0)
        return &storage->entities;
    if (strcmp(name, RSI_SPACE_SESSIONS) == 0)
        return &storage->sessions;
    if (strncmp(name, RSI_SPACE_COLLECTIONS, sizeof RSI_SPACE_COLLECTIONS - 1) == 0)
        return rsi_collection_space_of(storage, name + sizeof RSI_SPACE_COLLECTIONS - 1);
    if (strcmp(name, RSI_SPACE_CHUNKS) != 0) {
        rsi_fail(RAGSTORE_E_VERSION, "storage", "there is no space \"%s\" in this version", name);
        return NULL;
    }
    rsi_space *space = rsi_map_get(&storage->chunks, key, strlen(key));
    if (space != NULL)
        return space;
    space = rsi_alloc_zeroed(sizeof *space);
    if (space == NULL)
        return NULL;
    space->layout = &rsi_layout_chunks;
    space->entity_id = rsi_strdup(key);
    if (space->entity_id == NULL ||
        rsi_map_put(&storage->chunks, key, strlen(key), space, NULL) != RAGSTORE_OK) {
        rsi_space_free(space);
        rsi_free(space);
        return NULL;
    }
    return space;
}

int rsi_space_replay_record(rsi_space *space, uint64_t sequence, const char *key, const char *json,
                            size_t size)
{
    if (sequence <= space->base_sequence)
        return RAGSTORE_OK;
    rsi_record *record = rsi_table_place(&space->table, key);
    if (record == NULL)
        return rsi_error_code();
    if (json == NULL) {
        rsi_table_drop(&space->table, record, sequence);
    } else {
        char *copy = rsi_memdup0(json, size);
        if (copy == NULL)
            return RAGSTORE_E_NO_MEMORY;
        rsi_table_set(&space->table, record, copy, size, sequence);
    }
    space->last_sequence = sequence;
    return RAGSTORE_OK;
}

static int add_pending(rsi_space *space, rsi_row *row)
{
    if (space->pending_count > 0 &&
        rsi_row_extend(&space->pending[space->pending_count - 1], row))
        return RAGSTORE_OK;
    if (!rsi_grow((void **)&space->pending, &space->pending_capacity, space->pending_count + 1,
                  sizeof *space->pending))
        return RAGSTORE_E_NO_MEMORY;
    space->pending[space->pending_count++] = *row;
    return RAGSTORE_OK;
}

int rsi_space_take_row(rsi_space *space, const char *key, rsi_row *row)
{
    const uint64_t sequence = row->changed;
    int status;
    if (space->entity_id != NULL && !space->loaded) {
        status = add_pending(space, row);
    } else {
        rsi_record *record = rsi_table_place(&space->table, key);
        status = record == NULL ? rsi_error_code() : rsi_record_reserve(record, 1);
        if (status == RAGSTORE_OK)
            rsi_record_set_row(record, row);
    }
    if (status == RAGSTORE_OK)
        space->last_sequence = sequence;
    else
        rsi_row_clear(row);
    return status;
}

int rsi_space_replay_row(rsi_space *space, uint64_t sequence, const char *key, uint64_t number,
                         const char *json, size_t size)
{
    if (space->entity_id == NULL && sequence <= space->base_sequence)
        return RAGSTORE_OK;
    rsi_row row = {
        .number = number, .count = 1, .changed = sequence, .size = (uint32_t)size};
    if (json != NULL && (row.json = rsi_memdup0(json, size)) == NULL)
        return RAGSTORE_E_NO_MEMORY;
    return rsi_space_take_row(space, key, &row);
}

/* ---- opening an entity's chunk file ---- */

/* The file is the one that is listed, and was copied or restored: or each open would read it and the
 * older journals again. */
static void list_anew(rsi_storage *storage, rsi_space *space, const char *path,
                      const rsi_file_state *seen)
{
    if (storage->read_only || storage->is_beside ||
        !rsi_file_state_is_current(seen, storage->root, path))
        return;
    space->moved_to = *seen;
    space->was_moved = true;
}

/* Which commits does the file hold? Its digest must be one that somebody wrote down. */
static int settle_state(rsi_file_state *state, rsi_storage *storage, rsi_space *space,
                        const rsi_entity_file *entity, const char *path)
{
    char sha256[RSI_SHA256_HEX];
    uint64_t size;
    *state = entity->chunks;
    if (rsi_file_state_is_current(&entity->chunks, storage->root, path))
        return RAGSTORE_OK;
    rsi_file_state seen = entity->chunks;
    rsi_file_state_see(&seen, storage->root, path);
    int status = rsi_file_sha256(storage->root, path, &size, sha256);
    if (status != RAGSTORE_OK)
        return status;
    if (entity->present && entity->chunks.known && entity->chunks.size == size &&
        strcmp(entity->chunks.sha256, sha256) == 0) {
        list_anew(storage, space, path, &seen);
        return RAGSTORE_OK;
    }
    const rsi_file_state *listed = rsi_candidates_find(&storage->candidates, path, size, sha256);
    if (listed == NULL)
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                        "%s: its bytes are not those that %s (%" PRIu64
                        " bytes, SHA-256 %.16s…); " RSI_RESTORE_ENTITY,
                        path,
                        entity->present ? "were written"
                                        : "any commit names, and entity.json beside it is missing",
                        size, sha256);
    *state = *listed;
    return RAGSTORE_OK;
}

/* A file that the library wrote, or one that must be parsed. */
static int stand_on_file(rsi_storage *storage, rsi_space *space, const char *path,
                         const rsi_file_state *state)
{
    const rsi_base_place place = {path, path, space->layout};
    rsi_base *base;
    rsi_bytes text = {0};
    int status = rsi_base_open(&base, storage->root, &place, state);
    if (status == RAGSTORE_OK)
        return rsi_table_begin(&space->table, base);
    if (status != RAGSTORE_E_INVALID_DATA)
        return status;
    rsi_record *record = rsi_table_place(&space->table, space->entity_id);
    status = record == NULL
                 ? RAGSTORE_E_NO_MEMORY
                 : rsi_file_read_all(storage->root, path, SIZE_MAX / 2, &text);
    if (status == RAGSTORE_OK)
        status = rsi_snapshot_decode_rows(record, text.data, text.size);
    rsi_bytes_free(&text);
    return rsi_wrap(status, "read %s", path);
}

static int apply_pending(rsi_space *space)
{
    if (space->pending_count == 0)
        return RAGSTORE_OK;
    rsi_record *record = rsi_table_place(&space->table, space->entity_id);
    int status =
        record == NULL ? rsi_error_code() : rsi_record_reserve(record, space->pending_count);
    if (status != RAGSTORE_OK)
        return status;
    for (size_t i = 0; i < space->pending_count; i++) {
        rsi_row *row = &space->pending[i];
        if (row->changed > space->base_sequence)
            rsi_record_set_row(record, row);
    }
    rsi_space_forget_pending(space);
    return RAGSTORE_OK;
}

/* Is this perhaps a backup of the folder alone? What it lacks may be in older journals. */
static bool may_be_older(const rsi_storage *storage, const rsi_entity_file *entity,
                         const char *entity_id, const char *path)
{
    const rsi_table *table = &storage->entities.table;
    rsi_sight sight;
    uint64_t documents = 0;
    uint64_t next;
    if (entity->chunks.known)
        return !rsi_file_state_is_current(&entity->chunks, storage->root, path);
    return rsi_table_look(&sight, table, entity_id) > 0 &&
           rsi_table_row_count(&documents, &next, table, &sight) == RAGSTORE_OK && documents > 0;
}

static int load(rsi_storage *storage, rsi_space *space)
{
    char incarnation[RSI_INCARNATION_HEX];
    rsi_entity_file entity;
    rsi_file_state state;
    rsi_path path = rsi_path_in_entity(space->entity_id, "chunk_metadata.json");
    int status = rsi_entity_incarnation(incarnation, storage, space->entity_id);
    if (status == RAGSTORE_OK)
        status = rsi_entity_file_read(&entity, storage->root, space->entity_id);
    if (status != RAGSTORE_OK)
        return status;
    if (entity.present && strcmp(entity.incarnation, incarnation) != 0)
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                        "%s belongs to another creation of this entity: a backup of the folder "
                        "and one of the record do not fit together",
                        path.text);
    if (may_be_older(storage, &entity, space->entity_id, path.text))
        status = rsi_replay_older_chunks(storage, space);
    if (status != RAGSTORE_OK)
        return status;
    status = settle_state(&state, storage, space, &entity, path.text);
    if (status == RAGSTORE_E_NOT_FOUND) {
        if (entity.present && entity.chunks.known)
            return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                            "%s is missing; " RSI_RESTORE_ENTITY, path.text);
        space->base_sequence = entity.present ? entity.chunks.base_sequence : 0;
        status = RAGSTORE_OK;
    } else if (status == RAGSTORE_OK) {
        space->base_sequence = state.base_sequence;
        status = stand_on_file(storage, space, path.text, &state);
    }
    status = rsi_of_entity_folder(status);
    return status == RAGSTORE_OK ? apply_pending(space) : status;
}

/* Another process may be replacing the files that were just read. */
static bool may_be_replaced(rsi_storage *storage, int status)
{
    if (status != RAGSTORE_E_DAMAGED || rsi_lease_is_held(storage) ||
        !rsi_attach_has_company(storage))
        return false;
    rsi_sleep_ms(1);
    return true;
}

int rsi_space_load_locked(rsi_storage *storage, rsi_space *space)
{
    if (space->loaded || space->entity_id == NULL)
        return RAGSTORE_OK;
    rsi_folder_look look;
    int status = rsi_space_damage(storage, space);
    if (status != RAGSTORE_OK)
        return status;
    rsi_folder_look_at(&look, storage, space->entity_id);
    status = load(storage, space);
    for (int i = 0; i < RELOADS && may_be_replaced(storage, status); i++) {
        rsi_table_free(&space->table);
        status = rsi_follow_candidates(storage);
        rsi_folder_look_at(&look, storage, space->entity_id);
        if (status == RAGSTORE_OK)
            status = load(storage, space);
    }
    if (status != RAGSTORE_OK) {
        rsi_saved_error error;
        rsi_error_save(&error);
        rsi_table_free(&space->table);
        rsi_error_restore(&error);
        return rsi_is_lasting_damage(status) ? rsi_space_note_damage(space, status, &look) : status;
    }
    space->loaded = true;
    return RAGSTORE_OK;
}

/* The chunks of an entity, with the lock held for reading; NULL when there is no entity. Whoever comes to
 * one first reads its file, with everybody else kept out; before they are let in, what was read may be
 * forgotten again. On failure the lock is not held. */
static int find_chunks_to_read(rsi_storage *storage, const char *key, rsi_space **space)
{
    for (;;) {
        *space = rsi_map_get(&storage->chunks, key, strlen(key));
        if ((*space != NULL && (*space)->loaded) || !rsi_entity_exists(storage, key))
            return RAGSTORE_OK;
        pthread_rwlock_unlock(&storage->state);
        pthread_rwlock_wrlock(&storage->state);
        int status = RAGSTORE_OK;
        if (rsi_entity_exists(storage, key)) {
            *space = rsi_space_of(storage, RSI_SPACE_CHUNKS, key);
            status = *space == NULL ? rsi_error_code() : rsi_space_load_locked(storage, *space);
        }
        pthread_rwlock_unlock(&storage->state);
        if (status != RAGSTORE_OK)
            return status;
        pthread_rwlock_rdlock(&storage->state);
    }
}

int rsi_space_lock_for_reading(rsi_storage *storage, const char *name, const char *key,
                               rsi_space **space)
{
    pthread_rwlock_rdlock(&storage->state);
    if (strcmp(name, RSI_SPACE_CHUNKS) == 0)
        return find_chunks_to_read(storage, key, space);
    *space = rsi_space_of(storage, name, key);
    if (*space == NULL) {
        pthread_rwlock_unlock(&storage->state);
        return rsi_error_code();
    }
    return RAGSTORE_OK;
}

bool rsi_entity_exists(const rsi_storage *storage, const char *entity_id)
{
    rsi_sight sight;
    return rsi_table_look(&sight, &storage->entities.table, entity_id) != 0;
}

int rsi_entity_incarnation(char out[33], rsi_storage *storage, const char *entity_id)
{
    const rsi_table *table = &storage->entities.table;
    rsi_sight sight;
    rsi_bytes text = {0};
    rsi_json *value = NULL;
    int found = rsi_table_look(&sight, table, entity_id);
    if (found == 0)
        return rsi_fail(RAGSTORE_E_NOT_FOUND, "storage", "there is no entity \"%s\"", entity_id);
    int status = found < 0 ? found : rsi_table_value(&text, table, &sight);
    if (status == RAGSTORE_OK)
        status = rsi_json_parse(&value, text.data, text.size, RSI_JSON_DEPTH_STORED);
    rsi_bytes_free(&text);
    if (status != RAGSTORE_OK)
        return status;
    const char *incarnation = rsi_json_get_text(value, "incarnation");
    if (incarnation == NULL || strlen(incarnation) != RSI_INCARNATION_HEX - 1)
        status = rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                          "entity \"%s\" has no incarnation in its record", entity_id);
    else
        memcpy(out, incarnation, RSI_INCARNATION_HEX);
    rsi_json_free(value);
    return status;
}
