/* One file of a checkpoint: see checkpoint_target.h. */
#include "storage/checkpoint_target.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <string.h>

int rsi_target_begin(rsi_target *at, rsi_storage *storage, rsi_space *space, const char *path,
                     const rsi_file_state *old, bool writes, uint64_t base_sequence)
{
    int status = RAGSTORE_OK;
    memset(at, 0, sizeof *at);
    at->kind = space->entity_id != NULL ? RSI_TARGET_CHUNKS
               : space->name != NULL    ? RSI_TARGET_COLLECTION
                                        : RSI_TARGET_RECORDS;
    at->layout = space->layout;
    at->old = *old;
    at->new = *old;
    at->new.base_sequence = base_sequence;
    at->writes = writes;
    snprintf(at->path.text, sizeof at->path.text, "%s", path);
    if (at->kind == RSI_TARGET_CHUNKS) {
        at->entity_id = rsi_strdup(space->entity_id);
        status = at->entity_id == NULL ? RAGSTORE_E_NO_MEMORY
                                       : rsi_entity_incarnation(at->incarnation, storage,
                                                                at->entity_id);
    } else {
        at->space = space;
    }
    if (status != RAGSTORE_OK || !writes)
        return status;
    pthread_rwlock_rdlock(&storage->state);
    status = rsi_table_freeze(&at->frozen, &space->table);
    pthread_rwlock_unlock(&storage->state);
    return status;
}

rsi_space *rsi_target_space(const rsi_target *at, rsi_storage *storage)
{
    return at->space != NULL ? at->space
                             : rsi_map_get(&storage->chunks, at->entity_id, strlen(at->entity_id));
}

bool rsi_target_is_alive(const rsi_target *at, rsi_storage *storage)
{
    char incarnation[RSI_INCARNATION_HEX];
    return at->kind != RSI_TARGET_CHUNKS ||
           (rsi_target_space(at, storage) != NULL &&
            rsi_entity_incarnation(incarnation, storage, at->entity_id) == RAGSTORE_OK &&
            strcmp(incarnation, at->incarnation) == 0);
}

/* ---- writing ---- */

