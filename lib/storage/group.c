/*
 * Group commit: one flush serves all who wait.
 *
 *   writer lock   A builds ─┐  B builds ─┐  C builds ─┐
 *   waiting                 └─► A        └─► B C      │      in commit order
 *   flushing                    A writes, flushes ────► A writes B C, one flush, …
 *
 * A transaction is put into the queue under the writer lock; most kinds give the lock up there,
 * so that the next one builds while the disk works. Whoever finds no leader leads: it takes all
 * that wait, appends their lines, flushes once, moves them into the tables in their order, and
 * lets their threads go. Nothing is visible, and nobody returns, before the flush; other processes
 * are told of it before that (lease.h).
 *
 * A transaction that touches a record of a commit in the queue waits until that is settled, so
 * that none builds on changes that may still fail.
 */
#include "storage/tx.h"

#include "base/clock.h"
#include "base/status.h"

int rsi_group_init(rsi_commit_queue *queue)
{
    int failed = pthread_mutex_init(&queue->mutex, NULL);
    return failed == 0 ? pthread_cond_init(&queue->moved, NULL) : failed;
}

void rsi_group_free(rsi_commit_queue *queue)
{
    pthread_mutex_destroy(&queue->mutex);
    pthread_cond_destroy(&queue->moved);
}

bool rsi_group_is_idle(rsi_commit_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    bool is_idle = queue->flushing == NULL && queue->waiting == NULL;
    pthread_mutex_unlock(&queue->mutex);
    return is_idle;
}

void rsi_group_add(rsi_storage *storage, rsi_commit *commit)
{
    rsi_commit_queue *queue = &storage->queue;
    pthread_mutex_lock(&queue->mutex);
    if (queue->waiting == NULL)
        queue->waiting = commit;
    else
        queue->last->next = commit;
    queue->last = commit;
    pthread_mutex_unlock(&queue->mutex);
}

/* ---- the leader ---- */

/* The thread's error becomes that of the commits, whose own threads report it. */
static void fail_all(rsi_commit *first, int status)
{
    for (rsi_commit *commit = first; commit != NULL; commit = commit->next) {
        if (commit->status != RAGSTORE_OK)
            continue;
        commit->status = status;
        rsi_error_save(&commit->error);
    }
}

/* Who makes room by deleting may use what is kept for that. */
static int append_line(rsi_storage *storage, const rsi_commit *commit, bool *broken)
{
    const rsi_bytes *line = &commit->line;
    int status = rsi_journal_append(&storage->journal, line->data, line->size, true, broken);
    if (status == RAGSTORE_E_DISK_FULL && !*broken && commit->only_removes &&
        rsi_reserve_release(storage))
        status = rsi_journal_append(&storage->journal, line->data, line->size, true, broken);
    return status;
}

/* Append the lines. One that cannot be written fails its commit alone. False: none was written,
 * or the journal is broken. */
static bool append_lines(rsi_storage *storage, rsi_commit *first)
{
    rsi_journal *journal = &storage->journal;
    bool any = false;
    for (rsi_commit *commit = first; commit != NULL; commit = commit->next) {
        bool broken;
        commit->status = append_line(storage, commit, &broken);
        commit->sequence = journal->sequence;
        any = any || commit->status == RAGSTORE_OK;
        if (commit->status != RAGSTORE_OK)
            rsi_error_save(&commit->error);
        if (broken) {
            int status = rsi_storage_poison(storage);
            for (rsi_commit *each = first; each != NULL; each = each->next)
                each->status = RAGSTORE_OK;
            fail_all(first, status);
            return false;
        }
    }
    return any;
}

/* Make commits durable, then visible; each gets its status. */
static void write_batch(rsi_storage *storage, rsi_commit *first)
{
    int status = rsi_storage_refusal(storage);
    if (status != RAGSTORE_OK) {
        fail_all(first, status);
        return;
    }
    if (!append_lines(storage, first))
        return;
    if (storage->options.durability == RAGSTORE_DURABILITY_NORMAL) {
        __atomic_store_n(&storage->needs_flush, true, __ATOMIC_RELAXED);
    } else if (rsi_journal_flush(&storage->journal) != RAGSTORE_OK) {
        fail_all(first, rsi_storage_poison(storage));
        return;
    }
    rsi_lease_publish(storage);
    pthread_rwlock_wrlock(&storage->state);
    for (rsi_commit *commit = first; commit != NULL; commit = commit->next)
        if (commit->status == RAGSTORE_OK)
            rsi_tx_apply_locked(commit->tx, commit->sequence);
    pthread_rwlock_unlock(&storage->state);
    __atomic_store_n(&storage->last_commit_ms, rsi_monotonic_ms(), __ATOMIC_RELAXED);
    __atomic_store_n(&storage->journal_bytes, storage->journal.size, __ATOMIC_RELAXED);
}

/* Take all that waits to its end. The queue's mutex is held before and after. */
static void lead(rsi_storage *storage)
{
    rsi_commit_queue *queue = &storage->queue;
    rsi_commit *first = queue->waiting;
    queue->flushing = first;
    queue->waiting = NULL;
    queue->last = NULL;
    pthread_mutex_unlock(&queue->mutex);

    rsi_saved_error error; /* of the leader, who may have failed at something before */
    rsi_error_save(&error);
    write_batch(storage, first);
    rsi_error_restore(&error);

    pthread_mutex_lock(&queue->mutex);
    queue->flushing = NULL;
    while (first != NULL) {
        rsi_commit *next = first->next; /* a settled one may be gone at once */
        first->settled = true;
        first = next;
    }
    pthread_cond_broadcast(&queue->moved);
}

int rsi_group_finish(rsi_storage *storage, rsi_commit *commit)
{
    rsi_commit_queue *queue = &storage->queue;
    pthread_mutex_lock(&queue->mutex);
    while (!commit->settled) {
        if (queue->flushing == NULL)
            lead(storage);
        else
            pthread_cond_wait(&queue->moved, &queue->mutex);
    }
    pthread_mutex_unlock(&queue->mutex);
    if (commit->status != RAGSTORE_OK)
        rsi_error_restore(&commit->error);
    return commit->status;
}

/* ---- those who must not overtake ---- */

void rsi_group_drain(rsi_storage *storage)
{
    rsi_commit_queue *queue = &storage->queue;
    pthread_mutex_lock(&queue->mutex);
    while (queue->flushing != NULL || queue->waiting != NULL)
        pthread_cond_wait(&queue->moved, &queue->mutex);
    pthread_mutex_unlock(&queue->mutex);
}

static bool touches(const rsi_commit *commit, const char *space, const char *key)
{
    for (; commit != NULL; commit = commit->next)
        if (rsi_tx_touches(commit->tx, space, key))
            return true;
    return false;
}

void rsi_group_settle(rsi_storage *storage, const char *space, const char *key)
{
    rsi_commit_queue *queue = &storage->queue;
    pthread_mutex_lock(&queue->mutex);
    while (touches(queue->flushing, space, key) || touches(queue->waiting, space, key))
        pthread_cond_wait(&queue->moved, &queue->mutex);
    pthread_mutex_unlock(&queue->mutex);
}
