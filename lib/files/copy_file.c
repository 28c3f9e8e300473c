/*
 * One file copied from one directory of ours to another, with the digest of what was read: see
 * files.h.
 *
 * Called by backups. The source may be appended to meanwhile: what is there beyond the size that
 * was asked for, or found, is not looked at.
 */
#include "files/files_internal.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"

#include <errno.h>

#define COPY_STEP ((size_t)1 << 20)

static int look_at_source(rsi_file_info *info, const rsi_file *file)
{
    int result = file->table->info(file->table->self, file->handle, true, info);
    if (result < 0)
        return rsi_files_fail(result, "look at", file->path);
    return RAGSTORE_OK;
}

/* Whose close changes nothing any more; the thread's error stays. */
static void close_quietly(rsi_file *file)
{
    if (file == NULL)
        return;
    (void)rsi_files_close_raw(file->table, file->handle);
    rsi_free(file);
}

static int copy_pieces(rsi_file_copied *copied, rsi_file *from, rsi_file *to, uint64_t size,
                       char *buffer, rsi_copy_step *step, void *user)
{
    rsi_sha256 sha;
    rsi_sha256_begin(&sha);
    while (copied->size < size) {
        const uint64_t left = size - copied->size;
        const size_t wanted = left < COPY_STEP ? (size_t)left : COPY_STEP;
        int64_t count = rsi_files_read_raw(from->table, from->handle, buffer, wanted, copied->size);
        if (count < 0)
            return rsi_files_fail(count, "read", from->path);
        int status = rsi_file_write_at(to, buffer, (size_t)count, copied->size);
        if (status == RAGSTORE_OK && step != NULL)
            status = step(user, (uint64_t)count);
        if (status != RAGSTORE_OK)
            return status;
        rsi_sha256_add(&sha, buffer, (size_t)count);
        copied->size += (uint64_t)count;
        if ((size_t)count < wanted)
            break; /* it has been cut meanwhile */
    }
    rsi_sha256_end_hex(&sha, copied->sha256);
    return RAGSTORE_OK;
}

int rsi_file_copy(rsi_file_copied *copied, rsi_root *from, const char *from_path, rsi_root *to,
                  const char *to_path, uint64_t size, rsi_copy_step *step, void *user)
{
    rsi_file *source = NULL;
    rsi_file *target = NULL;
    char *buffer = NULL;

    *copied = (rsi_file_copied){0};
    int status = rsi_file_open(&source, from, from_path, RSI_OPEN_READ);
    if (status == RAGSTORE_OK)
        status = look_at_source(&copied->source, source);
    if (status == RAGSTORE_OK)
        status = rsi_file_remove(to, to_path);
    if (status == RAGSTORE_OK)
        status = rsi_file_open(&target, to, to_path,
                               RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
    if (status != RAGSTORE_OK)
        goto cleanup;
    buffer = rsi_alloc(COPY_STEP);
    if (buffer == NULL) {
        status = RAGSTORE_E_NO_MEMORY;
        goto cleanup;
    }
    if (size > copied->source.size)
        size = copied->source.size;
    status = copy_pieces(copied, source, target, size, buffer, step, user);

cleanup:
    rsi_free(buffer);
    close_quietly(source);
    if (status == RAGSTORE_OK)
        return rsi_file_close(target); /* a full disk may only be told of here */
    close_quietly(target);
    return status;
}
