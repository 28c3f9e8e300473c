/* Jobs while they are worked on: by extractors, by several processes, by processes that die. */
#include "job_fixture.h"

/* ---- extractors: the callback stops inside a job until it is let go ---- */

typedef struct gated_extractor {
    gate gate;
    int32_t progress; /* what the library said to a report of progress behind it */
} gated_extractor;

static const char binary_document[] = "%PDF-1.4\nnot really one\n";

static int32_t extract_at_gate(void *user, ragstore_extraction *out, const void *bytes, size_t size,
                               const char *filename)
{
    static const char text[] = "All about granite, from an extractor.";
    gated_extractor *at = user;
    (void)bytes;
    (void)size;
    (void)filename;
    gate_pass(&at->gate);
    for (int i = 0; i < 100; i++) { /* what another process did is seen after a moment */
        at->progress = ragstore_extraction_progress(out, 1, 2);
        if (at->progress != RAGSTORE_OK)
            return at->progress;
        usleep(5000);
    }
    return ragstore_extraction_add(out, RAGSTORE_BLOCK_PARAGRAPH, 0, 0, text, sizeof text - 1);
}

static ragstore_store *open_with_gate(void **state, gated_extractor *at)
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
    gated_extractor at = {0};
    gate_init(&at.gate);
    ragstore_store *store = open_with_gate(state, &at);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit_as(entity, "x.pdf", NULL, binary_document, sizeof binary_document);
    gate_wait(&at.gate);
    json_t *described = describe_job(job);
    assert_text(described, "state", "running");
    assert_text(described, "stage", "extract");
    json_decref(described);
    ragstore_job *short_one = submit(entity, "y.txt", "All about marble.");
    assert_ok(ragstore_job_wait(short_one, LONG_MS)); /* it does not wait for the long one */
    gate_open(&at.gate);
    assert_ok(ragstore_job_wait(job, LONG_MS));
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_job_free(short_one);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void job_cancel__stops_a_running_one(void **state)
{
    gated_extractor at = {0};
    gate_init(&at.gate);
    ragstore_store *store = open_with_gate(state, &at);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit_as(entity, "x.pdf", NULL, binary_document, sizeof binary_document);
    gate_wait(&at.gate);
    assert_ok(ragstore_job_cancel(job));
    assert_fails(RAGSTORE_E_INTERRUPTED, ragstore_job_wait(job, LONG_MS));
    gate_open(&at.gate);
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
    gated_extractor at = {0};
    pthread_t opener;
    gate_init(&at.gate);
    ragstore_store *store = open_with_gate(state, &at);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit_as(entity, "x.pdf", NULL, binary_document, sizeof binary_document);
    snprintf(id, sizeof id, "%s", ragstore_job_id(job));
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    gate_wait(&at.gate);
    assert_int_equal(pthread_create(&opener, NULL, open_gate_soon, &at.gate), 0);
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
    gated_extractor at = {0};
    gate_init(&at.gate);
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
    assert_false(at.gate.reached);
    assert_fails(RAGSTORE_E_INTERNAL, ragstore_job_wait(job, 0));
    assert_message_has("given up");
    assert_int_equal(count_files(state), 0);
    ragstore_job_free(job);
    assert_ok(ragstore_store_close(store));
}

/* Opens the store beside its parent, works on jobs until there are none, tells how many
 * documents. */
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
    skip_without_children();
#ifdef __SANITIZE_THREAD__
    skip(); /* it starts no threads in the child of a process that has some */
#endif
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(job__calls_the_extractor_and_shows_how_far_it_is),
        TEST(job_cancel__stops_a_running_one),
        TEST(job__is_put_off_by_a_close_and_waits_for_an_extractor),
        TEST(job__survives_the_death_of_its_process),
        TEST(job__that_kills_its_process_each_time_fails_at_last),
        TEST(jobs__of_a_store_in_two_processes_are_each_done_once),
    };
    return cmocka_run_group_tests_name("job_work", tests, NULL, NULL);
}
