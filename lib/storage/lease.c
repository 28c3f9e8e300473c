/* The leased writer lock: see lease.h. */
#include "storage/lease.h"

#include "base/clock.h"
#include "base/status.h"
#include "storage/follow.h"
#include "storage/storage_internal.h"
#include "storage/tx.h"

#include <time.h>

#define AT_LEAST_US 1000 /* kept so long, or changing hands would cost more than the work */
#define LOOK_US 200      /* between two looks for waiters */
#define IDLE_US 200000   /* given up when nothing was done for so long: taking it again costs more
                            than the keeper, which needs a millisecond in a second */
#define GRACE_MS 100     /* waited even when asked not to: an idle owner is no transaction */
#define YIELD_US 10000   /* whoever asked gets so long to come first */

bool rsi_lease_is_held(const rsi_storage *storage)
{
    return __atomic_load_n(&storage->lease.held, __ATOMIC_ACQUIRE);
}

static bool somebody_waits(rsi_storage *storage)
{
    rsi_saved_error error;
    rsi_error_save(&error);
    bool waits = rsi_file_lock(storage->attachment.lock, RSI_LOCK_BYTE_WAITERS, 1,
                               RSI_LOCK_LOOK) == RAGSTORE_E_BUSY;
    rsi_error_restore(&error);
    return waits;
}

/* ---- giving it up, with the mutex held ---- */

static void give_up_locked(rsi_storage *storage)
{
    rsi_lease *lease = &storage->lease;
    rsi_saved_error error;
    rsi_error_save(&error);
    __atomic_store_n(&lease->held, false, __ATOMIC_RELEASE);
    (void)rsi_file_lock(storage->attachment.lock, RSI_LOCK_BYTE_WRITER, 1, RSI_LOCK_NONE);
    lease->gave_way = lease->is_asked;
    lease->is_asked = false;
    pthread_cond_broadcast(&storage->changed);
    rsi_error_restore(&error);
}

static bool is_kept(const rsi_storage *storage)
{
    return storage->lease.keeper_runs && !storage->lease.keeper_stops &&
           storage->failure[0] == '\0';
}

static void look_for_waiters_locked(rsi_storage *storage, int64_t now)
{
    rsi_lease *lease = &storage->lease;
    if (lease->is_asked || now - lease->taken_us < AT_LEAST_US ||
        now - lease->looked_us < LOOK_US)
        return;
    lease->looked_us = now;
    lease->is_asked = somebody_waits(storage);
}

static void settle_locked(rsi_storage *storage, int64_t now)
{
    rsi_lease *lease = &storage->lease;
    bool wanted = !is_kept(storage) || now - lease->used_us >= IDLE_US;
    look_for_waiters_locked(storage, now);
    if ((lease->is_asked || wanted) && !storage->writer_taken &&
        rsi_group_is_idle(&storage->queue))
        give_up_locked(storage);
}

void rsi_lease_settle(rsi_storage *storage)
{
    if (!rsi_lease_is_held(storage) || storage->attachment.is_single)
        return;
    pthread_mutex_lock(&storage->mutex);
    if (storage->lease.held) {
        storage->lease.used_us = rsi_monotonic_us();
        settle_locked(storage, storage->lease.used_us);
    }
    pthread_mutex_unlock(&storage->mutex);
}

/* ---- the keeper ---- */

static void *keep(void *user)
{
    rsi_storage *storage = user;
    rsi_lease *lease = &storage->lease;
    pthread_mutex_lock(&storage->mutex);
    while (!lease->keeper_stops) {
        if (!lease->held) {
            pthread_cond_wait(&lease->wake, &storage->mutex);
            continue;
        }
        const struct timespec until = rsi_monotonic_after_ms(1);
        pthread_cond_timedwait(&lease->wake, &storage->mutex, &until);
        if (lease->held && !storage->writer_taken && !storage->attachment.is_single)
            settle_locked(storage, rsi_monotonic_us());
    }
    pthread_mutex_unlock(&storage->mutex);
    return NULL;
}

/* From the first lease on. Without a thread the byte is given up at the end of each transaction. */
static void start_keeper_locked(rsi_storage *storage)
{
    rsi_lease *lease = &storage->lease;
    if (lease->keeper_runs || lease->keeper_stops || !storage->options.keep_lease ||
        storage->attachment.is_single)
        return;
    if (pthread_create(&lease->keeper, NULL, keep, storage) != 0)
        return;
    pthread_setname_np(lease->keeper, "ragstore-lease");
    lease->keeper_runs = true;
}

void rsi_lease_stop(rsi_storage *storage)
{
    rsi_lease *lease = &storage->lease;
    pthread_mutex_lock(&storage->mutex);
    lease->keeper_stops = true;
    const bool runs = lease->keeper_runs;
    pthread_cond_signal(&lease->wake);
    pthread_mutex_unlock(&storage->mutex);
    if (runs)
        pthread_join(lease->keeper, NULL);
    lease->keeper_runs = false;
}

/* ---- taking it ---- */

/* Who asked us to give way comes first, if it is quick. */
static void let_others_first(rsi_storage *storage)
{
    rsi_lease *lease = &storage->lease;
    pthread_mutex_lock(&storage->mutex);
    bool yields = lease->gave_way;
    lease->gave_way = false;
    pthread_mutex_unlock(&storage->mutex);
    const int64_t until = rsi_monotonic_us() + YIELD_US;
    while (yields && somebody_waits(storage) && rsi_monotonic_us() < until)
        rsi_sleep_us(50);
}

