/* A new store: directories, two empty JSON files, the first journal, and last the manifest. */
#include "storage/storage_internal.h"

#include "base/clock.h"
#include "base/status.h"

#include <string.h>

static const char empty_object[] = "{\n}\n";

static void describe_empty(rsi_file_state *state)
{
    memset(state, 0, sizeof *state);
    state->known = true;
    state->size = sizeof empty_object - 1;
    rsi_sha256_hex(empty_object, sizeof empty_object - 1, state->sha256);
}

int rsi_storage_make_directories(rsi_storage *storage)
{
    static const char *const directories[] = {RSI_PATH_API_STORAGE, RSI_PATH_UPLOADS,
                                              RSI_PATH_ENTITY_ROOT, "logs"};
    /* a process that was killed may have made a directory and not flushed the one above */
    static const char *const parents[] = {RSI_PATH_UPLOADS, RSI_PATH_ENTITY_ROOT,
                                          RSI_PATH_ENTITY_PARENT, ""};
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < sizeof directories / sizeof *directories; i++)
        status = rsi_directory_make(storage->root, directories[i]);
    for (size_t i = 0; status == RAGSTORE_OK && i < sizeof parents / sizeof *parents; i++)
        status = rsi_directory_flush(storage->root, parents[i]);
    return status;
}

int rsi_storage_create(rsi_storage *storage)
{
    rsi_manifest *manifest = &storage->manifest;
    int status = rsi_attach_secure(storage);
    if (status == RAGSTORE_OK)
        status = rsi_storage_make_directories(storage);
    if (status == RAGSTORE_OK)
        status = rsi_random_hex(manifest->store_id, RSI_INCARNATION_HEX - 1);
    if (status == RAGSTORE_OK)
        status = rsi_file_replace(storage->root, RSI_PATH_ENTITIES, empty_object,
                                  sizeof empty_object - 1);
    if (status == RAGSTORE_OK)
        status = rsi_file_replace(storage->root, RSI_PATH_SESSIONS, empty_object,
                                  sizeof empty_object - 1);
    if (status == RAGSTORE_OK) {
        rsi_time_now_text(manifest->created_at);
        describe_empty(&manifest->entities);
        describe_empty(&manifest->sessions);
        rsi_file_state_see(&manifest->entities, storage->root, RSI_PATH_ENTITIES);
        rsi_file_state_see(&manifest->sessions, storage->root, RSI_PATH_SESSIONS);
        status = rsi_manifest_write(manifest, storage->root);
    }
    return rsi_wrap(status, "make a new store");
}
