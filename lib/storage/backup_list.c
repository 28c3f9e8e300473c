/*
 * The list of a backup, in memory and as backup.json. See backup.h.
 *
 *   {"crc32c":"…","format":1,"kind":"backup","store_id":"…","created_at":"…","sequence":915,"files":[
 *   {"path":"api_storage/entities.json","size":4711,"sha256":"…"},
 *   …
 *   ]}
 */
#include "storage/backup_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "storage/small_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX ((size_t)1 << 30) /* some four million files */

static void free_file(rsi_backup_file *file)
{
    rsi_free(file->path);
    rsi_free(file);
}

int rsi_backup_make(rsi_backup **out)
{
    *out = rsi_alloc_zeroed(sizeof **out);
    return *out == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

/* What cannot be removed must at least not pass for a backup, nor for a store. */
static void remove_copy(const rsi_backup *backup)
{
    if (backup->place == NULL)
        (void)rsi_file_remove(backup->root, RSI_BACKUP_LIST);
    (void)rsi_directory_remove(backup->place != NULL ? backup->place : backup->root,
                               backup->copy.text);
}

void rsi_backup_free(rsi_backup *backup)
{
    rsi_saved_error error;
    if (backup == NULL)
        return;
    rsi_error_save(&error);
    if (backup->is_unfinished)
        remove_copy(backup);
    for (size_t i = 0; i < backup->count; i++)
        free_file(backup->files[i]);
    rsi_free(backup->files);
    rsi_map_free(&backup->by_path, NULL);
    rsi_map_free(&backup->flushed, NULL);
    rsi_root_close(backup->root);
    rsi_root_close(backup->place);
    rsi_free(backup);
    rsi_error_restore(&error);
}

const rsi_backup_facts *rsi_backup_facts_of(const rsi_backup *backup)
{
    return &backup->facts;
}

int rsi_backup_copy_path(rsi_bytes *path, const rsi_backup *backup)
{
    const rsi_root *root = backup->place != NULL ? backup->place : backup->root;
    rsi_bytes_printf(path, "%s/%s", rsi_root_path(root), backup->copy.text);
    return rsi_bytes_status(path);
}

rsi_path rsi_backup_path_of(const rsi_path *copy, const char *path)
{
    rsi_path whole;
    const int length = snprintf(whole.text, sizeof whole.text, "%s/%s", copy->text, path);
    if (length < 0 || (size_t)length >= sizeof whole.text)
        whole.text[0] = '\0';
    return whole;
}

/* ---- in memory ---- */

rsi_backup_file *rsi_backup_file_of(rsi_backup *backup, const char *path)
{
    rsi_backup_file *file = rsi_map_get(&backup->by_path, path, strlen(path));
    if (file != NULL)
        return file;
    if (!rsi_grow((void **)&backup->files, &backup->capacity, backup->count + 1,
                  sizeof *backup->files))
        return NULL;
    file = rsi_alloc_zeroed(sizeof *file);
    if (file == NULL)
        return NULL;
    file->path = rsi_strdup(path);
    if (file->path == NULL ||
        rsi_map_put(&backup->by_path, path, strlen(path), file, NULL) != RAGSTORE_OK) {
        free_file(file);
        return NULL;
    }
    backup->files[backup->count++] = file;
    return file;
}

void rsi_backup_keep(rsi_backup *backup, bool (*keep)(void *user, const rsi_backup_file *file),
                     void *user)
{
    size_t kept = 0;
    for (size_t i = 0; i < backup->count; i++) {
        rsi_backup_file *file = backup->files[i];
        if (keep(user, file)) {
            backup->files[kept++] = file;
            continue;
        }
        (void)rsi_map_remove(&backup->by_path, file->path, strlen(file->path));
        free_file(file);
    }
    backup->count = kept;
}

static int compare_path(const void *a, const void *b)
{
    return strcmp((*(rsi_backup_file *const *)a)->path, (*(rsi_backup_file *const *)b)->path);
}

void rsi_backup_sort(rsi_backup *backup)
{
    if (backup->count > 1)
        qsort(backup->files, backup->count, sizeof *backup->files, compare_path);
}

/* ---- written ---- */

static void put_file(rsi_json_writer *writer, const rsi_backup_file *file)
{
    rsi_json_begin_object(writer);
    rsi_json_put_text(writer, "path", file->path);
    rsi_json_put_integer(writer, "size", (int64_t)file->size);
    rsi_json_put_text(writer, "sha256", file->sha256);
    rsi_json_end_object(writer);
}

int rsi_backup_list_write(rsi_backup *backup)
{
    rsi_bytes text = {0};
    rsi_json_writer writer = rsi_small_file_begin(&text);
    rsi_json_put_integer(&writer, "format", RSI_FORMAT);
    rsi_json_put_text(&writer, "kind", "backup");
    rsi_json_put_text(&writer, "store_id", backup->facts.store_id);
    rsi_json_put_text(&writer, "created_at", backup->facts.created_at);
    rsi_json_put_integer(&writer, "sequence", (int64_t)backup->facts.sequence);
    rsi_json_key(&writer, "files");
    rsi_json_begin_array(&writer);
    for (size_t i = 0; i < backup->count; i++) {
        rsi_bytes_append_text(&text, i == 0 ? "\n" : ",\n");
        writer.needs_comma = false;
        put_file(&writer, backup->files[i]);
    }
    rsi_bytes_append_text(&text, "\n");
    rsi_json_end_array(&writer);
    int status = rsi_small_file_write(&text, &writer, backup->root, RSI_BACKUP_LIST);
    rsi_bytes_free(&text);
    return rsi_wrap(status, "write the list " RSI_BACKUP_LIST);
}

/* ---- read ---- */

static int refuse(const char *what)
{
    return rsi_fail(RAGSTORE_E_DAMAGED, "storage", RSI_BACKUP_LIST ": %s; nothing was restored",
                    what);
}

static bool take_text(char *out, size_t room, const rsi_json *value, const char *letters)
{
    const char *text = rsi_json_text(value);
    if (text == NULL || strlen(text) >= room || text[strspn(text, letters)] != '\0')
        return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static int get_file(rsi_backup *backup, const rsi_json *entry)
{
    static const char hex[] = "0123456789abcdef";
    char sha256[RSI_SHA256_HEX];
    const char *path = rsi_json_get_text(entry, "path");
    const int64_t size = rsi_json_get_integer(entry, "size", -1);
    if (path == NULL || size < 0 ||
        !take_text(sha256, sizeof sha256, rsi_json_get(entry, "sha256"), hex) ||
        strlen(sha256) != RSI_SHA256_HEX - 1)
        return refuse("an entry lacks path, size or sha256");
    if (!rsi_backup_has(path))
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                        RSI_BACKUP_LIST ": \"%.200s\" is no file of a store; nothing was restored",
                        path);
    if (rsi_map_get(&backup->by_path, path, strlen(path)) != NULL)
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                        RSI_BACKUP_LIST ": \"%.200s\" is listed twice; nothing was restored", path);
    if (__builtin_add_overflow(backup->facts.bytes, (uint64_t)size, &backup->facts.bytes))
        return refuse("the sizes are not possible");
    rsi_backup_file *file = rsi_backup_file_of(backup, path);
    if (file == NULL)
        return RAGSTORE_E_NO_MEMORY;
    file->size = (uint64_t)size;
    memcpy(file->sha256, sha256, sizeof sha256);
    backup->facts.files++;
    return RAGSTORE_OK;
}

