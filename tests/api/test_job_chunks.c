/* Jobs of the caller's own chunks and vectors: durable when they are taken, whole or absent
 * afterwards. */
#include "job_fixture.h"

static const char two[] =
    "[{\"text\":\"All about granite.\",\"page\":3},{\"text\":\"All about marble.\"}]";
static const float two_vectors[] = {1, 0, 0, 1};

static ragstore_job *submit_chunks(ragstore_entity *entity, const char *json, const float *vectors,
                                   size_t dimension, const char *key)
{
    ragstore_job *job;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.filename = "rocks";
    options.key = key;
    assert_ok(
        ragstore_document_submit_chunks(&job, entity, json, vectors, dimension, &options));
    return job;
}

/* Which chunk is nearest to a vector of two numbers? */
static void assert_nearest(ragstore_entity *entity, float x, float y, const char *expected)
{
    ragstore_result *result;
    const float vector[] = {x, y};
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    options.mode = RAGSTORE_MODE_VECTOR;
    options.vector = vector;
    options.dimension = 2;
    assert_ok(ragstore_entity_search(&result, entity, "", &options));
    assert_string_equal(ragstore_result_content(result, 0), expected);
    ragstore_result_free(result);
}

static void assert_documents(ragstore_entity *entity, json_int_t documents)
{
    json_t *description = describe_entity(entity);
    assert_number(description, "total_documents", documents);
    json_decref(description);
}

/* ---- the way ---- */

