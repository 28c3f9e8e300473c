/* Uploads as jobs: what faults leave of them, and that each ends as a document or as nothing. */
#include "document_fixture.h"

#include "base/clock.h"

static const char text[] = "Wings lift the aircraft.\n\nJets push it.\n";
static const rsi_document_fields plain = {.filename = "wings.txt"};

static int submit(char id[RSI_JOB_ID_MAX], open_store *s)
{
    rsi_upload *up;
    int status = rsi_upload_begin(&up, s->store, ACME, s->incarnation, &plain);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_upload_write(up, text, sizeof text - 1);
    if (status != RAGSTORE_OK) {
        rsi_upload_abort(up);
        return status;
    }
    return rsi_upload_submit(id, up);
}

static size_t count_documents(open_store *s)
{
    uint64_t documents;
    uint64_t chunks;
    assert_int_equal(rsi_entity_totals(&documents, &chunks, s->store, ACME), 0);
    assert_int_equal(chunks, documents);
    return documents;
}

static int visit_document(void *user, uint64_t number, const char *json, size_t size)
{
    rsi_json *value;
    (void)number;
    assert_int_equal(rsi_json_parse(&value, json, size, 32), 0);
    snprintf(user, RSI_DOC_ID_MAX, "%s", rsi_json_get_text(value, "doc_id"));
    rsi_json_free(value);
    return RAGSTORE_OK;
}

static void delete_document(open_store *s)
{
    char doc_id[RSI_DOC_ID_MAX] = "";
    assert_int_equal(
        rsi_storage_rows(s->store->storage, RSI_SPACE_ENTITIES, ACME, 0, 1, visit_document, doc_id),
        0);
    assert_int_equal(rsi_document_delete(s->store, ACME, s->incarnation, doc_id), 0);
}

static void ingest_upload_job__becomes_a_document_by_work(void **state)
{
    char id[RSI_JOB_ID_MAX];
    open_store s;
    open_store_begin(&s, state, NULL);
    assert_int_equal(submit(id, &s), 0);
    assert_int_equal(open_store_job_state(&s, id), RSI_JOB_WAITING);
    assert_int_equal(count_documents(&s), 0);
    open_store_again(&s); /* its file is no leftover */
    assert_int_equal(count_uploads(state), 1);
    assert_int_equal(open_store_work(&s), 0);
    assert_int_equal(open_store_job_state(&s, id), RSI_JOB_DONE);
    assert_int_equal(count_documents(&s), 1);
    assert_int_equal(count_uploads(state), 1);
    open_store_end(&s);
}

static int fail_to_offer(bool *did, rsi_store *store)
{
    (void)store;
    *did = false;
    return rsi_fail(RAGSTORE_E_IO, "test", "a bad sector");
}

/* The job ends and has added its document. Its threads end before the fault table is touched. */
static void expect_done(open_store *s, const char *id)
{
    bool ended = false;
    for (int i = 0; !ended && i < 100; i++)
        assert_int_equal(rsi_job_wait(&ended, s->store->jobs, id, 100), 0);
    assert_true(ended);
    assert_int_equal(count_documents(s), 1);
    open_store_close(s);
    open_store_end(s);
}

/* Something else in the store cannot be done, over and over. */
static void ingest_upload_job__is_worked_on_though_the_upkeep_fails(void **state)
{
    char id[RSI_JOB_ID_MAX];
    open_store s;
    open_store_begin(&s, state, NULL);
    rsi_upkeep_set_offerer(s.store, fail_to_offer);
    assert_int_equal(submit(id, &s), 0);
    assert_int_equal(rsi_upkeep_start(s.store), 0);
    expect_done(&s, id);
}

/* The upkeep, which would look for jobs now and then, does not run. */
static void ingest_upload_job__is_begun_by_its_submit(void **state)
{
    char id[RSI_JOB_ID_MAX];
    open_store s;
    open_store_begin(&s, state, NULL);
    rsi_jobs_use_threads(s.store->jobs);
    assert_int_equal(submit(id, &s), 0);
    expect_done(&s, id);
}

