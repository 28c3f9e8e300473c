/*
 * Working on jobs: who takes which, how far it is, what becomes of it. See jobs.h.
 *
 *   live   job A (thread 1) ─► job B (thread 2) ─► job C (rests until …)
 *
 * A job stands in the list while a thread of this process works on it, and while it rests after a
 * failure that passes.
 */
#include "jobs/job_internal.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REST_MS 1000 /* after the first failure that passes; then twice as long each time, */
#define REST_MAX_MS 60000
#define LEAVE_MS 5000 /* far more than a thread needs from the commit to the end of its work */

/* ---- the list ---- */

static rsi_live_job *find_locked(const rsi_jobs *jobs, const char *job_id)
{
    rsi_live_job *live = jobs->live;
    while (live != NULL && strcmp(live->id, job_id) != 0)
        live = live->next;
    return live;
}

static void drop_locked(rsi_jobs *jobs, rsi_live_job *live)
{
    rsi_live_job **at = &jobs->live;
    while (*at != live)
        at = &(*at)->next;
    *at = live->next;
    rsi_free(live);
}

/* Those that rested long enough, and that nobody may work on: another process ended them. */
static void drop_rested(rsi_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    for (rsi_live_job *live = jobs->live, *next; live != NULL; live = next) {
        next = live->next;
        if (live->rests_until != 0 && live->rests_until <= rsi_monotonic_ms())
            drop_locked(jobs, live);
    }
    pthread_mutex_unlock(&jobs->mutex);
}

static void end_rests(rsi_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    for (rsi_live_job *live = jobs->live; live != NULL; live = live->next)
        if (live->rests_until != 0)
            live->rests_until = 1;
    pthread_mutex_unlock(&jobs->mutex);
}

static bool works_on_long_locked(const rsi_jobs *jobs)
{
    for (const rsi_live_job *live = jobs->live; live != NULL; live = live->next)
        if (live->is_long && live->rests_until == 0)
            return true;
    return false;
}

bool rsi_jobs_progress(rsi_jobs *jobs, const char *job_id, char stage[RSI_JOB_STAGE_MAX],
                       uint64_t *done, uint64_t *total)
{
    pthread_mutex_lock(&jobs->mutex);
    const rsi_live_job *live = find_locked(jobs, job_id);
    if (live != NULL) {
        memcpy(stage, live->stage, RSI_JOB_STAGE_MAX);
        *done = live->done;
        *total = live->total;
    }
    pthread_mutex_unlock(&jobs->mutex);
    return live != NULL;
}

void rsi_jobs_wait_until_left(rsi_jobs *jobs, const char *job_id)
{
    const struct timespec until = rsi_monotonic_after_ms(LEAVE_MS);
    int waited = 0;
    pthread_mutex_lock(&jobs->mutex);
    const rsi_live_job *live = find_locked(jobs, job_id);
    while (live != NULL && live->rests_until == 0 && waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(&jobs->changed, &jobs->mutex, &until);
        live = find_locked(jobs, job_id);
    }
    pthread_mutex_unlock(&jobs->mutex);
}

void rsi_jobs_mark_cancelled(rsi_jobs *jobs, const char *job_id)
{
    pthread_mutex_lock(&jobs->mutex);
    rsi_live_job *live = find_locked(jobs, job_id);
    if (live != NULL && live->rests_until != 0)
        drop_locked(jobs, live);
    else if (live != NULL)
        live->is_cancelled = true;
    pthread_mutex_unlock(&jobs->mutex);
}

/* The thread is done with a job: it rests, or leaves the list. */
static void leave(rsi_jobs *jobs, rsi_live_job *live, int64_t rests_until)
{
    pthread_mutex_lock(&jobs->mutex);
    live->rests_until = rests_until;
    if (rests_until == 0 || live->is_cancelled)
        drop_locked(jobs, live);
    pthread_mutex_unlock(&jobs->mutex);
}

/* ---- choosing ---- */