static int get_list(rsi_backup *backup, const rsi_json *list)
{
    static const char store_digits[] = "0123456789abcdef";
    static const char time_digits[] = "0123456789-:.T";
    const rsi_json *files = rsi_json_get(list, "files");
    const char *kind = rsi_json_get_text(list, "kind");
    const int64_t sequence = rsi_json_get_integer(list, "sequence", -1);
    rsi_backup_facts *facts = &backup->facts;
    if (kind == NULL || strcmp(kind, "backup") != 0 || !rsi_json_is_array(files) || sequence < 0 ||
        !take_text(facts->store_id, sizeof facts->store_id, rsi_json_get(list, "store_id"),
                   store_digits) ||
        !take_text(facts->created_at, sizeof facts->created_at, rsi_json_get(list, "created_at"),
                   time_digits))
        return refuse("it is not the list of a backup");
    facts->sequence = (uint64_t)sequence;
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < rsi_json_count(files); i++)
        status = get_file(backup, rsi_json_at(files, i));
    if (status == RAGSTORE_OK &&
        rsi_map_get(&backup->by_path, RSI_PATH_MANIFEST, strlen(RSI_PATH_MANIFEST)) == NULL)
        status = refuse("it has no " RSI_PATH_MANIFEST);
    return status;
}

int rsi_backup_list_read(rsi_backup *backup)
{
    rsi_json *list;
    int status = rsi_small_file_read(&list, backup->root, RSI_BACKUP_LIST, LIST_MAX,
                                     "nothing was restored");
    if (status == RAGSTORE_OK && list == NULL)
        return rsi_fail(RAGSTORE_E_NOT_FOUND, "storage",
                        "there is no backup in %s: " RSI_BACKUP_LIST " is missing",
                        rsi_root_path(backup->root));
    if (status == RAGSTORE_OK)
        status = get_list(backup, list);
    rsi_json_free(list);
    return status;
}