/* What a crash leaves: opening sweeps what nobody needs. */
static void ingest_upload_job__keeps_its_file_through_a_crash(void **state)
{
    static const char mark[] = "open for writing\n+";
    char id[RSI_JOB_ID_MAX];
    char path[TEMPORARY_PATH_MAX];
    open_store s;
    open_store_begin(&s, state, NULL);
    assert_int_equal(submit(id, &s), 0);
    open_store_close(&s);
    temporary_write(temporary_join(path, state, "LOCK"), mark, sizeof mark - 1);
    temporary_write(temporary_join(path, state, "uploads/" ACME "/.incoming-00ff"), "x", 1);
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
    assert_int_equal(count_uploads(state), 1);
    assert_int_equal(open_store_work(&s), 0);
    assert_int_equal(open_store_job_state(&s, id), RSI_JOB_DONE);
    assert_int_equal(count_documents(&s), 1);
    open_store_end(&s);
}

static void ingest_upload_job__that_is_cancelled_leaves_no_file(void **state)
{
    char id[RSI_JOB_ID_MAX];
    open_store s;
    open_store_begin(&s, state, NULL);
    assert_int_equal(submit(id, &s), 0);
    assert_int_equal(count_uploads(state), 1);
    assert_int_equal(rsi_job_cancel(s.store->jobs, id), 0);
    assert_int_equal(count_uploads(state), 0);
    open_store_end(&s);
}

static void ingest_upload_job__without_its_file_fails(void **state)
{
    char id[RSI_JOB_ID_MAX];
    char path[TEMPORARY_PATH_MAX];
    bool ended;
    open_store s;
    open_store_begin(&s, state, NULL);
    assert_int_equal(submit(id, &s), 0);
    temporary_remove_all(temporary_join(path, state, "uploads/" ACME));
    assert_int_equal(open_store_work(&s), 0);
    assert_int_equal(rsi_job_wait(&ended, s.store->jobs, id, 0), RAGSTORE_E_DAMAGED);
    assert_true(ended);
    expect_message("send it again");
    open_store_end(&s);
}

static void ingest_upload_job__of_an_unknown_kind_fails(void **state)
{
    static const rsi_new_job job = {
        .kind = "dance", .entity_id = ACME, .incarnation = "x", .request_json = "{}"};
    char id[RSI_JOB_ID_MAX];
    bool ended;
    rsi_tx *tx;
    open_store s;
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
    assert_int_equal(rsi_job_put_new(id, tx, &job), 0);
    assert_int_equal(rsi_tx_commit(tx), 0);
    assert_int_equal(open_store_work(&s), 0);
    assert_int_equal(rsi_job_wait(&ended, s.store->jobs, id, 0), RAGSTORE_E_VERSION);
    expect_message("dance");
    open_store_end(&s);
}

static void ingest_upload_job__waits_out_a_full_disk(void **state)
{
    char id[RSI_JOB_ID_MAX];
    open_store s;
    open_store_begin(&s, state, NULL);
    assert_int_equal(submit(id, &s), 0);
    fault_files_fail(&s.faults, FAULT_WRITE, 1, ENOSPC, true);
    assert_int_equal(open_store_work(&s), 0);
    fault_files_disarm(&s.faults);
    assert_in_range(open_store_job_state(&s, id), RSI_JOB_WAITING, RSI_JOB_RUNNING);
    for (int i = 0; i < 100 && open_store_job_state(&s, id) != RSI_JOB_DONE; i++) { /* it rests for a while */
        assert_int_equal(open_store_work(&s), 0);
        rsi_sleep_ms(50);
    }
    assert_int_equal(open_store_job_state(&s, id), RSI_JOB_DONE);
    assert_int_equal(count_documents(&s), 1);
    open_store_end(&s);
}

/* ---- other processes do something meanwhile ---- */

