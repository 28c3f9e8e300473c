/*
 * Files read, replaced, measured, renamed and removed as a whole: see files.h.
 *
 * Replacing (RELIABILITY D1):
 *
 *   make .tmp-<16 hex>  ─►  write  ─►  flush  ─►  close  ─►  rename  ─►  flush directory
 *     failed: nothing         └──── failed: remove it ────┘            failed: see below
 *
 * Until the rename the old file is untouched. When only the flush of the directory fails, the
 * new file is in place but may be gone after a power cut: the caller gets the error and treats
 * the store as failed.
 *
 * Called by storage and vectors. Not locked; two threads may not write the same path.
 */
#include "files/files_internal.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define READ_STEP ((size_t)64 * 1024)

/* What a close says about a file that was only read changes nothing. */
static void close_read_file(rsi_file *file)
{
    (void)rsi_files_close_raw(file->table, file->handle);
    rsi_free(file);
}

static int fail_too_large(const char *path, size_t max_bytes)
{
    return rsi_fail(RAGSTORE_E_TOO_LARGE, "files", "read %s: over the limit of %zu bytes", path,
                    max_bytes);
}

/* Read to the end, which need not be where the file's size says: files grow. */
static int read_to_end(rsi_file *file, size_t max_bytes, rsi_bytes *out)
{
    uint64_t expected;

    int status = rsi_file_size(file, &expected);
    if (status != RAGSTORE_OK)
        return status;
    if (expected > max_bytes)
        return fail_too_large(file->path, max_bytes);
    size_t step = (size_t)expected + (expected < SIZE_MAX); /* a byte that should not be there */
    for (;;) {
        if (!rsi_bytes_reserve(out, step))
            return RAGSTORE_E_NO_MEMORY;
        int64_t count =
            rsi_files_read_raw(file->table, file->handle, out->data + out->size, step, out->size);
        if (count < 0)
            return rsi_files_fail(count, "read", file->path);
        out->size += (size_t)count;
        out->data[out->size] = '\0';
        if (out->size > max_bytes)
            return fail_too_large(file->path, max_bytes);
        if ((size_t)count < step)
            return RAGSTORE_OK;
        step = READ_STEP;
    }
}

int rsi_file_read_all(rsi_root *root, const char *path, size_t max_bytes, rsi_bytes *out)
{
    rsi_file *file;

    rsi_bytes_clear(out);
    int status = rsi_file_open(&file, root, path, RSI_OPEN_READ);
    if (status == RAGSTORE_OK) {
        status = read_to_end(file, max_bytes, out);
        close_read_file(file);
    }
    if (status != RAGSTORE_OK)
        rsi_bytes_free(out);
    return status;
}

/* ---- replacing ---- */

#define TEMPORARY_TRIES 8

