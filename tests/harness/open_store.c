/* A store for tests: see open_store.h. */
#include "harness/open_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"
#include "entities/entity.h"
#include "harness/fault_memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FAULTS_MAX 100000u

int open_store_open(open_store *s, uint32_t flags)
{
    rsi_store_options options = {.storage = {.flags = flags,
                                             .durability = RAGSTORE_DURABILITY_FULL,
                                             .files = &s->faults.table},
                                 .memory_limit_bytes = UINT64_C(1) << 30,
                                 .embedder = s->embedder,
                                 .run_job = rsi_ingest_run_job};
    return rsi_store_open(&s->store, s->path, &options);
}

void open_store_close(open_store *s)
{
    assert_int_equal(rsi_store_close(s->store), RAGSTORE_OK);
    rsi_store_free(s->store);
    s->store = NULL;
}

void open_store_begin(open_store *s, void **state, rsi_embedder *embedder)
{
    const rsi_entity_fields fields = {.name = "Acme Corp"};
    memset(s, 0, sizeof *s);
    fault_memory_install();
    fault_files_init(&s->faults, NULL);
    s->embedder = embedder;
    s->path = temporary_path(state);
    assert_int_equal(open_store_open(s, 0), RAGSTORE_OK);
    assert_int_equal(rsi_entity_create(s->incarnation, s->store, ACME, &fields), RAGSTORE_OK);
}

void open_store_again(open_store *s)
{
    open_store_close(s);
    if (open_store_open(s, RAGSTORE_OPEN_MUST_EXIST) != RAGSTORE_OK)
        fail_msg("open again: %s", rsi_error_message());
}

void open_store_keep(open_store *s)
{
    int length = snprintf(s->kept, sizeof s->kept, "%s-kept", s->path);
    assert_in_range(length, 1, (int)sizeof s->kept - 1);
    temporary_copy_all(s->path, s->kept);
}

void open_store_put_back(open_store *s)
{
    assert_null(s->store);
    temporary_copy_all(s->kept, s->path);
}

void open_store_end(open_store *s)
{
    if (s->kept[0] != '\0')
        temporary_remove_all(s->kept);
    fault_memory_disarm();
    fault_files_disarm(&s->faults);
    if (s->store != NULL)
        open_store_close(s);
    assert_int_equal(fault_memory_alive(), 0);
    assert_int_equal(atomic_load(&s->faults.open_handles), 0);
    assert_int_equal(atomic_load(&s->faults.views), 0);
    fault_memory_restore();
}

rsi_added open_store_add_text(open_store *s, const char *filename, const char *text,
                              const char *metadata_json)
{
    const rsi_document_fields fields = {.filename = filename, .metadata_json = metadata_json};
    rsi_upload *upload;
    rsi_added added = {.doc_id = ""};
    if (rsi_upload_begin(&upload, s->store, ACME, s->incarnation, &fields) != RAGSTORE_OK ||
        rsi_upload_write(upload, text, strlen(text)) != RAGSTORE_OK ||
        rsi_upload_commit(&added, upload) != RAGSTORE_OK)
        fail_msg("add %s: %s", filename, rsi_error_message());
    return added;
}

rsi_added open_store_add_chunks(open_store *s, const char *filename, const char *chunks_json,
                                const float *vectors, size_t dimension)
{
    const rsi_document_fields fields = {.filename = filename};
    rsi_added added;
    if (rsi_document_add_chunks(&added, s->store, ACME, s->incarnation, chunks_json, vectors,
                                dimension, &fields) != RAGSTORE_OK)
        fail_msg("add %s: %s", filename, rsi_error_message());
    return added;
}

void open_store_expect_totals(open_store *s, uint64_t documents, uint64_t chunks)
{
    uint64_t own_documents;
    uint64_t own_chunks;
    assert_int_equal(rsi_entity_totals(&own_documents, &own_chunks, s->store, ACME), RAGSTORE_OK);
    assert_int_equal(own_documents, documents);
    assert_int_equal(own_chunks, chunks);
}

int open_store_work(open_store *s)
{
    bool did = true;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && did)
        status = rsi_jobs_step(s->store->jobs, &did);
    return status;
}

rsi_job_state open_store_job_state(open_store *s, const char *job_id)
{
    rsi_job_record record;
    if (rsi_job_read(&record, s->store->storage, job_id) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    const rsi_job_state state = record.state;
    rsi_job_record_free(&record);
    return state;
}

unsigned each_allocation_fails(int (*call)(void *user), void *user, unsigned flags)
{
    for (unsigned n = 1; n < FAULTS_MAX; n++) {
        int64_t alive = fault_memory_alive();
        fault_memory_fail(n, false);
        int status = call(user);
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        if ((flags & EACH_MAY_KEEP) == 0 && fault_memory_alive() != alive)
            fail_msg("allocation %u: %d blocks are left", n, (int)(fault_memory_alive() - alive));
        if (!failed) {
            if (status < 0)
                fail_msg("nothing fails any more, but: %s", rsi_error_message());
            return n - 1;
        }
        if (status != RAGSTORE_E_NO_MEMORY && !((flags & EACH_MAY_SUCCEED) != 0 && status == 0))
            fail_msg("allocation %u: %s (%s)", n, rsi_status_name(status), rsi_error_message());
    }
    fail_msg("it never gets by");
    return 0;
}

unsigned each_file_call_fails(open_store *s, int (*call)(void *user), void *user, unsigned flags)
{
    for (unsigned n = 1; n < FAULTS_MAX; n++) {
        fault_files_fail(&s->faults, FAULT_ANY, n, EIO, false);
        int status = call(user);
        bool struck = fault_files_struck(&s->faults);
        fault_files_disarm(&s->faults);
        if (!struck) {
            if (status < 0)
                fail_msg("nothing fails any more, but: %s", rsi_error_message());
            return n - 1;
        }
        if (status >= 0 && (flags & EACH_MAY_SUCCEED) == 0)
            fail_msg("file call %u failed unnoticed", n);
    }
    fail_msg("it never gets by");
    return 0;
}

void expect_message(const char *part)
{
    if (strstr(rsi_error_message(), part) == NULL)
        fail_msg("\"%s\" is not in: %s", part, rsi_error_message());
}
