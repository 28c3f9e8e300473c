/* Openers and their marks in LOCK: see attach.h. */
#include "storage/attach.h"

#include "base/clock.h"
#include "base/status.h"
#include "storage/storage_internal.h"

#include <string.h>

#define SLOT_BYTE 64 /* of the lock of slot 0 */
#define SLOTS 1000   /* processes that may write at once */

static const char mark[] = "open for writing\n";
#define SLOT_TEXT (sizeof mark - 1) /* where the text of slot 0 is */

/* ---- locking ---- */

static int try_lock(rsi_storage *storage, uint64_t byte, int kind)
{
    return rsi_file_lock(storage->attachment.lock, byte, 1, kind);
}

/* Share the openers' byte, or have it alone when nobody else is there, before the deadline. */
static int enter(rsi_storage *storage)
{
    rsi_attachment *at = &storage->attachment;
    const int64_t deadline = rsi_monotonic_ms() + storage->options.busy_timeout_ms;
    for (uint32_t pause = 1;; pause = pause < 20 ? pause * 2 : 20) {
        int status = try_lock(storage, RSI_LOCK_BYTE_OPENERS, RSI_LOCK_EXCLUSIVE);
        at->is_first = at->is_exclusive = status == RAGSTORE_OK;
        if (status == RAGSTORE_E_BUSY)
            status = try_lock(storage, RSI_LOCK_BYTE_OPENERS, RSI_LOCK_SHARED);
        if (status != RAGSTORE_E_BUSY)
            return status;
        if (rsi_monotonic_ms() >= deadline)
            return rsi_fail(RAGSTORE_E_BUSY, "storage",
                            "%s is being opened or closed by another process (waited %u ms); try "
                            "again, or allow a longer busy_timeout_ms",
                            rsi_root_path(storage->root), storage->options.busy_timeout_ms);
        rsi_sleep_ms(pause);
    }
}

/* ---- the text ---- */

/* The states of the slots; what is beyond the text was never used. */
static int read_slots(const rsi_attachment *at, char slots[SLOTS])
{
    uint64_t size;
    memset(slots, ' ', SLOTS);
    int status = rsi_file_size(at->lock, &size);
    if (status != RAGSTORE_OK || size <= SLOT_TEXT)
        return status;
    size -= SLOT_TEXT;
    return rsi_file_read_at(at->lock, slots, size < SLOTS ? (size_t)size : SLOTS, SLOT_TEXT);
}

static bool is_used(char slot)
{
    return slot == '+' || slot == '!';
}

/* Take a slot beside the other openers. One that a killed process left goes on telling of it. */
static int take_slot(rsi_storage *storage)
{
    rsi_attachment *at = &storage->attachment;
    char slots[SLOTS];
    int status = read_slots(at, slots);
    for (int i = 0; status == RAGSTORE_OK && i < SLOTS; i++) {
        status = try_lock(storage, SLOT_BYTE + (uint64_t)i, RSI_LOCK_EXCLUSIVE);
        if (status == RAGSTORE_E_BUSY) {
            status = RAGSTORE_OK;
            continue;
        }
        if (status != RAGSTORE_OK)
            return status;
        /* as it is now that nobody else may change it */
        status = read_slots(at, slots);
        if (status != RAGSTORE_OK)
            return status;
        at->slot = i;
        at->slot_tells = is_used(slots[i]);
        return rsi_file_write_at(at->lock, at->slot_tells ? "!" : "+", 1, SLOT_TEXT + (uint64_t)i);
    }
    return status != RAGSTORE_OK
               ? status
               : rsi_fail(RAGSTORE_E_BUSY, "storage", "%d processes have %s open; close one",
                          SLOTS, rsi_root_path(storage->root));
}

/* The first opener leaves its mark before it changes anything; it is flushed when there is
 * something to change. */
static int leave_mark(rsi_storage *storage, bool *was_unclean)
{
    rsi_file *lock = storage->attachment.lock;
    uint64_t size = 0;
    int status = rsi_file_size(lock, &size);
    *was_unclean = size > 0;
    if (status == RAGSTORE_OK && size == 0)
        status = rsi_file_write_at(lock, mark, sizeof mark - 1, 0);
    if (status == RAGSTORE_E_DISK_FULL && rsi_reserve_release(storage))
        status = rsi_file_write_at(lock, mark, sizeof mark - 1, 0);
    return status;
}

int rsi_attach_secure(rsi_storage *storage)
{
    rsi_attachment *at = &storage->attachment;
    if (!at->text_waits)
        return RAGSTORE_OK;
    int status = rsi_file_flush(at->lock); /* a power cut must not take the mark alone */
    at->text_waits = status != RAGSTORE_OK;
    return status;
}

/* ---- opening ---- */

int rsi_attach(rsi_storage *storage, bool *was_unclean)
{
    rsi_attachment *at = &storage->attachment;
    *was_unclean = false;
    at->slot = -1;
    if ((storage->options.flags & RAGSTORE_OPEN_IMMUTABLE) != 0)
        return RAGSTORE_OK;
    unsigned mode = storage->read_only ? RSI_OPEN_READ : RSI_OPEN_WRITE | RSI_OPEN_CREATE;
    int status = rsi_lock_file_open(&at->lock, storage->root, RSI_PATH_LOCK, mode);
    if (status == RAGSTORE_E_NOT_FOUND && storage->read_only)
        return RAGSTORE_OK; /* a copy without LOCK on a read-only medium */
    if (status != RAGSTORE_OK)
        return status;
    if (storage->read_only)
        return try_lock(storage, RSI_LOCK_BYTE_READERS, RSI_LOCK_SHARED);
    status = enter(storage);
    if (status != RAGSTORE_OK)
        return status;
    at->text_waits = true;
    return at->is_first ? leave_mark(storage, was_unclean) : take_slot(storage);
}

