/*
 * The operator's jobs; see admin_jobs.h. One lock guards the table; the thread holds it except
 * while the library works.
 */
#include "admin_jobs.h"

#include "admin_record.h"
#include "server_log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { JOBS_MAX = 64, TIME_SIZE = 32 };

enum state { FREE, WAITING, RUNNING, DONE, FAILED, CANCELLED };

static const char *const state_names[] = {"", "waiting", "running", "done", "failed", "cancelled"};
static const char *const kind_names[] = {"check", "compact", "backup"};

struct job {
    char id[ADMIN_ID_SIZE];
    enum admin_kind kind;
    enum state state;
    uint64_t number; /* rises: the smallest waiting one is next */
    char directory[ADMIN_DIRECTORY_MAX];
    char stage[64]; /* "": not known */
    uint64_t done, total;
    bool is_cancelled;
    int status;
    char *message;
    json_t *result;
    char created_at[TIME_SIZE], updated_at[TIME_SIZE];
    json_t *earlier; /* its description, of an earlier server; otherwise NULL */
};

struct admin_jobs {
    ragstore_store *store;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t next_number;
    bool stopping;
    struct job *running;
    struct job table[JOBS_MAX];
    pthread_mutex_t record_lock; /* held while a job is written down; taken before `lock` */
};

/* As the library writes times. */
static void set_time(char text[TIME_SIZE])
{
    struct timespec now = {0};
    struct tm parts = {0};
    size_t length = 0;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    length = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + length, TIME_SIZE - length, ".%06ld", now.tv_nsec / 1000);
}

static int32_t on_progress(void *user, const char *stage, uint64_t done, uint64_t total)
{
    struct admin_jobs *jobs = user;
    struct job *job = NULL;
    bool is_cancelled = false;

    pthread_mutex_lock(&jobs->lock);
    job = jobs->running;
    snprintf(job->stage, sizeof job->stage, "%s", stage == NULL ? "" : stage);
    job->done = done;
    job->total = total;
    is_cancelled = job->is_cancelled || jobs->stopping;
    pthread_mutex_unlock(&jobs->lock);
    return is_cancelled;
}

static int run(struct admin_jobs *jobs, enum admin_kind kind, const char *directory,
               ragstore_buffer **result)
{
    ragstore_store_check_options check = RAGSTORE_STORE_CHECK_OPTIONS_INIT;
    ragstore_store_compact_options compact = RAGSTORE_STORE_COMPACT_OPTIONS_INIT;
    ragstore_backup_options backup = RAGSTORE_BACKUP_OPTIONS_INIT;

    switch (kind) {
    case ADMIN_CHECK:
        check.progress = on_progress;
        check.progress_user = jobs;
        return ragstore_store_check_with(result, jobs->store, &check);
    case ADMIN_COMPACT:
        compact.progress = on_progress;
        compact.progress_user = jobs;
        return ragstore_store_compact(result, jobs->store, &compact);
    case ADMIN_BACKUP:
        backup.progress = on_progress;
        backup.progress_user = jobs;
        return ragstore_store_backup(result, jobs->store, directory, &backup);
    }
    return RAGSTORE_E_INTERNAL;
}

static void take_result_locked(struct job *job, const ragstore_buffer *result)
{
    job->result = json_loadb(ragstore_buffer_data(result), ragstore_buffer_size(result), 0, NULL);
    if (job->kind == ADMIN_BACKUP && job->result != NULL) {
        (void)json_object_set_new(job->result, "directory", json_string(job->directory));
    }
    job->state = DONE;
}

/* ---- what is kept of them ---- */

static json_t *describe_locked(const struct job *job)
{
    json_t *error = NULL;

    if (job->earlier != NULL) {
        return json_incref(job->earlier);
    }
    error = job->message == NULL
                ? json_null()
                : json_pack("{s:s, s:i, s:s}", "status", ragstore_status_name(job->status), "code",
                            job->status, "message", job->message);
    return json_pack("{s:s, s:s, s:n, s:n, s:s, s:s?, s:I, s:I, s:o, s:n, s:i, s:O?, s:s, s:s}",
                     "job_id", job->id, "kind", kind_names[job->kind], "entity_id", "filename",
                     "state", state_names[job->state], "stage",
                     job->stage[0] == '\0' ? NULL : job->stage, "done", (json_int_t)job->done,
                     "total", (json_int_t)job->total, "error", error, "next_try_at", "retries", 0,
                     "result", job->result, "created_at", job->created_at, "updated_at",
                     job->updated_at);
}

