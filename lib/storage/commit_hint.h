/*
 * api_storage/commit: how far the journal can be believed, for the other processes.
 *
 *   RSC1 GGGGGGGGGG EEEEEEEEEEEEEEE SSSSSSSSSSSSSSSSSSSS T CCCCCCCC\n
 *   0    5          16              32                   53 55
 *
 *   G generation · E bytes of its journal that were acknowledged · S sequence of the last commit
 *   T state · C CRC32C of the 55 bytes before it, in hexadecimal digits
 *
 * Written in place under the writer lock, after each flush and before anybody is answered; never
 * flushed, because after a power cut the journal alone counts. Whoever opens the store first writes
 * it again, so a missing or damaged one costs nothing.
 */
#ifndef RSI_STORAGE_COMMIT_HINT_H
#define RSI_STORAGE_COMMIT_HINT_H

#include "files/files.h"

#define RSI_HINT_SIZE 64

typedef enum rsi_hint_state {
    RSI_HINT_NONE = 0,        /* none that can be believed */
    RSI_HINT_OK = 'o',        /* all of it is on the disk */
    RSI_HINT_UNFLUSHED = 'n', /* durability `normal`: acknowledged, not flushed */
    RSI_HINT_BUSY = 'b',      /* the writer moves files: with nobody writing, it died at that */
    RSI_HINT_FAILED = 'f',    /* a flush failed: what lies behind the end is not known */
} rsi_hint_state;

typedef struct rsi_hint {
    uint64_t generation;
    uint64_t end;
    uint64_t sequence;
    rsi_hint_state state;
} rsi_hint;

void rsi_hint_encode(char out[RSI_HINT_SIZE], const rsi_hint *hint);
/* state NONE when the bytes are not a hint. */
void rsi_hint_decode(rsi_hint *hint, const char bytes[RSI_HINT_SIZE]);

/* Read it; what another process is just writing is read again. Fails only when reading does. */
int rsi_hint_read(rsi_hint *hint, rsi_file *file);
int rsi_hint_write(rsi_file *file, const rsi_hint *hint);

#endif
