/*
 * The table for POSIX systems with the calls that Linux adds: see files.h.
 *
 * Each function is one system call, or the few that make it safe; it retries nothing and
 * sets no error, that is done once for all tables above (files.c). A handle is a descriptor,
 * never 0, 1 or 2: a stray print of the host must not reach a store. How a path is followed
 * without leaving the store is in files_posix_open.c.
 *
 * Called by the functions in this room only, through rsi_files_posix. No state, no locks.
 */
#include "files/files_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The result of a system call as the table wants it. */
static int result_of(int result)
{
    return result < 0 ? -errno : result;
}

static int posix_close(void *self, int handle)
{
    (void)self;
    return result_of(close(handle));
}

static int64_t posix_read(void *self, int handle, void *out, size_t size, uint64_t offset)
{
    (void)self;
    if (offset > INT64_MAX)
        return -EINVAL;
    ssize_t count = pread(handle, out, size, (off_t)offset);
    return count < 0 ? -errno : count;
}

static int64_t posix_write(void *self, int handle, const void *data, size_t size, uint64_t offset)
{
    (void)self;
    if (offset > INT64_MAX)
        return -EFBIG;
    ssize_t count = pwrite(handle, data, size, (off_t)offset);
    return count < 0 ? -errno : count;
}

static int posix_truncate(void *self, int handle, uint64_t size)
{
    (void)self;
    if (size > INT64_MAX)
        return -EFBIG;
    return result_of(ftruncate(handle, (off_t)size));
}

/* posix_fallocate() would write zeros where the file system cannot allocate; we need no blocks
 * so badly that it would be worth that. */
static int posix_reserve(void *self, int handle, uint64_t size)
{
    (void)self;
    if (size > INT64_MAX)
        return -EFBIG;
    if (size == 0 || fallocate(handle, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) == 0)
        return 0;
    return errno == EOPNOTSUPP || errno == ENOSYS ? 0 : -errno;
}

static int posix_flush_data(void *self, int handle)
{
    (void)self;
    return result_of(fdatasync(handle));
}

static int posix_flush(void *self, int handle)
{
    (void)self;
    return result_of(fsync(handle));
}

