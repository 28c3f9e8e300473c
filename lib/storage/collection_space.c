/*
 * The spaces of the application's own collections: always in memory, each with a file of its own
 * in api_storage/collections/. A space is made when its name is first met, in the journal, on disk
 * or in a call, and stays until the storage is freed, so that its name can be borrowed.
 */
#include "storage/storage_internal.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

rsi_path rsi_space_path(const rsi_space *space)
{
    return rsi_path_collection(space->name + sizeof RSI_SPACE_COLLECTIONS - 1);
}

rsi_space *rsi_collection_space_of(rsi_storage *storage, const char *name)
{
    rsi_space *space = rsi_map_get(&storage->collections, name, strlen(name));
    if (space != NULL)
        return space;
    if (!rsi_collection_name_is_valid(name)) {
        rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "storage",
                 "a collection's name has 1 to 64 letters, digits, '_' and '-'");
        return NULL;
    }
    rsi_bytes full_name = {0};
    rsi_bytes_printf(&full_name, RSI_SPACE_COLLECTIONS "%s", name);
    space = rsi_alloc_zeroed(sizeof *space);
    if (space != NULL) {
        space->layout = &rsi_layout_collection;
        space->loaded = true;
        space->name = rsi_bytes_take(&full_name, NULL);
    }
    rsi_bytes_free(&full_name);
    if (space == NULL || space->name == NULL ||
        rsi_map_put(&storage->collections, name, strlen(name), space, NULL) != RAGSTORE_OK) {
        if (space != NULL)
            rsi_space_free(space);
        rsi_free(space);
        return NULL;
    }
    return space;
}

int rsi_storage_collection(const char **space, rsi_storage *storage, const char *name)
{
    *space = NULL;
    pthread_rwlock_wrlock(&storage->state);
    const rsi_space *found = rsi_collection_space_of(storage, name);
    if (found != NULL)
        *space = found->name;
    pthread_rwlock_unlock(&storage->state);
    return found == NULL ? rsi_error_code() : RAGSTORE_OK;
}

int rsi_storage_collections(rsi_storage *storage,
                            int (*visit)(void *user, const char *name, size_t count), void *user)
{
    size_t position = 0;
    rsi_slice name;
    void *value;
    int status = RAGSTORE_OK;
    pthread_rwlock_rdlock(&storage->state);
    while (status == RAGSTORE_OK && rsi_map_next(&storage->collections, &position, &name, &value)) {
        const rsi_space *space = value;
        if (space->table.present > 0)
            status =
                visit(user, space->name + sizeof RSI_SPACE_COLLECTIONS - 1, space->table.present);
    }
    pthread_rwlock_unlock(&storage->state);
    return status;
}

int rsi_storage_watch(void **user, rsi_storage *storage, const char *space,
                      rsi_table_watcher *watch, void (*free_user)(void *user))
{
    void *mine = *user;
    pthread_rwlock_wrlock(&storage->state);
    rsi_space *watched = rsi_space_of(storage, space, "");
    int status = watched == NULL ? rsi_error_code() : RAGSTORE_OK;
    if (status == RAGSTORE_OK && watched->table.watch_user == NULL) {
        status = rsi_table_watch(&watched->table, watch, mine);
        if (status == RAGSTORE_OK) {
            watched->free_watcher = free_user;
            mine = NULL;
        }
    }
    if (status == RAGSTORE_OK)
        *user = watched->table.watch_user;
    pthread_rwlock_unlock(&storage->state);
    if (mine != NULL)
        free_user(mine);
    return status;
}

void *rsi_storage_watcher(rsi_storage *storage, const char *space)
{
    pthread_rwlock_rdlock(&storage->state);
    const rsi_space *watched = rsi_space_of(storage, space, "");
    void *user = watched == NULL ? NULL : watched->table.watch_user;
    pthread_rwlock_unlock(&storage->state);
    return user;
}