/* Make ".tmp-<16 hex>" beside `path`; *temporary gets its path. */
static int make_temporary(rsi_root *root, const char *path, rsi_path *temporary, int *handle)
{
    *handle = -EEXIST;
    for (int i = 0; *handle == -EEXIST && i < TEMPORARY_TRIES; i++) {
        int status = rsi_path_temporary(temporary, path);
        if (status != RAGSTORE_OK)
            return rsi_wrap(status, "replace %s", path);
        *handle = rsi_files_open_raw(root->table, root->handle, temporary->text,
                                     RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
    }
    if (*handle >= 0)
        return RAGSTORE_OK;
    if (*handle != -EEXIST) /* it may have been made before the opening failed */
        (void)root->table->remove(root->table->self, root->handle, temporary->text, false);
    return rsi_files_fail(*handle, "make a temporary file for", path);
}

/* Write, flush and close the temporary; the handle is closed in any case. */
static int fill_temporary(rsi_root *root, int handle, const char *path, const void *data,
                          size_t size)
{
    const char *action = "write a temporary file for";

    int result = rsi_files_write_raw(root->table, handle, data, size, 0);
    if (result == 0) {
        action = "flush a temporary file for";
        result = rsi_files_flush_raw(root->table, handle);
    }
    int closed = rsi_files_close_raw(root->table, handle);
    if (result == 0 && closed < 0) {
        action = "close a temporary file for";
        result = closed;
    }
    return result < 0 ? rsi_files_fail(result, action, path) : RAGSTORE_OK;
}

/* Only a regular file with one name, or nothing, may be replaced (RELIABILITY D9). */
static int check_target(rsi_root *root, const char *path)
{
    rsi_file_info info;

    int result = root->table->info_at(root->table->self, root->handle, path, &info);
    if (result == -ENOENT)
        return RAGSTORE_OK;
    if (result < 0)
        return rsi_files_fail(result, "replace", path);
    return rsi_files_check_regular(&info, "replace", path);
}

static int rename_raw(rsi_root *root, const char *from, const char *to)
{
    int result = -EINTR;
    for (int i = 0; result == -EINTR && i < RSI_INTERRUPTIONS_MAX; i++)
        result = root->table->rename(root->table->self, root->handle, from, to);
    return result;
}

int rsi_file_replace(rsi_root *root, const char *path, const void *data, size_t size)
{
    rsi_path temporary;
    rsi_saved_error error;
    int handle;

    int status = rsi_files_check_path("replace", path);
    if (status == RAGSTORE_OK)
        status = check_target(root, path);
    if (status == RAGSTORE_OK)
        status = make_temporary(root, path, &temporary, &handle);
    if (status != RAGSTORE_OK)
        return status;

    status = fill_temporary(root, handle, path, data, size);
    if (status == RAGSTORE_OK) {
        int result = rename_raw(root, temporary.text, path);
        if (result < 0)
            status = rsi_files_fail(result, "replace", path);
    }
    if (status != RAGSTORE_OK) {
        rsi_error_save(&error);
        (void)rsi_file_remove(root, temporary.text);
        rsi_error_restore(&error);
        return status;
    }
    return rsi_wrap(rsi_directory_flush(root, rsi_files_parent(path).text), "replace %s", path);
}

/* ---- about files ---- */

int rsi_file_info_of(rsi_root *root, const char *path, rsi_file_info *info)
{
    memset(info, 0, sizeof *info);
    int status = rsi_files_check_path("look at", path);
    if (status != RAGSTORE_OK)
        return status;
    int result = root->table->info_at(root->table->self, root->handle, path, info);
    return result < 0 ? rsi_files_fail(result, "look at", path) : RAGSTORE_OK;
}

bool rsi_file_exists(rsi_root *root, const char *path)
{
    rsi_saved_error error;
    rsi_file_info info;

    rsi_error_save(&error);
    int status = rsi_file_info_of(root, path, &info);
    rsi_error_restore(&error);
    return status == RAGSTORE_OK;
}

int rsi_file_sha256(rsi_root *root, const char *path, uint64_t *size, char hex[65])
{
    rsi_file *file = NULL;
    char *buffer = NULL;
    rsi_sha256 sha;
    int64_t count;

    *size = 0;
    hex[0] = '\0';
    int status = rsi_file_open(&file, root, path, RSI_OPEN_READ);
    if (status != RAGSTORE_OK)
        return status;
    buffer = rsi_alloc(READ_STEP);
    if (buffer == NULL) {
        status = RAGSTORE_E_NO_MEMORY;
        goto cleanup;
    }

    uint64_t offset = 0;
    rsi_sha256_begin(&sha);
    do {
        count = rsi_files_read_raw(file->table, file->handle, buffer, READ_STEP, offset);
        if (count < 0) {
            status = rsi_files_fail(count, "read", path);
            goto cleanup;
        }
        rsi_sha256_add(&sha, buffer, (size_t)count);
        offset += (uint64_t)count;
    } while (count == (int64_t)READ_STEP);
    rsi_sha256_end_hex(&sha, hex);
    *size = offset;

cleanup:
    rsi_free(buffer);
    close_read_file(file);
    return status;
}

/* ---- names ---- */

int rsi_file_rename(rsi_root *root, const char *from, const char *to)
{
    int status = rsi_files_check_path("rename", from);
    if (status == RAGSTORE_OK)
        status = rsi_files_check_path("rename to", to);
    if (status != RAGSTORE_OK)
        return status;
    int result = rename_raw(root, from, to);
    if (result < 0)
        return rsi_wrap(rsi_files_fail(result, "to", to), "rename %s", from);

    /* The new name first: a power cut in between leaves two names rather than none. */
    rsi_path old_parent = rsi_files_parent(from);
    rsi_path new_parent = rsi_files_parent(to);
    status = rsi_directory_flush(root, new_parent.text);
    if (status == RAGSTORE_OK && strcmp(old_parent.text, new_parent.text) != 0)
        status = rsi_directory_flush(root, old_parent.text);
    return rsi_wrap(status, "rename %s", from);
}

int rsi_file_remove(rsi_root *root, const char *path)
{
    int status = rsi_files_check_path("remove", path);
    if (status != RAGSTORE_OK)
        return status;
    int result = -EINTR;
    for (int i = 0; result == -EINTR && i < RSI_INTERRUPTIONS_MAX; i++)
        result = root->table->remove(root->table->self, root->handle, path, false);
    if (result < 0 && result != -ENOENT)
        return rsi_files_fail(result, "remove", path);
    return RAGSTORE_OK;
}
