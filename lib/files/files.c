/*
 * Open files: the table's calls made complete and turned into typed errors. See files.h.
 *
 * A call that was interrupted is made again, a short one goes on where it stopped; both a
 * bounded number of times, so that a broken file system cannot hang its caller. A failed
 * flush is never tried again (RELIABILITY D4): only an interrupted one is, which has
 * reported nothing yet.
 *
 * Called by storage, vectors and every room that keeps files. Not locked: see files.h.
 */
#include "files/files_internal.h"

#include "base/memory.h"
#include "base/status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- errors ---- */

int rsi_files_fail(int64_t negative_errno, const char *action, const char *path)
{
    int system_errno = (int)-negative_errno;

    switch (system_errno) {
    case ELOOP:
        return rsi_fail(RAGSTORE_E_DAMAGED, "files",
                        "%s %s: a symbolic link inside the store is refused", action, path);
    case ENOTDIR:
        return rsi_fail(RAGSTORE_E_DAMAGED, "files", "%s %s: a part of the path is not a directory",
                        action, path);
    case EISDIR:
        return rsi_fail(RAGSTORE_E_DAMAGED, "files",
                        "%s %s: a directory stands where a file is expected", action, path);
    case ENXIO: /* a socket, or a pipe that nobody reads */
        return rsi_fail(RAGSTORE_E_DAMAGED, "files", "%s %s: not a regular file", action, path);
    case ENOTEMPTY:
        return rsi_fail_errno(RAGSTORE_E_EXISTS, system_errno, "files", "%s %s", action, path);
    case EOPNOTSUPP:
        return rsi_fail_errno(RAGSTORE_E_UNSUPPORTED, system_errno, "files", "%s %s", action,
                              path);
    case ENOSPC:
    case EDQUOT:
        return rsi_fail_errno(RAGSTORE_E_DISK_FULL, system_errno, "files",
                              "%s %s: the disk or the quota is full: delete documents, sessions or "
                              "entities, or make room otherwise, and try again",
                              action, path);
    case EAGAIN:
        return rsi_fail_errno(RAGSTORE_E_BUSY, system_errno, "files", "%s %s", action, path);
    default:
        return rsi_fail_errno(rsi_code_of_errno(system_errno), system_errno, "files", "%s %s",
                              action, path);
    }
}

int rsi_files_check_regular(const rsi_file_info *info, const char *action, const char *path)
{
    if (info->kind == RSI_FILE_DIRECTORY)
        return rsi_files_fail(-EISDIR, action, path);
    if (info->kind != RSI_FILE_REGULAR)
        return rsi_fail(RAGSTORE_E_DAMAGED, "files",
                        "%s %s: a link or other special file inside the store is refused", action,
                        path);
    if (info->links > 1)
        return rsi_fail(RAGSTORE_E_DAMAGED, "files",
                        "%s %s: the file has %" PRIu64
                        " hard links, one is allowed inside the store; copy it over itself",
                        action, path, info->links);
    return RAGSTORE_OK;
}

/* ---- complete calls ---- */

int rsi_files_open_raw(const rsi_file_table *table, int directory, const char *path, unsigned flags)
{
    int handle = -EINTR;
    for (int i = 0; handle == -EINTR && i < RSI_INTERRUPTIONS_MAX; i++)
        handle = table->open(table->self, directory, path, flags);
    return handle;
}

int rsi_files_make_directory_raw(const rsi_file_table *table, int directory, const char *path)
{
    int result = -EINTR;
    for (int i = 0; result == -EINTR && i < RSI_INTERRUPTIONS_MAX; i++)
        result = table->make_directory(table->self, directory, path);
    return result;
}

int rsi_files_flush_raw(const rsi_file_table *table, int handle)
{
    int result = -EINTR;
    for (int i = 0; result == -EINTR && i < RSI_INTERRUPTIONS_MAX; i++)
        result = table->flush(table->self, handle);
    return result;
}

/* Some file systems cannot flush a directory and say EINVAL: there is nothing to wait for. */
int rsi_files_flush_directory_raw(const rsi_file_table *table, int handle)
{
    int result = rsi_files_flush_raw(table, handle);
    return result == -EINVAL ? 0 : result;
}

