/* Jobs that are put off: what they wait for is told, they go on when it is there, and end when
 * cancelled. */
#include "job_fixture.h"

#include <errno.h>

/* Wait until a job was put off so often; its description. */
static json_t *wait_for_retries(ragstore_job *job, json_int_t retries)
{
    for (int i = 0; i < LONG_MS / 20; i++) {
        json_t *described = describe_job(job);
        if (json_integer_value(json_object_get(described, "retries")) >= retries)
            return described;
        json_decref(described);
        usleep(20000);
    }
    fail_msg("the job was not put off %d times", (int)retries);
    return NULL;
}

static void set_fails(behaviour *how, int32_t fails)
{
    __atomic_store_n(&how->fails, fails, __ATOMIC_RELAXED);
}

static void job_waiting__tells_what_for_and_goes_on(void **state)
{
    behaviour how = {.fails = RAGSTORE_E_BUSY};
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit(entity, "rocks.txt", "All about granite.");
    json_t *described = wait_for_retries(job, 1);
    const json_t *error = json_object_get(described, "error");
    assert_text(described, "state", "waiting");
    assert_text(error, "status", "EMBEDDER");
    assert_number(error, "code", RAGSTORE_E_EMBEDDER);
    assert_non_null(strstr(json_string_value(json_object_get(error, "message")), "out of quota"));
    assert_true(strcmp(json_string_value(json_object_get(described, "next_try_at")),
                       json_string_value(json_object_get(described, "updated_at"))) > 0);
    json_decref(described);
    assert_fails(RAGSTORE_E_BUSY, ragstore_job_wait(job, 0));
    assert_int_equal(count_files(state), 1);
    set_fails(&how, 0);
    assert_ok(ragstore_job_wait(job, LONG_MS));
    described = describe_job(job);
    assert_text(described, "state", "done");
    assert_null_member(described, "error");
    assert_null_member(described, "next_try_at");
    json_decref(described);
    assert_model(entity, "rocks/1", "hybrid");
    assert_int_equal(count_hits(entity, "granite"), 1);
    assert_checks(store);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void job_waiting__may_be_cancelled(void **state)
{
    behaviour how = {.fails = RAGSTORE_E_BUSY};
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit(entity, "rocks.txt", "All about granite.");
    json_decref(wait_for_retries(job, 1));
    assert_ok(ragstore_job_cancel(job));
    assert_fails(RAGSTORE_E_INTERRUPTED, ragstore_job_wait(job, LONG_MS));
    set_fails(&how, 0);
    ragstore_job *other = submit(entity, "other.txt", "All about marble.");
    assert_ok(ragstore_job_wait(other, LONG_MS));
    assert_state(job, "cancelled");
    assert_int_equal(count_files(state), 1);
    json_t *documents = list_documents(entity, NULL);
    assert_int_equal(json_array_size(documents), 1);
    json_decref(documents);
    ragstore_job_free(job);
    ragstore_job_free(other);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void job_waiting__ends_when_another_one_gets_by(void **state)
{
    behaviour how = {.fails = RAGSTORE_E_BUSY};
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit(entity, "rocks.txt", "All about granite.");
    json_t *waiting = wait_for_retries(job, 3); /* it rests for four seconds now */
    set_fails(&how, 0);
    ragstore_job *other = submit(entity, "other.txt", "All about marble.");
    assert_ok(ragstore_job_wait(other, LONG_MS));
    assert_ok(ragstore_job_wait(job, LONG_MS));
    json_t *done = describe_job(job);
    assert_true(strcmp(json_string_value(json_object_get(done, "updated_at")),
                       json_string_value(json_object_get(waiting, "next_try_at"))) < 0);
    json_decref(waiting);
    json_decref(done);
    ragstore_job_free(job);
    ragstore_job_free(other);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void job_waiting__outlives_its_process(void **state)
{
    char id[32];
    behaviour how = {.fails = RAGSTORE_E_BUSY};
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit(entity, "rocks.txt", "All about granite.");
    snprintf(id, sizeof id, "%s", ragstore_job_id(job));
    json_decref(wait_for_retries(job, 1));
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    set_fails(&how, 0);
    store = open_with(state, &how, "rocks/1");
    assert_ok(ragstore_job_open(&job, store, id));
    assert_ok(ragstore_job_wait(job, LONG_MS));
    ragstore_job_free(job);
    assert_ok(ragstore_store_close(store));
}

static void job_waiting__is_what_a_job_does_whose_model_is_not_loaded(void **state)
{
    char id[32];
    behaviour how = {0};
    ragstore_store *store = open_with_flags(state, &how, "rocks/1", RAGSTORE_OPEN_NO_BACKGROUND);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "first.txt", "All about marble.");
    ragstore_job *job = submit(entity, "rocks.txt", "All about granite.");
    snprintf(id, sizeof id, "%s", ragstore_job_id(job));
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));

    store = open_quietly(state);
    assert_ok(ragstore_store_maintain(store, 10000));
    assert_ok(ragstore_job_open(&job, store, id));
    json_t *described = describe_job(job);
    assert_text(described, "state", "waiting");
    assert_non_null(strstr(json_string_value(json_object_get(json_object_get(described, "error"),
                                                             "message")),
                           "rocks/1"));
    json_decref(described);
    ragstore_job_free(job);
    assert_ok(ragstore_store_close(store));

    store = open_with(state, &how, "rocks/1");
    assert_ok(ragstore_job_open(&job, store, id));
    assert_ok(ragstore_job_wait(job, LONG_MS));
    ragstore_job_free(job);
    assert_checks(store);
    assert_ok(ragstore_store_close(store));
}

