/* Vectors for documents that came without a model, once a store is opened with one. */
#include "job_fixture.h"

#define QUIETLY RAGSTORE_OPEN_NO_BACKGROUND
#define MAINTAIN_MS 60000

/* An entity with two documents without vectors. */
static void add_keyword_only(ragstore_store *store, const char *id)
{
    ragstore_entity *entity = make_entity(store, id);
    add_text(entity, "a.txt", "All about granite.");
    add_text(entity, "b.txt", "All about marble.");
    ragstore_entity_free(entity);
}

static void make_keyword_only(void **state)
{
    ragstore_store *store = open_store(state);
    add_keyword_only(store, "acme");
    assert_ok(ragstore_store_close(store));
}

static size_t count_jobs(ragstore_store *store)
{
    json_t *list = list_jobs(store, NULL);
    const size_t count = (size_t)json_integer_value(json_object_get(list, "total"));
    json_decref(list);
    return count;
}

static void expect_model_of(ragstore_store *store, const char *id, const char *fingerprint,
                            const char *mode)
{
    ragstore_entity *entity = open_entity(store, id);
    assert_model(entity, fingerprint, mode);
    ragstore_entity_free(entity);
}

static void unasked__vectors_come_behind_the_call_while_searches_go_by_keyword(void **state)
{
    behaviour how = {.waits = true};
    make_keyword_only(state);
    ragstore_store *store = open_with_flags(state, &how, "rocks/1", 0);
    ragstore_entity *entity = open_entity(store, "acme");
    gate_wait(&how.gate);
    assert_int_equal(count_hits(entity, "granite"), 1);
    assert_model(entity, NULL, "keyword");
    ragstore_job *job = the_job(store);
    json_t *described = describe_job(job);
    assert_text(described, "kind", "reembed");
    assert_text(described, "entity_id", "acme");
    assert_text(described, "state", "running");
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

static void unasked__vectors_come_by_maintain_where_there_are_no_threads(void **state)
{
    behaviour how = {0};
    make_keyword_only(state);
    ragstore_store *store = open_with_flags(state, &how, "rocks/1", QUIETLY);
    assert_int_equal(count_jobs(store), 0);
    assert_ok(ragstore_store_maintain(store, MAINTAIN_MS));
    expect_model_of(store, "acme", "rocks/1", "hybrid");
    assert_int_equal(count_jobs(store), 1);
    assert_ok(ragstore_store_maintain(store, MAINTAIN_MS));
    assert_int_equal(count_jobs(store), 1);
    assert_ok(ragstore_store_close(store));
}

static void unasked__vectors_can_be_switched_off(void **state)
{
    behaviour how = {0};
    make_keyword_only(state);
    ragstore_store *store =
        open_with_flags(state, &how, "rocks/1", QUIETLY | RAGSTORE_OPEN_NO_REEMBED);
    assert_ok(ragstore_store_maintain(store, MAINTAIN_MS));
    assert_int_equal(count_jobs(store), 0);
    expect_model_of(store, "acme", NULL, "keyword");
    ragstore_store *second; /* a handle beside it that does want them */
    second = open_with_flags(state, &how, "rocks/1", QUIETLY);
    assert_ok(ragstore_store_maintain(second, MAINTAIN_MS));
    expect_model_of(store, "acme", "rocks/1", "hybrid");
    assert_ok(ragstore_store_close(second));
    assert_ok(ragstore_store_close(store));
}

static void unasked__vectors_come_to_all_entities_that_lack_them_and_no_others(void **state)
{
    enum { ENTITIES = 40 };
    static const float own[] = {1, 0};
    behaviour how = {0};
    char id[32];
    ragstore_store *store = open_with_flags(state, &how, "rocks/2", QUIETLY);
    add_keyword_only(store, "other"); /* of another model */
    ragstore_entity *entity = make_entity(store, "own");
    assert_ok(ragstore_document_add_chunks(NULL, entity, "[{\"text\":\"mine\"}]", own, 2, NULL));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    store = open_store(state);
    ragstore_entity_free(make_entity(store, "empty"));
    for (int i = 0; i < ENTITIES; i++) {
        snprintf(id, sizeof id, "entity %d", i);
        add_keyword_only(store, id);
    }
    assert_ok(ragstore_store_close(store));
    how.texts = 0;
    store = open_with_flags(state, &how, "rocks/1", QUIETLY);
    assert_ok(ragstore_store_maintain(store, MAINTAIN_MS));
    for (int i = 0; i < ENTITIES; i++) {
        snprintf(id, sizeof id, "entity %d", i);
        expect_model_of(store, id, "rocks/1", "hybrid");
    }
    expect_model_of(store, "other", "rocks/2", "keyword");
    expect_model_of(store, "own", "own/2", "keyword");
    expect_model_of(store, "empty", NULL, "hybrid");
    assert_int_equal(count_jobs(store), ENTITIES);
    assert_in_range(how.texts, 1, 2 * ENTITIES); /* equal texts are embedded once */
    assert_checks(store);
    assert_ok(ragstore_store_close(store));
}

static void
unasked__vectors_that_cannot_be_made_are_tried_once_and_at_the_next_opening(void **state)
{
    behaviour how = {.fails = 1};
    make_keyword_only(state);
    ragstore_store *store = open_with_flags(state, &how, "rocks/1", QUIETLY);
    for (int round = 0; round < 3; round++)
        assert_ok(ragstore_store_maintain(store, MAINTAIN_MS));
    ragstore_job *job = the_job(store);
    assert_state(job, "failed");
    ragstore_job_free(job);
    expect_model_of(store, "acme", NULL, "keyword");
    assert_ok(ragstore_store_close(store));
    how.fails = 0;
    store = open_with_flags(state, &how, "rocks/1", QUIETLY);
    assert_ok(ragstore_store_maintain(store, MAINTAIN_MS));
    expect_model_of(store, "acme", "rocks/1", "hybrid");
    assert_ok(ragstore_store_close(store));
}

static void unasked__vectors_that_are_cancelled_stay_away(void **state)
{
    behaviour how = {.waits = true};
    make_keyword_only(state);
    ragstore_store *store = open_with_flags(state, &how, "rocks/1", 0);
    gate_wait(&how.gate);
    ragstore_job *job = the_job(store);
    assert_ok(ragstore_job_cancel(job));
    gate_open(&how.gate);
    assert_fails(RAGSTORE_E_INTERRUPTED, ragstore_job_wait(job, LONG_MS));
    ragstore_job_free(job);
    assert_ok(ragstore_store_maintain(store, MAINTAIN_MS));
    assert_int_equal(count_jobs(store), 1);
    expect_model_of(store, "acme", NULL, "keyword");
    assert_ok(ragstore_store_close(store));
}

static int maintain_and_die(void *user)
{
    behaviour how = {.dies_after = 1};
    ragstore_store *store = open_with_flags(user, &how, "rocks/1", QUIETLY);
    return ragstore_store_maintain(store, MAINTAIN_MS) == RAGSTORE_OK ? 0 : 1;
}

static void unasked__vectors_are_gone_on_with_after_a_kill(void **state)
{
    behaviour how = {0};
    make_keyword_only(state);
    kill_child(maintain_and_die, state);
    ragstore_store *store = open_with_flags(state, &how, "rocks/1", QUIETLY);
    assert_ok(ragstore_store_maintain(store, MAINTAIN_MS));
    ragstore_job *job = the_job(store); /* the one that the dead process began */
    assert_state(job, "done");
    ragstore_job_free(job);
    expect_model_of(store, "acme", "rocks/1", "hybrid");
    assert_checks(store);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unasked__vectors_come_behind_the_call_while_searches_go_by_keyword),
        TEST(unasked__vectors_come_by_maintain_where_there_are_no_threads),
        TEST(unasked__vectors_can_be_switched_off),
        TEST(unasked__vectors_come_to_all_entities_that_lack_them_and_no_others),
        TEST(unasked__vectors_that_cannot_be_made_are_tried_once_and_at_the_next_opening),
        TEST(unasked__vectors_that_are_cancelled_stay_away),
        TEST(unasked__vectors_are_gone_on_with_after_a_kill),
    };
    return cmocka_run_group_tests_name("unasked", tests, NULL, NULL);
}
