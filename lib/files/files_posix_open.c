/*
 * Opening by path without leaving the store.
 *
 * The kernel does it in one call, openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS.
 * Where that is missing (Linux before 5.6) or forbidden (some sandboxes), the path is walked
 * step by step with O_NOFOLLOW:
 *
 *   directory ─ openat "uploads" ─► d1 ─ openat "acme" ─► d2 ─ openat "a.pdf" ─► handle
 *                                   (closed)              (closed)
 *
 * Files are opened with O_NONBLOCK, so that a pipe laid into a store cannot hang its opener;
 * for regular files the flag means nothing. Called through the table. No state, no locks.
 */
#include "files/files_posix.h"
#include "files/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STEP_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

int rsi_posix_raise(int descriptor)
{
    if (descriptor < 0)
        return -errno;
    if (descriptor > 2)
        return descriptor;
    int raised = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
    int failure = raised < 0 ? -errno : 0;
    close(descriptor);
    return failure < 0 ? failure : raised;
}

static int open_with_openat2(int directory, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)flags,
        .mode = (uint64_t)mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    return rsi_posix_raise((int)syscall(SYS_openat2, directory, path, &how, sizeof how));
}

/* With O_DIRECTORY a link is reported as "not a directory"; tell which it was. */
static int open_step(int directory, const char *name, int flags, mode_t mode)
{
    struct stat status;

    int handle = rsi_posix_raise(openat(directory, name, flags | O_NOFOLLOW, mode));
    if (handle == -ENOTDIR && fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(status.st_mode))
        return -ELOOP;
    return handle;
}

static int open_by_steps(int directory, const char *path, int flags, mode_t mode)
{
    char step[RSI_PATH_MAX];
    int at = directory;
    int handle;

    for (;;) {
        const char *slash = strchr(path, '/');
        size_t length = slash == NULL ? strlen(path) : (size_t)(slash - path);
        if (length >= sizeof step)
            handle = -ENAMETOOLONG;
        else if (length == 0 || (length == 2 && memcmp(path, "..", 2) == 0))
            handle = -EXDEV;
        else {
            memcpy(step, path, length);
            step[length] = '\0';
            handle = slash == NULL ? open_step(at, step, flags, mode)
                                   : open_step(at, step, STEP_FLAGS, 0);
        }
        if (at != directory)
            close(at);
        if (handle < 0 || slash == NULL)
            return handle;
        at = handle;
        path = slash + 1;
    }
}

static int open_beneath(int directory, const char *path, int flags, mode_t mode)
{
    int handle = open_with_openat2(directory, path, flags, mode);
    if (handle == -ENOSYS || handle == -EPERM)
        return open_by_steps(directory, path, flags, mode);
    return handle;
}

int rsi_posix_open(void *self, int directory, const char *path, unsigned flags)
{
    int system_flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    mode_t mode = 0;

    (void)self;
    system_flags |= flags & RSI_OPEN_WRITE ? O_RDWR : O_RDONLY;
    if (flags & RSI_OPEN_CREATE) {
        system_flags |= flags & RSI_OPEN_EXCLUSIVE ? O_CREAT | O_EXCL : O_CREAT;
        mode = 0600;
    }
    if (flags & RSI_OPEN_DIRECTORY)
        system_flags |= O_DIRECTORY;
    if (flags & RSI_OPEN_ROOT)
        return rsi_posix_raise(open(path, system_flags, mode));
    return open_beneath(directory, path, system_flags, mode);
}

int rsi_posix_place_open(rsi_posix_place *place, int directory, const char *path)
{
    char parent[RSI_PATH_MAX];
    const char *slash = strrchr(path, '/');

    *place = (rsi_posix_place){directory, false, path};
    if (directory < 0) { /* a path outside a store, taken as it is */
        place->directory = AT_FDCWD;
        return 0;
    }
    if (slash == NULL)
        return 0;
    if ((size_t)(slash - path) >= sizeof parent)
        return -ENAMETOOLONG;
    memcpy(parent, path, (size_t)(slash - path));
    parent[slash - path] = '\0';

    int opened = open_beneath(directory, parent, STEP_FLAGS, 0);
    if (opened < 0)
        return opened;
    *place = (rsi_posix_place){opened, true, slash + 1};
    return 0;
}

void rsi_posix_place_close(rsi_posix_place *place)
{
    if (place->owned)
        close(place->directory);
    place->owned = false;
}