/* Write down what a job is now: whoever comes last writes what is newest. Called without the
 * lock. */
static void keep(struct admin_jobs *jobs, const char *id)
{
    json_t *description = NULL;

    pthread_mutex_lock(&jobs->record_lock);
    pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        const struct job *job = &jobs->table[i];

        if (job->state != FREE && strcmp(job->id, id) == 0) {
            description = describe_locked(job);
            (void)json_object_set_new(description, "directory", json_string(job->directory));
        }
    }
    pthread_mutex_unlock(&jobs->lock);
    if (description != NULL) {
        admin_record_put(jobs->store, description);
    }
    pthread_mutex_unlock(&jobs->record_lock);
    json_decref(description);
}

/* A job that an earlier server did not end. */
static void note_interruption(json_t *description, enum admin_kind kind)
{
    static const char *const advice[] = {
        [ADMIN_CHECK] = "begin it again; it had changed nothing",
        [ADMIN_COMPACT] = "begin it again; what it had done is not lost",
        [ADMIN_BACKUP] = "begin another one, and remove what is there of this"};
    const char *directory = json_string_value(json_object_get(description, "directory"));
    char message[ADMIN_DIRECTORY_MAX + 256];
    char now[TIME_SIZE];

    snprintf(message, sizeof message, "the server ended before this %s did: %s%s%s",
             kind_names[kind], advice[kind], kind == ADMIN_BACKUP ? ": " : "",
             kind == ADMIN_BACKUP && directory != NULL ? directory : "");
    set_time(now);
    (void)json_object_set_new(description, "state", json_string(state_names[FAILED]));
    (void)json_object_set_new(description, "stage", json_null());
    (void)json_object_set_new(description, "updated_at", json_string(now));
    (void)json_object_set_new(description, "error",
                              json_pack("{s:s, s:i, s:s}", "status", "INTERRUPTED", "code",
                                        RAGSTORE_E_INTERRUPTED, "message", message));
}

/* Take over what an earlier server wrote down of a job; false when it makes no sense. */
static bool take_over(struct job *job, ragstore_store *store, json_t *description)
{
    const char *id = json_string_value(json_object_get(description, "job_id"));
    const char *kind = json_string_value(json_object_get(description, "kind"));
    const char *state = json_string_value(json_object_get(description, "state"));

    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++) {
        if (id == NULL || strlen(id) >= ADMIN_ID_SIZE || kind == NULL || state == NULL ||
            strcmp(kind, kind_names[i]) != 0) {
            continue;
        }
        if (strcmp(state, state_names[WAITING]) == 0 || strcmp(state, state_names[RUNNING]) == 0) {
            note_interruption(description, (enum admin_kind)i);
            admin_record_put(store, description);
        }
        (void)json_object_del(description, "_id");
        (void)json_object_del(description, "directory");
        snprintf(job->id, sizeof job->id, "%s", id);
        job->kind = (enum admin_kind)i;
        job->state = DONE; /* it has ended: what it came to is in the description */
        job->earlier = json_incref(description);
        return true;
    }
    return false;
}

static void take_over_all(struct admin_jobs *jobs)
{
    json_t *list = admin_record_load(jobs->store);
    const size_t count = json_array_size(list);

    for (size_t i = 0; i < count; i++) {
        json_t *description = json_array_get(list, i);
        const char *id = json_string_value(json_object_get(description, "job_id"));

        if (count - i > JOBS_MAX) {
            if (id != NULL) {
                admin_record_drop(jobs->store, id);
            }
        } else if (take_over(&jobs->table[jobs->next_number], jobs->store, description)) {
            jobs->table[jobs->next_number].number = jobs->next_number;
            jobs->next_number++;
        }
    }
    json_decref(list);
}

/* ---- the thread ---- */