int rsi_attach_share(rsi_storage *storage)
{
    rsi_attachment *at = &storage->attachment;
    char slots[SLOTS];
    uint64_t size = 0;
    /* without locks of ranges there is one process at a time */
    at->is_single = at->is_single || try_lock(storage, RSI_LOCK_BYTE_WAITERS, RSI_LOCK_LOOK) ==
                                         RAGSTORE_E_UNSUPPORTED;
    if (at->is_single)
        return RAGSTORE_OK;
    int status = rsi_file_size(at->lock, &size);
    /* of processes that have been dealt with */
    if (status == RAGSTORE_OK && size > SLOT_TEXT + 1) {
        memset(slots, ' ', SLOTS);
        size -= SLOT_TEXT;
        status = rsi_file_write_at(at->lock, slots, size < SLOTS ? (size_t)size : SLOTS, SLOT_TEXT);
    }
    if (status == RAGSTORE_OK)
        status = rsi_file_write_at(at->lock, "+", 1, SLOT_TEXT);
    if (status == RAGSTORE_OK)
        status = try_lock(storage, SLOT_BYTE, RSI_LOCK_EXCLUSIVE);
    if (status == RAGSTORE_OK) {
        at->slot = 0;
        status = try_lock(storage, RSI_LOCK_BYTE_OPENERS, RSI_LOCK_SHARED);
    }
    at->is_exclusive = status != RAGSTORE_OK;
    return status;
}

/* ---- questions ---- */

bool rsi_attach_has_company(rsi_storage *storage)
{
    const rsi_attachment *at = &storage->attachment;
    rsi_saved_error error;
    if (at->lock == NULL || at->is_exclusive)
        return false;
    rsi_error_save(&error);
    bool others = try_lock(storage, RSI_LOCK_BYTE_OPENERS, RSI_LOCK_LOOK) == RAGSTORE_E_BUSY;
    rsi_error_restore(&error);
    return others;
}

bool rsi_attach_alone(rsi_storage *storage, bool leave)
{
    rsi_attachment *at = &storage->attachment;
    rsi_saved_error error;
    if (at->is_exclusive)
        return true;
    rsi_error_save(&error);
    if (leave && at->slot >= 0) { /* the text first: it is the last one's as soon as we are out */
        if (!at->slot_tells)
            (void)rsi_file_write_at(at->lock, " ", 1, SLOT_TEXT + (uint64_t)at->slot);
        (void)try_lock(storage, RSI_LOCK_BYTE_OPENERS, RSI_LOCK_NONE);
        at->slot = -1;
    }
    at->is_exclusive = try_lock(storage, RSI_LOCK_BYTE_OPENERS, RSI_LOCK_EXCLUSIVE) == RAGSTORE_OK;
    rsi_error_restore(&error);
    return at->is_exclusive;
}

int rsi_attach_crashed(rsi_storage *storage, bool *crashed)
{
    const rsi_attachment *at = &storage->attachment;
    char slots[SLOTS];
    *crashed = at->slot_tells;
    int status = read_slots(at, slots);
    for (int i = 0; status == RAGSTORE_OK && i < SLOTS; i++)
        *crashed = *crashed || (i != at->slot && is_used(slots[i]));
    return status;
}

/* ---- jobs ---- */

int rsi_storage_claim_jobs(rsi_storage *storage)
{
    const rsi_attachment *at = &storage->attachment;
    if (at->lock == NULL || at->is_single)
        return RAGSTORE_OK;
    int status = try_lock(storage, RSI_LOCK_BYTE_JOBS, RSI_LOCK_EXCLUSIVE);
    return status == RAGSTORE_E_BUSY
               ? rsi_fail(RAGSTORE_E_BUSY, "storage", "another process works on the jobs of %s",
                          rsi_root_path(storage->root))
               : status;
}

void rsi_storage_release_jobs(rsi_storage *storage)
{
    const rsi_attachment *at = &storage->attachment;
    rsi_saved_error error;
    if (at->lock == NULL || at->is_single)
        return;
    rsi_error_save(&error);
    (void)try_lock(storage, RSI_LOCK_BYTE_JOBS, RSI_LOCK_NONE);
    rsi_error_restore(&error);
}

/* ---- closing ---- */

int rsi_attach_clean(rsi_storage *storage)
{
    return rsi_file_truncate(storage->attachment.lock, 0);
}

void rsi_attach_end(rsi_storage *storage)
{
    rsi_saved_error error;
    rsi_error_save(&error);
    if (storage->attachment.lock != NULL) /* a child that is just being forked may have it open */
        (void)rsi_file_lock(storage->attachment.lock, 0, 0, RSI_LOCK_NONE);
    rsi_lock_file_close(storage->attachment.lock);
    storage->attachment.lock = NULL;
    rsi_error_restore(&error);
}
