/*
 * Upkeep: what can wait is done in the background, a piece at a time.
 *
 *   checkpoint      when a small store has been quiet for a moment, or the journal has grown in
 *                   proportion to the files that would be written anew
 *   codes           quantised indexes of entities with many vectors
 *   vectors         files of which most is dead are written again
 *   index files     index.faiss (up to RSI_EXPORT_UNASKED_MAX vectors), doc_to_chunks.json and
 *                   lexical.rsl of entities whose documents changed
 *
 * One thread of the library does it, or the host through ragstore_store_maintain(). The thread also
 * submits jobs for what is missing (ingest/reembed_offer.c), and starts the threads that work on jobs
 * (jobs/job_threads.c).
 */
#include "entities/store.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "entities/compact.h"
#include "entities/export.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define QUIET_MS 500
#define SMALL_REWRITE ((uint64_t)8 << 20) /* files of up to so many bytes are written when it is quiet */
#define JOURNAL_BYTES ((uint64_t)8 << 20)
#define JOURNAL_SHARE 4 /* of the files: as much journal as that is worth writing them */
#define TICK_MS 250
#define RETRY_MS 5000 /* after a failure, such as a full disk */
#define DAMAGED_RETRY_MS 60000 /* after a checkpoint that damage ended */

void rsi_upkeep_mark(rsi_store *store, const char *entity_id)
{
    pthread_mutex_lock(&store->upkeep_mutex);
    /* without memory the files stay as they are until the next change or export */
    rsi_map_put(&store->stale_indexes, entity_id, strlen(entity_id), store, NULL);
    pthread_mutex_unlock(&store->upkeep_mutex);
}

void rsi_upkeep_unmark(rsi_store *store, const char *entity_id)
{
    pthread_mutex_lock(&store->upkeep_mutex);
    rsi_map_remove(&store->stale_indexes, entity_id, strlen(entity_id));
    pthread_mutex_unlock(&store->upkeep_mutex);
}

/* One entity whose index files wait; false when there is none. Caller frees *entity_id. */
static bool take_stale_index(rsi_store *store, char **entity_id)
{
    size_t position = 0;
    rsi_slice key;
    *entity_id = NULL;
    pthread_mutex_lock(&store->upkeep_mutex);
    if (rsi_map_next(&store->stale_indexes, &position, &key, NULL)) {
        *entity_id = rsi_memdup0(key.data, key.size);
        if (*entity_id != NULL)
            rsi_map_remove(&store->stale_indexes, *entity_id, strlen(*entity_id));
    }
    pthread_mutex_unlock(&store->upkeep_mutex);
    return *entity_id != NULL;
}

/* May it work later, when there is room again or nobody writes? */
static bool may_work_later(int status)
{
    return status == RAGSTORE_E_BUSY || status == RAGSTORE_E_DISK_FULL || status == RAGSTORE_E_IO ||
           status == RAGSTORE_E_NO_MEMORY;
}

/* What cannot be mended, or need not, keeps neither the rest of the store waiting nor its closing. */
static int pass_over(rsi_store *store, int status)
{
    if (status == RAGSTORE_E_DAMAGED)
        rsi_storage_log(store->storage, RAGSTORE_LOG_ERROR, "%s", rsi_error_message());
    /* read-only: nothing to be done; not found: deleted meanwhile */
    return status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_NOT_FOUND ||
                   status == RAGSTORE_E_READ_ONLY
               ? RAGSTORE_OK
               : status;
}

/*
 * Both pieces of work load the entity, which marks it; the export, which comes last, takes that
 * mark away. It does not wait until the compaction has worked.
 */
static int keep_entity(rsi_store *store, const char *entity_id)
{
    rsi_saved_error error;
    const int compacted =
        pass_over(store, rsi_compact_rows(store, entity_id, RSI_COMPACT_WASTEFUL));
    rsi_error_save(&error);
    int status = pass_over(store, rsi_export_entity(store, entity_id, RSI_EXPORT_UNASKED));
    if (status == RAGSTORE_OK && compacted != RAGSTORE_OK) {
        rsi_error_restore(&error);
        status = compacted;
    }
    if (may_work_later(status))
        rsi_upkeep_mark(store, entity_id);
    return status;
}

/* Is it worth writing files of this size for what the journal holds? */
static bool is_worth_it(rsi_store *store, bool is_quiet, uint64_t file_bytes)
{
    const uint64_t share = file_bytes / JOURNAL_SHARE;
    return (is_quiet && file_bytes <= SMALL_REWRITE) ||
           rsi_storage_journal_bytes(store->storage) >
               (share > JOURNAL_BYTES ? share : JOURNAL_BYTES);
}

/* A record that cannot be copied into a new file keeps the journal. The rest of the work goes on, and
 * no file is written in vain again and again. */
static int write_files(rsi_store *store)
{
    int status = rsi_storage_checkpoint(store->storage);
    if (status != RAGSTORE_E_DAMAGED) /* NOT_FOUND: the store's directory is gone */
        return status;
    __atomic_store_n(&store->checkpoint_from_ms, rsi_monotonic_ms() + DAMAGED_RETRY_MS,
                     __ATOMIC_RELAXED);
    return pass_over(store, status);
}

