/* Jobs: uploads that are worked on behind the call, found again after a crash, cancelled, waited for. */
#include "api_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#define LONG_MS 20000 /* far more than any job here takes */

static ragstore_job *submit_as(ragstore_entity *entity, const char *filename, const char *key,
                               const void *bytes, size_t size)
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

static ragstore_job *submit(ragstore_entity *entity, const char *filename, const char *text)
{
    return submit_as(entity, filename, NULL, text, strlen(text));
}

static json_t *describe_job(ragstore_job *job)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_job_describe(&buffer, job));
    return take_json(buffer);
}

static void assert_state(ragstore_job *job, const char *state)
{
    json_t *described = describe_job(job);
    assert_text(described, "state", state);
    json_decref(described);
}

static size_t count_files(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    temporary_join(path, state, "store/uploads/acme");
    return temporary_exists(path) ? temporary_count(path) : 0;
}

static json_t *list_jobs(ragstore_store *store, const ragstore_job_list_options *options)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_job_list(&buffer, store, options));
    return take_json(buffer);
}

static ragstore_store *open_quietly(void **state) /* jobs wait for maintain */
{
    return open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
}

/* ---- the way of a job ---- */

static void job__adds_the_document_behind_the_call(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document *document;
    ragstore_job *job = submit(entity, "rocks.txt", "All about granite.");
    assert_ok(ragstore_job_wait(job, LONG_MS));
    json_t *described = describe_job(job);
    const json_t *result = json_object_get(described, "result");
    assert_text(described, "job_id", ragstore_job_id(job));
    assert_text(described, "kind", "upload");
    assert_text(described, "entity_id", "acme");
    assert_text(described, "filename", "rocks.txt");
    assert_text(described, "state", "done");
    assert_null_member(described, "error");
    assert_null_member(described, "stage");
    assert_null(json_object_get(described, "request"));
    assert_text(result, "filename", "rocks.txt");
    assert_member(result, "is_duplicate", "false");
    assert_ok(ragstore_document_open(&document, entity,
                                     json_string_value(json_object_get(result, "doc_id"))));
    assert_int_equal(count_hits(entity, "granite"), 1);
    assert_int_equal(count_files(state), 1);
    ragstore_document_free(document);
    json_decref(described);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void job__waits_for_maintain_without_a_background(void **state)
{
    ragstore_store *store = open_quietly(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit(entity, "rocks.txt", "All about granite.");
    assert_fails(RAGSTORE_E_BUSY, ragstore_job_wait(job, 0));
    assert_fails(RAGSTORE_E_BUSY, ragstore_job_wait(job, 20));
    assert_state(job, "waiting");
    assert_int_equal(count_hits(entity, "granite"), 0);
    assert_ok(ragstore_store_maintain(store, 10000));
    assert_ok(ragstore_job_wait(job, 0));
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void job__is_found_by_its_id_in_a_later_process(void **state)
{
    char id[32];
    ragstore_store *store = open_quietly(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit(entity, "rocks.txt", "All about granite.");
    snprintf(id, sizeof id, "%s", ragstore_job_id(job));
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    assert_int_equal(count_files(state), 1);

    store = open_store(state); /* its threads find what waits */
    assert_ok(ragstore_job_open(&job, store, id));
    assert_ok(ragstore_job_wait(job, LONG_MS));
    ragstore_job_free(job);
    entity = open_entity(store, "acme");
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_entity_free(entity);
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_job_open(&job, store, "job_000000000000"));
    assert_null(job);
    assert_ok(ragstore_store_close(store));
}

static void job__of_the_same_bytes_is_a_duplicate(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "first.txt", "All about granite.");
    ragstore_job *job = submit(entity, "second.txt", "All about granite.");
    assert_ok(ragstore_job_wait(job, LONG_MS));
    json_t *described = describe_job(job);
    assert_member(json_object_get(described, "result"), "is_duplicate", "true");
    json_decref(described);
    assert_int_equal(count_files(state), 1);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void job__of_the_same_key_replaces_and_keeps_the_id(void **state)
{
    ragstore_store *store = open_quietly(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *first = submit_as(entity, "a.txt", "path/a", "All about granite.", 18);
    ragstore_job *second = submit_as(entity, "a.txt", "path/a", "All about marble.", 17);
    assert_ok(ragstore_store_maintain(store, 10000));
    json_t *was = describe_job(first);
    json_t *is = describe_job(second);
    assert_member(json_object_get(is, "result"), "replaced", "true");
    assert_text(json_object_get(is, "result"), "doc_id",
                json_string_value(json_object_get(json_object_get(was, "result"), "doc_id")));
    assert_int_equal(count_hits(entity, "granite"), 0);
    assert_int_equal(count_hits(entity, "marble"), 1);
    assert_int_equal(count_files(state), 1);
    json_decref(was);
    json_decref(is);
    ragstore_job_free(first);
    ragstore_job_free(second);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void job__may_run_beside_others_and_synchronous_adds(void **state)
{
    char name[32];
    char text[64];
    ragstore_job *jobs[12];
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (size_t i = 0; i < COUNT(jobs); i++) {
        snprintf(name, sizeof name, "job-%zu.txt", i);
        snprintf(text, sizeof text, "Granite of quarry %zu.", i);
        jobs[i] = submit(entity, name, text);
        snprintf(name, sizeof name, "call-%zu.txt", i);
        snprintf(text, sizeof text, "Granite of cliff %zu.", i);
        add_text(entity, name, text);
    }
    for (size_t i = 0; i < COUNT(jobs); i++) {
        assert_ok(ragstore_job_wait(jobs[i], LONG_MS));
        ragstore_job_free(jobs[i]);
    }
    json_t *documents = list_documents(entity, NULL);
    assert_int_equal(json_array_size(documents), 2 * COUNT(jobs));
    assert_int_equal(count_files(state), 2 * COUNT(jobs));
    json_decref(documents);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- failing ---- */

static void job__that_fails_tells_why_and_leaves_no_file(void **state)
{
    static const char binary[] = "\x00\x01\x02\xff\xfe not a text \x00\x03";
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit_as(entity, "image.bin", NULL, binary, sizeof binary);
    assert_fails(RAGSTORE_E_NOT_EXTRACTABLE, ragstore_job_wait(job, LONG_MS));
    assert_message_has("image.bin");
    json_t *described = describe_job(job);
    const json_t *error = json_object_get(described, "error");
    assert_text(described, "state", "failed");
    assert_text(error, "status", "NOT_EXTRACTABLE");
    assert_number(error, "code", RAGSTORE_E_NOT_EXTRACTABLE);
    assert_true(strlen(json_string_value(json_object_get(error, "message"))) > 0);
    assert_null_member(described, "result");
    json_decref(described);
    assert_int_equal(count_files(state), 0);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void upload_submit__of_nothing_fails_and_leaves_nothing(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_upload *upload;
    ragstore_job *job = (ragstore_job *)&upload;
    assert_ok(ragstore_upload_begin(&upload, entity, NULL));
    assert_fails(RAGSTORE_E_NOT_EXTRACTABLE, ragstore_upload_submit(&job, upload));
    assert_null(job);
    assert_ok(ragstore_upload_begin(&upload, entity, NULL));
    assert_ok(ragstore_entity_delete(NULL, store, "acme"));
    assert_ok(ragstore_upload_write(upload, "granite", 7));
    assert_true(ragstore_upload_submit(NULL, upload) != RAGSTORE_OK);
    json_t *list = list_jobs(store, NULL);
    assert_number(list, "total", 0);
    json_decref(list);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static int fork_calls(void *user)
{
    ragstore_job *job = user;
    ragstore_buffer *buffer;
    int bad = ragstore_job_describe(&buffer, job) != RAGSTORE_E_CLOSED;
    bad += ragstore_job_wait(job, 10) != RAGSTORE_E_CLOSED;
    bad += ragstore_job_cancel(job) != RAGSTORE_E_CLOSED;
    ragstore_job_free(job);
    return bad;
}

static void job_calls__refuse_what_is_not_theirs(void **state)
{
    ragstore_store *store = open_quietly(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit(entity, "rocks.txt", "All about granite.");
    ragstore_buffer *buffer;
    ragstore_job *other;
    const int bad = RAGSTORE_E_INVALID_ARGUMENT;
    assert_fails(bad, ragstore_upload_submit(&other, NULL));
    assert_fails(bad, ragstore_job_open(NULL, store, "job_000000000000"));
    assert_fails(bad, ragstore_job_open(&other, NULL, "job_000000000000"));
    assert_fails(bad, ragstore_job_open(&other, store, NULL));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_job_open(&other, store, ""));
    assert_fails(bad, ragstore_job_describe(NULL, job));
    assert_fails(bad, ragstore_job_describe(&buffer, NULL));
    assert_fails(bad, ragstore_job_wait(NULL, 0));
    assert_fails(bad, ragstore_job_cancel(NULL));
    assert_fails(bad, ragstore_job_cancel((ragstore_job *)entity));
    assert_fails(bad, ragstore_job_list(NULL, store, NULL));
    assert_fails(bad, ragstore_job_list(&buffer, NULL, NULL));
    assert_null(ragstore_job_id(NULL));
    ragstore_job_free(NULL);
    assert_int_equal(run_in_child(fork_calls, job), 0);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    assert_fails(RAGSTORE_E_CLOSED, ragstore_job_describe(&buffer, job));
    assert_fails(RAGSTORE_E_CLOSED, ragstore_job_wait(job, LONG_MS));
    assert_fails(RAGSTORE_E_CLOSED, ragstore_job_cancel(job));
    ragstore_job_free(job);
}

static void job__of_a_store_opened_for_reading_can_be_seen_only(void **state)
{
    char id[32];
    ragstore_job *seen;
    ragstore_store *store = open_quietly(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit(entity, "rocks.txt", "All about granite.");
    snprintf(id, sizeof id, "%s", ragstore_job_id(job));
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    store = open_store_with(state, RAGSTORE_OPEN_READ_ONLY, NULL);
    assert_ok(ragstore_job_open(&seen, store, id));
    assert_state(seen, "waiting");
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_job_cancel(seen));
    assert_fails(RAGSTORE_E_BUSY, ragstore_job_wait(seen, 400)); /* nobody works on it here */
    ragstore_job_free(seen);
    assert_ok(ragstore_store_close(store));
}

/* ---- cancelling ---- */

static void job_cancel__of_a_waiting_one_leaves_nothing(void **state)
{
    ragstore_store *store = open_quietly(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit(entity, "rocks.txt", "All about granite.");
    assert_int_equal(count_files(state), 1);
    assert_ok(ragstore_job_cancel(job));
    assert_ok(ragstore_job_cancel(job)); /* nothing more to do */
    assert_state(job, "cancelled");
    assert_fails(RAGSTORE_E_INTERRUPTED, ragstore_job_wait(job, LONG_MS));
    assert_int_equal(count_files(state), 0);
    assert_ok(ragstore_store_maintain(store, 10000));
    assert_int_equal(count_hits(entity, "granite"), 0);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void job_cancel__of_one_that_is_done_changes_nothing(void **state)
{
    ragstore_store *store = open_quietly(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit(entity, "rocks.txt", "All about granite.");
    assert_ok(ragstore_store_maintain(store, 10000));
    assert_ok(ragstore_job_cancel(job));
    assert_state(job, "done");
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void entity_delete__cancels_its_jobs(void **state)
{
    ragstore_store *store = open_quietly(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_entity *other = make_entity(store, "other");
    ragstore_job *job = submit(entity, "rocks.txt", "All about granite.");
    ragstore_job *kept = submit(other, "rocks.txt", "All about marble.");
    assert_ok(ragstore_entity_delete(NULL, store, "acme"));
    assert_state(job, "cancelled");
    assert_state(kept, "waiting");
    ragstore_entity_free(entity);
    entity = make_entity(store, "acme");
    assert_ok(ragstore_store_maintain(store, 10000));
    assert_int_equal(count_hits(entity, "granite"), 0);
    assert_int_equal(count_files(state), 0);
    assert_ok(ragstore_job_wait(kept, 0));
    ragstore_job_free(job);
    ragstore_job_free(kept);
    ragstore_entity_free(entity);
    ragstore_entity_free(other);
    assert_ok(ragstore_store_close(store));
}

/* ---- extractors: the callback stops inside a job until it is let go ---- */

typedef struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool reached;
    bool open;
    int32_t progress; /* what the library said to a report of progress after that */
} gate;

static const char binary_document[] = "%PDF-1.4\nnot really one\n";

static int32_t extract_at_gate(void *user, ragstore_extraction *out, const void *bytes, size_t size,
                               const char *filename)
{
    static const char text[] = "All about granite, from an extractor.";
    gate *at = user;
    (void)bytes;
    (void)size;
    (void)filename;
    pthread_mutex_lock(&at->mutex);
    at->reached = true;
    pthread_cond_broadcast(&at->changed);
    while (!at->open)
        pthread_cond_wait(&at->changed, &at->mutex);
    pthread_mutex_unlock(&at->mutex);
    for (int i = 0; i < 100; i++) { /* what another process did is seen after a moment */
        at->progress = ragstore_extraction_progress(out, 1, 2);
        if (at->progress != RAGSTORE_OK)
            return at->progress;
        usleep(5000);
    }
    return ragstore_extraction_add(out, RAGSTORE_BLOCK_PARAGRAPH, 0, 0, text, sizeof text - 1);
}

static void gate_init(gate *at)
{
    memset(at, 0, sizeof *at);
    pthread_mutex_init(&at->mutex, NULL);
    pthread_cond_init(&at->changed, NULL);
}

static void gate_wait(gate *at)
{
    struct timespec until;
    int waited = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LONG_MS / 1000;
    pthread_mutex_lock(&at->mutex);
    while (!at->reached && waited == 0)
        waited = pthread_cond_timedwait(&at->changed, &at->mutex, &until);
    bool reached = at->reached;
    pthread_mutex_unlock(&at->mutex);
    assert_true(reached);
}

static void gate_open(gate *at)
{
    pthread_mutex_lock(&at->mutex);
    at->open = true;
    pthread_cond_broadcast(&at->changed);
    pthread_mutex_unlock(&at->mutex);
}

static ragstore_store *open_with_gate(void **state, gate *at)
{
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.extract = extract_at_gate;
    options.extract_user = at;
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    return store;
}

static void job__calls_the_extractor_and_shows_how_far_it_is(void **state)
{
    gate at;
    gate_init(&at);
    ragstore_store *store = open_with_gate(state, &at);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit_as(entity, "x.pdf", NULL, binary_document, sizeof binary_document);
    gate_wait(&at);
    json_t *described = describe_job(job);
    assert_text(described, "state", "running");
    assert_text(described, "stage", "extract");
    json_decref(described);
    ragstore_job *short_one = submit(entity, "y.txt", "All about marble.");
    assert_ok(ragstore_job_wait(short_one, LONG_MS)); /* it does not wait for the long one */
    gate_open(&at);
    assert_ok(ragstore_job_wait(job, LONG_MS));
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_job_free(short_one);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void job_cancel__stops_a_running_one(void **state)
{
    gate at;
    gate_init(&at);
    ragstore_store *store = open_with_gate(state, &at);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit_as(entity, "x.pdf", NULL, binary_document, sizeof binary_document);
    gate_wait(&at);
    assert_ok(ragstore_job_cancel(job));
    assert_fails(RAGSTORE_E_INTERRUPTED, ragstore_job_wait(job, LONG_MS));
    gate_open(&at);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store)); /* waits for the callback */
    assert_int_equal(at.progress, RAGSTORE_E_INTERRUPTED);
    assert_int_equal(count_files(state), 0);
    ragstore_job_free(job);
    store = open_store(state);
    entity = open_entity(store, "acme");
    assert_int_equal(count_hits(entity, "granite"), 0);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void *open_gate_soon(void *user)
{
    usleep(50000);
    gate_open(user);
    return NULL;
}

static void job__is_put_off_by_a_close_and_waits_for_an_extractor(void **state)
{
    char id[32];
    gate at;
    pthread_t opener;
    gate_init(&at);
    ragstore_store *store = open_with_gate(state, &at);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit_as(entity, "x.pdf", NULL, binary_document, sizeof binary_document);
    snprintf(id, sizeof id, "%s", ragstore_job_id(job));
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    gate_wait(&at);
    assert_int_equal(pthread_create(&opener, NULL, open_gate_soon, &at), 0);
    assert_ok(ragstore_store_close(store));
    pthread_join(opener, NULL);
    assert_int_equal(at.progress, RAGSTORE_E_INTERRUPTED);

    store = open_store(state); /* without an extractor */
    assert_ok(ragstore_job_open(&job, store, id));
    assert_state(job, "waiting");
    assert_fails(RAGSTORE_E_BUSY, ragstore_job_wait(job, 600));
    ragstore_store *second = open_with_gate(state, &at); /* the same store: now there is one */
    assert_ok(ragstore_job_wait(job, LONG_MS));
    ragstore_job_free(job);
    assert_ok(ragstore_store_close(second));
    assert_ok(ragstore_store_close(store));
}

/* ---- crashes, and other processes ---- */

static int submit_and_die(void *user)
{
    void **state = user;
    ragstore_store *store = open_quietly(state);
    ragstore_entity *entity = make_entity(store, "acme");
    submit(entity, "rocks.txt", "All about granite.");
    raise(SIGKILL);
    return 0;
}

static void kill_child(int (*run)(void *user), void *user)
{
    int status;
#ifdef __SANITIZE_ADDRESS__
    skip();
#endif
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run(user));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static ragstore_job *the_job(ragstore_store *store)
{
    ragstore_job *job;
    json_t *list = list_jobs(store, NULL);
    assert_number(list, "total", 1);
    const json_t *first = json_array_get(json_object_get(list, "jobs"), 0);
    assert_ok(ragstore_job_open(&job, store, json_string_value(json_object_get(first, "job_id"))));
    json_decref(list);
    return job;
}

static void job__survives_the_death_of_its_process(void **state)
{
    kill_child(submit_and_die, state);
    ragstore_store *store = open_store(state); /* recovers, and sweeps what nobody needs */
    ragstore_entity *entity = open_entity(store, "acme");
    ragstore_job *job = the_job(store);
    assert_ok(ragstore_job_wait(job, LONG_MS));
    assert_int_equal(count_hits(entity, "granite"), 1);
    assert_int_equal(count_files(state), 1);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static int32_t die(void *user, ragstore_extraction *out, const void *bytes, size_t size,
                   const char *filename)
{
    (void)user;
    (void)out;
    (void)bytes;
    (void)size;
    (void)filename;
    raise(SIGKILL);
    return RAGSTORE_E_INTERNAL;
}

static int maintain_and_die(void *user)
{
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.flags = RAGSTORE_OPEN_NO_BACKGROUND;
    options.extract = die;
    if (ragstore_store_open(&store, store_path(user), &options) != RAGSTORE_OK)
        return 1;
    return ragstore_store_maintain(store, 10000);
}

static void job__that_kills_its_process_each_time_fails_at_last(void **state)
{
    gate at;
    gate_init(&at);
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    ragstore_store *store;
    options.flags = RAGSTORE_OPEN_NO_BACKGROUND;
    options.extract = extract_at_gate;
    options.extract_user = &at;
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job_free(submit_as(entity, "x.pdf", NULL, binary_document, sizeof binary_document));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    for (int i = 0; i < 10; i++)
        kill_child(maintain_and_die, state);
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    ragstore_job *job = the_job(store);
    assert_state(job, "running"); /* as the last one left it */
    assert_ok(ragstore_store_maintain(store, 10000));
    assert_false(at.reached);
    assert_fails(RAGSTORE_E_INTERNAL, ragstore_job_wait(job, 0));
    assert_message_has("given up");
    assert_int_equal(count_files(state), 0);
    ragstore_job_free(job);
    assert_ok(ragstore_store_close(store));
}

/* Opens the store beside its parent, works on jobs until there are none, tells how many documents. */
static int work_beside(void *user)
{
    ragstore_store *store = open_store(user);
    ragstore_entity *entity = open_entity(store, "acme");
    json_t *list = NULL;
    for (int i = 0; i < 400; i++) {
        ragstore_job_list_options options = RAGSTORE_JOB_LIST_OPTIONS_INIT;
        list = list_jobs(store, &options);
        size_t done = 0;
        size_t at;
        const json_t *job;
        json_array_foreach(json_object_get(list, "jobs"), at, job) done +=
            strcmp(json_string_value(json_object_get(job, "state")), "done") == 0;
        bool all = done == json_array_size(json_object_get(list, "jobs"));
        json_decref(list);
        if (all)
            break;
        usleep(25000);
    }
    json_t *documents = list_documents(entity, NULL);
    int count = (int)json_array_size(documents);
    json_decref(documents);
    ragstore_entity_free(entity);
    ragstore_store_close(store);
    return count;
}

static void jobs__of_a_store_in_two_processes_are_each_done_once(void **state)
{
    char name[32];
    char text[64];
    ragstore_job *jobs[8];
    ragstore_store *store = open_quietly(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (size_t i = 0; i < COUNT(jobs); i++) {
        snprintf(name, sizeof name, "job-%zu.txt", i);
        snprintf(text, sizeof text, "Granite of quarry %zu.", i);
        jobs[i] = submit(entity, name, text);
    }
    ragstore_store *here = open_store(state); /* the same store, with threads */
    assert_int_equal(run_in_child(work_beside, state), COUNT(jobs));
    for (size_t i = 0; i < COUNT(jobs); i++) {
        assert_ok(ragstore_job_wait(jobs[i], LONG_MS));
        ragstore_job_free(jobs[i]);
    }
    json_t *documents = list_documents(entity, NULL);
    assert_int_equal(json_array_size(documents), COUNT(jobs));
    json_decref(documents);
    assert_int_equal(count_files(state), COUNT(jobs));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(here));
    assert_ok(ragstore_store_close(store));
}

/* ---- lists and batches ---- */

static void job_list__is_newest_first_and_pages(void **state)
{
    ragstore_store *store = open_quietly(state);
    ragstore_entity *acme = make_entity(store, "acme");
    ragstore_entity *other = make_entity(store, "other");
    ragstore_job *first = submit(acme, "1.txt", "All about granite.");
    ragstore_job *second = submit(other, "2.txt", "All about marble.");
    ragstore_job *third = submit(acme, "3.txt", "All about sandstone.");
    ragstore_job_list_options options = RAGSTORE_JOB_LIST_OPTIONS_INIT;
    json_t *list = list_jobs(store, NULL);
    assert_number(list, "total", 3);
    assert_text(json_array_get(json_object_get(list, "jobs"), 0), "job_id", ragstore_job_id(third));
    assert_text(json_array_get(json_object_get(list, "jobs"), 2), "job_id", ragstore_job_id(first));
    json_decref(list);
    options.limit = 1;
    options.offset = 1;
    list = list_jobs(store, &options);
    assert_number(list, "total", 3);
    assert_int_equal(json_array_size(json_object_get(list, "jobs")), 1);
    assert_text(json_array_get(json_object_get(list, "jobs"), 0), "job_id",
                ragstore_job_id(second));
    json_decref(list);
    options.limit = 0;
    options.offset = 0;
    options.entity_id = "acme";
    list = list_jobs(store, &options);
    assert_number(list, "total", 2);
    json_decref(list);
    options.offset = 7;
    list = list_jobs(store, &options);
    assert_int_equal(json_array_size(json_object_get(list, "jobs")), 0);
    json_decref(list);
    ragstore_job_free(first);
    ragstore_job_free(second);
    ragstore_job_free(third);
    ragstore_entity_free(acme);
    ragstore_entity_free(other);
    assert_ok(ragstore_store_close(store));
}

static void job__in_a_batch_begins_with_its_commit(void **state)
{
    ragstore_batch *batch;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(ragstore_batch_begin(&batch, store));
    ragstore_job *forgotten = submit(entity, "1.txt", "All about granite.");
    assert_fails(RAGSTORE_E_WRONG_STATE, ragstore_job_wait(forgotten, LONG_MS));
    ragstore_batch_abort(batch);
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_job_wait(forgotten, LONG_MS));
    assert_int_equal(count_files(state), 0);
    assert_ok(ragstore_batch_begin(&batch, store));
    ragstore_job *job = submit(entity, "2.txt", "All about marble.");
    assert_ok(ragstore_batch_commit(batch));
    assert_ok(ragstore_job_wait(job, LONG_MS));
    assert_int_equal(count_hits(entity, "marble"), 1);
    ragstore_job_free(forgotten);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(job__adds_the_document_behind_the_call),
        TEST(job__waits_for_maintain_without_a_background),
        TEST(job__is_found_by_its_id_in_a_later_process),
        TEST(job__of_the_same_bytes_is_a_duplicate),
        TEST(job__of_the_same_key_replaces_and_keeps_the_id),
        TEST(job__may_run_beside_others_and_synchronous_adds),
        TEST(job__that_fails_tells_why_and_leaves_no_file),
        TEST(upload_submit__of_nothing_fails_and_leaves_nothing),
        TEST(job_calls__refuse_what_is_not_theirs),
        TEST(job__of_a_store_opened_for_reading_can_be_seen_only),
        TEST(job_cancel__of_a_waiting_one_leaves_nothing),
        TEST(job_cancel__of_one_that_is_done_changes_nothing),
        TEST(entity_delete__cancels_its_jobs),
        TEST(job__calls_the_extractor_and_shows_how_far_it_is),
        TEST(job_cancel__stops_a_running_one),
        TEST(job__is_put_off_by_a_close_and_waits_for_an_extractor),
        TEST(job__survives_the_death_of_its_process),
        TEST(job__that_kills_its_process_each_time_fails_at_last),
        TEST(jobs__of_a_store_in_two_processes_are_each_done_once),
        TEST(job_list__is_newest_first_and_pages),
        TEST(job__in_a_batch_begins_with_its_commit),
    };
    return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
