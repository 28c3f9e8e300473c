/*
 * Backups of a whole store: storage copies the files (storage/backup.h); here the copy is opened
 * and checked like any store before it counts.
 */
#ifndef RSI_ENTITIES_BACKUP_H
#define RSI_ENTITIES_BACKUP_H

#include "entities/check.h"
#include "storage/backup.h"

typedef struct rsi_backup_work {
    /* Called now and then; a return other than 0 ends the work as INTERRUPTED. NULL: nobody
     * listens. */
    int32_t (*progress)(void *user, const char *stage, uint64_t done, uint64_t total);
    void *progress_user;
    bool unchecked;             /* do not look into the copy */
    rsi_finding_visitor *visit; /* hears what the check finds */
    void *user;
    rsi_backup_facts facts; /* the answers */
    rsi_check_tally tally;  /* zeros when unchecked */
} rsi_backup_work;

/* EXISTS, BUSY, FAILED, DISK_FULL, INTERRUPTED, DAMAGED (the copy is not what was written). What is
 * wrong with the store itself is a finding, and in the backup as it was found. */
int rsi_backup_store(rsi_backup_work *work, rsi_store *store, const char *directory);
/* Is a backup what it says it is? NOT_FOUND, DAMAGED, VERSION, INTERRUPTED. */
int rsi_backup_look(rsi_backup_work *work, const char *backup);
/* Make a store of a backup. As rsi_backup_look(), EXISTS, DISK_FULL. */
int rsi_backup_restore(rsi_backup_work *work, const char *backup, const char *directory);

#endif