static int open_temporary(rsi_file **file, rsi_target *at, rsi_root *root)
{
    char random[17];
    const char *slash = strrchr(at->path.text, '/');
    int status = rsi_random_hex(random, 16);
    if (status != RAGSTORE_OK)
        return status;
    snprintf(at->temporary.text, sizeof at->temporary.text, "%.*s/.tmp-%s",
             (int)(slash - at->path.text), at->path.text, random);
    status = rsi_file_open(file, root, at->temporary.text,
                           RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
    if (status != RAGSTORE_OK)
        at->temporary.text[0] = '\0';
    return status;
}

/* Read it back: a file that is not as the library writes them must not become a snapshot. */
static int open_written(rsi_target *at, rsi_root *root, const uint64_t *orders, size_t count)
{
    const rsi_base_place place = {at->temporary.text, at->path.text, at->layout};
    int status = rsi_base_open(&at->base, root, &place, &at->new);
    if (status == RAGSTORE_OK && rsi_base_count(at->base) != count)
        status = rsi_fail(RAGSTORE_E_INTERNAL, "storage",
                          "%zu records were written and %zu were read back", count,
                          rsi_base_count(at->base));
    return status == RAGSTORE_OK && orders != NULL
               ? rsi_base_set_orders(at->base, orders, count)
               : status;
}

static int write_file(rsi_target *at, rsi_root *root)
{
    rsi_file *file = NULL;
    uint64_t *orders = NULL;
    size_t count = 0;
    int status = open_temporary(&file, at, root);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_snapshot_write(file, &at->frozen, at->layout, &at->new.size, at->new.sha256,
                                &orders, &count);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(file);
    int closed = rsi_file_close(file);
    if (status == RAGSTORE_OK)
        status = closed;
    at->new.known = true;
    at->new.seen = false;
    if (status == RAGSTORE_OK)
        status = open_written(at, root, orders, count);
    rsi_free(orders);
    return status;
}

/* What is listed with how stat() shows it will not be compared any more: somebody who copied it may
 * not have flushed it. */
static int flush_as_it_is(const rsi_target *at, rsi_root *root)
{
    rsi_file *file;
    int status = rsi_file_open(&file, root, at->path.text, RSI_OPEN_WRITE);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_file_flush(file);
    int closed = rsi_file_close(file);
    return status == RAGSTORE_OK ? closed : status;
}

int rsi_target_write(rsi_target *at, rsi_storage *storage)
{
    int status = RAGSTORE_OK;
    if (at->writes)
        status = write_file(at, storage->root);
    else if (storage->was_moved || at->was_moved)
        status = flush_as_it_is(at, storage->root);
    rsi_frozen_free(&at->frozen);
    if (status == RAGSTORE_OK)
        return status;
    rsi_saved_error error;
    rsi_error_save(&error);
    (void)rsi_storage_follow(storage); /* another process may have deleted the entity */
    pthread_rwlock_rdlock(&storage->state);
    bool alive = rsi_target_is_alive(at, storage);
    pthread_rwlock_unlock(&storage->state);
    if (!alive) { /* its folder is gone: it is left out when the others are settled */
        at->writes = false;
        return RAGSTORE_OK;
    }
    rsi_error_restore(&error);
    return rsi_wrap(status, "write %s", at->path.text);
}

/* ---- settling ---- */

/* The tables go on with the new file. One that cannot be taken is no loss: memory has it all. */
static void take_base(rsi_target *at, rsi_storage *storage)
{
    pthread_rwlock_wrlock(&storage->state);
    rsi_space *space = rsi_target_space(at, storage);
    if (at->base != NULL && space->loaded &&
        rsi_table_rebase(&space->table, rsi_base_retain(at->base), at->new.base_sequence) !=
            RAGSTORE_OK)
        rsi_storage_log(storage, RAGSTORE_LOG_WARNING, "%s stays in memory: %s", at->path.text,
                        rsi_error_message());
    space->base_sequence = at->new.base_sequence;
    space->must_write = false;
    space->was_moved = false;
    pthread_rwlock_unlock(&storage->state);
}

int rsi_target_settle(rsi_target *at, rsi_storage *storage)
{
    int status = rsi_candidates_add(&storage->candidates, at->path.text, &at->new);
    if (status == RAGSTORE_OK && at->temporary.text[0] != '\0') {
        status = rsi_file_rename(storage->root, at->temporary.text, at->path.text);
        if (status == RAGSTORE_OK) {
            at->temporary.text[0] = '\0';
            rsi_file_state_see(&at->new, storage->root, at->path.text);
        }
    }
    if (status == RAGSTORE_OK && at->kind == RSI_TARGET_CHUNKS) {
        rsi_entity_file file = {.chunks = at->new};
        memcpy(file.incarnation, at->incarnation, sizeof file.incarnation);
        status = rsi_entity_file_write(&file, storage->root, at->entity_id);
    }
    if (status == RAGSTORE_OK)
        take_base(at, storage);
    return rsi_wrap(status, "replace %s", at->path.text);
}

void rsi_target_keep_index(const rsi_target *at, rsi_storage *storage)
{
    if (at->base != NULL && rsi_base_keep_index(at->base, storage->root) != RAGSTORE_OK)
        rsi_storage_log(storage, RAGSTORE_LOG_WARNING, "%s has no index on disk: %s",
                        at->path.text, rsi_error_message());
}

void rsi_target_free(rsi_target *at, rsi_storage *storage)
{
    if (at->temporary.text[0] != '\0')
        rsi_file_remove(storage->root, at->temporary.text);
    rsi_frozen_free(&at->frozen);
    rsi_base_release(at->base);
    rsi_free(at->entity_id);
    memset(at, 0, sizeof *at);
}
