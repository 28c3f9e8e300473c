/* Reading a backup: comparing it with its list, and making a store of it. See backup.h. */
#include "storage/backup_internal.h"

#include "base/memory.h"
#include "base/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int rsi_backup_tell(const rsi_backup_watch *watch, const char *stage, uint64_t done, uint64_t total)
{
    return watch->step == NULL ? RAGSTORE_OK : watch->step(watch->user, stage, done, total);
}

/* ---- directories ---- */

int rsi_backup_make_directories(rsi_root *root, const rsi_path *copy)
{
    static const char *const names[] = {RSI_PATH_API_STORAGE, RSI_PATH_UPLOADS,
                                        RSI_PATH_ENTITY_ROOT, "logs"};
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < sizeof names / sizeof *names; i++)
        status = rsi_directory_make(root, rsi_backup_path_of(copy, names[i]).text);
    return status;
}

static rsi_path parent_of(const rsi_path *path)
{
    rsi_path parent = *path;
    char *slash = strrchr(parent.text, '/');
    if (slash != NULL)
        *slash = '\0';
    return parent;
}

int rsi_backup_make_parent(rsi_root *root, const rsi_path *path)
{
    rsi_path parent = parent_of(path);
    return rsi_file_exists(root, parent.text) ? RAGSTORE_OK
                                              : rsi_directory_make_unflushed(root, parent.text);
}

/* Flush the directories above a file, each once for the whole copy. */
static int flush_above(rsi_backup *backup, rsi_root *root, const rsi_path *path)
{
    static char done;
    rsi_path above = *path;
    while (strlen(above.text) > strlen(backup->copy.text)) {
        above = parent_of(&above);
        const size_t size = strlen(above.text);
        if (rsi_map_get(&backup->flushed, above.text, size) != NULL)
            return RAGSTORE_OK;
        int status = rsi_directory_flush(root, above.text);
        if (status == RAGSTORE_OK)
            status = rsi_map_put(&backup->flushed, above.text, size, &done, NULL);
        if (status != RAGSTORE_OK)
            return status;
    }
    return RAGSTORE_OK;
}

/* ---- files ---- */

static int flush_file(rsi_root *root, const char *path)
{
    rsi_file *file;
    int status = rsi_file_open(&file, root, path, RSI_OPEN_READ);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_file_flush(file);
    rsi_saved_error error;
    rsi_error_save(&error);
    (void)rsi_file_close(file);
    rsi_error_restore(&error);
    return status;
}

static int refuse_difference(const rsi_backup_file *file, uint64_t size)
{
    return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                    "%s: its %" PRIu64 " bytes are not the %" PRIu64
                    " that were backed up; use another backup",
                    file->path, size, file->size);
}

int rsi_backup_compare(rsi_root *root, const rsi_path *path, const rsi_backup_file *file)
{
    char sha256[RSI_SHA256_HEX];
    uint64_t size;
    int status = rsi_file_sha256(root, path->text, &size, sha256);
    if (status == RAGSTORE_E_NOT_FOUND)
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage", "%s is missing; use another backup",
                        file->path);
    if (status != RAGSTORE_OK)
        return status;
    return size == file->size && strcmp(sha256, file->sha256) == 0 ? RAGSTORE_OK
                                                                   : refuse_difference(file, size);
}

int rsi_backup_settle(rsi_backup *backup, rsi_root *root, const rsi_backup_watch *watch)
{
    uint64_t done = 0;
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < backup->count; i++) {
        const rsi_backup_file *file = backup->files[i];
        rsi_path path = rsi_backup_path_of(&backup->copy, file->path);
        status = rsi_backup_tell(watch, "verify", done, backup->facts.bytes);
        if (status == RAGSTORE_OK)
            status = flush_file(root, path.text);
        if (status == RAGSTORE_OK)
            status = flush_above(backup, root, &path);
        if (status == RAGSTORE_OK)
            status = rsi_backup_compare(root, &path, file);
        done += file->size;
    }
    return status;
}

/* ---- the calls ---- */

int rsi_backup_open(rsi_backup **out, const rsi_file_table *files, const char *directory)
{
    rsi_backup *backup;
    *out = NULL;
    int status = rsi_backup_make(&backup);
    if (status == RAGSTORE_OK)
        status = rsi_root_open(&backup->root, files, directory, false);
    if (status == RAGSTORE_OK)
        status = rsi_backup_list_read(backup);
    if (status != RAGSTORE_OK) {
        rsi_backup_free(backup);
        return rsi_wrap(status, "open the backup %s", directory);
    }
    backup->copy = (rsi_path){RSI_BACKUP_DATA};
    *out = backup;
    return RAGSTORE_OK;
}