/* What another process does when this one closes, or is about to open, an upload of that name. */
static struct other_process {
    const char *before_open;
    const char *after_close;
    void (*act)(void);
    open_store *opener;
    rsi_embedder *embedder;
    rsi_file_table real;
    int handle; /* that is to be closed; -1: none */
} other;

static bool is_upload(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    return name != NULL && slash != NULL && strncmp(slash + 1, name, strlen(name)) == 0;
}

static int open_watched(void *self, int directory, const char *path, unsigned flags)
{
    const bool watched = other.act != NULL && flags == RSI_OPEN_READ;
    if (watched && is_upload(path, other.before_open)) {
        void (*act)(void) = other.act;
        other.act = NULL;
        act();
    }
    const int handle = other.real.open(self, directory, path, flags);
    if (watched && is_upload(path, other.after_close))
        other.handle = handle;
    return handle;
}

static int close_watched(void *self, int handle)
{
    const int result = other.real.close(self, handle);
    if (handle == other.handle && other.act != NULL) {
        other.handle = -1;
        other.act();
        other.act = NULL;
    }
    return result;
}

static void watch(open_store *s)
{
    other.opener = s;
    other.handle = -1;
    other.real = s->faults.table;
    s->faults.table.open = open_watched;
    s->faults.table.close = close_watched;
}

static void open_other(open_store *o)
{
    const rsi_store_options options = {.storage = {.durability = RAGSTORE_DURABILITY_FULL},
                                       .memory_limit_bytes = UINT64_C(1) << 30,
                                       .embedder = other.embedder,
                                       .run_job = rsi_ingest_run_job};
    *o = *other.opener;
    assert_int_equal(rsi_store_open(&o->store, o->path, &options), 0);
}

static void delete_elsewhere(void)
{
    open_store o;
    open_other(&o);
    delete_document(&o);
    open_store_close(&o);
}

static void add_elsewhere(void)
{
    open_store o;
    open_other(&o);
    open_store_add_text(&o, "jets.txt", "Jets push it.", NULL);
    open_store_close(&o);
}

static void ingest_upload_job__adds_a_duplicate_whose_document_goes_before_it_ends(void **state)
{
    char id[RSI_JOB_ID_MAX];
    open_store s;
    open_store_begin(&s, state, NULL);
    open_store_add_text(&s, plain.filename, text, NULL);
    assert_int_equal(submit(id, &s), 0);
    other = (struct other_process){.after_close = plain.filename, .act = delete_elsewhere};
    watch(&s); /* the file is read to see whether the document is whole */
    assert_int_equal(open_store_work(&s), 0);
    assert_null(other.act);
    assert_int_equal(open_store_job_state(&s, id), RSI_JOB_DONE);
    assert_int_equal(count_documents(&s), 1);
    assert_int_equal(count_uploads(state), 1);
    open_store_end(&s);
}

static void ingest_upload_job__waits_for_a_model_that_came_while_it_embedded(void **state)
{
    char id[RSI_JOB_ID_MAX];
    open_store s;
    rsi_embedder *own;
    rsi_embedder *others;
    open_store_begin(&s, state, NULL); /* the entity has no model yet */
    open_store_close(&s);
    assert_int_equal(rsi_embedder_open_hashing(&own, 16), 0);
    assert_int_equal(rsi_embedder_open_hashing(&others, 32), 0);
    s.embedder = own;
    assert_int_equal(open_store_open(&s, 0), 0);
    assert_int_equal(submit(id, &s), 0);
    other = (struct other_process){
        .before_open = RSI_INCOMING_PREFIX, .act = add_elsewhere, .embedder = others};
    watch(&s); /* the file is read after the model was chosen */
    assert_int_equal(open_store_work(&s), 0);
    assert_null(other.act);
    assert_int_equal(open_store_job_state(&s, id), RSI_JOB_WAITING);
    s.embedder = others;
    open_store_again(&s);
    assert_int_equal(open_store_work(&s), 0);
    assert_int_equal(open_store_job_state(&s, id), RSI_JOB_DONE);
    assert_int_equal(count_documents(&s), 2);
    open_store_close(&s);
    rsi_embedder_release(own);
    rsi_embedder_release(others);
    open_store_end(&s);
}

