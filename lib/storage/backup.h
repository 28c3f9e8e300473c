/*
 * Backups: a copy of a store as it was at one moment, taken while others write to it.
 *
 *   <directory>/
 *     backup.json     the list: each file with its size and SHA-256; written last, so that a
 *                     directory without it is no backup
 *     data/           the copy, itself a store: truth only, what is derived comes back by itself
 *
 *   take     1  copy every file                                   writers go on
 *            2  copy what has changed since, until that is little writers go on
 *            3  the same once more                                the writer lock: the one moment
 *            4  flush the copies and read them again
 *   restore  copy into a directory of another name beside the place, comparing digests; flush;
 *            rename
 *
 * Between taking and sealing, and between unpacking and placing, the caller may open the copy and
 * look at it. Freeing one that was not sealed or placed removes what was made of it.
 *
 * Which files belong in a backup is one rule (backup_files.c) for taking and for reading a list, so
 * that a list from elsewhere cannot name any other place.
 */
#ifndef RSI_STORAGE_BACKUP_H
#define RSI_STORAGE_BACKUP_H

#include "storage/manifest.h"
#include "storage/storage.h"

/* Hears how far it is; what it returns, unless OK, ends the call. total is 0 while unknown. */
typedef struct rsi_backup_watch {
    int (*step)(void *user, const char *stage, uint64_t done, uint64_t total);
    void *user;
} rsi_backup_watch;

typedef struct rsi_backup_facts {
    uint64_t files;
    uint64_t bytes;
    uint64_t sequence; /* of the last commit that is in it */
    int64_t held_us;   /* how long writers were kept out; 0 unless it was just taken */
    char store_id[RSI_INCARNATION_HEX];
    char created_at[40];
} rsi_backup_facts;

typedef struct rsi_backup rsi_backup;

/* Copy a store into `directory`, which is made when missing and must be empty. Not in a batch of
 * the calling thread. EXISTS, BUSY, FAILED, DISK_FULL. */
int rsi_backup_take(rsi_backup **out, rsi_storage *storage, const char *directory,
                    const rsi_backup_watch *watch);
/* Write the list: from here on it is a backup. */
int rsi_backup_seal(rsi_backup *backup);

/* Read the list of a backup. NOT_FOUND, DAMAGED (also for a list that names what no backup has),
 * VERSION. */
int rsi_backup_open(rsi_backup **out, const rsi_file_table *files, const char *directory);
/* Compare each file with the list. DAMAGED. */
int rsi_backup_verify(rsi_backup *backup, const rsi_backup_watch *watch);
/* Copy the store beside `directory`, which must be missing or empty. EXISTS, DAMAGED, DISK_FULL. */
int rsi_backup_unpack(rsi_backup *backup, const char *directory, const rsi_backup_watch *watch);
/* Give the copy its name. EXISTS: something else has it meanwhile. */
int rsi_backup_place(rsi_backup *backup);

const rsi_backup_facts *rsi_backup_facts_of(const rsi_backup *backup);
/* The path of the host's where the copy lies: data/ of a backup, or what was unpacked. */
int rsi_backup_copy_path(rsi_bytes *path, const rsi_backup *backup);
void rsi_backup_free(rsi_backup *backup); /* NULL is fine */

#endif
