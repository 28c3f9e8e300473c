/*
 * Directories below the store: made durably, flushed, listed, removed with all below.
 * See files.h.
 *
 * Entries are collected before anything is done with them, so that callbacks and removal may
 * change the directory that is being walked:
 *
 *   names   "a.json" NUL "b" NUL "c.pdf" NUL
 *
 * Called by storage and vectors. Not locked; any thread.
 */
#include "files/files_internal.h"

#include "base/status.h"

#include <errno.h>
#include <string.h>

/* Directories within each other that are walked when a tree is removed: each holds a handle. */
#define TREE_DEPTH_MAX 64
#define EMPTYINGS_MAX 100 /* of a directory in which files come meanwhile */

/* "" is the root itself. A handle, or -errno. */
static int open_directory(rsi_root *root, const char *path)
{
    return rsi_files_open_raw(root->table, root->handle, path[0] == '\0' ? "." : path,
                              RSI_OPEN_DIRECTORY);
}

static const char *shown(const char *path)
{
    return path[0] == '\0' ? "the store's directory" : path;
}

int rsi_directory_flush(rsi_root *root, const char *path)
{
    if (path[0] != '\0') {
        int status = rsi_files_check_path("flush", path);
        if (status != RAGSTORE_OK)
            return status;
    }
    int handle = open_directory(root, path);
    if (handle < 0)
        return rsi_files_fail(handle, "flush", shown(path));
    int result = rsi_files_flush_directory_raw(root->table, handle);
    (void)rsi_files_close_raw(root->table, handle);
    return result < 0 ? rsi_files_fail(result, "flush", shown(path)) : RAGSTORE_OK;
}

/* ---- making ---- */

/* OK when it is a directory; DAMAGED when something else has its name. */
static int check_directory(rsi_root *root, const char *path)
{
    rsi_file_info info;

    int result = root->table->info_at(root->table->self, root->handle, path, &info);
    if (result < 0)
        return rsi_files_fail(result, "make", path);
    if (info.kind != RSI_FILE_DIRECTORY)
        return rsi_fail(RAGSTORE_E_DAMAGED, "files",
                        "make %s: something that is not a directory has this name", path);
    return RAGSTORE_OK;
}

/* Make one directory whose parent is there; *made tells whether it was missing. */
static int make_one(rsi_root *root, const char *path, bool *made)
{
    int result = rsi_files_make_directory_raw(root->table, root->handle, path);
    *made = result == 0;
    if (result == -EEXIST)
        return check_directory(root, path);
    return result < 0 ? rsi_files_fail(result, "make", path) : RAGSTORE_OK;
}

static int make_path(rsi_root *root, const char *path, bool durably)
{
    rsi_path prefix = {""};
    bool made;

    int status = rsi_files_check_path("make", path);
    if (status != RAGSTORE_OK)
        return status;
    for (const char *end = path; *end != '\0';) {
        end += strcspn(end + 1, "/") + 1;
        memcpy(prefix.text, path, (size_t)(end - path));
        prefix.text[end - path] = '\0';
        status = make_one(root, prefix.text, &made);
        if (status == RAGSTORE_OK && made && durably)
            status = rsi_directory_flush(root, prefix.text);
        if (status == RAGSTORE_OK && made && durably)
            status = rsi_directory_flush(root, rsi_files_parent(prefix.text).text);
        if (status != RAGSTORE_OK)
            return rsi_wrap(status, "make directory %s", path);
    }
    return RAGSTORE_OK;
}

int rsi_directory_make(rsi_root *root, const char *path)
{
    return make_path(root, path, true);
}

int rsi_directory_make_unflushed(rsi_root *root, const char *path)
{
    return make_path(root, path, false);
}

/* ---- listing ---- */

static int collect_name(void *user, const char *name)
{
    rsi_bytes *names = user;

    rsi_bytes_append(names, name, strlen(name) + 1);
    return rsi_bytes_status(names) == RAGSTORE_OK ? 0 : -ENOMEM;
}

/* All names in an open directory; names is cleared first. */
static int collect_names(const rsi_file_table *table, int handle, const char *path,
                         rsi_bytes *names)
{
    int result = -EINTR;
    for (int i = 0; result == -EINTR && i < RSI_INTERRUPTIONS_MAX; i++) {
        rsi_bytes_clear(names);
        result = table->list(table->self, handle, collect_name, names);
    }
    return result < 0 ? rsi_files_fail(result, "list", shown(path)) : RAGSTORE_OK;
}