static void reembed_waiting__keeps_keyword_search_and_goes_on(void **state)
{
    behaviour how = {.fails = RAGSTORE_E_BUSY};
    ragstore_job *job;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "All about granite.");
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    store = open_with(state, &how, "rocks/1");
    entity = open_entity(store, "acme");
    assert_ok(ragstore_entity_reembed(&job, entity));
    json_t *described = wait_for_retries(job, 1);
    assert_text(described, "state", "waiting");
    assert_text(json_object_get(described, "error"), "status", "EMBEDDER");
    json_decref(described);
    assert_int_equal(count_hits(entity, "granite"), 1);
    assert_model(entity, NULL, "keyword");
    set_fails(&how, 0);
    assert_ok(ragstore_job_wait(job, LONG_MS));
    assert_model(entity, "rocks/1", "hybrid");
    ragstore_job_free(job);
    set_fails(&how, RAGSTORE_E_EMBEDDER); /* not for now: it fails */
    job = submit(entity, "b.txt", "All about marble.");
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_job_wait(job, LONG_MS));
    assert_state(job, "failed");
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void model_callback__that_is_busy_is_told_by_the_errno(void **state)
{
    behaviour how = {.fails = RAGSTORE_E_BUSY};
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = make_entity(store, "acme");
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_document_add(NULL, entity, "granite", 7, NULL));
    assert_int_equal(ragstore_error_errno(), EAGAIN);
    set_fails(&how, RAGSTORE_E_EMBEDDER);
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_document_add(NULL, entity, "granite", 7, NULL));
    assert_int_equal(ragstore_error_errno(), 0);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(job_waiting__tells_what_for_and_goes_on),
        TEST(job_waiting__may_be_cancelled),
        TEST(job_waiting__ends_when_another_one_gets_by),
        TEST(job_waiting__outlives_its_process),
        TEST(job_waiting__is_what_a_job_does_whose_model_is_not_loaded),
        TEST(reembed_waiting__keeps_keyword_search_and_goes_on),
        TEST(model_callback__that_is_busy_is_told_by_the_errno),
    };
    return cmocka_run_group_tests_name("job_waiting", tests, NULL, NULL);
}