int rsi_backup_verify(rsi_backup *backup, const rsi_backup_watch *watch)
{
    uint64_t done = 0;
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < backup->count; i++) {
        rsi_path path = rsi_backup_path_of(&backup->copy, backup->files[i]->path);
        status = rsi_backup_tell(watch, "verify", done, backup->facts.bytes);
        if (status == RAGSTORE_OK)
            status = rsi_backup_compare(backup->root, &path, backup->files[i]);
        done += backup->files[i]->size;
    }
    return rsi_wrap(status, "verify the backup %s", rsi_root_path(backup->root));
}

/* The directory above a path of the host's, and the last step of it. */
static int open_place(rsi_backup *backup, const rsi_file_table *files, const char *directory)
{
    size_t end = strlen(directory);
    while (end > 1 && directory[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && directory[start - 1] != '/')
        start--;
    const size_t size = end - start;
    const bool dots = (size == 1 && directory[start] == '.') ||
                      (size == 2 && directory[start] == '.' && directory[start + 1] == '.');
    if (size == 0 || size > 200 || dots)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "storage",
                        "\"%s\" cannot be the name of a new store", directory);
    memcpy(backup->name.text, directory + start, size);
    char *above = start == 0 ? rsi_strdup(".") : rsi_memdup0(directory, start);
    if (above == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = rsi_root_open(&backup->place, files, above, false);
    rsi_free(above);
    return status;
}

static int refuse_entry(void *user, const char *name, rsi_file_kind kind)
{
    (void)kind;
    return rsi_fail(
        RAGSTORE_E_EXISTS, "storage",
        "%s is not empty (it has \"%.100s\"); a backup is restored into a new directory",
        (const char *)user, name);
}

/* Nothing is there, or an empty directory, whose place a rename takes. */
static int look_at_place(rsi_backup *backup)
{
    rsi_file_info info;
    int status = rsi_file_info_of(backup->place, backup->name.text, &info);
    if (status == RAGSTORE_E_NOT_FOUND)
        return RAGSTORE_OK;
    if (status == RAGSTORE_OK && info.kind != RSI_FILE_DIRECTORY)
        status = rsi_fail(RAGSTORE_E_EXISTS, "storage", "%s is there already and is no directory",
                          backup->name.text);
    if (status == RAGSTORE_OK)
        status =
            rsi_directory_list(backup->place, backup->name.text, refuse_entry, backup->name.text);
    return status;
}

/* A name beside the place that nothing has. */
static int make_copy_directory(rsi_backup *backup)
{
    char digits[17];
    int status = rsi_random_hex(digits, 16);
    if (status != RAGSTORE_OK)
        return status;
    snprintf(backup->copy.text, sizeof backup->copy.text, "%.200s.restoring-%s", backup->name.text,
             digits);
    backup->is_unfinished = true;
    return rsi_backup_make_directories(backup->place, &backup->copy);
}

typedef struct unpacking {
    const rsi_backup_watch *watch;
    uint64_t done;
    uint64_t total;
} unpacking;

static int note_bytes(void *user, uint64_t bytes)
{
    unpacking *u = user;
    u->done += bytes;
    return rsi_backup_tell(u->watch, "copy", u->done, u->total);
}

static int unpack_file(rsi_backup *backup, const rsi_backup_file *file, unpacking *u)
{
    static const rsi_path data = {RSI_BACKUP_DATA};
    rsi_file_copied copied;
    rsi_path from = rsi_backup_path_of(&data, file->path);
    rsi_path to = rsi_backup_path_of(&backup->copy, file->path);
    int status = rsi_backup_make_parent(backup->place, &to);
    if (status == RAGSTORE_OK)
        status = rsi_file_copy(&copied, backup->root, from.text, backup->place, to.text, UINT64_MAX,
                               note_bytes, u);
    if (status == RAGSTORE_E_NOT_FOUND)
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage", "%s is missing; use another backup",
                        file->path);
    if (status != RAGSTORE_OK)
        return status;
    return copied.size == file->size && strcmp(copied.sha256, file->sha256) == 0
               ? RAGSTORE_OK
               : refuse_difference(file, copied.size);
}

int rsi_backup_unpack(rsi_backup *backup, const char *directory, const rsi_backup_watch *watch)
{
    unpacking u = {watch, 0, backup->facts.bytes};
    int status = open_place(backup, rsi_root_table(backup->root), directory);
    if (status == RAGSTORE_OK)
        status = look_at_place(backup);
    if (status == RAGSTORE_OK)
        status = make_copy_directory(backup);
    for (size_t i = 0; status == RAGSTORE_OK && i < backup->count; i++)
        status = unpack_file(backup, backup->files[i], &u);
    if (status == RAGSTORE_OK)
        status = rsi_backup_settle(backup, backup->place, watch);
    return rsi_wrap(status, "restore to %s", directory);
}

int rsi_backup_place(rsi_backup *backup)
{
    int status = rsi_file_rename(backup->place, backup->copy.text, backup->name.text);
    if (status == RAGSTORE_OK)
        backup->is_unfinished = false;
    return rsi_wrap(status, "give the restored store its name");
}
