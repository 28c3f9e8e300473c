/*
 * Reading the files of a model directory.
 *
 * Model files lie outside the store and are read-only, so they do not go through the
 * file table of files/, which stands for the store's own disk. This is the only file
 * of the room that talks to the operating system.
 *
 * The weights are mapped, not read: several processes share one copy, and opening does
 * not wait for the disk. Whoever replaces a model must do so by renaming; cutting off a
 * mapped file in place takes the ground from under its readers (SIGBUS), as with any
 * mapped file.
 */
#include "embed/model_file.h"

#include "base/memory.h"
#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_regular(int *descriptor, size_t *size, const char *directory, const char *name)
{
    *descriptor = -1;
    *size = 0;
    rsi_bytes path = {0};
    int fd = -1;
    rsi_bytes_printf(&path, "%s/%s", directory, name);
    int status = rsi_bytes_status(&path);
    if (status != RAGSTORE_OK)
        goto cleanup;
    do
        fd = open(path.data, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    while (fd < 0 && errno == EINTR);
    struct stat facts;
    if (fd < 0 || fstat(fd, &facts) != 0) {
        status = rsi_fail_errno(errno == ENOENT || errno == ENOTDIR ? RAGSTORE_E_NOT_FOUND
                                                                    : rsi_code_of_errno(errno),
                                errno, "embed", "%s", path.data);
        goto cleanup;
    }
    if (!S_ISREG(facts.st_mode)) {
        status = rsi_fail(RAGSTORE_E_INVALID_DATA, "embed", "%s is not a regular file", path.data);
        goto cleanup;
    }
    *size = (size_t)facts.st_size;
    *descriptor = fd;
    fd = -1;
cleanup:
    if (fd >= 0)
        close(fd);
    rsi_bytes_free(&path);
    return status;
}

int rsi_model_file_map(rsi_model_file *out, const char *directory, const char *name)
{
    memset(out, 0, sizeof *out);
    int fd;
    size_t size;
    int status = open_regular(&fd, &size, directory, name);
    if (status != RAGSTORE_OK)
        return status;
    if (size == 0) {
        status = rsi_fail(RAGSTORE_E_INVALID_DATA, "embed", "%s/%s is empty", directory, name);
        goto cleanup;
    }
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        status = rsi_fail_errno(errno == ENOMEM ? RAGSTORE_E_NO_MEMORY : RAGSTORE_E_IO, errno,
                                "embed", "map %s/%s", directory, name);
        goto cleanup;
    }
    out->data = data;
    out->size = size;
cleanup:
    close(fd);
    return status;
}

void rsi_model_file_unmap(rsi_model_file *file)
{
    if (file->data != NULL)
        munmap((void *)(uintptr_t)file->data, file->size);
    memset(file, 0, sizeof *file);
}

void rsi_model_file_let_go(const void *part, size_t size)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = ((uintptr_t)part + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)part + size) / page * page; /* pages shared with others stay */
    /* A wish. What is mapped for reading comes back from the file. */
    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

int rsi_model_file_read(rsi_bytes *out, const char *directory, const char *name, size_t max_size)
{
    rsi_bytes_clear(out);
    int fd;
    size_t size;
    int status = open_regular(&fd, &size, directory, name);
    if (status != RAGSTORE_OK)
        return status;
    if (size > max_size) {
        status = rsi_fail(RAGSTORE_E_TOO_LARGE, "embed", "%s/%s has %zu bytes, more than %zu",
                          directory, name, size, max_size);
        goto cleanup;
    }
    if (!rsi_bytes_reserve(out, size)) {
        status = RAGSTORE_E_NO_MEMORY;
        goto cleanup;
    }
    while (out->size < size) {
        ssize_t got = pread(fd, out->data + out->size, size - out->size, (off_t)out->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            status = rsi_fail_errno(RAGSTORE_E_IO, errno, "embed", "read %s/%s", directory, name);
            goto cleanup;
        }
        if (got == 0) /* somebody cut it off meanwhile: what is there must make sense by itself */
            break;
        out->size += (size_t)got;
    }
    out->data[out->size] = '\0';
cleanup:
    if (status != RAGSTORE_OK)
        rsi_bytes_clear(out);
    close(fd);
    return status;
}

int rsi_model_directory_name(char **out, const char *directory)
{
    *out = NULL;
    char path[PATH_MAX];
    if (realpath(directory, path) == NULL)
        return rsi_fail_errno(errno == ENOENT || errno == ENOTDIR ? RAGSTORE_E_NOT_FOUND
                                                                  : rsi_code_of_errno(errno),
                              errno, "embed", "model directory %s", directory);
    *out = rsi_strdup(strrchr(path, '/') + 1); /* a resolved path has a slash */
    return *out == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}
