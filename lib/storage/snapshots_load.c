/*
 * Opening: the JSON files of api_storage/, and which commits each holds. For recover.c.
 *
 * A snapshot's digest must be one that was written down: in the manifest, or as the old or new
 * state of a checkpoint record. Any other is a hand edit, taken over when no commit waits that
 * touches the same file. Nothing that cannot be read is replaced by anything.
 */
#include "storage/storage_internal.h"

#include "base/status.h"
#include "storage/base.h"

#include <inttypes.h>
#include <string.h>

static int damaged_snapshot(const char *path)
{
    return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                    "%s: %s. The file was left as it is: mend it, or put the one of a backup in "
                    "its place",
                    path, rsi_error_message());
}

static rsi_file_state *listed_state(rsi_manifest *manifest, const char *path)
{
    if (strcmp(path, RSI_PATH_ENTITIES) == 0)
        return &manifest->entities;
    if (strcmp(path, RSI_PATH_SESSIONS) == 0)
        return &manifest->sessions;
    for (size_t i = 0; i < manifest->collections.count; i++)
        if (strcmp(manifest->collections.items[i].path, path) == 0)
            return &manifest->collections.items[i].state;
    return NULL;
}

/* Remember how stat() showed a file before it was read and found to be the one that is listed: whoever
 * copies a store changes that alone, and the next checkpoint writes it down. */
static void list_anew(rsi_storage *storage, const char *path, const rsi_file_state *seen)
{
    rsi_file_state *listed = listed_state(&storage->manifest, path);
    if (listed == NULL || storage->read_only || storage->is_beside ||
        !rsi_file_state_is_current(seen, storage->root, path))
        return;
    *listed = *seen;
    storage->was_moved = true;
}

/* Which commits does this file hold? A file that nobody wrote down is a hand edit. */
static int settle_state(rsi_file_state *state, rsi_storage *storage, rsi_space *space,
                        const char *path, const rsi_file_state *listed)
{
    char sha256[RSI_SHA256_HEX];
    uint64_t size;
    *state = *listed;
    space->edited = false;
    if (rsi_file_state_is_current(listed, storage->root, path))
        return RAGSTORE_OK;
    rsi_file_state seen = *listed;
    rsi_file_state_see(&seen, storage->root, path);
    int status = rsi_file_sha256(storage->root, path, &size, sha256);
    if (status != RAGSTORE_OK)
        return status;
    if (listed->known && listed->size == size && strcmp(listed->sha256, sha256) == 0) {
        list_anew(storage, path, &seen);
        return RAGSTORE_OK;
    }
    const rsi_file_state *found = rsi_candidates_find(&storage->candidates, path, size, sha256);
    if (found == NULL) {
        space->edited = true;
        return RAGSTORE_OK;
    }
    *state = *found;
    /* a checkpoint was cut short: its record goes with its journal, the manifest stays */
    space->must_write = true;
    return RAGSTORE_OK;
}

/* A file that people or other programs may have written: all of it goes to memory. */
static int parse_snapshot(rsi_storage *storage, rsi_space *space, const char *path)
{
    rsi_bytes text = {0};
    int status = rsi_file_read_all(storage->root, path, SIZE_MAX / 2, &text);
    if (status == RAGSTORE_OK)
        status = rsi_snapshot_decode(&space->table, text.data, text.size, space->layout);
    if (status == RAGSTORE_E_INVALID_DATA)
        status = damaged_snapshot(path);
    rsi_bytes_free(&text);
    return status;
}

static int stand_on_snapshot(rsi_storage *storage, rsi_space *space, const char *path,
                             const rsi_file_state *state)
{
    const rsi_base_place place = {path, path, space->layout};
    rsi_base *base;
    int status = rsi_base_open(&base, storage->root, &place, state);
    if (status == RAGSTORE_E_INVALID_DATA)
        return parse_snapshot(storage, space, path);
    if (status != RAGSTORE_OK)
        return status;
    if (!storage->read_only && !storage->is_beside && rsi_base_is_large(base) &&
        rsi_base_keep_index(base, storage->root) != RAGSTORE_OK)
        rsi_storage_log(storage, RAGSTORE_LOG_WARNING, "%s has no index on disk: %s", path,
                        rsi_error_message());
    return rsi_table_begin(&space->table, base);
}

/* A file that cannot be parsed may be the one that is listed, with a damaged line: its index, when there
 * is one, knows the CRC of each, so that the others can be told from that. */
static int stand_on_lines(rsi_storage *storage, rsi_space *space, const char *path,
                          const rsi_file_state *listed)
{
    const rsi_base_place place = {path, path, space->layout};
    rsi_saved_error damage;
    rsi_base *base;
    rsi_error_save(&damage);
    int status = rsi_base_open(&base, storage->root, &place, listed);
    if (status == RAGSTORE_E_NO_MEMORY)
        return status;
    if (status != RAGSTORE_OK || !rsi_base_has_kept_index(base)) {
        rsi_base_release(base);
        rsi_error_restore(&damage);
        return RAGSTORE_E_DAMAGED;
    }
    rsi_storage_log(storage, RAGSTORE_LOG_ERROR, "opened line by line: %s", damage.message);
    space->edited = false;
    return rsi_table_begin(&space->table, base);
}