static int64_t nanoseconds(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static rsi_file_kind kind_of(mode_t mode)
{
    return S_ISREG(mode) ? RSI_FILE_REGULAR : S_ISDIR(mode) ? RSI_FILE_DIRECTORY : RSI_FILE_OTHER;
}

static void fill_info(rsi_file_info *info, const struct stat *status)
{
    *info = (rsi_file_info){
        .device = (uint64_t)status->st_dev,
        .inode = (uint64_t)status->st_ino,
        .size = (uint64_t)status->st_size,
        .modified_ns = nanoseconds(status->st_mtim),
        .changed_ns = nanoseconds(status->st_ctim),
        .links = (uint64_t)status->st_nlink,
        .kind = kind_of(status->st_mode),
    };
}

/* fstat() asks for the times, too. */
static int info_with_times(int handle, rsi_file_info *info)
{
    struct stat status;

    if (fstat(handle, &status) != 0)
        return -errno;
    fill_info(info, &status);
    return 0;
}

static int posix_info(void *self, int handle, bool times, rsi_file_info *info)
{
    struct statx status;
    const unsigned wanted = STATX_TYPE | STATX_NLINK | STATX_INO | STATX_SIZE;

    (void)self;
    /* ENOSYS before Linux 4.11, EPERM in some sandboxes */
    if (times || statx(handle, "", AT_EMPTY_PATH, wanted, &status) != 0 ||
        (status.stx_mask & wanted) != wanted)
        return info_with_times(handle, info);
    *info = (rsi_file_info){
        .device = (uint64_t)makedev(status.stx_dev_major, status.stx_dev_minor),
        .inode = status.stx_ino,
        .size = status.stx_size,
        .links = status.stx_nlink,
        .kind = kind_of(status.stx_mode),
    };
    return 0;
}

static int posix_info_at(void *self, int directory, const char *path, rsi_file_info *info)
{
    rsi_posix_place place;
    struct stat status;

    (void)self;
    int result = rsi_posix_place_open(&place, directory, path);
    if (result < 0)
        return result;
    result = result_of(fstatat(place.directory, place.name, &status, AT_SYMLINK_NOFOLLOW));
    if (result == 0)
        fill_info(info, &status);
    rsi_posix_place_close(&place);
    return result;
}

static int posix_rename(void *self, int directory, const char *from, const char *to)
{
    rsi_posix_place old_place;
    rsi_posix_place new_place;

    (void)self;
    int result = rsi_posix_place_open(&old_place, directory, from);
    if (result < 0)
        return result;
    result = rsi_posix_place_open(&new_place, directory, to);
    if (result == 0) {
        result = result_of(
            renameat(old_place.directory, old_place.name, new_place.directory, new_place.name));
        rsi_posix_place_close(&new_place);
    }
    rsi_posix_place_close(&old_place);
    return result;
}

static int posix_remove(void *self, int directory, const char *path, bool is_directory)
{
    rsi_posix_place place;

    (void)self;
    int result = rsi_posix_place_open(&place, directory, path);
    if (result < 0)
        return result;
    result = result_of(unlinkat(place.directory, place.name, is_directory ? AT_REMOVEDIR : 0));
    rsi_posix_place_close(&place);
    return result;
}

static int posix_make_directory(void *self, int directory, const char *path)
{
    rsi_posix_place place;

    (void)self;
    if (directory < 0)
        return result_of(mkdir(path, 0700));
    int result = rsi_posix_place_open(&place, directory, path);
    if (result < 0)
        return result;
    result = result_of(mkdirat(place.directory, place.name, 0700));
    rsi_posix_place_close(&place);
    return result;
}

/* The stream gets a descriptor of its own: the handle's read position is shared by all who
 * list the same directory. */
static int posix_list(void *self, int handle, int (*each)(void *user, const char *name), void *user)
{
    int result = 0;

    (void)self;
    int own = rsi_posix_raise(openat(handle, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (own < 0)
        return own;
    DIR *stream = fdopendir(own);
    if (stream == NULL) {
        result = -errno;
        close(own);
        return result;
    }
    while (result == 0) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            result = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = each(user, entry->d_name);
    }
    closedir(stream);
    return result;
}

static int whole_file_lock(int handle, int kind)
{
    int operation = kind == RSI_LOCK_NONE ? LOCK_UN : kind == RSI_LOCK_SHARED ? LOCK_SH : LOCK_EX;
    return result_of(flock(handle, operation | LOCK_NB));
}

static int look_at_lock(int handle, struct flock *lock)
{
    if (fcntl(handle, F_OFD_GETLK, lock) != 0)
        return errno == EINVAL ? -EOPNOTSUPP : -errno;
    return lock->l_type == F_UNLCK ? 0 : -EAGAIN;
}

/* POSIX record locks are no substitute: they do not exclude within a process, and vanish when
 * any descriptor of the file is closed (RELIABILITY L1). */
static int posix_lock(void *self, int handle, uint64_t start, uint64_t size, int kind)
{
    (void)self;
    if (start > INT64_MAX || size > INT64_MAX)
        return -EINVAL;
    struct flock lock = {
        .l_type = kind == RSI_LOCK_NONE     ? F_UNLCK
                  : kind == RSI_LOCK_SHARED ? F_RDLCK
                                            : F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = (off_t)start,
        .l_len = (off_t)size,
    };
    if (kind == RSI_LOCK_LOOK)
        return look_at_lock(handle, &lock);
    if (fcntl(handle, F_OFD_SETLK, &lock) == 0)
        return 0;
    if (errno == EINVAL)
        return whole_file_lock(handle, kind);
    return errno == EACCES ? -EAGAIN : -errno;
}

#define VIEW_STEP ((size_t)1 << 20)

/* More is mapped than there is, so that a file that grows needs no new mapping each time. */
static size_t mapped_size(size_t size)
{
    return size > SIZE_MAX - VIEW_STEP ? size : (size + VIEW_STEP - 1) / VIEW_STEP * VIEW_STEP;
}

static int posix_view(void *self, int handle, size_t size, const void **bytes)
{
    static const char nothing[1];

    (void)self;
    if (size == 0) {
        *bytes = nothing;
        return 0;
    }
    void *mapped = mmap(NULL, mapped_size(size), PROT_READ, MAP_SHARED, handle, 0);
    if (mapped == MAP_FAILED)
        return -errno;
    *bytes = mapped;
    return 0;
}

static void posix_unview(void *self, const void *bytes, size_t size)
{
    (void)self;
    if (size > 0)
        munmap((void *)(uintptr_t)bytes, mapped_size(size));
}

/* Whole pages inside of the bytes; a mapping of a file gets them back from it. */
static void posix_forget(void *self, const void *bytes, size_t size)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t from = ((uintptr_t)bytes + page - 1) / page * page;
    const uintptr_t to = ((uintptr_t)bytes + size) / page * page;
    (void)self;
    if (from < to)
        (void)madvise((void *)from, to - from, MADV_DONTNEED); /* only advice */
}

const rsi_file_table rsi_files_posix = {
    .open = rsi_posix_open,
    .close = posix_close,
    .read = posix_read,
    .write = posix_write,
    .truncate = posix_truncate,
    .reserve = posix_reserve,
    .flush_data = posix_flush_data,
    .flush = posix_flush,
    .info = posix_info,
    .info_at = posix_info_at,
    .rename = posix_rename,
    .remove = posix_remove,
    .make_directory = posix_make_directory,
    .list = posix_list,
    .lock = posix_lock,
    .view = posix_view,
    .unview = posix_unview,
    .forget = posix_forget,
    .view_step = VIEW_STEP,
    .self = NULL,
};