/* ---- faults ---- */

static int submit_and_work(void *user)
{
    open_store *s = user;
    char id[RSI_JOB_ID_MAX] = "";
    int status = submit(id, s);
    const bool submitted = status == RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = open_store_work(s);
    bool failed = fault_memory_failed();
    fault_memory_disarm();
    if (submitted) {
        const rsi_job_state is = open_store_job_state(s, id);
        assert_true(is == RSI_JOB_DONE || failed);
        assert_int_equal(count_documents(s), is == RSI_JOB_DONE);
        if (is == RSI_JOB_DONE)
            delete_document(s);
        else
            assert_int_equal(rsi_job_cancel(s->store->jobs, id), 0);
    }
    assert_int_equal(count_documents(s), 0);
    return status;
}

static void ingest_upload_job__survives_each_failing_allocation(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    assert_true(each_allocation_fails(submit_and_work, &s, EACH_MAY_KEEP | EACH_MAY_SUCCEED) > 60);
    open_store_again(&s);
    assert_int_equal(count_documents(&s), 0);
    assert_int_equal(count_uploads(state), 0);
    open_store_end(&s);
}

/* Whatever fails: what was submitted becomes a document or has failed for good, and files are those of
 * documents and of jobs with work to do. */
static void ingest_upload_job__is_whole_or_absent_after_each_failing_file_call(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    open_store_close(&s);
    open_store_keep(&s);
    for (int64_t n = 1;; n++) {
        char id[RSI_JOB_ID_MAX] = "";
        open_store_put_back(&s);
        assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
        fault_files_fail(&s.faults, FAULT_ANY, n, n % 2 == 0 ? EIO : ENOSPC, false);
        int status = submit(id, &s);
        const bool submitted = status == RAGSTORE_OK;
        if (submitted)
            status = open_store_work(&s);
        bool struck = fault_files_struck(&s.faults);
        fault_files_disarm(&s.faults);
        assert_true(status == RAGSTORE_OK || struck);
        (void)rsi_store_close(s.store); /* may say again what failed */
        rsi_store_free(s.store);
        assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
        assert_int_equal(open_store_work(&s), 0);
        rsi_job_state is = submitted ? open_store_job_state(&s, id) : RSI_JOB_CANCELLED;
        assert_true(rsi_job_has_ended(is));
        if (submitted)
            assert_int_equal(count_documents(&s), is == RSI_JOB_DONE);
        if (count_uploads(state) != count_documents(&s))
            fail_msg("file call %d failed: %d files for %d documents", (int)n,
                     (int)count_uploads(state), (int)count_documents(&s));
        open_store_close(&s);
        if (!struck)
            break;
    }
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(ingest_upload_job__becomes_a_document_by_work),
        FRESH(ingest_upload_job__is_worked_on_though_the_upkeep_fails),
        FRESH(ingest_upload_job__is_begun_by_its_submit),
        FRESH(ingest_upload_job__keeps_its_file_through_a_crash),
        FRESH(ingest_upload_job__that_is_cancelled_leaves_no_file),
        FRESH(ingest_upload_job__without_its_file_fails),
        FRESH(ingest_upload_job__of_an_unknown_kind_fails),
        FRESH(ingest_upload_job__waits_out_a_full_disk),
        FRESH(ingest_upload_job__adds_a_duplicate_whose_document_goes_before_it_ends),
        FRESH(ingest_upload_job__waits_for_a_model_that_came_while_it_embedded),
        FRESH(ingest_upload_job__survives_each_failing_allocation),
        FRESH(ingest_upload_job__is_whole_or_absent_after_each_failing_file_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
