/* Reembedding: from no vectors, or those of another model, to those of the store's, in one
 * commit. */
#include "job_fixture.h"

/* The text of the best hit by vector alone. */
static void assert_nearest(ragstore_entity *entity, const char *query, const char *expected)
{
    ragstore_result *result;
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    options.mode = RAGSTORE_MODE_VECTOR;
    options.k = 1;
    assert_ok(ragstore_entity_search(&result, entity, query, &options));
    assert_int_equal(ragstore_result_count(result), 1);
    assert_string_equal(ragstore_result_content(result, 0), expected);
    ragstore_result_free(result);
}

static void reembed(ragstore_entity *entity, json_int_t chunks)
{
    ragstore_job *job;
    ragstore_buffer *buffer;
    assert_ok(ragstore_entity_reembed(&job, entity));
    assert_ok(ragstore_job_wait(job, LONG_MS));
    assert_ok(ragstore_job_describe(&buffer, job));
    json_t *described = take_json(buffer);
    assert_text(described, "kind", "reembed");
    assert_number(json_object_get(described, "result"), "chunks", chunks);
    json_decref(described);
    ragstore_job_free(job);
}

/* Two documents without vectors. */
static void make_keyword_only(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "All about granite.");
    add_text(entity, "b.txt", "All about marble.");
    assert_model(entity, NULL, "keyword");
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- the way ---- */

static void reembed__gives_vectors_to_an_entity_made_without_a_model(void **state)
{
    behaviour how = {0};
    make_keyword_only(state);
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = open_entity(store, "acme");
    assert_model(entity, NULL, "keyword");
    reembed(entity, 2);
    assert_model(entity, "rocks/1", "hybrid");
    assert_nearest(entity, "marble", "All about marble.");
    add_text(entity, "c.txt", "All about sand.");
    assert_nearest(entity, "sand", "All about sand.");
    assert_int_equal(how.texts, 3);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    store = open_with(state, &how, "rocks/1");
    entity = open_entity(store, "acme");
    assert_nearest(entity, "granite", "All about granite.");
    assert_checks(store);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void reembed__changes_to_another_model_of_any_dimension(void **state)
{
    behaviour how = {0};
    ragstore_model *hashing;
    assert_ok(ragstore_model_open_hashing(&hashing, 0));
    make_keyword_only(state);
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = open_entity(store, "acme");
    reembed(entity, 2);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));

    store = open_with(state, &how, "rocks/2"); /* of the same dimension */
    entity = open_entity(store, "acme");
    how.texts = 0;
    reembed(entity, 2);
    assert_int_equal(how.texts, 2); /* rows of the other model are not taken for these */
    assert_model(entity, "rocks/2", "hybrid");
    assert_nearest(entity, "granite", "All about granite.");
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));

    store = open_store_with(state, 0, hashing);
    entity = open_entity(store, "acme");
    reembed(entity, 2);
    assert_model(entity, "hashing/256/1", "hybrid");
    assert_nearest(entity, "all about MARBLE", "All about marble.");
    assert_checks(store);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    ragstore_model_free(hashing);
}