typedef struct choice {
    rsi_jobs *jobs;
    rsi_live_job *fresh; /* room for a new one, or NULL: only looking */
    rsi_live_job *chosen;
    bool has_extractor;
    bool found;
} choice;

/* May the calling thread take it? Then it is in the list. */
static bool take(choice *from, const rsi_job_record *record, bool is_long)
{
    rsi_jobs *jobs = from->jobs;
    pthread_mutex_lock(&jobs->mutex);
    rsi_live_job *live = find_locked(jobs, record->id);
    bool may =
        !(is_long && works_on_long_locked(jobs)) &&
        (live == NULL || (live->rests_until != 0 && live->rests_until <= rsi_monotonic_ms()));
    if (may && from->fresh != NULL) {
        if (live == NULL) {
            live = from->fresh;
            from->fresh = NULL;
            snprintf(live->id, sizeof live->id, "%s", record->id);
            live->is_long = is_long;
            live->next = jobs->live;
            jobs->live = live;
        }
        live->rests_until = 0;
        from->chosen = live;
    }
    pthread_mutex_unlock(&jobs->mutex);
    return may;
}

static int look_at_job(void *user, const rsi_job_record *record)
{
    choice *from = user;
    if (!from->found &&
        (from->has_extractor || !rsi_json_true(rsi_json_get(record->json, "needs_extractor"))))
        from->found = take(from, record, !rsi_job_brings_document(record));
    return RAGSTORE_OK;
}

static int choose(choice *from)
{
    rsi_jobs *jobs = from->jobs;
    from->has_extractor = rsi_jobs_have_extractor(jobs);
    int status = rsi_storage_follow(jobs->storage);
    if (status != RAGSTORE_OK || rsi_storage_count(jobs->storage, RSI_SPACE_JOBS) == 0)
        return status;
    return rsi_jobs_each(jobs->storage, true, look_at_job, from);
}

int rsi_jobs_pending(bool *pending, rsi_jobs *jobs)
{
    choice looking = {.jobs = jobs};
    int status = jobs->run == NULL ? RAGSTORE_OK : choose(&looking);
    *pending = looking.found;
    return status;
}

