/*
 * The operating system behind one table of functions. Nothing else in lib/ touches a file.
 *
 *   rsi_root ── the open directory of a store, with the table that serves it
 *     │            every path below is relative to it, never leaves it, crosses no symlink
 *     └─ rsi_file ── an open file
 *
 * The table has the real implementation (files_posix.c); tests put a simulated disk or a
 * fault wrapper in its place. Table functions return >= 0 or -errno and may do less than
 * asked (short counts, EINTR); the functions below them retry, check and set typed errors
 * that name the path. A symbolic link anywhere below the store, and a file with more than one
 * hard link, are DAMAGED wherever a file is opened or replaced (RELIABILITY D9).
 *
 * Not locked: one rsi_file is used by one thread at a time, except rsi_file_read_at(). A
 * rsi_root may be used by any number of threads at once. A rsi_file may outlive its root.
 */
#ifndef RSI_FILES_FILES_H
#define RSI_FILES_FILES_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum rsi_file_kind {
    RSI_FILE_REGULAR,
    RSI_FILE_DIRECTORY,
    RSI_FILE_OTHER, /* links, sockets, …: refused wherever a file is expected */
} rsi_file_kind;

typedef struct rsi_file_info {
    uint64_t device;
    uint64_t inode;
    uint64_t size;
    int64_t modified_ns;
    int64_t changed_ns;
    uint64_t links;
    rsi_file_kind kind;
} rsi_file_info;

#define RSI_OPEN_READ 0x0u
#define RSI_OPEN_WRITE 0x1u     /* read and write */
#define RSI_OPEN_CREATE 0x2u    /* make it when missing, mode 0600 */
#define RSI_OPEN_EXCLUSIVE 0x4u /* with CREATE: fail with EEXIST */
#define RSI_OPEN_DIRECTORY 0x8u
#define RSI_OPEN_ROOT 0x10u /* `path` is any path outside a store, links followed */

#define RSI_LOCK_NONE 0
#define RSI_LOCK_SHARED 1
#define RSI_LOCK_EXCLUSIVE 2
#define RSI_LOCK_LOOK 3 /* take nothing: would EXCLUSIVE be granted? */

typedef struct rsi_file_table {
    /* A handle >= 0, or -errno. `directory` is a handle, or -1 with RSI_OPEN_ROOT; "." is the
     * directory itself. A link on the way gives -ELOOP. */
    int (*open)(void *self, int directory, const char *path, unsigned flags);
    int (*close)(void *self, int handle);
    int64_t (*read)(void *self, int handle, void *out, size_t size, uint64_t offset);
    int64_t (*write)(void *self, int handle, const void *data, size_t size, uint64_t offset);
    int (*truncate)(void *self, int handle, uint64_t size);
    /* Hold blocks for so many bytes; the file's size and bytes stay as they are. 0 and no change on
     * file systems that cannot. */
    int (*reserve)(void *self, int handle, uint64_t size);
    int (*flush_data)(void *self, int handle); /* fdatasync */
    int (*flush)(void *self, int handle);      /* fsync; also of directories */
    /* Without `times` those mean nothing. Who asks for them makes the next write to the file store
     * new ones (Linux 6.13 and later), and some file systems flush those with a file nearby. */
    int (*info)(void *self, int handle, bool times, rsi_file_info *info);
    /* Of a link: the link itself. */
    int (*info_at)(void *self, int directory, const char *path, rsi_file_info *info);
    int (*rename)(void *self, int directory, const char *from, const char *to);
    int (*remove)(void *self, int directory, const char *path, bool is_directory);
    /* Mode 0700. directory -1: `path` is any path outside a store. */
    int (*make_directory)(void *self, int directory, const char *path);
    /* Names without "." and ".."; a callback's non-zero return stops and is returned. */
    int (*list)(void *self, int handle, int (*each)(void *user, const char *name), void *user);
    /* Open-file-description lock on a byte range; -EAGAIN when another holds it. Where the
     * kernel has none, the whole file is locked: hold one range to a handle, and LOOK is
     * -EOPNOTSUPP. */
    int (*lock)(void *self, int handle, uint64_t start, uint64_t size, int kind);
    /* Read-only bytes 0..size of a file that nobody shortens; mapped, or copied. */
    int (*view)(void *self, int handle, size_t size, const void **bytes);
    void (*unview)(void *self, const void *bytes, size_t size);
    /* These bytes of a view will hardly be looked at again. NULL: it makes no difference. */
    void (*forget)(void *self, const void *bytes, size_t size);
    size_t view_step; /* a view reaches to the next multiple of this, and shows what is written
                         there when the file grows; unview takes any size in the same step. 0: none
                         does */
    void *self;
} rsi_file_table;

extern const rsi_file_table rsi_files_posix;

typedef struct rsi_root rsi_root;
typedef struct rsi_file rsi_file;

/* ---- the directory of a store ---- */

/* Open the directory, making it (not its parents) when `create`, durably. table NULL: the real
 * one. NOT_FOUND when missing, INVALID_ARGUMENT when it is not a directory. */
int rsi_root_open(rsi_root **out, const rsi_file_table *table, const char *path, bool create);
/* A directory below it as a root of its own, which stays that directory when it is renamed: what is
 * written through it never comes to one that has got its name meanwhile. Paths are relative to it.
 * NOT_FOUND. */
int rsi_root_open_below(rsi_root **out, const rsi_root *root, const char *path);
void rsi_root_close(rsi_root *root);             /* NULL is fine */
const char *rsi_root_path(const rsi_root *root); /* as given */
const rsi_file_table *rsi_root_table(const rsi_root *root);
int rsi_root_info(rsi_root *root, rsi_file_info *info);