static void reembed__lets_others_search_add_and_delete_meanwhile(void **state)
{
    behaviour how = {.waits = true};
    ragstore_job *job;
    make_keyword_only(state);
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = open_entity(store, "acme");
    assert_ok(ragstore_entity_reembed(&job, entity));
    gate_wait(&how.gate);
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_document *gone = add_document(entity, "c.txt", "All about granite and sand.");
    add_text(entity, "d.txt", "What came meanwhile.");
    assert_ok(ragstore_document_delete(entity, ragstore_document_id(gone)));
    ragstore_document_free(gone);
    assert_model(entity, NULL, "keyword");
    gate_open(&how.gate);
    assert_ok(ragstore_job_wait(job, LONG_MS));
    assert_model(entity, "rocks/1", "hybrid");
    assert_nearest(entity, "meanwhile", "What came meanwhile.");
    assert_nearest(entity, "granite", "All about granite.");
    assert_checks(store);
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- an entity goes, or another one comes in its place ---- */

#define MANY 300 /* chunks: more than are embedded at once */

/* Chunks with the texts "Number 0.", "Number 1." … */
static void add_many(ragstore_entity *entity, const float *vectors)
{
    json_t *chunks = json_array();
    for (int i = 0; i < MANY; i++) {
        char text[32];
        snprintf(text, sizeof text, "Number %d.", i);
        json_array_append_new(chunks, json_pack("{s:s}", "text", text));
    }
    char *json = json_dumps(chunks, 0);
    assert_ok(ragstore_document_add_chunks(NULL, entity, json, vectors,
                                           vectors == NULL ? 0 : DIMENSION, NULL));
    free(json);
    json_decref(chunks);
}

static void make_many_keyword_only(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_many(entity, NULL);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* The rows of the job are in a file already, and another entity of the same id has a file of that
 * name. */
static void reembed__writes_nothing_into_an_entity_that_came_instead(void **state)
{
    static float vectors[MANY * DIMENSION];
    behaviour how = {.waits = true, .waits_after = 256};
    make_many_keyword_only(state);
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = open_entity(store, "acme");
    assert_ok(ragstore_entity_reembed(NULL, entity));
    gate_wait(&how.gate);
    assert_ok(ragstore_entity_delete(NULL, store, "acme"));
    ragstore_entity *next = make_entity(store, "acme");
    for (size_t i = 0; i < MANY; i++)
        vectors[i * DIMENSION + i % DIMENSION] = 1;
    add_many(next, vectors);
    gate_open(&how.gate);
    ragstore_entity_free(entity);
    ragstore_entity_free(next);
    assert_ok(ragstore_store_close(store)); /* the job has left */
    how.waits = false;
    store = open_with(state, &how, "rocks/1");
    next = open_entity(store, "acme");
    assert_checks(store);
    ragstore_entity_free(next);
    assert_ok(ragstore_store_close(store));
}

static void reembed__leaves_nothing_of_an_entity_that_goes(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    behaviour how = {.waits = true};
    make_keyword_only(state);
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = open_entity(store, "acme");
    assert_ok(ragstore_entity_reembed(NULL, entity));
    gate_wait(&how.gate);
    assert_ok(ragstore_entity_delete(NULL, store, "acme"));
    gate_open(&how.gate);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    assert_false(
        temporary_exists(temporary_join(path, state, "store/entity_scoped/entities/acme")));
}

/* ---- killed ---- */

static int reembed_and_die(void *user)
{
    void **state = user;
    char path[TEMPORARY_PATH_MAX];
    behaviour how = {.dies_after = 300, .counts_in = temporary_join(path, state, "count")};
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = open_entity(store, "acme");
    ragstore_job *job;
    int status = ragstore_entity_reembed(&job, entity);
    if (status == RAGSTORE_OK)
        status = ragstore_job_wait(job, LONG_MS);
    return status == RAGSTORE_OK ? 0 : 1;
}

static void reembed__that_is_killed_goes_on_where_it_was(void **state)
{
    enum { CHUNKS = 700 };
    char path[TEMPORARY_PATH_MAX];
    int kills = 0;
    int status = 0;
    json_t *chunks = json_array();
    for (int i = 0; i < CHUNKS; i++) {
        char text[32];
        snprintf(text, sizeof text, "Number %d.", i);
        json_array_append_new(chunks, json_pack("{s:s}", "text", text));
    }
    char *json = json_dumps(chunks, 0);
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(ragstore_document_add_chunks(NULL, entity, json, NULL, 0, NULL));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    free(json);
    json_decref(chunks);
#ifdef __SANITIZE_ADDRESS__
    skip();
#endif
    for (; kills < 10; kills++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(reembed_and_die(state));
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status))
            break;
        store = open_store(state); /* answers, whatever was cut short */
        entity = open_entity(store, "acme");
        assert_model(entity, NULL, "keyword");
        assert_int_equal(count_hits(entity, "number 333"), 5);
        assert_checks(store);
        ragstore_entity_free(entity);
        assert_ok(ragstore_store_close(store));
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(kills, 2);
    size_t embedded;
    free(temporary_read(temporary_join(path, state, "count"), &embedded));
    assert_in_range(embedded, CHUNKS, CHUNKS + 2 * 48); /* what was not on the disk yet */
    behaviour how = {0};
    store = open_with(state, &how, "rocks/1");
    entity = open_entity(store, "acme");
    assert_model(entity, "rocks/1", "hybrid");
    assert_checks(store);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- ending otherwise ---- */

static void reembed__that_fails_or_is_cancelled_leaves_keyword_search(void **state)
{
    behaviour how = {.fails = 1};
    ragstore_job *job;
    make_keyword_only(state);
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = open_entity(store, "acme");
    assert_ok(ragstore_entity_reembed(&job, entity));
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_job_wait(job, LONG_MS));
    assert_message_has("out of quota");
    ragstore_job_free(job);
    assert_int_equal(count_hits(entity, "granite"), 1);
    how.fails = 0;
    how.waits = true;
    assert_ok(ragstore_entity_reembed(&job, entity));
    gate_wait(&how.gate);
    assert_ok(ragstore_job_cancel(job));
    gate_open(&how.gate);
    assert_fails(RAGSTORE_E_INTERRUPTED, ragstore_job_wait(job, LONG_MS));
    ragstore_job_free(job);
    assert_model(entity, NULL, "keyword");
    reembed(entity, 2); /* another try */
    assert_nearest(entity, "granite", "All about granite.");
    assert_checks(store);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void reembed__of_an_entity_that_goes_is_cancelled(void **state)
{
    behaviour how = {.waits = true};
    ragstore_job *job;
    make_keyword_only(state);
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = open_entity(store, "acme");
    assert_ok(ragstore_entity_reembed(&job, entity));
    gate_wait(&how.gate);
    assert_ok(ragstore_entity_delete(NULL, store, "acme"));
    gate_open(&how.gate);
    assert_fails(RAGSTORE_E_INTERRUPTED, ragstore_job_wait(job, LONG_MS));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_entity_reembed(NULL, entity));
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void reembed__refuses_what_no_model_can_do(void **state)
{
    static const float vector[] = {1, 0};
    behaviour how = {0};
    ragstore_job *job = (ragstore_job *)&how;
    make_keyword_only(state);
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = open_entity(store, "acme");
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_entity_reembed(&job, entity));
    assert_null(job);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_entity_reembed(&job, NULL));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    assert_ok(ragstore_store_close(open_store(state)));

    store = open_with(state, &how, "rocks/1");
    entity = make_entity(store, "own");
    assert_ok(ragstore_document_add_chunks(NULL, entity, "[{\"text\":\"mine\"}]", vector, 2, NULL));
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_entity_reembed(NULL, entity));
    assert_message_has("caller's own");
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    store = open_store_with(state, RAGSTORE_OPEN_READ_ONLY, NULL);
    entity = open_entity(store, "acme");
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_entity_reembed(NULL, entity));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void reembed__is_done_once(void **state)
{
    behaviour how = {.waits = true};
    ragstore_job *first;
    ragstore_job *second;
    make_keyword_only(state);
    ragstore_store *store = open_with(state, &how, "rocks/1");
    ragstore_entity *entity = open_entity(store, "acme");
    ragstore_entity *empty = make_entity(store, "empty");
    assert_ok(ragstore_entity_reembed(&first, entity));
    assert_ok(ragstore_entity_reembed(&second, entity));
    assert_string_equal(ragstore_job_id(first), ragstore_job_id(second));
    gate_open(&how.gate);
    assert_ok(ragstore_job_wait(first, LONG_MS));
    how.texts = 0;
    reembed(entity, 0); /* nothing to do */
    reembed(empty, 0);
    assert_int_equal(how.texts, 0);
    assert_model(entity, "rocks/1", "hybrid");
    ragstore_job_free(first);
    ragstore_job_free(second);
    ragstore_entity_free(entity);
    ragstore_entity_free(empty);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reembed__gives_vectors_to_an_entity_made_without_a_model),
        TEST(reembed__changes_to_another_model_of_any_dimension),
        TEST(reembed__lets_others_search_add_and_delete_meanwhile),
        TEST(reembed__writes_nothing_into_an_entity_that_came_instead),
        TEST(reembed__leaves_nothing_of_an_entity_that_goes),
        TEST(reembed__that_is_killed_goes_on_where_it_was),
        TEST(reembed__that_fails_or_is_cancelled_leaves_keyword_search),
        TEST(reembed__of_an_entity_that_goes_is_cancelled),
        TEST(reembed__refuses_what_no_model_can_do),
        TEST(reembed__is_done_once),
    };
    return cmocka_run_group_tests_name("reembed", tests, NULL, NULL);
}