static int choose_job(rsi_live_job **chosen, rsi_jobs *jobs)
{
    choice from = {.jobs = jobs, .fresh = rsi_alloc_zeroed(sizeof *from.fresh)};
    *chosen = NULL;
    if (from.fresh == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = choose(&from);
    rsi_free(from.fresh);
    *chosen = from.chosen; /* also when what came behind it cannot be read */
    return from.chosen != NULL ? RAGSTORE_OK : status;
}

/* ---- the claim of this process ---- */

static int claim(rsi_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    int status = jobs->claims > 0 ? RAGSTORE_OK : rsi_storage_claim_jobs(jobs->storage);
    if (status == RAGSTORE_OK)
        jobs->claims++;
    jobs->is_busy = status == RAGSTORE_E_BUSY;
    pthread_mutex_unlock(&jobs->mutex);
    return status;
}

static void release(rsi_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    if (--jobs->claims == 0)
        rsi_storage_release_jobs(jobs->storage);
    pthread_mutex_unlock(&jobs->mutex);
}

/* ---- while one is worked on ---- */

/* Has somebody ended it, perhaps in another process? */
static int look_whether_it_goes_on(rsi_job *job)
{
    rsi_job_record now;
    const int64_t now_ms = rsi_monotonic_ms();
    if (now_ms - job->looked_ms < RSI_JOB_LOOK_MS)
        return RAGSTORE_OK;
    job->looked_ms = now_ms;
    int status = rsi_storage_follow(job->jobs->storage);
    const uint64_t changes = __atomic_load_n(&job->jobs->changes, __ATOMIC_ACQUIRE);
    if (status != RAGSTORE_OK || changes == job->looked_changes)
        return status;
    job->looked_changes = changes;
    status = rsi_job_read(&now, job->jobs->storage, job->record.id);
    if (status == RAGSTORE_E_NOT_FOUND || (status == RAGSTORE_OK && now.state != RSI_JOB_RUNNING)) {
        rsi_jobs_mark_cancelled(job->jobs, job->record.id);
        status = RAGSTORE_OK;
    }
    rsi_job_record_free(&now);
    return status;
}

static int was_cancelled(const rsi_job *job)
{
    return rsi_fail(RAGSTORE_E_INTERRUPTED, "jobs", "job %s was cancelled", job->record.id);
}

int rsi_job_still_goes(rsi_job *job)
{
    rsi_jobs *jobs = job->jobs;
    int status = look_whether_it_goes_on(job);
    pthread_mutex_lock(&jobs->mutex);
    const bool cancelled = job->live->is_cancelled;
    const bool stops = jobs->stops;
    pthread_mutex_unlock(&jobs->mutex);
    if (status != RAGSTORE_OK)
        return status;
    if (cancelled)
        return was_cancelled(job);
    if (stops || (job->extractor != NULL && rsi_job_extractor_leaves(job->jobs, job->extractor)))
        return rsi_fail(RAGSTORE_E_INTERRUPTED, "jobs", "the store is being closed");
    return RAGSTORE_OK;
}

int rsi_job_report(rsi_job *job, const char *stage, uint64_t done, uint64_t total)
{
    rsi_jobs *jobs = job->jobs;
    rsi_live_job *live = job->live;
    pthread_mutex_lock(&jobs->mutex);
    snprintf(live->stage, sizeof live->stage, "%s", stage);
    live->done = done;
    live->total = total;
    pthread_mutex_unlock(&jobs->mutex);
    return rsi_job_still_goes(job);
}

static void note_end(void *user, bool committed)
{
    rsi_job *job = user;
    job->has_ended = committed;
}

int rsi_job_end_in_tx(rsi_job *job, rsi_tx *tx, const rsi_job_end *end)
{
    rsi_job_record now;
    int status = rsi_job_read(&now, job->jobs->storage, job->record.id);
    if (status == RAGSTORE_OK && now.state != RSI_JOB_RUNNING)
        status = was_cancelled(job);
    if (status == RAGSTORE_OK)
        status = rsi_job_put_move(tx, job->jobs->storage, &now, end);
    if (status == RAGSTORE_OK)
        status = rsi_tx_on_end(tx, note_end, job);
    rsi_job_record_free(&now);
    return status;
}

/* ---- one job ---- */

/* Write down that it has begun. *goes: it is to be worked on. */
static int begin(bool *goes, rsi_job *job, const char *job_id)
{
    static const rsi_job_end running = {.state = RSI_JOB_RUNNING};
    static const rsi_job_end given_up = {
        .state = RSI_JOB_FAILED,
        .status = RAGSTORE_E_INTERNAL,
        .message = "given up: the process ended each time while it worked on this"};
    rsi_tx *tx;
    *goes = false;
    int status = rsi_tx_begin(&tx, job->jobs->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_job_read(&job->record, job->jobs->storage, job_id);
    const bool is_over = status == RAGSTORE_E_NOT_FOUND ||
                         (status == RAGSTORE_OK && rsi_job_has_ended(job->record.state));
    /* a document may be what ends the process; other jobs go on where they were */
    const bool again = is_over || job->record.attempts < RSI_JOB_ATTEMPTS ||
                       !rsi_job_brings_document(&job->record);
    if (status == RAGSTORE_OK && !is_over)
        status =
            rsi_job_put_move(tx, job->jobs->storage, &job->record, again ? &running : &given_up);
    if (status == RAGSTORE_OK && !is_over)
        status = rsi_tx_commit(tx);
    else
        rsi_tx_abort(tx);
    *goes = status == RAGSTORE_OK && !is_over && again;
    return is_over ? RAGSTORE_OK : status;
}

/* A failure that says nothing about the job. */
static bool passes(int status)
{
    return status == RAGSTORE_E_BUSY || status == RAGSTORE_E_DISK_FULL ||
           status == RAGSTORE_E_FAILED || status == RAGSTORE_E_CLOSED ||
           status == RAGSTORE_E_INTERRUPTED || rsi_is_for_now(status);
}

/* How long a job rests that was put off so often already. */
static uint32_t rest_after(int64_t retries)
{
    uint32_t rest_ms = REST_MS;
    while (retries-- > 0 && rest_ms < REST_MAX_MS)
        rest_ms *= 2;
    return rest_ms < REST_MAX_MS ? rest_ms : REST_MAX_MS;
}

/* It could not be done: write down what becomes of it. Returns until when it rests, or 0. */
static int64_t settle_failure(rsi_job *job, int status)
{
    char message[RSI_MESSAGE_MAX];
    const char *id = job->record.id;
    const bool is_put_off = passes(status);
    rsi_job_end end = {.state = is_put_off ? RSI_JOB_WAITING : RSI_JOB_FAILED};
    if (status != RAGSTORE_E_INTERRUPTED) {
        snprintf(message, sizeof message, "%s", rsi_error_message());
        end.status = status;
        end.message = message;
        end.rests_ms = rest_after(job->record.retries);
        rsi_storage_log(job->jobs->storage, RAGSTORE_LOG_WARNING, "job %s%s: %s", id,
                        is_put_off ? " is put off" : "", message);
    }
    int moved = rsi_job_move(job->jobs->storage, id, RSI_JOB_RUNNING, &end);
    if (moved == RAGSTORE_E_WRONG_STATE || moved == RAGSTORE_E_NOT_FOUND)
        return 0; /* it was cancelled */
    if (moved == RAGSTORE_OK && (!is_put_off || end.rests_ms == 0))
        return 0;
    return rsi_monotonic_ms() + (end.rests_ms == 0 ? REST_MS : end.rests_ms);
}

static int64_t work_on(rsi_jobs *jobs, rsi_live_job *live)
{
    bool goes;
    int64_t rests_until = 0;
    rsi_job job = {.jobs = jobs, .store = jobs->store, .live = live};
    int status = begin(&goes, &job, live->id);
    if (goes) {
        job.extractor = rsi_job_extractor_borrow(jobs);
        status = jobs->run(&job);
        rsi_job_extractor_return(jobs, job.extractor);
        if (status == RAGSTORE_OK && !job.has_ended)
            status =
                rsi_fail(RAGSTORE_E_INTERNAL, "jobs", "job %s ended without an end", live->id);
        if (status != RAGSTORE_OK)
            rests_until = settle_failure(&job, status);
        else
            end_rests(jobs); /* what they waited for may be there again */
    } else if (status != RAGSTORE_OK) {
        rsi_storage_log(jobs->storage, RAGSTORE_LOG_WARNING, "begin job %s: %s", live->id,
                        rsi_error_message());
        rests_until = rsi_monotonic_ms() + REST_MS;
    }
    rsi_job_record_free(&job.record);
    return rests_until;
}

int rsi_jobs_step(rsi_jobs *jobs, bool *did)
{
    rsi_live_job *live = NULL;
    bool pending;
    *did = false;
    int status = rsi_jobs_pending(&pending, jobs);
    if (status == RAGSTORE_OK && !pending)
        drop_rested(jobs);
    if (status != RAGSTORE_OK || !pending || rsi_jobs_stopping(jobs))
        return status;
    status = claim(jobs);
    if (status != RAGSTORE_OK)
        return status == RAGSTORE_E_BUSY ? RAGSTORE_OK : status;
    status = choose_job(&live, jobs); /* now nobody else is in between */
    if (live != NULL) {
        int64_t rests_until = work_on(jobs, live);
        leave(jobs, live, rests_until);
        rsi_jobs_tell(jobs);
        *did = true;
    }
    release(jobs);
    return status;
}
