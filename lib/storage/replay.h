/*
 * From journal lines to tables. Two walks: the first collects what checkpoint records say of
 * files, the second applies every operation that is newer than the file it belongs to.
 *
 * With `follows` the lines are of another process and the tables in use: the caller holds the state
 * lock exclusively.
 */
#ifndef RSI_STORAGE_REPLAY_H
#define RSI_STORAGE_REPLAY_H

#include "storage/storage_internal.h"

typedef struct rsi_replay {
    rsi_storage *storage;
    const char *only_chunks_of; /* this entity; NULL: everything */
    rsi_work_list work;
    uint64_t first_sequence; /* of the first commit seen; 0: none */
    uint64_t last_sequence;  /* of the last line seen */
    bool any;
    bool follows;
    uint64_t last_flushed; /* the highest sequence that a line says is flushed */
    rsi_bytes touched;     /* `follows`: entities whose rows or chunks changed, each with a NUL */
    char store_id[RSI_INCARNATION_HEX];
} rsi_replay;

void rsi_replay_free(rsi_replay *replay);
int rsi_replay_candidates(void *replay, const rsi_journal_line *line);
int rsi_replay_line(void *replay, const rsi_journal_line *line);
/* What journals that were not read at open say of the chunks of an entity: put before what waits
 * for its file already. With the state lock held exclusively. */
int rsi_replay_older_chunks(rsi_storage *storage, rsi_space *space);
/* After both walks: does the journal reach back to what the snapshots hold? */
int rsi_replay_check(const rsi_replay *replay);

#endif
