/*
 * The directory of a store, and the check of every path below it: see files.h.
 *
 * Called by storage when a store is opened, and by tests. A rsi_root does not change
 * between open and close, so any thread may use it.
 */
#include "files/files_internal.h"

#include "base/memory.h"
#include "base/status.h"

#include <errno.h>
#include <string.h>

int rsi_files_check_path(const char *action, const char *path)
{
    size_t length = strnlen(path, RSI_PATH_MAX);

    if (length == 0)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "files", "%s: the path is empty", action);
    if (length == RSI_PATH_MAX)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "files", "%s: the path is over %d bytes",
                        action, RSI_PATH_MAX - 1);
    for (const char *step = path;;) {
        size_t size = strcspn(step, "/");
        bool dots =
            (size == 1 && step[0] == '.') || (size == 2 && step[0] == '.' && step[1] == '.');
        if (size == 0 || dots)
            return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "files",
                            "%s %s: not a path below the store", action, path);
        if (step[size] == '\0')
            return RAGSTORE_OK;
        step += size + 1;
    }
}

rsi_path rsi_files_parent(const char *path)
{
    rsi_path parent = {""};
    const char *slash = strrchr(path, '/');

    if (slash != NULL)
        memcpy(parent.text, path, (size_t)(slash - path)); /* shorter than RSI_PATH_MAX: checked */
    return parent;
}

/* The directory that holds `path`, a path of the host's: an allocated text, or NULL. */
static char *outer_directory(const char *path)
{
    size_t end = strlen(path);

    while (end > 1 && path[end - 1] == '/')
        end--;
    while (end > 0 && path[end - 1] != '/')
        end--;
    if (end == 0)
        return rsi_strdup(".");
    while (end > 1 && path[end - 1] == '/')
        end--;
    return rsi_memdup0(path, end);
}

/*
 * Make the name of a new store durable in the directory that holds it (RELIABILITY D2). One
 * that we may search and write but not list cannot be opened for that; the first flush of the
 * store's own directory is then the most that can be done.
 */
static int flush_outer_directory(const rsi_root *root)
{
    int status = RAGSTORE_OK;

    char *outer = outer_directory(root->path);
    if (outer == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int handle = rsi_files_open_raw(root->table, -1, outer, RSI_OPEN_ROOT | RSI_OPEN_DIRECTORY);
    if (handle < 0) {
        if (handle != -EACCES)
            status = rsi_files_fail(handle, "open", outer);
        goto cleanup;
    }
    int result = rsi_files_flush_directory_raw(root->table, handle);
    if (result < 0)
        status = rsi_files_fail(result, "flush", outer);
    (void)rsi_files_close_raw(root->table, handle);

cleanup:
    rsi_free(outer);
    return status;
}

/* A directory without a manifest is new, or was left by a process that died while making it,
 * perhaps before it had flushed anything. */
static int make_durable_when_new(const rsi_root *root, bool made)
{
    rsi_file_info info;

    if (!made &&
        root->table->info_at(root->table->self, root->handle, RSI_PATH_MANIFEST, &info) == 0)
        return RAGSTORE_OK;
    int result = rsi_files_flush_directory_raw(root->table, root->handle);
    if (result < 0)
        return rsi_files_fail(result, "flush", root->path);
    return flush_outer_directory(root);
}

static int open_root_handle(rsi_root *root)
{
    root->handle =
        rsi_files_open_raw(root->table, -1, root->path, RSI_OPEN_ROOT | RSI_OPEN_DIRECTORY);
    if (root->handle == -ENOTDIR || root->handle == -ELOOP)
        return rsi_fail_errno(RAGSTORE_E_INVALID_ARGUMENT, -root->handle, "files",
                              "open store directory %s", root->path);
    if (root->handle < 0)
        return rsi_files_fail(root->handle, "open store directory", root->path);
    return RAGSTORE_OK;
}

/* Make the directory unless it is there, and open it. */
static int make_root(rsi_root *root)
{
    int made = rsi_files_make_directory_raw(root->table, -1, root->path);
    int status = open_root_handle(root);
    if (status == RAGSTORE_OK)
        return make_durable_when_new(root, made == 0);
    /* Only now does it matter why: EROFS and EACCES are also said of a directory that exists. */
    if (made < 0 && made != -EEXIST && status == RAGSTORE_E_NOT_FOUND)
        return rsi_files_fail(made, "make store directory", root->path);
    return status;
}

int rsi_root_open(rsi_root **out, const rsi_file_table *table, const char *path, bool create)
{
    *out = NULL;
    size_t path_size = strlen(path) + 1;
    if (path_size == 1)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "files",
                        "open store directory: the path is empty");
    rsi_root *root = rsi_alloc(sizeof *root + path_size);
    if (root == NULL)
        return RAGSTORE_E_NO_MEMORY;
    root->table = table != NULL ? table : &rsi_files_posix;
    root->handle = -1;
    memcpy(root->path, path, path_size);

    int status = create ? make_root(root) : open_root_handle(root);
    if (status != RAGSTORE_OK) {
        rsi_root_close(root);
        return status;
    }
    *out = root;
    return RAGSTORE_OK;
}

int rsi_root_open_below(rsi_root **out, const rsi_root *root, const char *path)
{
    *out = NULL;
    int status = rsi_files_check_path("open", path);
    if (status != RAGSTORE_OK)
        return status;
    const size_t outer_size = strlen(root->path);
    const size_t path_size = strlen(path) + 1;
    rsi_root *below = rsi_alloc(sizeof *below + outer_size + 1 + path_size);
    if (below == NULL)
        return RAGSTORE_E_NO_MEMORY;
    below->table = root->table;
    memcpy(below->path, root->path, outer_size);
    below->path[outer_size] = '/';
    memcpy(below->path + outer_size + 1, path, path_size);
    below->handle = rsi_files_open_raw(root->table, root->handle, path, RSI_OPEN_DIRECTORY);
    if (below->handle < 0) {
        status = rsi_files_fail(below->handle, "open", path);
        rsi_free(below);
        return status;
    }
    *out = below;
    return RAGSTORE_OK;
}

void rsi_root_close(rsi_root *root)
{
    if (root == NULL)
        return;
    if (root->handle >= 0)
        (void)rsi_files_close_raw(root->table, root->handle);
    rsi_free(root);
}

const char *rsi_root_path(const rsi_root *root)
{
    return root->path;
}

int rsi_root_info(rsi_root *root, rsi_file_info *info)
{
    int result = root->table->info(root->table->self, root->handle, false, info);
    return result < 0 ? rsi_files_fail(result, "look at", root->path) : RAGSTORE_OK;
}

const rsi_file_table *rsi_root_table(const rsi_root *root)
{
    return root->table;
}