static int load_edited(rsi_storage *storage, rsi_space *space, const char *path,
                       const rsi_file_state *listed)
{
    int status = parse_snapshot(storage, space, path);
    if (status != RAGSTORE_E_DAMAGED || !listed->known)
        return status;
    rsi_table_free(&space->table); /* of what came before the damage */
    return stand_on_lines(storage, space, path, listed);
}

static int load_snapshot(rsi_storage *storage, rsi_space *space, const char *path,
                         const rsi_file_state *listed)
{
    rsi_file_state state;
    int status = settle_state(&state, storage, space, path, listed);
    space->base_sequence = state.base_sequence;
    if (status == RAGSTORE_E_NOT_FOUND) {
        if (listed->known)
            return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                            "%s is missing. Uploads, vectors and journals are still there and "
                            "were not touched: put the file of a backup in its place",
                            path);
        space->must_write = true; /* a new store, cut short */
        return RAGSTORE_OK;
    }
    if (status != RAGSTORE_OK)
        return status;
    return space->edited ? load_edited(storage, space, path, listed)
                         : stand_on_snapshot(storage, space, path, &state);
}

/* A hand edit is taken over when the journal has nothing newer for the same file. */
static int accept_edit(rsi_storage *storage, rsi_space *space, const char *path)
{
    if (!space->edited)
        return RAGSTORE_OK;
    if (storage->is_beside)
        return rsi_fail(RAGSTORE_E_CONFLICT, "storage",
                        "%s is not as any process wrote it, while another one may write; undo the "
                        "change, or close the store everywhere and open it again",
                        path);
    if (space->last_sequence > space->base_sequence)
        return rsi_fail(RAGSTORE_E_CONFLICT, "storage",
                        "%s was changed by hand while commits up to sequence %" PRIu64
                        " were still waiting to be written to it; undo the change, or put the "
                        "file of a backup in its place",
                        path, space->last_sequence);
    rsi_storage_log(storage, RAGSTORE_LOG_WARNING, "%s was changed by hand; taken over as it is",
                    path);
    space->must_write = true;
    return RAGSTORE_OK;
}

/* ---- collections ---- */

/* A file that nobody listed is one, too: the manifest may be lost, or somebody put it there. */
static int make_space_of_file(void *user, const char *file_name, rsi_file_kind kind)
{
    char name[RSI_COLLECTION_NAME_MAX];
    if (kind != RSI_FILE_REGULAR || !rsi_collection_name_of_file(name, file_name))
        return RAGSTORE_OK;
    return rsi_collection_space_of(user, name) == NULL ? rsi_error_code() : RAGSTORE_OK;
}

static int load_collections(rsi_storage *storage)
{
    static const rsi_file_state unknown = {0};
    const rsi_candidates *listed = &storage->manifest.collections;
    int status = rsi_directory_list(storage->root, RSI_PATH_COLLECTIONS, make_space_of_file,
                                    storage);
    if (status == RAGSTORE_E_NOT_FOUND)
        status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < listed->count; i++)
        status = make_space_of_file(
            storage, listed->items[i].path + sizeof RSI_PATH_COLLECTIONS, RSI_FILE_REGULAR);
    size_t position = 0;
    void *space;
    while (status == RAGSTORE_OK &&
           rsi_map_next(&storage->collections, &position, NULL, &space)) {
        rsi_path path = rsi_space_path(space);
        const rsi_file_state *state = rsi_candidates_last(listed, path.text);
        status = load_snapshot(storage, space, path.text, state == NULL ? &unknown : state);
    }
    return status;
}

static int accept_collection_edits(rsi_storage *storage)
{
    size_t position = 0;
    void *space;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && rsi_map_next(&storage->collections, &position, NULL, &space))
        status = accept_edit(storage, space, rsi_space_path(space).text);
    return status;
}

/* ---- all of them ---- */

int rsi_snapshots_load(rsi_storage *storage)
{
    int status = load_snapshot(storage, &storage->entities, RSI_PATH_ENTITIES,
                               &storage->manifest.entities);
    if (status == RAGSTORE_OK)
        status = load_snapshot(storage, &storage->sessions, RSI_PATH_SESSIONS,
                               &storage->manifest.sessions);
    return status == RAGSTORE_OK ? load_collections(storage) : status;
}

int rsi_snapshots_accept_edits(rsi_storage *storage)
{
    int status = accept_edit(storage, &storage->entities, RSI_PATH_ENTITIES);
    if (status == RAGSTORE_OK)
        status = accept_edit(storage, &storage->sessions, RSI_PATH_SESSIONS);
    return status == RAGSTORE_OK ? accept_collection_edits(storage) : status;
}
