/* The threads that work on jobs, and those who wait for one: see jobs.h. */
#include "jobs/job_internal.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"

#include <errno.h>
#include <string.h>

/* ---- the records change ---- */

static void note_change(void *user, uint64_t order, const char *old_json, size_t old_size,
                        const char *new_json, size_t new_size)
{
    rsi_jobs *jobs = user;
    (void)order;
    (void)old_json;
    (void)old_size;
    (void)new_json;
    (void)new_size;
    __atomic_add_fetch(&jobs->changes, 1, __ATOMIC_RELEASE);
}

static void keep(void *user)
{
    (void)user; /* the store frees it, after the storage */
}

int rsi_jobs_create(rsi_jobs **out, rsi_storage *storage, rsi_job_runner *run,
                    struct rsi_store *store)
{
    const char *space;
    pthread_condattr_t attributes;
    rsi_jobs *jobs = *out = rsi_alloc_zeroed(sizeof *jobs);
    if (jobs == NULL)
        return RAGSTORE_E_NO_MEMORY;
    jobs->storage = storage;
    jobs->store = store;
    jobs->run = run;
    pthread_mutex_init(&jobs->mutex, NULL);
    pthread_mutex_init(&jobs->extractors_mutex, NULL);
    pthread_cond_init(&jobs->extractor_returned, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&jobs->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    void *user = jobs;
    int status = rsi_storage_collection(&space, storage, RSI_JOBS);
    return status == RAGSTORE_OK
               ? rsi_storage_watch(&user, storage, RSI_SPACE_JOBS, note_change, keep)
               : status;
}

void rsi_jobs_free(rsi_jobs *jobs)
{
    if (jobs == NULL)
        return;
    while (jobs->live != NULL) {
        rsi_live_job *next = jobs->live->next;
        rsi_free(jobs->live);
        jobs->live = next;
    }
    pthread_cond_destroy(&jobs->extractor_returned);
    pthread_mutex_destroy(&jobs->extractors_mutex);
    pthread_cond_destroy(&jobs->changed);
    pthread_mutex_destroy(&jobs->mutex);
    rsi_free(jobs);
}

/* ---- those who wait ---- */

void rsi_jobs_tell(rsi_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    jobs->news++;
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->mutex);
}

uint64_t rsi_jobs_news(rsi_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    uint64_t news = jobs->news;
    pthread_mutex_unlock(&jobs->mutex);
    return news;
}

void rsi_jobs_wait_for_news(rsi_jobs *jobs, uint64_t seen, uint32_t wait_ms)
{
    const struct timespec until = rsi_monotonic_after_ms(wait_ms);
    int waited = 0;
    pthread_mutex_lock(&jobs->mutex);
    while (jobs->news == seen && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&jobs->changed, &jobs->mutex, &until);
    pthread_mutex_unlock(&jobs->mutex);
}

/* ---- the threads ---- */

bool rsi_jobs_stopping(rsi_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    bool stops = jobs->stops;
    pthread_mutex_unlock(&jobs->mutex);
    return stops;
}

/* Is there a job whose rest is over, or one that the process that had it may have left? */
static bool is_due_locked(const rsi_jobs *jobs)
{
    if (jobs->is_busy)
        return true;
    for (const rsi_live_job *live = jobs->live; live != NULL; live = live->next)
        if (live->rests_until != 0 && live->rests_until <= rsi_monotonic_ms())
            return true;
    return false;
}

/* Sleep until there may be something to do; false when the store closes. */
static bool wait_for_work(rsi_jobs *jobs, uint64_t *seen)
{
    pthread_mutex_lock(&jobs->mutex);
    for (bool has_slept = false; !jobs->stops; has_slept = true) {
        const uint64_t changes = __atomic_load_n(&jobs->changes, __ATOMIC_ACQUIRE);
        if (changes != *seen || (has_slept && is_due_locked(jobs))) {
            *seen = changes;
            break;
        }
        const struct timespec until = rsi_monotonic_after_ms(RSI_JOB_LOOK_MS);
        pthread_cond_timedwait(&jobs->changed, &jobs->mutex, &until);
    }
    bool goes_on = !jobs->stops;
    pthread_mutex_unlock(&jobs->mutex);
    return goes_on;
}

static void *work(void *user)
{
    rsi_jobs *jobs = user;
    uint64_t seen = UINT64_MAX;
    while (wait_for_work(jobs, &seen)) {
        bool did = true;
        int status = RAGSTORE_OK;
        while (status == RAGSTORE_OK && did)
            status = rsi_jobs_step(jobs, &did);
        if (status != RAGSTORE_OK)
            rsi_storage_log(jobs->storage, RAGSTORE_LOG_WARNING, "jobs: %s", rsi_error_message());
    }
    return NULL;
}

static int start_locked(rsi_jobs *jobs)
{
    while (!jobs->stops && jobs->thread_count < RSI_JOB_THREADS) {
        pthread_t *thread = &jobs->threads[jobs->thread_count];
        int failed = pthread_create(thread, NULL, work, jobs);
        if (failed != 0)
            return rsi_fail_errno(RAGSTORE_E_NO_MEMORY, failed, "jobs", "start a thread");
        pthread_setname_np(*thread, "ragstore-jobs");
        jobs->thread_count++;
    }
    return RAGSTORE_OK;
}

void rsi_jobs_use_threads(rsi_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    jobs->uses_threads = true;
    pthread_mutex_unlock(&jobs->mutex);
}

int rsi_jobs_wake(rsi_jobs *jobs)
{
    bool pending = false;
    pthread_mutex_lock(&jobs->mutex);
    const uint64_t changes = __atomic_load_n(&jobs->changes, __ATOMIC_ACQUIRE);
    bool looks = jobs->uses_threads && jobs->thread_count < RSI_JOB_THREADS &&
                 (!jobs->has_looked || jobs->woken_changes != changes);
    pthread_mutex_unlock(&jobs->mutex);
    if (!looks) /* the threads look for themselves */
        return RAGSTORE_OK;
    int status = rsi_jobs_pending(&pending, jobs);
    pthread_mutex_lock(&jobs->mutex);
    if (status == RAGSTORE_OK && pending)
        status = start_locked(jobs);
    if (status == RAGSTORE_OK) {
        jobs->has_looked = true;
        jobs->woken_changes = changes;
    }
    pthread_mutex_unlock(&jobs->mutex);
    return status;
}

void rsi_jobs_welcome(rsi_jobs *jobs)
{
    rsi_saved_error error;
    rsi_jobs_tell(jobs);
    if (rsi_tx_is_open(jobs->storage))
        return;
    rsi_error_save(&error);
    (void)rsi_jobs_wake(jobs); /* the upkeep tries again, and tells of it */
    rsi_error_restore(&error);
}

void rsi_jobs_stop(rsi_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    jobs->stops = true;
    pthread_cond_broadcast(&jobs->changed);
    unsigned count = jobs->thread_count;
    jobs->thread_count = 0;
    pthread_mutex_unlock(&jobs->mutex);
    for (unsigned i = 0; i < count; i++)
        pthread_join(jobs->threads[i], NULL);
}