/* ---- whole files ---- */

/* NOT_FOUND when missing; TOO_LARGE over max_bytes; DAMAGED for links and other non-files. What
 * was in `out` is dropped; it is empty on failure. */
int rsi_file_read_all(rsi_root *root, const char *path, size_t max_bytes, rsi_bytes *out);

/* Replace or make a file, all or nothing, durable on return: temporary in the same directory,
 * written, flushed, renamed, directory flushed (RELIABILITY D1). After a failure the old file is
 * there and no temporary, unless only the directory's flush failed: then it is either file. */
int rsi_file_replace(rsi_root *root, const char *path, const void *data, size_t size);

int rsi_file_info_of(rsi_root *root, const char *path, rsi_file_info *info); /* NOT_FOUND, … */
bool rsi_file_exists(rsi_root *root, const char *path);
int rsi_file_sha256(rsi_root *root, const char *path, uint64_t *size, char hex[65]);

/* Copy the first `size` bytes of a file (fewer when it is shorter) into a new one, which replaces
 * what has its name; what was copied is told. Nothing is durable on return. `step` (may be NULL)
 * hears of each piece; what it returns, unless OK, ends the copy. A copy that failed may be there
 * in part. */
typedef struct rsi_file_copied {
    uint64_t size;
    char sha256[65];
    rsi_file_info source; /* as it was before it was read */
} rsi_file_copied;
typedef int rsi_copy_step(void *user, uint64_t bytes);
int rsi_file_copy(rsi_file_copied *copied, rsi_root *from, const char *from_path, rsi_root *to,
                  const char *to_path, uint64_t size, rsi_copy_step *step, void *user);

/* Rename a file or directory and flush the directories concerned. A file at `to` is replaced; a
 * directory that is not empty gives EXISTS. */
int rsi_file_rename(rsi_root *root, const char *from, const char *to);
/* Remove a file; a missing one is fine. The directory is not flushed. */
int rsi_file_remove(rsi_root *root, const char *path);

/* ---- open files ---- */

int rsi_file_open(rsi_file **out, rsi_root *root, const char *path, unsigned flags);
/* Open a file outside every store for reading, by any path of the host's, links followed: what a
 * caller hands over to be taken in. Others may change it meanwhile. NOT_FOUND; INVALID_ARGUMENT
 * when it is not a regular file. */
int rsi_file_open_outside(rsi_file **out, rsi_root *root, const char *path);
int rsi_file_close(rsi_file *file); /* NULL is fine; reports the close's error */
const char *rsi_file_path(const rsi_file *file);
int rsi_file_size(rsi_file *file, uint64_t *size);
int rsi_file_inspect(rsi_file *file, rsi_file_info *info); /* without the times */
int rsi_file_is_linked(rsi_file *file, bool *linked); /* or was its last name taken away? */
int rsi_file_read_at(rsi_file *file, void *out, size_t size, uint64_t offset); /* all, or DAMAGED */
int rsi_file_write_at(rsi_file *file, const void *data, size_t size, uint64_t offset); /* all */
int rsi_file_truncate(rsi_file *file, uint64_t size);
int rsi_file_reserve(rsi_file *file, uint64_t size);
int rsi_file_flush_data(rsi_file *file);
int rsi_file_flush(rsi_file *file);
/* BUSY when another holder has it, at once: waiting is the caller's. size 0: to the end. Any thread
 * may LOOK while another one locks. */
int rsi_file_lock(rsi_file *file, uint64_t start, uint64_t size, int kind);
/* A file to lock ranges of: a child of fork() closes its copy at once, so that it keeps no lock. */
int rsi_lock_file_open(rsi_file **out, rsi_root *root, const char *path, unsigned flags);
void rsi_lock_file_close(rsi_file *file); /* NULL is fine */
/* DAMAGED when the file is shorter. Only for files that nobody shortens (RELIABILITY D8). */
int rsi_file_view(rsi_file *file, size_t size, const void **bytes);
void rsi_file_unview(rsi_file *file, const void *bytes, size_t size);
/* Part of a view need not stay in memory: it is read from the file when it is looked at again. */
void rsi_file_forget(rsi_file *file, const void *bytes, size_t size);
/* The same for a file that is closed: a view outlives it. */
void rsi_root_unview(rsi_root *root, const void *bytes, size_t size);
void rsi_root_forget(rsi_root *root, const void *bytes, size_t size);
/* Does a view of `viewed` bytes show `size` bytes of its file, which has them by now? Then it is
 * one of `size` bytes from now on. */
bool rsi_root_view_reaches(const rsi_root *root, size_t viewed, size_t size);

/* ---- directories ---- */

/* Make a directory and those above it that are missing; new ones are durable on return
 * (RELIABILITY D2). One that was there is not flushed again. */
int rsi_directory_make(rsi_root *root, const char *path);
/* The same for a tree whose directories are all flushed when it is complete. */
int rsi_directory_make_unflushed(rsi_root *root, const char *path);
int rsi_directory_flush(rsi_root *root, const char *path); /* "" is the root itself */
/* Call each(user, name, kind) for every entry; a non-zero return stops and is returned. The
 * callback may change the directory. NOT_FOUND when missing; order unspecified. */
int rsi_directory_list(rsi_root *root, const char *path,
                       int (*each)(void *user, const char *name, rsi_file_kind kind), void *user);
/* The same without a look at what each entry is. Not for the root. */
int rsi_directory_names(rsi_root *root, const char *path, int (*each)(void *user, const char *name),
                        void *user);
/* Remove a directory with all below it, also what comes meanwhile; a missing one is fine. Links are
 * removed, not followed. The directory above is not flushed. */
int rsi_directory_remove(rsi_root *root, const char *path);

#endif
