/*
 * One file of a checkpoint: frozen, written beside the old one, put in its place.
 *
 *   begin (writer lock)  ─►  write  ─►  settle (writer lock)  ─►  keep_index  ─►  free
 *
 * Between the locks the entity of a chunk file may be deleted: such a target is no longer alive.
 */
#ifndef RSI_STORAGE_CHECKPOINT_TARGET_H
#define RSI_STORAGE_CHECKPOINT_TARGET_H

#include "storage/base.h"
#include "storage/storage_internal.h"

typedef enum rsi_target_kind {
    RSI_TARGET_RECORDS, /* entities, sessions */
    RSI_TARGET_COLLECTION,
    RSI_TARGET_CHUNKS,
} rsi_target_kind;

typedef struct rsi_target {
    rsi_target_kind kind;
    rsi_space *space; /* NULL for chunks: looked up by the entity */
    const rsi_layout *layout;
    char *entity_id; /* of chunks */
    char incarnation[RSI_INCARNATION_HEX];
    rsi_path path;
    rsi_path temporary; /* empty: there is none */
    rsi_file_state old;
    rsi_file_state new;
    bool writes; /* otherwise the file stays as it is */
    bool was_moved; /* chunks: it is listed as stat() shows it now */
    rsi_frozen frozen;
    rsi_base *base; /* the new file */
} rsi_target;

int rsi_target_begin(rsi_target *at, rsi_storage *storage, rsi_space *space, const char *path,
                     const rsi_file_state *old, bool writes, uint64_t base_sequence);
int rsi_target_write(rsi_target *at, rsi_storage *storage);
/* Its space; of a target that is alive. Under the state lock. */
rsi_space *rsi_target_space(const rsi_target *at, rsi_storage *storage);
bool rsi_target_is_alive(const rsi_target *at, rsi_storage *storage);
int rsi_target_settle(rsi_target *at, rsi_storage *storage);
/* An index that cannot be written is made again when the file is opened. */
void rsi_target_keep_index(const rsi_target *at, rsi_storage *storage);
void rsi_target_free(rsi_target *at, rsi_storage *storage); /* removes the temporary */

#endif
