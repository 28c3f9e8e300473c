/* What the files about backups share: the list in memory. See backup.h. */
#ifndef RSI_STORAGE_BACKUP_INTERNAL_H
#define RSI_STORAGE_BACKUP_INTERNAL_H

#include "base/digest.h"
#include "base/map.h"
#include "storage/backup.h"

#define RSI_BACKUP_DATA "data"
#define RSI_BACKUP_LIST "backup.json"

typedef struct rsi_backup_file {
    char *path; /* below the store */
    uint64_t size;
    char sha256[RSI_SHA256_HEX];
    /* while it is taken */
    rsi_file_info seen; /* how the original looked when it was copied */
    unsigned round;     /* that has last found it in the store */
    bool copied;
    bool is_young; /* copied so soon after its last change that another could look the same */
} rsi_backup_file;

struct rsi_backup {
    rsi_root *root;     /* the backup's directory */
    rsi_root *place;    /* where the restored store will be: the directory above it */
    rsi_path copy;      /* below root or place: where the copy lies */
    rsi_path name;      /* below place: what it will be called */
    bool is_unfinished; /* the copy goes when the backup is freed */
    rsi_backup_file **files;
    size_t count;
    size_t capacity;
    rsi_map by_path; /* path → rsi_backup_file */
    rsi_backup_facts facts;
    rsi_map flushed; /* directories of the copy that have been flushed */
};

/* ---- backup_files.c ---- */

/* Does a file with this path below a store belong in its backup? */
bool rsi_backup_has(const char *path);
/* Visit every such file of a store. Directories that go meanwhile are passed over. One that is
 * `other` is INVALID_ARGUMENT: the copy must not lie in what is copied. */
typedef int rsi_backup_visitor(void *user, const char *path, const rsi_file_info *info);
int rsi_backup_walk(rsi_root *root, const rsi_file_info *other, rsi_backup_visitor *visit,
                    void *user);

/* ---- backup_list.c ---- */

/* A backup of which nothing is known. */
int rsi_backup_make(rsi_backup **out);
/* The file with this path, new when missing; NULL with the error set. */
rsi_backup_file *rsi_backup_file_of(rsi_backup *backup, const char *path);
/* Forget those for which `keep` says no. */
void rsi_backup_keep(rsi_backup *backup, bool (*keep)(void *user, const rsi_backup_file *file),
                     void *user);
void rsi_backup_sort(rsi_backup *backup); /* by path */
int rsi_backup_list_write(rsi_backup *backup);
int rsi_backup_list_read(rsi_backup *backup);
/* <copy>/<path of the file>; the empty text when that is too long. */
rsi_path rsi_backup_path_of(const rsi_path *copy, const char *path);

/* ---- backup_restore.c ---- */

/* Is the file at `path` of `root` what the list says? */
int rsi_backup_compare(rsi_root *root, const rsi_path *path, const rsi_backup_file *file);
/* Flush all files and directories of a copy, and read each file again. */
int rsi_backup_settle(rsi_backup *backup, rsi_root *root, const rsi_backup_watch *watch);
int rsi_backup_tell(const rsi_backup_watch *watch, const char *stage, uint64_t done,
                    uint64_t total);
/* The directories that every store has. */
int rsi_backup_make_directories(rsi_root *root, const rsi_path *copy);
/* Make the directories above a file of the copy. */
int rsi_backup_make_parent(rsi_root *root, const rsi_path *path);

#endif