/* What a job ended with that was told to stop: by a client, or because the server stops? */
static void settle_failure_locked(struct admin_jobs *jobs, struct job *job, int status)
{
    const bool is_stopped =
        status == RAGSTORE_E_INTERRUPTED && !job->is_cancelled && jobs->stopping;

    job->state = status == RAGSTORE_E_INTERRUPTED && !is_stopped ? CANCELLED : FAILED;
    job->status = status;
    job->message = strdup(is_stopped ? "the server was stopped meanwhile; begin it again"
                                     : ragstore_error_message());
}

/* Run one job; the lock is given back meanwhile. */
static void run_locked(struct admin_jobs *jobs, struct job *job)
{
    ragstore_buffer *result = NULL;
    int status = RAGSTORE_OK;

    job->state = RUNNING;
    set_time(job->updated_at);
    jobs->running = job;
    pthread_mutex_unlock(&jobs->lock);
    log_line(LOG_LEVEL_INFO, "%s %s begins", job->id, kind_names[job->kind]);
    keep(jobs, job->id);
    status = run(jobs, job->kind, job->directory, &result);
    pthread_mutex_lock(&jobs->lock);
    jobs->running = NULL;
    job->stage[0] = '\0';
    set_time(job->updated_at);
    if (status == RAGSTORE_OK) {
        take_result_locked(job, result);
    } else {
        settle_failure_locked(jobs, job, status);
    }
    ragstore_buffer_free(result);
    log_line(job->state == FAILED ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "%s %s %s%s%s", job->id,
             kind_names[job->kind], state_names[job->state], job->message == NULL ? "" : ": ",
             job->message == NULL ? "" : job->message);
    pthread_mutex_unlock(&jobs->lock);
    keep(jobs, job->id);
    pthread_mutex_lock(&jobs->lock);
}

static struct job *find_next_locked(struct admin_jobs *jobs)
{
    struct job *next = NULL;

    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &jobs->table[i];

        if (job->state == WAITING && (next == NULL || job->number < next->number)) {
            next = job;
        }
    }
    return next;
}

static void *work(void *user)
{
    struct admin_jobs *jobs = user;

    pthread_mutex_lock(&jobs->lock);
    while (!jobs->stopping) {
        struct job *job = find_next_locked(jobs);

        if (job != NULL) {
            run_locked(jobs, job);
        } else {
            pthread_cond_wait(&jobs->changed, &jobs->lock);
        }
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

static void clear(struct job *job)
{
    free(job->message);
    json_decref(job->result);
    json_decref(job->earlier);
    *job = (struct job){0};
}

static void free_all(struct admin_jobs *jobs)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        clear(&jobs->table[i]);
    }
    pthread_mutex_destroy(&jobs->lock);
    pthread_mutex_destroy(&jobs->record_lock);
    pthread_cond_destroy(&jobs->changed);
    free(jobs);
}

struct admin_jobs *admin_jobs_start(ragstore_store *store)
{
    struct admin_jobs *jobs = calloc(1, sizeof *jobs);

    if (jobs == NULL) {
        return NULL;
    }
    jobs->store = store;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->changed, NULL);
    pthread_mutex_init(&jobs->record_lock, NULL);
    take_over_all(jobs);
    if (pthread_create(&jobs->thread, NULL, work, jobs) != 0) {
        free_all(jobs);
        return NULL;
    }
    return jobs;
}

static bool is_running(struct admin_jobs *jobs)
{
    bool runs = false;

    pthread_mutex_lock(&jobs->lock);
    runs = jobs->running != NULL;
    pthread_mutex_unlock(&jobs->lock);
    return runs;
}

void admin_jobs_cancel_all(struct admin_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    pthread_cond_signal(&jobs->changed);
    pthread_mutex_unlock(&jobs->lock);
}