/* An interrupted close has closed the handle on every system we know; what must be on disk was
 * flushed before. */
int rsi_files_close_raw(const rsi_file_table *table, int handle)
{
    int result = table->close(table->self, handle);
    return result == -EINTR || result == -EINPROGRESS ? 0 : result;
}

int64_t rsi_files_read_raw(const rsi_file_table *table, int handle, void *out, size_t size,
                           uint64_t offset)
{
    size_t done = 0;
    int interruptions = 0;

    while (done < size) {
        int64_t count =
            table->read(table->self, handle, (char *)out + done, size - done, offset + done);
        if (count == -EINTR && ++interruptions < RSI_INTERRUPTIONS_MAX)
            continue;
        if (count < 0)
            return count;
        if (count == 0)
            break;
        done += (size_t)count;
    }
    return (int64_t)done;
}

int rsi_files_write_raw(const rsi_file_table *table, int handle, const void *data, size_t size,
                        uint64_t offset)
{
    size_t done = 0;
    int interruptions = 0;

    while (done < size) {
        int64_t count = table->write(table->self, handle, (const char *)data + done, size - done,
                                     offset + done);
        if (count == -EINTR && ++interruptions < RSI_INTERRUPTIONS_MAX)
            continue;
        if (count < 0)
            return (int)count;
        if (count == 0)
            return -EIO;
        done += (size_t)count;
    }
    return 0;
}

/* ---- open files ---- */

/* Not a file of ours although it could be opened, or not even looked at. */
static int check_opened(const rsi_file *file)
{
    rsi_file_info info;

    int result = file->table->info(file->table->self, file->handle, false, &info);
    if (result < 0)
        return rsi_files_fail(result, "open", file->path);
    return rsi_files_check_regular(&info, "open", file->path);
}

int rsi_file_open(rsi_file **out, rsi_root *root, const char *path, unsigned flags)
{
    *out = NULL;
    if (flags & (RSI_OPEN_DIRECTORY | RSI_OPEN_ROOT))
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "files", "open %s: not a flag for files",
                        path);
    int status = rsi_files_check_path("open", path);
    if (status != RAGSTORE_OK)
        return status;

    size_t path_size = strlen(path) + 1;
    rsi_file *file = rsi_alloc(sizeof *file + path_size);
    if (file == NULL)
        return RAGSTORE_E_NO_MEMORY;
    file->table = root->table;
    memcpy(file->path, path, path_size);

    file->handle = rsi_files_open_raw(root->table, root->handle, path, flags);
    if (file->handle < 0) {
        status = rsi_files_fail(file->handle, "open", path);
        goto cleanup;
    }
    status = check_opened(file);
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

int rsi_file_close(rsi_file *file)
{
    int status = RAGSTORE_OK;

    if (file == NULL)
        return RAGSTORE_OK;
    int result = rsi_files_close_raw(file->table, file->handle);
    if (result < 0)
        status = rsi_files_fail(result, "close", file->path);
    rsi_free(file);
    return status;
}

const char *rsi_file_path(const rsi_file *file)
{
    return file->path;
}

int rsi_file_size(rsi_file *file, uint64_t *size)
{
    rsi_file_info info;

    *size = 0;
    int result = file->table->info(file->table->self, file->handle, false, &info);
    if (result < 0)
        return rsi_files_fail(result, "get the size of", file->path);
    *size = info.size;
    return RAGSTORE_OK;
}

int rsi_file_inspect(rsi_file *file, rsi_file_info *info)
{
    int result = file->table->info(file->table->self, file->handle, false, info);
    return result < 0 ? rsi_files_fail(result, "look at", file->path) : RAGSTORE_OK;
}

int rsi_file_is_linked(rsi_file *file, bool *linked)
{
    rsi_file_info info;

    *linked = false;
    int status = rsi_file_inspect(file, &info);
    if (status == RAGSTORE_OK)
        *linked = info.links > 0;
    return status;
}