int rsi_upkeep_step(rsi_store *store, bool now, bool *did)
{
    int64_t quiet_ms;
    uint64_t file_bytes;
    char *entity_id;
    *did = true;
    bool due = rsi_storage_checkpoint_due(store->storage, &quiet_ms, &file_bytes);
    bool is_quiet = now || quiet_ms >= QUIET_MS;
    due = due && rsi_monotonic_ms() >= __atomic_load_n(&store->checkpoint_from_ms, __ATOMIC_RELAXED);
    if (due && is_worth_it(store, is_quiet, file_bytes))
        return write_files(store);
    int status = rsi_catalogs_code(store, did);
    if (status == RAGSTORE_E_INTERRUPTED) { /* the store closes: codes are made anew anyway */
        status = RAGSTORE_OK;
        *did = false;
    }
    if (status != RAGSTORE_OK || *did)
        return status;
    *did = true;
    if (is_quiet && take_stale_index(store, &entity_id)) {
        status = keep_entity(store, entity_id);
        rsi_free(entity_id);
        return status;
    }
    *did = false;
    return RAGSTORE_OK;
}

/* ---- jobs that nobody asked for ---- */

void rsi_upkeep_set_offerer(rsi_store *store, rsi_job_offerer *offer_jobs)
{
    __atomic_store_n(&store->offer_jobs, offer_jobs, __ATOMIC_RELEASE);
}

int rsi_upkeep_offer_jobs(rsi_store *store, bool *did)
{
    rsi_job_offerer *offer_jobs = __atomic_load_n(&store->offer_jobs, __ATOMIC_ACQUIRE);
    *did = false;
    return offer_jobs == NULL ? RAGSTORE_OK : offer_jobs(did, store);
}

/* ---- the thread ---- */

/* Sleep until it is time to look again; false when the store closes. */
static bool wait_a_moment(rsi_store *store, uint32_t wait_ms)
{
    const struct timespec until = rsi_monotonic_after_ms(wait_ms);
    pthread_mutex_lock(&store->upkeep_mutex);
    int waited = 0;
    while (!store->upkeep_stops && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&store->upkeep_changed, &store->upkeep_mutex, &until);
    bool goes_on = !store->upkeep_stops;
    pthread_mutex_unlock(&store->upkeep_mutex);
    return goes_on;
}

static void warn(rsi_store *store, int status)
{
    if (status != RAGSTORE_OK && status != RAGSTORE_E_BUSY)
        rsi_storage_log(store->storage, RAGSTORE_LOG_WARNING, "upkeep: %s", rsi_error_message());
}

static int do_next(bool *did, rsi_store *store)
{
    bool offered;
    int status = rsi_upkeep_step(store, false, did);
    if (status == RAGSTORE_OK)
        status = rsi_upkeep_offer_jobs(store, &offered);
    return status;
}

/* What cannot be done for one entity is tried again after a while. Neither flushes nor jobs wait for
 * that: they are of other entities, too. */
static void *run_upkeep(void *user)
{
    rsi_store *store = user;
    uint32_t wait_ms = TICK_MS;
    int64_t retry_at = 0;
    while (wait_a_moment(store, wait_ms)) {
        bool did = false;
        const int64_t now = rsi_monotonic_ms();
        const bool tries = now >= retry_at;
        int status = rsi_storage_follow(store->storage);
        if (status == RAGSTORE_OK)
            status = rsi_storage_flush(store->storage);
        if (status == RAGSTORE_OK && tries)
            status = do_next(&did, store);
        if (status != RAGSTORE_OK && tries) {
            warn(store, status);
            retry_at = now + RETRY_MS;
        }
        status = rsi_jobs_wake(store->jobs);
        if (status != RAGSTORE_OK && tries) {
            warn(store, status);
            retry_at = now + RETRY_MS;
        }
        wait_ms = did && retry_at <= now ? 1 : TICK_MS;
    }
    return NULL;
}

int rsi_upkeep_start(rsi_store *store)
{
    pthread_condattr_t attributes;
    if (store->upkeep_runs)
        return RAGSTORE_OK;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&store->upkeep_changed, &attributes);
    pthread_condattr_destroy(&attributes);
    int failed = pthread_create(&store->upkeep_thread, NULL, run_upkeep, store);
    if (failed != 0) {
        pthread_cond_destroy(&store->upkeep_changed);
        return rsi_fail_errno(RAGSTORE_E_NO_MEMORY, failed, "entities", "start a thread");
    }
    pthread_setname_np(store->upkeep_thread, "ragstore-upkeep");
    store->upkeep_runs = true;
    rsi_jobs_use_threads(store->jobs);
    return RAGSTORE_OK;
}

void rsi_upkeep_stop(rsi_store *store)
{
    if (!store->upkeep_runs)
        return;
    pthread_mutex_lock(&store->upkeep_mutex);
    store->upkeep_stops = true;
    pthread_cond_signal(&store->upkeep_changed);
    pthread_mutex_unlock(&store->upkeep_mutex);
    pthread_join(store->upkeep_thread, NULL);
    pthread_cond_destroy(&store->upkeep_changed);
    store->upkeep_runs = false;
}
