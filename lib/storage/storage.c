/*
 * The storage object: opening and closing, who may write, and reading.
 *
 * Reads copy or visit under the shared state lock. The thread that runs a transaction sees the
 * transaction's changes laid over the tables (tx.c).
 */
#include "storage/storage_internal.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "storage/journal_vectors.h"
#include "storage/tx.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>


void rsi_storage_log(rsi_storage *storage, int level, const char *format, ...)
{
    if (storage->options.log == NULL)
        return;
    char message[RSI_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    storage->options.log(storage->options.log_user, level, message);
}

/* ---- the writer ---- */

bool rsi_writer_is_me(rsi_storage *storage)
{
    pthread_mutex_lock(&storage->mutex);
    bool mine = storage->writer_taken && pthread_equal(storage->writer, pthread_self());
    pthread_mutex_unlock(&storage->mutex);
    return mine;
}

static int refuse_writing_locked(const rsi_storage *storage)
{
    if (storage->closed)
        return rsi_fail(RAGSTORE_E_CLOSED, "storage", "the store is closed");
    if (storage->read_only)
        return rsi_fail(RAGSTORE_E_READ_ONLY, "storage",
                        "%s was opened for reading only", rsi_root_path(storage->root));
    if (storage->failure[0] != '\0')
        return rsi_fail(RAGSTORE_E_FAILED, "storage",
                        "an earlier failure stopped all writing (%s); close the store and open it "
                        "again",
                        storage->failure);
    return RAGSTORE_OK;
}

int rsi_storage_refusal(rsi_storage *storage)
{
    pthread_mutex_lock(&storage->mutex);
    int status = refuse_writing_locked(storage);
    pthread_mutex_unlock(&storage->mutex);
    return status;
}

/* A thread that writes again and again takes the turn before one that was woken for it is awake. Who has
 * waited for so long is let pass by those who come later. */
#define PATIENCE_MS 50

static bool must_wait(const rsi_storage *storage, bool is_impatient)
{
    return storage->writer_taken || storage->lease.is_asked ||
           (storage->impatient > 0 && !is_impatient);
}

static bool wait_for_turn(rsi_storage *storage)
{
    const uint32_t limit = storage->options.busy_timeout_ms;
    const struct timespec deadline = rsi_monotonic_after_ms(limit);
    const struct timespec patience = rsi_monotonic_after_ms(PATIENCE_MS);
    bool is_impatient = false;
    bool is_over = false;
    while (must_wait(storage, is_impatient) && !is_over) {
        const bool may_lose_patience = !is_impatient && limit > PATIENCE_MS;
        const int waited = pthread_cond_timedwait(&storage->changed, &storage->mutex,
                                                  may_lose_patience ? &patience : &deadline);
        if (waited != 0 && may_lose_patience) {
            is_impatient = true;
            storage->impatient++;
        } else {
            is_over = waited != 0;
        }
    }
    const bool is_mine = !must_wait(storage, is_impatient);
    if (is_impatient)
        storage->impatient--;
    return is_mine;
}

/* The turn among the threads of this process. */
static int take_turn(rsi_storage *storage)
{
    int status;
    pthread_mutex_lock(&storage->mutex);
    if (!wait_for_turn(storage))
        status = rsi_fail(RAGSTORE_E_BUSY, "storage",
                          "another thread has been writing for %u ms; try again, or allow a "
                          "longer busy_timeout_ms",
                          storage->options.busy_timeout_ms);
    else
        status = refuse_writing_locked(storage);
    if (status == RAGSTORE_OK) {
        storage->writer_taken = true;
        storage->writer = pthread_self();
    } else {
        pthread_cond_broadcast(&storage->changed); /* it may have been woken in place of another */
    }
    pthread_mutex_unlock(&storage->mutex);
    return status;
}

static void end_turn(rsi_storage *storage)
{
    pthread_mutex_lock(&storage->mutex);
    storage->writer_taken = false;
    if (storage->impatient > 0) /* one that has to let others pass must not be the only one woken */
        pthread_cond_broadcast(&storage->changed);
    else
        pthread_cond_signal(&storage->changed);
    pthread_mutex_unlock(&storage->mutex);
}

/* What another process left undone stays in the list, and keeps a checkpoint from passing it by. */
static void finish_foreign_work(rsi_storage *storage)
{
    rsi_saved_error error;
    rsi_error_save(&error);
    if (rsi_work_run(storage) != RAGSTORE_OK)
        rsi_storage_log(storage, RAGSTORE_LOG_WARNING, "will be tried again: %s",
                        rsi_error_message());
    rsi_error_restore(&error);
}

int rsi_writer_take(rsi_storage *storage)
{
    const int64_t deadline = rsi_monotonic_ms() + storage->options.busy_timeout_ms;
    int status = take_turn(storage);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_lease_take(storage, deadline);
    if (status != RAGSTORE_OK)
        end_turn(storage);
    else if (storage->foreign.count > 0)
        finish_foreign_work(storage);
    return status;
}

void rsi_writer_release(rsi_storage *storage)
{
    end_turn(storage);
    rsi_lease_settle(storage);
}

int rsi_storage_poison(rsi_storage *storage)
{
    pthread_mutex_lock(&storage->mutex);
    if (storage->failure[0] == '\0')
        snprintf(storage->failure, sizeof storage->failure, "%.*s",
                 (int)sizeof storage->failure - 1, rsi_error_message());
    pthread_mutex_unlock(&storage->mutex);
    rsi_lease_publish_failure(storage);
    rsi_storage_log(storage, RAGSTORE_LOG_ERROR, "writing has stopped: %s", rsi_error_message());
    return rsi_fail(RAGSTORE_E_FAILED, "storage",
                    "%s; nothing more is written until the store is opened again",
                    storage->failure);
}

int rsi_storage_failure(rsi_bytes *out, rsi_storage *storage)
{
    pthread_mutex_lock(&storage->mutex);
    rsi_bytes_append_text(out, storage->failure);
    pthread_mutex_unlock(&storage->mutex);
    return rsi_bytes_status(out);
}

/* ---- opening and closing ---- */

static int init_locks(rsi_storage *storage)
{
    pthread_condattr_t attributes;
    int failed = pthread_condattr_init(&attributes);
    if (failed == 0)
        failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (failed == 0)
        failed = pthread_cond_init(&storage->changed, &attributes);
    if (failed == 0)
        failed = pthread_cond_init(&storage->lease.wake, &attributes);
    if (failed == 0)
        failed = pthread_mutex_init(&storage->mutex, NULL);
    if (failed == 0)
        failed = pthread_mutex_init(&storage->follow_mutex, NULL);
    if (failed == 0)
        failed = pthread_rwlock_init(&storage->state, NULL);
    if (failed == 0)
        failed = pthread_mutex_init(&storage->checkpointing, NULL);
    if (failed == 0)
        failed = rsi_group_init(&storage->queue);
    return failed == 0 ? RAGSTORE_OK
                       : rsi_fail_errno(RAGSTORE_E_NO_MEMORY, failed, "storage", "make a lock");
}

static int count_entry(void *user, const char *name, rsi_file_kind kind)
{
    (void)kind;
    if (strcmp(name, RSI_PATH_LOCK) != 0)
        ++*(size_t *)user;
    return RAGSTORE_OK;
}

static bool has_store(const rsi_storage *storage)
{
    return rsi_file_exists(storage->root, RSI_PATH_MANIFEST) ||
           rsi_file_exists(storage->root, RSI_PATH_API_STORAGE) ||
           rsi_file_exists(storage->root, RSI_PATH_ENTITY_ROOT);
}

/* Is this a store, an empty place for one, or something else that must be left alone? While nobody
 * has the lock, another process may be making a store: it begins with a directory that tells one
 * (create.c), so whoever found entries and no store looks again before saying so. */
static int look_at_directory(rsi_storage *storage, bool *is_new)
{
    const uint32_t flags = storage->options.flags;
    size_t entries = 0;
    *is_new = false;
    if (has_store(storage))
        return (flags & RAGSTORE_OPEN_MUST_CREATE) == 0
                   ? RAGSTORE_OK
                   : rsi_fail(RAGSTORE_E_EXISTS, "storage", "there is a store already");
    if ((flags & RAGSTORE_OPEN_MUST_EXIST) != 0 || storage->read_only)
        return rsi_fail(RAGSTORE_E_NOT_FOUND, "storage", "there is no store in this directory");
    int status = rsi_directory_list(storage->root, "", count_entry, &entries);
    if (status != RAGSTORE_OK)
        return status;
    if (entries > 0 && !has_store(storage))
        return rsi_fail(RAGSTORE_E_EXISTS, "storage",
                        "the directory is neither empty nor a store; name an empty or new one");
    *is_new = entries == 0;
    return RAGSTORE_OK;
}

static int open_commit_file(rsi_storage *storage)
{
    rsi_attachment *at = &storage->attachment;
    int status = rsi_follow_open(storage, at->is_first);
    if (status == RAGSTORE_OK || !at->is_first)
        return status;
    rsi_storage_log(storage, RAGSTORE_LOG_WARNING, "other processes are kept out: %s",
                    rsi_error_message());
    at->is_single = true;
    return RAGSTORE_OK;
}

/* The first opener recovers; others, and readers, take the store as they find it. */
static int read_store(rsi_storage *storage, bool is_new)
{
    const bool is_first = storage->attachment.is_first;
    int status = RAGSTORE_OK;
    if (is_first && is_new)
        status = rsi_storage_create(storage);
    if (is_first && status == RAGSTORE_OK)
        status = rsi_storage_recover(storage);
    if (status == RAGSTORE_OK && storage->follows)
        status = open_commit_file(storage);
    if (!is_first && status == RAGSTORE_OK)
        status = rsi_storage_load(storage);
    if (is_first && status == RAGSTORE_OK) {
        rsi_lease_publish(storage);
        status = rsi_attach_share(storage);
    }
    return status;
}

static int open_directory(rsi_storage *storage, const char *path)
{
    const uint32_t flags = storage->options.flags;
    bool create = (flags & RAGSTORE_OPEN_MUST_EXIST) == 0 && !storage->read_only;
    bool is_new;
    int status = rsi_root_open(&storage->root, storage->options.files, path, create);
    if (status == RAGSTORE_OK)
        status = look_at_directory(storage, &is_new);
    if (status == RAGSTORE_OK)
        status = rsi_attach(storage, &storage->was_unclean);
    if (status == RAGSTORE_OK) /* another process may have made it while we waited */
        status = look_at_directory(storage, &is_new);
    if (status == RAGSTORE_OK)
        status = read_store(storage, is_new);
    memcpy(storage->id, storage->manifest.store_id, sizeof storage->id);
    return status;
}

int rsi_storage_make(rsi_storage **out, const rsi_storage_options *options)
{
    *out = NULL;
    rsi_storage *storage = rsi_alloc_zeroed(sizeof *storage);
    if (storage == NULL)
        return RAGSTORE_E_NO_MEMORY;
    storage->options = *options;
    storage->read_only =
        (options->flags & (RAGSTORE_OPEN_READ_ONLY | RAGSTORE_OPEN_IMMUTABLE)) != 0;
    storage->follows = (options->flags & RAGSTORE_OPEN_IMMUTABLE) == 0;
    storage->attachment.slot = -1;
    storage->entities.layout = &rsi_layout_entities;
    storage->sessions.layout = &rsi_layout_sessions;
    storage->entities.loaded = true;
    storage->sessions.loaded = true;
    storage->last_commit_ms = rsi_monotonic_ms();
    storage->segments = rsi_segments_make();
    int status = storage->segments == NULL ? RAGSTORE_E_NO_MEMORY : init_locks(storage);
    if (status == RAGSTORE_OK) {
        *out = storage;
    } else {
        rsi_segments_release(storage->segments);
        rsi_free(storage);
    }
    return status;
}

int rsi_storage_open(rsi_storage **out, const char *path, const rsi_storage_options *options)
{
    rsi_storage *storage;
    *out = NULL;
    int status = rsi_storage_make(&storage, options);
    if (status != RAGSTORE_OK)
        return status;
    status = open_directory(storage, path);
    if (status != RAGSTORE_OK) {
        rsi_saved_error error;
        rsi_error_save(&error);
        rsi_storage_free(storage);
        rsi_error_restore(&error);
        return status;
    }
    *out = storage;
    return RAGSTORE_OK;
}

/* The last one brings the files up to date and takes the mark away. */
static int close_as_last(rsi_storage *storage)
{
    bool crashed = false;
    int status = rsi_storage_checkpoint(storage);
    if (status != RAGSTORE_OK || storage->work.count > 0 || storage->foreign.count > 0)
        return status;
    status = rsi_attach_crashed(storage, &crashed);
    if (status == RAGSTORE_OK && crashed)
        status = rsi_work_sweep(storage);
    return status == RAGSTORE_OK ? rsi_attach_clean(storage) : status;
}

/* Others have it open: what is ours must be on the disk, the files are theirs to write. */
static int close_beside(rsi_storage *storage)
{
    if (storage->work.count == 0 && storage->row_files.count == 0 && !storage->needs_flush)
        return RAGSTORE_OK;
    int status = rsi_writer_take(storage);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_work_run(storage);
    if (status == RAGSTORE_OK)
        status = rsi_storage_flush_locked(storage);
    if (status == RAGSTORE_OK &&
        rsi_row_files_flush(&storage->row_files, storage->root) != RAGSTORE_OK)
        status = rsi_storage_poison(storage);
    rsi_writer_release(storage);
    return status;
}

int rsi_storage_close(rsi_storage *storage)
{
    int status = RAGSTORE_OK;
    rsi_lease_stop(storage);
    if (!storage->read_only && storage->failure[0] == '\0') {
        bool alone = rsi_attach_alone(storage, false);
        if (!alone) {
            status = close_beside(storage);
            rsi_lease_settle(storage);
            alone = rsi_attach_alone(storage, true);
        }
        if (alone && status == RAGSTORE_OK)
            status = close_as_last(storage);
        if (status == RAGSTORE_E_DISK_FULL) { /* the journal has everything; the mark stays */
            rsi_storage_log(storage, RAGSTORE_LOG_WARNING, "closed with its journal: %s",
                            rsi_error_message());
            status = RAGSTORE_OK;
        }
    }
    rsi_saved_error error;
    rsi_error_save(&error);
    pthread_mutex_lock(&storage->mutex);
    storage->closed = true;
    pthread_mutex_unlock(&storage->mutex);
    rsi_journal_close(&storage->journal);
    rsi_row_files_free(&storage->row_files);
    rsi_file_close(storage->hint);
    storage->hint = NULL;
    rsi_attach_end(storage);
    rsi_root_close(storage->root);
    storage->root = NULL;
    rsi_error_restore(&error);
    return status;
}

void rsi_storage_free(rsi_storage *storage)
{
    if (storage == NULL)
        return;
    rsi_lease_stop(storage);
    rsi_journal_close(&storage->journal);
    rsi_file_close(storage->hint);
    rsi_attach_end(storage);
    rsi_space_free(&storage->entities);
    rsi_space_free(&storage->sessions);
    rsi_map_free(&storage->collections, rsi_space_free_mapped);
    rsi_map_free(&storage->chunks, rsi_space_free_mapped);
    rsi_segments_release(storage->segments);
    rsi_candidates_free(&storage->manifest.collections);
    rsi_candidates_free(&storage->candidates);
    rsi_work_list_free(&storage->work);
    rsi_work_list_free(&storage->foreign);
    rsi_row_files_free(&storage->row_files);
    rsi_journal_vectors_free(&storage->vector_places);
    rsi_root_close(storage->root);
    rsi_group_free(&storage->queue);
    pthread_rwlock_destroy(&storage->state);
    pthread_mutex_destroy(&storage->mutex);
    pthread_mutex_destroy(&storage->checkpointing);
    pthread_mutex_destroy(&storage->follow_mutex);
    pthread_cond_destroy(&storage->changed);
    pthread_cond_destroy(&storage->lease.wake);
    rsi_free(storage);
}

uint64_t rsi_storage_lease_count(const rsi_storage *storage)
{
    return __atomic_load_n(&storage->lease.count, __ATOMIC_RELAXED);
}

rsi_root *rsi_storage_root(rsi_storage *storage)
{
    return storage->root;
}

const char *rsi_storage_id(const rsi_storage *storage)
{
    return storage->id;
}

bool rsi_storage_is_read_only(const rsi_storage *storage)
{
    return storage->read_only;
}

uint64_t rsi_storage_journal_bytes(rsi_storage *storage)
{
    return __atomic_load_n(&storage->journal_bytes, __ATOMIC_RELAXED);
}

/* ---- upkeep ---- */

bool rsi_storage_checkpoint_due(rsi_storage *storage, int64_t *quiet_ms, uint64_t *file_bytes)
{
    *file_bytes = 0;
    *quiet_ms = rsi_monotonic_ms() - __atomic_load_n(&storage->last_commit_ms, __ATOMIC_RELAXED);
    if (storage->read_only)
        return false;
    return rsi_checkpoint_has_work(storage, file_bytes);
}

int rsi_storage_flush_locked(rsi_storage *storage)
{
    rsi_group_drain(storage);
    if (!storage->needs_flush)
        return RAGSTORE_OK;
    if (rsi_journal_flush(&storage->journal) != RAGSTORE_OK)
        return rsi_storage_poison(storage);
    __atomic_store_n(&storage->needs_flush, false, __ATOMIC_RELAXED);
    rsi_lease_publish(storage);
    return RAGSTORE_OK;
}

int rsi_storage_flush(rsi_storage *storage)
{
    if (!__atomic_load_n(&storage->needs_flush, __ATOMIC_RELAXED))
        return rsi_storage_refusal(storage);
    int status = rsi_writer_take(storage);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_storage_flush_locked(storage);
    rsi_writer_release(storage);
    return status;
}

void rsi_storage_forget_chunks(rsi_storage *storage, const char *entity_id)
{
    pthread_rwlock_wrlock(&storage->state);
    rsi_space *space = rsi_map_get(&storage->chunks, entity_id, strlen(entity_id));
    if (space != NULL && space->loaded && !space->must_write && space->pins == 0 &&
        space->last_sequence <= space->base_sequence) {
        rsi_map_remove(&storage->chunks, entity_id, strlen(entity_id));
        rsi_space_free_mapped(space);
    }
    pthread_rwlock_unlock(&storage->state);
}