int rsi_file_read_at(rsi_file *file, void *out, size_t size, uint64_t offset)
{
    int64_t count = rsi_files_read_raw(file->table, file->handle, out, size, offset);
    if (count < 0)
        return rsi_files_fail(count, "read", file->path);
    if ((uint64_t)count < size)
        return rsi_fail(RAGSTORE_E_DAMAGED, "files",
                        "read %s: the file ends at byte %" PRIu64
                        ", %zu bytes were expected at %" PRIu64,
                        file->path, offset + (uint64_t)count, size, offset);
    return RAGSTORE_OK;
}

int rsi_file_write_at(rsi_file *file, const void *data, size_t size, uint64_t offset)
{
    int result = rsi_files_write_raw(file->table, file->handle, data, size, offset);
    return result < 0 ? rsi_files_fail(result, "write", file->path) : RAGSTORE_OK;
}

int rsi_file_truncate(rsi_file *file, uint64_t size)
{
    int result = -EINTR;
    for (int i = 0; result == -EINTR && i < RSI_INTERRUPTIONS_MAX; i++)
        result = file->table->truncate(file->table->self, file->handle, size);
    return result < 0 ? rsi_files_fail(result, "truncate", file->path) : RAGSTORE_OK;
}

int rsi_file_reserve(rsi_file *file, uint64_t size)
{
    int result = -EINTR;
    for (int i = 0; result == -EINTR && i < RSI_INTERRUPTIONS_MAX; i++)
        result = file->table->reserve(file->table->self, file->handle, size);
    return result < 0 ? rsi_files_fail(result, "reserve space for", file->path) : RAGSTORE_OK;
}

int rsi_file_flush_data(rsi_file *file)
{
    int result = -EINTR;
    for (int i = 0; result == -EINTR && i < RSI_INTERRUPTIONS_MAX; i++)
        result = file->table->flush_data(file->table->self, file->handle);
    return result < 0 ? rsi_files_fail(result, "flush", file->path) : RAGSTORE_OK;
}

int rsi_file_flush(rsi_file *file)
{
    int result = rsi_files_flush_raw(file->table, file->handle);
    return result < 0 ? rsi_files_fail(result, "flush", file->path) : RAGSTORE_OK;
}

int rsi_file_lock(rsi_file *file, uint64_t start, uint64_t size, int kind)
{
    int result = -EINTR;
    for (int i = 0; result == -EINTR && i < RSI_INTERRUPTIONS_MAX; i++)
        result = file->table->lock(file->table->self, file->handle, start, size, kind);
    return result < 0 ? rsi_files_fail(result, "lock", file->path) : RAGSTORE_OK;
}

int rsi_file_view(rsi_file *file, size_t size, const void **bytes)
{
    uint64_t actual;

    *bytes = NULL;
    int status = rsi_file_size(file, &actual);
    if (status != RAGSTORE_OK)
        return status;
    if (actual < size) /* touching bytes behind the end would end the process */
        return rsi_fail(RAGSTORE_E_DAMAGED, "files",
                        "view %s: the file ends at byte %" PRIu64 ", %zu bytes were expected",
                        file->path, actual, size);
    int result = file->table->view(file->table->self, file->handle, size, bytes);
    return result < 0 ? rsi_files_fail(result, "view", file->path) : RAGSTORE_OK;
}

void rsi_file_unview(rsi_file *file, const void *bytes, size_t size)
{
    if (bytes != NULL)
        file->table->unview(file->table->self, bytes, size);
}

void rsi_file_forget(rsi_file *file, const void *bytes, size_t size)
{
    if (file->table->forget != NULL && size > 0)
        file->table->forget(file->table->self, bytes, size);
}

bool rsi_root_view_reaches(const rsi_root *root, size_t viewed, size_t size)
{
    const size_t step = root->table->view_step;
    return step > 0 && viewed > 0 && size >= viewed && (size - 1) / step == (viewed - 1) / step;
}

void rsi_root_forget(rsi_root *root, const void *bytes, size_t size)
{
    if (root->table->forget != NULL && size > 0)
        root->table->forget(root->table->self, bytes, size);
}

void rsi_root_unview(rsi_root *root, const void *bytes, size_t size)
{
    if (bytes != NULL)
        root->table->unview(root->table->self, bytes, size);
}
