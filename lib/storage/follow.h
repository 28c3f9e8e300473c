/*
 * Following what other processes commit.
 *
 *   commit file  ── says ──►  generation 7, 48,112 bytes, sequence 915
 *   seen                      generation 7, 47,020 bytes, sequence 913
 *   journal 7    [… 912][913][914][915]      914 and 915 are applied to the tables as replay does,
 *                            └ seen          and whoever keeps caches of an entity is told
 *
 * A new generation is reached through the rest of the old one. When a journal is gone (a follower
 * that slept for a quarter of an hour), the store is read again from its files (reload.c). A writer
 * that finds what nobody vouches for, valid lines behind the end, a failed flush, files half
 * replaced, makes it safe first: what recovery does at open (reload.c).
 *
 * `seen` and the commit file belong to follow_mutex, which comes after the writer's turn and before
 * the state lock; as long as the lease is held only its owner moves `seen`.
 */
#ifndef RSI_STORAGE_FOLLOW_H
#define RSI_STORAGE_FOLLOW_H

#include "storage/commit_hint.h"
#include "storage/storage.h"

typedef struct rsi_position {
    uint64_t generation;
    uint64_t offset; /* in its journal */
    uint64_t sequence;
} rsi_position;

/* Open the commit file; made when missing and `make`. A missing one is no failure. */
int rsi_follow_open(rsi_storage *storage, bool make);
/* Catch up as the owner of the writer byte, and set the journal up for appending. */
int rsi_follow_to_write(rsi_storage *storage);
/* Know what the manifest says now: another process's checkpoint may have ended. By the writer, or
 * with follow_mutex held. */
int rsi_follow_manifest(rsi_storage *storage);
/* Remember what was told to the others. */
void rsi_follow_note(rsi_storage *storage, const rsi_position *at, const rsi_hint *hint);
/* Learn what checkpoints of others that are not followed yet say of files. With the state lock held
 * exclusively. */
int rsi_follow_candidates(rsi_storage *storage);

#endif