int rsi_directory_names(rsi_root *root, const char *path, int (*each)(void *user, const char *name),
                        void *user)
{
    rsi_bytes names = {0};
    int status = rsi_files_check_path("list", path);
    if (status != RAGSTORE_OK)
        return status;
    int handle = open_directory(root, path);
    if (handle < 0)
        return rsi_files_fail(handle, "list", path);
    status = collect_names(root->table, handle, path, &names);
    (void)rsi_files_close_raw(root->table, handle);
    for (size_t at = 0; status == RAGSTORE_OK && at < names.size;
         at += strlen(names.data + at) + 1)
        status = each(user, names.data + at);
    rsi_bytes_free(&names);
    return status;
}

int rsi_directory_list(rsi_root *root, const char *path,
                       int (*each)(void *user, const char *name, rsi_file_kind kind), void *user)
{
    const rsi_file_table *table = root->table;
    rsi_bytes names = {0};
    rsi_file_info info;

    int status = path[0] == '\0' ? RAGSTORE_OK : rsi_files_check_path("list", path);
    if (status != RAGSTORE_OK)
        return status;
    int handle = open_directory(root, path);
    if (handle < 0)
        return rsi_files_fail(handle, "list", shown(path));

    status = collect_names(table, handle, path, &names);
    for (size_t at = 0; status == RAGSTORE_OK && at < names.size;) {
        const char *name = names.data + at;
        at += strlen(name) + 1;
        int result = table->info_at(table->self, handle, name, &info);
        if (result == -ENOENT) /* removed meanwhile */
            continue;
        status = result < 0
                     ? rsi_wrap(rsi_files_fail(result, "look at", name), "list %s", shown(path))
                     : each(user, name, info.kind);
    }
    (void)rsi_files_close_raw(table, handle);
    rsi_bytes_free(&names);
    return status;
}

/* ---- removing ---- */

static int remove_below(const rsi_file_table *table, int directory, const char *shown_path,
                        unsigned depth);

static int remove_raw(const rsi_file_table *table, int directory, const char *name,
                      bool is_directory)
{
    int result = -EINTR;
    for (int i = 0; result == -EINTR && i < RSI_INTERRUPTIONS_MAX; i++)
        result = table->remove(table->self, directory, name, is_directory);
    return result;
}

/* Who has a directory open may still make files in it, until it is gone. */
static int remove_directory(int *result, const rsi_file_table *table, int directory,
                            const char *name, unsigned depth)
{
    int status = RAGSTORE_OK;
    *result = -ENOTEMPTY;
    for (int i = 0; (*result == -ENOTEMPTY || *result == -EEXIST) && i < EMPTYINGS_MAX; i++) {
        int handle = rsi_files_open_raw(table, directory, name, RSI_OPEN_DIRECTORY);
        if (handle < 0)
            return rsi_files_fail(handle, "remove", name);
        status = remove_below(table, handle, name, depth + 1);
        (void)rsi_files_close_raw(table, handle);
        if (status != RAGSTORE_OK)
            return status;
        *result = remove_raw(table, directory, name, true);
    }
    return RAGSTORE_OK;
}

/* Remove `name` in an open directory, a directory with all below it; a missing one is fine. */
static int remove_entry(const rsi_file_table *table, int directory, const char *name,
                        unsigned depth)
{
    rsi_file_info info;

    int result = table->info_at(table->self, directory, name, &info);
    if (result == -ENOENT)
        return RAGSTORE_OK;
    if (result < 0)
        return rsi_files_fail(result, "remove", name);
    if (info.kind == RSI_FILE_DIRECTORY) {
        int status = remove_directory(&result, table, directory, name, depth);
        if (status != RAGSTORE_OK)
            return status;
    } else {
        result = remove_raw(table, directory, name, false);
    }
    if (result < 0 && result != -ENOENT)
        return rsi_files_fail(result, "remove", name);
    return RAGSTORE_OK;
}

static int remove_below(const rsi_file_table *table, int directory, const char *shown_path,
                        unsigned depth)
{
    rsi_bytes names = {0};

    if (depth > TREE_DEPTH_MAX)
        return rsi_fail(RAGSTORE_E_DAMAGED, "files",
                        "remove %s: directories nested more than %d deep; no store makes such",
                        shown_path, TREE_DEPTH_MAX);
    int status = collect_names(table, directory, shown_path, &names);
    for (size_t at = 0; status == RAGSTORE_OK && at < names.size;) {
        const char *name = names.data + at;
        at += strlen(name) + 1;
        status = remove_entry(table, directory, name, depth);
    }
    rsi_bytes_free(&names);
    return status;
}

int rsi_directory_remove(rsi_root *root, const char *path)
{
    int status = rsi_files_check_path("remove", path);
    if (status != RAGSTORE_OK)
        return status;
    return rsi_wrap(remove_entry(root->table, root->handle, path, 0), "remove directory %s", path);
}
