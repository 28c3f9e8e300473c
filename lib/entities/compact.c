/* Compaction: see compact.h. */
#include "entities/compact.h"

#include "base/memory.h"
#include "base/status.h"
#include "entities/export.h"
#include "files/paths.h"

#include <stdio.h>
#include <string.h>

/* ---- how large the store is ---- */

typedef struct measuring {
    rsi_root *root;
    const rsi_path *directory;
    uint64_t *bytes;
} measuring;

static int measure_directory(uint64_t *bytes, rsi_root *root, const rsi_path *directory);

/* What goes while it is looked at is not there. */
static int measure_entry(void *user, const char *name, rsi_file_kind kind)
{
    const measuring *at = user;
    rsi_path path;
    rsi_file_info info;
    int length = snprintf(path.text, sizeof path.text, "%s/%s", at->directory->text, name);
    if (length < 0 || (size_t)length >= sizeof path.text)
        return RAGSTORE_OK; /* nothing of ours is that long */
    if (kind == RSI_FILE_DIRECTORY)
        return measure_directory(at->bytes, at->root, &path);
    if (kind == RSI_FILE_REGULAR && rsi_file_info_of(at->root, path.text, &info) == RAGSTORE_OK)
        *at->bytes += info.size;
    return RAGSTORE_OK;
}

static int measure_directory(uint64_t *bytes, rsi_root *root, const rsi_path *directory)
{
    measuring at = {root, directory, bytes};
    int status = rsi_directory_list(root, directory->text, measure_entry, &at);
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
}

static int measure(uint64_t *bytes, rsi_store *store)
{
    static const rsi_path parts[] = {{RSI_PATH_API_STORAGE}, {RSI_PATH_ENTITY_ROOT}};
    int status = RAGSTORE_OK;
    *bytes = 0;
    for (size_t i = 0; status == RAGSTORE_OK && i < sizeof parts / sizeof *parts; i++)
        status = measure_directory(bytes, rsi_storage_root(store->storage), &parts[i]);
    return status;
}

static int add_name(void *user, const char *name, rsi_file_kind kind)
{
    rsi_bytes *names = user;
    (void)kind;
    rsi_bytes_append(names, name, strlen(name) + 1);
    return rsi_bytes_status(names);
}

static int list_quarantine(rsi_bytes *names, rsi_store *store)
{
    int status =
        rsi_directory_list(rsi_storage_root(store->storage), RSI_PATH_QUARANTINE, add_name, names);
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
}

/* ---- all of it ---- */

static int report(const rsi_compaction *compaction, const char *stage, uint64_t done,
                  uint64_t total)
{
    if (compaction->progress == NULL ||
        compaction->progress(compaction->progress_user, stage, done, total) == 0)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_INTERRUPTED, "entities", "the compaction was cancelled");
}

static int compact_entity(rsi_store *store, const char *entity_id)
{
    int status = rsi_compact_rows(store, entity_id, RSI_COMPACT_ALL);
    return status == RAGSTORE_OK ? rsi_export_entity(store, entity_id, RSI_EXPORT_COMPACT) : status;
}

/* One that cannot be read keeps nobody else from being compacted. */
static int compact_entities(const rsi_compaction *compaction, rsi_store *store,
                            rsi_saved_error *damage, bool *damaged)
{
    rsi_bytes ids = {0};
    const uint64_t epoch = rsi_store_epoch(store);
    const uint64_t total = rsi_storage_count(store->storage, RSI_SPACE_ENTITIES);
    uint64_t done = 0;
    size_t unreadable = 0;
    int status = rsi_storage_keys(&ids, &unreadable, store->storage, RSI_SPACE_ENTITIES);
    if (status == RAGSTORE_OK && unreadable > 0) {
        *damaged = true;
        rsi_error_save(damage);
    }
    for (size_t at = 0; status == RAGSTORE_OK && at < ids.size; at += strlen(ids.data + at) + 1) {
        status = report(compaction, "entities", done++, total);
        if (status == RAGSTORE_OK)
            status = rsi_store_check_interrupt(store, epoch);
        if (status == RAGSTORE_OK)
            status = compact_entity(store, ids.data + at);
        if (status == RAGSTORE_E_DAMAGED && !*damaged) {
            *damaged = true;
            rsi_error_save(damage);
        }
        if (status == RAGSTORE_E_NOT_FOUND || status == RAGSTORE_E_DAMAGED)
            status = RAGSTORE_OK;
    }
    rsi_bytes_free(&ids);
    return status;
}

int rsi_store_compact(rsi_compaction *compaction, rsi_store *store)
{
    rsi_saved_error damage;
    bool damaged = false;
    int status = measure(&compaction->bytes_before, store);
    if (status == RAGSTORE_OK)
        status = compact_entities(compaction, store, &damage, &damaged);
    if (status == RAGSTORE_OK)
        status = report(compaction, "files", 0, 0);
    if (status == RAGSTORE_OK)
        status =
            damaged ? rsi_storage_checkpoint(store->storage) : rsi_storage_compact(store->storage);
    if (status == RAGSTORE_OK)
        status = measure(&compaction->bytes_after, store);
    if (status == RAGSTORE_OK)
        status = list_quarantine(&compaction->quarantine, store);
    if (status != RAGSTORE_OK || !damaged)
        return status;
    rsi_error_restore(&damage);
    return rsi_wrap(rsi_error_code(), "the journals stay, with what was deleted");
}
