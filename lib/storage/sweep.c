/*
 * Sweeping: files under names of ours that an unfinished run left. What a job stands for, an upload
 * that waits for its turn, is no such file: its record names it. Nor is a committed upload that a
 * full disk has kept from its name: it is all that there is of the document's bytes.
 */
#include "storage/storage_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "json/json.h"

#include <stdio.h>
#include <string.h>

typedef struct sweep {
    rsi_root *root;
    const rsi_map *spared;
    const char *directory;
    int depth; /* how many levels of folders below this one may hold names of ours */
} sweep;

/* ---- what jobs stand for ---- */

static int spare_file(void *user, const char *key, const char *json, size_t size)
{
    rsi_map *spared = user;
    rsi_json *job;
    (void)key;
    int status = rsi_json_parse(&job, json, size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    const char *incoming = rsi_json_get_text(job, "incoming");
    if (incoming != NULL) /* the names are random: one set serves all entities */
        status = rsi_map_put(spared, incoming, strlen(incoming), spared, NULL);
    rsi_json_free(job);
    return status;
}

int rsi_work_spared(rsi_map *spared, rsi_storage *storage)
{
    return rsi_storage_each(storage, RSI_SPACE_JOBS, spare_file, spared);
}

/* What waits to get its name; nobody else uses the list while a store is opened, or closed last. */
static int spare_waiting(rsi_map *spared, const rsi_work_list *list)
{
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < list->count; i++)
        if (list->items[i].kind == RSI_WORK_FILE)
            status = rsi_map_put(spared, list->items[i].first, strlen(list->items[i].first),
                                 spared, NULL);
    return status;
}

/* ---- the files ---- */

static bool is_ours(const char *name)
{
    return strncmp(name, RSI_INCOMING_PREFIX, sizeof RSI_INCOMING_PREFIX - 1) == 0 ||
           strncmp(name, ".tmp-", 5) == 0 || strncmp(name, ".gone-", 6) == 0;
}

static int sweep_entry(void *user, const char *name, rsi_file_kind kind)
{
    const sweep *in = user;
    char path[RSI_PATH_MAX];
    int length = in->directory[0] == '\0'
                     ? snprintf(path, sizeof path, "%s", name)
                     : snprintf(path, sizeof path, "%s/%s", in->directory, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return RAGSTORE_OK;
    if (is_ours(name)) {
        if (rsi_map_get(in->spared, name, strlen(name)) != NULL)
            return RAGSTORE_OK;
        return kind == RSI_FILE_DIRECTORY ? rsi_directory_remove(in->root, path)
                                          : rsi_file_remove(in->root, path);
    }
    if (kind != RSI_FILE_DIRECTORY || in->depth == 0)
        return RAGSTORE_OK;
    sweep below = {in->root, in->spared, path, in->depth - 1};
    return rsi_directory_list(in->root, path, sweep_entry, &below);
}

int rsi_work_sweep(rsi_storage *storage)
{
    static const struct {
        const char *directory;
        int depth;
    } places[] = {{"", 0},
                  {RSI_PATH_API_STORAGE, 0},
                  {RSI_PATH_COLLECTIONS, 0},
                  {RSI_PATH_UPLOADS, 1},
                  {RSI_PATH_ENTITY_ROOT, 2}};
    rsi_map spared = {0};
    int status = spare_waiting(&spared, &storage->work);
    if (status == RAGSTORE_OK)
        status = rsi_work_spared(&spared, storage);
    if (status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_INVALID_DATA) {
        /* which files are needed is not known: better too many of them than too few */
        rsi_storage_log(storage, RAGSTORE_LOG_WARNING, "files of an unfinished run stay: %s",
                        rsi_error_message());
        rsi_map_free(&spared, NULL);
        return RAGSTORE_OK;
    }
    for (size_t i = 0; status == RAGSTORE_OK && i < sizeof places / sizeof *places; i++) {
        sweep at = {storage->root, &spared, places[i].directory, places[i].depth};
        status = rsi_directory_list(storage->root, at.directory, sweep_entry, &at);
        if (status == RAGSTORE_E_NOT_FOUND)
            status = RAGSTORE_OK;
    }
    rsi_map_free(&spared, NULL);
    return rsi_wrap(status, "remove what an unfinished run left");
}
