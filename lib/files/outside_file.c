/*
 * A file outside every store that the caller names by a path of the host: opened for reading, links
 * followed, nothing of it trusted. See files.h.
 *
 * What is done with it afterwards goes through the functions of files.c, as with any file. Called
 * where a caller hands over a file to be taken in. Not locked.
 */
#include "files/files_internal.h"

#include "base/memory.h"
#include "base/status.h"

#include <errno.h>
#include <string.h>

static int check_outside(const rsi_file *file)
{
    rsi_file_info info;
    int result = file->table->info(file->table->self, file->handle, false, &info);
    if (result < 0)
        return rsi_files_fail(result, "look at", file->path);
    if (info.kind != RSI_FILE_REGULAR)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "files", "open %s: not a regular file",
                        file->path);
    return RAGSTORE_OK;
}

int rsi_file_open_outside(rsi_file **out, rsi_root *root, const char *path)
{
    *out = NULL;
    const size_t path_size = strlen(path) + 1;
    if (path_size == 1)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "files", "open: the path is empty");
    rsi_file *file = rsi_alloc(sizeof *file + path_size);
    if (file == NULL)
        return RAGSTORE_E_NO_MEMORY;
    file->table = root->table;
    memcpy(file->path, path, path_size);

    int status;
    file->handle = rsi_files_open_raw(root->table, -1, path, RSI_OPEN_READ | RSI_OPEN_ROOT);
    if (file->handle < 0) {
        const int failure = -file->handle;
        status =
            rsi_fail_errno(failure == ENOTDIR ? RAGSTORE_E_NOT_FOUND : rsi_code_of_errno(failure),
                           failure, "files", "open %s", path);
        goto cleanup;
    }
    status = check_outside(file);
    if (status != RAGSTORE_OK) {
        (void)rsi_files_close_raw(file->table, file->handle);
        goto cleanup;
    }
    *out = file;
    file = NULL;

cleanup:
    rsi_free(file);
    return status;
}
