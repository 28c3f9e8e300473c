/* Jobs: uploads that are worked on behind the call, listed, cancelled, waited for. */
#include "job_fixture.h"

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

/* The unkeyed job of each pair finds the keyed one's document, or is there before it; never does it
 * take its place. */
static void job__of_a_keyed_documents_bytes_leaves_the_key(void **state)
{
    enum { PAIRS = 24 };
    char text[64];
    char key[32];
    ragstore_job *jobs[2 * PAIRS];
    ragstore_batch *batch;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(ragstore_batch_begin(&batch, store));
    for (int i = 0; i < PAIRS; i++) {
        const int size = snprintf(text, sizeof text, "Quarry %d has granite.", i);
        snprintf(key, sizeof key, "quarry/%d", i);
        const int keyed = i % 2;
        jobs[2 * i + keyed] = submit_as(entity, "keyed.txt", key, text, (size_t)size);
        jobs[2 * i + 1 - keyed] = submit_as(entity, "other.txt", NULL, text, (size_t)size);
    }
    assert_ok(ragstore_batch_commit(batch));
    for (int i = 0; i < 2 * PAIRS; i++) {
        assert_ok(ragstore_job_wait(jobs[i], LONG_MS));
        ragstore_job_free(jobs[i]);
    }
    json_t *list = list_documents(entity, NULL);
    size_t keyed = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        keyed += json_is_string(json_object_get(json_array_get(list, i), "key"));
    assert_int_equal(keyed, PAIRS);
    json_decref(list);
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

/* Not only the record says so: whoever saw that can search for it at once. */
static void job__that_is_done_can_be_found(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (int i = 0; i < 100; i++) {
        char text[32];
        char word[16];
        snprintf(word, sizeof word, "%c%cdolomite", 'a' + i / 10, 'a' + i % 10);
        snprintf(text, sizeof text, "About %s.", word);
        ragstore_job *job = submit(entity, "rocks.txt", text);
        assert_ok(ragstore_job_wait(job, LONG_MS));
        assert_int_equal(count_hits(entity, word), 1);
        ragstore_job_free(job);
    }
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
#ifndef __SANITIZE_ADDRESS__ /* as run_in_child() says */
    assert_int_equal(run_in_child(fork_calls, job), 0);
#endif
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
        TEST(job__of_a_keyed_documents_bytes_leaves_the_key),
        TEST(job__of_the_same_key_replaces_and_keeps_the_id),
        TEST(job__may_run_beside_others_and_synchronous_adds),
        TEST(job__that_is_done_can_be_found),
        TEST(job__that_fails_tells_why_and_leaves_no_file),
        TEST(upload_submit__of_nothing_fails_and_leaves_nothing),
        TEST(job_calls__refuse_what_is_not_theirs),
        TEST(job__of_a_store_opened_for_reading_can_be_seen_only),
        TEST(job_cancel__of_a_waiting_one_leaves_nothing),
        TEST(job_cancel__of_one_that_is_done_changes_nothing),
        TEST(entity_delete__cancels_its_jobs),
        TEST(job_list__is_newest_first_and_pages),
        TEST(job__in_a_batch_begins_with_its_commit),
    };
    return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
