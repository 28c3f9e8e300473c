/* Every file call of the process: see watched_calls.h. */
#include "watched_calls.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_bool watching;
static atomic_uint noted;
static atomic_uint by_table;
static char first[500];

void watched_begin(void)
{
    noted = 0;
    by_table = 0;
    first[0] = '\0';
    watching = true;
}

void watched_end(void)
{
    watching = false;
}

unsigned watched_noted(void)
{
    return noted;
}

unsigned watched_by_table(void)
{
    return by_table;
}

const char *watched_first(void)
{
    return first;
}

/* What the system tells of itself is no file of anybody's. */
static bool is_of_the_system(const char *path)
{
    return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0 ||
           strncmp(path, "/dev/", 5) == 0;
}

static void note_path(const char *call, const char *path)
{
    if (!watching || is_of_the_system(path))
        return;
    if (atomic_fetch_add(&noted, 1) == 0)
        snprintf(first, sizeof first, "%s(%.400s)", call, path);
}

static void note_descriptor(const char *call, int descriptor)
{
    char link[64];
    char path[400];
    struct stat status;
    if (!watching || fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size < 0 ? 0 : size] = '\0';
    note_path(call, path);
}

/* The next definition of a function, the C library's. */
static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    return found;
}

/* A watched function, and the one for the table. dlsym() gives an object pointer for a function. */
#define WATCH(result, name, parameters, arguments, note)                                           \
    static result(*real_##name(void)) parameters                                                   \
    {                                                                                              \
        static _Atomic(void *) found;                                                              \
        union {                                                                                    \
            void *object;                                                                          \
            result(*function) parameters;                                                          \
        } convert;                                                                                 \
        if (found == NULL)                                                                         \
            found = next(#name);                                                                   \
        convert.object = found;                                                                    \
        return convert.function;                                                                   \
    }                                                                                              \
    result table_##name parameters;                                                                \
    result table_##name parameters                                                                 \
    {                                                                                              \
        by_table++;                                                                                \
        return real_##name() arguments;                                                            \
    }                                                                                              \
    result name parameters                                                                         \
    {                                                                                              \
        note;                                                                                      \
        return real_##name() arguments;                                                            \
    }

/* The last argument is there or not; passing on what is in its place harms nobody. */
#define LAST_UNSIGNED(after)                                                                       \
    va_list rest;                                                                                  \
    va_start(rest, after);                                                                         \
    const unsigned last = va_arg(rest, unsigned);                                                  \
    va_end(rest)

#define WATCH_OPEN(name)                                                                           \
    int table_##name(const char *path, int flags, ...);                                            \
    int table_##name(const char *path, int flags, ...)                                             \
    {                                                                                              \
        LAST_UNSIGNED(flags);                                                                      \
        by_table++;                                                                                \
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, last);                              \
    }                                                                                              \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        LAST_UNSIGNED(flags);                                                                      \
        note_path(#name, path);                                                                    \
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, last);                              \
    }

#define WATCH_OPENAT(name)                                                                         \
    int table_##name(int directory, const char *path, int flags, ...);                             \
    int table_##name(int directory, const char *path, int flags, ...)                              \
    {                                                                                              \
        LAST_UNSIGNED(flags);                                                                      \
        by_table++;                                                                                \
        return (int)syscall(SYS_openat, directory, path, flags, last);                             \
    }                                                                                              \
    int name(int directory, const char *path, int flags, ...)                                      \
    {                                                                                              \
        LAST_UNSIGNED(flags);                                                                      \
        note_path(#name, path);                                                                    \
        return (int)syscall(SYS_openat, directory, path, flags, last);                             \
    }

WATCH_OPEN(open)
WATCH_OPEN(open64)
WATCH_OPENAT(openat)
WATCH_OPENAT(openat64)

WATCH(int, creat, (const char *path, mode_t mode), (path, mode), note_path("creat", path))
WATCH(FILE *, fopen, (const char *path, const char *mode), (path, mode), note_path("fopen", path))
WATCH(FILE *, fopen64, (const char *path, const char *mode), (path, mode),
      note_path("fopen64", path))
WATCH(DIR *, opendir, (const char *path), (path), note_path("opendir", path))
WATCH(int, stat, (const char *path, struct stat *out), (path, out), note_path("stat", path))
WATCH(int, lstat, (const char *path, struct stat *out), (path, out), note_path("lstat", path))
WATCH(int, fstatat, (int directory, const char *path, struct stat *out, int flags),
      (directory, path, out, flags), note_path("fstatat", path))
WATCH(int, access, (const char *path, int mode), (path, mode), note_path("access", path))
WATCH(char *, realpath, (const char *path, char *out), (path, out), note_path("realpath", path))
WATCH(int, mkdir, (const char *path, mode_t mode), (path, mode), note_path("mkdir", path))
WATCH(int, mkdirat, (int directory, const char *path, mode_t mode), (directory, path, mode),
      note_path("mkdirat", path))
WATCH(int, rmdir, (const char *path), (path), note_path("rmdir", path))
WATCH(int, unlink, (const char *path), (path), note_path("unlink", path))
WATCH(int, unlinkat, (int directory, const char *path, int flags), (directory, path, flags),
      note_path("unlinkat", path))
WATCH(int, remove, (const char *path), (path), note_path("remove", path))
WATCH(int, rename, (const char *from, const char *to), (from, to), note_path("rename", from))
WATCH(int, renameat, (int old, const char *from, int new, const char *to), (old, from, new, to),
      note_path("renameat", from))
WATCH(int, link, (const char *from, const char *to), (from, to), note_path("link", from))
WATCH(int, symlink, (const char *from, const char *to), (from, to), note_path("symlink", to))
WATCH(int, chmod, (const char *path, mode_t mode), (path, mode), note_path("chmod", path))
WATCH(int, truncate, (const char *path, off_t size), (path, size), note_path("truncate", path))
WATCH(int, mkstemp, (char *path), (path), note_path("mkstemp", path))

WATCH(ssize_t, read, (int file, void *out, size_t size), (file, out, size),
      note_descriptor("read", file))
WATCH(ssize_t, write, (int file, const void *data, size_t size), (file, data, size),
      note_descriptor("write", file))
WATCH(ssize_t, pread, (int file, void *out, size_t size, off_t at), (file, out, size, at),
      note_descriptor("pread", file))
WATCH(ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at),
      note_descriptor("pwrite", file))
WATCH(int, ftruncate, (int file, off_t size), (file, size), note_descriptor("ftruncate", file))
WATCH(int, fallocate, (int file, int mode, off_t at, off_t size), (file, mode, at, size),
      note_descriptor("fallocate", file))
WATCH(int, fsync, (int file), (file), note_descriptor("fsync", file))
WATCH(int, fdatasync, (int file), (file), note_descriptor("fdatasync", file))
WATCH(void *, mmap, (void *where, size_t size, int rights, int flags, int file, off_t at),
      (where, size, rights, flags, file, at), note_descriptor("mmap", file))

/* openat2() has no function of its own. */
long table_syscall(long number, ...);
long table_syscall(long number, ...)
{
    va_list rest;
    va_start(rest, number);
    const long directory = va_arg(rest, long);
    const char *path = va_arg(rest, const char *);
    void *how = va_arg(rest, void *);
    const size_t size = va_arg(rest, size_t);
    va_end(rest);
    by_table++;
    return syscall(number, directory, path, how, size);
}