static void job_chunks__become_a_document_behind_the_call(void **state)
{
    ragstore_store *store = open_quietly(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit_chunks(entity, two, two_vectors, 2, NULL);
    assert_state(job, "waiting");
    assert_int_equal(count_files(state), 1);
    assert_int_equal(count_hits(entity, "granite"), 0);
    assert_ok(ragstore_store_maintain(store, 10000));
    assert_ok(ragstore_job_wait(job, 0));
    json_t *described = describe_job(job);
    const json_t *result = json_object_get(described, "result");
    assert_text(described, "kind", "chunks");
    assert_text(described, "filename", "rocks");
    assert_null(json_object_get(described, "request"));
    assert_number(result, "chunks_count", 2);
    assert_null_member(result, "file_path");
    json_decref(described);
    assert_int_equal(count_files(state), 0);
    assert_nearest(entity, 0, 1, "All about marble.");
    assert_checks(store);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void job_chunks__are_the_same_as_those_of_the_call(void **state)
{
    static const char in_json[] =
        "[{\"text\":\"Sand.\",\"vector\":[1,1]},{\"text\":\"Mud.\",\"vector\":[-1,1]}]";
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document *document;
    assert_ok(ragstore_document_add_chunks(&document, entity, two, two_vectors, 2, NULL));
    ragstore_job *job = submit_chunks(entity, two, two_vectors, 2, NULL);
    assert_ok(ragstore_job_wait(job, LONG_MS));
    json_t *described = describe_job(job);
    assert_member(json_object_get(described, "result"), "is_duplicate", "true");
    assert_text(json_object_get(described, "result"), "doc_id", ragstore_document_id(document));
    json_decref(described);
    ragstore_job_free(job);
    job = submit_chunks(entity, in_json, NULL, 0, "k");
    assert_ok(ragstore_job_wait(job, LONG_MS));
    assert_nearest(entity, -1, 1, "Mud.");
    ragstore_job_free(job);
    job = submit_chunks(entity, two, two_vectors, 2, "k"); /* replaces */
    assert_ok(ragstore_job_wait(job, LONG_MS));
    assert_int_equal(count_hits(entity, "mud"), 0);
    assert_documents(entity, 2);
    assert_int_equal(count_files(state), 0);
    assert_checks(store);
    ragstore_job_free(job);
    ragstore_document_free(document);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void job_chunks__get_vectors_of_the_model_where_they_have_none(void **state)
{
    behaviour how = {.waits = true};
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit_chunks(entity, two, NULL, 0, NULL);
    gate_wait(&how.gate);
    json_t *described = describe_job(job);
    assert_text(described, "state", "running");
    assert_text(described, "stage", "embed");
    assert_number(described, "total", 2);
    json_decref(described);
    gate_open(&how.gate);
    assert_ok(ragstore_job_wait(job, LONG_MS));
    assert_model(entity, "rocks/1", "hybrid");
    assert_int_equal(how.texts, 2);
    assert_checks(store);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- refused ---- */

static void job_chunks__that_make_no_sense_are_refused_at_once(void **state)
{
    static const struct {
        const char *json;
        size_t dimension;
        int code;
    } bad[] = {
        {"", 0, RAGSTORE_E_INVALID_DATA},
        {"{}", 0, RAGSTORE_E_INVALID_DATA},
        {"[]", 0, RAGSTORE_E_INVALID_DATA},
        {"[{\"text\":\"\"}]", 0, RAGSTORE_E_INVALID_DATA},
        {"[{\"text\":\"x\",\"vector\":[1,2,3]}]", 0, RAGSTORE_E_INVALID_DATA},
        {"[{\"text\":\"x\"}]", 3, RAGSTORE_E_INVALID_DATA},
        {"[{\"text\":\"x\"}]", 70000, RAGSTORE_E_TOO_LARGE},
        {"[{\"text\":\"x\"}]", 0, RAGSTORE_E_EMBEDDER}, /* no model can make its vector */
    };
    static const float vector[] = {1, 2, 3};
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    assert_ok(ragstore_document_add_chunks(NULL, entity, two, two_vectors, 2, NULL));
    for (size_t i = 0; i < COUNT(bad); i++) {
        job = (ragstore_job *)&options;
        assert_fails(bad[i].code,
                     ragstore_document_submit_chunks(&job, entity, bad[i].json,
                                                     bad[i].dimension == 0 ? NULL : vector,
                                                     bad[i].dimension, NULL));
        assert_null(job);
    }
    options.metadata_json = "[]";
    assert_fails(RAGSTORE_E_INVALID_DATA, ragstore_document_submit_chunks(
                                              NULL, entity, two, two_vectors, 2, &options));
    json_t *list = list_jobs(store, NULL);
    assert_number(list, "total", 0);
    json_decref(list);
    assert_int_equal(count_files(state), 0);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void job_chunks_submit__refuses_what_is_not_its_own(void **state)
{
    const int bad = RAGSTORE_E_INVALID_ARGUMENT;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_fails(bad, ragstore_document_submit_chunks(NULL, NULL, two, NULL, 0, NULL));
    assert_fails(
        bad, ragstore_document_submit_chunks(NULL, (ragstore_entity *)store, two, NULL, 0, NULL));
    assert_fails(bad, ragstore_document_submit_chunks(NULL, entity, NULL, NULL, 0, NULL));
    assert_fails(bad, ragstore_document_submit_chunks(NULL, entity, two, two_vectors, 0, NULL));
    assert_fails(bad, ragstore_document_submit_chunks(NULL, entity, two, NULL, 2, NULL));
    assert_ok(ragstore_entity_delete(NULL, store, "acme"));
    assert_fails(RAGSTORE_E_NOT_FOUND,
                 ragstore_document_submit_chunks(NULL, entity, two, NULL, 0, NULL));
    ragstore_entity_free(entity);
    assert_ok(ragstore_entity_create(&entity, store, "acme", NULL));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    store = open_store_with(state, RAGSTORE_OPEN_READ_ONLY, NULL);
    entity = open_entity(store, "acme");
    assert_fails(RAGSTORE_E_READ_ONLY,
                 ragstore_document_submit_chunks(NULL, entity, two, NULL, 0, NULL));
    assert_ok(ragstore_store_close(store));
    assert_fails(RAGSTORE_E_CLOSED,
                 ragstore_document_submit_chunks(NULL, entity, two, NULL, 0, NULL));
    ragstore_entity_free(entity);
}

/* ---- cancelled, killed, altered ---- */

static void job_chunks__that_are_cancelled_leave_nothing(void **state)
{
    behaviour how = {.waits = true};
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job *job = submit_chunks(entity, two, NULL, 0, NULL);
    gate_wait(&how.gate);
    assert_ok(ragstore_job_cancel(job));
    gate_open(&how.gate);
    assert_fails(RAGSTORE_E_INTERRUPTED, ragstore_job_wait(job, LONG_MS));
    assert_int_equal(count_files(state), 0);
    assert_int_equal(count_hits(entity, "granite"), 0);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static int submit_and_die(void *user)
{
    ragstore_store *store = open_quietly(user);
    ragstore_entity *entity = make_entity(store, "acme");
    submit_chunks(entity, two, two_vectors, 2, NULL);
    raise(SIGKILL);
    return 0;
}

static void job_chunks__survive_the_death_of_their_process(void **state)
{
    kill_child(submit_and_die, state);
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = open_entity(store, "acme");
    ragstore_job *job = the_job(store);
    assert_ok(ragstore_job_wait(job, LONG_MS));
    assert_nearest(entity, 1, 0, "All about granite.");
    assert_documents(entity, 1);
    assert_int_equal(count_files(state), 0);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static int embed_and_die(void *user)
{
    behaviour how = {.dies_after = 2};
    ragstore_store *store = open_with_flags(user, &how, "rocks/1", RAGSTORE_OPEN_NO_BACKGROUND);
    return ragstore_store_maintain(store, 10000);
}

static void job_chunks__that_kill_their_process_each_time_fail_at_last(void **state)
{
    behaviour how = {0};
    ragstore_store *store = open_with_flags(state, &how, "rocks/1", RAGSTORE_OPEN_NO_BACKGROUND);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_job_free(submit_chunks(entity, two, NULL, 0, NULL));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    for (int i = 0; i < 10; i++)
        kill_child(embed_and_die, state);
    store = open_with_flags(state, &how, "rocks/1", RAGSTORE_OPEN_NO_BACKGROUND);
    assert_ok(ragstore_store_maintain(store, 10000));
    ragstore_job *job = the_job(store);
    assert_fails(RAGSTORE_E_INTERNAL, ragstore_job_wait(job, 0));
    assert_message_has("given up");
    assert_int_equal(count_files(state), 0);
    ragstore_job_free(job);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(job_chunks__become_a_document_behind_the_call),
        TEST(job_chunks__are_the_same_as_those_of_the_call),
        TEST(job_chunks__get_vectors_of_the_model_where_they_have_none),
        TEST(job_chunks__that_make_no_sense_are_refused_at_once),
        TEST(job_chunks_submit__refuses_what_is_not_its_own),
        TEST(job_chunks__that_are_cancelled_leave_nothing),
        TEST(job_chunks__survive_the_death_of_their_process),
        TEST(job_chunks__that_kill_their_process_each_time_fail_at_last),
    };
    return cmocka_run_group_tests_name("job_chunks", tests, NULL, NULL);
}