static int lock_writer_byte(rsi_storage *storage, int kind, int64_t deadline_ms)
{
    rsi_file *lock = storage->attachment.lock;
    int status = rsi_file_lock(lock, RSI_LOCK_BYTE_WRITER, 1, kind);
    if (status != RAGSTORE_E_BUSY)
        return status;
    const int64_t grace = rsi_monotonic_ms() + GRACE_MS;
    (void)rsi_file_lock(lock, RSI_LOCK_BYTE_WAITERS, 1, RSI_LOCK_SHARED);
    for (uint32_t pause = 50; status == RAGSTORE_E_BUSY; pause = pause < 800 ? pause * 2 : 800) {
        const int64_t now = rsi_monotonic_ms();
        if (now >= deadline_ms && now >= grace)
            break;
        rsi_sleep_us(pause);
        status = rsi_file_lock(lock, RSI_LOCK_BYTE_WRITER, 1, kind);
    }
    (void)rsi_file_lock(lock, RSI_LOCK_BYTE_WAITERS, 1, RSI_LOCK_NONE);
    if (status == RAGSTORE_E_BUSY)
        return rsi_fail(RAGSTORE_E_BUSY, "storage",
                        "another process has been writing to %s for %u ms; try again, allow a "
                        "longer busy_timeout_ms, or end its transaction",
                        rsi_root_path(storage->root), storage->options.busy_timeout_ms);
    return status;
}

int rsi_lease_take(rsi_storage *storage, int64_t deadline_ms)
{
    rsi_lease *lease = &storage->lease;
    if (rsi_lease_is_held(storage))
        return RAGSTORE_OK;
    int status = RAGSTORE_OK;
    if (!storage->attachment.is_single) {
        let_others_first(storage);
        status = lock_writer_byte(storage, RSI_LOCK_EXCLUSIVE, deadline_ms);
        if (status != RAGSTORE_OK)
            return status;
        status = rsi_follow_to_write(storage);
        if (status == RAGSTORE_OK)
            rsi_reserve_look(storage);
    }
    if (status == RAGSTORE_OK)
        status = rsi_attach_secure(storage);
    pthread_mutex_lock(&storage->mutex);
    if (status == RAGSTORE_OK) {
        lease->taken_us = lease->used_us = rsi_monotonic_us();
        lease->is_asked = false;
        __atomic_add_fetch(&lease->count, 1, __ATOMIC_RELAXED);
        __atomic_store_n(&lease->held, true, __ATOMIC_RELEASE);
        start_keeper_locked(storage);
        if (lease->keeper_runs)
            pthread_cond_signal(&lease->wake);
    } else {
        give_up_locked(storage);
    }
    pthread_mutex_unlock(&storage->mutex);
    return status;
}

/* ---- keeping it from others ---- */

int rsi_lease_keep_out(rsi_storage *storage, bool *kept)
{
    const int64_t deadline = rsi_monotonic_ms() + storage->options.busy_timeout_ms;
    *kept = false;
    if (storage->attachment.lock == NULL) /* a copy, or one that nobody changes */
        return RAGSTORE_OK;
    int status = lock_writer_byte(storage, RSI_LOCK_SHARED, deadline);
    *kept = status == RAGSTORE_OK;
    return status == RAGSTORE_E_UNSUPPORTED ? RAGSTORE_OK : status;
}

void rsi_lease_let_in(rsi_storage *storage)
{
    rsi_saved_error error;
    rsi_error_save(&error);
    (void)rsi_file_lock(storage->attachment.lock, RSI_LOCK_BYTE_WRITER, 1, RSI_LOCK_NONE);
    rsi_error_restore(&error);
}

/* ---- what the others may believe ---- */

static void publish(rsi_storage *storage, const rsi_position *at, rsi_hint_state state)
{
    const rsi_hint hint = {at->generation, at->offset, at->sequence, state};
    rsi_saved_error error;
    rsi_follow_note(storage, at, &hint);
    /* what cannot be told is found in the journal by the next writer */
    rsi_error_save(&error);
    if (storage->hint != NULL && rsi_hint_write(storage->hint, &hint) != RAGSTORE_OK)
        rsi_storage_log(storage, RAGSTORE_LOG_WARNING,
                        "other processes see the last commit late: %s", rsi_error_message());
    rsi_error_restore(&error);
}

void rsi_lease_publish(rsi_storage *storage)
{
    const rsi_journal *journal = &storage->journal;
    const rsi_position at = {journal->generation, journal->size, journal->sequence};
    publish(storage, &at, storage->needs_flush ? RSI_HINT_UNFLUSHED : RSI_HINT_OK);
}

void rsi_lease_publish_busy(rsi_storage *storage)
{
    const rsi_position at = storage->seen; /* nobody else changes it while the lease is held */
    publish(storage, &at, RSI_HINT_BUSY);
}

void rsi_lease_publish_failure(rsi_storage *storage)
{
    const rsi_position at = storage->seen;
    if (rsi_lease_is_held(storage))
        publish(storage, &at, RSI_HINT_FAILED);
}