bool admin_jobs_stop(struct admin_jobs *jobs, unsigned timeout_ms)
{
    struct timespec until = {0};

    if (jobs == NULL) {
        return true;
    }
    admin_jobs_cancel_all(jobs);
    if (is_running(jobs)) {
        (void)ragstore_store_interrupt(jobs->store); /* it may be at a file that takes long */
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000 + 1;
    if (pthread_timedjoin_np(jobs->thread, NULL, &until) != 0) {
        return false;
    }
    free_all(jobs);
    return true;
}

/* ---- from here on: called for clients ---- */

static struct job *find_locked(struct admin_jobs *jobs, const char *id)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (jobs->table[i].state != FREE && strcmp(jobs->table[i].id, id) == 0) {
            return &jobs->table[i];
        }
    }
    return NULL;
}

/* A free place, or that of the job that ended first, whose id is given; at most one of each kind
 * has not ended. */
static struct job *find_place_locked(struct admin_jobs *jobs, char forgotten[ADMIN_ID_SIZE])
{
    struct job *place = NULL;

    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &jobs->table[i];

        if (job->state == FREE) {
            return job;
        }
        if (job->state >= DONE && (place == NULL || job->number < place->number)) {
            place = job;
        }
    }
    memcpy(forgotten, place->id, ADMIN_ID_SIZE);
    clear(place);
    return place;
}

static const struct job *find_unended_locked(const struct admin_jobs *jobs, enum admin_kind kind)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        const struct job *job = &jobs->table[i];

        if (job->kind == kind && (job->state == WAITING || job->state == RUNNING)) {
            return job;
        }
    }
    return NULL;
}

static void make_id(char id[ADMIN_ID_SIZE])
{
    uint64_t random = 0;

    while (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
    }
    snprintf(id, ADMIN_ID_SIZE, "job_%012llx", (unsigned long long)(random >> 16));
}

enum admin_result admin_jobs_begin(struct admin_jobs *jobs, enum admin_kind kind,
                                   const char *directory, char id[ADMIN_ID_SIZE])
{
    const struct job *other = NULL;
    enum admin_result result = ADMIN_BUSY;
    char forgotten[ADMIN_ID_SIZE] = "";

    pthread_mutex_lock(&jobs->lock);
    other = find_unended_locked(jobs, kind);
    if (other != NULL) {
        memcpy(id, other->id, ADMIN_ID_SIZE);
    } else {
        struct job *job = find_place_locked(jobs, forgotten);

        make_id(id);
        memcpy(job->id, id, ADMIN_ID_SIZE);
        job->kind = kind;
        job->state = WAITING;
        job->number = jobs->next_number++;
        snprintf(job->directory, sizeof job->directory, "%s", directory == NULL ? "" : directory);
        set_time(job->created_at);
        memcpy(job->updated_at, job->created_at, TIME_SIZE);
        pthread_cond_signal(&jobs->changed);
        result = ADMIN_DONE;
    }
    pthread_mutex_unlock(&jobs->lock);
    if (forgotten[0] != '\0') {
        admin_record_drop(jobs->store, forgotten);
    }
    if (result == ADMIN_DONE) {
        keep(jobs, id);
    }
    return result;
}

enum admin_result admin_jobs_cancel(struct admin_jobs *jobs, const char *id)
{
    enum admin_result result = ADMIN_DONE;
    struct job *job = NULL;

    pthread_mutex_lock(&jobs->lock);
    job = find_locked(jobs, id);
    if (job == NULL) {
        result = ADMIN_MISSING;
    } else if (job->state == WAITING) {
        job->state = CANCELLED;
        set_time(job->updated_at);
    } else {
        job->is_cancelled = true; /* seen at the next piece of work */
    }
    pthread_mutex_unlock(&jobs->lock);
    if (result == ADMIN_DONE) {
        keep(jobs, id);
    }
    return result;
}

json_t *admin_jobs_describe(struct admin_jobs *jobs, const char *id)
{
    const struct job *job = NULL;
    json_t *description = NULL;

    pthread_mutex_lock(&jobs->lock);
    job = find_locked(jobs, id);
    if (job != NULL) {
        description = describe_locked(job);
    }
    pthread_mutex_unlock(&jobs->lock);
    return description;
}

void admin_jobs_list(struct admin_jobs *jobs, json_t *list)
{
    pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (jobs->table[i].state != FREE) {
            (void)json_array_append_new(list, describe_locked(&jobs->table[i]));
        }
    }
    pthread_mutex_unlock(&jobs->lock);
}
