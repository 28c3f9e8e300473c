/*
 * What the tests of jobs share: submitting and looking at them, a gate at which a callback stops
 * until it is let go, a model of the application's that counts, stops, fails or dies, and children
 * that are killed.
 */
#ifndef TESTS_API_JOB_FIXTURE_H
#define TESTS_API_JOB_FIXTURE_H

#include "api_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#define LONG_MS 20000 /* far more than any job here takes */

static inline ragstore_job *submit_as(ragstore_entity *entity, const char *filename,
                                      const char *key, const void *bytes, size_t size)
{
    ragstore_upload *upload;
    ragstore_job *job;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.filename = filename;
    options.key = key;
    assert_ok(ragstore_upload_begin(&upload, entity, &options));
    assert_ok(ragstore_upload_write(upload, bytes, size));
    assert_ok(ragstore_upload_submit(&job, upload));
    return job;
}

static inline ragstore_job *submit(ragstore_entity *entity, const char *filename, const char *text)
{
    return submit_as(entity, filename, NULL, text, strlen(text));
}

static inline json_t *describe_job(ragstore_job *job)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_job_describe(&buffer, job));
    return take_json(buffer);
}

static inline void assert_state(ragstore_job *job, const char *state)
{
    json_t *described = describe_job(job);
    assert_text(described, "state", state);
    json_decref(described);
}

static inline size_t count_files(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    temporary_join(path, state, "store/uploads/acme");
    return temporary_exists(path) ? temporary_count(path) : 0;
}

static inline json_t *list_jobs(ragstore_store *store, const ragstore_job_list_options *options)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_job_list(&buffer, store, options));
    return take_json(buffer);
}

static inline ragstore_store *open_quietly(void **state) /* jobs wait for maintain */
{
    return open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
}

/* The only job there is. */
static inline ragstore_job *the_job(ragstore_store *store)
{
    ragstore_job *job;
    json_t *list = list_jobs(store, NULL);
    assert_number(list, "total", 1);
    const json_t *first = json_array_get(json_object_get(list, "jobs"), 0);
    assert_ok(ragstore_job_open(&job, store, json_string_value(json_object_get(first, "job_id"))));
    json_decref(list);
    return job;
}

/* ---- a gate: who comes to it waits until it is opened ---- */

typedef struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool reached;
    bool open;
} gate;

static inline void gate_init(gate *at)
{
    memset(at, 0, sizeof *at);
    pthread_mutex_init(&at->mutex, NULL);
    pthread_cond_init(&at->changed, NULL);
}

static inline void gate_pass(gate *at)
{
    pthread_mutex_lock(&at->mutex);
    at->reached = true;
    pthread_cond_broadcast(&at->changed);
    while (!at->open)
        pthread_cond_wait(&at->changed, &at->mutex);
    pthread_mutex_unlock(&at->mutex);
}

/* Wait until somebody has come. */
static inline void gate_wait(gate *at)
{
    struct timespec until;
    int waited = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LONG_MS / 1000;
    pthread_mutex_lock(&at->mutex);
    while (!at->reached && waited == 0)
        waited = pthread_cond_timedwait(&at->changed, &at->mutex, &until);
    const bool reached = at->reached;
    pthread_mutex_unlock(&at->mutex);
    assert_true(reached);
}

static inline void gate_open(gate *at)
{
    pthread_mutex_lock(&at->mutex);
    at->open = true;
    pthread_cond_broadcast(&at->changed);
    pthread_mutex_unlock(&at->mutex);
}

/* ---- a model ---- */

#define DIMENSION 4

/* What the callback does with documents; questions are always answered. */
typedef struct behaviour {
    const char *counts_in; /* a file that gets a byte for each text; NULL: none */
    unsigned dies_after;   /* so many texts; 0: never */
    unsigned texts;        /* documents only; like calls and fails to be read and set by atomics */
    unsigned calls;
    int32_t fails; /* what it returns instead; 0: nothing */
    bool waits;    /* at the gate, */
    unsigned waits_after; /* when it has had so many texts */
    gate gate;
} behaviour;

static inline void count_texts(behaviour *how, size_t count)
{
    __atomic_add_fetch(&how->texts, (unsigned)count, __ATOMIC_RELAXED);
    if (how->counts_in == NULL)
        return;
    FILE *file = fopen(how->counts_in, "a");
    for (size_t i = 0; i < count; i++)
        fputc('x', file);
    fclose(file);
}

static inline int32_t behave(behaviour *how, size_t count, char *reason, size_t reason_size)
{
    __atomic_add_fetch(&how->calls, 1, __ATOMIC_RELAXED);
    if (how->waits && __atomic_load_n(&how->texts, __ATOMIC_RELAXED) >= how->waits_after)
        gate_pass(&how->gate);
    const int32_t fails = __atomic_load_n(&how->fails, __ATOMIC_RELAXED);
    if (fails != 0) {
        snprintf(reason, reason_size, "out of quota");
        return fails;
    }
    count_texts(how, count);
    if (how->dies_after > 0 && how->texts >= how->dies_after)
        raise(SIGKILL);
    return 0;
}

static inline int32_t embed(void *user, float *vectors, const char *const *texts, size_t count,
                     uint32_t role, char *reason, size_t reason_size)
{
    const int32_t failed =
        role == RAGSTORE_ROLE_DOCUMENT ? behave(user, count, reason, reason_size) : 0;
    if (failed != 0)
        return failed;
    for (size_t i = 0; i < count; i++) {
        float *vector = vectors + i * DIMENSION;
        memset(vector, 0, DIMENSION * sizeof *vector);
        vector[strstr(texts[i], "granite") != NULL  ? 0
               : strstr(texts[i], "marble") != NULL ? 1
                                                    : 2] = 1;
    }
    return 0;
}

static inline ragstore_store *open_with_flags(void **state, behaviour *how, const char *fingerprint,
                                       uint32_t flags)
{
    ragstore_model *model;
    ragstore_model_callback_options options = RAGSTORE_MODEL_CALLBACK_OPTIONS_INIT;
    gate_init(&how->gate);
    options.fingerprint = fingerprint;
    options.dimension = DIMENSION;
    options.batch_size = 4;
    options.embed = embed;
    options.user = how;
    assert_ok(ragstore_model_open_callback(&model, &options));
    ragstore_store *store = open_store_with(state, flags, model);
    ragstore_model_free(model);
    return store;
}

/* No vectors come unasked. */
static inline ragstore_store *open_with(void **state, behaviour *how, const char *fingerprint)
{
    return open_with_flags(state, how, fingerprint, RAGSTORE_OPEN_NO_REEMBED);
}

static inline void assert_model(ragstore_entity *entity, const char *fingerprint, const char *mode)
{
    json_t *described = describe_entity(entity);
    if (fingerprint == NULL)
        assert_null_member(described, "embedder");
    else
        assert_text(described, "embedder", fingerprint);
    assert_text(described, "search_mode", mode);
    json_decref(described);
}

static inline void assert_checks(ragstore_store *store)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_store_check(&buffer, store));
    json_t *check = take_json(buffer);
    if (!json_is_true(json_object_get(check, "ok")))
        fail_msg("%s", json_dumps(check, 0));
    json_decref(check);
}

/* ---- children ---- */

/* Run a function in a child, which has to end by SIGKILL. */
static inline void kill_child(int (*run)(void *user), void *user)
{
    int status;
    skip_without_children();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run(user));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

#endif
