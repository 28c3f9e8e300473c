/*
 * The writer lock between processes, leased.
 *
 *   thread's turn (rsi_writer_take)   ▁▁███▁███▁▁▁███▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁███▁
 *   byte 0 of LOCK                    ▁▁██████████████████▁▁▁▁▁▁▁▁▁▁▁████
 *                                                         └ idle, or somebody asked
 *
 * Taking the byte costs a look at what others committed meanwhile; so it is kept between the
 * transactions of a busy process. Who waits for it holds byte 2: the owner looks for that when a
 * transaction ends, and a thread (the keeper) looks once a millisecond while the lease is held and
 * nothing happens. Without a keeper the byte is given up at the end of each transaction. Whoever
 * gave way lets the others go first.
 *
 * A killed process loses its locks with its files: nobody waits for the dead.
 *
 * Called by storage.c and commit.c. `held` changes under the storage's mutex; the byte is taken
 * only by the thread whose turn it is.
 */
#ifndef RSI_STORAGE_LEASE_H
#define RSI_STORAGE_LEASE_H

#include "storage/storage.h"

#include <pthread.h>

typedef struct rsi_lease {
    bool held;      /* atomic */
    bool is_asked;  /* no transaction begins before it is given up; under the mutex */
    bool gave_way;  /* likewise */
    uint64_t count; /* atomic: how often it was taken */
    int64_t taken_us;
    int64_t used_us;
    int64_t looked_us;
    pthread_t keeper;
    pthread_cond_t wake;
    bool keeper_runs;
    bool keeper_stops; /* under the mutex */
} rsi_lease;

/* End the keeper, which the first lease starts when the options ask for it. */
void rsi_lease_stop(rsi_storage *storage);

bool rsi_lease_is_held(const rsi_storage *storage);
/* Hold the byte, and know what was committed before. By the thread whose turn it is. BUSY after the
 * deadline (rsi_monotonic_ms). */
int rsi_lease_take(rsi_storage *storage, int64_t deadline_ms);
/* A turn or a commit has ended: give the byte up if somebody wants it, or nobody keeps it. */
void rsi_lease_settle(rsi_storage *storage);

/* For one who only reads: no process writes until the other is called; *kept: call it. One thread
 * at a time. BUSY after the busy timeout. */
int rsi_lease_keep_out(rsi_storage *storage, bool *kept);
void rsi_lease_let_in(rsi_storage *storage);

/* Tell the other processes how far the journal can be believed: all that it has, or, when a flush
 * failed, what was told before. By the writer, or the leader of a group commit. */
void rsi_lease_publish(rsi_storage *storage);
void rsi_lease_publish_busy(rsi_storage *storage);
void rsi_lease_publish_failure(rsi_storage *storage);

#endif
