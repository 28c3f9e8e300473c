/*
 * Compaction: what was deleted goes from the files, not only from the answers.
 *
 *   1  the vectors of every entity without those of dead chunks (compact_rows.c), and its derived
 *      files, made from what is alive
 *   2  a checkpoint that leaves no older journal (storage)
 *
 * Others read and write meanwhile.
 */
#ifndef RSI_ENTITIES_COMPACT_H
#define RSI_ENTITIES_COMPACT_H

#include "entities/store.h"

typedef struct rsi_compaction {
    /* Called now and then; a return other than 0 ends it as INTERRUPTED. NULL: nobody listens. */
    int32_t (*progress)(void *user, const char *stage, uint64_t done, uint64_t total);
    void *progress_user;
    uint64_t bytes_before; /* of all files but uploads and what the library does not own */
    uint64_t bytes_after;
    rsi_bytes
        quarantine; /* names in quarantine/, which stay, each with its NUL; freed by the caller */
} rsi_compaction;

/* DAMAGED: what belongs to an entity cannot be read, so the journals stay; the rest was done. BUSY,
 * INTERRUPTED, DISK_FULL, FAILED. */
int rsi_store_compact(rsi_compaction *compaction, rsi_store *store);

/* ---- compact_rows.c ---- */

typedef enum rsi_compact_extent {
    RSI_COMPACT_WASTEFUL, /* files of which at least half is dead: what upkeep does unasked */
    RSI_COMPACT_ALL,      /* every file with a dead vector */
} rsi_compact_extent;

/* Write the files of an entity's vectors again without those of dead chunks, one transaction for
 * each file; nothing while the calling thread has one. Searches go on. DAMAGED: one has a vector
 * that is needed and cannot be read; the others were done. NOT_FOUND (of the entity), BUSY,
 * READ_ONLY, DISK_FULL, FAILED, INTERRUPTED. */
int rsi_compact_rows(rsi_store *store, const char *entity_id, rsi_compact_extent extent);

#endif
