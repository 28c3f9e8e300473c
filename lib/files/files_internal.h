/*
 * What the files of this room share: the two handles, and the way from a table's
 * -errno to a typed error that names the path.
 *
 *   rsi_root                         rsi_file
 *   ├─ table   ───────────────────►  ├─ table    a file outlives its root
 *   ├─ handle  open directory        ├─ handle
 *   └─ path    as the host gave it   └─ path     relative to the root
 *
 * A rsi_root never changes between open and close: any number of threads may use it.
 */
#ifndef RSI_FILES_FILES_INTERNAL_H
#define RSI_FILES_FILES_INTERNAL_H

#include "files/files.h"
#include "files/paths.h"

struct rsi_root {
    const rsi_file_table *table;
    int handle;
    char path[]; /* NUL-terminated */
};

struct rsi_file {
    const rsi_file_table *table;
    int handle;
    char path[]; /* NUL-terminated */
};

/* A call that a signal interrupted is made again, so many times at most. */
#define RSI_INTERRUPTIONS_MAX 1000

/* Set the error of a failed table call, "<action> <path>: <reason>"; returns its code. */
int rsi_files_fail(int64_t negative_errno, const char *action, const char *path);

/*
 * INVALID_ARGUMENT unless `path` stays below a store as it is written: not empty, not over
 * RSI_PATH_MAX, no leading or double slash, no "." or ".." step. Paths are made by paths.c;
 * this is the second lock on the same door.
 */
int rsi_files_check_path(const char *action, const char *path);

/* DAMAGED unless `info` is of a regular file with one name (RELIABILITY D9). */
int rsi_files_check_regular(const rsi_file_info *info, const char *action, const char *path);

/* Table calls that are repeated when interrupted; they return >= 0 or -errno. */
int rsi_files_open_raw(const rsi_file_table *table, int directory, const char *path,
                       unsigned flags);
int rsi_files_make_directory_raw(const rsi_file_table *table, int directory, const char *path);
int rsi_files_flush_raw(const rsi_file_table *table, int handle);
int rsi_files_flush_directory_raw(const rsi_file_table *table, int handle);
/* The close is never repeated: the handle is gone, whatever it says. */
int rsi_files_close_raw(const rsi_file_table *table, int handle);

/* Read up to size bytes; fewer only at the end of the file. >= 0, or -errno. */
int64_t rsi_files_read_raw(const rsi_file_table *table, int handle, void *out, size_t size,
                           uint64_t offset);
/* 0 when all was written, or -errno. */
int rsi_files_write_raw(const rsi_file_table *table, int handle, const void *data, size_t size,
                        uint64_t offset);

/* The directory part of a path: "" for a path without a slash. */
rsi_path rsi_files_parent(const char *path);

#endif
