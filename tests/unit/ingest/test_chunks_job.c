/* Chunks as jobs: what faults leave of them, and what is done about bytes that changed on the
 * disk. */
#include "document_fixture.h"

#include <glob.h>

static const char chunks[] = "[{\"text\":\"Wings lift.\"},{\"text\":\"Jets push.\"}]";
static const float vectors[] = {1, 0, 0, 1};

static int submit(char id[RSI_JOB_ID_MAX], open_store *s)
{
    static const rsi_document_fields plain = {.filename = "wings"};
    return rsi_chunks_submit(id, s->store, ACME, s->incarnation, chunks, vectors, 2, &plain);
}

static uint64_t count_documents(open_store *s)
{
    uint64_t documents;
    uint64_t count;
    assert_int_equal(rsi_entity_totals(&documents, &count, s->store, ACME), 0);
    assert_int_equal(count, 2 * documents);
    return documents;
}

/* The only file under uploads/ of the entity. */
static const char *the_file(void **state)
{
    static char path[TEMPORARY_PATH_MAX];
    glob_t found;
    assert_int_equal(
        glob(temporary_join(path, state, "uploads/" ACME "/.incoming-*"), 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    snprintf(path, sizeof path, "%s", found.gl_pathv[0]);
    globfree(&found);
    return path;
}

static void expect_damaged(open_store *s, void **state, const char *id)
{
    bool ended;
    assert_int_equal(open_store_work(s), 0);
    assert_int_equal(rsi_job_wait(&ended, s->store->jobs, id, 0), RAGSTORE_E_DAMAGED);
    assert_true(ended);
    expect_message("again");
    assert_int_equal(count_uploads(state), 0);
    assert_int_equal(count_documents(s), 0);
}

static void ingest_chunks_job__notices_bytes_that_changed(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    for (int change = 0; change < 3; change++) {
        char id[RSI_JOB_ID_MAX];
        size_t size;
        assert_int_equal(submit(id, &s), 0);
        char *bytes = temporary_read(the_file(state), &size);
        assert_int_equal(size, sizeof vectors + sizeof chunks - 1);
        if (change == 0)
            bytes[3] ^= 1; /* a vector */
        else
            bytes[size - 4] ^= 1; /* the JSON */
        temporary_write(the_file(state), bytes, change == 2 ? sizeof vectors : size);
        free(bytes);
        expect_damaged(&s, state, id);
    }
    open_store_end(&s);
}

static void ingest_chunks_job__without_its_file_fails(void **state)
{
    char id[RSI_JOB_ID_MAX];
    open_store s;
    open_store_begin(&s, state, NULL);
    assert_int_equal(submit(id, &s), 0);
    temporary_remove_all(the_file(state));
    expect_damaged(&s, state, id);
    open_store_end(&s);
}

/* ---- faults ---- */

static int submit_and_work(void *user)
{
    open_store *s = user;
    char id[RSI_JOB_ID_MAX] = "";
    int status = submit(id, s);
    const bool submitted = status == RAGSTORE_OK;
    const uint64_t before = count_documents(s);
    if (submitted)
        status = open_store_work(s);
    const bool failed = fault_memory_failed();
    fault_memory_disarm();
    if (submitted) {
        const rsi_job_state is = open_store_job_state(s, id);
        assert_true(is == RSI_JOB_DONE || failed);
        assert_true(is == RSI_JOB_DONE ? count_documents(s) == 1 : count_documents(s) == before);
        if (is != RSI_JOB_DONE)
            assert_int_equal(rsi_job_cancel(s->store->jobs, id), 0);
    }
    return status;
}

static void ingest_chunks_job__survives_each_failing_allocation(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    assert_true(each_allocation_fails(submit_and_work, &s, EACH_MAY_KEEP | EACH_MAY_SUCCEED) > 60);
    open_store_again(&s);
    assert_int_equal(count_documents(&s), 1);
    assert_int_equal(count_uploads(state), 0);
    open_store_end(&s);
}

static void ingest_chunks_job__is_whole_or_absent_after_each_failing_file_call(void **state)
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
        const bool struck = fault_files_struck(&s.faults);
        fault_files_disarm(&s.faults);
        assert_true(status == RAGSTORE_OK || struck);
        (void)rsi_store_close(s.store); /* may say again what failed */
        rsi_store_free(s.store);
        assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
        assert_int_equal(open_store_work(&s), 0);
        const rsi_job_state is = submitted ? open_store_job_state(&s, id) : RSI_JOB_CANCELLED;
        assert_true(rsi_job_has_ended(is));
        if (submitted)
            assert_int_equal(count_documents(&s), is == RSI_JOB_DONE);
        if (count_uploads(state) != 0)
            fail_msg("file call %d failed: a file is left", (int)n);
        open_store_close(&s);
        if (!struck)
            break;
    }
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(ingest_chunks_job__notices_bytes_that_changed),
        FRESH(ingest_chunks_job__without_its_file_fails),
        FRESH(ingest_chunks_job__survives_each_failing_allocation),
        FRESH(ingest_chunks_job__is_whole_or_absent_after_each_failing_file_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
